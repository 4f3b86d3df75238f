"""Settings: one TOML file plus the environment, checked as a whole, with errors in sentences.

Every key can be set as LEADMASTERD_SECTION__KEY, which wins over the file. config.example.toml is drawn from this model
by tools/draw_settings.py. Finding the file and the state directory needs no pydantic: `settings.paths`.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from leadmasterd.capture import CaptureRules, ignore_list
from leadmasterd.errors import CannotUseSettings
from leadmasterd.language import Language, spoken
from leadmasterd.leads.calendar import known_date, known_timezone, known_weekday, openings
from leadmasterd.leads.public_holidays import known_country
from leadmasterd.leads.touchpoints import Campaign
from leadmasterd.settings.alerts import AlertsSettings
from leadmasterd.settings.feeds import FEED_KINDS, FeedName, FeedSettings, JsonLinesFeed, OtherFeed, outbox_mode
from leadmasterd.settings.leads_light import DEFAULTS, MOST_DAYS, MOST_MINUTES
from leadmasterd.settings.paths import (
    DEFAULT_DATABASE,
    DEFAULT_STATE_DIR,
    ENV_PREFIX,
    Paths,
    base_folder,
    find_file,
    path_from,
    read_file,
    resolve_paths,
)
from leadmasterd.settings.plain import PlainLeads, PlainListener, PlainSettings
from leadmasterd.settings.section import Section
from leadmasterd.settings.sending import OutboundSettings
from leadmasterd.settings.web import WebSettings
from leadmasterd.supervisor.timing import Timing
from leadmasterd.text import _, later, nearest

Seconds = Annotated[float, Field(gt=0, le=30 * 86400, allow_inf_nan=False)]
Days = Annotated[int, Field(ge=1, le=MOST_DAYS)]
_DIGITS: Final = r"^([1-9][0-9]{6,14})?$"


class GeneralSettings(Section):
    """What concerns the whole program."""

    language: Literal["auto", "es", "en"] = Field(
        "auto",
        description=(
            'The language of commands, the page and alerts: "es" or "en". "auto": that of the environment (LC_ALL, '
            "LC_MESSAGES, LANG); if that names none, as in a service, that of leads.country. JSON and logs are English."
        ),
    )


class ListenerSettings(Section):
    """The Node child and its browser."""

    node: str = Field("", description="Path of node. Empty: found on PATH.")
    browser: str = Field("", description="Path of a headless shell, Chromium or Chrome. Empty: the best one here.")
    browser_args: tuple[str, ...] = Field((), description="Extra browser arguments, for special cases only.")
    user_agent: str = Field(
        "", description="Empty: made from the browser's own version, which is what WhatsApp Web expects."
    )
    pairing_phone: str = Field(
        "",
        pattern=_DIGITS,
        json_schema_extra={"allowed": later("digits only, with the country code (or empty)")},
        description=(
            "Pair by an 8-character code for this number instead of a QR code: digits with country code "
            "(5491155550100)."
        ),
    )
    settle_after_pairing: float = Field(
        600,
        ge=0,
        le=86400,
        allow_inf_nan=False,
        description=(
            "Grace after a fresh pairing: only listen for this long, no backfill. The phone unlinks "
            "companions that misbehave."
        ),
    )
    sweep_interval: Seconds = Field(
        60, description="How often the browser's own message store is compared with what was captured (a backfill)."
    )
    presence_unavailable: bool = Field(
        True,
        description=(
            "Report this device as not being looked at, so that the phone keeps notifying. The only write to WhatsApp."
        ),
    )


class SupervisorSettings(Section):
    """How long the listener may take for each step, and when it is restarted."""

    backoff_first: Seconds = Field(
        1,
        description=(
            "Retry backoff: after a failure wait a random time up to backoff_first, then up to twice that, and so on."
        ),
    )
    backoff_max: Seconds = Field(300, description="The longest such wait.")
    calm_period: Seconds = Field(300, description="This much good uptime forgives earlier failures.")
    start_timeout: Seconds = Field(
        240, description="From start to a QR code or a session; after that the listener is restarted."
    )
    heartbeat_timeout: Seconds = Field(15, description="Two missed heartbeats of this length restart the listener.")
    nightly_restart: str = Field(
        "03:30",
        pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$",
        json_schema_extra={"allowed": later("a time of day such as 03:30 (or empty)")},
        description=(
            "Planned restart of the browser, with a snapshot of the session: local time of the machine. Empty: never."
        ),
    )
    memory_ceiling_mb: int = Field(
        1500,
        ge=300,
        le=100_000,
        description="Planned restart when daemon, Node and browser together use more memory (PSS), in megabytes.",
    )
    disk_floor_mb: int = Field(500, ge=0, le=1_000_000, description="Warn when less disk is free, in megabytes.")
    time_divisor: float = Field(
        1, ge=1, le=1000, allow_inf_nan=False, description="Divide all durations, for trials only."
    )


class CaptureSettings(Section):
    """Which chats are captured."""

    groups: bool = Field(
        False,
        description="Keep group chats too. Direct chats are always captured; status, broadcasts and channels never.",
    )
    first_link_days: int = Field(
        0,
        ge=0,
        le=365,
        description="Days of history to fetch from before the first link. 0: only what arrives after it.",
    )
    ignore: tuple[str, ...] = Field(
        (),
        description=(
            "Chats that are never stored: phone numbers in any form that can be dialled in leads.country, or chat "
            'ids ("+54 9 11 5555-0001", "011 15 5555-0001", "12345@lid"). Other ids of the same people, such as a new '
            "number, are ignored too, once WhatsApp has told them."
        ),
    )

    @field_validator("ignore")
    @classmethod
    def _each_is_a_chat(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what is neither a chat id nor a phone number. Numbers are checked later, with the country."""
        for entry in value:
            if "@" not in entry and len("".join(filter(str.isdigit, entry))) < 7:
                raise ValueError(_("phone numbers or chat ids ({entry!r} is neither)").format(entry=entry))
        return value


class DatabaseSettings(Section):
    """Where messages are stored, and for how long their raw lines are."""

    path: str = Field(DEFAULT_DATABASE, min_length=1, description="Relative to state_dir.")
    raw_days: int = Field(
        7,
        ge=0,
        le=MOST_DAYS,
        description=(
            "Days for which the listener's own lines behind the messages are kept: the last day's in raw_events, older "
            "ones compressed (`leadmasterd messages --raw`). 0: for ever."
        ),
    )


def _times(value: Any) -> Any:
    """The same value, if it is the opening hours of one day. Raises ValueError."""
    openings(value)  # raises it
    return value


def _campaign_text(text: str) -> str:
    """The same text, if it can be found in messages. Raises ValueError."""
    Campaign.of("", text)  # raises it
    return text


Times = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_times)]
Weekday = Annotated[str, AfterValidator(known_weekday)]
Date = Annotated[str, AfterValidator(known_date)]
Zone = Annotated[str, AfterValidator(known_timezone)]
Country = Annotated[str, AfterValidator(lambda code: known_country(code) if code else "")]


class LeadsSettings(Section):
    """When an enquiry is a lead, when it is overdue, and when the business is open."""

    rules: str = Field(
        "rules.toml",
        description=(
            "Your classification rules, next to this file. Empty, or while the file does not exist: the packaged rules."
        ),
    )
    timezone: Zone = Field(
        DEFAULTS["timezone"],
        description=(
            "The business's time zone, by its IANA name: for opening hours, and for all times that commands show "
            "and accept."
        ),
    )
    country: Country = Field(
        DEFAULTS["country"],
        description=(
            'Closed on public holidays of this country: two letters, or with a region, such as "AR-B". Empty: no '
            "holidays. They come from a library, so holidays decreed since its release are missing. Days on which "
            "every employer may open (in Argentina Holy Thursday and the bridge days, in Brazil and Uruguay carnival) "
            "count as open. Add what is different for you to overrides."
        ),
    )
    target_minutes: float = Field(
        DEFAULTS["target_minutes"],
        gt=0,
        le=MOST_MINUTES,
        allow_inf_nan=False,
        description=(
            "SLA target: minutes of opening hours that an enquiry may wait for an answer before it is overdue."
        ),
    )
    reopen_days: int = Field(
        30,
        ge=0,
        le=3650,
        description=(
            "A lost or dormant lead that writes again within this many days is reopened; later it is a new lead."
        ),
    )
    burst_seconds: Seconds = Field(
        120, description="Messages less than this apart are one burst and classified together, in seconds."
    )
    stale_days: Days = Field(
        DEFAULTS["stale_days"],
        description="An open lead is stale after this many days without a message or a planned follow-up.",
    )
    dormant_days: Days = Field(
        DEFAULTS["dormant_days"], description="An open lead is proposed as dormant after this many silent days."
    )
    hours: dict[Weekday, Times] = Field(
        DEFAULTS["hours"],
        description='Opening hours of each weekday; a day that is not named is closed. "24:00" may end an opening.',
    )
    overrides: dict[Date, Times] = Field(
        DEFAULTS["overrides"],
        description=(
            "Opening hours of single dates, which win over weekdays and holidays. A closed date, and one with "
            "other hours:\n"
            'overrides = { "2027-02-08" = [], "2026-12-24" = [["09:00", "13:00"]] }'
        ),
    )

    campaigns: dict[str, Annotated[str, AfterValidator(_campaign_text)]] = Field(
        {},
        description=(
            "The text that a campaign's button or link writes for the customer, by the campaign's name; case, "
            "accents and punctuation are ignored. Leads that came by it show and export the name.\n"
            'campaigns = { "Instagram, summer" = "Hola! Vi la promo de verano" }'
        ),
    )

    def plain(self) -> PlainLeads:
        """These settings as plain values, which the daemon keeps: without pydantic it takes less memory."""
        return PlainLeads(
            rules=self.rules,
            timezone=self.timezone,
            country=self.country,
            target_minutes=float(self.target_minutes),
            reopen_days=self.reopen_days,
            burst_seconds=float(self.burst_seconds),  # pydantic leaves the default an int
            hours=dict(self.hours),
            overrides=dict(self.overrides),
            campaigns=dict(self.campaigns),
        )


class Settings(BaseSettings):
    """All settings. Made by `load`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter="__", validate_default=True
    )

    state_dir: str = Field(
        DEFAULT_STATE_DIR,
        min_length=1,
        description="Everything that persists: the database, the WhatsApp session, status.json.",
    )
    general: GeneralSettings = GeneralSettings()
    listener: ListenerSettings = ListenerSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    capture: CaptureSettings = CaptureSettings()
    database: DatabaseSettings = DatabaseSettings()
    leads: LeadsSettings = LeadsSettings()
    alerts: AlertsSettings = AlertsSettings()
    web: WebSettings = WebSettings()
    outbound: OutboundSettings = OutboundSettings()
    feeds: dict[FeedName, FeedSettings] = Field(
        {}, description="Other programs that are given events, each by a section [feeds.NAME]. Without one, none is."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings come from: first the environment, which wins, then the file, whose content `load` passes."""
        return env_settings, init_settings

    def language(self) -> Language:
        """In which language this process is to speak."""
        return spoken(self.general.language, os.environ, self.leads.country)

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
        """`[capture]` as `CaptureFilter` takes it. Raises ValueError for an ignored number that can't be dialled."""
        country = self.leads.country.partition("-")[0].upper()
        return CaptureRules(self.capture.groups, ignore_list(self.capture.ignore, country))

    def plain(self) -> PlainSettings:
        """The settings of the daemon as plain values.

        The daemon keeps only these. A short-lived process loads pydantic instead, which would take 13 MB in the daemon.
        """
        listener = self.listener
        supervisor = self.supervisor
        return PlainSettings(
            language=self.language(),
            listener=PlainListener(
                node=listener.node,
                browser=listener.browser,
                browser_args=listener.browser_args,
                user_agent=listener.user_agent,
                pairing_phone=listener.pairing_phone,
                presence_unavailable=listener.presence_unavailable,
            ),
            timing=self.timing(),
            capture=self.capture_rules(),
            first_link_days=self.capture.first_link_days,
            leads=self.leads.plain(),
            nightly_restart=supervisor.nightly_restart,
            memory_ceiling_mb=supervisor.memory_ceiling_mb,
            disk_floor_mb=supervisor.disk_floor_mb,
            raw_days=self.database.raw_days,
            alerts_in_use=self.alerts.in_use,
            outbox=outbox_mode(self.feeds.values()),
        )


def load(explicit: str | None) -> tuple[Settings, Paths]:
    """Read all settings from the file and the environment, check them, and find the paths in them.

    `explicit`: the file of `--config`; None: as `find_file` finds it. Raises CannotUseSettings, one line for each
    problem.
    """
    file = find_file(explicit)
    data = read_file(file) if file else {}
    where = str(file) if file else _("built-in defaults")
    problems = _environment_problems()
    _drop_tables_of_the_environment(data)
    try:
        settings = Settings(**data)
    except ValidationError as error:
        already_told = _unknown_variables()  # `_environment_problems` has named them
        problems += [
            _sentence(where, each)
            for each in _worth_telling(error.errors())
            if _variable(each["loc"]) not in already_told
        ]
    except (SettingsError, RecursionError):
        if not problems:
            problems.append(_("cannot read the environment: lists and tables are written as JSON"))
    except TypeError:  # a key that pydantic takes for one of its own arguments
        problems.append(
            _("cannot use {where}: one of its keys is unknown; {hint}").format(
                where=where, hint=_known_keys("", set(Settings.model_fields))
            )
        )
    else:
        problems += _contradictions(where, settings)
    if problems:
        raise CannotUseSettings("\n".join(problems))
    settings = settings.model_copy(update={"listener": _placed(settings.listener, base_folder(file))})
    return settings, resolve_paths(file, settings.state_dir, settings.database.path)


def _placed(listener: ListenerSettings, folder: Path) -> ListenerSettings:
    """The settings with absolute paths of node and the browser: relative ones start from the settings file's folder."""
    programs = {"node": listener.node, "browser": listener.browser}
    return listener.model_copy(update={key: str(path_from(folder, path)) for key, path in programs.items() if path})


def _contradictions(where: str, settings: Settings) -> list[str]:
    """A sentence for each value that is allowed alone, but not together with another. `where`: the settings file."""
    problems = []
    supervisor = settings.supervisor
    if supervisor.backoff_first > supervisor.backoff_max:
        problems.append(
            _must_be(
                where,
                "supervisor.backoff_first",
                f"{supervisor.backoff_first:.15g}",
                _("at most `supervisor.backoff_max`, which is {most:.15g}").format(most=supervisor.backoff_max),
            )
        )
    try:
        settings.capture_rules()
    except ValueError as error:
        source = _source(("capture", "ignore"), where)
        problems.append(_must_be(source, "capture.ignore", str([*settings.capture.ignore]), str(error)))
    if wrong := settings.alerts.problem():
        key, value, allowed = wrong
        problems.append(_must_be(_source(("alerts", key), where), f"alerts.{key}", value, allowed))
    first_to_write: dict[Path, str] = {}  # for each file the name of the first feed that writes it
    for name, feed in settings.feeds.items():
        problem = feed.problem()
        if isinstance(feed, JsonLinesFeed):
            first = first_to_write.setdefault(Path(settings.state_dir) / feed.file(name), name)
            if first != name:
                problem = "path", repr(feed.path), _("another file than that of `feeds.{first}`").format(first=first)
        if problem:
            key, value, allowed = problem
            source = _source(("feeds", name), where)
            problems.append(_must_be(source, f"feeds.{name}.{key}", value, allowed))
    return problems


def _must_be(source: str, key: str, value: str, allowed: str) -> str:
    """A sentence about a wrong value. `source`: the file or variable that it is in; `value`: as people may see it."""
    return _("cannot use {source}: `{key}` = {value}: must be {allowed}").format(
        source=source, key=key, value=value, allowed=allowed
    )


def _unknown(source: str, key: str, hint: str) -> str:
    """A sentence about a key that is no setting. `source`: the file or variable that it is in."""
    return _("cannot use {source}: `{key}` is unknown; {hint}").format(source=source, key=key, hint=hint)


def _worth_telling(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """The errors without those that follow from another: in a feed whose kind is wrong, every other key is unknown."""
    # An error below `feeds` has as its `loc`: `feeds`, the feed's name, and so on down to the key.
    wrong_kind = {each["loc"][1] for each in errors if each["loc"][0] == "feeds" and each["loc"][-1] == "kind"}

    def follows_from_kind(error: ErrorDetails) -> bool:
        loc = error["loc"]
        return error["type"] == "extra_forbidden" and loc[0] == "feeds" and loc[1] in wrong_kind

    return [each for each in errors if not follows_from_kind(each)]


_AS_JSON: Final[dict[Any, str]] = {
    tuple: later('a list as JSON, like ["one", "two"]'),
    dict: later('a table as JSON, like {{"mon": [["09:00", "13:00"]]}} or {{"name": "text"}}'),
}
"""By a setting's type, how its variable is written; as a template for `format`."""


def _variables() -> dict[str, tuple[str, str]]:
    """Every variable that is a setting, in capitals, with the setting's key and how its value is written.

    The last is a text of `_AS_JSON` for lists and tables, and empty for other types.
    """
    found = {}
    for name, top in Settings.model_fields.items():
        section = top.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for key, field in section.model_fields.items():
                written = _AS_JSON.get(get_origin(field.annotation), "")
                found[f"{ENV_PREFIX}{name}__{key}".upper()] = (f"{name}.{key}", written)
        else:
            found[f"{ENV_PREFIX}{name}".upper()] = (name, _AS_JSON.get(get_origin(section), ""))
    return found


def _environment_problems() -> list[str]:
    """A sentence for each wrong variable that pydantic would not report, or not by its name.

    These are unknown variables, and lists and tables that are not JSON.
    """
    problems = []
    variables = _variables()
    unknown = _unknown_variables()
    for name, value in os.environ.items():
        if not name.upper().startswith(ENV_PREFIX):
            continue
        if name.upper() in unknown:
            problems.append(
                _("cannot use the variable {name}: it is unknown; {hint}").format(
                    name=name, hint=_known_keys(name, _alike(name.upper(), set(variables)))
                )
            )
            continue
        key, written = variables[name.upper()]
        if written and not _is_json(value):
            problems.append(_must_be(_the_variable(name), key, repr(value), _(written).format()))
    return problems


def _unknown_variables() -> set[str]:
    """The variables, in capitals, that begin with ENV_PREFIX and are no setting."""
    return {name.upper() for name in os.environ if name.upper().startswith(ENV_PREFIX)} - set(_variables())


def _alike(name: str, variables: set[str]) -> set[str]:
    """The variables to list as a hint for this unknown one: a few, because there are more than fifty.

    These are the variables of its section, those with its last word, and the one that is spelled most like it. If there
    are none of these, all.
    """
    section = _section_of(name)
    last_word = name.rpartition("__")[2].removeprefix(ENV_PREFIX)
    alike = {each for each in variables if _section_of(each) == section}
    alike |= {each for each in variables if each.endswith((f"__{last_word}", f"{ENV_PREFIX}{last_word}"))}
    if close := nearest(name, variables):
        alike.add(close)
    return alike or variables


def _section_of(variable: str) -> str:
    return variable.removeprefix(ENV_PREFIX).split("__")[0]


def _variable(loc: Sequence[int | str]) -> str:
    """The name of the variable for an error's `loc`: made of the section and the key, without what is below the key."""
    return ENV_PREFIX + "__".join(str(part) for part in loc[:2]).upper()


def _drop_tables_of_the_environment(data: dict[str, Any]) -> None:
    """Remove from the file's `data` each table that the environment sets too: pydantic would mix the two."""
    variables = _variables()
    for name in os.environ:
        key, written = variables.get(name.upper(), ("", ""))
        if written != _AS_JSON[dict]:
            continue
        section, _dot, table = key.partition(".")
        if not table:  # `feeds`, which is a table itself
            data.pop(section, None)
        elif isinstance(data.get(section), dict):
            data[section].pop(table, None)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


_ELSE: Final = later("as config.example.toml shows it")
_ALLOWED: Final[Mapping[str, str]] = {
    "bool_type": later("true or false"),
    "bool_parsing": later("true or false"),
    "float_type": later("a number"),
    "float_parsing": later("a number"),
    "finite_number": later("a finite number"),
    "int_type": later("a whole number"),
    "int_parsing": later("a whole number"),
    "int_parsing_size": later("a whole number"),
    "int_from_float": later("a whole number"),
    "greater_than": later("greater than {gt:.15g}"),
    "greater_than_equal": later("at least {ge:.15g}"),
    "less_than": later("less than {lt:.15g}"),
    "less_than_equal": later("at most {le:.15g}"),
    "string_type": later("text in quotes"),
    "string_unicode": later("text in quotes"),
    "string_too_short": later("some text, not an empty one"),
    "too_short": later('a pair of times, as in [["09:00", "13:00"]]'),
    "too_long": later('a pair of times, as in [["09:00", "13:00"]]'),
    "tuple_type": later("a list in brackets"),
    "dict_type": later('a table, as {{ mon = [["09:00", "13:00"]] }} or {{ name = "text" }}'),
    "model_type": later("a section, written as [section]"),
    "secret_type": later("text in quotes"),
}
"""What is allowed instead, by pydantic's type of error. Names in braces are values of the error's context. Errors of
our own checks say themselves what is allowed."""


def _sentence(where: str, error: ErrorDetails) -> str:
    """An error of pydantic as a sentence: the file or variable, the key, the value, and what is allowed.

    `where`: the settings file, for what is not set by a variable.
    """
    loc = [str(part) for part in error["loc"] if part != "[key]"]  # pydantic marks a table's wrong key so
    key = ".".join(loc)
    source = _source(loc, where)
    if loc[0] == "feeds":
        return _sentence_of_a_feed(source, loc, error)
    if error["type"] == "extra_forbidden":
        return _unknown(source, key, _known_keys(loc[-1], set(_fields(loc[:-1]))))
    if error["type"] == "string_pattern_mismatch":
        extra = _fields(loc[:-1])[loc[-1]].json_schema_extra  # words for the pattern, which people do not read
        allowed = _(str(extra["allowed"])) if isinstance(extra, dict) else _allowed(error)
    else:
        allowed = _allowed(error)
    is_secret = tuple(loc[:2]) in _SECRETS
    given = "…" if is_secret else repr(error["input"])
    return _must_be(source, key, given, allowed)


_SECRETS: Final = {("alerts", "to"), ("alerts", "ping_url")}
"""Never shown, not even when they are wrong: passwords and tokens are in them."""


def _sentence_of_a_feed(source: str, loc: list[str], error: ErrorDetails) -> str:
    """An error of pydantic below `feeds` as a sentence. Secrets and URLs are never shown, not even when they are wrong.

    `loc`: `feeds`, the feed's name, the kind as which pydantic read it, then the key.
    """
    kind = loc[2] if len(loc) > 2 else ""
    loc = [*loc[:2], *loc[3:]]
    key = ".".join(loc)
    if error["type"] == "string_pattern_mismatch":
        return _("cannot use {source}: `{key}`: a feed's name must be of a-z, 0-9, - and _, at most 40").format(
            source=source, key=key
        )
    if error["type"] == "extra_forbidden":
        known = set((FEED_KINDS.get(kind) or OtherFeed).model_fields)
        return _unknown(source, key, _known_keys(loc[-1], known))
    if error["type"] == "missing":
        return _("cannot use {source}: `{key}` is missing: it must be given").format(source=source, key=key)
    given = "…" if "secrets" in loc or "url" in loc else repr(error["input"])
    return _must_be(source, key, given, _allowed(error))


def _source(loc: Sequence[str], where: str) -> str:
    """Where the value at `loc` comes from, in words: the variable that sets it, or else `where`, the settings file.

    Only the first one or two parts make a variable's name; an entry of a list or table is part of its value.
    """
    possible = {ENV_PREFIX + "__".join(loc[:parts]).upper() for parts in (1, 2)}
    return next((_the_variable(name) for name in os.environ if name.upper() in possible), where)


def _the_variable(name: str) -> str:
    return _("the variable {name}").format(name=name)


def _fields(path: Sequence[str]) -> Mapping[str, FieldInfo]:
    """The fields of the section at this path, by name; those of the whole file for an empty path."""
    model: type[BaseModel] = Settings
    for part in path:
        annotation = model.model_fields[part].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, BaseModel)
        model = annotation
    return model.model_fields


def _allowed(error: ErrorDetails) -> str:
    """What is allowed instead of the value that this error is about, in words."""
    if error["type"] == "value_error":  # of a check of ours
        return error["msg"].removeprefix("Value error, ")
    if error["type"] == "literal_error":  # pydantic lists what is allowed: 'auto', 'es' or 'en'
        return str(error.get("ctx", {}).get("expected", "")).replace(" or ", _(" or "))
    return _(_ALLOWED.get(error["type"], _ELSE)).format(**error.get("ctx", {}))


def _known_keys(name: str, known: set[str]) -> str:
    """A hint for an unknown name: the known name that is most like it, if there is one, and a list of all."""
    close = nearest(name, known)
    hint = _("did you mean `{close}`?").format(close=close) + " " if close else ""
    return hint + _("known here: {known}").format(known=", ".join(sorted(known)))
