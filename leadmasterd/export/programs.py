"""The two forms for programs: csv with a header, and one JSON object a line. All keys, ids and codes; times in UTC."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from leadmasterd.export.columns import CONTROLS
from leadmasterd.json_line import json_line
from leadmasterd.queries.leads import touch_name

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_PHONE: Final = re.compile(r"\+[0-9]+")
"""Starts like a formula but is not one."""


def as_csv(keys: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A header, and a row at a time. Text that a spreadsheet would take for a formula gets an apostrophe; controls
    become spaces.
    """
    yield from csv_lines([keys])
    yield from csv_lines([_cell(_value(row, key)) for key in keys] for row in rows)


def as_json_lines(keys: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A row at a time."""
    for row in rows:
        yield json_line({key: row[key] for key in keys}) + "\n"


def csv_lines(rows: Iterable[Sequence[object]], *, delimiter: str = ",") -> Iterator[str]:
    """Each row with its end."""
    text = io.StringIO()
    table = csv.writer(text, delimiter=delimiter)
    for row in rows:
        table.writerow(row)
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _value(row: Mapping[str, Any], key: str) -> object:
    if key == "touch" and (touch := row[key]):
        return f"{touch['kind']}: {touch_name(touch)}"
    return row[key]


def _cell(value: object) -> object:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        formula = value.startswith(_FORMULA) and not _PHONE.fullmatch(value)
        return ("'" if formula else "") + value.translate(CONTROLS)
    return "" if value is None else value
