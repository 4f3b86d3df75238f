"""A linear model over words and character n-grams, and the odds of who writes. Pure.

`train` makes its file, `loading` reads it.

Inference is plain Python: importing numpy would cost the idle daemon 12 MB and 0.2 s. A feature's weights for all
intents are packed into one integer, a lane of bits for each intent, so that one addition adds them all. `bulk` reads
many bursts at once with numpy, and sees the same to the last bit.

The file is gzipped JSON: {"format", "v", "version", "made", "learned", "intents", "bias", "step", "features":
{name: row in hex}, "odds": {signal: {intent: what it adds to the score}}}. A row is bytes: the feature's part in the
text's norm, then (intent, weight) pairs. Nothing in it is executed. Without `odds` no signal says anything.
"""

import json
import math
import re
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from leadmasterd.classify.intents import GROUP_OF, OF_CUSTOMERS, UNKNOWN, Group, Signals
from leadmasterd.classify.text import Normalised
from leadmasterd.classify.weights import Rows
from leadmasterd.errors import CannotUseModel
from leadmasterd.text import _

FORMAT: Final = "leadmasterd-model"
FORMAT_VERSION: Final = 1
READ: Final = 400
"""Characters of a burst that the model reads: it learned from short texts, and long ones would take milliseconds."""

LENGTH_STEP: Final = 32
"""A row's first byte, divided by this, is the feature's part in the text's norm."""
LEAST_GROUP: Final = 0.4
LEAST_INTENT: Final = 0.15
"""Probabilities from which a guess is a label. Chosen for most right groups on texts that the model did not learn."""
LEAST_KNOWN: Final = 0.45
"""Share of the letters that must be familiar: misspelt Spanish has 0.47 or more, random keys mostly below 0.2."""

ZERO: Final = 128
"""The byte of a weight of 0."""

_LANE: Final = 20
"""Bits of one intent's sum: `READ` characters have below 2,000 features, of at most 128 each."""
_LANE_MASK: Final = (1 << _LANE) - 1
_NORM: Final = 16
"""Bits of one feature's part in the squared norm."""
_MIDDLE: Final = 1 << (_LANE - 1)
"""0, in a lane: sums may be negative, and must not borrow from the lane above."""

INTENTS_BY_SIGNAL: Final[Mapping[str, tuple[str, ...]]] = {"saved_contact": ("personal",)}
"""What the model reads of a burst besides its words, and which intents are likelier then. It says nothing of what
customers want, since friends buy, too. Business accounts were tried for offers, and hid companies that buy.
"""
_NO_SIGNALS: Final = Signals()
_TURNED_AWAY: Final[tuple[Group, ...]] = ("noise", "closing")
_SURER: Final = 1.5
"""These are guessed only where so much likelier than all that customers want together: in doubt it is a customer. By
cross-validation on the examples a third fewer customers are taken for them, for 89 right groups of 12,143."""

_NGRAM_SIZES: Final = (3, 4, 5)
_LARGEST: Final = 64 << 20
_WORDS_CACHED: Final = 4_096
"""Words that are cached, some 650 bytes each: a shop's customers use the same words again and again."""
_DIGITS: Final = re.compile(r"\d[\d.,:]*")
_SHOWN: Final = 3
_SHORTEST_SHOWN: Final = 3
"""Letters of a word that a reason names."""


class Seen(NamedTuple):
    """What the model sees in the words of a burst, whoever writes them."""

    logits: Sequence[float]
    """The score of each of `intents`."""
    named: Sequence[tuple[str, int]]
    """The words and pairs that a reason may name, and their rows (`Model.raised`)."""
    known: float
    """As `Guess.known`."""


class Guess(NamedTuple):
    """The likeliest intent (never `unknown`), its probability, and the words that weighed most for it."""

    intent: str
    confidence: float
    known: float
    """Share of the letters that the model has seen in such words or n-grams, 0 to 1. Without letters 1."""
    sure: bool
    """Sure enough for a label. The group counts most, since it decides what happens."""
    group: float
    """The probability of its group."""
    because: tuple[str, ...]
    signals: tuple[str, ...] = ()
    """The signals that made it likelier."""


def features(burst: Normalised) -> Iterator[str]:
    """What the model sees, with repeats: words, pairs of words, and n-grams of three to five characters."""
    words = words_read(burst)
    for word in words:
        yield _word_feature(word)
        yield from _ngrams(word)
    yield from pairs(words)


def words_read(burst: Normalised) -> list[str]:
    """The words that the model reads."""
    return _DIGITS.sub("0", burst.text[:READ]).split()


def _word_feature(word: str) -> str:
    return f"={word}"


def _ngrams(word: str) -> list[str]:
    padded = f"<{word}>"
    return [padded[start : start + size] for size in _NGRAM_SIZES for start in range(len(padded) - size + 1)]


def pairs(words: Sequence[str]) -> list[str]:
    """The features of words that stand side by side."""
    return [f"={first} {second}" for first, second in zip(["^", *words], [*words, "$"], strict=True)]


def shown_pair(pair: str) -> str:
    """The words of such a feature."""
    return pair[1:].strip("^$ ")


class Word(NamedTuple):
    """What the model knows of one word."""

    summed: int
    """The sum of the rows of its features."""
    numbers: "array[int]"
    """Theirs in `Model.rows`, each once."""
    named: tuple[str, int] | None
    """The word itself, if a reason may name it: as in `Seen`."""
    letters: int
    """Its length; 0 of what is no word (`?`, a number, an emoji)."""
    known: float
    """All letters of a word it has learned, else those of the n-grams it has."""


class Model:
    """Multinomial logistic regression, made by `parse`. Immutable, but for a cache of words: any thread may ask it.

    `unknown` is one of its intents: it takes probability from all others and is never the guess.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.version: Final[str] = document["version"]
        self.made: Final[str] = document["made"]
        self.learned: Final = frozenset(map(str, document["learned"]))
        """Hashes of the corrections it learned from."""
        self.intents: Final[tuple[str, ...]] = tuple(document["intents"])
        self._members: dict[Group, list[int]] = {}
        """The numbers of the intents by group, without those that are never the guess."""
        for number, intent in enumerate(self.intents):
            if GROUP_OF[intent] != UNKNOWN:
                self._members.setdefault(GROUP_OF[intent], []).append(number)
        self._groups: dict[Group, Callable[[Sequence[float]], Iterable[float]]] = {
            group: _picking(members) for group, members in self._members.items()
        }
        """What picks a group's shares."""
        self.biases: Final = tuple(map(float, document["bias"]))
        """Of each of `intents`."""
        self._lanes = [(_LANE * number, bias) for number, bias in enumerate(self.biases)]
        """Of each intent: where its lane begins, and its bias."""
        self._odds: dict[str, list[tuple[int, float]]] = {
            signal: [(self.intents.index(intent), float(odds)) for intent, odds in by_intent.items()]
            for signal, by_intent in document.get("odds", {}).items()
        }
        self.scale: Final = float(document["step"]) * LENGTH_STEP
        """What a sum of weights is multiplied with, and divided by the norm."""
        self._zero = sum(_MIDDLE << _LANE * number for number in range(len(self.intents)))
        self._norm_at = _LANE * len(self.intents)
        """The bit where the squared norm begins, above all lanes."""
        rows: Mapping[str, str] = document["features"]
        self.rows: Final = Rows(
            ((name, self._packed(bytes.fromhex(row))) for name, row in rows.items()),
            most=len(rows),
            bits=self._norm_at + _NORM,
        )
        self._word = lru_cache(maxsize=_WORDS_CACHED)(self.look_up)

    def guess(self, burst: Normalised, signals: Signals = _NO_SIGNALS) -> Guess:
        """The likeliest intent of the likeliest group. Never sure of a burst whose words are mostly new to it."""
        return self.guess_of(self.read(burst), signals)

    def guess_of(self, seen: Seen, signals: Signals) -> Guess:
        """The same of a burst that was read."""
        shares = self._shares(seen.logits, signals)
        groups = {group: sum(its(shares)) for group, its in self._groups.items()}
        group = max(groups, key=groups.__getitem__)
        likely = groups[group]
        if group in _TURNED_AWAY:
            customers = {each: groups[each] for each in OF_CUSTOMERS if each in groups}
            together = sum(customers.values())
            if _SURER * together > likely:
                group, likely = max(customers, key=customers.__getitem__), together
        best = max(self._members[group], key=shares.__getitem__)
        sure = seen.known >= LEAST_KNOWN and likely >= LEAST_GROUP and shares[best] >= LEAST_INTENT
        return Guess(
            intent=self.intents[best],
            confidence=shares[best],
            known=seen.known,
            sure=sure,
            group=groups[group],
            because=_because(seen.named, _LANE * best),
            signals=tuple([each for each in self._odds if getattr(signals, each) and best in dict(self._odds[each])]),
        )

    def share(self, burst: Normalised, intent: str, signals: Signals = _NO_SIGNALS) -> float:
        """The probability of this intent, 0 to 1; 0 for an intent that the model doesn't know."""
        return self.share_of(self.read(burst), intent, signals)

    def share_of(self, seen: Seen, intent: str, signals: Signals) -> float:
        """The same of a burst that was read."""
        return self._shares(seen.logits, signals)[self.intents.index(intent)] if intent in self.intents else 0.0

    def read(self, burst: Normalised) -> Seen:
        """What `guess_of` and `share_of` go by."""
        words = words_read(burst)
        of_pairs = self.rows.numbers(pairs(words))
        rows = self.rows.rows(of_pairs.values())
        summed = sum(rows, self._zero)
        named = [(shown_pair(pair), self._zero + row) for pair, row in zip(of_pairs, rows, strict=True)]
        numbers = array("I")
        letters, known = 0, 0.0
        for its_sum, its_numbers, its_name, its_letters, its_known in map(self._word, words):
            summed += its_sum
            numbers += its_numbers
            if its_name is not None:
                named.append(its_name)
            letters += its_letters
            known += its_known
        summed -= self._counted_again(numbers)
        return Seen(self._logits(summed), named, known / letters if letters else 1.0)

    def _counted_again(self, numbers: Iterable[int]) -> int:
        """The sum of the rows that several words of a burst have in common, but for the first time: it counts once."""
        met = set[int]()
        again = []
        for number in numbers:
            if number in met:
                again.append(number)
            else:
                met.add(number)
        return sum(self.rows.rows(again))

    def look_up(self, word: str) -> Word:
        """Cached as `_word`."""
        ngrams = _ngrams(word)
        own = _word_feature(word)
        there = self.rows.numbers([own, *ngrams])
        rows = self.rows.rows(there.values())
        named = (word, self.raised(rows[0])) if own in there and len(word) >= _SHORTEST_SHOWN else None
        letters, known = (len(word), float(len(word))) if word[0].isalpha() else (0, 0.0)
        if letters and own not in there:
            known = letters * sum(each in there for each in ngrams) / max(1, len(ngrams))
        return Word(summed=sum(rows), numbers=array("I", there.values()), named=named, letters=letters, known=known)

    def _shares(self, logits: Sequence[float], signals: Signals) -> list[float]:
        """The probability of each of `intents`."""
        for signal, odds in self._odds.items():
            if getattr(signals, signal):
                raised = [*logits]
                for intent, more in odds:
                    raised[intent] += more
                logits = raised
        top = max(logits)
        weights = [math.exp(each - top) for each in logits]
        total = sum(weights)
        return [weight / total for weight in weights]

    def logits(self, seen: Iterable[str]) -> list[float]:
        """The score of each of `intents` for these features."""
        return self._logits(self.raised(sum(self.rows.rows(self.rows.numbers(seen).values()))))

    def _logits(self, raised: int) -> list[float]:
        """Of a sum of rows."""
        squared = raised >> self._norm_at
        scale = self.scale / math.sqrt(squared) if squared else 0.0
        return [bias + scale * ((raised >> lane & _LANE_MASK) - _MIDDLE) for lane, bias in self._lanes]

    def raised(self, row: int) -> int:
        """A row, or a sum of rows, so that no lane is negative."""
        return self._zero + row

    def parted(self, row: int) -> list[int]:
        """The weight of a row, or of a sum of rows, for each of `intents`, and then its part in the squared norm."""
        raised = self.raised(row)
        weights = [(raised >> lane & _LANE_MASK) - _MIDDLE for lane, _bias in self._lanes]
        return [*weights, raised >> self._norm_at]

    def _packed(self, row: bytes) -> int:
        """A row of the file as one integer."""
        weights = zip(row[1::2], row[2::2], strict=True)
        lanes = sum([(weight - ZERO) << _LANE * intent for intent, weight in weights])
        return lanes + (row[0] * row[0] << self._norm_at)


def _picking(members: Sequence[int]) -> Callable[[Sequence[float]], Iterable[float]]:
    """What takes these out of all."""
    pick = itemgetter(*members)
    return pick if len(members) > 1 else lambda shares: (pick(shares),)


def _because(named: Iterable[tuple[str, int]], lane: int) -> tuple[str, ...]:
    """The words and pairs that weighed most for the intent with this lane. Of a word and a pair with it, the heavier
    one.
    """
    shown: list[str] = []
    weighed = [(_MIDDLE - weight, words) for words, row in named if (weight := row >> lane & _LANE_MASK) > _MIDDLE]
    for _weight, words in sorted(weighed):
        if not any(words in each or each in words for each in shown):
            shown.append(words)
        if len(shown) == _SHOWN:
            break
    return tuple(shown)


def parse(content: bytes, where: str) -> Model:
    """A model from a file's bytes; `where` names the file in errors. Raises CannotUseModel."""
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(content, _LARGEST)
        document = json.loads(unpacked)
    except (zlib.error, ValueError, RecursionError) as error:
        raise CannotUseModel(_unusable(where, _("it is damaged or no model"))) from error
    problem = _problem(document)
    if problem:
        raise CannotUseModel(_unusable(where, problem))
    return Model(document)


def _unusable(where: str, problem: str) -> str:
    return _(
        "cannot use the model {where}: {problem}; train it again with `leadmasterd rules train`, or delete it to use "
        "the packaged one"
    ).format(where=where, problem=problem)


def _problem(document: Any) -> str | None:
    """Why the document can't be used, or None."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return _("it does not say that it is a {format}").format(format=FORMAT)
    if document.get("v") != FORMAT_VERSION:
        return _("it is of version {version!r}, and this program reads {ours}").format(
            version=document.get("v"), ours=FORMAT_VERSION
        )
    intents, bias, rows = document.get("intents"), document.get("bias"), document.get("features")
    if not isinstance(intents, list) or len(intents) < 2 or not set(map(str, intents)) <= set(GROUP_OF):
        return _("its intents are not those of this program")
    numbers = [document.get("step"), *(bias if isinstance(bias, list) else [None])]
    if len(numbers) != len(intents) + 1 or not all(_finite(number) for number in numbers):
        return _("its numbers are not numbers, or too few")
    if not all(isinstance(document.get(key), str) for key in ("version", "made")) or not isinstance(rows, dict):
        return _("it is incomplete")
    if not isinstance(document.get("learned"), list):
        return _("it does not say what it learned from")
    if not _odds_are_good(document.get("odds", {}), intents):
        return _("its odds of signals are not those of this program")
    if not all(_row_is_good(row, len(intents)) for row in rows.values()):
        return _("a row of its weights is damaged")
    return None


def _finite(number: object) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)


def _odds_are_good(odds: object, intents: Sequence[str]) -> bool:
    """Of signals and intents that are known here; another program's may mean something else."""
    return isinstance(odds, dict) and all(
        signal in INTENTS_BY_SIGNAL
        and isinstance(by_intent, dict)
        and all(intent in intents and _finite(more) for intent, more in by_intent.items())
        for signal, by_intent in odds.items()
    )


def _row_is_good(row: object, intents: int) -> bool:
    try:
        values: Sequence[int] = bytes.fromhex(row) if isinstance(row, str) else b""
    except ValueError:
        return False
    named = set(values[1::2])
    return len(values) == 1 + 2 * len(named) and values[0] > 0 and all(each < intents for each in named)
