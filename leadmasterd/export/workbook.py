"""A spreadsheet file (xlsx): one sheet with a header that stays in view, and a filter.

Times are Excel's dates, lengths its times; what people wrote is always text, never a formula, a link or a number.
"""

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
"""Rows below the header: Excel's limit."""
_MOST_UNITS: Final = 32_767
"""UTF-16 code units in a cell: Excel's limit. It calls a file with more damaged."""
_UNIT_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows are in the file. `cut`: how many texts were longer than a cell can hold and now end with `…`."""

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
    """Write all rows to an open file as a workbook. `title`: of the sheet; `zone`: of times, None for the machine's.

    `scratch`: a folder for temporary files, so that memory does not grow with the rows. Raises OSError, and Refused for
    more rows than a sheet can have; then the file is not complete.
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
                sheet.row_data_fh.close()  # its temporary file
        if isinstance(error, FileCreateError):  # XlsxWriter wraps every OSError in this
            raise OSError(*error.args[0].args) from error
        raise
    return written


class _Target:
    """A file that ignores what is written after `give_up`.

    After an error the ZipFile inside XlsxWriter would try to finish the file once more when it is garbage-collected.
    """

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
    """The sheet of a workbook, its columns and their formats, while it is written."""

    def __init__(self, book: Any, title: str, columns: Sequence[Column], zone: tzinfo | None) -> None:
        self._sheet = book.add_worksheet(title)
        self._columns = columns
        self._zone = zone
        self._heading = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        self._date = book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        self._length = book.add_format({"num_format": "[h]:mm:ss"})
        self._cut = 0

    def write(self, rows: Iterable[Mapping[str, Any]]) -> Written:
        """Write the header and all rows. Raises Refused for more rows than a sheet can have."""
        self._sheet.set_row(0, 30)  # points: titles take up to two lines
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
        """Write a cell as its type needs. None and empty text leave it empty."""
        match cell:
            case None | "":
                pass
            case datetime():
                local = cell.astimezone(self._zone).replace(tzinfo=None)  # Excel's dates have no zone
                self._put(self._sheet.write_datetime, row, column, local, self._date)
            case timedelta():
                self._put(self._sheet.write_datetime, row, column, cell, self._length)
            case str():
                self._put(self._sheet.write_string, row, column, self._fitted(cell))
            case int():
                self._put(self._sheet.write_number, row, column, cell)

    def _put(self, write: Callable[..., int], row: int, column: int, *content: object) -> None:
        """Call one of XlsxWriter's `write_…` methods, which return an error code: any but 0 raises RuntimeError."""
        refused = write(row, column, *content)
        if refused:
            raise RuntimeError(f"XlsxWriter refused cell {(row, column)} with {refused}")

    def _fitted(self, text: str) -> str:
        """The text as a cell can hold it: cut, and counted in `cut`, if it is too long."""
        if text.startswith("<r>") and text.endswith("</r>"):
            text += " "  # else XlsxWriter takes it for markup of its own and writes it into the file as it is
        if len(text) <= _MOST_UNITS // 2:  # no character has more than two units
            return text
        encoded = text.encode("utf-16-le")
        if len(encoded) <= _MOST_UNITS * _UNIT_BYTES:
            return text
        self._cut += 1
        room = (_MOST_UNITS - 1) * _UNIT_BYTES  # without the ellipsis
        return encoded[:room].decode("utf-16-le", "ignore") + "…"  # `ignore` drops half a character at the end
