"""Writes messages: deduplicates them (dedup), inserts them, and changes them by edits, revokes and later copies.

A message is unique on (account, direction, its chat's person, its own id, and in a group the participant), confirmed by
its time to within a minute: senders choose the ids, so two people's messages may have the same one. The same message
may arrive five times, live and by sweep, under the phone and the LID of one person: it stays one row, and every id it
was seen under is kept in `message_aliases`. Who is one person is decided in `people`, and what a copy adds in
`same_message`. When WhatsApp says only later that two ids are one person, `unify` makes one row of what was captured
under both.
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
    add_in_order,
    digest,
    find_same,
    has_other_words,
    judge,
    marks_it_lacked,
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
    """The columns of `raw_events`: a wire line (UTF-8), and why it could not be used (None when it was)."""

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
"""Casts the bytes of a line to text. Decoding them in Python takes longer than everything else for the row."""
_INSERT_LINE: Final = INSERT_RAW.replace(", problem", "").replace("?, CAST(? AS TEXT), ?", "?, CAST(? AS TEXT)")
"""For lines that could be used, so without `problem`: nearly all of them."""
_INSERT_VERSION: Final = insert("message_versions", VersionRow._fields)
DIFFERS: Final = "another message has the chat, id and time of this one"
"""The problem of a line whose message is not the stored one. The `digest` of the line's message follows in brackets."""
_COLUMNS: Final = ", ".join(f"m.{column}" for column in CONTENT.split(", "))
_OF_KEYS: Final = f"""
SELECT m.conversation_id, m.direction, m.stanza_id, {_COLUMNS} FROM json_each(:keys)
CROSS JOIN messages m ON m.conversation_id = json_each.value AND m.stanza_id = json_each.key AND m.participant = ''
AND m.wire_t BETWEEN :least AND :most
UNION ALL SELECT m.conversation_id, m.direction, m.stanza_id, {_COLUMNS} FROM json_each(:keys)
CROSS JOIN messages m ON m.conversation_id = json_each.value AND m.stanza_id = json_each.key AND m.participant = ''
AND m.wire_t IS NULL
"""
"""Stored messages of direct chats and of ours. `:keys`: a JSON object, message id -> conversation."""
_STORED_KEYS: Final = """
SELECT json_each.key, json_each.value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM messages m
WHERE m.conversation_id = json_each.value AND m.stanza_id = json_each.key AND m.participant = '')
"""
"""Which keys of such an object are stored at all. For live messages hardly any is, and then `_OF_KEYS` is not run."""
_OF_MEMBER: Final = f"""
SELECT m.conversation_id, m.direction, m.stanza_id, {_COLUMNS} FROM messages m
WHERE m.conversation_id = :conversation AND m.stanza_id = :id
AND m.participant IN (SELECT value FROM json_each(:members)) AND (m.wire_t IS NULL OR m.wire_t BETWEEN :least AND :most)
"""
"""Stored messages with one id that a member of a group wrote, under any of the member's ids."""
_ANY_TIME: Final = (-(1 << 62), 1 << 62)
"""The least and the most that a time can be, where any will do."""
_make: Final = tuple.__new__
"""Makes a named tuple of the values for all its fields, faster than by its class."""
_content_of: Final = attrgetter("t", "type", "body", "media", "sender", "readable", "truncated", "marks")
"""The fields of a `CapturedMessage` that `Stored` has too, in its order."""


class _Arrival(NamedTuple):
    """A captured message with its wire line, and where it is stored.

    `copy_of`: the stored message of which it is a copy; None if it is new. `message_id`: its own, or that of `copy_of`.
    """

    message: CapturedMessage
    line: bytes | None
    conversation: int
    message_id: int
    copy_of: Stored | None

    def as_stored(self) -> Stored:
        """A new message as it will be stored, to compare later copies with it."""
        message = self.message
        return Stored(*(self.message_id, *_content_of(message), message.type == REVOKED))


_Place = tuple[int, tuple[int, ...], tuple[str, ...]]
"""Where a message belongs: its conversation, its thread (`People.thread`), and in a group all ids of who wrote it."""
_NO_MEMBER: Final = ("",)
"""In place of those ids: a message of a direct chat, or one of ours."""
_Identity = tuple[int, str, str, tuple[str, ...]]
"""What copies of one message have in common: the first conversation of the thread, direction, message id, member."""


class Messages:
    """Writes the table `messages` and those of its details, within the writer's transaction.

    Methods that change messages return the conversations that this makes dirty (their leads have to be derived again),
    each with the earliest time (ISO) that changed.
    """

    def __init__(self, connection: sqlite3.Connection, *, people: People, coverage: Coverage, calls: Calls) -> None:
        self._db = connection
        self._people = people
        self._coverage = coverage
        self._calls = calls
        self._next_id = 0
        self.together = True
        """Whether many rows are inserted by one statement, as in `insert_all`."""

    def reload_next_id(self) -> None:
        """Read the next free id, because another process may have inserted rows. No id is ever used again."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        self._next_id = (row[0] if row else 0) + 1

    def write(
        self, account: int | None, messages: Sequence[tuple[CapturedMessage, bytes | None]], result: BatchResult
    ) -> Mapping[int, str]:
        """Write messages that arrived one after the other, each with its wire line. Returns the dirty conversations.

        Adds to the counters of `result`. Raises ValueError without an account. All contacts are looked up before the
        first message is: a message may show that two contacts are one, and then the conversation of an earlier message
        of this run is gone.
        """
        if account is None:
            raise ValueError("a message came before any account was known")
        places = self._resolve_people(account, [message for message, _ in messages])
        arrivals = self._deduplicate(messages, places)
        for arrival in arrivals:
            message = arrival.message
            # A copy that came under one id says nothing new about its sender.
            tells_of_sender = arrival.copy_of is None or len(message.aliases) > 1
            if message.direction == "in" and message.aliases and tells_of_sender:  # without aliases: of a group
                self._people.note_names(arrival.conversation, message)
        dirty = self._insert(account, arrivals)
        self._count(arrivals, result)
        changed = self._update_from_copies(account, arrivals, result)
        return earliest([*dirty.items(), *changed.items()]) if changed else dirty

    def _resolve_people(self, account: int, messages: Sequence[CapturedMessage]) -> list[_Place]:
        """Where each message belongs, in the order of arrival. Creates and joins contacts and conversations.

        Once contacts were joined, places that were found before may be gone, so all are looked up again.
        """
        while True:
            before = self._people.changes
            places = [self._place(account, message) for message in messages]
            if self._people.changes == before:
                return places

    def _place(self, account: int, message: CapturedMessage) -> _Place:
        """Where a message belongs. Creates and joins contacts and conversations."""
        people = self._people
        at = message.captured_at
        conversation = people.conversation_for(account, message.aliases, message.chat, at)
        member = people.participant_ids(message.members, at) if message.members else _NO_MEMBER
        return conversation, people.thread(conversation), member

    def _deduplicate(
        self, messages: Sequence[tuple[CapturedMessage, bytes | None]], places: Sequence[_Place]
    ) -> list[_Arrival]:
        """Tell new messages from copies of those that are stored, or that came earlier in this run.

        New messages are given the next ids.
        """
        # By identity, the messages that have it. A single message of this run is put into a list only when a second one
        # comes, which is rare.
        known: dict[_Identity, list[Stored] | _Arrival] = {**self._find_stored([each for each, _ in messages], places)}
        arrivals = []
        for (message, line), (conversation, thread, member) in zip(messages, places, strict=True):
            identity = (thread[0], message.direction, message.key.stanza_id, member)
            candidates = known.get(identity)
            if isinstance(candidates, _Arrival):
                candidates = known[identity] = [candidates.as_stored()]
            stored = None if candidates is None else find_same(candidates, message.t, message)
            if stored is not None:
                arrivals.append(_make(_Arrival, (message, line, conversation, stored.message_id, stored)))
                continue
            arrival = _make(_Arrival, (message, line, conversation, self._next_id, None))
            self._next_id += 1
            if candidates is None:
                known[identity] = arrival
            else:
                add_in_order(candidates, arrival.as_stored())
            arrivals.append(arrival)
        return arrivals

    def _find_stored(
        self, messages: Sequence[CapturedMessage], places: Sequence[_Place]
    ) -> dict[_Identity, list[Stored]]:
        """Stored messages of which the given ones may be copies, by identity: all within the range of their times."""
        times = [message.t for message in messages if message.t is not None]
        has_undated = len(times) < len(messages)  # a message without a time may be a copy of one at any time
        least, most = _ANY_TIME if has_undated else (min(times), max(times))
        span = {"least": least - SAME_MESSAGE_SECONDS, "most": most + SAME_MESSAGE_SECONDS}
        # One query looks up the ids of a whole run, each in one conversation. What does not fit into it is rare: an id
        # that occurs in two conversations, a thread of two conversations, and what members of groups wrote.
        keys: dict[str, int] = {}
        other_keys: set[tuple[str, int]] = set()
        of_members: set[tuple[str, int, tuple[str, ...]]] = set()
        for message, (conversation, thread, member) in zip(messages, places, strict=True):
            stanza_id = message.key.stanza_id
            if member is not _NO_MEMBER:
                of_members.add((stanza_id, conversation, member))
            elif keys.setdefault(stanza_id, conversation) != conversation or len(thread) > 1:
                other_keys.update((stanza_id, each) for each in thread)
        found: dict[_Identity, list[Stored]] = {}
        stored_keys = dict(self._db.execute(_STORED_KEYS, (json.dumps(keys),))) if keys else {}
        if stored_keys:
            self._add_stored(found, _OF_KEYS, {"keys": json.dumps(stored_keys), **span}, _NO_MEMBER)
        for stanza_id, conversation in other_keys:
            if keys[stanza_id] != conversation:  # else it was looked up with the others
                self._add_stored(found, _OF_KEYS, {"keys": json.dumps({stanza_id: conversation}), **span}, _NO_MEMBER)
        for stanza_id, conversation, member in of_members:
            values = {"id": stanza_id, "conversation": conversation, "members": json.dumps(member), **span}
            self._add_stored(found, _OF_MEMBER, values, member)
        return found

    def _add_stored(
        self,
        found: dict[_Identity, list[Stored]],
        query: str,
        values: Mapping[str, object],
        member: tuple[str, ...],
    ) -> None:
        """Add to `found` the messages that a query (`_OF_KEYS` or `_OF_MEMBER`) finds. `member`: as in `_Place`."""
        for conversation, direction, stanza_id, *columns in self._db.execute(query, values):
            identity = (self._people.thread(conversation)[0], direction, stanza_id, member)
            add_in_order(found.setdefault(identity, []), Stored(*columns))

    def _insert(self, account: int, arrivals: Sequence[_Arrival]) -> Mapping[int, str]:
        """Insert the new messages with their wire lines, and the ids under which new ones and copies were seen.

        Returns the conversations that the new ones make dirty.
        """
        new = [arrival for arrival in arrivals if arrival.copy_of is None]
        # Generators: thousands of rows in lists would be work for the garbage collector. Plain tuples: sqlite3 binds
        # them so much faster than named ones.
        rows = (_row(account, conversation, message_id, message) for message, _, conversation, message_id, _ in new)
        aliases = (
            (message_id, message.key.remote, message.key.participant or "") for message, _, _, message_id, _ in arrivals
        )
        lines = (
            (account, message_id, message.captured_at, bytearray(line))  # not `bytes`: sqlite3 would seek an adapter
            for message, line, _, message_id, _ in new
            if line is not None
        )
        insert_all(self._db, INSERT_MESSAGE, rows, together=self.together)
        insert_all(self._db, INSERT_ALIAS, aliases, together=self.together)
        insert_all(self._db, _INSERT_LINE, lines, together=self.together)
        calls = [
            (conversation, self._calls.store_line(account, conversation, message))
            for message, _, conversation, _, _ in new
            if message.type == CALL_LOG
        ]
        first = self._update_last_times(new)
        return earliest([*first.items(), *calls]) if calls else first

    def _update_last_times(self, new: Sequence[_Arrival]) -> Mapping[int, str]:
        """Update the times of each conversation's last messages in and out.

        Returns by conversation the time of the earliest of these messages.
        """
        first: dict[int, str] = {}
        last_in: dict[int, str] = {}
        last_out: dict[int, str] = {}
        for message, _, conversation, _, _ in new:
            at = message.sent_at
            if at < first.get(conversation, "~"):  # "~" sorts after every time
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
        """Count these messages in `result`, and those of a sweep in its tally."""
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
        """Add to stored messages what copies know in addition. Returns the dirty conversations.

        Of a copy that says something else, the wire line is kept, with the problem `DIFFERS`.
        """
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
        """Whether another person sent the copy; False if it is not known who sent one of the two."""
        if stored.sender == copy.sender or stored.sender is None or copy.sender is None:
            return False
        return not self._people.is_one_person(stored.sender, copy.sender)

    def _keep_differing(self, account: int, stored: Stored, copy: CapturedMessage, line: bytes | None) -> None:
        """Keep the line of a message that differs from the stored one with the same chat, id and time.

        Only once, as sweeps repeat it. Does nothing for an earlier text of an edited message.
        """
        if copy.body in earlier_texts(self._db, stored.message_id):
            return
        problem = f"{DIFFERS} ({digest(copy)})"
        kept_before = "SELECT 1 FROM raw_events WHERE message_id = ? AND problem = ?"
        if not self._db.execute(kept_before, (stored.message_id, problem)).fetchone():
            keep_line(
                self._db,
                account=account,
                message_id=stored.message_id,
                at=copy.captured_at,
                problem=problem,
                line=line,
            )

    def _update_from_copy(self, stored: Stored, message: CapturedMessage) -> None:
        """Change a stored message, and its row, by a copy that tells more: a revocation, its text, marks or an edit."""
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
        """Replace a message's marks, and its author if the marks show one.

        `operator` and `contact` are the authors of messages whose marks show none, so they replace nothing.
        """
        stored.marks = marks
        self._db.execute(
            "UPDATE messages SET marks = ?1, author = iif(?2 IN ('operator', 'contact'), author, ?2) "
            "WHERE message_id = ?3",
            (marks, author, stored.message_id),
        )

    # ------------------------------------------------------------------ edits and revokes

    def find(self, account: int | None, key: MessageKey, t: int | None) -> Stored | None:
        """The stored message that an edit, a revoke or a reaction is about; None if it is not stored.

        `key` names its chat by any of its ids. `t`: the message's time in seconds since 1970; None: the newest message
        with that id.
        """
        chat = canonical_id(key.remote)
        conversation = self._people.conversation_of(account, chat)
        if conversation is None:
            return None
        members = None  # in a group, the ids of the participant who must have written it; None: anybody
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
        """Change a message's text, and keep the earlier one. Returns the dirty conversations.

        Does nothing if the message has that text already, was revoked, or is not stored.
        """
        stored = self.find(account, edit.key, edit.t)
        body = clean(edit.body)
        if stored is None:
            return {}  # a sweep will bring the message with its current text
        if stored.body == body or stored.revoked:
            return {}
        at = sent_at(edit.edited_t, datetime.fromisoformat(item.at)) if edit.edited_t else item.at
        self._change_body(stored, body, at)
        self._keep_line_of_change(account, stored, item)
        return self.dirty_by([stored.message_id])

    def revoke(self, account: int | None, revoke: MessageRevoke, item: Item) -> Mapping[int, str]:
        """Mark a message as revoked if it was deleted for everyone. Returns the dirty conversations.

        If it was deleted only on our phone, the other party still has it: then only the wire line is kept. Does nothing
        if the message is not stored, or was revoked before.
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
        """The conversations that are dirty when these messages have changed, each with the earliest of their times."""
        query = "SELECT conversation_id, sent_at FROM messages WHERE message_id = ?"
        return earliest(row for each in message_ids for row in self._db.execute(query, (each,)))

    def _keep_line_of_change(self, account: int | None, stored: Stored, item: Item) -> None:
        keep_line(self._db, account=account, message_id=stored.message_id, at=item.at, problem=None, line=item.line)

    def _change_body(self, stored: Stored, body: str | None, at: str) -> None:
        """Give a message the text that it was edited to at the time `at` (ISO), and keep the earlier one."""
        self._keep_version(stored, "edit", at)
        self._db.execute(
            "UPDATE messages SET body = ?, edited_at = ? WHERE message_id = ?", (body, at, stored.message_id)
        )
        stored.body = body

    def _mark_revoked(self, stored: Stored, at: str) -> None:
        """Mark a message as revoked at the time `at` (ISO). It keeps its text."""
        self._keep_version(stored, "revoke", at)
        self._db.execute("UPDATE messages SET revoked_at = ? WHERE message_id = ?", (at, stored.message_id))
        stored.revoked = True

    def _keep_version(self, stored: Stored, change: str, at: str) -> None:
        """Keep what a message is now, before a change: `edit` or `revoke`."""
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
    """Keep the wire line behind a change, or a line that could not be used. Does nothing without a line.

    `message_id`: of the message that it is about, None if none is known; `problem`: why it could not be used, None if
    it was.
    """
    if line is not None:
        text = clean(line.decode() if isinstance(line, bytes) else line)
        connection.execute(
            INSERT_RAW,
            RawRow(account_id=account, message_id=message_id, captured_at=at, problem=problem, line=text),
        )


def _row(account: int, conversation: int, message_id: int, message: CapturedMessage) -> tuple[object, ...]:
    """The values of a new message's `MessageRow`, in its order.

    For speed, the message is unpacked in one step, which takes half as long as reading field by field. sqlite3 binds
    text and numbers at once, but looks for an adapter for None and for flags. So None becomes `NULL`, and a flag a
    whole number (`+flag`).
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
