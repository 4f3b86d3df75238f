"""Finds or creates contacts, their identities (the ids they are known by) and their conversations.

The id of a chat is a phone or a LID, and WhatsApp flips between the two. Ids that WhatsApp itself maps to each other
are one contact, for good (`absorption`). Two spellings of one phone are merged in a way that can be undone (`merges`).
Nothing else is guessed.
"""

import json
import sqlite3
from dataclasses import dataclass

from leadmasterd.capture import CapturedMessage
from leadmasterd.identity import canonical_id, phone_of
from leadmasterd.store.absorption import absorb
from leadmasterd.store.merges import merge_same_phone
from leadmasterd.store.unify import unify_in_conversations, unify_of_participant


@dataclass(slots=True)
class _Names:
    """A contact's names as they were last written."""

    contact_id: int
    saved_name: str | None
    verified_name: str | None
    push_name: str | None
    business: bool


class People:
    """Contacts and conversations, within the writer's transaction. Caches what it has looked up.

    Parameters named `at` are the time of capture (ISO), for the columns of new rows.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._conversations: dict[tuple[str, ...], int] = {}
        """By `aliases`, or by the chat of a group."""
        self._names: dict[int, _Names] = {}
        """By conversation."""
        self._threads: dict[int, tuple[int, ...]] = {}
        self._participants: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.changes = 0
        """Counts up when ids turn out to be one person's: what was looked up before may be gone."""
        self.gone: set[int] = set()
        """Ids of messages that were deleted as copies of others. The caller empties it."""

    def clear(self) -> None:
        """Drop the caches."""
        self.changes += 1
        self._conversations.clear()
        self._names.clear()
        self._threads.clear()
        self._participants.clear()

    def conversation_for(self, account_id: int | None, aliases: tuple[str, ...], chat: str, at: str) -> int:
        """The conversation of a chat, created if there is none. Joins contacts if the aliases belonged to several.

        `aliases`: the ids of the other party, as in `ChatIds`; empty for a group, which is known by `chat` alone.
        """
        key = aliases or (chat,)
        conversation = self._conversations.get(key)
        if conversation is None:
            conversation = self._find_or_create(account_id, aliases, chat, at)
            self._conversations[key] = conversation
        return conversation

    def conversation_of(self, account_id: int | None, chat: str) -> int | None:
        """The stored conversation of a chat id, None when there is none."""
        row = self._db.execute(
            "SELECT conversation_id FROM conversations WHERE account_id = ?1 AND (chat = ?2 OR contact_id = "
            "(SELECT contact_id FROM contact_identities WHERE kind IN ('wa_jid', 'lid') AND value = ?2))",
            (account_id, chat),
        ).fetchone()
        return row[0] if row else None

    def thread(self, conversation: int) -> tuple[int, ...]:
        """The conversations of the same phone and account as this one, oldest first; at least this one itself.

        A phone has two when WhatsApp spells it in two ways. They belong to two contacts, whose merge a person may undo.
        But as it is one phone, no message is in both.
        """
        found = self._threads.get(conversation)
        if found is None:
            rows = self._db.execute(
                "SELECT other.conversation_id FROM conversations v JOIN contacts c USING (contact_id) "
                "JOIN contacts o ON o.match_key = c.match_key "
                "JOIN conversations other ON other.contact_id = o.contact_id AND other.account_id = v.account_id "
                "WHERE v.conversation_id = ? ORDER BY 1",
                (conversation,),
            ).fetchall()
            # No rows: it is a group, or no phone is known.
            found = self._threads[conversation] = tuple(each for (each,) in rows) or (conversation,)
        return found

    def participant_ids(self, ids: tuple[str, ...], at: str) -> tuple[str, ...]:
        """All ids of the participant who wrote a message in a group: `ids`, and what WhatsApp maps to them.

        If `ids` is empty, as for our own messages: `("",)`. A participant is made a contact only if WhatsApp names two
        ids, because then each must be found by the other later.
        """
        found = self._participants.get(ids)
        if found is None:
            if len(ids) > 1:
                self._contact_of(ids, at)
            found = self._participants[ids] = self.ids_of(ids[0]) if ids else ("",)
        return found

    def ids_of(self, wid: str) -> tuple[str, ...]:
        """All phone ids and LIDs of the person with the id `wid`, sorted; at least `wid` itself."""
        rows = self._db.execute(
            "SELECT other.value FROM contact_identities i JOIN contact_identities other USING (contact_id) "
            "WHERE i.kind IN ('wa_jid', 'lid') AND i.value = ? AND other.kind IN ('wa_jid', 'lid') ORDER BY 1",
            (wid,),
        ).fetchall()
        return tuple(value for (value,) in rows) or (wid,)

    def is_one_person(self, one: str, other: str) -> bool:
        """Whether WhatsApp says that these two ids are one person's."""
        wid, other_wid = canonical_id(one), canonical_id(other)
        return wid == other_wid or other_wid in self.ids_of(wid)

    def join(self, ids: tuple[str, ...], at: str, *, shown: bool) -> None:
        """Make these ids, at least one, those of one contact: WhatsApp says that they are one person's.

        `shown`: the first phone among them is the one in use now, so it is written to the contact.
        """
        contact = self._contact_of(ids, at)
        if shown:
            self._keep_phone(contact, ids, at)

    def _find_or_create(self, account_id: int | None, aliases: tuple[str, ...], chat: str, at: str) -> int:
        """The conversation of a chat in the tables, created if there is none. Parameters as in `conversation_for`."""
        query = "SELECT conversation_id FROM conversations WHERE account_id = ? AND "
        if aliases:
            contact = self._contact_of(aliases, at)
            row = self._db.execute(f"{query}contact_id = ?", (account_id, contact)).fetchone()
        else:
            contact = None
            row = self._db.execute(f"{query}chat = ?", (account_id, chat)).fetchone()
        if row:
            return int(row[0])
        cursor = self._db.execute(
            "INSERT INTO conversations (account_id, contact_id, chat, created_at) VALUES (?, ?, ?, ?)",
            (account_id, contact, chat, at),
        )
        conversation = int(cursor.lastrowid or 0)
        for other in self.thread(conversation):  # their cached threads lack the new conversation
            self._threads.pop(other, None)
        return conversation

    def _contact_of(self, aliases: tuple[str, ...], at: str) -> int:
        """The contact of these ids, at least one, which WhatsApp says are one person's.

        Created if there is none. If the ids belonged to several contacts, those become one, and new ids are added.
        """
        known = {
            value: int(contact)
            for contact, value in self._db.execute(
                "SELECT contact_id, value FROM contact_identities "
                "WHERE kind IN ('wa_jid', 'lid') AND value IN (SELECT value FROM json_each(?))",
                (json.dumps(aliases),),
            )
        }
        if known:
            contact, *others = sorted(set(known.values()))
            for other in others:
                self.clear()
                contact = absorb(self._db, contact, other, at=at, gone=self.gone)
            if not others and len(known) == len(aliases):
                return contact  # all of this was known
        else:
            cursor = self._db.execute("INSERT INTO contacts (created_at, updated_at) VALUES (?, ?)", (at, at))
            contact = int(cursor.lastrowid or 0)
        self._db.executemany(
            "INSERT INTO contact_identities (contact_id, kind, value, first_seen_at) VALUES (?, ?, ?, ?)",
            [
                (contact, "lid" if alias.endswith("@lid") else "wa_jid", alias, at)
                for alias in aliases
                if alias not in known
            ],
        )
        self._keep_phone(contact, aliases, at)
        if len(aliases) > 1:  # a message in a group may have come under two of them
            if self._participants:
                self._participants.clear()
                self.changes += 1
            self.gone |= unify_of_participant(self._db, self.ids_of(aliases[0]))
        return contact

    def _keep_phone(self, contact: int, aliases: tuple[str, ...], at: str) -> None:
        """Write the first phone among these ids to the contact, and join it with others that have the same phone.

        It replaces an earlier phone: the one that WhatsApp named last is shown. Without a phone among them, nothing
        happens.
        """
        phone = next((phone for alias in aliases if (phone := phone_of(alias))), None)
        if phone is None:
            return
        self._db.execute(
            "UPDATE contacts SET phone = ?, match_key = ? WHERE contact_id = ?", (phone.e164, phone.match_key, contact)
        )
        self._db.execute(
            "INSERT OR IGNORE INTO contact_identities (contact_id, kind, value, first_seen_at) "
            "VALUES (?, 'phone', ?, ?)",
            (contact, phone.e164, at),
        )
        merge_same_phone(self._db, contact, phone.match_key, at=at)
        self._unify_threads(phone.match_key)

    def _unify_threads(self, match_key: str) -> None:
        """Delete the copies of messages that came under two spellings of a phone before both were known to be one.

        `match_key`: equal for all spellings of a phone.
        """
        for (conversations,) in self._db.execute(
            "SELECT json_group_array(conversation_id) FROM contacts JOIN conversations USING (contact_id) "
            "WHERE match_key = ? GROUP BY account_id HAVING count(*) > 1",
            (match_key,),
        ).fetchall():
            self.clear()
            self.gone |= unify_in_conversations(self._db, json.loads(conversations))

    def note_names(self, conversation: int, record: CapturedMessage) -> None:
        """Write the names of a conversation's contact if the message has others. A message without names erases none.

        Does nothing for a group, which has no contact.
        """
        written = self._names.get(conversation)
        if written is None:
            row = self._db.execute(
                "SELECT contact_id, saved_name, verified_name, push_name, business FROM contacts "
                "JOIN conversations USING (contact_id) WHERE conversation_id = ?",
                (conversation,),
            ).fetchone()
            if row is None:
                return
            written = self._names[conversation] = _Names(
                contact_id=row[0], saved_name=row[1], verified_name=row[2], push_name=row[3], business=bool(row[4])
            )
        saved = record.saved_name or written.saved_name
        verified = record.verified_name or written.verified_name
        push = record.notify_name or written.push_name
        business = record.business or written.business
        if (saved, verified, push, business) == (
            written.saved_name,
            written.verified_name,
            written.push_name,
            written.business,
        ):
            return
        self._names[conversation] = _Names(
            contact_id=written.contact_id, saved_name=saved, verified_name=verified, push_name=push, business=business
        )
        self._db.execute(
            "UPDATE contacts SET saved_name = ?, verified_name = ?, push_name = ?, business = ?, updated_at = ? "
            "WHERE contact_id = ?",
            (saved, verified, push, business, record.captured_at, written.contact_id),
        )
