"""How far capture is complete: what sweeps found, the lines they draw, and the gaps they close.

Which messages a line speaks for, and how a sweep starts from it, is told in `sweep_plan`.
"""

import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from leadmasterd.capture import CapturedMessage
from leadmasterd.identity import canonical_id
from leadmasterd.store.records import SweepOutcome
from leadmasterd.times import believable, iso
from leadmasterd.wire.events import SweepChat, SweepDone

LIVE_GRACE: Final = timedelta(seconds=10)
"""How long a message may take from WhatsApp's time to its live line, before a sweep that finds it first is news."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What the sweep under way has found so far that was not there."""

    new: int = 0
    unheard: int = 0
    young: frozenset[int] = frozenset()
    newest: str | None = None
    """WhatsApp's time of the newest message that the sweep read, known before or not; absurd times do not count."""
    ahead: bool = False
    """It read a message dated well ahead of our clock."""


class Coverage:
    """Sweeps and gaps behind one connection, within the writer's transaction. `tally` is of the sweep under way."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.tally = Tally()

    def note_read(self, record: CapturedMessage) -> None:
        """The sweep read it, whether it was there or not."""
        captured = datetime.fromisoformat(record.captured_at)
        at = believable(record.t, captured)
        if at is None:
            ahead = record.t is not None and record.t > captured.timestamp()
            self.tally = replace(self.tally, ahead=self.tally.ahead or ahead)
        elif at > (self.tally.newest or ""):
            self.tally = replace(self.tally, newest=at)

    def count_found(self, message_id: int, record: CapturedMessage) -> None:
        """It was not there."""
        tally = self.tally
        old = datetime.fromisoformat(record.captured_at) - datetime.fromisoformat(record.sent_at) >= LIVE_GRACE
        self.tally = replace(
            tally,
            new=tally.new + 1,
            unheard=tally.unheard + old,
            young=tally.young if old else tally.young | {message_id},
        )

    def chat_swept(self, account: int | None, swept: SweepChat, at: str) -> None:
        """This chat is complete up to its newest message: its messages stand before this line, so before this row."""
        # our clock instead would say nothing of the messages
        through = believable(swept.through, datetime.fromisoformat(at))
        if swept.error is not None or through is None:
            return
        chat = canonical_id(swept.chat)
        self._db.execute(
            "UPDATE conversations SET swept_through_at = max(coalesce(swept_through_at, ''), ?) "
            "WHERE account_id = ? AND (chat = ? OR contact_id = "
            "(SELECT contact_id FROM contact_identities WHERE kind IN ('wa_jid', 'lid') AND value = ?))",
            (min(through, at), account, chat, chat),
        )

    def sweep_done(self, account: int | None, done: SweepDone, at: str) -> SweepOutcome:
        """All of it was read, as far as that went; the next one counts anew."""
        self._draw_lines(account, done, at)
        outcome = SweepOutcome(done, self.tally.unheard, self.tally.young)
        self.tally = Tally()
        return outcome

    def _draw_lines(self, account: int | None, done: SweepDone, at: str) -> None:
        if done.error is not None:
            return
        self._db.execute(
            "UPDATE gaps SET recovered = recovered + ?, chats = chats + ? WHERE account_id = ? AND closed_at IS NULL",
            (self.tally.new, done.looked_at, account),
        )
        if done.failed:
            return
        started = iso(datetime.fromtimestamp(done.started_at / 1000, UTC))
        # Messages carry WhatsApp's time and not ours, so the line is drawn at the newest one that this sweep read; with
        # none it stays. When all that was read lies ahead of our clock, that is behind, and its time is safely early.
        # A line later than now is a date that was only believable while our clock was ahead.
        newest = self.tally.newest or (started if self.tally.ahead else None)
        through = newest and min(started, newest)
        self._db.execute(
            "UPDATE accounts SET last_ready_at = :started, swept_through_at = iif(swept_through_at > :now, :through, "
            "nullif(max(coalesce(swept_through_at, ''), coalesce(:through, '')), '')) WHERE account_id = :account",
            {"started": started, "now": max(at, started), "through": through, "account": account},
        )
        # Only gaps that were over when the sweep began: what a sweep found before the live path was back is not all.
        self._db.execute(
            "UPDATE gaps SET closed_at = ? WHERE account_id = ? AND closed_at IS NULL AND (to_at <= ? OR to_at > ?)",
            (started, account, started, max(at, started)),
        )

    def gap_opened(self, account: int | None, cause: str, since_at: str) -> None:
        """Unless one is open already."""
        if account is None:
            return
        self._db.execute(
            "INSERT INTO gaps (account_id, from_at, cause) SELECT ?, ?, ? WHERE NOT EXISTS "
            "(SELECT 1 FROM gaps WHERE account_id = ? AND to_at IS NULL)",
            (account, since_at, cause, account),
        )

    def gap_ended(self, account: int | None, at: str) -> None:
        """The live path is back; what it hid is still to be fetched."""
        self._db.execute("UPDATE gaps SET to_at = ? WHERE account_id = ? AND to_at IS NULL", (at, account))
