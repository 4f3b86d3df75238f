"""Writes captured records to the tables, in the order of arrival, inside the writer's transaction.

Each kind of record has a module that writes it (`messages`, `reactions`, `calls`, `people`, `coverage`). Here each
record is handed to the right one; accounts, phase changes and unusable lines are written here.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from leadmasterd.capture import CapturedMessage, ids_of, ids_of_change
from leadmasterd.identity import canonical_id, chat_kind
from leadmasterd.store.calls import Calls
from leadmasterd.store.coverage import Coverage, Tally
from leadmasterd.store.dirty import earliest, mark_dirty
from leadmasterd.store.messages import Messages, keep_line
from leadmasterd.store.people import People
from leadmasterd.store.reactions import Reactions
from leadmasterd.store.records import BatchResult, GapEnded, GapOpened, Item, LinesMissing, SessionEvent, WhyHeld
from leadmasterd.text import clean
from leadmasterd.wire.events import (
    Account,
    Call,
    Malformed,
    MessageEdit,
    MessageKey,
    MessageRevoke,
    NumberChange,
    Reaction,
    SweepChat,
    SweepDone,
)

MAX_MALFORMED_TEXT: Final = 65_536
"""Characters of a malformed line that are kept; of a longer one only its head."""


class Rows:
    """Writes the tables of capture. Not thread-safe: it belongs to the writer thread.

    `account_id`: the account to which everything captured now belongs; None before any is known.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.account_id: int | None = None
        self._people = People(connection)
        self._coverage = Coverage(connection)
        self._calls = Calls(connection)
        self._messages = Messages(connection, people=self._people, coverage=self._coverage, calls=self._calls)
        self._reactions = Reactions(connection, people=self._people, messages=self._messages)
        self._data_version: int | None = None
        self._account_and_tally_before: tuple[int | None, Tally] = (None, Tally())

    def hold_watermarks(self, through: int, why: WhyHeld) -> None:
        """Let sweeps up to this number move no watermark and close no outage."""
        self._coverage.hold_watermarks(through, why)

    def remember(self) -> None:
        """Keep the state in memory as it is when a transaction begins, for `restore`."""
        self._account_and_tally_before = (self.account_id, self._coverage.tally)

    def restore(self) -> None:
        """After a rollback, go back to the state of `remember`, and drop caches: they may hold rows that are gone."""
        self.account_id, self._coverage.tally = self._account_and_tally_before
        self._people.clear()
        self._data_version = None

    def apply(self, items: Sequence[Item], *, together: bool = True) -> BatchResult:
        """Write a batch inside an open transaction. The caller commits, or rolls back and calls `restore`.

        `together`: as in `insert_all`.
        """
        self._messages.together = together
        self._notice_other_writers()
        result = BatchResult()
        dirty: list[tuple[int, str]] = []
        for run in _runs(items):
            dirty += self._apply(run, result).items()
        # Messages that were deleted as copies are no finds of a sweep: they count as delivered.
        result.delivered |= self._people.gone
        self._people.gone.clear()
        mark_dirty(self._db, earliest(dirty))
        return result

    def _notice_other_writers(self) -> None:
        """If another connection has written since the last batch, drop the caches and read the next message id."""
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._data_version:
            return
        self._people.clear()
        self._data_version = version
        self._messages.reload_next_id()

    def _apply(self, run: Sequence[Item], result: BatchResult) -> Mapping[int, str]:
        """Write a run of `_runs`: messages, or one record of another kind.

        Returns the conversations that are dirty now, each with the earliest time that changed.
        """
        item = run[0]
        match item.record:
            case CapturedMessage():
                return self._messages.write(self.account_id, _messages(run), result)
            case MessageEdit() as edit:
                self._join_ids(edit, item.at)
                return self._messages.edit(self.account_id, edit, item)
            case MessageRevoke() as revoke:
                self._join_ids(revoke, item.at)
                return self._messages.revoke(self.account_id, revoke, item)
            case Reaction() as reaction:
                self._join_ids(reaction, item.at)
                return self._reactions.write(self.account_id, reaction, item)
            case Call() as call:
                self._join_ids(call, item.at)
                return self._store_call(call, item)
            case NumberChange() as change:
                # A change that a sweep reads may be older than what is known: its new phone may not be in use now.
                self._people.join(ids_of_change(change), item.at, shown=change.via == "live")
            case SweepChat() as chat:
                self._coverage.chat_swept(self.account_id, chat, item.at)
            case SweepDone() as done:
                result.sweeps_done.append(self._coverage.sweep_done(self.account_id, done, item.at))
            case Malformed() as malformed:
                self._keep_malformed(malformed, item)
                result.rejected += 1
            case Account() as account:
                self._use_account(account, item.at, result)
            case SessionEvent(phase, code, values):
                self._db.execute(
                    "INSERT INTO session_events (at, phase, code, value_json) VALUES (?, ?, ?, ?)",
                    (item.at, phase, code, json.dumps(values)),
                )
            case GapOpened(cause, since_at):
                self._coverage.gap_opened(self.account_id, cause, since_at)
            case GapEnded():
                self._coverage.gap_ended(self.account_id, item.at)
            case LinesMissing(through):
                self._coverage.hold_watermarks(through, "lines_missing")
        return {}

    def is_dated(self, key: MessageKey, t: int | None) -> bool:
        """Whether this message is stored, and with exactly the time `t`; False if `t` is None."""
        stored = self._messages.find(self.account_id, key, t)
        return stored is not None and t is not None and stored.wire_t == t

    def reject(self, item: Item, problem: str) -> BatchResult:
        """Store the raw line of a record that SQLite refuses, and the reason, so that one bad record stops nothing."""
        self._keep_unusable(item.line or repr(item.record), problem, item.at)
        return BatchResult(rejected=1)

    def _keep_malformed(self, malformed: Malformed, item: Item) -> None:
        """Store a line that can't be used, with the reason; of a very long one only its head."""
        line = malformed.head
        if item.line is not None:
            text = item.line.decode()
            if len(text) <= MAX_MALFORMED_TEXT:
                line = text
        self._keep_unusable(line, f"the line {malformed.why}", item.at)

    def _keep_unusable(self, line: bytes | str | None, problem: str, at: str) -> None:
        keep_line(self._db, account=self.account_id, message_id=None, at=at, problem=problem, line=line)

    def _join_ids(self, event: MessageEdit | MessageRevoke | Reaction | Call, at: str) -> None:
        """If an event names two ids of a person, make them one contact's: the message may be stored under either."""
        ids = ids_of(event).of_person
        if len(ids) > 1:
            self._people.join(ids, at, shown=False)

    def _store_call(self, call: Call, item: Item) -> Mapping[int, str]:
        """Store a call that was seen ringing. Returns its conversation, which is dirty now, and since when."""
        chat = canonical_id(call.chat)
        aliases = () if chat_kind(chat) == "group" else (chat,)
        conversation = self._people.conversation_for(self.account_id, aliases, chat, item.at)
        return {conversation: self._calls.store_ringing(self.account_id, conversation, call, item.at)}

    def _use_account(self, account: Account, at: str, result: BatchResult) -> None:
        """Let everything from here on belong to this account, which is stored if it is new.

        If it is new and not the first one, `result.new_account_beside` says so.
        """
        wid = canonical_id(account.wid)
        known = [each for (each,) in self._db.execute("SELECT wid FROM accounts ORDER BY last_ready_at DESC")]
        if known and wid not in known:
            result.new_account_beside = (wid, known[0])
        [(account_id,)] = self._db.execute(
            "INSERT INTO accounts (wid, lid, push_name, platform, first_linked_at, last_ready_at) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (wid) DO UPDATE SET lid = coalesce(excluded.lid, lid), "
            "push_name = coalesce(excluded.push_name, push_name), platform = coalesce(excluded.platform, platform), "
            "last_ready_at = excluded.last_ready_at RETURNING account_id",
            (wid, account.lid, clean(account.push_name), account.platform, at, at),
        ).fetchall()
        self._people.clear()
        if account_id != self.account_id:
            self._coverage.tally = Tally()
        self.account_id = account_id


def _runs(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Split a batch into runs: messages that follow each other, or one record of another kind.

    Messages are written much faster together.
    """
    if items and all(map(_is_message, items)):  # a shortcut for bursts, in which there is nothing else
        yield items
        return
    for are_messages, group in groupby(items, key=_is_message):
        if are_messages:
            yield list(group)
        else:
            for item in group:
                yield [item]


def _is_message(item: Item) -> bool:
    return isinstance(item.record, CapturedMessage)


def _messages(run: Sequence[Item]) -> list[tuple[CapturedMessage, bytes | None]]:
    """The messages of a run, each with its wire line."""
    return [(item.record, item.line) for item in run if isinstance(item.record, CapturedMessage)]
