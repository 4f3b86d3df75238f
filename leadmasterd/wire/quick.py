"""The quick way to read a plain message: decoded and checked in one pass, by msgspec. Pure.

Only what comes out exactly as `decode` would read it is read here. Everything else is left to it: other types, fields
of another type, what only some kinds of message hold, and what the two decoders of JSON might see differently.
"""

import re
from typing import Annotated, Any, Final, Literal

import msgspec

from leadmasterd.wire.events import NO_CONTACT, NO_MARKS, Contact, JsonObject, Message, MessageKey, Via

_MOST: Final = 1 << 53
"""As `decode` has it: JavaScript's exact integers."""
_DEEPEST: Final = 500
"""Brackets in a line: with many more, one decoder may find it nested too deep and the other may not."""
_LEAST_OF_OBJECT: Final = 5
"""Bytes that an object around another takes at least. So most lines are too short to be deep, and are not searched."""
_LONGEST_NUMBER: Final = 4_300
_TOO_LONG: Final = re.compile(rb"\d{%d}" % _LONGEST_NUMBER)
"""Python's own decoder refuses such a number, and msgspec passes over those that it is not asked for."""

_NoList = Annotated[list[Any], msgspec.Meta(max_length=0)] | None
_NoObject = Annotated[dict[str, Any], msgspec.Meta(max_length=0)] | None
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Time = Annotated[int, msgspec.Meta(gt=-_MOST, lt=_MOST)]


class _Key(msgspec.Struct, gc=False):
    from_me: bool = msgspec.field(name="fromMe")
    id: _Text
    remote: _Text
    participant: str | None = None


class _Contact(msgspec.Struct, gc=False):
    saved_name: str | None = None
    business: bool | None = None
    phone: str | None = None
    lid: str | None = None


class _Plain(msgspec.Struct, gc=False):
    """A line of type `message`. From `location` on: what must not be there."""

    v: Literal[1]
    type: Literal["message"]
    seq: Annotated[int, msgspec.Meta(gt=0, lt=_MOST)]
    via: Via
    id: _Key
    message_type: _Text
    t: _Time | None = None
    sender: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    author: str | None = None
    notify_name: str | None = None
    body: str | None = None
    truncated: bool | None = None
    contact: _Contact | None = None
    forwarded: bool | None = None
    ephemeral_seconds: _Time | None = None
    media: dict[str, Any] | None = None
    quoted: dict[str, Any] | None = None
    referral: dict[str, Any] | None = None
    location: None = None
    contact_cards: _NoList = None
    order: None = None
    reply: None = None
    call: None = None
    product: None = None
    payment: None = None
    invitation: None = None
    event: None = None
    poll: None = None
    poll_vote: None = None
    menu: None = None
    status_reply: None = None
    unknown: None = None
    marks: _NoObject = None


LEFT_OUT: Final = _Plain.__struct_fields__[_Plain.__struct_fields__.index("location") :]
"""The fields that only some kinds of message hold: those are left to `decode`."""
_read: Final = msgspec.json.Decoder(_Plain).decode
_made: Final = tuple.__new__
_NOTHING: Final[JsonObject] = {}


def plain_message(raw: bytes) -> Message | None:
    """The message on this line of UTF-8, or None: then `decode` has to look at it."""
    try:
        line = _read(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if len(raw) // _LEAST_OF_OBJECT + raw.count(b"[") > _DEEPEST and raw.count(b"{") + raw.count(b"[") > _DEEPEST:
        return None
    if len(raw) > _LONGEST_NUMBER and _TOO_LONG.search(raw):
        return None
    key, contact = line.id, line.contact
    return _made(  # a quarter of the time of naming each field
        Message,
        (
            line.seq,
            line.via,
            _made(MessageKey, (key.from_me, key.remote, key.id, key.participant)),
            line.t,
            line.message_type,
            line.sender,
            line.to,
            line.author,
            line.notify_name,
            line.body,
            line.truncated is True,
            NO_CONTACT if contact is None else _contact(contact),
            line.forwarded is True,
            line.ephemeral_seconds,
            line.media,
            line.quoted,
            line.referral,
            _NOTHING,
            NO_MARKS,
        ),
    )


def _contact(told: _Contact) -> Contact:
    return _made(Contact, (told.saved_name, told.business is True, told.phone, told.lid))
