"""`leadmasterd alerts history`: which alerts there were, when, and what became of each at every address."""

import argparse
import json
import sys

from leadmasterd.cli.arguments import add_epilog, add_json, add_limit
from leadmasterd.cli.tables import Cell, Column, cell, show
from leadmasterd.cli.times import clock_of
from leadmasterd.clock import Clock
from leadmasterd.queries.alert_history import Alert, Delivery, alert_history
from leadmasterd.queries.words import alert_state
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, ngettext

_STYLES = {"due": "yellow", "given_up": "bold red"}
"""Rich styles of the states that stand out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many to show, and `--json`."""
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
    """Print the newest alerts. Returns 0, also if there are none."""
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
    show(columns, [_row(alert, clock) for alert in answer["alerts"]])
    if answer["total"] > len(answer["alerts"]):
        text = _("The newest {n} are shown: --limit {all} shows all.")
        print(text.format(n=len(answer["alerts"]), all=answer["total"]), file=sys.stderr)
    return 0


def _row(alert: Alert, clock: Clock) -> list[Cell]:
    lines = [alert["title"]]
    for delivery in alert["deliveries"]:
        lines += _delivery(delivery, clock)
    return [
        cell(*clock.short(alert["at"])),
        cell(alert["kind"]),
        cell(alert_state(alert["state"]), style=_STYLES.get(alert["state"], "")),
        cell(*lines),
    ]


def _delivery(delivery: Delivery, clock: Clock) -> list[str]:
    """Lines about one address: when the alert was delivered there, or how often that failed and why.

    What matters comes first, because a narrow screen cuts the lines.
    """
    tries = delivery["tries"]
    if delivery["told_at"]:
        at = clock.brief(delivery["told_at"])
        if tries:
            at = ngettext("{at} after {n} failed try", "{at} after {n} failed tries", tries).format(at=at, n=tries)
        return [_("{at}: {to}").format(at=at, to=delivery["to"])]
    failed = ngettext("{n} failed try: {to}", "{n} failed tries: {to}", tries).format(n=tries, to=delivery["to"])
    return [failed, f"  {delivery['why']}"]
