"""Phases as people see them, the pause that survives restarts, and commands over the control socket."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from leadmasterd.daemon import page_report
from leadmasterd.daemon.control import Control
from leadmasterd.daemon.page_report import PageReport
from leadmasterd.daemon.session import PauseFile, SessionLog
from leadmasterd.daemon.spawner import Spawner
from leadmasterd.reasons import Reason
from leadmasterd.store.records import GapOpened, Item, SessionEvent
from leadmasterd.store.writer import Writer
from leadmasterd.supervisor.inbox import Inbox
from leadmasterd.supervisor.machine import Happened, Phase, State
from leadmasterd.wire.events import Bye, Missing, Page

NOW = "2026-11-23T14:00:00.000Z"


class Store:
    """A fake writer that records what it gets."""

    def __init__(self) -> None:
        self.chunks: list[list[Item]] = []

    def put(self, items: list[Item]) -> None:
        self.chunks.append(items)


class Child:
    """A fake spawner that records what is sent to its child."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, object]]] = []

    def send(self, command: str, **fields: object) -> None:
        self.sent.append((command, fields))


def session() -> tuple[SessionLog, Store]:
    """A session log and its writer."""
    store = Store()
    return SessionLog(cast("Writer", store)), store


def test_a_change_is_recorded_with_its_gap_in_one_piece() -> None:
    """Both are one transaction, so no crash can separate them."""
    log, store = session()
    gap = GapOpened("child_died", NOW)
    log.change(State(phase=Phase.STOPPING, because=Reason("child_died", {"exit_code": 70})), NOW, bye=None, gaps=[gap])
    [[event, opened]] = store.chunks
    assert event == Item(SessionEvent("stopping", "child_died", {"exit_code": 70}), None, NOW)
    assert opened == Item(gap, None, NOW)
    assert log.phase is Phase.STOPPING
    assert log.sentence == "stopping: the Node child died (exit code 70)"


def test_the_last_words_of_a_child_explain_its_death_and_nothing_else() -> None:
    """They are stored with its death; `status` and `history` make a sentence of them."""
    log, _store = session()
    bye = Bye(9, "browser_gone", None)
    log.change(State(phase=Phase.STOPPING, because=Reason("child_died")), NOW, bye=bye, gaps=[])
    assert log.section() == {
        "phase": "stopping",
        "since": NOW,
        "because": "the browser died",
        "code": "child_died",
        "values": {"bye": "browser_gone", "detail": None},
    }
    log.change(State(phase=Phase.PAUSED, because=Reason("paused")), NOW, bye=bye, gaps=[])
    assert log.section()["values"] == {}


def test_a_failed_start_is_one_line_in_the_journal(caplog: pytest.LogCaptureFixture) -> None:
    """With the cause and the next try; the history has each step. Any other stop and start has its lines."""
    caplog.set_level("INFO")
    log, store = session()

    def change(phase: Phase, code: str, *, then: Phase = Phase.STOPPED, **values: object) -> None:
        log.change(State(phase=phase, because=Reason(code, values), then=then), NOW, bye=bye, gaps=[])

    bye = Bye(9, "initialize_failed", "net::ERR_INTERNET_DISCONNECTED")
    change(Phase.STARTING, "started")
    for failures in (1, 2):
        change(Phase.STOPPING, "child_died", then=Phase.BACKING_OFF)
        change(Phase.BACKING_OFF, "child_died", failures=failures, wait_seconds=4.0)
        change(Phase.STARTING, "trying_again")
    change(Phase.SYNCING, "syncing")
    change(Phase.STOPPING, "asked_to_stop")
    cannot = "waiting to start again: web.whatsapp.com cannot be reached; check the network; "
    assert [record.getMessage() for record in caplog.records] == [
        "starting: just started",
        f"{cannot}next try in 4 s",
        f"{cannot}2 failures in a row, next try in 4 s",
        "syncing: WhatsApp is sending what this device has missed",
        "stopping: asked to stop",
    ]
    assert len(store.chunks) == 9


def test_a_note_changes_no_phase() -> None:
    """It is added to the history under the current phase."""
    log, store = session()
    log.change(State(phase=Phase.READY, because=Reason("ready")), NOW, bye=None, gaps=[])
    log.note("dialog", {"text": "x"})
    assert store.chunks[-1][0].record == SessionEvent("ready", "dialog", {"text": "x"})
    assert log.section()["code"] == "ready"


def test_a_pause_survives_until_something_starts(tmp_path: Path) -> None:
    """Stopping the daemon does not end it, and neither does time."""
    file = PauseFile(tmp_path)
    file.follow(Phase.PAUSED)
    for phase in set(Phase) - {Phase.STARTING}:
        file.follow(phase)
        assert file.exists()
    file.follow(Phase.STARTING)
    assert not PauseFile(tmp_path).exists()


def test_a_pause_that_can_not_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The journal reports the error."""
    PauseFile(tmp_path / "gone").follow(Phase.PAUSED)
    assert [record.action for record in caplog.records] == ["pause_unwritten"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("code", "level"),
    [("temporary_ban", "ERROR"), ("logged_out", "ERROR"), ("passkey_asked", "ERROR"), ("ready", "INFO")],
)
def test_what_a_person_should_hear_of_at_once_is_an_error_in_the_journal(
    caplog: pytest.LogCaptureFixture, code: str, level: str
) -> None:
    """Alerts may depend on the level."""
    caplog.set_level("INFO")
    log, _store = session()
    log.change(State(phase=Phase.HALTED, because=Reason(code)), NOW, bye=None, gaps=[])
    assert [record.levelname for record in caplog.records] == [level]


BANNED = State(phase=Phase.HALTED, because=Reason("temporary_ban", {"expires": 1795435200}))
PASSKEY = State(phase=Phase.NEEDS_PASSKEY, because=Reason("passkey_asked"))
PAGE = Page(8, "2.3000.1", {"web_init_chat_batch_size": 100}, 40, (), (), None, None)
READY = State(phase=Phase.READY, because=Reason("ready"))
SCAN = State(phase=Phase.WAITING_FOR_SCAN, because=Reason("scan_needed"))


@pytest.mark.parametrize(
    ("command", "state", "posted"),
    [
        ("pause", READY, Happened.PAUSE),
        ("resume", READY, Happened.RESUME),
        ("restart-listener", READY, Happened.RESTART),
        ("snapshot", READY, Happened.PLANNED_RESTART),
        ("snapshot", SCAN, None),
        ("pairing-code", READY, None),
        ("pairing-code", PASSKEY, None),
        ("restart-listener", BANNED, None),
        ("resume", BANNED, Happened.RESUME),
        ("check-page", SCAN, None),
        ("check-page", State(phase=Phase.RECONNECTING, because=Reason("connection_lost")), None),
        ("sparkle", READY, None),
    ],
)
async def test_a_command_is_posted_or_refused_with_the_reason(
    command: str, state: State, posted: Happened | None
) -> None:
    """The answer names the current phase."""
    log, _store = session()
    log.change(state, NOW, bye=None, gaps=[])
    inbox = Inbox()
    control = Control(inbox, session=log, spawner=cast("Spawner", Child()), page=answering())
    answer: dict[str, Any] = await control.answer(command, {})
    if posted is None:
        assert answer["ok"] is False
        assert answer["error"]
        inbox.post(Happened.QUIT)
        posted = Happened.QUIT
    else:
        assert answer == {"ok": True, "phase": state.phase.value}
    assert (await inbox.next(None)).happened is posted


async def test_a_pairing_code_is_asked_of_the_child_in_digits() -> None:
    """The number may be typed in any format."""
    log, _store = session()
    log.change(SCAN, NOW, bye=None, gaps=[])
    child = Child()
    control = Control(Inbox(), session=log, spawner=cast("Spawner", child), page=answering())
    assert (await control.answer("pairing-code", {"phone": "+54 9 11 5555-0100"}))["ok"]
    assert child.sent == [("pairing_code", {"phone": "5491155550100"})]


async def test_no_pairing_code_is_said_to_be_needless_only_where_a_phone_is_linked() -> None:
    """Else the refusal gives the reason that there is no code, such as a network that is down before the first scan."""
    log, _store = session()
    control = Control(Inbox(), session=log, spawner=cast("Spawner", Child()), page=answering())
    refused = []
    for state in (READY, State(phase=Phase.BACKING_OFF, because=Reason("child_died")), PASSKEY):
        log.change(state, NOW, bye=None, gaps=[])
        refused.append((await control.answer("pairing-code", {"phone": "5491155550100"}))["error"])
    needless = "cannot ask for a pairing code: no scan is needed now"
    assert refused[0] == needless
    assert needless not in refused[1:]


def answering(*answers: Page | None) -> PageReport:
    """A child that gives these answers in turn, each with the question's number; None gives no answer."""
    coming = iter(answers)

    def send(command: str, *, check: int) -> None:
        assert command == "check_page"
        if answer := next(coming):
            report.heard(replace(answer, check=check))

    report = PageReport(send=send, changed=lambda: None)
    return report


async def test_the_page_is_looked_at_when_somebody_asks() -> None:
    """The child's answer is returned and kept in `status`."""
    log, _store = session()
    log.change(READY, NOW, bye=None, gaps=[])
    report = answering(replace(PAGE, missing=(Missing("WAWebCmd", "Cmd", "account"),), new_types=("fax",)))
    report.heard(PAGE)
    control = Control(Inbox(), session=log, spawner=cast("Spawner", Child()), page=report)
    answer: dict[str, Any] = await control.answer("check-page", {})
    assert answer["ok"]
    assert answer["page"] == report.section()
    assert answer["page"]["missing"] == [{"module": "WAWebCmd", "function": "Cmd", "costs": "account"}]
    assert answer["page"]["new_types"] == ["fax"]
    assert (answer["page"]["required"], answer["page"]["ab"]) == (40, {"web_init_chat_batch_size": 100})


async def test_a_page_that_can_not_be_looked_at_is_told_and_what_was_known_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The child may report an error or not answer at all."""
    monkeypatch.setattr(page_report, "_ANSWER_SECONDS", 0.05)
    log, _store = session()
    log.change(READY, NOW, bye=None, gaps=[])
    report = answering(replace(PAGE, web_version=None, required=0, error="the page is not ready"), None)
    report.heard(PAGE)
    known = report.section()
    control = Control(Inbox(), session=log, spawner=cast("Spawner", Child()), page=report)
    assert "the page is not ready; try again" in (await control.answer("check-page", {}))["error"]
    assert "it does not answer; try again" in (await control.answer("check-page", {}))["error"]
    assert report.section() == known


async def test_before_a_scan_the_page_can_not_be_looked_at_and_that_says_what_to_do() -> None:
    """The child is not asked."""
    log, _store = session()
    log.change(SCAN, NOW, bye=None, gaps=[])
    control = Control(Inbox(), session=log, spawner=cast("Spawner", Child()), page=answering())
    answer = await control.answer("check-page", {})
    assert answer["error"] == ("cannot check the page: no phone is linked yet; scan the code first (`leadmasterd qr`)")
