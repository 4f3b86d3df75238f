"""Linking in a window: what the person is told, when it is complete, and that a failure leaves nothing behind."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.errors import Interrupted, LeadmasterdError, Refused
from leadmasterd.listener import linking, tree
from leadmasterd.listener.child import Child
from leadmasterd.listener.linking import History, Linked, Progress, link
from leadmasterd.settings.model import Settings
from leadmasterd.supervisor.timing import Timing
from tests import wire
from tests.processes import adopting_orphans
from tests.sessions import NOW
from tests.waiting import until

PROGRAMS = Path(__file__).parent / "programs"
AGAIN = "run `leadmasterd auth pair` again"
REMOVE = "remove the new device on the phone (Linked devices), then " + AGAIN
LIMIT = 1800.0


def heartbeat(history: str | None) -> dict[str, Any]:
    """A heartbeat, as sent every few seconds once ready."""
    return wire.line(
        "heartbeat", socket_state="CONNECTED", has_synced=True, added=0, emitted=0, dropped=0, history=history
    )


HELLO = wire.line("hello", pid=1, versions={"browser": "Chromium 150.0.7871.100", "node": "20"})
WINDOW = wire.line("browser_started", pid=2, version="Chrome/150")
QR = wire.line("qr", qr="2@x", valid_seconds=60)
AUTHENTICATED = wire.line("authenticated")
READY = wire.ready(fresh=True)
LOGOUT = wire.line("disconnected", reason="LOGOUT", logout_reason=None)
BANNED = wire.line("banned", code="101", expires=None, message=None)


def bye(reason: str, detail: str | None = None) -> dict[str, Any]:
    """The child's last line."""
    return wire.line("bye", reason=reason, detail=detail)


def passkey(step: str, code: str | None = None) -> dict[str, Any]:
    """WhatsApp's passkey step between scan and link."""
    return wire.line("passkey", where="linking", step=step, code=code, by="event")


class Dialogue:
    """The progress of linking, and what it printed for each line."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.now = 0.0
        self.progress = Progress(self.said.append, limit=LIMIT, clock=lambda: NOW + timedelta(seconds=self.now))

    def hears(self, *lines: dict[str, Any]) -> list[str]:
        """What it prints for these lines."""
        before = len(self.said)
        for line in lines:
            self.progress.handle(wire.decoded(line), now=self.now)
        return self.said[before:]

    def ends(self, line: dict[str, Any]) -> str:
        """The error message when linking ends this way."""
        with pytest.raises(Refused) as refused:
            self.hears(line)
        return str(refused.value)


def test_a_person_is_led_through_it() -> None:
    """Each step is printed once, however often its line repeats, until the history is complete."""
    dialogue = Dialogue()
    assert dialogue.hears(HELLO, WINDOW) == ["A browser window is open. Leave it open, and open no chat in it."]
    assert len(dialogue.hears(QR, QR, wire.line("state", state="UNPAIRED"))) == 1
    assert dialogue.hears(passkey("asked"), passkey("asked"), passkey("working")) == [
        "WhatsApp asks for a passkey: answer in the window, as your phone or key wants it."
    ]
    assert dialogue.hears(passkey("code", "K3Y7-92AB")) == [
        "WhatsApp shows the code K3Y7-92AB: confirm it on the phone."
    ]
    assert dialogue.hears(passkey("done")) == ["The passkey was accepted."]
    assert len(dialogue.hears(AUTHENTICATED, AUTHENTICATED)) == 1
    [linked] = dialogue.hears(READY, READY)
    assert linked.startswith("Linked: 5491155550100. Now its recent history comes in, for 30 minutes at most")
    assert dialogue.hears(heartbeat(None), heartbeat("incoming")) == []
    assert dialogue.progress.result is None
    assert dialogue.hears(heartbeat("complete")) == ["The recent history is complete."]
    assert dialogue.progress.result == Linked(wire.US, "Chromium 150.0.7871.100", "complete", NOW)


def test_a_passkey_that_is_seen_to_be_over_after_the_link_is_no_news() -> None:
    """The child may notice a moment late that the screen has gone."""
    dialogue = Dialogue()
    dialogue.hears(HELLO, WINDOW, QR, passkey("asked"), READY)
    assert dialogue.hears(passkey("done")) == []


def test_a_passkey_that_failed_may_be_tried_again() -> None:
    """The window shows the next code."""
    dialogue = Dialogue()
    dialogue.hears(HELLO, WINDOW, QR, passkey("asked"))
    assert dialogue.hears(passkey("failed")) == [
        "WhatsApp did not accept it: scan the next code in the window, and try again."
    ]


@pytest.mark.parametrize(("told", "history"), [(None, "unknown"), ("incoming", "incoming")])
def test_the_history_is_waited_for_half_an_hour_and_no_longer(told: str | None, history: History) -> None:
    """The page may not report it, or the phone may take longer; progress is printed every minute."""
    dialogue = Dialogue()
    dialogue.hears(HELLO, WINDOW, READY)
    said = []
    while dialogue.progress.result is None:
        assert dialogue.now <= LIMIT
        dialogue.now += 5
        said += dialogue.hears(heartbeat(told))
    assert dialogue.now == LIMIT
    assert said[0] == "Still at it, for 1 min."
    assert 28 <= len(said) <= 31
    assert dialogue.progress.result == Linked(wire.US, "Chromium 150.0.7871.100", history, NOW)


def test_a_first_sync_that_takes_long_is_waited_for() -> None:
    """There is no limit, since ending it would cost the link."""
    dialogue = Dialogue()
    dialogue.hears(HELLO, WINDOW, AUTHENTICATED)
    dialogue.now = 61
    dialogue.progress.tick(now=dialogue.now)
    assert dialogue.said[-1] == "Still at it."
    dialogue.now = 400
    assert dialogue.hears(READY) != []


@pytest.mark.parametrize(
    ("before", "last", "why"),
    [
        ([HELLO], bye("initialize_failed", "Missing X server"), "the browser opened no window here (Missing X server)"),
        ([HELLO], bye("browser_failed"), "the browser opened no window here (browser_failed)"),
        ([HELLO, WINDOW, QR], bye("browser_gone"), "the window was closed too early"),
        ([HELLO, WINDOW], bye("page_closed"), "the window was closed too early"),
        ([HELLO, WINDOW, QR], bye("page_crashed", "out of memory"), "the page crashed"),
        ([HELLO, WINDOW, QR], bye("internal", "a \x1b[31mdefect"), "the browser ended (a \ufffd[31mdefect)"),
        ([HELLO, WINDOW, QR], LOGOUT, "WhatsApp has ended the link; look at what the phone says"),
        (
            [HELLO, WINDOW, QR],
            BANNED,
            "WhatsApp has banned this number temporarily; wait until the phone says that it is over",
        ),
        ([HELLO, WINDOW, QR], bye("logged_out"), "WhatsApp has ended the link; look at what the phone says"),
    ],
)
def test_an_end_before_the_link_leaves_nothing(before: list[dict[str, Any]], last: dict[str, Any], why: str) -> None:
    """One sentence says what happened and what to do."""
    dialogue = Dialogue()
    dialogue.hears(*before)
    assert dialogue.ends(last) == f"cannot pair: {why}; {AGAIN}"


@pytest.mark.parametrize("linked", [AUTHENTICATED, READY])
def test_an_end_after_the_link_leaves_a_device_on_the_phone(linked: dict[str, Any]) -> None:
    """Nobody uses that device, so the person is asked to remove it."""
    dialogue = Dialogue()
    dialogue.hears(HELLO, WINDOW, QR, linked)
    assert dialogue.ends(bye("browser_gone")) == f"cannot pair: the window was closed too early; {REMOVE}"


# ---------------------------------------------------------------------- with a child


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., asyncio.Task[Linked]]]:
    """Link with a child that writes these lines."""
    monkeypatch.setattr(
        linking, "command_for", lambda node, marker: [str(node), str(PROGRAMS / "speaks.py"), f"--instance={marker}"]
    )

    def start(*lines: object, exit_code: int = 0) -> asyncio.Task[Linked]:
        monkeypatch.setenv("SPEAKS", json.dumps(lines))
        monkeypatch.setenv("EXIT", str(exit_code))
        return asyncio.create_task(
            link(
                Settings(),
                node=Path(sys.executable),
                browser=Path("/usr/bin/chromium"),
                profile=tmp_path / "profile",
                say=lambda _: None,
            )
        )

    with adopting_orphans():
        yield start


def none_left(tmp_path: Path) -> bool:
    return tree.find_ours(tree.marker_of(tmp_path / "profile")) == []


async def test_the_browser_is_closed_when_the_session_is_complete(
    tmp_path: Path, pair: Callable[..., asyncio.Task[Linked]]
) -> None:
    """It is asked to close, so that its profile is complete on disk."""
    assert (await pair(HELLO, WINDOW, READY, heartbeat("complete"))).history == "complete"
    assert none_left(tmp_path)


@pytest.mark.parametrize(
    ("lines", "exit_code", "why"),
    [
        ([HELLO, WINDOW, READY, heartbeat("complete")], 70, "the browser did not close in good order, so its session"),
        ([HELLO, WINDOW, QR, bye("browser_gone"), "leaves"], 0, "the window was closed too early"),
        (["leaves"], 0, "the listener ended without a word"),
    ],
)
async def test_an_end_in_vain_leaves_no_process(
    tmp_path: Path,
    pair: Callable[..., asyncio.Task[Linked]],
    lines: list[object],
    exit_code: int,
    why: str,
) -> None:
    """This holds for every cause."""
    with pytest.raises(Refused, match=why):
        await pair(*lines, exit_code=exit_code)
    assert none_left(tmp_path)


async def test_an_interruption_closes_the_browser_and_says_what_is_left(
    tmp_path: Path, pair: Callable[..., asyncio.Task[Linked]]
) -> None:
    """Tried with a cancellation, as by Ctrl-C."""
    running = pair(HELLO, WINDOW, READY, heartbeat("incoming"))
    await until(lambda: not none_left(tmp_path))
    await asyncio.sleep(0.5)  # enough to read all of its lines, which no event reports
    running.cancel()
    with pytest.raises(LeadmasterdError) as ended:
        await running
    assert isinstance(ended.value, Interrupted)
    assert str(ended.value) == f"cannot pair: it was interrupted; {REMOVE}"
    assert none_left(tmp_path)


async def test_an_interruption_while_the_browser_closes_does_not_tear_the_session(
    tmp_path: Path, pair: Callable[..., asyncio.Task[Linked]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is linked by then, and linking again may be impossible."""
    stop = Child.stop

    async def interrupted(child: Child, timing: Timing) -> None:
        asyncio.get_running_loop().call_soon(running.cancel)
        await stop(child, timing)

    monkeypatch.setattr(Child, "stop", interrupted)
    running = pair(HELLO, WINDOW, READY, heartbeat("complete"))
    assert (await running).history == "complete"
    assert none_left(tmp_path)
