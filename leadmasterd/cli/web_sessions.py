"""`leadmasterd web sessions`: the browsers that are let in, by their sessions of the page."""

import argparse
import json
from typing import TypedDict

from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.cli.tables import Column, cell, show
from leadmasterd.cli.times import clock_of
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _
from leadmasterd.web.access import Access, Session


class SessionRecord(TypedDict):
    """A session of the page, as in docs/json.md. `name`: whose browser it is; the times are ISO."""

    id: int
    name: str
    since: str
    seen_at: str
    until: str


class SessionList(TypedDict):
    """`web sessions --json`."""

    sessions: list[SessionRecord]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
    add_json(parser)
    add_epilog(parser, "leadmasterd web sessions", "leadmasterd web sessions --json")


def run(arguments: argparse.Namespace) -> int:
    """Print the sessions. Returns 0, also if there are none."""
    paths = find_paths(arguments.config)
    sessions = Access(paths).sessions()
    if arguments.json:
        answer: SessionList = {"sessions": [_record(each) for each in sessions]}
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    if not sessions:
        print(_("No browser is let in. `leadmasterd web link` prints a link that lets one in."))
        return 0
    clock = clock_of(paths)
    columns = [
        Column(_("id"), right=True),
        Column(_("name"), shrinks=True, most=40),
        Column(_("since"), spare=True),
        Column(_("last seen")),
        Column(_("until")),
    ]
    rows = []
    for each in sessions:
        times = [cell(clock.full(at)) for at in (each.since, each.seen_at, each.until)]
        rows.append([cell(each.id), cell(each.name), *times])
    show(columns, rows)
    return 0


def _record(session: Session) -> SessionRecord:
    return {
        "id": session.id,
        "name": session.name,
        "since": session.since,
        "seen_at": session.seen_at,
        "until": session.until,
    }
