"""The wire, read: one line from the Node child becomes one event, or a `Malformed` that says why not.

Pure: no I/O, no clock. docs/protocol.md is the contract and `tests/transcripts/` its examples. What an event means is
decided elsewhere (`ingest` for messages, `supervisor.machine` for the lifecycle).

Nothing here is lost by being strict: a line that is refused comes back with its reason and is kept by the caller.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from leadmasterd.wire.events import (
    NO_CONTACT,
    Account,
    Authenticated,
    BrowserStarted,
    Bye,
    Call,
    Ciphertext,
    CommandError,
    Contact,
    Contract,
    Dialog,
    Disconnected,
    Event,
    Heartbeat,
    Hello,
    JsonObject,
    Malformed,
    Message,
    MessageEdit,
    MessageKey,
    MessageRevoke,
    Missing,
    OutboundBlocked,
    PageError,
    PairingCode,
    Qr,
    Reaction,
    Ready,
    SocketState,
    SweepChat,
    SweepDone,
    Unknown,
    Via,
)

VERSION: Final = 1
MAX_LINE: Final = 1 << 20
"""Bytes of the longest line the child may write, without the newline."""

# SQLite integers are 64 bits and JavaScript's exact ones 53; a `t` beyond that is nonsense from the page.
_MAX_INT: Final = 1 << 53


class _BadField(ValueError):
    """A field is missing or has the wrong type; the text says which."""


def decode(raw: bytes) -> Event:
    """Read one line, without its newline. Never raises: what can't be read becomes `Malformed`."""
    return decode_line(raw)[0]


def decode_line(raw: bytes) -> tuple[Event, str | None]:
    """`decode`, with the exact text to keep beside the event (None when it was not text)."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return malformed(f"is not UTF-8 (byte {error.start})", raw), None
    try:
        obj = _READ(text)
    except (ValueError, RecursionError) as error:
        return malformed(f"is not JSON ({_short(error)})", raw), text
    if type(obj) is not dict:
        return malformed("is not a JSON object", raw), text
    if obj.get("v") != VERSION:
        return malformed(f"speaks protocol version {_shown(obj.get('v'))}, not {VERSION}", raw), text
    type_, seq = obj.get("type"), obj.get("seq")
    if type(seq) is not int or not 0 < seq < _MAX_INT:
        return malformed(f"has no whole number in seq ({_shown(seq)})", raw), text
    build = _BUILDERS.get(type_) if isinstance(type_, str) else None
    if build is None:
        return Unknown(_shown(type_), seq), text
    try:
        return build(obj, seq), text
    except _BadField as problem:
        return malformed(f"is a {type_} {problem}", raw), text


def malformed(why: str, raw: bytes, *, length: int | None = None) -> Malformed:
    """A refusal that keeps the first bytes of the line, made printable."""
    return Malformed(why, raw[:200].decode("utf-8", "backslashreplace"), len(raw) if length is None else length)


def command(type_: str, **fields: object) -> bytes:
    """A command line for the child's stdin, newline included."""
    return json.dumps({"type": type_, **fields}, ensure_ascii=True).encode() + b"\n"


def _short(error: BaseException) -> str:
    return str(error)[:80] or type(error).__name__


def _shown(value: object) -> str:
    return repr(value)[:60]


def _kind(value: object) -> str:
    """What kind of value it is, and not which: a stranger's words may be in it, and refusals are logged."""
    kinds: Mapping[type, str] = {str: "text" if value else "empty text", dict: "an object", list: "a list"}
    return kinds.get(type(value)) or ("nothing" if value is None else _shown(value))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_READ: Final = json.JSONDecoder(parse_constant=_no_constant).decode


def _text(obj: JsonObject, name: str) -> str:
    value = obj.get(name)
    if type(value) is not str or not value:
        raise _BadField(f"without text in {name} ({_kind(value)})")
    return value


def _text_or_none(obj: JsonObject, name: str) -> str | None:
    value = obj.get(name)
    if value is None or type(value) is str:
        return value
    raise _BadField(f"with {_kind(value)} in {name}, which must be text or null")


def _int(obj: JsonObject, name: str) -> int:
    value = obj.get(name)
    if type(value) is not int or not -_MAX_INT < value < _MAX_INT:
        raise _BadField(f"without a whole number in {name} ({_kind(value)})")
    return value


def _int_or_none(obj: JsonObject, name: str) -> int | None:
    return None if obj.get(name) is None else _int(obj, name)


def _time(obj: JsonObject, name: str) -> int | None:
    """A time may be missing or absurd: the message still counts, with the time of its capture."""
    value = obj.get(name)
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and -_MAX_INT < value < _MAX_INT else None


def _flag(obj: JsonObject, name: str) -> bool:
    return obj.get(name) is True


def _object_or_none(obj: JsonObject, name: str) -> JsonObject | None:
    value = obj.get(name)
    if value is None or type(value) is dict:
        return value
    raise _BadField(f"with {_kind(value)} in {name}, which must be an object or null")


def _via(obj: JsonObject) -> Via:
    value = obj.get("via")
    if value == "live":
        return "live"
    if value == "sweep":
        return "sweep"
    raise _BadField(f"with {_shown(value)} in via, which is live or sweep")


def _key(obj: JsonObject) -> MessageKey:
    key = obj.get("id")
    if type(key) is not dict:
        raise _BadField(f"without an id ({_kind(key)})")
    from_me = key.get("fromMe")
    if type(from_me) is not bool:
        raise _BadField(f"without true or false in id.fromMe ({_kind(from_me)})")
    stanza, remote, participant = key.get("id"), key.get("remote"), key.get("participant")
    if type(stanza) is not str or not stanza:
        raise _BadField(f"without text in id.id ({_kind(stanza)})")
    if type(remote) is not str or not remote:
        raise _BadField(f"without a chat in id.remote ({_kind(remote)})")
    if participant is not None and type(participant) is not str:
        raise _BadField(f"with {_kind(participant)} in id.participant, which must be text or null")
    return MessageKey(from_me, remote, stanza, participant)


def _contact(obj: JsonObject) -> Contact:
    value = obj.get("contact")
    if value is None:
        return NO_CONTACT
    if type(value) is not dict:
        raise _BadField(f"with {_kind(value)} in contact, which must be an object or null")
    return Contact(
        _text_or_none(value, "saved_name"),
        value.get("business") is True,
        _text_or_none(value, "phone"),
        _text_or_none(value, "lid"),
    )


_EXTRAS: Final = ("location", "contact_cards", "order", "reply", "call")


def _message(obj: JsonObject, seq: int) -> Message:
    return Message(
        seq,
        _via(obj),
        _key(obj),
        _time(obj, "t"),
        _text(obj, "message_type"),
        _text_or_none(obj, "from"),
        _text_or_none(obj, "to"),
        _text_or_none(obj, "author"),
        _text_or_none(obj, "notify_name"),
        _text_or_none(obj, "body"),
        obj.get("truncated") is True,
        _contact(obj),
        obj.get("forwarded") is True,
        _time(obj, "ephemeral_seconds"),
        _object_or_none(obj, "media"),
        _object_or_none(obj, "quoted"),
        _object_or_none(obj, "referral"),
        {name: obj[name] for name in _EXTRAS if obj.get(name)},
    )


def _ciphertext(obj: JsonObject, seq: int) -> Ciphertext:
    return Ciphertext(
        seq,
        _via(obj),
        _key(obj),
        _time(obj, "t"),
        _text_or_none(obj, "from"),
        _text_or_none(obj, "to"),
        _text_or_none(obj, "author"),
        _text_or_none(obj, "notify_name"),
        _contact(obj),
        _text_or_none(obj, "subtype"),
    )


def _ready(obj: JsonObject, seq: int) -> Ready:
    account = _object_or_none(obj, "account")
    if account is None:
        raise _BadField("without an account")
    who = Account(
        _text(account, "wid"),
        _text_or_none(account, "lid"),
        _text_or_none(account, "push_name"),
        _text_or_none(account, "platform"),
    )
    return Ready(seq, who, _flag(obj, "fresh"), _text_or_none(obj, "web_version"))


def _contract(obj: JsonObject, seq: int) -> Contract:
    missing = obj.get("missing")
    if type(missing) is not list:
        raise _BadField(f"without a list in missing ({_kind(missing)})")
    return Contract(seq, _text_or_none(obj, "web_version"), tuple(_missing(item) for item in missing))


def _missing(item: object) -> Missing:
    if type(item) is not dict:
        raise _BadField(f"with {_kind(item)} in missing, which holds objects")
    return Missing(_text(item, "module"), _text(item, "function"), _text(item, "costs"))


def _heartbeat(obj: JsonObject, seq: int) -> Heartbeat:
    return Heartbeat(
        seq,
        _text_or_none(obj, "socket_state"),
        _flag(obj, "has_synced"),
        _int(obj, "added"),
        _int(obj, "emitted"),
        _int(obj, "dropped"),
    )


def _sweep_done(obj: JsonObject, seq: int) -> SweepDone:
    return SweepDone(
        seq,
        _int(obj, "sweep"),
        _int(obj, "started_at"),
        _int(obj, "chats"),
        _int(obj, "looked_at"),
        _int(obj, "messages"),
        _int(obj, "failed"),
        _time(obj, "oldest"),
        _time(obj, "newest"),
        _text_or_none(obj, "error"),
    )


_BUILDERS: Final[Mapping[str, Callable[[JsonObject, int], Event]]] = {
    "message": _message,
    "ciphertext": _ciphertext,
    "message_edit": lambda o, seq: MessageEdit(
        seq, _key(o), _time(o, "t"), _time(o, "edited_t"), _text_or_none(o, "body")
    ),
    "message_revoke": lambda o, seq: MessageRevoke(
        seq, _key(o), _time(o, "t"), "me" if _text_or_none(o, "scope") == "me" else "everyone"
    ),
    "reaction": lambda o, seq: Reaction(
        seq,
        _key(o),
        _flag(o, "from_me"),
        _text_or_none(o, "sender"),
        _text_or_none(o, "emoji") or "",
        _time(o, "t"),
    ),
    "call": lambda o, seq: Call(
        seq,
        _text(o, "call_id"),
        _text(o, "chat"),
        _time(o, "t"),
        _flag(o, "outgoing"),
        _flag(o, "answered"),
        _flag(o, "video"),
    ),
    "sweep_chat": lambda o, seq: SweepChat(
        seq, _int(o, "sweep"), _text(o, "chat"), _int(o, "found"), _time(o, "through"), _text_or_none(o, "error")
    ),
    "sweep_done": _sweep_done,
    "heartbeat": _heartbeat,
    "hello": lambda o, seq: Hello(seq, _int(o, "pid"), _object_or_none(o, "versions") or {}),
    "browser_started": lambda o, seq: BrowserStarted(seq, _int_or_none(o, "pid"), _text_or_none(o, "version")),
    "qr": lambda o, seq: Qr(seq, _text(o, "qr"), _int(o, "valid_seconds")),
    "pairing_code": lambda o, seq: PairingCode(seq, _text(o, "code"), _int(o, "valid_seconds")),
    "authenticated": lambda _o, seq: Authenticated(seq),
    "ready": _ready,
    "state": lambda o, seq: SocketState(seq, _text(o, "state")),
    "disconnected": lambda o, seq: Disconnected(seq, _text(o, "reason"), _text_or_none(o, "logout_reason")),
    "page_error": lambda o, seq: PageError(seq, _text(o, "source"), _text_or_none(o, "message") or ""),
    "outbound_blocked": lambda o, seq: OutboundBlocked(
        seq, _text(o, "module"), _text(o, "function"), _text(o, "where")
    ),
    "contract": _contract,
    "dialog": lambda o, seq: Dialog(
        seq, _text_or_none(o, "text") or "", _text_or_none(o, "button"), _flag(o, "dismissed")
    ),
    "command_error": lambda o, seq: CommandError(
        seq, _text_or_none(o, "command") or "", _text_or_none(o, "message") or ""
    ),
    "bye": lambda o, seq: Bye(seq, _text(o, "reason"), _text_or_none(o, "detail")),
}
