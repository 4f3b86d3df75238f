"""Whom a chat belongs to: contacts, the ids they are known by, and their conversations.

A chat is known by a phone, a LID or both, and WhatsApp flips between them. What it says itself about which ids are one
person is believed at once; anything else is not guessed.
"""

import json
import sqlite3
from dataclasses import dataclass

from leadmasterd.ingest import CapturedMessage


@dataclass(slots=True)
class _Facts:
    """A contact's names as last written, so that an unchanged one costs nothing."""

    contact_id: int
    saved_name: str | None
    push_name: str | None
    business: bool


class People:
    """Contacts and conversations behind one connection, within the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._conversations: dict[tuple[str, ...], int] = {}
        self._contacts: dict[int, _Facts] = {}

    def clear(self) -> None:
        """Drop what was remembered."""
        self._conversations.clear()
        self._contacts.clear()

    def remembered(self, aliases: tuple[str, ...]) -> int | None:
        """The conversation of these ids, if it was asked for before."""
        return self._conversations.get(aliases)

    def conversation_for(self, account_id: int | None, aliases: tuple[str, ...], chat: str, at: str) -> int:
        """The conversation that these ids belong to, made if there is none. Empty aliases: a group."""
        conversation = self._find_or_make(account_id, aliases, chat, at)
        self._conversations[aliases or (chat,)] = conversation
        return conversation

    def _find_or_make(self, account_id: int | None, aliases: tuple[str, ...], chat: str, at: str) -> int:
        contact = self._contact_of(aliases, at) if aliases else None
        value: str | int
        if contact is None:
            which, value = "chat", chat  # a group
        else:
            which, value = "contact_id", contact
        row = self._db.execute(
            f"SELECT conversation_id FROM conversations WHERE account_id = ? AND {which} = ?", (account_id, value)
        ).fetchone()
        if row:
            return int(row[0])
        cursor = self._db.execute(
            "INSERT INTO conversations (account_id, contact_id, chat, created_at) VALUES (?, ?, ?, ?)",
            (account_id, contact, chat, at),
        )
        return int(cursor.lastrowid or 0)

    def _contact_of(self, aliases: tuple[str, ...], at: str) -> int:
        """The contact behind these ids. Two contacts that WhatsApp itself says are one become one, the older."""
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
                self._merge_contacts(contact, other)
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
        return contact

    def _merge_contacts(self, keep: int, drop: int) -> None:
        self.clear()
        db = self._db
        db.execute("UPDATE contact_identities SET contact_id = ? WHERE contact_id = ?", (keep, drop))
        for account, conversation in db.execute(
            "SELECT account_id, conversation_id FROM conversations WHERE contact_id = ?", (drop,)
        ).fetchall():
            twin = db.execute(
                "SELECT conversation_id FROM conversations WHERE account_id = ? AND contact_id = ?", (account, keep)
            ).fetchone()
            if twin is None:
                db.execute("UPDATE conversations SET contact_id = ? WHERE conversation_id = ?", (keep, conversation))
                continue
            for table in ("messages", "calls"):
                db.execute(f"UPDATE {table} SET conversation_id = ? WHERE conversation_id = ?", (twin[0], conversation))
            db.execute(
                "UPDATE conversations SET "
                "last_inbound_at = nullif(max(coalesce(last_inbound_at, ''), coalesce((SELECT last_inbound_at FROM "
                "conversations WHERE conversation_id = :drop), '')), ''), "
                "last_outbound_at = nullif(max(coalesce(last_outbound_at, ''), coalesce((SELECT last_outbound_at FROM "
                "conversations WHERE conversation_id = :drop), '')), ''), "
                # the union is complete only as far as both halves are
                "swept_through_at = nullif(min(coalesce(swept_through_at, ''), coalesce((SELECT swept_through_at FROM "
                "conversations WHERE conversation_id = :drop), '')), '') "
                "WHERE conversation_id = :keep",
                {"keep": twin[0], "drop": conversation},
            )
            db.execute("DELETE FROM conversations WHERE conversation_id = ?", (conversation,))
        db.execute("DELETE FROM contacts WHERE contact_id = ?", (drop,))

    def note_facts(self, conversation: int, record: CapturedMessage) -> None:
        """Write a contact's names when they are new; what a message doesn't tell erases nothing."""
        facts = self._contacts.get(conversation)
        if facts is None:
            row = self._db.execute(
                "SELECT contact_id, saved_name, push_name, business FROM contacts "
                "JOIN conversations USING (contact_id) WHERE conversation_id = ?",
                (conversation,),
            ).fetchone()
            if row is None:
                return
            facts = self._contacts[conversation] = _Facts(row[0], row[1], row[2], bool(row[3]))
        saved = record.saved_name or facts.saved_name
        push = record.notify_name or facts.push_name
        business = record.business or facts.business
        if (saved, push, business) == (facts.saved_name, facts.push_name, facts.business):
            return
        facts.saved_name, facts.push_name, facts.business = saved, push, business
        self._db.execute(
            "UPDATE contacts SET saved_name = ?, push_name = ?, business = ?, updated_at = ? WHERE contact_id = ?",
            (saved, push, business, record.captured_at, facts.contact_id),
        )
