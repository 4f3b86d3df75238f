"""The leads that were opened in a period: what they want and how they came.

Most figures of a report are counted from them. A lead that ended as `merged` is left out: its enquiry is the other
lead's. Those that a person discarded (`junk`) are read, but a report only says how many they are.
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
    """A lead, and how its first answer came. Times are ISO text; flags are 1 or 0.

    `answered_at`: of the first answer, None without one; `wall_seconds`, `open_seconds`: how long it took, by the clock
    and in opening hours. Flags of an unanswered lead: `waiting`: somebody waits for that answer; `in_time`: and the SLA
    target is not missed yet; `not_needed`: nobody waits, because a person said that no answer is needed. `touch`: the
    first touchpoint, a JSON list of kind, source and name; None without one.
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
    """How many leads began with this intent."""

    intent: str
    group: str
    leads: int


class CameBy(TypedDict):
    """How many leads came by one ad, link, campaign or the like, and how many of them are won by now.

    `kind`: `none` for leads without a touchpoint. `name`: None where it has no name.
    """

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
    """All leads that were opened in the window, except merged ones, in order of their ids.

    `now`: decides whether a target is missed.
    """
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples, in the order of OpenedLead's fields
    found = cursor.execute(_OPENED, {"begins": iso(window.begins), "ends": iso(window.ends), "now": iso(now)})
    return [OpenedLead._make(row) for row in found]


def count_opened(connection: Connection, since: datetime) -> int:
    """How many leads were opened since then, as a report counts them: without discarded and merged ones."""
    query = "SELECT count(*) FROM leads WHERE opened_at >= ? AND stage NOT IN ('junk', 'merged')"
    return int(connection.execute(query, (iso(since),)).fetchone()[0])


def wants(leads: Sequence[OpenedLead]) -> list[Wanted]:
    """How many of these leads began with each intent, the most frequent first. An unknown intent is in `unknown`."""
    counted = Counter(lead.intent for lead in leads)
    most_frequent_first = sorted(counted, key=lambda intent: (-counted[intent], intent))
    return [
        {"intent": intent, "group": GROUP_OF.get(intent, "unknown"), "leads": counted[intent]}
        for intent in most_frequent_first
    ]


class _Touchpoint(NamedTuple):
    """What tells touchpoints apart: the kind, and the id of its source, else its address or headline."""

    kind: str
    source: str | None


def came_by(leads: Sequence[OpenedLead]) -> list[CameBy]:
    """How many of these leads came by each first touchpoint, the most frequent first; leads without one last.

    A touchpoint has the name that the first of its leads gives it.
    """
    names: dict[_Touchpoint, str | None] = {}
    counted: Counter[_Touchpoint] = Counter()
    won: Counter[_Touchpoint] = Counter()
    for lead in leads:
        kind, source, name = json.loads(lead.touch) if lead.touch else ("none", None, None)
        touchpoint = _Touchpoint(kind, source)
        names.setdefault(touchpoint, name)
        counted[touchpoint] += 1
        won[touchpoint] += lead.stage == "won"
    order = sorted(counted, key=lambda each: (each.kind == "none", -counted[each], each.kind, each.source or ""))
    return [{"kind": each.kind, "name": names[each], "leads": counted[each], "won": won[each]} for each in order]
