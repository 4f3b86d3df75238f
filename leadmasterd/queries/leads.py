"""Leads as people see them: who wrote, what they want, which stage. Indexed, so fast at any size.

What depends on the current time is computed here: overdue, stale, and whether `dormant` is proposed.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypedDict, cast

from leadmasterd.queries.database import Connection, Row, rows
from leadmasterd.queries.people import DISPLAY_NAME, is_blank
from leadmasterd.times import iso


class LeadTouch(TypedDict):
    """The first touchpoint within a lead's time."""

    kind: str
    source_id: str | None
    source_url: str | None
    headline: str | None
    at: str


class Lead(TypedDict):
    """`A lead` of docs/json.md."""

    lead_id: int
    contact_id: int
    conversation_id: int
    chat: str
    who: str
    phone: str | None
    stage: str
    intent: str
    topics: list[str]
    source: str
    opened_at: str
    last_message_at: str
    stage_at: str
    closed_at: str | None
    reopened: int
    previous_lead_id: int | None
    merged_into_id: int | None
    proposed: str | None
    first_response_at: str | None
    first_response_seconds: float | None
    first_response_business_seconds: float | None
    waiting_since: str | None
    due_at: str | None
    follow_up_at: str | None
    touch: LeadTouch | None
    overdue: bool
    stale: bool
    dormant_proposed: bool


class LeadList(TypedDict):
    """The answer of `leads list`."""

    as_of: str
    unjudged: int
    leads: list[Lead]


class LeadExport(TypedDict):
    """The answer of `leads export`."""

    leads: list[Lead]


class AsOf(NamedTuple):
    """The current time, and the `[leads]` settings that are measured from it."""

    now: datetime
    stale_days: int
    dormant_days: int


_LEADS: Final = f"""
    SELECT l.lead_id, l.contact_id, l.conversation_id, v.chat, {DISPLAY_NAME} AS who,
           coalesce(r.phone, c.phone) AS phone,
           l.stage, l.intent, l.topics, l.source, l.opened_at, l.last_message_at, l.stage_at, l.closed_at, l.reopened,
           l.previous_lead_id, l.merged_into_id, l.proposed, l.first_response_at, l.first_response_seconds,
           l.first_response_business_seconds,
           (SELECT min(started_at) FROM waiting_cycles w WHERE w.lead_id = l.lead_id AND ended_at IS NULL)
               AS waiting_since,
           (SELECT min(due_at) FROM waiting_cycles w WHERE w.lead_id = l.lead_id AND ended_at IS NULL) AS due_at,
           (SELECT min(due_at) FROM follow_ups f WHERE f.lead_id = l.lead_id AND state = 'planned') AS follow_up_at,
           (SELECT json_object('kind', kind, 'source_id', source_id, 'source_url', source_url, 'headline', headline,
               'at', at) FROM touches t WHERE t.conversation_id = l.conversation_id AND t.at >= l.opened_at
               AND t.at <= coalesce(l.closed_at, '9999') ORDER BY t.at, t.touch_id LIMIT 1) AS touch
    FROM (SELECT l.lead_id FROM {{by}} WHERE {{where}} ORDER BY {{first}} LIMIT :limit)
    JOIN leads l USING (lead_id) JOIN conversations v ON v.conversation_id = l.conversation_id
    JOIN contacts r ON r.contact_id = l.contact_id LEFT JOIN contacts c ON c.contact_id = v.contact_id
    ORDER BY {{order}}
"""
"""The inner query selects the leads before anything is looked up about them."""

_WAITS: Final = (
    "EXISTS (SELECT 1 FROM waiting_cycles x JOIN conversations y "
    "ON y.conversation_id = x.conversation_id AND y.waiting_since = x.started_at WHERE x.lead_id = l.lead_id{earlier})"
)
_EARLIER: Final = " AND (x.started_at, x.cycle_id) < (w.started_at, w.cycle_id)"
_BY_WAITS: Final = (
    "conversations u CROSS JOIN waiting_cycles w ON w.conversation_id = u.conversation_id "
    "AND w.started_at = u.waiting_since CROSS JOIN leads l ON l.lead_id = w.lead_id"
)
"""In this order the index of who waits gives the longest wait first, and nothing is looked up beyond the limit."""
_LONGEST_WAIT: Final = (
    "(SELECT min(started_at) FROM waiting_cycles w WHERE w.lead_id = l.lead_id AND ended_at IS NULL), l.lead_id"
)
_TOPIC: Final = "l.intent = {} OR instr(l.topics, json_quote({}))"


def leads(
    connection: Connection,
    as_of: AsOf,
    *,
    limit: int,
    closed_too: bool = False,
    stages: Sequence[str] = (),
    intents: Sequence[str] = (),
    since: str | None = None,
    contact: int | None = None,
    after: int | None = None,
    waiting: bool | None = None,
) -> list[Lead]:
    """The most recently active first; of those that wait for an answer (`waiting`), the longest waiting first.

    `contact`: only of this root contact. `intents`: any of these is the lead's intent or one of its topics. `since`:
    only leads active since then. `after`: only leads with a larger id, in order of their ids.
    """
    conditions: list[str] = [] if closed_too else ["l.closed_at IS NULL"]
    values: dict[str, object] = {"limit": limit}
    by, order = "leads l", "l.last_message_at DESC, l.lead_id DESC"
    if after is not None:
        order = "l.lead_id"
    elif not (closed_too or stages or contact):
        by = "leads l INDEXED BY leads_open"  # in this order; SQLite would rather sort all that are open
    first = order
    if waiting:
        by, first, order = _BY_WAITS, "u.waiting_since, l.lead_id", _LONGEST_WAIT
        conditions += ["u.waiting_since IS NOT NULL", "NOT " + _WAITS.format(earlier=_EARLIER)]
    elif waiting is False:
        conditions.append("NOT " + _WAITS.format(earlier=""))
    for column, allowed in (("l.stage = {}", stages), (_TOPIC, intents)):
        if allowed:
            names = [f"v{len(values) + number}" for number in range(len(allowed))]
            values |= dict(zip(names, allowed, strict=True))
            conditions.append("(" + " OR ".join(column.replace("{}", f":{name}") for name in names) + ")")
    for column, value in (("l.last_message_at >=", since), ("l.contact_id =", contact), ("l.lead_id >", after)):
        if value is not None:
            name = f"v{len(values)}"
            values[name] = value
            conditions.append(f"{column} :{name}")
    query = _LEADS.format(by=by, where=" AND ".join(conditions) or "1", first=first, order=order)
    return [_lead(row, as_of) for row in rows(connection, query, **values)]


def _lead(row: Row, as_of: AsOf) -> Lead:
    is_open = row["closed_at"] is None
    silent_days = (as_of.now - datetime.fromisoformat(row["last_message_at"])) / timedelta(days=1)
    computed: dict[str, Any] = {
        "who": visible_name(row),
        "topics": json.loads(row["topics"]),
        "touch": json.loads(row["touch"]) if row["touch"] else None,
        "overdue": row["due_at"] is not None and row["due_at"] <= iso(as_of.now),
        "stale": is_open and row["follow_up_at"] is None and silent_days >= as_of.stale_days,
        "dormant_proposed": is_open and silent_days >= as_of.dormant_days,
    }
    return cast("Lead", row | computed)


def visible_name(row: Row) -> str:
    """`who`, or a phone or chat id if that name is invisible."""
    return str((row["phone"] or row["chat"]) if is_blank(row["who"]) else row["who"])


def touch_name(touch: LeadTouch) -> str:
    """A name for an ad, a link or a campaign."""
    return touch["headline"] or touch["source_id"] or touch["source_url"] or "?"


# ---------------------------------------------------------------------- answers


def lead_list(
    connection: Connection,
    as_of: AsOf,
    *,
    limit: int,
    closed_too: bool,
    stages: Sequence[str] = (),
    intents: Sequence[str] = (),
) -> LeadList:
    """Open leads, or those of certain stages or intents: the longest waiting first, then the most recently active."""
    pending = count_pending(connection)
    found: list[Lead] = []
    for waiting in (True, False):
        if limit > len(found):
            found += leads(
                connection,
                as_of,
                limit=limit - len(found),
                closed_too=closed_too,
                stages=stages,
                intents=intents,
                waiting=waiting,
            )
    return {"as_of": iso(as_of.now), "unjudged": pending, "leads": found}


def no_leads(as_of: AsOf) -> LeadList:
    """The answer before anything has been captured."""
    return {"as_of": iso(as_of.now), "unjudged": 0, "leads": []}


def leads_after(connection: Connection, as_of: AsOf, *, after: int, limit: int, since: str | None = None) -> list[Lead]:
    """Those with a larger id than `after`, closed ones too, the oldest first; with `since` only those active since."""
    return leads(connection, as_of, limit=limit, closed_too=True, since=since, after=after)


def count_pending(connection: Connection) -> int:
    """Conversations whose leads are not up to date yet (dirty): the daemon projects them, or will once it runs."""
    return int(connection.execute("SELECT count(*) FROM unjudged").fetchone()[0])
