"""What was won and lost in a period, whenever those leads were opened, and why."""

from typing import Final, TypedDict

from leadmasterd.queries.database import Connection, rows
from leadmasterd.queries.report.periods import Window
from leadmasterd.times import iso


class ClosingReason(TypedDict):
    """How many leads ended in the same way.

    `intent`: what the customers' last closing words were classified as; `note`: what the person wrote who closed them.
    None where there are none.
    """

    stage: str
    intent: str | None
    note: str | None
    leads: int


class Closings(TypedDict):
    """How many leads are closed by a decision of the period, by stage, and why."""

    won: int
    lost: int
    dormant: int
    junk: int
    reasons: list[ClosingReason]


_CLOSED: Final = """
    SELECT l.stage, (SELECT e.after FROM lead_events e WHERE e.lead_id = l.lead_id AND e.kind = 'proposed'
               AND e.at <= l.stage_at AND l.stage <> 'won' ORDER BY e.at DESC, e.event_id DESC LIMIT 1) AS intent,
           (SELECT nullif(trim(d.note), '') FROM decisions d WHERE d.conversation_id = l.conversation_id
               AND d.at = l.stage_at AND d.stage = l.stage AND d.undone_at IS NULL
               ORDER BY d.decision_id DESC LIMIT 1) AS note
    FROM leads l WHERE l.stage IN ('won', 'lost', 'dormant', 'junk') AND l.stage_at >= :begins AND l.stage_at < :ends
"""


def closings(connection: Connection, window: Window) -> Closings:
    """Leads that were closed in the window, whenever they were opened.

    Reasons are in the order of the stages, in each the most frequent first. Discarded leads (`junk`) are counted, but
    have no reasons.
    """
    found = rows(
        connection,
        f"SELECT stage, intent, note, count(*) AS leads FROM ({_CLOSED}) GROUP BY 1, 2, 3",
        begins=iso(window.begins),
        ends=iso(window.ends),
    )
    stages = ("won", "lost", "dormant", "junk")
    by_stage = {stage: sum(row["leads"] for row in found if row["stage"] == stage) for stage in stages}
    reasons: list[ClosingReason] = [
        {"stage": row["stage"], "intent": row["intent"], "note": row["note"], "leads": row["leads"]}
        for row in found
        if row["stage"] != "junk"
    ]
    reasons.sort(key=lambda reason: (stages.index(reason["stage"]), *_within_stage(reason)))
    return {
        "won": by_stage["won"],
        "lost": by_stage["lost"],
        "dormant": by_stage["dormant"],
        "junk": by_stage["junk"],
        "reasons": reasons,
    }


def _within_stage(reason: ClosingReason) -> tuple[int, bool, str, str]:
    """A sort key within one stage: the most frequent reason first; of equally frequent ones, no reason at all last."""
    is_unknown = reason["intent"] is None and reason["note"] is None
    return -reason["leads"], is_unknown, reason["intent"] or "", reason["note"] or ""
