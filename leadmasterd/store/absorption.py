"""Makes one contact of two that WhatsApp itself says are one person: one row, for good.

Merges that a person can undo are in `merges`, duplicate messages in `unify`. Runs inside the caller's transaction
(BEGIN IMMEDIATE).
"""

import sqlite3
from typing import Final

from leadmasterd.reasons import SYSTEM
from leadmasterd.store.merges import give_leads, load_forest, mark_members_dirty, save_forest
from leadmasterd.store.unify import record_merges, unify_in_conversations

MOVED: Final = (
    "messages", "reactions", "calls", "leads", "decisions", "corrections", "classifications", "touches",
    "sent_bodies",
)  # fmt: skip
"""Tables whose rows move to the conversation that stays.

Rows of other tables, such as `waiting_cycles`, are deleted with their conversation, and the projection derives them
again.
"""

_MOVE_MESSAGES: Final = "UPDATE OR IGNORE messages SET conversation_id = :keep WHERE conversation_id = :drop"
_MOVE_AS_VARIANTS: Final = (
    "UPDATE messages SET conversation_id = :keep, variant = message_id WHERE conversation_id = :drop"
)
"""For what `_MOVE_MESSAGES` could not move: the other conversation has another message with the same id and time."""
_SAME_REACTION: Final = (
    "other.stanza_id = reactions.stanza_id AND other.direction = reactions.direction "
    "AND other.from_me = reactions.from_me"
)
_KEEP_LATER_REACTIONS: Final = (
    "DELETE FROM reactions WHERE conversation_id = :keep AND EXISTS (SELECT 1 FROM reactions other "
    f"WHERE other.conversation_id = :drop AND {_SAME_REACTION} AND other.reacted_at > reactions.reacted_at)"
)
"""The two people in a chat each have one reaction to a message: the latest, whichever of their ids it came under. So
first those in `keep` are deleted of which `drop` has a later one, then those in `drop` that `keep` has as well."""
_DROP_EARLIER_REACTIONS: Final = (
    "DELETE FROM reactions WHERE conversation_id = :drop AND EXISTS (SELECT 1 FROM reactions other "
    f"WHERE other.conversation_id = :keep AND {_SAME_REACTION})"
)
_MOVE_REACTIONS: Final = "UPDATE reactions SET conversation_id = :keep WHERE conversation_id = :drop"
_LINK_REACTIONS: Final = (
    "UPDATE reactions SET message_id = (SELECT message_id FROM messages m WHERE m.conversation_id = :keep "
    "AND m.stanza_id = reactions.stanza_id AND m.direction = reactions.direction ORDER BY sent_at DESC LIMIT 1) "
    "WHERE conversation_id = :keep AND message_id IS NULL"
)
_JOIN_CALLS: Final = """
UPDATE calls SET answered = max(calls.answered, other.answered), rang = max(calls.rang, other.rang),
    started_at = iif(other.rang > calls.rang, other.started_at, calls.started_at) FROM calls other
WHERE calls.conversation_id = :keep AND other.conversation_id = :drop AND other.call_id = calls.call_id
"""
_MOVE_CALLS: Final = "UPDATE OR IGNORE calls SET conversation_id = :keep WHERE conversation_id = :drop"
_DROP_CALLS: Final = "DELETE FROM calls WHERE conversation_id = :drop"
_MOVE_WITHOUT_DUPLICATES: Final = (
    _MOVE_MESSAGES, _MOVE_AS_VARIANTS,
    _KEEP_LATER_REACTIONS, _DROP_EARLIER_REACTIONS, _MOVE_REACTIONS, _LINK_REACTIONS,
    _JOIN_CALLS, _MOVE_CALLS, _DROP_CALLS,
)  # fmt: skip
"""For tables in which both conversations may have the same row. To be run in this order."""


def absorb(connection: sqlite3.Connection, one: int, other: int, *, at: str, gone: set[int] | None = None) -> int:
    """Make one contact of two. Returns the id that stays: the lower one, unless that is merged into the other.

    Identities, conversations and leads move to the contact that stays. Merges that name the other contact name this one
    then. If both have a conversation with the same account, the two become one, and so do messages that both hold. The
    ids of the messages that are deleted by this are added to `gone`. `at`: the time of the change (ISO).
    """
    keep, drop = sorted((one, other))
    forest = load_forest(connection, (keep, drop))
    if drop in forest.path(keep):  # the lower one was merged into the other
        keep, drop = drop, keep
    pointers_before = list(forest)
    roots_before = {forest.root(keep), forest.root(drop)}
    forest.contract(keep, drop)
    save_forest(connection, forest, pointers_before, at=at)
    _rename_in_undone_merges(connection, keep, drop)
    root = forest.root(keep)
    for former_root in roots_before - {root}:
        give_leads(connection, former_root, root, actor=SYSTEM, at=at)
    connection.execute("UPDATE contact_identities SET contact_id = ? WHERE contact_id = ?", (keep, drop))
    deleted_messages = _absorb_conversations(connection, keep, drop)
    if gone is not None:
        gone |= deleted_messages
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
    """Let undone merges name `keep` in place of `drop`. For merges in force the forest has done it.

    An undone merge of these two contacts says nothing any more, and is deleted.
    """
    for column in ("kept_id", "merged_id"):
        connection.execute(f"UPDATE contact_merges SET {column} = ? WHERE {column} = ?", (keep, drop))
    connection.execute("DELETE FROM contact_merges WHERE kept_id = merged_id")


def _absorb_conversations(connection: sqlite3.Connection, keep: int, drop: int) -> set[int]:
    """Give the conversations of the contact `drop` to `keep`. Returns the ids of messages that are deleted as copies.

    Where `keep` has a conversation with the same account already, the two become one.
    """
    gone: set[int] = set()
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
            gone |= unify_in_conversations(connection, [twin[0], conversation])
            _absorb_conversation(connection, twin[0], conversation)
    return gone


def _absorb_conversation(connection: sqlite3.Connection, keep: int, drop: int) -> None:
    """Move everything of the conversation `drop` to `keep`, which has the same account, and delete `drop`."""
    for statement in _MOVE_WITHOUT_DUPLICATES:
        connection.execute(statement, {"keep": keep, "drop": drop})
    for table in MOVED:
        # Moves what the statements above have not. OR IGNORE: if both conversations have a label for one burst, that of
        # `keep` stays, and the other is deleted with its conversation.
        connection.execute(f"UPDATE OR IGNORE {table} SET conversation_id = ? WHERE conversation_id = ?", (keep, drop))
    connection.execute(
        "UPDATE conversations SET "
        "last_inbound_at = nullif(max(coalesce(last_inbound_at, ''), coalesce((SELECT last_inbound_at FROM "
        "conversations WHERE conversation_id = :drop), '')), ''), "
        "last_outbound_at = nullif(max(coalesce(last_outbound_at, ''), coalesce((SELECT last_outbound_at FROM "
        "conversations WHERE conversation_id = :drop), '')), ''), "
        # The page may join its two chats as well: then a watermark of one of them says nothing about both.
        "swept_through_at = NULL, swept_chat = NULL "
        "WHERE conversation_id = :keep",
        {"keep": keep, "drop": drop},
    )
    record_merges(connection, "conversation_merges", [(keep, drop)])
    connection.execute("DELETE FROM conversations WHERE conversation_id = ?", (drop,))
