"""What could be wrong with this machine, looked at one by one: each finding says how to mend it.

Works without the daemon and beside it; changes nothing.
"""

import os
import shutil
import sqlite3
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

from leadmasterd import sentences
from leadmasterd.classify.loading import existing
from leadmasterd.errors import CannotUseDatabase, CannotUseModel, CannotUseProgram, CannotUseRules, CannotUseSettings
from leadmasterd.listener import programs
from leadmasterd.listener.child import ENTRY
from leadmasterd.projection.policy import classifier_of, rules_file
from leadmasterd.settings.model import Settings, load
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import is_running, owner_of, read_status
from leadmasterd.store.database import open_for_reading
from leadmasterd.text import _
from leadmasterd.times import iso

TESTED_BROWSER_MAJOR: Final = 156
"""Of Debian's Chromium, with which the tests of this version ran."""
LITTLE_SPACE: Final = 500_000_000
CLOCK_LEAST: Final = 1_795_000_000
"""November 2026: a clock before this version was written is wrong."""

WRONG_CLOCK: Final = 600
"""Seconds between our clock and WhatsApp's from which the clock is called wrong."""
LATEST_LIVE: Final = 20
"""Live messages of the last day that have to agree on it, or as many as there are: three at least,"""
SPREAD: Final = timedelta(minutes=10)
"""and captured over so long. A burst alone proves nothing: it may be what waited while there was no connection."""

Level = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `mend` is empty when all is well."""

    check: str
    level: Level
    found: str
    mend: str = ""


def examine(config: str | None, *, start_browser: bool) -> Iterator[Finding]:
    """Every check, in the order in which one would mend things."""
    try:
        settings, paths = load(config)
    except CannotUseSettings as error:
        yield Finding("settings", "wrong", str(error), _("mend the settings; nothing else can be checked before"))
        return
    yield Finding("settings", "ok", str(paths.file or _("built-in defaults")))
    yield _clock(settings.leads.timezone)
    yield from _programs(settings, start_browser=start_browser)
    yield _node_packages()
    yield _rules(settings, paths)
    yield from _state(paths)
    yield from _database(paths)
    yield from _daemon(paths)


def _clock(zone: str) -> Finding:
    now = time.time()
    if now < CLOCK_LEAST:
        return Finding(
            "clock",
            "wrong",
            _("the clock says {time}").format(time=time.strftime("%Y-%m-%d", time.gmtime(now))),
            _("set the time (`timedatectl set-ntp true`): messages would be filed under wrong times"),
        )
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    return Finding("clock", "ok", f"{local:%Y-%m-%d %H:%M} ({zone})")


def _programs(settings: Settings, *, start_browser: bool) -> Iterator[Finding]:
    try:
        node = programs.find_node(settings.listener.node)
        yield Finding("node", "ok", str(node))
    except CannotUseProgram as error:
        yield Finding("node", "wrong", str(error), _("install Node.js {n} or newer").format(n=programs.OLDEST_NODE))
    try:
        browser = programs.find_browser(settings.listener.browser)
    except CannotUseProgram as error:
        yield Finding("browser", "wrong", str(error), _("install Chromium"))
        return
    version = programs.browser_version(browser)
    yield _browser_version(browser, version)
    yield _sandbox(browser) if start_browser else Finding("sandbox", "ok", _("not tried (--quick)"))


def _browser_version(browser: Path, version: str) -> Finding:
    major = next((int(word.split(".")[0]) for word in version.split() if word[:1].isdigit()), None)
    if major is None:
        return Finding(
            "browser",
            "wrong",
            _("{browser} does not say its version").format(browser=browser),
            _("run it by hand with --version and see what it says"),
        )
    if major != TESTED_BROWSER_MAJOR:
        return Finding(
            "browser",
            "warning",
            f"{browser}, {version}",
            _("this version was tested with {major}; it will most likely do").format(major=TESTED_BROWSER_MAJOR),
        )
    return Finding("browser", "ok", f"{browser}, {version}")


def _sandbox(browser: Path) -> Finding:
    """Start the browser for a moment, the way the listener does, but for the page."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="leadmasterd-doctor-") as profile:
        arguments = ["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        arguments += [f"--user-data-dir={profile}", *(["--no-sandbox"] if root else []), "--dump-dom", "about:blank"]
        try:
            done = subprocess.run(
                [browser, *arguments], capture_output=True, text=True, timeout=60, check=False, errors="replace"
            )
            said, well = done.stderr, done.returncode == 0 and "<html" in done.stdout
        except (OSError, subprocess.TimeoutExpired) as error:
            said, well = str(error), False
    if not well:
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
        mend = _("run `{browser} --headless=new --dump-dom about:blank` by hand").format(browser=browser)
        if "sandbox" in said.lower():
            mend = _(
                "allow user namespaces for the browser (Ubuntu 24.04: an AppArmor profile with `userns`; "
                "Debian: sysctl kernel.unprivileged_userns_clone=1)"
            )
        return Finding("sandbox", "wrong", _("the browser does not start: {said}").format(said=last[:200]), mend)
    if root:
        return Finding(
            "sandbox",
            "warning",
            _("the browser starts, but as root only without its sandbox"),
            _("run the daemon as an ordinary user"),
        )
    return Finding("sandbox", "ok", _("the browser starts with its sandbox on"))


def _node_packages() -> Finding:
    package = ENTRY.parent.parent / "node_modules" / "whatsapp-web.js" / "package.json"
    if not package.is_file():
        return Finding(
            "node packages",
            "wrong",
            _("{path} is missing").format(path=package.parent),
            _("run `npm ci --omit=dev` in {folder}").format(folder=ENTRY.parent.parent),
        )
    return Finding("node packages", "ok", str(package.parent.parent))


def _rules(settings: Settings, paths: Paths) -> Finding:
    """What conversations are judged with. A daemon that runs goes on with the rules that it read last."""
    own = existing(rules_file(settings.leads, paths))
    try:
        classifier_of(settings.leads, paths)
    except CannotUseRules as error:
        return Finding("rules", "wrong", str(error), _("mend the file; `leadmasterd rules check` says if it is right"))
    except CannotUseModel as error:
        return Finding("rules", "wrong", str(error), _("delete the file or learn it anew; `leadmasterd rules train`"))
    return Finding("rules", "ok", str(own or _("those that came along")))


def _state(paths: Paths) -> Iterator[Finding]:
    folder = paths.state_dir
    if not folder.exists():
        parent = next(each for each in (folder, *folder.parents) if each.exists())
        if os.access(parent, os.W_OK):
            yield Finding("state", "ok", _("{folder} will be made at the first start").format(folder=folder))
        else:
            yield Finding(
                "state",
                "wrong",
                _("{folder} can't be made: {parent} is not writable here").format(folder=folder, parent=parent),
                _("make it for this user, or set state_dir"),
            )
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            "state",
            "wrong",
            _("{folder} is not writable for uid {uid}").format(folder=folder, uid=os.geteuid()),
            _("run this as {owner}: `sudo -u {owner} leadmasterd doctor`").format(owner=owner_of(folder)),
        )
    elif mode & 0o077:
        yield Finding(
            "state",
            "warning",
            _("{folder} can be read by others (mode {mode:o})").format(folder=folder, mode=mode),
            f"chmod 700 {folder}",
        )
    else:
        yield Finding("state", "ok", str(folder))
    free = shutil.disk_usage(folder).free
    if free < LITTLE_SPACE:
        yield Finding(
            "disk",
            "wrong",
            _("{n} MB free").format(n=free // 1_000_000),
            _("free some space: a full disk stops capture, and can cost the link"),
        )
    else:
        yield Finding("disk", "ok", _("{n} GB free").format(n=round(free / 1e9, 1)))


def _database(paths: Paths) -> Iterator[Finding]:
    try:
        connection = open_for_reading(paths.database)
    except FileNotFoundError:
        yield Finding("database", "ok", _("none yet"))
        return
    except CannotUseDatabase as error:
        yield Finding("database", "wrong", str(error), _("see what the message says"))
        return
    try:
        said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        messages = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
        accounts = connection.execute("SELECT count(*) FROM accounts").fetchone()[0]
        off = clock_against_messages(connection, datetime.now(UTC))
    except sqlite3.Error as error:
        said, messages, accounts, off = str(error), 0, 0, None
    finally:
        connection.close()
    if said != "ok":
        yield Finding(
            "database",
            "wrong",
            said,
            _("stop the daemon, keep a copy of {path}*, restore a backup").format(path=paths.database),
        )
        return
    yield Finding("database", "ok", _("{n} messages").format(n=messages))
    if off is not None:
        yield _wrong_clock(off)
    profile = paths.profile / "Default" / "IndexedDB"
    if accounts and not profile.is_dir():
        yield Finding("session", "warning", _("no WhatsApp session is stored"), _("scan the code: `leadmasterd qr`"))
    else:
        yield Finding("session", "ok", _("stored") if profile.is_dir() else _("none yet"))


def clock_against_messages(connection: sqlite3.Connection, now: datetime) -> timedelta | None:
    """How far our clock is ahead of WhatsApp's (negative: behind); None when it is right, or nothing tells.

    A live message is captured seconds after its time. Some come late, and then the clock only seems to be ahead; so it
    is wrong when all of the newest are off in the same direction, and by what the least of them is.
    """
    rows = connection.execute(
        "SELECT captured_at, wire_t FROM messages WHERE captured_via = 'live' AND wire_t IS NOT NULL "
        "AND captured_at BETWEEN ? AND ? ORDER BY message_id DESC LIMIT ?",
        (iso(now - timedelta(days=1)), iso(now), LATEST_LIVE),
    ).fetchall()
    captured = [datetime.fromisoformat(at) for at, _t in rows]
    if len(rows) < 3 or max(captured) - min(captured) < SPREAD:
        return None
    off: list[float] = [at.timestamp() - t for at, (_at, t) in zip(captured, rows, strict=True)]
    if min(off) > WRONG_CLOCK or max(off) < -WRONG_CLOCK:
        return timedelta(seconds=min(off, key=abs))
    return None


def _wrong_clock(off: timedelta) -> Finding:
    minutes = round(abs(off).total_seconds() / 60)
    length = _("{h} h {m} min").format(h=minutes // 60, m=minutes % 60)
    return Finding(
        "clock",
        "warning",
        _("this machine's clock is {length} ahead of WhatsApp's").format(length=length)
        if off > timedelta()
        else _("this machine's clock is {length} behind WhatsApp's").format(length=length),
        _("set the time (`timedatectl set-ntp true`, then look at `timedatectl`)"),
    )


def _daemon(paths: Paths) -> Iterator[Finding]:
    running, status = is_running(paths), read_status(paths)
    if not running:
        start = _("start it: `leadmasterd run`, or `systemctl start leadmasterd`")
        yield Finding("daemon", "warning", _("not running"), start)
        return
    if status is None:
        yield Finding("daemon", "ok", _("starting"))
        return
    sentence = sentences.because(status["code"], status.get("values") or {})
    phase = status["phase"]
    found = f"{sentences.phase(phase)}: {sentence}"
    if phase in sentences.NEEDS_A_PERSON:
        yield Finding("daemon", "wrong", found, _("a person is needed: do what it says"))
    elif phase != "ready":
        yield Finding("daemon", "warning", found, _("it heals by itself; ask again in a minute"))
    else:
        yield Finding("daemon", "ok", found)
    for code, detail in (status.get("concerns") or {}).items():
        yield Finding(code.replace("_", " "), "warning", sentences.concern(code, detail), _("see what it says"))
    if trouble := status.get("trouble"):
        yield Finding("store", "wrong", sentences.trouble(trouble["code"], trouble["detail"]), _("free the disk"))
