"""`leadmasterd alerts list`: where alerts go, which kinds are sent, and which alerts are open."""

import argparse
import json
import sys
from typing import TypedDict

from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.cli.tables import Column, cell, folded, show
from leadmasterd.cli.times import clock_of
from leadmasterd.queries.alert_history import OpenAlert, open_alerts
from leadmasterd.queries.words import alert_state
from leadmasterd.settings.model import load
from leadmasterd.state.files import is_running
from leadmasterd.text import _, printable

_LABEL = 12
"""Screen columns of a label and the spaces after it."""


class AddressObject(TypedDict):
    """One address. `problem`: why it can't be used; `to` is empty then. `warning`: what is unsafe about it."""

    to: str
    problem: str
    warning: str


class AlertList(TypedDict):
    """`alerts list --json`."""

    addresses: list[AddressObject]
    kinds: list[str]
    quiet_hours: list[str]
    open: list[OpenAlert]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
    add_json(parser)
    add_epilog(parser, "leadmasterd alerts list", "leadmasterd alerts list --json")


def run(arguments: argparse.Namespace) -> int:
    """Print the addresses and the open alerts. Returns 0, also if no address is configured."""
    from leadmasterd.alerts.addresses import addresses_of

    settings, paths = load(arguments.config)
    usable, unusable = addresses_of(settings.alerts, paths)
    answer = AlertList(
        addresses=[
            *(AddressObject(to=each.shown, problem="", warning=each.warning) for each in usable),
            *(AddressObject(to="", problem=each, warning="") for each in unusable),
        ],
        kinds=list(settings.alerts.kinds),
        quiet_hours=list(settings.alerts.quiet_hours),
        open=open_alerts(paths),
    )
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    if not answer["addresses"]:
        print(_("Nobody is told anything: no address is configured. docs/alerts.md shows how."))
        return 0
    for label, text in _rows(answer):
        print(folded(f"{label:<{_LABEL}}{printable(text)}", _LABEL))
    print()
    clock = clock_of(paths)
    if answer["open"]:
        columns = [Column(_("since")), Column(_("kind")), Column(_("told")), Column(_("what"), shrinks=True)]
        show(
            columns,
            [
                [
                    cell(*clock.short(each["since"])),
                    cell(each["kind"]),
                    cell(alert_state(each["state"])),
                    cell(each["title"]),
                ]
                for each in answer["open"]
            ],
        )
    else:
        print(_("No alert is open."))
    if not is_running(paths):
        print(_("The daemon is not running; it sends alerts only while it runs."), file=sys.stderr)
    return 0


def _rows(answer: AlertList) -> list[tuple[str, str]]:
    """Labels and texts of what is configured: the addresses, kinds and quiet hours."""
    rows = []
    for each in answer["addresses"]:
        if each["problem"]:
            rows.append((_("problem"), each["problem"]))
        else:
            rows.append((_("to"), each["to"]))
        if each["warning"]:
            rows.append((_("careful"), each["warning"]))
    rows.append((_("kinds"), ", ".join(answer["kinds"])))
    quiet = _("never")
    if answer["quiet_hours"]:
        begin, end = answer["quiet_hours"]
        quiet = _("{begin} to {end}").format(begin=begin, end=end)
    rows.append((_("quiet"), quiet))
    return rows
