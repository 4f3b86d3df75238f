"""`leadmasterd feeds dead NAME`: the dead letters of a feed (events that it has given up), and why."""

import argparse
import json
import sys

from leadmasterd.cli.arguments import add_epilog, add_json, add_limit, typed
from leadmasterd.cli.tables import Column, cell, show
from leadmasterd.cli.times import clock_of
from leadmasterd.queries.feeds import dead_letters
from leadmasterd.settings.model import load
from leadmasterd.text import _


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the feed's name, how many events to show, and `--json`."""
    parser.add_argument("name", type=typed, metavar=_("NAME"), help=_("the feed"))
    add_limit(parser)
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd feeds dead crm",
        "leadmasterd feeds dead crm --json",
        notes=_("`leadmasterd feeds retry` delivers them again."),
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the dead letters. Returns 0, also if there are none. Raises Refused if there is no such feed."""
    settings, paths = load(arguments.config)
    answer = dead_letters(paths, settings, arguments.name, limit=arguments.limit)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    if not answer["dead"]:
        print(_("{name} has given nothing up.").format(name=arguments.name))
        return 0
    clock = clock_of(paths)
    columns = [
        Column(_("event"), right=True),
        Column(_("kind"), shrinks=True),
        Column(_("conversation"), right=True, spare=True),
        Column(_("of")),
        Column(_("given up")),
        Column(_("tries"), right=True),
        Column(_("why"), shrinks=True),
    ]
    show(
        columns,
        [
            [
                cell(each["event_id"]),
                cell(each["kind"]),
                cell(each["conversation_id"] or "-"),
                cell(*clock.short(each["at"])),
                cell(*clock.short(each["died_at"])),
                cell(each["tries"]),
                cell(each["why"]),
            ]
            for each in answer["dead"]
        ],
    )
    if answer["total"] > len(answer["dead"]):
        text = _("The first {n} are shown: --limit {all} shows all.")
        print(text.format(n=len(answer["dead"]), all=answer["total"]), file=sys.stderr)
    return 0
