"""Fits a model's weights to bursts and their intents: logistic regression, each intent against all others. Pure.

Only `train` imports it, since numpy and scipy are large. `model` says how the weights are used and written.

Each burst is learned three times: as it is, and as two copies with some words replaced by one that nobody uses, because
every shop has words that no example has (word dropout). The regressions stop early: the best weights for the examples
are not the best for others' words. First all weights are fitted; then the heaviest alone are fitted again, so that they
make up for those that are left out. Intents are fitted one after the other to save memory: L-BFGS holds some thirty
vectors, each as long as all weights of a fit.
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

from leadmasterd.classify.model import RARITY_STEPS, ZERO, features
from leadmasterd.classify.text import Normalised

_STRENGTH: Final = 20.0
"""How much errors on the examples cost, compared with what large weights cost: scikit-learn calls it C."""
_STEPS: Final = 24
"""The most steps of L-BFGS in each fit of an intent."""
_LEAST_BURSTS: Final = 2
"""Bursts that must have a feature for it to be learned."""
_MOST_FEATURES: Final = 25_000
_MOST_WEIGHTS: Final = 100_000
"""On average four for each feature. These two limits decide the size of the file."""
_DROPPED: Final = 0.15
"""The share of a burst's words that are replaced in a copy."""
_COPIES: Final = 2
"""How many copies are made of each burst."""
_COPY_WEIGHT: Final = 0.25
"""What a copy counts, when its burst counts 1."""
_NOBODYS_WORD: Final = "\0"


def fitted(bursts: Sequence[Normalised], intents: Sequence[str], importance: Sequence[float]) -> dict[str, Any]:
    """`intents`, `bias`, `step` and `features` of a model's document.

    `intents`, `importance`: the intent of each burst, and how much the burst counts. The same input gives the same
    weights.
    """
    names = sorted(set(intents))
    known = _known_features(bursts)
    copies = list(_copies(bursts))
    matrix = _matrix([*bursts, *(copy for _number, copy in copies)], known)
    burst_of_row = np.array([*range(len(bursts)), *(number for number, _copy in copies)])
    del copies
    intent_of_row = np.array([names.index(intent) for intent in intents])[burst_of_row]
    is_burst = np.arange(len(burst_of_row)) < len(bursts)
    row_weight = np.array(importance)[burst_of_row] * np.where(is_burst, 1.0, _COPY_WEIGHT) * _STRENGTH

    # How rare a feature is depends on the bursts alone, whose rows come before those of the copies.
    columns_of_bursts = matrix.indices[: matrix.indptr[len(bursts)]]
    rarity = _rarity(np.bincount(columns_of_bursts, minlength=len(known)), len(bursts))
    matrix.data *= rarity[matrix.indices]
    _scale_rows_to_length_one(matrix)
    weights = np.column_stack([_regressed(matrix, intent_of_row == each, row_weight) for each in range(len(names))])

    # A feature's value in a burst is its rarity, so rarity times weight is what it adds to a score.
    columns, kept = _heaviest(np.abs(weights[:-1]) * rarity[:, None])
    matrix = matrix[:, columns]
    _scale_rows_to_length_one(matrix)
    weights = np.vstack([weights[columns] * kept, weights[-1:]])
    for intent in range(len(names)):
        own_columns = np.flatnonzero(kept[:, intent])
        own = [*own_columns, -1]  # and the bias, which is last
        weights[own, intent] = _regressed(
            matrix[:, own_columns], intent_of_row == intent, row_weight, start=weights[own, intent]
        )

    rarity = rarity[columns]
    all_features = list(known)
    step, rows = _rows([all_features[each] for each in columns], weights[:-1] * rarity[:, None], rarity)
    return {
        "intents": names,
        "bias": [round(float(each), 4) for each in weights[-1]],
        "step": step,
        "features": rows,
    }


def _known_features(bursts: Iterable[Normalised]) -> Mapping[str, int]:
    """The features that at least `_LEAST_BURSTS` bursts have, sorted by name, each with its column in the matrix."""
    counts: Counter[str] = Counter()
    for burst in bursts:
        counts.update(set(features(burst)))
    known = sorted(name for name, count in counts.items() if count >= _LEAST_BURSTS)
    return {name: column for column, name in enumerate(known)}


def _matrix(bursts: Sequence[Normalised], known: Mapping[str, int]) -> Any:
    """A sparse matrix with a row for each burst and a column for each known feature: 1 where the burst has it."""
    columns, ends = array("i"), array("i", [0])
    for burst in bursts:
        columns.extend(sorted({known[name] for name in features(burst) if name in known}))
        ends.append(len(columns))
    ones = np.ones(len(columns), np.float32)
    shape = (len(bursts), len(known))
    return csr_matrix((ones, np.frombuffer(columns, np.intc), np.frombuffer(ends, np.intc)), shape=shape)


def _copies(bursts: Sequence[Normalised]) -> Iterator[tuple[int, Normalised]]:
    """Copies of the bursts with some words replaced, each with the index of its burst.

    At least one word is replaced and one stays, so a single word has no copies. The same bursts have the same copies.
    """
    for turn in range(_COPIES):
        for number, burst in enumerate(bursts):
            words = burst.text.split()
            if len(words) < 2:
                continue
            draw = random.Random(burst.text + _NOBODYS_WORD * turn)  # the text is the seed
            dropped = {at for at in range(len(words)) if draw.random() < _DROPPED} or {draw.randrange(len(words))}
            if len(dropped) < len(words):
                text = " ".join(_NOBODYS_WORD if at in dropped else word for at, word in enumerate(words))
                yield number, burst._replace(text=text)


def _rarity(counts: Any, bursts: int) -> Any:
    """How much each feature counts in a burst: more if fewer bursts have it (inverse document frequency).

    `counts`: how many of all `bursts` have each feature. The result is rounded to steps of 1 / `RARITY_STEPS`, at most
    255 of them, because the file has one byte for it.
    """
    inverse_frequency = np.log((1 + bursts) / (1 + counts)) + 1
    in_steps = np.clip(np.round(inverse_frequency * RARITY_STEPS), 1, 255)
    return (in_steps / RARITY_STEPS).astype(np.float32)


def _heaviest(heavy: Any) -> tuple[Any, Any]:
    """Which weights are kept: the columns of their features, and for each of these columns which intents keep theirs.

    `heavy`: how heavy all weights are, by feature and intent. At most `_MOST_FEATURES` features have any weight, and
    all together have `_MOST_WEIGHTS`, or a few more if several are equal to the smallest.
    """
    columns = np.sort(np.argsort(-heavy.max(axis=1), kind="stable")[:_MOST_FEATURES])
    heavy = heavy[columns]
    smallest = np.sort(heavy, axis=None)[-min(_MOST_WEIGHTS, heavy.size)]
    kept = heavy >= smallest
    has_any = kept.any(axis=1)
    return columns[has_any], kept[has_any]


def _scale_rows_to_length_one(matrix: Any) -> None:
    """Divide each row by its Euclidean length, in place. Empty rows stay empty."""
    entries = np.diff(matrix.indptr)
    filled = np.flatnonzero(entries)  # the rows that are not empty
    lengths = np.sqrt(np.add.reduceat(matrix.data * matrix.data, matrix.indptr[filled]))
    matrix.data /= np.repeat(lengths, entries[filled])


def _regressed(matrix: Any, is_intent: Any, row_weight: Any, start: Any = None) -> Any:
    """The weights of one intent against all others, by column; the bias is last.

    `is_intent`, `row_weight`: for each row of the matrix, whether it has the intent, and how much it counts. `start`:
    the weights to begin with, 0 if None. It runs in one thread, since several would add up in another order.
    """
    transposed = matrix.T
    sign = np.where(is_intent, 1, -1).astype(np.float32)
    row_weight = row_weight.astype(np.float32)

    def loss(weights_and_bias: Any) -> tuple[float, Any]:
        """The logistic loss with L2 regularisation, and its gradient."""
        weights = weights_and_bias.astype(np.float32)
        margin = sign * (matrix @ weights[:-1] + weights[-1])
        slope = -(row_weight * sign) / (1 + np.exp(np.clip(margin, -30, 30)))
        gradient = weights_and_bias.copy()
        gradient[:-1] += transposed @ slope
        gradient[-1] += slope.sum()
        log_loss = (row_weight * np.logaddexp(0, -margin)).sum(dtype=np.float64)
        return float(log_loss + 0.5 * (weights_and_bias**2).sum()), gradient

    with threadpool_limits(1):
        first = np.zeros(matrix.shape[1] + 1) if start is None else start
        options = {"maxiter": _STEPS, "maxcor": 8, "ftol": 1e-7, "gtol": 1e-3}
        return minimize(loss, first, jac=True, method="L-BFGS-B", options=options).x


def _rows(names: Sequence[str], weights: Any, rarity: Any) -> tuple[float, dict[str, str]]:
    """The `step` and `features` of the file: the size of one step of a weight, and each feature's row of bytes in hex.

    A row has the feature's rarity, in steps of 1 / `RARITY_STEPS`. Then it has two bytes for each intent for which the
    weight is not 0: the index of the intent, and the weight in steps, plus `ZERO`. A feature without any such weight is
    left out.

    `weights`: by feature and intent, already multiplied by the feature's rarity.
    """
    step = float(np.abs(weights).max() / 127)  # so that each weight in steps, plus `ZERO`, fits into a byte
    weights_in_steps = np.round(weights / step).astype(int)
    rarity_in_steps = np.round(rarity * RARITY_STEPS).astype(int)
    rows = {}
    for name, its_rarity, its_weights in zip(names, rarity_in_steps, weights_in_steps, strict=True):
        pairs: list[int] = []
        for intent in np.flatnonzero(its_weights):
            pairs += [int(intent), int(its_weights[intent]) + ZERO]
        if pairs:
            rows[name] = bytes([int(its_rarity), *pairs]).hex()
    return step, rows
