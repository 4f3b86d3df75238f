"""When two messages are the same one, and what a copy of a stored message adds to it.

Ids are chosen by senders, so an id alone is nobody's. A message is its chat's, and in a group its participant's too:
these and its id are compared by who calls this. Here its time decides, to within a minute, and then its content.
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


class Content(Protocol):
    """What is compared of two messages."""

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
    """A message that is in the table, or will be at the end of the run."""

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
        """Whether a message with the same ids and this time is the same message."""
        return self.wire_t is None or t is None or abs(self.wire_t - t) <= SAME_MESSAGE_SECONDS


def _moment(stored: Stored) -> int:
    return _UNDATED if stored.wire_t is None else stored.wire_t


def remember(known: list[Stored], stored: Stored) -> None:
    """Add a message to those of one id, which are kept in order of time: there may be thousands."""
    insort(known, stored, key=_moment)


def find_same(known: Sequence[Stored], t: int | None, content: Content) -> Stored | None:
    """The one among the messages of one id that is the same at time `t`. Of several, one with this content."""
    if len(known) == 1:
        return known[0] if known[0].is_same(t) else None
    near = _near(known, t)
    return next((each for each in near if has_content(each, content)), near[0] if near else None)


def _near(known: Sequence[Stored], t: int | None) -> Sequence[Stored]:
    if t is None:
        return known
    undated = bisect_left(known, _UNDATED + 1, key=_moment)
    first = bisect_left(known, t - SAME_MESSAGE_SECONDS, lo=undated, key=_moment)
    last = bisect_left(known, t + SAME_MESSAGE_SECONDS + 1, lo=first, key=_moment)
    return [*known[:undated], *known[first:last]]


def has_content(one: Content, other: Content) -> bool:
    """Whether both say the same: kind, text and file."""
    return one.type == other.type and one.body == other.body and _same_file(one.media, other.media)


def _same_file(one: str | None, other: str | None) -> bool:
    """By the file's hash, where both name one: the rest of what the page knows of a file changes while it loads."""
    if one == other or one is None or other is None:
        return True
    return len({_hash_of(one), _hash_of(other)} - {None}) < 2


def _hash_of(media: str) -> str | None:
    found = json.loads(media).get("filehash")
    return None if found is None else str(found)


class Copy(Content, Protocol):
    """A copy of a stored message."""

    @property
    def readable(self) -> bool: ...
    @property
    def truncated(self) -> bool: ...
    @property
    def via(self) -> str: ...
    @property
    def marks(self) -> str | None: ...


Verdict = Literal["repeats", "tells_more", "differs"]


def judge(stored: Stored, copy: Copy) -> Verdict:
    """What a copy is: a repetition, news (the text of what was unreadable, new marks, a change that a sweep found), or
    different.

    One that differs has another content under the same chat, id and time. It is no version of the stored message,
    though it may be an earlier text of it: `message_versions` knows those.
    """
    if not copy.readable:
        return "repeats"
    if copy.type == REVOKED:
        return "repeats" if stored.revoked else "tells_more"
    if not stored.readable or stored.type == REVOKED or has_other_words(stored, copy):
        return "tells_more"
    cut = copy.truncated and (stored.body or "").startswith(copy.body or "")
    if not cut and not has_content(stored, copy):
        return "differs"
    return "repeats" if marks_it_lacked(stored, copy) is None else "tells_more"


def has_other_words(stored: Stored, copy: Copy) -> bool:
    """Whether a sweep found the message changed."""
    if stored.revoked or copy.truncated:
        return False
    return copy.via == "sweep" and copy.body != stored.body


def marks_it_lacked(stored: Stored, copy: Copy) -> str | None:
    """All marks of both, or None if the copy adds none. A name that the page has learnt since is no reason to write."""
    if copy.marks is None or copy.marks == stored.marks:
        return None
    known: dict[str, object] = json.loads(stored.marks or "{}")
    told: dict[str, object] = json.loads(copy.marks)
    return None if told.keys() - known.keys() <= {"verified_name"} else json.dumps(known | told)


def digest(content: Content) -> str:
    """Equal for equal content from one sender."""
    parts = (content.type, content.body, content.media and _hash_of(content.media), content.sender)
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
