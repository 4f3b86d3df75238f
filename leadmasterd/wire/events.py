"""What the Node child can report: one class for each type of line. docs/protocol.md is the contract.

These are values only: `decode` builds them, and what an event means is decided elsewhere (`capture` for messages,
`supervisor.machine` for the lifecycle). Everywhere `seq` is the line's number, `t` a time in seconds since 1970 UTC as
WhatsApp gives it (None if it is missing or absurd), and ids are text `user@server`. The classes of messages are named
tuples: making one takes a third of the time that a dataclass takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Via = Literal["live", "sweep"]
RevokeScope = Literal["everyone", "me"]
JsonObject = Mapping[str, object]
"""Decoded JSON whose content does not matter here: it is stored or shown as it is."""
Marks = Mapping[str, str | bool]
"""What the page's record shows about who or what sent a message, by name (docs/protocol.md lists them). The value is
text, or True for a flag."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that can't be used."""

    why: str
    """A predicate of the line: "is not JSON"."""
    head: str
    """Its first bytes, as text."""
    length: int
    """In bytes, without the newline."""
    seq: int | None = None
    """None if it can't be read."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A well-formed line of a type this version does not know."""

    type: str
    seq: int


class MessageKey(NamedTuple):
    """A message's identity as the page gives it. One person's `…@c.us` and `…@lid` ids may take each other's place."""

    from_me: bool
    remote: str
    """The chat."""
    stanza_id: str
    """Chosen by the sender, so unique only in its chat."""
    participant: str | None
    """The sender in a group or broadcast; None in a direct chat."""


class Contact(NamedTuple):
    """What the page's address book knows about the other party of a chat; None for what it does not know."""

    saved_name: str | None = None
    business: bool = False
    phone: str | None = None
    lid: str | None = None


NO_CONTACT: Final = Contact()
NO_MARKS: Final[Marks] = {}


@dataclass(frozen=True, slots=True)
class Hello:
    """The child's first line. `pid`: of Node."""

    seq: int
    pid: int
    versions: Mapping[str, str | None]
    """Of the listener, its libraries, Node and the browser, by name; None for one that is not known."""


@dataclass(frozen=True, slots=True)
class BrowserStarted:
    """The browser runs. `pid`: of its main process, None if unknown."""

    seq: int
    pid: int | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Qr:
    """A new code to scan with the phone. `qr`: the text to draw."""

    seq: int
    qr: str
    valid_seconds: int


@dataclass(frozen=True, slots=True)
class PairingCode:
    """A new code to type on the phone, instead of a scan."""

    seq: int
    code: str
    valid_seconds: int


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The phone has accepted the link, or the stored session is valid."""

    seq: int


@dataclass(frozen=True, slots=True)
class Account:
    """The listening number itself. `wid`: its id by phone number."""

    wid: str
    lid: str | None
    push_name: str | None
    platform: str | None


@dataclass(frozen=True, slots=True)
class Ready:
    """Live messages arrive from now on. `fresh`: the account was linked by a code that this child showed."""

    seq: int
    account: Account
    fresh: bool
    web_version: str | None


@dataclass(frozen=True, slots=True)
class SocketState:
    """WhatsApp Web's connection has changed its state."""

    seq: int
    state: str
    """The socket's, such as CONNECTED; it may stay so when another session has taken over."""
    stream: str | None = None
    """The state of WhatsApp's stream behind the socket, such as DISCONNECTED; None if the page does not tell."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The session has ended, or waits for a person. `reason`: LOGOUT, or the socket's state."""

    seq: int
    reason: str
    logout_reason: str | None
    by: str | None = None
    """How a logout was noticed: by an `event`, the page's `address` or the `library`. None if the reason is a state."""


@dataclass(frozen=True, slots=True)
class Banned:
    """WhatsApp has banned the number for a time. `expires`: seconds since 1970 UTC."""

    seq: int
    code: str | None
    expires: int | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """WhatsApp refused the connection for now. `code`: as in HTTP, such as 503."""

    seq: int
    code: int | None


@dataclass(frozen=True, slots=True)
class Passkey:
    """WhatsApp asks for a passkey, which only a person can answer. docs/protocol.md lists the values."""

    seq: int
    where: str
    """`linking`, or `check`: asked of an account that is linked already."""
    step: str
    """How far it is, such as `asked` or `done`."""
    code: str | None
    """A person compares it with the one on the phone."""
    by: str | None
    """How the step was noticed: by an `event` of the page, or by looking at the page's state (`level`)."""


@dataclass(frozen=True, slots=True)
class Screen:
    """The page shows something else than its chats, for more than a moment. `shown`: False once that has gone."""

    seq: int
    name: str
    text: str
    shown: bool


@dataclass(frozen=True, slots=True)
class PageError:
    """An error in the page that nothing else reports. `source`: where it was caught, such as `console`."""

    seq: int
    source: str
    message: str


@dataclass(frozen=True, slots=True)
class OutboundBlocked:
    """An attempt to send was refused: a call of `function` in `module`.

    `where`: `page`, or `view` for the library's part. `seen`: not refused, but only noticed, a request that code from
    outside the page made.
    """

    seq: int
    module: str
    function: str
    where: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A member of the page that capture relies on is missing.

    `function`: its path within the module. `costs`: a code for what is lost without it (docs/protocol.md).
    """

    module: str
    function: str
    costs: str


@dataclass(frozen=True, slots=True)
class Contract:
    """The result of the compatibility check: members that capture relies on and this build of WhatsApp Web lacks."""

    seq: int
    web_version: str | None
    missing: tuple[Missing, ...]
    late: tuple[Missing, ...] = ()
    """Members of modules that the page has not loaded yet, so that they may still come."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the page is: reported once a page load, and in answer to a command `check_page`."""

    seq: int
    web_version: str | None
    ab: Mapping[str, str | int | float | bool | None]
    """WhatsApp's A/B switches by name; None: the page does not tell."""
    required: int
    """How many members were looked up."""
    missing: tuple[Missing, ...]
    late: tuple[Missing, ...]
    """As in `Contract`."""
    check: int | None
    """The number of the command that this answers; None if it answers none."""
    error: str | None
    """Why the page could not be asked: the other fields then hold what was known last. None: it was asked."""
    new_types: tuple[str, ...] = ()
    """Types of messages that the page has and this version can't put into words."""


@dataclass(frozen=True, slots=True)
class Dialog:
    """The page showed a dialog. `dismissed`: it was clicked away."""

    seq: int
    text: str
    button: str | None
    """The one that was clicked; None when the dialog was left alone."""
    dismissed: bool
    name: str | None = None
    """A code for what it is about, if its words alone do not say what to do: `disk_full`."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent every few seconds along the path of messages, which proves that messages would arrive.

    Fields are None where the page does not tell them.
    """

    seq: int
    socket_state: str | None
    has_synced: bool
    added: int
    """Messages that were added to the page's store since it was loaded, and that should be emitted."""
    emitted: int
    """How many of those were passed to Node."""
    dropped: int
    """Live lines that this child has dropped so far, because its stdout was full."""
    stream: str | None = None
    """As in `SocketState`."""
    mode: str | None = None
    """What the page means to show, such as MAIN or QR."""
    history: str | None = None
    """The recent history after a link: `incoming` or `complete`."""


@dataclass(frozen=True, slots=True)
class CommandError:
    """The child does not know a command, or can't read it. `command`: its type."""

    seq: int
    command: str
    message: str


@dataclass(frozen=True, slots=True)
class Bye:
    """The child's last line. `reason`: a code that docs/protocol.md lists."""

    seq: int
    reason: str
    detail: str | None


class Message(NamedTuple):
    """A readable message, own or inbound."""

    seq: int
    via: Via
    key: MessageKey
    t: int | None
    message_type: str
    """The page's word for it, such as `chat` or `image`."""
    sender: str | None
    to: str | None
    author: str | None
    """Who wrote it in a group; None in a direct chat."""
    notify_name: str | None
    """The name that its sender has chosen."""
    body: str | None
    """Its text, or the caption of media."""
    truncated: bool
    """The body was cut to fit the line."""
    contact: Contact
    forwarded: bool
    ephemeral_seconds: int | None
    """The lifetime of a disappearing message."""
    media: JsonObject | None
    quoted: JsonObject | None
    """The message that this one answers."""
    referral: JsonObject | None
    """The ad that led here."""
    extras: JsonObject
    """The fields of `decode.EXTRAS` that it has: each is of some kinds of message only."""
    marks: Marks


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """A message that can't be decrypted yet. A later `Message` with the same key may bring its content."""

    seq: int
    via: Via
    key: MessageKey
    t: int | None
    sender: str | None
    to: str | None
    author: str | None
    notify_name: str | None
    contact: Contact
    subtype: str | None
    marks: Marks


@dataclass(frozen=True, slots=True)
class MessageEdit:
    """A message was edited. `t`: its own time; `edited_t`: that of the edit; `body`: the new one."""

    seq: int
    key: MessageKey
    t: int | None
    edited_t: int | None
    body: str | None
    contact: Contact = NO_CONTACT


@dataclass(frozen=True, slots=True)
class MessageRevoke:
    """A message was deleted. `t`: its own time."""

    seq: int
    key: MessageKey
    t: int | None
    scope: RevokeScope
    """`me`: deleted on the operator's own devices; the other party still has it."""
    contact: Contact = NO_CONTACT


@dataclass(frozen=True, slots=True)
class Reaction:
    """Somebody reacted to the message `key`. `emoji`: empty when the reaction was removed."""

    seq: int
    key: MessageKey
    from_me: bool
    sender: str | None
    emoji: str
    t: int | None
    contact: Contact = NO_CONTACT


@dataclass(frozen=True, slots=True)
class Call:
    """A call rings. Reported once per call. `chat`: with whom."""

    seq: int
    call_id: str
    chat: str
    t: int | None
    outgoing: bool
    answered: bool
    video: bool
    source: str | None = None
    """Where the page showed it: `collection` or `active_call`."""
    contact: Contact = NO_CONTACT


@dataclass(frozen=True, slots=True)
class NumberChange:
    """WhatsApp says that somebody has changed their number: the ids of that person before and after.

    The LIDs are None where WhatsApp does not name them.
    """

    seq: int
    via: Via
    old: str
    new: str
    old_lid: str | None
    new_lid: str | None
    t: int | None


@dataclass(frozen=True, slots=True)
class SweepChat:
    """A backfill has read a chat. Its messages came before this line."""

    seq: int
    sweep: int
    """The number of the command that asked for the backfill."""
    chat: str
    found: int
    """How many messages were emitted."""
    through: int | None
    """The time (s) of the chat's newest message, if it is certain that everything up to there was read; else None."""
    error: str | None
    """Why this chat failed; None if it did not."""


@dataclass(frozen=True, slots=True)
class SweepDone:
    """A backfill is over. The counts are of chats, except `messages`."""

    seq: int
    sweep: int
    """As in `SweepChat`."""
    started_at: int
    """Milliseconds since 1970 UTC, by the child's clock."""
    chats: int
    """In the page's store."""
    looked_at: int
    messages: int
    """How many were emitted."""
    failed: int
    oldest: int | None
    newest: int | None
    """The times (s) of the oldest and the newest message that was emitted; None if none was."""
    error: str | None
    """Why the whole backfill failed; None if it did not."""
    unloaded: int = 0
    """Chats among `failed` that the page had not loaded yet."""
    read_by: str | None = None
    """How chats were read: `disk`, or `paging` if one had to be. None: no chat was read, or the child does not say."""


Lifecycle = (
    Hello
    | BrowserStarted
    | Qr
    | PairingCode
    | Authenticated
    | Ready
    | SocketState
    | Disconnected
    | Banned
    | Unavailable
    | Passkey
    | Screen
    | PageError
    | OutboundBlocked
    | Contract
    | Page
    | Dialog
    | Heartbeat
    | CommandError
    | Bye
)
Data = Message | Ciphertext | MessageEdit | MessageRevoke | Reaction | Call | NumberChange
Sweeping = SweepChat | SweepDone
Event = Lifecycle | Data | Sweeping | Unknown | Malformed
