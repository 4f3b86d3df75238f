"""`leadmasterd feeds list`: all feeds of the settings."""

import argparse
import json
import sys

from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.cli.tables import Column, cell, show
from leadmasterd.cli.times import clock_of
from leadmasterd.clock import length
from leadmasterd.queries.feeds import Feed, feed_list
from leadmasterd.queries.words import feed_state
from leadmasterd.settings.model import load
from leadmasterd.state.files import is_running
from leadmasterd.text import _, figure

_STYLES = {"active": "green", "down": "yellow", "disabled": "bold red", "unusable": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
    add_json(parser)
    add_epilog(parser, "leadmasterd feeds list", "leadmasterd feeds list --json")


def run(arguments: argparse.Namespace) -> int:
    """Print the feeds. Returns 0, also if none is configured."""
    settings, paths = load(arguments.config)
    answer = feed_list(paths, settings)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    if not answer["feeds"]:
        print(_("No feed is configured. docs/feeds.md shows how."))
        return 0
    clock = clock_of(paths)
    columns = [
        Column(_("feed"), shrinks=True, most=20),
        Column(_("kind"), most=10),
        Column(_("state")),
        Column(_("behind"), right=True),
        Column(_("oldest"), right=True, spare=True),
        Column(_("given up"), right=True),
        Column(_("why"), shrinks=True),
    ]
    rows = []
    for feed in answer["feeds"]:
        undelivered = given_up(feed)
        rows.append(
            [
                cell(feed["name"]),
                cell(feed["kind"]),
                cell(feed_state(feed["state"]), style=_STYLES.get(feed["state"], "")),
                cell(figure(feed["behind"]) if feed["behind"] else "-"),
                cell(length(clock.seconds_since(feed["oldest_at"])) if feed["oldest_at"] else ""),
                cell(figure(undelivered) if undelivered else "-", style="red" if undelivered else ""),
                cell(feed["why"]),
            ]
        )
    show(columns, rows)
    if any(feed["state"] == "active" for feed in answer["feeds"]) and not is_running(paths):
        print(_("The daemon is not running; feeds deliver once it is."), file=sys.stderr)
    return 0


def given_up(feed: Feed) -> int:
    """How many events were not delivered and will not be by themselves: dead letters, and those dropped for space."""
    dropped = feed["given_up"]["number"] if feed["given_up"] else 0
    return feed["dead"] + dropped
