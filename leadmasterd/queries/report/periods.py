"""Periods of a report: a week, a month or any stretch, and the one before it to compare with. Pure.

Days, weeks and months are those of a zone's wall clock, so a week in which the clock changes has 167 or 169 hours.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_WEEK = timedelta(days=7)
_EARLIEST_YEAR = 1900
"""A period before which there is no room is a slip of the keyboard."""


@dataclass(frozen=True, slots=True)
class Window:
    """From a moment until another, which is not in it; both UTC."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch and where the one before it begins, which ends where this begins. Moments are UTC.

    `zone`: None for the machine's.
    """

    begins: datetime
    ends: datetime
    before_begins: datetime
    zone: tzinfo | None

    def until(self, now: datetime) -> Window:
        """As much of it as has passed."""
        return Window(self.begins, max(self.begins, min(now, self.ends)))

    def before_until(self, now: datetime) -> Window:
        """As much of the period before: all of it once this one is over, else until the same day and time of it."""
        ends = self.until(now).ends
        if ends == self.ends:
            return Window(self.before_begins, self.begins)
        same = _begun(self.before_begins, self.zone) + (_wall(ends, self.zone) - _begun(self.begins, self.zone))
        return Window(self.before_begins, min(self.begins, _instant(same, self.zone)))

    def earlier(self) -> "Period":
        """The one before it. Raises as `between`."""
        return between(self.before_begins, self.begins, self.zone)

    def later(self) -> "Period":
        """The one after it, of the same kind. Raises as `between`."""
        first, last = day_begun(self.begins, self.zone), day_begun(self.ends, self.zone)
        if first is None or last is None:
            return between(self.ends, self.ends + (self.ends - self.begins), self.zone)
        if last == _next_month(first):
            return month_of(self.ends, self.zone)
        return between(self.ends, day_begins(last + (last - first), self.zone), self.zone)


def week_of(at: datetime, zone: tzinfo | None) -> Period:
    """The week, from Monday, that has this moment. Raises as `between`."""
    day = at.astimezone(zone).date()
    monday = day - timedelta(days=day.weekday())
    return between(day_begins(monday, zone), day_begins(monday + _WEEK, zone), zone)


def month_of(at: datetime, zone: tzinfo | None) -> Period:
    """The calendar month that has this moment. Raises as `between`."""
    first = at.astimezone(zone).date().replace(day=1)
    return between(day_begins(first, zone), day_begins(_next_month(first), zone), zone)


def between(begins: datetime, ends: datetime, zone: tzinfo | None) -> Period:
    """Any stretch. Before a calendar month comes the month before it; before whole days as many days; else as long.

    Raises OverflowError and ValueError where no calendar goes.
    """
    first, last = day_begun(begins, zone), day_begun(ends, zone)
    if first is None or last is None:
        before = begins - (ends - begins)
    elif first.day == 1 and last == _next_month(first):
        before = day_begins((first - timedelta(days=1)).replace(day=1), zone)
    else:
        before = day_begins(first - (last - first), zone)
    if before.year < _EARLIEST_YEAR:
        raise OverflowError
    return Period(begins, ends, before, zone)


def day_begins(day: date, zone: tzinfo | None) -> datetime:
    """Its first moment there, in UTC: not always one at which a clock shows midnight."""
    return _instant(datetime.combine(day, time.min), zone)


def day_begun(at: datetime, zone: tzinfo | None) -> date | None:
    """The day that begins at this moment there; None if none does."""
    day = at.astimezone(zone).date()
    return day if day_begins(day, zone) == at else None


def _begun(at: datetime, zone: tzinfo | None) -> datetime:
    """What a clock shows there, or would at the beginning of a day that has no midnight."""
    day = day_begun(at, zone)
    return datetime.combine(day, time.min) if day else _wall(at, zone)


def _wall(at: datetime, zone: tzinfo | None) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def _instant(wall: datetime, zone: tzinfo | None) -> datetime:
    """The moment at which a clock there shows this, in UTC; of two the first."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
