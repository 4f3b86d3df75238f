"""Checks of this machine and its state: each finding has a stable code and says how to fix it.

Changes nothing; works whether or not the daemon is running.
"""

import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypedDict
from zoneinfo import ZoneInfo

from leadmasterd import causes, health, sentences
from leadmasterd.classify.loading import existing
from leadmasterd.errors import (
    CannotUseDatabase,
    CannotUseModel,
    CannotUseProgram,
    CannotUseRules,
    CannotUseSettings,
    DatabaseDamaged,
    LeadmasterdError,
)
from leadmasterd.listener import programs, support
from leadmasterd.listener.child import ENTRY
from leadmasterd.listener.profile import Auth
from leadmasterd.projection.policy import classifier_of, rules_file
from leadmasterd.queries.database import open_for_reading
from leadmasterd.settings.model import Settings, load
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import is_running, owner_of, read_status
from leadmasterd.state.status_object import PageMember
from leadmasterd.store.database import words_of
from leadmasterd.store.growth import DatabaseSize, days_until_full, size_of
from leadmasterd.text import _, figure, later, printable, translated
from leadmasterd.text import size as in_words
from leadmasterd.times import iso

TESTED_BROWSER_MAJOR: Final = 150
"""The version of Debian 12's Chromium that the tests ran with."""
WHATSAPP: Final = ("web.whatsapp.com", 443)
LITTLE_SPACE: Final = 500_000_000
"""A disk with fewer bytes free is wrong."""
SOON_FULL: Final = 60
"""A disk that is full within so many days is a warning."""
CLOCK_LEAST: Final = 1_795_000_000
"""November 2026, when this version was written: an earlier clock is wrong."""

WRONG_CLOCK: Final = 600
"""A clock that differs from WhatsApp's by more than this many seconds is wrong."""
LATEST_LIVE: Final = 20
"""The clock is compared with up to this many of the newest live messages of the last day, and with three at least."""
SPREAD: Final = timedelta(minutes=10)
"""Those messages must be captured over at least this long: a burst may be what waited for the connection."""

MUCH_UNUSED: Final = 0.2
"""Unused space in the database's file is reported above this share of the used space. A new file stays below it."""

Level = Literal["ok", "warning", "wrong"]


class Kind(NamedTuple):
    """A kind of finding: its check, its level, and templates in English for what was found and how to fix it."""

    check: str
    level: Level
    found: str
    fix: str = ""


_SET_CLOCK = later("set the time (`timedatectl set-ntp true`, then check with `timedatectl`)")

_START = later("start it: `leadmasterd run`, or `systemctl start leadmasterd`")
_NETWORK = later("check this machine's network, DNS and firewall; the daemon goes on by itself once it is back")

KINDS: Final[Mapping[str, Kind]] = {
    "settings_ok": Kind("settings", "ok", "{file}"),
    "settings_default": Kind("settings", "ok", later("built-in defaults")),
    "settings_wrong": Kind("settings", "wrong", "{error}", later("fix the settings first: the other checks need them")),
    "clock_ok": Kind("clock", "ok", "{time} ({zone})"),
    "clock_old": Kind(
        "clock",
        "wrong",
        later("the clock says {time}"),
        later("set the time (`timedatectl set-ntp true`): messages would get wrong times"),
    ),
    "clock_ahead": Kind(
        "clock", "warning", later("this machine's clock is {hours} h {minutes} min ahead of WhatsApp's"), _SET_CLOCK
    ),
    "clock_behind": Kind(
        "clock", "warning", later("this machine's clock is {hours} h {minutes} min behind WhatsApp's"), _SET_CLOCK
    ),
    "node_ok": Kind("node", "ok", "{path}, {version}"),
    "node_end_unknown": Kind(
        "node",
        "ok",
        later("{path}, {version}: newer than this leadmasterd, which does not know when its support ends"),
    ),
    "node_ended": Kind(
        "node",
        "warning",
        later("{path}, {version}: out of support since {date}"),
        later("install Node.js {newer} for the whole machine, unless your distribution supports its own for longer"),
    ),
    "node_wrong": Kind("node", "wrong", "{error}", "{what_to_do}"),
    "browser_ok": Kind("browser", "ok", later("{path}, {version}: {why}")),
    "browser_newer": Kind(
        "browser",
        "ok",
        later("{path}, {version}: {why}. Newer than version {tested}, which was tested; it will most likely work"),
    ),
    "browser_untested": Kind(
        "browser",
        "warning",
        later("{path}, {version}: {why}. Older than version {tested}, which was tested"),
        later("run `sudo apt-get update && sudo apt-get upgrade`, and restart the daemon"),
    ),
    "browser_old": Kind(
        "browser",
        "warning",
        later("{path}, {version}: {why}. It was built {days} days ago and lacks all security fixes since"),
        later(
            "run `sudo apt-get update && sudo apt-get upgrade`, and restart the daemon; if no newer one comes, this "
            "release of the system no longer gets one: upgrade it, or install Google Chrome and name it in "
            "listener.browser"
        ),
    ),
    "browser_unknown": Kind(
        "browser", "wrong", later("{path} does not report its version"), later("run it by hand with --version")
    ),
    "browser_wrong": Kind("browser", "wrong", "{error}", "{what_to_do}"),
    "sandbox_ok": Kind("sandbox", "ok", later("the browser starts with its sandbox on")),
    "sandbox_skipped": Kind("sandbox", "ok", later("not tried (--quick)")),
    "sandbox_off": Kind(
        "sandbox",
        "warning",
        later("as root the browser starts only without its sandbox"),
        later("run the daemon as an ordinary user"),
    ),
    "sandbox_denied": Kind(
        "sandbox",
        "wrong",
        later("the browser does not start: no usable sandbox ({error})"),
        later(
            "allow user namespaces for the browser (Ubuntu 24.04: an AppArmor profile with `userns`; "
            "Debian: sysctl kernel.unprivileged_userns_clone=1)"
        ),
    ),
    "browser_fails": Kind(
        "sandbox",
        "wrong",
        later("the browser does not start: {error}"),
        later("run `{path} --headless=new --dump-dom about:blank` by hand"),
    ),
    "packages_ok": Kind("node packages", "ok", "{path}"),
    "packages_missing": Kind(
        "node packages", "wrong", later("{path} is missing"), later("run `npm ci --omit=dev` in {folder}")
    ),
    "rules_ok": Kind("rules", "ok", "{file}"),
    "rules_default": Kind("rules", "ok", later("the packaged rules")),
    "rules_wrong": Kind("rules", "wrong", "{error}", later("fix the file; `leadmasterd rules check` checks it again")),
    "model_wrong": Kind(
        "rules", "wrong", "{error}", later("delete the file or train it again with `leadmasterd rules train`")
    ),
    "state_ok": Kind("state", "ok", "{path}"),
    "state_absent": Kind("state", "ok", later("{path} will be created at the first start")),
    "state_cannot_create": Kind(
        "state",
        "wrong",
        later("{path} can't be created: {parent} is not writable by this user"),
        later("create it for this user, or set state_dir"),
    ),
    "state_not_writable": Kind(
        "state",
        "wrong",
        later("{path} is not writable by uid {uid}"),
        later("run this as {owner}: `sudo -u {owner} leadmasterd doctor`"),
    ),
    "state_readable": Kind(
        "state", "warning", later("{path} can be read by others (mode {mode})"), later("run `chmod 700 {path}`")
    ),
    "disk_ok": Kind("disk", "ok", later("{gigabytes} GB free")),
    "disk_low": Kind(
        "disk",
        "wrong",
        later("{megabytes} MB free"),
        later("free some space: a full disk stops capture and can cost the link"),
    ),
    "database_ok": Kind("database", "ok", later("{messages} messages")),
    "growth_ok": Kind("disk", "ok", later("the database is {size} and grows by {growth} a day")),
    "growth_none": Kind("disk", "ok", later("the database is {size} and does not grow")),
    "growth_unknown": Kind("disk", "ok", later("the database is {size}; how fast it grows is known after a day")),
    "disk_full_soon": Kind(
        "disk",
        "warning",
        later("full in about {days} days: the database is {size} and grows by {growth} a day"),
        later("free some space, or move state_dir to a larger disk"),
    ),
    "database_absent": Kind("database", "ok", later("none yet")),
    "database_unusable": Kind("database", "wrong", "{error}", "{what_to_do}"),
    "database_damaged": Kind("database", "wrong", "{error}", "{what_to_do}"),
    "profile_of_another_user": Kind(
        "profile",
        "wrong",
        later("{path} belongs to {other}, and the state to {owner}, who then can't use it"),
        later("stop the daemon and run `sudo chown -R {owner}: {folder}`; run commands with `sudo -u {owner}`"),
    ),
    "profile_not_writable": Kind(
        "profile",
        "wrong",
        later("{path} can't be written, so the browser does not start or loses its session"),
        later("make it writable for {owner}: `chmod -R u+rwX {folder}`, on a disk that is not read-only"),
    ),
    "session_unreadable": Kind(
        "profile",
        "wrong",
        later("{path} can't be read, so the session in it can't be used"),
        later("make it readable for {owner}: `chmod -R u+rwX {folder}`"),
    ),
    "profile_too_new": Kind(
        "profile",
        "wrong",
        later(
            "version {profile} of the browser has used the session, and {path} is {version}, which may lose it: the "
            "daemon does not open it"
        ),
        later("install version {profile} or newer again, or name that browser in listener.browser"),
    ),
    "profile_ok": Kind("profile", "ok", "{path}"),
    "session_ok": Kind("session", "ok", later("stored")),
    "session_absent": Kind("session", "ok", later("none yet")),
    "session_lost": Kind(
        "session", "warning", later("no WhatsApp session is stored"), later("scan the QR code: `leadmasterd qr`")
    ),
    "page_known": Kind("page", "ok", "WhatsApp Web {version}{ways}"),
    "page_unknown": Kind("page", "ok", later("not known until the session is ready")),
    "daemon_ready": Kind("daemon", "ok", "{state}: {because}"),
    "daemon_starting": Kind("daemon", "ok", later("starting")),
    "daemon_not_ready": Kind(
        "daemon", "warning", "{state}: {because}", later("it recovers by itself; check again in a minute")
    ),
    "daemon_needs_a_person": Kind(
        "daemon", "wrong", "{state}: {because}", later("a person is needed: do what it says")
    ),
    "daemon_not_running": Kind("daemon", "warning", later("not running"), _START),
    "daemon_down": Kind("daemon", "wrong", later("not running, so nothing is captured"), _START),
    "network_ok": Kind("network", "ok", later("{host} can be reached")),
    "network_skipped": Kind("network", "ok", later("not tried ({why})")),
    "network_missing": Kind("network", "wrong", later("{host} can't be reached: {why}"), _NETWORK),
    "network_missing_yet": Kind("network", "warning", later("{host} can't be reached: {why}"), _NETWORK),
}
"""Every finding by its stable code, except the daemon's own warnings, which have the codes of `status`."""


CHECKS: Final = (
    later("browser"),
    later("clock"),
    later("daemon"),
    later("database"),
    later("disk"),
    later("network"),
    later("node"),
    later("node packages"),
    later("page"),
    later("profile"),
    later("rules"),
    later("sandbox"),
    later("session"),
    later("settings"),
    later("state"),
    later("store"),
    # The daemon's own warnings.
    later("alerts undelivered"),
    later("browser storage"),
    later("contract"),
    later("database update"),
    later("dialog"),
    later("disk low"),
    later("feed dead"),
    later("feed disabled"),
    later("feed down"),
    later("feed overflow"),
    later("feeds down"),
    later("hours changed"),
    later("training"),
    later("memory high"),
    later("phone silent"),
    later("screen"),
    later("send refused"),
    later("session elsewhere"),
)
"""What a finding can be about."""


def check_in_words(check: str) -> str:
    """The name of a check, translated."""
    return translated(check)


SWITCHES: Final[Mapping[str, str]] = {
    "web_non_blocking_offline_resume_max_message_count": later(
        "from {value} waiting messages on, a start handles them before it is synced"
    ),
    "web_init_chat_batch_size": later("{value} chats in memory at first"),
    "web_message_processing_cache_size": later("waiting messages are written {value} at a time"),
    "web_offline_resume_max_batch_size": later("waiting messages are asked for {value} at a time"),
    "message_edit_to_message_secret_receiver_enabled": later("sealed edits: {value}"),
    "message_edit_window_duration_seconds": later("edits for {value} s"),
    "shortcake_companion_prologue__passkeys__enabled": later("passkeys at linking: {value}"),
}
"""What each A/B switch of WhatsApp Web decides, by its name. WhatsApp can give every account other values."""


def switch_in_words(name: str, value: object) -> str:
    """What an A/B switch decides; of one that is not known here, its name and value."""
    shown = {True: _("yes"), False: _("no")}[value] if isinstance(value, bool) else printable(str(value))
    return _(SWITCHES[name]).format(value=shown) if name in SWITCHES else f"{name}: {shown}"


class PageObject(TypedDict):
    """`doctor --page --json`."""

    ok: bool
    web_version: str | None
    at: str
    required: int
    missing: list[PageMember]
    late: list[PageMember]
    new_types: list[str]
    ab: dict[str, str | int | float | bool | None]


class FindingObject(TypedDict):
    """An object of `findings` in `doctor --json`."""

    check: str
    level: Level
    found: str
    mend: str
    code: str
    values: dict[str, str | float]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `mend` says what to do; empty when all is well."""

    check: str
    level: Level
    found: str
    mend: str
    code: str
    values: Mapping[str, str | float]

    def as_json(self) -> FindingObject:
        """The finding as `doctor --json` prints it (docs/json.md)."""
        return FindingObject(
            check=self.check,
            level=self.level,
            found=self.found,
            mend=self.mend,
            code=self.code,
            values=dict(self.values),
        )


class Report(TypedDict):
    """`doctor --json`."""

    ok: bool
    findings: list[FindingObject]


def _finding(code: str, **values: object) -> Finding:
    """The finding with this code of `KINDS`, its templates filled with `values`.

    In the finding's own `values`, for programs, numbers stay numbers and all others become text.
    """
    kind = KINDS[code]
    filled = {name: value if isinstance(value, int | float) else str(value) for name, value in values.items()}
    said = {name: figure(value, 1) if isinstance(value, float) else value for name, value in filled.items()}
    return Finding(
        check=kind.check,
        level=kind.level,
        found=_(kind.found).format(**said),
        mend=_(kind.fix).format(**said) if kind.fix else "",
        code=code,
        values=filled,
    )


def examine(config: str | None, *, start_browser: bool) -> Iterator[Finding]:
    """Make every check, in the order in which one would fix things.

    `config`: the settings file as given with `--config`. `start_browser`: False for `--quick`, which also leaves out
    the network. Where the settings are wrong, nothing else can be checked.
    """
    try:
        settings, paths = load(config)
    except CannotUseSettings as error:
        yield _finding("settings_wrong", error=error)
        return
    yield _finding("settings_ok", file=paths.file) if paths.file else _finding("settings_default")
    yield _clock(settings.leads.timezone)
    yield from _programs(settings, paths, start_browser=start_browser)
    yield _node_packages()
    yield _rules(settings, paths)
    yield from _state(paths)
    if paths.state_dir.exists() and not os.access(paths.state_dir, os.R_OK | os.X_OK):
        return  # nothing in it can be checked, and _state has said so
    yield from _profile(paths, settings.listener.browser)
    linked = _was_linked(paths)
    yield (
        _network(settings.listener.browser_args, linked=linked)
        if start_browser
        else _finding("network_skipped", why="--quick")
    )
    yield from _database(paths)
    yield from _daemon(paths, linked=linked)


def _clock(zone: str) -> Finding:
    """Whether this machine's clock can be right. `zone`: the one in which the time is shown."""
    now = datetime.fromtimestamp(time.time(), ZoneInfo(zone))
    if now.timestamp() < CLOCK_LEAST:
        return _finding("clock_old", time=f"{now:%Y-%m-%d}")
    return _finding("clock_ok", time=f"{now:%Y-%m-%d %H:%M}", zone=zone)


def _programs(settings: Settings, paths: Paths, *, start_browser: bool) -> Iterator[Finding]:
    """Node, the browser, and whether the browser starts."""
    try:
        yield node_support(programs.find_node(settings.listener.node), datetime.now(UTC).date())
    except CannotUseProgram as error:
        if settings.listener.node:
            what_to_do = _("correct listener.node, or take it out of the settings")
        else:
            what_to_do = _("install Node.js {oldest} or newer").format(oldest=programs.OLDEST_NODE)
        yield _finding("node_wrong", error=error, oldest=programs.OLDEST_NODE, what_to_do=what_to_do)
    try:
        browser = _browser(settings.listener.browser, used_by=Auth(paths).used_by())
        programs.check_temporary_folder()
    except CannotUseProgram as error:
        if settings.listener.browser:
            otherwise = _("correct listener.browser, or take it out of the settings")
        else:
            otherwise = _("install a headless shell or Chromium, or set listener.browser")
        yield _finding("browser_wrong", **_parted(error, otherwise))
        return
    yield _browser_version(browser)
    yield _sandbox(browser.path) if start_browser else _finding("sandbox_skipped")


def _parted(error: LeadmasterdError, otherwise: str) -> dict[str, str]:
    """The values `error` and `what_to_do` of a finding, from an error that reads `what is wrong; what to do`.

    `otherwise`: what to do where the error does not say.
    """
    what, _semicolon, what_to_do = str(error).rpartition("; ")
    return {"error": what, "what_to_do": what_to_do} if what else {"error": str(error), "what_to_do": otherwise}


def node_support(node: Path, today: date) -> Finding:
    """Whether this version of Node is still supported on the day `today`."""
    version = programs.node_version(node) or "?"
    values = {"path": node, "version": version}
    end = support.node_end(programs.node_major(version) or 0)
    if end is None:
        return _finding("node_end_unknown", **values)
    if end >= today:
        return _finding("node_ok", **values)
    newer = _(" or ").join(str(major) for major in support.good_nodes(today)) or _("in a newer version")
    return _finding("node_ended", date=end.isoformat(), newer=newer, **values)


def _browser(configured: str, *, used_by: str | None) -> programs.Browser:
    """The browser that the daemon takes; if all are too old for the profile, the one that it would take for a new one.

    `used_by`: the newest version that has used the profile. `_profile` reports a browser that is too old.
    """
    try:
        return programs.choose_browser(configured, used_by=used_by)
    except CannotUseProgram:
        return programs.choose_browser(configured, used_by=None)


def _browser_version(browser: programs.Browser) -> Finding:
    """Whether the browser is recent, and how it compares with the version that was tested."""
    version, why = browser.version, _why(browser.why)
    major = programs.major(version)
    if major is None:
        return _finding("browser_unknown", path=browser.path)
    days = support.browser_age(browser.path, datetime.now(UTC).date())
    values = {"path": browser.path, "version": version, "why": why}
    if days is not None and days > support.BROWSER_DAYS:
        return _finding("browser_old", days=days, **values)
    if major == TESTED_BROWSER_MAJOR:
        return _finding("browser_ok", **values)
    code = "browser_newer" if major > TESTED_BROWSER_MAJOR else "browser_untested"
    return _finding(code, tested=TESTED_BROWSER_MAJOR, **values)


def _why(why: programs.Why) -> str:
    """Why this browser is taken, in words."""
    match why:
        case "configured":
            return _("named in listener.browser")
        case "headless_shell":
            return _("the headless shell, which takes the least memory")
        case "no_headless_shell":
            return _("no headless shell that works is installed, which would take a quarter less memory")
        case "newer":
            return _("the headless shell is older than what has used the session")


def _sandbox(browser: Path) -> Finding:
    """Whether the browser starts with its sandbox on: it is started for a moment, on an empty page."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="leadmasterd-doctor-") as profile:
        arguments = ["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        arguments += [f"--user-data-dir={profile}", *(["--no-sandbox"] if root else []), "--dump-dom", "about:blank"]
        try:
            done = subprocess.run(
                [browser, *arguments], capture_output=True, text=True, timeout=60, check=False, errors="replace"
            )
            output = done.stderr
            started = done.returncode == 0 and "<html" in done.stdout
        except (OSError, subprocess.TimeoutExpired) as error:
            output, started = str(error), False
    if not started:
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "")
        code = "sandbox_denied" if "sandbox" in output.lower() else "browser_fails"
        return _finding(code, error=last[:200], path=browser)
    return _finding("sandbox_off" if root else "sandbox_ok")


def _node_packages() -> Finding:
    folder = ENTRY.parent.parent
    package = folder / "node_modules" / "whatsapp-web.js" / "package.json"
    if not package.is_file():
        return _finding("packages_missing", path=package.parent, folder=folder)
    return _finding("packages_ok", path=package.parent.parent)


def _rules(settings: Settings, paths: Paths) -> Finding:
    """Rules and model on disk. A running daemon may still use the last ones that it could read."""
    own = existing(rules_file(settings.leads.rules, paths))
    try:
        classifier_of(settings.leads.rules, paths)
    except CannotUseRules as error:
        return _finding("rules_wrong", error=error)
    except CannotUseModel as error:
        return _finding("model_wrong", error=error)
    return _finding("rules_ok", file=own) if own else _finding("rules_default")


def _state(paths: Paths) -> Iterator[Finding]:
    """Whether the state directory can be used and is private, and how much space its disk has."""
    folder = paths.state_dir
    if not folder.exists():
        parent = next(each for each in (folder, *folder.parents) if each.exists())
        if os.access(parent, os.W_OK):
            yield _finding("state_absent", path=folder)
        else:
            yield _finding("state_cannot_create", path=folder, parent=parent)
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield _finding("state_not_writable", path=folder, uid=os.geteuid(), owner=owner_of(folder))
    elif mode & 0o077:
        yield _finding("state_readable", path=folder, mode=f"{mode:o}")
    else:
        yield _finding("state_ok", path=folder)
    free = shutil.disk_usage(folder).free
    if free < LITTLE_SPACE:
        yield _finding("disk_low", megabytes=free // 1_000_000)
    else:
        yield _finding("disk_ok", gigabytes=round(free / 1e9, 1))


def _profile(paths: Paths, configured: str) -> Iterator[Finding]:
    """Whether the owner of the state directory, who runs the daemon, can use the browser's profile.

    The first problem is the only finding. `configured`: `listener.browser`.
    """
    folder = paths.profile.parent
    if not folder.exists():
        return
    owner = paths.state_dir.stat().st_uid
    values = {"folder": folder, "owner": owner_of(paths.state_dir)}
    for path in _everything_in(folder):
        try:
            info = path.lstat()
        except OSError:  # a running browser has deleted it meanwhile
            continue
        needed = stat.S_IRWXU if stat.S_ISDIR(info.st_mode) else stat.S_IRUSR | stat.S_IWUSR  # for its owner
        lacking = 0 if stat.S_ISLNK(info.st_mode) else needed & ~info.st_mode
        if info.st_uid != owner:
            yield _finding("profile_of_another_user", path=path, other=owner_of(path), **values)
            return
        if lacking:
            code = "profile_not_writable" if lacking == stat.S_IWUSR else "session_unreadable"
            yield _finding(code, path=path, **values)
            return
    if os.geteuid() in (0, owner) and not os.access(folder, os.W_OK):
        yield _finding("profile_not_writable", path=folder, **values)
    elif found := _newer_than_browser(paths, configured):
        yield found
    else:
        yield _finding("profile_ok", path=paths.profile)


def _everything_in(folder: Path) -> Iterator[Path]:
    """The folder itself and, at any depth, all in it."""
    yield folder
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in (*folders, *files))


def _newer_than_browser(paths: Paths, configured: str) -> Finding | None:
    """The finding that a newer browser has used the profile, or None.

    An older browser does not open it, or loses parts of it, so the daemon does not start one.
    """
    used_by = Auth(paths).used_by()
    try:
        browser = _browser(configured, used_by=used_by)
    except CannotUseProgram:
        return None
    profile, installed = programs.major(used_by), programs.major(browser.version)
    if profile is None or installed is None or profile <= installed:
        return None
    return _finding("profile_too_new", profile=profile, path=browser.path, version=browser.version)


def _was_linked(paths: Paths) -> bool:
    """Whether a phone was ever linked here. Before that, what stops capture is a warning; after it, it is wrong."""
    status = read_status(paths)
    return bool((status or {}).get("account")) or Auth(paths).linked_account() is not None


def _network(browser_args: Sequence[str], *, linked: bool) -> Finding:
    """Whether WhatsApp Web can be reached from this machine. Not tried where the browser would use a proxy.

    `linked`: whether a phone was ever linked here, so that a missing network stops capture.
    """
    proxies = any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name in os.environ)
    if proxies or any(each.startswith(("--proxy-", "--host-resolver-rules")) for each in browser_args):
        return _finding("network_skipped", why=_("the browser goes another way"))
    host, port = WHATSAPP
    try:
        with socket.create_connection((host, port), timeout=10):
            return _finding("network_ok", host=host)
    except socket.gaierror:
        why = _("no name server knows it")
    except OSError:
        why = _("nothing answers")
    return _finding("network_missing" if linked else "network_missing_yet", host=host, why=why)


def _database(paths: Paths) -> Iterator[Finding]:
    """Whether the database is sound, how fast it grows, what it says of the clock, and whether a session is stored."""
    try:
        connection = open_for_reading(paths)
    except FileNotFoundError:
        yield _finding("database_absent")
        return
    except CannotUseDatabase as error:
        code = "database_damaged" if isinstance(error, DatabaseDamaged) else "database_unusable"
        parts = _parted(error, _("look at the file, or restore a backup"))
        yield _finding(code, **parts, path=paths.database)
        return
    with closing(connection):
        try:
            messages = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
            accounts = connection.execute("SELECT count(*) FROM accounts").fetchone()[0]
            clock_ahead = clock_against_messages(connection, datetime.now(UTC))
            size = size_of(connection, datetime.now(UTC))
            result = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except (sqlite3.Error, ValueError, TypeError) as error:  # a damaged row can hold anything
            result = words_of(error)
    if result != "ok":
        what_to_do = _("stop the daemon, keep a copy of {path}*, restore a backup").format(path=paths.database)
        found = causes.of_sqlite(" ".join(result.split()))
        yield _finding("database_damaged", error=found, what_to_do=what_to_do, path=paths.database)
        return
    yield _finding("database_ok", messages=messages)
    yield _growth(size, shutil.disk_usage(paths.database.parent).free)
    if clock_ahead is not None:
        yield _wrong_clock(clock_ahead)
    if (paths.profile / "Default" / "IndexedDB").is_dir():
        yield _finding("session_ok")
    else:
        yield _finding("session_lost" if accounts else "session_absent")


def _growth(size: DatabaseSize, free: int) -> Finding:
    """How large the database is, and when it will have filled the disk. `free`: bytes left there."""
    whole = in_words(size.used + size.unused)
    if size.unused > max(size.used * MUCH_UNUSED, 10_000_000):
        whole += " " + _("({unused} unused: `leadmasterd messages --compact` gives it back)").format(
            unused=in_words(size.unused)
        )
    if size.growth is None:
        return _finding("growth_unknown", size=whole)
    if size.growth <= 0:
        return _finding("growth_none", size=whole)
    days = days_until_full(size, free)
    soon = days is not None and days < SOON_FULL
    return _finding("disk_full_soon" if soon else "growth_ok", size=whole, growth=in_words(size.growth), days=days or 0)


def clock_against_messages(connection: sqlite3.Connection, now: datetime) -> timedelta | None:
    """How far our clock is ahead of WhatsApp's (negative: behind); None when it is right or unknown.

    A live message is captured seconds after its time. One that comes late makes the clock seem to be ahead. So the
    clock counts as wrong only if all of the newest messages say so, in one direction; the smallest difference is taken.
    """
    rows = connection.execute(
        "SELECT captured_at, wire_t FROM messages WHERE captured_via = 'live' AND wire_t IS NOT NULL "
        "AND captured_at BETWEEN ? AND ? ORDER BY message_id DESC LIMIT ?",
        (iso(now - timedelta(days=1)), iso(now), LATEST_LIVE),
    ).fetchall()
    captured = [datetime.fromisoformat(at) for at, _t in rows]
    if len(rows) < 3 or max(captured) - min(captured) < SPREAD:
        return None
    ahead: list[float] = [at.timestamp() - t for at, (_at, t) in zip(captured, rows, strict=True)]
    if min(ahead) > WRONG_CLOCK or max(ahead) < -WRONG_CLOCK:
        return timedelta(seconds=min(ahead, key=abs))
    return None


def _wrong_clock(ahead: timedelta) -> Finding:
    """The finding for a clock that is so far ahead of WhatsApp's; a negative value is behind."""
    hours, minutes = divmod(round(abs(ahead).total_seconds() / 60), 60)
    return _finding("clock_ahead" if ahead > timedelta() else "clock_behind", hours=hours, minutes=minutes)


def _page(page: Mapping[str, Any] | None) -> Finding:
    """The version of WhatsApp Web that was loaded last, and its A/B switches. `page`: as in `status.json`."""
    if not page:
        return _finding("page_unknown")
    switches = {name: value for name, value in page["ab"].items() if value is not None}
    ways = "".join(f"; {switch_in_words(name, value)}" for name, value in switches.items())
    return _finding("page_known", version=printable(page["web_version"] or "?"), ways=ways, **switches)


def _daemon(paths: Paths, *, linked: bool) -> Iterator[Finding]:
    """Whether the daemon runs and captures, with the page and the warnings that its `status.json` has.

    `linked`: whether a phone was ever linked here, so that nothing is captured while the daemon is down.
    """
    running, status = is_running(paths), read_status(paths)
    if status is not None:
        yield _page(status.get("page"))
    if not running:
        yield _finding("daemon_down" if linked else "daemon_not_running")
        return
    if status is None:
        yield _finding("daemon_starting")
        return
    phase = status["phase"]
    because = sentences.because(status["code"], status.get("values") or {})
    if phase in sentences.NEEDS_A_PERSON:
        code = "daemon_needs_a_person"
    else:
        code = "daemon_ready" if phase == "ready" else "daemon_not_ready"
    yield _finding(code, phase=phase, reason=status["code"], state=sentences.phase(phase), because=because)
    for code, detail in (status.get("concerns") or {}).items():
        yield Finding(
            check=code.replace("_", " "),
            level="warning",
            found=health.sentence(code, detail),
            mend=health.what_to_do(code),
            code=code,
            values={"detail": detail},
        )
    if trouble := status.get("trouble"):
        yield Finding(
            check="store",
            level="wrong",
            found=health.sentence(trouble["code"], trouble["detail"]),
            mend=health.what_to_do(trouble["code"]),
            code=trouble["code"],
            values={"detail": trouble["detail"]},
        )
