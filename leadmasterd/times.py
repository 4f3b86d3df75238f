"""Times: ISO text for the tables, milliseconds for `leads`, and a sanity check for times that WhatsApp gives.

Pure. Always UTC: ISO 8601 text with milliseconds and `Z` in the tables, whole milliseconds since 1970 in `leads`.
"""

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

FUTURE_SLACK: Final = timedelta(minutes=10)
"""A message dated further ahead of the clock than this has a wrong date and gets the time of its capture."""

EARLIEST: Final = datetime(2009, 1, 1, tzinfo=UTC)
"""WhatsApp did not exist before 2009: anything older is a wrong date."""
_EARLIEST_T: Final = EARLIEST.timestamp()
_SLACK_SECONDS: Final = FUTURE_SLACK.total_seconds()
_STAMP: Final = "%Y%m%dT%H%M%S.%fZ"
_CHARACTERS: Final = len("2009-01-01T00:00:00.000Z")
_TEXTS_KEPT: Final = 1_024
_SECONDS: Final = tuple(f"{second:02}.000Z" for second in range(60))
_texts: Final[dict[int, str]] = {}
"""A cache, milliseconds -> text: a contact's rows repeat the same few times, most of them read from its messages."""


class Day(NamedTuple):
    """A calendar day in some zone. `ends`: when the next one begins there; both in UTC."""

    date: date
    begins: datetime
    ends: datetime


def is_between(at: time, begins: time, ends: time) -> bool:
    """Whether a time of day lies from `begins` up to, but not including, `ends`. The stretch may go past midnight."""
    return begins <= at < ends if begins < ends else at >= begins or at < ends


def iso(moment: datetime) -> str:
    """An aware UTC datetime as text, in the form of every `*_at` column."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def from_iso(at: str) -> datetime:
    """ISO text as an aware datetime. Raises ValueError if it has no time zone: it could not be compared with others."""
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError(at)
    return moment


def to_ms(at: str) -> int:
    """ISO text from a table as milliseconds since 1970."""
    milliseconds = round(datetime.fromisoformat(at).timestamp() * 1000)
    if len(at) == _CHARACTERS and at[10] == "T" and at[-1] == "Z":  # only this form may come back from `iso_ms`
        if len(_texts) >= _TEXTS_KEPT:
            _texts.clear()
        _texts[milliseconds] = at
    return milliseconds


def from_ms(at: int) -> datetime:
    """Milliseconds since 1970 as an aware datetime, UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)


def iso_ms(at: int) -> str:
    """Milliseconds since 1970 as ISO text."""
    text = _texts.get(at)
    if text is None:
        if len(_texts) >= _TEXTS_KEPT:
            _texts.clear()
        text = _texts[at] = iso(from_ms(at))
    return text


def iso_ms_or_none(at: int | None) -> str | None:
    """`iso_ms`, with None for what has not happened."""
    return None if at is None else iso_ms(at)


def stamp(moment: datetime, *, after: str = "") -> str:
    """A moment as a part of a file name that sorts by time.

    `after`: the stamp of the newest file so far. The result always sorts after it: when the clock was set back, the new
    file would else be the oldest, and the oldest is deleted first.
    """
    text = moment.astimezone(UTC).strftime(_STAMP)
    if text <= after:
        with suppress(ValueError, OverflowError):  # `after` may be another text
            return (datetime.strptime(after, _STAMP).replace(tzinfo=UTC) + timedelta(microseconds=1)).strftime(_STAMP)
    return text


def sent_at(t: int | None, now: datetime) -> str:
    """The time of a message as ISO text; `now` if it is missing or wrong, since one dated 2099 would move the watermark
    of the backfill far ahead.
    """
    return believable(t, now) or iso(now)


def believable(t: int | None, now: datetime) -> str | None:
    """Seconds since 1970 from WhatsApp as ISO text; None if missing, before `EARLIEST`, or too far in the future."""
    if t is None or not _EARLIEST_T <= t <= _latest_t(now):
        return None
    return _minute(t // 60) + _SECONDS[t % 60]


@lru_cache(maxsize=_TEXTS_KEPT)  # messages that come together were mostly sent together
def _minute(number: int) -> str:
    """ISO text up to the colon before the seconds. `number`: minutes since 1970."""
    return datetime.fromtimestamp(number * 60, UTC).isoformat()[:17]


@lru_cache(maxsize=1)  # all messages of one read of the pipe have the same `now`
def _latest_t(now: datetime) -> float:
    """The latest time, in seconds since 1970, that a message may have."""
    return now.timestamp() + _SLACK_SECONDS
