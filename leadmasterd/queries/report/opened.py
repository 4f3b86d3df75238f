"""The leads that were opened in a period: what they want and how they came.

Of these all figures about leads are counted. One that ended as `merged` is not: its enquiry is the other lead's. Those
that a person discarded (`junk`) are only told as a number.
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypedDict

from leadmasterd.classify.intents import GROUP_OF
from leadmasterd.queries.database import Connection
from leadmasterd.queries.report.periods import Window
from leadmasterd.times import iso


class OpenedLead(NamedTuple):
    """A lead, and how its first answer came. Times are ISO text; what is true is 1, else 0.

    `waiting`: somebody waits for that answer; `in_time`: and the SLA target is not missed yet; `not_needed`: nobody
    does, because a person said that no answer is needed.
    """

    stage: str
    source: str
    intent: str
    opened_at: str
    answered_at: str | None
    wall_seconds: float | None
    open_seconds: float | None
    waiting: int
    in_time: int
    not_needed: int
    touch: str | None


class Wanted(TypedDict):
    """How many leads began with this."""

    intent: str
    group: str
    leads: int


class CameBy(TypedDict):
    """How many leads came by this, and how many of them are won by now. `name`: None where there is none."""

    kind: str
    name: str | None
    leads: int
    won: int


_OPENED: Final = """
    SELECT l.stage, l.source, l.intent, l.opened_at, l.first_response_at, l.first_response_seconds,
           l.first_response_business_seconds,
           l.first_response_at IS NULL AND EXISTS (SELECT 1 FROM waiting_cycles w WHERE w.lead_id = l.lead_id
               AND w.ended_at IS NULL) AS waiting,
           l.first_response_at IS NULL AND EXISTS (SELECT 1 FROM waiting_cycles w WHERE w.lead_id = l.lead_id
               AND w.ended_at IS NULL AND coalesce(w.due_at > :now, 1)) AS in_time,
           l.first_response_at IS NULL AND EXISTS (SELECT 1 FROM waiting_cycles w WHERE w.lead_id = l.lead_id
               AND w.ended_by = 'dismissed') AND NOT EXISTS (SELECT 1 FROM waiting_cycles w
               WHERE w.lead_id = l.lead_id AND w.ended_at IS NULL) AS not_needed,
           (SELECT json_array(kind, coalesce(source_id, source_url, headline),
                   coalesce(headline, source_id, source_url))
               FROM touches t WHERE t.conversation_id = l.conversation_id AND t.at >= l.opened_at
               AND t.at <= coalesce(l.closed_at, '9999') ORDER BY t.at, t.touch_id LIMIT 1) AS touch
    FROM leads l WHERE l.opened_at >= :begins AND l.opened_at < :ends AND l.stage <> 'merged' ORDER BY l.lead_id
"""


def opened_leads(connection: Connection, window: Window, now: datetime) -> list[OpenedLead]:
    """In order of their ids."""
    cursor = connection.cursor()
    cursor.row_factory = None
    found = cursor.execute(_OPENED, {"begins": iso(window.begins), "ends": iso(window.ends), "now": iso(now)})
    return [OpenedLead._make(row) for row in found]


def count_opened(connection: Connection, since: datetime) -> int:
    """How many leads were opened since then, as a report counts them."""
    query = "SELECT count(*) FROM leads WHERE opened_at >= ? AND stage NOT IN ('junk', 'merged')"
    return int(connection.execute(query, (iso(since),)).fetchone()[0])


def wants(leads: Sequence[OpenedLead]) -> list[Wanted]:
    """By the intent that each began with, the most frequent first."""
    counted = Counter(lead.intent for lead in leads)
    return [
        {"intent": intent, "group": GROUP_OF.get(intent, "unknown"), "leads": number}
        for intent, number in sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    ]


def came_by(leads: Sequence[OpenedLead]) -> list[CameBy]:
    """By the first touchpoint of each, the most frequent first; `none` last."""
    names: dict[tuple[str, str | None], str | None] = {}
    counted: Counter[tuple[str, str | None]] = Counter()
    won: Counter[tuple[str, str | None]] = Counter()
    for lead in leads:
        kind, source, name = json.loads(lead.touch) if lead.touch else ("none", None, None)
        names.setdefault((kind, source), name)
        counted[kind, source] += 1
        won[kind, source] += lead.stage == "won"
    order = sorted(counted, key=lambda key: (key[0] == "none", -counted[key], key[0], key[1] or ""))
    return [{"kind": key[0], "name": names[key], "leads": counted[key], "won": won[key]} for key in order]
