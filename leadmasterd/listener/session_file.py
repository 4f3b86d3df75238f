"""Packs a WhatsApp session into one file, and checks and unpacks such a file: so it can move to another computer.

    manifest.json              version, when it was made and linked, account, browser; each file's size and SHA-256
    Default/IndexedDB/…        the session's folders (`profile.SESSION_FOLDERS`) and nothing else
    Default/Local Storage/…

It is a zip, because that is what people can make on Windows and macOS: a zipped folder that Chrome used as its
`--user-data-dir` can be read too. Such a file has no manifest, so it does not say whose session it is, and only the
checksums of zip protect it. Whatever a file contains, nothing is written outside of the target folder, and nothing but
the session is taken from it.
"""

import contextlib
import errno
import hashlib
import json
import lzma
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final, Literal, Self

from leadmasterd import causes
from leadmasterd.errors import Refused
from leadmasterd.listener.profile import SESSION_FOLDERS, FileNote, file_notes, text_or_none
from leadmasterd.listener.programs import major
from leadmasterd.state.files import sync
from leadmasterd.text import _, printable
from leadmasterd.times import iso

VERSION: Final = 1
LARGEST: Final = 16 * 10**9
"""Bytes of a session once unpacked. A busy shop's is below one gigabyte; more than this is no session."""
MOST_FILES: Final = 100_000
"""Files of a session."""
SPARE: Final = 500_000_000
"""Bytes of disk that must stay free besides the unpacked session, for the database and the browser."""

_MANIFEST: Final = "manifest.json"
_LARGEST_TEXT: Final = 32 * 10**6
"""Bytes of a manifest or of Chrome's preferences; far more than either has."""
_CHUNK: Final = 1 << 20
_ORIGIN: Final = "web.whatsapp.com"
_OPEN_PROFILE: Final = ("lockfile", "SingletonLock")
"""What Chrome keeps in its folder while it runs: the first on Windows, the second on macOS and Linux."""
_LAST_VERSION: Final = "Last Version"
_PREFERENCES: Final = "Default/Preferences"

Kind = Literal["leadmasterd", "chrome"]
"""Who made a file: `pack` (with a manifest), or a person who zipped Chrome's folder."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose session it is, the browser's version, and when the phone accepted the link."""

    account: str
    browser: str | None
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Packed:
    """What `pack` has written."""

    files: int
    """How many files of the session."""
    size: int
    """Bytes of the session file."""


def pack(profile: Path, file: Path, *, origin: Origin, now: datetime) -> Packed:
    """Write the session of a profile to `file`, completely or not at all, readable by this user alone.

    No browser may use the profile meanwhile. Raises FileExistsError (an existing file is never replaced) and OSError.
    """
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # 0600
    unfinished = Path(name)
    try:
        manifest_files: dict[str, dict[str, object]] = {}
        with os.fdopen(handle, "wb") as raw:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for path in _session_files(profile):
                    entry = zipfile.ZipInfo(str(path.relative_to(profile)), now.timetuple()[:6])
                    manifest_files[entry.filename] = _add(archive, entry, path)
                manifest = {
                    "v": VERSION,
                    "made_at": iso(now),
                    "linked_at": iso(origin.linked_at),
                    "account": origin.account,
                    "browser": origin.browser,
                    "files": manifest_files,
                }
                archive.writestr(_MANIFEST, json.dumps(manifest, indent=1))
            raw.flush()
            os.fsync(raw.fileno())
        _publish(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    return Packed(files=len(manifest_files), size=file.stat().st_size)


def _session_files(profile: Path) -> Iterator[Path]:
    """The files of the session's folders, sorted within each; no links."""
    for folder in SESSION_FOLDERS:
        yield from (path for path in sorted((profile / folder).rglob("*")) if path.is_file() and not path.is_symlink())


def _add(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> dict[str, object]:
    """Copy one file into the archive. Returns its line of the manifest, for exactly the bytes that were copied."""
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | 0o600) << 16
    with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as sink:  # its size is not known yet
        size, digest = _copy(source, sink.write)
    return {"size": size, "sha256": digest}


def _publish(unfinished: Path, file: Path) -> None:
    """Give a finished file its name, and get that to the disk. Raises FileExistsError if the name is taken."""
    try:
        os.link(unfinished, file)
    except FileExistsError:
        raise
    except OSError as error:  # no hard links here, as on a memory stick
        if file.exists():
            raise FileExistsError(errno.EEXIST, _("there is already something in its place"), str(file)) from error
        unfinished.rename(file)
    with contextlib.suppress(OSError):  # not every file system can, and the file is there
        sync(file.parent)


class SessionFile:
    """A session file that is open for reading; a context manager, which closes it.

    Errors are Refused, each with one sentence for the person. Only `verify` and `unpack` read the session's files.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and check its table of contents, and its manifest. Raises Refused."""
        self.path = path
        try:
            if path.exists() and not path.is_file():  # opening a pipe would wait for ever
                raise self._refuse(_("it is no file; if it is a folder, zip it first"))
            self._archive = zipfile.ZipFile(path)
        except FileNotFoundError as error:
            raise self._refuse(_("there is no such file; check its name")) from error
        except PermissionError as error:
            raise self._refuse(_("this user may not read it; change its owner with `sudo chown`")) from error
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            raise self._refuse(_("it is cut off, or not a zip file at all; copy it here again")) from error
        try:
            self._read_contents()
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._archive.close()

    @property
    def files(self) -> int:
        """How many files the session has."""
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of the session once unpacked."""
        return sum(entry.file_size for entry in self._entries.values())

    # ------------------------------------------------------------------ the table of contents

    def _read_contents(self) -> None:
        """Read and check the table of contents. Raises Refused.

        Sets `kind`, and `made_at`, `linked_at`, `account`, `browser`, each None if the file does not say.
        """
        names = self._names()
        self.kind: Kind = "leadmasterd" if _MANIFEST in names else "chrome"
        self.made_at: str | None = None
        self.linked_at: str | None = None
        self.account: str | None = None
        self.browser: str | None = None
        self._manifest: dict[str, FileNote] = {}
        """By place in the profile; empty without a manifest."""
        profile = "" if self.kind == "leadmasterd" else self._find_profile(names)
        self._entries = _session_part(names, profile)
        if self.kind == "leadmasterd":
            self._read_manifest(names)
        for place, entry in self._entries.items():
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise self._refuse(_("{name} in it is a link, and a session has none").format(name=place))
            if entry.flag_bits & 1:
                raise self._refuse(_("it has a password; make one without"))
        if self.size > LARGEST or self.files > MOST_FILES:
            raise self._refuse(
                _("{files} files and {mb} MB are too much for a session; look at what is in it").format(
                    files=self.files, mb=self.size // 1_000_000
                )
            )
        indexed_db, local_storage = (self._places_in(folder) for folder in SESSION_FOLDERS)
        has_whatsapp = any(_ORIGIN in place for place in indexed_db)
        if not has_whatsapp or not local_storage:
            raise self._refuse(_("no WhatsApp session is in it; link an account in that browser first"))
        if self.kind == "chrome":
            self.browser = self._chrome_version(names, profile)

    def _places_in(self, folder: str) -> list[str]:
        """The session's files in this folder, by their place in the profile."""
        return [place for place in self._entries if place.startswith(f"{folder}/")]

    def _names(self) -> dict[str, zipfile.ZipInfo]:
        """All files in the zip by name. Raises Refused if a name leads out of the folder, or occurs twice."""
        found: dict[str, zipfile.ZipInfo] = {}
        for entry in self._archive.infolist():
            name = entry.filename.replace("\\", "/")  # as PowerShell 5 writes them
            is_absolute = name.startswith("/") or re.match(r"[A-Za-z]:", name)
            if is_absolute or ".." in name.split("/"):
                raise self._refuse(_("{name} in it climbs out of its folder; use another file").format(name=repr(name)))
            if name.endswith("/"):
                continue
            if name in found:
                raise self._refuse(_("{name} is in it twice; make it anew").format(name=repr(name)))
            found[name] = entry
        return found

    def _read_manifest(self, names: Mapping[str, zipfile.ZipInfo]) -> None:
        """Take over what the manifest says, and check that it names exactly the files that are there, with their sizes.

        Raises Refused.
        """
        try:
            manifest = json.loads(self._content(names[_MANIFEST]))
            if manifest["v"] != VERSION:
                raise self._refuse(_("another version of leadmasterd made it; use the same version on both computers"))
            self.made_at = iso(datetime.fromisoformat(manifest["made_at"]))
            self.linked_at = iso(datetime.fromisoformat(manifest["linked_at"]))
            self.account = text_or_none(manifest["account"])
            self.browser = text_or_none(manifest["browser"])
            self._manifest = file_notes(manifest["files"])
        except causes.NO_JSON as error:
            raise self._refuse(_("its manifest can't be read; copy it here again, or make it anew")) from error
        if missing := sorted(self._manifest.keys() - self._entries.keys()):
            raise self._refuse(_("it is incomplete, {name} is missing; make it anew").format(name=missing[0]))
        if unknown := sorted(names.keys() - self._manifest.keys() - {_MANIFEST}):
            raise self._refuse(_("its manifest does not name {name}; make it anew").format(name=repr(unknown[0])))
        for place, entry in self._entries.items():
            if entry.file_size != self._manifest[place].size:
                raise self._damaged(place)

    def _find_profile(self, names: Mapping[str, zipfile.ZipInfo]) -> str:
        """Where Chrome's folder is in the zip: "" for its top, else the folder above `Default`, with its slash.

        Raises Refused if there is none or more than one, and if Chrome was still running when it was zipped.
        """
        folders = set()
        for name in names:
            above = _above_default(name)
            if name.removeprefix(above).startswith(SESSION_FOLDERS):
                folders.add(above)
        if not folders:
            raise self._refuse(
                _(
                    "it holds neither a session of leadmasterd nor Chrome's {one} and {other}; zip the whole folder"
                ).format(one=SESSION_FOLDERS[0], other=SESSION_FOLDERS[1])
            )
        if len(folders) > 1:
            raise self._refuse(_("two of Chrome's folders are in it; zip only the one that was linked"))
        [profile] = folders
        if any(f"{profile}{name}" in names for name in _OPEN_PROFILE):
            raise self._refuse(_("Chrome was still open when it was zipped; close Chrome, and zip the folder again"))
        return profile

    def _chrome_version(self, names: Mapping[str, zipfile.ZipInfo], profile: str) -> str | None:
        """The version of the Chrome that used the folder, from its `Last Version` file, else from its preferences.

        None if neither tells. `profile`: as `_find_profile` returns it.
        """
        if entry := names.get(f"{profile}{_LAST_VERSION}"):
            return self._content(entry).decode("ascii", "replace").strip() or None
        if entry := names.get(f"{profile}{_PREFERENCES}"):
            with contextlib.suppress(*causes.NO_JSON):
                return text_or_none(json.loads(self._content(entry))["extensions"]["last_chrome_version"])
        return None

    def _content(self, entry: zipfile.ZipInfo) -> bytes:
        """The whole content of a small file. Raises Refused if it is damaged or not small."""
        if entry.file_size > _LARGEST_TEXT:
            raise self._damaged(entry.filename)
        with self._reading(entry) as source:
            return source.read(_LARGEST_TEXT)

    # ------------------------------------------------------------------ its files

    def verify(self) -> None:
        """Read every file and compare it with the manifest and the zip's checksums. Raises Refused if one differs."""
        for place, entry in self._entries.items():
            self._read(place, entry, lambda _chunk: None)

    def unpack(self, target: Path) -> None:
        """Write the session into a new folder, and verify each file on the way. Raises Refused and OSError.

        After an error the folder holds a part of the session, which the caller has to remove.
        """
        target.mkdir(mode=0o700)
        for place, entry in self._entries.items():
            path = target / place
            for folder in reversed(path.relative_to(target).parents):
                (target / folder).mkdir(mode=0o700, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as sink:
                self._read(place, entry, sink.write)

    def _read(self, place: str, entry: zipfile.ZipInfo, write: Callable[[bytes], object]) -> None:
        """Give a file's content to `write`, chunk by chunk, and verify it. Raises Refused, after it was written."""
        with self._reading(entry) as source:
            size, digest = _copy(source, write)
        without_manifest = FileNote(entry.file_size, digest)
        expected = self._manifest.get(place, without_manifest)
        if (size, digest) != (expected.size, expected.sha256):
            raise self._damaged(place)

    @contextlib.contextmanager
    def _reading(self, entry: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
        """Open a file of the zip. Errors of the zip become Refused; an OSError from writing in the block stays one."""
        try:
            with self._archive.open(entry) as source:
                yield source
        except NotImplementedError as error:
            raise self._refuse(_("it is packed in a way that can't be read here; zip it the ordinary way")) from error
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
            raise self._damaged(entry.filename) from error

    # ------------------------------------------------------------------ refusals

    def _damaged(self, name: str) -> Refused:
        return self._refuse(_("it is damaged, {name} is not what was packed; copy it here again").format(name=name))

    def _refuse(self, why: str) -> Refused:
        return Refused(printable(_("cannot import {file}: {why}").format(file=self.path, why=why)))


def check_browser(file: SessionFile, ours: str) -> None:
    """Raise Refused if a newer browser made the session: an older one does not open its databases, or empties them.

    `ours`: what the newest browser here says of its version. A version that is not known is not refused.
    """
    theirs, here = major(file.browser), major(ours)
    if theirs is not None and here is not None and theirs > here:
        raise Refused(
            _(
                "cannot import {file}: it was made with version {theirs} of the browser and this machine has {here}; "
                "update the browser here first (Debian: `sudo apt-get update && sudo apt-get install chromium`)"
            ).format(file=file.path, theirs=theirs, here=here)
        )


def check_space(file: SessionFile, place: Path) -> None:
    """Raise Refused if the session does not fit on the disk of `place`, an existing folder, with room to spare."""
    free = shutil.disk_usage(place).free
    if free < file.size + SPARE:
        raise Refused(
            _("cannot import {file}: it needs {needs} MB and {place} has {free} MB free; free some space").format(
                file=file.path, needs=(file.size + SPARE) // 1_000_000, place=place, free=free // 1_000_000
            )
        )


def _session_part(names: Mapping[str, zipfile.ZipInfo], profile: str) -> dict[str, zipfile.ZipInfo]:
    """The session's files by their place in the profile, without the files that macOS adds to a zip.

    `names`: all files of the zip; `profile`: the folder in it, with its slash, or "".
    """
    starts = tuple(f"{profile}{folder}/" for folder in SESSION_FOLDERS)
    return {
        name.removeprefix(profile): entry
        for name, entry in names.items()
        if name.startswith(starts) and not name.rpartition("/")[2].startswith(("._", ".DS_Store"))
    }


def _above_default(name: str) -> str:
    """The folder above `Default`: `profile/` for `profile/Default/…`; "" if there is none, or more than one.

    The folder that macOS adds to a zip does not count.
    """
    first, _slash, rest = name.partition("/")
    if rest.startswith("Default/") and first != "__MACOSX":
        return f"{first}/"
    return ""


def _copy(source: IO[bytes], write: Callable[[bytes], object]) -> tuple[int, str]:
    """Give everything to `write`, chunk by chunk. Returns the size and the SHA-256 of it."""
    size, digest = 0, hashlib.sha256()
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        digest.update(chunk)
        write(chunk)
    return size, digest.hexdigest()
