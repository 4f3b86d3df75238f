"""Rows that turn out to be one message become one row, once WhatsApp says that two ids are one person.

The older row stays, with its `message_id`, and the younger one is taken for a copy of it that has just come: it may add
the text of what was unreadable, a change or a revocation. What refers to the younger one moves along. A row that says
something else under the same id stays as it is: nobody's words are thrown away.

Runs inside the caller's transaction (BEGIN IMMEDIATE).
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from leadmasterd.store.dirty import mark_wholly_dirty
from leadmasterd.store.same_message import (
    CONTENT,
    REVOKED,
    Stored,
    find_same,
    has_content,
    judge,
    marks_it_lacked,
    remember,
)

_MOVED: Final = (
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
"""What refers to a message. Of two rows that may not stand together the younger one's goes with its message."""
_FILLED: Final = "author, type, body, readable_at, truncated, forwarded, media, quoted, referral, details"
"""What the text of an unreadable message brings."""


@dataclass(slots=True)
class _Row(Stored):
    """A stored message as a copy of another one."""

    via: str = "live"


def unify_in_conversations(connection: sqlite3.Connection, conversations: Sequence[int]) -> set[int]:
    """Unify what these conversations hold twice, if they are of one person. Returns the ids that are gone."""
    place = (
        "conversation_id IN (SELECT value FROM json_each(:places)) AND participant = '' AND stanza_id IN "
        "(SELECT stanza_id FROM messages WHERE conversation_id IN (SELECT value FROM json_each(:places)) "
        "AND participant = '' GROUP BY stanza_id, direction HAVING count(*) > 1)"
    )
    return _unify(connection, place, conversations, lambda row: (row[0], row[1]))


def unify_of_participant(connection: sqlite3.Connection, ids: Sequence[str]) -> set[int]:
    """The same for what somebody with these ids wrote in groups."""
    place = (
        "participant IN (SELECT value FROM json_each(:places)) AND (conversation_id, stanza_id) IN "
        "(SELECT conversation_id, stanza_id FROM messages WHERE participant IN (SELECT value FROM json_each(:places)) "
        "GROUP BY conversation_id, stanza_id, direction HAVING count(*) > 1)"
    )
    return _unify(connection, place, ids, lambda row: row[:3])


def _unify(
    connection: sqlite3.Connection,
    place: str,
    places: Sequence[int] | Sequence[str],
    key: Callable[[tuple[object, ...]], tuple[object, ...]],
) -> set[int]:
    known: dict[tuple[object, ...], list[Stored]] = {}
    gone: dict[int, int] = {}
    for row in connection.execute(
        f"SELECT stanza_id, direction, conversation_id, {CONTENT}, captured_via FROM messages WHERE {place} "
        "ORDER BY message_id",
        {"places": json.dumps(places)},
    ).fetchall():
        younger = _Row(*row[3:])
        of_id = known.setdefault(key(row), [])
        older = find_same(of_id, younger.wire_t, younger)
        if older is None or not _take(connection, older, younger):
            remember(of_id, younger)
        else:
            gone[younger.message_id] = older.message_id
    if gone:
        mark_wholly_dirty(connection, _conversations_of(connection, [*gone, *gone.values()]))
        _move(connection, gone)
    return set(gone)


def _conversations_of(connection: sqlite3.Connection, message_ids: Sequence[int]) -> list[int]:
    query = "SELECT DISTINCT conversation_id FROM messages WHERE message_id IN (SELECT value FROM json_each(?))"
    return [conversation for (conversation,) in connection.execute(query, (json.dumps(message_ids),))]


def _take(connection: sqlite3.Connection, older: Stored, younger: _Row) -> bool:
    """Add to the older row what the younger knows. False, and nothing is done, when that is something else."""
    ids = {"older": older.message_id, "younger": younger.message_id}
    if not has_content(older, younger) and _both_readable(older, younger):
        if younger.body in earlier_texts(connection, older.message_id):
            pass
        elif older.body in earlier_texts(connection, younger.message_id):
            _set_body(connection, ids)
            older.body = younger.body
        elif judge(older, younger) != "tells_more":
            return False
        else:
            connection.execute(
                "INSERT INTO message_versions (message_id, changed_at, change, type_before, body_before) "
                "SELECT :older, y.captured_at, 'edit', o.type, o.body FROM messages o, messages y "
                "WHERE o.message_id = :older AND y.message_id = :younger",
                ids,
            )
            _set_body(connection, ids)
            older.body = younger.body
    elif not older.readable or (older.type == REVOKED and younger.readable):
        connection.execute(
            f"UPDATE messages SET ({_FILLED}) = (SELECT {_FILLED} FROM messages WHERE message_id = :younger) "
            "WHERE message_id = :older",
            ids,
        )
        older.type, older.body, older.media, older.readable = (
            younger.type,
            younger.body,
            younger.media,
            younger.readable,
        )
    if younger.type == REVOKED and not older.revoked:
        connection.execute(
            "INSERT INTO message_versions (message_id, changed_at, change, type_before, body_before) "
            "SELECT o.message_id, y.revoked_at, 'revoke', o.type, o.body FROM messages o, messages y "
            "WHERE o.message_id = :older AND y.message_id = :younger",
            ids,
        )
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


def _both_readable(one: Stored, other: Stored) -> bool:
    return all(each.readable and each.type != REVOKED for each in (one, other))


def _set_body(connection: sqlite3.Connection, ids: Mapping[str, int]) -> None:
    connection.execute(
        "UPDATE messages SET body = y.body, edited_at = coalesce(y.edited_at, y.captured_at) FROM messages y "
        "WHERE messages.message_id = :older AND y.message_id = :younger",
        ids,
    )


def earlier_texts(connection: sqlite3.Connection, message_id: int) -> set[str | None]:
    """What an edited message said before."""
    query = "SELECT body_before FROM message_versions WHERE message_id = ? AND change = 'edit'"
    return {body for (body,) in connection.execute(query, (message_id,))}


def _move(connection: sqlite3.Connection, gone: Mapping[int, int]) -> None:
    """Let what refers to the rows that are gone refer to those that stay, and delete them."""
    pairs = [(stays, goes) for goes, stays in gone.items()]
    for table, column in _MOVED:
        connection.executemany(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {column} = ?", pairs)
    _move_corrections(connection, gone)
    record_merges(connection, "message_merges", pairs)
    connection.executemany("DELETE FROM messages WHERE message_id = ?", [(goes,) for goes in gone])


def record_merges(connection: sqlite3.Connection, table: str, pairs: Sequence[tuple[int, int]]) -> None:
    """Keep in `message_merges` or `conversation_merges` which id stays for one that goes. `pairs`: (stays, goes)."""
    connection.executemany(f"UPDATE {table} SET kept_id = ? WHERE kept_id = ?", pairs)
    connection.executemany(
        f"INSERT INTO {table} (kept_id, merged_id, at) VALUES (?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))", pairs
    )


def _move_corrections(connection: sqlite3.Connection, gone: Mapping[int, int]) -> None:
    for correction, text in connection.execute(
        "SELECT correction_id, message_ids FROM corrections WHERE EXISTS (SELECT 1 FROM json_each(message_ids) "
        "WHERE value IN (SELECT CAST(key AS INTEGER) FROM json_each(?)))",
        (json.dumps({str(goes): 0 for goes in gone}),),
    ).fetchall():
        ids: Iterable[int] = json.loads(text)
        kept = list(dict.fromkeys(gone.get(each, each) for each in ids))
        connection.execute(
            "UPDATE corrections SET message_ids = ? WHERE correction_id = ?", (json.dumps(kept), correction)
        )
