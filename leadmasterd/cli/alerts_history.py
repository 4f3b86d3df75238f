"""`leadmasterd alerts history`: what was told, when and to whom."""

import argparse
import json
import sys

from leadmasterd.cli.arguments import add_epilog, add_json, add_limit
from leadmasterd.cli.tables import Column, cell, show
from leadmasterd.cli.times import clock_of
from leadmasterd.clock import Clock
from leadmasterd.queries.alert_history import Delivery, alert_history
from leadmasterd.queries.words import alert_state
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, ngettext

_STYLES = {"due": "yellow", "given_up": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many."""
    add_limit(parser)
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd alerts history",
        "leadmasterd alerts history --limit 100",
        "leadmasterd alerts history --json",
        notes=_("The newest come first. The last 1,000 are kept."),
    )


def run(arguments: argparse.Namespace) -> int:
    """An empty list is not an error."""
    paths = find_paths(arguments.config)
    answer = alert_history(paths, limit=arguments.limit)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    if not answer["alerts"]:
        print(_("Nothing has been told yet."))
        return 0
    clock = clock_of(paths)
    columns = [
        Column(_("at")),
        Column(_("kind"), most=14),
        Column(_("told")),
        Column(_("what, and to whom"), shrinks=True),
    ]
    show(
        columns,
        [
            [
                cell(*clock.short(each["at"])),
                cell(each["kind"]),
                cell(alert_state(each["state"]), style=_STYLES.get(each["state"], "")),
                cell(each["title"], *(line for one in each["deliveries"] for line in _delivery(one, clock))),
            ]
            for each in answer["alerts"]
        ],
    )
    if answer["total"] > len(answer["alerts"]):
        text = _("The newest {n} are shown: --limit {all} shows all.")
        print(text.format(n=len(answer["alerts"]), all=answer["total"]), file=sys.stderr)
    return 0


def _delivery(delivery: Delivery, clock: Clock) -> list[str]:
    """When it was told there, or why it was not. What matters stands first: a narrow screen cuts the lines."""
    tries = delivery["tries"]
    if delivery["told_at"]:
        at = clock.brief(delivery["told_at"])
        if tries:
            at = ngettext("{at} after {n} failed try", "{at} after {n} failed tries", tries).format(at=at, n=tries)
        return [_("{at}: {to}").format(at=at, to=delivery["to"])]
    failed = ngettext("{n} failed try: {to}", "{n} failed tries: {to}", tries).format(n=tries, to=delivery["to"])
    return [failed, f"  {delivery['why']}"]
