"""What a rule is, and which rules match a burst. Pure; `rules_file` reads rules from TOML.

Regular expressions are RE2's: no look-around and no back-references, but time linear in the text, so none can hang.
`phrases` describes how phrases are written, and searches for them. What the keys of a rule mean is written at the head
of data/rules.toml.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import re2

from leadmasterd.classify.intents import FLAGS, Signals
from leadmasterd.classify.phrases import Phrases
from leadmasterd.classify.text import Normalised, without_accents

_SIGNALS_CACHED: Final = 64
"""Size of the cache by a burst's signals, some 500 bytes each: most bursts have the same few."""
_REGEX_MEMORY: Final = 1 << 18
"""Bytes for one compiled regex. A larger one is refused, which bounds its time too."""


@dataclass(frozen=True, slots=True)
class When:
    """Conditions on a burst's signals. A flag that is None and empty types are no condition."""

    saved_contact: bool | None = None
    business_account: bool | None = None
    first_contact: bool | None = None
    prompt_reply: bool | None = None
    ad_referral: bool | None = None
    has_media: bool | None = None
    about_product: bool | None = None
    types: tuple[str, ...] = ()
    """At least one message of the burst has one of these types."""
    only_types: tuple[str, ...] = ()
    """Every message of the burst has one of these types."""
    _wanted_flags: tuple[tuple[str, bool], ...] = field(default=(), init=False, repr=False, compare=False)
    """The flags that are not None, with their values."""

    def __post_init__(self) -> None:
        """Gather the flags that are conditions, once for all bursts."""
        flags = [(name, getattr(self, name)) for name in FLAGS]
        wanted = tuple((name, value) for name, value in flags if value is not None)
        object.__setattr__(self, "_wanted_flags", wanted)

    def holds(self, signals: Signals) -> bool:
        """Whether a burst with these signals meets all conditions."""
        for name, wanted in self._wanted_flags:
            if getattr(signals, name) != wanted:
                return False
        types = set(signals.types)
        has_one_of_types = not self.types or not types.isdisjoint(self.types)
        has_no_other_types = not self.only_types or (bool(types) and types.issubset(self.only_types))
        return has_one_of_types and has_no_other_types

    def example(self) -> Signals:
        """Signals of a burst of one message that meet all conditions, to try a rule's examples with."""
        flags = {name: bool(getattr(self, name)) for name in FLAGS}
        in_both = tuple(each for each in self.types if each in self.only_types)
        allowed = in_both or self.only_types or self.types or ("chat",)
        return Signals(**flags, types=allowed[:1])


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Its fields but `line` are the keys of a [[rule]] table; the head of data/rules.toml explains them."""

    id: str
    intent: str
    phrases: tuple[str, ...] = ()
    regex: str = ""
    unless: tuple[str, ...] = ()
    whole: bool = False
    beside: tuple[str, ...] = ()
    question: bool | None = None
    when: When = field(default_factory=When)
    priority: int = 0
    last_resort: bool = False
    yields: bool = False
    yes: tuple[tuple[str, ...], ...] = ()
    no: tuple[tuple[str, ...], ...] = ()
    line: int = field(default=0, compare=False)
    """Where it begins in the rules file, from 1. 0 if that is not known, and for packaged rules that a file extends."""


class Hit(NamedTuple):
    """A rule that matched."""

    rule: Rule
    matched: str
    """The words it matched; empty for a rule on signals alone."""
    at: int
    """Index of the first matched word in the burst."""


_Match = tuple[str, int]
"""The last two fields of a `Hit`."""
_Purpose = Literal["phrases", "unless", "beside"]
"""What a phrase is for: the key of its rule that lists it."""
_PURPOSES: Final[tuple[_Purpose, ...]] = ("phrases", "unless", "beside")
_Span = tuple[int, int]
"""A stretch of a burst's words: the index of the first one, and the index after the last one."""
_Spans = Mapping[_Purpose, Mapping[int, Sequence[_Span]]]
"""Where phrases were found, by their purpose and the number of their rule."""


class _BySignals(NamedTuple):
    """What the signals of a burst decide, whatever its words. A rule's number is its index in `RuleSet.rules`."""

    met: bytes
    """One byte for each rule: 1 if its `when` holds."""
    regexes: Sequence[tuple[int, Any]]
    """The numbers and compiled regexes of the rules whose `when` holds."""
    matches: Mapping[int, _Match]
    """The rules that look at no words and whose `when` holds: they match."""


class RuleSet:
    """Rules in file order, and which intent decides when several rules match.

    Immutable once made: it is shared by everybody who loads the same file.
    """

    def __init__(self, rules: Sequence[Rule], answer_first: Sequence[tuple[str, ...]]) -> None:
        """`answer_first`: every intent, the deciding ones first; intents in one tuple rank equally."""
        self.rules: Final = tuple(rules)
        self.answer_first: Final = tuple(answer_first)
        self._rank = {intent: rank for rank, equals in enumerate(answer_first) for intent in equals}
        self._regexes = {number: compiled(rule.regex) for number, rule in enumerate(self.rules) if rule.regex}
        self._by_signals = lru_cache(maxsize=_SIGNALS_CACHED)(self._decided_by)
        self._phrases: Phrases[tuple[int, _Purpose]] = Phrases()
        for number, rule in enumerate(self.rules):
            for purpose in _PURPOSES:
                for phrase in getattr(rule, purpose):
                    self._phrases.add(phrase, (number, purpose))

    def remember_words(self, many: int) -> None:
        """Begin a cache for `many` words: a large one suits a process that classifies much and ends soon."""
        self._phrases.remember_words(many)

    def hits(self, burst: Normalised, signals: Signals) -> list[Hit]:
        """Every rule that matches, by its phrases, its regex or signals alone. The deciding one comes first."""
        by_signals = self._by_signals(signals)
        spans = self._phrases_in(burst)
        matches = {**by_signals.matches, **self._by_regex(burst, by_signals.regexes), **self._by_phrases(burst, spans)}
        hits = [
            Hit(self.rules[number], matched, at)
            for number, (matched, at) in matches.items()
            if by_signals.met[number] and number not in spans["unless"] and _suits(self.rules[number], burst)
        ]
        return sorted(hits, key=self._order) if len(hits) > 1 else hits

    def _decided_by(self, signals: Signals) -> _BySignals:
        """What these signals decide. Called through its cache, `_by_signals`."""
        met = bytes(rule.when.holds(signals) for rule in self.rules)
        return _BySignals(
            met=met,
            regexes=[(number, regex) for number, regex in self._regexes.items() if met[number]],
            matches={
                number: ("", 0)
                for number, rule in enumerate(self.rules)
                if met[number] and not rule.phrases and not rule.regex
            },
        )

    def _phrases_in(self, burst: Normalised) -> _Spans:
        """Where the phrases of all rules are found in the burst, by one search for all of them."""
        spans: dict[_Purpose, dict[int, list[_Span]]] = {"phrases": {}, "unless": {}, "beside": {}}
        for (number, purpose), start, end in self._phrases.found(burst.words):
            spans[purpose].setdefault(number, []).append((start, end))
        return spans

    def _by_phrases(self, burst: Normalised, spans: _Spans) -> dict[int, _Match]:
        """The rules that match by phrases, each with its longest match and the index where it first matched.

        A `whole` rule matches only if its phrases, with those that may stand beside them, make up the burst.
        """
        matches = {}
        for number, own in spans["phrases"].items():
            if self.rules[number].whole:
                beside = spans["beside"].get(number, ())
                if not _cover([*own, *beside], len(burst.words)):
                    continue
            start, end = max(own, key=lambda span: span[1] - span[0])
            first_start, _its_end = min(own)
            matches[number] = " ".join(burst.words[start:end]), first_start
        return matches

    def _by_regex(self, burst: Normalised, regexes: Iterable[tuple[int, Any]]) -> dict[int, _Match]:
        """The rules that match by regex. Rules that do not suit the burst are skipped, because a search is slow."""
        matches = {}
        text = burst.text.encode()  # for RE2; normalised text is ASCII, so a byte is a character
        for number, regex in regexes:
            if _suits(self.rules[number], burst) and (match := regex.search(text)):
                words_before = len(text[: match.start()].split())
                matches[number] = match.group().decode(), words_before
        return matches

    def _order(self, hit: Hit) -> tuple[bool, int, int, int, int]:
        """Sorts the deciding hit first.

        Rules of last resort come last; else the higher priority, the rank of the intent, the earlier match and the
        longer one decide, in this order.
        """
        return (hit.rule.last_resort, -hit.rule.priority, self._rank[hit.rule.intent], hit.at, -len(hit.matched))


def _suits(rule: Rule, burst: Normalised) -> bool:
    """Whether the burst meets the rule's `question`, and its `whole` if the rule looks at no words.

    Such a `whole` rule matches only a burst without words. (`_by_phrases` checks `whole` of a rule with phrases.)
    """
    if rule.question is not None and rule.question != burst.question:
        return False
    if rule.whole and not rule.phrases and not rule.regex:
        return burst.empty
    return True


def _cover(spans: Iterable[_Span], length: int) -> bool:
    """Whether some of the spans, laid end to end, cover all words of a burst of this length."""
    reached = {0}
    for start, end in sorted(spans):
        if start in reached:
            reached.add(end)
    return length in reached


def compiled(pattern: str) -> Any:
    """An RE2 regex (the library has no types) for normalised text: accents and case in the pattern are ignored.

    Only `search` is safe to use: RE2's `sub` and `finditer` may find an empty match twice. Raises re2.error.
    """
    options = re2.Options()
    options.max_mem = _REGEX_MEMORY
    options.log_errors = False
    options.case_sensitive = False
    return re2.compile(without_accents(pattern), options)


_PIECE: Final = re.compile(
    r"""
      \\Q.*?(?:\\E|$) | \\[pPx]\{[^}]*\} | \\x[0-9a-fA-F]{2} | \\[A-Za-z0-9]
    | \(\?(?:P?<\w+>|[A-Za-z-]*[:)]) | \{\d*,?\d*\} | [.^$*+?()|]
    | \[(?P<choice>\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*)\]
    | \\?(?P<literal>.)
    """,
    re.VERBOSE | re.DOTALL,
)
"""The next piece of a regex: a literal character, the characters of a [choice], or anything else (groups, repetitions,
classes), of which both named groups are None."""
_OPTIONAL: Final = re.compile(r"[?*]|\{0")
"""What makes the piece before it optional."""
_STANDS_FOR_MORE: Final = frozenset("^-\\[")
"""With one of these a [choice] has more characters than it shows."""
_NORMALISED: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789 \n?:.,")
"""Every character that normalised text may have."""


def characters_never_read(pattern: str) -> list[str]:
    """The characters that a regex requires and normalised text never has, so that it cannot match; each once.

    A [choice] can match if normalised text may have one of its characters.
    """
    found: dict[str, None] = {}
    for piece in _PIECE.finditer(pattern):
        choice = piece["choice"] or ""
        required = piece["literal"] or choice
        is_optional = _OPTIONAL.match(pattern, piece.end()) is not None
        stands_for_more = not _STANDS_FOR_MORE.isdisjoint(choice)
        can_match = any(_NORMALISED.issuperset(without_accents(char).lower()) for char in required)
        if not is_optional and not stands_for_more and not can_match:
            found.update(dict.fromkeys(required))
    return list(found)
