"""Pictures as SVG without script or style: bars for a table's cell, and the hours of a week. Pure.

Each is complete by itself: colours are attributes, so they are right in a mail and under a policy that forbids styles,
and numbers are written in. Colours differ in lightness too, for people who cannot tell them apart. Their contrast is at
least 3 on a light and on a dark background, and at least 4.5 between a number and its cell. `report.css` gives cells
other colours in dark mode, by their classes.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from leadmasterd.clock import short_weekdays, weekdays
from leadmasterd.queries.report.asked import Hour
from leadmasterd.text import _, figure

PLAIN: Final = "#3b82c4"
"""The colour of bars that need no attention."""
LATE: Final = "#c2410c"
"""The colour of what missed its target."""
QUIET: Final = "#858b94"
"""The colour of the period before, and of what is not decided yet."""
_CELLS: Final = (("#d6e6f5", "#10243a"), ("#9cc3e6", "#10243a"), ("#2a6cab", "#ffffff"), ("#12467a", "#ffffff"))
"""The colours of a cell and of its number, for each of the four levels, from few to many."""
_MISSED: Final = ("#f5a742", "#241400")
"""The colours of the block that holds the number of those who were missed, and of that number."""

# Of the week's table, in SVG units: the column of hours, and each cell with its gap.
_LABELS_WIDTH: Final = 30
_COLUMN_WIDTH: Final = 47
_ROW_HEIGHT: Final = 24
_BLOCK_WIDTH: Final = 20
"""The part of a cell with the number of those who were missed."""
_BASELINE: Final = 16
"""From the top of a row to the foot of its text."""


def bar(value: float, most: float, *, before: float = 0, colour: str = PLAIN) -> str:
    """A bar for `value`, and a thin one below it for the period before. A bar for `most` would have the full width."""
    return (
        '<svg class="bar" width="100%" height="16" aria-hidden="true" focusable="false">'
        f'<rect width="{_percent(value, most)}" height="11" fill="{colour}"/>'
        f'<rect y="13" width="{_percent(before, most)}" height="3" fill="{QUIET}"/></svg>'
    )


def part(value: float, of: float) -> str:
    """A bar of full width, filled to the share that `value` is of `of`."""
    return (
        '<svg class="bar" width="100%" height="12" aria-hidden="true" focusable="false">'
        f'<rect width="100%" height="12" fill="{QUIET}" fill-opacity="0.3"/>'
        f'<rect width="{_percent(value, of)}" height="12" fill="{PLAIN}"/></svg>'
    )


def _percent(value: float, most: float) -> str:
    """The share as an SVG length; 0% of nothing."""
    return f"{100 * value / most:.1f}%" if most else "0%"


def hours_shown(hours: Sequence[Hour]) -> range:
    """The hours of the day from the earliest in which anybody asked to the latest. Empty if nobody asked."""
    if not hours:
        return range(0)
    asked = [each["hour"] for each in hours]
    return range(min(asked), max(asked) + 1)


def week(hours: Sequence[Hour]) -> str:
    """The week as SVG: a row for each hour, a column for each weekday; how many asked, and how many were missed."""
    shown = hours_shown(hours)
    most = max((each["asked"] for each in hours), default=0)
    width = _LABELS_WIDTH + 7 * _COLUMN_WIDTH
    height = _ROW_HEIGHT * (len(shown) + 1)
    font_size = 9 if most >= 1000 else 12
    title = escape(_("Who asked, by weekday and hour"))
    drawn = [
        f'<svg class="week" role="img" viewBox="0 0 {width} {height}" width="100%" '
        f'font-family="system-ui, sans-serif" font-size="{font_size}" text-anchor="middle" fill="currentColor">',
        f"<title>{title}</title>",
    ]
    for column, name in enumerate(short_weekdays()):
        middle = _LABELS_WIDTH + _COLUMN_WIDTH * (column + 0.5)
        drawn.append(f'<text x="{middle:g}" y="{_BASELINE}">{escape(name)}</text>')
    for row, hour in enumerate(shown, 1):
        y = row * _ROW_HEIGHT + _BASELINE
        drawn.append(f'<text x="{_LABELS_WIDTH - 6}" y="{y}" text-anchor="end">{hour:02}</text>')
    drawn += [_cell(each, shown.start, most) for each in hours]
    return "".join([*drawn, "</svg>"])


def _cell(hour: Hour, first_hour: int, most: int) -> str:
    """One hour of a weekday. `first_hour`: that of the first row; `most`: the largest number of all cells."""
    level = min(3, 4 * hour["asked"] // (most + 1))  # 0 to 3, in equal steps up to `most`
    fill, ink = _CELLS[level]
    left = _LABELS_WIDTH + _COLUMN_WIDTH * (hour["weekday"] - 1)
    top = _ROW_HEIGHT * (hour["hour"] - first_hour + 1)  # the weekdays' names take the first row
    width, height = _COLUMN_WIDTH - 1, _ROW_HEIGHT - 1
    missed = _missed_block(hour["missed"], right=left + width, top=top) if hour["missed"] else ""
    free_width = width - _BLOCK_WIDTH if missed else width
    middle = left + free_width / 2
    y = top + _BASELINE
    return (
        f"<g><title>{escape(cell_in_words(hour))}</title>"
        f'<rect class="level-{level}" x="{left}" y="{top}" width="{width}" height="{height}" fill="{fill}"/>'
        f'<text class="on-{level}" x="{middle:g}" y="{y}" fill="{ink}">{hour["asked"]}</text>{missed}</g>'
    )


def _missed_block(missed: int, *, right: int, top: int) -> str:
    """The number of those who were missed, on a block of its own at the right side of a cell."""
    fill, ink = _MISSED
    left = right - _BLOCK_WIDTH
    middle = left + _BLOCK_WIDTH / 2
    return (
        f'<rect x="{left}" y="{top}" width="{_BLOCK_WIDTH}" height="{_ROW_HEIGHT - 1}" fill="{fill}"/>'
        f'<text x="{middle:g}" y="{top + _BASELINE}" fill="{ink}" font-weight="bold">{missed}</text>'
    )


def cell_in_words(hour: Hour) -> str:
    """One cell of the week as a sentence, for its tooltip and for screen readers."""
    return _("{weekday}, {hour}: {asked} asked, {missed} not answered in time").format(
        weekday=weekdays()[hour["weekday"] - 1],
        hour=f"{hour['hour']:02}:00",
        asked=figure(hour["asked"]),
        missed=figure(hour["missed"]),
    )
