"""The two forms of an export for programs: csv with a header, and JSON with one object in each line.

Both have all keys, and ids and codes as they are stored; times are ISO text in UTC.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from leadmasterd.export.columns import CONTROLS
from leadmasterd.json_line import json_line
from leadmasterd.queries.leads import touch_name

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins with one of these for a formula."""
_PHONE: Final = re.compile(r"\+[0-9]+")
"""Starts like a formula but is harmless."""


def as_csv(keys: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a csv file: a header, and one line for each row.

    Text that a spreadsheet would take for a formula gets an apostrophe in front; control characters become spaces.
    """
    yield from csv_lines([keys])
    yield from csv_lines([_cell(_value(row, key)) for key in keys] for row in rows)


def as_json_lines(keys: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One line for each row: a JSON object with these keys."""
    for row in rows:
        yield json_line({key: row[key] for key in keys}) + "\n"


def csv_lines(rows: Iterable[Sequence[object]], *, delimiter: str = ",") -> Iterator[str]:
    """Each row as one line of csv with its line end, as soon as the row is there."""
    line = io.StringIO()
    table = csv.writer(line, delimiter=delimiter)
    for row in rows:
        table.writerow(row)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _value(row: Mapping[str, Any], key: str) -> object:
    """What the csv has for a key: the kind and name of a touchpoint, else the value itself."""
    value = row[key]
    if key == "touch" and value:
        return f"{value['kind']}: {touch_name(value)}"
    return value


def _cell(value: object) -> object:
    """A value as csv: a list with spaces between, a flag as 0 or 1, empty for None, text safe for a spreadsheet."""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if value is None:
        return ""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        like_a_formula = value.startswith(_FORMULA_STARTS) and not _PHONE.fullmatch(value)
        text = value.translate(CONTROLS)
        return f"'{text}" if like_a_formula else text
    return value
