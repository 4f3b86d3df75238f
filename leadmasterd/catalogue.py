"""A compiled catalogue (.mo), read as it is asked: gettext's own reader takes in all of it first, which takes 5 ms.

The format, from the manual of GNU gettext: a header of seven numbers, then a table of the originals, in order, and one
of the translations, each entry a length and an offset. Forms of a plural are parted by NUL.
"""

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

PLURALS: Final = "nplurals=2; plural=(n != 1)"
"""The only kind that is read here: one form for 1 and one for all other numbers. A test holds the catalogues to it."""
_PLACE: Final = re.compile(r"\{([a-z_]\w*)[^{}]*\}")
_LEAST: Final = 8
"""Characters of a message around its places by which a sentence is known to be made of it."""
_SENTENCES: Final = frozenset({"cause", "error", "hint", "reason", "what", "why"})
"""Places that hold words of ours. Others hold names and values, which stay as they are even if they are words."""


_FIGURE: Final = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?: [kMGT]?B)?|[0-9]+\.[0-9]+ [kMGT]?B")
"""What can only be a number as English writes it: grouped, or with a unit. `22.5` may be a version."""
_SWAPPED: Final = str.maketrans(",.", ".,")


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

    def figure(self, english: str) -> str:
        """A number that is written in the English way."""
        return english.translate(_SWAPPED)

    def retold(self, sentence: str) -> str:
        """The translation of an English sentence that was made of a message by filling its places, if it was."""
        known = self.gettext(sentence)
        return known if known != sentence else self._retold(sentence)

    @lru_cache(maxsize=64)  # noqa: B019 - there is one for each language, for as long as the process lives
    def _retold(self, sentence: str) -> str:
        found = [
            (match.groupdict(), translation)
            for original, translation in self._with_places(sentence.encode())
            if len(_PLACE.sub("", original)) >= _LEAST and (match := re.fullmatch(_pattern(original), sentence))
        ]
        if not found:
            return sentence
        # By the message that leaves least to its places, the first one first.
        values, translation = min(found, key=lambda each: [len(value) for value in each[0].values()])
        return self._filled(translation, values)

    def _filled(self, translation: str, values: dict[str, str]) -> str:
        words = {place: self._shown(place, said) for place, said in values.items()}
        return _PLACE.sub(lambda place: words[place[1]], translation)

    def _shown(self, place: str, said: str) -> str:
        if place in _SENTENCES:
            return self.retold(said)
        return self.figure(said) if _FIGURE.fullmatch(said) else said

    def _with_places(self, sentence: bytes) -> Iterator[tuple[str, str]]:
        """Messages with places that begin and end as the sentence does, each with its translation."""
        for number in range(self._size):
            originals = self._text(self._originals, number)
            if b"{" not in originals:
                continue
            for place, original in enumerate(originals.split(b"\0")):
                begin, brace, rest = original.partition(b"{")
                if brace and sentence.startswith(begin) and sentence.endswith(rest.rpartition(b"}")[2]):
                    yield original.decode(), self._text(self._translations, number).decode().split("\0")[place]

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


def _pattern(message: str) -> str:
    """A regex for sentences made of it. A name that occurs twice is the same twice; a hint may be empty."""
    pattern, seen = "", set[str]()
    for number, part in enumerate(_PLACE.split(message)):
        if number % 2 == 0:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>.{'*' if part == 'hint' else '+'}?)"
            seen.add(part)
    return pattern
