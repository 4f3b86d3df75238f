"""Times as people type them: all in one zone, the business's (`leads.timezone`)."""

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from leadmasterd.clock import Clock
from leadmasterd.errors import CannotUseArgument
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.paths import Paths
from leadmasterd.text import _, unaccented

_DAYS = {"hoy": 0, "today": 0, "ayer": 1, "yesterday": 1, "anteayer": 2}
"""Days by name, with how many days ago they are. Each stands for its midnight."""
_UNITS = {
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "s": timedelta(weeks=1),
}
"""`s` are weeks (semanas): nobody asks for the last seconds."""


def clock_of(paths: Paths) -> Clock:
    """A clock for the zone of the settings; for the default zone if they name an unknown one."""
    return Clock(datetime.now(UTC), read_leads_settings(paths).zone())


def time_from(text: str, zone: tzinfo | None) -> datetime:
    """A time as typed (ISO 8601, a day such as `ayer`, or how long ago such as `7d`), in UTC. Raises CannotUseArgument.

    `zone` holds for a text without an offset; None: the machine's.
    """
    now = datetime.now(UTC)
    word = unaccented(text.strip())
    try:
        if word in _DAYS:
            day = now.astimezone(zone).date() - timedelta(days=_DAYS[word])
            return datetime.combine(day, time.min, zone).astimezone(UTC)
        if ago := re.fullmatch(r"([0-9]{1,6}) ?(min|h|d|w|s)", word):
            return now - int(ago[1]) * _UNITS[ago[2]]
        at = datetime.fromisoformat(text)
        if at.tzinfo is None and zone is not None:
            at = at.replace(tzinfo=zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # not a date, or out of datetime's range
        raise CannotUseArgument(
            _(
                "cannot use the time {text}: write it as 2026-11-23 or 2026-11-23T14:30, or as hoy, ayer, 7d or 12h"
            ).format(text=repr(text))
        ) from error


def end_from(text: str, zone: tzinfo | None) -> datetime:
    """The end of a period as typed, in UTC. A date or a day such as `ayer` is included: it ends at the next midnight.

    Anything else is read by `time_from`. Raises CannotUseArgument.
    """
    at = time_from(text, zone)
    word = unaccented(text.strip())
    is_a_day = word in _DAYS or re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", word)
    if not is_a_day:
        return at
    try:
        return datetime.combine(at.astimezone(zone).date() + timedelta(days=1), time.min, zone).astimezone(UTC)
    except OverflowError as error:
        raise CannotUseArgument(
            _("cannot use the time {text}: no day comes after it").format(text=repr(text))
        ) from error
