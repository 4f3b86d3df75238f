"""`leadmasterd auth import`: a valid file replaces the session; any other is refused and changes nothing."""

import errno
import fcntl
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from leadmasterd.listener.profile import Auth
from leadmasterd.settings.paths import Paths, find_paths
from leadmasterd.state.files import Lock, write_status
from tests.sessions import (
    ACCOUNT,
    DATABASE,
    LOCAL,
    changed,
    chrome,
    packed,
    read_profile,
    remanifested,
    session,
    with_link,
    write_profile,
    zipped,
)
from tests.test_cli_leads import NOON, Answer, Shop
from tests.test_cli_leads import shop as shop

OTHER = "5491155550200@c.us"


@pytest.fixture
def paths(shop: Shop) -> Paths:
    """A linked session, and a browser of version 150."""
    browser = shop.folder / "browser"
    browser.write_text("#!/bin/sh\necho Chromium 150.0.7871.100 built on Debian\n")
    browser.chmod(0o755)
    with (shop.folder / "config.toml").open("a") as settings:
        settings.write(f'[listener]\nbrowser = "{browser}"\n')
    found = find_paths(None)
    write_profile(found.profile, session("former"))
    Auth(found).mark_linked(ACCOUNT)
    return found


def state_of(paths: Paths) -> dict[str, bytes]:
    """Every file in the state directory except the lock."""
    return {
        str(path.relative_to(paths.state_dir)): path.read_bytes()
        for path in paths.state_dir.rglob("*")
        if path.is_file() and path != paths.lock_file
    }


def refused(answer: Answer) -> str:
    """The single sentence of the error."""
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.count("\n") == 1, answer.err
    return answer.err


def test_a_good_file_takes_the_place_of_the_session(shop: Shop, paths: Paths) -> None:
    """The new session is marked as linked and the old one kept; the output says both."""
    file = packed(shop.folder)
    answer = shop.types("auth", "import", str(file))
    assert answer.code == 0, answer.err
    assert read_profile(paths.profile) == session()
    auth = Auth(paths)
    assert auth.linked_account() == ACCOUNT
    assert auth.linked_elsewhere_at() == "2026-11-29T17:40:00.000Z"
    [former] = auth.quarantined()
    kept = read_profile(former)
    assert kept.pop("why.txt").decode() == f"imported {file}\n"
    assert kept == {**session("former"), "Default/Cache/data": b"cached"}
    assert f"The session that was here is kept in {former}." in answer.out
    made = datetime(2026, 11, 29, 18, tzinfo=UTC).astimezone(ZoneInfo(NOON))
    assert f"It is the session of 5491155550100, of {made:%Y-%m-%d %H:%M}." in answer.out
    assert {path.name for path in paths.profile.parent.iterdir()} == {"profile", "quarantine"}


def test_what_was_imported_is_told_to_programs(shop: Shop, paths: Paths) -> None:
    """JSON output is one object; a second import keeps the first session aside."""
    file = packed(shop.folder)
    found = shop.types("auth", "import", str(file), "--json").json
    [former] = Auth(paths).quarantined()
    assert found == {
        "code": "imported", "file": str(file), "kind": "leadmasterd", "account": ACCOUNT,
        "made_at": "2026-11-29T18:00:00.000Z", "browser": "Chromium 150.0.7871.100", "files": 4,
        "bytes": sum(map(len, session().values())), "former": str(former),
    }  # fmt: skip


def test_the_first_session_of_a_machine_may_be_imported(shop: Shop, paths: Paths) -> None:
    """There is no old session to keep."""
    shutil.rmtree(paths.state_dir)
    answer = shop.types("auth", "import", str(packed(shop.folder)))
    assert answer.code == 0
    assert "kept in" not in answer.out
    assert read_profile(paths.profile) == session()


def test_a_zipped_profile_of_chrome_may_be_imported(shop: Shop, paths: Paths) -> None:
    """Its account is unknown, which the output says; it is marked once the daemon sees the account."""
    answer = shop.types("auth", "import", str(chrome(shop.folder / "chrome.zip", above="whatsapp/")))
    assert answer.code == 0, answer.err
    assert read_profile(paths.profile) == session("chrome")
    assert (Auth(paths).linked_account(), Auth(paths).linked_elsewhere_at()) == (None, None)
    assert "It does not say whose account it is" in answer.out


def test_a_version_that_is_not_known_is_told(shop: Shop, paths: Paths) -> None:
    """The import still succeeds."""
    file = changed(chrome(shop.folder / "chrome.zip"), lambda entries: entries.pop("Last Version"))
    answer = shop.types("auth", "import", "--dry-run", str(file))
    assert answer.code == 0
    assert "could not be checked whether the browser here is new enough" in answer.out


@pytest.mark.parametrize("kind", ["leadmasterd", "chrome"])
def test_a_dry_run_verifies_and_changes_nothing(shop: Shop, paths: Paths, kind: str) -> None:
    """It is allowed while the daemon runs."""
    file = packed(shop.folder) if kind == "leadmasterd" else chrome(shop.folder / "chrome.zip")
    before = state_of(paths)
    lock = Lock(paths)
    lock.acquire()
    try:
        found = shop.types("auth", "import", "--dry-run", str(file), "--json").json
        said = shop.types("auth", "import", "--dry-run", str(file)).out
    finally:
        lock.release()
    assert (found["code"], found["kind"], found["former"]) == ("verified", kind, None)
    assert said.endswith("Nothing was changed.\n")
    assert state_of(paths) == before


# ---------------------------------------------------------------------- bad input


def cut(file: Path) -> Path:
    """A truncated copy."""
    file.write_bytes(file.read_bytes()[:-200])
    return file


def bit_flipped(file: Path) -> Path:
    """A copy with one flipped bit."""
    with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo(f"{DATABASE}/000003.log")
    content = bytearray(file.read_bytes())
    content[entry.header_offset + 30 + len(entry.filename) + 20 + 10] ^= 0x10
    file.write_bytes(content)
    return file


def locked_with_a_password(file: Path) -> Path:
    """A zip whose table of contents says it is encrypted."""
    content = bytearray(file.read_bytes())
    for found in re.finditer(rb"PK\x01\x02", bytes(content)):
        content[found.start() + 8] |= 1
    file.write_bytes(content)
    return file


def packed_strangely(file: Path) -> Path:
    """A compression method of Windows that Python does not support."""
    content = bytearray(file.read_bytes())
    for signature, offset in ((rb"PK\x01\x02", 10), (rb"PK\x03\x04", 8)):
        for found in re.finditer(signature, bytes(content)):
            content[found.start() + offset] = 9
    file.write_bytes(content)
    return file


def a_bomb(file: Path) -> Path:
    """A zip whose table of contents promises 20 GB of zeros."""
    content = bytearray(file.read_bytes())
    for found in re.finditer(rb"PK\x01\x02", bytes(content)):
        content[found.start() + 24 : found.start() + 28] = (4_200_000_000).to_bytes(4, "little")
    file.write_bytes(content)
    return file


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nowhere": (lambda folder: folder / "no.zip", "there is no such file; check its name"),
    "a folder": (lambda folder: write_profile(folder / "f", session()), "zip it first"),
    "no zip": (lambda folder: Path(shutil.copy(__file__, folder / "x.zip")), "not a zip file at all; copy it here"),
    "empty": (lambda folder: zipped(folder / "x.zip", {}), "neither a session of leadmasterd nor Chrome's"),
    "cut": (lambda folder: cut(packed(folder)), "it is cut off, or not a zip file at all; copy it here again"),
    "a bit": (lambda folder: bit_flipped(packed(folder)), "damaged, Default/IndexedDB/https_web.whatsapp.com_0"),
    "a bit in Chrome's": (lambda folder: bit_flipped(chrome(folder / "x.zip")), "it is damaged"),
    "password": (lambda folder: locked_with_a_password(chrome(folder / "x.zip")), "has a password; make one without"),
    "deflate64": (lambda folder: packed_strangely(chrome(folder / "x.zip")), "can't be read here; zip it the ordinary"),
    "bomb": (lambda folder: a_bomb(chrome(folder / "x.zip")), "MB are too much for a session; look at what is in it"),
    "incomplete": (
        lambda folder: changed(packed(folder), lambda files: files.pop(f"{DATABASE}/CURRENT")),
        "it is incomplete, Default/IndexedDB/https_web.whatsapp.com_0.indexeddb.leveldb/CURRENT is missing",
    ),
    "one more": (
        lambda folder: changed(packed(folder), lambda files: files.update({f"{LOCAL}/more": b"x"})),
        "its manifest does not name 'Default/Local Storage/leveldb/more'; make it anew",
    ),
    "other contents": (
        lambda folder: changed(
            packed(folder), lambda files: files.update({f"{DATABASE}/CURRENT": b"MANIFEST-000002\n"})
        ),
        "it is damaged",
    ),
    "longer": (
        lambda folder: changed(packed(folder), lambda files: files.update({f"{LOCAL}/LOCK": b"more"})),
        "damaged, Default/Local Storage/leveldb/LOCK is not what was packed",
    ),
    "no manifest": (
        lambda folder: changed(packed(folder), lambda files: files.update({"manifest.json": b"{"})),
        "its manifest can't be read",
    ),
    "deep manifest": (
        lambda folder: changed(packed(folder), lambda files: files.update({"manifest.json": b"[" * 100_000})),
        "its manifest can't be read",
    ),
    "odd manifest": (lambda folder: remanifested(packed(folder), files=[]), "its manifest can't be read"),
    "odd account": (lambda folder: remanifested(packed(folder), account=7), "its manifest can't be read"),
    "huge manifest": (
        lambda folder: changed(
            packed(folder),
            lambda files: files.update(
                {"manifest.json": files["manifest.json"].replace(b'"size": ', b'"size": 1e999')}
            ),
        ),
        "its manifest can't be read",
    ),
    "new manifest": (lambda folder: remanifested(packed(folder), v=2), "use the same version on both computers"),
    "climbs": (
        lambda folder: chrome(folder / "x.zip", {"../../profile/x": b"x"}),
        "'../../profile/x' in it climbs out of its folder; use another file",
    ),
    "climbs inside": (
        lambda folder: chrome(folder / "x.zip", {"Default/IndexedDB/../../../x": b"x"}),
        "climbs out of its folder",
    ),
    "climbs on Windows": (lambda folder: chrome(folder / "x.zip", {"a\\..\\..\\x": b"x"}), "climbs out"),
    "absolute": (lambda folder: chrome(folder / "x.zip", {"/etc/cron.d/x": b"x"}), "climbs out of its folder"),
    "a drive": (lambda folder: chrome(folder / "x.zip", {"C:/x": b"x"}), "climbs out of its folder"),
    "link": (
        lambda folder: with_link(chrome(folder / "x.zip"), f"{DATABASE}/000004.log"),
        f"{DATABASE}/000004.log in it is a link, and a session has none",
    ),
    "a name that a terminal obeys": (
        lambda folder: with_link(chrome(folder / "x.zip"), f"{DATABASE}/\x1b[31m\n"),
        f"{DATABASE}/\ufffd[31m  in it is a link",
    ),
    "link in ours": (
        lambda folder: with_link(packed(folder), f"{DATABASE}/000004.log"),
        "its manifest does not name",
    ),
    "twice": (
        lambda folder: chrome(folder / "x.zip", {f"{DATABASE}/CURRENT".replace("/", "\\"): b"x"}),
        "/CURRENT' is in it twice; make it anew",
    ),
    "two profiles": (
        lambda folder: chrome(folder / "x.zip", {f"b/{DATABASE}/CURRENT": b"x"}),
        "two of Chrome's folders are in it; zip only the one that was linked",
    ),
    "too deep": (
        lambda folder: zipped(folder / "x.zip", {f"a/b/{name}": content for name, content in session().items()}),
        "neither a session of leadmasterd nor Chrome's Default/IndexedDB and Default/Local Storage; zip the",
    ),
    "no WhatsApp": (
        lambda folder: zipped(folder / "x.zip", {"Default/IndexedDB/https_x.com_0/1": b"", f"{LOCAL}/1": b""}),
        "no WhatsApp session is in it; link an account in that browser first",
    ),
    "half of it": (
        lambda folder: changed(
            chrome(folder / "x.zip"), lambda files: [files.pop(f"{LOCAL}/{n}") for n in ("000003.log", "LOCK")]
        ),
        "no WhatsApp session is in it",
    ),
    "still open on Windows": (
        lambda folder: chrome(folder / "x.zip", {"lockfile": b""}, above="w/"),
        "Chrome was still open when it was zipped; close Chrome, and zip the folder again",
    ),
    "still open on macOS": (
        lambda folder: with_link(chrome(folder / "x.zip"), "SingletonLock"),
        "Chrome was still open when it was zipped",
    ),
    "newer browser": (
        lambda folder: packed(folder, browser="Chromium 151.0.1.2"),
        "it was made with version 151 of the browser and this machine has 150; update the browser here first",
    ),
    "newer Chrome": (
        lambda folder: changed(chrome(folder / "x.zip"), lambda files: files.update({"Last Version": b"151.0.1.2"})),
        "it was made with version 151 of the browser and this machine has 150",
    ),
    "another number": (
        lambda folder: packed(folder, account=OTHER),
        "it is a session of 5491155550200, and 5491155550100 is linked here; to change the number add --new-number",
    ),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("how", [[], ["--dry-run"]], ids=["import", "dry-run"])
def test_a_bad_file_is_refused_in_one_sentence_and_nothing_is_replaced(
    shop: Shop, paths: Paths, what: str, how: list[str]
) -> None:
    """The state stays byte for byte as it was."""
    make, sentence = BAD[what]
    file = make(shop.folder)
    before = state_of(paths)
    said = refused(shop.types("auth", "import", *how, str(file)))
    assert said.startswith(f"cannot import {file}: ")
    assert sentence in said
    assert state_of(paths) == before
    assert [path.name for path in paths.profile.parent.iterdir()] == ["profile"]


def test_a_pipe_is_no_file(shop: Shop, paths: Paths) -> None:
    """Reading from a pipe would block forever."""
    os.mkfifo(shop.folder / "pipe")
    assert "it is no file" in refused(shop.types("auth", "import", str(shop.folder / "pipe")))


def test_another_number_may_be_wanted(shop: Shop, paths: Paths) -> None:
    """The session is then marked with that number."""
    assert shop.types("auth", "import", "--new-number", str(packed(shop.folder, account=OTHER))).code == 0
    assert Auth(paths).linked_account() == OTHER


def test_the_number_is_remembered_after_its_session_was_set_aside(shop: Shop, paths: Paths) -> None:
    """After a logout the last status.json still names it."""
    write_status(paths, {"v": 1, "account": {"wid": ACCOUNT, "push_name": None}})
    assert shop.types("auth", "reset").code == 0
    assert "5491155550100 is linked here" in refused(
        shop.types("auth", "import", str(packed(shop.folder, account=OTHER)))
    )
    assert shop.types("auth", "import", str(packed(shop.folder))).code == 0


def test_it_is_refused_while_the_daemon_runs(shop: Shop, paths: Paths) -> None:
    """The error shows the command that stops it, whatever an earlier daemon left behind, and the file is not read."""
    write_status(paths, {"v": 1, "pid": 1717})
    with paths.lock_file.open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        holder.write("4242\n")
        holder.flush()
        answer = shop.types("auth", "import", "nowhere.zip")
    assert (answer.code, answer.out) == (73, "")
    assert answer.err == "cannot import a session while the daemon runs: stop it first with `kill 4242`\n"


def test_a_service_is_stopped_by_its_name(shop: Shop, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name comes from the daemon's control group."""
    read = Path.read_text

    def group_of(path: Path, encoding: str | None = None) -> str:
        of_4242 = str(path) == "/proc/4242/cgroup"
        return "0::/system.slice/leadmasterd@shop.service\n" if of_4242 else read(path, encoding)

    monkeypatch.setattr(Path, "read_text", group_of)
    with paths.lock_file.open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        holder.write("4242\n")
        holder.flush()
        said = shop.types("auth", "import", "nowhere.zip").err
    assert said.endswith("stop it first with `sudo systemctl stop leadmasterd@shop.service`\n")


def test_a_full_disk_is_seen_before_anything_is_written(
    shop: Shop, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says how much space is needed, and where."""
    file, before = packed(shop.folder), state_of(paths)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=300_000_000))
    for how in ([], ["--dry-run"]):
        said = refused(shop.types("auth", "import", *how, str(file)))
        assert "it needs 500 MB and" in said
        assert "has 300 MB free; free some space" in said
    assert state_of(paths) == before


@pytest.mark.parametrize("step", [".profile.new", "profile", ".profile.complete"])
def test_a_disk_that_fails_while_it_is_written_changes_nothing(
    shop: Shop, paths: Paths, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """This holds even in the last step, when the old session has been moved away."""
    file, before = packed(shop.folder), state_of(paths)
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.name == step:
            raise OSError(5, "Input/output error", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    assert "the disk fails; the session here was not changed" in refused(shop.types("auth", "import", str(file)))
    after = state_of(paths)
    after.pop("auth/profile/why.txt", None)
    assert after == before


def test_a_session_that_can_be_put_nowhere_is_said_to_be_in_the_quarantine(
    shop: Shop, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next command finishes what this one could not, once the disk is well."""
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if target == paths.profile:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return rename(path, target)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "rename", fails)
        answer = shop.types("auth", "import", str(packed(shop.folder)))
    [former] = paths.quarantine.iterdir()
    assert answer.code == 73
    assert "the disk is read-only; the next start of the daemon tries it again" in answer.err
    assert str(former) in answer.err
    assert not paths.profile.exists()
    assert shop.types("auth", "snapshot").code == 0
    assert read_profile(paths.profile) == session()
    assert {path.name for path in paths.profile.parent.iterdir()} == {"profile", "quarantine", "snapshots"}


def test_a_file_with_a_name_that_is_no_utf8_is_imported_too(shop: Shop, paths: Paths) -> None:
    """The name is noted beside the former session, which has been moved away by then."""
    file = packed(shop.folder)
    odd = Path(os.fsdecode(os.fsencode(file.parent) + b"/sesi\xf3n.zip"))
    file.rename(odd)
    assert shop.types("auth", "import", str(odd)).code == 0
    [former] = paths.quarantine.iterdir()
    assert (former / "why.txt").read_text(encoding="utf-8").startswith("imported ")


def test_a_browser_that_has_the_profile_open_stops_it(
    shop: Shop, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead daemon may have left one running."""
    monkeypatch.setattr(Auth, "browser_using_it", lambda _: 4242)
    answer = shop.types("auth", "import", str(packed(shop.folder)))
    assert (answer.code, answer.out) == (73, "")
    assert "a browser (pid 4242) has the profile open; close it first" in answer.err


def test_without_a_browser_nothing_can_be_compared(shop: Shop, paths: Paths) -> None:
    """The error says which browser is missing."""
    (shop.folder / "browser").unlink()
    answer = shop.types("auth", "import", str(packed(shop.folder)))
    assert answer.code == 78
    assert "there is no such program" in answer.err


def test_root_is_told_to_act_as_the_states_owner(shop: Shop, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon could not read files written by root."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    stat = Path.stat

    def of_another(path: Path, *, follow_symlinks: bool = True) -> object:
        found = stat(path, follow_symlinks=follow_symlinks)
        if path != paths.state_dir:
            return found
        return SimpleNamespace(st_uid=found.st_uid + 1000, st_mode=found.st_mode)

    monkeypatch.setattr(Path, "stat", of_another)
    before = state_of(paths)
    answer = shop.types("auth", "import", str(packed(shop.folder)))
    assert answer.code == 73
    assert "permission denied; try `sudo -u" in answer.err
    assert state_of(paths) == before


def test_the_daemons_own_mark_counts_as_linked_from_now_on(shop: Shop, paths: Paths) -> None:
    """An imported session is as young as a scanned one, so no snapshot is taken of it yet."""
    shop.types("auth", "import", str(packed(shop.folder)))
    assert Auth(paths).linked_for(now=datetime.now(UTC)).total_seconds() < 60
    assert json.loads(shop.types("auth", "list", "--json").out)["linked"] == ACCOUNT
