"""The WhatsApp session on disk: the live profile, snapshots of it, and quarantined profiles.

    auth/profile             the live browser profile
    auth/snapshots/<time>    IndexedDB and Local Storage of it, and a manifest with hashes
    auth/quarantine/<time>   whole profiles that were logged out or would not open

A copy of a running profile is torn, so callers do all of this only while no process of the listener lives. They also
decide when to do it (`daemon.profile`, `auth` commands). A restore is a last resort: it takes WhatsApp's keys back in
time, so some messages may arrive twice or unreadable. It beats a scan in the middle of the night, and is tried once.

A new profile takes the place of the live one in three renames: the new one to `.profile.complete` once all of it is on
the disk, the live one to the quarantine, and the new one to its place. If the process dies before the last one, the
next start does it (`finish_adoption`), so that there is never an empty profile where a session was.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from leadmasterd import causes
from leadmasterd.errors import CannotUseSnapshot, CannotUseState
from leadmasterd.listener.programs import major
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import read_status, sync, write_private
from leadmasterd.text import _
from leadmasterd.times import stamp

log = logging.getLogger(__name__)

SESSION_FOLDERS: Final = ("Default/IndexedDB", "Default/Local Storage")
"""The whole session (the library's own RemoteAuth keeps just these two)."""
CACHE_FOLDERS: Final = (
    "Default/Cache",
    "Default/Code Cache",
    "Default/GPUCache",
    "Default/DawnGraphiteCache",
    "Default/DawnWebGPUCache",
    "Default/Service Worker/CacheStorage",
    "Default/Service Worker/ScriptCache",
    "Default/blob_storage",
    "Default/Session Storage",
    "GPUPersistentCache",
    "ShaderCache",
    "GrShaderCache",
    "component_crx_cache",
    "Crashpad",
)
"""What the browser creates again when it is missing. IndexedDB grows too, but it is the session, so it is not here."""
_USER_DATA: Final = "--user-data-dir="
_OUR_HOST: Final = "leadmasterd"
"""What a lock of ours has where Chromium writes the host's name."""
SINGLETONS: Final = ("SingletonLock", "SingletonSocket", "SingletonCookie")
"""Files by which Chromium makes sure that one browser at a time has a profile open."""
KEEP_SNAPSHOTS: Final = 3
KEEP_QUARANTINED: Final = 2
QUARANTINE_DAYS: Final = 30
_MANIFEST: Final = "manifest.json"
_LINKED: Final = "leadmasterd-linked"
"""A file in the profile: the account that it is linked to. Its time is that of the link."""
_ELSEWHERE: Final = "leadmasterd-linked-elsewhere"
"""A file in an imported profile: when it was linked on another computer (ISO)."""
_BROWSER: Final = "leadmasterd-browser"
"""A file in the profile: the version of the newest browser that has opened it. Chromium writes one too (`Last
Version`), but its headless shell does not."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot, as its manifest describes it. `Auth.verify` checks whether the files still match it."""

    name: str
    path: Path
    made_at: str
    account: str | None
    """Whose session it is, if that was known."""
    browser: str | None
    """The version of the browser that had used it, if that was known."""
    files: int
    """How many there are."""
    size: int
    """In bytes."""


class Auth:
    """The session (profile, snapshots, quarantine) in one state directory."""

    def __init__(self, places: Paths) -> None:
        self._profile = places.profile
        self._snapshots = places.profile.parent / "snapshots"
        self._quarantine = places.quarantine
        self._fresh = places.profile.with_name(".profile.new")
        """A new profile while it is made."""
        self._complete = places.profile.with_name(".profile.complete")
        """One that `adopt` is putting in the place of the live one."""

    # ------------------------------------------------------------------ snapshots

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, the newest first. A folder without a readable manifest, as of an interrupted copy, is none."""
        found = []
        for path in self._snapshots.glob("*/") if self._snapshots.is_dir() else ():
            with contextlib.suppress(OSError, ValueError):
                found.append(_snapshot(path, _read_manifest(path)))
        return sorted(found, key=lambda snapshot: snapshot.name, reverse=True)

    def take_snapshot(self, *, account: str | None, browser: str | None, now: datetime) -> Snapshot:
        """Copy the session of the live profile, completely or not at all, and delete old snapshots beyond the limit.

        `account`, `browser`: whose session it is, and the browser's version, for the manifest. Raises CannotUseSnapshot
        if there is no session, and OSError.
        """
        sources = [self._profile / folder for folder in SESSION_FOLDERS]
        if missing := [source for source in sources if not source.is_dir()]:
            raise CannotUseSnapshot(
                "no_session",
                _("cannot take a snapshot: the profile has no {folder}; scan first").format(folder=missing[0]),
            )
        name = stamp(now, after=max((each.name for each in self.snapshots()), default=""))
        unfinished = self._snapshots / f".{name}"
        self._snapshots.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_unfinished()
        try:
            _copy_session(self._profile, unfinished)
            manifest = {
                "v": 1,
                "made_at": now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "account": account,
                "browser": browser,
                "files": _manifest_files(unfinished),
            }
            write_private(unfinished / _MANIFEST, json.dumps(manifest, indent=1).encode())
            _sync_tree(unfinished)
            taken = _snapshot(self._snapshots / name, _read_manifest(unfinished))
            unfinished.rename(taken.path)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        try:
            sync(self._snapshots)
            others = [snapshot for snapshot in self.snapshots() if snapshot.name != name]
        except OSError as error:  # it is taken; the next one deletes what is too old
            log.warning("kept all snapshots: %s", error, extra={"action": "snapshots_kept"})
        else:
            for old in others[KEEP_SNAPSHOTS - 1 :]:
                shutil.rmtree(old.path, ignore_errors=True)
        return taken

    def verify(self, snapshot: Snapshot) -> None:
        """Compare every file with the manifest. Raises CannotUseSnapshot at the first that is missing or differs."""
        try:
            for relative, noted in _read_manifest(snapshot.path).files.items():
                path = snapshot.path / relative
                if path.stat().st_size != noted.size or _sha256(path) != noted.sha256:
                    raise CannotUseSnapshot(
                        "changed",
                        _("snapshot {name} is damaged: {file} is not what was copied").format(
                            name=snapshot.name, file=relative
                        ),
                    )
        except (OSError, ValueError) as error:
            why = causes.of_system(error) if isinstance(error, OSError) else _("its manifest is not ours")
            raise CannotUseSnapshot(
                "unreadable", _("snapshot {name} is damaged: {why}").format(name=snapshot.name, why=why)
            ) from error

    def newest_good(self, *, account: str | None) -> Snapshot | None:
        """The newest snapshot that verifies and is this account's, or an unknown one's; None if there is none.

        `account`: None accepts any. Damaged ones are logged.
        """
        for snapshot in self.snapshots():
            is_of_another = account is not None and snapshot.account not in (None, account)
            if is_of_another:
                continue
            try:
                self.verify(snapshot)
            except CannotUseSnapshot as error:
                log.warning("%s", error, extra={"action": "snapshot_damaged"})
            else:
                return snapshot
        return None

    def restore(self, snapshot: Snapshot, *, now: datetime, why: str) -> None:
        """Make a snapshot the live profile, and quarantine the one before. `why`: noted there as the reason.

        Raises CannotUseSnapshot if the snapshot is damaged, and as `adopt` does.
        """
        self.verify(snapshot)
        with self.unfinished() as fresh:
            _copy_session(snapshot.path, fresh)
            self.note_browser(snapshot.browser, profile=fresh)
            self.adopt(fresh, account=snapshot.account, now=now, why=why)

    @contextlib.contextmanager
    def unfinished(self) -> Iterator[Path]:
        """The path for a new profile, next to the live one. Nothing is there when the block begins and when it ends.

        `adopt` moves the folder that the block creates there; otherwise it is deleted. Raises OSError.
        """
        self._fresh.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(self._fresh, ignore_errors=True)
        try:
            yield self._fresh
        finally:
            shutil.rmtree(self._fresh, ignore_errors=True)

    def adopt(self, fresh: Path, *, account: str | None, now: datetime, why: str) -> Path | None:
        """Make the folder at the path from `unfinished` the live profile, and quarantine the one before.

        Returns where the one before is now; None if there was none. `account`: whose session it is, if that is known.
        Raises OSError, and the one before is then the live profile as it was. Raises CannotUseState if it could not be
        put back: then the next start finishes the move.
        """
        if account:
            write_private(fresh / _LINKED, f"{account}\n".encode())
        _sync_tree(fresh)
        shutil.rmtree(self._complete, ignore_errors=True)
        fresh.rename(self._complete)
        former = None
        try:
            former = self._set_aside(now=now, why=why)
            self._complete.rename(self._profile)
        except OSError as error:
            self._put_back(former, error)
            raise
        try:
            sync(self._profile.parent)
        except OSError as error:  # it is in place all the same
            log.warning("cannot sync %s: %s", self._profile.parent, error, extra={"action": "profile_unsynced"})
        if former:
            self._prune_after(former, now=now)
        return former

    def _put_back(self, former: Path | None, error: OSError) -> None:
        """Undo what `adopt` has done before this error. Raises CannotUseState if that fails."""
        if former:
            try:
                former.rename(self._profile)
            except OSError:
                raise CannotUseState(
                    _(
                        "cannot put the new session in its place: {why}; the next start of the daemon tries it again. "
                        "The session before is in {path}"
                    ).format(why=causes.of_system(error), path=former)
                ) from error
        shutil.rmtree(self._complete, ignore_errors=True)

    def finish_adoption(self) -> None:
        """Put the new profile in its place if the process ended just before `adopt` could do so. Raises OSError.

        Deletes what an earlier end of the process has left of a new profile.
        """
        if self._complete.exists() and not self._profile.exists():
            self._complete.rename(self._profile)
            log.warning("the new session is in its place now", extra={"action": "adopted"})
        for leftover in (self._complete, self._fresh):
            shutil.rmtree(leftover, ignore_errors=True)

    # ------------------------------------------------------------------ the live profile

    def quarantine(self, *, now: datetime, why: str) -> Path | None:
        """Move the live profile to the quarantine, as it may be the only copy of something, and prune the quarantine.

        Returns where it is now; None if there is no live profile. `why`: written next to it. Raises OSError, and the
        profile is then where it was.
        """
        target = self._set_aside(now=now, why=why)
        if target:
            self._prune_after(target, now=now)
        return target

    def _set_aside(self, *, now: datetime, why: str) -> Path | None:
        """`quarantine`, without the pruning."""
        if not self._profile.exists():
            return None
        self._quarantine.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._quarantine / stamp(now)
        self._profile.rename(target)
        with contextlib.suppress(OSError):
            write_private(target / "why.txt", why.encode("utf-8", "replace") + b"\n")
        return target

    def _prune_after(self, latest: Path, *, now: datetime) -> None:
        """Prune the quarantine after the move of this profile, which is done whatever becomes of the others."""
        try:
            self.prune_quarantine(now=now, latest=latest)
        except OSError as error:
            log.warning("cannot look through the quarantine: %s", error, extra={"action": "quarantine_kept"})

    def quarantined(self) -> list[Path]:
        """The quarantined profiles, the newest first."""
        if not self._quarantine.is_dir():
            return []
        return sorted((path for path in self._quarantine.iterdir() if path.is_dir()), reverse=True)

    def prune_quarantine(self, *, now: datetime, latest: Path | None = None) -> None:
        """Delete quarantined profiles except two, and all that are older than 30 days: they hold keys and messages.

        The newest stays, and of the others one that was linked, if there is one: a first sync that fails leaves one
        that was not. `latest`: the one that has just been quarantined. It counts as the newest, even if another has a
        later name from a clock that was wrong.
        """
        oldest = stamp(now - timedelta(days=QUARANTINE_DAYS))
        found = self.quarantined()
        newest = latest or next(iter(found), None)

        def order_to_keep(path: Path) -> tuple[bool, bool]:
            was_linked = (path / _LINKED).exists()
            return path != newest, not was_linked

        found.sort(key=order_to_keep)
        for position, path in enumerate(found):
            if position >= KEEP_QUARANTINED or path.name < oldest:
                shutil.rmtree(path, ignore_errors=True)

    def trim_caches(self) -> int:
        """Delete the browser's caches from the live profile. Returns the bytes freed."""
        freed = 0
        for folder in CACHE_FOLDERS:
            path = self._profile / folder
            if path.is_dir():
                freed += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
                shutil.rmtree(path, ignore_errors=True)
        return freed

    def linked_account(self) -> str | None:
        """The account that the live profile was last linked to; None if it never was, or if that can't be read."""
        return self._note(_LINKED)

    def linked_for(self, *, now: datetime) -> timedelta:
        """How long ago the live profile was linked, or restored; zero if it is not linked."""
        try:
            since = datetime.fromtimestamp((self._profile / _LINKED).stat().st_mtime, UTC)
        except OSError:
            return timedelta(0)
        return max(now - since, timedelta(0))

    def mark_linked(self, account: str, *, just_linked: bool = False) -> None:
        """Note in the live profile that it is linked to this account, so that a silent loss can be noticed.

        Does nothing if that is noted already, unless it was `just_linked`: then the time of the link changes. Raises
        OSError.
        """
        if just_linked or self.linked_account() != account:
            write_private(self._profile / _LINKED, f"{account}\n".encode())

    def note_link_elsewhere(self, profile: Path, at: str) -> None:
        """Note in an imported profile when it was linked (ISO) on another computer. Raises OSError."""
        write_private(profile / _ELSEWHERE, f"{at}\n".encode())

    def linked_elsewhere_at(self) -> str | None:
        """When the live profile was linked on another computer (ISO).

        None if it was linked here, and after `forget_link_elsewhere`.
        """
        return self._note(_ELSEWHERE)

    def forget_link_elsewhere(self) -> None:
        """Delete that note, once the database has the account with the time of its link."""
        (self._profile / _ELSEWHERE).unlink(missing_ok=True)

    def note_browser(self, version: str | None, *, profile: Path | None = None) -> None:
        """Note that a browser of this version opens the profile, unless a newer one has. Raises OSError.

        `version`: None does nothing. `profile`: None is the live one.
        """
        profile = profile or self._profile
        if (major(version) or 0) > (major(_newest_browser_of(profile)) or 0):
            write_private(profile / _BROWSER, f"{version}\n".encode())

    def used_by(self) -> str | None:
        """The version of the newest browser that has opened the live profile; None if unknown or not linked."""
        with contextlib.suppress(OSError):  # not ours to read
            if (self._profile / _LINKED).exists():
                return _newest_browser_of(self._profile)
        return None

    def browser_using_it(self) -> int | None:
        """The pid of a live browser on this host that has the live profile open; None if there is none.

        Browsers are found by their command lines: Chromium's lock says nothing about other browsers, and the headless
        shell makes none. Processes of users who may not open the profile do not count, because anybody can write
        anything on a command line.
        """
        profile = self._profile.resolve()
        users = {0, os.geteuid()}
        with contextlib.suppress(OSError):
            users.add(profile.stat().st_uid)
        parents: dict[int, int] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.uids().effective in users and _opened_profile(process) == profile:
                    parents[process.pid] = process.ppid()
        # A script that starts a browser has the same arguments; the browser is the one that is nobody's parent.
        return next((pid for pid in parents if pid not in parents.values()), None)

    def keep_chromium_out(self) -> None:
        """Create Chromium's lock for the headless shell, which makes none, so that Chromium leaves the profile alone.

        It names another host, and so Chromium exits with status 21: a lock of its own host it would ignore, as its
        holder is no Chromium. Raises OSError.
        """
        (self._profile / SINGLETONS[0]).symlink_to(f"{_OUR_HOST}-{os.getpid()}")

    def let_chromium_in(self) -> None:
        """Remove the lock of `keep_chromium_out`, if it is there, but not one of Chromium."""
        lock = self._profile / SINGLETONS[0]
        with contextlib.suppress(OSError):
            if str(lock.readlink()).startswith(f"{_OUR_HOST}-"):
                lock.unlink()

    def clear_stale_singletons(self) -> list[str]:
        """Remove the locks of a browser that is gone, and return their names. The caller has made sure that it is gone.

        Chromium ignores a stale lock of its own host. But one that names another host, as after the machine was renamed
        or the state was moved, makes it exit with status 21.
        """
        removed = []
        for name in SINGLETONS:
            with contextlib.suppress(FileNotFoundError):
                (self._profile / name).unlink()
                removed.append(name)
        return removed

    def _note(self, name: str) -> str | None:
        """The text in a small file of the live profile; None if there is none, or if it can't be read."""
        try:
            text = (self._profile / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return text if text and text.isprintable() else None  # zeros are what a power cut may leave

    def _remove_unfinished(self) -> None:
        """Delete snapshots that were interrupted."""
        for path in self._snapshots.glob(".*"):
            shutil.rmtree(path, ignore_errors=True)


def _opened_profile(process: psutil.Process) -> Path | None:
    """The profile that a browser's main process has on its command line; None for all other processes.

    Raises psutil.Error and OSError.
    """
    arguments = process.cmdline()
    named = next((each for each in arguments if each.startswith(_USER_DATA)), None)
    is_subprocess = any(each.startswith("--type=") for each in arguments)
    if named is None or is_subprocess:
        return None
    folder = Path(named.removeprefix(_USER_DATA))
    if not folder.is_absolute():
        folder = process.cwd() / folder
    return Path(os.path.realpath(folder))  # `Path.resolve` raises where links form a loop


def _newest_browser_of(profile: Path) -> str | None:
    """The version of the newest browser that has opened a profile, by its own notes and ours; None if unknown."""
    versions = []
    for name in (_BROWSER, "Last Version"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            version = (profile / name).read_text(encoding="ascii").strip()
            if major(version):
                versions.append(version)
    return max(versions, key=lambda version: major(version) or 0, default=None)


def captured_before(paths: Paths) -> bool:
    """Whether a phone was ever linked here, so that messages were captured: the status or a session shows it.

    A session that was imported and has not worked here yet does not count.
    """
    status = read_status(paths)
    if status and status.get("account"):
        return True
    if Auth(paths).snapshots():
        return True
    profiles = (paths.profile, *paths.quarantine.glob("*"))
    return any((profile / _LINKED).exists() and not (profile / _ELSEWHERE).exists() for profile in profiles)


class FileNote(NamedTuple):
    """What a manifest says about a file. `size`: in bytes."""

    size: int
    sha256: str


class _Manifest(NamedTuple):
    """What a manifest says. `made_at`: ISO; `files`: by their path in the snapshot's folder."""

    made_at: str
    account: str | None
    browser: str | None
    files: dict[str, FileNote]


def _read_manifest(folder: Path) -> _Manifest:
    """The manifest of a snapshot's folder. Raises OSError, and ValueError for what is not such a manifest."""
    try:
        data = json.loads((folder / _MANIFEST).read_bytes())
        if data["v"] != 1:
            raise ValueError(data["v"])
        datetime.fromisoformat(data["made_at"])
        return _Manifest(
            made_at=data["made_at"],
            account=text_or_none(data.get("account")),
            browser=text_or_none(data.get("browser")),
            files=file_notes(data["files"]),
        )
    except causes.NO_JSON as error:
        raise ValueError from error


def file_notes(files: Any) -> dict[str, FileNote]:
    """What a manifest says about each file, from its `files`. Raises one of `causes.NO_JSON` for another shape."""
    return {str(place): FileNote(int(file["size"]), str(file["sha256"])) for place, file in files.items()}


def text_or_none(value: object) -> str | None:
    """The value itself. Raises TypeError if it is neither text nor None."""
    if value is not None and not isinstance(value, str):
        raise TypeError
    return value


def _snapshot(path: Path, manifest: _Manifest) -> Snapshot:
    """A snapshot as its manifest describes it. `path`: of its folder."""
    return Snapshot(
        name=path.name,
        path=path,
        made_at=manifest.made_at,
        account=manifest.account,
        browser=manifest.browser,
        files=len(manifest.files),
        size=sum(file.size for file in manifest.files.values()),
    )


def _manifest_files(folder: Path) -> dict[str, dict[str, object]]:
    """What a manifest says about each file in a folder, by its path there: its size in bytes and its SHA-256."""
    return {
        str(path.relative_to(folder)): {"size": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _copy_session(source: Path, target: Path) -> None:
    """Copy the session's folders from a profile or snapshot, readable by this user alone. Raises OSError."""
    for folder in SESSION_FOLDERS:
        shutil.copytree(source / folder, target / folder, symlinks=True, copy_function=_copy_private)
    for path in (target, *target.rglob("*")):
        if path.is_dir():
            path.chmod(0o700)


def _copy_private(source: str, target: str) -> str:
    """The `copy_function` of `shutil.copytree`."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o600)
    return target


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_tree(folder: Path) -> None:
    """Wait until all files of a folder are on the disk. Raises OSError."""
    for path in folder.rglob("*"):
        if path.is_file():
            sync(path)
    sync(folder)
