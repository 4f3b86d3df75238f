"""When people ask: every wait for an answer that began in a period, by weekday and hour of the zone's wall clock.

Waits with and without a lead count, first ones and later ones. Waits of leads that a person discarded are left out, and
waits that need no answer because a person said so. When the clocks change, an hour that the clock shows twice counts as
one hour, and an hour that it skips has nobody.
"""

from collections import Counter
from datetime import datetime, tzinfo
from typing import Final, TypedDict

from leadmasterd.queries.database import Connection, records
from leadmasterd.queries.report.periods import Window
from leadmasterd.times import iso


class Hour(TypedDict):
    """How often somebody asked in one hour of the week. `weekday`: 1 for Monday; `hour`: 0 to 23.

    `missed`: how many of those were not answered within the SLA target.
    """

    weekday: int
    hour: int
    asked: int
    missed: int


class Asked(TypedDict):
    """How often somebody asked, and how many of those were missed. `hours`: those in which anybody asked, in order."""

    asked: int
    missed: int
    hours: list[Hour]


class UnledGroup(TypedDict):
    """How many conversations began to wait without a lead, for one thing. `group`: an intent's, or `missed_call`."""

    group: str
    conversations: int


_WAITS: Final = """
    FROM waiting_cycles w LEFT JOIN leads l ON l.lead_id = w.lead_id
    WHERE w.started_at >= :begins AND w.started_at < :ends AND coalesce(l.stage, '') <> 'junk'
    AND coalesce(w.ended_by, '') <> 'dismissed'
"""
_MISSED: Final = "coalesce(iif(w.ended_at IS NULL, w.due_at <= :now, w.due_at < w.ended_at), 0)"
"""SQL: whether the wait missed its target. One that lasts is overdue from `due_at` on; one that ended at `due_at` was
in time. False without `due_at`.
"""


def asked(connection: Connection, window: Window, now: datetime, zone: tzinfo | None) -> Asked:
    """How often somebody asked in the window, and was not answered in time, by weekday and hour in this zone.

    `now`: decides which waits that last have missed their target. `zone`: None for the machine's.
    """
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples
    waits = cursor.execute(f"SELECT w.started_at, {_MISSED} {_WAITS}", {**_bounds(window), "now": iso(now)})
    counted: Counter[tuple[int, int]] = Counter()
    missed: Counter[tuple[int, int]] = Counter()
    for started_at, was_missed in waits:
        local = datetime.fromisoformat(started_at).astimezone(zone)
        weekday_and_hour = local.isoweekday(), local.hour
        counted[weekday_and_hour] += 1
        missed[weekday_and_hour] += was_missed
    return {
        "asked": counted.total(),
        "missed": missed.total(),
        "hours": [
            {"weekday": weekday, "hour": hour, "asked": counted[weekday, hour], "missed": missed[weekday, hour]}
            for weekday, hour in sorted(counted)
        ],
    }


def without_lead(connection: Connection, window: Window) -> list[UnledGroup]:
    """What the waits without a lead are about, the most frequent first.

    A conversation counts once for each group that it waited for.
    """
    query = (
        "SELECT iif(w.message_id IS NULL, 'missed_call', coalesce(v.category, 'unknown')) AS \"group\", "
        "count(DISTINCT w.conversation_id) AS conversations FROM waiting_cycles w "
        "JOIN conversations v ON v.conversation_id = w.conversation_id WHERE w.lead_id IS NULL "
        "AND w.started_at >= :begins AND w.started_at < :ends GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return records(UnledGroup, connection, query, **_bounds(window))


def _bounds(window: Window) -> dict[str, str]:
    return {"begins": iso(window.begins), "ends": iso(window.ends)}
