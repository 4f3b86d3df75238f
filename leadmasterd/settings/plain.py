"""The settings as plain values, which a long-running process keeps. A short-lived one checks them with pydantic."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Final

from leadmasterd.apart import begun_apart
from leadmasterd.capture import CaptureRules
from leadmasterd.language import Language
from leadmasterd.leads.calendar import BusinessCalendar
from leadmasterd.leads.public_holidays import holidays_in
from leadmasterd.leads.touchpoints import Campaign
from leadmasterd.outbox.triggers import Mode
from leadmasterd.settings.leads_light import hours_version
from leadmasterd.settings.paths import Paths
from leadmasterd.supervisor.timing import Timing

_YEARS_BACK: Final = 5
_YEARS_AHEAD: Final = 3
"""For how many years around this one holidays are looked up in advance. Others need the library of holidays."""

Times = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PlainListener:
    """The `[listener]` settings that the child is started with."""

    node: str
    browser: str
    browser_args: tuple[str, ...]
    user_agent: str
    pairing_phone: str
    presence_unavailable: bool


@dataclass(frozen=True, slots=True)
class PlainLeads:
    """The `[leads]` settings that leads are derived by."""

    rules: str
    timezone: str
    country: str
    target_minutes: float
    reopen_days: int
    burst_seconds: float
    hours: Mapping[str, Times]
    overrides: Mapping[str, Times]
    campaigns: Mapping[str, str]
    holidays: Mapping[int, frozenset[date]] = field(default_factory=dict, compare=False)
    """By year, as far as they were looked up."""

    def named_campaigns(self) -> tuple[Campaign, ...]:
        """The campaigns, prepared for being found in messages."""
        return tuple(Campaign.of(name, text) for name, text in self.campaigns.items())

    def calendar(self) -> BusinessCalendar:
        """When the business is open."""
        return BusinessCalendar.of(self.hours, self.overrides, self.timezone, self.country, holidays=self.holidays)

    def hours_version(self) -> str:
        """Text to compare settings by: it differs if the SLA target or the opening hours do.

        For the same settings it equals `LightLeadsSettings.hours_version`.
        """
        return hours_version(
            target_seconds=self.target_minutes * 60,
            timezone=self.timezone,
            country=self.country,
            hours=self.hours,
            overrides=self.overrides,
        )

    def derived_by(self) -> str:
        """Text to compare settings by: it differs if any setting differs by which leads are derived."""
        relevant = {
            "timezone": self.timezone,
            "country": self.country,
            "target_minutes": self.target_minutes,
            "reopen_days": self.reopen_days,
            "burst_seconds": self.burst_seconds,
            "hours": self.hours,
            "overrides": self.overrides,
            "campaigns": self.campaigns,
        }
        return json.dumps(relevant, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class PlainSettings:
    """What the daemon runs by."""

    language: Language
    listener: PlainListener
    timing: Timing
    capture: CaptureRules
    first_link_days: int
    leads: PlainLeads
    nightly_restart: str
    memory_ceiling_mb: int
    disk_floor_mb: int
    raw_days: int
    alerts_in_use: bool
    outbox: Mode
    """What is written for feeds; `off` without one."""


def read_plain(explicit: str | None) -> tuple[PlainSettings, Paths]:
    """Read and check all settings, in a short-lived process, so that this one need not load pydantic.

    `explicit`: the file of `--config`; None: as `find_file` finds it. Raises CannotUseSettings.
    """
    return begin_reading(explicit)()


def begin_reading(explicit: str | None) -> Callable[[], tuple[PlainSettings, Paths]]:
    """Begin to read the settings as `read_plain`, and return a function that waits for them.

    That function raises CannotUseSettings.
    """
    return begun_apart(_load, explicit, package="pydantic")


def _load(explicit: str | None) -> tuple[PlainSettings, Paths]:
    """The settings, with the holidays of the years around now already looked up."""
    from leadmasterd.settings.model import load

    settings, paths = load(explicit)
    plain = settings.plain()
    year = datetime.now(UTC).year
    years = range(year - _YEARS_BACK, year + _YEARS_AHEAD + 1) if plain.leads.country else ()
    known = {each: holidays_in(plain.leads.country, each) for each in years}
    return replace(plain, leads=replace(plain.leads, holidays=known)), paths
