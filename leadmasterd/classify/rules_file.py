"""Reads rules from TOML text and checks their examples. Pure: `loading` finds the file, `reloading` watches it.

All problems of a file are reported at once, each with file, line where known, rule and value. A problem that only
follows from another one is left out: `phrases = 7` is reported as a wrong type, not also as a rule without phrases.
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
from leadmasterd.classify.rules import Rule, RuleSet, When, characters_never_read, compiled
from leadmasterd.classify.text import MONEY, normalise, words_of
from leadmasterd.errors import CannotUseRules
from leadmasterd.text import _, nearest

_INTENTS: Final = tuple(intent for intent in GROUP_OF if intent != UNKNOWN)
_RULE_STARTS: Final = re.compile(r"\s*\[\[\s*rule\s*\]\]")


def parse(text: str, where: str, packaged: RuleSet | None = None) -> RuleSet:
    """The rules of a TOML file, together with the packaged ones if it says `extend = true`.

    `where` names the file in errors. `packaged` is None for the packaged file itself. Raises CannotUseRules.
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
    _check_extend(file, given, packaged, has_rules=bool(rules))
    if problems.sentences:
        raise CannotUseRules("\n".join(problems.sentences))
    extended = packaged if given.get("extend") else None
    return _rule_set([rule for rule in rules if rule], given, extended)


def _check_extend(file: "_Table", given: Mapping[str, Any], packaged: RuleSet | None, *, has_rules: bool) -> None:
    """Complain where `extend`, `off` and the rules do not fit together. Once the file has a problem, it checks no more.

    `given`: the values of the file's own keys; `has_rules`: whether the file has any rule, be it a faulty one.
    """
    extend, off = given.get("extend", False), given.get("off", ())
    if extend and packaged is None:
        file.complain("extend", _("`extend` has nothing to extend here"))
    if file.faulty:
        return
    if not extend and not has_rules:
        file.complain(
            "rule", _("it has no rules; write `extend = true` for the packaged ones, and [[rule]] for each of yours")
        )
    if off and not extend:
        file.complain("off", _("`off` drops packaged rules; write `extend = true` to have them"))
    elif extend and packaged:
        known = {rule.id for rule in packaged.rules}
        for unknown in [each for each in off if each not in known]:
            file.complain("off", _("`{rule}` is no packaged rule").format(rule=unknown) + _did_you_mean(unknown, known))


def _rule_set(own: Sequence[Rule], given: Mapping[str, Any], extended: RuleSet | None) -> RuleSet:
    """The file's own rules, then those of `extended` that the file neither drops (`off`) nor replaces (by the same id).

    The order of intents is the file's `answer_first`, else that of the extended set; intents not in it come last.
    """
    kept: list[Rule] = []
    order: Sequence[tuple[str, ...]] = given.get("answer_first", ())
    if extended:
        dropped = {*given.get("off", ()), *(rule.id for rule in own)}
        kept = [replace(rule, line=0) for rule in extended.rules if rule.id not in dropped]
        order = order or extended.answer_first
    ranked = {intent for equals in order for intent in equals}
    unranked = [(intent,) for intent in _INTENTS if intent not in ranked]
    return RuleSet([*own, *kept], [*order, *unranked])


def check_examples(rules: RuleSet, where: str) -> list[str]:
    """One sentence for each `yes` and `no` example that does not hold, and for each rule that lacks examples.

    A `yes` example must match its rule and be decided with that rule's intent; a `no` example must not match the rule.
    """
    problems = []
    for rule in rules.rules:
        if rule.line:
            place = _("{where}, line {line}, rule `{rule}`").format(where=where, line=rule.line, rule=rule.id)
        else:
            place = _("{where}, packaged rule `{rule}`").format(where=where, rule=rule.id)
        reads_words = rule.phrases or rule.regex
        if reads_words and not (rule.yes and rule.no):
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
    """The problems found so far, as sentences with their place in the file."""

    def __init__(self, text: str, where: str) -> None:
        self.sentences: list[str] = []
        self._where = where
        self._lines = text.split("\n")  # as TOML counts them
        self._rule_starts = [index for index, line in enumerate(self._lines) if _RULE_STARTS.match(line)]
        """Where each [[rule]] begins, as an index of `_lines`."""

    def of_the_file(self, key: str, what: str) -> None:
        """Add a problem with a key that belongs to no rule."""
        line = self._line_of(key, 0, len(self._lines))
        self.sentences.append(
            _("cannot use {where}, line {line}: {what}").format(where=self._where, line=line, what=what)
        )

    def of_rule(self, number: int, name: str, key: str, what: str) -> None:
        """Add a problem with a key of the rule with this number, from 1. `name`: its id, or words in place of one."""
        if number <= len(self._rule_starts):
            begin = self._rule_starts[number - 1]
            is_last = number == len(self._rule_starts)
            end = len(self._lines) if is_last else self._rule_starts[number]
            line = self._line_of(key, begin, end)
            sentence = _("cannot use {where}, line {line}, rule `{rule}`: {what}")
            self.sentences.append(sentence.format(where=self._where, line=line, rule=name, what=what))
        else:
            sentence = _("cannot use {where}, rule `{rule}`: {what}")
            self.sentences.append(sentence.format(where=self._where, rule=name, what=what))

    def line_of_rule(self, number: int) -> int:
        """The line at which the rule with this number begins, both from 1; 0 where it is not written as a [[rule]]."""
        return self._rule_starts[number - 1] + 1 if number <= len(self._rule_starts) else 0

    def _line_of(self, key: str, begin: int, end: int) -> int:
        """The number, from 1, of the line that sets the key, among the lines with index `begin` to `end` - 1.

        If none of them sets it, as when the key is missing, it is the first of them.
        """
        # At the beginning of a line, or within an inline table: { key = ... }
        pattern = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=|.*[{{,]\s*{re.escape(key)}\s*=")
        for index in range(begin, end):
            if pattern.match(self._lines[index]):
                return index + 1
        return begin + 1


# ---------------------------------------------------------------------- tables and their values


class _Table:
    """One table of the file.

    Each reader (`boolean`, `texts`, ...) takes a key that the table has and returns its value. If the value is wrong,
    it complains, and `read` leaves the key out whatever the reader returned.
    """

    def __init__(self, data: Mapping[str, Any], report: Callable[[str, str], None]) -> None:
        """`report`: takes a key and what is wrong with it."""
        self.data = data
        self.faulty: set[str] = set()
        """Keys with a problem, unknown ones included."""
        self._report = report

    def complain(self, key: str, what: str) -> None:
        """Report a problem with a key, and remember the key as faulty."""
        self.faulty.add(key)
        self._report(key, what)

    def read(self, readers: Mapping[str, "_Reader"]) -> dict[str, Any]:
        """The values of all keys that are known and not faulty. Complains of unknown keys. `readers`: one by key."""
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
        """A list of texts, none of them empty."""
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
        """A list of phrases that can be read (`classify.phrases`)."""
        phrases = self.texts(key)
        for phrase in [each for each in phrases if each.strip()]:
            try:
                Phrases[None]().add(phrase, None)  # to see whether it can be read
            except ValueError as error:
                self.complain(key, _("phrase {phrase!r}: {why}").format(phrase=phrase, why=error))
        return phrases

    def regex(self, key: str) -> Any:
        """A regex that RE2 accepts, and that normalised text can match."""
        pattern = self.text(key)
        if pattern is None:
            return None
        try:
            compiled(pattern)
        except re2.error as error:
            [message, *_rest] = error.args
            re2_message = message.decode(errors="replace") if isinstance(message, bytes) else str(error)
            self.complain(
                key,
                _("regex {regex!r}: {why} (RE2: no look-around, no back-references; see `unless`)").format(
                    regex=pattern, why=causes.of_re2(re2_message)
                ),
            )
            return pattern
        unread = [f"`{char}` ({_instead_of(char)})" for char in characters_never_read(pattern)]
        if unread:
            self.complain(
                key,
                _("regex {regex!r}: the text that it reads never has {unread}").format(
                    regex=pattern, unread=", ".join(unread)
                ),
            )
        return pattern

    def intent(self, key: str) -> Any:
        """An intent that a rule may give."""
        return self._known_intent(key, self.data[key])

    def order(self, key: str) -> tuple[tuple[str, ...], ...]:
        """A list of intents in the order in which they decide; a list in it holds intents that rank equally."""
        value = self.data[key]
        entries = value if isinstance(value, list) else [value]
        ranks = [tuple(each) if isinstance(each, list) else (each,) for each in entries]
        known = [self._known_intent(key, intent) for equals in ranks for intent in equals]
        for twice in sorted({each for each in known if each and known.count(each) > 1}):
            self.complain(key, _("`{intent}` is listed twice").format(intent=twice))
        return tuple(ranks)

    def examples(self, key: str) -> tuple[tuple[str, ...], ...]:
        """A list of bursts. A burst is a list of texts, one per message; a text alone is a burst of one message."""
        value = self.data[key]
        if isinstance(value, list):
            bursts = [[each] if isinstance(each, str) else each for each in value]
            if all(isinstance(burst, list) and all(isinstance(text, str) for text in burst) for burst in bursts):
                return tuple(tuple(burst) for burst in bursts)
        self._must_be(key, _("a list of texts (or of lists of texts, for a burst)"))
        return ()

    def when(self, key: str) -> When:
        """The conditions in a table of its own. A problem with one of its keys makes the whole `when` faulty."""
        value = self._of_type(key, dict, _("a {example}").format(example="{ table }"))
        conditions = _Table(value or {}, self._report)
        when = When(**conditions.read(_WHEN_KEYS))
        if conditions.faulty:
            self.faulty.add(key)
        return when

    def rules(self, key: str) -> None:
        """Only checks that it is a list of tables: `_rules` reads them."""
        value = self.data[key]
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.complain(key, _("rules are written as [[rule]] tables"))

    def _of_type(self, key: str, type_: type, allowed: str) -> Any:
        """The value, or None with a complaint if it is of another type. `allowed` says in words what it must be."""
        value = self.data[key]
        if type(value) is type_:  # not isinstance: a bool is no number
            return value
        self._must_be(key, allowed)
        return None

    def _must_be(self, key: str, allowed: str) -> None:
        """Complain of a value of the wrong type. `allowed` says in words what it must be."""
        sentence = _("`{key}` = {value!r}: must be {allowed}")
        self.complain(key, sentence.format(key=key, value=self.data[key], allowed=allowed))

    def _known_intent(self, key: str, value: object) -> str | None:
        """The value, or None with a complaint if it is no intent that a rule may give."""
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
"""The keys of a [[rule]] table, which are the fields of `Rule`, each with its reader."""
_WHEN_KEYS: Final[Mapping[str, _Reader]] = {
    **dict.fromkeys(FLAGS, _Table.boolean),
    "types": _Table.texts,
    "only_types": _Table.texts,
}


def _rules(tables: Sequence[Mapping[str, Any]], problems: _Problems) -> list[Rule | None]:
    """The rules of the file in order; None in place of one with a problem, which is added to `problems`."""
    rules: list[Rule | None] = []
    used: set[str] = set()
    for number, data in enumerate(tables, 1):
        rule_id = data.get("id")
        name = rule_id if isinstance(rule_id, str) and rule_id else _("number {n}").format(n=number)
        table = _Table(data, partial(problems.of_rule, number, name))
        if name in used:
            table.complain("id", _("this id is used twice; each rule has its own"))
        used.add(name)
        rules.append(_rule(table, problems.line_of_rule(number)))
    return rules


def _rule(table: _Table, line: int) -> Rule | None:
    """A rule, or None if there is a problem with it.

    A key that seems to be missing is not complained of if a faulty or an unknown key may be meant for it.
    """
    given = table.read(_RULE_KEYS)
    if "id" not in table.faulty and not given.get("id"):
        table.complain("id", _("every rule has an `id`"))
    if "intent" not in table.data:
        table.complain(
            "intent", _("every rule has an `intent`; allowed: {allowed}").format(allowed=", ".join(_INTENTS))
        )
    rule = Rule(**{"id": "", "intent": "", **given}, line=line)
    has_unknown_keys = not table.faulty <= _RULE_KEYS.keys()
    looks_at_nothing = not (rule.phrases or rule.regex or rule.when != When())
    if looks_at_nothing and not has_unknown_keys and table.faulty.isdisjoint({"phrases", "regex", "when"}):
        table.complain("id", _("it looks at nothing: give it `phrases`, a `regex` or `when`"))
    if rule.beside and not rule.whole and not has_unknown_keys and "whole" not in table.faulty:
        table.complain("beside", _("`beside` says what may stand beside the phrases of a `whole` rule"))
    if rule.whole and rule.regex:
        table.complain("regex", _("`whole` is about phrases; in a regex write ^ and $"))
    return None if table.faulty else rule


def _instead_of(char: str) -> str:
    """Advice: what to write in a regex in place of a character that normalised text never has."""
    word = MONEY if char == "$" else next(iter(words_of(char)), "")
    return _("write `{word}`").format(word=word) if word else _("leave it out")


def _did_you_mean(word: str, known: Collection[str]) -> str:
    """A hint in brackets to append to a sentence; empty if no known word is close."""
    close = nearest(word, known)
    return _(" (did you mean `{close}`?)").format(close=close) if close else ""
