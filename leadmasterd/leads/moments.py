"""Times of the tables (ISO-8601 UTC with milliseconds) as whole milliseconds since 1970, in which leads reckon."""

from datetime import UTC, datetime
from functools import lru_cache

from leadmasterd.ingest import iso


def milliseconds(at: str) -> int:
    """Of a time as the tables have it."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)


def moment(at: int) -> datetime:
    """As an aware datetime, UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)


@lru_cache(maxsize=256)  # the rows of one contact name the same few moments again and again
def text(at: int) -> str:
    """As the tables have it."""
    return iso(moment(at))


def text_or_none(at: int | None) -> str | None:
    """The same for what may not have happened."""
    return None if at is None else text(at)
