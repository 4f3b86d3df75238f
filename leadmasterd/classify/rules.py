"""What a rule is, and which rules match a burst. Pure; `rules_file` reads them from TOML.

Regular expressions are RE2's: no look-around and no back-references, but time linear in the text, so none can hang.
Phrases are described in `phrases`.
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
"""Signals of a burst, some 500 bytes each: most bursts have the same few."""
_REGEX_MEMORY: Final = 1 << 18
"""Bytes for one compiled regex. A larger one is refused, which bounds its time too."""


@dataclass(frozen=True, slots=True)
class When:
    """Conditions on a burst's signals. None: any."""

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
    """Every message of the burst has."""
    _wanted: tuple[tuple[str, bool], ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        wanted = tuple((name, value) for name in FLAGS if (value := getattr(self, name)) is not None)
        object.__setattr__(self, "_wanted", wanted)

    def holds(self, signals: Signals) -> bool:
        """Whether a burst with these signals meets all conditions."""
        for name, wanted in self._wanted:
            if wanted != getattr(signals, name):
                return False
        if self.types and not set(self.types) & set(signals.types):
            return False
        return not self.only_types or (bool(signals.types) and set(signals.types) <= set(self.only_types))

    def example(self) -> Signals:
        """Signals that meet all conditions."""
        flags = {name: bool(getattr(self, name)) for name in FLAGS}
        return Signals(**flags, types=self.only_types[:1] or self.types[:1] or ("chat",))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. The fields but `line` are the keys of a [[rule]] table; the head of data/rules.toml explains them."""

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
    """Where it begins in the file that was read; 0 for a rule of the packaged file below it."""


class Hit(NamedTuple):
    """A rule that matched, and the words it matched (none for a rule on signals only)."""

    rule: Rule
    matched: str
    at: int
    """Index of the first matched word in the burst."""


_Kind = Literal["phrases", "unless", "beside"]
_KINDS: Final[tuple[_Kind, ...]] = ("phrases", "unless", "beside")
_Span = tuple[int, int]
_Spans = Mapping[_Kind, Mapping[int, Sequence[_Span]]]
"""Where phrases were found, by what they are for and the number of their rule."""


class _Met(NamedTuple):
    """What signals alone decide."""

    rules: bytes
    """By number: whether the conditions of the rule are met."""
    regexes: Sequence[tuple[int, Any]]
    """Those of such rules, with their numbers."""
    alone: Mapping[int, tuple[str, int]]
    """Such rules without words, as matches."""


class RuleSet:
    """Rules in file order, and the order in which intents are answered; intents in one tuple rank equally.

    Immutable once made: it is shared by everybody who loads the same file.
    """

    def __init__(self, rules: Sequence[Rule], answer_first: Sequence[tuple[str, ...]]) -> None:
        self.rules: Final = tuple(rules)
        self.answer_first: Final = tuple(answer_first)
        self._rank = {intent: number for number, equals in enumerate(answer_first) for intent in equals}
        self._regexes = {number: compiled(rule.regex) for number, rule in enumerate(self.rules) if rule.regex}
        self._met = lru_cache(maxsize=_SIGNALS_CACHED)(self._met_by)
        self._phrases: Phrases[tuple[int, _Kind]] = Phrases()
        for number, rule in enumerate(self.rules):
            for kind in _KINDS:
                for phrase in getattr(rule, kind):
                    self._phrases.add(phrase, (number, kind))

    def remember_words(self, many: int) -> None:
        """Cache so many words: for a process that classifies very much and does not live long."""
        self._phrases.remember_words(many)

    def hits(self, burst: Normalised, signals: Signals) -> list[Hit]:
        """Every rule that matches; the first one decides."""
        met = self._met(signals)
        spans = self._phrases_in(burst)
        matches = {**met.alone, **self._by_regex(burst, met.regexes), **self._by_phrases(burst, spans)}
        hits = [
            Hit(self.rules[number], matched, at)
            for number, (matched, at) in matches.items()
            if met.rules[number] and number not in spans["unless"] and _suits(self.rules[number], burst)
        ]
        return sorted(hits, key=self._order) if len(hits) > 1 else hits

    def _met_by(self, signals: Signals) -> _Met:
        """Cached as `_met`."""
        met = bytes(rule.when.holds(signals) for rule in self.rules)
        return _Met(
            rules=met,
            regexes=[(number, regex) for number, regex in self._regexes.items() if met[number]],
            alone={
                number: ("", 0)
                for number, rule in enumerate(self.rules)
                if met[number] and not rule.phrases and not rule.regex
            },
        )

    def _phrases_in(self, burst: Normalised) -> _Spans:
        """The first pass: all phrases of all rules at once."""
        spans: dict[_Kind, dict[int, list[_Span]]] = {"phrases": {}, "unless": {}, "beside": {}}
        for (number, kind), start, end in self._phrases.found(burst.words):
            spans[kind].setdefault(number, []).append((start, end))
        return spans

    def _by_phrases(self, burst: Normalised, spans: _Spans) -> dict[int, tuple[str, int]]:
        """The second pass: the rules whose phrases suffice, each with its longest match and where it first matched."""
        matches = {}
        for number, own in spans["phrases"].items():
            if self.rules[number].whole and not _cover([*own, *spans["beside"].get(number, ())], len(burst.words)):
                continue
            start, end = max(own, key=lambda span: span[1] - span[0])
            matches[number] = " ".join(burst.words[start:end]), min(own)[0]
        return matches

    def _by_regex(self, burst: Normalised, regexes: Iterable[tuple[int, Any]]) -> dict[int, tuple[str, int]]:
        """Only of rules that the burst suits: a search takes much longer than to see that."""
        matches = {}
        text = burst.text.encode()  # normalised text has no other than ASCII characters
        for number, regex in regexes:
            if _suits(self.rules[number], burst) and (match := regex.search(text)):
                matches[number] = match.group().decode(), len(text[: match.start()].split())
        return matches

    def _order(self, hit: Hit) -> tuple[bool, int, int, int, int]:
        """Priority, then the rank of the intent, then the earlier match, then the longer one."""
        return (hit.rule.last_resort, -hit.rule.priority, self._rank[hit.rule.intent], hit.at, -len(hit.matched))


def _suits(rule: Rule, burst: Normalised) -> bool:
    """Whether a rule may decide about a burst with these words, as far as its phrases and its regex do not tell."""
    if rule.question is not None and rule.question != burst.question:
        return False
    return not rule.whole or bool(rule.phrases) or bool(rule.regex) or burst.empty


def _cover(spans: Iterable[_Span], length: int) -> bool:
    """Whether some of the spans, laid end to end, are the whole burst."""
    reached = {0}
    for start, end in sorted(spans):
        if start in reached:
            reached.add(end)
    return length in reached


def compiled(pattern: str) -> Any:
    """A regex of RE2, which has no types, for normalised text: accents and case in it make no difference.

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
"""The next piece of a regex: one or several characters that it wants as they stand, or something else."""
_OPTIONAL: Final = re.compile(r"[?*]|\{0")
_STANDS_FOR_MORE: Final = frozenset("^-\\[")
"""With one of these a [choice] has more characters than it shows."""
_READ: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789 \n?:.,")
"""Every character of normalised text."""


def never_read(pattern: str) -> list[str]:
    """The characters that a regex wants and normalised text never has: it could not match there."""
    found: dict[str, None] = {}
    for piece in _PIECE.finditer(pattern):
        wanted = piece["literal"] or piece["choice"] or ""
        optional = _OPTIONAL.match(pattern, piece.end()) or not _STANDS_FOR_MORE.isdisjoint(piece["choice"] or "")
        if not optional and not any(_READ.issuperset(without_accents(char).lower()) for char in wanted):
            found.update(dict.fromkeys(wanted))
    return list(found)
