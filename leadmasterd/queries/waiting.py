"""Who is waiting for an answer, since when, and how much of the SLA target is used up."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, TypedDict, cast

from leadmasterd.queries.database import Connection, Row, id_list, rows
from leadmasterd.queries.leads import count_pending, visible_name
from leadmasterd.queries.people import DISPLAY_NAME
from leadmasterd.store.waiting import who_waits
from leadmasterd.times import iso

BusinessSeconds = Callable[[datetime, datetime], float]
"""Seconds between two moments while the business was open."""


class WaitingConversation(TypedDict):
    """One conversation that waits for an answer: a row of `leads waiting`.

    `intent`: of the burst that began the wait, else of the lead; None for a missed call alone. `due_at`: when the SLA
    target is missed; None without opening hours ahead. `kind`: `first`, or `next` for a later wait.
    """

    conversation_id: int
    lead_id: int | None
    chat: str
    who: str
    phone: str | None
    stage: str | None
    intent: str | None
    category: str | None
    missed_call: bool
    kind: str
    waiting_since: str
    due_at: str | None
    overdue: bool
    waited_seconds: float
    waited_business_seconds: float


class WaitingCount(TypedDict):
    """How many wait. `unjudged`: conversations that are not projected yet, so somebody may wait there too."""

    conversations: int
    overdue: int
    oldest_since: str | None
    unjudged: int


class WaitingList(WaitingCount):
    """The answer of `leads waiting`."""

    as_of: str
    target_seconds: float
    waiting: list[WaitingConversation]


LAST_INBOUND: Final = (
    "max(v.waiting_since, "
    "coalesce((SELECT sent_at FROM messages m WHERE m.conversation_id = v.conversation_id AND direction = 'in' "
    "ORDER BY sent_at DESC LIMIT 1), ''), "
    "coalesce((SELECT max(started_at) FROM calls c WHERE c.conversation_id = v.conversation_id AND NOT outgoing), ''))"
)
"""SQL over a conversation `v` that waits: when they wrote or called last."""

_BURST_INTENT: Final = (
    "coalesce((SELECT intent FROM corrections x, json_each(x.message_ids) m "
    "WHERE x.conversation_id = v.conversation_id AND x.undone_at IS NULL AND m.value = w.message_id "
    "ORDER BY x.at DESC, x.correction_id DESC LIMIT 1), "
    "(SELECT intent FROM classifications k WHERE k.first_message_id = w.message_id AND instr(k.burst, ':') = 0 "
    "ORDER BY classification_id DESC LIMIT 1))"
)
"""SQL: the label of the burst that began the wait `w`; a person's label wins over the classifier's.

A `burst` with a colon is of what was said before an edit.
"""

_WAITING: Final = f"""
    SELECT v.conversation_id, w.lead_id, v.chat, {DISPLAY_NAME} AS who, coalesce(c.phone, r.phone) AS phone, l.stage,
           coalesce({_BURST_INTENT}, CASE WHEN w.message_id IS NOT NULL THEN l.intent END) AS intent, v.category,
           w.message_id IS NULL AS missed_call, w.kind, v.waiting_since, v.due_at,
           coalesce(v.due_at <= :now, 0) AS overdue
    FROM conversations v
    LEFT JOIN contacts c ON c.contact_id = v.contact_id
    LEFT JOIN contacts r ON r.contact_id = c.merged_into_id
    LEFT JOIN waiting_cycles w ON w.conversation_id = v.conversation_id AND w.started_at = v.waiting_since
    LEFT JOIN leads l ON l.lead_id = w.lead_id
    WHERE v.waiting_since IS NOT NULL {{and_also}} ORDER BY {{order}}, v.conversation_id LIMIT :limit OFFSET :skip
"""


def waiting(
    connection: Connection,
    now: datetime,
    *,
    limit: int,
    skip: int = 0,
    target_seconds: float,
    business_seconds: BusinessSeconds | None,
    due_before: datetime | None = None,
    conversations: Iterable[int] | None = None,
) -> list[WaitingConversation]:
    """At most `limit` conversations that wait for an answer, with and without a lead, the longest waiting first.

    `skip`: leave out so many from the beginning. `due_before`: only those whose SLA target is missed before that, the
    first to be missed first. `conversations`: only these.

    `waited_business_seconds` is exact with a calendar's `business_seconds`. Without it, it is a lower bound derived
    from `due_at` and `target_seconds`, and never more than the wall-clock time.
    """
    conditions: list[str] = []
    values: dict[str, object] = {"now": iso(now), "limit": limit, "skip": skip}
    order = "v.waiting_since"
    if due_before:
        conditions.append("AND v.due_at < :before")
        values["before"] = iso(due_before)
        order = "v.due_at"
    if conversations is not None:
        conditions.append("AND v.conversation_id IN (SELECT value FROM json_each(:ids))")
        values["ids"] = id_list(conversations)
    query = _WAITING.format(and_also=" ".join(conditions), order=order)
    found = []
    for row in rows(connection, query, **values):
        since = datetime.fromisoformat(row["waiting_since"])
        waited = max(0.0, (now - since).total_seconds())
        if business_seconds:
            business = business_seconds(since, now)
        else:
            business = _least_business_seconds(row, now, waited, target_seconds)
        computed: dict[str, Any] = {
            "who": visible_name(row),
            "missed_call": bool(row["missed_call"]),
            "overdue": bool(row["overdue"]),
            "waited_seconds": waited,
            "waited_business_seconds": business,
        }
        found.append(cast("WaitingConversation", row | computed))
    return found


def _least_business_seconds(row: Row, now: datetime, waited: float, target: float) -> float:
    """How many business seconds somebody has waited at least, without a calendar.

    At `due_at` it is exactly `target`, and later at least that. Before, what is still missing from `target` is at most
    the time that is left until `due_at`. `waited`: seconds by the wall clock. 0 without `due_at`.
    """
    if row["due_at"] is None:
        return 0.0
    if row["overdue"]:
        return min(target, waited)
    left = (datetime.fromisoformat(row["due_at"]) - now).total_seconds()
    return min(max(0.0, target - left), waited)


def count_waiting(connection: Connection, now: datetime) -> WaitingCount:
    """How many conversations wait, how many are overdue, and since when the first has been waiting."""
    who = who_waits(connection, now)
    return {
        "conversations": who.conversations,
        "overdue": who.overdue,
        "oldest_since": who.oldest_since,
        "unjudged": count_pending(connection),
    }


def waiting_list(
    connection: Connection,
    now: datetime,
    *,
    limit: int,
    target_seconds: float,
    calendar: Callable[[], BusinessSeconds | None],
) -> WaitingList:
    """Who waits, the longest first, at most `limit`; the counts are of all.

    `calendar`: returns what measures opening hours, or None if the settings for it can't be used. It is slow, so it is
    called only if somebody waits.
    """
    count = count_waiting(connection, now)
    found = waiting(
        connection,
        now,
        limit=limit,
        target_seconds=target_seconds,
        business_seconds=calendar() if count["conversations"] else None,
    )
    return {"as_of": iso(now), "target_seconds": target_seconds, **count, "waiting": found}


def nobody_waits(now: datetime, target_seconds: float) -> WaitingList:
    """The answer of `waiting_list` before anything has been captured."""
    return {
        "as_of": iso(now),
        "target_seconds": target_seconds,
        "conversations": 0,
        "overdue": 0,
        "oldest_since": None,
        "unjudged": 0,
        "waiting": [],
    }
