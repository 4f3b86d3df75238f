"""What each captured thing does to the tables. Runs inside the writer's transaction, in the order of arrival.

A message is unique on (account, direction, its own id, the group's id), confirmed by its time within a minute; under
the same id with a clearly different time it is another message (`variant`). The same message may come five times,
live and by sweep, under a phone's and a LID's chat id: one row, every id seen kept in `message_aliases`.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from leadmasterd.events import (
    Account,
    Call,
    Malformed,
    MessageEdit,
    MessageKey,
    MessageRevoke,
    Reaction,
    SweepChat,
    SweepDone,
)
from leadmasterd.ingest import (
    SAME_MESSAGE_SECONDS,
    CapturedMessage,
    believable,
    canonical_id,
    chat_kind,
    clean,
    iso,
    sent_at,
)
from leadmasterd.store.people import People

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
PUT_UP: Final = (
    "INSERT OR IGNORE INTO unjudged SELECT conversation_id FROM conversations "
    "WHERE conversation_id = ? AND contact_id IS NOT NULL"
)
"""Leads are to be made (again) from this conversation, unless it is a group's or has become part of another."""
_REVOKED: Final = "revoked"
LIVE_GRACE: Final = timedelta(seconds=10)
"""How long a message may take from WhatsApp's time to its live line, before a sweep that finds it first is news."""


class SessionEvent(NamedTuple):
    """A phase change of the supervisor: a stable code with values, never a sentence."""

    phase: str
    code: str
    values: dict[str, object]


class GapOpened(NamedTuple):
    """The live path is gone since `since_at` (ISO), for the reason `cause`."""

    cause: str
    since_at: str


class GapEnded(NamedTuple):
    """The live path is back; the gap stays open until a sweep has fetched what it hid."""


Record = (
    CapturedMessage
    | MessageEdit
    | MessageRevoke
    | Reaction
    | Call
    | SweepChat
    | SweepDone
    | Malformed
    | Account
    | SessionEvent
    | GapOpened
    | GapEnded
)


class Item(NamedTuple):
    """One thing to write: the record, the wire line behind it (None when there is none), and when it was read (ISO)."""

    record: Record
    text: str | None
    at: str


@dataclass(frozen=True, slots=True)
class SweepOutcome:
    """A sweep whose last line is committed, and what it found that no live line had brought.

    `unheard`: messages old enough that the live path should have brought them. `young`: the ids of those that may still
    be on their way.
    """

    done: SweepDone
    unheard: int
    young: frozenset[int]


@dataclass(slots=True)
class BatchResult:
    """What a committed batch was, for the counters of `status`."""

    live: int = 0
    sweep: int = 0
    duplicates: int = 0
    filled: int = 0
    rejected: int = 0
    last_message_at: str | None = None
    new_account_beside: tuple[str, str] | None = None
    """(the new number, the one listened to before), when another number was scanned."""
    sweeps_done: list[SweepOutcome] = field(default_factory=list)
    heard: set[int] = field(default_factory=set)
    """Ids of messages that a sweep had found first and that now came live as well."""

    def add_message(self, via: str, at: str) -> None:
        """Count one new message row."""
        if via == "live":
            self.live += 1
        else:
            self.sweep += 1
        if self.last_message_at is None or at > self.last_message_at:
            self.last_message_at = at


@dataclass(frozen=True, slots=True)
class _Tally:
    """What the sweep under way has found so far that was not there."""

    new: int = 0
    unheard: int = 0
    young: frozenset[int] = frozenset()
    newest: str | None = None
    """WhatsApp's time of the newest message that the sweep read, known before or not; absurd times do not count."""
    ahead: bool = False
    """It read a message dated well ahead of our clock."""


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


class Rows:
    """The tables of capture behind one connection. Not thread-safe: it belongs to the writer thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.account_id: int | None = None
        self._next_message_id = 0
        self._people = People(connection)
        self._data_version: int | None = None
        self._tally = _Tally()
        self._before: tuple[int | None, _Tally] = (None, _Tally())
        self._touched: set[int] = set()

    # ------------------------------------------------------------------ batches

    def apply(self, items: Sequence[Item]) -> BatchResult:
        """Write a batch inside an open transaction; the caller commits or rolls back (then calls `forget`)."""
        self._notice_other_writers()
        result = BatchResult()
        run: list[tuple[CapturedMessage, str | None]] = []
        for item in items:
            if isinstance(item.record, CapturedMessage):
                run.append((item.record, item.text))
                continue
            if run:
                self._messages(run, result)
                run = []
            self._one(item, result)
        if run:
            self._messages(run, result)
        self._db.executemany(PUT_UP, [(conversation,) for conversation in self._touched])
        self._touched.clear()
        return result

    def remember(self) -> None:
        """A transaction begins: this is what `forget` goes back to."""
        self._before = (self.account_id, self._tally)

    def forget(self) -> None:
        """Drop what was remembered: after a rollback it may describe rows that are not there."""
        self.account_id, self._tally = self._before
        self._touched.clear()
        self._people.clear()
        self._data_version = None

    def _notice_other_writers(self) -> None:
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._data_version:
            return
        self._people.clear()
        self._data_version = version
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        self._next_message_id = (row[0] if row else 0) + 1

    def _one(self, item: Item, result: BatchResult) -> None:
        match item.record:
            case MessageEdit() as edit:
                self._edit(edit, item)
            case MessageRevoke() as revoke:
                self._revoke(revoke, item)
            case Reaction() as reaction:
                self._reaction(reaction, item)
            case Call() as call:
                self._call(call, item)
            case SweepChat() as chat:
                self._sweep_chat(chat, item.at)
            case SweepDone() as done:
                self._sweep_done(done, item.at)
                result.sweeps_done.append(SweepOutcome(done, self._tally.unheard, self._tally.young))
                self._tally = _Tally()
            case Malformed() as bad:
                line = item.text if item.text is not None and len(item.text) <= 4096 else bad.head
                self._raw(None, item.at, f"the line {bad.why}", line)
                result.rejected += 1
            case Account() as account:
                account_id = self._account(account, item.at, result)
                if account_id != self.account_id:
                    self._tally = _Tally()
                self.account_id = account_id
            case SessionEvent(phase, code, values):
                self._db.execute(
                    "INSERT INTO session_events (at, phase, code, value_json) VALUES (?, ?, ?, ?)",
                    (item.at, phase, code, json.dumps(values)),
                )
            case GapOpened(cause, since_at):
                self._gap_opened(cause, since_at)
            case GapEnded():
                self._db.execute(
                    "UPDATE gaps SET to_at = ? WHERE account_id = ? AND to_at IS NULL", (item.at, self.account_id)
                )
            case CapturedMessage():
                raise AssertionError("messages are written in runs")

    def reject(self, item: Item, problem: str) -> BatchResult:
        """Keep a record that SQLite refuses as a raw line with the reason, so that one bad row stops nothing."""
        self._raw(None, item.at, problem, item.text or repr(item.record))
        return BatchResult(rejected=1)

    def _raw(self, message_id: int | None, at: str, problem: str | None, line: str | None) -> None:
        if line is not None:
            self._db.execute(INSERT_RAW, (self.account_id, message_id, at, problem, clean(line)))

    # ------------------------------------------------------------------ messages

    def _messages(self, run: list[tuple[CapturedMessage, str | None]], result: BatchResult) -> None:
        account = self.account_id
        if account is None:
            raise AssertionError("a message came before any account was known")
        known = self._known(account, {record.key.stanza_id for record, _ in run})
        pending = _Pending()
        for record, text in run:
            if record.via == "sweep":
                self._note_newest(record)
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
                    self._conversation(record, pending)  # it may tell that two contacts are one
                if self._duplicate_tells_more(same, record):
                    self._flush(pending)
                    self._update_from_duplicate(same, record, text, result)
                continue
            conversation = self._conversation(record, pending)
            message_id = self._next_message_id
            self._next_message_id += 1
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
            self._touched.add(conversation)
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
                self._count_found(message_id, record)
        self._flush(pending)

    def _count_found(self, message_id: int, record: CapturedMessage) -> None:
        tally = self._tally
        old = _moment(record.captured_at) - _moment(record.sent_at) >= LIVE_GRACE
        self._tally = replace(
            tally,
            new=tally.new + 1,
            unheard=tally.unheard + old,
            young=tally.young if old else tally.young | {message_id},
        )

    def _note_newest(self, record: CapturedMessage) -> None:
        captured = _moment(record.captured_at)
        at = believable(record.t, captured)
        if at is None:
            ahead = record.t is not None and record.t > captured.timestamp()
            self._tally = replace(self._tally, ahead=self._tally.ahead or ahead)
        elif at > (self._tally.newest or ""):
            self._tally = replace(self._tally, newest=at)

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
        self, same: _Known, record: CapturedMessage, text: str | None, result: BatchResult
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
        self._touch(same.message_id)
        self._raw(same.message_id, at, None, text)

    # ------------------------------------------------------------------ edits, revokes, reactions, calls

    def _find(self, key: MessageKey, t: int | None) -> tuple[Any, ...] | None:
        """The message that an edit, a revoke or a reaction is about: (message_id, type, body, revoked_at)."""
        chat = canonical_id(key.remote)
        group = chat if chat_kind(chat) == "group" else ""
        rows = self._db.execute(
            "SELECT message_id, type, body, revoked_at, wire_t FROM messages "
            "WHERE account_id = ? AND stanza_id = ? AND direction = ? AND group_id = ? ORDER BY variant DESC",
            (self.account_id, key.stanza_id, "out" if key.from_me else "in", group),
        ).fetchall()
        return next((row for row in rows if t is None or _same_time(row[4], t)), None)

    def _edit(self, edit: MessageEdit, item: Item) -> None:
        found = self._find(edit.key, edit.t)
        body = clean(edit.body)
        if found is None or found[2] == body or found[3] is not None:
            return  # unknown here: a sweep brings the message with its current text
        at = sent_at(edit.edited_t, _moment(item.at)) if edit.edited_t else item.at
        self._change_body(found[0], at, found[1], found[2], body)
        self._touch(found[0])
        self._raw(found[0], item.at, None, item.text)

    def _change_body(self, message_id: int, at: str, type_: str, before: object, after: str | None) -> None:
        self._version(message_id, at, "edit", type_, before)
        self._db.execute("UPDATE messages SET body = ?, edited_at = ? WHERE message_id = ?", (after, at, message_id))

    def _revoke(self, revoke: MessageRevoke, item: Item) -> None:
        found = self._find(revoke.key, revoke.t)
        if found is None or found[3] is not None:
            return
        self._mark_revoked(found[0], item.at, found[1], found[2])
        self._raw(found[0], item.at, None, item.text)

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

    def _touch(self, message_id: int) -> None:
        """Leads are made again from this message's conversation."""
        query = "SELECT conversation_id FROM messages WHERE message_id = ?"
        self._touched.update(*self._db.execute(query, (message_id,)))

    def _reaction(self, reaction: Reaction, item: Item) -> None:
        found = self._find(reaction.key, None)
        if found is not None and reaction.from_me:
            self._touch(found[0])
        chat = canonical_id(reaction.key.remote)
        group = chat if chat_kind(chat) == "group" else ""
        sender = canonical_id(reaction.sender) if reaction.sender else "me" if reaction.from_me else chat
        if not group:
            # Of two people each has one reaction, whichever of their ids WhatsApp uses this time.
            self._db.execute(
                "DELETE FROM reactions WHERE account_id = ? AND stanza_id = ? AND group_id = '' AND from_me = ?",
                (self.account_id, reaction.key.stanza_id, reaction.from_me),
            )
        self._db.execute(
            "INSERT INTO reactions (account_id, stanza_id, group_id, sender, from_me, message_id, emoji, reacted_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET emoji = excluded.emoji, "
            "reacted_at = excluded.reacted_at, message_id = coalesce(message_id, excluded.message_id)",
            (
                self.account_id,
                reaction.key.stanza_id,
                group,
                sender,
                reaction.from_me,
                found and found[0],
                clean(reaction.emoji),
                sent_at(reaction.t, _moment(item.at)),
            ),
        )

    def _call(self, call: Call, item: Item) -> None:
        chat = canonical_id(call.chat)
        conversation = self._people.conversation_for(
            self.account_id, () if chat_kind(chat) == "group" else (chat,), chat, item.at
        )
        self._touched.add(conversation)
        self._db.execute(
            "INSERT INTO calls (account_id, conversation_id, call_id, started_at, outgoing, answered, video) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET answered = max(answered, excluded.answered)",
            (
                self.account_id,
                conversation,
                call.call_id,
                sent_at(call.t, _moment(item.at)),
                call.outgoing,
                call.answered,
                call.video,
            ),
        )

    # ------------------------------------------------------------------ who a chat belongs to

    def _conversation(self, record: CapturedMessage, pending: _Pending) -> int:
        aliases = record.aliases or (record.chat,)
        conversation = self._people.remembered(aliases)
        if conversation is None:
            self._flush(pending)  # two contacts may become one, and the messages move: all of them must be there
            conversation = self._people.conversation_for(
                self.account_id, record.aliases, record.chat, record.captured_at
            )
        if record.direction == "in" and record.aliases:
            self._people.note_facts(conversation, record)
        return conversation

    # ------------------------------------------------------------------ accounts, sweeps, gaps

    def _account(self, account: Account, at: str, result: BatchResult) -> int:
        wid = canonical_id(account.wid)
        others = self._db.execute("SELECT wid FROM accounts ORDER BY last_ready_at DESC").fetchall()
        if others and (wid,) not in others:
            result.new_account_beside = (wid, others[0][0])
        row = self._db.execute(
            "INSERT INTO accounts (wid, lid, push_name, platform, first_linked_at, last_ready_at) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (wid) DO UPDATE SET lid = coalesce(excluded.lid, lid), "
            "push_name = coalesce(excluded.push_name, push_name), platform = coalesce(excluded.platform, platform), "
            "last_ready_at = excluded.last_ready_at RETURNING account_id",
            (wid, account.lid, clean(account.push_name), account.platform, at, at),
        ).fetchall()
        self._people.clear()
        return int(row[0][0])

    def _sweep_chat(self, swept: SweepChat, at: str) -> None:
        """This chat is complete up to its newest message: its messages stand before this line, so before this row."""
        through = believable(swept.through, _moment(at))  # our clock instead would say nothing of the messages
        if swept.error is not None or through is None:
            return
        chat = canonical_id(swept.chat)
        self._db.execute(
            "UPDATE conversations SET swept_through_at = max(coalesce(swept_through_at, ''), ?) "
            "WHERE account_id = ? AND (chat = ? OR contact_id = "
            "(SELECT contact_id FROM contact_identities WHERE kind IN ('wa_jid', 'lid') AND value = ?))",
            (min(through, at), self.account_id, chat, chat),
        )

    def _sweep_done(self, done: SweepDone, at: str) -> None:
        if done.error is not None:
            return
        self._db.execute(
            "UPDATE gaps SET recovered = recovered + ?, chats = chats + ? WHERE account_id = ? AND closed_at IS NULL",
            (self._tally.new, done.looked_at, self.account_id),
        )
        if done.failed:
            return
        started = iso(datetime.fromtimestamp(done.started_at / 1000, UTC))
        # Messages carry WhatsApp's time and not ours, so the line is drawn at the newest one that this sweep read; with
        # none it stays. When all that was read lies ahead of our clock, that is behind, and its time is safely early.
        # A line later than now is a date that was only believable while our clock was ahead.
        newest = self._tally.newest or (started if self._tally.ahead else None)
        through = newest and min(started, newest)
        self._db.execute(
            "UPDATE accounts SET last_ready_at = :started, swept_through_at = iif(swept_through_at > :now, :through, "
            "nullif(max(coalesce(swept_through_at, ''), coalesce(:through, '')), '')) WHERE account_id = :account",
            {"started": started, "now": max(at, started), "through": through, "account": self.account_id},
        )
        # Only gaps that were over when the sweep began: what a sweep found before the live path was back is not all.
        self._db.execute(
            "UPDATE gaps SET closed_at = ? WHERE account_id = ? AND closed_at IS NULL AND (to_at <= ? OR to_at > ?)",
            (started, self.account_id, started, max(at, started)),
        )

    def _gap_opened(self, cause: str, since_at: str) -> None:
        if self.account_id is None:
            return
        self._db.execute(
            "INSERT INTO gaps (account_id, from_at, cause) SELECT ?, ?, ? WHERE NOT EXISTS "
            "(SELECT 1 FROM gaps WHERE account_id = ? AND to_at IS NULL)",
            (self.account_id, since_at, cause, self.account_id),
        )


def _same_time(one: int | None, other: int | None) -> bool:
    return one is None or other is None or abs(one - other) <= SAME_MESSAGE_SECONDS


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at)
