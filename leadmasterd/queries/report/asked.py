"""When people ask: every wait for an answer that began in a period, by weekday and hour of the zone's wall clock.

With and without a lead, first words and later ones; left out is what a person discarded or said needs no answer. An
hour that the clock shows twice is counted in one place, and one that it skips has nobody.
"""

from collections import Counter
from datetime import datetime, tzinfo
from typing import Final, TypedDict

from leadmasterd.queries.database import Connection, records
from leadmasterd.queries.report.periods import Window
from leadmasterd.times import iso


class Hour(TypedDict):
    """`weekday`: 1 for Monday. `missed`: of those asked, how many were not answered within the SLA target."""

    weekday: int
    hour: int
    asked: int
    missed: int


class Asked(TypedDict):
    """`hours`: those with anybody, Monday first."""

    asked: int
    missed: int
    hours: list[Hour]


class UnledGroup(TypedDict):
    """Conversations that began to wait without a lead. `group`: an intent's, or `missed_call`."""

    group: str
    conversations: int


_WAITS: Final = """
    FROM waiting_cycles w LEFT JOIN leads l ON l.lead_id = w.lead_id
    WHERE w.started_at >= :begins AND w.started_at < :ends AND coalesce(l.stage, '') <> 'junk'
    AND coalesce(w.ended_by, '') <> 'dismissed'
"""
_MISSED: Final = "coalesce(iif(w.ended_at IS NULL, w.due_at <= :now, w.due_at < w.ended_at), 0)"
"""As `overdue` while it lasts: at `due_at`. One that ended then was in time."""


def asked(connection: Connection, window: Window, now: datetime, zone: tzinfo | None) -> Asked:
    """By weekday and hour. `zone`: None for the machine's."""
    cursor = connection.cursor()
    cursor.row_factory = None
    waits = cursor.execute(f"SELECT w.started_at, {_MISSED} {_WAITS}", {**_named(window), "now": iso(now)})
    counted: Counter[tuple[int, int]] = Counter()
    missed: Counter[tuple[int, int]] = Counter()
    for started_at, was_missed in waits:
        local = datetime.fromisoformat(started_at).astimezone(zone)
        place = local.isoweekday(), local.hour
        counted[place] += 1
        missed[place] += was_missed
    return {
        "asked": counted.total(),
        "missed": missed.total(),
        "hours": [
            {"weekday": weekday, "hour": hour, "asked": counted[weekday, hour], "missed": missed[weekday, hour]}
            for weekday, hour in sorted(counted)
        ],
    }


def without_lead(connection: Connection, window: Window) -> list[UnledGroup]:
    """What those are about who have no lead: a conversation once for each group, the most frequent first."""
    query = (
        "SELECT iif(w.message_id IS NULL, 'missed_call', coalesce(v.category, 'unknown')) AS \"group\", "
        "count(DISTINCT w.conversation_id) AS conversations FROM waiting_cycles w "
        "JOIN conversations v ON v.conversation_id = w.conversation_id WHERE w.lead_id IS NULL "
        "AND w.started_at >= :begins AND w.started_at < :ends GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return records(UnledGroup, connection, query, **_named(window))


def _named(window: Window) -> dict[str, str]:
    return {"begins": iso(window.begins), "ends": iso(window.ends)}
