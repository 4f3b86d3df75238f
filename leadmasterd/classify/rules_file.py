"""Reads rules from TOML text and checks their examples. Pure: `loading` finds the file, `reloading` watches it.

Every problem of a file is reported at once, each with file, line where known, rule and value. A problem that only
follows from another one is not: `phrases = 7` is a wrong type and nothing else.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import re2

from leadmasterd import causes
from leadmasterd.classify.intents import FLAGS, GROUP_OF, UNKNOWN
from leadmasterd.classify.phrases import Phrases
from leadmasterd.classify.rules import Rule, RuleSet, When, compiled, never_read
from leadmasterd.classify.text import MONEY, normalise, words_of
from leadmasterd.errors import CannotUseRules
from leadmasterd.text import _, nearest

_INTENTS: Final = tuple(intent for intent in GROUP_OF if intent != UNKNOWN)
_RULE_STARTS: Final = re.compile(r"\s*\[\[\s*rule\s*\]\]")


def parse(text: str, where: str, packaged: RuleSet | None = None) -> RuleSet:
    """The rules of a TOML file, over the packaged ones if it says `extend = true`.

    `where` names the file in errors. Raises CannotUseRules.
    """
    try:
        data = tomllib.loads(text)
    except causes.NO_TOML as error:
        why = causes.of_toml(error)
        raise CannotUseRules(_("cannot use {where}: it is not TOML: {why}").format(where=where, why=why)) from error
    problems = _Problems(text, where)
    file = _Table(data, problems.of_the_file)
    given = file.read(_FILE_KEYS)
    rules = [] if "rule" in file.faulty else _rules(data.get("rule", []), problems)
    extend, off = given.get("extend", False), given.get("off", ())
    base = packaged if extend else None
    if extend and packaged is None:
        file.complain("extend", _("`extend` has nothing to extend here"))
    if not file.faulty:
        if not extend and not rules:
            file.complain(
                "rule",
                _("it has no rules; write `extend = true` for the packaged ones, and [[rule]] for each of yours"),
            )
        if off and not extend:
            file.complain("off", _("`off` drops packaged rules; write `extend = true` to have them"))
        elif base:
            known = {rule.id for rule in base.rules}
            for unknown in [each for each in off if each not in known]:
                file.complain(
                    "off", _("`{rule}` is no packaged rule").format(rule=unknown) + _did_you_mean(unknown, known)
                )
    if problems.sentences:
        raise CannotUseRules("\n".join(problems.sentences))
    own = [rule for rule in rules if rule]
    replaced = {*off, *(rule.id for rule in own)}
    kept = [replace(rule, line=0) for rule in base.rules if rule.id not in replaced] if base else []
    order = given.get("answer_first") or (base.answer_first if base else ())
    ranked = {intent for equals in order for intent in equals}
    return RuleSet([*own, *kept], [*order, *((intent,) for intent in _INTENTS if intent not in ranked)])


def check_examples(rules: RuleSet, where: str) -> list[str]:
    """The `yes` and `no` examples that don't hold, one sentence each."""
    problems = []
    for rule in rules.rules:
        place = (
            _("{where}, line {line}, rule `{rule}`").format(where=where, line=rule.line, rule=rule.id)
            if rule.line
            else _("{where}, packaged rule `{rule}`").format(where=where, rule=rule.id)
        )
        if (rule.phrases or rule.regex) and not (rule.yes and rule.no):
            problems.append(_("{place}: it needs an example in `yes` and one in `no`").format(place=place))
        signals = rule.when.example()
        for example in rule.yes:
            hits = rules.hits(normalise(example), signals)
            if rule.id not in [hit.rule.id for hit in hits]:
                problems.append(
                    _("{place}: `yes` example {example} does not match it").format(place=place, example=list(example))
                )
            elif hits[0].rule.intent != rule.intent:
                problems.append(
                    _("{place}: `yes` example {example} is decided by rule `{rule}` as {intent}").format(
                        place=place, example=list(example), rule=hits[0].rule.id, intent=hits[0].rule.intent
                    )
                )
        problems += [
            _("{place}: `no` example {example} matches it").format(place=place, example=list(example))
            for example in rule.no
            if rule.id in [hit.rule.id for hit in rules.hits(normalise(example), signals)]
        ]
    return problems


# ---------------------------------------------------------------------- where a problem is


class _Problems:
    """The sentences so far, each with its place in the file."""

    def __init__(self, text: str, where: str) -> None:
        self.sentences: list[str] = []
        self._where = where
        self._lines = text.split("\n")  # as TOML counts them
        self._rules = [number for number, line in enumerate(self._lines) if _RULE_STARTS.match(line)]

    def of_the_file(self, key: str, what: str) -> None:
        """A problem with a key at the top of the file."""
        line = self._line_of(key, 0, len(self._lines))
        self.sentences.append(
            _("cannot use {where}, line {line}: {what}").format(where=self._where, line=line, what=what)
        )

    def of_rule(self, number: int, name: str, key: str, what: str) -> None:
        """A problem with a key of the rule with this number, from 1."""
        if number <= len(self._rules):
            line = self._line_of(key, self._rules[number - 1], [*self._rules, len(self._lines)][number])
            sentence = _("cannot use {where}, line {line}, rule `{rule}`: {what}")
            self.sentences.append(sentence.format(where=self._where, line=line, rule=name, what=what))
        else:
            sentence = _("cannot use {where}, rule `{rule}`: {what}")
            self.sentences.append(sentence.format(where=self._where, rule=name, what=what))

    def line_of_rule(self, number: int) -> int:
        """The line that it begins at; 0 where the file is written in another way than one [[rule]] a rule."""
        return self._rules[number - 1] + 1 if number <= len(self._rules) else 0

    def _line_of(self, key: str, begin: int, end: int) -> int:
        """The line that sets the key, if it is written on one; else where the rule or the file begins."""
        pattern = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=|.*[{{,]\s*{re.escape(key)}\s*=")
        found = next((number for number in range(begin, end) if pattern.match(self._lines[number])), begin)
        return found + 1


# ---------------------------------------------------------------------- tables and their values


class _Table:
    """One table of the file. Its readers report what is wrong with a value; the value then counts as absent."""

    def __init__(self, data: Mapping[str, Any], report: Callable[[str, str], None]) -> None:
        self.data = data
        self.faulty: set[str] = set()
        """Keys that were complained of, unknown ones included."""
        self._report = report

    def complain(self, key: str, what: str) -> None:
        """Report a problem with a key."""
        self.faulty.add(key)
        self._report(key, what)

    def read(self, readers: Mapping[str, "_Reader"]) -> dict[str, Any]:
        """The values of the known keys, but for the faulty ones."""
        for key in [each for each in self.data if each not in readers]:
            self.complain(
                key,
                _("`{key}` is unknown{hint}; known here: {known}").format(
                    key=key, hint=_did_you_mean(key, readers), known=", ".join(readers)
                ),
            )
        values = {key: reader(self, key) for key, reader in readers.items() if key in self.data}
        return {key: value for key, value in values.items() if key not in self.faulty}

    def boolean(self, key: str) -> Any:
        return self._of_type(key, bool, _("true or false"))

    def whole_number(self, key: str) -> Any:
        return self._of_type(key, int, _("a whole number"))

    def text(self, key: str) -> Any:
        return self._of_type(key, str, _("text in quotes"))

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.data[key]
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self._must_be(key, _("a list of texts, like ['one', 'two']"))
            return ()
        if not all(each.strip() for each in value):
            self.complain(
                key, _("`{key}` = {value!r}: a text in it is empty; take it out").format(key=key, value=value)
            )
        return tuple(value)

    def phrases(self, key: str) -> tuple[str, ...]:
        phrases = self.texts(key)
        for phrase in [each for each in phrases if each.strip()]:
            try:
                Phrases[None]().add(phrase, None)
            except ValueError as error:
                self.complain(key, _("phrase {phrase!r}: {why}").format(phrase=phrase, why=error))
        return phrases

    def regex(self, key: str) -> Any:
        pattern = self.text(key)
        try:
            compiled(pattern or "")
        except re2.error as error:
            said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
            self.complain(
                key,
                _("regex {regex!r}: {why} (RE2: no look-around, no back-references; see `unless`)").format(
                    regex=pattern, why=causes.of_re2(said)
                ),
            )
        else:
            if unread := ", ".join(f"`{char}` ({_instead_of(char)})" for char in never_read(pattern or "")):
                self.complain(
                    key,
                    _("regex {regex!r}: the text that it reads never has {unread}").format(
                        regex=pattern, unread=unread
                    ),
                )
        return pattern

    def intent(self, key: str) -> Any:
        return self._known_intent(key, self.data[key])

    def order(self, key: str) -> tuple[tuple[str, ...], ...]:
        """Intents, or lists of intents that rank equally."""
        value = self.data[key]
        entries = value if isinstance(value, list) else [value]
        ranks = [tuple(each) if isinstance(each, list) else (each,) for each in entries]
        named = [self._known_intent(key, intent) for equals in ranks for intent in equals]
        for twice in sorted({each for each in named if each and named.count(each) > 1}):
            self.complain(key, _("`{intent}` is listed twice").format(intent=twice))
        return tuple(ranks)

    def examples(self, key: str) -> tuple[tuple[str, ...], ...]:
        """Texts, or lists of texts for a burst of several messages."""
        value = self.data[key]
        bursts = [[each] if isinstance(each, str) else each for each in value] if isinstance(value, list) else [None]
        if not all(isinstance(burst, list) and all(isinstance(text, str) for text in burst) for burst in bursts):
            self._must_be(key, _("a list of texts (or of lists of texts, for a burst)"))
            return ()
        return tuple(tuple(burst) for burst in bursts if burst is not None)

    def when(self, key: str) -> Any:
        value = self._of_type(key, dict, _("a {example}").format(example="{ table }"))
        conditions = _Table(value or {}, self._report)
        when = When(**conditions.read(_WHEN_KEYS))
        if conditions.faulty:
            self.faulty.add(key)
        return when

    def rules(self, key: str) -> None:
        """Read apart, by `_rules`."""
        value = self.data[key]
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.complain(key, _("rules are written as [[rule]] tables"))

    def _of_type(self, key: str, type_: type, name: str) -> Any:
        value = self.data[key]
        if type(value) is type_:  # not isinstance: a bool is no number
            return value
        self._must_be(key, name)
        return None

    def _must_be(self, key: str, allowed: str) -> None:
        sentence = _("`{key}` = {value!r}: must be {allowed}")
        self.complain(key, sentence.format(key=key, value=self.data[key], allowed=allowed))

    def _known_intent(self, key: str, value: object) -> str | None:
        if isinstance(value, str) and value in _INTENTS:
            return value
        hint = _did_you_mean(str(value), _INTENTS)
        sentence = _("`{key}` = {value!r} is no intent{hint}; allowed: {allowed}")
        self.complain(key, sentence.format(key=key, value=value, hint=hint, allowed=", ".join(_INTENTS)))
        return None


_Reader = Callable[[_Table, str], Any]

_FILE_KEYS: Final[Mapping[str, _Reader]] = {
    "extend": _Table.boolean,
    "off": _Table.texts,
    "answer_first": _Table.order,
    "rule": _Table.rules,
}
_RULE_KEYS: Final[Mapping[str, _Reader]] = {
    "id": _Table.text,
    "intent": _Table.intent,
    "phrases": _Table.phrases,
    "regex": _Table.regex,
    "unless": _Table.phrases,
    "whole": _Table.boolean,
    "beside": _Table.phrases,
    "question": _Table.boolean,
    "when": _Table.when,
    "priority": _Table.whole_number,
    "last_resort": _Table.boolean,
    "yields": _Table.boolean,
    "yes": _Table.examples,
    "no": _Table.examples,
}
"""The fields of `Rule`, by how they are read."""
_WHEN_KEYS: Final[Mapping[str, _Reader]] = {
    **dict.fromkeys(FLAGS, _Table.boolean),
    "types": _Table.texts,
    "only_types": _Table.texts,
}


def _rules(tables: Sequence[Mapping[str, Any]], problems: _Problems) -> list[Rule | None]:
    """The rules of the file in order; None for one with a problem."""
    rules: list[Rule | None] = []
    named: set[str] = set()
    for number, table in enumerate(tables, 1):
        name = table.get("id")
        name = name if isinstance(name, str) and name else _("number {n}").format(n=number)
        rule = _Table(table, partial(problems.of_rule, number, name))
        if name in named:
            rule.complain("id", _("this id is used twice; each rule has its own"))
        named.add(name)
        rules.append(_rule(rule, problems.line_of_rule(number)))
    return rules


def _rule(table: _Table, line: int) -> Rule | None:
    """A rule, or None if there is a problem with it. Relations between keys are checked where both could be read."""
    given = table.read(_RULE_KEYS)
    if "id" not in table.faulty and not given.get("id"):
        table.complain("id", _("every rule has an `id`"))
    if "intent" not in table.data:
        table.complain(
            "intent", _("every rule has an `intent`; allowed: {allowed}").format(allowed=", ".join(_INTENTS))
        )
    rule = Rule(**{"id": "", "intent": "", **given}, line=line)
    unknown = table.faulty - _RULE_KEYS.keys()
    if not unknown | table.faulty & {"phrases", "regex", "when"} and not _looks_at_something(rule):
        table.complain("id", _("it looks at nothing: give it `phrases`, a `regex` or `when`"))
    if rule.beside and not rule.whole and not unknown | table.faulty & {"whole"}:
        table.complain("beside", _("`beside` says what may stand beside the phrases of a `whole` rule"))
    if rule.whole and rule.regex:
        table.complain("regex", _("`whole` is about phrases; in a regex write ^ and $"))
    return None if table.faulty else rule


def _looks_at_something(rule: Rule) -> bool:
    return bool(rule.phrases or rule.regex or rule.when != When())


def _instead_of(char: str) -> str:
    """What a regex writes for a character that normalised text has not."""
    word = MONEY if char == "$" else next(iter(words_of(char)), "")
    return _("write `{word}`").format(word=word) if word else _("leave it out")


def _did_you_mean(word: str, known: Collection[str]) -> str:
    close = nearest(word, known)
    return _(" (did you mean `{close}`?)").format(close=close) if close else ""
