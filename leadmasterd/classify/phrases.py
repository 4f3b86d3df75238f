"""Phrases as the rules' author writes them, sought in the words of a burst. Pure.

    (a|b) c     a c, or b c; a choice may be empty, hold several words or other choices, or be part of a word: c(on|in)
    *           between words: up to three words of any kind
    reserv*     any word that begins so
    #           a number or an amount of money

All phrases of a file are one net of words, walked from each word of the burst with the set of places that it can be
at. So the time is bounded by the length of the burst and the size of the net, whatever the phrases are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Generic, TypeVar

from leadmasterd.classify.text import MONEY, QUESTION, words_of

GAP: Final = "*"
NUMBER: Final = "#"

_GAP_WORDS: Final = 3
_LONGEST: Final = 1_000
_LEAST_BEGINNING: Final = 3
"""Letters before a star."""
_MOST_WAYS: Final = 100
"""Ways to write one word with choices in it."""
_FIRST_WORDS: Final = 4_096
"""Words of which it is remembered where a phrase that begins with them stands then: most words come again and again."""
_INNERMOST: Final = re.compile(r"\(([^()]*)\)")

Mark = TypeVar("Mark")


@dataclass(slots=True, eq=False)
class _Place(Generic[Mark]):
    """Where a walk can stand, and where each word leads from there. `ends` are the marks of phrases that end here."""

    words: dict[str, tuple["_Place[Mark]", ...]] = field(default_factory=dict)
    beginnings: dict[str, tuple["_Place[Mark]", ...]] = field(default_factory=dict)
    number: tuple["_Place[Mark]", ...] = ()
    anything: tuple["_Place[Mark]", ...] = ()
    ends: tuple[Mark, ...] = ()

    def join(self, other: "_Place[Mark]") -> None:
        """From here, too, wherever one gets from there."""
        _add(self.words, other.words)
        _add(self.beginnings, other.beginnings)
        self.number += other.number
        self.anything += other.anything
        self.ends += tuple(mark for mark in other.ends if mark not in self.ends)


class Phrases(Generic[Mark]):
    """A net of phrases, each with the caller's mark."""

    def __init__(self) -> None:
        self._start: _Place[Mark] = _Place()
        self._after_first = lru_cache(maxsize=_FIRST_WORDS)(self._further_from_start)

    def add(self, phrase: str, mark: Mark) -> None:
        """ValueError, with a sentence, for what is no phrase."""
        end: _Place[Mark] = _Place(ends=(mark,))
        begin = _sequence(phrase, end)
        if begin.ends:
            raise ValueError("it needs a word")
        if begin.anything or end in begin.number:
            raise ValueError(f"it needs a word, and `{GAP}` stands between words")
        self._start.join(begin)
        self._after_first.cache_clear()

    def found(self, words: Sequence[str]) -> Iterator[tuple[Mark, int, int]]:
        """The marks of phrases in these words, with the word each begins at and the one after its last."""
        for start, first in enumerate(words):
            places = self._after_first(first)
            end = start + 1
            while places:
                for place in places:
                    for mark in place.ends:
                        yield mark, start, end
                if end == len(words):
                    break
                places = _further(places, words[end])
                end += 1

    def _further_from_start(self, word: str) -> dict[_Place[Mark], None]:
        return _further((self._start,), word)


def _further(places: Iterable[_Place[Mark]], word: str) -> dict[_Place[Mark], None]:
    """Where this word leads from any of these, each once and in order."""
    found: dict[_Place[Mark], None] = {}
    for place in places:
        if after := place.words.get(word):
            found.update(dict.fromkeys(after))
        if place.anything:
            found.update(dict.fromkeys(place.anything))
        if place.number and (word[0].isdigit() or word == MONEY):
            found.update(dict.fromkeys(place.number))
        if place.beginnings:
            for end in range(_LEAST_BEGINNING, len(word) + 1):
                if after := place.beginnings.get(word[:end]):
                    found.update(dict.fromkeys(after))
    return found


def _add(edges: dict[str, tuple["_Place[Mark]", ...]], more: Mapping[str, tuple["_Place[Mark]", ...]]) -> None:
    for word, places in more.items():
        edges[word] = (*edges.get(word, ()), *places)


def _sequence(phrase: str, follow: "_Place[Mark]") -> "_Place[Mark]":
    """The place from which this phrase leads to `follow`. Built from its last word to its first."""
    if len(phrase) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} characters")
    for token in reversed(_tokens(phrase)):
        if "(" in token:
            place: _Place[Mark] = _Place()
            for choice in _choices(token):
                place.join(_sequence(choice, follow))
            follow = place
        elif token == GAP:
            follow = _gap(follow)
        else:
            for word in reversed(_words(token)):
                follow = _step(word, follow)
    return follow


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
    raise ValueError("alternatives are written (one|other)")


def _choices(token: str) -> list[str]:
    """What `(a|b)` leaves to choose from, or the ways to write a word with choices in it."""
    depth = 0
    cuts = [0]
    for at, char in enumerate(token):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 1:
            cuts.append(at)
        if not depth and at < len(token) - 1:
            return _ways(token)
    return [token[start + 1 : end] for start, end in zip(cuts, [*cuts[1:], len(token) - 1], strict=True)]


def _ways(word: str) -> list[str]:
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
        if len(ways) > _MOST_WAYS:
            raise ValueError(f"there are more than {_MOST_WAYS} ways to write `{word}`")


def _words(token: str) -> list[str]:
    """A written word as bursts have it; chat spelling may make two of one."""
    if token == NUMBER:
        return [token]
    if GAP in token:
        begin = "".join(words_of(token[:-1]))
        if token.index(GAP) != len(token) - 1 or len(begin) < _LEAST_BEGINNING:
            raise ValueError(f"`{token}`: a star ends a word of at least three letters, or stands alone for a gap")
        return [begin + GAP]
    words = [word for word in words_of(token) if word != QUESTION]
    if not words:
        raise ValueError(f"`{token}` is no word")
    return words


def _step(word: str, follow: "_Place[Mark]") -> "_Place[Mark]":
    if word == NUMBER:
        return _Place(number=(follow,))
    if word.endswith(GAP):
        return _Place(beginnings={word[:-1]: (follow,)})
    return _Place(words={word: (follow,)})


def _gap(follow: "_Place[Mark]") -> "_Place[Mark]":
    if follow.ends or follow.anything:
        raise ValueError(f"`{GAP}` stands between words, and not twice")
    for _more in range(_GAP_WORDS):
        place: _Place[Mark] = _Place(anything=(follow,))
        place.join(follow)
        follow = place
    return follow
