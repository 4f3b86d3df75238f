"""Settings: every wrong value is reported with file, key and what is allowed, and both readers agree."""

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from leadmasterd.alerts.kinds import Kind
from leadmasterd.classify.rules_file import parse
from leadmasterd.errors import CannotUseRules, CannotUseSettings
from leadmasterd.leads.calendar import BusinessCalendar
from leadmasterd.settings import paths, variables
from leadmasterd.settings.alerts import KINDS
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.model import Settings, load
from leadmasterd.settings.paths import Paths, find_paths
from leadmasterd.settings.plain import read_plain
from leadmasterd.settings.sending import OutboundSettings, outbound_database, read_outbound
from leadmasterd.supervisor.timing import Timing
from leadmasterd.text import speaking

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use no settings but the test's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "SYSTEM_FILE", tmp_path / "etc" / "config.toml")


def written(text: str, name: str = "config.toml") -> Path:
    """Write a settings file to the current folder."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems(text: str = "") -> list[str]:
    """The errors in these settings, one line each."""
    path = written(text)
    with pytest.raises(CannotUseSettings) as refused:
        load(str(path))
    return str(refused.value).splitlines()


def keys_of(model: type[BaseModel]) -> dict[str, Any]:
    """Every key with its default, including nested sections."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        found[name] = keys_of(inner) if isinstance(inner, type) and issubclass(inner, BaseModel) else field.default
    return found


URL = "https://hub.example/hook"
HUB = '[feeds.hub]\nkind = "webhook"\nsecrets = ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]'

WRONG: list[tuple[str, str, str, str]] = [
    ("state_dir = 5", "state_dir", "5", "text in quotes"),
    ('state_dir = ""', "state_dir", "''", "some text, not an empty one"),
    ("listener = 5", "listener", "5", "a section"),
    ("[listener]\nnode = 5", "listener.node", "5", "text in quotes"),
    ('[listener]\nbrowser_args = "--x"', "listener.browser_args", "'--x'", "a list in brackets"),
    ("[listener]\nbrowser_args = [5]", "listener.browser_args.0", "5", "text in quotes"),
    ('[listener]\npairing_phone = "+54 9 11"', "listener.pairing_phone", "'+54 9 11'", "digits only"),
    ('[listener]\npairing_phone = "0111555"', "listener.pairing_phone", "'0111555'", "digits only"),
    ("[listener]\nsweep_interval = 0", "listener.sweep_interval", "0", "greater than 0"),
    ("[listener]\nsweep_interval = nan", "listener.sweep_interval", "nan", "finite"),
    ("[listener]\nsettle_after_pairing = -1", "listener.settle_after_pairing", "-1", "at least 0"),
    ("[listener]\nsettle_after_pairing = inf", "listener.settle_after_pairing", "inf", "finite"),
    ('[listener]\npresence_unavailable = "perhaps"', "listener.presence_unavailable", "'perhaps'", "true or false"),
    ("[supervisor]\nbackoff_max = 1e9", "supervisor.backoff_max", "1000000000.0", "at most 2592000"),
    ('[supervisor]\ncalm_period = "soon"', "supervisor.calm_period", "'soon'", "number"),
    ("[supervisor]\ntime_divisor = 0.5", "supervisor.time_divisor", "0.5", "at least 1"),
    (
        "[supervisor]\nbackoff_first = 9\nbackoff_max = 5",
        "supervisor.backoff_first",
        "9",
        "at most `supervisor.backoff_max`",
    ),
    ("[supervisor]\nbackoff_first = true", "supervisor.backoff_first", "True", "a number"),
    ("[capture]\nfirst_link_days = true", "capture.first_link_days", "True", "a whole number"),
    ("[leads]\ntarget_minutes = false", "leads.target_minutes", "False", "a number"),
    ("[capture]\ngroups = []", "capture.groups", "[]", "true or false"),
    ("[capture]\nfirst_link_days = 1.5", "capture.first_link_days", "1.5", "a whole number"),
    ("[capture]\nfirst_link_days = 400", "capture.first_link_days", "400", "at most 365"),
    ('[capture]\nignore = ["Ana"]', "capture.ignore", "Ana", "phone numbers or chat ids"),
    ('[capture]\nignore = ["12345"]', "capture.ignore", "12345", "phone numbers or chat ids"),
    ('[database]\npath = ""', "database.path", "''", "some text, not an empty one"),
    ('[capture]\nignore = ["15 5555-0001"]', "capture.ignore", "'15 5555-0001'", "as dialled in AR, or chat ids"),
    (
        '[capture]\nignore = ["11 5555-0001"]\n[leads]\ncountry = ""',
        "capture.ignore",
        "'11 5555-0001'",
        "with + and the country's code, because `leads.country` is empty",
    ),
    ("leads = []", "leads", "[]", "a section"),
    ("[leads]\nrules = false", "leads.rules", "False", "text in quotes"),
    (
        '[leads]\ntimezone = "Buenos_Aires"',
        "leads.timezone",
        "'Buenos_Aires'",
        "a time zone such as America/Argentina/",
    ),
    ('[leads]\ntimezone = "america/argentina/ushuaia"', "leads.timezone", "ushuaia", "did you mean America/Argentina/"),
    ('[leads]\ncountry = "Argentina"', "leads.country", "'Argentina'", "two letters such as AR"),
    ('[leads]\ncountry = "AR-9"', "leads.country", "'AR-9'", "AR-A (Salta), AR-B (Buenos Aires)"),
    ("[leads]\ntarget_minutes = 0", "leads.target_minutes", "0", "greater than 0"),
    ("[leads]\ntarget_minutes = inf", "leads.target_minutes", "inf", "finite"),
    ("[leads]\nreopen_days = -1", "leads.reopen_days", "-1", "at least 0"),
    ("[leads]\nburst_seconds = 0", "leads.burst_seconds", "0", "greater than 0"),
    ("[leads]\nstale_days = 0", "leads.stale_days", "0", "at least 1"),
    ("[leads]\ndormant_days = 0.5", "leads.dormant_days", "0.5", "a whole number"),
    ("[leads]\nhours = []", "leads.hours", "[]", "a table, as {"),
    ("[leads.hours]\nlun = []", "leads.hours.lun", "'lun'", "one of mon, tue, wed"),
    ('[leads.hours]\nmon = "09:00-13:00"', "leads.hours.mon", "'09:00-13:00'", "openings such as [["),
    ('[leads.hours]\nmon = [["9:00", "13:00"]]', "leads.hours.mon", "9:00", "'9:00' is not a time of day"),
    ('[leads.hours]\nmon = [["13:00", "09:00"]]', "leads.hours.mon", "13:00", "ends before it begins"),
    ('[leads.hours]\nmon = [["09:00", "13:00"], ["12:00", "14:00"]]', "leads.hours.mon", "12:00", "in two of them"),
    ("[leads.overrides]\n2026-02-29 = []", "leads.overrides.2026-02-29", "'2026-02-29'", "as 2026-12-24"),
    ("[leads.overrides]\n2026-12-24 = [[]]", "leads.overrides.2026-12-24", "[[]]", "[] is not a pair of times"),
    ("[outbound]\nenabled = 5", "outbound.enabled", "5", "true or false"),
    ('[outbound]\naccount = "+54 9 11"', "outbound.account", "'+54 9 11'", "digits only"),
    ('[outbound]\ndatabase = ""', "outbound.database", "''", "some text, not an empty one"),
    ('[outbound]\nquiet_hours = "21-9"', "outbound.quiet_hours", "'21-9'", "a list in brackets"),
    ('[outbound]\nquiet_hours = ["21:00"]', "outbound.quiet_hours", "21:00", "two different times of day"),
    ('[outbound]\nquiet_hours = ["24:00", "09:00"]', "outbound.quiet_hours", "24:00", "two different times of day"),
    ('[outbound]\nquiet_hours = ["09:00", "09:00"]', "outbound.quiet_hours", "09:00", "two different times of day"),
    ("[outbound]\naccount_cap = 0", "outbound.account_cap", "0", "at least 1"),
    ("[outbound]\ncontact_cap = true", "outbound.contact_cap", "True", "a whole number"),
    ('[alerts]\nto = "ntfy://x"', "alerts.to", "…", "a list in brackets"),
    ('[alerts]\nto = ["ana@shop.example"]', "alerts.to.0", "…", "an address such as mailtos://"),
    ("[alerts]\nto = [5]", "alerts.to.0", "…", "text in quotes"),
    ('[alerts]\nto = ["ntfy://x"]\nto_file = "f"', "alerts.to_file", "'f'", "left out if `to` is given"),
    ('[alerts]\nkinds = ["new_leads"]', "alerts.kinds.0", "'new_leads'", "evening; did you mean new_lead?"),
    ("[alerts]\nkinds = []", "alerts.kinds", "[]", "a list with something in it"),
    ("[alerts]\ndown_after = -1", "alerts.down_after", "-1", "at least 0"),
    ("[alerts]\nabout_to_miss = 0", "alerts.about_to_miss", "0", "greater than 0"),
    ('[alerts]\nquiet_hours = "21:00-08:00"', "alerts.quiet_hours", "'21:00-08:00'", "a list in brackets"),
    ('[alerts]\nquiet_hours = ["21:00"]', "alerts.quiet_hours", "21:00", "two different times of day"),
    ('[alerts]\nmorning = "8:30"', "alerts.morning", "'8:30'", "a time of day such as 08:30 (or empty)"),
    ('[alerts]\nevening = "21:00"', "alerts.evening", "'21:00'", "outside of `quiet_hours`, 21:00 to 08:00, or empty"),
    ('[alerts]\nquiet_hours = ["22:00", "09:00"]', "alerts.morning", "'08:30'", "outside of `quiet_hours`, 22:00 to"),
    ('[alerts]\nbodies = "perhaps"', "alerts.bodies", "'perhaps'", "true or false"),
    ('[alerts]\nping_url = "hc-ping.com/x"', "alerts.ping_url", "…", "a URL such as https://hc-ping.com/"),
    ('[alerts]\nping_url = "https://a:b@hc-ping.com/x"', "alerts.ping_url", "…", "without user"),
    ('[alerts]\nping_url = "https://hc-ping.com/x y"', "alerts.ping_url", "…", "a URL such as https://hc-ping.com/"),
    ('[alerts]\nping_url = "https://graph.facebook.com/x"', "alerts.ping_url", "…", "no host of WhatsApp"),
    ('[alerts]\nping_url = "https://graph.facebook\u3002com/x"', "alerts.ping_url", "…", "no host of WhatsApp"),
    ("[alerts]\nping_url = 5", "alerts.ping_url", "…", "text in quotes"),
    ('[leads.campaigns]\n"Summer" = "!!"', "leads.campaigns.Summer", "'!!'", "words to recognise customers by"),
    ("feeds = 5", "feeds", "5", "a table"),
    ("[feeds]\nhub = 5", "feeds.hub", "5", "a section, written as [feeds.NAME]"),
    (
        '[feeds.hub]\nkind = "webhok"',
        "feeds.hub.kind",
        "'webhok'",
        "one of jsonl, sheets, webhook; did you mean webhook?",
    ),
    ('[feeds.hub]\nkind = "jsonl"\nkeep = true', "feeds.hub.keep", "True", "a whole number"),
    ('[feeds.hub]\nkind = "jsonl"\nrotate_mb = 0', "feeds.hub.rotate_mb", "0", "at least 1"),
    ('[feeds.hub]\nkind = "jsonl"\nevents = []', "feeds.hub.events", "[]", "a list with something in it"),
    ('[feeds.hub]\nkind = "jsonl"\nevents = ["lead.*.x"]', "feeds.hub.events.0", "'lead.*.x'", "a group of them"),
    (f'[feeds.hub]\nkind = "webhook"\nurl = "{URL}"', "feeds.hub.secrets", "0", "`secret_file` is: one of the two"),
    (f'{HUB}\nurl = "{URL}"\nsecret_file = "s"', "feeds.hub.secrets", "1", "`secret_file` is: one of the two"),
    (f'{HUB}\nurl = "{URL}"\nenvelope = "xml"', "feeds.hub.envelope", "'xml'", "'standard' or 'cloudevents'"),
    (f'{HUB}\nurl = "{URL}"\ntemplate = {{ a = "{{b" }}', "feeds.hub.template", "{b", "text with names in braces"),
    (f'{HUB}\nurl = "{URL}"\ntemplate = {{ a = 2026-12-24 }}', "feeds.hub.template", "2026", "a table of text"),
    (f'{HUB}\nurl = "{URL}"\ntemplate = "x"', "feeds.hub.template", "'x'", "a table, as {"),
    (
        f'{HUB}\nurl = "{URL}"\nenvelope = "cloudevents"\ntemplate = {{ a = "{{id}}" }}',
        "feeds.hub.template",
        "{id}",
        "left out if `envelope` is given",
    ),
    (f'{HUB}\nurl = "https://graph.facebook.com/v20.0/1/messages"', "feeds.hub.url", "…", "no host of WhatsApp"),
    (f'{HUB}\nurl = "https://graph.face\uff42ook.com/x"', "feeds.hub.url", "…", "no host of WhatsApp or Meta"),
    (f'{HUB}\nurl = "https://graph.facebook\u3002com/x"', "feeds.hub.url", "…", "no host of WhatsApp or Meta"),
    (f'{HUB}\nurl = "https://WEB.WhatsApp.com./x"', "feeds.hub.url", "…", "no host of WhatsApp or Meta"),
    (f'{HUB}\nurl = "https://wa.me/5491155550100"', "feeds.hub.url", "…", "no host of WhatsApp or Meta"),
    (f'{HUB}\nurl = "hub.example"', "feeds.hub.url", "…", "a URL such as https://"),
    (f'{HUB}\nurl = "https://a:b@hub.example/"', "feeds.hub.url", "…", "without user"),
    (f'{HUB}\nurl = "https://hub.example:99999/"', "feeds.hub.url", "…", "a URL such as https://"),
    (f'{HUB}\nurl = "http://hub.example/"', "feeds.hub.url", "…", "https, or its host in `private_hosts`"),
    (f'{HUB}\nurl = "https://10.0.0.1/"', "feeds.hub.url", "…", "a public address"),
    (f"{HUB}\nurl = 5", "feeds.hub.url", "…", "text in quotes"),
    (
        '[feeds.hub]\nkind = "jsonl"\nevents = ["lead.opend"]',
        "feeds.hub.events.0",
        "'lead.opend'",
        'or "*"; did you mean lead.opened?',
    ),
    ('[feeds.hub]\nkind = "jsonl"\nevents = ["leads.*"]', "feeds.hub.events.0", "'leads.*'", "did you mean lead.*?"),
    ('[feeds.hub]\nkind = "jsonl"\nevents = ["lead"]', "feeds.hub.events.0", "'lead'", "a group of them"),
    (f'[feeds.hub]\nkind = "webhok"\nurl = "{URL}"', "feeds.hub.kind", "'webhok'", "did you mean webhook?"),
    (
        '[feeds.a]\nkind = "jsonl"\n[feeds.b]\nkind = "jsonl"\npath = "feeds/../feeds/a.jsonl"',
        "feeds.b.path",
        "'feeds/../feeds/a.jsonl'",
        "another file than that of `feeds.a`",
    ),
    (
        f'{HUB}\nurl = "{URL}"\nprivate_hosts = ["http://n8n.lan"]',
        "feeds.hub.private_hosts.0",
        "'http://n8n.lan'",
        "without its port",
    ),
    (
        f'[feeds.hub]\nkind = "webhook"\nurl = "{URL}"\nsecrets = ["whsec_bm90IG1pbmU"]',
        "feeds.hub.secrets.0",
        "…",
        "24 to 64 random bytes in standard base64",
    ),
]


_OF_A_LIBRARY = (
    "Input",
    "should",
    "valid",
    "parse",
    "integer",
    "at least 1 char",
    "Errno",
    "codec",
    "equal to",
    "error",
)


@pytest.mark.parametrize(("text", "key", "value", "allowed"), WRONG)
def test_a_wrong_value_is_named_with_file_key_and_what_is_allowed_in_words_of_ours(
    text: str, key: str, value: str, allowed: str
) -> None:
    """Each error is one line. The words of pydantic, of Python and of the system speak of other things."""
    [line] = problems(text)
    assert line.startswith(f"cannot use config.toml: `{key}` = ")
    assert value in line
    told = line.partition("must be ")[2]
    assert allowed in told
    assert [phrase for phrase in _OF_A_LIBRARY if phrase in told] == []


def test_a_byte_order_mark_is_forgiven() -> None:
    """Editors on Windows write one."""
    Path("config.toml").write_bytes(b'\xef\xbb\xbfstate_dir = "elsewhere"\n')
    assert load("config.toml")[0].state_dir == "elsewhere"


@pytest.mark.parametrize("word", ["zzz", "grupos_de_whatsapp", "first_days", "ig"])
def test_a_word_that_is_not_near_is_no_typo(word: str) -> None:
    """A wrong guess costs more time than none."""
    [line] = problems(f"[capture]\n{word} = 1")
    assert "did you mean" not in line


UNKNOWN = [
    ('state_dirs = "x"', "state_dirs", "did you mean `state_dir`?"),
    ("[listner]\nnode = 'x'", "listner", "did you mean `listener`?"),
    ("[listener]\nsweep_intervall = 5", "listener.sweep_intervall", "did you mean `sweep_interval`?"),
    ("[capture]\nzzz = 1", "capture.zzz", "known here: first_link_days, groups, ignore"),
    ('[feeds.hub]\nkind = "jsonl"\nrotate = 1', "feeds.hub.rotate", "rotate_mb"),
    (f'{HUB}\nurl = "{URL}"\nsecret = "x"', "feeds.hub.secret", "did you mean `secrets`?"),
]


@pytest.mark.parametrize(("text", "key", "hint"), UNKNOWN)
def test_an_unknown_key_is_named_with_the_ones_that_are_known(text: str, key: str, hint: str) -> None:
    """Otherwise a typo would silently leave the default in force."""
    [line] = problems(text)
    assert line.startswith(f"cannot use config.toml: `{key}` is unknown; ")
    assert hint in line


_ENGLISH = re.compile(r"\b(cannot|must|the|such|with|without|and|or|than|did|known|unknown|one of)\b")


@pytest.mark.parametrize(("text", "key"), [each[:2] for each in (*WRONG, *UNKNOWN)])
def test_what_is_wrong_is_told_in_spanish(text: str, key: str) -> None:
    with speaking("es"):
        [line] = problems(text)
    assert line.startswith("no se puede usar config.toml: ")
    assert f"`{key}`" in line
    assert not _ENGLISH.search(re.sub(r"`[^`]*`|\.\.\.|https?://\S+", "", line))


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """All errors are in one message."""
    assert len(problems('state_dir = 5\n[listener]\nnode = 5\nx = 1\n[capture]\nignore = ["Ana"]')) == 4


@pytest.mark.parametrize("text", ["state_dir = ", "[listener", "a = 1\na = 2", "state_dir = 'x\n"])
def test_what_is_not_toml_is_told_with_its_line(text: str) -> None:
    """The line shows where to look."""
    [line] = problems(text)
    assert "cannot read config.toml: it is not TOML: " in line
    assert "(line " in line or "(at the end of the file)" in line


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"a = {'[' * 5000}{']' * 5000}", "it is nested too deeply"),
        (f"a = 1{'0' * 5000}", "it has a number with thousands of digits"),
    ],
)
def test_what_python_itself_refuses_of_a_file_is_told(text: str, why: str) -> None:
    """One sentence, as for all that is no TOML."""
    assert problems(text) == [f"cannot read config.toml: it is not TOML: {why}"]
    with pytest.raises(CannotUseRules, match=f"^cannot use mine.toml: it is not TOML: {why}$"):
        parse(text, "mine.toml")


def test_a_list_in_the_environment_without_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the full settings; those who only read take the default."""
    monkeypatch.setenv("LEADMASTERD_LEADS__HOURS", "[" * 100_000)
    assert "LEADMASTERD_LEADS__HOURS" in problems("")[0]
    assert read_leads_settings(find_paths(None)).refused == ("leads.hours",)


def test_a_file_that_is_not_utf_8_or_not_there_is_told(tmp_path: Path) -> None:
    """Each gives one sentence."""
    Path("config.toml").write_bytes(b'state_dir = "\xff"')
    with pytest.raises(CannotUseSettings, match="it is not TOML"):
        load("config.toml")
    with pytest.raises(CannotUseSettings, match="there is no such file; check --config"):
        load("nowhere.toml")
    with pytest.raises(CannotUseSettings, match="it is a folder; check --config"):
        load(str(tmp_path))
    with pytest.raises(CannotUseSettings, match="cannot read /dev/null: it is not a file; check --config"):
        load("/dev/null")


def test_a_folder_in_the_place_of_the_file_is_not_taken_for_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker makes one of a file that is not there, when it is mounted."""
    Path("etc.toml").mkdir()
    monkeypatch.setattr(paths, "SYSTEM_FILE", Path("etc.toml"))
    with pytest.raises(CannotUseSettings, match=r"etc\.toml: it is a folder; name a file"):
        load(None)
    Path("config.toml").mkdir()
    with pytest.raises(CannotUseSettings, match=r"config\.toml: it is a folder; name a file"):
        load(None)


ENVIRONMENT = [
    ("LEADMASTERD_LISTENER__SWEEP_INTERVAL", "abc", "`listener.sweep_interval` = 'abc'", "number"),
    ("LEADMASTERD_CAPTURE__GROUPS", "perhaps", "`capture.groups` = 'perhaps'", "true or false"),
    ("LEADMASTERD_CAPTURE__IGNORE", "+54 9 11 5555-0001", "`capture.ignore` = '+54 9 11 5555-0001'", "a list as JSON"),
    ("LEADMASTERD_CAPTURE__IGNORE", "5491155550001", "`capture.ignore` = 5491155550001", "a list in brackets"),
    ("LEADMASTERD_CAPTURE__IGNORE", "[5]", "`capture.ignore.0` = 5", "text in quotes"),
    (
        "LEADMASTERD_LEADS__HOURS",
        "9-13",
        "`leads.hours` = '9-13'",
        'a table as JSON, like {"mon": [["09:00", "13:00"]]}',
    ),
    ("LEADMASTERD_LEADS__HOURS", "[1]", "`leads.hours` = [1]", "a table, as {"),
    ("LEADMASTERD_LEADS__HOURS", '{"lun": []}', "`leads.hours.lun` = 'lun'", "one of mon, tue"),
    ("LEADMASTERD_LEADS__OVERRIDES", '{"2026-12-24": [["9"]]}', "`leads.overrides.2026-12-24` = [['9']]", "not a pair"),
    ("LEADMASTERD_LEADS__HOURS__MON", "[]", "unknown", "LEADMASTERD_LEADS__HOURS"),
    ("LEADMASTERD_LEADS__COUNTRY", "Chile", "`leads.country` = 'Chile'", "two letters such as AR"),
    ("LEADMASTERD_STATEDIR", "/x", "unknown", "did you mean `LEADMASTERD_STATE_DIR`?"),
    ("LEADMASTERD_LISTENER__NODES", "/x", "unknown", "did you mean `LEADMASTERD_LISTENER__NODE`?"),
    ("LEADMASTERD_LISTENER", '{"node": "/x"}', "unknown", "known here"),
    ("LEADMASTERD_FEEDS", "hub", "`feeds` = 'hub'", "a table as JSON"),
    ("LEADMASTERD_FEEDS", '{"hub": {"kind": "jsonl", "keep": -1}}', "`feeds.hub.keep` = -1", "at least 0"),
    ("LEADMASTERD_FEEDS__HUB__URL", "x", "unknown", "LEADMASTERD_FEEDS"),
    ("LEADMASTERD_LISTENER__NODE__X", "1", "unknown", "LEADMASTERD_LISTENER__NODE"),
]


@pytest.mark.parametrize(("variable", "value", "what", "allowed"), ENVIRONMENT)
def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, what: str, allowed: str
) -> None:
    """The error names the variable, since the file is not to blame."""
    monkeypatch.setenv(variable, value)
    lines = problems()
    assert f"cannot use the variable {variable}: " in lines[0]
    assert what in lines[0]
    assert allowed in lines[0]


def test_an_unknown_variable_is_told_once_with_those_that_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was told twice, once with the names of all 53."""
    monkeypatch.setenv("LEADMASTERD_GENERAL__STATE_DIR", "/x")
    assert problems() == [
        "cannot use the variable LEADMASTERD_GENERAL__STATE_DIR: it is unknown; "
        "known here: LEADMASTERD_GENERAL__LANGUAGE, LEADMASTERD_STATE_DIR"
    ]


def test_the_quick_list_of_variables_is_that_of_the_full_settings() -> None:
    """By it `status` tells which it ignores."""
    keys = keys_of(Settings)
    names = {name for name, inner in keys.items() if not isinstance(inner, dict) or not inner}
    names |= {f"{name}__{key}" for name, inner in keys.items() if isinstance(inner, dict) for key in inner}
    assert {f"LEADMASTERD_{name}".upper() for name in names} == variables.VARIABLES


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """It wins key by key; lists are JSON."""
    written("[listener]\nsweep_interval = 7\nnode = '/a'\n[capture]\ngroups = false")
    monkeypatch.setenv("LEADMASTERD_LISTENER__SWEEP_INTERVAL", "9")
    monkeypatch.setenv("LEADMASTERD_CAPTURE__GROUPS", "true")
    monkeypatch.setenv("LEADMASTERD_LISTENER__BROWSER_ARGS", '["--a", "--b=ñ"]')
    settings, _ = load(None)
    assert (settings.listener.sweep_interval, settings.listener.node) == (9, "/a")
    assert settings.capture.groups is True
    assert settings.listener.browser_args == ("--a", "--b=ñ")


def test_a_table_in_the_environment_takes_the_place_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """If they were mixed, the shop would be open on a day that the variable leaves out."""
    written('[leads]\nreopen_days = 9\n[leads.hours]\nsun = [["10:00", "12:00"]]\n[leads.overrides]\n2026-12-31 = []')
    monkeypatch.setenv("LEADMASTERD_LEADS__HOURS", '{"mon": [["09:00", "13:00"]]}')
    leads = load(None)[0].leads
    assert leads.hours == {"mon": (("09:00", "13:00"),)}
    assert (leads.reopen_days, leads.overrides) == (9, {"2026-12-31": ()})
    monkeypatch.setenv("LEADMASTERD_LEADS__OVERRIDES", "{}")
    assert load(None)[0].leads.overrides == {}


def test_the_settings_of_leads_make_their_calendar() -> None:
    """Tried with hours on Sunday only, a manual date and another country's holidays in lower case."""
    written(
        '[leads]\ntimezone = "Europe/Madrid"\ncountry = "es-md"\n[leads.hours]\nsun = [["10:00", "24:00"]]\n'
        '[leads.overrides]\n"2026-05-02" = [["00:00", "01:00"]]'
    )
    leads = load(None)[0].leads
    assert leads.country == "ES-MD"
    sunday = (600, 1440)
    assert leads.plain().calendar() == BusinessCalendar(
        ((), (), (), (), (), (), (sunday,)), {date(2026, 5, 2): ((0, 60),)}, "Europe/Madrid", "ES-MD"
    )


def test_the_default_hours_are_a_split_day_and_saturday_morning() -> None:
    """The zone is Buenos Aires, and Argentina's holidays are closed."""
    split, morning = ((540, 780), (960, 1200)), ((540, 780),)
    assert Settings().leads.plain().calendar() == BusinessCalendar(
        (*(split,) * 5, morning, ()), {}, "America/Argentina/Buenos_Aires", "AR"
    )


def test_what_leads_are_derived_by_is_told_as_pydantic_told_it() -> None:
    """Otherwise an update of the program would fold everything again."""
    Path("config.toml").write_text(
        "[leads]\ntarget_minutes = 12.5\nburst_seconds = 90\nstale_days = 3\n[leads.overrides]\n"
        '"2026-05-02" = [["00:00", "01:00"]]\n[leads.campaigns]\n"Verano ☀" = "¡Hola! \\"promo\\" de mañana"\n'
    )
    keys = ["timezone", "country", "target_minutes", "reopen_days", "burst_seconds", "hours", "overrides", "campaigns"]
    for leads in (Settings().leads, load(None)[0].leads):
        assert leads.plain().derived_by() == leads.model_dump_json(include={*keys})


def test_the_daemon_knows_the_holidays_of_some_years_without_their_library() -> None:
    """Of all others it asks the library; a calendar is the same either way."""
    leads = read_plain(None)[0].leads
    year = datetime.now(UTC).year
    assert {*range(year - 2, year + 3)} <= leads.holidays.keys()
    bare = replace(leads, holidays={}).calendar()
    for day in (date(year, 5, 25), date(year, 5, 26), date(1999, 5, 25)):
        assert leads.calendar().openings_on(day) == bare.openings_on(day)
    assert leads.calendar().openings_on(date(year, 5, 25)) == ()
    assert replace(leads, holidays={year: frozenset()}).calendar().openings_on(date(year, 5, 25)) != ()


def test_without_a_country_there_are_no_holidays() -> None:
    """The holidays library is not used."""
    written('[leads]\ncountry = ""')
    assert load(None)[0].leads.plain().calendar().openings_on(date(2026, 5, 25)) == ((540, 780), (960, 1200))


def test_the_explicit_file_comes_first_then_here_then_the_systems_then_none(tmp_path: Path) -> None:
    """The file that was used is recorded."""
    assert load(None)[1].file is None
    system = tmp_path / "etc" / "config.toml"
    written("state_dir = 'system'", str(system))
    assert load(None)[1].file == system
    written("state_dir = 'here'")
    assert load(None)[1].file == Path("config.toml")
    written("state_dir = 'explicit'", "other/mine.toml")
    assert load("other/mine.toml")[1].state_dir.name == "explicit"


def test_relative_paths_count_from_the_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder makes no difference."""
    written("state_dir = 'var'\n[database]\npath = 'db/x.db'", "conf/c.toml")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    _, paths = load("../conf/c.toml")
    assert paths.state_dir.resolve() == tmp_path / "conf" / "var"
    assert paths.database.resolve() == tmp_path / "conf" / "var" / "db" / "x.db"


@pytest.mark.parametrize("text", ["state_dir = '~nobody-here/x'", "[listener]\nnode = '~nobody-here/x'"])
def test_a_home_that_is_nobodys_is_told(text: str) -> None:
    """In a sentence, and not by Python's traceback."""
    assert problems(text) == ["cannot find the home folder in '~nobody-here/x'; write that path in full"]


def test_relative_paths_of_programs_count_from_the_files_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From wherever a command is typed the same node starts, and a folder of one's own is `~`."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    written("[listener]\nnode = 'bin/node'\nbrowser = '~/chrome'", "conf/c.toml")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    listener = load("../conf/c.toml")[0].listener
    assert Path(listener.node).resolve() == tmp_path / "conf" / "bin" / "node"
    assert listener.browser == str(tmp_path / "home" / "chrome")
    monkeypatch.setenv("LEADMASTERD_LISTENER__NODE", "/usr/bin/node")
    monkeypatch.setenv("LEADMASTERD_LISTENER__BROWSER", "")
    listener = load("../conf/c.toml")[0].listener
    assert (listener.node, listener.browser) == ("/usr/bin/node", "")


FILES = [
    "",
    "state_dir = 'a'",
    "state_dir = '/var/lib/x'",
    "state_dir = '~/x'",
    "[database]\npath = 'other.db'",
    "[database]\npath = '/srv/other.db'",
    "[database]\npath = ' spaced.db '",
    "state_dir = ' spaced '",
]
VARIABLES: list[dict[str, str]] = [
    {},
    {"LEADMASTERD_STATE_DIR": "from env"},
    {"leadmasterd_state_dir": "/lower"},
    {"LEADMASTERD_DATABASE__PATH": "/env.db"},
    {"LEADMASTERD_Database__Path": " env.db"},
    {"LEADMASTERD_STATE_DIR": "/s", "LEADMASTERD_DATABASE__PATH": "d.db"},
]


@pytest.mark.parametrize("text", FILES)
@pytest.mark.parametrize("variables", VARIABLES)
def test_the_quick_reading_of_places_agrees_with_the_full_one(
    monkeypatch: pytest.MonkeyPatch, text: str, variables: dict[str, str]
) -> None:
    """`status` must look where the daemon writes."""
    path = written(text, "conf/c.toml")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert find_paths(str(path)) == load(str(path))[1]


def test_places_are_found_although_other_settings_are_wrong() -> None:
    """`status` must still work then."""
    path = written("state_dir = 'a'\nzzz = 1\n[listener]\nnode = 5\nsweep_interval = -1")
    assert find_paths(str(path)).state_dir.name == "a"


@pytest.mark.parametrize("text", ["state_dir = 5", "state_dir = ''", "[database]\npath = []", "state_dir ="])
def test_places_that_can_not_be_known_are_told(text: str) -> None:
    """A guess could show another daemon's state."""
    with pytest.raises(CannotUseSettings, match=r"config\.toml"):
        find_paths(str(written(text)))


def test_the_example_documents_every_key_with_its_default() -> None:
    """It has no other keys, and each key or its group has a comment."""
    text = EXAMPLE.read_text(encoding="utf-8")
    documented = tomllib.loads(text)
    assert json.loads(json.dumps(documented)) == json.loads(json.dumps(keys_of(Settings)))
    previous = ""
    for line in text.splitlines():
        if " = " in line and not line.startswith("#"):
            assert previous, f"nothing is said above {line}"
        previous = line
    assert load(str(EXAMPLE))[0] == Settings()


def test_the_example_is_drawn_from_the_model() -> None:
    """Run `python tools/draw_settings.py` after changing the settings."""
    code = "import sys; sys.path.insert(0, 'tools'); import draw_settings as d; sys.stdout.write(d.render())"
    drawn = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        cwd=EXAMPLE.parent,
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout
    assert EXAMPLE.read_text(encoding="utf-8") == drawn


def test_the_example_of_a_feed_is_right_when_its_comments_are_taken_away() -> None:
    """Lines that begin with one `#` are settings, and those with two are about them."""
    _head, _, sections = EXAMPLE.read_text(encoding="utf-8").partition("\n[feeds]\n")
    text = "\n".join(line[2:] for line in sections.splitlines() if line.startswith("# "))
    written(text.replace("whsec_…", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="))
    feeds = load(None)[0].feeds
    kinds = {name: feed.kind for name, feed in feeds.items()}
    assert kinds == {"my-webhook": "webhook", "my-sheets": "sheets", "my-jsonl": "jsonl"}


def test_two_feeds_of_one_name_are_refused() -> None:
    """In one spelling by TOML itself, and there is no other spelling of a name."""
    [line] = problems('[feeds.hub]\nkind = "jsonl"\n[feeds.hub]\nkind = "jsonl"')
    assert "it is not TOML" in line
    [line] = problems('[feeds.Hub]\nkind = "jsonl"')
    assert "a feed's name must be of a-z, 0-9" in line


def test_a_feed_must_have_what_it_can_not_do_without() -> None:
    """Its kind, without which nothing else of it can be judged, and a webhook its URL."""
    [line] = problems("[feeds.hub]\nkeep = 1")
    assert line == "cannot use config.toml: `feeds.hub.kind` is missing: it must be given"
    [line] = problems('[feeds.hub]\nkind = "webhook"')
    assert line == "cannot use config.toml: `feeds.hub.url` is missing: it must be given"


def test_a_secret_is_shown_to_nobody() -> None:
    """Neither by `config show` nor in an error."""
    written(f'{HUB}\nurl = "{URL}"')
    settings = load(None)[0]
    assert "AAECAwQF" not in json.dumps(settings.model_dump(mode="json"))
    assert "AAECAwQF" not in repr(settings)
    for wrong in ('secrets = "whsec_AAECAwQF"', 'secrets = ["whsec_AAECAwQF"]', 'secrets = [["whsec_AAECAwQF"]]'):
        assert "AAECAwQF" not in "".join(problems(f'[feeds.hub]\nkind = "webhook"\nurl = "{URL}"\n{wrong}'))
    for wrong in ('to = "x://AAECAwQF"', 'to = ["AAECAwQF"]', 'to = [["AAECAwQF"]]', 'ping_url = "AAECAwQF"'):
        assert "AAECAwQF" not in "".join(problems(f"[alerts]\n{wrong}"))
    for wrong in ("http://hub.example/AAECAwQF", "https://ana:AAECAwQF@hub.example/", "https://10.0.0.1/?key=AAECAwQF"):
        assert "AAECAwQF" not in "".join(problems(f'{HUB}\nurl = "{wrong}"'))


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        (["*"], ["lead.opened", "message.stored", "waiting.began"]),
        (["lead.*"], ["lead.opened"]),
        (["lead.opened", "waiting.began"], ["lead.opened", "waiting.began"]),
    ],
)
def test_a_feed_wants_types_groups_or_all(events: list[str], wanted: list[str]) -> None:
    """A group is what stands before the dot."""
    written(f'[feeds.hub]\nkind = "jsonl"\nevents = {json.dumps(events)}')
    feed = load(None)[0].feeds["hub"]
    assert [each for each in ("lead.opened", "message.stored", "waiting.began") if feed.wants(each)] == wanted


def test_addresses_come_from_the_settings_or_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once. In neither case does anything show them."""
    written('[alerts]\nto = ["ntfys://s3cret/", "ntfys://s3cret/", "tgram://s3cret/1"]')
    settings = load(None)[0]
    assert settings.alerts.addresses(tmp_path) == ["ntfys://s3cret/", "tgram://s3cret/1"]
    assert "s3cret" not in json.dumps(settings.model_dump(mode="json")) + repr(settings)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    written('[alerts]\nto_file = "$CREDENTIALS_DIRECTORY/alerts"')
    alerts = load(None)[0].alerts
    with pytest.raises(CannotUseSettings, match=r"cannot read the file .*/alerts of alerts.to_file: no such file"):
        alerts.addresses(tmp_path)
    written("\n", "alerts")
    with pytest.raises(CannotUseSettings, match="it is empty; put one address on each line"):
        alerts.addresses(tmp_path)
    written("ntfys://a\n\n tgram://b/1 \n", "alerts")
    assert alerts.addresses(tmp_path) == ["ntfys://a", "tgram://b/1"]
    assert (Settings().alerts.in_use, alerts.in_use, alerts.tells) == (False, True, True)


def test_the_kinds_of_alerts_are_those_that_there_are() -> None:
    """The settings are below the alerts, and name them themselves."""
    assert tuple(Kind) == KINDS


def test_every_pattern_says_what_is_allowed_in_words() -> None:
    """People do not read regular expressions."""
    for section in Settings.model_fields.values():
        inner = section.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            for key, field in inner.model_fields.items():
                if any(getattr(each, "pattern", None) for each in field.metadata):
                    assert isinstance(field.json_schema_extra, dict), key
                    assert field.json_schema_extra["allowed"]


def test_every_duration_in_the_settings_reaches_the_timing() -> None:
    """A setting without effect would mislead; `time_divisor` divides them all."""
    odd = {"backoff_first": 2, "backoff_max": 302, "calm_period": 303, "start_timeout": 304, "heartbeat_timeout": 35}
    listener = {"settle_after_pairing": 605, "sweep_interval": 66}
    settings = Settings.model_validate({"supervisor": odd, "listener": listener})
    timing = settings.timing()
    for name, value in {**odd, **listener}.items():
        assert getattr(timing, name) == value
    fast = Settings.model_validate({"supervisor": {**odd, "time_divisor": 2}, "listener": listener}).timing()
    assert fast == timing.divided_by(2)
    assert fast.hello_timeout == Timing().hello_timeout / 2
    faster = Timing().divided_by(20)
    assert (faster.sweep_interval, faster.hello_timeout, faster.stop_ask) == (3, 15, 2.5), "a machine is not faster"


def test_the_timing_of_the_defaults_is_the_timing_profile() -> None:
    """The same numbers are listed twice."""
    assert Settings().timing() == Timing()


NUMBERS = (
    "0", "1", "7", "7.0", "7.5", "-1", "0.001", "3650", "3651", "10080", "10080.5", "10081", "inf", "nan", "true",
    "false", '"7"', '" 7 "', '"7.0"', '"7.5"', '"x"', '""', '"inf"', '"nan"', '"7_0"', '"1e2"', '"\u0667"', "[]", "{}",
    "[7]", "2026-11-23",
)  # fmt: skip
TEXTS = (
    '""', '"AR"', '" ar "', '"AR-B"', '"ar-b"', '"AR-"', '"XX"', '"UTC"', '"Europe/Madrid"', '" UTC "', '"Mars/Base"',
    "1", "[]",
)  # fmt: skip
TABLES = (
    "{}", "[]", "1", '"x"', '{ mon = [["10:00", "11:00"]] }', "{ xxx = [] }", "{ mon = 1 }", '{ "2026-12-24" = [] }',
)  # fmt: skip


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("target_minutes", NUMBERS),
        ("stale_days", NUMBERS),
        ("dormant_days", NUMBERS),
        ("timezone", TEXTS),
        ("country", TEXTS),
        ("hours", TABLES),
        ("overrides", TABLES),
    ],
)
@pytest.mark.parametrize("source", ["file", "environment"])
def test_the_light_reader_of_leads_takes_and_refuses_what_the_full_one_does(
    key: str, values: tuple[str, ...], source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives the same values, and uses the default for a refused one."""
    default = read_leads_settings(find_paths(None))
    for text in values:
        if source == "file":
            written(f"[leads]\n{key} = {text}\n")
        else:
            monkeypatch.setenv(f"LEADMASTERD_LEADS__{key}", text.strip('"'))
        light = read_leads_settings(Paths(Path("config.toml") if source == "file" else None, Path(), Path()))
        try:
            settings, _paths = load(None)
        except CannotUseSettings:
            assert f"leads.{key}" in light.wrong() or light.calendar() is None, text
            if key in ("target_minutes", "stale_days", "dormant_days"):
                assert light._replace(refused=()) == default, text
            continue
        full = settings.leads
        assert light.wrong() == [], text
        assert (light.target_seconds, light.stale_days, light.dormant_days, light.timezone) == (
            full.target_minutes * 60,
            full.stale_days,
            full.dormant_days,
            full.timezone,
        ), text
        assert light.country == full.country.upper(), text
        assert light.calendar() == full.plain().calendar(), text


OUTBOUND: list[tuple[str, object]] = [
    ("enabled", True), ("enabled", "yes"), ("enabled", "perhaps"), ("enabled", 5),
    ("account", "100200300"), ("account", " 5 "), ("account", "x"), ("account", 5),
    ("database", "/var/lib/x.db"), ("database", ""),
    ("quiet_hours", ["22:30", "08:00"]), ("quiet_hours", []), ("quiet_hours", ["22:30"]),
    ("quiet_hours", ["8:00", "9:00"]), ("quiet_hours", "22:30"), ("quiet_hours", 5),
    ("account_cap", 1), ("account_cap", "7"), ("account_cap", 0), ("account_cap", 1.5), ("account_cap", True),
    ("contact_cap", 1000), ("contact_cap", 1001), ("sparkle", 1),
]  # fmt: skip
"""Right and wrong values of each key."""


@pytest.mark.parametrize(("key", "value"), OUTBOUND)
@pytest.mark.parametrize("by_variable", [False, True])
def test_the_sender_reads_its_section_as_the_full_settings_do(
    key: str, value: object, by_variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file and from the environment: the same values, and the same are refused."""
    text = value if isinstance(value, str) else json.dumps(value)
    if by_variable:
        monkeypatch.setenv(f"LEADMASTERD_OUTBOUND__{key.upper()}", text)
    else:
        written(f"[outbound]\n{key} = {json.dumps(value)}\n")
    try:
        expected: OutboundSettings | str = load(None)[0].outbound
    except CannotUseSettings as error:
        expected = str(error)
    if isinstance(expected, OutboundSettings):
        assert read_outbound(find_paths(None)) == expected
    else:
        with pytest.raises(CannotUseSettings, match=key):
            read_outbound(find_paths(None))


def test_the_sender_is_stopped_by_no_mistake_of_another_section() -> None:
    """Nor does a mistake in its own hide where its kill switch is."""
    written('[listener]\nsparkle = 1\n[outbound]\naccount_cap = 9\ndatabase = "mine/out.db"\n')
    assert read_outbound(find_paths(None)).account_cap == 9
    written('[outbound]\naccount_cap = 0\ndatabase = "mine/out.db"\n')
    with pytest.raises(CannotUseSettings, match=r"`outbound.account_cap` = 0: `leadmasterd config check`"):
        read_outbound(find_paths(None))
    assert outbound_database(find_paths(None)) == find_paths(None).state_dir / "mine" / "out.db"
    for wrong in ("outbound = 5\n", "[outbound]\ndatabase = 5\n"):
        written(wrong)
        assert outbound_database(find_paths(None)).name == "outbound.db"
