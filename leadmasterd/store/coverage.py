"""Writes what says how complete capture is: backfill results, watermarks per account and chat, and outage records.

What a watermark covers, and how a sweep starts from it, is explained in `sweep_plan`.
"""

import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from leadmasterd.capture import CapturedMessage
from leadmasterd.identity import canonical_id
from leadmasterd.store.records import SweepOutcome, WhyHeld
from leadmasterd.times import believable, iso
from leadmasterd.wire.events import SweepChat, SweepDone

LIVE_GRACE: Final = timedelta(seconds=10)
"""How long a message may take to arrive live. If a sweep finds an older one, the live path did not deliver it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What the running sweep has found so far. The first three are about new messages: not stored before."""

    new: int = 0
    undelivered: int = 0
    """New messages so old that the live path should have delivered them."""
    young: frozenset[int] = frozenset()
    """Ids of the other new messages, which may still arrive live."""
    newest: str | None = None
    """WhatsApp's time (ISO) of the newest message read, stored before or not; impossible times do not count."""
    ahead: bool = False
    """A message was dated well ahead of our clock."""


class Coverage:
    """Writes watermarks and outages, within the writer's transaction. `tally`: what the running sweep has found."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.tally = Tally()
        self._held_through = 0
        self._why_held: WhyHeld | None = None

    def hold_watermarks(self, through: int, why: WhyHeld) -> None:
        """Let sweeps up to this number store their messages, but move no watermark and close no outage."""
        self._held_through = through
        self._why_held = why

    def _why_watermark_held(self, sweep: int) -> WhyHeld | None:
        """Why this sweep may not move watermarks; None when it may."""
        return self._why_held if sweep <= self._held_through else None

    def note_read(self, record: CapturedMessage) -> None:
        """Note the time of a message that the sweep read, stored before or not."""
        captured = datetime.fromisoformat(record.captured_at)
        sent = believable(record.t, captured)
        if sent is None:
            is_ahead = record.t is not None and record.t > captured.timestamp()
            self.tally = replace(self.tally, ahead=self.tally.ahead or is_ahead)
        elif self.tally.newest is None or sent > self.tally.newest:
            self.tally = replace(self.tally, newest=sent)

    def count_found(self, message_id: int, record: CapturedMessage) -> None:
        """Count a message that was not stored before the sweep read it."""
        tally = self.tally
        age = datetime.fromisoformat(record.captured_at) - datetime.fromisoformat(record.sent_at)
        if age >= LIVE_GRACE:
            self.tally = replace(tally, new=tally.new + 1, undelivered=tally.undelivered + 1)
        else:
            self.tally = replace(tally, new=tally.new + 1, young=tally.young | {message_id})

    def chat_swept(self, account: int | None, swept: SweepChat, at: str) -> None:
        """Move the chat's watermark to its newest message, which is stored already: its line came before this one.

        The page may have several chats of one person, but there is one watermark: of the chat that was read last. If
        the stored one is of another chat, it is replaced. So is one later than `at` (now): it was set while our clock
        was ahead. Does nothing if the chat could not be read, or while watermarks are held.
        """
        if swept.error is not None or self._why_watermark_held(swept.sweep) is not None:
            return
        # None if there is no believable time. Our clock can't stand in for it: the watermark of this chat then stays.
        through = believable(swept.through, datetime.fromisoformat(at))
        if through is not None:
            through = min(through, at)
        chat = canonical_id(swept.chat)
        self._db.execute(
            "UPDATE conversations SET swept_chat = :swept, swept_through_at = iif(swept_chat = :swept "
            "AND swept_through_at <= :now, max(swept_through_at, coalesce(:through, '')), :through) "
            "WHERE account_id = :account AND (chat = :chat OR contact_id = "
            "(SELECT contact_id FROM contact_identities WHERE kind IN ('wa_jid', 'lid') AND value = :chat))",
            {
                "swept": swept.chat,
                "through": through,
                "now": at,
                "account": account,
                "chat": chat,
            },
        )

    def sweep_done(self, account: int | None, done: SweepDone, at: str) -> SweepOutcome:
        """Record that a sweep ended, return what it found, and begin a new tally.

        A sweep in which no chat failed closes the outages that it covers, and then moves the account's watermark,
        unless watermarks are held.
        """
        why_held = self._why_watermark_held(done.sweep)
        if done.error is None:
            self._count_recovered(account, done)
            if not done.failed and why_held is None:
                started = iso(datetime.fromtimestamp(done.started_at / 1000, UTC))
                self._close_gaps(account, started, at)
                self._move_watermark(account, started, at)
        outcome = SweepOutcome(done, self.tally.undelivered, self.tally.young, watermark_held=why_held)
        self.tally = Tally()
        return outcome

    def _count_recovered(self, account: int | None, done: SweepDone) -> None:
        """Add what the sweep found to the outages that are open."""
        self._db.execute(
            "UPDATE gaps SET recovered = recovered + ?, chats = chats + ? WHERE account_id = ? AND closed_at IS NULL",
            (self.tally.new, done.looked_at, account),
        )

    def _close_gaps(self, account: int | None, started: str, at: str) -> None:
        """Close the outages that were over when the sweep began: during an outage a sweep can't see everything.

        An outage that ends in the future was written while our clock was ahead, and is closed too. `started`: when the
        sweep began; `at`: now (ISO).
        """
        self._db.execute(
            "UPDATE gaps SET closed_at = ? WHERE account_id = ? AND closed_at IS NULL AND (to_at <= ? OR to_at > ?)",
            (started, account, started, max(at, started)),
        )

    def _move_watermark(self, account: int | None, started: str, at: str) -> None:
        """Move the account's watermark to WhatsApp's time of the newest message that the sweep read.

        The watermark stays if no message with a believable time was read. `last_ready_at` becomes the start of the
        sweep. While an outage is open neither changes: the sweep may have read one chat before the outage was over, and
        a newer message of another chat after it. `started`: when the sweep began; `at`: now (ISO).
        """
        if self._db.execute("SELECT 1 FROM gaps WHERE account_id = ? AND closed_at IS NULL", (account,)).fetchone():
            return
        through = self.tally.newest
        if through is None and self.tally.ahead:
            # Everything that was read lies ahead of our clock, so our clock is behind. The start of the sweep by our
            # clock is then before all that was read, which is safe.
            through = started
        if through is not None:
            through = min(started, through)
        # A watermark later than now was set while our clock was ahead: it is replaced.
        self._db.execute(
            "UPDATE accounts SET last_ready_at = :started, swept_through_at = iif(swept_through_at > :now, :through, "
            "nullif(max(coalesce(swept_through_at, ''), coalesce(:through, '')), '')) WHERE account_id = :account",
            {"started": started, "now": max(at, started), "through": through, "account": account},
        )

    def gap_opened(self, account: int | None, cause: str, since_at: str) -> None:
        """Begin an outage: no live path since `since_at` (ISO), for the reason `cause` (a code).

        Does nothing while an outage lasts, or before any account is known.
        """
        if account is None:
            return
        self._db.execute(
            "INSERT INTO gaps (account_id, from_at, cause) SELECT ?, ?, ? WHERE NOT EXISTS "
            "(SELECT 1 FROM gaps WHERE account_id = ? AND to_at IS NULL)",
            (account, since_at, cause, account),
        )

    def gap_ended(self, account: int | None, at: str) -> None:
        """End the outage: the live path is back. It stays open until a sweep has fetched what was missed."""
        self._db.execute("UPDATE gaps SET to_at = ? WHERE account_id = ? AND to_at IS NULL", (at, account))
