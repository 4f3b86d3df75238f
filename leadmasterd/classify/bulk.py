"""Many bursts labelled at once. Pure.

Only the process that labels ahead imports it: numpy adds up the model's rows for hundreds of bursts in the time in
which plain Python does it for a few, but takes memory that the daemon does not have. The labels are the same.

Each step is done for all bursts before the next one, so that what a step needs stays in the processor's cache.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadmasterd.classify import text
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.intents import Label, Signals
from leadmasterd.classify.model import Evidence, Model, pairs, shown_pair, words_read
from leadmasterd.classify.text import Normalised, normalise

WORDS_REMEMBERED: Final = 32_768
"""Words that are cached, some 350 bytes each: as many as a shop's customers use. The process lives for minutes only."""
_NUMBER: Final = np.int32
"""The type of weights and their sums: both are far below its limit."""


class Bulk:
    """A classifier that is asked about many bursts at a time."""

    def __init__(self, classifier: Classifier, *, remember: int = WORDS_REMEMBERED) -> None:
        """`remember`: how many words to cache. The cache of `text` is made that large too, for the whole process."""
        text.remember_words(remember)
        classifier.rules.remember_words(remember)
        self._classifier = classifier
        self._sums = Sums(classifier.model, remember) if classifier.model else None

    @property
    def version(self) -> str:
        """The version of the classifier: another one may give other labels."""
        return self._classifier.version

    def labels(self, asked: Sequence[tuple[Sequence[str], Signals]]) -> list[Label]:
        """The label of each burst, as `Classifier.classify` gives it. `asked`: for each burst its texts and signals."""
        rules = self._classifier.rules
        bursts = [normalise(texts) for texts, _signals in asked]
        all_signals = [signals for _texts, signals in asked]
        all_hits = [rules.hits(burst, signals) for burst, signals in zip(bursts, all_signals, strict=True)]
        all_evidence: Sequence[Evidence | None] = self._sums.read(bursts) if self._sums else [None] * len(bursts)
        return [
            self._classifier.label(burst, signals, hits=hits, evidence=evidence)
            for burst, signals, hits, evidence in zip(bursts, all_signals, all_hits, all_evidence, strict=True)
        ]


class _Word(NamedTuple):
    """A word that was looked up in the model."""

    row: int
    """The row of the table that has the sum of its features."""
    features: bytes
    """The numbers of its features."""
    nameable: tuple[str, int] | None
    letters: int
    known: float
    """These three as in `model.Word`."""


class _Parts(NamedTuple):
    """What a burst is made of."""

    rows: list[int]
    """The rows of the table for its pairs and words."""
    features: bytes
    """The numbers of all features of its words, with repeats."""
    nameable: list[tuple[str, int]]
    known: float
    """These two as in `model.Evidence`."""


class Sums:
    """Adds up a model's rows for many bursts at once.

    A table has a row for each feature: its weight for each intent, and then its part in the squared norm. Below are
    rows for the words that were looked up: each is the sum of the rows of the word's features. So a burst is the sum of
    the rows of its pairs and words. Its words may have features in common, which count once: the repeats are
    subtracted.
    """

    def __init__(self, model: Model, remember: int) -> None:
        """`remember`: once more words than this were looked up, the next `read` forgets them all."""
        self._model = model
        self._remember = remember
        rows = model.rows
        self._numbers = {hashed: number for number, hashed in enumerate(rows.hashes) if number}
        """The number of each feature, by the hash of its name."""
        self._features = len(rows.hashes)
        """How many rows of the table are for features. No feature has number 0, so the first row is empty."""
        self._table = np.zeros((2 * self._features, len(model.intents) + 1), _NUMBER)
        for number in range(1, self._features):
            self._table[number] = model.unpacked(rows.row(number))
        self._biases = np.array(model.biases)
        self._words = _Words(self._looked_up)
        self._new: list[list[int]] = []
        """The rows of new words, which are not in the table yet."""

    def read(self, bursts: Iterable[Normalised]) -> list[Evidence]:
        """What `Model.read` finds in each burst."""
        if len(self._words) > self._remember:
            self._words.clear()
        parts = list(map(self._parts_of, bursts))
        self._add_new()
        sums = self._sums_of([each.rows for each in parts])
        burst_indices, repeated_features = self._in_common([each.features for each in parts])
        np.subtract.at(sums, burst_indices, self._table[repeated_features])
        return [
            Evidence(logits, each.nameable, each.known) for logits, each in zip(self._logits(sums), parts, strict=True)
        ]

    def _parts_of(self, burst: Normalised) -> _Parts:
        """The pairs of a burst that the model knows, each once, and its words, which are looked up if they are new."""
        words = words_read(burst)
        rows, nameable, features = [], [], []
        for pair in pairs(words):
            number = self._numbers.get(hash(pair))
            if number is not None and number not in rows:
                rows.append(number)
                nameable.append((shown_pair(pair), self._model.nonnegative(self._model.rows.row(number))))
        letters = 0
        known = 0.0
        for row, its_features, its_name, its_letters, its_known in map(self._words.__getitem__, words):
            rows.append(row)
            features.append(its_features)
            if its_name is not None:
                nameable.append(its_name)
            letters += its_letters
            known += its_known
        return _Parts(rows, b"".join(features), nameable, known / letters if letters else 1.0)

    def _looked_up(self, word: str) -> _Word:
        """Look up a new word. Its row comes after those of all words so far; `_add_new` writes it there."""
        found = self._model.look_up(word)
        self._new.append(self._model.unpacked(found.summed))
        row = self._features + len(self._words)
        return _Word(
            row=row,
            features=found.numbers.tobytes(),
            nameable=found.nameable,
            letters=found.letters,
            known=found.known,
        )

    def _add_new(self) -> None:
        """Put the rows of new words into the table, which is doubled until there is room."""
        if self._new:
            end = self._features + len(self._words)
            while end > len(self._table):
                self._table = np.concatenate([self._table, np.zeros_like(self._table)])
            self._table[end - len(self._new) : end] = self._new
            self._new = []

    def _sums_of(self, rows: Sequence[Sequence[int]]) -> NDArray[np.int32]:
        """The sum of the table's rows with these numbers, for each sequence of numbers."""
        sums = np.zeros((len(rows), self._table.shape[1]), _NUMBER)
        counts = np.array(list(map(len, rows)), int)
        not_empty = counts > 0  # where there is nothing to add, `reduceat` gives the next row
        if not_empty.any():
            begins = (np.cumsum(counts) - counts)[not_empty]  # where in `all_rows` each sequence begins
            all_rows = self._table[list(chain.from_iterable(rows))]
            sums[not_empty] = np.add.reduceat(all_rows, begins, axis=0, dtype=_NUMBER)
        return sums

    def _in_common(self, features: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The features that words of a burst repeat: the index of the burst, and the number of the feature.

        A feature that a burst has n times is given n - 1 times. `features`: for each burst as in `_Parts`.
        """
        numbers = np.frombuffer(b"".join(features), np.uintc)  # the type of an array of "I"
        counts = np.array(list(map(len, features)), int) // numbers.itemsize
        burst_indices = np.repeat(np.arange(len(features)), counts)
        keys = np.sort(burst_indices * self._features + numbers)  # burst and feature as one number: equal ones meet
        is_repeated = keys[1:] == keys[:-1]
        repeated = keys[1:][is_repeated]
        return repeated // self._features, repeated % self._features

    def _logits(self, sums: NDArray[np.int32]) -> list[list[float]]:
        """The scores that `Model.logits` gives, to the last bit, from each burst's sum of rows."""
        squared = sums[:, -1]
        scale = np.divide(self._model.scale, np.sqrt(squared), out=np.zeros(len(sums)), where=squared > 0)
        logits: list[list[float]] = (self._biases + scale[:, None] * sums[:, :-1]).tolist()
        return logits


class _Words(dict[str, _Word]):
    """Words that were looked up; a word that is not in it is looked up when it is asked for, and kept."""

    def __init__(self, look_up: Callable[[str], _Word]) -> None:
        self._look_up = look_up

    def __missing__(self, word: str) -> _Word:
        found = self[word] = self._look_up(word)
        return found
