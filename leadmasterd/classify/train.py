"""`python -m leadmasterd.classify.train`: learn from the examples that came along and from what people corrected.

A process of its own, because scikit-learn is large and the daemon needs none of it. Reads corrections as JSON lines
{"texts", "intent", "context"}, writes a model file, and prints one JSON object that says what happened. The new
model takes the old one's place only if it is not worse on corrections that it had not seen.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression

from leadmasterd.classify.intents import GROUP_OF
from leadmasterd.classify.model import FORMAT, FORMAT_VERSION, LENGTH_STEP, ZERO, Model, features
from leadmasterd.classify.text import Normalised, normalise

CORRECTION_WEIGHT: Final = 5.0
"""A correction counts as so many examples: fifty of the shop's own words beat a thousand of somebody else's."""
LEAST_CORRECTIONS: Final = 10
"""With fewer there is nothing to measure by, and nothing to be gained."""
PRECISION_AIM: Final = 0.88
"""The threshold is where what the model is surer of than that is right so often, on examples it had not seen."""
_FOLDS: Final = 5
_STRENGTH: Final = 20.0
_LEAST_SEEN: Final = 2
_MOST_FEATURES: Final = 25_000
_LEAST_WEIGHT: Final = 1
"""Of 127: what is below is left out of the file."""


class CannotTrain(Exception):
    """The text names file, line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One burst and what it means."""

    burst: Normalised
    intent: str
    weight: float


def lessons_from(lines: Sequence[str], where: str, weight: float) -> list[Lesson]:
    """Lessons from JSON lines; lines that say the same twice count once. Raises CannotTrain."""
    found: dict[str, Lesson] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            texts, intent = entry["texts"], entry["intent"]
        except (ValueError, TypeError, KeyError) as error:
            raise CannotTrain(f"cannot learn from {where}, line {number}: not a line with texts and intent") from error
        if intent not in GROUP_OF or not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
            raise CannotTrain(f"cannot learn from {where}, line {number}: texts = {texts!r}, intent = {intent!r}")
        burst = normalise(texts)
        if not burst.empty:
            found[burst.text] = Lesson(burst, intent, weight)  # whoever corrects twice means the later
    return list(found.values())


def fit(lessons: Sequence[Lesson], made: str) -> Model:
    """A calibrated model with its threshold, through the very bytes that are written."""
    return Model(document_of(lessons, made))


def document_of(lessons: Sequence[Lesson], made: str) -> dict[str, Any]:
    """The model as it is written to a file."""
    order = sorted(lessons, key=lambda lesson: hashlib.sha256(lesson.burst.text.encode()).digest())
    unseen: list[tuple[Lesson, Model]] = []
    for fold in range(_FOLDS):
        model = Model(_fitted([lesson for n, lesson in enumerate(order) if n % _FOLDS != fold]))
        unseen += [(lesson, model) for lesson in order[fold::_FOLDS]]
    document = _fitted(order)
    heat = _temperature(unseen)
    document["step"] /= heat
    document["bias"] = [round(bias / heat, 4) for bias in document["bias"]]
    document["threshold"] = _threshold(unseen, heat)
    document["made"] = made
    content = json.dumps(document, sort_keys=True).encode()
    document["version"] = hashlib.sha256(content).hexdigest()[:12]
    return document


def _fitted(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Without calibration and threshold."""
    counted = CountVectorizer(analyzer=_features, binary=True, min_df=_LEAST_SEEN)
    inverse = TfidfTransformer()
    seen = inverse.fit_transform(counted.fit_transform([lesson.burst for lesson in lessons]))
    regression = LogisticRegression(C=_STRENGTH, max_iter=300)
    regression.fit(seen, [lesson.intent for lesson in lessons], [lesson.weight for lesson in lessons])
    rarity = np.clip(np.round(inverse.idf_ * LENGTH_STEP), 1, 255)
    weights = regression.coef_ * (rarity / LENGTH_STEP)
    step = float(np.abs(weights).max() / 127)
    bytes_of = np.round(weights / step).astype(int)
    names = counted.get_feature_names_out()
    heaviest = np.argsort(-np.abs(bytes_of).max(axis=0), kind="stable")[:_MOST_FEATURES]
    rows = {}
    for column in sorted(heaviest):
        row = bytearray([int(rarity[column])])
        for intent, weight in enumerate(bytes_of[:, column]):
            if abs(weight) >= _LEAST_WEIGHT:
                row += bytes([intent, int(weight) + ZERO])
        if len(row) > 1:
            rows[str(names[column])] = row.hex()
    return {
        "format": FORMAT,
        "v": FORMAT_VERSION,
        "version": "",
        "made": "",
        "intents": [str(intent) for intent in regression.classes_],
        "bias": [round(float(bias), 4) for bias in regression.intercept_],
        "step": step,
        "threshold": 0.0,
        "features": rows,
    }


def _features(burst: Normalised) -> list[str]:
    return list(features(burst))


def _temperature(unseen: Sequence[tuple[Lesson, Model]]) -> float:
    """What the scores are divided by so that 0.8 means right in four of five."""
    scored = [
        (model.logits(set(features(lesson.burst))), model.intents.index(lesson.intent))
        for lesson, model in unseen
        if lesson.intent in model.intents
    ]

    def surprise(heat: float) -> float:
        total = 0.0
        for logits, right in scored:
            top = max(logits)
            total -= (logits[right] - top) / heat - math.log(sum(math.exp((each - top) / heat) for each in logits))
        return total

    return min((0.3 + 0.05 * n for n in range(60)), key=surprise)


def _threshold(unseen: Sequence[tuple[Lesson, Model]], heat: float) -> float:
    """The least confidence above which PRECISION_AIM holds."""
    judged = []
    for lesson, model in unseen:
        guess = model.guess(lesson.burst, heat)
        judged.append((guess.confidence, guess.intent == lesson.intent))
    right = 0
    threshold = 1.0
    for number, (confidence, good) in enumerate(sorted(judged, reverse=True), 1):
        right += good
        if right / number >= PRECISION_AIM:
            threshold = confidence
    return round(threshold, 3)
