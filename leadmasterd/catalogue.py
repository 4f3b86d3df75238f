"""A compiled catalogue of translations (.mo), read on demand: Python's own reader parses all of it first, in 5 ms.

The format, from the manual of GNU gettext: a header of seven numbers, then a sorted table of the originals and a table
of the translations, each entry a length and an offset. Plural forms are separated by NUL.
"""

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

PLURALS: Final = "nplurals=2; plural=(n != 1)"
"""The only plural rule supported: one form for 1 and one for all other numbers. A test holds the catalogues to it."""
_PLACE: Final = re.compile(r"\{([a-z_]\w*)[^{}]*\}")
_LEAST: Final = 8
"""Characters that a message must have besides its placeholders: a shorter one would match sentences of others."""
_SENTENCES: Final = frozenset({"cause", "error", "hint", "reason", "what", "why"})
"""Placeholders that hold texts of ours, to be translated too. Others hold names and values, which stay as they are."""


_FIGURE: Final = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?: [kMGT]?B)?|[0-9]+\.[0-9]+ [kMGT]?B")
"""What is certainly a number in English notation: grouped, or with a unit. `22.5` alone may be a version."""
_SWAPPED: Final = str.maketrans(",.", ".,")


class Catalogue:
    """The translations into `language`. Any thread may ask it."""

    def __init__(self, language: str, file: Path) -> None:
        """Raises FileNotFoundError."""
        self.language: Final = language
        self._data = data = file.read_bytes()
        self._size, self._originals, self._translations = struct.unpack_from("<3I", data, 8)
        self._known: dict[str, list[str] | None] = {"": None}  # the file's entry for "" is its header

    def gettext(self, message: str) -> str:
        """The translation, or the message itself if there is none. argparse passes None, too."""
        forms = self._forms(message) if message else None
        return forms[0] if forms else message

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        """The translation for `n`, or the English form if there is none."""
        forms = self._forms(singular)
        if not forms:
            return singular if n == 1 else plural
        return forms[0] if n == 1 else forms[-1]

    def figure(self, english: str) -> str:
        """A number in English notation, rewritten in that of the language: `1,234.5` becomes `1.234,5`."""
        return english.translate(_SWAPPED)

    def retold(self, sentence: str) -> str:
        """The translation of an English sentence whose placeholders are filled already.

        Finds the message that it was made of, and fills the translation with the same values. A sentence that was made
        of none comes back as it is.
        """
        known = self.gettext(sentence)
        return known if known != sentence else self._retold(sentence)

    @lru_cache(maxsize=64)  # noqa: B019 - one catalogue for each language lives as long as the process
    def _retold(self, sentence: str) -> str:
        """`retold`, for a sentence with placeholders: a scan of the whole catalogue, and therefore cached."""
        found = [
            (match.groupdict(), translation)
            for original, translation in self._with_places(sentence.encode())
            if len(_PLACE.sub("", original)) >= _LEAST and (match := re.fullmatch(_pattern(original), sentence))
        ]
        if not found:
            return sentence
        # Several messages may fit. The most specific one is taken: the one whose placeholders have the shortest values.
        values, translation = min(found, key=lambda each: [len(value) for value in each[0].values()])
        return self._filled(translation, values)

    def _filled(self, translation: str, values: dict[str, str]) -> str:
        """The translation with the values that the English sentence had, by placeholder."""
        words = {place: self._shown(place, said) for place, said in values.items()}
        return _PLACE.sub(lambda place: words[place[1]], translation)

    def _shown(self, place: str, said: str) -> str:
        """The value of a placeholder, translated if it is a text of ours or a number."""
        if place in _SENTENCES:
            return self.retold(said)
        return self.figure(said) if _FIGURE.fullmatch(said) else said

    def _with_places(self, sentence: bytes) -> Iterator[tuple[str, str]]:
        """Messages with placeholders that begin and end as the sentence does, each with its translation."""
        for number in range(self._size):
            originals = self._text(self._originals, number)
            if b"{" not in originals:
                continue
            for form, original in enumerate(originals.split(b"\0")):  # singular and plural
                begin, brace, rest = original.partition(b"{")
                if brace and sentence.startswith(begin) and sentence.endswith(rest.rpartition(b"}")[2]):
                    yield original.decode(), self._text(self._translations, number).decode().split("\0")[form]

    def _forms(self, message: str) -> list[str] | None:
        """The translation's forms, singular first, or None if there is none. Remembers the answer."""
        if message not in self._known:
            self._known[message] = self._found(message.encode())
        return self._known[message]

    def _found(self, message: bytes) -> list[str] | None:
        """What `_forms` remembers, by a binary search in the sorted table of originals."""
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
        """The entry of that number in the table that begins at the offset `table`."""
        length, begin = struct.unpack_from("<2I", self._data, table + 8 * number)
        return self._data[begin : begin + length]


def _pattern(message: str) -> str:
    """A regex for sentences made of `message`, with a group for each placeholder.

    A placeholder that occurs twice must have the same value twice. Only a `hint` may be empty.
    """
    pattern, seen = "", set[str]()
    for number, part in enumerate(_PLACE.split(message)):
        if number % 2 == 0:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>.{'*' if part == 'hint' else '+'}?)"
            seen.add(part)
    return pattern
