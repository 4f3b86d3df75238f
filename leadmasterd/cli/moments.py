"""Times as people type and read them."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from leadmasterd.text import _


@dataclass(frozen=True, slots=True)
class Clock:
    """Times of the tables as people read them there and now. `zone`: None for the machine's."""

    now: datetime
    zone: tzinfo | None

    def full(self, at: str) -> str:
        """`2026-11-23 14:03`."""
        return f"{self._there(at):%Y-%m-%d %H:%M}"

    def brief(self, at: str) -> str:
        """`14:03` today, else with its date."""
        return f"{self._there(at):%H:%M}" if self._is_today(at) else self.full(at)

    def short(self, at: str) -> tuple[str, str]:
        """Two short lines: `14:03` today; `11-21` with the time below it, or the year when it was another one."""
        there = self._there(at)
        if self._is_today(at):
            return f"{there:%H:%M}", ""
        this_year = there.year == self.now.astimezone(self.zone).year
        return f"{there:%m-%d}", f"{there:%H:%M}" if this_year else f"{there:%Y}"

    def where(self) -> str:
        """Whose time it is, where the machine's own would be another: ` (Buenos Aires)`."""
        there, here = self.now.astimezone(self.zone), self.now.astimezone()
        if self.zone is None or there.utcoffset() == here.utcoffset():
            return ""
        return f" ({str(self.zone).rpartition('/')[2].replace('_', ' ')})"

    def seconds_since(self, at: str) -> float:
        """None of a time that is yet to come."""
        return max(0.0, (self.now - datetime.fromisoformat(at)).total_seconds())

    def _there(self, at: str) -> datetime:
        return datetime.fromisoformat(at).astimezone(self.zone)

    def _is_today(self, at: str) -> bool:
        return self._there(at).date() == self.now.astimezone(self.zone).date()


def moment_from(text: str, zone: tzinfo | None) -> datetime:
    """A moment as typed (ISO 8601), in UTC. Ends the program with 64 when it is none.

    `zone`: where it counts that says no zone itself; None for the machine's. It is the one that the answer is shown in.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None and zone is not None:
            moment = moment.replace(tzinfo=zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # no date, or one that no calendar reaches
        print(
            _("cannot use the time {text}: write it as 2026-11-23 or 2026-11-23T14:30").format(text=text),
            file=sys.stderr,
        )
        raise SystemExit(64) from None


def length(seconds: float) -> str:
    """A duration, as coarse as people say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min"
    if seconds < 86400:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{seconds // 86400:.0f} d {seconds % 86400 // 3600:.0f} h"
