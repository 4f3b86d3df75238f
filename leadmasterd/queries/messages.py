"""Captured messages, searched and listed. The answer of `messages`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypedDict, cast

from leadmasterd.queries.database import Connection, Row, id_list, records, rows
from leadmasterd.queries.people import find, find_named
from leadmasterd.readable import NOTHING, Content, line, searched_columns
from leadmasterd.text import unaccented


class CapturedMessage(TypedDict):
    """One message as captured and, if it was edited or revoked, as it stands now."""

    message_id: int
    account: str
    conversation_id: int
    chat: str
    direction: str
    author: str
    type: str
    body: str | None
    sent_at: str
    captured_at: str
    captured_via: str
    readable_at: str | None
    edited_at: str | None
    revoked_at: str | None
    notify_name: str | None
    media: dict[str, Any] | None
    quoted: dict[str, Any] | None
    referral: dict[str, Any] | None
    details: dict[str, Any] | None
    marks: dict[str, str | bool] | None
    text: str
    contact: str | None


class MessageList(TypedDict):
    """The answer of `messages`."""

    messages: list[CapturedMessage]


_QUERY: Final = """
    SELECT m.message_id, a.wid AS account, m.conversation_id, v.chat, m.direction, m.author, m.type, m.body, m.sent_at,
           m.captured_at, m.captured_via, m.readable_at, m.edited_at, m.revoked_at, m.notify_name, m.media, m.quoted,
           m.referral, m.details, m.marks, coalesce(c.saved_name, c.verified_name, c.push_name) AS contact
    FROM messages m JOIN conversations v USING (conversation_id) JOIN accounts a ON a.account_id = m.account_id
    LEFT JOIN contacts c USING (contact_id)
    WHERE {where} ORDER BY m.sent_at DESC, m.message_id DESC LIMIT :limit
"""
_JSON_COLUMNS: Final = ("media", "quoted", "referral", "details", "marks")


def conversations_meant(connection: Connection, text: str, country: str) -> tuple[int, ...]:
    """All conversations of the person behind an id or a name, or the one with that chat id, as of a group.

    Empty if none. Raises Refused with a list where several have that name.
    """
    if subject := find(connection, text, country):
        return subject.conversations
    found = rows(connection, "SELECT conversation_id FROM conversations WHERE chat = :chat", chat=text.strip())
    if not found and (named := find_named(connection, text)):
        return named.conversations
    return tuple(row["conversation_id"] for row in found)


def message_list(
    connection: Connection,
    *,
    limit: int,
    conversations: Sequence[int] | None = None,
    search: str | None = None,
    since: str | None = None,
) -> MessageList:
    """The newest `limit` messages, the oldest first.

    `conversations`: only of these. `search`: only with this text, whatever its case and accents. `since`: ISO, UTC.
    """
    conditions = ["1"]
    values: dict[str, object] = {"limit": limit}
    if conversations is not None:
        conditions.append("m.conversation_id IN (SELECT value FROM json_each(:conversations))")
        values["conversations"] = id_list(conversations)
    if search:
        words = unaccented(search) or search
        connection.create_function("contains", 5, lambda *columns: words in unaccented(searched_columns(*columns)))
        conditions.append("contains(m.type, m.body, m.media, m.quoted, m.details)")
    if since:
        conditions.append("m.sent_at >= :since")
        values["since"] = since
    found = rows(connection, _QUERY.format(where=" AND ".join(conditions)), **values)
    return {"messages": [cast("CapturedMessage", with_text(row)) for row in reversed(found)]}


def lines_of(connection: Connection, messages: Iterable[int]) -> dict[int, str]:
    """These messages as people read them, by their ids; without those that were deleted."""
    query = _QUERY.format(where="m.message_id IN (SELECT value FROM json_each(:ids)) AND m.revoked_at IS NULL")
    return {
        row["message_id"]: with_text(row)["text"] for row in rows(connection, query, ids=id_list(messages), limit=-1)
    }


def with_text(row: Row) -> Row:
    """A row of `messages` with its JSON parsed, and with the line that people read."""
    parsed = row | {name: json.loads(row[name]) if row[name] else None for name in _JSON_COLUMNS if name in row}
    return parsed | {"text": line(content_of(parsed))}


def content_of(message: Mapping[str, Any]) -> Content:
    """What `readable` tells of a message with these keys."""
    return Content(
        type=message["type"] if message["readable_at"] else "ciphertext",
        body=message["body"],
        outgoing=message["direction"] == "out",
        media=message["media"] or NOTHING,
        quoted=message["quoted"] or NOTHING,
        details=message["details"] or NOTHING,
    )


class CapturedText(TypedDict):
    """A message with the digits of the other side's phone."""

    direction: str
    body: str | None
    captured_via: str
    phone: str | None


def captured_texts(connection: Connection) -> list[CapturedText]:
    """Every message; for the demo, which counts what was captured."""
    return records(
        CapturedText,
        connection,
        "SELECT m.direction, m.body, m.captured_via, (SELECT replace(value, '@c.us', '') FROM contact_identities i "
        "WHERE i.contact_id = v.contact_id AND i.kind = 'wa_jid') AS phone "
        "FROM messages m JOIN conversations v USING (conversation_id)",
    )


class Problem(TypedDict):
    """A line of the listener that is no message of its own, and why. `message_id`: of the message that it is about."""

    captured_at: str
    message_id: int | None
    problem: str
    line: str


class ProblemList(TypedDict):
    """The answer of `messages --problems`."""

    problems: list[Problem]


def problem_list(connection: Connection, *, limit: int, since: str | None = None) -> ProblemList:
    """The newest `limit` lines that could not be used or differ from a stored message, the oldest first."""
    found = records(
        Problem,
        connection,
        "SELECT captured_at, message_id, problem, line FROM raw_events WHERE problem IS NOT NULL "
        "AND captured_at >= :since ORDER BY captured_at DESC, raw_id DESC LIMIT :limit",
        since=since or "",
        limit=limit,
    )
    return {"problems": found[::-1]}
