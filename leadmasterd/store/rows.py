"""What each captured thing does to the tables. Runs inside the writer's transaction, in the order of arrival.

Messages have a file of their own, and so have the sweeps and gaps that tell how far they are complete.
"""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from leadmasterd.capture import CapturedMessage
from leadmasterd.identity import canonical_id, chat_kind
from leadmasterd.store.coverage import Coverage, Tally
from leadmasterd.store.messages import Messages, keep_line
from leadmasterd.store.people import People
from leadmasterd.store.records import BatchResult, GapEnded, GapOpened, Item, SessionEvent
from leadmasterd.text import clean
from leadmasterd.times import sent_at
from leadmasterd.wire.events import Account, Call, Malformed, MessageEdit, MessageRevoke, Reaction, SweepChat, SweepDone

MARK_DIRTY: Final = (
    "INSERT OR IGNORE INTO unjudged SELECT conversation_id FROM conversations "
    "WHERE conversation_id = ? AND contact_id IS NOT NULL"
)
"""Leads are to be made (again) from this conversation, unless it is a group's or has become part of another."""


class Rows:
    """The tables of capture behind one connection. Not thread-safe: it belongs to the writer thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.account_id: int | None = None
        self._people = People(connection)
        self._coverage = Coverage(connection)
        self._messages = Messages(connection, self._people, self._coverage)
        self._data_version: int | None = None
        self._before: tuple[int | None, Tally] = (None, Tally())

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
                self._messages.write(self.account_id, run, result)
                run = []
            self._one(item, result)
        if run:
            self._messages.write(self.account_id, run, result)
        self._db.executemany(MARK_DIRTY, [(conversation,) for conversation in self._messages.touched])
        self._messages.touched.clear()
        return result

    def remember(self) -> None:
        """A transaction begins: this is what `forget` goes back to."""
        self._before = (self.account_id, self._coverage.tally)

    def forget(self) -> None:
        """Drop what was remembered: after a rollback it may describe rows that are not there."""
        self.account_id, self._coverage.tally = self._before
        self._messages.touched.clear()
        self._people.clear()
        self._data_version = None

    def _notice_other_writers(self) -> None:
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._data_version:
            return
        self._people.clear()
        self._data_version = version
        self._messages.number_on()

    def _one(self, item: Item, result: BatchResult) -> None:
        match item.record:
            case MessageEdit() as edit:
                self._messages.edit(self.account_id, edit, item)
            case MessageRevoke() as revoke:
                self._messages.revoke(self.account_id, revoke, item)
            case Reaction() as reaction:
                self._reaction(reaction, item)
            case Call() as call:
                self._call(call, item)
            case SweepChat() as chat:
                self._coverage.chat_swept(self.account_id, chat, item.at)
            case SweepDone() as done:
                result.sweeps_done.append(self._coverage.sweep_done(self.account_id, done, item.at))
            case Malformed() as bad:
                line = item.text if item.text is not None and len(item.text) <= 4096 else bad.head
                keep_line(self._db, self.account_id, None, item.at, f"the line {bad.why}", line)
                result.rejected += 1
            case Account() as account:
                account_id = self._account(account, item.at, result)
                if account_id != self.account_id:
                    self._coverage.tally = Tally()
                self.account_id = account_id
            case SessionEvent(phase, code, values):
                self._db.execute(
                    "INSERT INTO session_events (at, phase, code, value_json) VALUES (?, ?, ?, ?)",
                    (item.at, phase, code, json.dumps(values)),
                )
            case GapOpened(cause, since_at):
                self._coverage.gap_opened(self.account_id, cause, since_at)
            case GapEnded():
                self._coverage.gap_ended(self.account_id, item.at)
            case CapturedMessage():
                raise AssertionError("messages are written in runs")

    def reject(self, item: Item, problem: str) -> BatchResult:
        """Keep a record that SQLite refuses as a raw line with the reason, so that one bad row stops nothing."""
        keep_line(self._db, self.account_id, None, item.at, problem, item.text or repr(item.record))
        return BatchResult(rejected=1)

    def _reaction(self, reaction: Reaction, item: Item) -> None:
        found = self._messages.find(self.account_id, reaction.key, None)
        if found is not None and reaction.from_me:
            self._messages.touch(found[0])
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
                sent_at(reaction.t, datetime.fromisoformat(item.at)),
            ),
        )

    def _call(self, call: Call, item: Item) -> None:
        chat = canonical_id(call.chat)
        conversation = self._people.conversation_for(
            self.account_id, () if chat_kind(chat) == "group" else (chat,), chat, item.at
        )
        self._messages.touched.add(conversation)
        self._db.execute(
            "INSERT INTO calls (account_id, conversation_id, call_id, started_at, outgoing, answered, video) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET answered = max(answered, excluded.answered)",
            (
                self.account_id,
                conversation,
                call.call_id,
                sent_at(call.t, datetime.fromisoformat(item.at)),
                call.outgoing,
                call.answered,
                call.video,
            ),
        )

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
