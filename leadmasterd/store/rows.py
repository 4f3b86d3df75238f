"""Writes captured records to the tables, in the order of arrival, inside the writer's transaction.

Messages have a file of their own (`messages`), and so has what says how complete they are (`coverage`).
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
from leadmasterd.store.records import BatchResult, GapEnded, GapOpened, Item, LinesMissing, NoLine, SessionEvent
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
    """The tables of capture behind one connection. Not thread-safe: it belongs to the writer thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.account_id: int | None = None
        self._people = People(connection)
        self._coverage = Coverage(connection)
        self._calls = Calls(connection)
        self._messages = Messages(connection, people=self._people, coverage=self._coverage, calls=self._calls)
        self._reactions = Reactions(connection, people=self._people, messages=self._messages)
        self._data_version: int | None = None
        self._before: tuple[int | None, Tally] = (None, Tally())

    def draws_no_line(self, through: int, why: NoLine) -> None:
        """From now on sweeps up to this number move no watermark and close no outage."""
        self._coverage.draws_no_line(through, why)

    def remember(self) -> None:
        """A transaction begins: this is the state that `forget` goes back to."""
        self._before = (self.account_id, self._coverage.tally)

    def forget(self) -> None:
        """After a rollback: drop what is cached, for it may describe rows that are not there."""
        self.account_id, self._coverage.tally = self._before
        self._people.clear()
        self._data_version = None

    def apply(self, items: Sequence[Item], *, together: bool = True) -> BatchResult:
        """Write a batch inside an open transaction; the caller commits, or rolls back and calls `forget`.

        `together`: as in `insert_all`.
        """
        self._messages.together = together
        self._notice_other_writers()
        result = BatchResult()
        dirty: list[tuple[int, str]] = []
        for run in _runs(items):
            dirty += self._apply(run, result).items()
        # A message that a sweep brought under another id was delivered if it is one that came live.
        result.delivered |= self._people.gone
        self._people.gone.clear()
        mark_dirty(self._db, earliest(dirty))
        return result

    def _notice_other_writers(self) -> None:
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._data_version:
            return
        self._people.clear()
        self._data_version = version
        self._messages.reload_next_id()

    def _apply(self, run: Sequence[Item], result: BatchResult) -> Mapping[int, str]:
        """Write a run of messages, or a run of one other thing. Returns the dirty conversations, and since when."""
        item = run[0]
        match item.record:
            case CapturedMessage():
                return self._messages.write(self.account_id, _messages(run), result)
            case MessageEdit() as edit:
                self._learn_ids(edit, item.at)
                return self._messages.edit(self.account_id, edit, item)
            case MessageRevoke() as revoke:
                self._learn_ids(revoke, item.at)
                return self._messages.revoke(self.account_id, revoke, item)
            case Reaction() as reaction:
                self._learn_ids(reaction, item.at)
                return self._reactions.write(self.account_id, reaction, item)
            case Call() as call:
                self._learn_ids(call, item.at)
                return self._call(call, item)
            case NumberChange() as change:
                # What a sweep reads again may be older than what is known.
                self._people.join(ids_of_change(change), item.at, shown=change.via == "live")
            case SweepChat() as chat:
                self._coverage.chat_swept(self.account_id, chat, item.at)
            case SweepDone() as done:
                result.sweeps_done.append(self._coverage.sweep_done(self.account_id, done, item.at))
            case Malformed() as malformed:
                self._malformed(malformed, item)
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
                self._coverage.draws_no_line(through, "lines_missing")
        return {}

    def is_dated(self, key: MessageKey, t: int | None) -> bool:
        """Whether this message is stored, and with exactly this time."""
        stored = self._messages.find(self.account_id, key, t)
        return stored is not None and t is not None and stored.wire_t == t

    def reject(self, item: Item, problem: str) -> BatchResult:
        """Keep a record that SQLite refuses as a raw line with the reason, so that one bad record stops nothing."""
        self._keep_unusable(item.line or repr(item.record), problem, item.at)
        return BatchResult(rejected=1)

    def _malformed(self, malformed: Malformed, item: Item) -> None:
        text = None if item.line is None else item.line.decode()
        short = text is not None and len(text) <= MAX_MALFORMED_TEXT
        self._keep_unusable(text if short else malformed.head, f"the line {malformed.why}", item.at)

    def _keep_unusable(self, line: bytes | str | None, problem: str, at: str) -> None:
        keep_line(self._db, account=self.account_id, message_id=None, at=at, problem=problem, line=line)

    def _learn_ids(self, event: MessageEdit | MessageRevoke | Reaction | Call, at: str) -> None:
        """What it is about may be known under the other id only."""
        ids = ids_of(event).of_person
        if len(ids) > 1:
            self._people.join(ids, at, shown=False)

    def _call(self, call: Call, item: Item) -> Mapping[int, str]:
        """Returns its conversation, and when it began."""
        chat = canonical_id(call.chat)
        conversation = self._people.conversation_for(
            self.account_id, () if chat_kind(chat) == "group" else (chat,), chat, item.at
        )
        return {conversation: self._calls.rang(self.account_id, conversation, call, item.at)}

    def _use_account(self, account: Account, at: str, result: BatchResult) -> None:
        """From here on everything belongs to this account."""
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
        account_id = int(row[0][0])
        if account_id != self.account_id:
            self._coverage.tally = Tally()
        self.account_id = account_id


def _runs(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Messages that follow each other as one run, which is much faster to write; everything else alone."""
    if items and all(map(_is_message, items)):  # of a burst
        yield items
        return
    for are_messages, group in groupby(items, key=_is_message):
        if are_messages:
            yield list(group)
        else:
            yield from ([item] for item in group)


def _is_message(item: Item) -> bool:
    return isinstance(item.record, CapturedMessage)


def _messages(run: Sequence[Item]) -> list[tuple[CapturedMessage, bytes | None]]:
    return [(item.record, item.line) for item in run if isinstance(item.record, CapturedMessage)]
