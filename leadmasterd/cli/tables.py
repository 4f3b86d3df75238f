"""Tables for people: with colours on a terminal; plain, aligned and without trailing spaces on a pipe. By rich.

Texts are printed as they are: no markup, nothing that could command a terminal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leadmasterd.text import printable

BAR_CELLS: Final = 10
_GAP: Final = 2
_NARROWEST: Final = 6
_FULL, _EMPTY = "█", "░"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `shrinks`: it is cut when there is no room for all; the others only beyond `most`."""

    title: str
    right: bool = False
    shrinks: bool = False
    most: int | None = None


def cell(*lines: object, style: str = "", below: str = "dim") -> Text:
    """One line or several, the first in its style."""
    texts = [printable(str(line)) for line in lines]
    text = Text(texts[0], style=style)
    for line in texts[1:]:
        text.append("\n").append(line, style=below)
    return text


def bar(share: float, *, late: bool) -> str:
    """Ten cells; full and more than full look the same, and only what is late is full."""
    cells = BAR_CELLS if late else min(BAR_CELLS - 1, int(max(0.0, share) * BAR_CELLS))
    return _FULL * cells + _EMPTY * (BAR_CELLS - cells)


def show(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
    """Print a table, as wide as the terminal, or 80 columns."""
    console = _console()
    widths = [
        min(column.most or console.width, max(cell_len(column.title), *(_width(row[place]) for row in rows)))
        for place, column in enumerate(columns)
    ]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        spare = console.width - sum(widths) - _GAP * (len(columns) - 1)
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=max(_NARROWEST, width + min(0, spare)) if column.shrinks else width,
        )
    for row in rows:
        table.add_row(*row)
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _width(text: Text) -> int:
    return max(cell_len(line) for line in text.plain.split("\n"))
