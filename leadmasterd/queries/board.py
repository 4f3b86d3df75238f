"""The board: open leads in columns by stage, and which of them need attention.

A lead is stuck (too long in one stage), unplanned (nobody waits and no follow-up is planned) or silent (quoted, and
the customer has not written since).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypedDict, cast

from leadmasterd.leads.fold import QUOTE_DAYS
from leadmasterd.leads.stages import OPEN
from leadmasterd.queries.database import Connection, rows
from leadmasterd.queries.leads import count_pending, visible_name
from leadmasterd.queries.people import DISPLAY_NAME
from leadmasterd.times import iso

Only = Literal["stuck", "unplanned", "silent"]
"""Which leads the cards are limited to."""


class Card(TypedDict):
    """An open lead. `stage_at`: since when it has been in its stage.

    `stuck`: for too many days. `unplanned`: nobody waits for an answer and no follow-up is planned. `silent`: it is
    quoted, and the customer has not written since. `follow_up_at`: when the next planned follow-up is due.
    """

    lead_id: int
    conversation_id: int
    chat: str
    who: str
    phone: str | None
    stage: str
    intent: str
    stage_at: str
    last_message_at: str
    waiting_since: str | None
    overdue: bool
    follow_up_at: str | None
    stuck: bool
    unplanned: bool
    silent: bool


class BoardColumn(TypedDict):
    """A stage: how many open leads are in it, how many need attention, and the first cards of those asked for."""

    stage: str
    leads: int
    stuck: int
    unplanned: int
    silent: int
    chosen: int
    """How many leads the cards are taken from: all, or those that the board is limited to."""
    cards: list[Card]


class Board(TypedDict):
    """All open leads. `days`: in one stage for longer is stuck. `unjudged`: conversations still to be projected."""

    as_of: str
    days: int
    unjudged: int
    columns: list[BoardColumn]


_WAITS: Final = "SELECT 1 FROM waiting_cycles w WHERE w.lead_id = l.lead_id AND w.ended_at IS NULL"
_PLANNED: Final = "SELECT 1 FROM follow_ups f WHERE f.lead_id = l.lead_id AND f.state = 'planned'"
_SILENT: Final = (
    "l.stage = 'quoted' AND l.stage_at <= :day_ago AND NOT EXISTS (SELECT 1 FROM conversations s "
    "WHERE s.conversation_id = l.conversation_id AND s.last_inbound_at > l.stage_at)"
)
"""SQL: quoted so long ago that the first follow-up is due (`:day_ago`), and they have written nothing since."""

_ONLY: Final[Mapping[Only | None, str]] = {
    None: "1",
    "stuck": "l.stage_at <= :stuck_before",
    "unplanned": f"NOT EXISTS ({_PLANNED}) AND NOT EXISTS ({_WAITS})",
    "silent": _SILENT,
}
"""SQL conditions on a lead `l`."""

_CARDS: Final = f"""
    SELECT l.lead_id, l.conversation_id, v.chat, {DISPLAY_NAME} AS who, coalesce(c.phone, r.phone) AS phone,
           l.stage, l.intent, l.stage_at, l.last_message_at,
           (SELECT min(started_at) FROM waiting_cycles w WHERE w.lead_id = l.lead_id AND ended_at IS NULL)
               AS waiting_since,
           coalesce((SELECT min(due_at) FROM waiting_cycles w WHERE w.lead_id = l.lead_id AND ended_at IS NULL)
               <= :now, 0) AS overdue,
           (SELECT min(due_at) FROM follow_ups f WHERE f.lead_id = l.lead_id AND state = 'planned') AS follow_up_at,
           l.stage_at <= :stuck_before AS stuck, {_SILENT} AS silent
    FROM (SELECT lead_id FROM leads l WHERE l.closed_at IS NULL AND l.stage = :stage AND {{only}}
          ORDER BY l.stage_at, l.lead_id LIMIT :limit)
    JOIN leads l USING (lead_id) JOIN conversations v ON v.conversation_id = l.conversation_id
    LEFT JOIN contacts c ON c.contact_id = v.contact_id LEFT JOIN contacts r ON r.contact_id = l.contact_id
    ORDER BY l.stage_at, l.lead_id
"""

_COUNTS: Final = """
    SELECT stage, count(*) AS leads, coalesce(sum(stage_at <= :stuck_before), 0) AS stuck
    FROM leads WHERE closed_at IS NULL GROUP BY stage
"""
_WITH_NEXT_ACTION: Final = """
    SELECT l.stage, count(*) AS planned FROM (
        SELECT lead_id FROM follow_ups WHERE state = 'planned'
        UNION SELECT w.lead_id FROM conversations u CROSS JOIN waiting_cycles w
        WHERE u.waiting_since IS NOT NULL AND w.conversation_id = u.conversation_id AND w.ended_at IS NULL
    ) CROSS JOIN leads l USING (lead_id) WHERE l.closed_at IS NULL GROUP BY l.stage
"""
"""Open leads with a planned follow-up or a wait. They are few, so these are counted, and the rest is unplanned."""


def board(connection: Connection, now: datetime, *, days: int, limit: int, only: Only | None = None) -> Board:
    """All stages in their order, each with at most `limit` cards, those that have been longest in the stage first.

    `days`: a lead is stuck after so many days in one stage. `only`: the cards are of these leads alone; the numbers are
    still those of all.
    """
    values = {
        "now": iso(now),
        "stuck_before": iso(now - timedelta(days=days)),
        "day_ago": iso(now - timedelta(days=QUOTE_DAYS[0])),
    }
    by_stage = {row["stage"]: row for row in rows(connection, _COUNTS, **values)}
    planned = {row["stage"]: row["planned"] for row in rows(connection, _WITH_NEXT_ACTION)}
    count_silent = f"SELECT count(*) AS quotes FROM leads l WHERE l.closed_at IS NULL AND {_SILENT}"
    [silent] = rows(connection, count_silent, **values)
    columns: list[BoardColumn] = []
    for stage in OPEN:
        found = by_stage.get(stage, {"leads": 0, "stuck": 0})
        numbers = {
            "leads": found["leads"],
            "stuck": found["stuck"],
            "unplanned": found["leads"] - planned.get(stage, 0),
            "silent": silent["quotes"] if stage == "quoted" else 0,
        }
        chosen = numbers[only or "leads"]
        cards = _cards(connection, values | {"stage": stage, "limit": limit}, only) if chosen else []
        columns.append(cast("BoardColumn", {"stage": stage, **numbers, "chosen": chosen, "cards": cards}))
    return {"as_of": iso(now), "days": days, "unjudged": count_pending(connection), "columns": columns}


def _cards(connection: Connection, values: Mapping[str, object], only: Only | None) -> list[Card]:
    """The cards of one stage. `values`: the parameters of `_CARDS`, among them the stage and the limit."""
    cards = []
    for row in rows(connection, _CARDS.format(only=_ONLY[only]), **values):
        computed: dict[str, Any] = {
            "who": visible_name(row),
            "unplanned": row["waiting_since"] is None and row["follow_up_at"] is None,
            **{flag: bool(row[flag]) for flag in ("overdue", "stuck", "silent")},
        }
        cards.append(cast("Card", row | computed))
    return cards
