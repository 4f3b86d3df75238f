"""What commands show of leads: who wrote, what they want, who waits and for how long. Reads only, through indexes.

What depends on the moment of asking is reckoned here: overdue, stale, silent for so long that `dormant` is proposed.
Rows are plain dicts, as `--json` prints them; times are the tables' text.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from leadmasterd.times import iso

Row = dict[str, Any]
BusinessSeconds = Callable[[datetime, datetime], float]

_WHO: Final = (
    "coalesce(nullif(trim(r.saved_name), ''), nullif(trim(c.saved_name), ''), nullif(trim(r.push_name), ''), "
    "nullif(trim(c.push_name), ''), c.phone, r.phone, v.chat)"
)
"""A name as the operator saved it, else as they call themselves, else the phone, else the chat's id: never empty."""

_UNSEEN: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Fillers of Hangul and Braille's empty cell."""

_BURST_INTENT: Final = (
    "coalesce((SELECT intent FROM corrections x, json_each(x.message_ids) m "
    "WHERE x.conversation_id = v.conversation_id AND x.undone_at IS NULL AND m.value = w.message_id "
    "ORDER BY x.at DESC, x.correction_id DESC LIMIT 1), "
    "(SELECT intent FROM classifications k WHERE k.first_message_id = w.message_id AND instr(k.burst, ':') = 0 "
    "ORDER BY classification_id DESC LIMIT 1))"
)
"""What the burst that waits was taken for, a person's word first."""

_WAITING: Final = f"""
    SELECT v.conversation_id, w.lead_id, v.chat, {_WHO} AS who, coalesce(c.phone, r.phone) AS phone, l.stage,
           coalesce({_BURST_INTENT}, CASE WHEN w.message_id IS NOT NULL THEN l.intent END) AS intent, v.category,
           w.message_id IS NULL AS missed_call, w.kind, v.waiting_since, v.due_at,
           coalesce(v.due_at <= :now, 0) AS overdue
    FROM conversations v
    LEFT JOIN contacts c ON c.contact_id = v.contact_id
    LEFT JOIN contacts r ON r.contact_id = c.merged_into_id
    LEFT JOIN waiting_cycles w ON w.conversation_id = v.conversation_id AND w.started_at = v.waiting_since
    LEFT JOIN leads l ON l.lead_id = w.lead_id
    WHERE v.waiting_since IS NOT NULL ORDER BY v.waiting_since, v.conversation_id LIMIT :limit
"""

_LEADS: Final = f"""
    SELECT l.lead_id, l.contact_id, l.conversation_id, v.chat, {_WHO} AS who, coalesce(r.phone, c.phone) AS phone,
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
    FROM (SELECT lead_id FROM leads l WHERE {{where}} ORDER BY {{order}} LIMIT :limit)
    JOIN leads l USING (lead_id) JOIN conversations v ON v.conversation_id = l.conversation_id
    JOIN contacts r ON r.contact_id = l.contact_id LEFT JOIN contacts c ON c.contact_id = v.contact_id
    ORDER BY {{order}}
"""
"""Which leads is found out before anything about them is."""


@dataclass(frozen=True, slots=True)
class Windows:
    """What the moment of asking is held against."""

    now: datetime
    stale_days: int
    dormant_days: int


def is_blank(name: str) -> bool:
    """Nothing of it is seen: spaces, controls, and letters drawn as nothing, as people do call themselves."""
    return not any(char.isprintable() and not char.isspace() and char not in _UNSEEN for char in name)


def _name_who(row: Row) -> None:
    if is_blank(row["who"]):
        row["who"] = row["phone"] or row["chat"]


def ask(connection: sqlite3.Connection, query: str, *values: object, **named: object) -> list[Row]:
    """Rows as dicts, whatever the connection's own row factory is."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return [dict(row) for row in cursor.execute(query, named or values)]


# ---------------------------------------------------------------------- who waits


def waiting(
    connection: sqlite3.Connection,
    now: datetime,
    limit: int,
    target_seconds: float,
    business_seconds: BusinessSeconds | None,
) -> list[Row]:
    """Conversations that wait for an answer, the longest first, with and without a lead.

    `waited_business_seconds` is exact with a calendar's `business_seconds`, and without it what can be told from the
    due time: it is not less than that, and never more than there were seconds.
    """
    rows = ask(connection, _WAITING, now=iso(now), limit=limit)
    for row in rows:
        _name_who(row)
        since = datetime.fromisoformat(row["waiting_since"])
        row["missed_call"], row["overdue"] = bool(row["missed_call"]), bool(row["overdue"])
        row["waited_seconds"] = waited = max(0.0, (now - since).total_seconds())
        if business_seconds:
            row["waited_business_seconds"] = business_seconds(since, now)
        elif row["due_at"] is None:
            row["waited_business_seconds"] = 0.0
        else:
            left = (datetime.fromisoformat(row["due_at"]) - now).total_seconds()
            least = target_seconds if row["overdue"] else max(0.0, target_seconds - left)
            row["waited_business_seconds"] = min(least, waited)
    return rows


def count_waiting(connection: sqlite3.Connection, now: datetime) -> Row:
    """How many wait, how many of them for too long, since when the first one does, and what is not looked at yet."""
    [row] = ask(
        connection,
        "SELECT count(*) AS conversations, coalesce(sum(due_at <= :now), 0) AS overdue, "
        "min(waiting_since) AS oldest_since FROM conversations WHERE waiting_since IS NOT NULL",
        now=iso(now),
    )
    return {**row, "unjudged": count_unjudged(connection)}


def count_unjudged(connection: sqlite3.Connection) -> int:
    """Conversations with something that no lead was made of yet: the daemon is about it, or will be once it runs."""
    return int(connection.execute("SELECT count(*) FROM unjudged").fetchone()[0])


# ---------------------------------------------------------------------- leads


def leads(
    connection: sqlite3.Connection,
    windows: Windows,
    *,
    limit: int,
    closed_too: bool = False,
    stages: Sequence[str] = (),
    intents: Sequence[str] = (),
    since: str | None = None,
    contact: int | None = None,
    lead: int | None = None,
    oldest_first: bool = False,
) -> list[Row]:
    """Leads, the newest activity first. `contact`: a root. `intents`: of it or among its topics."""
    conditions: list[str] = [] if closed_too else ["l.closed_at IS NULL"]
    values: dict[str, object] = {"limit": limit}
    for column, allowed in (("l.stage = {}", stages), (_TOPIC, intents)):
        if allowed:
            names = [f"v{len(values) + number}" for number in range(len(allowed))]
            values |= dict(zip(names, allowed, strict=True))
            conditions.append("(" + " OR ".join(column.replace("{}", f":{name}") for name in names) + ")")
    for column, value in (("l.last_message_at >=", since), ("l.contact_id =", contact), ("l.lead_id =", lead)):
        if value is not None:
            name = f"v{len(values)}"
            values[name] = value
            conditions.append(f"{column} :{name}")
    query = _LEADS.format(
        where=" AND ".join(conditions) or "1",
        order="l.lead_id" if oldest_first else "l.last_message_at DESC, l.lead_id DESC",
    )
    rows = ask(connection, query, **values)
    for row in rows:
        _name_who(row)
        _judge_by_the_clock(row, windows)
    return rows


_TOPIC: Final = "l.intent = {} OR instr(l.topics, json_quote({}))"


def _judge_by_the_clock(row: Row, windows: Windows) -> None:
    is_open = row["closed_at"] is None
    silent_days = (windows.now - datetime.fromisoformat(row["last_message_at"])) / timedelta(days=1)
    row["topics"] = json.loads(row["topics"])
    row["touch"] = json.loads(row["touch"]) if row["touch"] else None
    row["overdue"] = row["due_at"] is not None and row["due_at"] <= iso(windows.now)
    row["stale"] = is_open and row["follow_up_at"] is None and silent_days >= windows.stale_days
    row["dormant_proposed"] = is_open and silent_days >= windows.dormant_days


def named_touch(touch: Row) -> str:
    """What an ad, a link or a campaign is known by."""
    return str(touch["headline"] or touch["source_id"] or touch["source_url"] or "?")


# ---------------------------------------------------------------------- one person


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a person means by an id: a contact (the one that stands for it), its conversations, and a lead if named.

    `conversation_id`: the lead's or the chat's, where a person's word belongs. `opened_by`: the message that opened
    the lead, known for a lead that was withdrawn too, which has no `lead_id` any more.
    """

    contact_id: int
    conversations: tuple[int, ...]
    conversation_id: int
    lead_id: int | None = None
    opened_by: int | None = None


def find(connection: sqlite3.Connection, text: str, country: str) -> Subject | None:
    """By a lead's id (of a withdrawn one too), a phone in whatever spelling, or a chat's id. None when there is none.

    `country`: where a phone without a country code is dialled.
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 19:
        rows = ask(
            connection,
            "SELECT contact_id, conversation_id, lead_id, opened_by_message_id AS opened_by FROM leads "
            "WHERE lead_id = :it UNION ALL SELECT contact_id, conversation_id, NULL, message_id FROM lead_events "
            "JOIN messages USING (message_id) JOIN conversations USING (conversation_id) "
            "WHERE lead_id = :it AND kind = 'opened' AND contact_id IS NOT NULL LIMIT 1",
            it=int(text),
        )
        if rows:
            row = rows[0]
            return _subject(connection, row["contact_id"], row["conversation_id"], row["lead_id"], row["opened_by"])
    digits = "".join(filter(str.isdigit, text))
    rows = ask(
        connection,
        "SELECT contact_id, conversation_id, last_inbound_at FROM conversations WHERE contact_id IN "
        "(SELECT contact_id FROM contact_identities WHERE value IN (:text, :chat, :lid, :phone)) "
        "UNION SELECT contact_id, conversation_id, last_inbound_at FROM conversations "
        "WHERE chat = :text AND contact_id IS NOT NULL ORDER BY last_inbound_at DESC",
        text=text,
        chat=f"{digits}@c.us",
        lid=f"{digits}@lid",
        phone=f"+{digits}",
    )
    if not rows and len(digits) >= 7 and "@" not in text:
        from leadmasterd.identity import phone_from_text

        key = phone_from_text(text, country.partition("-")[0] or "AR")
        rows = ask(
            connection,
            "SELECT contact_id, conversation_id FROM contacts JOIN conversations USING (contact_id) "
            "WHERE match_key = ? ORDER BY last_inbound_at DESC",
            key,
        )
    return _subject(connection, rows[0]["contact_id"], rows[0]["conversation_id"]) if rows else None


def _subject(
    connection: sqlite3.Connection,
    contact: int,
    conversation: int,
    lead: int | None = None,
    opened_by: int | None = None,
) -> Subject:
    from leadmasterd.store.merges import members_of, root_of

    root = root_of(connection, contact)
    members = ",".join(map(str, members_of(connection, root)))
    rows = ask(
        connection,
        f"SELECT conversation_id FROM conversations WHERE contact_id IN ({members}) ORDER BY conversation_id",
    )
    return Subject(root, tuple(row["conversation_id"] for row in rows), conversation, lead, opened_by)
