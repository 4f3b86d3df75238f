"""Tables for people: by rich on a terminal, with colours; plain, aligned and 80 columns wide on a pipe.

Texts are printed as they are: no markup, nothing that could command a terminal. Rich is imported for a terminal only:
it takes longer than all the rest of a command.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final
from unicodedata import combining, east_asian_width

from leadmasterd.text import printable

_GAP: Final = 2
_NARROWEST: Final = 6
_PIPE_COLUMNS: Final = 80


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `shrinks`: it is cut when there is no room for all; the others only beyond `most`."""

    title: str
    right: bool = False
    shrinks: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One line or several; the first in a style of rich's, the others in `below`."""

    lines: tuple[str, ...]
    style: str = ""
    below: str = "dim"


def cell(*lines: object, style: str = "", below: str = "dim") -> Cell:
    """A cell of texts that may be anybody's."""
    return Cell(tuple(printable(str(line)) for line in lines), style, below)


def show(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table."""
    if sys.stdout.isatty():
        _show_rich(columns, rows)
        return
    widths = _widths(columns, rows, _PIPE_COLUMNS)
    for row in ([cell(column.title) for column in columns], *rows):
        for line in zip_longest(*(each.lines for each in row), fillvalue=""):
            padded = (
                _padded(text, width, right=column.right)
                for text, width, column in zip(line, widths, columns, strict=True)
            )
            print((" " * _GAP).join(padded).rstrip())


def _show_rich(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column, width in zip(columns, _widths(columns, rows, console.width), strict=True):
        justify = "right" if column.right else "left"
        table.add_column(column.title, justify=justify, no_wrap=True, overflow="ellipsis", width=width)  # type: ignore[arg-type]
    for row in rows:
        cells = []
        for each in row:
            text = Text(each.lines[0], style=each.style)
            for line in each.lines[1:]:
                text.append("\n").append(line, style=each.below)
            cells.append(text)
        table.add_row(*cells)
    console.print(table)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int) -> list[int]:
    widths = [
        min(column.most or room, max(_cells(text) for row in rows for text in (column.title, *row[place].lines)))
        for place, column in enumerate(columns)
    ]
    over = max(0, sum(widths) + _GAP * (len(columns) - 1) - room)
    return [
        max(_NARROWEST, width - over) if column.shrinks else width
        for column, width in zip(columns, widths, strict=True)
    ]


def _padded(text: str, width: int, *, right: bool) -> str:
    """Cut to the width, or filled up to it."""
    if _cells(text) > width:
        while text and _cells(text) > width - 1:
            text = text[:-1]
        text += "…"
    spare = " " * (width - _cells(text))
    return spare + text if right else text + spare


def _cells(text: str) -> int:
    """Columns that a text takes on a screen, as far as that can be known."""
    if text.isascii():
        return len(text)
    return sum(
        2 if east_asian_width(char) in "WF" else 0 if combining(char) or char == "\u200d" else 1 for char in text
    )
