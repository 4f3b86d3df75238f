"""`leadmasterd leads export`: all leads or conversations, for a spreadsheet or for a program."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, TypedDict

from leadmasterd import causes, times
from leadmasterd.cli import reading
from leadmasterd.cli.arguments import add_epilog, add_json, add_time
from leadmasterd.cli.encoding import print_utf8
from leadmasterd.cli.times import time_from
from leadmasterd.clock import Clock
from leadmasterd.errors import CannotUseArgument, Refused
from leadmasterd.export.kinds import KINDS, Kind, pages
from leadmasterd.queries import words
from leadmasterd.queries.database import one_state
from leadmasterd.queries.leads import AsOf, count_pending
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.files import replacing
from leadmasterd.text import _, figure, ngettext, printable

_PROGRESS_EVERY: Final = 1_000
"""Rows between two updates of the progress on a terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a row is, which rows, in which format and into which file."""
    parser.add_argument(
        "--format", choices=("csv", "jsonl", "xlsx"), default="csv", help=_("csv (default), jsonl, or xlsx for Excel")
    )
    parser.add_argument(
        "--excel", action="store_true", help=_("csv as Spanish Excel opens it: with `;`, words and local times")
    )
    parser.add_argument(
        "--by", choices=tuple(KINDS), default="lead", help=_("one row a lead (default) or a conversation")
    )
    add_time(parser, "--since", _("only what was active since this date or time"))
    parser.add_argument("--output", metavar=_("FILE"), help=_("write to FILE, atomically (default: stdout)"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd leads export --output leads.csv",
        "leadmasterd leads export --format xlsx --output leads.xlsx",
        "leadmasterd leads export --by conversation --excel --output chats.csv",
        "leadmasterd leads export --format jsonl --since 2026-11-01",
    )


class ExportedFile(TypedDict):
    """The answer of `leads export --output`. `leads`, `conversations`: how many rows; None for the other kind.

    `cut`: how many texts were too long for a cell of a spreadsheet.
    """

    file: str
    format: str
    leads: int | None
    conversations: int | None
    cut: int


@dataclass(slots=True)
class _Table:
    """The table that is exported, and how much of it is written by now. Its rows can be read once."""

    kind: Kind
    form: str
    """`csv`, `jsonl` or `xlsx`."""
    for_excel: bool
    clock: Clock
    source: Iterator[Mapping[str, Any]]
    rows: int = 0
    """How many were written."""
    cut: int = 0
    """How many texts were too long for a cell of a spreadsheet."""

    def texts(self) -> Iterator[str]:
        """The table as text, piece by piece, for csv and jsonl."""
        if self.for_excel:
            from leadmasterd.export.excel_csv import as_excel_csv

            return as_excel_csv(self.kind.columns(), self._counted(), self.clock.zone)
        from leadmasterd.export.programs import as_csv, as_json_lines

        lines = as_csv if self.form == "csv" else as_json_lines
        return lines(self.kind.keys, self._counted())

    def write(self, file: BinaryIO, scratch: Path | None) -> None:
        """Write the table. `scratch`: the folder for a spreadsheet's parts (None: where temporary files are)."""
        if self.form != "xlsx":
            for text in self.texts():
                file.write(text.encode("utf-8", "replace"))
            return
        from leadmasterd.export.workbook import write_workbook

        with tempfile.TemporaryDirectory(dir=scratch, prefix=".leads-") as folder:
            self.cut = write_workbook(
                file,
                self.kind.columns(),
                self._counted(),
                title=self.kind.title(),
                zone=self.clock.zone,
                scratch=Path(folder),
            ).cut

    def _counted(self) -> Iterator[Mapping[str, Any]]:
        """Each row. Counts them in `rows`, and shows that number on stderr if it is a terminal."""
        for row in self.source:
            yield row
            self.rows += 1
            if self.rows % _PROGRESS_EVERY == 0 and sys.stderr.isatty():
                print(f"\r{figure(self.rows)}", end="", file=sys.stderr, flush=True)
        if self.rows >= _PROGRESS_EVERY and sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # erases the line


def run(arguments: argparse.Namespace) -> int:
    """Write all leads or conversations, the oldest first, to a file or to stdout. Returns 0.

    Raises CannotUseArgument and Refused.
    """
    to_file = arguments.output not in (None, "-")
    _check_flags(arguments, to_file=to_file)
    paths = find_paths(arguments.config)
    settings = reading.leads_settings(paths)
    since = None if arguments.since is None else times.iso(time_from(arguments.since, settings.zone()))
    as_of = AsOf(datetime.now(UTC), settings.stale_days, settings.dormant_days)
    kind = KINDS[arguments.by]
    with ExitStack() as stack:
        rows: Iterator[Mapping[str, Any]] = iter(())
        if connection := reading.leads_database(paths, settings):
            stack.enter_context(closing(connection))
            # A transaction for each page: one for all would last as long as a slow reader of the output takes.
            rows = chain.from_iterable(pages(kind, partial(one_state, connection), as_of, since=since))
            if pending := count_pending(connection):
                print(words.pending_note(pending), file=sys.stderr)
        clock = Clock(as_of.now, settings.zone())
        table = _Table(kind, arguments.format, for_excel=arguments.excel, clock=clock, source=rows)
        if to_file:
            _write_file(Path(arguments.output), table)
            _print_result(arguments, table)
        elif arguments.json:
            print(json.dumps({f"{kind.name}s": list(rows)}, ensure_ascii=False))
        elif arguments.format == "xlsx":
            _write_stdout(table)
        else:
            _print(table)
    return 0


def _check_flags(arguments: argparse.Namespace, *, to_file: bool) -> None:
    """Raises CannotUseArgument for flags that exclude each other."""
    if arguments.excel and arguments.format != "csv":
        raise CannotUseArgument(
            _("cannot use --excel with --format {format}: it is a form of csv").format(format=arguments.format)
        )
    if arguments.format == "xlsx" and not to_file and (arguments.json or sys.stdout.isatty()):
        raise CannotUseArgument(_("cannot print a spreadsheet: name a file with --output, such as leads.xlsx"))


def _write_file(file: Path, table: _Table) -> None:
    """Write the table to a file, whole or not at all, readable by its owner alone. Raises Refused."""
    try:
        if file.exists() and not file.is_file():
            raise Refused(_("cannot write {file}: it is not a regular file; name another --output").format(file=file))
        with replacing(file) as target:
            table.write(target, file.parent)
    except OSError as error:
        why = causes.of_system(error)
        raise Refused(_("cannot write {file}: {why}; name another --output").format(file=file, why=why)) from error


def _print_result(arguments: argparse.Namespace, table: _Table) -> None:
    """Print how many rows the file has, as JSON with `--json`."""
    by_lead = table.kind.name == "lead"
    rows = table.rows
    file = arguments.output
    if arguments.json:
        answer: ExportedFile = {
            "file": file,
            "format": arguments.format,
            "leads": rows if by_lead else None,
            "conversations": None if by_lead else rows,
            "cut": table.cut,
        }
        print(json.dumps(answer, ensure_ascii=False))
        return
    if by_lead:
        text = ngettext("{n} lead in {file}, readable only by you.", "{n} leads in {file}, readable only by you.", rows)
    else:
        text = ngettext(
            "{n} conversation in {file}, readable only by you.",
            "{n} conversations in {file}, readable only by you.",
            rows,
        )
    print(text.format(n=rows, file=file))
    if table.cut:
        text = ngettext(
            "{n} text is longer than a cell can be: it is cut, and ends with an ellipsis.",
            "{n} texts are longer than a cell can be: they are cut, and end with an ellipsis.",
            table.cut,
        )
        print(text.format(n=table.cut), file=sys.stderr)
    if table.form == "xlsx" or table.for_excel:
        reading.print_zone(table.clock)


def _write_stdout(table: _Table) -> None:
    """Write a spreadsheet to a pipe. It is made in a temporary file first, because its writer has to seek."""
    with tempfile.TemporaryFile() as file:
        table.write(file, None)
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout.buffer)


def _print(table: _Table) -> None:
    """Print a table of text: unchanged to a pipe, as to a file; on a terminal control characters are left out."""
    if sys.stdout.isatty():
        for text in table.texts():
            for line in text.splitlines():
                print(printable(line))
        return
    print_utf8()
    for text in table.texts():
        sys.stdout.write(text)
