"""The table `unjudged`: conversations that changed since their leads were derived."""

import sqlite3
from collections.abc import Iterable

from leadmasterd.store.rows import MARK_DIRTY


def mark_dirty(connection: sqlite3.Connection, conversations: Iterable[int]) -> None:
    """Mark these for projection."""
    connection.executemany(MARK_DIRTY, [(conversation,) for conversation in conversations])


def mark_all_dirty(connection: sqlite3.Connection) -> None:
    """Mark every conversation with a contact for projection."""
    connection.execute(
        "INSERT OR IGNORE INTO unjudged SELECT conversation_id FROM conversations WHERE contact_id IS NOT NULL"
    )


def dirty_conversations(connection: sqlite3.Connection, limit: int, after: int = 0) -> list[int]:
    """The next ids above `after`, in order."""
    rows = connection.execute(
        "SELECT conversation_id FROM unjudged WHERE conversation_id > ? ORDER BY conversation_id LIMIT ?",
        (after, limit),
    ).fetchall()
    return [conversation for (conversation,) in rows]
