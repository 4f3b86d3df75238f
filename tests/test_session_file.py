"""A session in one file: unpacking gives exactly what was packed, byte for byte."""

import errno
import hashlib
import json
import stat
import zipfile
from pathlib import Path

import pytest

from leadmasterd.errors import Refused
from leadmasterd.listener import session_file
from leadmasterd.listener.programs import major
from leadmasterd.listener.session_file import Origin, SessionFile, pack
from tests.sessions import (
    ACCOUNT,
    BROWSER,
    DATABASE,
    LINKED,
    LOCAL,
    NOW,
    changed,
    chrome,
    packed,
    read_profile,
    session,
    with_link,
    write_profile,
    zipped,
)

ORIGIN = Origin(ACCOUNT, None, LINKED)


def test_a_packed_session_comes_out_as_it_was(tmp_path: Path) -> None:
    """It has the session's folders only, and file and folders are readable by their owner only."""
    file = packed(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with SessionFile(file) as found:
        assert (found.kind, found.account, found.browser) == ("leadmasterd", ACCOUNT, BROWSER)
        assert (found.made_at, found.linked_at) == ("2026-11-29T18:00:00.000Z", "2026-11-29T17:40:00.000Z")
        assert (found.files, found.size) == (4, sum(map(len, session().values())))
        found.verify()
        found.unpack(tmp_path / "new")
    assert read_profile(tmp_path / "new") == session()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "new", *(tmp_path / "new").rglob("*")]}
    assert modes == {0o700, 0o600}


def test_the_manifest_names_every_file_with_its_size_and_hash(tmp_path: Path) -> None:
    """Other tools can verify it."""
    with zipfile.ZipFile(packed(tmp_path)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["files"].keys() == session().keys()
    expected = hashlib.sha256(b"MANIFEST-000001\n").hexdigest()
    assert manifest["files"][f"{DATABASE}/CURRENT"] == {"size": 16, "sha256": expected}


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    """No unfinished file is left either."""
    file = tmp_path / "session.zip"
    file.write_text("precious")
    with pytest.raises(FileExistsError):
        pack(write_profile(tmp_path / "p", session()), file, origin=ORIGIN, now=NOW)
    assert file.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "session.zip"]


def test_a_file_that_can_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk may be full."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session_file, "_add", full)
    profile = write_profile(tmp_path / "p", session())
    with pytest.raises(OSError, match="No space left"):
        pack(profile, tmp_path / "session.zip", origin=ORIGIN, now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_memory_stick_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing file is not replaced there either."""

    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    file = packed(tmp_path)
    with SessionFile(file) as found:
        found.verify()
    with pytest.raises(FileExistsError) as caught:
        pack(tmp_path / "paired", file, origin=ORIGIN, now=NOW)
    assert caught.value.errno == errno.EEXIST, "so that it can be said in words"


@pytest.mark.parametrize("above", ["", "whatsapp/", "whatsapp\\"], ids=["contents", "folder", "powershell"])
def test_a_zipped_profile_of_chrome_is_found_in_it(tmp_path: Path, above: str) -> None:
    """It may be at the top or in a folder, with files added by macOS; only the session is taken."""
    mac = {"__MACOSX/whatsapp/Default/IndexedDB/._x": b"mac", "__MACOSX/Default/IndexedDB/._x": b"mac"}
    file = zipped(tmp_path / "chrome.zip", mac)
    with zipfile.ZipFile(file, "a") as archive:
        for name, content in {
            **session(), f"{DATABASE}/._000003.log": b"mac", f"{LOCAL}/.DS_Store": b"mac", "Last Version": b"149.0.1.2",
            "Default/Preferences": b"{}",
        }.items():  # fmt: skip
            archive.writestr(f"{above}{name}".replace("/", "\\" if "\\" in above else "/"), content)
    with SessionFile(file) as found:
        assert (found.kind, found.account, found.made_at, found.browser) == ("chrome", None, None, "149.0.1.2")
        found.verify()
        found.unpack(tmp_path / "new")
    assert read_profile(tmp_path / "new") == session()


@pytest.mark.parametrize(
    ("preferences", "version"),
    [
        (b'{"extensions": {"last_chrome_version": "148.0.1.2"}}', "148.0.1.2"),
        (b'{"extensions": {}}', None),
        (b'{"extensions": {"last_chrome_version": 7}}', None),
        (b"not JSON", None),
        (b"[]", None),
        (b"[" * 100_000, None),
    ],
)
def test_chromes_version_may_also_be_in_its_preferences(
    tmp_path: Path, preferences: bytes, version: str | None
) -> None:
    """An unknown version is no reason to refuse."""
    file = chrome(tmp_path / "chrome.zip", {"Default/Preferences": preferences})
    with SessionFile(changed(file, lambda entries: entries.pop("Last Version"))) as found:
        assert found.browser == version


def test_links_outside_of_the_session_do_no_harm(tmp_path: Path) -> None:
    """Chrome on macOS has such a link, which is skipped."""
    with SessionFile(with_link(chrome(tmp_path / "chrome.zip"), "RunningChromeVersion")) as found:
        found.unpack(tmp_path / "new")
    assert read_profile(tmp_path / "new") == session("chrome")


def test_what_can_not_be_written_is_an_error_of_the_disk(tmp_path: Path) -> None:
    """The file itself is valid, so the error does not blame it."""
    with SessionFile(packed(tmp_path)) as found:
        (tmp_path / "new").mkdir()
        with pytest.raises(FileExistsError):
            found.unpack(tmp_path / "new")


def test_a_file_that_is_also_a_folder_is_an_error(tmp_path: Path) -> None:
    """A zip can hold both, a disk cannot."""
    file = chrome(tmp_path / "chrome.zip", {f"{DATABASE}/CURRENT/x": b""})
    with SessionFile(file) as found, pytest.raises(OSError, match="CURRENT"):
        found.unpack(tmp_path / "new")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)", 156),
        ("Google Chrome 149.0.1.2", 149),
        ("HeadlessChrome/150.0.0.0", 150),
        ("149.0.1.2", 149),
        ("", None),
        (None, None),
    ],
)
def test_the_major_version_of_a_browser(text: str | None, expected: int | None) -> None:
    """It is read from every format in use."""
    assert major(text) == expected


def test_refusals_are_one_sentence(tmp_path: Path) -> None:
    """The sentence has the file's name."""
    with pytest.raises(Refused) as refused:
        SessionFile(tmp_path / "nowhere.zip")
    assert str(refused.value) == f"cannot import {tmp_path}/nowhere.zip: there is no such file; check its name"
