"""`leadmasterd leads export`: all leads, for a spreadsheet or for a program."""

import argparse
import csv
import io
import json
import re
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from leadmasterd import times
from leadmasterd.cli.arguments import add_epilog, add_json, add_time
from leadmasterd.cli.encoding import print_utf8
from leadmasterd.cli.leads_list import looked_up, not_looked_at, opened
from leadmasterd.cli.times import time_from
from leadmasterd.errors import Refused
from leadmasterd.queries import leads as lead_queries
from leadmasterd.queries.leads import Row, Windows
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.files import write_private
from leadmasterd.text import _, ngettext, printable

COLUMNS: Final = (
    "lead_id", "who", "phone", "chat", "stage", "intent", "topics", "source", "opened_at", "last_message_at",
    "waiting_since", "due_at", "overdue", "stale", "dormant_proposed", "proposed", "follow_up_at", "first_response_at",
    "first_response_seconds", "first_response_business_seconds", "stage_at", "closed_at", "reopened",
    "previous_lead_id", "merged_into_id", "contact_id", "conversation_id", "touch",
)  # fmt: skip
"""Added to at the end only: programs read the table."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBER: Final = re.compile(r"\+[0-9]+")
"""A phone: whatever a spreadsheet makes of it, it is no formula."""

_CONTROLS: Final = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")}, " ")
_MOST: Final = 2**63 - 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which leads, in which form, and where to."""
    parser.add_argument("--format", choices=("csv", "jsonl"), default="csv", help=_("csv (default) or jsonl"))
    add_time(parser, "--since", _("only leads active since this date or time"))
    parser.add_argument("--output", metavar="FILE", help=_("write to FILE, atomically (default: stdout)"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd leads export --output leads.csv",
        "leadmasterd leads export --format jsonl --since 2026-11-01",
    )


def run(arguments: argparse.Namespace) -> int:
    """All of them, the oldest first."""
    paths = find_paths(arguments.config)
    settings = looked_up(paths)
    since = times.iso(time_from(arguments.since, settings.zone())) if arguments.since is not None else None
    windows = Windows(datetime.now(UTC), settings.stale_days, settings.dormant_days)
    connection = opened(paths)
    rows: list[Row] = []
    if connection:
        with closing(connection):
            rows = lead_queries.leads(connection, windows, limit=_MOST, closed_too=True, since=since, oldest_first=True)
            if unjudged := lead_queries.count_unjudged(connection):
                print(not_looked_at(unjudged), file=sys.stderr)
    if arguments.output in (None, "-"):
        if arguments.json:
            print(json.dumps({"leads": rows}, ensure_ascii=False))
        else:
            text = as_csv(rows) if arguments.format == "csv" else as_lines(rows)
            # A pipe gets texts as they are, as a file does; a terminal would obey them.
            if sys.stdout.isatty():
                text = "".join(f"{printable(line)}\n" for line in text.splitlines())
            else:
                print_utf8()
            sys.stdout.write(text)
        return 0
    file = Path(arguments.output)
    text = as_csv(rows) if arguments.format == "csv" else as_lines(rows)
    try:
        if file.exists() and not file.is_file():
            raise Refused(_("cannot write {file}: it is no file; name one").format(file=file))
        write_private(file, text.encode("utf-8", "replace"))
    except OSError as error:
        why = error.strerror or str(error)
        raise Refused(_("cannot write {file}: {why}; name another --output").format(file=file, why=why)) from error
    if arguments.json:
        print(json.dumps({"file": str(file), "format": arguments.format, "leads": len(rows)}, ensure_ascii=False))
    else:
        said = ngettext(
            "{n} lead in {file}, readable by you alone.", "{n} leads in {file}, readable by you alone.", len(rows)
        )
        print(said.format(n=len(rows), file=file))
    return 0


def as_csv(rows: Iterable[Row]) -> str:
    """With a header. What a spreadsheet would take for a formula begins with an apostrophe; controls are spaces."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for row in rows:
        table.writerow([_cell(row[column]) for column in COLUMNS])
    return text.getvalue()


def as_lines(rows: Iterable[Row]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps({column: row[column] for column in COLUMNS}, ensure_ascii=False) + "\n" for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, dict):
        value = f"{value['kind']}: {lead_queries.named_touch(value)}"
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        formula = value.startswith(_FORMULA) and not _NUMBER.fullmatch(value)
        return ("'" if formula else "") + value.translate(_CONTROLS)
    return "" if value is None else value
