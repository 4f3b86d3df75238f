"""Reactions: of each person the latest one to a message is stored, even if the message itself is not.

A reaction refers to its message by what makes a message unique: chat, direction, id and, in a group, who wrote it.
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
_OF_MESSAGE: Final = "conversation_id = ? AND stanza_id = ? AND direction = ? AND participant = ?"


_Target = tuple[int, str, str, str]
"""The message that is reacted to, by the columns of `_OF_MESSAGE`."""


class Reactions:
    """Writes the table `reactions`, within the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection, *, people: People, messages: Messages) -> None:
        self._db = connection
        self._people = people
        self._messages = messages

    def write(self, account: int | None, reaction: Reaction, item: Item) -> Mapping[int, str]:
        """Store a reaction in place of the same person's earlier one, unless that one is dated later.

        Sweeps bring stored reactions again, which changes nothing. Returns the conversation that this makes dirty, and
        since when: only a reaction of ours to a stored message does, because it is an answer.
        """
        key = reaction.key
        chat = canonical_id(key.remote)
        is_group = chat_kind(chat) == "group"
        stored = self._messages.find(account, key, None)
        conversation = self._people.conversation_for(account, () if is_group else (chat,), chat, item.at)
        direction = "out" if key.from_me else "in"
        participant = ""
        message_id: int | None = None
        message_at: str | None = None
        if stored:
            message_id = stored.message_id
            query = "SELECT conversation_id, participant, sent_at FROM messages WHERE message_id = ?"
            [(conversation, participant, message_at)] = self._db.execute(query, (message_id,))
        elif is_group and not key.from_me and key.participant:
            participant = canonical_id(key.participant)
        if reaction.sender:
            sender = canonical_id(reaction.sender)
        elif reaction.from_me:
            sender = "me"
        else:
            sender = chat
        emoji = clean(reaction.emoji) or ""
        at = sent_at(reaction.t, datetime.fromisoformat(item.at))
        target = (conversation, key.stanza_id, direction, participant)
        earlier = self._reactions_of(sender, target, is_group=is_group, from_me=reaction.from_me)
        for _, emoji_before, at_before, linked_message in earlier:
            # A sweep brings it again: that is news only if the message has been stored since.
            is_repeated = (emoji_before, at_before) == (emoji, at)
            adds_link = stored is not None and linked_message is None
            if at_before > at or (is_repeated and not adds_link):
                return {}
        self._db.executemany(
            f"DELETE FROM reactions WHERE {_OF_MESSAGE} AND sender = ?", [(*target, each) for each, _, _, _ in earlier]
        )
        self._db.execute(_INSERT, (account, *target, sender, reaction.from_me, message_id, emoji, at))
        if message_at is None or not reaction.from_me:
            return {}
        return {conversation: min(message_at, at, *(at_before for _, _, at_before, _ in earlier))}

    def _reactions_of(
        self, sender: str, target: _Target, *, is_group: bool, from_me: bool
    ) -> list[tuple[str, str, str, int | None]]:
        """The stored reactions of a person to a message: sender, emoji, time and message id of each.

        In a direct chat there are only two people, so `from_me` tells who reacted, whichever of their ids was used.
        """
        rows = self._db.execute(
            f"SELECT sender, emoji, reacted_at, message_id FROM reactions WHERE {_OF_MESSAGE} AND from_me = ?",
            (*target, from_me),
        )
        return [row for row in rows.fetchall() if not is_group or self._people.is_one_person(row[0], sender)]
