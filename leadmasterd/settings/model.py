"""Settings: one TOML file plus the environment, checked as a whole, errors in words.

Every key can be set as LEADMASTERD_SECTION__KEY, which wins over the file. config.example.toml documents every key
and a test keeps it true. Finding the file and the state directory without pydantic is `settings_file`'s part.
"""

import difflib
import json
import os
from dataclasses import replace
from typing import Annotated, Any, Final, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from leadmasterd.capture import CaptureRules, ignore_list
from leadmasterd.errors import CannotUseSettings
from leadmasterd.leads.calendar import BusinessCalendar, known_date, known_timezone, known_weekday, openings
from leadmasterd.leads.public_holidays import known_country
from leadmasterd.leads.touchpoints import Campaign
from leadmasterd.settings.leads_light import DEFAULTS, MOST_DAYS, MOST_MINUTES
from leadmasterd.settings.paths import (
    DEFAULT_DATABASE,
    DEFAULT_STATE_DIR,
    ENV_PREFIX,
    Paths,
    find_file,
    read_file,
    resolve_paths,
)
from leadmasterd.supervisor.timing import Timing

Seconds = Annotated[float, Field(gt=0, le=30 * 86400, allow_inf_nan=False)]
Days = Annotated[int, Field(ge=1, le=MOST_DAYS)]
_DIGITS: Final = r"^([1-9][0-9]{6,14})?$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class ListenerSettings(_Section):
    """The Node child and its browser."""

    node: str = Field("", description="path of node; empty: found on PATH")
    browser: str = Field("", description="path of Chromium or Chrome; empty: found")
    browser_args: tuple[str, ...] = Field((), description="further browser arguments")
    user_agent: str = Field("", description="empty: made from the browser's own version")
    pairing_phone: str = Field("", pattern=_DIGITS, description="digits only: pair by code instead of QR")
    settle_after_pairing: float = Field(
        600, ge=0, le=86400, allow_inf_nan=False, description="seconds after a fresh pairing without any sweep"
    )
    sweep_interval: Seconds = Field(60, description="seconds between sweeps")
    presence_unavailable: bool = Field(True, description="keep the phone's notifications working")


class SupervisorSettings(_Section):
    """When to wait, when to start again."""

    backoff_first: Seconds = Field(1, description="longest first wait, seconds")
    backoff_max: Seconds = Field(300, description="longest wait, seconds")
    calm_period: Seconds = Field(300, description="seconds of good uptime that forgive earlier failures")
    start_timeout: Seconds = Field(240, description="seconds from start to a QR or a session")
    heartbeat_timeout: Seconds = Field(15, description="seconds without a heartbeat that count as a miss")
    nightly_restart: str = Field(
        "03:30", pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$", description="local time of the planned restart"
    )
    memory_ceiling_mb: int = Field(1500, ge=300, le=100_000, description="restart by plan when the tree is larger")
    disk_floor_mb: int = Field(500, ge=0, le=1_000_000, description="warn when less is free")
    time_divisor: float = Field(
        1, ge=1, le=1000, allow_inf_nan=False, description="divide durations; for trying things out"
    )


class CaptureSettings(_Section):
    """What is kept."""

    groups: bool = Field(False, description="keep group chats too")
    first_link_days: int = Field(0, ge=0, le=365, description="days before the first link to fetch")
    ignore: tuple[str, ...] = Field((), description="chats that never reach the disk: phone numbers or chat ids")

    @field_validator("ignore")
    @classmethod
    def _each_is_a_chat(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            if "@" not in entry and len("".join(filter(str.isdigit, entry))) < 7:
                raise ValueError(f"phone numbers or chat ids ({entry!r} is neither)")
        return value


class DatabaseSettings(_Section):
    """Where messages go."""

    path: str = Field(DEFAULT_DATABASE, min_length=1, description="relative to state_dir")


def _times(value: Any) -> Any:
    openings(value)
    return value


def _campaign_text(text: str) -> str:
    Campaign.of("", text)
    return text


Times = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_times)]
Weekday = Annotated[str, AfterValidator(known_weekday)]
Date = Annotated[str, AfterValidator(known_date)]
Zone = Annotated[str, AfterValidator(known_timezone)]
Country = Annotated[str, AfterValidator(lambda code: known_country(code) if code else "")]


class LeadsSettings(_Section):
    """When an enquiry is a lead, when it has waited too long, and when the business is open."""

    rules: str = Field("rules.toml", description="rules of classification; not there or empty: those of the program")
    timezone: Zone = Field(DEFAULTS["timezone"], description="of the business")
    country: Country = Field(
        DEFAULTS["country"], description="whose public holidays are closed, as AR or AR-B; empty: no holidays"
    )
    target_minutes: float = Field(
        DEFAULTS["target_minutes"],
        gt=0,
        le=MOST_MINUTES,
        allow_inf_nan=False,
        description="business minutes that an enquiry may wait",
    )
    reopen_days: int = Field(30, ge=0, le=3650, description="a lost lead that comes back so soon is the same one")
    burst_seconds: Seconds = Field(120, description="messages closer than this are judged as one")
    stale_days: Days = Field(
        DEFAULTS["stale_days"], description="an open lead without a word or a plan for so long is stale"
    )
    dormant_days: Days = Field(
        DEFAULTS["dormant_days"], description="an open lead silent for so long is proposed as dormant"
    )
    hours: dict[Weekday, Times] = Field(
        DEFAULTS["hours"],
        description="openings of each weekday; one not named is closed",
    )
    overrides: dict[Date, Times] = Field(
        DEFAULTS["overrides"], description="openings of single dates; they win over weekday and holiday"
    )

    campaigns: dict[str, Annotated[str, AfterValidator(_campaign_text)]] = Field(
        {}, description="what customers write who come by a campaign's link, by the campaign's name"
    )

    def named_campaigns(self) -> tuple[Campaign, ...]:
        """As they are sought in messages."""
        return tuple(Campaign.of(name, text) for name, text in self.campaigns.items())

    def calendar(self) -> BusinessCalendar:
        """When the business is open."""
        return BusinessCalendar.of(self.hours, self.overrides, self.timezone, self.country)


class Settings(BaseSettings):
    """The whole of it. Made by `load`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter="__", validate_default=True
    )

    state_dir: str = Field(DEFAULT_STATE_DIR, min_length=1, description="everything that persists lives under here")
    listener: ListenerSettings = ListenerSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    capture: CaptureSettings = CaptureSettings()
    database: DatabaseSettings = DatabaseSettings()
    leads: LeadsSettings = LeadsSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file; there are no others."""
        return env_settings, init_settings

    def timing(self) -> Timing:
        """The timing profile with these settings in it."""
        profile = replace(
            Timing(),
            backoff_first=self.supervisor.backoff_first,
            backoff_max=self.supervisor.backoff_max,
            calm_period=self.supervisor.calm_period,
            start_timeout=self.supervisor.start_timeout,
            heartbeat_timeout=self.supervisor.heartbeat_timeout,
            settle_after_pairing=self.listener.settle_after_pairing,
            sweep_interval=self.listener.sweep_interval,
        )
        return profile.divided_by(self.supervisor.time_divisor)

    def capture_rules(self) -> CaptureRules:
        """`[capture]` as `ingest` asks it."""
        return CaptureRules(self.capture.groups, ignore_list(list(self.capture.ignore)))


def load(explicit: str | None) -> tuple[Settings, Paths]:
    """Read, check and resolve. Raises CannotUseSettings, one line for each thing that is wrong."""
    file = find_file(explicit)
    data = read_file(file) if file else {}
    where = str(file) if file else "built-in defaults"
    problems = _environment_problems()
    _drop_tables_of_the_environment(data)
    try:
        settings = Settings(**data)
    except ValidationError as error:
        problems += [_sentence(where, each) for each in error.errors()]
    except SettingsError as error:
        if not problems:
            problems.append(f"cannot read the environment: {error}; lists and tables are written as JSON")
    except TypeError as error:  # a key that is no identifier at all
        problems.append(f"cannot read {where}: {error}")
    if problems:
        raise CannotUseSettings("\n".join(problems))
    return settings, resolve_paths(file, settings.state_dir, settings.database.path)


_AS_JSON: Final[dict[Any, str]] = {
    tuple: 'a list as JSON, like ["one", "two"]',
    dict: 'a table as JSON, like {"mon": [["09:00", "13:00"]]} or {"name": "text"}',
}


def _variables() -> dict[str, tuple[str, str]]:
    """Every variable that is a setting, with its key and, for lists and tables, how it is written."""
    found = {}
    for name, top in Settings.model_fields.items():
        section = top.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for key, field in section.model_fields.items():
                written = _AS_JSON.get(get_origin(field.annotation), "")
                found[f"{ENV_PREFIX}{name}__{key}".upper()] = (f"{name}.{key}", written)
        else:
            found[f"{ENV_PREFIX}{name}".upper()] = (name, "")
    return found


def _environment_problems() -> list[str]:
    """What pydantic would pass over in silence, or not name: unknown variables; lists and tables that are no JSON."""
    problems = []
    variables = _variables()
    for name, value in os.environ.items():
        if not name.upper().startswith(ENV_PREFIX):
            continue
        if name.upper() not in variables:
            problems.append(f"cannot use the variable {name}: it is unknown; {_known_keys(name, set(variables))}")
            continue
        key, written = variables[name.upper()]
        if written and not _is_json(value):
            problems.append(f"cannot use the variable {name}: `{key}` = {value!r}: must be {written}")
    return problems


def _drop_tables_of_the_environment(data: dict[str, Any]) -> None:
    """A table from the environment replaces the file's; pydantic would mix the two."""
    variables = _variables()
    for name in os.environ:
        key, written = variables.get(name.upper(), ("", ""))
        section, _, table = key.partition(".")
        if written == _AS_JSON[dict] and isinstance(data.get(section), dict):
            data[section].pop(table, None)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _sentence(where: str, error: Any) -> str:
    """One problem: file (or variable), key, value, what is allowed."""
    loc = [str(part) for part in error["loc"] if part != "[key]"]  # so pydantic says that a table's key is wrong
    key = ".".join(loc)
    # a list's entry is the list's, so two parts at most
    variable = ENV_PREFIX + "__".join(loc[:2]).upper()
    source = next((f"the variable {name}" for name in os.environ if name.upper() == variable), where)
    if error["type"] == "extra_forbidden":
        parent: Any = Settings
        for part in loc[:-1]:
            parent = parent.model_fields[part].annotation
        return f"cannot use {source}: `{key}` is unknown; {_known_keys(loc[-1], set(parent.model_fields))}"
    patterns = {
        "listener.pairing_phone": "digits only, with the country code (or empty)",
        "supervisor.nightly_restart": "a time of day as 03:30 (or empty)",
    }
    allowed = {
        "string_pattern_mismatch": patterns.get(key),
        "bool_type": "true or false",
        "bool_parsing": "true or false",
        "string_type": "text in quotes",
        "tuple_type": "a list in brackets",
        "dict_type": 'a table, as { mon = [["09:00", "13:00"]] } or { name = "text" }',
        "model_type": "a section, written as [section]",
    }.get(error["type"]) or _lowered(str(error["msg"]))
    return f"cannot use {source}: `{key}` = {error['input']!r}: must be {allowed}"


def _lowered(message: str) -> str:
    for start in ("Input should be ", "Value error, "):
        message = message.removeprefix(start)
    return message


def _known_keys(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{close[0]}`? " if close else ""
    return f"{hint}known here: {', '.join(sorted(known))}"
