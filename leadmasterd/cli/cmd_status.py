"""`leadmasterd status`: what a tired admin understands in ten seconds, even when the daemon is dead.

The daemon's state is read from status.json; who waits, and how reliable capture was, from the database.
"""

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
from leadmasterd.queries.database import Connection, cause_in_file, one_state, open_for_reading
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
"""Colours of the heading by exit code. Any other code, as for a damaged database, is red."""

_KEYS: Final = (
    "phase", "since", "because", "code", "pid", "account", "capture", "waiting", "resources", "next_jobs", "versions",
)  # fmt: skip
"""Keys of status.json that `--json` gives as null if no daemon has ever run here."""

_SHOWN: Final = 5
"""How many waiting people are listed."""

_FORESEEN_DAYS: Final = 365
"""A disk that will be full within so many days is mentioned."""

_OTHER_COLUMNS: Final = 40
"""Columns for labels, bar, waited time and the spaces between them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
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
    """Print the daemon's state, who waits, and how reliable capture was.

    Returns 73 if the database is damaged, else the result of `exit_code`.
    """
    paths = find_paths(arguments.config)
    running, status = is_running(paths), read_status(paths)
    settings = read_leads_settings(paths)
    clock = Clock(datetime.now(UTC), settings.zone())
    now = clock.now
    code = exit_code(running=running, status=status)
    if arguments.json:
        never_run = {"v": 1, **dict.fromkeys(_KEYS)}
        answer = {**(status or never_run), "running": running}
        try:
            with _reading(paths, settings) as connection:
                if connection:  # people wait even when the daemon is dead
                    answer["waiting"] = count_waiting(connection, now)
        except (OSError, CannotUseDatabase) as error:
            code = _code_after(error, code)
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
        code = _code_after(error, code)
    if sys.stdout.isatty():
        _print_rich(heading, rows, waiters, code)
    else:
        print(heading)
        for label, text in rows:
            print(f"  {label:<10} {text}")
        for text, _late in waiters:
            print(f"  {'':<10} {text}")
    return code


@contextmanager
def _reading(paths: Paths, settings: LightLeadsSettings) -> Iterator[Connection | None]:
    """The database, with `due_at` by the opening hours in these settings; None if there is none yet.

    Raises CannotUseDatabase, also if the body of the `with` fails because the file is damaged.
    """
    try:
        connection = open_for_reading(paths)
    except FileNotFoundError:
        yield None
        return
    with closing(connection), one_state(connection):
        try:
            yield with_current_deadlines(connection, settings)
        except Exception as error:
            if cause := cause_in_file(paths.database, error):
                raise cause from error
            raise


def _code_after(error: Exception, code: int) -> int:
    """The exit code after an error of the database: the error's own if the file is damaged, else `code`."""
    return error.exit_code if isinstance(error, DatabaseDamaged) else code


def _reliability(connection: Connection, now: datetime) -> list[tuple[str, str]]:
    """A labelled line about the last seven days: uptime, gaps, median recovery time. Empty before the first link."""
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
    """Labelled lines about how many wait for an answer; a line for each of the longest waits, and True if overdue."""
    count = count_waiting(connection, clock.now)
    label = _("waiting")
    pending = []  # somebody may wait in conversations whose leads are not up to date
    if count["unjudged"]:
        from leadmasterd.queries.words import pending_note

        pending.append((label, pending_note(count["unjudged"])))
    if not count["conversations"]:
        return pending or [(label, _("nobody is waiting for an answer"))], []
    from leadmasterd.cli import leads_waiting
    from leadmasterd.cli.bars import bar
    from leadmasterd.cli.tables import columns_of_screen, padded
    from leadmasterd.queries import words

    target = settings.target_seconds
    # None: waits in opening hours are estimated. The calendar's holidays take longer to load than everything else.
    rows = waiting(connection, clock.now, limit=_SHOWN, target_seconds=target, business_seconds=None)
    wanted = [words.wanted(row) for row in rows]
    room = columns_of_screen() - _OTHER_COLUMNS - max(map(len, wanted))
    name_width = min(24, max(8, room))
    waiters = []
    for row, wants in zip(rows, wanted, strict=True):
        text = _("{bar}  {length:>10}  {who}  {wants}").format(
            bar=bar(row["waited_business_seconds"] / target, late=row["overdue"]),
            length=length(row["waited_seconds"]),
            who=padded(row["who"], name_width),
            wants=wants,
        )
        waiters.append((text, bool(row["overdue"])))
    return [*pending, (label, leads_waiting.summary(count, clock))], waiters


def exit_code(*, running: bool, status: Mapping[str, Any] | None) -> int:
    """0 ready, 2 running but not ready, 3 not running, 4 needs a person. `status`: None without a status.json."""
    if not running:
        return NOT_RUNNING
    if not status:  # the daemon is starting
        return NOT_READY
    phase = status["phase"]
    trouble = (status.get("trouble") or {}).get("code")
    if phase in sentences.NEEDS_A_PERSON or health.needs_a_person(trouble):
        return NEEDS_A_PERSON
    return READY if phase == "ready" else NOT_READY


def describe(
    status: Mapping[str, Any] | None, *, running: bool, clock: Clock, state_dir: str
) -> tuple[str, list[tuple[str, str]]]:
    """The heading and the labelled lines below it.

    `status`: status.json, None if there is none; if the daemon is not `running`, its last run has left it.
    """
    if status is None:
        if running:
            return _("leadmasterd is starting."), []
        return _("leadmasterd is not running, and has never run here ({state_dir}).").format(state_dir=state_dir), []
    phase = sentences.phase(status["phase"])
    since = _when(status.get("since"), clock)
    because = sentences.because(status["code"], status.get("values") or {})
    is_starting = running and not status.get("since")
    if is_starting:
        heading = _("leadmasterd is starting.")
    elif running:
        heading = _("leadmasterd has been {phase} since {since}: {because}.").format(
            phase=phase, since=since, because=because
        )
    else:
        heading = _not_running(status, phase=phase, since=since, because=because)
    rows = []
    if not is_starting:  # while it starts, its database is closed and nothing is counted
        rows += [(_("captured"), _captured(status["capture"], clock)), (_("gaps"), _gaps(status, running=running))]
    # Each of the following goes to the top, so the most urgent comes last.
    for code, detail in (status.get("concerns") or {}).items():
        rows.insert(0, (_("note") if running else _("last note"), health.text(code, detail)))
    if trouble := status.get("trouble"):
        label = _("trouble") if running else _("it had")
        rows.insert(0, (label, health.text(trouble["code"], trouble["detail"])))
    if status["code"] == "temporary_ban" and (end := _ban_ends(status.get("values") or {})):
        rows.insert(0, (_("banned"), _("until {at}").format(at=_when(end, clock))))
    if running:
        rows += _running_rows(status, clock)
    if zone := clock.zone_name():
        rows.append((_("times"), _("in {zone} time (leads.timezone)").format(zone=zone)))
    return heading, rows


def _ban_ends(values: Mapping[str, Any]) -> str | None:
    """When a temporary ban ends (ISO); None if WhatsApp did not say. `expires` in `values`: seconds since 1970."""
    try:
        return iso(datetime.fromtimestamp(float(values["expires"]), UTC))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _captured(capture: Mapping[str, Any], clock: Clock) -> str:
    """How many messages were captured, and when the last one came."""
    text = _("{live} live, {sweep} by sweep").format(live=figure(capture["live"]), sweep=figure(capture["sweep"]))
    if last := capture.get("last_message_at"):
        text += "; " + _("last message {ago}").format(ago=_when(last, clock))
    return text


def _not_running(status: Mapping[str, Any], *, phase: str, since: str, because: str) -> str:
    """The heading while no daemon runs: how the last run ended, in which phase, and the reason for that phase."""
    if status["phase"] == "stopped":
        return _("leadmasterd is not running. It stopped at {since}: {because}.").format(since=since, because=because)
    return _(
        "leadmasterd is not running. It ended without a word; from {since} it had been {phase} ({because})."
    ).format(phase=phase, since=since, because=because)


def _gaps(status: Mapping[str, Any], *, running: bool) -> str:
    """How many gaps are open, and what fills them: a sweep, or the next start if the daemon is not `running`."""
    number = int(status["capture"]["open_gaps"])
    is_linked = bool(status.get("account"))
    if is_linked and not running:
        if not number:
            return _("none were open; what came since then is fetched at the next start")
        return ngettext(
            "{n} was open; the next start fetches it, and what came since then",
            "{n} were open; the next start fetches them, and what came since then",
            number,
        ).format(n=number)
    if not number and not is_linked:
        return _("none yet: no phone has been linked here")
    if not number:
        return _("none open: everything WhatsApp delivered is here")
    return ngettext("{n} open, a sweep will close it", "{n} open, a sweep will close them", number).format(n=number)


def _feed(feed: Mapping[str, Any]) -> str:
    """A feed in one line: how many events it has to deliver or has given up, and its state unless it is active."""
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
        states = {
            "down": _("its receiver seems to be down"),
            "paused": _("paused"),
            "disabled": _("disabled"),
            "unusable": _("it can't be used"),
        }
        text += "; " + states.get(feed["state"], feed["state"])
    if feed["why"]:
        text += f" ({translated(feed['why'])})"
    return printable(text)


def _running_rows(status: Mapping[str, Any], clock: Clock) -> list[tuple[str, str]]:
    """Labelled lines that only a running daemon has: resources, feeds, planned jobs, refused attempts, bad lines."""
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
        (_("next"), _("{job} {when}").format(job=sentences.job(job["job"]), when=_when(job["at"], clock)))
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
    """How large the database is, how fast it grows, and when it fills the disk if that is soon."""
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


def _when(at: str | None, clock: Clock) -> str:
    """`14:03 (2 h 5 min ago)`, `14:03 (in 5 min)`; `?` for None."""
    if not at:
        return "?"
    seconds = int((clock.now - datetime.fromisoformat(at)).total_seconds())
    text = _("{at} (in {length})") if seconds < 0 else _("{at} ({length} ago)")
    return text.format(at=clock.brief(at), length=length(abs(seconds)))


def _print_rich(heading: str, rows: list[tuple[str, str]], waiters: list[tuple[str, bool]], code: int) -> None:
    """Print all of it in colour: the heading by the exit code, overdue waits in red."""
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
