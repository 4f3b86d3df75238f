"""The wire decoder: one line from the Node child becomes one event, or a `Malformed` that says why not.

Pure: no I/O, no clock. docs/protocol.md is the contract and `tests/transcripts/` its examples. What an event means is
decided elsewhere (`capture` for messages, `supervisor.machine` for the lifecycle).

Being strict loses nothing: a refused line comes back with the reason, and the caller keeps it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NoReturn, TypeGuard

from leadmasterd.wire.events import (
    NO_CONTACT,
    NO_MARKS,
    Account,
    Authenticated,
    Banned,
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
    Marks,
    Message,
    MessageEdit,
    MessageKey,
    MessageRevoke,
    Missing,
    NumberChange,
    OutboundBlocked,
    Page,
    PageError,
    PairingCode,
    Passkey,
    Qr,
    Reaction,
    Ready,
    RevokeScope,
    Screen,
    SocketState,
    SweepChat,
    SweepDone,
    Unavailable,
    Unknown,
    Via,
)
from leadmasterd.wire.quick import plain_message

VERSION: Final = 1
MAX_LINE: Final = 1 << 20
"""The longest line the child may write: bytes, without the newline."""

_MAX_INT: Final = 1 << 53
"""The first integer that is too large: JavaScript's are exact only below it, and a `t` beyond it is nonsense."""


class _BadField(ValueError):
    """A field is missing or has the wrong type; the text names it."""


def decode(raw: bytes) -> Event:
    """Decode one line, without its newline. Never raises: what can't be read becomes `Malformed`."""
    return decode_line(raw)[0]


def decode_line(raw: bytes) -> tuple[Event, bytes | None]:
    """The event of one line, and the line to store with it: None if the line is not UTF-8.

    Never raises. Plain messages take a fast path (`quick`), with the same result.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return malformed(f"is not UTF-8 (byte {error.start})", raw), None
    if (message := plain_message(raw)) is not None:
        return message, raw
    return read(text, raw), raw


def read(text: str, raw: bytes) -> Event:
    """The event of any line, without the fast path. `text`: `raw` decoded. Never raises."""
    try:
        obj = _decode_json(text)
    except (ValueError, RecursionError) as error:
        return malformed(f"is not JSON ({_short(error)})", raw)
    if type(obj) is not dict:
        return malformed("is not a JSON object", raw)
    if obj.get("v") != VERSION:
        return malformed(f"speaks protocol version {_shown(obj.get('v'))}, not {VERSION}", raw)
    type_, seq = obj.get("type"), obj.get("seq")
    if type(seq) is not int or not 0 < seq < _MAX_INT:
        return malformed(f"has no whole number in seq ({_shown(seq)})", raw)
    build = EVENT_TYPES.get(type_) if isinstance(type_, str) else None
    if build is None:
        return Unknown(_shown(type_), seq)
    try:
        return build(obj, seq)
    except _BadField as problem:
        return replace(malformed(f"is a {type_} {problem}", raw), seq=seq)


def malformed(why: str, raw: bytes) -> Malformed:
    """The refusal of this line. `why`: a predicate of it, such as "is not JSON"."""
    return _malformed(why, raw, len(raw))


def oversize(head: bytes, length: int) -> Malformed:
    """The refusal of a line longer than `MAX_LINE`. `head`: its first bytes; `length`: how many bytes it has."""
    return _malformed(f"is {length} bytes long, more than {MAX_LINE}", head, length)


def _malformed(why: str, head: bytes, length: int) -> Malformed:
    return Malformed(why, head[:200].decode("utf-8", "backslashreplace"), length)


def command(type_: str, **fields: object) -> bytes:
    """A command for the child's stdin: a JSON object on one line, newline included. `fields`: as JSON can hold them."""
    return json.dumps({"type": type_, **fields}, ensure_ascii=True).encode() + b"\n"


def _short(error: BaseException) -> str:
    """What an error says, at most 80 characters; its class if it says nothing."""
    return str(error)[:80] or type(error).__name__


def _shown(value: object) -> str:
    """A value as Python writes it, at most 60 characters."""
    return repr(value)[:60]


def _kind(value: object) -> str:
    """What kind of value it is, for a refusal: an empty field, say, or an object.

    Refusals are logged, so only values that can't hold a stranger's words are shown themselves.
    """
    match value:
        case None:
            return "nothing"
        case str():
            return "text" if value else "empty text"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return _shown(value)


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's decoder would accept."""
    raise ValueError(f"{name} is not JSON")


_decode_json: Final = json.JSONDecoder(parse_constant=_no_constant).decode


# ---------------------------------------------------------------------- one field of a line; each raises _BadField


def _text(obj: JsonObject, name: str) -> str:
    """A field that must be text, and not empty."""
    value = obj.get(name)
    if type(value) is not str or not value:
        raise _BadField(f"without text in {name} ({_kind(value)})")
    return value


def _text_or_none(obj: JsonObject, name: str) -> str | None:
    """A field that may be text, empty or not, null or missing."""
    value = obj.get(name)
    if value is None or type(value) is str:
        return value
    raise _BadField(f"with {_kind(value)} in {name}, which must be text or null")


def _is_text_or_none(value: object) -> TypeGuard[str | None]:
    return value is None or type(value) is str


def _int(obj: JsonObject, name: str) -> int:
    """A field that must be a whole number, and not true or false."""
    value = obj.get(name)
    if type(value) is not int or not -_MAX_INT < value < _MAX_INT:
        raise _BadField(f"without a whole number in {name} ({_kind(value)})")
    return value


def _int_or_none(obj: JsonObject, name: str) -> int | None:
    return None if obj.get(name) is None else _int(obj, name)


def _time(obj: JsonObject, name: str) -> int | None:
    """A time in whole seconds; None if it is missing or absurd. A message without a time is dated by its capture.

    Also for other whole numbers that may be missing.
    """
    value = obj.get(name)
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and -_MAX_INT < value < _MAX_INT else None


def _flag(obj: JsonObject, name: str) -> bool:
    """Whether a field is true; anything else, also a missing one, counts as false."""
    return obj.get(name) is True


def _object_or_none(obj: JsonObject, name: str) -> JsonObject | None:
    """A field that may be an object, null or missing."""
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
    """The message's identity, the field `id`. Its `participant` may be null or missing."""
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
    return MessageKey(from_me=from_me, remote=remote, stanza_id=stanza, participant=participant)


def _contact(obj: JsonObject) -> Contact:
    """The field `contact`; an empty contact if it is null or missing."""
    value = obj.get("contact")
    if value is None:
        return NO_CONTACT
    if type(value) is not dict:
        raise _BadField(f"with {_kind(value)} in contact, which must be an object or null")
    return Contact(
        saved_name=_text_or_none(value, "saved_name"),
        business=value.get("business") is True,
        phone=_text_or_none(value, "phone"),
        lid=_text_or_none(value, "lid"),
    )


MARKS: Final[Mapping[str, tuple[type, ...]]] = {  # name -> the types that its value may have
    "broadcast": (str, bool),
    "campaign": (str, bool),
    "bot": (str,),
    "assistant": (bool,),
    "template": (bool,),
    "native_flow": (str,),
    "api": (bool,),
    "automated_greeting": (bool,),
    "hosted": (bool,),
    "verified_name": (str,),
}


def _marks(obj: JsonObject) -> Marks:
    """The known marks of a message. Those that are null, false or empty text are left out: they say nothing."""
    value = obj.get("marks")
    if value is None:
        return NO_MARKS
    if type(value) is not dict:
        raise _BadField(f"with {_kind(value)} in marks, which must be an object or null")
    marks: dict[str, str | bool] = {}
    for name, kinds in MARKS.items():
        mark = value.get(name)
        if mark is None:
            continue
        if type(mark) not in kinds:
            wanted = " or ".join("text" if kind is str else "true" for kind in kinds)
            raise _BadField(f"with {_kind(mark)} in marks.{name}, which must be {wanted}")
        if mark:
            marks[name] = mark
    return marks


EXTRAS: Final = (
    "location", "contact_cards", "order", "reply", "call",
    "product", "payment", "invitation", "event", "poll", "poll_vote", "menu", "status_reply", "unknown",
)  # fmt: skip
"""Fields of `message` that are stored as they are, in `messages.details`."""


# The functions from here on build the event of one type of line from the decoded object and its `seq`; each raises
# _BadField for a line that can't be used.

# ---------------------------------------------------------------------- data


def _message(obj: JsonObject, seq: int) -> Message:
    return Message(
        seq=seq,
        via=_via(obj),
        key=_key(obj),
        t=_time(obj, "t"),
        message_type=_text(obj, "message_type"),
        sender=_text_or_none(obj, "from"),
        to=_text_or_none(obj, "to"),
        author=_text_or_none(obj, "author"),
        notify_name=_text_or_none(obj, "notify_name"),
        body=_text_or_none(obj, "body"),
        truncated=obj.get("truncated") is True,
        contact=_contact(obj),
        forwarded=obj.get("forwarded") is True,
        ephemeral_seconds=_time(obj, "ephemeral_seconds"),  # read like a time: None if absurd
        media=_object_or_none(obj, "media"),
        quoted=_object_or_none(obj, "quoted"),
        referral=_object_or_none(obj, "referral"),
        extras={name: obj[name] for name in EXTRAS if obj.get(name)},
        marks=_marks(obj),
    )


def _ciphertext(obj: JsonObject, seq: int) -> Ciphertext:
    return Ciphertext(
        seq=seq,
        via=_via(obj),
        key=_key(obj),
        t=_time(obj, "t"),
        sender=_text_or_none(obj, "from"),
        to=_text_or_none(obj, "to"),
        author=_text_or_none(obj, "author"),
        notify_name=_text_or_none(obj, "notify_name"),
        contact=_contact(obj),
        subtype=_text_or_none(obj, "subtype"),
        marks=_marks(obj),
    )


def _message_edit(obj: JsonObject, seq: int) -> MessageEdit:
    return MessageEdit(
        seq=seq,
        key=_key(obj),
        t=_time(obj, "t"),
        edited_t=_time(obj, "edited_t"),
        body=_text_or_none(obj, "body"),
        contact=_contact(obj),
    )


def _message_revoke(obj: JsonObject, seq: int) -> MessageRevoke:
    """Any scope but `me`, also a missing one, counts as `everyone`."""
    scope: RevokeScope = "me" if _text_or_none(obj, "scope") == "me" else "everyone"
    return MessageRevoke(seq=seq, key=_key(obj), t=_time(obj, "t"), scope=scope, contact=_contact(obj))


def _reaction(obj: JsonObject, seq: int) -> Reaction:
    return Reaction(
        seq=seq,
        key=_key(obj),
        from_me=_flag(obj, "from_me"),
        sender=_text_or_none(obj, "sender"),
        emoji=_text_or_none(obj, "emoji") or "",
        t=_time(obj, "t"),
        contact=_contact(obj),
    )


def _call(obj: JsonObject, seq: int) -> Call:
    return Call(
        seq=seq,
        call_id=_text(obj, "call_id"),
        chat=_text(obj, "chat"),
        t=_time(obj, "t"),
        outgoing=_flag(obj, "outgoing"),
        answered=_flag(obj, "answered"),
        video=_flag(obj, "video"),
        source=_text_or_none(obj, "source"),
        contact=_contact(obj),
    )


def _number_change(obj: JsonObject, seq: int) -> NumberChange:
    return NumberChange(
        seq=seq,
        via=_via(obj),
        old=_text(obj, "old"),
        new=_text(obj, "new"),
        old_lid=_text_or_none(obj, "old_lid"),
        new_lid=_text_or_none(obj, "new_lid"),
        t=_time(obj, "t"),
    )


# ---------------------------------------------------------------------- sweeps


def _sweep_chat(obj: JsonObject, seq: int) -> SweepChat:
    return SweepChat(
        seq=seq,
        sweep=_int(obj, "sweep"),
        chat=_text(obj, "chat"),
        found=_int(obj, "found"),
        through=_time(obj, "through"),
        error=_text_or_none(obj, "error"),
    )


def _sweep_done(obj: JsonObject, seq: int) -> SweepDone:
    return SweepDone(
        seq=seq,
        sweep=_int(obj, "sweep"),
        started_at=_int(obj, "started_at"),
        chats=_int(obj, "chats"),
        looked_at=_int(obj, "looked_at"),
        messages=_int(obj, "messages"),
        failed=_int(obj, "failed"),
        oldest=_time(obj, "oldest"),
        newest=_time(obj, "newest"),
        error=_text_or_none(obj, "error"),
        unloaded=_time(obj, "unloaded") or 0,  # read like a time: older children do not write it
        read_by=_text_or_none(obj, "read_by"),
    )


# ---------------------------------------------------------------------- lifecycle


def _hello(obj: JsonObject, seq: int) -> Hello:
    versions = _object_or_none(obj, "versions") or {}
    return Hello(seq, _int(obj, "pid"), {name: text for name, text in versions.items() if _is_text_or_none(text)})


def _browser_started(obj: JsonObject, seq: int) -> BrowserStarted:
    return BrowserStarted(seq, _int_or_none(obj, "pid"), _text_or_none(obj, "version"))


def _qr(obj: JsonObject, seq: int) -> Qr:
    return Qr(seq, _text(obj, "qr"), _int(obj, "valid_seconds"))


def _pairing_code(obj: JsonObject, seq: int) -> PairingCode:
    return PairingCode(seq, _text(obj, "code"), _int(obj, "valid_seconds"))


def _authenticated(_obj: JsonObject, seq: int) -> Authenticated:
    return Authenticated(seq)


def _ready(obj: JsonObject, seq: int) -> Ready:
    account = _object_or_none(obj, "account")
    if account is None:
        raise _BadField("without an account")
    who = Account(
        wid=_text(account, "wid"),
        lid=_text_or_none(account, "lid"),
        push_name=_text_or_none(account, "push_name"),
        platform=_text_or_none(account, "platform"),
    )
    return Ready(seq, who, _flag(obj, "fresh"), _text_or_none(obj, "web_version"))


def _state(obj: JsonObject, seq: int) -> SocketState:
    return SocketState(seq, _text(obj, "state"), _text_or_none(obj, "stream"))


def _disconnected(obj: JsonObject, seq: int) -> Disconnected:
    reason, logout_reason = _text(obj, "reason"), _text_or_none(obj, "logout_reason")
    return Disconnected(seq, reason, logout_reason, _text_or_none(obj, "by"))


def _banned(obj: JsonObject, seq: int) -> Banned:
    return Banned(seq, _text_or_none(obj, "code"), _time(obj, "expires"), _text_or_none(obj, "message"))


def _unavailable(obj: JsonObject, seq: int) -> Unavailable:
    return Unavailable(seq, _int_or_none(obj, "code"))


def _passkey(obj: JsonObject, seq: int) -> Passkey:
    return Passkey(
        seq=seq,
        where=_text(obj, "where"),
        step=_text(obj, "step"),
        code=_text_or_none(obj, "code"),
        by=_text_or_none(obj, "by"),
    )


def _screen(obj: JsonObject, seq: int) -> Screen:
    return Screen(seq, _text(obj, "name"), _text_or_none(obj, "text") or "", _flag(obj, "shown"))


def _page_error(obj: JsonObject, seq: int) -> PageError:
    return PageError(seq, _text(obj, "source"), _text_or_none(obj, "message") or "")


def _outbound_blocked(obj: JsonObject, seq: int) -> OutboundBlocked:
    return OutboundBlocked(seq, _text(obj, "module"), _text(obj, "function"), _text(obj, "where"))


def _contract(obj: JsonObject, seq: int) -> Contract:
    late = _members(obj, "late") if "late" in obj else ()
    return Contract(seq, _text_or_none(obj, "web_version"), _members(obj, "missing"), late)


def _page(obj: JsonObject, seq: int) -> Page:
    ab = _object_or_none(obj, "ab") or {}
    return Page(
        seq=seq,
        web_version=_text_or_none(obj, "web_version"),
        ab={name: value for name, value in ab.items() if value is None or isinstance(value, str | int | float)},
        required=len(_members(obj, "required")),
        missing=_members(obj, "missing"),
        late=_members(obj, "late"),
        check=_int_or_none(obj, "check"),
        error=_text_or_none(obj, "error"),
        new_types=_new_types(obj),
    )


def _new_types(obj: JsonObject) -> tuple[str, ...]:
    """The texts in the list `new_types`; none if there is no list, as older children do not write it."""
    types = obj.get("new_types")
    if type(types) is not list:
        return ()
    return tuple(each for each in types if type(each) is str)


def _members(obj: JsonObject, name: str) -> tuple[Missing, ...]:
    """The members of the page that are listed in this field."""
    items = obj.get(name)
    if type(items) is not list:
        raise _BadField(f"without a list in {name} ({_kind(items)})")
    return tuple(_member(item, name) for item in items)


def _member(item: object, name: str) -> Missing:
    if type(item) is not dict:
        raise _BadField(f"with {_kind(item)} in {name}, which holds objects")
    return Missing(_text(item, "module"), _text(item, "function"), _text(item, "costs"))


def _dialog(obj: JsonObject, seq: int) -> Dialog:
    return Dialog(
        seq=seq,
        text=_text_or_none(obj, "text") or "",
        button=_text_or_none(obj, "button"),
        dismissed=_flag(obj, "dismissed"),
        name=_text_or_none(obj, "name"),
    )


def _heartbeat(obj: JsonObject, seq: int) -> Heartbeat:
    return Heartbeat(
        seq=seq,
        socket_state=_text_or_none(obj, "socket_state"),
        has_synced=_flag(obj, "has_synced"),
        added=_int(obj, "added"),
        emitted=_int(obj, "emitted"),
        dropped=_int(obj, "dropped"),
        stream=_text_or_none(obj, "stream"),
        mode=_text_or_none(obj, "mode"),
        history=_text_or_none(obj, "history"),
    )


def _command_error(obj: JsonObject, seq: int) -> CommandError:
    return CommandError(seq, _text_or_none(obj, "command") or "", _text_or_none(obj, "message") or "")


def _bye(obj: JsonObject, seq: int) -> Bye:
    return Bye(seq, _text(obj, "reason"), _text_or_none(obj, "detail"))


EVENT_TYPES: Final[Mapping[str, Callable[[JsonObject, int], Event]]] = {
    "message": _message,
    "ciphertext": _ciphertext,
    "message_edit": _message_edit,
    "message_revoke": _message_revoke,
    "reaction": _reaction,
    "call": _call,
    "number_change": _number_change,
    "sweep_chat": _sweep_chat,
    "sweep_done": _sweep_done,
    "hello": _hello,
    "browser_started": _browser_started,
    "qr": _qr,
    "pairing_code": _pairing_code,
    "authenticated": _authenticated,
    "ready": _ready,
    "state": _state,
    "disconnected": _disconnected,
    "banned": _banned,
    "unavailable": _unavailable,
    "passkey": _passkey,
    "screen": _screen,
    "page_error": _page_error,
    "outbound_blocked": _outbound_blocked,
    "contract": _contract,
    "page": _page,
    "dialog": _dialog,
    "heartbeat": _heartbeat,
    "command_error": _command_error,
    "bye": _bye,
}
"""Each type of line, with what builds its event from the decoded object and its `seq`."""
