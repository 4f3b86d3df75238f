"""A linear classifier of bursts: its features are words, pairs of words and character n-grams. Pure.

`train` makes its file, `loading` finds it, `parse` here reads it.

The score (logit) of an intent is its bias plus a quotient: the sum of its weights for the burst's features, divided by
the norm of the burst. The norm is the square root of the sum of the features' squared rarities; the fewer examples have
a feature, the higher its rarity. A signal may add to the score. The probabilities of all intents are the softmax of
their scores.

Inference is plain Python: importing numpy would cost the idle daemon 12 MB and 0.2 s. A feature's weights for all
intents are packed into one integer, its row, with a lane of `_LANE` bits for each intent, so that one addition adds
them all. Above the lanes a row has the square of the feature's rarity, to be added up to the squared norm. `bulk` does
the same for many bursts at once with numpy; its scores are equal to the last bit.

The file is gzipped JSON: {"format", "v", "version", "made", "learned", "intents", "bias", "step", "features":
{name: row in hex}, "odds": {signal: {intent: what it adds to the score}}}. A row is bytes there: the feature's rarity,
then (intent, weight) pairs. Nothing in the file is executed. Without `odds` no signal counts.
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

RARITY_STEPS: Final = 32
"""How many steps a rarity of 1 has. A row's first byte is the feature's rarity in such steps."""
LEAST_GROUP: Final = 0.4
LEAST_INTENT: Final = 0.15
"""Probabilities from which a guess is a label. Chosen for most right groups on texts that the model did not learn."""
LEAST_KNOWN: Final = 0.45
"""Share of the letters that must be familiar: misspelt Spanish has 0.47 or more, random keys mostly below 0.2."""

ZERO: Final = 128
"""The byte of a weight of 0."""

_LANE: Final = 20
"""Bits of one intent's sum: `READ` characters have fewer than 2,000 features, with weights of at most 128 each."""
_LANE_MASK: Final = (1 << _LANE) - 1
_NORM: Final = 16
"""Bits of one feature's squared rarity."""
_MIDDLE: Final = 1 << (_LANE - 1)
"""Stands for 0 in a lane: sums may be negative, and must not borrow from the lane above."""

INTENTS_BY_SIGNAL: Final[Mapping[str, tuple[str, ...]]] = {"saved_contact": ("personal",)}
"""The signals that the model reads besides the words of a burst, each with the intents that it makes likelier. They say
nothing of what customers want, since friends buy, too. A business account was tried as a sign of an offer, but that hid
companies that buy.
"""
_NO_SIGNALS: Final = Signals()
_TURNED_AWAY: Final[tuple[Group, ...]] = ("noise", "closing")
_SURER: Final = 1.5
"""A group of `_TURNED_AWAY` is guessed only if it is this many times as likely as all groups of customers together: in
doubt it is a customer. This turns away a third fewer customers, at the cost of 89 right groups of 12,143
(cross-validation on the examples)."""

_NGRAM_SIZES: Final = (3, 4, 5)
_LARGEST: Final = 64 << 20
"""Bytes of an unpacked file; what is beyond is not read."""
_WORDS_CACHED: Final = 4_096
"""Words that are cached, some 650 bytes each: a shop's customers use the same words again and again."""
_DIGITS: Final = re.compile(r"\d[\d.,:]*")
_SHOWN: Final = 3
"""How many words or pairs a reason names at most."""
_SHORTEST_SHOWN: Final = 3
"""Letters of the shortest word that a reason names."""


class Evidence(NamedTuple):
    """What the words of a burst say to the model, before any signal is taken into account."""

    logits: Sequence[float]
    """The score of each of `Model.intents`."""
    nameable: Sequence[tuple[str, int]]
    """The words and pairs of words that a reason may name, each with its row as `Model.nonnegative` gives it."""
    known: float
    """The same as `Guess.known`."""


class Guess(NamedTuple):
    """The likeliest intent (never `unknown`), and how sure the model is of it."""

    intent: str
    confidence: float
    """The probability of the intent."""
    known: float
    """The share of the letters that are in words or n-grams of the model, 0 to 1. Without letters 1."""
    sure: bool
    """Whether it is sure enough for a label. The group counts most, since it decides what happens."""
    group: float
    """The probability of the intent's group."""
    because: tuple[str, ...]
    """The words and pairs of words that weighed most for it, heaviest first."""
    signals: tuple[str, ...] = ()
    """The signals that made it likelier."""


def features(burst: Normalised) -> Iterator[str]:
    """The names of a burst's features, with repeats: words, pairs of words, and n-grams of three to five characters."""
    words = words_read(burst)
    for word in words:
        yield _word_feature(word)
        yield from _ngrams(word)
    yield from pairs(words)


def words_read(burst: Normalised) -> list[str]:
    """The words of a burst that the model reads, and `?`. All numbers are `0`: what they are makes no difference."""
    return _DIGITS.sub("0", burst.text[:READ]).split()


def _word_feature(word: str) -> str:
    """The name of a whole word's feature; `=` tells it from an n-gram."""
    return f"={word}"


def _ngrams(word: str) -> list[str]:
    """The n-grams of a word between `<` and `>`, so that those at its ends differ from those within."""
    padded = f"<{word}>"
    return [padded[start : start + size] for size in _NGRAM_SIZES for start in range(len(padded) - size + 1)]


def pairs(words: Sequence[str]) -> list[str]:
    """The names of the features of neighbouring words; `^` stands before the first word and `$` after the last."""
    return [f"={first} {second}" for first, second in zip(["^", *words], [*words, "$"], strict=True)]


def shown_pair(pair: str) -> str:
    """The words in the name of a pair's feature, for people: `=^ hola` is `hola`."""
    return pair[1:].strip("^$ ")


class Word(NamedTuple):
    """What the model knows of one word."""

    summed: int
    """The sum of the rows of its features."""
    numbers: "array[int]"
    """The numbers of these rows in `Model.rows`, each once."""
    nameable: tuple[str, int] | None
    """The word and its row as in `Evidence.nameable`; None if a reason may not name it."""
    letters: int
    """Its length; 0 for what is no word (`?`, a number, an emoji)."""
    known: float
    """How many of its letters are known: all if the model has the word, else in proportion to its known n-grams."""


class Model:
    """Multinomial logistic regression, made by `parse`. Immutable except for a cache of words: any thread may use it.

    `unknown` is one of its intents: it takes probability from all others and is never the guess.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        """`document`: the unpacked file, already checked."""
        self.version: Final[str] = document["version"]
        self.made: Final[str] = document["made"]
        """From how many examples and corrections."""
        self.learned: Final = frozenset(map(str, document["learned"]))
        """Hashes of the corrections it learned from."""
        self.intents: Final[tuple[str, ...]] = tuple(document["intents"])
        self._members: dict[Group, list[int]] = {}
        """By group, the indices of its intents. Without `unknown`, which is never the guess."""
        for index, intent in enumerate(self.intents):
            if GROUP_OF[intent] != UNKNOWN:
                self._members.setdefault(GROUP_OF[intent], []).append(index)
        self._members_of: dict[Group, Callable[[Sequence[float]], Iterable[float]]] = {
            group: _picking(members) for group, members in self._members.items()
        }
        """By group, a function that picks the probabilities of its intents out of those of all intents."""
        self.biases: Final = tuple(map(float, document["bias"]))
        """The bias of each of `intents`."""
        self._lanes = [(_LANE * index, bias) for index, bias in enumerate(self.biases)]
        """For each intent the bit at which its lane begins, and its bias."""
        self._odds: dict[str, list[tuple[int, float]]] = {
            signal: [(self.intents.index(intent), float(added)) for intent, added in by_intent.items()]
            for signal, by_intent in document.get("odds", {}).items()
        }
        """By signal, the indices of the intents that it makes likelier, and what it adds to their scores."""
        self.scale: Final = float(document["step"]) * RARITY_STEPS
        """A score is bias + scale * (sum of weights) / norm, where weights and norm are in the steps that rows have."""
        self._zero = sum(_MIDDLE << _LANE * index for index in range(len(self.intents)))
        """A row of zeros: `_MIDDLE` in every lane."""
        self._norm_at = _LANE * len(self.intents)
        """The bit at which the squared norm begins, above all lanes."""
        rows: Mapping[str, str] = document["features"]
        self.rows: Final = Rows(
            ((name, self._packed(bytes.fromhex(row))) for name, row in rows.items()),
            most=len(rows),
            bits=self._norm_at + _NORM,
        )
        self._word = lru_cache(maxsize=_WORDS_CACHED)(self.look_up)

    def guess(self, burst: Normalised, signals: Signals = _NO_SIGNALS) -> Guess:
        """The likeliest intent of the likeliest group. Never sure of a burst whose words are mostly new to it."""
        return self.guess_from(self.read(burst), signals)

    def guess_from(self, evidence: Evidence, signals: Signals) -> Guess:
        """The guess from what `read` found in a burst, for callers that need more than one answer about it."""
        shares = self._shares(evidence.logits, signals)
        groups = {group: sum(members_of(shares)) for group, members_of in self._members_of.items()}
        group = max(groups, key=groups.__getitem__)
        likely = groups[group]
        if group in _TURNED_AWAY:
            customers = {each: groups[each] for each in OF_CUSTOMERS if each in groups}
            together = sum(customers.values())
            if _SURER * together > likely:
                group = max(customers, key=customers.__getitem__)
                likely = together  # how likely it is a customer
        best = max(self._members[group], key=shares.__getitem__)
        sure = evidence.known >= LEAST_KNOWN and likely >= LEAST_GROUP and shares[best] >= LEAST_INTENT
        return Guess(
            intent=self.intents[best],
            confidence=shares[best],
            known=evidence.known,
            sure=sure,
            group=groups[group],
            because=_because(evidence.nameable, _LANE * best),
            signals=tuple([each for each in self._odds if getattr(signals, each) and best in dict(self._odds[each])]),
        )

    def share(self, burst: Normalised, intent: str, signals: Signals = _NO_SIGNALS) -> float:
        """The probability of this intent, 0 to 1; 0 for an intent that the model doesn't know."""
        return self.share_from(self.read(burst), intent, signals)

    def share_from(self, evidence: Evidence, intent: str, signals: Signals) -> float:
        """As `share`, from what `read` found in a burst."""
        if intent not in self.intents:
            return 0.0
        return self._shares(evidence.logits, signals)[self.intents.index(intent)]

    def read(self, burst: Normalised) -> Evidence:
        """What the words of a burst say. Each feature counts once, however often the burst has it."""
        words = words_read(burst)
        pair_numbers = self.rows.numbers(pairs(words))
        pair_rows = self.rows.rows(pair_numbers.values())
        summed = sum(pair_rows, self._zero)
        nameable = [(shown_pair(pair), self._zero + row) for pair, row in zip(pair_numbers, pair_rows, strict=True)]
        numbers = array("I")
        letters = 0
        known = 0.0
        for its_sum, its_numbers, its_name, its_letters, its_known in map(self._word, words):
            summed += its_sum
            numbers += its_numbers
            if its_name is not None:
                nameable.append(its_name)
            letters += its_letters
            known += its_known
        summed -= self._counted_again(numbers)  # words may have n-grams in common
        return Evidence(self._logits(summed), nameable, known / letters if letters else 1.0)

    def _counted_again(self, numbers: Iterable[int]) -> int:
        """The sum of the rows of repeated numbers: a number that occurs n times adds its row n - 1 times.

        Words of a burst may have features in common, which are to count once. So this is to be subtracted from a sum
        over all words.
        """
        met = set[int]()
        again = []
        for number in numbers:
            if number in met:
                again.append(number)
            else:
                met.add(number)
        return sum(self.rows.rows(again))

    def look_up(self, word: str) -> Word:
        """What the model knows of a word: never nothing, since unknown words have n-grams. `_word` caches it."""
        own = _word_feature(word)
        ngrams = _ngrams(word)
        numbers = self.rows.numbers([own, *ngrams])
        rows = self.rows.rows(numbers.values())
        is_learned = own in numbers
        nameable = (word, self.nonnegative(rows[0])) if is_learned and len(word) >= _SHORTEST_SHOWN else None
        letters = len(word) if word[0].isalpha() else 0
        known = float(letters)
        if letters and not is_learned:
            known = letters * sum(each in numbers for each in ngrams) / max(1, len(ngrams))
        return Word(
            summed=sum(rows), numbers=array("I", numbers.values()), nameable=nameable, letters=letters, known=known
        )

    def _shares(self, logits: Sequence[float], signals: Signals) -> list[float]:
        """The probability of each of `intents`: the softmax of their scores, once each signal has added to them."""
        for signal, odds in self._odds.items():
            if getattr(signals, signal):
                scores = [*logits]
                for intent, added in odds:
                    scores[intent] += added
                logits = scores
        top = max(logits)  # subtracted so that `exp` cannot overflow
        weights = [math.exp(each - top) for each in logits]
        total = sum(weights)
        return [weight / total for weight in weights]

    def logits(self, names: Iterable[str]) -> list[float]:
        """The score of each of `intents` for these features. Unknown names are ignored; repeated ones count once."""
        rows = self.rows.rows(self.rows.numbers(names).values())
        return self._logits(self.nonnegative(sum(rows)))

    def _logits(self, summed: int) -> list[float]:
        """The score of each of `intents` for a sum of rows, as `nonnegative` gives it."""
        squared = summed >> self._norm_at
        scale = self.scale / math.sqrt(squared) if squared else 0.0
        return [bias + scale * ((summed >> lane & _LANE_MASK) - _MIDDLE) for lane, bias in self._lanes]

    def nonnegative(self, row: int) -> int:
        """A row, or a sum of rows, with `_MIDDLE` added to each lane, so that lanes can be read one by one."""
        return self._zero + row

    def unpacked(self, row: int) -> list[int]:
        """The weight of a row, or of a sum of rows, for each of `intents`, and then the squared norm."""
        row = self.nonnegative(row)
        weights = [(row >> lane & _LANE_MASK) - _MIDDLE for lane, _bias in self._lanes]
        return [*weights, row >> self._norm_at]

    def _packed(self, row: bytes) -> int:
        """A row of the file as one integer. Its lanes may be negative."""
        rarity, intents, weights = row[0], row[1::2], row[2::2]
        lanes = sum([(weight - ZERO) << _LANE * intent for intent, weight in zip(intents, weights, strict=True)])
        return lanes + (rarity * rarity << self._norm_at)


def _picking(indices: Sequence[int]) -> Callable[[Sequence[float]], Iterable[float]]:
    """A function that picks the items with these indices out of a sequence."""
    pick = itemgetter(*indices)
    return pick if len(indices) > 1 else lambda items: (pick(items),)  # itemgetter gives a single item bare


def _because(nameable: Iterable[tuple[str, int]], lane: int) -> tuple[str, ...]:
    """The words and pairs that weighed most for an intent, heaviest first; those that weighed against it are left out.

    `nameable`: as in `Evidence`; `lane`: the bit at which the intent's lane begins. Of a word and a pair that has it,
    only the heavier one is given.
    """
    weighed: list[tuple[int, str]] = []
    for words, row in nameable:
        weight = row >> lane & _LANE_MASK
        if weight > _MIDDLE:  # which is 0
            weighed.append((-weight, words))
    shown: list[str] = []
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
    """The whole sentence for a person: what is wrong with the file, and what to do."""
    return _(
        "cannot use the model {where}: {problem}; train it again with `leadmasterd rules train`, or delete it to use "
        "the packaged one"
    ).format(where=where, problem=problem)


def _problem(document: Any) -> str | None:
    """Why the document can't be used, as words within `_unusable`; None if it is good."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return _("it does not say that it is a {format}").format(format=FORMAT)
    if document.get("v") != FORMAT_VERSION:
        return _("it is of version {version!r}, and this program reads {ours}").format(
            version=document.get("v"), ours=FORMAT_VERSION
        )
    intents, bias, rows = document.get("intents"), document.get("bias"), document.get("features")
    if not isinstance(intents, list) or len(intents) < 2 or not set(map(str, intents)) <= set(GROUP_OF):
        return _("its intents are not those of this program")
    biases = bias if isinstance(bias, list) else []
    if len(biases) != len(intents) or not all(_finite(number) for number in [document.get("step"), *biases]):
        return _("its numbers are not numbers, or too few")
    has_texts = all(isinstance(document.get(key), str) for key in ("version", "made"))
    if not has_texts or not isinstance(rows, dict):
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
    """Whether the odds are finite numbers, by signals and intents that this program has."""
    if not isinstance(odds, dict):
        return False
    for signal, by_intent in odds.items():
        if signal not in INTENTS_BY_SIGNAL or not isinstance(by_intent, dict):
            return False
        if not all(intent in intents and _finite(added) for intent, added in by_intent.items()):
            return False
    return True


def _row_is_good(row: object, intents: int) -> bool:
    """Whether a row of the file is, in hex, a rarity above 0 and (intent, weight) pairs, each intent at most once.

    `intents`: how many there are.
    """
    if not isinstance(row, str):
        return False
    try:
        content = bytes.fromhex(row)
    except ValueError:
        return False
    named = set(content[1::2])
    is_whole = len(content) == 1 + 2 * len(named)  # so no intent is named twice either
    return is_whole and content[0] > 0 and all(each < intents for each in named)
