"""`leadmasterd leads export`: all leads, for a spreadsheet or for a program."""

import argparse
import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypedDict

from leadmasterd import times
from leadmasterd.cli import reading
from leadmasterd.cli.arguments import add_epilog, add_json, add_time
from leadmasterd.cli.encoding import print_utf8
from leadmasterd.cli.times import time_from
from leadmasterd.errors import Refused
from leadmasterd.queries import words
from leadmasterd.queries.leads import AsOf, Lead, LeadExport, count_pending, lead_export, touch_name
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.files import write_private
from leadmasterd.text import _, ngettext, printable

COLUMNS: Final = (
    "lead_id", "who", "phone", "chat", "stage", "intent", "topics", "source", "opened_at", "last_message_at",
    "waiting_since", "due_at", "overdue", "stale", "dormant_proposed", "proposed", "follow_up_at", "first_response_at",
    "first_response_seconds", "first_response_business_seconds", "stage_at", "closed_at", "reopened",
    "previous_lead_id", "merged_into_id", "contact_id", "conversation_id", "touch",
)  # fmt: skip
"""Add columns at the end only: programs read the table."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_PHONE: Final = re.compile(r"\+[0-9]+")
"""Starts like a formula but is not one."""

_CONTROLS: Final = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")}, " ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which leads, which format, which file."""
    parser.add_argument("--format", choices=("csv", "jsonl"), default="csv", help=_("csv (default) or jsonl"))
    add_time(parser, "--since", _("only leads active since this date or time"))
    parser.add_argument("--output", metavar="FILE", help=_("write to FILE, atomically (default: stdout)"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd leads export --output leads.csv",
        "leadmasterd leads export --format jsonl --since 2026-11-01",
    )


class ExportedFile(TypedDict):
    """The answer of `leads export --output`. `leads`: how many."""

    file: str
    format: str
    leads: int


def run(arguments: argparse.Namespace) -> int:
    """All leads, the oldest first."""
    paths = find_paths(arguments.config)
    settings = reading.leads_settings(paths)
    since = None if arguments.since is None else times.iso(time_from(arguments.since, settings.zone()))
    as_of = AsOf(datetime.now(UTC), settings.stale_days, settings.dormant_days)
    connection = reading.leads_database(paths, settings)
    answer: LeadExport = {"leads": []}
    if connection:
        with closing(connection):
            answer = lead_export(connection, as_of, since=since)
            if pending := count_pending(connection):
                print(words.pending_note(pending), file=sys.stderr)
    if arguments.output not in (None, "-"):
        return _write(Path(arguments.output), answer["leads"], arguments)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    text = as_csv(answer["leads"]) if arguments.format == "csv" else as_lines(answer["leads"])
    # A pipe gets the texts as they are, like a file; a terminal would obey their control characters.
    if sys.stdout.isatty():
        text = "".join(f"{printable(line)}\n" for line in text.splitlines())
    else:
        print_utf8()
    sys.stdout.write(text)
    return 0


def _write(file: Path, leads: Sequence[Lead], arguments: argparse.Namespace) -> int:
    text = as_csv(leads) if arguments.format == "csv" else as_lines(leads)
    try:
        if file.exists() and not file.is_file():
            raise Refused(_("cannot write {file}: it is not a regular file; name another --output").format(file=file))
        write_private(file, text.encode("utf-8", "replace"))
    except OSError as error:
        why = error.strerror or str(error)
        raise Refused(_("cannot write {file}: {why}; name another --output").format(file=file, why=why)) from error
    if arguments.json:
        answer: ExportedFile = {"file": str(file), "format": arguments.format, "leads": len(leads)}
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    text = ngettext(
        "{n} lead in {file}, readable only by you.", "{n} leads in {file}, readable only by you.", len(leads)
    )
    print(text.format(n=len(leads), file=file))
    return 0


def as_csv(leads: Iterable[Lead]) -> str:
    """With a header. Text that a spreadsheet would take for a formula gets an apostrophe; controls become spaces."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for lead in leads:
        table.writerow(_row(lead))
    return text.getvalue()


def as_lines(leads: Iterable[Lead]) -> str:
    """One JSON object per line."""

    def line(lead: Mapping[str, object]) -> str:
        return json.dumps({column: lead[column] for column in COLUMNS}, ensure_ascii=False)

    return "".join(f"{line(lead)}\n" for lead in leads)


def _row(lead: Lead) -> list[object]:
    touch = lead["touch"]
    values: Mapping[str, object] = {**lead, "touch": f"{touch['kind']}: {touch_name(touch)}" if touch else None}
    return [_cell(values[column]) for column in COLUMNS]


def _cell(value: object) -> object:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        formula = value.startswith(_FORMULA) and not _PHONE.fullmatch(value)
        return ("'" if formula else "") + value.translate(_CONTROLS)
    return "" if value is None else value
