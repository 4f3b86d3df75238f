"""A fast path for plain messages, which most lines are: msgspec decodes and checks them in one pass. Pure.

It reads only lines for which the result is exactly that of `decode`, and leaves all others to it: other types of line,
fields with values of a wrong type, fields that only some kinds of message have, and JSON that Python's decoder and
msgspec might read differently.
"""

import re
from typing import Annotated, Any, Final, Literal

import msgspec

from leadmasterd.wire.events import NO_CONTACT, NO_MARKS, Contact, JsonObject, Message, MessageKey, Via

_MOST: Final = 1 << 53
"""The first integer that is too large, as in `decode`."""
_DEEPEST: Final = 500
"""Brackets in a line. With many more, one decoder may find it nested too deep and the other may not."""
_LEAST_OF_OBJECT: Final = 5
"""The fewest bytes that one more level of nested objects takes (`{"":` and `}`). Most lines are too short to be nested
deep, so that their braces need not be counted."""
_LONGEST_NUMBER: Final = 4_300
"""Digits. Python's decoder refuses longer numbers, but msgspec does not look at numbers in fields that it ignores."""
_TOO_LONG: Final = re.compile(rb"\d{%d}" % _LONGEST_NUMBER)

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
    """A line of type `message`. The fields from `location` on must be missing or empty."""

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
"""The fields that only some kinds of message have. Lines with them are left to `decode`."""
_decode_plain: Final = msgspec.json.Decoder(_Plain).decode
_make_tuple: Final = tuple.__new__
"""Makes a named tuple from its values in order, in a quarter of the time that naming each takes."""
_NO_EXTRAS: Final[JsonObject] = {}


def plain_message(raw: bytes) -> Message | None:
    """The message on this line of UTF-8; None if it is, or may be, another line: `decode` reads that."""
    try:
        line = _decode_plain(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
    # The most levels of nesting that a line of this length can have.
    may_be_deep = len(raw) // _LEAST_OF_OBJECT + raw.count(b"[") > _DEEPEST
    if may_be_deep and raw.count(b"{") + raw.count(b"[") > _DEEPEST:
        return None
    if len(raw) > _LONGEST_NUMBER and _TOO_LONG.search(raw):
        return None
    key, contact = line.id, line.contact
    return _make_tuple(
        Message,
        (
            line.seq,
            line.via,
            _make_tuple(MessageKey, (key.from_me, key.remote, key.id, key.participant)),
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
            _NO_EXTRAS,
            NO_MARKS,
        ),
    )


def _contact(contact: _Contact) -> Contact:
    return _make_tuple(Contact, (contact.saved_name, contact.business is True, contact.phone, contact.lid))
