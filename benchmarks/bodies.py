"""What customers and shops write, no two alike: the packaged examples with words drawn by how often people use them.

Texts that repeat would be measured as if every shop's customers said the same few things.
"""

import json
import random
import re
from collections.abc import Iterator
from typing import Final

from leadmasterd.classify.loading import EXAMPLES, PACKAGED

_WORD: Final = re.compile(r"[^\W\d_]{4,}")


class Bodies:
    """Draws texts, the same each time. Keeps a number for each, so as never to give one twice."""

    def __init__(self) -> None:
        lines = (PACKAGED / EXAMPLES).read_text(encoding="utf-8").splitlines()
        self._texts: Final = [text for line in lines for text in json.loads(line)["texts"]]
        self.words: Final = [word for text in self._texts for word in _WORD.findall(text.lower())]
        self._draw = random.Random(1)
        self._given: set[int] = set()

    def asked(self) -> str:
        """What a customer writes: an example with two more words in it."""
        return next(each for each in self._examples() if self._is_new(each))

    def answered(self) -> str:
        """What the shop answers."""
        return next(each for each in self._answers() if self._is_new(each))

    def _is_new(self, body: str) -> bool:
        number = hash(body)
        if number in self._given:
            return False
        self._given.add(number)
        return True

    def _examples(self) -> Iterator[str]:
        while True:
            parts = self._draw.choice(self._texts).split(" ")
            at = self._draw.randrange(len(parts) + 1)
            parts[at:at] = self._draw.choices(self.words, k=2)
            yield " ".join(parts)

    def _answers(self) -> Iterator[str]:
        while True:
            first, second = self._draw.choices(self.words, k=2)
            yield f"Sí, hay {first} {second}! Sale {self._draw.randrange(1, 1000)}.000"
