"""A compiled catalogue (.mo), read as it is asked: gettext's own reader takes in all of it first, which takes 5 ms.

The format, from the manual of GNU gettext: a header of seven numbers, then a table of the originals, in order, and one
of the translations, each entry a length and an offset. Forms of a plural are parted by NUL.
"""

import struct
from pathlib import Path
from typing import Final

PLURALS: Final = "nplurals=2; plural=(n != 1)"
"""The only kind that is read here: one form for 1 and one for all other numbers. A test holds the catalogues to it."""


class Catalogue:
    """The translations into `language`. Any thread may ask it."""

    def __init__(self, language: str, file: Path) -> None:
        """Raises FileNotFoundError."""
        self.language: Final = language
        self._data = data = file.read_bytes()
        self._size, self._originals, self._translations = struct.unpack_from("<3I", data, 8)
        self._known: dict[str, list[str] | None] = {"": None}  # there is the header

    def gettext(self, message: str) -> str:
        """The translation, or the message itself. argparse asks for that of None, too."""
        forms = self._forms(message) if message else None
        return forms[0] if forms else message

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        """The form for `n`."""
        forms = self._forms(singular)
        if not forms:
            return singular if n == 1 else plural
        return forms[0] if n == 1 else forms[-1]

    def _forms(self, message: str) -> list[str] | None:
        if message not in self._known:
            self._known[message] = self._found(message.encode())
        return self._known[message]

    def _found(self, message: bytes) -> list[str] | None:
        low, high = 0, self._size
        while low < high:
            middle = (low + high) // 2
            original = self._text(self._originals, middle).partition(b"\0")[0]
            if original == message:
                return self._text(self._translations, middle).decode().split("\0")
            if original < message:
                low = middle + 1
            else:
                high = middle
        return None

    def _text(self, table: int, number: int) -> bytes:
        length, begin = struct.unpack_from("<2I", self._data, table + 8 * number)
        return self._data[begin : begin + length]
