"""Messages: deduplicated (dedup), inserted, and changed by edits, revokes and later copies.

A message is unique on (account, direction, its own id, the group's id), confirmed by its time to within a minute. The
same id with a clearly different time is another message (`variant`). One message may arrive five times, live and by
sweep, under the chat's phone and its LID: it stays one row, and every id it was seen under is kept in
`message_aliases`.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from leadmasterd.authors import Author
from leadmasterd.capture import SAME_MESSAGE_SECONDS, CapturedMessage
from leadmasterd.identity import canonical_id, chat_kind
from leadmasterd.readable import VOTE
from leadmasterd.store.calls import CALL_LOG, Calls
from leadmasterd.store.coverage import Coverage
from leadmasterd.store.people import People
from leadmasterd.store.records import BatchResult, Item
from leadmasterd.store.sql import insert
from leadmasterd.text import clean
from leadmasterd.times import sent_at
from leadmasterd.wire.events import MessageEdit, MessageKey, MessageRevoke


class MessageRow(NamedTuple):
    """The columns of `messages` that capture fills when it inserts."""

    message_id: int
    account_id: int
    conversation_id: int
    direction: str
    author: str
    type: str
    body: str | None
    sent_at: str
    captured_at: str
    captured_via: str
    readable_at: str | None
    revoked_at: str | None
    sender: str | None
    notify_name: str | None
    saved_name: str | None
    business: bool
    truncated: bool
    forwarded: bool
    media: str | None
    quoted: str | None
    referral: str | None
    details: str | None
    marks: str | None
    stanza_id: str
    group_id: str
    variant: int
    wire_t: int | None


class AliasRow(NamedTuple):
    """The columns of `message_aliases`."""

    message_id: int
    remote: str
    participant: str


class RawRow(NamedTuple):
    """The columns of `raw_events`: a wire line, and why it could not be used (None when it was)."""

    account_id: int | None
    message_id: int | None
    captured_at: str
    line: str
    problem: str | None = None


class VersionRow(NamedTuple):
    """The columns of `message_versions`: a message before an edit or a revoke."""

    message_id: int
    changed_at: str
    change: str
    type_before: str
    body_before: str | None


INSERT_MESSAGE: Final = insert("messages", MessageRow._fields)
INSERT_ALIAS: Final = insert("message_aliases", AliasRow._fields).replace("INSERT", "INSERT OR IGNORE", 1)
INSERT_RAW: Final = insert("raw_events", RawRow._fields)
_INSERT_VERSION: Final = insert("message_versions", VersionRow._fields)
_REVOKED: Final = "revoked"


@dataclass(slots=True)
class _Stored:
    """A message that is in the table, or will be at the end of the run."""

    message_id: int
    variant: int
    wire_t: int | None
    type: str
    body: str | None
    readable: bool
    revoked: bool
    marks: str | None

    def is_same(self, t: int | None) -> bool:
        """Whether a message with the same ids and this time is the same message."""
        return self.wire_t is None or t is None or abs(self.wire_t - t) <= SAME_MESSAGE_SECONDS


_STORED: Final = "message_id, variant, wire_t, type, body, readable_at IS NOT NULL, revoked_at IS NOT NULL, marks"
_SELECT_OF_RUN: Final = (
    f"SELECT direction, stanza_id, group_id, {_STORED} FROM messages "
    "WHERE account_id = ? AND stanza_id IN (SELECT value FROM json_each(?)) ORDER BY variant"
)
_SELECT_BY_KEY: Final = (
    f"SELECT {_STORED} FROM messages "
    "WHERE account_id = ? AND stanza_id = ? AND direction = ? AND group_id = ? ORDER BY variant DESC"
)


class _Arrival(NamedTuple):
    """A captured message with its wire line, and the row that it is or becomes."""

    message: CapturedMessage
    line: str | None
    stored: _Stored
    is_new: bool


_Identity = tuple[str, str, str]


class Messages:
    """Messages behind one connection, within the writer's transaction.

    What changes a message returns the conversations that are dirty then: whose leads have to be derived again.
    """

    def __init__(self, connection: sqlite3.Connection, *, people: People, coverage: Coverage, calls: Calls) -> None:
        self._db = connection
        self._people = people
        self._coverage = coverage
        self._calls = calls
        self._next_id = 0

    def reload_next_id(self) -> None:
        """Re-read the last id: another process may have inserted rows. An id is never used again."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        self._next_id = (row[0] if row else 0) + 1

    def write(
        self, account: int | None, messages: Sequence[tuple[CapturedMessage, str | None]], result: BatchResult
    ) -> set[int]:
        """Write messages that arrived one after the other, each with its wire line. Returns the dirty conversations.

        All contacts are resolved before the first row is written: a message may show that two contacts are one, and
        then the conversation of an earlier message of this run is gone.
        """
        if account is None:
            raise ValueError("a message came before any account was known")
        arrivals = self._deduplicate(account, messages)
        self._resolve_people(account, arrivals)
        dirty = self._insert(account, arrivals)
        self._count(arrivals, result)
        return dirty | self._update_from_copies(account, arrivals)

    def _deduplicate(self, account: int, messages: Sequence[tuple[CapturedMessage, str | None]]) -> list[_Arrival]:
        """Tell new messages from copies of those that are stored, or came earlier in this run."""
        known = self._find_stored(account, {message.key.stanza_id for message, _ in messages})
        arrivals = []
        for message, line in messages:
            candidates = known.setdefault((message.direction, message.key.stanza_id, message.group), [])
            for stored in candidates:
                if stored.is_same(message.t):
                    arrivals.append(_Arrival(message, line, stored, False))
                    break
            else:
                stored = _Stored(
                    message_id=self._next_id,
                    variant=len(candidates),
                    wire_t=message.t,
                    type=message.type,
                    body=message.body,
                    readable=message.readable,
                    revoked=message.type == _REVOKED,
                    marks=message.marks,
                )
                self._next_id += 1
                candidates.append(stored)
                arrivals.append(_Arrival(message, line, stored, True))
        return arrivals

    def _find_stored(self, account: int, stanza_ids: Iterable[str]) -> dict[_Identity, list[_Stored]]:
        stored: dict[_Identity, list[_Stored]] = {}
        for direction, stanza_id, group_id, *columns in self._db.execute(
            _SELECT_OF_RUN, (account, json.dumps(list(stanza_ids)))
        ):
            stored.setdefault((direction, stanza_id, group_id), []).append(_Stored(*columns))
        return stored

    def _resolve_people(self, account: int, arrivals: Sequence[_Arrival]) -> None:
        """Create and merge contacts and conversations, and keep names, in the order of arrival."""
        for message, _, _, is_new in arrivals:
            # A copy under known ids says nothing about people; one with several ids may show that two are one person.
            if is_new or len(message.aliases) > 1:
                conversation = self._conversation(account, message)
                if message.direction == "in" and message.aliases:
                    self._people.note_facts(conversation, message)

    def _conversation(self, account: int, message: CapturedMessage) -> int:
        return self._people.conversation_for(account, message.aliases, message.chat, message.captured_at)

    def _insert(self, account: int, arrivals: Sequence[_Arrival]) -> set[int]:
        """Insert new messages, the ids of all, and the lines of the new ones. Returns the new ones' conversations."""
        new = [each for each in arrivals if each.is_new]
        conversations = [self._conversation(account, each.message) for each in new]
        # Generators: thousands of rows in lists would be work for the garbage collector. Plain tuples: sqlite3 binds
        # them so much faster than named ones that the copy pays.
        self._db.executemany(
            INSERT_MESSAGE,
            (
                tuple(_row(account, conversation, stored, message))
                for conversation, (message, _, stored, _) in zip(conversations, new, strict=True)
            ),
        )
        self._db.executemany(
            INSERT_ALIAS,
            (
                AliasRow(stored.message_id, message.key.remote, message.key.participant or "")
                for message, _, stored, _ in arrivals
            ),
        )
        self._db.executemany(
            INSERT_RAW,
            (
                tuple(RawRow(account, stored.message_id, message.captured_at, line))
                for message, line, stored, _ in new
                if line is not None
            ),
        )
        for conversation, (message, _, _, _) in zip(conversations, new, strict=True):
            if message.type == CALL_LOG:
                self._calls.has_line(account, conversation, message)
        self._move_latest(conversations, new)
        return set(conversations)

    def _move_latest(self, conversations: Sequence[int], new: Sequence[_Arrival]) -> None:
        """Keep the times of each conversation's newest messages, in and out."""
        last_in: dict[int, str] = {}
        last_out: dict[int, str] = {}
        for conversation, (message, _, _, _) in zip(conversations, new, strict=True):
            last = last_in if message.direction == "in" else last_out
            if message.sent_at > last.get(conversation, ""):
                last[conversation] = message.sent_at
        for column, latest in (("last_inbound_at", last_in), ("last_outbound_at", last_out)):
            self._db.executemany(
                f"UPDATE conversations SET {column} = max(coalesce({column}, ''), ?) WHERE conversation_id = ?",
                [(at, conversation) for conversation, at in latest.items()],
            )

    def _count(self, arrivals: Sequence[_Arrival], result: BatchResult) -> None:
        """For the counters of `status`, and for the sweep under way."""
        for message, _, stored, is_new in arrivals:
            if message.via == "sweep" and message.type != VOTE:  # votes say nothing about the path of messages
                self._coverage.note_read(message)
                if is_new:
                    self._coverage.count_found(stored.message_id, message)
            if is_new:
                result.add_message(message.via, message.sent_at)
            elif message.via == "live":
                result.delivered.add(stored.message_id)

    # ------------------------------------------------------------------ copies that tell more

    def _update_from_copies(self, account: int, arrivals: Sequence[_Arrival]) -> set[int]:
        changed: set[int] = set()
        for message, line, stored, is_new in arrivals:
            if is_new or not _tells_more(stored, message):
                continue
            self._update_from_copy(stored, message)
            keep_line(
                self._db,
                account=account,
                message_id=stored.message_id,
                at=message.captured_at,
                problem=None,
                line=line,
            )
            changed.add(stored.message_id)
        return self.conversations_of(changed)

    def _update_from_copy(self, stored: _Stored, message: CapturedMessage) -> None:
        at = message.captured_at
        if message.type == _REVOKED:
            self._mark_revoked(stored, at)
        elif not stored.readable:
            self._db.execute(
                "UPDATE messages SET author = ?, type = ?, body = ?, readable_at = ?, truncated = ?, forwarded = ?, "
                "media = ?, quoted = ?, referral = ?, details = ?, marks = ? WHERE message_id = ?",
                (
                    message.author,
                    message.type,
                    message.body,
                    at,
                    message.truncated,
                    message.forwarded,
                    message.media,
                    message.quoted,
                    message.referral,
                    message.details,
                    message.marks or stored.marks,
                    stored.message_id,
                ),
            )
            stored.readable, stored.type, stored.body = True, message.type, message.body
            stored.marks = message.marks or stored.marks
        else:
            if marks := _marks_it_lacked(stored, message):
                self._add_marks(stored, marks, message.author)
            if _has_other_words(stored, message):
                self._change_body(stored, message.body, at)

    def _add_marks(self, stored: _Stored, marks: str, author: Author) -> None:
        """An author that shows in marks is certain; `operator` and `contact` are what is left without any."""
        stored.marks = marks
        self._db.execute(
            "UPDATE messages SET marks = ?1, author = iif(?2 IN ('operator', 'contact'), author, ?2) "
            "WHERE message_id = ?3",
            (marks, author, stored.message_id),
        )

    # ------------------------------------------------------------------ edits and revokes

    def find(self, account: int | None, key: MessageKey, t: int | None) -> _Stored | None:
        """The message that an edit, a revoke or a reaction is about. Without `t` the newest under that id."""
        chat = canonical_id(key.remote)
        group = chat if chat_kind(chat) == "group" else ""
        rows = self._db.execute(
            _SELECT_BY_KEY,
            (account, key.stanza_id, "out" if key.from_me else "in", group),
        ).fetchall()
        return next((stored for row in rows if (stored := _Stored(*row)).is_same(t)), None)

    def edit(self, account: int | None, edit: MessageEdit, item: Item) -> set[int]:
        """Change a message's text and keep the earlier one. Returns the dirty conversations."""
        stored = self.find(account, edit.key, edit.t)
        body = clean(edit.body)
        if stored is None or stored.body == body or stored.revoked:
            return set()  # unknown: a sweep brings the message with its current text
        at = sent_at(edit.edited_t, datetime.fromisoformat(item.at)) if edit.edited_t else item.at
        self._change_body(stored, body, at)
        self._keep_line_of_change(account, stored, item)
        return self.conversations_of([stored.message_id])

    def revoke(self, account: int | None, revoke: MessageRevoke, item: Item) -> set[int]:
        """Mark a message that was deleted for everyone. Returns the dirty conversations.

        One deleted only on our side was still sent: only the line is kept.
        """
        stored = self.find(account, revoke.key, revoke.t)
        if stored is None or stored.revoked:
            return set()
        self._keep_line_of_change(account, stored, item)
        if revoke.scope != "everyone":
            return set()
        self._mark_revoked(stored, item.at)
        return self.conversations_of([stored.message_id])

    def conversations_of(self, message_ids: Iterable[int]) -> set[int]:
        """The conversations that these messages belong to."""
        query = "SELECT conversation_id FROM messages WHERE message_id = ?"
        return {found for each in message_ids for (found,) in self._db.execute(query, (each,))}

    def _keep_line_of_change(self, account: int | None, stored: _Stored, item: Item) -> None:
        keep_line(self._db, account=account, message_id=stored.message_id, at=item.at, problem=None, line=item.text)

    def _change_body(self, stored: _Stored, body: str | None, at: str) -> None:
        self._keep_version(stored, "edit", at)
        self._db.execute(
            "UPDATE messages SET body = ?, edited_at = ? WHERE message_id = ?", (body, at, stored.message_id)
        )
        stored.body = body

    def _mark_revoked(self, stored: _Stored, at: str) -> None:
        """A revoked message keeps its text: it was written all the same."""
        self._keep_version(stored, "revoke", at)
        self._db.execute("UPDATE messages SET revoked_at = ? WHERE message_id = ?", (at, stored.message_id))
        stored.revoked = True

    def _keep_version(self, stored: _Stored, change: str, at: str) -> None:
        self._db.execute(
            _INSERT_VERSION,
            VersionRow(
                message_id=stored.message_id,
                changed_at=at,
                change=change,
                type_before=stored.type,
                body_before=stored.body,
            ),
        )


def keep_line(
    connection: sqlite3.Connection,
    *,
    account: int | None,
    message_id: int | None,
    at: str,
    problem: str | None,
    line: str | None,
) -> None:
    """Keep the wire line behind a change, or a line that could not be used."""
    if line is not None:
        connection.execute(
            INSERT_RAW,
            RawRow(account_id=account, message_id=message_id, captured_at=at, problem=problem, line=clean(line)),
        )


def _row(account: int, conversation: int, stored: _Stored, message: CapturedMessage) -> MessageRow:
    return MessageRow(
        message_id=stored.message_id,
        account_id=account,
        conversation_id=conversation,
        direction=message.direction,
        author=message.author,
        type=message.type,
        body=message.body,
        sent_at=message.sent_at,
        captured_at=message.captured_at,
        captured_via=message.via,
        readable_at=message.captured_at if message.readable else None,
        revoked_at=message.captured_at if message.type == _REVOKED else None,
        sender=message.sender,
        notify_name=message.notify_name,
        saved_name=message.saved_name,
        business=message.business,
        truncated=message.truncated,
        forwarded=message.forwarded,
        media=message.media,
        quoted=message.quoted,
        referral=message.referral,
        details=message.details,
        marks=message.marks,
        stanza_id=message.key.stanza_id,
        group_id=message.group,
        variant=stored.variant,
        wire_t=message.t,
    )


def _tells_more(stored: _Stored, copy: CapturedMessage) -> bool:
    """Whether a copy is more than a repetition: the text of a ciphertext, new marks, or a change that a sweep found."""
    if not copy.readable:
        return False
    if copy.type == _REVOKED:
        return not stored.revoked
    if not stored.readable or _has_other_words(stored, copy):
        return True
    return _marks_it_lacked(stored, copy) is not None


def _has_other_words(stored: _Stored, copy: CapturedMessage) -> bool:
    if stored.revoked or copy.truncated:
        return False
    return copy.via == "sweep" and copy.body != stored.body


def _marks_it_lacked(stored: _Stored, copy: CapturedMessage) -> str | None:
    """All marks of both, or None if the copy adds none. A name that the page has learnt since is no reason to write."""
    if copy.marks is None or copy.marks == stored.marks:
        return None
    known: dict[str, object] = json.loads(stored.marks or "{}")
    told: dict[str, object] = json.loads(copy.marks)
    return None if told.keys() - known.keys() <= {"verified_name"} else json.dumps(known | told)
