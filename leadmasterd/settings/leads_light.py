"""The `[leads]` settings that read-only commands need, without pydantic, which takes 150 ms to import.

Defaults and limits are defined here, and `settings.model` takes them from here. A value that the full settings would
refuse counts as its default and is named by `wrong`; `config check` says what is wrong with it.
"""

import json
import math
import os
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leadmasterd.errors import CannotUseSettings
from leadmasterd.settings.language_light import DEFAULT_COUNTRY
from leadmasterd.settings.paths import ENV_PREFIX, Paths, read_file

if TYPE_CHECKING:
    from leadmasterd.leads.calendar import BusinessCalendar

_SPLIT_DAY: Final = (("09:00", "13:00"), ("16:00", "20:00"))
DEFAULTS: Final[Mapping[str, Any]] = {
    "timezone": "America/Argentina/Buenos_Aires",
    "country": DEFAULT_COUNTRY,
    "target_minutes": 15.0,
    "stale_days": 14,
    "dormant_days": 60,
    "hours": {
        **dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), _SPLIT_DAY),
        "sat": (("09:00", "13:00"),),
        "sun": (),
    },
    "overrides": {},
}
MOST_MINUTES: Final = 10080
"""A week."""
MOST_DAYS: Final = 3650


class LightLeadsSettings(NamedTuple):
    """What is stale, what is overdue, and when the business is open."""

    target_seconds: float
    stale_days: int
    dormant_days: int
    country: str
    timezone: str
    hours: Mapping[str, Any]
    overrides: Mapping[str, Any]
    refused: tuple[str, ...]
    """Keys, as `leads.stale_days`, whose value can't be used."""

    def hours_version(self) -> str:
        """As `hours_version` of the module."""
        return hours_version(
            target_seconds=self.target_seconds,
            timezone=self.timezone,
            country=self.country,
            hours=self.hours,
            overrides=self.overrides,
        )

    def wrong(self) -> list[str]:
        """Keys whose value can't be used; hours, overrides and country are checked by `calendar` only."""
        return [*self.refused, *([] if _zone_of(self.timezone) else ["leads.timezone"])]

    def zone(self) -> tzinfo | None:
        """The business's zone; the default if the settings name an unknown one, None if no zones are installed."""
        return _zone_of(self.timezone) or _zone_of(DEFAULTS["timezone"])

    def calendar(self) -> "BusinessCalendar | None":
        """When the business is open; None if the settings for it can't be used."""
        from leadmasterd.leads.calendar import BusinessCalendar
        from leadmasterd.leads.public_holidays import known_country

        try:
            country = known_country(self.country) if self.country else ""
            return BusinessCalendar.of(self.hours, self.overrides, self.timezone, country)
        except ValueError:
            return None


def hours_version(
    *, target_seconds: float, timezone: str, country: str, hours: Mapping[str, Any], overrides: Mapping[str, Any]
) -> str:
    """Text that changes with whatever decides when a wait is overdue: the SLA target, and when the business is open."""
    return json.dumps([target_seconds, timezone, country.upper(), hours, overrides], sort_keys=True)


def read_leads_settings(paths: Paths) -> LightLeadsSettings:
    """From the file and the environment, as the full settings read them."""
    try:
        data = read_file(paths.file) if paths.file else {}
    except CannotUseSettings:
        data = {"leads": None}  # as wrong as can be
    section = data.get("leads", {})
    refused = [] if isinstance(section, dict) else ["leads"]
    given = {**section} if isinstance(section, dict) else {}
    for name, text in os.environ.items():
        if name.upper().startswith(f"{ENV_PREFIX}LEADS__"):
            key = name[len(f"{ENV_PREFIX}LEADS__") :].lower()
            given[key] = _from_json(text) if isinstance(DEFAULTS.get(key), dict) else text
    values = dict(DEFAULTS)
    for key in DEFAULTS.keys() & given.keys():
        try:
            values[key] = _READERS[key](given[key])
        except (TypeError, ValueError):
            refused.append(f"leads.{key}")
    return LightLeadsSettings(
        target_seconds=values["target_minutes"] * 60,
        stale_days=values["stale_days"],
        dormant_days=values["dormant_days"],
        country=values["country"].upper(),
        timezone=values["timezone"],
        hours=values["hours"],
        overrides=values["overrides"],
        refused=tuple(sorted(refused, key=_order)),
    )


def _order(key: str) -> int:
    """As in DEFAULTS."""
    return [*DEFAULTS].index(key.removeprefix("leads.")) if "." in key else -1


def _zone_of(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


# ---------------------------------------------------------------------- one value, or an error; as lax as pydantic


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value.strip()


def _minutes(value: object) -> float:
    number = _number(value)
    if not math.isfinite(number) or not 0 < number <= MOST_MINUTES:
        raise ValueError
    return number


def _days(value: object) -> int:
    number = _number(value)
    if isinstance(value, str) and "e" in value.lower():
        raise ValueError
    if not number.is_integer() or not 1 <= number <= MOST_DAYS:
        raise ValueError
    return int(number)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    if isinstance(value, str) and not value.isascii():  # other digits than ours
        raise ValueError
    return float(value)


def _table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "timezone": _text,
    "country": _text,
    "target_minutes": _minutes,
    "stale_days": _days,
    "dormant_days": _days,
    "hours": _table,
    "overrides": _table,
}
