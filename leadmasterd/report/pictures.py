"""Pictures without script or style: bars for a table's cell, and the hours of a week. Pure.

Each says everything by itself: colours are attributes, so they are right in a mail and under a policy that forbids
styles, and numbers are written in. The colours differ in lightness too, for eyes that do not tell them apart, and have
a contrast of 3 at least to light and to dark paper, and numbers one of 4.5 to their cells. The classes let `report.css`
give the cells others in the dark.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from leadmasterd.clock import short_weekdays, weekdays
from leadmasterd.queries.report.asked import Hour
from leadmasterd.text import _, figure

PLAIN: Final = "#3b82c4"
LATE: Final = "#c2410c"
QUIET: Final = "#858b94"
_CELLS: Final = (("#d6e6f5", "#10243a"), ("#9cc3e6", "#10243a"), ("#2a6cab", "#ffffff"), ("#12467a", "#ffffff"))
"""The four levels of a cell, each with the colour of its number."""
_MISSED: Final = ("#f5a742", "#241400")

_LABELS, _WIDE, _HIGH = 30, 47, 24
_BLOCK: Final = 20
"""The part of a cell that tells who was missed."""


def bar(value: float, most: float, *, before: float = 0, colour: str = PLAIN) -> str:
    """A bar as long as its share of `most`, and a thin one below it for the period before."""
    return (
        '<svg class="bar" width="100%" height="16" aria-hidden="true" focusable="false">'
        f'<rect width="{_percent(value, most)}" height="11" fill="{colour}"/>'
        f'<rect y="13" width="{_percent(before, most)}" height="3" fill="{QUIET}"/></svg>'
    )


def part(value: float, of: float) -> str:
    """A bar of full length, filled by as much as `value` is of `of`."""
    return (
        '<svg class="bar" width="100%" height="12" aria-hidden="true" focusable="false">'
        f'<rect width="100%" height="12" fill="{QUIET}" fill-opacity="0.3"/>'
        f'<rect width="{_percent(value, of)}" height="12" fill="{PLAIN}"/></svg>'
    )


def _percent(value: float, most: float) -> str:
    return f"{100 * value / most:.1f}%" if most else "0%"


def hours_shown(hours: Sequence[Hour]) -> range:
    """From the first hour of the day in which anybody asks to the last."""
    return range(min(each["hour"] for each in hours), max(each["hour"] for each in hours) + 1) if hours else range(0)


def week(hours: Sequence[Hour]) -> str:
    """A row for each hour, a column for each weekday: how many asked, and in a corner how many were missed."""
    shown = hours_shown(hours)
    most = max((each["asked"] for each in hours), default=0)
    width, height = _LABELS + 7 * _WIDE, _HIGH * (len(shown) + 1)
    small = 9 if most >= 1000 else 12
    title = escape(_("Who asked, by weekday and hour"))
    drawn = [
        f'<svg class="week" role="img" viewBox="0 0 {width} {height}" width="100%" '
        f'font-family="system-ui, sans-serif" font-size="{small}" text-anchor="middle" fill="currentColor">',
        f"<title>{title}</title>",
    ]
    for column, name in enumerate(short_weekdays()):
        drawn.append(f'<text x="{_LABELS + _WIDE * (column + 0.5):g}" y="16">{escape(name)}</text>')
    for row, hour in enumerate(shown, 1):
        drawn.append(f'<text x="{_LABELS - 6}" y="{row * _HIGH + 16}" text-anchor="end">{hour:02}</text>')
    return "".join([*drawn, *(_cell(each, shown.start, most) for each in hours), "</svg>"])


def _cell(hour: Hour, first: int, most: int) -> str:
    level = min(3, 4 * hour["asked"] // (most + 1))
    fill, ink = _CELLS[level]
    left, top = _LABELS + _WIDE * (hour["weekday"] - 1), _HIGH * (hour["hour"] - first + 1)
    wide, high = _WIDE - 1, _HIGH - 1
    missed = ""
    if hour["missed"]:
        (block, on_it), at = _MISSED, left + wide - _BLOCK
        missed = (
            f'<rect x="{at}" y="{top}" width="{_BLOCK}" height="{high}" fill="{block}"/>'
            f'<text x="{at + _BLOCK / 2:g}" y="{top + 16}" fill="{on_it}" font-weight="bold">{hour["missed"]}</text>'
        )
    middle = left + (wide - (_BLOCK if missed else 0)) / 2
    return (
        f"<g><title>{escape(told(hour))}</title>"
        f'<rect class="level-{level}" x="{left}" y="{top}" width="{wide}" height="{high}" fill="{fill}"/>'
        f'<text class="on-{level}" x="{middle:g}" y="{top + 16}" fill="{ink}">{hour["asked"]}</text>{missed}</g>'
    )


def told(hour: Hour) -> str:
    """One cell in words."""
    return _("{weekday}, {hour}: {asked} asked, {missed} not answered in time").format(
        weekday=weekdays()[hour["weekday"] - 1],
        hour=f"{hour['hour']:02}:00",
        asked=figure(hour["asked"]),
        missed=figure(hour["missed"]),
    )
