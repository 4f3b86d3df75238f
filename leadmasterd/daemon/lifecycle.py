"""What each lifecycle line of the child makes the daemon do: a pure table of line -> commands.

`translate` decides, `dispatch` carries the commands out, in the order given here. What a fault means for the child's
life is decided further on, in `supervisor.machine`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from leadmasterd import __version__
from leadmasterd.health import BROWSER_STORAGE, CONTRACT, DIALOG, SCREEN, SEND_REFUSED, Warnable
from leadmasterd.supervisor.machine import Happened
from leadmasterd.text import printable
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

NUMBER_AT_RISK: Final = frozenset({"TOS_BLOCK", "SMB_TOS_BLOCK", "PROXYBLOCK"})
"""States of a number that WhatsApp has blocked, or is about to."""
RECOVERS_BY_ITSELF: Final = frozenset({"OPENING", "TIMEOUT", "PAIRING"})
"""States of the socket that WhatsApp Web itself leaves again."""
PAGES_OWN: Final = frozenset({"sendPresenceAvailable", "markAvailable"})
"""The page itself calls these on every connect, and they are refused: not an attempt to send."""
STORAGE_BROKEN: Final = "backing store for indexedDB"
"""What Chromium's error says in the page when the databases of the profile do not open."""
STREAM_ALIVE: Final = "CONNECTED"
STREAM_DEAD: Final = "DISCONNECTED"
"""Values of the page's `Socket.stream`; the code of 2026-04-27 sets no other (WAWebSocketModel). Older and newer builds
may say SYNCING or RESUMING in a long resume, which must not be ended: only DISCONNECTED is dead, as the page itself
reads it (WAWebStreamModel)."""
PASSES_BY_ITSELF: Final = frozenset({"offline", "unavailable", "logout"})
"""Full screens that ask nothing of a person."""
TOLD_BY_ITS_OWN_LINE: Final = frozenset({"passkey"})
"""Full screens that the child reports by a line of another type, which says more."""


# ---------------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class Post:
    """Post an event to the supervisor's inbox."""

    happened: Happened
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShowCode:
    """Show a code to scan or to type."""

    kind: Literal["qr", "pairing_code"]
    text: str
    valid_seconds: int


@dataclass(frozen=True, slots=True)
class HideCode:
    """No code is needed any more."""


@dataclass(frozen=True, slots=True)
class KeepVersions:
    """Remember the versions in use. `whole`: forget those known until now; otherwise add to them."""

    versions: Mapping[str, str | None]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class KeepBrowser:
    """Remember the browser's process id."""

    pid: int | None


@dataclass(frozen=True, slots=True)
class KeepBye:
    """Remember the child's last words."""

    bye: Bye


@dataclass(frozen=True, slots=True)
class KeepStorageBroken:
    """Remember that the profile's databases did not open."""


@dataclass(frozen=True, slots=True)
class KeepPasskey:
    """Remember whether the page waits for a passkey."""

    asked: bool


@dataclass(frozen=True, slots=True)
class KeepBan:
    """Remember a temporary ban, across restarts too: `ban` (WhatsApp's code), `expires`, `message`."""

    ban: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class KeepPage:
    """Remember the child's description of the page, and answer who asked for it."""

    page: Page


@dataclass(frozen=True, slots=True)
class MarkLinked:
    """The session works: mark the profile as linked to this account. `fresh`: linked just now."""

    wid: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class AttachLivePath:
    """Live delivery begins for this account. `fresh`: it was linked by a scan in this child's life."""

    account: Account
    fresh: bool


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat came, so the path from the page to us works. `stream_dead`: WhatsApp's stream to the page does not.

    `history`: whether messages from before the link are `incoming` or `complete`; None: the page does not say.
    """

    stream_dead: bool = False
    history: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """Add one to a counter of `status`."""

    counter: str


@dataclass(frozen=True, slots=True)
class SetCounter:
    """Take over a count that the child keeps."""

    counter: str
    to: int


@dataclass(frozen=True, slots=True)
class Warn:
    """Activate a warning."""

    warning: Warnable
    detail: str


@dataclass(frozen=True, slots=True)
class ClearWarning:
    """Deactivate a warning."""

    warning: Warnable


@dataclass(frozen=True, slots=True)
class Record:
    """Write an event into the history that changes no phase."""

    code: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Audit:
    """Append a refused attempt to send to `refused.jsonl`."""

    module: str
    function: str
    where: str


@dataclass(frozen=True, slots=True)
class Log:
    """Write a line into the journal."""

    level: Literal["info", "warning", "error"]
    action: str
    text: str


Command = (
    Post
    | ShowCode
    | HideCode
    | KeepVersions
    | KeepBrowser
    | KeepBye
    | KeepStorageBroken
    | KeepPasskey
    | KeepBan
    | KeepPage
    | MarkLinked
    | AttachLivePath
    | Beat
    | Count
    | SetCounter
    | Warn
    | ClearWarning
    | Record
    | Audit
    | Log
)


# ---------------------------------------------------------------------- the table


@dataclass(frozen=True, slots=True)
class Known:
    """What the meaning of a line depends on, as it is when the line comes."""

    session_lost: bool = False
    """A code shown now means a lost session: the profile was linked, and a snapshot is worth a try."""
    send_refused: bool = False
    """An attempt to send was refused since the daemon's start."""
    passkey_asked: bool = False
    """The page waits for a passkey. Its codes go on rotating, but to scan one would end the step."""
    trying_again: bool = False
    """The last start failed, and the journal has said so: this one's steps are no news."""


def translate(event: Lifecycle, known: Known) -> Sequence[Command]:
    """The commands that follow from one line, in order."""
    match event:
        case Hello(versions=versions):
            return KeepVersions({"leadmasterd": __version__, **versions}, whole=True), Post(Happened.HELLO)
        case BrowserStarted(pid=pid, version=version):
            started = Log("info", "browser_started", f"the browser runs, pid {pid}, {version}")
            news = () if known.trying_again else (started,)
            return KeepBrowser(pid), Post(Happened.LAUNCHED), *news
        case Qr(qr=text, valid_seconds=seconds):
            shown = () if known.passkey_asked else (ShowCode("qr", text, seconds),)
            return *shown, Post(Happened.SESSION_LOST if known.session_lost else Happened.CODE_SHOWN)
        case PairingCode(code=text, valid_seconds=seconds):
            shown = () if known.passkey_asked else (ShowCode("pairing_code", text, seconds),)
            return *shown, Post(Happened.CODE_SHOWN)
        case Authenticated():
            return HideCode(), Post(Happened.AUTHENTICATED)
        case Ready():
            return _ready(event)
        case SocketState(state=state, stream=stream):
            return _socket_state(state, stream)
        case Disconnected():
            return (_disconnected(event),)
        case Banned(code=code, expires=expires, message=message):
            return _banned(code, expires, message)
        case Unavailable(code=code):
            return (Post(Happened.UNAVAILABLE, {"status": code}),)
        case Passkey():
            return _passkey(event)
        case Screen(name=name, text=text, shown=shown):
            return _screen(name, printable(text)) if shown else (ClearWarning(SCREEN),)
        case Heartbeat():
            return _heartbeat(event)
        case OutboundBlocked(function=function) if function in PAGES_OWN:
            return (Count("presence_refused"),)
        case OutboundBlocked():
            return _refused(event, known)
        case PageError(source=source, message=message):
            broken = (KeepStorageBroken(),) if STORAGE_BROKEN in message else ()
            return *broken, Count("page_errors"), Log("warning", "page_error", f"page error ({source}): {message}")
        case Contract(missing=missing):
            return _contract(missing)
        case Dialog(text=text, name="disk_full"):
            return Warn(BROWSER_STORAGE, printable(text)), Record("browser_storage", {"text": printable(text)})
        case Page():
            return (KeepPage(event),)
        case Dialog(text=text, button=button, dismissed=dismissed):
            return _dialog(printable(text), button, dismissed=dismissed)
        case CommandError(message=message):
            return (Log("error", "command_error", f"the child refused a command: {message}"),)
        case Bye():  # the next phase quotes it
            return (KeepBye(event),)


def _ready(event: Ready) -> Sequence[Command]:
    """The supervisor is told last, so that everything is in place when the phase becomes READY.

    The live path is told just before the supervisor, so it still knows the phase from before this line. If that phase
    was READY already, the page was reloaded.
    """
    wid = event.account.wid
    return (
        HideCode(),
        KeepVersions({"whatsapp_web": event.web_version}),
        MarkLinked(wid, event.fresh),
        AttachLivePath(event.account, event.fresh),
        Post(Happened.READY, {"account": wid}),
    )


def _heartbeat(event: Heartbeat) -> Sequence[Command]:
    """Tell the supervisor whether the stream is dead or alive.

    It is alive if the socket is CONNECTED and the page does not say that the stream is dead.
    """
    dropped = SetCounter("dropped_lines", event.dropped)
    beat = Beat(stream_dead=event.stream == STREAM_DEAD, history=event.history)
    if beat.stream_dead:
        return beat, dropped, Post(Happened.STREAM_DEAD, {"stream": event.stream})
    live = (Post(Happened.STREAM_LIVE),) if event.socket_state == "CONNECTED" else ()
    return beat, dropped, *live


def _socket_state(state: str, stream: str | None) -> Sequence[Command]:
    """What a new state of the socket means. States not listed here mean nothing: heartbeats notice a dead socket."""
    if state in NUMBER_AT_RISK:
        return (Post(Happened.NUMBER_AT_RISK, {"state": state}),)
    if state in RECOVERS_BY_ITSELF:
        return (Post(Happened.CONNECTION_LOST, {"state": state}),)
    if state == "CONFLICT":
        return (Post(Happened.CONFLICT),)
    if state == "CONNECTED":
        stream_alive = stream in (None, STREAM_ALIVE)  # None: the page does not say
        return (Post(Happened.CONNECTED if stream_alive else Happened.SOCKET_OPEN),)
    return ()


def _disconnected(event: Disconnected) -> Post:
    """The page lost its connection for good: by a block, a logout, another session, or for any other reason."""
    reason = event.reason
    if reason in NUMBER_AT_RISK:
        return Post(Happened.NUMBER_AT_RISK, {"state": reason})
    happened = {"LOGOUT": Happened.LOGGED_OUT, "CONFLICT": Happened.CONFLICT}.get(reason, Happened.DISCONNECTED)
    return Post(happened, {"reason": reason, "logout_reason": event.logout_reason, "by": event.by})


def _banned(code: str | None, expires: int | None, message: str | None) -> Sequence[Command]:
    """The ban is written down first: if we are killed now, the next start must not try again before its end."""
    ban = {"ban": code, "expires": expires, "message": message}
    return KeepBan(ban), Post(Happened.TEMPORARILY_BANNED, ban)


def _passkey(event: Passkey) -> Sequence[Command]:
    """A step of the passkey's check. An unknown step, of a newer page, also waits for a person."""
    if event.step == "done":
        return KeepPasskey(asked=False), Post(Happened.PASSKEY_DONE)
    if event.step == "failed":
        return KeepPasskey(asked=False), Post(Happened.PASSKEY_FAILED)
    happened = Happened.PASSKEY_CHECK if event.where == "check" else Happened.PASSKEY_ASKED
    return KeepPasskey(asked=True), HideCode(), Post(happened, {"step": event.step, "code": event.code, "by": event.by})


def _screen(name: str, text: str) -> Sequence[Command]:
    """The page shows a full screen instead of the chats. If a person must act on it, it becomes a warning."""
    if name == "temporary_ban":  # the line `banned`, which also names its end, has come before, or was missed
        return _banned(None, None, text or None)
    if name in PASSES_BY_ITSELF or name in TOLD_BY_ITS_OWN_LINE:
        return (Log("info", "screen", f"WhatsApp Web shows a full screen ({name}): {text}"),)
    return Warn(SCREEN, f"{name}: {text}" if text else name), Record("screen", {"name": name, "text": text})


def _contract(missing: Sequence[Missing]) -> Sequence[Command]:
    """WhatsApp Web changes under the library: report what is missing at once, before it fails quietly."""
    if not missing:
        return (ClearWarning(CONTRACT),)
    costs = ", ".join(sorted({each.costs for each in missing}))
    names = ", ".join(sorted({f"{each.module}.{each.function}" for each in missing}))[:300]
    return Warn(CONTRACT, f"{costs} ({names})"), Record("contract", {"costs": costs, "names": names})


def _refused(event: OutboundBlocked, known: Known) -> Sequence[Command]:
    """An attempt to send: counted, audited, warned of and logged.

    Only the first of this daemon's life goes into the history: a program that tries in a loop must not fill it.
    """
    outcome = "seen, not refused" if event.where == "seen" else "refused"
    name = f"{event.module}.{event.function} ({outcome})"
    first = () if known.send_refused else (Record("send_refused", {"function": name}),)
    return (
        Count("outbound_blocked"),
        Audit(event.module, event.function, event.where),
        Warn(SEND_REFUSED, name),
        *first,
        Log("error", "outbound_blocked", f"an attempt to send, {event.where}: {name}"),
    )


def _dialog(text: str, button: str | None, *, dismissed: bool) -> Sequence[Command]:
    """A dialog covers the page. The child has `dismissed` it by clicking `button`, or a person must do so: then warn.

    Some dialogs cost the link if nobody acknowledges them.
    """
    if not dismissed:
        return Warn(DIALOG, text), Record("dialog", {"text": text})
    clicked = Log("warning", "dialog_dismissed", f"acknowledged a dialog of WhatsApp Web with {button}: {text}")
    return ClearWarning(DIALOG), Record("dialog_dismissed", {"text": text, "button": button}), clicked
