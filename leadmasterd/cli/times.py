"""Times as people type and read them: all in one zone, the business's (`leads.timezone`)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from leadmasterd.errors import CannotUseArgument
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.paths import Paths
from leadmasterd.text import _, unaccented
from leadmasterd.times import Day

_DAYS = {"hoy": 0, "today": 0, "ayer": 1, "yesterday": 1, "anteayer": 2}
"""Days that begin at midnight, so many days ago."""
_UNITS = {
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "s": timedelta(weeks=1),
}
"""`s` are weeks (semanas): nobody asks for the last seconds."""
_HALF_A_YEAR = timedelta(days=182)
"""Two zones that agree both now and half a year ago agree in summer and in winter."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Shows stored times. `zone`: None for the machine's, if no zones are installed."""

    now: datetime
    zone: tzinfo | None

    def today(self) -> Day:
        """The day that it is there."""
        day = self.now.astimezone(self.zone).date()
        begins, ends = (
            datetime.combine(each, time.min, self.zone).astimezone(UTC) for each in (day, day + timedelta(days=1))
        )
        return Day(day, begins, ends)

    def exact(self, at: str) -> str:
        """`2026-11-23 14:03:07`."""
        return f"{self._local(at):%Y-%m-%d %H:%M:%S}"

    def full(self, at: str) -> str:
        """`2026-11-23 14:03`."""
        return f"{self._local(at):%Y-%m-%d %H:%M}"

    def brief(self, at: str) -> str:
        """`14:03` today, else with its date."""
        return f"{self._local(at):%H:%M}" if self._is_today(at) else self.full(at)

    def short(self, at: str) -> tuple[str, str]:
        """Two short lines: `14:03` today; `11-21` with the time below it, or with the year if it was another one."""
        local = self._local(at)
        if self._is_today(at):
            return f"{local:%H:%M}", ""
        this_year = local.year == self.now.astimezone(self.zone).year
        return f"{local:%m-%d}", f"{local:%H:%M}" if this_year else f"{local:%Y}"

    def until(self, at: str) -> str:
        """`14:03:07`, with the zone where the machine's differs."""
        return f"{self._local(at):%H:%M:%S}{self.where()}"

    def zone_name(self) -> str:
        """`Buenos Aires`; empty where the machine's own zone shows the same."""
        if self.zone is None or all(
            each.astimezone(self.zone).utcoffset() == each.astimezone().utcoffset()
            for each in (self.now, self.now - _HALF_A_YEAR)
        ):
            return ""
        return str(self.zone).rpartition("/")[2].replace("_", " ")

    def where(self) -> str:
        """The same to append to a time: ` (Buenos Aires)`."""
        name = self.zone_name()
        return f" ({name})" if name else ""

    def seconds_since(self, at: str) -> float:
        """At least 0."""
        return max(0.0, (self.now - datetime.fromisoformat(at)).total_seconds())

    def _local(self, at: str) -> datetime:
        return datetime.fromisoformat(at).astimezone(self.zone)

    def _is_today(self, at: str) -> bool:
        return self._local(at).date() == self.now.astimezone(self.zone).date()


def clock_of(paths: Paths) -> Clock:
    """Now, in the zone of the settings; in the default zone if they name an unknown one."""
    return Clock(datetime.now(UTC), read_leads_settings(paths).zone())


def time_from(text: str, zone: tzinfo | None) -> datetime:
    """A time as typed (ISO 8601, a day such as `ayer`, or how long ago such as `7d`), in UTC. Raises CannotUseArgument.

    `zone` holds for a text without an offset; None: the machine's.
    """
    now, word = datetime.now(UTC), unaccented(text.strip())
    try:
        if (days := _DAYS.get(word)) is not None:
            day = now.astimezone(zone).date() - timedelta(days=days)
            return datetime.combine(day, time.min, zone).astimezone(UTC)
        if ago := re.fullmatch(r"([0-9]{1,6}) ?(min|h|d|w|s)", word):
            return now - int(ago[1]) * _UNITS[ago[2]]
        at = datetime.fromisoformat(text)
        if at.tzinfo is None and zone is not None:
            at = at.replace(tzinfo=zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # not a date, or too early or late for any
        raise CannotUseArgument(
            _(
                "cannot use the time {text}: write it as 2026-11-23 or 2026-11-23T14:30, or as hoy, ayer, 7d or 12h"
            ).format(text=repr(text))
        ) from error


def length(seconds: float) -> str:
    """A duration, rounded as people say it."""
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
