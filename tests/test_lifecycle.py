"""What each line of the child makes the daemon do: lines in, commands out."""

from collections.abc import Sequence
from typing import get_args

import pytest

from leadmasterd import __version__, sentences
from leadmasterd.daemon.lifecycle import (
    NUMBER_AT_RISK,
    PAGES_OWN,
    PASSES_BY_ITSELF,
    RECOVERS_BY_ITSELF,
    STORAGE_BROKEN,
    TOLD_BY_ITS_OWN_LINE,
    AttachLivePath,
    Audit,
    Beat,
    ClearWarning,
    Command,
    Count,
    HideCode,
    KeepBan,
    KeepBrowser,
    KeepBye,
    KeepPage,
    KeepPasskey,
    KeepStorageBroken,
    KeepVersions,
    Known,
    Log,
    MarkLinked,
    Post,
    Record,
    SetCounter,
    ShowCode,
    Warn,
    translate,
)
from leadmasterd.health import BROWSER_STORAGE, CONTRACT, DIALOG, SCREEN, SEND_REFUSED
from leadmasterd.supervisor.machine import Happened
from leadmasterd.wire.events import (
    Account,
    Authenticated,
    Banned,
    BrowserStarted,
    Bye,
    CommandError,
    Contract,
    Dialog,
    Disconnected,
    Heartbeat,
    Hello,
    Lifecycle,
    Missing,
    OutboundBlocked,
    Page,
    PageError,
    PairingCode,
    Passkey,
    Qr,
    Ready,
    Screen,
    SocketState,
    Unavailable,
)

OURS = Account("5491155550100@c.us", None, "Tienda", "android")
BYE = Bye(9, "browser_gone", None)
LOST = [Missing("WAWebB", "b", "qr"), Missing("WAWebA", "a", "calls"), Missing("WAWebA", "a", "calls")]


def beat(state: str, stream: str) -> Heartbeat:
    """A heartbeat that reports the page's stream."""
    return Heartbeat(8, state, has_synced=True, added=4, emitted=4, dropped=0, stream=stream)


def stream_dead(stream: str) -> Sequence[Command]:
    """The commands for a heartbeat with a dead stream."""
    return [Beat(stream_dead=True), SetCounter("dropped_lines", 0), Post(Happened.STREAM_DEAD, {"stream": stream})]


def passkey(where: str, step: str, code: str | None = None, *, by: str) -> Passkey:
    """A passkey line."""
    return Passkey(seq=7, where=where, step=step, code=code, by=by)


PAGE = Page(8, "2.3000.1", {"web_init_chat_batch_size": 100}, 2, tuple(LOST), (), None, None)

TABLE: list[tuple[Lifecycle, Sequence[Command]]] = [
    (
        Hello(1, 42, {"node": "20.1.0"}),
        [KeepVersions({"leadmasterd": __version__, "node": "20.1.0"}, whole=True), Post(Happened.HELLO)],
    ),
    (
        BrowserStarted(2, 43, "Chromium 156"),
        [
            KeepBrowser(43),
            Post(Happened.LAUNCHED),
            Log("info", "browser_started", "the browser runs, pid 43, Chromium 156"),
        ],
    ),
    (Qr(3, "2@x", 60), [ShowCode("qr", "2@x", 60), Post(Happened.CODE_SHOWN)]),
    (PairingCode(3, "ABCD1234", 180), [ShowCode("pairing_code", "ABCD1234", 180), Post(Happened.CODE_SHOWN)]),
    (Authenticated(4), [HideCode(), Post(Happened.AUTHENTICATED)]),
    (
        Ready(5, OURS, fresh=True, web_version="2.3000.1"),
        [
            HideCode(),
            KeepVersions({"whatsapp_web": "2.3000.1"}),
            MarkLinked("5491155550100@c.us", fresh=True),
            AttachLivePath(OURS, fresh=True),
            Post(Happened.READY, {"account": "5491155550100@c.us"}),
        ],
    ),
    *((SocketState(6, state), [Post(Happened.CONNECTION_LOST, {"state": state})]) for state in RECOVERS_BY_ITSELF),
    *((SocketState(6, state), [Post(Happened.NUMBER_AT_RISK, {"state": state})]) for state in NUMBER_AT_RISK),
    (SocketState(6, "CONNECTED"), [Post(Happened.CONNECTED)]),
    (SocketState(6, "CONNECTED", "CONNECTED"), [Post(Happened.CONNECTED)]),
    (SocketState(6, "CONNECTED", "DISCONNECTED"), [Post(Happened.SOCKET_OPEN)]),
    (SocketState(6, "OPENING", "CONNECTED"), [Post(Happened.CONNECTION_LOST, {"state": "OPENING"})]),
    (SocketState(6, "CONFLICT"), [Post(Happened.CONFLICT)]),
    (SocketState(6, "SPARKLE"), []),
    *((Disconnected(7, state, None), [Post(Happened.NUMBER_AT_RISK, {"state": state})]) for state in NUMBER_AT_RISK),
    (
        Disconnected(7, "LOGOUT", "0", "event"),
        [Post(Happened.LOGGED_OUT, {"reason": "LOGOUT", "logout_reason": "0", "by": "event"})],
    ),
    (
        Disconnected(7, "CONFLICT", None),
        [Post(Happened.CONFLICT, {"reason": "CONFLICT", "logout_reason": None, "by": None})],
    ),
    (
        Disconnected(7, "TIMEOUT", None),
        [Post(Happened.DISCONNECTED, {"reason": "TIMEOUT", "logout_reason": None, "by": None})],
    ),
    (
        Banned(7, "101", 1795435200, "Too many"),
        [
            KeepBan({"ban": "101", "expires": 1795435200, "message": "Too many"}),
            Post(Happened.TEMPORARILY_BANNED, {"ban": "101", "expires": 1795435200, "message": "Too many"}),
        ],
    ),
    (Unavailable(7, 503), [Post(Happened.UNAVAILABLE, {"status": 503})]),
    (
        passkey("linking", "asked", None, by="event"),
        [
            KeepPasskey(asked=True),
            HideCode(),
            Post(Happened.PASSKEY_ASKED, {"step": "asked", "code": None, "by": "event"}),
        ],
    ),
    (
        passkey("linking", "code", "ABCD1234", by="event"),
        [
            KeepPasskey(asked=True),
            HideCode(),
            Post(Happened.PASSKEY_ASKED, {"step": "code", "code": "ABCD1234", "by": "event"}),
        ],
    ),
    (
        passkey("check", "sparkle", None, by="level"),
        [
            KeepPasskey(asked=True),
            HideCode(),
            Post(Happened.PASSKEY_CHECK, {"step": "sparkle", "code": None, "by": "level"}),
        ],
    ),
    (passkey("check", "done", None, by="level"), [KeepPasskey(asked=False), Post(Happened.PASSKEY_DONE)]),
    (passkey("linking", "failed", None, by="event"), [KeepPasskey(asked=False), Post(Happened.PASSKEY_FAILED)]),
    (
        Screen(8, "locked", "Your screen\nis locked", shown=True),
        [
            Warn(SCREEN, "locked: Your screen is locked"),
            Record("screen", {"name": "locked", "text": "Your screen is locked"}),
        ],
    ),
    (
        Screen(8, "unknown", "", shown=True),
        [Warn(SCREEN, "unknown"), Record("screen", {"name": "unknown", "text": ""})],
    ),
    (Screen(8, "locked", "Your screen is locked", shown=False), [ClearWarning(SCREEN)]),
    *(
        (Screen(8, name, "x", shown=True), [Log("info", "screen", f"WhatsApp Web shows a full screen ({name}): x")])
        for name in sorted(PASSES_BY_ITSELF | TOLD_BY_ITS_OWN_LINE)
    ),
    (
        Screen(8, "temporary_ban", "You are banned", shown=True),
        [
            KeepBan({"ban": None, "expires": None, "message": "You are banned"}),
            Post(Happened.TEMPORARILY_BANNED, {"ban": None, "expires": None, "message": "You are banned"}),
        ],
    ),
    (
        Heartbeat(8, "CONNECTED", True, 4, 4, 3),
        [Beat(), SetCounter("dropped_lines", 3), Post(Happened.STREAM_LIVE)],
    ),
    (Heartbeat(8, "TIMEOUT", True, 4, 4, 3), [Beat(), SetCounter("dropped_lines", 3)]),
    (
        Heartbeat(8, "CONNECTED", True, 4, 4, 3, history="incoming"),
        [Beat(history="incoming"), SetCounter("dropped_lines", 3), Post(Happened.STREAM_LIVE)],
    ),
    (
        beat("CONNECTED", "CONNECTED"),
        [Beat(), SetCounter("dropped_lines", 0), Post(Happened.STREAM_LIVE)],
    ),
    (beat("OPENING", "CONNECTED"), [Beat(), SetCounter("dropped_lines", 0)]),
    (beat("CONNECTED", "DISCONNECTED"), stream_dead("DISCONNECTED")),
    (beat("OPENING", "DISCONNECTED"), stream_dead("DISCONNECTED")),
    (beat("CONNECTED", "SYNCING"), [Beat(), SetCounter("dropped_lines", 0), Post(Happened.STREAM_LIVE)]),
    *((OutboundBlocked(8, "WAWebX", each, "page"), [Count("presence_refused")]) for each in sorted(PAGES_OWN)),
    (
        OutboundBlocked(8, "WAWebX", "sendMsg", "page"),
        [
            Count("outbound_blocked"),
            Audit("WAWebX", "sendMsg", "page"),
            Warn(SEND_REFUSED, "WAWebX.sendMsg (refused)"),
            Record("send_refused", {"function": "WAWebX.sendMsg (refused)"}),
            Log("error", "outbound_blocked", "an attempt to send, page: WAWebX.sendMsg (refused)"),
        ],
    ),
    (
        OutboundBlocked(8, "browser", "script https://web.whatsapp.com", "seen"),
        [
            Count("outbound_blocked"),
            Audit("browser", "script https://web.whatsapp.com", "seen"),
            Warn(SEND_REFUSED, "browser.script https://web.whatsapp.com (seen, not refused)"),
            Record("send_refused", {"function": "browser.script https://web.whatsapp.com (seen, not refused)"}),
            Log(
                "error",
                "outbound_blocked",
                "an attempt to send, seen: browser.script https://web.whatsapp.com (seen, not refused)",
            ),
        ],
    ),
    (
        PageError(8, "pageerror", "x is not a function"),
        [Count("page_errors"), Log("warning", "page_error", "page error (pageerror): x is not a function")],
    ),
    (
        PageError(8, "pageerror", f"Internal error opening {STORAGE_BROKEN}.open."),
        [
            KeepStorageBroken(),
            Count("page_errors"),
            Log("warning", "page_error", f"page error (pageerror): Internal error opening {STORAGE_BROKEN}.open."),
        ],
    ),
    (Contract(8, "2.3000.1", ()), [ClearWarning(CONTRACT)]),
    (Contract(8, "2.3000.1", (), late=tuple(LOST)), [ClearWarning(CONTRACT)]),  # not loaded yet is not gone
    (
        Contract(8, "2.3000.1", tuple(LOST)),
        [
            Warn(CONTRACT, "calls, qr (WAWebA.a, WAWebB.b)"),
            Record("contract", {"costs": "calls, qr", "names": "WAWebA.a, WAWebB.b"}),
        ],
    ),
    (Contract(8, "2.3000.1", (), tuple(LOST)), [ClearWarning(CONTRACT)]),
    (PAGE, [KeepPage(PAGE)]),
    (
        Dialog(8, "a\nnew look", None, dismissed=False),
        [Warn(DIALOG, "a new look"), Record("dialog", {"text": "a new look"})],
    ),
    (
        Dialog(8, "No space", None, dismissed=False, name="disk_full"),
        [Warn(BROWSER_STORAGE, "No space"), Record("browser_storage", {"text": "No space"})],
    ),
    (
        Dialog(8, "What's new", "Continue", dismissed=True),
        [
            ClearWarning(DIALOG),
            Record("dialog_dismissed", {"text": "What's new", "button": "Continue"}),
            Log("warning", "dialog_dismissed", "acknowledged a dialog of WhatsApp Web with Continue: What's new"),
        ],
    ),
    (
        CommandError(8, "sparkle", "unknown command"),
        [Log("error", "command_error", "the child refused a command: unknown command")],
    ),
    (BYE, [KeepBye(BYE)]),
]


@pytest.mark.parametrize(("line", "commands"), TABLE)
def test_a_line_becomes_these_commands(line: Lifecycle, commands: Sequence[Command]) -> None:
    """The order matters."""
    assert list(translate(line, Known())) == list(commands)


def test_the_steps_of_a_start_after_a_failed_one_are_no_news() -> None:
    """The journal has said why it is tried again; without a network it would say so all night."""
    assert list(translate(BrowserStarted(2, 43, "Chromium 156"), Known(trying_again=True))) == [
        KeepBrowser(43),
        Post(Happened.LAUNCHED),
    ]


def test_every_lifecycle_line_and_every_command_is_in_the_table() -> None:
    """The table above misses none and has no unused entry."""
    assert {type(line) for line, _ in TABLE} == set(get_args(Lifecycle))
    assert {type(command) for _, commands in TABLE for command in commands} == set(get_args(Command))


def test_a_code_that_a_linked_profile_shows_means_that_the_session_is_lost() -> None:
    """A snapshot may be restored; the code is shown anyway, in case that does not help."""
    assert list(translate(Qr(3, "2@x", 60), Known(session_lost=True))) == [
        ShowCode("qr", "2@x", 60),
        Post(Happened.SESSION_LOST),
    ]


def test_a_pairing_code_is_asked_for_by_a_person_so_nothing_is_lost() -> None:
    """Even a linked profile does not count as lost."""
    assert Post(Happened.CODE_SHOWN) in translate(PairingCode(3, "ABCD1234", 180), Known(session_lost=True))


def test_a_program_that_tries_to_send_in_a_loop_fills_no_history() -> None:
    """Each attempt is audited and in the journal; the history tells the first one."""
    again = translate(OutboundBlocked(8, "WAWebX", "sendMsg", "page"), Known(send_refused=True))
    assert Audit("WAWebX", "sendMsg", "page") in again
    assert not [each for each in again if isinstance(each, Record)]


def test_a_code_behind_a_passkey_is_not_shown() -> None:
    """Codes rotate on in the page, and scanning one would end the step; the supervisor still hears of it."""
    known = Known(passkey_asked=True)
    assert list(translate(Qr(3, "2@x", 60), known)) == [Post(Happened.CODE_SHOWN)]
    assert list(translate(PairingCode(3, "ABCD1234", 180), known)) == [Post(Happened.CODE_SHOWN)]


def test_long_lists_of_what_is_missing_are_cut() -> None:
    """The list is stored and shown in one line."""
    many = tuple(Missing(f"WAWeb{number}", "x", "live") for number in range(100))
    warn, record = translate(Contract(8, None, many), Known())
    assert isinstance(warn, Warn)
    assert len(warn.detail) <= 320
    assert isinstance(record, Record)
    assert len(str(record.values["names"])) == 300


def test_every_line_that_is_recorded_has_a_sentence() -> None:
    """`history` shows it."""
    recorded = [command for _, commands in TABLE for command in commands if isinstance(command, Record)]
    assert recorded
    for record in recorded:
        assert record.code in sentences.REASONS
        assert "None" not in sentences.because(record.code, record.values)
