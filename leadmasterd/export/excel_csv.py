"""Csv as Spanish Excel opens it by a double click: `;` between the cells and a byte order mark before them.

Excel takes text for a formula, a number or a date by its look, whatever stands around it. So what looks like one gets
an apostrophe, phones too: as a number, `+5491155550001` would be shown as `5,49E+12`. There are no decimals, which it
would read by the country that it is set to; times are written as every country's Excel reads them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from leadmasterd.export.columns import Cell, Column
from leadmasterd.export.programs import csv_lines

MARK: Final = "\ufeff"
_TAKEN_FOR_A_FORMULA: Final = tuple("=+-@＝＋－＠")  # noqa: RUF001 - Excel reads the full-width ones alike
_TAKEN_FOR_A_NUMBER: Final = re.compile(r"\s*[0-9.,][0-9.,:/eE% -]*")


def as_excel_csv(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], zone: tzinfo | None) -> Iterator[str]:
    """The mark and a header, and a row at a time; times in this zone (None: the machine's)."""
    yield MARK
    yield from csv_lines([[_text(column.title) for column in columns]], delimiter=";")
    yield from csv_lines(
        ([_written(column.cell(row), zone) for column in columns] for row in rows),
        delimiter=";",
    )


def _written(cell: Cell, zone: tzinfo | None) -> object:
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
    taken = text.lstrip().startswith(_TAKEN_FOR_A_FORMULA) or _TAKEN_FOR_A_NUMBER.fullmatch(text)
    return f"'{text}" if taken else text
