"""Csv for Excel in Spanish, which opens it by a double click: `;` between the cells, and a byte order mark first.

Excel takes text for a formula, a number or a date by how it looks, even in quotes. So text that looks like one gets an
apostrophe in front, phones too: as a number, `+5491155550001` would be shown as `5,49E+12`. Nothing is written with
decimals, because Excel reads them by the country that it is set to; times are written so that Excel reads them in every
country.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from leadmasterd.export.columns import Cell, Column
from leadmasterd.export.programs import csv_lines

MARK: Final = "\ufeff"
"""The byte order mark, by which Excel knows that the file is UTF-8."""
_TAKEN_FOR_A_FORMULA: Final = tuple("=+-@＝＋－＠")  # noqa: RUF001 - Excel reads the full-width ones alike
_TAKEN_FOR_A_NUMBER: Final = re.compile(r"\s*[0-9.,][0-9.,:/eE% -]*")


def as_excel_csv(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], zone: tzinfo | None) -> Iterator[str]:
    """The file in pieces: the byte order mark, a header, a line for each row. Times in `zone` (None: the machine's)."""
    yield MARK
    yield from csv_lines([[_text(column.title) for column in columns]], delimiter=";")
    yield from csv_lines(
        ([_written(column.cell(row), zone) for column in columns] for row in rows),
        delimiter=";",
    )


def _written(cell: Cell, zone: tzinfo | None) -> object:
    """A cell as Excel reads it: a time with its date, a length as `h:mm:ss`, text as text; empty for None."""
    match cell:
        case None:
            return ""
        case datetime():
            return f"{cell.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        case timedelta():
            minutes, seconds = divmod(round(cell.total_seconds()), 60)
            return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
        case str():
            return _text(cell)
        case int():
            return cell


def _text(text: str) -> str:
    """Text with an apostrophe in front if Excel would take it for a formula, a number or a date."""
    like_a_formula = text.lstrip().startswith(_TAKEN_FOR_A_FORMULA)
    like_a_number = _TAKEN_FOR_A_NUMBER.fullmatch(text) is not None
    return f"'{text}" if like_a_formula or like_a_number else text
