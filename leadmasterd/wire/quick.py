"""The quick way to read a plain message: decoded and checked in one pass, by msgspec. Pure.

Only what comes out exactly as `decode` would read it is read here. Everything else is left to it: other types, fields
of another type, what only some kinds of message hold, and what the two decoders of JSON might see differently.
"""

import re
from operator import attrgetter
from typing import Annotated, Any, Final, Literal

import msgspec

from leadmasterd.wire.events import NO_CONTACT, NO_MARKS, Contact, JsonObject, Message, MessageKey, Via

_MOST: Final = 1 << 53
"""As `decode` has it: JavaScript's exact integers."""
_DEEPEST: Final = 500
"""Brackets in a line: with many more, one decoder may find it nested too deep and the other may not."""
_LONGEST_NUMBER: Final = 4_300
_TOO_LONG: Final = re.compile(rb"\d{%d}" % _LONGEST_NUMBER)
"""Python's own decoder refuses such a number, and msgspec passes over those that it is not asked for."""

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
    location: Any = None
    contact_cards: Any = None
    order: Any = None
    reply: Any = None
    call: Any = None
    product: Any = None
    payment: Any = None
    invitation: Any = None
    event: Any = None
    poll: Any = None
    poll_vote: Any = None
    menu: Any = None
    status_reply: Any = None
    unknown: Any = None
    marks: dict[str, Any] | None = None


LEFT_OUT: Final = _Plain.__struct_fields__[_Plain.__struct_fields__.index("location") :]
"""The fields that only some kinds of message hold: those are left to `decode`."""
_left_out: Final = attrgetter(*LEFT_OUT)
_read: Final = msgspec.json.Decoder(_Plain).decode
_NOTHING: Final[JsonObject] = {}


def plain_message(raw: bytes) -> Message | None:
    """The message on this line of UTF-8, or None: then `decode` has to look at it."""
    try:
        line = _read(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if any(_left_out(line)) or raw.count(b"{") + raw.count(b"[") > _DEEPEST:
        return None
    if len(raw) > _LONGEST_NUMBER and _TOO_LONG.search(raw):
        return None
    key, contact = line.id, line.contact
    return Message._make(  # a third of the time of naming each field
        (
            line.seq,
            line.via,
            MessageKey._make((key.from_me, key.remote, key.id, key.participant)),
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
        )
    )


def _contact(told: _Contact) -> Contact:
    return Contact._make((told.saved_name, told.business is True, told.phone, told.lid))
