"""What each lifecycle line of the child makes the daemon do: a pure table of line -> commands.

`translate` decides, `dispatch` carries the commands out, in the order given here. What a fault means for the child's
life is decided further on, in `supervisor.machine`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from leadmasterd import __version__
from leadmasterd.health import CONTRACT, DIALOG, Warnable
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
PAGES_OWN: Final = frozenset({"sendPresenceAvailable", "markAvailable"})
"""The page itself calls these on every connect, and they are refused: not an attempt to send."""
STORAGE_BROKEN: Final = "backing store for indexedDB"
"""What Chromium's error says in the page when the databases of the profile do not open."""


# ---------------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class Post:
    """Tell the supervisor."""

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
    """Remember the versions in use; `whole` replaces those known until now."""

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
class MarkLinked:
    """The session works: mark the profile as linked to this account."""

    wid: str


@dataclass(frozen=True, slots=True)
class AttachLivePath:
    """Messages are captured as they come. `fresh`: a scan in this child's life led here."""

    account: Account
    fresh: bool


@dataclass(frozen=True, slots=True)
class Beat:
    """The live path has just proved that it works."""


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
    """It no longer holds."""

    warning: Warnable


@dataclass(frozen=True, slots=True)
class Record:
    """Write a line into the history that changes no phase."""

    code: str
    values: Mapping[str, object]


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
    | MarkLinked
    | AttachLivePath
    | Beat
    | Count
    | SetCounter
    | Warn
    | ClearWarning
    | Record
    | Log
)


# ---------------------------------------------------------------------- the table


def translate(event: Lifecycle, *, session_lost: bool) -> Sequence[Command]:
    """The commands that follow from one line, in order.

    `session_lost`: the profile was linked, nobody logged it out, and a snapshot is worth a try.
    """
    match event:
        case Hello(versions=versions):
            return KeepVersions({"leadmasterd": __version__, **versions}, whole=True), Post(Happened.HELLO)
        case BrowserStarted(pid=pid, version=version):
            started = Log("info", "browser_started", f"the browser runs, pid {pid}, {version}")
            return KeepBrowser(pid), Post(Happened.LAUNCHED), started
        case Qr(qr=text, valid_seconds=seconds):
            asked = Happened.SESSION_LOST if session_lost else Happened.CODE_SHOWN
            return ShowCode("qr", text, seconds), Post(asked)
        case PairingCode(code=text, valid_seconds=seconds):
            return ShowCode("pairing_code", text, seconds), Post(Happened.CODE_SHOWN)
        case Authenticated():
            return HideCode(), Post(Happened.AUTHENTICATED)
        case Ready():
            return _ready(event)
        case SocketState(state=state):
            return _socket_state(state)
        case Disconnected(reason=reason, logout_reason=logout_reason):
            return (_disconnected(reason, logout_reason),)
        case Banned() | Unavailable() | Passkey() | Screen():
            return ()
        case Heartbeat(dropped=dropped):
            return Beat(), SetCounter("dropped_lines", dropped)
        case OutboundBlocked(function=function) if function in PAGES_OWN:
            return (Count("presence_refused"),)
        case OutboundBlocked(module=module, function=function, where=where):
            text = f"refused an attempt to send: {module}.{function} ({where})"
            return Count("outbound_blocked"), Log("error", "outbound_blocked", text)
        case PageError(source=source, message=message):
            broken = (KeepStorageBroken(),) if STORAGE_BROKEN in message else ()
            return *broken, Count("page_errors"), Log("warning", "page_error", f"page error ({source}): {message}")
        case Contract(missing=missing):
            return _contract(missing)
        case Dialog(text=text, button=button, dismissed=dismissed):
            return _dialog(printable(text), button, dismissed=dismissed)
        case CommandError(message=message):
            return (Log("error", "command_error", f"the child refused a command: {message}"),)
        case Bye(reason=reason, detail=detail):
            return KeepBye(event), Log("info", "child_bye", f"the child leaves: {reason} {detail or ''}")


def _ready(event: Ready) -> Sequence[Command]:
    """The supervisor comes last: all that READY promises is in place when the phase changes.

    The live path comes just before it. By the last phase it saw, it distinguishes a page reload (ready a second time,
    no change of phase) from a first `ready`.
    """
    wid = event.account.wid
    return (
        HideCode(),
        KeepVersions({"whatsapp_web": event.web_version}),
        MarkLinked(wid),
        AttachLivePath(event.account, event.fresh),
        Post(Happened.READY, {"account": wid}),
    )


def _socket_state(state: str) -> Sequence[Command]:
    """A state that is not known here means nothing: the page has many, and heartbeats notice a dead one."""
    if state in NUMBER_AT_RISK:
        return (Post(Happened.NUMBER_AT_RISK, {"state": state}),)
    if state in RECOVERS_BY_ITSELF:
        return (Post(Happened.CONNECTION_LOST, {"state": state}),)
    if state == "CONFLICT":
        return (Post(Happened.CONFLICT),)
    if state == "CONNECTED":
        return (Post(Happened.CONNECTED),)
    return ()


def _disconnected(reason: str, logout_reason: str | None) -> Post:
    if reason in NUMBER_AT_RISK:
        return Post(Happened.NUMBER_AT_RISK, {"state": reason})
    happened = {"LOGOUT": Happened.LOGGED_OUT, "CONFLICT": Happened.CONFLICT}.get(reason, Happened.DISCONNECTED)
    return Post(happened, {"reason": reason, "logout_reason": logout_reason})


def _contract(missing: Sequence[Missing]) -> Sequence[Command]:
    """WhatsApp Web changes under the library: report what is missing at once, before it fails quietly."""
    if not missing:
        return (ClearWarning(CONTRACT),)
    costs = ", ".join(sorted({each.costs for each in missing}))
    names = ", ".join(sorted({f"{each.module}.{each.function}" for each in missing}))[:300]
    return Warn(CONTRACT, f"{costs} ({names})"), Record("contract", {"costs": costs, "names": names})


def _dialog(text: str, button: str | None, *, dismissed: bool) -> Sequence[Command]:
    """Some dialogs cost the link if nobody acknowledges them; the child clicks those it knows and no other."""
    if not dismissed:
        return Warn(DIALOG, text), Record("dialog", {"text": text})
    clicked = Log("warning", "dialog_dismissed", f"acknowledged a dialog of WhatsApp Web with {button}: {text}")
    return ClearWarning(DIALOG), Record("dialog_dismissed", {"text": text, "button": button}), clicked
