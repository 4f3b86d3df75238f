"""The WhatsApp session on disk: the live profile, snapshots of it, and what was set aside.

    auth/profile             the live browser profile
    auth/snapshots/<time>    IndexedDB and Local Storage of it, and a manifest with hashes
    auth/quarantine/<time>   whole profiles that were logged out or would not open

A copy of a running profile is torn, so callers do all of this only while no process of the listener lives. A restore
is a last resort: it takes WhatsApp's keys back in time, so some messages may arrive twice or unreadable. It beats a
scan in the middle of the night, and it is tried once.
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
from typing import Any, Final

import psutil

from leadmasterd import causes
from leadmasterd.errors import CannotUseSnapshot
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
"""What the browser rebuilds. IndexedDB, the part that grows with messages, is not among them: it is the link."""
_USER_DATA: Final = "--user-data-dir="
_OUR_HOST: Final = "leadmasterd"
"""In a lock of ours, where Chromium writes the host's name."""
SINGLETONS: Final = ("SingletonLock", "SingletonSocket", "SingletonCookie")
KEEP_SNAPSHOTS: Final = 3
KEEP_QUARANTINED: Final = 2
QUARANTINE_DAYS: Final = 30
_MANIFEST: Final = "manifest.json"
_LINKED: Final = "leadmasterd-linked"
_ELSEWHERE: Final = "leadmasterd-linked-elsewhere"
_BROWSER: Final = "leadmasterd-browser"
"""The newest browser that has opened the profile. Chromium's own note of it is `Last Version`; its headless shell keeps
none."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that has a manifest. `verify` checks whether its files still match it."""

    name: str
    path: Path
    made_at: str
    account: str | None
    browser: str | None
    files: int
    size: int


class Auth:
    """The auth directory of one state directory."""

    def __init__(self, places: Paths) -> None:
        self._profile = places.profile
        self._snapshots = places.profile.parent / "snapshots"
        self._quarantine = places.quarantine

    # ------------------------------------------------------------------ snapshots

    def snapshots(self) -> list[Snapshot]:
        """Newest first. A folder without a readable manifest (a copy that was interrupted) is not one."""
        found = []
        for path in self._snapshots.glob("*/") if self._snapshots.is_dir() else ():
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                manifest = _read_manifest(path)
                found.append(
                    Snapshot(
                        name=path.name,
                        path=path,
                        made_at=str(manifest["made_at"]),
                        account=manifest.get("account"),
                        browser=manifest.get("browser"),
                        files=len(manifest["files"]),
                        size=sum(int(file["size"]) for file in manifest["files"].values()),
                    )
                )
        return sorted(found, key=lambda snapshot: snapshot.name, reverse=True)

    def take(self, *, account: str | None, browser: str | None, now: datetime) -> Snapshot:
        """Copy the session of the live profile, whole or not at all. Raises CannotUseSnapshot, OSError."""
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
            files: dict[str, dict[str, object]] = {}
            _copy_session(self._profile, unfinished)
            for path in sorted(unfinished.rglob("*")):
                if path.is_file():
                    files[str(path.relative_to(unfinished))] = {"size": path.stat().st_size, "sha256": _sha256(path)}
            manifest = {
                "v": 1,
                "made_at": now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "account": account,
                "browser": browser,
                "files": files,
            }
            write_private(unfinished / _MANIFEST, json.dumps(manifest, indent=1).encode())
            _sync_tree(unfinished)
            unfinished.rename(self._snapshots / name)
            sync(self._snapshots)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        found = {each.name: each for each in self.snapshots()}
        taken = found.pop(name)
        for old in [*found.values()][KEEP_SNAPSHOTS - 1 :]:
            shutil.rmtree(old.path, ignore_errors=True)
        return taken

    def verify(self, snapshot: Snapshot) -> None:
        """Compare every file with the manifest. Raises CannotUseSnapshot with the first that differs."""
        try:
            files = _read_manifest(snapshot.path)["files"]
            for relative, noted in files.items():
                path = snapshot.path / relative
                if path.stat().st_size != noted["size"] or _sha256(path) != noted["sha256"]:
                    raise CannotUseSnapshot(
                        "changed",
                        _("snapshot {name} is damaged: {file} is not what was copied").format(
                            name=snapshot.name, file=relative
                        ),
                    )
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = causes.of_system(error) if isinstance(error, OSError) else _("its manifest is not ours")
            raise CannotUseSnapshot(
                "unreadable", _("snapshot {name} is damaged: {why}").format(name=snapshot.name, why=why)
            ) from error

    def newest_good(self, *, account: str | None) -> Snapshot | None:
        """The newest that verifies and belongs to this account (or to an unknown one)."""
        for snapshot in self.snapshots():
            if account is None or snapshot.account in (None, account):
                try:
                    self.verify(snapshot)
                except CannotUseSnapshot as error:
                    log.warning("%s", error, extra={"action": "snapshot_damaged"})
                else:
                    return snapshot
        return None

    def restore(self, snapshot: Snapshot, *, now: datetime, why: str) -> None:
        """Make the snapshot the live profile; the one that was there is set aside.

        Raises CannotUseSnapshot, OSError.
        """
        self.verify(snapshot)
        with self.unfinished() as fresh:
            _copy_session(snapshot.path, fresh)
            self.note_browser(snapshot.browser, profile=fresh)
            self.adopt(fresh, account=snapshot.account, now=now, why=why)

    @contextlib.contextmanager
    def unfinished(self) -> Iterator[Path]:
        """Where a new profile is put together, beside the live one: no such folder now, and none afterwards."""
        fresh = self._profile.with_name(".profile.new")
        fresh.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            yield fresh
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def adopt(self, fresh: Path, *, account: str | None, now: datetime, why: str) -> Path | None:
        """Make a complete folder from `unfinished` the live profile. Returns where the one before was set aside.

        Raises OSError; the profile before is then the live one again.
        """
        if account:
            write_private(fresh / _LINKED, f"{account}\n".encode())
        _sync_tree(fresh)
        former = self.quarantine(now=now, why=why)
        try:
            fresh.rename(self._profile)
        except OSError:
            if former:
                former.rename(self._profile)
            raise
        sync(self._profile.parent)
        return former

    # ------------------------------------------------------------------ the live profile

    def quarantine(self, *, now: datetime, why: str) -> Path | None:
        """Move the live profile aside instead of deleting it; None when there is none. Others may go then."""
        if not self._profile.exists():
            return None
        self._quarantine.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._quarantine / stamp(now)
        self._profile.rename(target)
        with contextlib.suppress(OSError):
            write_private(target / "why.txt", why.encode() + b"\n")
        self.prune_quarantine(now=now, latest=target)
        return target

    def quarantined(self) -> list[Path]:
        """Newest first."""
        if not self._quarantine.is_dir():
            return []
        return sorted((path for path in self._quarantine.iterdir() if path.is_dir()), reverse=True)

    def prune_quarantine(self, *, now: datetime, latest: Path | None = None) -> None:
        """Keep two, and none longer than 30 days: they hold keys and messages.

        The newest, and of the others rather one that was linked: each first sync that fails leaves a worthless one.
        `latest`: has just been set aside, and stays, whatever clock named the others.
        """
        oldest = stamp(now - timedelta(days=QUARANTINE_DAYS))
        found = self.quarantined()
        newest = latest or next(iter(found), None)
        found.sort(key=lambda path: (path != newest, not (path / _LINKED).exists()))
        for position, path in enumerate(found):
            if position >= KEEP_QUARANTINED or path.name < oldest:
                shutil.rmtree(path, ignore_errors=True)

    def trim_caches(self) -> int:
        """Drop what the browser rebuilds. Returns the bytes freed."""
        freed = 0
        for folder in CACHE_FOLDERS:
            path = self._profile / folder
            if path.is_dir():
                freed += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
                shutil.rmtree(path, ignore_errors=True)
        return freed

    def linked_account(self) -> str | None:
        """The account that was last ready on the live profile, or None if none ever was."""
        try:
            return (self._profile / _LINKED).read_text().strip() or None
        except OSError:
            return None

    def linked_for(self, *, now: datetime) -> timedelta:
        """How long ago the live profile was linked (or restored); zero if it is not."""
        try:
            since = datetime.fromtimestamp((self._profile / _LINKED).stat().st_mtime, UTC)
        except OSError:
            return timedelta(0)
        return max(now - since, timedelta(0))

    def mark_linked(self, account: str, *, anew: bool = False) -> None:
        """Write into the profile whose session it holds, so that a silent loss can be noticed.

        `anew`: it was linked just now, also if it was this account's before.
        """
        if anew or self.linked_account() != account:
            write_private(self._profile / _LINKED, f"{account}\n".encode())

    def note_link_elsewhere(self, profile: Path, at: str) -> None:
        """Write into an imported profile when its link was made (ISO), on another computer."""
        write_private(profile / _ELSEWHERE, f"{at}\n".encode())

    def linked_elsewhere_at(self) -> str | None:
        """When that was, until `forget_link_elsewhere`; None for a link that was made here."""
        try:
            return (self._profile / _ELSEWHERE).read_text().strip() or None
        except OSError:
            return None

    def forget_link_elsewhere(self) -> None:
        """The account is known from then on."""
        (self._profile / _ELSEWHERE).unlink(missing_ok=True)

    def note_browser(self, version: str | None, *, profile: Path | None = None) -> None:
        """Write into the profile (the live one, if none is given) that this version opens it. Raises OSError."""
        profile = profile or self._profile
        if (major(version) or 0) > (major(used_by(profile)) or 0):
            write_private(profile / _BROWSER, f"{version}\n".encode())

    def used_by(self) -> str | None:
        """The version of the newest browser that has opened the session; None: unknown, or no session is in it."""
        with contextlib.suppress(OSError):  # not ours to read
            if (self._profile / _LINKED).exists():
                return used_by(self._profile)
        return None

    def browser_using_it(self) -> int | None:
        """The pid of a live browser on this host that has the profile open, or None.

        Found by its command line: Chromium's lock tells only of Chromium, and the headless shell keeps none. Not the
        script that may have started it, and no process of a user who may not open the profile: anybody can write this
        on a command line.
        """
        profile, parents = self._profile.resolve(), {}
        users = {0, os.geteuid()}
        with contextlib.suppress(OSError):
            users.add(profile.stat().st_uid)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.uids().effective not in users:
                    continue
                arguments = process.cmdline()
                named = next((each for each in arguments if each.startswith(_USER_DATA)), None)
                if named is None or any(each.startswith("--type=") for each in arguments):
                    continue
                folder = Path(named.removeprefix(_USER_DATA))
                if not folder.is_absolute():
                    folder = process.cwd() / folder
                if Path(os.path.realpath(folder)) == profile:  # `resolve` raises where links go round
                    parents[process.pid] = process.ppid()
        return next((pid for pid in parents if pid not in parents.values()), None)

    def keep_chromium_out(self) -> None:
        """Put Chromium's lock in its place, as of another host: Chromium then ends (21) and leaves the profile alone.

        For the headless shell, which makes none. Of its own host Chromium would see that the holder is no Chromium.
        """
        (self._profile / SINGLETONS[0]).symlink_to(f"{_OUR_HOST}-{os.getpid()}")

    def let_chromium_in(self) -> None:
        """Remove that lock, and no other."""
        lock = self._profile / SINGLETONS[0]
        with contextlib.suppress(OSError):
            if str(lock.readlink()).startswith(f"{_OUR_HOST}-"):
                lock.unlink()

    def clear_stale_singletons(self) -> list[str]:
        """Remove the locks of a browser that is gone.

        Chromium forgives a stale lock of its own host; one that names another host (the machine was renamed, the state
        was moved) makes it leave with code 21. Callers make sure that no browser of ours lives.
        """
        removed = []
        for name in SINGLETONS:
            with contextlib.suppress(FileNotFoundError):
                (self._profile / name).unlink()
                removed.append(name)
        return removed

    def _remove_unfinished(self) -> None:
        for path in self._snapshots.glob(".*"):
            shutil.rmtree(path, ignore_errors=True)


def used_by(profile: Path) -> str | None:
    """The newest version that says to have opened it, as text; None if none does."""
    said = []
    for name in (_BROWSER, "Last Version"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            said.append((profile / name).read_text(encoding="ascii").strip())
    return max((each for each in said if major(each)), key=lambda version: major(version) or 0, default=None)


def captured_before(paths: Paths) -> bool:
    """Whether a phone was linked here, and so messages were captured: by the last status and by the sessions kept.

    A session that was imported and has not worked here yet is none.
    """
    status = read_status(paths)
    if status and status.get("account"):
        return True
    sessions = (paths.profile, *paths.quarantine.glob("*"))
    return bool(Auth(paths).snapshots()) or any(
        (each / _LINKED).exists() and not (each / _ELSEWHERE).exists() for each in sessions
    )


def _read_manifest(path: Path) -> dict[str, Any]:
    manifest = json.loads((path / _MANIFEST).read_bytes())
    if not isinstance(manifest, dict) or manifest.get("v") != 1:
        raise ValueError(manifest)
    return manifest


def _copy_session(source: Path, target: Path) -> None:
    for folder in SESSION_FOLDERS:
        shutil.copytree(source / folder, target / folder, symlinks=True, copy_function=_copy_private)
    for path in (target, *target.rglob("*")):
        if path.is_dir():
            path.chmod(0o700)


def _copy_private(source: str, target: str) -> str:
    shutil.copyfile(source, target)
    Path(target).chmod(0o600)
    return target


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            sync(path)
    sync(folder)
