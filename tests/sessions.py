"""Sessions on disk and in files, valid ones and ones that must not be imported."""

import json
import stat
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from leadmasterd.listener.session_file import Origin, pack

NOW = datetime(2026, 11, 29, 18, 0, tzinfo=UTC)
LINKED = datetime(2026, 11, 29, 17, 40, tzinfo=UTC)
ACCOUNT = "5491155550100@c.us"
BROWSER = "Chromium 150.0.7871.100"
DATABASE = "Default/IndexedDB/https_web.whatsapp.com_0.indexeddb.leveldb"
LOCAL = "Default/Local Storage/leveldb"
Files = dict[str, bytes]


def session(text: str = "linked") -> Files:
    """The files of a session, by their place in a profile."""
    return {
        f"{DATABASE}/000003.log": f"{text} keys".encode() * 1000,
        f"{DATABASE}/CURRENT": b"MANIFEST-000001\n",
        f"{LOCAL}/000003.log": f"{text} storage".encode(),
        f"{LOCAL}/LOCK": b"",
    }


def write_profile(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A profile with these files, and a cache, which belongs to no session."""
    for place, content in {**files, "Default/Cache/data": b"cached"}.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(content)
    return folder


def read_profile(folder: Path) -> Files:
    """All files of a profile except the account's mark."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("leadmasterd-")
    }


def packed(tmp_path: Path, *, account: str = ACCOUNT, browser: str | None = BROWSER, text: str = "linked") -> Path:
    """A session file as `auth pair` writes it."""
    file = tmp_path / "session.zip"
    file.unlink(missing_ok=True)
    pack(write_profile(tmp_path / "paired", session(text)), file, origin=Origin(account, browser, LINKED), now=NOW)
    return file


def zipped(file: Path, entries: Mapping[str, bytes]) -> Path:
    """A zip as people make it."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file


def chrome(file: Path, more: Mapping[str, bytes] = MappingProxyType({}), *, above: str = "") -> Path:
    """Chrome's zipped folder, with `above` before each name."""
    files = {**session("chrome"), "Last Version": b"149.0.1.2", "Local State": b"{}", "Default/History": b"x", **more}
    return zipped(file, {f"{above}{name}": content for name, content in files.items()})


def changed(file: Path, change: Callable[[Files], object]) -> Path:
    """The same zip with other contents; its checksums are right."""
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    change(entries)
    return zipped(file, entries)


def remanifested(file: Path, **values: Any) -> Path:
    """The same session with another manifest."""

    def change(entries: Files) -> None:
        entries["manifest.json"] = json.dumps({**json.loads(entries["manifest.json"]), **values}).encode()

    return changed(file, change)


def with_link(file: Path, name: str) -> Path:
    """The same zip with a symbolic link in it."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(entry, "/etc/passwd")
    return file
