"""What was won and lost in a period, whenever those leads were opened, and why."""

from typing import Final, TypedDict

from leadmasterd.queries.database import Connection, rows
from leadmasterd.queries.report.periods import Window
from leadmasterd.times import iso


class ClosingReason(TypedDict):
    """Leads that ended alike. `intent`: their last closing words; `note`: what a person wrote who closed them."""

    stage: str
    intent: str | None
    note: str | None
    leads: int


class Closings(TypedDict):
    """Leads whose last decision, taken in the period, closed them."""

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
    """The most frequent reason first, in the order of the stages. Discarded ones are counted, not reasoned."""
    found = rows(
        connection,
        f"SELECT stage, intent, note, count(*) AS leads FROM ({_CLOSED}) GROUP BY 1, 2, 3",
        begins=iso(window.begins),
        ends=iso(window.ends),
    )
    by_stage = {
        stage: sum(row["leads"] for row in found if row["stage"] == stage)
        for stage in ("won", "lost", "dormant", "junk")
    }
    reasons: list[ClosingReason] = [
        {"stage": row["stage"], "intent": row["intent"], "note": row["note"], "leads": row["leads"]}
        for row in found
        if row["stage"] != "junk"
    ]
    order = [*by_stage]
    reasons.sort(
        key=lambda each: (
            order.index(each["stage"]),
            -each["leads"],
            each["intent"] is None and each["note"] is None,
            each["intent"] or "",
            each["note"] or "",
        )
    )
    return {
        "won": by_stage["won"],
        "lost": by_stage["lost"],
        "dormant": by_stage["dormant"],
        "junk": by_stage["junk"],
        "reasons": reasons,
    }
