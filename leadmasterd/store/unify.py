"""Makes one row of rows that turn out to be one message, once WhatsApp says that two ids are one person.

The older row stays, with its `message_id`. The younger one is treated like a copy of it that has just arrived: it may
add the text of an unreadable message, an edit or a revocation. Rows that refer to the younger one then refer to the
older one, and the younger one is deleted. A row that says something else under the same id stays as it is: no words are
lost.

Runs inside the caller's transaction (BEGIN IMMEDIATE).
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from leadmasterd.store.dirty import mark_wholly_dirty
from leadmasterd.store.same_message import (
    CONTENT,
    REVOKED,
    Stored,
    add_in_order,
    find_same,
    has_content,
    judge,
    marks_it_lacked,
)

_REFERENCES: Final = (
    ("message_aliases", "message_id"),
    ("message_versions", "message_id"),
    ("reactions", "message_id"),
    ("leads", "opened_by_message_id"),
    ("waiting_cycles", "message_id"),
    ("classifications", "first_message_id"),
    ("touches", "message_id"),
    ("sent_bodies", "message_id"),
    ("lead_events", "message_id"),
    ("raw_events", "message_id"),
)
"""Tables and their columns that refer to a message. A row that the older message has already is not moved: it is
deleted with the younger message."""
_FILLED: Final = "author, type, body, readable_at, truncated, forwarded, media, quoted, referral, details"
"""The columns that are filled in when an unreadable message becomes readable."""


@dataclass(slots=True)
class _Row(Stored):
    """A stored message that may be a copy of an older one. `via`: `live` or `sweep`, how it was captured."""

    via: str = "live"


_COLUMNS: Final = f"stanza_id, direction, conversation_id, {CONTENT}, captured_via"
"""What identifies a message, and then the columns of `_Row`."""


def unify_in_conversations(connection: sqlite3.Connection, conversations: Sequence[int]) -> set[int]:
    """Unify messages that these conversations of one person hold twice. Returns the ids of the deleted rows."""
    condition = (
        "conversation_id IN (SELECT value FROM json_each(:values)) AND participant = '' AND stanza_id IN "
        "(SELECT stanza_id FROM messages WHERE conversation_id IN (SELECT value FROM json_each(:values)) "
        "AND participant = '' GROUP BY stanza_id, direction HAVING count(*) > 1)"
    )
    return _unify(connection, condition, conversations, across_conversations=True)


def unify_of_participant(connection: sqlite3.Connection, ids: Sequence[str]) -> set[int]:
    """Unify messages that a participant with these ids has twice in a group. Returns the ids of the deleted rows."""
    condition = (
        "participant IN (SELECT value FROM json_each(:values)) AND (conversation_id, stanza_id) IN "
        "(SELECT conversation_id, stanza_id FROM messages WHERE participant IN (SELECT value FROM json_each(:values)) "
        "GROUP BY conversation_id, stanza_id, direction HAVING count(*) > 1)"
    )
    return _unify(connection, condition, ids, across_conversations=False)


def _unify(
    connection: sqlite3.Connection,
    condition: str,
    values: Sequence[int] | Sequence[str],
    *,
    across_conversations: bool,
) -> set[int]:
    """Unify the messages that a condition selects. Returns the ids of the deleted rows.

    `condition`: in SQL, with `:values` as a JSON list. `across_conversations`: whether two rows may be one message
    although they are in different conversations.
    """
    known: dict[tuple[object, ...], list[Stored]] = {}
    gone: dict[int, int] = {}  # id of a deleted row -> id of the row that stays
    for stanza_id, direction, conversation, *columns in connection.execute(
        f"SELECT {_COLUMNS} FROM messages WHERE {condition} ORDER BY message_id", {"values": json.dumps(values)}
    ).fetchall():
        younger = _Row(*columns)
        place = None if across_conversations else conversation
        with_id = known.setdefault((stanza_id, direction, place), [])
        older = find_same(with_id, younger.wire_t, younger)
        if older is not None and _take_over(connection, older, younger):
            gone[younger.message_id] = older.message_id
        else:
            add_in_order(with_id, younger)
    if gone:
        mark_wholly_dirty(connection, _conversations_of(connection, [*gone, *gone.values()]))
        _replace(connection, gone)
    return set(gone)


def _conversations_of(connection: sqlite3.Connection, message_ids: Sequence[int]) -> list[int]:
    query = "SELECT DISTINCT conversation_id FROM messages WHERE message_id IN (SELECT value FROM json_each(?))"
    return [conversation for (conversation,) in connection.execute(query, (json.dumps(message_ids),))]


def _take_over(connection: sqlite3.Connection, older: Stored, younger: _Row) -> bool:
    """Add to the older row, and to `older`, what the younger row knows. False if the two are different messages.

    They are if both are readable, and neither text is an earlier or later text of the other. Then nothing is changed.
    """
    ids = {"older": older.message_id, "younger": younger.message_id}
    if not has_content(older, younger) and _both_readable(older, younger):
        younger_is_earlier_text = younger.body in earlier_texts(connection, older.message_id)
        if not younger_is_earlier_text:
            older_is_earlier_text = older.body in earlier_texts(connection, younger.message_id)
            if not older_is_earlier_text:  # else a version of the younger row, which moves along, keeps that text
                if judge(older, younger) != "tells_more":
                    return False
                _keep_version(connection, "edit", ids)
            _set_body(connection, ids)
            older.body = younger.body
    elif not older.readable or (older.type == REVOKED and younger.readable):
        connection.execute(
            f"UPDATE messages SET ({_FILLED}) = (SELECT {_FILLED} FROM messages WHERE message_id = :younger) "
            "WHERE message_id = :older",
            ids,
        )
        older.type = younger.type
        older.body = younger.body
        older.media = younger.media
        older.readable = younger.readable
    if younger.type == REVOKED and not older.revoked:
        _keep_version(connection, "revoke", ids)
    connection.execute(
        "UPDATE messages SET edited_at = coalesce(messages.edited_at, y.edited_at), "
        "revoked_at = coalesce(messages.revoked_at, y.revoked_at) FROM messages y "
        "WHERE messages.message_id = :older AND y.message_id = :younger",
        ids,
    )
    older.revoked = older.revoked or younger.revoked
    if marks := marks_it_lacked(older, younger):
        connection.execute(
            "UPDATE messages SET marks = :marks, author = iif(y.author IN ('operator', 'contact'), messages.author, "
            "y.author) FROM messages y WHERE messages.message_id = :older AND y.message_id = :younger",
            {**ids, "marks": marks},
        )
        older.marks = marks
    return True


def _keep_version(connection: sqlite3.Connection, change: Literal["edit", "revoke"], ids: Mapping[str, int]) -> None:
    """Keep what the older row says before it takes over a change. An edit is dated by the younger row's capture."""
    changed_at = "y.captured_at" if change == "edit" else "y.revoked_at"
    connection.execute(
        "INSERT INTO message_versions (message_id, changed_at, change, type_before, body_before) "
        f"SELECT o.message_id, {changed_at}, '{change}', o.type, o.body FROM messages o, messages y "
        "WHERE o.message_id = :older AND y.message_id = :younger",
        ids,
    )


def _both_readable(one: Stored, other: Stored) -> bool:
    return all(each.readable and each.type != REVOKED for each in (one, other))


def _set_body(connection: sqlite3.Connection, ids: Mapping[str, int]) -> None:
    """Give the older row the text of the younger one, as an edit."""
    connection.execute(
        "UPDATE messages SET body = y.body, edited_at = coalesce(y.edited_at, y.captured_at) FROM messages y "
        "WHERE messages.message_id = :older AND y.message_id = :younger",
        ids,
    )


def earlier_texts(connection: sqlite3.Connection, message_id: int) -> set[str | None]:
    """The texts that a message had before it was edited; empty if it never was."""
    query = "SELECT body_before FROM message_versions WHERE message_id = ? AND change = 'edit'"
    return {body for (body,) in connection.execute(query, (message_id,))}


def _replace(connection: sqlite3.Connection, gone: Mapping[int, int]) -> None:
    """Delete the rows `gone` (as in `_unify`), once all that refers to them refers to the rows that stay."""
    pairs = [(stays, goes) for goes, stays in gone.items()]
    for table, column in _REFERENCES:
        connection.executemany(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {column} = ?", pairs)
    _move_corrections(connection, gone)
    record_merges(connection, "message_merges", pairs)
    connection.executemany("DELETE FROM messages WHERE message_id = ?", [(goes,) for goes in gone])


def record_merges(connection: sqlite3.Connection, table: str, pairs: Sequence[tuple[int, int]]) -> None:
    """Note which id replaces a deleted one. `table`: `message_merges` or `conversation_merges`.

    `pairs`: (the id that stays, the deleted id). If an earlier note names the deleted id as the one that stays, it is
    corrected.
    """
    connection.executemany(f"UPDATE {table} SET kept_id = ? WHERE kept_id = ?", pairs)
    connection.executemany(
        f"INSERT INTO {table} (kept_id, merged_id, at) VALUES (?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))", pairs
    )


def _move_corrections(connection: sqlite3.Connection, gone: Mapping[int, int]) -> None:
    """Replace the ids of deleted messages in the JSON lists of `corrections`.

    If a list then has an id twice, it is kept once.
    """
    for correction, text in connection.execute(
        "SELECT correction_id, message_ids FROM corrections WHERE EXISTS (SELECT 1 FROM json_each(message_ids) "
        "WHERE value IN (SELECT value FROM json_each(?)))",
        (json.dumps(list(gone)),),
    ).fetchall():
        ids: Iterable[int] = json.loads(text)
        unique = list(dict.fromkeys(gone.get(each, each) for each in ids))
        connection.execute(
            "UPDATE corrections SET message_ids = ? WHERE correction_id = ?", (json.dumps(unique), correction)
        )
