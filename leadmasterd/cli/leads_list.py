"""`leadmasterd leads list`: open leads, the longest waiting first. Light imports: it answers in a blink."""

import argparse
import json
import sys
from contextlib import closing
from datetime import UTC, datetime

from leadmasterd import times
from leadmasterd.cli import names, reading
from leadmasterd.cli.arguments import add_epilog, add_json, add_limit
from leadmasterd.clock import Clock, length
from leadmasterd.queries import words
from leadmasterd.queries.database import one_state
from leadmasterd.queries.leads import AsOf, Lead, lead_list, no_leads
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which leads, how many of them, and `--json`."""
    parser.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar=_("STAGE"),
        help=_("only this stage, closed ones included; repeatable"),
    )
    parser.add_argument(
        "--intent", action="append", default=[], metavar=_("INTENT"), help=_("only this intent; repeatable")
    )
    parser.add_argument("--all", action="store_true", help=_("closed leads too"))
    add_limit(parser)
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd leads list",
        _("leadmasterd leads list --stage quoted --stage qualified"),
        _("leadmasterd leads list --intent price --all --limit 100"),
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the leads. Returns 0, also if there are none. Raises CannotUseArgument for an unknown stage or intent."""
    paths = find_paths(arguments.config)
    settings = reading.leads_settings(paths)
    stages = [names.stage(each) for each in arguments.stage]
    intents = [names.intent(each) for each in arguments.intent]
    as_of = AsOf(datetime.now(UTC), settings.stale_days, settings.dormant_days)
    connection = reading.leads_database(paths, settings)
    answer = no_leads(as_of)
    if connection:
        with closing(connection), one_state(connection):
            answer = lead_list(
                connection,
                as_of,
                limit=arguments.limit,
                closed_too=arguments.all or bool(stages),
                stages=stages,
                intents=intents,
            )
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    if answer["leads"]:
        from leadmasterd.cli.tables import note_more

        clock = Clock(as_of.now, settings.zone())
        _show_table(answer["leads"], clock)
        note_more(len(answer["leads"]), arguments.limit)
        reading.print_zone(clock)
    elif connection:
        print(_("No leads."), file=sys.stderr)
    if answer["unjudged"]:
        print(words.pending_note(answer["unjudged"]), file=sys.stderr)
    return 0


def _show_table(leads: list[Lead], clock: Clock) -> None:
    from leadmasterd.cli.tables import Column, cell, show

    columns = [
        Column(_("id"), right=True),
        Column(_("who"), shrinks=True),
        Column(_("stage")),
        Column(_("wants"), most=17),
        Column(_("opened"), spare=True),
        Column(_("last"), spare=True),
        Column(_("waiting")),
    ]
    lines = []
    for lead in leads:
        waits = length(clock.seconds_since(lead["waiting_since"])) if lead["waiting_since"] else ""
        lines.append(
            [
                cell(lead["lead_id"]),
                cell(*words.person(lead)),
                cell(*names.stage_lines(lead["stage"])),
                cell(*names.intent_lines(lead["intent"])),
                cell(*clock.short(lead["opened_at"])),
                cell(*clock.short(lead["last_message_at"])),
                cell(waits, *_flags(lead, clock.now), style="bold red" if lead["overdue"] else "", below="yellow"),
            ]
        )
    show(columns, lines)


def _flags(lead: Lead, now: datetime) -> list[str]:
    """What asks for somebody's attention: short words for the lines of a cell."""
    flags = []
    if lead["overdue"]:
        flags.append(_("overdue"))
    if lead["proposed"]:
        flags.append(_("close?"))
    if lead["follow_up_at"] and lead["follow_up_at"] <= times.iso(now):
        flags.append(_("follow up"))
    if lead["dormant_proposed"]:
        flags.append(_("dormant?"))
    elif lead["stale"]:
        flags.append(_("stale"))
    return flags
