"""The rules of a file: read, checked, and asked. Pure; finding and watching the file is `loading` and `reloading`.

Regular expressions are RE2's: no look-around and no back-references, and in return time that grows with the length of
the text and nothing else, so none can run for ever. Phrases are `phrases`'.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import re2

from leadmasterd.classify.intents import GROUP_OF, UNKNOWN, Signals
from leadmasterd.classify.phrases import Phrases
from leadmasterd.classify.text import Normalised, normalise
from leadmasterd.errors import CannotUseRules

_REGEX_MEMORY: Final = 1 << 18
"""Bytes for one compiled regex. A larger one is refused: it bounds the time too."""

_FLAGS: Final = ("saved_contact", "business_account", "first_contact", "ad_referral", "has_media")
_WHEN_KEYS: Final = (*_FLAGS, "types", "only_types")
_RULE_KEYS: Final = (
    "id",
    "intent",
    "phrases",
    "regex",
    "unless",
    "whole",
    "beside",
    "question",
    "when",
    "priority",
    "last_resort",
    "yes",
    "no",
)
_FILE_KEYS: Final = ("extend", "off", "answer_first", "rule")
_INTENTS: Final = tuple(intent for intent in GROUP_OF if intent != UNKNOWN)


@dataclass(frozen=True, slots=True)
class When:
    """What must hold besides the words. None: doesn't matter."""

    saved_contact: bool | None = None
    business_account: bool | None = None
    first_contact: bool | None = None
    ad_referral: bool | None = None
    has_media: bool | None = None
    types: tuple[str, ...] = ()
    """At least one message of the burst is of one of these types."""
    only_types: tuple[str, ...] = ()
    """Every message of the burst is."""

    def holds(self, signals: Signals) -> bool:
        """For this burst."""
        for name in _FLAGS:
            wanted = getattr(self, name)
            if wanted is not None and wanted != getattr(signals, name):
                return False
        if self.types and not set(self.types) & set(signals.types):
            return False
        return not self.only_types or (bool(signals.types) and set(signals.types) <= set(self.only_types))

    def example(self) -> Signals:
        """A burst of which it holds."""
        flags = {name: bool(getattr(self, name)) for name in _FLAGS}
        return Signals(**flags, types=self.only_types[:1] or self.types[:1] or ("chat",))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as written. What each key means stands at the top of data/rules.toml."""

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
    yes: tuple[tuple[str, ...], ...] = ()
    no: tuple[tuple[str, ...], ...] = ()
    line: int = field(default=0, compare=False)
    """Where it begins in the file that was read; 0 for one that comes from the file below it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that matched, and the words it matched by (empty for one that looks at signals only)."""

    rule: Rule
    matched: str
    at: int
    """The word of the burst that it begins with."""


_Kind = Literal["phrases", "unless", "beside"]
_KINDS: Final[tuple[_Kind, ...]] = ("phrases", "unless", "beside")


class RuleSet:
    """Rules in the order of their file, and the order in which intents are answered; those in one tuple are equals."""

    def __init__(self, rules: Sequence[Rule], answer_first: Sequence[tuple[str, ...]]) -> None:
        self.rules = tuple(rules)
        self.answer_first = tuple(answer_first)
        self._rank = {intent: number for number, equals in enumerate(answer_first) for intent in equals}
        self._net: Phrases[tuple[int, _Kind]] = Phrases()
        self._regexes = {number: _compiled(rule.regex) for number, rule in enumerate(self.rules) if rule.regex}
        self._by_signals = [n for n, rule in enumerate(self.rules) if not rule.phrases and not rule.regex]
        for number, rule in enumerate(self.rules):
            for kind in _KINDS:
                for phrase in getattr(rule, kind):
                    self._net.add(phrase, (number, kind))

    def hits(self, burst: Normalised, signals: Signals) -> list[Hit]:
        """Every rule that matches, the one that decides first."""
        spans: dict[int, list[tuple[int, int]]] = {}
        beside: dict[int, list[tuple[int, int]]] = {}
        refused: set[int] = set()
        for (number, kind), start, end in self._net.found(burst.words):
            if kind == "unless":
                refused.add(number)
            else:
                (spans if kind == "phrases" else beside).setdefault(number, []).append((start, end))
        found: dict[int, tuple[str, int]] = dict.fromkeys(self._by_signals, ("", 0))
        for number, regex in self._regexes.items():
            match = regex.search(burst.text)
            if match:
                found[number] = match.group(), len(burst.text[: match.start()].split())
        for number, where in spans.items():
            if not self.rules[number].whole or _covers([*where, *beside.get(number, ())], len(burst.words)):
                start, end = max(where, key=lambda span: span[1] - span[0])
                found[number] = " ".join(burst.words[start:end]), min(where)[0]
        hits = [
            Hit(self.rules[number], matched, at)
            for number, (matched, at) in found.items()
            if number not in refused and self._allowed(self.rules[number], burst, signals)
        ]
        return sorted(hits, key=self._order)

    @staticmethod
    def _allowed(rule: Rule, burst: Normalised, signals: Signals) -> bool:
        if rule.question is not None and rule.question != burst.question:
            return False
        if rule.whole and not rule.phrases and not rule.regex and not burst.empty:
            return False
        return rule.when.holds(signals)

    def _order(self, hit: Hit) -> tuple[bool, int, int, int, int]:
        """Priority, then whose intent is answered first, then what is spoken of first, then the longer match."""
        return (hit.rule.last_resort, -hit.rule.priority, self._rank[hit.rule.intent], hit.at, -len(hit.matched))


def _covers(spans: Iterable[tuple[int, int]], length: int) -> bool:
    """The spans, laid end to end, are the whole burst."""
    reached = {0}
    for start, end in sorted(spans):
        if start in reached:
            reached.add(end)
    return length in reached


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = _REGEX_MEMORY
    options.log_errors = False
    return re2.compile(pattern, options)


# ---------------------------------------------------------------------- reading a file


def parse(text: str, where: str, packaged: "RuleSet | None" = None) -> RuleSet:
    """The rules of a TOML file, over the packaged ones if it says `extend = true`. Raises CannotUseRules."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CannotUseRules(f"cannot use {where}: it is not TOML: {error}") from error
    reader = _Reader(text, where)
    reader.unknown_keys(data, _FILE_KEYS, None)
    extend = reader.one(data, "extend", bool, False, None)
    rules = [reader.rule(entry, number) for number, entry in enumerate(reader.tables(data), 1)]
    first = reader.order(data, "answer_first")
    off = reader.words(data, "off", None)
    base = packaged if extend else None
    if not extend and not data.get("rule"):
        reader.problem(
            None, "rule", "it has no rules; write `extend = true` for those of the program, and [[rule]] for yours"
        )
    if extend and packaged is None:
        reader.problem(None, "extend", "`extend` has nothing to extend here")
    ids = [rule.id for rule in rules if rule]
    for twice in sorted({each for each in ids if ids.count(each) > 1}):
        reader.problem(twice, "id", "this id stands twice; each rule has its own")
    known = {rule.id for rule in base.rules} if base else set()
    for each in off:
        if each not in known:
            reader.problem(None, "off", f"`{each}` is no packaged rule{_did_you_mean(each, known)}")
    if reader.problems:
        raise CannotUseRules("\n".join(reader.problems))
    kept = [replace(rule, line=0) for rule in base.rules if rule.id not in {*ids, *off}] if base else []
    order = first or (base.answer_first if base else ())
    named = {intent for equals in order for intent in equals}
    rest = [(intent,) for intent in _INTENTS if intent not in named]
    return RuleSet([*(rule for rule in rules if rule), *kept], [*order, *rest])


def check_examples(rules: RuleSet, where: str) -> list[str]:
    """What the rules' own examples say against them: one sentence each, none when all is well."""
    problems = []
    for rule in rules.rules:
        place = f"{where}, line {rule.line}, rule `{rule.id}`" if rule.line else f"{where}, packaged rule `{rule.id}`"
        needs = bool(rule.phrases or rule.regex)
        if needs and not (rule.yes and rule.no):
            problems.append(f"{place}: it needs an example in `yes` and one in `no`")
        signals = rule.when.example()
        for example in rule.yes:
            hits = rules.hits(normalise(example), signals)
            if rule.id not in [hit.rule.id for hit in hits]:
                problems.append(f"{place}: `yes` example {list(example)!r} does not match it")
            elif hits[0].rule.intent != rule.intent:
                problems.append(
                    f"{place}: `yes` example {list(example)!r} is decided by rule "
                    f"`{hits[0].rule.id}` as {hits[0].rule.intent}"
                )
        problems += [
            f"{place}: `no` example {list(example)!r} matches it"
            for example in rule.no
            if rule.id in [hit.rule.id for hit in rules.hits(normalise(example), signals)]
        ]
    return problems


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""


class _Reader:
    """Reads what TOML gave, gathering what is wrong instead of stopping at the first."""

    def __init__(self, text: str, where: str) -> None:
        self.problems: list[str] = []
        self._where = where
        self._lines = text.splitlines()
        self._starts = [n for n, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
        self._number = 0

    def problem(self, rule: str | None, key: str, what: str) -> None:
        named = f", rule `{rule}`" if rule else ""
        self.problems.append(f"cannot use {self._where}{self._line(key, rule is not None)}{named}: {what}")

    def _line(self, key: str, in_rule: bool) -> str:
        """Where the key stands, if the file is written as files are: one [[rule]] a rule, one key a line."""
        begin, end = 0, len(self._lines)
        if in_rule:
            if len(self._starts) < self._number:
                return ""
            begin = self._starts[self._number - 1]
            end = self._starts[self._number] if self._number < len(self._starts) else end
        pattern = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=|.*[{{,]\s*{re.escape(key)}\s*=")
        found = next((n for n in range(begin, end) if pattern.match(self._lines[n])), begin)
        return f", line {found + 1}"

    def tables(self, data: Mapping[str, Any]) -> list[Any]:
        tables = data.get("rule", [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            self.problem(None, "rule", "rules are written as [[rule]] tables")
            return []
        return tables

    def unknown_keys(self, data: Mapping[str, Any], known: Sequence[str], rule: str | None) -> None:
        for key in data:
            if key not in known:
                self.problem(
                    rule, key, f"`{key}` is unknown{_did_you_mean(key, known)}; known here: {', '.join(known)}"
                )

    def one(self, data: Mapping[str, Any], key: str, kind: type, default: Any, rule: str | None) -> Any:
        value = data.get(key, default)
        if value is not default and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            names = {bool: "true or false", str: "text in quotes", int: "a whole number", dict: "a { table }"}
            self.problem(rule, key, f"`{key}` = {value!r}: must be {names[kind]}")
            return default
        return value

    def words(self, data: Mapping[str, Any], key: str, rule: str | None) -> tuple[str, ...]:
        value = data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
            self.problem(rule, key, f"`{key}` = {value!r}: must be a list of texts, like ['one', 'two']")
            return ()
        return tuple(value)

    def phrases(self, data: Mapping[str, Any], key: str, rule: str) -> tuple[str, ...]:
        found = self.words(data, key, rule)
        for phrase in found:
            try:
                Phrases[None]().add(phrase, None)
            except ValueError as error:
                self.problem(rule, key, f"phrase {phrase!r}: {error}")
        return found

    def intent(self, value: Any, key: str, rule: str | None) -> str:
        if value not in _INTENTS:
            hint = _did_you_mean(str(value), _INTENTS)
            self.problem(rule, key, f"`{key}` = {value!r} is no intent{hint}; allowed: {', '.join(_INTENTS)}")
        return str(value)

    def order(self, data: Mapping[str, Any], key: str) -> tuple[tuple[str, ...], ...]:
        value = data.get(key, [])
        entries = value if isinstance(value, list) else [value]
        equals = [tuple(each) if isinstance(each, list) else (each,) for each in entries]
        named = [self.intent(intent, key, None) for each in equals for intent in each]
        for twice in sorted({each for each in named if named.count(each) > 1}):
            self.problem(None, key, f"`{twice}` stands twice")
        return tuple(equals)

    def examples(self, data: Mapping[str, Any], key: str, rule: str) -> tuple[tuple[str, ...], ...]:
        value = data.get(key, [])
        bursts: list[Any] = (
            [[each] if isinstance(each, str) else each for each in value] if type(value) is list else [0]
        )
        if not all(isinstance(burst, list) and all(isinstance(text, str) for text in burst) for burst in bursts):
            self.problem(rule, key, f"`{key}` = {value!r}: must be a list of texts (or of lists of texts, for a burst)")
            return ()
        return tuple(tuple(burst) for burst in bursts)

    def rule(self, data: Mapping[str, Any], number: int) -> Rule | None:
        self._number = number
        before = len(self.problems)
        name = self.one(data, "id", str, "", f"number {number}")
        if not name:
            self.problem(f"number {number}", "id", "every rule has an `id`")
            return None
        self.unknown_keys(data, _RULE_KEYS, name)
        intent = self.intent(data.get("intent"), "intent", name)
        phrases = self.phrases(data, "phrases", name)
        unless = self.phrases(data, "unless", name)
        beside = self.phrases(data, "beside", name)
        regex = self.one(data, "regex", str, "", name)
        try:
            _compiled(regex)
        except re2.error as error:
            said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
            self.problem(
                name, "regex", f"regex {regex!r}: {said} (RE2: no look-around, no back-references; see `unless`)"
            )
        when = self._when(self.one(data, "when", dict, {}, name), name)
        if not phrases and not regex and when == When():
            self.problem(name, "id", "it looks at nothing: give it `phrases`, a `regex` or `when`")
        whole = self.one(data, "whole", bool, False, name)
        if beside and not whole:
            self.problem(name, "beside", "`beside` says what may stand beside the phrases of a `whole` rule")
        if whole and regex:
            self.problem(name, "regex", "`whole` is about phrases; in a regex write ^ and $")
        rule = Rule(
            name,
            intent,
            phrases,
            regex,
            unless,
            whole=whole,
            beside=beside,
            question=self.one(data, "question", bool, None, name),
            when=when,
            priority=self.one(data, "priority", int, 0, name),
            last_resort=self.one(data, "last_resort", bool, False, name),
            yes=self.examples(data, "yes", name),
            no=self.examples(data, "no", name),
            line=self._starts[number - 1] + 1 if number <= len(self._starts) else 0,
        )
        return rule if len(self.problems) == before else None

    def _when(self, data: Mapping[str, Any], rule: str) -> When:
        self.unknown_keys(data, _WHEN_KEYS, rule)
        when = When()
        for name in _FLAGS:
            when = replace(when, **{name: self.one(data, name, bool, None, rule)})
        return replace(when, types=self.words(data, "types", rule), only_types=self.words(data, "only_types", rule))
