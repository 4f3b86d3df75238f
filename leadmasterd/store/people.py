"""Whose a chat is: contacts, their identities (the ids they are known by) and their conversations.

A chat has a phone, a LID or both as its id, and WhatsApp flips between them. Ids that WhatsApp itself maps to each
other are one contact, for good (`absorption`); two spellings of one phone are merged in a way that can be undone
(`merges`); nothing else is guessed.
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
class _Facts:
    """A contact's names as last written, so that unchanged ones cost no query."""

    contact_id: int
    saved_name: str | None
    verified_name: str | None
    push_name: str | None
    business: bool


class People:
    """Contacts and conversations of one database, within the writer's transaction. Caches what it has looked up."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._conversations: dict[tuple[str, ...], int] = {}
        self._contacts: dict[int, _Facts] = {}
        self._threads: dict[int, tuple[int, ...]] = {}
        self._members: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.changes = 0
        """Moves on whenever ids turn out to be one person's: conversations known before may be gone."""
        self.gone: set[int] = set()
        """Ids of messages that turned out to be another one's copies, and are no more. For the caller to empty."""

    def clear(self) -> None:
        """Drop the caches."""
        self.changes += 1
        self._conversations.clear()
        self._contacts.clear()
        self._threads.clear()
        self._members.clear()

    def conversation_for(self, account_id: int | None, aliases: tuple[str, ...], chat: str, at: str) -> int:
        """The conversation that these ids belong to, created if there is none. Empty aliases: a group."""
        key = aliases or (chat,)
        conversation = self._conversations.get(key)
        if conversation is None:
            conversation = self._find_or_create(account_id, aliases, chat, at)
            self._conversations[key] = conversation
        return conversation

    def conversation_of(self, account_id: int | None, chat: str) -> int | None:
        """The conversation of a chat id, None when nothing is known of it."""
        row = self._db.execute(
            "SELECT conversation_id FROM conversations WHERE account_id = ?1 AND (chat = ?2 OR contact_id = "
            "(SELECT contact_id FROM contact_identities WHERE kind IN ('wa_jid', 'lid') AND value = ?2))",
            (account_id, chat),
        ).fetchone()
        return row[0] if row else None

    def thread(self, conversation: int) -> tuple[int, ...]:
        """The conversations of one phone in one account, oldest first: it has two when WhatsApp spells it in two ways.

        They are two contacts, which a person may part; but it is one phone, so a message is in one of them.
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
            found = self._threads[conversation] = tuple(each for (each,) in rows) or (conversation,)
        return found

    def member(self, ids: tuple[str, ...], at: str) -> tuple[str, ...]:
        """All ids under which the sender of a group's message may be known: these, and what WhatsApp maps to them.

        Members of groups are contacts only if they have a chat, or if WhatsApp names two ids of theirs.
        """
        found = self._members.get(ids)
        if found is None:
            if len(ids) > 1:
                self._contact_of(ids, at)
            found = self._members[ids] = self.ids_of(ids[0]) if ids else ("",)
        return found

    def ids_of(self, wid: str) -> tuple[str, ...]:
        """All ids of the person with this one, in order; at least this one itself."""
        rows = self._db.execute(
            "SELECT other.value FROM contact_identities i JOIN contact_identities other USING (contact_id) "
            "WHERE i.kind IN ('wa_jid', 'lid') AND i.value = ? AND other.kind IN ('wa_jid', 'lid') ORDER BY 1",
            (wid,),
        ).fetchall()
        return tuple(value for (value,) in rows) or (wid,)

    def is_one_person(self, one: str, other: str) -> bool:
        """Whether WhatsApp says that these two ids are one person's."""
        one, other = canonical_id(one), canonical_id(other)
        return one == other or other in self.ids_of(one)

    def join(self, ids: tuple[str, ...], at: str, *, shown: bool) -> None:
        """WhatsApp says that these ids are one person's. `shown`: the first phone among them is the one in use."""
        contact = self._contact_of(ids, at)
        if shown:
            self._keep_phone(contact, ids, at)

    def _find_or_create(self, account_id: int | None, aliases: tuple[str, ...], chat: str, at: str) -> int:
        contact = self._contact_of(aliases, at) if aliases else None
        column, value = ("chat", chat) if contact is None else ("contact_id", contact)
        row = self._db.execute(
            f"SELECT conversation_id FROM conversations WHERE account_id = ? AND {column} = ?", (account_id, value)
        ).fetchone()
        if row:
            return int(row[0])
        cursor = self._db.execute(
            "INSERT INTO conversations (account_id, contact_id, chat, created_at) VALUES (?, ?, ?, ?)",
            (account_id, contact, chat, at),
        )
        conversation = int(cursor.lastrowid or 0)
        for other in self.thread(conversation):
            self._threads.pop(other, None)
        return conversation

    def _contact_of(self, aliases: tuple[str, ...], at: str) -> int:
        """The contact of these ids, which WhatsApp says are one: if they were of several contacts, those become one."""
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
                return contact
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
        if len(aliases) > 1:
            if self._members:
                self._members.clear()
                self.changes += 1
            self.gone |= unify_of_participant(self._db, self.ids_of(aliases[0]))
        return contact

    def _keep_phone(self, contact: int, aliases: tuple[str, ...], at: str) -> None:
        """Keep the phone that WhatsApp named last, to show it and to recognise another spelling of it."""
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
        """What came under two spellings of a phone before both were known to be that phone's."""
        for (conversations,) in self._db.execute(
            "SELECT json_group_array(conversation_id) FROM contacts JOIN conversations USING (contact_id) "
            "WHERE match_key = ? GROUP BY account_id HAVING count(*) > 1",
            (match_key,),
        ).fetchall():
            self.clear()
            self.gone |= unify_in_conversations(self._db, json.loads(conversations))

    def note_facts(self, conversation: int, record: CapturedMessage) -> None:
        """Write a contact's names if they changed; a message without names erases none."""
        facts = self._contacts.get(conversation)
        if facts is None:
            row = self._db.execute(
                "SELECT contact_id, saved_name, verified_name, push_name, business FROM contacts "
                "JOIN conversations USING (contact_id) WHERE conversation_id = ?",
                (conversation,),
            ).fetchone()
            if row is None:
                return
            facts = self._contacts[conversation] = _Facts(
                contact_id=row[0], saved_name=row[1], verified_name=row[2], push_name=row[3], business=bool(row[4])
            )
        saved = record.saved_name or facts.saved_name
        verified = record.verified_name or facts.verified_name
        push = record.notify_name or facts.push_name
        business = record.business or facts.business
        if (saved, verified, push, business) == (
            facts.saved_name,
            facts.verified_name,
            facts.push_name,
            facts.business,
        ):
            return
        self._contacts[conversation] = _Facts(
            contact_id=facts.contact_id, saved_name=saved, verified_name=verified, push_name=push, business=business
        )
        self._db.execute(
            "UPDATE contacts SET saved_name = ?, verified_name = ?, push_name = ?, business = ?, updated_at = ? "
            "WHERE contact_id = ?",
            (saved, verified, push, business, record.captured_at, facts.contact_id),
        )
