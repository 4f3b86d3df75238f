"""Whether what was sampled will pass its ceiling in 30 days. Pure.

A leak raises the floor: memory that is freed late, a burst or a checkpoint raise only the top. So the samples after the
warm-up are cut into blocks, and of each block the lowest value counts, which also leaves little of what makes
neighbours alike. The slope is Theil and Sen's, the median of the slopes between all pairs, and its bounds are Sen's,
from the ranks of those slopes (Sen 1968, "Estimates of the regression coefficient based on Kendall's tau"). Noise
passes a bound of 99 % once in a hundred series. What levels off is steep at first: the latter half alone must be steep
too, and not much flatter than the first.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final, Literal, TypedDict

DAYS: Final = 30
WARM_UP: Final = 0.2
"""The first part of the samples, in which caches fill and the page settles."""
BLOCKS: Final = 24
FEWEST_BLOCKS: Final = 12
"""With fewer, half of them have no bounds."""
IN_A_BLOCK: Final = 3
"""Samples, at least."""
SURE: Final = 2.326
"""Standard deviations of a bound that holds in 99 of 100 series, to one side."""
SETTLING: Final = 0.7
"""A latter half that has less than this part of the slope of the first levels off."""

Verdict = Literal["holds", "passes", "unclear", "too short"]
VERDICTS: Final = {
    "holds": "it stays below its ceiling",
    "passes": "it passes its ceiling",
    "unclear": "this run is too short to tell",
    "too short": "too few samples",
}


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A series and what it may be."""

    name: str
    unit: str
    most: float
    """In the unit."""
    why: str
    by_message: bool = False
    """The slope itself is judged, by message, and not what it comes to in 30 days."""
    fills: float = 0
    """Up to here it grows by design; until it has been above, its slope tells nothing."""


class Judged(TypedDict):
    """What became of a series, in its unit. Slopes are by day of the shop, or by message where the ceiling is.

    A bound that too few samples leave open is None.
    """

    name: str
    unit: str
    ceiling: float
    by_message: bool
    now: float | None
    slope: float | None
    slope_low: float | None
    slope_high: float | None
    carried_on: float | None
    """What the slope comes to in 30 days; where a message is judged, the slope again."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Slope:
    """The median of the slopes between all pairs, and the bounds that hold 99 times in a hundred, each to its side."""

    middle: float
    low: float
    high: float


def judge(ceiling: Ceiling, xs: Sequence[float], ys: Sequence[float]) -> Judged:
    """Judge the values `ys` at `xs`: days of the shop, or messages. They are in the order of time."""
    judged = Judged(
        name=ceiling.name,
        unit=ceiling.unit,
        ceiling=ceiling.most,
        by_message=ceiling.by_message,
        now=ys[-1] if ys else None,
        slope=None,
        slope_low=None,
        slope_high=None,
        carried_on=None,
        verdict="too short",
    )
    blocks = floors(xs, ys)
    if len(blocks) < FEWEST_BLOCKS:
        return judged
    middle = len(blocks) // 2
    half = blocks[middle:]
    whole, early, late = slope(blocks), slope(blocks[:middle]), slope(half)
    now = statistics.median(y + late.middle * (half[-1][0] - x) for x, y in half)
    surely = min(whole.low, late.low)
    if ceiling.by_message:
        carried, at_least, at_most = late.middle, surely, late.high
        settles = False
    else:
        carried = max(0.0, now + late.middle * DAYS)
        at_least, at_most = now + max(0.0, surely) * DAYS, now + max(0.0, late.high) * DAYS
        settles = now <= ceiling.most and late.middle < SETTLING * early.middle
    verdict: Verdict = "unclear"
    if at_most <= ceiling.most:
        verdict = "holds"
    elif at_least > ceiling.most and not settles and max(ys) > ceiling.fills:
        verdict = "passes"
    judged["now"], judged["carried_on"], judged["verdict"] = now, carried, verdict
    judged["slope"], judged["slope_low"], judged["slope_high"] = late.middle, _finite(late.low), _finite(late.high)
    return judged


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def floors(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    """The lowest value of each block after the warm-up, with its x."""
    points = list(zip(xs, ys, strict=True))
    points = points[math.ceil(len(points) * WARM_UP) :]
    blocks = min(BLOCKS, len(points) // IN_A_BLOCK)
    edges = [len(points) * number // blocks for number in range(blocks + 1)] if blocks else []
    return [min(points[start:end], key=lambda point: point[1]) for start, end in pairwise(edges)]


def slope(points: Sequence[tuple[float, float]]) -> Slope:
    """Theil and Sen's slope of at least two points with different x, and Sen's bounds."""
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] > a[0])
    n = len(points)
    apart = SURE * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = math.floor((len(slopes) - apart) / 2) - 1, math.ceil((len(slopes) + apart) / 2)
    return Slope(
        statistics.median(slopes),
        slopes[low] if low >= 0 else -math.inf,
        slopes[high] if high < len(slopes) else math.inf,
    )
