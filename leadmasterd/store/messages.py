"""Messages: deduplicated (dedup), inserted, and changed by edits, revokes and later copies.

A message is unique on (account, direction, its chat's person, its own id, and in a group the participant), confirmed
by its time to within a minute: ids are chosen by senders, so an id alone is nobody's. The same message may arrive five
times, live and by sweep, under the phone and the LID of one person: it stays one row, and every id it was seen under is
kept in `message_aliases`. Who is one person is decided in `people`, and what a copy adds in `same_message`. When
WhatsApp says only later that two ids are one person, `unify` makes one row of what was captured under both.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final, NamedTuple

from leadmasterd.authors import Author
from leadmasterd.capture import SAME_MESSAGE_SECONDS, CapturedMessage
from leadmasterd.identity import canonical_id, chat_kind
from leadmasterd.readable import VOTE
from leadmasterd.store.calls import CALL_LOG, Calls
from leadmasterd.store.coverage import Coverage
from leadmasterd.store.dirty import earliest
from leadmasterd.store.people import People
from leadmasterd.store.records import BatchResult, Item
from leadmasterd.store.same_message import (
    CONTENT,
    REVOKED,
    Stored,
    digest,
    find_same,
    has_other_words,
    judge,
    marks_it_lacked,
    remember,
)
from leadmasterd.store.sql import NULL, insert, insert_all
from leadmasterd.store.unify import earlier_texts
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
    participant: str
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
    line: str | bytes
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
INSERT_RAW: Final = insert("raw_events", RawRow._fields).replace("?, ?)", "CAST(? AS TEXT), ?)", 1)
"""The bytes of a line are its text: to make a `str` of them and bytes again takes longer than all else of the row."""
_INSERT_LINE: Final = INSERT_RAW.replace(", problem", "").replace("?, CAST(? AS TEXT), ?", "?, CAST(? AS TEXT)")
"""Of a line that could be used, which nearly all can."""
_INSERT_VERSION: Final = insert("message_versions", VersionRow._fields)
DIFFERS: Final = "another message has the chat, id and time of this one"
"""The problem of a line in `raw_events`. In brackets follows what is equal for equal messages."""
_COLUMNS: Final = ", ".join(f"m.{column}" for column in CONTENT.split(", "))
_OF_KEYS: Final = f"""
SELECT m.conversation_id, m.direction, m.stanza_id, {_COLUMNS} FROM json_each(:keys)
CROSS JOIN messages m ON m.conversation_id = json_each.value AND m.stanza_id = json_each.key AND m.participant = ''
AND m.wire_t BETWEEN :least AND :most
UNION ALL SELECT m.conversation_id, m.direction, m.stanza_id, {_COLUMNS} FROM json_each(:keys)
CROSS JOIN messages m ON m.conversation_id = json_each.value AND m.stanza_id = json_each.key AND m.participant = ''
AND m.wire_t IS NULL
"""
"""By an object of ids and their conversations."""
_STORED_KEYS: Final = """
SELECT json_each.key, json_each.value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM messages m
WHERE m.conversation_id = json_each.value AND m.stanza_id = json_each.key AND m.participant = '')
"""
"""Those of such an object that are stored at all: of what comes live, hardly any."""
_OF_MEMBER: Final = f"""
SELECT m.conversation_id, m.direction, m.stanza_id, {_COLUMNS} FROM messages m
WHERE m.conversation_id = :conversation AND m.stanza_id = :id
AND m.participant IN (SELECT value FROM json_each(:members)) AND (m.wire_t IS NULL OR m.wire_t BETWEEN :least AND :most)
"""
_ANY_TIME: Final = (-(1 << 62), 1 << 62)
_made: Final = tuple.__new__
_content_of: Final = attrgetter("t", "type", "body", "media", "sender", "readable", "truncated", "marks")
"""Of a message, in the order of `Stored`."""


class _Arrival(NamedTuple):
    """A captured message with its wire line, its conversation and its row: a new one, or that of which it is a copy."""

    message: CapturedMessage
    line: bytes | None
    conversation: int
    message_id: int
    copy_of: Stored | None

    def as_stored(self) -> Stored:
        """The new row, for copies that come after it."""
        message = self.message
        return Stored(*(self.message_id, *_content_of(message), message.type == REVOKED))


_Place = tuple[int, tuple[int, ...], tuple[str, ...]]
"""Where a message belongs: its conversation, the thread (as in `People.thread`), all ids of who wrote it in a group."""
_NO_MEMBER: Final = ("",)
_Identity = tuple[int, str, str, tuple[str, ...]]


class Messages:
    """Messages behind one connection, within the writer's transaction.

    What changes a message returns the conversations that are dirty then, whose leads have to be derived again, each
    with the earliest time of what changed.
    """

    def __init__(self, connection: sqlite3.Connection, *, people: People, coverage: Coverage, calls: Calls) -> None:
        self._db = connection
        self._people = people
        self._coverage = coverage
        self._calls = calls
        self._next_id = 0
        self.together = True
        """As in `insert_all`."""

    def reload_next_id(self) -> None:
        """Re-read the last id: another process may have inserted rows. An id is never used again."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        self._next_id = (row[0] if row else 0) + 1

    def write(
        self, account: int | None, messages: Sequence[tuple[CapturedMessage, bytes | None]], result: BatchResult
    ) -> Mapping[int, str]:
        """Write messages that arrived one after the other, each with its wire line. Returns the dirty conversations.

        All contacts are resolved before the first message is looked up: it may show that two contacts are one, and
        then the conversation of an earlier message of this run is gone.
        """
        if account is None:
            raise ValueError("a message came before any account was known")
        places = self._resolve_people(account, [message for message, _ in messages])
        arrivals = self._deduplicate(messages, places)
        for arrival in arrivals:
            message = arrival.message
            # A copy under one id says nothing new about people.
            if message.direction == "in" and message.aliases and (arrival.copy_of is None or len(message.aliases) > 1):
                self._people.note_facts(arrival.conversation, message)
        dirty = self._insert(account, arrivals)
        self._count(arrivals, result)
        changed = self._update_from_copies(account, arrivals, result)
        return earliest([*dirty.items(), *changed.items()]) if changed else dirty

    def _resolve_people(self, account: int, messages: Sequence[CapturedMessage]) -> list[_Place]:
        """Create and merge contacts and conversations, in the order of arrival."""
        while True:
            before = self._people.changes
            places = [self._place(account, message) for message in messages]
            if self._people.changes == before:
                return places

    def _place(self, account: int, message: CapturedMessage) -> _Place:
        people, at = self._people, message.captured_at
        conversation = people.conversation_for(account, message.aliases, message.chat, at)
        member = people.member(message.members, at) if message.members else _NO_MEMBER
        return conversation, people.thread(conversation), member

    def _deduplicate(
        self, messages: Sequence[tuple[CapturedMessage, bytes | None]], places: Sequence[_Place]
    ) -> list[_Arrival]:
        """Tell new messages from copies of those that are stored, or came earlier in this run."""
        known: dict[_Identity, list[Stored] | _Arrival] = {**self._find_stored([each for each, _ in messages], places)}
        arrivals = []
        for (message, line), (conversation, thread, member) in zip(messages, places, strict=True):
            identity = (thread[0], message.direction, message.key.stanza_id, member)
            of_id = known.get(identity)
            if isinstance(of_id, _Arrival):
                of_id = known[identity] = [of_id.as_stored()]
            if of_id is not None and (stored := find_same(of_id, message.t, message)) is not None:
                arrivals.append(_made(_Arrival, (message, line, conversation, stored.message_id, stored)))
                continue
            arrival = _made(_Arrival, (message, line, conversation, self._next_id, None))
            self._next_id += 1
            if of_id is None:  # nearly always, and then no other of this id comes
                known[identity] = arrival
            else:
                remember(of_id, arrival.as_stored())
            arrivals.append(arrival)
        return arrivals

    def _find_stored(
        self, messages: Sequence[CapturedMessage], places: Sequence[_Place]
    ) -> dict[_Identity, list[Stored]]:
        """What is stored under the ids of these, as far as its time may be the same."""
        dated = [message.t for message in messages if message.t is not None]
        least, most = _ANY_TIME if len(dated) < len(messages) else (min(dated), max(dated))
        span = {"least": least - SAME_MESSAGE_SECONDS, "most": most + SAME_MESSAGE_SECONDS}
        keys: dict[str, int] = {}
        others: set[tuple[str, int]] = set()
        members: set[tuple[str, int, tuple[str, ...]]] = set()
        for message, (conversation, thread, member) in zip(messages, places, strict=True):
            stanza_id = message.key.stanza_id
            if member is not _NO_MEMBER:
                members.add((stanza_id, conversation, member))
            elif keys.setdefault(stanza_id, conversation) != conversation or len(thread) > 1:
                others.update((stanza_id, each) for each in thread)
        found: dict[_Identity, list[Stored]] = {}
        stored = dict(self._db.execute(_STORED_KEYS, (json.dumps(keys),))) if keys else {}
        for some in (stored, *({stanza_id: each} for stanza_id, each in others if keys[stanza_id] != each)):
            if some:
                self._note_stored(found, _OF_KEYS, {"keys": json.dumps(some), **span}, _NO_MEMBER)
        for stanza_id, conversation, member in members:
            values = {"id": stanza_id, "conversation": conversation, "members": json.dumps(member), **span}
            self._note_stored(found, _OF_MEMBER, values, member)
        return found

    def _note_stored(
        self,
        found: dict[_Identity, list[Stored]],
        query: str,
        values: Mapping[str, object],
        member: tuple[str, ...],
    ) -> None:
        for conversation, direction, stanza_id, *columns in self._db.execute(query, values):
            identity = (self._people.thread(conversation)[0], direction, stanza_id, member)
            remember(found.setdefault(identity, []), Stored(*columns))

    def _insert(self, account: int, arrivals: Sequence[_Arrival]) -> Mapping[int, str]:
        """Insert new messages, the ids of all, and the lines of the new ones. Returns what is dirty by the new ones."""
        new = [arrival for arrival in arrivals if arrival.copy_of is None]
        # Generators: thousands of rows in lists would be work for the garbage collector. Plain tuples: sqlite3 binds
        # them so much faster than named ones.
        rows = (_row(account, conversation, message_id, message) for message, _, conversation, message_id, _ in new)
        aliases = (
            (message_id, message.key.remote, message.key.participant or "") for message, _, _, message_id, _ in arrivals
        )
        lines = (
            (account, message_id, message.captured_at, bytearray(line))  # not `bytes`: see NULL
            for message, line, _, message_id, _ in new
            if line is not None
        )
        insert_all(self._db, INSERT_MESSAGE, rows, together=self.together)
        insert_all(self._db, INSERT_ALIAS, aliases, together=self.together)
        insert_all(self._db, _INSERT_LINE, lines, together=self.together)
        calls = [
            (conversation, self._calls.has_line(account, conversation, message))
            for message, _, conversation, _, _ in new
            if message.type == CALL_LOG
        ]
        first = self._note_times(new)
        return earliest([*first.items(), *calls]) if calls else first

    def _note_times(self, new: Sequence[_Arrival]) -> Mapping[int, str]:
        """Keep the times of each conversation's newest messages, in and out. Returns when each one's earliest was."""
        first: dict[int, str] = {}
        last_in: dict[int, str] = {}
        last_out: dict[int, str] = {}
        for message, _, conversation, _, _ in new:
            at = message.sent_at
            if at < first.get(conversation, "~"):
                first[conversation] = at
            last = last_in if message.direction == "in" else last_out
            if at > last.get(conversation, ""):
                last[conversation] = at
        for column, latest in (("last_inbound_at", last_in), ("last_outbound_at", last_out)):
            self._db.executemany(
                f"UPDATE conversations SET {column} = max(coalesce({column}, ''), ?) WHERE conversation_id = ?",
                [(at, conversation) for conversation, at in latest.items()],
            )
        return first

    def _count(self, arrivals: Sequence[_Arrival], result: BatchResult) -> None:
        """For the counters of `status`, and for the sweep under way."""
        new = {"live": 0, "sweep": 0}
        last = result.last_message_at or ""
        for message, _, _, message_id, copy_of in arrivals:
            via = message.via
            if via == "sweep" and message.type != VOTE:  # votes say nothing about the path of messages
                self._coverage.note_read(message)
                if copy_of is None:
                    self._coverage.count_found(message_id, message)
            if copy_of is None:
                new[via] += 1
                if message.sent_at > last:
                    last = message.sent_at
            elif via == "live":
                result.delivered.add(message_id)
        result.live += new["live"]
        result.sweep += new["sweep"]
        result.last_message_at = last or None

    # ------------------------------------------------------------------ copies that tell more

    def _update_from_copies(self, account: int, arrivals: Sequence[_Arrival], result: BatchResult) -> Mapping[int, str]:
        changed: set[int] = set()
        for message, line, _, _, stored in arrivals:
            if stored is None:
                continue
            verdict = judge(stored, message)
            if verdict == "tells_more":
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
            elif verdict == "differs" or self._has_another_sender(stored, message):
                self._keep_differing(account, stored, message, line)
            else:
                result.repeated += 1
        return self.dirty_by(changed)

    def _has_another_sender(self, stored: Stored, copy: CapturedMessage) -> bool:
        one, other = stored.sender, copy.sender
        if one == other or one is None or other is None:
            return False
        return not self._people.is_one_person(one, other)

    def _keep_differing(self, account: int, stored: Stored, copy: CapturedMessage, line: bytes | None) -> None:
        """Keep the line of another message that has the chat, id and time of a stored one. Once: sweeps repeat it.

        An earlier text of an edited message is no other one.
        """
        if copy.body in earlier_texts(self._db, stored.message_id):
            return
        problem = f"{DIFFERS} ({digest(copy)})"
        known = "SELECT 1 FROM raw_events WHERE message_id = ? AND problem = ?"
        if not self._db.execute(known, (stored.message_id, problem)).fetchone():
            keep_line(
                self._db,
                account=account,
                message_id=stored.message_id,
                at=copy.captured_at,
                problem=problem,
                line=line,
            )

    def _update_from_copy(self, stored: Stored, message: CapturedMessage) -> None:
        at = message.captured_at
        if message.type == REVOKED:
            self._mark_revoked(stored, at)
        elif not stored.readable or stored.type == REVOKED:
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
            stored.readable, stored.type, stored.body, stored.media = True, message.type, message.body, message.media
            stored.marks = message.marks or stored.marks
        else:
            if marks := marks_it_lacked(stored, message):
                self._add_marks(stored, marks, message.author)
            if has_other_words(stored, message):
                self._change_body(stored, message.body, at)

    def _add_marks(self, stored: Stored, marks: str, author: Author) -> None:
        """An author that shows in marks is certain; `operator` and `contact` are what is left without any."""
        stored.marks = marks
        self._db.execute(
            "UPDATE messages SET marks = ?1, author = iif(?2 IN ('operator', 'contact'), author, ?2) "
            "WHERE message_id = ?3",
            (marks, author, stored.message_id),
        )

    # ------------------------------------------------------------------ edits and revokes

    def find(self, account: int | None, key: MessageKey, t: int | None) -> Stored | None:
        """The message that an edit, a revoke or a reaction is about: in the chat that it names, under any of its ids.

        Without `t` the newest under that id.
        """
        chat = canonical_id(key.remote)
        conversation = self._people.conversation_of(account, chat)
        if conversation is None:
            return None
        members = None
        if chat_kind(chat) == "group" and not key.from_me and key.participant:
            members = json.dumps(self._people.ids_of(canonical_id(key.participant)))
        least, most = _ANY_TIME if t is None else (t - SAME_MESSAGE_SECONDS, t + SAME_MESSAGE_SECONDS)
        row = self._db.execute(
            f"SELECT {CONTENT} FROM messages WHERE conversation_id IN (SELECT value FROM json_each(:thread)) "
            "AND stanza_id = :id AND direction = :direction AND (wire_t IS NULL OR wire_t BETWEEN :least AND :most) "
            "AND (:members IS NULL OR participant IN (SELECT value FROM json_each(:members))) "
            "ORDER BY sent_at DESC, message_id DESC LIMIT 1",
            {
                "thread": json.dumps(self._people.thread(conversation)),
                "id": key.stanza_id,
                "direction": "out" if key.from_me else "in",
                "least": least,
                "most": most,
                "members": members,
            },
        ).fetchone()
        return Stored(*row) if row else None

    def edit(self, account: int | None, edit: MessageEdit, item: Item) -> Mapping[int, str]:
        """Change a message's text and keep the earlier one. Returns the dirty conversations."""
        stored = self.find(account, edit.key, edit.t)
        body = clean(edit.body)
        if stored is None or stored.body == body or stored.revoked:
            return {}  # unknown: a sweep brings the message with its current text
        at = sent_at(edit.edited_t, datetime.fromisoformat(item.at)) if edit.edited_t else item.at
        self._change_body(stored, body, at)
        self._keep_line_of_change(account, stored, item)
        return self.dirty_by([stored.message_id])

    def revoke(self, account: int | None, revoke: MessageRevoke, item: Item) -> Mapping[int, str]:
        """Mark a message that was deleted for everyone. Returns the dirty conversations.

        One deleted only on our side was still sent: only the line is kept.
        """
        stored = self.find(account, revoke.key, revoke.t)
        if stored is None or stored.revoked:
            return {}
        self._keep_line_of_change(account, stored, item)
        if revoke.scope != "everyone":
            return {}
        self._mark_revoked(stored, item.at)
        return self.dirty_by([stored.message_id])

    def dirty_by(self, message_ids: Iterable[int]) -> Mapping[int, str]:
        """The conversations that are dirty when these messages have changed."""
        query = "SELECT conversation_id, sent_at FROM messages WHERE message_id = ?"
        return earliest(row for each in message_ids for row in self._db.execute(query, (each,)))

    def _keep_line_of_change(self, account: int | None, stored: Stored, item: Item) -> None:
        keep_line(self._db, account=account, message_id=stored.message_id, at=item.at, problem=None, line=item.line)

    def _change_body(self, stored: Stored, body: str | None, at: str) -> None:
        self._keep_version(stored, "edit", at)
        self._db.execute(
            "UPDATE messages SET body = ?, edited_at = ? WHERE message_id = ?", (body, at, stored.message_id)
        )
        stored.body = body

    def _mark_revoked(self, stored: Stored, at: str) -> None:
        """A revoked message keeps its text: it was written all the same."""
        self._keep_version(stored, "revoke", at)
        self._db.execute("UPDATE messages SET revoked_at = ? WHERE message_id = ?", (at, stored.message_id))
        stored.revoked = True

    def _keep_version(self, stored: Stored, change: str, at: str) -> None:
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
    line: bytes | str | None,
) -> None:
    """Keep the wire line behind a change, or a line that could not be used."""
    if line is not None:
        text = clean(line.decode() if isinstance(line, bytes) else line)
        connection.execute(
            INSERT_RAW,
            RawRow(account_id=account, message_id=message_id, captured_at=at, problem=problem, line=text),
        )


def _row(account: int, conversation: int, message_id: int, message: CapturedMessage) -> tuple[object, ...]:
    """A `MessageRow`, in its order. The message is taken apart at once: that takes half of the time.

    Python binds nothing as fast as text and whole numbers: for a flag or None it first looks for an adapter.
    """
    (
        key, _chat, group, _aliases, members, direction, author, type_, readable, t, sent, captured, via, sender,
        notify_name, saved_name, business, body, truncated, forwarded, media, quoted, referral, details, marks, _name,
    ) = message  # fmt: skip
    return (
        message_id,
        account,
        conversation,
        direction,
        author,
        type_,
        NULL if body is None else body,
        sent,
        captured,
        via,
        captured if readable else NULL,
        captured if type_ == REVOKED else NULL,
        NULL if sender is None else sender,
        NULL if notify_name is None else notify_name,
        NULL if saved_name is None else saved_name,
        +business,
        +truncated,
        +forwarded,
        NULL if media is None else media,
        NULL if quoted is None else quoted,
        NULL if referral is None else referral,
        NULL if details is None else details,
        NULL if marks is None else marks,
        key.stanza_id,
        group,
        members[0] if members else "",
        NULL if t is None else t,
    )
