"""Phrases as rules spell them, and the search for them in the words of a burst. Pure.

    (a|b) c     a c, or b c; a choice may be empty, hold several words or other choices, or be part of a word: c(on|in)
    *           between words: a gap of up to three words
    reserv*     any word that begins like this
    #           a number or an amount of money

All phrases of a file form one nondeterministic automaton, run from each word of the burst. What it does at a word is
worked out once, when that happens first, and kept: customers say the same things. Its cost grows with the number of
states that are active at once, so the length of a phrase may vary by `SLACK` words only.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

from leadmasterd.classify.text import MONEY, QUESTION, words_of
from leadmasterd.text import _

GAP: Final = "*"
NUMBER: Final = "#"

_GAP_WORDS: Final = 3
SLACK: Final = 12
"""Words by which the matches of one phrase may differ in length: four gaps. It bounds the states active at once:
with 20 gaps a hostile message took a second, with four 40 ms. The packaged phrases need 5 at most."""
_LONGEST: Final = 1_000
_MIN_PREFIX: Final = 3
"""Letters before a star."""
_MOST_SPELLINGS: Final = 100
"""Of one word with choices in it."""
_WORDS_CACHED: Final = 4_096
"""Words of which it is cached what phrases know of them: customers use the same words again and again."""
_PLACES_KEPT: Final = 4_096
"""Some 600 bytes each. Then all are forgotten."""
_INNERMOST: Final = re.compile(r"\(([^()]*)\)")

_NOT_KNOWN: Final[Any] = object()

Mark = TypeVar("Mark")


@dataclass(slots=True, eq=False)
class _State(Generic[Mark]):
    """A state and its transitions. `ends` are the marks of the phrases that end here."""

    words: dict[str, tuple["_State[Mark]", ...]] = field(default_factory=dict)
    prefixes: dict[str, tuple["_State[Mark]", ...]] = field(default_factory=dict)
    number: tuple["_State[Mark]", ...] = ()
    any_word: tuple["_State[Mark]", ...] = ()
    ends: tuple[Mark, ...] = ()

    def join(self, other: "_State[Mark]") -> None:
        """Add the transitions of another state."""
        _add(self.words, other.words)
        _add(self.prefixes, other.prefixes)
        self.number += other.number
        self.any_word += other.any_word
        self.ends += tuple(mark for mark in other.ends if mark not in self.ends)


class _Place(Generic[Mark]):
    """The states that are active at once, and where each kind of word leads from there: a place, None for nowhere."""

    __slots__ = ("after", "ends", "otherwise", "states")

    def __init__(self, states: tuple[_State[Mark], ...], after: "dict[str, _Place[Mark] | None]") -> None:
        """`after`: all kinds of words that lead elsewhere than other words do."""
        self.states = states
        self.ends = tuple(mark for state in states for mark in state.ends)
        self.after = after
        self.otherwise: _Place[Mark] | None = _NOT_KNOWN


class _Rest(NamedTuple, Generic[Mark]):
    """What follows in a phrase: the state to enter it by, and the fewest and most words it matches."""

    state: _State[Mark]
    fewest: int
    most: int


class Phrases(Generic[Mark]):
    """An automaton of phrases, each with the caller's mark. Complete once the last phrase is added: then any thread may
    search."""

    def __init__(self) -> None:
        self._start: _State[Mark] = _State()
        self._words: set[str] = set()
        self._prefixes: dict[str, list[str]] = {}
        """Beginnings of words in phrases, and the kinds of words that begin so."""
        self._numbers: list[str] = []
        self._kind = lru_cache(maxsize=_WORDS_CACHED)(self._kind_of)
        self._ready = False

    def add(self, phrase: str, mark: Mark) -> None:
        """Raises ValueError, which says what is wrong with the phrase."""
        end: _State[Mark] = _State(ends=(mark,))
        begin, fewest, most = _sequence(phrase, _Rest(end, 0, 0))
        if begin.ends:
            raise ValueError(_("it needs a word"))
        if begin.any_word or end in begin.number:
            raise ValueError(_("it needs a word, and `{gap}` stands between words").format(gap=GAP))
        if most - fewest > SLACK:
            raise ValueError(
                _(
                    "it has room for {n} optional words, and {most} is the most: a gap (`{gap}`) counts {words}, a "
                    "word that may be left out 1; split it into two phrases"
                ).format(n=most - fewest, most=SLACK, gap=GAP, words=_GAP_WORDS)
            )
        self._start.join(begin)
        self._ready = False

    def remember_words(self, many: int) -> None:
        """Cache what phrases know of so many words: for a process that searches very much and does not live long."""
        self._kind = lru_cache(maxsize=many)(self._kind_of)

    def found(self, words: Sequence[str]) -> list[tuple[Mark, int, int]]:
        """Every match: the phrase's mark, the index of its first word and the index after its last."""
        if not self._ready:
            self._complete()
        kinds = list(map(self._kind, words))
        length, matches = len(kinds), []
        for start, first in enumerate(kinds):
            place = self._first.after.get(first)
            if place is None:  # of most words
                continue
            if place is _NOT_KNOWN:
                place = self._step(self._first, first)
            end = start + 1
            while place is not None:
                for mark in place.ends:
                    matches.append((mark, start, end))  # noqa: PERF401 - a list made for each would take longer
                if end == length:
                    break
                following = place.after.get(kinds[end], place.otherwise)
                place = self._step(place, kinds[end]) if following is _NOT_KNOWN else following
                end += 1
        return matches

    def _kind_of(self, word: str) -> str:
        """A word for which `_step` does the same as for this one: there are few. Cached as `_kind`."""
        if word in self._words:
            return word
        known = (word[:end] for end in range(len(word), _MIN_PREFIX - 1, -1) if word[:end] in self._prefixes)
        begin = next(known, "0" if _is_number(word) else "")
        return begin + GAP  # no word has a star

    def _step(self, place: _Place[Mark], kind: str) -> _Place[Mark] | None:
        """Where this kind of word leads, worked out and kept."""
        states = tuple(_step(place.states, kind))
        following: _Place[Mark] | None = None
        if states:
            following = self._places.get(states)
            if following is None:
                following = self._places[states] = _Place(states, dict.fromkeys(self._kinds_of(states), _NOT_KNOWN))
        if kind in place.after:
            place.after[kind] = following
        else:
            place.otherwise = following
        if len(self._places) > _PLACES_KEPT:
            self._forget()
        return following

    def _kinds_of(self, states: Iterable[_State[Mark]]) -> Iterator[str]:
        """The kinds of words that these states tell from other words."""
        for state in states:
            yield from state.words
            for prefix in state.prefixes:
                yield from self._prefixes[prefix]
            if state.number:
                yield from self._numbers

    def _forget(self) -> None:
        """Forget what was worked out. A search that is under way goes on with what it has."""
        self._first = _Place((self._start,), dict.fromkeys(self._kinds_of((self._start,)), _NOT_KNOWN))
        self._first.otherwise = None
        self._places: dict[tuple[_State[Mark], ...], _Place[Mark]] = {}

    def _complete(self) -> None:
        """Gather the words of all phrases, once the last of them is added."""
        waiting, met = [self._start], {self._start}
        words, prefixes = set[str](), set[str]()
        while waiting:
            state = waiting.pop()
            words.update(state.words)
            prefixes.update(state.prefixes)
            edges = (*state.words.values(), *state.prefixes.values(), state.number, state.any_word)
            following = {each for states in edges for each in states} - met
            met |= following
            waiting += following
        kinds = [*words, *(prefix + GAP for prefix in prefixes)]
        self._words = words
        self._prefixes = {prefix: [each for each in kinds if each.startswith(prefix)] for prefix in prefixes}
        self._numbers = ["0" + GAP, *(each for each in kinds if _is_number(each))]
        self._kind.cache_clear()
        self._forget()
        self._ready = True


def _is_number(word: str) -> bool:
    """Or an amount of money."""
    return word[0].isdigit() or word == MONEY


def _step(states: Iterable[_State[Mark]], word: str) -> dict[_State[Mark], None]:
    """The states after this word, each once and in order."""
    found: dict[_State[Mark], None] = {}
    for state in states:
        if after := state.words.get(word):
            found.update(dict.fromkeys(after))
        if state.any_word:
            found.update(dict.fromkeys(state.any_word))
        if state.number and _is_number(word):
            found.update(dict.fromkeys(state.number))
        if state.prefixes:
            for end in range(_MIN_PREFIX, len(word) + 1):
                if after := state.prefixes.get(word[:end]):
                    found.update(dict.fromkeys(after))
    return found


def _add(edges: dict[str, tuple["_State[Mark]", ...]], more: Mapping[str, tuple["_State[Mark]", ...]]) -> None:
    for word, states in more.items():
        edges[word] = (*edges.get(word, ()), *states)


# ---------------------------------------------------------------------- reading a phrase


def _sequence(phrase: str, rest: _Rest[Mark]) -> _Rest[Mark]:
    """This phrase and then `rest`. Built from its last word to its first."""
    if len(phrase) > _LONGEST:
        raise ValueError(_("it is longer than {n} characters").format(n=_LONGEST))
    for token in reversed(_tokens(phrase)):
        if "(" in token:
            rest = _choice(_alternatives(token), rest)
        elif token == GAP:
            rest = _gap(rest)
        else:
            for word in reversed(_words(token)):
                rest = _Rest(_before(word, rest.state), rest.fewest + 1, rest.most + 1)
    return rest


def _choice(alternatives: Iterable[str], rest: _Rest[Mark]) -> _Rest[Mark]:
    begins = [_sequence(each, rest) for each in alternatives]
    state: _State[Mark] = _State()
    for begin in begins:
        state.join(begin.state)
    return _Rest(state, min(begin.fewest for begin in begins), max(begin.most for begin in begins))


def _tokens(phrase: str) -> list[str]:
    """Split where a space stands outside all parentheses."""
    tokens, depth = [""], 0
    for char in phrase:
        depth += (char == "(") - (char == ")")
        if depth < 0 or (char == "|" and not depth):
            break
        if char.isspace() and not depth:
            tokens.append("")
        else:
            tokens[-1] += char
    else:
        if not depth:
            return [token for token in tokens if token]
    raise ValueError(_("alternatives are written (one|other)"))


def _alternatives(token: str) -> list[str]:
    """Those of `(a|b)`, or the spellings of a word with choices in it."""
    depth = 0
    cuts = [0]
    for at, char in enumerate(token):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 1:
            cuts.append(at)
        if not depth and at < len(token) - 1:
            return _spellings(token)
    return [token[start + 1 : end] for start, end in zip(cuts, [*cuts[1:], len(token) - 1], strict=True)]


def _spellings(word: str) -> list[str]:
    ways = {word: None}
    while True:
        found = {way: _INNERMOST.search(way) for way in ways}
        if not any(found.values()):
            return list(ways)
        ways = {}
        for way, choice in found.items():
            texts = choice.group(1).split("|") if choice else [""]
            begin, end = choice.span() if choice else (len(way), len(way))
            ways.update(dict.fromkeys(way[:begin] + text + way[end:] for text in texts))
        if len(ways) > _MOST_SPELLINGS:
            raise ValueError(_("there are more than {n} ways to write `{word}`").format(n=_MOST_SPELLINGS, word=word))


def _words(token: str) -> list[str]:
    """A word of a phrase, normalised as bursts are. Chat spelling may make two of one."""
    if token == NUMBER:
        return [token]
    if GAP in token:
        begin = "".join(words_of(token[:-1]))
        if token.index(GAP) != len(token) - 1 or len(begin) < _MIN_PREFIX:
            raise ValueError(
                _("`{word}`: a star ends a word of at least three letters, or stands alone for a gap").format(
                    word=token
                )
            )
        return [begin + GAP]
    words = [word for word in words_of(token) if word != QUESTION]
    if not words:
        raise ValueError(_("`{word}` is no word").format(word=token))
    return words


def _before(word: str, state: _State[Mark]) -> _State[Mark]:
    """The state from which this word leads to `state`."""
    if word == NUMBER:
        return _State(number=(state,))
    if word.endswith(GAP):
        return _State(prefixes={word[:-1]: (state,)})
    return _State(words={word: (state,)})


def _gap(rest: _Rest[Mark]) -> _Rest[Mark]:
    state = rest.state
    if state.ends or state.any_word:
        raise ValueError(_("`{gap}` stands between words, and not twice").format(gap=GAP))
    for _more in range(_GAP_WORDS):
        before: _State[Mark] = _State(any_word=(state,))
        before.join(state)
        state = before
    return _Rest(state, rest.fewest, rest.most + _GAP_WORDS)
