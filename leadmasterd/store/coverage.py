"""Capture completeness: backfill results, watermarks per account and chat, and outage records.

What a watermark covers, and how a sweep starts from it, is explained in `sweep_plan`.
"""

import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from leadmasterd.capture import CapturedMessage
from leadmasterd.identity import canonical_id
from leadmasterd.store.records import NoLine, SweepOutcome
from leadmasterd.times import believable, iso
from leadmasterd.wire.events import SweepChat, SweepDone

LIVE_GRACE: Final = timedelta(seconds=10)
"""How long a message may take from WhatsApp's time to its live line. One that a sweep finds later was not delivered."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What the running sweep has found so far. The first three count messages that were not stored yet."""

    new: int = 0
    undelivered: int = 0
    """So old that the live path should have delivered them."""
    young: frozenset[int] = frozenset()
    """Ids of those that may still arrive live."""
    newest: str | None = None
    """WhatsApp's time of the newest message read, stored before or not; absurd times do not count."""
    ahead: bool = False
    """A message was dated well ahead of our clock."""


class Coverage:
    """Sweeps and outages behind one connection, within the writer's transaction. `tally`: of the running sweep."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.tally = Tally()
        self._lineless_through = 0
        self._why_lineless: NoLine | None = None

    def draws_no_line(self, through: int, why: NoLine) -> None:
        """From now on sweeps up to this number keep their messages, but move no watermark and close no outage."""
        self._lineless_through, self._why_lineless = through, why

    def _why(self, sweep: int) -> NoLine | None:
        """Why this sweep draws no line; None if it does."""
        return self._why_lineless if sweep <= self._lineless_through else None

    def note_read(self, record: CapturedMessage) -> None:
        """The sweep read this message, stored before or not."""
        captured = datetime.fromisoformat(record.captured_at)
        at = believable(record.t, captured)
        if at is None:
            ahead = record.t is not None and record.t > captured.timestamp()
            self.tally = replace(self.tally, ahead=self.tally.ahead or ahead)
        elif at > (self.tally.newest or ""):
            self.tally = replace(self.tally, newest=at)

    def count_found(self, message_id: int, record: CapturedMessage) -> None:
        """The sweep found this message, which was not stored yet."""
        tally = self.tally
        old = datetime.fromisoformat(record.captured_at) - datetime.fromisoformat(record.sent_at) >= LIVE_GRACE
        self.tally = replace(
            tally,
            new=tally.new + 1,
            undelivered=tally.undelivered + old,
            young=tally.young if old else tally.young | {message_id},
        )

    def chat_swept(self, account: int | None, swept: SweepChat, at: str) -> None:
        """Move the chat's watermark to its newest message. The messages came before this line, so they are written.

        The page may have several chats of one person: the watermark is that of the chat that was read last. One later
        than now was set while our clock was ahead: it goes.
        """
        if swept.error is not None or self._why(swept.sweep):
            return
        # without a believable time it stays: our clock would say nothing about the messages
        through = believable(swept.through, datetime.fromisoformat(at))
        chat = canonical_id(swept.chat)
        self._db.execute(
            "UPDATE conversations SET swept_chat = :swept, swept_through_at = iif(swept_chat = :swept "
            "AND swept_through_at <= :now, max(swept_through_at, coalesce(:through, '')), :through) "
            "WHERE account_id = :account AND (chat = :chat OR contact_id = "
            "(SELECT contact_id FROM contact_identities WHERE kind IN ('wa_jid', 'lid') AND value = :chat))",
            {
                "swept": swept.chat,
                "through": through and min(through, at),
                "now": at,
                "account": account,
                "chat": chat,
            },
        )

    def sweep_done(self, account: int | None, done: SweepDone, at: str) -> SweepOutcome:
        """The sweep ended: move the account's watermark, close the outages it covers, and start a new tally."""
        self._record(account, done, at)
        outcome = SweepOutcome(done, self.tally.undelivered, self.tally.young, no_line=self._why(done.sweep))
        self.tally = Tally()
        return outcome

    def _record(self, account: int | None, done: SweepDone, at: str) -> None:
        if done.error is not None:
            return
        self._db.execute(
            "UPDATE gaps SET recovered = recovered + ?, chats = chats + ? WHERE account_id = ? AND closed_at IS NULL",
            (self.tally.new, done.looked_at, account),
        )
        if done.failed or self._why(done.sweep):
            return
        started = iso(datetime.fromtimestamp(done.started_at / 1000, UTC))
        # Only outages that were over when the sweep began: before the live path is back a sweep can't see everything.
        self._db.execute(
            "UPDATE gaps SET closed_at = ? WHERE account_id = ? AND closed_at IS NULL AND (to_at <= ? OR to_at > ?)",
            (started, account, started, max(at, started)),
        )
        # Nor does it then tell up to when every chat is complete: it may have read one before the outage was over, and
        # another one's newest message after that.
        if self._db.execute("SELECT 1 FROM gaps WHERE account_id = ? AND closed_at IS NULL", (account,)).fetchone():
            return
        # The watermark is WhatsApp's time of the newest message read; without one it stays. When everything read lies
        # ahead of our clock, our clock is behind, and the start of the sweep is safely early. A watermark later than
        # now was set while our clock was ahead: it is replaced.
        newest = self.tally.newest or (started if self.tally.ahead else None)
        through = newest and min(started, newest)
        self._db.execute(
            "UPDATE accounts SET last_ready_at = :started, swept_through_at = iif(swept_through_at > :now, :through, "
            "nullif(max(coalesce(swept_through_at, ''), coalesce(:through, '')), '')) WHERE account_id = :account",
            {"started": started, "now": max(at, started), "through": through, "account": account},
        )

    def gap_opened(self, account: int | None, cause: str, since_at: str) -> None:
        """The live path is gone. One outage at a time: nothing changes while one lasts."""
        if account is None:
            return
        self._db.execute(
            "INSERT INTO gaps (account_id, from_at, cause) SELECT ?, ?, ? WHERE NOT EXISTS "
            "(SELECT 1 FROM gaps WHERE account_id = ? AND to_at IS NULL)",
            (account, since_at, cause, account),
        )

    def gap_ended(self, account: int | None, at: str) -> None:
        """The live path is back; a sweep has yet to fetch what was missed."""
        self._db.execute("UPDATE gaps SET to_at = ? WHERE account_id = ? AND to_at IS NULL", (at, account))
