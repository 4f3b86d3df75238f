"""`leadmasterd auth pair`: what it refuses before a window opens, what it writes, and what it leaves behind."""

import asyncio
import errno
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leadmasterd.cli import auth_pair
from leadmasterd.errors import Interrupted, Refused
from leadmasterd.listener.linking import Linked
from leadmasterd.listener.session_file import SessionFile
from leadmasterd.times import iso
from tests.sessions import ACCOUNT, BROWSER, LINKED, read_profile, session, write_profile
from tests.test_cli_leads import Answer, Shop
from tests.test_cli_leads import shop as shop
from tests.test_json_doc import differences, documented_paths

Act = Callable[[Path, Callable[[str], None]], Any]


@pytest.fixture
def pair(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run the command on a desktop where the account gets linked, or where `act` happens instead."""
    browser = shop.folder / "browser"
    browser.write_text("#!/bin/sh\necho Chromium 150.0.7871.100\n")
    browser.chmod(0o755)
    node = shop.folder / "node"
    node.write_text("#!/bin/sh\necho v20.20.2\n")
    node.chmod(0o755)
    with (shop.folder / "config.toml").open("a") as settings:
        settings.write(f'[listener]\nbrowser = "{browser}"\nnode = "{node}"\n')
    work = shop.folder / "work"
    work.mkdir()
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    def types(*words: str, act: Act = links) -> Answer:
        async def link(*_: object, profile: Path, say: Callable[[str], None], **__: object) -> Linked:
            found = act(profile, say)
            if asyncio.iscoroutine(found):
                await found
            return Linked(ACCOUNT, BROWSER, "complete", LINKED)

        monkeypatch.setattr(auth_pair, "link", link)
        return shop.types("auth", "pair", "--work-dir", str(work), *words)

    return types


def links(profile: Path, say: Callable[[str], None]) -> None:
    """Link the account."""
    say("A window is open.")
    write_profile(profile, session())


def never(_profile: Path, _say: Callable[[str], None]) -> None:
    """Fail if a window opens."""
    pytest.fail("a window was opened")


def refused(answer: Answer, code: int = 1) -> str:
    """The single sentence of the error."""
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.count("\n") == 1, answer.err
    return answer.err


def test_it_writes_one_file_and_leaves_nothing_else(shop: Shop, pair: Callable[..., Answer]) -> None:
    """It is named by date and readable by its owner only, and the output says what to do with it."""
    answer = pair()
    assert answer.code == 0, answer.err
    [file] = shop.folder.glob("leadmasterd-session-20??-??-??.zip")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with SessionFile(file) as found:
        assert (found.account, found.browser, found.linked_at) == (ACCOUNT, BROWSER, iso(LINKED))
        found.unpack(shop.folder / "new")
    assert read_profile(shop.folder / "new") == session()
    assert list((shop.folder / "work").iterdir()) == []
    assert f"Wrote {file.name}: the session of 5491155550100." in answer.out
    assert f"    leadmasterd auth import {file.name}\n" in answer.out
    assert not (shop.folder / "state").exists(), "it needs no state"


def test_programs_get_one_object(shop: Shop, pair: Callable[..., Answer]) -> None:
    """The sentences for the person at the desktop go to stderr."""
    answer = pair("--json", "--output", "x.zip")
    assert list(differences(answer.json, documented_paths("auth pair"), set())) == []
    assert answer.json["file"] == "x.zip"
    assert answer.json.keys() == set(documented_paths("auth pair"))
    assert answer.err == "A window is open.\n"


def test_without_a_screen_nothing_is_tried(pair: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    """X11 and Wayland both count."""
    monkeypatch.delenv("DISPLAY")
    assert "there is no screen here" in refused(pair(act=never))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert pair().code == 0


def test_without_a_browser_it_says_which_to_install(shop: Shop, pair: Callable[..., Answer]) -> None:
    """The exit code is that of a missing program."""
    (shop.folder / "browser").unlink()
    assert "there is no such program" in refused(pair(act=never), 78)


@pytest.mark.parametrize("link_to", [None, "nowhere"])
def test_an_existing_file_is_never_replaced(shop: Shop, pair: Callable[..., Answer], link_to: str | None) -> None:
    """The target of a symbolic link is not written either."""
    if link_to:
        (shop.folder / "x.zip").symlink_to(link_to)
    else:
        (shop.folder / "x.zip").write_text("precious")
    assert "it exists already; name another --output" in refused(pair("--output", "x.zip", act=never))


def test_a_folder_that_is_not_there_is_named_before_the_window_opens(pair: Callable[..., Answer]) -> None:
    """This covers the file's folder and the browser profile's."""
    assert "there is no such folder" in refused(pair("--output", "nowhere/x.zip", act=never))
    assert "name another --work-dir" in refused(pair("--work-dir", "/nowhere", act=never))


def test_a_full_disk_is_seen_before_the_window_opens(
    shop: Shop, pair: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-written profile would lose the link."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=300_000_000))
    assert "has 300 MB free and 1000 MB are needed" in refused(pair(act=never))
    assert list((shop.folder / "work").iterdir()) == []


@pytest.mark.parametrize("error", [Refused("cannot pair: x; y"), Interrupted("cannot pair: x; y")])
def test_an_end_in_vain_leaves_nothing(shop: Shop, pair: Callable[..., Answer], error: Exception) -> None:
    """Neither file nor profile is left."""

    def ends(profile: Path, say: Callable[[str], None]) -> None:
        links(profile, say)
        raise error

    answer = pair(act=ends)
    assert answer.err == "cannot pair: x; y\n"
    assert answer.code == (130 if isinstance(error, Interrupted) else 1)
    assert list((shop.folder / "work").iterdir()) == []
    assert list(shop.folder.glob("*.zip")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_it(shop: Shop, pair: Callable[..., Answer], number: signal.Signals) -> None:
    """On Ctrl-C or when the terminal closes, the browser is shut down properly."""
    closed = []

    async def waits() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            closed.append(True)
            raise Interrupted("cannot pair: it was interrupted") from None

    assert pair(act=lambda _profile, _say: waits()).code == 130
    assert closed == [True]
    assert list((shop.folder / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (KeyboardInterrupt(), "it was interrupted"),
        (ValueError("ZIP does not support timestamps before 1980"), "ValueError"),
    ],
    ids=["full", "interrupted", "defect"],
)
def test_a_linked_session_that_can_not_be_written_is_kept(
    shop: Shop, pair: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, error: BaseException, why: str
) -> None:
    """Linking again may be impossible, so the error names the folder and how to go on. Nothing new can be made then."""

    def fails(*_: object, **__: object) -> None:
        for name in ("mkdir", "rename"):
            monkeypatch.setattr(Path, name, no_room)
            monkeypatch.setattr(os, name, no_room)
        raise error

    def no_room(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(auth_pair, "pack", fails)
    answer = pair()
    monkeypatch.undo()
    assert answer.code == 1
    [kept] = (shop.folder / "work").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert f"{why}; the account is linked, so zip the folder {kept}/profile" in answer.err
    assert ("Traceback" in answer.err) is isinstance(error, ValueError)
    assert isinstance(error, OSError) or str(error) in answer.err, "a defect says what it is"
    assert session().items() <= read_profile(kept / "profile").items()


def test_an_interruption_between_linking_and_packing_keeps_the_session(
    shop: Shop, pair: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals end the process again by then."""
    run_until_signal = auth_pair._run_until_signal

    def interrupted(start: Any) -> None:
        run_until_signal(start)
        raise KeyboardInterrupt

    monkeypatch.setattr(auth_pair, "_run_until_signal", interrupted)
    answer = pair()
    [kept] = (shop.folder / "work").iterdir()
    assert answer.code == 1
    assert f"it was interrupted; the account is linked, so zip the folder {kept}/profile" in answer.err
    assert session().items() <= read_profile(kept / "profile").items()
