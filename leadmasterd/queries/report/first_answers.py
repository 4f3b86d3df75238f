"""How long leads waited for their first answer by a person. Pure.

Leads that were never answered are counted on their own; they are in no bucket, median or percentile.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, TypedDict

from leadmasterd.queries.report.opened import OpenedLead

LIMITS: Final = (300, 900, 3600, 4 * 3600, 24 * 3600)
"""The buckets' upper limits in seconds; a length of exactly that is within."""
FEW: Final = 10
"""With fewer answers than this there is no 90th percentile: it would be the wait of one person."""


class Bucket(TypedDict):
    """How many leads waited longer than the bucket before, and at most `up_to_seconds` (None: no limit)."""

    up_to_seconds: int | None
    leads: int


class Lengths(TypedDict):
    """How long the leads that were answered waited.

    `median_seconds`: None without any; `p90_seconds`, the 90th percentile: None with fewer than `FEW`.
    """

    buckets: list[Bucket]
    median_seconds: float | None
    p90_seconds: float | None


class FirstAnswers(TypedDict):
    """What became of the leads that wanted an answer. `leads` = `answered` + `waiting` + `never`.

    `waiting`: unanswered, and the SLA target is not missed yet. `never`: every other that is unanswered by now;
    `never_waiting` of them still wait. Not in `leads` are those opened `by_hand`, whose customer did not ask then, and
    those of which a person said that no answer is needed. `within_target`: of those answered, how many in time.
    `open_hours`: in seconds of opening hours; `wall`: by the clock.
    """

    leads: int
    answered: int
    waiting: int
    never: int
    never_waiting: int
    by_hand: int
    not_needed: int
    within_target: int
    open_hours: Lengths
    wall: Lengths


def first_answers(
    leads: Sequence[OpenedLead],
    target_seconds: float,
    open_seconds: Callable[[OpenedLead], float | None],
) -> FirstAnswers:
    """Count these leads by what became of them, and how long they waited.

    `open_seconds`: tells how many seconds of opening hours a lead waited for its first answer; None if none came.
    """
    asked = [lead for lead in leads if lead.source != "person"]
    counted = [lead for lead in asked if not lead.not_needed]
    answered = [lead for lead in counted if lead.answered_at is not None]
    still_in_time = sum(lead.in_time for lead in counted)
    open_lengths = [seconds for seconds in map(open_seconds, answered) if seconds is not None]
    wall_lengths = [lead.wall_seconds for lead in answered if lead.wall_seconds is not None]
    return {
        "leads": len(counted),
        "answered": len(answered),
        "waiting": still_in_time,
        "never": len(counted) - len(answered) - still_in_time,
        "never_waiting": sum(1 for lead in counted if lead.waiting and not lead.in_time),
        "by_hand": len(leads) - len(asked),
        "not_needed": len(asked) - len(counted),
        "within_target": sum(seconds <= target_seconds for seconds in open_lengths),
        "open_hours": lengths(open_lengths),
        "wall": lengths(wall_lengths),
    }


def lengths(seconds: Sequence[float]) -> Lengths:
    """Sort lengths of waiting, in any order, into buckets; their median and 90th percentile.

    The median of an even number is the mean of the two in the middle. The 90th percentile is the shortest length that
    at least nine in ten do not exceed (nearest rank), so it is one that somebody really waited.
    """
    ordered = sorted(seconds)
    bounds = (-math.inf, *LIMITS, math.inf)
    buckets: list[Bucket] = []
    for lower, upper in pairwise(bounds):
        leads = sum(lower < each <= upper for each in ordered)
        buckets.append({"up_to_seconds": None if upper == math.inf else int(upper), "leads": leads})
    nine_in_ten = math.ceil(len(ordered) * 9 / 10)
    return {
        "buckets": buckets,
        "median_seconds": statistics.median(ordered) if ordered else None,
        "p90_seconds": ordered[nine_in_ten - 1] if len(ordered) >= FEW else None,
    }
