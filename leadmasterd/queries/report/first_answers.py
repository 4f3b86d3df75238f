"""How long leads waited for their first answer by a person. Pure.

Who was never answered is told beside the lengths and is in none of them.
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
"""Below so many answers a 90th percentile would be one person's."""


class Bucket(TypedDict):
    """`up_to_seconds`: None for all that are longer."""

    up_to_seconds: int | None
    leads: int


class Lengths(TypedDict):
    """Of those that were answered. `median_seconds`: None without any; `p90_seconds`: None below `FEW`."""

    buckets: list[Bucket]
    median_seconds: float | None
    p90_seconds: float | None


class FirstAnswers(TypedDict):
    """`leads` = `answered` + `waiting` + `never`; `by_hand` and `not_needed` are not in it."""

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
    """Of leads that wanted an answer: none that a person opened by hand, or said needs none.

    `waiting`: unanswered, and the SLA target is not missed yet. `never`: every other that is unanswered by now;
    `never_waiting` of them still wait.
    """
    wanted = [lead for lead in leads if lead.source != "person"]
    theirs = [lead for lead in wanted if not lead.not_needed]
    answered = [lead for lead in theirs if lead.answered_at is not None]
    waiting = sum(lead.in_time for lead in theirs)
    opened = [length for lead in answered if (length := open_seconds(lead)) is not None]
    return {
        "leads": len(theirs),
        "answered": len(answered),
        "waiting": waiting,
        "never": len(theirs) - len(answered) - waiting,
        "never_waiting": sum(lead.waiting > lead.in_time for lead in theirs),
        "by_hand": len(leads) - len(wanted),
        "not_needed": len(wanted) - len(theirs),
        "within_target": sum(length <= target_seconds for length in opened),
        "open_hours": lengths(opened),
        "wall": lengths([lead.wall_seconds for lead in answered if lead.wall_seconds is not None]),
    }


def lengths(seconds: Sequence[float]) -> Lengths:
    """Buckets, the median (of an even number the mean of the two in the middle) and the 90th percentile.

    That is the shortest length that at least nine in ten do not exceed (nearest rank), so it is somebody's.
    """
    ordered = sorted(seconds)
    bounds = (-math.inf, *LIMITS, math.inf)
    return {
        "buckets": [
            {
                "up_to_seconds": None if upper == math.inf else int(upper),
                "leads": sum(lower < each <= upper for each in ordered),
            }
            for lower, upper in pairwise(bounds)
        ],
        "median_seconds": statistics.median(ordered) if ordered else None,
        "p90_seconds": ordered[-(-len(ordered) * 9 // 10) - 1] if len(ordered) >= FEW else None,
    }
