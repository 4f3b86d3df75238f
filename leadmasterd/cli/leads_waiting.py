"""`leadmasterd leads waiting`: who waits for an answer, the longest first. Light imports: it answers in a blink."""

import argparse
import json
import sys
from contextlib import closing
from datetime import UTC, datetime

from leadmasterd.cli import names, reading
from leadmasterd.cli.arguments import add_epilog, add_json, add_limit
from leadmasterd.cli.bars import bar
from leadmasterd.clock import Clock, length, open_length
from leadmasterd.queries import words
from leadmasterd.queries.database import one_state
from leadmasterd.queries.waiting import (
    WaitingConversation,
    WaitingCount,
    nobody_waits,
    waiting_list,
)
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, ngettext


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many to show, and `--json`."""
    add_limit(parser)
    add_json(parser)
    add_epilog(parser, "leadmasterd leads waiting")


def run(arguments: argparse.Namespace) -> int:
    """Print who waits, and a summary. Returns 0, also if nobody does."""
    paths = find_paths(arguments.config)
    settings = reading.leads_settings(paths)
    now = datetime.now(UTC)
    target = settings.target_seconds
    connection = reading.leads_database(paths, settings)
    answer = nobody_waits(now, target)
    if connection:
        with closing(connection), one_state(connection):
            answer = waiting_list(
                connection,
                now,
                limit=arguments.limit,
                target_seconds=target,
                calendar=lambda: reading.business_seconds(settings),
            )
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    pending = words.pending_note(answer["unjudged"]) if answer["unjudged"] else ""
    if not answer["waiting"]:
        print(pending or _("Nobody is waiting for an answer."))
        return 0
    from leadmasterd.cli.tables import folded

    clock = Clock(now, settings.zone())
    _show_table(answer["waiting"], target, clock)
    print()
    print(folded(summary(answer, clock), 0))
    if pending:
        print(folded(pending, 0))
    shown, number = len(answer["waiting"]), answer["conversations"]
    if number > shown:
        print(_("The first {n} are shown: --limit {all} shows all.").format(n=shown, all=number), file=sys.stderr)
    return 0


def summary(count: WaitingCount, clock: Clock) -> str:
    """How many conversations wait, in words: `3 conversations, 1 overdue, the first since 14:03`."""
    number = count["conversations"]
    text = ngettext("{n} conversation", "{n} conversations", number).format(n=number)
    if count["overdue"]:
        text += ", " + _("{n} overdue").format(n=count["overdue"])
    if count["oldest_since"]:
        text += ", " + _("the first since {at}").format(at=clock.brief(count["oldest_since"])) + clock.where()
    return text


def _show_table(conversations: list[WaitingConversation], target: float, clock: Clock) -> None:
    """Print who waits, each with a bar that is full at the SLA target. `target`: in seconds."""
    from leadmasterd.cli.tables import Column, cell, show

    columns = [
        Column(_("lead"), right=True),
        Column(_("who"), shrinks=True),
        Column(_("wants"), most=17),
        Column(_("since"), spare=True),
        Column(_("waits"), right=True),
        Column(_("of {target} open").format(target=open_length(target)), spare=True),
    ]
    lines = []
    for row in conversations:
        late = row["overdue"]
        open_seconds = row["waited_business_seconds"]
        lines.append(
            [
                reading.lead_cell(row["lead_id"]),
                cell(*words.person(row)),
                cell(*names.wanted_lines(row)),
                cell(*clock.short(row["waiting_since"])),
                cell(
                    length(row["waited_seconds"]),
                    _("late") if late else "",
                    style="bold red" if late else "",
                    below="red",
                ),
                cell(
                    bar(open_seconds / target, late=late),
                    _open_time(open_seconds),
                    style="red" if late else "green",
                ),
            ]
        )
    show(columns, lines)


def _open_time(seconds: float) -> str:
    """How much of a wait was in opening hours; `not open yet` if nothing was."""
    return open_length(seconds) if seconds else _("not open yet")
