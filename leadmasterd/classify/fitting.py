"""From bursts and their intents to a model's weights: logistic regression, each intent against all others. Pure.

Only `train` imports it: numpy and scipy are large.

A burst is learned three times, twice with some of its words replaced by one that nobody has, because every shop has
words that no example has. The regressions stop early, as the best weights for the examples are not the best for others'
words. They are fitted once with all features; then the heaviest weights are fitted again alone, so that they make up
for those that are left out. One intent is fitted after the other: L-BFGS holds some thirty vectors of all weights.
"""

import random
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from leadmasterd.classify.model import LENGTH_STEP, ZERO, features
from leadmasterd.classify.text import Normalised

_STRENGTH: Final = 20.0
_STEPS: Final = 24
"""Of each fit of an intent."""
_LEAST_SEEN: Final = 2
_MOST_FEATURES: Final = 25_000
_MOST_WEIGHTS: Final = 100_000
"""Four of a feature: they decide the size of the file."""
_MISSING: Final = 0.15
"""Share of words that a copy lacks."""
_COPIES: Final = 2
_COPY: Final = 0.25
"""A copy counts as a quarter of its burst."""
_NOBODYS: Final = "\0"


def fitted(bursts: Sequence[Normalised], intents: Sequence[str], importance: Sequence[float]) -> dict[str, Any]:
    """`intents`, `bias`, `step` and `features` of a model's document. Each burst has an intent and a weight."""
    names = sorted(set(intents))
    known = _known(bursts)
    copies = list(_copies(bursts))
    seen = _present([*bursts, *(copy for _number, copy in copies)], known)
    of = np.array([*range(len(bursts)), *(number for number, _copy in copies)])
    del copies
    right = np.array([names.index(intent) for intent in intents])[of]
    weight = np.array(importance)[of] * np.where(np.arange(len(of)) < len(bursts), 1.0, _COPY) * _STRENGTH

    often = np.bincount(seen.indices[: seen.indptr[len(bursts)]], minlength=len(known))
    in_steps = np.clip(np.round((np.log((1 + len(bursts)) / (1 + often)) + 1) * LENGTH_STEP), 1, 255)
    rarity = (in_steps / LENGTH_STEP).astype(np.float32)
    seen.data *= rarity[seen.indices]
    _make_of_length_one(seen)
    weights = np.column_stack([_regressed(seen, right == intent, weight) for intent in range(len(names))])

    heavy = np.abs(weights[:-1]) * rarity[:, None]
    columns = np.sort(np.argsort(-heavy.max(axis=1), kind="stable")[:_MOST_FEATURES])
    heavy = heavy[columns]
    kept = heavy >= np.sort(heavy, axis=None)[-min(_MOST_WEIGHTS, heavy.size)]
    columns, kept = columns[kept.any(axis=1)], kept[kept.any(axis=1)]
    seen = seen[:, columns]
    _make_of_length_one(seen)
    weights = np.vstack([weights[columns] * kept, weights[-1:]])
    for intent in range(len(names)):
        own = np.flatnonzero(kept[:, intent])
        of_own = [*own, -1]
        weights[of_own, intent] = _regressed(seen[:, own], right == intent, weight, start=weights[of_own, intent])

    rarity = rarity[columns]
    all_features = list(known)
    step, rows = _rows([all_features[each] for each in columns], weights[:-1] * rarity[:, None], rarity)
    return {
        "intents": names,
        "bias": [round(float(each), 4) for each in weights[-1]],
        "step": step,
        "features": rows,
    }


def _known(bursts: Iterable[Normalised]) -> Mapping[str, int]:
    """The features that several bursts have, in order, each with its column."""
    often: Counter[str] = Counter()
    for burst in bursts:
        often.update(set(features(burst)))
    several = sorted(name for name, bursts_with in often.items() if bursts_with >= _LEAST_SEEN)
    return {name: column for column, name in enumerate(several)}


def _present(bursts: Sequence[Normalised], known: Mapping[str, int]) -> Any:
    """Bursts by features: 1 where a burst has the feature."""
    columns, ends = array("i"), array("i", [0])
    for burst in bursts:
        columns.extend(sorted({known[name] for name in features(burst) if name in known}))
        ends.append(len(columns))
    ones = np.ones(len(columns), np.float32)
    shape = (len(bursts), len(known))
    return csr_matrix((ones, np.frombuffer(columns, np.intc), np.frombuffer(ends, np.intc)), shape=shape)


def _copies(bursts: Sequence[Normalised]) -> Iterator[tuple[int, Normalised]]:
    """The number of a burst, and the burst with words missing: the same ones each time. A single word has no copy."""
    for turn in range(_COPIES):
        for number, burst in enumerate(bursts):
            words = burst.text.split()
            if len(words) < 2:
                continue
            draw = random.Random(burst.text + _NOBODYS * turn)
            missing = {at for at in range(len(words)) if draw.random() < _MISSING} or {draw.randrange(len(words))}
            if len(missing) < len(words):
                text = " ".join(_NOBODYS if at in missing else word for at, word in enumerate(words))
                yield number, burst._replace(text=text)


def _make_of_length_one(seen: Any) -> None:
    """Each row, but those that are empty."""
    entries = np.diff(seen.indptr)
    filled = np.flatnonzero(entries)
    lengths = np.sqrt(np.add.reduceat(seen.data * seen.data, seen.indptr[filled]))
    seen.data /= np.repeat(lengths, entries[filled])


def _regressed(seen: Any, right: Any, weight: Any, start: Any = None) -> Any:
    """Weights by feature; the last is the bias. `seen`: bursts by features; `right`, `weight`: by burst.

    One thread, since another number of them adds up in another order.
    """
    across = seen.T
    sign = np.where(right, 1, -1).astype(np.float32)
    weight = weight.astype(np.float32)

    def loss(flat: Any) -> tuple[float, Any]:
        weights = flat.astype(np.float32)
        margin = sign * (seen @ weights[:-1] + weights[-1])
        slope = -(weight * sign) / (1 + np.exp(np.clip(margin, -30, 30)))
        gradient = flat.copy()
        gradient[:-1] += across @ slope
        gradient[-1] += slope.sum()
        surprise = (weight * np.logaddexp(0, -margin)).sum(dtype=np.float64)
        return float(surprise + 0.5 * (flat**2).sum()), gradient

    with threadpool_limits(1):
        flat = np.zeros(seen.shape[1] + 1) if start is None else start
        options = {"maxiter": _STEPS, "maxcor": 8, "ftol": 1e-7, "gtol": 1e-3}
        return minimize(loss, flat, jac=True, method="L-BFGS-B", options=options).x


def _rows(names: Sequence[str], weights: Any, rarity: Any) -> tuple[float, dict[str, str]]:
    """The step of the weights, and the rows as the file has them."""
    step = float(np.abs(weights).max() / 127)
    in_steps = np.round(weights / step).astype(int)
    lengths = np.round(rarity * LENGTH_STEP).astype(int)
    rows = {}
    for name, length, steps in zip(names, lengths, in_steps, strict=True):
        pairs = [byte for intent in np.flatnonzero(steps) for byte in (int(intent), int(steps[intent]) + ZERO)]
        if pairs:
            rows[name] = bytes([int(length), *pairs]).hex()
    return step, rows
