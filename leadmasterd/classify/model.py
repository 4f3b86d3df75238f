"""The learned part: a linear model over words and pieces of words. Pure; made by `train`, read from disk by `loading`.

Inference is a sum over a dictionary, in plain Python: importing numpy would cost the idle daemon 12 MB and 0.2 s. The
weights of one feature for all intents are one whole number, side by side in lanes of bits, so that one addition adds
them all.

A feature's row in the file is bytes: its weight in the text's length, then pairs of intent and weight, each one byte.
The file is gzipped JSON: {"format", "v", "version", "made", "learned", "intents", "bias", "step", "features":
{name: hex of the row}}. Nothing in it is executed.
"""

import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from leadmasterd.classify.intents import GROUP_OF, UNKNOWN, Group
from leadmasterd.classify.text import Normalised
from leadmasterd.errors import CannotUseModel

FORMAT: Final = "leadmasterd-model"
FORMAT_VERSION: Final = 1
READ: Final = 400
"""Characters of a burst that the model reads; it learned from short texts, and long ones would take it milliseconds."""

LENGTH_STEP: Final = 32
"""A row's first byte, divided by this, is the feature's part in the text's length."""
LEAST_GROUP: Final = 0.4
LEAST_INTENT: Final = 0.2
"""Shares of certainty from which a guess is a label: where most right answers were had on texts for development."""

ZERO: Final = 128
"""The byte of a weight of nothing."""

_LANE: Final = 20
"""Bits of the sum of one intent's weights: `READ` characters have below 2,000 features, of at most 128 each."""
_LANE_MASK: Final = (1 << _LANE) - 1
_MIDDLE: Final = 1 << (_LANE - 1)
"""Nothing, in a lane: sums may be negative, and must not borrow from the lane above."""

_PIECES: Final = (3, 4, 5)
_LARGEST: Final = 64 << 20
_WORDS_KEPT: Final = 1_024
"""Words whose rows are remembered, some 1.5 KB each: most words of a shop's customers come again and again."""
_DIGITS: Final = re.compile(r"\d[\d.,:]*")
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Guess:
    """The likeliest intent (never `unknown`), how sure (0 to 1), and the words that spoke for it most."""

    intent: str
    confidence: float
    sure: bool
    """Sure enough for a label: of its group first of all, since that is what decides what happens."""
    because: tuple[str, ...]


def features(burst: Normalised) -> Iterator[str]:
    """What the model sees, some more than once: words, pairs, and pieces of words of three to five characters."""
    words = _words_read(burst)
    for word in words:
        yield from _of_word(word)
    yield from _of_pairs(words)


def _words_read(burst: Normalised) -> list[str]:
    return _DIGITS.sub("0", burst.text[:READ]).split()


def _of_word(word: str) -> Iterator[str]:
    yield f"={word}"
    padded = f"<{word}>"
    for size in _PIECES:
        for start in range(len(padded) - size + 1):
            yield padded[start : start + size]


def _of_pairs(words: Sequence[str]) -> list[str]:
    return [f"={first} {second}" for first, second in zip(["^", *words], [*words, "$"], strict=True)]


class Model:
    """Multinomial logistic regression, made by `parse`. It knows `unknown` too, at the cost of all others."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.version: str = document["version"]
        self.made: str = document["made"]
        self.learned = frozenset(map(str, document["learned"]))
        """Marks of the corrections it learned from."""
        self.intents: tuple[str, ...] = tuple(document["intents"])
        self._members: dict[Group, list[int]] = {}
        for number, intent in enumerate(self.intents):
            self._members.setdefault(GROUP_OF[intent], []).append(number)
        self._bias = [float(each) for each in document["bias"]]
        self._step = float(document["step"])
        self._nothing = sum(_MIDDLE << _LANE * number for number in range(len(self.intents)))
        self._above = _LANE * len(self.intents)
        """Where the squared part in the text's length begins."""
        self._rows = {name: self._packed(bytes.fromhex(row)) for name, row in document["features"].items()}
        self._rows_of_word = lru_cache(maxsize=_WORDS_KEPT)(lambda word: self._rows_of(_of_word(word)))

    def guess(self, burst: Normalised) -> Guess:
        """The likeliest intent of the likeliest group; with little confidence where nothing of a burst is known."""
        seen = self._seen(burst)
        shares = self._shares(seen)
        groups = {group: sum(shares[each] for each in own) for group, own in self._members.items() if group != UNKNOWN}
        group = max(groups, key=groups.__getitem__)
        best = max(self._members[group], key=shares.__getitem__)
        sure = groups[group] >= LEAST_GROUP and shares[best] >= LEAST_INTENT
        return Guess(self.intents[best], shares[best], sure, self._because(seen, best))

    def share(self, burst: Normalised, intent: str) -> float:
        """How sure it would be of this intent, 0 to 1; 0 of one that it doesn't know."""
        return self._shares(self._seen(burst))[self.intents.index(intent)] if intent in self.intents else 0.0

    def _seen(self, burst: Normalised) -> Mapping[str, int]:
        """The rows of what it sees in a burst, as far as it has any."""
        words = _words_read(burst)
        seen = self._rows_of(_of_pairs(words))
        for word in words:
            seen |= self._rows_of_word(word)
        return seen

    def _rows_of(self, names: Iterable[str]) -> dict[str, int]:
        rows = self._rows
        return {name: rows[name] for name in names if name in rows}

    def _shares(self, seen: Mapping[str, int]) -> list[float]:
        """Of each of `intents`; 1 together."""
        logits = self._logits(seen.values())
        top = max(logits)
        weights = [math.exp(each - top) for each in logits]
        total = sum(weights)
        return [weight / total for weight in weights]

    def logits(self, seen: Iterable[str]) -> list[float]:
        """The score of each of `intents` for these features."""
        return self._logits(self._rows_of(seen).values())

    def _logits(self, rows: Iterable[int]) -> list[float]:
        summed = sum(rows, self._nothing)
        length = summed >> self._above
        scale = self._step * LENGTH_STEP / math.sqrt(length) if length else 0.0
        return [bias + scale * self._weight(summed, intent) for intent, bias in enumerate(self._bias)]

    def _packed(self, row: bytes) -> int:
        """A row as one number."""
        weights = zip(row[1::2], row[2::2], strict=True)
        lanes = sum([(weight - ZERO) << _LANE * intent for intent, weight in weights])
        return lanes + (row[0] * row[0] << self._above)

    @staticmethod
    def _weight(summed: int, intent: int) -> int:
        """The lane of one intent, of rows added to `_nothing`."""
        return (summed >> _LANE * intent & _LANE_MASK) - _MIDDLE

    def _because(self, seen: Mapping[str, int], intent: int) -> tuple[str, ...]:
        """The words and pairs that weighed most for this intent; of a word and its pair the heavier."""
        weighed = []
        for name, row in seen.items():
            if name[0] == "=" and len(name) > 3:
                weight = self._weight(self._nothing + row, intent)
                if weight > 0:
                    weighed.append((-weight, name[1:].strip("^$ ")))
        shown: list[str] = []
        for _weight, words in sorted(weighed):
            if not any(words in each or each in words for each in shown):
                shown.append(words)
            if len(shown) == _SHOWN:
                break
        return tuple(shown)


def parse(content: bytes, where: str) -> Model:
    """A model from a file's bytes. Raises CannotUseModel."""
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(content, _LARGEST)
        document = json.loads(unpacked)
    except (zlib.error, ValueError, RecursionError) as error:
        raise CannotUseModel(f"cannot use the model {where}: it is damaged or no model ({error}); {_ANEW}") from error
    problem = _problem(document)
    if problem:
        raise CannotUseModel(f"cannot use the model {where}: {problem}; {_ANEW}")
    return Model(document)


_ANEW: Final = "make it anew with `leadmasterd rules train`, or delete it to use the one that came along"


def _problem(document: Any) -> str | None:
    """What keeps it from being used, or None."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return f"it does not say that it is a {FORMAT}"
    if document.get("v") != FORMAT_VERSION:
        return f"it is of version {document.get('v')!r}, and this program reads {FORMAT_VERSION}"
    intents, bias, rows = document.get("intents"), document.get("bias"), document.get("features")
    if not isinstance(intents, list) or len(intents) < 2 or not set(map(str, intents)) <= set(GROUP_OF):
        return "its intents are not those of this program"
    numbers = [document.get("step"), *(bias if isinstance(bias, list) else [None])]
    if len(numbers) != len(intents) + 1 or not all(_finite(number) for number in numbers):
        return "its numbers are not numbers, or too few"
    if not all(isinstance(document.get(key), str) for key in ("version", "made")) or not isinstance(rows, dict):
        return "it is incomplete"
    if not isinstance(document.get("learned"), list):
        return "it does not say what it learned from"
    if not all(_row_is_good(row, len(intents)) for row in rows.values()):
        return "a row of its weights is damaged"
    return None


def _finite(number: object) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)


def _row_is_good(row: object, intents: int) -> bool:
    try:
        values: Sequence[int] = bytes.fromhex(row) if isinstance(row, str) else b""
    except ValueError:
        return False
    named = set(values[1::2])
    return len(values) == 1 + 2 * len(named) and values[0] > 0 and all(each < intents for each in named)
