"""The QR, drawn in text: two modules a character, with a quiet zone, at most 80 columns for what WhatsApp sends.

On a terminal the colours are set (black on white), so that it reads on dark and on light backgrounds alike. In a
journal there can be no colours: there the light modules are drawn, which is right on a dark background and inverted on
a light one; phones read both, and `--light` draws the dark modules instead.
"""

from enum import Enum
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from segno import QRCode

QUIET_ZONE: Final = 4
"""Modules around the code, as the standard wants. WhatsApp's codes (version 10) are 65 columns wide with it."""

_BLACK_ON_WHITE: Final = "\x1b[38;2;0;0;0;48;2;255;255;255m"
_RESET: Final = "\x1b[0m"


class Ink(Enum):
    """How the code is drawn: in colours that are set, or as characters for its light or its dark modules."""

    COLOURS = "colours"
    LIGHT_MODULES = "light modules"
    DARK_MODULES = "dark modules"


def matrix(text: str) -> list[list[bool]]:
    """The code's modules with quiet zone, True is dark."""
    return [[bool(module) for module in row] for row in _code(text).matrix_iter(border=QUIET_ZONE)]


def draw(text: str, ink: Ink) -> str:
    """The code as lines of half-block characters, each of which stands for two rows of modules."""
    modules = matrix(text)
    if len(modules) % 2:
        modules.append([False] * len(modules[0]))
    drawn = ink is not Ink.LIGHT_MODULES  # the value of the modules that get ink
    lines = []
    for upper, lower in zip(modules[::2], modules[1::2], strict=True):
        line = "".join(" ▀▄█"[(up is drawn) + 2 * (low is drawn)] for up, low in zip(upper, lower, strict=True))
        lines.append(f"{_BLACK_ON_WHITE}{line}{_RESET}" if ink is Ink.COLOURS else line)
    return "\n".join(lines)


def png(text: str) -> bytes:
    """The code as a PNG, 8 pixels a module."""
    picture = BytesIO()
    _code(text).save(picture, kind="png", scale=8, border=QUIET_ZONE)
    return picture.getvalue()


@lru_cache(maxsize=1)  # encoding takes longest, and each code is both drawn and stored as a picture
def _code(text: str) -> "QRCode":
    import segno

    return segno.make(text, error="l", micro=False, boost_error=False)
