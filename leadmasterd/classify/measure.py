"""Labelled bursts, read and judged: what `rules test` prints. Pure, but for the classifier it is given.

A line is {"texts": [...] or "text": "...", "intent", "also": [...], "context": {"saved_contact", ...}}; any answer in
`also` counts as right, and so does its group. What somebody else keeps beside these (a source, a note) is passed over,
but for what looks like one of these misspelt; a key with null is one that is not there.
"""

import difflib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.intents import FLAGS, GROUP_OF, UNKNOWN, Label, Signals
from leadmasterd.errors import CannotUseLine

_KEYS: Final = ("texts", "text", "intent", "also", "context")


@dataclass(frozen=True, slots=True)
class Case:
    """A burst, what else was known of it, and the answers that are right: the first is the one it is counted under."""

    texts: tuple[str, ...]
    signals: Signals
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """What came of it: each case with its label."""

    judged: tuple[tuple[Case, Label], ...]

    def as_json(self) -> dict[str, Any]:
        """Shares are 0 to 1, or null where there is nothing to divide by."""
        right = [label.intent in case.answers for case, label in self.judged]
        group = [label.group in {GROUP_OF[each] for each in case.answers} for case, label in self.judged]
        labelled = [good for good, (_case, label) in zip(right, self.judged, strict=True) if label.intent != UNKNOWN]
        return {
            "n": len(right),
            "accuracy": {"intent": _share(sum(right), len(right)), "group": _share(sum(group), len(group))},
            "coverage": _share(len(labelled), len(right)),
            "precision_when_labelled": _share(sum(labelled), len(labelled)),
            "by_intent": self._by_intent(),
            "confusion": self.confusion(),
        }

    def _by_intent(self) -> dict[str, dict[str, Any]]:
        expected = Counter(case.answers[0] for case, _label in self.judged)
        given = Counter(label.intent for _case, label in self.judged)
        found = Counter(case.answers[0] for case, label in self.judged if label.intent in case.answers)
        true = Counter(label.intent for case, label in self.judged if label.intent in case.answers)
        return {
            intent: {
                "n": expected[intent],
                "right": _share(found[intent], expected[intent]),
                "labelled": given[intent],
                "precision": _share(true[intent], given[intent]),
            }
            for intent in GROUP_OF
            if expected[intent] or given[intent]
        }

    def confusion(self) -> dict[str, dict[str, int]]:
        """Expected intent, then the label it got, and how often. A label out of `also` stands as the expected one."""
        table: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for case, label in self.judged:
            table[case.answers[0]][case.answers[0] if label.intent in case.answers else label.intent] += 1
        return {
            intent: {got: table[intent][got] for got in GROUP_OF if table[intent][got]}
            for intent in GROUP_OF
            if intent in table
        }


def score(cases: Iterable[Case], classifier: Classifier) -> Score:
    """Classify each."""
    return Score(tuple((case, classifier.classify(case.texts, case.signals)) for case in cases))


def cases_from(lines: Iterable[str], where: str) -> list[Case]:
    """Empty lines are skipped. Raises CannotUseLine for the first that can't be used."""
    return [case_from(line, f"{where}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def case_from(line: str, where: str) -> Case:
    """One line. `where` names file and line for the error."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CannotUseLine(f"cannot use {where}: it is not JSON: {error}") from error
    if not isinstance(entry, dict):
        raise CannotUseLine(f"cannot use {where}: it must be an object like " + '{"text": "...", "intent": "price"}')
    for key in entry:
        if key not in _KEYS and difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.8):
            raise CannotUseLine(f"cannot use {where}: `{key}` is unknown; known here: {', '.join(_KEYS)}")
    given = {key: value for key, value in entry.items() if value is not None}
    return Case(_texts(given, where), _signals(given.get("context", {}), where), _answers(given, where))


def _texts(entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
    texts = entry["texts"] if "texts" in entry else [entry.get("text")]
    if "texts" in entry and "text" in entry:
        raise CannotUseLine(f"cannot use {where}: give `texts` or `text`, not both")
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise CannotUseLine(f"cannot use {where}: `texts` must be a list of texts (or `text` one text)")
    return tuple(texts)


def _answers(entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
    also = entry.get("also", [])
    if not isinstance(also, list):
        raise CannotUseLine(f"cannot use {where}: `also` = {also!r}: must be a list of intents")
    allowed = ", ".join(GROUP_OF)
    if "intent" not in entry:
        raise CannotUseLine(f"cannot use {where}: `intent` is missing; allowed: {allowed}")
    answers: Sequence[Any] = [entry["intent"], *also]
    for each in answers:
        if not isinstance(each, str) or each not in GROUP_OF:
            raise CannotUseLine(f"cannot use {where}: {each!r} is no intent; allowed: {allowed}")
    return tuple(answers)


def _signals(context: Any, where: str) -> Signals:
    """`types` of the burst may be given too; a burst with media has none of its own here."""
    if not isinstance(context, dict):
        raise CannotUseLine(f"cannot use {where}: `context` = {context!r}: must be an object")
    context = {key: value for key, value in context.items() if value is not None}
    for key, value in context.items():
        if key not in (*FLAGS, "types"):
            raise CannotUseLine(f"cannot use {where}: `context.{key}` is unknown; known: {', '.join(FLAGS)}, types")
        if key in FLAGS and not isinstance(value, bool):
            raise CannotUseLine(f"cannot use {where}: `context.{key}` = {value!r}: must be true or false")
    types = context.get("types", [])
    if not isinstance(types, list) or not all(isinstance(each, str) for each in types):
        raise CannotUseLine(f"cannot use {where}: `context.types` = {types!r}: must be a list of message types")
    return Signals(**{key: value for key, value in context.items() if key in FLAGS}, types=tuple(types))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
