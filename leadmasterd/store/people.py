"""Whose a chat is: contacts, their identities (the ids they are known by) and their conversations.

A chat has a phone, a LID or both as its id, and WhatsApp flips between them. Ids that WhatsApp itself maps to each
other are one contact, for good (`absorption`); two spellings of one phone are merged in a way that can be undone
(`merges`); nothing else is guessed.
"""

import json
import sqlite3
from dataclasses import dataclass, replace

from leadmasterd.capture import CapturedMessage
from leadmasterd.identity import phone_of
from leadmasterd.store.absorption import absorb
from leadmasterd.store.merges import merge_same_phone


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

    def clear(self) -> None:
        """Drop the caches."""
        self._conversations.clear()
        self._contacts.clear()

    def conversation_for(self, account_id: int | None, aliases: tuple[str, ...], chat: str, at: str) -> int:
        """The conversation that these ids belong to, created if there is none. Empty aliases: a group."""
        key = aliases or (chat,)
        conversation = self._conversations.get(key)
        if conversation is None:
            conversation = self._find_or_create(account_id, aliases, chat, at)
            self._conversations[key] = conversation
        return conversation

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
        return int(cursor.lastrowid or 0)

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
                contact = absorb(self._db, contact, other, at=at)
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
        told = replace(facts, saved_name=saved, verified_name=verified, push_name=push, business=business)
        if told == facts:
            return
        self._contacts[conversation] = told
        self._db.execute(
            "UPDATE contacts SET saved_name = ?, verified_name = ?, push_name = ?, business = ?, updated_at = ? "
            "WHERE contact_id = ?",
            (saved, verified, push, business, record.captured_at, facts.contact_id),
        )
