"""A spreadsheet (xlsx): one sheet with a fixed header and a filter. Times are dates, what people wrote is text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from io import SEEK_SET
from pathlib import Path
from typing import Any, BinaryIO, Final

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError

from leadmasterd.errors import Refused
from leadmasterd.export.columns import Cell, Column
from leadmasterd.text import _, figure

MOST_ROWS: Final = 1_048_575
"""Below the header: Excel's limit."""
_LONGEST: Final = 32_767
"""Of a cell, in UTF-16 code units: Excel's limit, and it calls a file with more damaged."""


@dataclass(frozen=True, slots=True)
class Written:
    """What is in the file. `cut`: texts that were longer than a cell holds and end with `…`."""

    rows: int
    cut: int


def write_workbook(
    file: BinaryIO,
    columns: Sequence[Column],
    rows: Iterable[Mapping[str, Any]],
    *,
    title: str,
    zone: tzinfo | None,
    scratch: Path,
) -> Written:
    """Write all rows; times in this zone (None: the machine's).

    `scratch`: a folder for what is collected meanwhile, so that memory does not grow with the rows. Raises OSError, and
    Refused for more rows than a sheet has.
    """
    target = _Target(file)
    book = Workbook(
        target,
        {
            "constant_memory": True,  # rows must come in order, as they do here
            "tmpdir": str(scratch),
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    try:
        written = _Sheet(book, title, columns, zone).write(rows)
        book.close()
    except BaseException as error:
        target.give_up()
        for sheet in book.worksheets():
            with suppress(OSError):
                sheet.row_data_fh.close()
        if isinstance(error, FileCreateError):  # what it makes of any OSError
            raise OSError(*error.args[0].args) from error
        raise
    return written


class _Target:
    """A file that takes nothing more once it was given up: ZipFile would try again when it is collected."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._given_up = False

    def give_up(self) -> None:
        self._given_up = True

    def write(self, data: bytes) -> int:
        return len(data) if self._given_up else self._file.write(data)

    def flush(self) -> None:
        if not self._given_up:
            self._file.flush()

    def seek(self, place: int, whence: int = SEEK_SET) -> int:
        return 0 if self._given_up else self._file.seek(place, whence)

    def tell(self) -> int:
        return 0 if self._given_up else self._file.tell()


class _Sheet:
    def __init__(self, book: Any, title: str, columns: Sequence[Column], zone: tzinfo | None) -> None:
        self._sheet = book.add_worksheet(title)
        self._columns = columns
        self._zone = zone
        self._heading = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        self._date = book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        self._length = book.add_format({"num_format": "[h]:mm:ss"})
        self._cut = 0

    def write(self, rows: Iterable[Mapping[str, Any]]) -> Written:
        self._sheet.set_row(0, 30)
        for place, column in enumerate(self._columns):
            self._sheet.set_column(place, place, column.width)
            self._put(self._sheet.write_string, 0, place, column.title, self._heading)
        number = 0
        for number, row in enumerate(rows, 1):
            if number > MOST_ROWS:
                raise Refused(
                    _("cannot write more than {n} rows to a spreadsheet; take fewer with --since, or csv").format(
                        n=figure(MOST_ROWS)
                    )
                )
            for place, column in enumerate(self._columns):
                self._write_cell(number, place, column.cell(row))
        self._sheet.freeze_panes(1, 0)
        self._sheet.autofilter(0, 0, number, len(self._columns) - 1)
        return Written(number, self._cut)

    def _write_cell(self, row: int, column: int, cell: Cell) -> None:
        match cell:
            case None | "":
                pass
            case datetime():
                there = cell.astimezone(self._zone).replace(tzinfo=None)
                self._put(self._sheet.write_datetime, row, column, there, self._date)
            case timedelta():
                self._put(self._sheet.write_datetime, row, column, cell, self._length)
            case str():
                self._put(self._sheet.write_string, row, column, self._fitted(cell))
            case int():
                self._put(self._sheet.write_number, row, column, cell)

    def _put(self, write: Callable[..., int], *cell: object) -> None:
        if refused := write(*cell):
            raise RuntimeError(f"XlsxWriter refused cell {cell[:2]} with {refused}")

    def _fitted(self, text: str) -> str:
        if text.startswith("<r>") and text.endswith("</r>"):
            text += " "  # XlsxWriter would take it for markup of its own and put it into the file as it is
        if len(text) <= _LONGEST // 2:
            return text
        units = text.encode("utf-16-le")
        if len(units) <= 2 * _LONGEST:
            return text
        self._cut += 1
        return units[: 2 * (_LONGEST - 1)].decode("utf-16-le", "ignore") + "…"
