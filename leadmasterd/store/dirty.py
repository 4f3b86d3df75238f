"""The table `unjudged`: conversations that are dirty, as they changed since their leads were derived.

Code that changes what leads are derived from marks the conversation here, in the same transaction. `since` is the
earliest time in the history that changed: when a message was sent, not when it was captured. Leads are derived again
from there; None means that the time is not known, so they are derived from the beginning. Nothing else inserts into the
table; the projection deletes from it.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_KEEP_EARLIER: Final = "ON CONFLICT (conversation_id) DO UPDATE SET since = excluded.since WHERE since IS NOT NULL AND "
"""For a conversation that is marked already: its `since` is replaced only by an earlier one. NULL, which stands for the
beginning, is the earliest of all."""
_MARK: Final = (
    "INSERT INTO unjudged (conversation_id, since) SELECT conversation_id, ?2 FROM conversations "
    "WHERE conversation_id = ?1 AND contact_id IS NOT NULL "
    f"{_KEEP_EARLIER}(excluded.since IS NULL OR excluded.since < since)"
)
"""Marks nothing if the conversation is a group's, or was merged into another and is gone."""
_MARK_ALL: Final = (
    "INSERT INTO unjudged (conversation_id, since) SELECT conversation_id, NULL FROM conversations "
    f"WHERE contact_id IS NOT NULL {_KEEP_EARLIER}true"
)

NO_ID: Final = 1 << 62
"""Above all ids of conversations."""


def mark_dirty(connection: sqlite3.Connection, since: Mapping[int, str | None]) -> None:
    """Mark conversations for projection. `since`: conversation -> earliest time (ISO) that changed; None: unknown."""
    connection.executemany(_MARK, since.items())


def mark_wholly_dirty(connection: sqlite3.Connection, conversations: Iterable[int]) -> None:
    """Mark conversations from their beginning: whose they are has changed, or it is not known what has."""
    mark_dirty(connection, dict.fromkeys(conversations))


def mark_all_dirty(connection: sqlite3.Connection) -> None:
    """Mark every conversation with a contact, from its beginning."""
    connection.execute(_MARK_ALL)


def mark_contacts_dirty(connection: sqlite3.Connection, contacts: Iterable[int]) -> None:
    """Mark all conversations of these contacts, from their beginning."""
    found = connection.execute(
        "SELECT conversation_id FROM conversations WHERE contact_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(contacts)),),
    )
    mark_wholly_dirty(connection, [conversation for (conversation,) in found])


def dirty_conversations(connection: sqlite3.Connection, limit: int, after: int = 0) -> list[int]:
    """The first `limit` marked conversations with ids above `after`, the lowest id first."""
    rows = connection.execute(
        "SELECT conversation_id FROM unjudged WHERE conversation_id > ? ORDER BY conversation_id LIMIT ?",
        (after, limit),
    ).fetchall()
    return [conversation for (conversation,) in rows]


def last_dirty_conversations(connection: sqlite3.Connection, limit: int, before: int = NO_ID) -> list[int]:
    """The last `limit` marked conversations with ids below `before`, the highest id first."""
    rows = connection.execute(
        "SELECT conversation_id FROM unjudged WHERE conversation_id < ? ORDER BY conversation_id DESC LIMIT ?",
        (before, limit),
    ).fetchall()
    return [conversation for (conversation,) in rows]


def dirty_among(connection: sqlite3.Connection, conversations: Sequence[int]) -> list[int]:
    """Which of these conversations are marked, the lowest id first."""
    rows = connection.execute(
        "SELECT conversation_id FROM unjudged WHERE conversation_id IN (SELECT value FROM json_each(?))",
        (json.dumps(conversations),),
    ).fetchall()
    return [conversation for (conversation,) in rows]


_MESSAGE_COUNTS: Final = (
    "SELECT conversation_id, CASE WHEN since IS NULL THEN (SELECT count(*) FROM "
    "(SELECT 1 FROM messages m WHERE m.conversation_id = u.conversation_id LIMIT ?2 + 1)) END "
    "FROM unjudged u WHERE conversation_id IN (SELECT value FROM json_each(?1))"
)
"""How many messages each marked conversation has, at most ?2 + 1; NULL if it is dirty from a known time on."""


def dirty_together(connection: sqlite3.Connection, conversations: Sequence[int], most: int) -> list[int]:
    """The conversations at the front of the list whose leads can be derived in one go.

    Always the first one. The next ones are added while all, with the first, are dirty from their beginning and have
    together at most `most` messages.
    """
    counts = dict(connection.execute(_MESSAGE_COUNTS, (json.dumps(conversations), most)))
    together: list[int] = []
    room = most
    for conversation in conversations:
        count = counts.get(conversation)
        if count is None:  # dirty from a known time on, or not at all: its leads are derived alone
            room = -1
        else:
            room -= count
        if together and room < 0:
            break
        together.append(conversation)
    return together


def earliest(times: Iterable[tuple[int, str]]) -> dict[int, str]:
    """Of (conversation, ISO time) pairs the earliest time of each conversation."""
    found: dict[int, str] = {}
    for conversation, at in times:
        if at < found.get(conversation, "~"):  # "~" sorts after every time
            found[conversation] = at
    return found
