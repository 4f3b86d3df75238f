"""Times and lengths as people read them: all in one zone, the business's (`leads.timezone`)."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from leadmasterd.text import _
from leadmasterd.times import Day

_HALF_A_YEAR = timedelta(days=182)
"""Two zones that agree both now and half a year ago agree in summer and in winter."""


class Clock(NamedTuple):
    """Formats stored times (ISO-8601, UTC). `zone`: the business's; None where no time zones are installed, and then
    the machine's own is used."""

    now: datetime
    zone: tzinfo | None

    def today(self) -> Day:
        """Today in the zone, with its first moment and its end in UTC."""
        day = self.now.astimezone(self.zone).date()
        begins, ends = (
            datetime.combine(each, time.min, self.zone).astimezone(UTC) for each in (day, day + timedelta(days=1))
        )
        return Day(day, begins, ends)

    def local(self, at: str) -> datetime:
        """The datetime in this clock's zone. `at`: ISO text."""
        return datetime.fromisoformat(at).astimezone(self.zone)

    def exact(self, at: str) -> str:
        """`2026-11-23 14:03:07`."""
        return f"{self.local(at):%Y-%m-%d %H:%M:%S}"

    def full(self, at: str) -> str:
        """`2026-11-23 14:03`."""
        return f"{self.local(at):%Y-%m-%d %H:%M}"

    def brief(self, at: str) -> str:
        """`14:03` today, else with its date."""
        return f"{self.local(at):%H:%M}" if self._is_today(at) else self.full(at)

    def spoken(self, at: str) -> str:
        """`14:03` today, `yesterday 14:03`, `Mon 23/11 14:03`, and with the year if it is another one."""
        local, today = self.local(at), self.now.astimezone(self.zone).date()
        if local.date() == today:
            return f"{local:%H:%M}"
        if local.date() == today - timedelta(days=1):
            return _("yesterday {time}").format(time=f"{local:%H:%M}")
        numbers = f"{local.day}/{local.month}" + ("" if local.year == today.year else f"/{local.year}")
        return f"{short_weekdays()[local.weekday()]} {numbers} {local:%H:%M}"

    def day_spoken(self, day_of: date) -> str:
        """`Monday 23 November`, and with the year if it is another one."""
        this_year = day_of.year == self.now.astimezone(self.zone).year
        return day_of_the_year(day_of) if this_year else day(day_of)

    def date_of(self, at: str) -> date:
        """The day of `at` in the zone."""
        return self.local(at).date()

    def time_of_day(self, at: str) -> str:
        """`14:03`."""
        return f"{self.local(at):%H:%M}"

    def short(self, at: str) -> tuple[str, str]:
        """Two short lines: today `14:03` and nothing, else `11-21` and the time, or the year if it is another one."""
        local = self.local(at)
        if self._is_today(at):
            return f"{local:%H:%M}", ""
        this_year = local.year == self.now.astimezone(self.zone).year
        return f"{local:%m-%d}", f"{local:%H:%M}" if this_year else f"{local:%Y}"

    def until(self, at: str) -> str:
        """`14:03:07`, followed by the zone's name where the machine's own clock shows another time."""
        return f"{self.local(at):%H:%M:%S}{self.where()}"

    def zone_name(self) -> str:
        """`Buenos Aires`; empty where the machine's own zone shows the same times, in summer and in winter."""
        if self.zone is None or all(
            each.astimezone(self.zone).utcoffset() == each.astimezone().utcoffset()
            for each in (self.now, self.now - _HALF_A_YEAR)
        ):
            return ""
        return str(self.zone).rpartition("/")[2].replace("_", " ")

    def where(self) -> str:
        """`zone_name` to append to a time: ` (Buenos Aires)`, or empty."""
        name = self.zone_name()
        return f" ({name})" if name else ""

    def seconds_since(self, at: str) -> float:
        """Seconds from `at` to now; 0 if `at` lies in the future."""
        return max(0.0, (self.now - datetime.fromisoformat(at)).total_seconds())

    def _is_today(self, at: str) -> bool:
        return self.local(at).date() == self.now.astimezone(self.zone).date()


def length(seconds: float) -> str:
    """A duration in its one or two largest units: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min"
    if seconds < 86400:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{seconds // 86400:.0f} d {seconds % 86400 // 3600:.0f} h"


def open_length(seconds: float) -> str:
    """A duration of opening hours. Never in days: how long an open day is depends on the business."""
    return length(seconds) if seconds < 86400 else f"{seconds // 3600:.0f} h"


def weekdays() -> list[str]:
    """The names of the weekdays, Monday first."""
    return [_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday")]


def short_weekdays() -> list[str]:
    """The weekdays in three letters, Monday first."""
    return [_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun")]


def months() -> list[str]:
    """The names of the months, January first."""
    return [
        _("January"), _("February"), _("March"), _("April"), _("May"), _("June"), _("July"), _("August"),
        _("September"), _("October"), _("November"), _("December"),
    ]  # fmt: skip


def day(at: date) -> str:
    """`Monday 23 November 2026`."""
    return _("{day} {year}").format(day=day_of_the_year(at), year=at.year)


def day_of_the_year(at: date) -> str:
    """`Monday 23 November`."""
    return _("{weekday} {day} {month}").format(
        weekday=weekdays()[at.weekday()], day=at.day, month=months()[at.month - 1]
    )
