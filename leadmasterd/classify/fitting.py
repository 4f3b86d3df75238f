"""From bursts and their intents to a model's weights: logistic regression, each intent against all others. Pure.

Only `train` imports it: numpy, scipy and scikit-learn are large.

A burst is learned twice, the second time with some of its words replaced by one that nobody has, because every shop has
words that no example has. The regressions stop early, as the best weights for the examples are not the best for others'
words. They are fitted once with all features; then the heaviest weights are fitted again alone, so that they make up
for those that are left out.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from leadmasterd.classify.model import LENGTH_STEP, ZERO, features
from leadmasterd.classify.text import Normalised

_STRENGTH: Final = 20.0
_STEPS: Final = 80
"""Of each of the two fits."""
_LEAST_SEEN: Final = 2
_MOST_FEATURES: Final = 25_000
_MOST_WEIGHTS: Final = 100_000
"""Four of a feature: they decide the size of the file."""
_MISSING: Final = 0.15
"""Share of words that a copy lacks."""
_COPY: Final = 0.5
"""A copy counts as half its burst."""
_NOBODYS: Final = "\0"


def fitted(bursts: Sequence[Normalised], intents: Sequence[str], importance: Sequence[float]) -> dict[str, Any]:
    """`intents`, `bias`, `step` and `features` of a model's document. Each burst has an intent and a weight."""
    counted = CountVectorizer(analyzer=_features, binary=True, min_df=_LEAST_SEEN)
    counted.fit(bursts)
    copies = list(_copies(bursts))
    present = counted.transform([*bursts, *(copy for _number, copy in copies)]).astype(np.float32)
    of = [*range(len(bursts)), *(number for number, _copy in copies)]
    names = sorted(set(intents))
    right = np.array(intents)[of, None] == np.array(names)
    weight = np.array(importance)[of] * np.where(np.arange(len(of)) < len(bursts), 1.0, _COPY) * _STRENGTH

    often = np.asarray(present[: len(bursts)].sum(axis=0)).ravel()
    in_steps = np.log((1 + len(bursts)) / (1 + often)) + 1
    rarity = (np.clip(np.round(in_steps * LENGTH_STEP), 1, 255) / LENGTH_STEP).astype(np.float32)
    all_weights = _regressed(_of_length_one(present, rarity), right, weight)
    heavy = np.abs(all_weights[:-1]) * rarity[:, None]
    columns = np.sort(np.argsort(-heavy.max(axis=1), kind="stable")[:_MOST_FEATURES])
    heavy = heavy[columns]
    kept = heavy >= np.sort(heavy, axis=None)[-min(_MOST_WEIGHTS, heavy.size)]
    columns, kept = columns[kept.any(axis=1)], kept[kept.any(axis=1)]
    start = np.vstack([all_weights[columns] * kept, all_weights[-1:]])
    rarity = rarity[columns]
    weights = _regressed(_of_length_one(present[:, columns], rarity), right, weight, start=start, kept=kept)
    feature_names = counted.get_feature_names_out()[columns]
    step, rows = _rows(feature_names, weights[:-1] * rarity[:, None], rarity)
    return {
        "intents": [str(name) for name in names],
        "bias": [round(float(each), 4) for each in weights[-1]],
        "step": step,
        "features": rows,
    }


def _features(burst: Normalised) -> list[str]:
    return list(features(burst))


def _copies(bursts: Sequence[Normalised]) -> Iterator[tuple[int, Normalised]]:
    """The number of a burst, and the burst with words missing: the same ones each time. A single word has no copy."""
    for number, burst in enumerate(bursts):
        words = burst.text.split()
        if len(words) < 2:
            continue
        draw = random.Random(burst.text)
        missing = {at for at in range(len(words)) if draw.random() < _MISSING} or {draw.randrange(len(words))}
        if len(missing) < len(words):
            text = " ".join(_NOBODYS if at in missing else word for at, word in enumerate(words))
            yield number, burst._replace(text=text)


def _of_length_one(present: Any, rarity: Any) -> Any:
    return normalize(present.multiply(rarity).tocsr()).astype(np.float32)


def _regressed(seen: Any, right: Any, weight: Any, start: Any = None, kept: Any = None) -> Any:
    """Weights by feature and intent; the last row is the bias. `seen`: bursts by features; `right`: bursts by intents.

    All intents at once, since they share `seen`: each step is two products of matrices. `kept`: the weights that may
    differ from 0. One thread, since another number of them adds up in another order.
    """
    across = seen.T.tocsr()
    sign = np.where(right, 1, -1).astype(np.float32)
    weight = weight.astype(np.float32)[:, None]
    shape = (seen.shape[1] + 1, right.shape[1])

    def loss(flat: Any) -> tuple[float, Any]:
        weights = flat.reshape(shape).astype(np.float32)
        margin = sign * (seen @ weights[:-1] + weights[-1])
        slope = -(weight * sign) / (1 + np.exp(np.clip(margin, -30, 30)))
        gradient = weights.astype(np.float64)
        gradient[:-1] += across @ slope
        gradient[-1] += slope.sum(axis=0)
        if kept is not None:
            gradient[:-1] *= kept
        surprise = (weight * np.logaddexp(0, -margin)).sum(dtype=np.float64)
        return float(surprise + 0.5 * (flat**2).sum()), gradient.ravel()

    with threadpool_limits(1):
        flat = np.zeros(shape) if start is None else start.astype(np.float64)
        options = {"maxiter": _STEPS, "maxcor": 8, "ftol": 1e-7, "gtol": 1e-3}
        return minimize(loss, flat.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(shape)


def _rows(names: Sequence[str], weights: Any, rarity: Any) -> tuple[float, dict[str, str]]:
    """The step of the weights, and the rows as the file has them."""
    step = float(np.abs(weights).max() / 127)
    in_steps = np.round(weights / step).astype(int)
    lengths = np.round(rarity * LENGTH_STEP).astype(int)
    rows = {}
    for name, length, steps in zip(names, lengths, in_steps, strict=True):
        pairs = [byte for intent in np.flatnonzero(steps) for byte in (int(intent), int(steps[intent]) + ZERO)]
        if pairs:
            rows[str(name)] = bytes([int(length), *pairs]).hex()
    return step, rows
