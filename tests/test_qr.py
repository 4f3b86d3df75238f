"""The QR code as printed, decoded by a real decoder, on dark and light backgrounds."""

import re
import unicodedata
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from leadmasterd import qr
from leadmasterd.qr import Ink

WHATSAPP = (
    "2@" + "Ab3/" * 22 + "," + "Zx9+" * 10 + "kQ8=," + "Qw7/" * 10 + "Yh0=," + "Er5+" * 10 + "Ui2=,1"
)  # as long as a real one
TEXTS = [WHATSAPP, "2@AbCd,Ef==,Gh==,Ij==,1", "2@" + "x" * 271 + ",1"]
BLOCKS = {" ": (False, False), "▀": (True, False), "▄": (False, True), "█": (True, True)}
_SET = re.compile(r"\x1b\[38;2;(\d+);\d+;\d+;48;2;(\d+);\d+;\d+m")


class Terminal(NamedTuple):
    """A terminal's grey levels for uncoloured foreground and background."""

    ink: int
    paper: int


DARK = Terminal(ink=229, paper=12)
LIGHT = Terminal(ink=20, paper=250)


def shown(text: str, terminal: Terminal, *, pixels: int = 4) -> Any:
    """The picture of these characters: two square pixels per character, on the terminal's background."""
    rows: list[list[int]] = []
    for line in text.split("\n"):
        colours = terminal
        upper, lower = [], []
        while line:
            if found := _SET.match(line):
                colours, line = Terminal(int(found[1]), int(found[2])), line[found.end() :]
            elif line.startswith("\x1b[0m"):
                colours, line = terminal, line[4:]
            else:
                up, low = BLOCKS[line[0]]
                upper.append(colours.ink if up else colours.paper)
                lower.append(colours.ink if low else colours.paper)
                line = line[1:]
        rows += [upper, lower]
    assert len({len(row) for row in rows}) == 1
    image = np.array(rows, dtype=np.uint8).repeat(pixels, 0).repeat(pixels, 1)
    return np.pad(image, 8 * pixels, constant_values=terminal.paper)


def read(image: Any, *, inverted: bool = False) -> str | None:
    """The decoded text, or None."""
    found = zxingcpp.read_barcodes(image, try_rotate=False, try_downscale=False, try_invert=inverted)
    return found[0].text if found else None


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("terminal", [DARK, LIGHT], ids=["dark", "light"])
def test_in_colours_it_reads_upright_on_every_background(text: str, terminal: Terminal) -> None:
    """The code sets both colours, so the terminal's own do not matter."""
    assert read(shown(qr.draw(text, Ink.COLOURS), terminal)) == text


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    ("ink", "upright", "other"), [(Ink.LIGHT_MODULES, DARK, LIGHT), (Ink.DARK_MODULES, LIGHT, DARK)]
)
def test_without_colours_it_reads_upright_on_its_own_background_and_inverted_on_the_other(
    ink: Ink, upright: Terminal, other: Terminal, text: str
) -> None:
    """Phones decode inverted codes as well."""
    printed = qr.draw(text, ink)
    assert read(shown(printed, upright)) == text
    assert read(shown(printed, other)) is None, "the background does matter here"
    assert read(shown(printed, other), inverted=True) == text


@pytest.mark.parametrize("ink", Ink)
@pytest.mark.parametrize("text", TEXTS)
def test_it_fits_a_terminal(ink: Ink, text: str) -> None:
    """It needs at most 80 columns and, for codes of WhatsApp's length, the rows of a tall terminal."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in qr.draw(text, ink).split("\n")]
    assert all(len(line) <= 80 for line in lines)
    assert len(lines) <= 40
    assert len(WHATSAPP) >= 200


@pytest.mark.parametrize("ink", [Ink.LIGHT_MODULES, Ink.DARK_MODULES])
def test_in_a_journal_there_are_no_control_characters(ink: Ink) -> None:
    """The journal escapes a whole message that contains one."""
    printed = qr.draw(WHATSAPP, ink).replace("\n", "")
    assert not [char for char in printed if unicodedata.category(char).startswith("C")]


def test_colours_end_with_each_line() -> None:
    """The terminal's colours are restored."""
    for line in qr.draw(WHATSAPP, Ink.COLOURS).split("\n"):
        assert _SET.match(line)
        assert line.endswith("\x1b[0m")
        assert line.count("\x1b") == 2


def test_a_quiet_zone_of_four_is_around_it() -> None:
    """The QR standard requires it."""
    matrix = qr.matrix(WHATSAPP)
    for edge in (matrix[:4], matrix[-4:], [row[:4] for row in matrix], [row[-4:] for row in matrix]):
        assert not any(module for row in edge for module in row)
    assert matrix[4][4]


@pytest.mark.parametrize("text", TEXTS)
def test_the_picture_reads(text: str) -> None:
    """It is black on white with a quiet zone."""
    picture = qr.png(text)
    assert picture.startswith(b"\x89PNG")
    assert read(np.array(Image.open(BytesIO(picture)).convert("L"))) == text
