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
"""Spaces between two columns."""
_NARROWEST: Final = 6
"""A column is never cut to less than this."""
_LEGIBLE: Final = len("+5491155550001")
"""Spare columns are left out before others are cut to less than this: a phone must stay whole to be typed as an ID."""
_PIPE_COLUMNS: Final = 80

_EMOJI_MODIFIERS: Final = re.compile("[\u200d\ufe0f\U0001f3fb-\U0001f3ff]")
"""What joins or changes emoji: terminals disagree on the width of the result."""


class Column(NamedTuple):
    """A column of a table, and what happens to it where the table is wider than the screen."""

    title: str
    right: bool = False
    """Aligned to the right, as numbers are."""
    shrinks: bool = False
    """Cut when space is short."""
    most: int | None = None
    """Cut to this width even where space is left; None: no limit."""
    spare: bool = False
    """Left out when cutting is not enough, the leftmost such column first."""


class Cell(NamedTuple):
    """One or more lines of text: the first in the rich style `style`, those below it in the style `below`."""

    lines: tuple[str, ...]
    style: str = ""
    below: str = "dim"


def cell(*lines: object, style: str = "", below: str = "dim") -> Cell:
    """A cell of these lines. They may be from strangers: what could change the terminal is removed."""
    return Cell(tuple(_measurable(str(line)) for line in lines), style, below)


def show(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table: in colour on a terminal, plain elsewhere. Each row has one cell for each column."""
    room = columns_of_screen()
    places = _columns_that_fit(columns, rows, room)
    shown_columns = [columns[place] for place in places]
    shown_rows = [[row[place] for place in places] for row in rows]
    widths = _widths(shown_columns, shown_rows, room)
    if sys.stdout.isatty():
        _show_rich(shown_columns, shown_rows, widths)
        return
    titles = [cell(column.title) for column in shown_columns]
    for row in (titles, *shown_rows):
        # A row takes as many lines as its tallest cell.
        for line in zip_longest(*(each.lines for each in row), fillvalue=""):
            fitted = (
                _fitted(text, width, right=column.right)
                for text, width, column in zip(line, widths, shown_columns, strict=True)
            )
            print((" " * _GAP).join(fitted).rstrip())


def columns_of_screen() -> int:
    """How wide the terminal is; 80 on a pipe."""
    if not sys.stdout.isatty():
        return _PIPE_COLUMNS
    import shutil  # brings three compression libraries along: not for a pipe

    return shutil.get_terminal_size().columns


def padded(text: str, width: int) -> str:
    """Text that may be from strangers, cut or padded to this many screen columns."""
    return _fitted(_measurable(text), width, right=False)


def note_more(shown: int, limit: int) -> None:
    """Say on stderr that there may be more, if as many were shown as the limit allows."""
    if shown == limit:
        print(_("There may be more: --limit shows them."), file=sys.stderr)


def folded(text: str, indent: int) -> str:
    """Text wrapped at the width of the terminal, all lines but the first indented; unchanged elsewhere."""
    if not sys.stdout.isatty():
        return text
    room = columns_of_screen()
    lines = [""]
    used = 0  # screen columns of the last line
    for spaced_word in re.findall(r"\s*\S+", text):  # a word with the spaces before it
        if used + _screen_width(spaced_word) > room and lines[-1].strip():
            word = spaced_word.lstrip()
            lines.append(" " * indent + word)
            used = indent + _screen_width(word)
        else:
            lines[-1] += spaced_word
            used += _screen_width(spaced_word)
    return "\n".join(lines)


def _show_rich(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], widths: Sequence[int]) -> None:
    """Print the table in colour, with columns of these widths; longer texts end with an ellipsis."""
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


def _columns_that_fit(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int) -> list[int]:
    """Indexes of the columns to show. Spare columns are left out while the table is too wide even with cut columns."""
    wanted = _wanted_widths(columns, rows, room)
    least = [min(width, _LEGIBLE) if column.shrinks else width for column, width in zip(columns, wanted, strict=True)]
    places = list(range(len(columns)))
    for place, column in enumerate(columns):
        if column.spare and _table_width([least[each] for each in places]) > room:
            places.remove(place)
    return places


def _wanted_widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int) -> list[int]:
    """The width of each column's widest text, at most its `most`, or else `room`."""
    widths = []
    for place, column in enumerate(columns):
        lines = (line for row in rows for line in row[place].lines)
        widest = max(map(_screen_width, (column.title, *lines)))
        widths.append(min(column.most or room, widest))
    return widths


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int) -> list[int]:
    """The width of each column, so that the table fits into `room`. No column is cut to less than _NARROWEST.

    Of the columns with `shrinks`, the widest is always cut first. If that is not enough, as on a phone's terminal, all
    columns are cut in that way.
    """
    widths = _wanted_widths(columns, rows, room)
    shrinking = [place for place, column in enumerate(columns) if column.shrinks]
    for places in (shrinking, range(len(columns))):
        while _table_width(widths) > room:
            widest = max(places, key=lambda place: widths[place], default=None)
            if widest is None or widths[widest] <= _NARROWEST:
                break
            widths[widest] -= 1
    return widths


def _table_width(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _measurable(text: str) -> str:
    """Text as one printable line, without what makes its width depend on the terminal."""
    return _EMOJI_MODIFIERS.sub("", printable(text))


def _fitted(text: str, width: int, *, right: bool) -> str:
    """Text of exactly this many screen columns: cut with an ellipsis, or padded with spaces (`right`: before it)."""
    if _screen_width(text) > width:
        while text and _screen_width(text) > width - 1:
            text = text[:-1]
        text += "…"
    padding = " " * (width - _screen_width(text))
    return padding + text if right else text + padding


def _screen_width(text: str) -> int:
    """Screen columns that a text takes on most terminals."""
    if text.isascii():
        return len(text)
    return sum(map(_width_of_character, text))


def _width_of_character(char: str) -> int:
    if east_asian_width(char) in "WF":  # wide, full-width
        return 2
    return 0 if combining(char) or char == "\u200d" else 1
