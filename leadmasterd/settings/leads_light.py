"""The `[leads]` settings that commands need which only look, without what checks them (pydantic: 150 ms).

Whatever is wrong in the settings counts as the default here, and is named; `config check` says what is wrong with it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Final

from leadmasterd.errors import CannotUseSettings
from leadmasterd.settings.paths import ENV_PREFIX, Paths, read_file

if TYPE_CHECKING:
    from leadmasterd.leads.calendar import BusinessCalendar

_SPLIT_DAY: Final = (("09:00", "13:00"), ("16:00", "20:00"))
DEFAULTS: Final[Mapping[str, Any]] = {
    "timezone": "America/Argentina/Buenos_Aires",
    "country": "AR",
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
"""Here and not in `settings`, which takes them from here, because that one is slow to import."""


@dataclass(frozen=True, slots=True)
class LightLeadsSettings:
    """What is stale, what is overdue, and when the business is open."""

    target_seconds: float
    stale_days: int
    dormant_days: int
    country: str
    timezone: str
    hours: Mapping[str, Any]
    overrides: Mapping[str, Any]
    misfits: tuple[str, ...]
    """What is of no kind that could be used."""

    def wrong(self) -> list[str]:
        """Settings that are not what was written, as far as this reader can tell."""
        return [*self.misfits, *([] if _zone_of(self.timezone) else ["leads.timezone"])]

    def zone(self) -> tzinfo | None:
        """Where the business is; the default when the settings name no zone that there is, None without any zones."""
        return _zone_of(self.timezone) or _zone_of(DEFAULTS["timezone"])

    def calendar(self) -> "BusinessCalendar | None":
        """When the business is open; None when the settings don't tell it."""
        from leadmasterd.leads.calendar import BusinessCalendar
        from leadmasterd.leads.public_holidays import known_country

        try:
            country = known_country(self.country) if self.country else ""
            return BusinessCalendar.of(self.hours, self.overrides, self.timezone, country)
        except ValueError:
            return None


def read_leads_settings(paths: Paths) -> LightLeadsSettings:
    """As the full settings have it, the environment included, where that is right."""
    try:
        data = read_file(paths.file) if paths.file else {}
    except CannotUseSettings:
        data = {}
    section = data.get("leads")
    told = {**section} if isinstance(section, dict) else {}
    for name, text in os.environ.items():
        if name.upper().startswith(f"{ENV_PREFIX}LEADS__"):
            key = name[len(f"{ENV_PREFIX}LEADS__") :].lower()
            told[key] = text if isinstance(DEFAULTS.get(key), str) else _value(text)
    misfits = ["leads"] if section is not None and not isinstance(section, dict) else []
    misfits += [f"leads.{key}" for key, default in DEFAULTS.items() if key in told and not _fits(told[key], default)]
    values = {key: told[key] if _fits(told.get(key), default) else default for key, default in DEFAULTS.items()}
    return LightLeadsSettings(
        target_seconds=float(values["target_minutes"]) * 60,
        stale_days=int(values["stale_days"]),
        dormant_days=int(values["dormant_days"]),
        country=values["country"].strip(),
        timezone=values["timezone"].strip(),
        hours=values["hours"],
        overrides=values["overrides"],
        misfits=tuple(misfits),
    )


def _zone_of(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _fits(value: object, default: object) -> bool:
    if isinstance(default, float | int):
        return isinstance(value, float | int) and not isinstance(value, bool) and 0 < value <= 10080
    return isinstance(value, type(default))
