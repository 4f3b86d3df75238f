"""Draws the samples: a small chart for each series, with its ceiling and how it is carried on. Plain SVG, no script."""

from collections.abc import Sequence
from html import escape
from typing import Final

from benchmarks.soak.trend import DAYS, VERDICTS, WARM_UP, Judged

_WIDE, _HIGH, _COLUMNS = 380, 190, 3
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 44, 26
_LINE: Final = "#2a6cab"
_TREND: Final = "#c2410c"
_CEILING: Final = "#b3261e"
_QUIET: Final = "#858b94"
_COLOURS: Final = {"holds": "#1a7f37", "passes": _CEILING, "unclear": "#8a5a00", "too short": "#8a5a00"}
_NEAR: Final = 4.0
"""A ceiling is drawn if it is below so many times what was measured; else only its number is said."""


def picture(title: str, charts: Sequence[tuple[Judged, Sequence[tuple[float, float]]]]) -> str:
    """The SVG of all charts: for each the verdict and its points, by day of the shop."""
    rows = -(-len(charts) // _COLUMNS)
    width, height = _WIDE * _COLUMNS, _HIGH * rows + 40
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="25" font-size="15" font-weight="bold" fill="#1f2328">{escape(title)}</text>',
    ]
    for number, (judged, points) in enumerate(charts):
        row, column = divmod(number, _COLUMNS)
        drawn.append(f'<g transform="translate({column * _WIDE} {row * _HIGH + 40})">{_chart(judged, points)}</g>')
    return "\n".join([*drawn, "</svg>\n"])


def _chart(judged: Judged, points: Sequence[tuple[float, float]]) -> str:
    unit = f" {judged['unit']}" if judged["unit"] else ""
    parts = [
        f'<text x="16" y="16" font-weight="bold" fill="#1f2328">{escape(judged["name"])}</text>',
        f'<text x="{_WIDE - _RIGHT}" y="16" text-anchor="end" fill="{_COLOURS[judged["verdict"]]}">'
        f"{escape(VERDICTS[judged['verdict']])}</text>",
        f'<text x="16" y="32" fill="{_QUIET}">{escape(_said(judged, unit))}</text>',
    ]
    if len(points) < 2:
        return "".join([*parts, f'<text x="{_LEFT}" y="{_HIGH / 2}" fill="{_QUIET}">no samples</text>'])
    by_message = judged["by_message"]
    first, last = points[0][0], points[-1][0]
    tops = [value for _, value in points]
    most = max(tops) or 1.0
    drawn_ceiling = not by_message and judged["ceiling"] <= most * _NEAR
    most = (max(most, judged["ceiling"]) if drawn_ceiling else most) * 1.08

    def across(x: float) -> float:
        return _LEFT + (x - first) / ((last - first) or 1) * (_WIDE - _LEFT - _RIGHT)

    def up(y: float) -> float:
        return _HIGH - _BOTTOM - y / most * (_HIGH - _TOP - _BOTTOM)

    right = _WIDE - _RIGHT
    parts += [
        f'<path d="M{_LEFT} {up(value):.1f}H{right}" stroke="{_QUIET}" stroke-opacity="0.3"/>'
        f'<text x="{_LEFT - 5}" y="{up(value) + 4:.1f}" text-anchor="end" fill="{_QUIET}">{_short(value)}</text>'
        for value in (0.0, most / 2, most)
    ]
    parts += [
        f'<text x="{across(day):.1f}" y="{_HIGH - 8}" text-anchor="{anchor}" fill="{_QUIET}">day {day:.2g}</text>'
        for day, anchor in ((first, "start"), (last, "end"))
    ]
    warm = first + (last - first) * WARM_UP
    parts.append(
        f'<rect x="{_LEFT}" y="{_TOP}" width="{across(warm) - _LEFT:.1f}" height="{_HIGH - _TOP - _BOTTOM}" '
        f'fill="{_QUIET}" fill-opacity="0.12"/>'
    )
    if drawn_ceiling:
        parts.append(
            f'<path d="M{_LEFT} {up(judged["ceiling"]):.1f}H{right}" stroke="{_CEILING}" stroke-dasharray="4 3"/>'
        )
    line = "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y in points)
    parts.append(f'<path d="M{line}" fill="none" stroke="{_LINE}" stroke-width="1.5"/>')
    if not by_message and judged["slope"] is not None and judged["now"] is not None:
        began = judged["now"] - judged["slope"] * (last - warm)
        parts.append(
            f'<path d="M{across(warm):.1f} {up(max(0.0, began)):.1f}L{across(last):.1f} {up(judged["now"]):.1f}" '
            f'stroke="{_TREND}" stroke-width="1.5"/>'
        )
    return "".join(parts)


def _said(judged: Judged, unit: str) -> str:
    ceiling = f"ceiling {_short(judged['ceiling'])}{unit}"
    if judged["carried_on"] is None or judged["slope"] is None:
        return ceiling
    if judged["by_message"]:
        return f"{_short(judged['slope'])}{unit}, {ceiling}"
    return f"{judged['slope']:+.3g}{unit} a day, {_short(judged['carried_on'])}{unit} in {DAYS} days, {ceiling}"


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{value:.4g}" if abs(value) >= 1 else f"{value:.2g}"
