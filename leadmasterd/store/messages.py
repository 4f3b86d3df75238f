"""Messages, exactly once, and what becomes of their text.

A message is unique on (account, direction, its own id, the group's id), confirmed by its time within a minute; under
the same id with a clearly different time it is another message (`variant`). The same message may come five times,
live and by sweep, under a phone's and a LID's chat id: one row, every id seen kept in `message_aliases`.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from leadmasterd.capture import SAME_MESSAGE_SECONDS, CapturedMessage
from leadmasterd.identity import canonical_id, chat_kind
from leadmasterd.store.coverage import Coverage
from leadmasterd.store.people import People
from leadmasterd.store.records import BatchResult, Item
from leadmasterd.text import clean
from leadmasterd.times import sent_at
from leadmasterd.wire.events import MessageEdit, MessageKey, MessageRevoke

_MESSAGE_COLUMNS: Final = [
    "message_id",
    "account_id",
    "conversation_id",
    "direction",
    "author",
    "type",
    "body",
    "sent_at",
    "captured_at",
    "captured_via",
    "readable_at",
    "revoked_at",
    "sender",
    "notify_name",
    "saved_name",
    "business",
    "truncated",
    "forwarded",
    "media",
    "quoted",
    "referral",
    "details",
    "stanza_id",
    "group_id",
    "variant",
    "wire_t",
]
INSERT_MESSAGE: Final = (
    f"INSERT INTO messages ({', '.join(_MESSAGE_COLUMNS)}) VALUES ({', '.join('?' * len(_MESSAGE_COLUMNS))})"
)
INSERT_ALIAS: Final = "INSERT OR IGNORE INTO message_aliases (message_id, remote, participant) VALUES (?, ?, ?)"
INSERT_RAW: Final = "INSERT INTO raw_events (account_id, message_id, captured_at, problem, line) VALUES (?, ?, ?, ?, ?)"
_REVOKED: Final = "revoked"


@dataclass(slots=True)
class _Known:
    """A message that is already there (or will be, within this batch)."""

    message_id: int
    variant: int
    wire_t: int | None
    type: str
    readable: bool
    revoked: bool
    body: str | None


@dataclass(slots=True)
class _Pending:
    """Rows of a run that wait to be written together."""

    rows: list[tuple[object, ...]] = field(default_factory=list)
    aliases: list[tuple[int, str, str]] = field(default_factory=list)
    raw: list[tuple[object, ...]] = field(default_factory=list)
    last_in: dict[int, str] = field(default_factory=dict)
    last_out: dict[int, str] = field(default_factory=dict)

    def clear(self) -> None:
        """All of it is written."""
        for done in (self.rows, self.aliases, self.raw):
            done.clear()
        self.last_in.clear()
        self.last_out.clear()


_Identity = tuple[str, str, str]


class Messages:
    """Messages behind one connection, within the writer's transaction.

    `touched` are the conversations of which leads are to be made again.
    """

    def __init__(self, connection: sqlite3.Connection, people: People, coverage: Coverage) -> None:
        self._db = connection
        self._people = people
        self._coverage = coverage
        self._next_id = 0
        self.touched: set[int] = set()

    def number_on(self) -> None:
        """Others may have written meanwhile. An id is never used again."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        self._next_id = (row[0] if row else 0) + 1

    def write(
        self, account: int | None, run: Sequence[tuple[CapturedMessage, str | None]], result: BatchResult
    ) -> None:
        """Messages that came one after the other, each with its line."""
        if account is None:
            raise AssertionError("a message came before any account was known")
        known = self._known(account, {record.key.stanza_id for record, _ in run})
        pending = _Pending()
        for record, text in run:
            if record.via == "sweep":
                self._coverage.note_read(record)
            key = record.key
            identity = (record.direction, key.stanza_id, record.group)
            candidates = known.setdefault(identity, [])
            same = next((each for each in candidates if _same_time(each.wire_t, record.t)), None)
            if same is not None:
                result.duplicates += 1
                if record.via == "live":
                    result.heard.add(same.message_id)
                pending.aliases.append((same.message_id, key.remote, key.participant or ""))
                if len(record.aliases) > 1:
                    self._conversation(account, record, pending)  # it may tell that two contacts are one
                if self._duplicate_tells_more(same, record):
                    self._flush(pending)
                    self._update_from_duplicate(account, same, record, text, result)
                continue
            conversation = self._conversation(account, record, pending)
            message_id = self._next_id
            self._next_id += 1
            variant = len(candidates)
            revoked_at = record.captured_at if record.type == _REVOKED else None
            pending.rows.append(
                (
                    message_id,
                    account,
                    conversation,
                    record.direction,
                    record.author,
                    record.type,
                    record.body,
                    record.sent_at,
                    record.captured_at,
                    record.via,
                    record.captured_at if record.readable else None,
                    revoked_at,
                    record.sender,
                    record.notify_name,
                    record.saved_name,
                    record.business,
                    record.truncated,
                    record.forwarded,
                    record.media,
                    record.quoted,
                    record.referral,
                    record.details,
                    key.stanza_id,
                    record.group,
                    variant,
                    record.t,
                )
            )
            pending.aliases.append((message_id, key.remote, key.participant or ""))
            if text is not None:
                pending.raw.append((account, message_id, record.captured_at, None, text))
            self.touched.add(conversation)
            candidates.append(
                _Known(
                    message_id,
                    variant,
                    record.t,
                    record.type,
                    record.readable,
                    revoked_at is not None,
                    record.body,
                )
            )
            last = pending.last_in if record.direction == "in" else pending.last_out
            if record.sent_at > last.get(conversation, ""):
                last[conversation] = record.sent_at
            result.add_message(record.via, record.sent_at)
            if record.via == "sweep":
                self._coverage.count_found(message_id, record)
        self._flush(pending)

    def _conversation(self, account: int, record: CapturedMessage, pending: _Pending) -> int:
        aliases = record.aliases or (record.chat,)
        conversation = self._people.remembered(aliases)
        if conversation is None:
            self._flush(pending)  # two contacts may become one, and the messages move: all of them must be there
            conversation = self._people.conversation_for(account, record.aliases, record.chat, record.captured_at)
        if record.direction == "in" and record.aliases:
            self._people.note_facts(conversation, record)
        return conversation

    def _flush(self, pending: _Pending) -> None:
        self._db.executemany(INSERT_MESSAGE, pending.rows)
        self._db.executemany(INSERT_ALIAS, pending.aliases)
        self._db.executemany(INSERT_RAW, pending.raw)
        for column, latest in (("last_inbound_at", pending.last_in), ("last_outbound_at", pending.last_out)):
            self._db.executemany(
                f"UPDATE conversations SET {column} = max(coalesce({column}, ''), ?) WHERE conversation_id = ?",
                [(at, conversation) for conversation, at in latest.items()],
            )
        pending.clear()

    def _known(self, account: int, stanza_ids: Iterable[str]) -> dict[_Identity, list[_Known]]:
        known: dict[_Identity, list[_Known]] = {}
        for row in self._db.execute(
            "SELECT direction, stanza_id, group_id, message_id, variant, wire_t, type, readable_at, revoked_at, body "
            "FROM messages WHERE account_id = ? AND stanza_id IN (SELECT value FROM json_each(?)) ORDER BY variant",
            (account, json.dumps(list(stanza_ids))),
        ):
            known.setdefault((row[0], row[1], row[2]), []).append(
                _Known(row[3], row[4], row[5], row[6], row[7] is not None, row[8] is not None, row[9])
            )
        return known

    @staticmethod
    def _duplicate_tells_more(same: _Known, record: CapturedMessage) -> bool:
        """A copy that is more than a repetition: the text of what was ciphertext, or a change a sweep came upon."""
        if not record.readable:
            return False
        if not same.readable:
            return True
        if same.revoked or record.truncated:
            return False
        return record.type == _REVOKED or (record.via == "sweep" and record.body != same.body)

    def _update_from_duplicate(
        self, account: int, same: _Known, record: CapturedMessage, text: str | None, result: BatchResult
    ) -> None:
        at = record.captured_at
        if record.type == _REVOKED:
            self._mark_revoked(same.message_id, at, same.type, same.body)
            same.revoked = True
        elif not same.readable:
            self._db.execute(
                "UPDATE messages SET type = ?, body = ?, readable_at = ?, truncated = ?, forwarded = ?, media = ?, "
                "quoted = ?, referral = ?, details = ? WHERE message_id = ?",
                (
                    record.type,
                    record.body,
                    at,
                    record.truncated,
                    record.forwarded,
                    record.media,
                    record.quoted,
                    record.referral,
                    record.details,
                    same.message_id,
                ),
            )
            same.readable, same.type, same.body = True, record.type, record.body
            result.filled += 1
        else:
            self._change_body(same.message_id, at, same.type, same.body, record.body)
            same.body = record.body
        self.touch(same.message_id)
        keep_line(self._db, account, same.message_id, at, None, text)

    def find(self, account: int | None, key: MessageKey, t: int | None) -> tuple[Any, ...] | None:
        """The message that an edit, a revoke or a reaction is about: (message_id, type, body, revoked_at)."""
        chat = canonical_id(key.remote)
        group = chat if chat_kind(chat) == "group" else ""
        rows = self._db.execute(
            "SELECT message_id, type, body, revoked_at, wire_t FROM messages "
            "WHERE account_id = ? AND stanza_id = ? AND direction = ? AND group_id = ? ORDER BY variant DESC",
            (account, key.stanza_id, "out" if key.from_me else "in", group),
        ).fetchall()
        return next((row for row in rows if t is None or _same_time(row[4], t)), None)

    def edit(self, account: int | None, edit: MessageEdit, item: Item) -> None:
        """Its text is another now; what it was is kept."""
        found = self.find(account, edit.key, edit.t)
        body = clean(edit.body)
        if found is None or found[2] == body or found[3] is not None:
            return  # unknown here: a sweep brings the message with its current text
        at = sent_at(edit.edited_t, datetime.fromisoformat(item.at)) if edit.edited_t else item.at
        self._change_body(found[0], at, found[1], found[2], body)
        self.touch(found[0])
        keep_line(self._db, account, found[0], item.at, None, item.text)

    def _change_body(self, message_id: int, at: str, type_: str, before: object, after: str | None) -> None:
        self._version(message_id, at, "edit", type_, before)
        self._db.execute("UPDATE messages SET body = ?, edited_at = ? WHERE message_id = ?", (after, at, message_id))

    def revoke(self, account: int | None, revoke: MessageRevoke, item: Item) -> None:
        """Mark a message that was deleted for everyone. One deleted on our side only still was said: keep the line."""
        found = self.find(account, revoke.key, revoke.t)
        if found is None or found[3] is not None:
            return
        if revoke.scope == "everyone":
            self._mark_revoked(found[0], item.at, found[1], found[2])
        keep_line(self._db, account, found[0], item.at, None, item.text)

    def _mark_revoked(self, message_id: int, at: str, type_: str, body: object) -> None:
        """A revoked message still was written: its text stays, only marked."""
        self._version(message_id, at, "revoke", type_, body)
        self._db.execute("UPDATE messages SET revoked_at = ? WHERE message_id = ?", (at, message_id))

    def _version(self, message_id: int, at: str, change: str, type_: str, body: object) -> None:
        self._db.execute(
            "INSERT INTO message_versions (message_id, changed_at, change, type_before, body_before) "
            "VALUES (?, ?, ?, ?, ?)",
            (message_id, at, change, type_, body),
        )

    def touch(self, message_id: int) -> None:
        """Leads are made again from this message's conversation."""
        query = "SELECT conversation_id FROM messages WHERE message_id = ?"
        self.touched.update(*self._db.execute(query, (message_id,)))


def keep_line(
    connection: sqlite3.Connection,
    account: int | None,
    message_id: int | None,
    at: str,
    problem: str | None,
    line: str | None,
) -> None:
    """Keep the wire line behind a change, or a line that could not be used."""
    if line is not None:
        connection.execute(INSERT_RAW, (account, message_id, at, problem, clean(line)))


def _same_time(one: int | None, other: int | None) -> bool:
    return one is None or other is None or abs(one - other) <= SAME_MESSAGE_SECONDS
