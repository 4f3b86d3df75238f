"""Decides whether two messages are the same one, and what a copy of a stored message adds to it. Reads no tables.

Senders choose the ids, so two people's messages may have the same one. The caller compares ids, chats and, in groups,
participants. Here the times decide, which may differ by a minute, and then the content.
"""

import json
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, Protocol

from leadmasterd.capture import SAME_MESSAGE_SECONDS

REVOKED: Final = "revoked"
"""The type of a message that was deleted before anybody here could read it."""

CONTENT: Final = (
    "message_id, wire_t, type, body, media, sender, readable_at IS NOT NULL, truncated, marks, revoked_at IS NOT NULL"
)
"""The columns of `Stored`, in order."""

_UNDATED: Final = -(1 << 62)
"""In place of a time that is not known: sorts before all times."""


class Content(Protocol):
    """The content of a message, as far as it is compared. `media`: JSON."""

    @property
    def type(self) -> str: ...
    @property
    def body(self) -> str | None: ...
    @property
    def media(self) -> str | None: ...
    @property
    def sender(self) -> str | None: ...


@dataclass(slots=True)
class Stored:
    """A message that is in the table, or is about to be inserted.

    `wire_t`: WhatsApp's time in seconds since 1970, None if it gave none; `media`, `marks`: JSON; `sender`: as the page
    gave it.
    """

    message_id: int
    wire_t: int | None
    type: str
    body: str | None
    media: str | None
    sender: str | None
    readable: bool
    truncated: bool
    marks: str | None
    revoked: bool

    def is_same(self, t: int | None) -> bool:
        """Whether a message with the same ids and the time `t` is this one. Yes where one of the times is not known."""
        return self.wire_t is None or t is None or abs(self.wire_t - t) <= SAME_MESSAGE_SECONDS


def _sort_time(stored: Stored) -> int:
    return _UNDATED if stored.wire_t is None else stored.wire_t


def add_in_order(known: list[Stored], stored: Stored) -> None:
    """Add a message to those with the same id. They are kept in order of time, as there may be thousands."""
    insort(known, stored, key=_sort_time)


def find_same(known: Sequence[Stored], t: int | None, content: Content) -> Stored | None:
    """The stored message of which a message with the time `t` and this content is a copy; None if there is none.

    `known`: the messages with the same id, in order of time (`add_in_order`). If several are near enough in time, the
    first of them with the same content is meant, or else the first.
    """
    if len(known) == 1:
        return known[0] if known[0].is_same(t) else None
    near = _near(known, t)
    for each in near:
        if has_content(each, content):
            return each
    return near[0] if near else None


def _near(known: Sequence[Stored], t: int | None) -> Sequence[Stored]:
    """Those of these messages, which are in order of time, for which `is_same(t)` holds. By binary search."""
    if t is None:
        return known
    undated = bisect_left(known, _UNDATED + 1, key=_sort_time)
    first = bisect_left(known, t - SAME_MESSAGE_SECONDS, lo=undated, key=_sort_time)
    last = bisect_left(known, t + SAME_MESSAGE_SECONDS + 1, lo=first, key=_sort_time)
    return [*known[:undated], *known[first:last]]  # those without a time come first, and are near any time


def has_content(one: Content, other: Content) -> bool:
    """Whether both have the same type, text and file."""
    return one.type == other.type and one.body == other.body and _same_file(one.media, other.media)


def _same_file(one: str | None, other: str | None) -> bool:
    """Whether two `media` are the same file. True also if one of them has no hash, so that it is not known.

    Only the hash is compared: what else the page knows of a file changes while it loads.
    """
    if one == other or one is None or other is None:
        return True
    hash_of_one, hash_of_other = _hash_of(one), _hash_of(other)
    return hash_of_one is None or hash_of_other is None or hash_of_one == hash_of_other


def _hash_of(media: str) -> str | None:
    found = json.loads(media).get("filehash")
    return None if found is None else str(found)


class Copy(Content, Protocol):
    """A copy of a stored message: one that arrived later, or another row."""

    @property
    def readable(self) -> bool: ...
    @property
    def truncated(self) -> bool: ...
    @property
    def via(self) -> str: ...
    @property
    def marks(self) -> str | None: ...


Verdict = Literal["repeats", "tells_more", "differs"]
"""What a copy is: nothing new, an addition to the stored message, or another content under the same id and time."""


def judge(stored: Stored, copy: Copy) -> Verdict:
    """What a copy with the same chat, id and time is to the stored message.

    `tells_more` if it brings the text of an unreadable message, new marks, a revocation, or a change that a sweep
    found. One that differs may still be an earlier text of the stored message: the caller looks in `message_versions`.
    """
    if not copy.readable:
        return "repeats"
    if copy.type == REVOKED:
        return "repeats" if stored.revoked else "tells_more"
    if not stored.readable or stored.type == REVOKED or has_other_words(stored, copy):
        return "tells_more"
    is_its_beginning = copy.truncated and (stored.body or "").startswith(copy.body or "")
    if not is_its_beginning and not has_content(stored, copy):
        return "differs"
    return "repeats" if marks_it_lacked(stored, copy) is None else "tells_more"


def has_other_words(stored: Stored, copy: Copy) -> bool:
    """Whether a sweep read another text, because the message was edited while nothing listened.

    A live copy does not tell of an edit, which has an event of its own. The text of a truncated copy is not whole, and
    that of a revoked message does not change any more.
    """
    if stored.revoked or copy.truncated:
        return False
    return copy.via == "sweep" and copy.body != stored.body


def marks_it_lacked(stored: Stored, copy: Copy) -> str | None:
    """The marks of both together (JSON), or None if the copy adds none.

    A verified name alone does not count: the page gets to know it later, and it changes no author.
    """
    if copy.marks is None or copy.marks == stored.marks:
        return None
    known: dict[str, object] = json.loads(stored.marks or "{}")
    in_copy: dict[str, object] = json.loads(copy.marks)
    added = in_copy.keys() - known.keys()
    if added <= {"verified_name"}:
        return None
    return json.dumps(known | in_copy)


def digest(content: Content) -> str:
    """A hash in hex that is equal for equal content from the same sender."""
    parts = (content.type, content.body, content.media and _hash_of(content.media), content.sender)
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
