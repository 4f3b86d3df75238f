"""Conversations as a table for `leads export --by conversation`: one row each, however many leads came of it."""

from datetime import datetime
from typing import Any, Final, TypedDict, cast

from leadmasterd.queries.database import Connection, rows
from leadmasterd.queries.leads import visible_name
from leadmasterd.queries.people import DISPLAY_NAME
from leadmasterd.times import iso


class ConversationSummary(TypedDict):
    """One conversation. The fields from `lead_id` on are of its open lead, or else of its latest; None without a lead.

    `contact_id`: the person's root contact; None for a group.
    """

    conversation_id: int
    contact_id: int | None
    chat: str
    who: str
    phone: str | None
    category: str | None
    category_by: str | None
    waiting_since: str | None
    due_at: str | None
    overdue: bool
    messages: int
    first_message_at: str | None
    last_inbound_at: str | None
    last_outbound_at: str | None
    leads: int
    lead_id: int | None
    stage: str | None
    intent: str | None
    opened_at: str | None
    closed_at: str | None
    first_response_seconds: float | None
    first_response_business_seconds: float | None
    follow_up_at: str | None


class ConversationExport(TypedDict):
    """The answer of `leads export --by conversation`."""

    conversations: list[ConversationSummary]


_CONVERSATIONS: Final = f"""
    SELECT v.conversation_id, r.contact_id, v.chat, {DISPLAY_NAME} AS who, coalesce(c.phone, r.phone) AS phone,
           v.category, v.category_by, v.waiting_since, v.due_at, coalesce(v.due_at <= :now, 0) AS overdue,
           (SELECT count(*) FROM messages m WHERE m.conversation_id = v.conversation_id) AS messages,
           (SELECT min(sent_at) FROM messages m WHERE m.conversation_id = v.conversation_id) AS first_message_at,
           v.last_inbound_at, v.last_outbound_at,
           (SELECT count(*) FROM leads k WHERE k.conversation_id = v.conversation_id) AS leads,
           l.lead_id, l.stage, l.intent, l.opened_at, l.closed_at, l.first_response_seconds,
           l.first_response_business_seconds,
           (SELECT min(due_at) FROM follow_ups f WHERE f.conversation_id = v.conversation_id AND state = 'planned')
               AS follow_up_at
    FROM conversations v
    LEFT JOIN contacts c ON c.contact_id = v.contact_id
    LEFT JOIN contacts r ON r.contact_id = coalesce(c.merged_into_id, c.contact_id)
    LEFT JOIN leads l ON l.lead_id = (SELECT lead_id FROM leads k WHERE k.conversation_id = v.conversation_id
        ORDER BY closed_at IS NOT NULL, opened_at DESC, lead_id DESC LIMIT 1)
    WHERE v.conversation_id > :after
          AND (:since IS NULL OR :since <= max(coalesce(v.last_inbound_at, ''), coalesce(v.last_outbound_at, ''),
              coalesce(v.waiting_since, '')))
    ORDER BY v.conversation_id LIMIT :limit
"""


def conversations_after(
    connection: Connection, now: datetime, *, after: int, limit: int, since: str | None = None
) -> list[ConversationSummary]:
    """Conversations with a larger id than `after`, groups too, in order of their ids.

    `since`: only those active since then, ISO, UTC.
    """
    found = []
    for row in rows(connection, _CONVERSATIONS, now=iso(now), after=after, limit=limit, since=since):
        computed: dict[str, Any] = {"who": visible_name(row), "overdue": bool(row["overdue"])}
        found.append(cast("ConversationSummary", row | computed))
    return found
