"""The `[leads]` settings that read-only commands need, without pydantic, which takes 150 ms to import.

Defaults and limits are defined here, and `settings.model` takes them from here. A value that the full settings would
refuse counts as its default and is named by `wrong`; `config check` says what is wrong with it.
"""

import json
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
    """What decides which leads are stale or overdue, and when the business is open."""

    target_seconds: float
    stale_days: int
    dormant_days: int
    country: str
    timezone: str
    hours: Mapping[str, Any]
    overrides: Mapping[str, Any]
    refused: tuple[str, ...]
    """Keys, such as `leads.stale_days`, whose value can't be used, so that the default holds."""

    def hours_version(self) -> str:
        """Text to compare settings by: it differs if the SLA target or the opening hours do.

        For the same settings it equals `PlainLeads.hours_version`.
        """
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
        """The business's time zone; the default one if the settings' is unknown, None if no zones are installed."""
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
    """Text to compare settings by: it differs if any of these does, so that waits become overdue at other times."""
    return json.dumps([target_seconds, timezone, country.upper(), hours, overrides], sort_keys=True)


def read_leads_settings(paths: Paths) -> LightLeadsSettings:
    """The settings of the file and the environment, as the full settings read them. Raises nothing.

    `leads` counts as refused if the file can't be read, or if `leads` in it is no section.
    """
    try:
        data = read_file(paths.file) if paths.file else {}
    except CannotUseSettings:
        data = {"leads": None}
    section = data.get("leads", {})
    refused: list[str] = []
    given: dict[str, Any] = {}
    if isinstance(section, dict):
        given |= section
    else:
        refused.append("leads")
    prefix = f"{ENV_PREFIX}LEADS__"
    for name, text in os.environ.items():
        if name.upper().startswith(prefix):
            key = name[len(prefix) :].lower()
            is_table = isinstance(DEFAULTS.get(key), dict)
            given[key] = _from_json(text) if is_table else text
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
    """The place of a refused key in the list: `leads` itself first, then as in DEFAULTS."""
    if key == "leads":
        return -1
    return [*DEFAULTS].index(key.removeprefix("leads."))


def _zone_of(name: str) -> tzinfo | None:
    """The time zone; None if there is none of this name."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _from_json(text: str) -> object:
    """The value; None for what is not JSON, which no reader accepts."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


# ------------------------------------------- read one value as leniently as pydantic; raise TypeError or ValueError


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value.strip()


def _minutes(value: object) -> float:
    number = _number(value)
    if not 0 < number <= MOST_MINUTES:  # false for nan, too
        raise ValueError
    return number


def _days(value: object) -> int:
    number = _number(value)
    has_exponent = isinstance(value, str) and "e" in value.lower()  # pydantic reads no whole number from it
    if has_exponent or not number.is_integer() or not 1 <= number <= MOST_DAYS:
        raise ValueError
    return int(number)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    if isinstance(value, str) and not value.isascii():  # Python also reads digits of other scripts; pydantic does not
        raise ValueError
    try:
        return float(value)
    except OverflowError as error:  # an integer of more than 308 digits
        raise ValueError from error


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
