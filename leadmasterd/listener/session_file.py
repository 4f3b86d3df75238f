"""A WhatsApp session in one file: how it travels from the computer where it was linked to the one that listens.

    manifest.json              version, when it was made and linked, account, browser; each file's size and SHA-256
    Default/IndexedDB/…        the session's folders (`profile.SESSION_FOLDERS`) and nothing else
    Default/Local Storage/…

It is a zip, because that is also what people make on Windows and macOS: a zipped folder that Chrome used as its
`--user-data-dir` can be read too. Such a file has no manifest, so nobody knows whose session it is, and only zip's own
checksums protect it. Whatever a file holds, nothing is written outside of the folder that is named, and nothing but
the session is taken from it.
"""

import contextlib
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
from typing import IO, Any, Final, Literal, Self

from leadmasterd.errors import Refused
from leadmasterd.listener.profile import SESSION_FOLDERS
from leadmasterd.listener.programs import major
from leadmasterd.text import _, printable
from leadmasterd.times import iso

VERSION: Final = 1
LARGEST: Final = 16 * 10**9
"""Bytes of a session once unpacked. A busy shop's is below one gigabyte; more than this is no session."""
MOST_FILES: Final = 100_000
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


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose session it is, the browser's version, and when the phone accepted the link."""

    account: str
    browser: str | None
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written into a session file."""

    files: int
    size: int


def pack(profile: Path, file: Path, *, origin: Origin, now: datetime) -> Packed:
    """Write the session of a profile that no browser uses, whole or not at all, readable by us alone.

    Raises FileExistsError (an existing file is never replaced) and OSError.
    """
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # 0600
    unfinished = Path(name)
    try:
        noted: dict[str, dict[str, object]] = {}
        with os.fdopen(handle, "wb") as raw:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for path in _session_files(profile):
                    entry = zipfile.ZipInfo(str(path.relative_to(profile)), now.timetuple()[:6])
                    noted[entry.filename] = _add(archive, entry, path)
                manifest = {
                    "v": VERSION,
                    "made_at": iso(now),
                    "linked_at": iso(origin.linked_at),
                    "account": origin.account,
                    "browser": origin.browser,
                    "files": noted,
                }
                archive.writestr(_MANIFEST, json.dumps(manifest, indent=1))
            raw.flush()
            os.fsync(raw.fileno())
        _publish(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    return Packed(files=len(noted), size=file.stat().st_size)


def _session_files(profile: Path) -> Iterator[Path]:
    for folder in SESSION_FOLDERS:
        yield from (path for path in sorted((profile / folder).rglob("*")) if path.is_file() and not path.is_symlink())


def _add(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> dict[str, object]:
    """Copy one file into the archive; its size and hash are of what was read."""
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | 0o600) << 16
    with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as sink:  # its size is not known yet
        size, digest = _copy(source, sink.write)
    return {"size": size, "sha256": digest}


def _publish(unfinished: Path, file: Path) -> None:
    """Give it its name, which nothing may have yet. Raises FileExistsError."""
    try:
        os.link(unfinished, file)
    except FileExistsError:
        raise
    except OSError as error:  # no hard links here, as on a memory stick
        if file.exists():
            raise FileExistsError(str(file)) from error
        unfinished.rename(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # not every file system can
            os.fsync(folder)
    finally:
        os.close(folder)


@dataclass(frozen=True, slots=True)
class _Noted:
    """What the manifest says of one file."""

    size: int
    sha256: str


class SessionFile:
    """A session file that is open for reading. A context manager; everything it raises is Refused, in one sentence.

    Opening it reads the table of contents and refuses what can be refused without reading more. `verify` and `unpack`
    read every file.
    """

    def __init__(self, path: Path) -> None:
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
            self._look()
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

    def _look(self) -> None:
        """Set `kind`, and `made_at`, `linked_at`, `account`, `browser` (None where the file does not say)."""
        names = self._names()
        self.kind: Kind = "leadmasterd" if _MANIFEST in names else "chrome"
        self.made_at: str | None = None
        self.linked_at: str | None = None
        self.account: str | None = None
        self.browser: str | None = None
        self._noted: dict[str, _Noted] = {}
        profile = "" if self.kind == "leadmasterd" else self._profile_in(names)
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
        if not (any(_ORIGIN in place for place in self._in(0)) and self._in(1)):
            raise self._refuse(_("no WhatsApp session is in it; link an account in that browser first"))
        if self.kind == "chrome":
            self.browser = self._version_in(names, profile)

    def _in(self, folder: int) -> list[str]:
        return [place for place in self._entries if place.startswith(f"{SESSION_FOLDERS[folder]}/")]

    def _names(self) -> dict[str, zipfile.ZipInfo]:
        """Every file in it by its name; none of them climbs out, and none is there twice."""
        found: dict[str, zipfile.ZipInfo] = {}
        for entry in self._archive.infolist():
            name = entry.filename.replace("\\", "/")  # as PowerShell 5 writes them
            if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
                raise self._refuse(_("{name} in it climbs out of its folder; use another file").format(name=repr(name)))
            if name.endswith("/"):
                continue
            if name in found:
                raise self._refuse(_("{name} is in it twice; make it anew").format(name=repr(name)))
            found[name] = entry
        return found

    def _read_manifest(self, names: Mapping[str, zipfile.ZipInfo]) -> None:
        try:
            manifest = json.loads(self._text(names[_MANIFEST]))
            if manifest["v"] != VERSION:
                raise self._refuse(_("another version of leadmasterd made it; use the same version on both computers"))
            self.made_at = iso(datetime.fromisoformat(manifest["made_at"]))
            self.linked_at = iso(datetime.fromisoformat(manifest["linked_at"]))
            self.account = _text_or_none(manifest["account"])
            self.browser = _text_or_none(manifest["browser"])
            self._noted = {
                str(place): _Noted(int(file["size"]), str(file["sha256"])) for place, file in manifest["files"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._refuse(_("its manifest can't be read; copy it here again, or make it anew")) from error
        if missing := sorted(self._noted.keys() - self._entries.keys()):
            raise self._refuse(_("it is incomplete, {name} is missing; make it anew").format(name=missing[0]))
        if unknown := sorted(names.keys() - self._noted.keys() - {_MANIFEST}):
            raise self._refuse(_("its manifest does not name {name}; make it anew").format(name=repr(unknown[0])))
        for place, entry in self._entries.items():
            if entry.file_size != self._noted[place].size:
                raise self._damaged(place)

    def _profile_in(self, names: Mapping[str, zipfile.ZipInfo]) -> str:
        """Where Chrome's folder is in a zip: "" or the one folder above `Default`, with its slash."""
        folders = {
            name.removesuffix(rest)
            for name in names
            for rest in [name[len(_above_default(name)) :]]
            if rest.startswith(SESSION_FOLDERS)
        }
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

    def _version_in(self, names: Mapping[str, zipfile.ZipInfo], profile: str) -> str | None:
        """Chrome's version, from the file it writes for this purpose or else from its preferences."""
        if entry := names.get(f"{profile}{_LAST_VERSION}"):
            return self._text(entry).decode("ascii", "replace").strip() or None
        if entry := names.get(f"{profile}{_PREFERENCES}"):
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                return _text_or_none(json.loads(self._text(entry))["extensions"]["last_chrome_version"])
        return None

    def _text(self, entry: zipfile.ZipInfo) -> bytes:
        if entry.file_size > _LARGEST_TEXT:
            raise self._damaged(entry.filename)
        with self._reading(entry) as source:
            return source.read(_LARGEST_TEXT)

    # ------------------------------------------------------------------ its files

    def verify(self) -> None:
        """Read every file and compare it with the manifest and the checksums of the zip."""
        for place, entry in self._entries.items():
            self._read(place, entry, lambda _chunk: None)

    def unpack(self, target: Path) -> None:
        """Write the session into a folder that does not exist yet, verifying each file on the way. Raises OSError too.

        When it fails the folder holds a part, for the caller to remove.
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
        with self._reading(entry) as source:
            size, digest = _copy(source, write)
        noted = self._noted.get(place, _Noted(entry.file_size, digest))
        if (size, digest) != (noted.size, noted.sha256):
            raise self._damaged(place)

    @contextlib.contextmanager
    def _reading(self, entry: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
        """Zip's own errors in one sentence; an OSError of what is written meanwhile passes through."""
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
    """Refuse a session of a newer browser: an older one does not open its databases, or empties them."""
    theirs, here = major(file.browser), major(ours)
    if theirs is not None and here is not None and theirs > here:
        raise Refused(
            _(
                "cannot import {file}: it was made with version {theirs} of the browser and this machine has {here}; "
                "update the browser here first (Debian: `sudo apt-get update && sudo apt-get install chromium`)"
            ).format(file=file.path, theirs=theirs, here=here)
        )


def check_space(file: SessionFile, place: Path) -> None:
    """Refuse what does not fit on the disk of `place`, an existing folder."""
    free = shutil.disk_usage(place).free
    if free < file.size + SPARE:
        raise Refused(
            _("cannot import {file}: it needs {needs} MB and {place} has {free} MB free; free some space").format(
                file=file.path, needs=(file.size + SPARE) // 1_000_000, place=place, free=free // 1_000_000
            )
        )


def _session_part(names: Mapping[str, zipfile.ZipInfo], profile: str) -> dict[str, zipfile.ZipInfo]:
    """The session's files, by their place in a profile. What macOS adds to a zip is no part of it."""
    starts = tuple(f"{profile}{folder}/" for folder in SESSION_FOLDERS)
    return {
        name.removeprefix(profile): entry
        for name, entry in names.items()
        if name.startswith(starts) and not name.rpartition("/")[2].startswith(("._", ".DS_Store"))
    }


def _above_default(name: str) -> str:
    """`profile/` of `profile/Default/…`; "" when there is no folder above, or more than one."""
    first, _slash, rest = name.partition("/")
    return f"{first}/" if rest.startswith("Default/") and first != "__MACOSX" else ""


def _text_or_none(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError
    return value


def _copy(source: IO[bytes], write: Callable[[bytes], object]) -> tuple[int, str]:
    """The size and the SHA-256 of what was copied."""
    size, digest = 0, hashlib.sha256()
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        digest.update(chunk)
        write(chunk)
    return size, digest.hexdigest()
