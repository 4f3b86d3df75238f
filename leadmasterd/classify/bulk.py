"""Many bursts labelled at once. Pure.

Only the process that labels ahead imports it: numpy adds up what the model sees in hundreds of bursts in the time in
which plain Python does it for a few, but takes memory that the daemon has not. The labels are the same.

Each step is done for all bursts before the next one, so that the processor finds at hand what a step needs.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadmasterd.classify import text
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.intents import Label, Signals
from leadmasterd.classify.model import Model, Seen, pairs, shown_pair, words_read
from leadmasterd.classify.text import Normalised, normalise

WORDS_REMEMBERED: Final = 32_768
"""Some 350 bytes each. A shop's customers do not know more, and such a process lives for minutes only."""
_NUMBER: Final = np.int32
"""Of rows and sums: both are far below."""


class Bulk:
    """A classifier that is asked about many bursts at a time."""

    def __init__(self, classifier: Classifier, *, remember: int = WORDS_REMEMBERED) -> None:
        """`remember`: how many words."""
        text.remember_words(remember)
        classifier.rules.remember_words(remember)
        self._classifier = classifier
        self._sums = Sums(classifier.model, remember) if classifier.model else None

    @property
    def version(self) -> str:
        """The classifier's."""
        return self._classifier.version

    def labels(self, asked: Sequence[tuple[Sequence[str], Signals]]) -> list[Label]:
        """The label of each burst, as `Classifier.classify` gives it: its bodies in order, and its signals."""
        bursts = [normalise(texts) for texts, _signals in asked]
        hits = [
            self._classifier.rules.hits(burst, signals) for burst, (_texts, signals) in zip(bursts, asked, strict=True)
        ]
        seen: Sequence[Seen | None] = self._sums.read(bursts) if self._sums else [None] * len(bursts)
        return [
            self._classifier.label(burst, signals, hits=its_hits, seen=its_seen)
            for burst, (_texts, signals), its_hits, its_seen in zip(bursts, asked, hits, seen, strict=True)
        ]


class _Word(NamedTuple):
    """A word that is known."""

    row: int
    """Where the table has its sum."""
    features: bytes
    """The numbers of its features."""
    named: tuple[str, int] | None
    letters: int
    known: float
    """These three as in `model.Word`."""


class _Parts(NamedTuple):
    """What a burst is made of."""

    rows: list[int]
    """In the table: of its pairs and words."""
    features: bytes
    """The numbers of all features of its words."""
    named: list[tuple[str, int]]
    known: float
    """These two as in `model.Seen`."""


class Sums:
    """Adds up a model's rows for many bursts at once.

    A table has a row for each feature, and after these one for each word that is known: the sum of the word's features.
    A burst is the sum of the rows of its pairs and words, less what several of its words have in common, which counts
    once.
    """

    def __init__(self, model: Model, remember: int) -> None:
        self._model = model
        self._remember = remember
        rows = model.rows
        self._numbers = {hashed: number for number, hashed in enumerate(rows.hashes) if number}
        """The number of each feature, by the hash of its name."""
        self._features = len(rows.hashes)
        """As many rows: the first is of none."""
        self._table = np.zeros((2 * self._features, len(model.intents) + 1), _NUMBER)
        for number in range(1, self._features):
            self._table[number] = model.parted(rows.row(number))
        self._biases = np.array(model.biases)
        self._words = _Words(self._learned)
        self._new: list[list[int]] = []
        """The sums of words that the table lacks yet."""

    def read(self, bursts: Iterable[Normalised]) -> list[Seen]:
        """What the model sees in each, as `Model.read` tells it."""
        if len(self._words) > self._remember:
            self._words.clear()
        parts = list(map(self._parts_of, bursts))
        self._add_new()
        sums = self._added([each.rows for each in parts])
        of, twice = self._in_common([each.features for each in parts])
        np.subtract.at(sums, of, self._table[twice])
        return [Seen(logits, each.named, each.known) for logits, each in zip(self._logits(sums), parts, strict=True)]

    def _parts_of(self, burst: Normalised) -> _Parts:
        """Its known pairs, each once, and its words; `known` is their mean, weighted by letters."""
        words = words_read(burst)
        rows, named, features = [], [], []
        for pair in pairs(words):
            number = self._numbers.get(hash(pair))
            if number is not None and number not in rows:
                rows.append(number)
                named.append((shown_pair(pair), self._model.raised(self._model.rows.row(number))))
        letters, known = 0, 0.0
        for row, its_features, its_name, its_letters, its_known in map(self._words.__getitem__, words):
            rows.append(row)
            features.append(its_features)
            if its_name is not None:
                named.append(its_name)
            letters += its_letters
            known += its_known
        return _Parts(rows, b"".join(features), named, known / letters if letters else 1.0)

    def _learned(self, word: str) -> _Word:
        """A word that was not known."""
        found = self._model.look_up(word)
        self._new.append(self._model.parted(found.summed))
        row = self._features + len(self._words)
        return _Word(
            row=row,
            features=found.numbers.tobytes(),
            named=found.named,
            letters=found.letters,
            known=found.known,
        )

    def _add_new(self) -> None:
        """Put the sums of new words into the table."""
        if self._new:
            end = self._features + len(self._words)
            while end > len(self._table):
                self._table = np.concatenate([self._table, np.zeros_like(self._table)])
            self._table[end - len(self._new) : end] = self._new
            self._new = []

    def _added(self, rows: Sequence[Sequence[int]]) -> NDArray[np.int32]:
        """The sums of these rows of the table, one for each sequence."""
        sums = np.zeros((len(rows), self._table.shape[1]), _NUMBER)
        counts = np.array(list(map(len, rows)), int)
        some = counts > 0  # where there is nothing to add, `reduceat` gives the next row
        if some.any():
            begins = (np.cumsum(counts) - counts)[some]
            together = self._table[list(chain.from_iterable(rows))]
            sums[some] = np.add.reduceat(together, begins, axis=0, dtype=_NUMBER)
        return sums

    def _in_common(self, features: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which bursts have which features once more than once, as often as they do."""
        numbers = np.frombuffer(b"".join(features), np.uintc)  # as an array of "I" has them
        counts = np.array(list(map(len, features)), int) // numbers.itemsize
        of = np.repeat(np.arange(len(features)), counts)
        places = np.sort(of * self._features + numbers)
        again = places[1:][places[1:] == places[:-1]]
        return again // self._features, again % self._features

    def _logits(self, sums: NDArray[np.int32]) -> list[list[float]]:
        """As `Model.logits` has them, to the last bit."""
        squared = sums[:, -1]
        scale = np.divide(self._model.scale, np.sqrt(squared), out=np.zeros(len(sums)), where=squared > 0)
        found: list[list[float]] = (self._biases + scale[:, None] * sums[:, :-1]).tolist()
        return found


class _Words(dict[str, _Word]):
    """What is known of words; `learned` tells of others."""

    def __init__(self, learned: Callable[[str], _Word]) -> None:
        self._learned = learned

    def __missing__(self, word: str) -> _Word:
        found = self[word] = self._learned(word)
        return found
