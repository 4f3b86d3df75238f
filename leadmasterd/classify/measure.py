"""Measures a classifier: reads labelled bursts from JSON lines, classifies them, and counts the right answers. Pure.

A line is {"texts": [...] or "text": "...", "intent", "also": [...], "context": {"saved_contact", ...}}. Any intent in
`also` counts as right, and so does its group. Other keys (a source, a note) are ignored, unless they look like a known
key misspelt; null is the same as no key. `train` learns from the same lines.
"""

import difflib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NotRequired, TypedDict

from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.intents import FLAGS, GROUP_OF, UNKNOWN, Label, Signals
from leadmasterd.errors import CannotUseLine
from leadmasterd.text import _

_KEYS: Final = ("texts", "text", "intent", "also", "context")


class Accuracy(TypedDict):
    """Shares of the bursts whose label has the right intent, and the right group; 0 to 1."""

    intent: float
    group: float


class IntentFigures(TypedDict):
    """The figures of one intent. Shares are 0 to 1; null where there is nothing to divide by."""

    n: int
    """Bursts that should get it."""
    right: float | None
    """The share of these with a right label (recall)."""
    labelled: int
    """Bursts that got it."""
    precision: float | None
    """The share of these for which it is right."""


class Figures(TypedDict):
    """The answer of `rules test`. Shares are 0 to 1; null where there is nothing to divide by."""

    n: int
    """How many bursts."""
    accuracy: Accuracy
    coverage: float
    """The share of bursts with another label than `unknown`."""
    precision_when_labelled: float | None
    """The share of these for which the label is right."""
    by_intent: dict[str, IntentFigures]
    confusion: dict[str, dict[str, int]]
    """See `Score.confusion`."""


class Training(TypedDict):
    """The outcome of a training; see `train.train`."""

    result: Literal["too_few", "kept", "replaced"]
    """Whether the model was replaced or kept, or there were too few new corrections to train."""
    corrections: int
    """How many corrections there are."""
    new: int
    """How many of them the current model has not learned from."""
    version: str
    """The version of the model that is in use from now on."""
    needed: NotRequired[int]
    """With `too_few`: how many new corrections it takes."""
    right_before: NotRequired[int]
    right_after: NotRequired[int]
    """How many of the new corrections the current model and the new one guess right. Not with `too_few`."""


class TrainingRecord(Training):
    """The answer of `rules train`: the outcome, and the path of the model's file."""

    model: str


@dataclass(frozen=True, slots=True)
class Case:
    """A burst of which the right answers are known."""

    texts: tuple[str, ...]
    signals: Signals
    answers: tuple[str, ...]
    """Intents, at least one: `intent` of the line, which the case is counted under, and then those of `also`."""

    @property
    def expected(self) -> str:
        """The intent that the case is counted under."""
        return self.answers[0]


@dataclass(frozen=True, slots=True)
class Score:
    """At least one case, each with the label it got."""

    labelled: tuple[tuple[Case, Label], ...]

    def as_json(self) -> Figures:
        """All figures, as `rules test --json` prints them."""
        is_right = [label.intent in case.answers for case, label in self.labelled]
        is_right_group = [label.group in {GROUP_OF[each] for each in case.answers} for case, label in self.labelled]
        is_labelled = [label.intent != UNKNOWN for _case, label in self.labelled]
        right_when_labelled = sum(right for right, labelled in zip(is_right, is_labelled, strict=True) if labelled)
        n = len(self.labelled)
        return {
            "n": n,
            "accuracy": {"intent": round(sum(is_right) / n, 4), "group": round(sum(is_right_group) / n, 4)},
            "coverage": round(sum(is_labelled) / n, 4),
            "precision_when_labelled": _share(right_when_labelled, sum(is_labelled)),
            "by_intent": self._by_intent(),
            "confusion": self.confusion(),
        }

    def _by_intent(self) -> dict[str, IntentFigures]:
        """The figures of each intent that some case expects or got. A label in `also` is right too."""
        right = [(case, label) for case, label in self.labelled if label.intent in case.answers]
        expected = Counter(case.expected for case, _label in self.labelled)
        given = Counter(label.intent for _case, label in self.labelled)
        right_by_expected = Counter(case.expected for case, _label in right)
        right_by_given = Counter(label.intent for _case, label in right)
        return {
            intent: {
                "n": expected[intent],
                "right": _share(right_by_expected[intent], expected[intent]),
                "labelled": given[intent],
                "precision": _share(right_by_given[intent], given[intent]),
            }
            for intent in GROUP_OF
            if expected[intent] or given[intent]
        }

    def confusion(self) -> dict[str, dict[str, int]]:
        """How often each expected intent got each label. A label that is in `also` counts as the expected one."""
        table: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for case, label in self.labelled:
            got = case.expected if label.intent in case.answers else label.intent
            table[case.expected][got] += 1
        return {
            intent: {got: table[intent][got] for got in GROUP_OF if table[intent][got]}
            for intent in GROUP_OF
            if intent in table
        }


def score(cases: Iterable[Case], classifier: Classifier) -> Score:
    """Classify each case. There must be at least one."""
    return Score(tuple((case, classifier.classify(case.texts, case.signals)) for case in cases))


def cases_from(lines: Iterable[str], where: str) -> list[Case]:
    """The cases in these lines; empty lines are skipped. Raises CannotUseLine, which names every bad line.

    `where`: what errors call the file.
    """
    cases, problems = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            cases.append(case_from(line, _("{where}, line {line}").format(where=where, line=number)))
        except CannotUseLine as error:
            problems.append(str(error))
    if problems:
        raise CannotUseLine("\n".join(problems))
    return cases


def case_from(line: str, where: str) -> Case:
    """The case in one line. Raises CannotUseLine; `where` names file and line there."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CannotUseLine(_("cannot use {where}: it is not JSON").format(where=where)) from error
    if not isinstance(entry, dict):
        raise CannotUseLine(
            _("cannot use {where}: it must be an object like {example}").format(
                where=where, example='{"text": "...", "intent": "price"}'
            )
        )
    for key in entry:
        if key not in _KEYS and difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.8):
            raise CannotUseLine(
                _("cannot use {where}: `{key}` is unknown; known here: {known}").format(
                    where=where, key=key, known=", ".join(_KEYS)
                )
            )
    given = {key: value for key, value in entry.items() if value is not None}
    return Case(_texts(given, where), _signals(given.get("context", {}), where), _answers(given, where))


def _texts(entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The messages of the burst, given as `texts` or as one `text`. Raises CannotUseLine."""
    texts = entry["texts"] if "texts" in entry else [entry.get("text")]
    if "texts" in entry and "text" in entry:
        raise CannotUseLine(_("cannot use {where}: give `texts` or `text`, not both").format(where=where))
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise CannotUseLine(
            _("cannot use {where}: `texts` must be a list of texts (or `text` one text)").format(where=where)
        )
    return tuple(texts)


def _answers(entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """`intent`, and then those in `also`. Raises CannotUseLine."""
    also = entry.get("also", [])
    if not isinstance(also, list):
        raise CannotUseLine(_must_be(where, "also", also, _("a list of intents")))
    allowed = ", ".join(GROUP_OF)
    if "intent" not in entry:
        raise CannotUseLine(
            _("cannot use {where}: `intent` is missing; allowed: {allowed}").format(where=where, allowed=allowed)
        )
    answers: Sequence[Any] = [entry["intent"], *also]
    for each in answers:
        if not isinstance(each, str) or each not in GROUP_OF:
            raise CannotUseLine(
                _("cannot use {where}: {value!r} is no intent; allowed: {allowed}").format(
                    where=where, value=each, allowed=allowed
                )
            )
    return tuple(answers)


def _signals(context: Any, where: str) -> Signals:
    """The signals in a line's `context`, which are all optional. Raises CannotUseLine."""
    if not isinstance(context, dict):
        raise CannotUseLine(_must_be(where, "context", context, _("an object")))
    context = {key: value for key, value in context.items() if value is not None}
    for key, value in context.items():
        if key not in (*FLAGS, "types"):
            raise CannotUseLine(
                _("cannot use {where}: `{key}` is unknown; known here: {known}").format(
                    where=where, key=f"context.{key}", known=", ".join((*FLAGS, "types"))
                )
            )
        if key in FLAGS and not isinstance(value, bool):
            raise CannotUseLine(_must_be(where, f"context.{key}", value, _("true or false")))
    types = context.get("types", [])
    if not isinstance(types, list) or not all(isinstance(each, str) for each in types):
        raise CannotUseLine(_must_be(where, "context.types", types, _("a list of message types")))
    return Signals(**{key: value for key, value in context.items() if key in FLAGS}, types=tuple(types))


def _must_be(where: str, key: str, value: object, allowed: str) -> str:
    """The sentence about a value of the wrong type. `allowed` says in words what it must be."""
    return _("cannot use {source}: `{key}` = {value}: must be {allowed}").format(
        source=where, key=key, value=repr(value), allowed=allowed
    )


def _share(part: int, whole: int) -> float | None:
    """0 to 1; None if there is nothing to divide by."""
    return round(part / whole, 4) if whole else None
