"""Business time: whether the shop is open, the open seconds between two instants, and when a number of them has passed.

One rule decides everything: **the shop is open at an instant if the wall clock there shows a time within that date's
openings**. So an hour that the clock skips is never open, and an hour that it shows twice counts twice: business time
is real seconds, and never more of them than passed.

A date's openings are its override, else none on a public holiday, else those of its weekday.

Open stretches are computed once per UTC day and kept. All but the two days a year with a clock change have one UTC
offset.
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
"""Of one date, in order, not overlapping: minutes after midnight on the wall clock, from 0 to 1440."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LOOK_AHEAD_DAYS: Final = 2 * 366

_DAY: Final = 86400
_ADDED_DAYS: Final = 8
_TOTALS_KEPT: Final = 1_024
_PROBE: Final = 6 * 3600
_MICRO: Final = 1_000_000
_MILLI: Final = 1_000
"""Microseconds of a second and of a millisecond."""
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _OpenSpans:
    """One UTC day: open stretches, in order, not overlapping, and their sum. Microseconds, the former since 1970."""

    spans: tuple[tuple[int, int], ...]
    total: int

    def within(self, start: int, end: int) -> int:
        """Microseconds open between two instants."""
        total = 0
        for opens, closes in self.spans:
            begins, ends = max(start, opens), min(end, closes)
            if begins < ends:
                total += ends - begins
        return total


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """When a business is open. Instants are aware datetimes and returned in UTC; lengths are seconds.

    `weekly` has seven entries, Monday first. `country` is "" (no holidays), `AR` or `AR-B`; its library is loaded when
    a date needs it. Raises ValueError for an unknown zone at once, for an unknown country when it is needed.
    """

    weekly: tuple[Openings, ...]
    overrides: Mapping[date, Openings] = field(hash=False)
    timezone: str
    country: str = ""
    holidays: Mapping[int, frozenset[date]] = field(default_factory=dict, repr=False, compare=False)
    """By year, where they are known already: the library is not loaded for these."""
    _days: dict[int, _OpenSpans] = field(default_factory=dict, init=False, repr=False, compare=False)
    _added: dict[int, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Microseconds open in `_ADDED_DAYS` days, by the first of them."""
    _totals: dict[tuple[int, int], int] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Microseconds open between two days: of a few pairs, since many customers wait from one day to another."""

    def __post_init__(self) -> None:
        known_timezone(self.timezone)

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
        """From settings: `{"mon": [["09:00", "13:00"]]}` and `{"2026-12-31": []}`. A weekday not named is closed.

        Raises ValueError; its text completes "must be".
        """
        named = {known_weekday(day): openings(value) for day, value in hours.items()}
        dates = {date.fromisoformat(known_date(day)): openings(value) for day, value in overrides.items()}
        return cls(tuple(named.get(day, ()) for day in WEEKDAYS), dates, timezone, country, holidays=holidays)

    def openings_on(self, day: date) -> Openings:
        """The override, else closed on a holiday, else the weekday's."""
        override = self.overrides.get(day)
        if override is not None:
            return override
        usual = self.weekly[day.weekday()]
        if not usual or not self.country:
            return usual
        known = self.holidays.get(day.year)
        return () if day in (holidays_in(self.country, day.year) if known is None else known) else usual

    def is_open(self, at: datetime) -> bool:
        """An opening includes its first instant and not its last."""
        instant = _instant(at)
        return any(opens <= instant < closes for opens, closes in self._day(_utc_day(instant)).spans)

    def business_seconds(self, start: datetime, end: datetime) -> float:
        """Open seconds between two instants; 0 when `end` is not after `start`. Exact to the microsecond."""
        return self._seconds_within(_instant(start), _instant(end))

    def business_seconds_ms(self, start: int, end: int) -> float:
        """The same of milliseconds since 1970."""
        return self._seconds_within(start * _MILLI, end * _MILLI)

    def _seconds_within(self, first_instant: int, last_instant: int) -> float:
        if last_instant <= first_instant:
            return 0.0
        first, last = _utc_day(first_instant), _utc_day(last_instant)
        if first == last:
            return self._day(first).within(first_instant, last_instant) / _MICRO
        between = self._totals.get((first, last))
        if between is None:
            if len(self._totals) >= _TOTALS_KEPT:
                self._totals.clear()
            between = self._totals[first, last] = self._total(first + 1, last)
        edges = self._day(first).within(first_instant, last_instant) + self._day(last).within(
            first_instant, last_instant
        )
        return (between + edges) / _MICRO

    def due(self, start: datetime, seconds: float) -> datetime | None:
        """The first instant at which this many open seconds have passed since `start`; `start` itself for 0 or less.

        None if the two years from `start` have fewer.
        """
        due = self._due(_instant(start), seconds)
        return None if due is None else _datetime(due)

    def due_ms(self, start: int, seconds: float) -> int | None:
        """The same in milliseconds since 1970; what is left of one is cut off."""
        due = self._due(start * _MILLI, seconds)
        return None if due is None else due // _MILLI

    def _due(self, instant: int, seconds: float) -> int | None:
        left = round(seconds * _MICRO)
        if left <= 0:
            return instant
        for opens, closes in self._ahead(instant):
            begins = max(opens, instant)
            if left <= closes - begins:
                return begins + left
            left -= closes - begins
        return None

    def opens(self, at: datetime) -> datetime | None:
        """The first instant from `at` on at which the business is open; None if it is not for two years."""
        instant = _instant(at)
        return next((_datetime(max(opens, instant)) for opens, _closes in self._ahead(instant)), None)

    def _ahead(self, instant: int) -> Iterator[tuple[int, int]]:
        """Open stretches of two years that end after the instant."""
        today = _utc_day(instant)
        for day in range(today, today + LOOK_AHEAD_DAYS + 1):
            for span in self._day(day).spans:
                if span[1] > instant:
                    yield span

    def _total(self, day: int, end: int) -> int:
        """Microseconds open in the UTC days from `day` to before `end`: people wait for weeks, so weeks are kept."""
        total = 0
        while day < end:
            following = day + _ADDED_DAYS
            if day % _ADDED_DAYS or following > end:
                total += self._day(day).total
                day += 1
                continue
            if day not in self._added:
                self._added[day] = sum(self._day(each).total for each in range(day, following))
            total += self._added[day]
            day = following
        return total

    def _day(self, day: int) -> _OpenSpans:
        found = self._days.get(day)
        if found is None:
            spans = tuple((opens * _MICRO, closes * _MICRO) for opens, closes in self._open_in(day))
            found = self._days[day] = _OpenSpans(spans, sum(closes - opens for opens, closes in spans))
        return found

    def _open_in(self, day: int) -> list[tuple[int, int]]:
        """Of one UTC day, in seconds since 1970."""
        found: list[tuple[int, int]] = []
        for start, end, offset in _without_jump(ZoneInfo(self.timezone), day * _DAY):
            for local_day in range((start + offset) // _DAY, (end - 1 + offset) // _DAY + 1):
                midnight = local_day * _DAY - offset
                for first, last in self.openings_on(date.fromordinal(_EPOCH_ORDINAL + local_day)):
                    opens, closes = max(start, midnight + first * 60), min(end, midnight + last * 60)
                    if opens < closes:
                        found.append((opens, closes))
        return found


def openings(value: object) -> Openings:
    """`[["09:00", "13:00"], ["16:00", "20:00"]]` as minutes, in order; `[]` is closed. "24:00" may end an opening.

    An opening over midnight has to be written as two, until "24:00" and from "00:00" on the next day, so that a mistake
    ("20:00" to "08:00") is refused. Raises ValueError; its text completes "must be".
    """
    if not isinstance(value, list | tuple):
        raise _no_openings(_("{value!r} is not a list").format(value=value))
    found = []
    for each in value:
        if not isinstance(each, list | tuple) or len(each) != 2:
            raise _no_openings(_("{value!r} is not a pair of times").format(value=each))
        for time in each:
            if not isinstance(time, str) or not _TIME.fullmatch(time):
                raise _no_openings(
                    _("{value!r} is not a time of day from 00:00 to 24:00 in five characters").format(value=time)
                )
        start, end = (int(time[:2]) * 60 + int(time[3:]) for time in each)
        if start >= end:
            raise _no_openings(
                _(
                    "from {begin} to {end} ends before it begins; across midnight write one until 24:00 and one from "
                    "00:00 on the next day"
                ).format(begin=each[0], end=each[1])
            )
        found.append((start, end))
    found.sort()
    for (_begin, end), (start, _end) in pairwise(found):
        if start < end:
            raise _no_openings(_("{at} is in two of them").format(at=f"{start // 60:02}:{start % 60:02}"))
    return tuple(found)


def _no_openings(why: str) -> ValueError:
    return ValueError(
        _("openings such as {example}, or [] for closed ({why})").format(
            example='[["09:00", "13:00"], ["16:00", "20:00"]]', why=why
        )
    )


def known_weekday(name: str) -> str:
    """One of WEEKDAYS, or ValueError; its text completes "must be"."""
    if name not in WEEKDAYS:
        raise ValueError(_("one of {known}").format(known=", ".join(WEEKDAYS)))
    return name


def known_date(text: str) -> str:
    """A date such as 2026-12-24, or ValueError; its text completes "must be"."""
    try:
        if date.fromisoformat(text).isoformat() == text:  # not 20261224, nor a week
            return text
    except ValueError:
        pass
    raise ValueError(_("a calendar date such as {example}").format(example="2026-12-24"))


def known_timezone(name: str) -> str:
    """An IANA zone, or ValueError; its text completes "must be"."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # KeyError: no such zone; the others: a folder, a path outside
        close = nearest(name, available_timezones())
        hint = _(" (did you mean {close}?)").format(close=close) if close else ""
        example = "America/Argentina/Buenos_Aires"
        raise ValueError(_("a time zone such as {example}").format(example=example) + hint) from None
    return name


def _without_jump(zone: ZoneInfo, start: int) -> Iterator[tuple[int, int, int]]:
    """A UTC day as stretches of one offset: from, to, seconds by which the wall clock is ahead of UTC.

    No zone changes its clock twice within `_PROBE` seconds, so between two equal offsets there is no change.
    """
    begins, offset = start, _offset(zone, start)
    for probe in range(start + _PROBE, start + _DAY + 1, _PROBE):
        after = _offset(zone, probe)
        if after != offset:
            low, high = probe - _PROBE, probe  # the jump is in (low, high]
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
            yield begins, high, offset
            begins, offset = high, after
    if begins < start + _DAY:
        yield begins, start + _DAY, offset


def _offset(zone: ZoneInfo, instant: int) -> int:
    ahead = datetime.fromtimestamp(instant, zone).utcoffset()
    assert ahead is not None
    return int(ahead.total_seconds())


def _instant(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _datetime(instant: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)


def _utc_day(instant: int) -> int:
    return instant // (_DAY * _MICRO)
