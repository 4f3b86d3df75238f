"""Phrases as rules spell them, and the search for them in the words of a burst. Pure.

    (a|b) c     a c, or b c; a choice may be empty, hold several words or other choices, or be part of a word: c(on|in)
    *           between words: a gap of up to three words
    reserv*     any word that begins like this
    #           a number or an amount of money

All phrases of a file form one nondeterministic automaton (NFA), which is run from each word of the burst. It is made
deterministic (a DFA) step by step: a transition is computed when it is first needed, and kept, since customers say the
same things. The cost grows with the number of NFA states that are active at once, so the length of a phrase may vary
by `SLACK` words only.

The DFA reads kinds of words instead of words. A word that some phrase spells out is a kind of its own; all others are
of few kinds: those that begin with the same `reserv*`, numbers, and the rest.
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
"""Characters of a phrase."""
_MIN_PREFIX: Final = 3
"""Letters before a star."""
_MOST_SPELLINGS: Final = 100
"""Ways to write one word with choices in it."""
_WORDS_CACHED: Final = 4_096
"""Words whose kind is cached: customers use the same words again and again."""
_DFA_STATES_KEPT: Final = 4_096
"""Some 600 bytes each. With one more, all are forgotten and computed again as they are needed."""
_INNERMOST: Final = re.compile(r"\(([^()]*)\)")
"""A choice without another one in it."""

_NOT_COMPUTED: Final[Any] = object()
"""In place of a DFA state: a transition that was not needed yet."""

Mark = TypeVar("Mark")
"""What the caller wants to be told when a phrase is found."""


@dataclass(slots=True, eq=False)
class _State(Generic[Mark]):
    """An NFA state: to which states a word leads from here."""

    words: dict[str, tuple["_State[Mark]", ...]] = field(default_factory=dict)
    """By the whole word."""
    prefixes: dict[str, tuple["_State[Mark]", ...]] = field(default_factory=dict)
    """By the beginning of the word."""
    number: tuple["_State[Mark]", ...] = ()
    """For a number or an amount of money."""
    any_word: tuple["_State[Mark]", ...] = ()
    ends: tuple[Mark, ...] = ()
    """The marks of the phrases that end here."""

    def join(self, other: "_State[Mark]") -> None:
        """Add the transitions and marks of another state, so that this one does what both do."""
        _add(self.words, other.words)
        _add(self.prefixes, other.prefixes)
        self.number += other.number
        self.any_word += other.any_word
        self.ends += tuple(mark for mark in other.ends if mark not in self.ends)


class _DfaState(Generic[Mark]):
    """A DFA state: the NFA states that are active at once, and where each kind of word leads from them.

    A transition is another DFA state, None where no phrase goes on, or `_NOT_COMPUTED`.
    """

    __slots__ = ("after", "ends", "otherwise", "states")

    def __init__(self, states: tuple[_State[Mark], ...], after: "dict[str, _DfaState[Mark] | None]") -> None:
        """`after`: the transitions by kind of word; it must have every kind that these states tell from others."""
        self.states = states
        self.ends = tuple(mark for state in states for mark in state.ends)
        self.after = after
        self.otherwise: _DfaState[Mark] | None = _NOT_COMPUTED
        """The transition for all other kinds."""


class _Rest(NamedTuple, Generic[Mark]):
    """The rest of a phrase: the state to enter it by, and the fewest and most words it matches."""

    state: _State[Mark]
    fewest: int
    most: int


class Phrases(Generic[Mark]):
    """A set of phrases, each with the caller's mark, and the search for all of them at once.

    Add all phrases first; then any thread may search.
    """

    def __init__(self) -> None:
        self._start: _State[Mark] = _State()
        self._words: set[str] = set()
        """The words that phrases spell out: each is a kind of its own."""
        self._prefixes: dict[str, list[str]] = {}
        """The beginnings of words in phrases (`reserv*`), each with the kinds of words that begin so."""
        self._numbers: list[str] = []
        """The kinds of words that are numbers or amounts of money."""
        self._kind = lru_cache(maxsize=_WORDS_CACHED)(self._kind_of)
        self._ready = False

    def add(self, phrase: str, mark: Mark) -> None:
        """Add a phrase. Raises ValueError, which says what is wrong with the phrase."""
        end: _State[Mark] = _State(ends=(mark,))
        begin, fewest, most = _sequence(phrase, _Rest(end, 0, 0))
        matches_no_words = bool(begin.ends)
        if matches_no_words:
            raise ValueError(_("it needs a word"))
        begins_with_gap = bool(begin.any_word)
        is_only_a_number = end in begin.number
        if begins_with_gap or is_only_a_number:
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
        """Begin a cache for `many` words' kinds: a large one suits a process that searches much and ends soon."""
        self._kind = lru_cache(maxsize=many)(self._kind_of)

    def found(self, words: Sequence[str]) -> list[tuple[Mark, int, int]]:
        """Every match: the phrase's mark, the index of its first word and the index after its last."""
        if not self._ready:
            self._complete()
        kinds = list(map(self._kind, words))
        length = len(kinds)
        matches = []
        for start, first in enumerate(kinds):
            state = self._first.after.get(first)
            if state is None:  # most words begin no phrase
                continue
            if state is _NOT_COMPUTED:
                state = self._compute(self._first, first)
            end = start + 1
            while state is not None:
                for mark in state.ends:
                    matches.append((mark, start, end))  # noqa: PERF401 - a list made for each would take longer
                if end == length:
                    break
                following = state.after.get(kinds[end], state.otherwise)
                state = self._compute(state, kinds[end]) if following is _NOT_COMPUTED else following
                end += 1
        return matches

    def _kind_of(self, word: str) -> str:
        """The kind of a word: itself if phrases spell it out, else its longest known beginning with a star after it.

        `0*` stands for numbers and `*` for all words that no phrase tells apart. Called through its cache, `_kind`.
        """
        if word in self._words:
            return word
        for end in range(len(word), _MIN_PREFIX - 1, -1):
            if word[:end] in self._prefixes:
                return word[:end] + GAP  # no word has a star
        return "0" + GAP if _is_number(word) else GAP

    def _compute(self, state: _DfaState[Mark], kind: str) -> _DfaState[Mark] | None:
        """Compute the transition for this kind of word, and keep it. None if no phrase goes on."""
        active = tuple(_after(state.states, kind))
        following: _DfaState[Mark] | None = None
        if active:
            following = self._dfa_states.get(active)
            if following is None:
                following = self._dfa_states[active] = self._dfa_state(active)
        if kind in state.after:
            state.after[kind] = following
        else:
            state.otherwise = following
        if len(self._dfa_states) > _DFA_STATES_KEPT:
            self._forget()
        return following

    def _dfa_state(self, states: tuple[_State[Mark], ...]) -> _DfaState[Mark]:
        """A DFA state whose transitions are not computed yet."""
        return _DfaState(states, dict.fromkeys(self._kinds_told_apart(states), _NOT_COMPUTED))

    def _kinds_told_apart(self, states: Iterable[_State[Mark]]) -> Iterator[str]:
        """The kinds of words for which these states may do something else than for any word."""
        for state in states:
            yield from state.words
            for prefix in state.prefixes:
                yield from self._prefixes[prefix]
            if state.number:
                yield from self._numbers

    def _forget(self) -> None:
        """Begin with an empty DFA. A search in another thread goes on with the states it has."""
        self._first = self._dfa_state((self._start,))
        self._first.otherwise = None  # words of any other kind begin no phrase
        self._dfa_states: dict[tuple[_State[Mark], ...], _DfaState[Mark]] = {}

    def _complete(self) -> None:
        """Gather the words and beginnings of words in all phrases, and begin with an empty DFA."""
        words, prefixes = set[str](), set[str]()
        reached = {self._start}
        to_visit = [self._start]
        while to_visit:
            state = to_visit.pop()
            words.update(state.words)
            prefixes.update(state.prefixes)
            edges = (*state.words.values(), *state.prefixes.values(), state.number, state.any_word)
            new = {each for states in edges for each in states} - reached
            reached |= new
            to_visit += new
        kinds = [*words, *(prefix + GAP for prefix in prefixes)]
        self._words = words
        self._prefixes = {prefix: [each for each in kinds if each.startswith(prefix)] for prefix in prefixes}
        self._numbers = ["0" + GAP, *(each for each in kinds if _is_number(each))]
        self._kind.cache_clear()
        self._forget()
        self._ready = True


def _is_number(word: str) -> bool:
    """Whether a word or kind of words is a number or an amount of money."""
    return word[0].isdigit() or word == MONEY


def _after(states: Iterable[_State[Mark]], word: str) -> dict[_State[Mark], None]:
    """The NFA states to which this word, or this kind of words, leads: each once and in order."""
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
    """Add transitions to others; those of the same word lead to the states of both."""
    for word, states in more.items():
        edges[word] = (*edges.get(word, ()), *states)


# ---------------------------------------------------------------------- reading a phrase


def _sequence(phrase: str, rest: _Rest[Mark]) -> _Rest[Mark]:
    """States for this phrase and then `rest`, built from its last word to its first. Raises ValueError."""
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
    """States for one of the alternatives and then `rest`."""
    begins = [_sequence(each, rest) for each in alternatives]
    state: _State[Mark] = _State()
    for begin in begins:
        state.join(begin.state)
    return _Rest(state, min(begin.fewest for begin in begins), max(begin.most for begin in begins))


def _tokens(phrase: str) -> list[str]:
    """The phrase, split at the spaces outside all parentheses. Raises ValueError if these or a `|` are misplaced."""
    tokens = [""]
    depth = 0
    for char in phrase:
        depth += _DEPTH_CHANGE.get(char, 0)
        if depth < 0 or (char == "|" and depth == 0):
            raise _malformed_choice()
        if char.isspace() and depth == 0:
            tokens.append("")
        else:
            tokens[-1] += char
    if depth > 0:
        raise _malformed_choice()
    return [token for token in tokens if token]


def _malformed_choice() -> ValueError:
    return ValueError(_("alternatives are written (one|other)"))


_DEPTH_CHANGE: Final = {"(": 1, ")": -1}
"""By how much a character changes the depth of nested choices."""


def _alternatives(token: str) -> list[str]:
    """The alternatives of a choice `(a|b)`, or the spellings of a word with choices in it, `c(on|in)`."""
    alternatives = [""]
    depth = 0
    for at, char in enumerate(token):
        depth += _DEPTH_CHANGE.get(char, 0)
        is_last = at == len(token) - 1
        if depth == 0 and not is_last:  # so the token is not one choice from its first character to its last
            return _spellings(token)
        if char == "|" and depth == 1:
            alternatives.append("")
        elif at > 0 and not is_last:
            alternatives[-1] += char
    return alternatives


def _spellings(word: str) -> list[str]:
    """Every way to write a word with choices in it: `c(on|in)` gives `con` and `cin`. Raises ValueError if too many."""
    ways = [word]
    while any(_INNERMOST.search(way) for way in ways):
        ways = list(dict.fromkeys(following for way in ways for following in _with_first_choice_made(way)))
        if len(ways) > _MOST_SPELLINGS:
            raise ValueError(_("there are more than {n} ways to write `{word}`").format(n=_MOST_SPELLINGS, word=word))
    return ways


def _with_first_choice_made(word: str) -> list[str]:
    """The word with each alternative of its first innermost choice in its place; the word alone if it has no choice."""
    choice = _INNERMOST.search(word)
    if choice is None:
        return [word]
    before, after = word[: choice.start()], word[choice.end() :]
    return [before + alternative + after for alternative in choice.group(1).split("|")]


def _words(token: str) -> list[str]:
    """A word of a phrase, normalised as bursts are; chat spelling may make several words of it. Raises ValueError.

    `#` and the star of `reserv*` are kept.
    """
    if token == NUMBER:
        return [token]
    if GAP in token:
        begin = "".join(words_of(token[:-1]))
        ends_with_star = token.index(GAP) == len(token) - 1
        if not ends_with_star or len(begin) < _MIN_PREFIX:
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
    """A new state from which this word of a phrase, `#` or `reserv*` leads to `state`."""
    if word == NUMBER:
        return _State(number=(state,))
    if word.endswith(GAP):
        return _State(prefixes={word[:-1]: (state,)})
    return _State(words={word: (state,)})


def _gap(rest: _Rest[Mark]) -> _Rest[Mark]:
    """States for up to `_GAP_WORDS` words of any kind and then `rest`. Raises ValueError where no word follows."""
    state = rest.state
    is_at_the_end, is_before_a_gap = bool(state.ends), bool(state.any_word)
    if is_at_the_end or is_before_a_gap:
        raise ValueError(_("`{gap}` stands between words, and not twice").format(gap=GAP))
    for _skipped_word in range(_GAP_WORDS):
        before: _State[Mark] = _State(any_word=(state,))
        before.join(state)  # so that it may also be left out
        state = before
    return _Rest(state, rest.fewest, rest.most + _GAP_WORDS)
