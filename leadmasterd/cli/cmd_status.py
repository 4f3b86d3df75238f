"""`leadmasterd status`: what a tired admin understands in ten seconds, even when the daemon is dead."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from leadmasterd import health, sentences
from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.clock import Clock, length
from leadmasterd.errors import CannotUseDatabase, DatabaseDamaged
from leadmasterd.queries.database import Connection, cause_in_file, open_for_reading
from leadmasterd.queries.deadlines import with_current_deadlines
from leadmasterd.queries.waiting import count_waiting, waiting
from leadmasterd.settings.leads_light import LightLeadsSettings, read_leads_settings
from leadmasterd.settings.paths import Paths, find_paths
from leadmasterd.state.files import is_running, read_status
from leadmasterd.text import _, figure, ngettext, printable, size, translated
from leadmasterd.times import iso

READY: Final = 0
NOT_READY: Final = 2
NOT_RUNNING: Final = 3
NEEDS_A_PERSON: Final = 4

_COLOURS: Final = {READY: "green", NOT_READY: "yellow", NOT_RUNNING: "red", NEEDS_A_PERSON: "magenta"}
"""Of the heading, by exit code; red for all others, as of a damaged database."""

_KEYS: Final = (
    "phase", "since", "because", "code", "pid", "account", "capture", "waiting", "resources", "next_jobs", "versions",
)  # fmt: skip
"""All null if no daemon has ever run."""

_SHOWN: Final = 5
"""How many waiting people are listed."""

_FORESEEN_DAYS: Final = 365
"""A full disk is told of this long before."""
_OTHER_COLUMNS: Final = 40
"""Columns for labels, bar, waited time and the spaces between them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only --json."""
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd status",
        "leadmasterd status --json | jq .phase",
        notes=_(
            "exit codes: 0 ready, 2 running but not ready, 3 not running, 4 needs a person,\n73 the database is damaged"
        ),
    )


def run(arguments: argparse.Namespace) -> int:
    """The exit code says it too."""
    paths = find_paths(arguments.config)
    running, status = is_running(paths), read_status(paths)
    settings = read_leads_settings(paths)
    clock = Clock(datetime.now(UTC), settings.zone())
    now = clock.now
    code = exit_code(running=running, status=status)
    if arguments.json:
        answer = {**(status or {"v": 1, **dict.fromkeys(_KEYS)}), "running": running}
        try:
            with _reading(paths, settings) as connection:
                if connection:  # people wait even when the daemon is dead
                    answer["waiting"] = count_waiting(connection, now)
        except (OSError, CannotUseDatabase) as error:
            code = _code_with(error, code)
        print(json.dumps(answer, ensure_ascii=False))
        return code
    heading, rows = describe(status, running=running, clock=clock, state_dir=str(paths.state_dir))
    waiters: list[tuple[str, bool]] = []
    try:
        with _reading(paths, settings) as connection:
            if connection:
                rows += _reliability(connection, now)
                waits, waiters = _who_waits(connection, settings, clock)
                rows += waits
    except (OSError, CannotUseDatabase) as error:
        rows.append((_("database"), str(error)))
        code = _code_with(error, code)
    if sys.stdout.isatty():
        _print_rich(heading, rows, waiters, code)
    else:
        print(heading)
        for label, text in [*rows, *(("", text) for text, _late in waiters)]:
            print(f"  {label:<10} {text}")
    return code


@contextmanager
def _reading(paths: Paths, settings: LightLeadsSettings) -> Iterator[Connection | None]:
    """The database; None if there is none yet. Raises CannotUseDatabase, also for what is found damaged on the way."""
    try:
        connection = open_for_reading(paths)
    except FileNotFoundError:
        yield None
        return
    with closing(connection):
        try:
            yield with_current_deadlines(connection, settings)
        except Exception as error:
            if cause := cause_in_file(paths.database, error):
                raise cause from error
            raise


def _code_with(error: Exception, code: int) -> int:
    """A damaged database has its own exit code, whatever the daemon does."""
    return error.exit_code if isinstance(error, DatabaseDamaged) else code


def _reliability(connection: Connection, now: datetime) -> list[tuple[str, str]]:
    """One line about the last seven days."""
    from leadmasterd.queries.history import reliability

    found = reliability(connection, since=now - timedelta(days=7), now=now)
    if found.uptime is None:
        return []
    text = _("listening {share} % of the time").format(share=figure(found.uptime * 100, 2))
    number = len(found.gaps)
    text += "; " + ngettext("{n} gap", "{n} gaps", number).format(n=number)
    if found.recovery_median is not None:
        text += ", " + _("back after {length} (median)").format(length=length(found.recovery_median))
    return [(_("7 days"), text)]


def _who_waits(
    connection: Connection, settings: LightLeadsSettings, clock: Clock
) -> tuple[list[tuple[str, str]], list[tuple[str, bool]]]:
    """One line about who is waiting for an answer, and one for each of the longest waits; True: overdue."""
    count = count_waiting(connection, clock.now)
    label, unjudged = _("waiting"), []
    if count["unjudged"]:
        from leadmasterd.queries.words import pending_note

        unjudged.append((label, pending_note(count["unjudged"])))
    if not count["conversations"]:
        return unjudged or [(label, _("nobody is waiting for an answer"))], []
    from leadmasterd.cli import leads_waiting
    from leadmasterd.cli.bars import bar
    from leadmasterd.cli.tables import columns_of_screen, padded
    from leadmasterd.queries import words

    target = settings.target_seconds
    waiters = []
    # Without the calendar, whose holidays take longer to load than everything else.
    rows = waiting(connection, clock.now, limit=_SHOWN, target_seconds=target, business_seconds=None)
    wanted = [words.wanted(row) for row in rows]
    room = min(24, max(8, columns_of_screen() - _OTHER_COLUMNS - max(map(len, wanted))))
    for row, wants in zip(rows, wanted, strict=True):
        text = _("{bar}  {length:>10}  {who}  {wants}").format(
            bar=bar(row["waited_business_seconds"] / target, late=row["overdue"]),
            length=length(row["waited_seconds"]),
            who=padded(row["who"], room),
            wants=wants,
        )
        waiters.append((text, bool(row["overdue"])))
    return [*unjudged, (label, leads_waiting.summary(count, clock))], waiters


def exit_code(*, running: bool, status: Mapping[str, Any] | None) -> int:
    """0 ready, 2 running but not ready, 3 not running, 4 needs a person."""
    if not running:
        return NOT_RUNNING
    phase = status["phase"] if status else "starting"
    trouble = (status.get("trouble") or {}).get("code") if status else None
    if phase in sentences.NEEDS_A_PERSON or health.needs_a_person(trouble):
        return NEEDS_A_PERSON
    return READY if phase == "ready" else NOT_READY


def describe(
    status: Mapping[str, Any] | None, *, running: bool, clock: Clock, state_dir: str
) -> tuple[str, list[tuple[str, str]]]:
    """The heading and the labelled lines below it."""
    if status is None:
        if running:
            return _("leadmasterd is starting."), []
        return _("leadmasterd is not running, and has never run here ({state_dir}).").format(state_dir=state_dir), []
    phase, since = sentences.phase(status["phase"]), _ago(status.get("since"), clock)
    because = sentences.because(status["code"], status.get("values") or {})
    has_begun = not running or status.get("since")
    if not has_begun:
        heading = _("leadmasterd is starting.")
    elif running:
        heading = _("leadmasterd has been {phase} since {since}: {because}.").format(
            phase=phase, since=since, because=because
        )
    else:
        heading = _not_running(status, phase=phase, since=since, because=because)
    rows = []
    if has_begun:  # until then its database is closed
        rows += [(_("captured"), _captured(status["capture"], clock)), (_("gaps"), _gaps(status, running=running))]
    for code, detail in (status.get("concerns") or {}).items():
        rows.insert(0, (_("note") if running else _("last note"), health.text(code, detail)))
    if trouble := status.get("trouble"):
        label = _("trouble") if running else _("it had")
        rows.insert(0, (label, health.text(trouble["code"], trouble["detail"])))
    if status["code"] == "temporary_ban" and (end := _ban_ends(status.get("values") or {})):
        rows.insert(0, (_("banned"), _("until {at}").format(at=_ago(end, clock))))
    if running:
        rows += _running_rows(status, clock)
    if zone := clock.zone_name():
        rows.append((_("times"), _("in {zone} time (leads.timezone)").format(zone=zone)))
    return heading, rows


def _ban_ends(values: Mapping[str, Any]) -> str | None:
    """When a temporary ban ends, if WhatsApp named a time."""
    try:
        return iso(datetime.fromtimestamp(float(values["expires"]), UTC))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _captured(capture: Mapping[str, Any], clock: Clock) -> str:
    text = _("{live} live, {sweep} by sweep").format(live=figure(capture["live"]), sweep=figure(capture["sweep"]))
    if last := capture.get("last_message_at"):
        text += "; " + _("last message {ago}").format(ago=_ago(last, clock))
    return text


def _not_running(status: Mapping[str, Any], *, phase: str, since: str, because: str) -> str:
    """In the past tense, for the sentence of the reason speaks of when it ran."""
    if status["phase"] == "stopped":
        return _("leadmasterd is not running. It stopped at {since}: {because}.").format(since=since, because=because)
    return _(
        "leadmasterd is not running. It ended without a word; from {since} it had been {phase} ({because})."
    ).format(phase=phase, since=since, because=because)


def _gaps(status: Mapping[str, Any], *, running: bool) -> str:
    number = int(status["capture"]["open_gaps"])
    if not running and status.get("account"):
        if not number:
            return _("none were open; what came since then is fetched at the next start")
        return ngettext(
            "{n} was open; the next start fetches it, and what came since then",
            "{n} were open; the next start fetches them, and what came since then",
            number,
        ).format(n=number)
    if not number and not status.get("account"):
        return _("none yet: no phone has been linked here")
    if not number:
        return _("none open: everything WhatsApp delivered is here")
    return ngettext("{n} open, a sweep will close it", "{n} open, a sweep will close them", number).format(n=number)


def _feed(feed: Mapping[str, Any]) -> str:
    """One line about a feed."""
    behind, dead = int(feed["behind"]), int(feed["dead"])
    if not behind:
        text = _("{name}: everything is delivered").format(name=feed["name"])
    else:
        text = ngettext("{name}: {n} event to deliver", "{name}: {n} events to deliver", behind).format(
            name=feed["name"], n=figure(behind)
        )
    if dead:
        text += ", " + ngettext("{n} given up", "{n} given up", dead).format(n=figure(dead))
    if feed["state"] != "active":
        text += "; " + {
            "down": _("its receiver seems to be down"),
            "paused": _("paused"),
            "disabled": _("disabled"),
            "unusable": _("it can't be used"),
        }.get(feed["state"], feed["state"])
    return printable(text + (f" ({translated(feed['why'])})" if feed["why"] else ""))


def _running_rows(status: Mapping[str, Any], clock: Clock) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    resources = status.get("resources") or {}
    if "tree_pss_bytes" in resources:
        rows.append(
            (
                _("resources"),
                _("memory {tree} (daemon {own}), disk {disk} free").format(
                    tree=size(resources["tree_pss_bytes"]),
                    own=size(resources["daemon_pss_bytes"]),
                    disk=size(resources.get("disk_free_bytes", 0)),
                ),
            )
        )
    if "database_bytes" in resources:
        rows.append((_("database"), _database(resources)))
    rows += [(_("feed"), _feed(feed)) for feed in status.get("feeds") or ()]
    rows += [
        (_("next"), _("{job} {when}").format(job=sentences.job(job["job"]), when=_ago(job["at"], clock)))
        for job in status.get("next_jobs") or []
    ]
    counters = status.get("counters") or {}
    if blocked := counters.get("outbound_blocked"):
        rows.append(
            (
                _("refused"),
                ngettext("{n} attempt to send, refused", "{n} attempts to send, refused", blocked).format(n=blocked),
            )
        )
    bad = sum(counters.get(name, 0) for name in ("rejected_lines", "missing_lines"))
    if bad:
        rows.append((_("lines"), _("{n} bad or missing lines; see the journal").format(n=bad)))
    return rows


def _database(resources: Mapping[str, int]) -> str:
    """How large it is, and how fast that fills the disk."""
    text = size(resources["database_bytes"])
    growth = resources.get("database_growth_bytes", 0)
    if growth > 0:
        text += ", " + _("growing by {size} a day").format(size=size(growth))
        from leadmasterd.queries.disk import full_in_days

        days = full_in_days(resources)
        if days is not None and days < _FORESEEN_DAYS:
            text += "; " + ngettext(
                "the disk is full in about {n} day", "the disk is full in about {n} days", days
            ).format(n=days)
    return text


def _ago(at: str | None, clock: Clock) -> str:
    """`14:03 (2 h 5 min ago)`."""
    if not at:
        return "?"
    seconds = int((clock.now - datetime.fromisoformat(at)).total_seconds())
    text = _("{at} (in {length})") if seconds < 0 else _("{at} ({length} ago)")
    return text.format(at=clock.brief(at), length=length(abs(seconds)))


def _print_rich(heading: str, rows: list[tuple[str, str]], waiters: list[tuple[str, bool]], code: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colour = _COLOURS.get(code, "red")
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(heading, style=colour, markup=False)
    grid = Table.grid(padding=(0, 2))
    for label, text in rows:
        grid.add_row(f"  {label}", text)
    for text, late in waiters:
        grid.add_row("", Text(text, style="red" if late else ""))
    console.print(grid, markup=False)
