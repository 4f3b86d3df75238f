"""Captured messages, searched and listed: the answers of `messages` and `messages --problems`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypedDict, cast

from leadmasterd.queries.database import Connection, Row, id_list, records, rows
from leadmasterd.queries.people import find, find_named
from leadmasterd.readable import NOTHING, Content, line, searched_columns
from leadmasterd.text import unaccented


class CapturedMessage(TypedDict):
    """One message as it stands now: after an edit, its new words. `text`: the line that people read."""

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


_MESSAGES: Final = """
    SELECT m.message_id, a.wid AS account, m.conversation_id, v.chat, m.direction, m.author, m.type, m.body, m.sent_at,
           m.captured_at, m.captured_via, m.readable_at, m.edited_at, m.revoked_at, m.notify_name, m.media, m.quoted,
           m.referral, m.details, m.marks, coalesce(c.saved_name, c.verified_name, c.push_name) AS contact
    FROM messages m JOIN conversations v USING (conversation_id) JOIN accounts a ON a.account_id = m.account_id
    LEFT JOIN contacts c USING (contact_id)
    WHERE {where} ORDER BY m.sent_at DESC, m.message_id DESC LIMIT :limit
"""
_JSON_COLUMNS: Final = ("media", "quoted", "referral", "details", "marks")


def conversations_meant(connection: Connection, text: str, country: str) -> tuple[int, ...]:
    """The conversations that somebody means by an id or a name that they type. Empty if none fits.

    First, all conversations of the person with that id; else the one with that chat id, as of a group; else all of the
    person with that name. `country`: the country of a phone typed without its code. Raises Refused with a list where
    several people have that name.
    """
    subject = find(connection, text, country)
    if subject:
        return subject.conversations
    found = rows(connection, "SELECT conversation_id FROM conversations WHERE chat = :chat", chat=text.strip())
    if found:
        return tuple(row["conversation_id"] for row in found)
    named = find_named(connection, text)
    return named.conversations if named else ()


def message_list(
    connection: Connection,
    *,
    limit: int,
    conversations: Sequence[int] | None = None,
    search: str | None = None,
    since: str | None = None,
) -> MessageList:
    """The newest `limit` messages, the oldest first.

    `conversations`: only of these. `search`: only with this text, whatever its case and accents. `since`: only sent
    since then, ISO, UTC. Defines the SQL function `contains` on the connection for a search.
    """
    conditions = ["1"]  # true, so that there is always one
    values: dict[str, object] = {"limit": limit}
    if conversations is not None:
        conditions.append("m.conversation_id IN (SELECT value FROM json_each(:conversations))")
        values["conversations"] = id_list(conversations)
    if search:
        words = unaccented(search) or search  # of an accent alone, `unaccented` leaves nothing
        connection.create_function("contains", 5, lambda *columns: words in unaccented(searched_columns(*columns)))
        conditions.append("contains(m.type, m.body, m.media, m.quoted, m.details)")
    if since:
        conditions.append("m.sent_at >= :since")
        values["since"] = since
    found = rows(connection, _MESSAGES.format(where=" AND ".join(conditions)), **values)
    return {"messages": [cast("CapturedMessage", with_text(row)) for row in reversed(found)]}


def lines_of(connection: Connection, messages: Iterable[int]) -> dict[int, str]:
    """The line that people read of each of these messages, by id. Revoked ones and ids that do not exist are left out.

    `messages`: ids of messages.
    """
    query = _MESSAGES.format(where="m.message_id IN (SELECT value FROM json_each(:ids)) AND m.revoked_at IS NULL")
    found = rows(connection, query, ids=id_list(messages), limit=-1)
    return {row["message_id"]: with_text(row)["text"] for row in found}


def with_text(row: Row) -> Row:
    """A copy of a row of `messages` with its JSON columns parsed, and with `text`, the line that people read.

    The row needs the columns that `content_of` reads; other columns stay as they are.
    """
    parsed = {name: json.loads(row[name]) if row[name] else None for name in _JSON_COLUMNS if name in row}
    message = row | parsed
    return message | {"text": line(content_of(message))}


def content_of(message: Mapping[str, Any]) -> Content:
    """A message in the form that `readable` puts into words. `message`: its columns, with JSON parsed.

    While the message can't be read (`readable_at` is None), its type is `ciphertext`.
    """
    return Content(
        type=message["type"] if message["readable_at"] else "ciphertext",
        body=message["body"],
        outgoing=message["direction"] == "out",
        media=message["media"] or NOTHING,
        quoted=message["quoted"] or NOTHING,
        details=message["details"] or NOTHING,
    )


class CapturedText(TypedDict):
    """A message of a conversation, with the digits of the customer's phone (None: not known)."""

    direction: str
    body: str | None
    captured_via: str
    phone: str | None


def captured_texts(connection: Connection) -> list[CapturedText]:
    """Every captured message, in no order. For the demo, which compares them with what was written."""
    return records(
        CapturedText,
        connection,
        "SELECT m.direction, m.body, m.captured_via, (SELECT replace(value, '@c.us', '') FROM contact_identities i "
        "WHERE i.contact_id = v.contact_id AND i.kind = 'wa_jid') AS phone "
        "FROM messages m JOIN conversations v USING (conversation_id)",
    )


class Problem(TypedDict):
    """A line of the listener that was not stored as a message, and why. `message_id`: the message it is about, if any.

    `problem`: a code. `line`: as the listener wrote it.
    """

    captured_at: str
    message_id: int | None
    problem: str
    line: str


class ProblemList(TypedDict):
    """The answer of `messages --problems`."""

    problems: list[Problem]


def problem_list(connection: Connection, *, limit: int, since: str | None = None) -> ProblemList:
    """The newest `limit` lines that could not be used or differ from a stored message, the oldest first.

    `since`: only captured since then, ISO, UTC.
    """
    found = records(
        Problem,
        connection,
        "SELECT captured_at, message_id, problem, line FROM raw_events WHERE problem IS NOT NULL "
        "AND captured_at >= :since ORDER BY captured_at DESC, raw_id DESC LIMIT :limit",
        since=since or "",
        limit=limit,
    )
    return {"problems": found[::-1]}
