"""The table `unjudged`: conversations that changed since their leads were derived, and from when on.

Whoever changes what leads are derived from says here, in the same transaction, where and since when: the earliest time
of what changed, as the history has it, and not when it was captured. None means that it is not known, so that the whole
history is folded again. Nothing else writes the table; the projection clears it.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_LATER: Final = "ON CONFLICT (conversation_id) DO UPDATE SET since = excluded.since WHERE since IS NOT NULL AND "
_MARK: Final = (
    "INSERT INTO unjudged (conversation_id, since) SELECT conversation_id, ?2 FROM conversations "
    f"WHERE conversation_id = ?1 AND contact_id IS NOT NULL {_LATER}(excluded.since IS NULL OR excluded.since < since)"
)
"""Unless it is a group's, or was merged into another."""
_MARK_ALL: Final = (
    "INSERT INTO unjudged (conversation_id, since) SELECT conversation_id, NULL FROM conversations "
    f"WHERE contact_id IS NOT NULL {_LATER}true"
)

NO_ID: Final = 1 << 62
"""Above all ids of conversations."""


def mark_dirty(connection: sqlite3.Connection, since: Mapping[int, str | None]) -> None:
    """Mark these conversations for projection: each with the earliest time of what changed there; None: unknown."""
    connection.executemany(_MARK, since.items())


def mark_wholly_dirty(connection: sqlite3.Connection, conversations: Iterable[int]) -> None:
    """Mark these from their beginning: whose they are has changed, or nobody knows what has."""
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
    """The next ids above `after`, in order."""
    rows = connection.execute(
        "SELECT conversation_id FROM unjudged WHERE conversation_id > ? ORDER BY conversation_id LIMIT ?",
        (after, limit),
    ).fetchall()
    return [conversation for (conversation,) in rows]


def last_dirty_conversations(connection: sqlite3.Connection, limit: int, before: int = NO_ID) -> list[int]:
    """The next ids below `before`, the highest first."""
    rows = connection.execute(
        "SELECT conversation_id FROM unjudged WHERE conversation_id < ? ORDER BY conversation_id DESC LIMIT ?",
        (before, limit),
    ).fetchall()
    return [conversation for (conversation,) in rows]


def dirty_among(connection: sqlite3.Connection, conversations: Sequence[int]) -> list[int]:
    """Those of these that are marked, in order."""
    rows = connection.execute(
        "SELECT conversation_id FROM unjudged WHERE conversation_id IN (SELECT value FROM json_each(?))",
        (json.dumps(conversations),),
    ).fetchall()
    return [conversation for (conversation,) in rows]


_MESSAGES: Final = (
    "SELECT conversation_id, CASE WHEN since IS NULL THEN (SELECT count(*) FROM "
    "(SELECT 1 FROM messages m WHERE m.conversation_id = u.conversation_id LIMIT ?2 + 1)) END "
    "FROM unjudged u WHERE conversation_id IN (SELECT value FROM json_each(?1))"
)


def dirty_together(connection: sqlite3.Connection, conversations: Sequence[int], most: int) -> list[int]:
    """The first of these, and those after it as long as all are dirty from their beginning and short.

    `most`: messages that they have together.
    """
    messages = dict(connection.execute(_MESSAGES, (json.dumps(conversations), most)))
    together: list[int] = []
    for conversation in conversations:
        number = messages.get(conversation)
        most -= most + 1 if number is None else number
        if together and most < 0:
            break
        together.append(conversation)
    return together


def earliest(times: Iterable[tuple[int, str]]) -> dict[int, str]:
    """Of (conversation, time) pairs the earliest time of each conversation."""
    found: dict[int, str] = {}
    for conversation, at in times:
        if at < found.get(conversation, "~"):
            found[conversation] = at
    return found
