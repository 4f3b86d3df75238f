"""Times: the text of every `*_at` column, the milliseconds leads reckon in, and which of WhatsApp's times to believe.

Pure. A time is UTC, ISO 8601 text with milliseconds and `Z` in the tables, whole milliseconds since 1970 in `leads`.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

FUTURE_SLACK: Final = timedelta(minutes=10)
"""A message dated further ahead than this has a wrong date: it is filed under the time of its capture."""

EARLIEST: Final = datetime(2009, 1, 1, tzinfo=UTC)
"""WhatsApp's own year of birth; nothing can be older."""


def iso(moment: datetime) -> str:
    """UTC ISO-8601 with milliseconds, the form of every `*_at` column."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def to_ms(at: str) -> int:
    """A table's time as milliseconds since 1970."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)


def from_ms(at: int) -> datetime:
    """Milliseconds since 1970 as an aware datetime, UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)


@lru_cache(maxsize=256)  # the rows of one contact name the same few moments again and again
def iso_ms(at: int) -> str:
    """Milliseconds since 1970 as the tables have it."""
    return iso(from_ms(at))


def iso_ms_or_none(at: int | None) -> str | None:
    """The same for what may not have happened."""
    return None if at is None else iso_ms(at)


def sent_at(t: int | None, now: datetime) -> str:
    """A message's time, clamped: one dated in 2099 must not stop catch-up for years."""
    return believable(t, now) or iso(now)


def believable(t: int | None, now: datetime) -> str | None:
    """WhatsApp's time, or None when it is missing or absurd."""
    if t is None:
        return None
    try:
        moment = datetime.fromtimestamp(t, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return None if moment > now + FUTURE_SLACK or moment < EARLIEST else iso(moment)
