"""Which outgoing messages nobody typed: greetings and away messages of the WhatsApp Business app.

A body is automatic if it went to three or more persons, each time within seconds of an inbound message. So a new
message may show that earlier ones were automatic, and a merge of contacts that they were not. Quick replies have a
table of their own, because bodies are purged, and are counted again each time.
"""

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from hashlib import blake2b
from typing import Final

from leadmasterd.leads.timeline import Inbound, quick_replies
from leadmasterd.projection.dirty import mark_dirty
from leadmasterd.projection.history import History
from leadmasterd.projection.persons import several_persons
from leadmasterd.projection.sql import with_ids

QUICK_REPLY_MS: Final = 10_000
AUTO_REPLY_PERSONS: Final = 3


def mark_auto_replies(connection: sqlite3.Connection, history: History) -> set[int]:
    """Set `messages.author` where it becomes `auto_reply`, or no longer is. Returns this history's automatic messages.

    Marks conversations of other contacts dirty if the author of a message there changes.
    """
    _keep_quick_replies(connection, history)
    replies: dict[str, set[int]] = defaultdict(set)
    for message_id, body_key in with_ids(
        connection,
        "SELECT message_id, body_key FROM quick_replies WHERE conversation_id IN (SELECT value FROM json_each(?))",
        history.conversations,
    ):
        replies[body_key].add(message_id)
    automatic: set[int] = set()
    for body_key, message_ids in replies.items():
        several = _went_to_several(connection, body_key)
        if several:
            automatic |= message_ids
        author = "auto_reply" if several else "operator"
        _set_author(connection, message_ids, author)
        _set_author_elsewhere(connection, body_key, history, author)
    return automatic


def _keep_quick_replies(connection: sqlite3.Connection, history: History) -> None:
    inbound: dict[int, list[int]] = defaultdict(list)
    for event in history.events:
        if isinstance(event, Inbound):
            inbound[history.threads[event.conversation]].append(event.at)
    outgoing: dict[int, list[tuple[int, int]]] = defaultdict(list)
    by_id = {message.message_id: message for message in history.outgoing if message.body.strip()}
    for message in by_id.values():
        outgoing[history.threads[message.conversation]].append((message.at, message.message_id))
    quick = [
        by_id[message_id]
        for thread, messages in outgoing.items()
        for message_id in quick_replies(inbound[thread], messages, QUICK_REPLY_MS)
    ]
    connection.executemany(
        "INSERT OR IGNORE INTO quick_replies (message_id, conversation_id, body_key) VALUES (?, ?, ?)",
        [(message.message_id, message.conversation, _body_key(message.body)) for message in quick],
    )


def _went_to_several(connection: sqlite3.Connection, body_key: str) -> bool:
    contacts = connection.execute(
        "SELECT DISTINCT contact_id, merged_into_id IS NOT NULL OR EXISTS "
        "(SELECT 1 FROM contacts other WHERE other.merged_into_id = c.contact_id) "
        "FROM quick_replies JOIN conversations USING (conversation_id) JOIN contacts c USING (contact_id) "
        "WHERE body_key = ?",
        (body_key,),
    )
    with closing(contacts):  # of a body sent to thousands, the first few rows suffice
        return several_persons(connection, contacts, AUTO_REPLY_PERSONS)


def _set_author(connection: sqlite3.Connection, message_ids: set[int], author: str) -> None:
    connection.execute(
        "UPDATE messages SET author = ?1 WHERE author <> ?1 AND message_id IN (SELECT value FROM json_each(?2))",
        (author, json.dumps(list(message_ids))),
    )


def _set_author_elsewhere(connection: sqlite3.Connection, body_key: str, history: History, author: str) -> None:
    """The same for this body sent to other contacts. All of these have the same author, so checking one is enough."""
    other = connection.execute(
        "SELECT author FROM quick_replies q JOIN messages USING (message_id) WHERE body_key = ? "
        "AND q.conversation_id NOT IN (SELECT value FROM json_each(?)) LIMIT 1",
        (body_key, json.dumps(history.conversations)),
    ).fetchone()
    if other and other[0] != author:
        changed = connection.execute(
            "UPDATE messages SET author = ?1 WHERE author <> ?1 "
            "AND message_id IN (SELECT message_id FROM quick_replies WHERE body_key = ?2) RETURNING conversation_id",
            (author, body_key),
        ).fetchall()
        mark_dirty(connection, {conversation for (conversation,) in changed} - set(history.conversations))


def _body_key(body: str) -> str:
    return blake2b(" ".join(body.casefold().split()).encode(), digest_size=12).hexdigest()
