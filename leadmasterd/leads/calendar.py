"""Business time: whether the shop is open, the open seconds between two instants, and when a number of them has passed.

One rule decides everything: **the shop is open at an instant if the wall clock there shows a time within that date's
openings**. So an hour that the clock skips is never open, and an hour that it shows twice counts twice: business time
is real seconds, and never more of them than passed.

A date's openings are its override, else none on a public holiday, else those of its weekday.

Inside, an instant is whole microseconds since 1970 UTC, and a UTC day is its number since then. The open spans of a UTC
day are computed once and kept.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Self
from zoneinfo import ZoneInfo, available_timezones

from leadmasterd.leads.public_holidays import holidays_in
from leadmasterd.text import _, nearest

Openings = tuple[tuple[int, int], ...]
"""When a shop opens and closes on one date, in order and not overlapping: pairs of minutes after midnight on the wall
clock, 0 to 1440. Empty: closed."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LOOK_AHEAD_DAYS: Final = 2 * 366
"""How far `due` and `opens` search."""

_DAY: Final = 86400
"""Seconds."""
_BLOCK_DAYS: Final = 8
"""Days whose open time is added up and kept together."""
_TOTALS_KEPT: Final = 1_024
"""With so many entries `BusinessCalendar._totals` is emptied."""
_PROBE: Final = 6 * 3600
"""Seconds between two looks at the UTC offset; see `_stretches_of_one_offset`."""
_MICRO: Final = 1_000_000
"""Microseconds of a second."""
_MILLI: Final = 1_000
"""Microseconds of a millisecond."""
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _OpenSpans:
    """When the shop is open within one UTC day."""

    spans: tuple[tuple[int, int], ...]
    """From when until when: pairs of instants, in order, not overlapping."""
    total: int
    """Microseconds open in the whole day."""

    def within(self, start: int, end: int) -> int:
        """Microseconds open between two instants. They need not be within the day."""
        total = 0
        for opens, closes in self.spans:
            begins, ends = max(start, opens), min(end, closes)
            if begins < ends:
                total += ends - begins
        return total


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """When a business is open. Instants are aware datetimes, and returned in UTC; lengths are seconds.

    Raises ValueError for an unknown time zone at once, and for an unknown country when a date needs its holidays.
    """

    weekly: tuple[Openings, ...]
    """Seven entries, Monday first."""
    overrides: Mapping[date, Openings] = field(hash=False)
    timezone: str
    """The IANA zone of the wall clock."""
    country: str = ""
    """Whose public holidays count: `AR`, `AR-B`, or empty for none."""
    holidays: Mapping[int, frozenset[date]] = field(default_factory=dict, repr=False, compare=False)
    """Holidays by year, where the caller knows them: the library need not be loaded for these."""
    _days: dict[int, _OpenSpans] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Cache by UTC day."""
    _blocks: dict[int, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Cache: microseconds open in `_BLOCK_DAYS` UTC days, by the first of them."""
    _totals: dict[tuple[int, int], int] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Cache: microseconds open between two UTC days. A small one will do: many customers wait between the same two."""

    def __post_init__(self) -> None:
        known_timezone(self.timezone)  # raises ValueError for another

    @classmethod
    def of(
        cls,
        hours: Mapping[str, object],
        overrides: Mapping[str, object],
        timezone: str,
        country: str = "",
        *,
        holidays: Mapping[int, frozenset[date]] = MappingProxyType({}),
    ) -> Self:
        """A calendar from settings: `hours` as `{"mon": [["09:00", "13:00"]]}`, `overrides` as `{"2026-12-31": []}`.

        A weekday that is not in `hours` is closed. Raises ValueError; its text completes "must be".
        """
        by_weekday = {known_weekday(day): openings(value) for day, value in hours.items()}
        by_date = {date.fromisoformat(known_date(day)): openings(value) for day, value in overrides.items()}
        weekly = tuple(by_weekday.get(day, ()) for day in WEEKDAYS)
        return cls(weekly, by_date, timezone, country, holidays=holidays)

    def openings_on(self, day: date) -> Openings:
        """The openings of a date: its override, else none on a public holiday, else those of its weekday."""
        override = self.overrides.get(day)
        if override is not None:
            return override
        usual = self.weekly[day.weekday()]
        if not usual or not self.country:
            return usual
        holidays = self.holidays.get(day.year)
        if holidays is None:
            holidays = holidays_in(self.country, day.year)
        return () if day in holidays else usual

    def is_open(self, at: datetime) -> bool:
        """Whether the business is open. An opening includes its first instant, and not its last."""
        instant = _instant(at)
        return any(opens <= instant < closes for opens, closes in self._day(_utc_day(instant)).spans)

    def business_seconds(self, start: datetime, end: datetime) -> float:
        """Open seconds between two instants; 0 when `end` is not after `start`. Exact to the microsecond."""
        return self._seconds_within(_instant(start), _instant(end))

    def business_seconds_ms(self, start: int, end: int) -> float:
        """Open seconds between two instants in milliseconds since 1970: quicker than `business_seconds`."""
        return self._seconds_within(start * _MILLI, end * _MILLI)

    def _seconds_within(self, start: int, end: int) -> float:
        """Open seconds between two instants; 0 when `end` is not after `start`."""
        if end <= start:
            return 0.0
        first, last = _utc_day(start), _utc_day(end)
        if first == last:
            return self._day(first).within(start, end) / _MICRO
        between = self._totals.get((first, last))
        if between is None:
            if len(self._totals) >= _TOTALS_KEPT:
                self._totals.clear()
            between = self._totals[first, last] = self._total(first + 1, last)
        on_first_day = self._day(first).within(start, end)
        on_last_day = self._day(last).within(start, end)
        return (on_first_day + between + on_last_day) / _MICRO

    def due(self, start: datetime, seconds: float) -> datetime | None:
        """The first instant at which this many open seconds have passed since `start`; `start` itself for 0 or less.

        None if there are fewer within `LOOK_AHEAD_DAYS`.
        """
        due = self._due(_instant(start), seconds)
        return None if due is None else _datetime(due)

    def due_ms(self, start: int, seconds: float) -> int | None:
        """As `due`, but with instants in milliseconds since 1970, rounded down."""
        due = self._due(start * _MILLI, seconds)
        return None if due is None else due // _MILLI

    def _due(self, start: int, seconds: float) -> int | None:
        """As `due`, but with instants in microseconds."""
        left = round(seconds * _MICRO)
        if left <= 0:
            return start
        for opens, closes in self._spans_from(start):
            begins = max(opens, start)
            if left <= closes - begins:
                return begins + left
            left -= closes - begins
        return None

    def opens(self, at: datetime) -> datetime | None:
        """The first instant from `at` on at which the business is open; None if there is none in `LOOK_AHEAD_DAYS`."""
        instant = _instant(at)
        first = next(self._spans_from(instant), None)
        if first is None:
            return None
        opens, _closes = first
        return _datetime(max(opens, instant))

    def _spans_from(self, instant: int) -> Iterator[tuple[int, int]]:
        """The open spans of the next `LOOK_AHEAD_DAYS`, in order; the first may have begun before the instant."""
        today = _utc_day(instant)
        for day in range(today, today + LOOK_AHEAD_DAYS + 1):
            for opens, closes in self._day(day).spans:
                if closes > instant:
                    yield opens, closes

    def _total(self, day: int, end: int) -> int:
        """Microseconds open in the UTC days from `day` to before `end`.

        People wait for weeks, so the sums of whole blocks of days are kept.
        """
        total = 0
        while day < end:
            next_block = day + _BLOCK_DAYS
            is_whole_block = day % _BLOCK_DAYS == 0 and next_block <= end
            if not is_whole_block:
                total += self._day(day).total
                day += 1
                continue
            if day not in self._blocks:
                self._blocks[day] = sum(self._day(each).total for each in range(day, next_block))
            total += self._blocks[day]
            day = next_block
        return total

    def _day(self, day: int) -> _OpenSpans:
        """When the shop is open within a UTC day, from the cache if it is there."""
        found = self._days.get(day)
        if found is None:
            spans = tuple((opens * _MICRO, closes * _MICRO) for opens, closes in self._open_in(day))
            found = self._days[day] = _OpenSpans(spans, sum(closes - opens for opens, closes in spans))
        return found

    def _open_in(self, day: int) -> list[tuple[int, int]]:
        """The open spans of a UTC day, in seconds since 1970.

        They are the openings of each local date that the day touches, cut to the day. Where the clock changes, each UTC
        offset has spans of its own.
        """
        found: list[tuple[int, int]] = []
        for start, end, offset in _stretches_of_one_offset(ZoneInfo(self.timezone), day * _DAY):
            first_date, last_date = (start + offset) // _DAY, (end - 1 + offset) // _DAY
            for local_date in range(first_date, last_date + 1):
                midnight = local_date * _DAY - offset
                for from_minute, to_minute in self.openings_on(date.fromordinal(_EPOCH_ORDINAL + local_date)):
                    opens = max(start, midnight + from_minute * 60)
                    closes = min(end, midnight + to_minute * 60)
                    if opens < closes:
                        found.append((opens, closes))
        return found


def openings(value: object) -> Openings:
    """The openings of one date from a setting: `[["09:00", "13:00"], ["16:00", "20:00"]]`, or `[]` for closed.

    "24:00" may end an opening. One across midnight has to be written as two, until "24:00" and from "00:00" on the next
    day, so that a mistake ("20:00" to "08:00") is refused. Raises ValueError; its text completes "must be".
    """
    if not isinstance(value, list | tuple):
        raise _no_openings(_("{value!r} is not a list").format(value=value))
    found = []
    for pair in value:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise _no_openings(_("{value!r} is not a pair of times").format(value=pair))
        begin, end = pair
        from_minute, to_minute = _minute(begin), _minute(end)
        if from_minute >= to_minute:
            raise _no_openings(
                _(
                    "from {begin} to {end} ends before it begins; across midnight write one until 24:00 and one from "
                    "00:00 on the next day"
                ).format(begin=begin, end=end)
            )
        found.append((from_minute, to_minute))
    found.sort()
    for (_begin, closes), (opens_next, _end) in pairwise(found):
        if opens_next < closes:
            at = f"{opens_next // 60:02}:{opens_next % 60:02}"
            raise _no_openings(_("{at} is in two of them").format(at=at))
    return tuple(found)


def _minute(time: object) -> int:
    """The minute of the day of "HH:MM", 0 to 1440. Raises ValueError as `openings`."""
    if not isinstance(time, str) or not _TIME.fullmatch(time):
        raise _no_openings(
            _("{value!r} is not a time of day from 00:00 to 24:00 in five characters").format(value=time)
        )
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def _no_openings(why: str) -> ValueError:
    """The error for a setting that is not openings; its text completes "must be"."""
    return ValueError(
        _("openings such as {example}, or [] for closed ({why})").format(
            example='[["09:00", "13:00"], ["16:00", "20:00"]]', why=why
        )
    )


def known_weekday(name: str) -> str:
    """The name itself, one of `WEEKDAYS`. Raises ValueError for another; its text completes "must be"."""
    if name not in WEEKDAYS:
        raise ValueError(_("one of {known}").format(known=", ".join(WEEKDAYS)))
    return name


def known_date(text: str) -> str:
    """The text itself, a date such as 2026-12-24. Raises ValueError for another; its text completes "must be"."""
    try:
        if date.fromisoformat(text).isoformat() == text:  # not 20261224, nor a week
            return text
    except ValueError:
        pass
    raise ValueError(_("a calendar date such as {example}").format(example="2026-12-24"))


def known_timezone(name: str) -> str:
    """The name itself, of an IANA zone. Raises ValueError for another; its text completes "must be"."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # KeyError: no such zone; the others: a folder, a path outside
        close = nearest(name, available_timezones())
        hint = _(" (did you mean {close}?)").format(close=close) if close else ""
        example = "America/Argentina/Buenos_Aires"
        raise ValueError(_("a time zone such as {example}").format(example=example) + hint) from None
    return name


def _stretches_of_one_offset(zone: ZoneInfo, start: int) -> Iterator[tuple[int, int, int]]:
    """A UTC day, split where the clock changes: for each stretch from when until when, and the UTC offset.

    All in seconds, instants since 1970. `start`: when the day begins. No zone changes its clock twice within `_PROBE`
    seconds, so between two equal offsets there is no change.
    """
    begins, offset = start, _offset(zone, start)
    for probe in range(start + _PROBE, start + _DAY + 1, _PROBE):
        offset_at_probe = _offset(zone, probe)
        if offset_at_probe != offset:
            low, high = probe - _PROBE, probe  # the clock changes after `low`, and at `high` or before it
            while high - low > 1:
                middle = (low + high) // 2
                if _offset(zone, middle) == offset:
                    low = middle
                else:
                    high = middle
            yield begins, high, offset
            begins, offset = high, offset_at_probe
    if begins < start + _DAY:
        yield begins, start + _DAY, offset


def _offset(zone: ZoneInfo, instant: int) -> int:
    """By how many seconds the wall clock is ahead of UTC at an instant (seconds since 1970)."""
    ahead = datetime.fromtimestamp(instant, zone).utcoffset()
    assert ahead is not None
    return int(ahead.total_seconds())


def _instant(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def _datetime(instant: int) -> datetime:
    """In UTC, from microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=instant)


def _utc_day(instant: int) -> int:
    """The number of the UTC day since 1970, from microseconds."""
    return instant // (_DAY * _MICRO)
