"""`leadmasterd leads today`: what is due today or overdue. Light imports: it answers in a blink."""

import argparse
import json
from contextlib import closing
from datetime import UTC, datetime

from leadmasterd.cli import names, reading
from leadmasterd.cli.arguments import add_epilog, add_json, add_limit
from leadmasterd.clock import Clock
from leadmasterd.queries import words
from leadmasterd.queries.database import one_state
from leadmasterd.queries.today import DueFollowUp, Today, nothing_due, today
from leadmasterd.queries.waiting import WaitingConversation
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, ngettext


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many to show, and `--json`."""
    add_limit(parser, _("show at most N of each (default 20)"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd leads today",
        notes=_("The day is that of leads.timezone. Follow-ups of earlier days stay listed until\nthey are done."),
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the follow-ups and the answers that are due. Returns 0, also if nothing is."""
    paths = find_paths(arguments.config)
    settings = reading.leads_settings(paths)
    clock = Clock(datetime.now(UTC), settings.zone())
    target = settings.target_seconds
    connection = reading.leads_database(paths, settings)
    answer = nothing_due(clock.now, clock.today(), target)
    if connection:
        with closing(connection), one_state(connection):
            answer = today(
                connection,
                clock.now,
                clock.today(),
                limit=arguments.limit,
                target_seconds=target,
                calendar=lambda: reading.business_seconds(settings),
            )
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    _print(answer, clock)
    if answer["follow_ups"] or answer["waiting"]:
        from leadmasterd.cli.tables import note_more

        note_more(max(len(answer["follow_ups"]), len(answer["waiting"])), arguments.limit)
        reading.print_zone(clock)
    return 0


def _print(answer: Today, clock: Clock) -> None:
    """Print a table of follow-ups, one of people who wait, and notes about what the tables do not show."""
    from leadmasterd.cli.tables import folded

    something_is_due = bool(answer["follow_ups"] or answer["waiting"])
    if answer["follow_ups"]:
        print(_("To follow up"))
        _show_follow_ups(answer["follow_ups"], clock)
    if answer["waiting"]:
        print(("\n" if answer["follow_ups"] else "") + _("Waiting for an answer"))
        _show_waiting(answer["waiting"], clock)
    lines = []
    if not something_is_due and not answer["unjudged"]:
        lines.append(_("Nothing is due today."))
    if answer["unjudged"]:
        lines.append(words.pending_note(answer["unjudged"]))
    if number := answer["waiting_later"]:
        lines.append(
            ngettext(
                "{n} conversation waits that is not due today: `leadmasterd leads waiting`.",
                "{n} conversations wait that are not due today: `leadmasterd leads waiting`.",
                number,
            ).format(n=number)
        )
    if something_is_due and lines:
        print()
    for line in lines:
        print(folded(line, 0))


def _show_follow_ups(follow_ups: list[DueFollowUp], clock: Clock) -> None:
    from leadmasterd.cli.tables import Column, cell, show

    columns = [
        Column(_("lead"), right=True),
        Column(_("who"), shrinks=True),
        Column(_("what")),
        Column(_("due")),
    ]
    lines = []
    for row in follow_ups:
        due, time_or_year = clock.short(row["due_at"])
        late = row["overdue"]
        lines.append(
            [
                reading.lead_cell(row["lead_id"]),
                cell(*words.person(row)),
                cell(words.follow_up(row["kind"], row["number"])),
                cell(
                    due,
                    _("overdue") if late else time_or_year,
                    style="bold red" if late else "",
                    below="red" if late else "dim",
                ),
            ]
        )
    show(columns, lines)


def _show_waiting(conversations: list[WaitingConversation], clock: Clock) -> None:
    from leadmasterd.cli.tables import Column, cell, show

    columns = [
        Column(_("lead"), right=True),
        Column(_("who"), shrinks=True),
        Column(_("wants"), most=17),
        Column(_("since"), spare=True),
        Column(_("answer by")),
    ]
    lines = []
    for row in conversations:
        assert row["due_at"] is not None  # it is due today
        due, time_or_year = clock.short(row["due_at"])
        late = row["overdue"]
        lines.append(
            [
                reading.lead_cell(row["lead_id"]),
                cell(*words.person(row)),
                cell(*names.wanted_lines(row)),
                cell(*clock.short(row["waiting_since"])),
                cell(due, _("overdue") if late else time_or_year, style="bold red" if late else "", below="red"),
            ]
        )
    show(columns, lines)
