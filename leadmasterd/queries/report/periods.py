"""Periods of a report: a week, a month or any stretch, and the one before it to compare with. Pure.

Days, weeks and months are those of a zone's wall clock, so a week in which the clock changes has 167 or 169 hours.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_WEEK = timedelta(days=7)
_EARLIEST_YEAR = 1900
"""A period before that is refused: somebody mistyped it."""


@dataclass(frozen=True, slots=True)
class Window:
    """From a moment until another, which is not in it; both UTC."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, and the one before it, which begins at `before_begins` and ends where this one begins.

    Moments are UTC, and an end is not in its period. `zone`: whose days and weeks it is in; None for the machine's.
    """

    begins: datetime
    ends: datetime
    before_begins: datetime
    zone: tzinfo | None

    def until(self, now: datetime) -> Window:
        """The part of the period that has passed by now; empty if it has not begun."""
        return Window(self.begins, max(self.begins, min(now, self.ends)))

    def before_until(self, now: datetime) -> Window:
        """The part of the period before this one that `until(now)` is to be compared with.

        All of it once this period is over; else until the same day and time of it by the clock: on a Friday at 18:00,
        until the Friday before at 18:00.
        """
        ends = self.until(now).ends
        if ends == self.ends:
            return Window(self.before_begins, self.begins)
        passed_by_the_clock = _wall(ends, self.zone) - _wall_at_begin(self.begins, self.zone)
        same_time_before = _wall_at_begin(self.before_begins, self.zone) + passed_by_the_clock
        return Window(self.before_begins, min(self.begins, _instant(same_time_before, self.zone)))

    def earlier(self) -> "Period":
        """The period before this one. Raises OverflowError and ValueError as `between`."""
        return between(self.before_begins, self.begins, self.zone)

    def later(self) -> "Period":
        """The period after this one: of a month the next month, of whole days as many days, else as long a time.

        Raises OverflowError and ValueError as `between`.
        """
        first_day, day_after = day_begun(self.begins, self.zone), day_begun(self.ends, self.zone)
        if first_day is None or day_after is None:
            return between(self.ends, self.ends + (self.ends - self.begins), self.zone)
        if day_after == _next_month(first_day):
            return month_of(self.ends, self.zone)
        return between(self.ends, day_begins(day_after + (day_after - first_day), self.zone), self.zone)


def week_of(at: datetime, zone: tzinfo | None) -> Period:
    """The week, Monday to Sunday, in which this moment is. Raises OverflowError and ValueError as `between`."""
    day = at.astimezone(zone).date()
    monday = day - timedelta(days=day.weekday())
    return between(day_begins(monday, zone), day_begins(monday + _WEEK, zone), zone)


def month_of(at: datetime, zone: tzinfo | None) -> Period:
    """The calendar month in which this moment is. Raises OverflowError and ValueError as `between`."""
    first = at.astimezone(zone).date().replace(day=1)
    return between(day_begins(first, zone), day_begins(_next_month(first), zone), zone)


def between(begins: datetime, ends: datetime, zone: tzinfo | None) -> Period:
    """The period from one moment until another, with the one before it to compare with.

    The one before a calendar month is the month before it; before whole days, as many days; else as long a time. Raises
    OverflowError and ValueError if a date would be before 1900, or beyond what a date can be.
    """
    first_day, day_after = day_begun(begins, zone), day_begun(ends, zone)
    if first_day is None or day_after is None:
        before = begins - (ends - begins)
    elif first_day.day == 1 and day_after == _next_month(first_day):
        last_of_month_before = first_day - timedelta(days=1)
        before = day_begins(last_of_month_before.replace(day=1), zone)
    else:
        before = day_begins(first_day - (day_after - first_day), zone)
    if before.year < _EARLIEST_YEAR:
        raise OverflowError
    return Period(begins, ends, before, zone)


def day_begins(day: date, zone: tzinfo | None) -> datetime:
    """The first moment of this day in the zone, in UTC. Midnight, unless the clocks skip it on that day."""
    return _instant(datetime.combine(day, time.min), zone)


def day_begun(at: datetime, zone: tzinfo | None) -> date | None:
    """The day whose first moment in the zone this is; None if it is any other moment."""
    day = at.astimezone(zone).date()
    return day if day_begins(day, zone) == at else None


def _wall_at_begin(at: datetime, zone: tzinfo | None) -> datetime:
    """What a clock shows at this moment, or midnight where a day begins, even if the clock skips it on that day."""
    day = day_begun(at, zone)
    return datetime.combine(day, time.min) if day else _wall(at, zone)


def _wall(at: datetime, zone: tzinfo | None) -> datetime:
    """What a clock in the zone shows at this moment, without a zone."""
    return at.astimezone(zone).replace(tzinfo=None)


def _instant(wall: datetime, zone: tzinfo | None) -> datetime:
    """The moment, in UTC, at which a clock in the zone shows this. The first of two when clocks are set back."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _next_month(first_day: date) -> date:
    """The first day of the month after the one that begins with this day."""
    return (first_day + timedelta(days=32)).replace(day=1)
