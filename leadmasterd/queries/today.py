"""What is due today or since earlier days: follow-ups to do, and waits to end. The answer of `leads today`."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypedDict, cast

from leadmasterd.queries.database import Connection, rows
from leadmasterd.queries.leads import count_pending, visible_name
from leadmasterd.queries.people import DISPLAY_NAME
from leadmasterd.queries.waiting import BusinessSeconds, WaitingConversation, waiting
from leadmasterd.times import Day, iso


class DueFollowUp(TypedDict):
    """What a person should do about a conversation. All due follow-ups of one series are one entry.

    `number`: that of the last due one; `due_at`: that of the first; `overdue`: the first was due before today.
    """

    conversation_id: int
    lead_id: int | None
    chat: str
    who: str
    phone: str | None
    stage: str | None
    intent: str | None
    kind: str
    number: int
    due_at: str
    overdue: bool


class Today(TypedDict):
    """The answer of `leads today`. `waiting_later`: how many others wait: those whose target is not missed today."""

    as_of: str
    day: str
    target_seconds: float
    unjudged: int
    follow_ups: list[DueFollowUp]
    waiting: list[WaitingConversation]
    waiting_later: int


_FOLLOW_UPS: Final = f"""
    SELECT f.conversation_id, f.lead_id, v.chat, {DISPLAY_NAME} AS who, coalesce(c.phone, r.phone) AS phone, l.stage,
           l.intent, f.kind, max(f.number) AS number, min(f.due_at) AS due_at, min(f.due_at) < :begins AS overdue
    FROM follow_ups f
    JOIN conversations v ON v.conversation_id = f.conversation_id
    LEFT JOIN contacts c ON c.contact_id = v.contact_id
    LEFT JOIN contacts r ON r.contact_id = c.merged_into_id
    LEFT JOIN leads l ON l.lead_id = f.lead_id
    WHERE f.state = 'planned' AND f.due_at < :ends
    GROUP BY f.conversation_id, f.kind, f.planned_at ORDER BY min(f.due_at), f.conversation_id LIMIT :limit
"""


def today(
    connection: Connection,
    now: datetime,
    day: Day,
    *,
    limit: int,
    target_seconds: float,
    calendar: Callable[[], BusinessSeconds | None],
) -> Today:
    """What is due until the day ends, the first due first; at most `limit` follow-ups and as many waits.

    `target_seconds`: the SLA target. `calendar`: returns what measures opening hours, or None if the settings for it
    can't be used. It is slow, so it is called only if somebody waits.
    """
    pending = count_pending(connection)
    follow_ups = due_follow_ups(connection, day, limit=limit)
    [counted] = rows(
        connection,
        "SELECT count(*) AS waiting, coalesce(sum(due_at < :ends), 0) AS due FROM conversations "
        "WHERE waiting_since IS NOT NULL",
        ends=iso(day.ends),
    )
    due_today: list[WaitingConversation] = []
    if counted["due"]:
        due_today = waiting(
            connection,
            now,
            limit=limit,
            target_seconds=target_seconds,
            business_seconds=calendar(),
            due_before=day.ends,
        )
    return {
        **nothing_due(now, day, target_seconds),
        "unjudged": pending,
        "follow_ups": follow_ups,
        "waiting": due_today,
        "waiting_later": counted["waiting"] - counted["due"],
    }


def due_follow_ups(connection: Connection, day: Day, *, limit: int) -> list[DueFollowUp]:
    """Planned follow-ups that are due until the day ends, also those of earlier days, the first due first."""
    found = []
    for row in rows(connection, _FOLLOW_UPS, begins=iso(day.begins), ends=iso(day.ends), limit=limit):
        computed: dict[str, Any] = {"who": visible_name(row), "overdue": bool(row["overdue"])}
        found.append(cast("DueFollowUp", row | computed))
    return found


def nothing_due(now: datetime, day: Day, target_seconds: float) -> Today:
    """The answer of `today` before anything has been captured."""
    return {
        "as_of": iso(now),
        "day": day.date.isoformat(),
        "target_seconds": target_seconds,
        "unjudged": 0,
        "follow_ups": [],
        "waiting": [],
        "waiting_later": 0,
    }
