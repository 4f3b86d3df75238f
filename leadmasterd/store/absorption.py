"""Two contacts that WhatsApp itself says are one become one row, for good: nothing is left to undo.

Runs inside the caller's transaction (BEGIN IMMEDIATE).
"""

import sqlite3
from typing import Final

from leadmasterd.reasons import SYSTEM
from leadmasterd.store.merges import give_leads, load_forest, mark_members_dirty, save_forest

MOVED: Final = ("messages", "calls", "leads", "decisions", "corrections", "classifications", "touches", "sent_bodies")
"""Facts of a conversation, which go along when it becomes part of another. What is derived goes with the row."""


def absorb(connection: sqlite3.Connection, one: int, other: int, *, at: str) -> int:
    """Make one contact of two. Returns the id that stays: the older, unless the other one stands for it.

    Everything of the other goes along, also what people said of it: their merges are then said of the one that stays.
    Where both had a conversation with the same account, they become one.
    """
    keep, drop = sorted((one, other))
    forest = load_forest(connection, (keep, drop))
    if drop in forest.path(keep):
        keep, drop = drop, keep
    before, roots = list(forest), (forest.root(keep), forest.root(drop))
    forest.contract(keep, drop)
    save_forest(connection, forest, before, at=at)
    _rename_in_undone_merges(connection, keep, drop)
    root = forest.root(keep)
    for former in {*roots} - {root}:
        give_leads(connection, former, root, actor=SYSTEM, at=at)
    connection.execute("UPDATE contact_identities SET contact_id = ? WHERE contact_id = ?", (keep, drop))
    _absorb_conversations(connection, keep, drop)
    connection.execute(
        "UPDATE contacts SET (saved_name, verified_name, push_name, business, phone, match_key, updated_at) = (SELECT "
        "coalesce(contacts.saved_name, c.saved_name), coalesce(contacts.verified_name, c.verified_name), "
        "coalesce(contacts.push_name, c.push_name), "
        "max(contacts.business, c.business), coalesce(contacts.phone, c.phone), "
        "coalesce(contacts.match_key, c.match_key), ? FROM contacts c WHERE c.contact_id = ?) WHERE contact_id = ?",
        (at, drop, keep),
    )
    connection.execute("DELETE FROM contacts WHERE contact_id = ?", (drop,))
    mark_members_dirty(connection, root)
    return keep


def _rename_in_undone_merges(connection: sqlite3.Connection, keep: int, drop: int) -> None:
    for column in ("kept_id", "merged_id"):
        connection.execute(f"UPDATE contact_merges SET {column} = ? WHERE {column} = ?", (keep, drop))
    connection.execute("DELETE FROM contact_merges WHERE kept_id = merged_id")


def _absorb_conversations(connection: sqlite3.Connection, keep: int, drop: int) -> None:
    for account, conversation in connection.execute(
        "SELECT account_id, conversation_id FROM conversations WHERE contact_id = ?", (drop,)
    ).fetchall():
        twin = connection.execute(
            "SELECT conversation_id FROM conversations WHERE account_id = ? AND contact_id = ?", (account, keep)
        ).fetchone()
        if twin is None:
            connection.execute(
                "UPDATE conversations SET contact_id = ? WHERE conversation_id = ?", (keep, conversation)
            )
        else:
            _absorb_conversation(connection, twin[0], conversation)


def _absorb_conversation(connection: sqlite3.Connection, keep: int, drop: int) -> None:
    for table in MOVED:
        # OR IGNORE: of two labels of one burst the first stays, and the other goes with its conversation.
        connection.execute(f"UPDATE OR IGNORE {table} SET conversation_id = ? WHERE conversation_id = ?", (keep, drop))
    connection.execute(
        "UPDATE conversations SET "
        "last_inbound_at = nullif(max(coalesce(last_inbound_at, ''), coalesce((SELECT last_inbound_at FROM "
        "conversations WHERE conversation_id = :drop), '')), ''), "
        "last_outbound_at = nullif(max(coalesce(last_outbound_at, ''), coalesce((SELECT last_outbound_at FROM "
        "conversations WHERE conversation_id = :drop), '')), ''), "
        # complete only as far as both halves are
        "swept_through_at = nullif(min(coalesce(swept_through_at, ''), coalesce((SELECT swept_through_at FROM "
        "conversations WHERE conversation_id = :drop), '')), '') "
        "WHERE conversation_id = :keep",
        {"keep": keep, "drop": drop},
    )
    connection.execute("DELETE FROM conversations WHERE conversation_id = ?", (drop,))
