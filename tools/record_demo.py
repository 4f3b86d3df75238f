"""Record the demo as an animated picture, and its page as another: `make picture`, which installs pyte and calls this.

It runs `leadmasterd demo --auto` in a real pseudo-terminal, keeps the screens with their times, and writes
them as one SVG without scripts. With prefers-reduced-motion only the last screen is shown.
"""

import html
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final

import pyte

ROOT: Final = Path(__file__).resolve().parent.parent
PICTURE: Final = ROOT / "docs" / "demo.svg"
PAGE: Final = ROOT / "docs" / "page.webp"
COLUMNS, ROWS = 80, 36
CELL_WIDTH, CELL_HEIGHT = 8.0, 17.0
MARGIN = 12.0
QUIET_SECONDS: Final = 0.15
"""A screen is complete once nothing has been written for this many seconds."""
LONGEST, LAST = 2.5, 8.0
"""Seconds that a screen is shown at most, and the last one."""
COLOURS: Final = {
    "default": "#d4d7dd", "black": "#1b1e24", "red": "#ff6b6b", "green": "#7bd88f", "brown": "#ffd166",
    "blue": "#7aa2f7", "magenta": "#d19ff2", "cyan": "#6fd3e8", "white": "#f2f4f8",
}  # fmt: skip
BLOCKS: Final = {"█": (0.0, 1.0), "▀": (0.0, 0.5), "▄": (0.5, 0.5)}
"""Drawn as areas: as letters they would have gaps, and no phone could read the code."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One screen, the second at which it was complete, and its cells."""

    at: float
    rows: tuple[tuple[Any, ...], ...]


def main() -> None:
    """Record, and write the picture."""
    frames = record([sys.executable, "-m", "leadmasterd", "demo", "--auto"])
    PICTURE.write_text(svg(frames), encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: {len(frames)} screens, {PICTURE.stat().st_size // 1024} KB")
    picture_page()
    print(f"{PAGE.relative_to(ROOT)}: {PAGE.stat().st_size // 1024} KB")


def picture_page() -> None:
    """The page in Spanish, as those read it who answer. Raises CalledProcessError."""
    command = [sys.executable, "-m", "leadmasterd", "demo", "--auto", "--picture", str(PAGE)]
    environment = {**os.environ, **_speaking("es")}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def _speaking(language: str) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "LEADMASTERD_GENERAL__LANGUAGE": language}


def record(command: Sequence[str]) -> list[Frame]:
    """Run it in a terminal of its own. Raises SystemExit when it fails."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    pid, terminal = pty.fork()
    if pid == 0:
        for name in ("LC_ALL", "LC_MESSAGES"):
            os.environ.pop(name, None)
        os.environ.update(LANG="en_US.UTF-8", LC_CTYPE="C.UTF-8")  # the picture is in English
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(ROWS), **_speaking("en"))
        os.execvp(command[0], list(command))
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began, frames, changed = time.monotonic(), [], False
    while True:
        readable, _, _ = select.select([terminal], [], [], QUIET_SECONDS)
        if readable:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # how Linux reports that the other end is closed
                break
            if not data:
                break
            stream.feed(data)
            changed = True
        elif changed:
            frames.append(_frame(screen, time.monotonic() - began))
            changed = False
    frames.append(_frame(screen, time.monotonic() - began))
    if code := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise SystemExit(f"cannot record: the demo ended with {code}")
    return frames


def _frame(screen: Any, at: float) -> Frame:
    return Frame(at, tuple(tuple(screen.buffer[row][column] for column in range(COLUMNS)) for row in range(ROWS)))


def svg(frames: Sequence[Frame]) -> str:
    """All screens in one picture, one after the other, forever. Each row is drawn once, however often it is shown."""
    shown = [min(LONGEST, after.at - frame.at) for frame, after in pairwise(frames)] + [LAST]
    total = sum(shown)
    width, height = COLUMNS * CELL_WIDTH + 2 * MARGIN, ROWS * CELL_HEIGHT + 2 * MARGIN
    styles, groups, since = [], [], 0.0
    drawn: dict[str, int] = {}
    for number, (frame, seconds) in enumerate(zip(frames, shown, strict=True)):
        begin, end = 100 * since / total, 100 * (since + seconds) / total
        styles.append(
            f"@keyframes f{number}{{0%{{opacity:{int(begin == 0)}}}{begin:.3f}%{{opacity:1}}{end:.3f}%{{opacity:0}}"
            f"100%{{opacity:0}}}}#f{number}{{animation:f{number} {total:.1f}s step-end infinite}}"
        )
        rows = [(row, drawn.setdefault(picture, len(drawn))) for row, picture in _rows(frame)]
        uses = "".join(f'<use href="#r{which}" y="{MARGIN + row * CELL_HEIGHT:g}"/>' for row, which in rows)
        groups.append(f'<g id="f{number}" class="f">{uses}</g>')
        since += seconds
    last = len(frames) - 1
    still = f"@media(prefers-reduced-motion:reduce){{.f{{animation:none!important}}#f{last}{{opacity:1}}}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'fill="{COLOURS["default"]}" aria-label="A recording of leadmasterd demo in a terminal">'
        f"<style>.f{{opacity:0}}{''.join(styles)}{still}path{{shape-rendering:crispEdges}}"
        "text{font:13px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}</style>"
        f"<defs>{''.join(_defined(number, row) for row, number in drawn.items())}</defs>"
        f'<rect width="100%" height="100%" rx="8" fill="#15171c"/>{"".join(groups)}</svg>\n'
    )


def _defined(number: int, row: str) -> str:
    return f'<g id="r{number}">{row}</g>'


def _rows(frame: Frame) -> Iterator[tuple[int, str]]:
    """The number of each row that shows something, and its drawing at the height 0."""
    for row, cells in enumerate(frame.rows):
        if picture := _row(cells):
            yield row, picture


def _row(cells: Sequence[Any]) -> str:
    behinds, blocks, texts, column = defaultdict[str, str](str), defaultdict[str, str](str), "", 0
    for look, run in groupby(cells, key=_look):
        run_cells = list(run)
        left, wide = MARGIN + column * CELL_WIDTH, len(run_cells) * CELL_WIDTH
        column += len(run_cells)
        colour, behind, bold, block = look
        if behind:
            behinds[behind] += _area(left, 0, wide, CELL_HEIGHT)
        if block:
            share_from, share = BLOCKS[block]
            blocks[colour] += _area(left, share_from * CELL_HEIGHT, wide, share * CELL_HEIGHT)
        elif any(cell.data.strip() for cell in run_cells):
            first, end = _inked(run_cells)
            text = "".join(cell.data for cell in run_cells[first:end])
            place = f'x="{left + first * CELL_WIDTH:g}" y="13" textLength="{(end - first) * CELL_WIDTH:g}"'
            weight = ' font-weight="bold"' if bold else ""
            words = html.escape(text, quote=False)
            texts += f'<text {place} lengthAdjust="spacingAndGlyphs"{_fill(colour)}{weight}>{words}</text>'
    paths = [f'<path{_fill(colour)} d="{d}"/>' for each in (behinds, blocks) for colour, d in each.items()]
    return "".join(paths) + texts


def _inked(cells: Sequence[Any]) -> tuple[int, int]:
    """From where to where something stands. The second cell of a wide character is empty."""
    spaces = [cell.data == " " for cell in cells]
    return spaces.index(False), len(spaces) - spaces[::-1].index(False)


def _fill(colour: str) -> str:
    return "" if colour == COLOURS["default"] else f' fill="{colour}"'


def _area(left: float, top: float, wide: float, high: float) -> str:
    """A part of a path."""
    return f"M{left:g} {top:g}h{wide:g}v{high:g}h-{wide:g}z"


def _look(cell: Any) -> tuple[str, str, bool, str]:
    """Its colour, background (or ""), boldness and block character (or "")."""
    colour, behind = _colour(cell.fg, "default"), "" if cell.bg == "default" else _colour(cell.bg, "black")
    if cell.reverse:
        colour, behind = behind or "#15171c", colour
    return colour, behind, cell.bold, cell.data if cell.data in BLOCKS else ""


def _colour(name: str, otherwise: str) -> str:
    if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name):
        return f"#{name}"
    return COLOURS.get(name.removeprefix("bright"), COLOURS[otherwise])


if __name__ == "__main__":
    main()
