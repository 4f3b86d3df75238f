"""Tables and paragraphs for people: fitted to a terminal, coloured by rich; plain and 80 columns wide on a pipe.

Texts are printed literally: no markup, no control characters. Rich is imported for a terminal only, because it takes
longer than the rest of a command.
"""

import re
import sys
from collections.abc import Sequence
from itertools import zip_longest
from typing import Final, NamedTuple
from unicodedata import combining, east_asian_width

from leadmasterd.text import _, printable

_GAP: Final = 2
_NARROWEST: Final = 6
_LEGIBLE: Final = len("+5491155550001")
"""A phone can be typed as an ID, so leave out spare columns rather than cut it."""
_PIPE_COLUMNS: Final = 80

_JOINED: Final = re.compile("[\u200d\ufe0f\U0001f3fb-\U0001f3ff]")
"""What joins or changes emoji: terminals disagree on the width of the result."""


class Column(NamedTuple):
    """A column of a table. `shrinks`: may be cut when space is short; the others are cut only beyond `most`.

    `spare`: may be left out when cutting is not enough, from left to right.
    """

    title: str
    right: bool = False
    shrinks: bool = False
    most: int | None = None
    spare: bool = False


class Cell(NamedTuple):
    """One or more lines: the first in rich's style `style`, the others in `below`."""

    lines: tuple[str, ...]
    style: str = ""
    below: str = "dim"


def cell(*lines: object, style: str = "", below: str = "dim") -> Cell:
    """A cell; its texts may be from strangers."""
    return Cell(tuple(_even(str(line)) for line in lines), style, below)


def show(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table."""
    room = columns_of_screen()
    places = _those_that_fit(columns, rows, room)
    columns, rows = [columns[place] for place in places], [[row[place] for place in places] for row in rows]
    widths = _widths(columns, rows, room)
    if sys.stdout.isatty():
        _show_rich(columns, rows, widths)
        return
    for row in ([cell(column.title) for column in columns], *rows):
        for line in zip_longest(*(each.lines for each in row), fillvalue=""):
            fitted = (
                _fitted(text, width, right=column.right)
                for text, width, column in zip(line, widths, columns, strict=True)
            )
            print((" " * _GAP).join(fitted).rstrip())


def columns_of_screen() -> int:
    """How wide the terminal is; 80 on a pipe."""
    if not sys.stdout.isatty():
        return _PIPE_COLUMNS
    import shutil  # brings three compression libraries along: not for a pipe

    return shutil.get_terminal_size().columns


def padded(text: str, width: int) -> str:
    """Text that may be from strangers, cut or padded to this many columns."""
    return _fitted(_even(text), width, right=False)


def note_more(shown: int, limit: int) -> None:
    """If the limit was reached, say that there may be more."""
    if shown == limit:
        print(_("There may be more: --limit shows them."), file=sys.stderr)


def folded(text: str, indent: int) -> str:
    """Wrapped on a terminal, all lines but the first indented; unchanged elsewhere."""
    if not sys.stdout.isatty():
        return text
    room, lines, taken = columns_of_screen(), [""], 0
    for word in re.findall(r"\s*\S+", text):
        if taken + _cells(word) > room and lines[-1].strip():
            lines.append(" " * indent)
            word, taken = word.lstrip(), indent
        lines[-1] += word
        taken += _cells(word)
    return "\n".join(lines)


def _show_rich(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], widths: Sequence[int]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False, width=columns_of_screen())
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column, width in zip(columns, widths, strict=True):
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


def _those_that_fit(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int) -> list[int]:
    """The indexes of the columns that are shown."""
    wide = _wanted_widths(columns, rows, room)
    least = [min(width, _LEGIBLE) if column.shrinks else width for column, width in zip(columns, wide, strict=True)]
    places = list(range(len(columns)))
    for place, column in enumerate(columns):
        if column.spare and sum(least[each] + _GAP for each in places) - _GAP > room:
            places.remove(place)
    return places


def _wanted_widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int) -> list[int]:
    return [
        min(column.most or room, max(_cells(text) for row in rows for text in (column.title, *row[place].lines)))
        for place, column in enumerate(columns)
    ]


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int) -> list[int]:
    widths = _wanted_widths(columns, rows, room)
    over = max(0, sum(widths) + _GAP * (len(columns) - 1) - room)
    widths = [
        max(_NARROWEST, width - over) if column.shrinks else width
        for column, width in zip(columns, widths, strict=True)
    ]
    # On a phone's terminal the widest columns shrink, so that none is lost.
    while sum(widths) + _GAP * (len(columns) - 1) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _even(text: str) -> str:
    return _JOINED.sub("", printable(text))


def _fitted(text: str, width: int, *, right: bool) -> str:
    """Cut or padded to the width."""
    if _cells(text) > width:
        while text and _cells(text) > width - 1:
            text = text[:-1]
        text += "…"
    spare = " " * (width - _cells(text))
    return spare + text if right else text + spare


def _cells(text: str) -> int:
    """Screen columns that a text takes, as well as can be known."""
    if text.isascii():
        return len(text)
    return sum(
        2 if east_asian_width(char) in "WF" else 0 if combining(char) or char == "\u200d" else 1 for char in text
    )
