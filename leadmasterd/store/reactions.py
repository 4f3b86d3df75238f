"""Reactions: of each person the latest to a message, whether the message is known or not.

A reaction names a message as the message names itself: by its chat, direction, id and, in a group, who wrote it.
"""

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from leadmasterd.identity import canonical_id, chat_kind
from leadmasterd.store.messages import Messages
from leadmasterd.store.people import People
from leadmasterd.store.records import Item
from leadmasterd.store.sql import insert
from leadmasterd.text import clean
from leadmasterd.times import sent_at
from leadmasterd.wire.events import Reaction

_COLUMNS: Final = (
    "account_id", "conversation_id", "stanza_id", "direction", "participant", "sender", "from_me", "message_id",
    "emoji", "reacted_at",
)  # fmt: skip
_INSERT: Final = insert("reactions", _COLUMNS)
_SAME: Final = "conversation_id = ? AND stanza_id = ? AND direction = ? AND participant = ?"


class Reactions:
    """The reactions behind one connection, within the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection, *, people: People, messages: Messages) -> None:
        self._db = connection
        self._people = people
        self._messages = messages

    def write(self, account: int | None, reaction: Reaction, item: Item) -> Mapping[int, str]:
        """Ours is an answer, so it makes the conversation dirty: returns which, and since when.

        Sweeps bring known ones again: they change nothing.
        """
        key = reaction.key
        stored = self._messages.find(account, key, None)
        chat = canonical_id(key.remote)
        is_group = chat_kind(chat) == "group"
        conversation = self._people.conversation_for(account, () if is_group else (chat,), chat, item.at)
        direction = "out" if key.from_me else "in"
        participant, message_at = "", None
        if stored:
            query = "SELECT conversation_id, participant, sent_at FROM messages WHERE message_id = ?"
            [(conversation, participant, message_at)] = self._db.execute(query, (stored.message_id,))
        elif is_group and not key.from_me and key.participant:
            participant = canonical_id(key.participant)
        sender = canonical_id(reaction.sender) if reaction.sender else "me" if reaction.from_me else chat
        emoji, at = clean(reaction.emoji) or "", sent_at(reaction.t, datetime.fromisoformat(item.at))
        about = (conversation, key.stanza_id, direction, participant)
        known = self._known(about, sender, is_group=is_group, from_me=reaction.from_me)
        for _, what, when, linked in known:
            if when > at or ((what, when) == (emoji, at) and (linked or not stored)):
                return {}
        self._db.executemany(
            f"DELETE FROM reactions WHERE {_SAME} AND sender = ?", [(*about, each) for each, _, _, _ in known]
        )
        message_id = stored.message_id if stored else None
        self._db.execute(_INSERT, (account, *about, sender, reaction.from_me, message_id, emoji, at))
        if message_at is None or not reaction.from_me:
            return {}
        return {conversation: min(message_at, at, *(when for _, _, when, _ in known))}

    def _known(
        self, about: tuple[int, str, str, str], sender: str, *, is_group: bool, from_me: bool
    ) -> list[tuple[str, str, str, int | None]]:
        """What this person has reacted so far. In a direct chat that is each of its two sides, under any of its ids."""
        rows = self._db.execute(
            f"SELECT sender, emoji, reacted_at, message_id FROM reactions WHERE {_SAME} AND from_me = ?",
            (*about, from_me),
        )
        return [row for row in rows.fetchall() if not is_group or self._people.is_one_person(row[0], sender)]
