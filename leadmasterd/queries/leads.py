"""Leads as people see them: who wrote, what they want, which stage. Each query has an index, so it is fast at any size.

What depends on the current time is not stored but computed here: overdue, stale, and whether `dormant` is proposed.
All about one lead is left to `lead_detail`.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypedDict, cast

from leadmasterd.queries.database import Connection, Row, rows
from leadmasterd.queries.people import DISPLAY_NAME, is_blank
from leadmasterd.times import iso


class LeadTouch(TypedDict):
    """The first touchpoint between a lead's opening and closing: what brought the customer."""

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
    """The answer of `leads list`. `unjudged`: conversations whose leads are not up to date."""

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
    FROM (SELECT l.lead_id FROM {{source}} WHERE {{where}} ORDER BY {{inner_order}} LIMIT :limit)
    JOIN leads l USING (lead_id) JOIN conversations v ON v.conversation_id = l.conversation_id
    JOIN contacts r ON r.contact_id = l.contact_id LEFT JOIN contacts c ON c.contact_id = v.contact_id
    ORDER BY {{order}}
"""
"""The inner query selects the leads before anything is looked up about them."""

_WAITS: Final = (
    "EXISTS (SELECT 1 FROM waiting_cycles x JOIN conversations y "
    "ON y.conversation_id = x.conversation_id AND y.waiting_since = x.started_at WHERE x.lead_id = l.lead_id{and_also})"
)
"""SQL: the lead `l` waits for an answer in one of its conversations."""
_LONGER_THAN_THIS: Final = " AND (x.started_at, x.cycle_id) < (w.started_at, w.cycle_id)"
"""For `_WAITS`: in another wait `x`, which is longer than `w`."""
_WAITING_LEADS: Final = (
    "conversations u CROSS JOIN waiting_cycles w ON w.conversation_id = u.conversation_id "
    "AND w.started_at = u.waiting_since CROSS JOIN leads l ON l.lead_id = w.lead_id"
)
"""In this order the index of who waits gives the longest wait first, and nothing is looked up beyond the limit."""
_LONGEST_WAIT: Final = (
    "(SELECT min(started_at) FROM waiting_cycles w WHERE w.lead_id = l.lead_id AND ended_at IS NULL), l.lead_id"
)
_HAS_STAGE: Final = "l.stage = {}"
_HAS_INTENT: Final = "l.intent = {} OR instr(l.topics, json_quote({}))"


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
    """At most `limit` leads, the most recently active first; open ones only, unless `closed_too`.

    `stages`, `intents`: in one of these stages; with one of these as its intent or topic (empty: any). `since`: active
    since then, ISO, UTC. `contact`: of this root contact. `after`: with a larger id, and in order of their ids.
    `waiting`: True for those that wait for an answer, the longest waiting first; False for the others; None for both.
    """
    conditions: list[str] = [] if closed_too else ["l.closed_at IS NULL"]
    values: dict[str, object] = {"limit": limit}
    source = "leads l"
    order = "l.last_message_at DESC, l.lead_id DESC"
    if after is not None:
        order = "l.lead_id"
    elif not (closed_too or stages or contact):
        source = "leads l INDEXED BY leads_open"  # it has this order; SQLite by itself would sort all open leads
    inner_order = order
    if waiting:
        source = _WAITING_LEADS
        inner_order = "u.waiting_since, l.lead_id"
        order = _LONGEST_WAIT
        by_longest_wait_only = "NOT " + _WAITS.format(and_also=_LONGER_THAN_THIS)  # so that no lead is found twice
        conditions += ["u.waiting_since IS NOT NULL", by_longest_wait_only]
    elif waiting is False:
        conditions.append("NOT " + _WAITS.format(and_also=""))
    if stages:
        conditions.append(_any_of(_HAS_STAGE, stages, values))
    if intents:
        conditions.append(_any_of(_HAS_INTENT, intents, values))
    if since is not None:
        conditions.append("l.last_message_at >= :since")
        values["since"] = since
    if contact is not None:
        conditions.append("l.contact_id = :contact")
        values["contact"] = contact
    if after is not None:
        conditions.append("l.lead_id > :after")
        values["after"] = after
    where = " AND ".join(conditions) or "1"
    query = _LEADS.format(source=source, where=where, inner_order=inner_order, order=order)
    return [_lead(row, as_of) for row in rows(connection, query, **values)]


def _any_of(condition: str, allowed: Sequence[str], values: dict[str, object]) -> str:
    """SQL: the condition, in which `{}` stands for a value, holds for any of these.

    Adds them to `values`, the parameters of the query, under names of their own.
    """
    alternatives = []
    for each in allowed:
        name = f"value{len(values)}"
        values[name] = each
        alternatives.append(condition.replace("{}", f":{name}"))
    return f"({' OR '.join(alternatives)})"


def _lead(row: Row, as_of: AsOf) -> Lead:
    """A row of `_LEADS` as the documented object, with what depends on the current time."""
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
    """The name to show for a row with `who`, `phone` and `chat`: `who`, unless it is invisible; else a phone or id."""
    if is_blank(row["who"]):
        return str(row["phone"] or row["chat"])
    return str(row["who"])


def touch_name(touch: LeadTouch) -> str:
    """The best name for an ad, a link or a campaign; `?` if nothing is known of it."""
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
    """At most `limit` leads: those that wait for an answer, the longest first; then the most recently active.

    `closed_too`, `stages`, `intents`: as for `leads`.
    """
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
    """Leads with a larger id than `after`, closed ones too, in order of their ids.

    `since`: only those active since then, ISO, UTC.
    """
    return leads(connection, as_of, limit=limit, closed_too=True, since=since, after=after)


def count_pending(connection: Connection) -> int:
    """How many conversations have leads that are not up to date yet. The daemon projects them, or will once it runs."""
    return int(connection.execute("SELECT count(*) FROM unjudged").fetchone()[0])
