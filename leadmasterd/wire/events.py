"""What the Node child can report: one event for each type of line. docs/protocol.md is the contract.

Values only; `decode` builds them. What an event means is decided elsewhere (`capture` for messages,
`supervisor.machine` for the lifecycle). Messages are named tuples, which take a third of the time to make.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Via = Literal["live", "sweep"]
RevokeScope = Literal["everyone", "me"]
JsonObject = Mapping[str, object]
"""Decoded JSON that is not looked into: stored or shown as it is."""
Marks = Mapping[str, str | bool]
"""What the page's record shows about who or what sent a message; docs/protocol.md lists the names. A flag is True."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that can't be used: `why` as a predicate ("is not JSON"), `head` its first bytes, `length` its size.

    `seq`: its number, where that can be read.
    """

    why: str
    head: str
    length: int
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A well-formed line of a type this version does not know."""

    type: str
    seq: int


class MessageKey(NamedTuple):
    """A message's identity as the page gives it. `remote` and `participant` vary between the ids of one person."""

    from_me: bool
    remote: str
    stanza_id: str
    participant: str | None


class Contact(NamedTuple):
    """What the page's address book knows about the other party of a chat."""

    saved_name: str | None = None
    business: bool = False
    phone: str | None = None
    lid: str | None = None


NO_CONTACT: Final = Contact()
NO_MARKS: Final[Marks] = {}


@dataclass(frozen=True, slots=True)
class Hello:
    """The child's first line."""

    seq: int
    pid: int
    versions: Mapping[str, str | None]
    """Of the listener, its libraries, Node and the browser, by name."""


@dataclass(frozen=True, slots=True)
class BrowserStarted:
    """`pid`: of the browser's main process, None if unknown."""

    seq: int
    pid: int | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Qr:
    seq: int
    qr: str
    valid_seconds: int


@dataclass(frozen=True, slots=True)
class PairingCode:
    seq: int
    code: str
    valid_seconds: int


@dataclass(frozen=True, slots=True)
class Authenticated:
    seq: int


@dataclass(frozen=True, slots=True)
class Account:
    """The listening number itself."""

    wid: str
    lid: str | None
    push_name: str | None
    platform: str | None


@dataclass(frozen=True, slots=True)
class Ready:
    """The live path is attached. `fresh`: this child showed the code that was scanned."""

    seq: int
    account: Account
    fresh: bool
    web_version: str | None


@dataclass(frozen=True, slots=True)
class SocketState:
    """`stream`: whether the server's stream stands behind the socket; None if the page does not tell."""

    seq: int
    state: str
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """`by`: the sign of a logout that was met: `event`, `address` or `library`."""

    seq: int
    reason: str
    logout_reason: str | None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Banned:
    """WhatsApp has banned the number for a time. `expires`: seconds since 1970 UTC."""

    seq: int
    code: str | None
    expires: int | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """WhatsApp refused the connection for now. `code`: its number, as in HTTP."""

    seq: int
    code: int | None


@dataclass(frozen=True, slots=True)
class Passkey:
    """WhatsApp asks for a passkey, which only a person can answer. The words are listed in docs/protocol.md."""

    seq: int
    where: str
    """`linking`, or `check`: asked of an account that is linked already."""
    step: str
    code: str | None
    """To be compared with the one on the phone."""
    by: str | None


@dataclass(frozen=True, slots=True)
class Screen:
    """The page shows something else than its chats, and not just in passing. `shown`: false at its end."""

    seq: int
    name: str
    text: str
    shown: bool


@dataclass(frozen=True, slots=True)
class PageError:
    seq: int
    source: str
    message: str


@dataclass(frozen=True, slots=True)
class OutboundBlocked:
    seq: int
    module: str
    function: str
    where: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A member of the page that capture relies on is missing. `costs`: the capability lost, see docs/protocol.md."""

    module: str
    function: str
    costs: str


@dataclass(frozen=True, slots=True)
class Contract:
    """The compatibility check: what this build of WhatsApp Web lacks of what capture relies on, if anything.

    `late`: in modules that the page has not loaded yet.
    """

    seq: int
    web_version: str | None
    missing: tuple[Missing, ...]
    late: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What the page is: once a page load, and in answer to the command `check_page` of number `check`.

    `required`: how many members were looked up. `ab`: the switches that choose between the page's ways; None: not told.
    `new_types`: of messages, which the page has and this version can't put into words. With an `error` the page could
    not be asked, and the rest is what was known last.
    """

    seq: int
    web_version: str | None
    ab: Mapping[str, str | int | float | bool | None]
    required: int
    missing: tuple[Missing, ...]
    late: tuple[Missing, ...]
    check: int | None
    error: str | None
    new_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialog:
    """The page showed a dialog. `button`: the one that was clicked, None when the dialog was left alone."""

    seq: int
    text: str
    button: str | None
    dismissed: bool
    name: str | None = None
    """What it is about, where its words alone do not say what to do: `disk_full`."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last three are None where the page does not tell."""

    seq: int
    socket_state: str | None
    has_synced: bool
    added: int
    emitted: int
    dropped: int
    stream: str | None = None
    mode: str | None = None
    history: str | None = None
    """The recent history after a link: `incoming` or `complete`."""


@dataclass(frozen=True, slots=True)
class CommandError:
    seq: int
    command: str
    message: str


@dataclass(frozen=True, slots=True)
class Bye:
    seq: int
    reason: str
    detail: str | None


class Message(NamedTuple):
    """A readable message, own or inbound. `t`: seconds since 1970 UTC as WhatsApp gave it, or None."""

    seq: int
    via: Via
    key: MessageKey
    t: int | None
    message_type: str
    sender: str | None
    to: str | None
    author: str | None
    notify_name: str | None
    body: str | None
    truncated: bool
    contact: Contact
    forwarded: bool
    ephemeral_seconds: int | None
    media: JsonObject | None
    quoted: JsonObject | None
    referral: JsonObject | None
    extras: JsonObject
    """What only some kinds of message hold (`decode.EXTRAS`): those that are there."""
    marks: Marks


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """A message that can't be read yet."""

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
    seq: int
    key: MessageKey
    t: int | None
    edited_t: int | None
    body: str | None
    contact: Contact = NO_CONTACT


@dataclass(frozen=True, slots=True)
class MessageRevoke:
    seq: int
    key: MessageKey
    t: int | None
    scope: RevokeScope
    """`me`: deleted on the operator's own devices; the other party still has it."""
    contact: Contact = NO_CONTACT


@dataclass(frozen=True, slots=True)
class Reaction:
    """`emoji`: empty when the reaction was removed."""

    seq: int
    key: MessageKey
    from_me: bool
    sender: str | None
    emoji: str
    t: int | None
    contact: Contact = NO_CONTACT


@dataclass(frozen=True, slots=True)
class Call:
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
    """WhatsApp says that somebody has another number. Ids of one person; the LIDs where it names them."""

    seq: int
    via: Via
    old: str
    new: str
    old_lid: str | None
    new_lid: str | None
    t: int | None


@dataclass(frozen=True, slots=True)
class SweepChat:
    """A sweep has read this chat; its messages came before this line. `through`: the chat's newest time."""

    seq: int
    sweep: int
    chat: str
    found: int
    through: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class SweepDone:
    seq: int
    sweep: int
    started_at: int
    """Epoch milliseconds, the child's clock."""
    chats: int
    looked_at: int
    messages: int
    failed: int
    oldest: int | None
    newest: int | None
    error: str | None
    unloaded: int = 0
    """Chats among `failed` that the page had not loaded yet."""
    read_by: str | None = None
    """`disk`, or `paging` if a chat had to be read that way. None: no chat was read, or the child does not say."""


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
