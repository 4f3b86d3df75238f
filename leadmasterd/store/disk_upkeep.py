"""Idle work that keeps the file small, and notes each day how large it is.

Wire lines over a day old leave `raw_events` for blocks (`raw_blocks`), those past their time go, and space that is then
unused is given back. Before a line leaves, it is decided by it once more who wrote its message (`mending`), so that
whatever leads are derived from stands in columns. Lines that tell of a problem stay where they are: they may be all
that there is of what somebody wrote.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

from leadmasterd.store import raw_blocks
from leadmasterd.store.database import words_of
from leadmasterd.store.dirty import mark_wholly_dirty
from leadmasterd.store.growth import note_size
from leadmasterd.store.mending import decide_again_by
from leadmasterd.store.raw_blocks import RawLine
from leadmasterd.times import believable, iso
from leadmasterd.wire.decode import decode_line

log = logging.getLogger(__name__)

IN_THE_OPEN: Final = timedelta(days=1)
"""How long a line stays in `raw_events` at least."""
_LATEST: Final = timedelta(days=2)
"""How long at most, where too few come to fill a block."""
LINES: Final = 128
"""Of a block; fewer where they are long."""
_LETTERS: Final = 200_000
"""Of the lines of a block, roughly: a step must not take long, because no message is written meanwhile."""
_LONGEST_SECONDS: Final = 0.04
_AT_ONCE: Final = 8
"""Blocks that go in one step."""
_PAGES: Final = 32
"""Given back between two looks at the clock."""
UNUSED: Final = 0.05
"""The share of the file that may stay unused, for what comes next."""
_LEAST_PAGES: Final = 256
_LOOKS_AGAIN_SECONDS: Final = 60
_REST_SECONDS: Final = 3600
"""After a failure."""

_LATEST_SENT: Final = "SELECT wire_t FROM messages ORDER BY message_id DESC LIMIT 20"
"""By WhatsApp's clock, whatever ours said then."""
_OLDEST: Final = (
    "SELECT raw_id, account_id, message_id, captured_at, line FROM raw_events "
    "WHERE raw_id > ? AND problem IS NULL ORDER BY raw_id"
)
_INCREMENTAL: Final = 2


class DiskUpkeep:
    """Idle work of the writer. Belongs to the writer's thread.

    `days`: how long lines are kept; 0: for ever. `elapsed`: seconds by a clock that does not jump.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        days: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = connection
        self._days = days
        self._clock = clock
        self._elapsed = elapsed
        self._looked_at = elapsed()
        self._at_least: datetime | None = None
        """How late it was then, for sure."""
        self._through = self._through_now = 0
        """No line up to this one is left to pack."""
        self._rests_until = 0.0

    def step(self) -> bool:
        """Do one thing for a while, in the caller's transaction. True when there is more."""
        if time.monotonic() < self._rests_until:
            return False
        now = self._clock()
        if not self._is_behind(now):
            if self._pack(now) or self._drop(now) or give_back(self._db):
                return True
            note_size(self._db, now)
        self._rests_until = time.monotonic() + _LOOKS_AGAIN_SECONDS
        return False

    def done(self) -> None:
        """The step was committed."""
        self._through = self._through_now

    def failed(self, error: Exception) -> None:
        """The step was rolled back, and not because of the database as a whole."""
        log.error(
            "cannot pack old lines, which is tried again in an hour: %s", words_of(error), extra={"action": "pack"}
        )
        self._rests_until = time.monotonic() + _REST_SECONDS

    def _is_behind(self, now: datetime) -> bool:
        """Whether most of the latest messages were sent a day from now and later: then what is captured meanwhile would
        be packed as older than it is, and go once our clock is right.
        """
        tomorrow = (now + IN_THE_OPEN).timestamp()
        latest = [bool(t and t > tomorrow) for (t,) in self._db.execute(_LATEST_SENT)]
        return sum(latest) * 2 > len(latest)

    def _pack(self, now: datetime) -> bool:
        """Take the oldest lines out of `raw_events`, once there are enough of them."""
        found = self._oldest(now)
        if not found:
            return False
        lines = [line for line, _at in found]
        about = [each.message_id for each in lines if each.message_id is not None]
        mark_wholly_dirty(self._db, decide_again_by(self._db, about))
        past, latest = self._past(now), iso(now)
        before = self._packed_through(latest)
        times = accumulate((max(before, min(at, latest)) for _line, at in found), max)
        if kept := {line: at for line, at in zip(lines, times, strict=True) if at >= past}:
            raw_blocks.store(self._db, list(kept), at=list(kept.values()))
        self._db.executemany("DELETE FROM raw_events WHERE raw_id = ?", [(each.raw_id,) for each in lines])
        self._through_now = lines[-1].raw_id
        return True

    def _packed_through(self, now: str) -> str:
        """When the last packed line was captured; "" if none is known, or by a clock that was ahead."""
        row = self._db.execute("SELECT newest_at FROM raw_blocks ORDER BY block_id DESC LIMIT 1").fetchone()
        return row[0] if row and row[0] <= now else ""

    def _oldest(self, now: datetime) -> list[tuple[RawLine, str]]:
        """Enough for a block, or what has waited too long for one; none that is not old enough.

        Each with when it was captured: by our clock, or by WhatsApp's if that says later, as ours was behind then.
        """
        young, latest = iso(now - IN_THE_OPEN), max(iso(now - _LATEST), self._past(now))
        wrong = iso(now + IN_THE_OPEN)  # captured while the clock was ahead, who knows when; or else it is behind now
        found: list[tuple[RawLine, str]] = []
        letters, enough = 0, False
        for row in self._db.execute(_OLDEST, (self._through,)):
            line = RawLine(*row)
            at = max(line.captured_at, _sent_at(line, now))
            if enough or young <= at <= wrong:
                break
            found.append((line, at))
            letters += len(line.line)
            enough = len(found) == LINES or letters >= _LETTERS
        if found and found[-1][1] > wrong and not self._is_followed(found[-1][0], young):
            enough = False
            while found and found[-1][1] > wrong:
                found.pop()
        return found if enough or any(at < latest for _line, at in found) else []

    def _is_followed(self, line: RawLine, young: str) -> bool:
        """Whether a later line is old enough: then the clock has been right for a day."""
        later = self._db.execute(
            "SELECT 1 FROM raw_events WHERE raw_id > ? AND problem IS NULL AND captured_at < ? LIMIT 1",
            (line.raw_id, young),
        )
        return later.fetchone() is not None

    def _drop(self, now: datetime) -> bool:
        """Delete the blocks that are past their time, and those before them: if they say a later one, our clock was
        ahead then.
        """
        if not self._days:
            return False
        gone = self._db.execute(
            "SELECT block_id FROM raw_blocks WHERE block_id <= "
            "(SELECT max(block_id) FROM raw_blocks WHERE newest_at < ?) ORDER BY 1 LIMIT ?",
            (self._past(now), _AT_ONCE),
        ).fetchall()
        self._db.executemany("DELETE FROM raw_blocks WHERE block_id = ?", gone)
        return bool(gone)

    def _past(self, now: datetime) -> str:
        """What was captured before it goes. Our clock may have jumped ahead, and then that is too late."""
        return iso(min(now, self._for_sure(now) or now) - timedelta(days=self._days)) if self._days else ""

    def _for_sure(self, now: datetime) -> datetime | None:
        """How late it is, at least: by WhatsApp's times and by how long we have lived. None: nothing was captured."""
        before, self._looked_at = self._looked_at, self._elapsed()
        if self._at_least is not None:
            self._at_least += timedelta(seconds=self._looked_at - before)
        latest = (believable(t, now) for (t,) in self._db.execute(_LATEST_SENT))
        if sent := sorted(at for at in latest if at):
            known = datetime.fromisoformat(sent[(len(sent) - 1) // 2])  # not the last, which may have a wrong date
            self._at_least = max(self._at_least or known, known)
        return self._at_least


def _sent_at(line: RawLine, now: datetime) -> str:
    """When WhatsApp says that it happened; "" if it does not, or if that is yet to come."""
    event, _ = decode_line(line.line.encode("utf-8", "replace"))
    return believable(getattr(event, "t", None), now) or ""


def give_back(connection: sqlite3.Connection) -> bool:
    """Give some of the file's unused space back to the disk, in the caller's transaction. True when there is more.

    Only where the file was made for that (`auto_vacuum`): in one of an earlier version free pages wait to be used.
    """
    if _pragma(connection, "auto_vacuum") != _INCREMENTAL:
        return False
    until, gave = time.monotonic() + _LONGEST_SECONDS, False
    while _unused(connection) and time.monotonic() < until:
        for _ in range(_PAGES):  # a page each, whatever number it is given: Python takes only the first step of it
            connection.execute("PRAGMA incremental_vacuum(1)")
        gave = True
    return gave


def _unused(connection: sqlite3.Connection) -> bool:
    """Whether more is unused than is kept for what comes next."""
    free = _pragma(connection, "freelist_count")
    return free > _LEAST_PAGES and free > _pragma(connection, "page_count") * UNUSED


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
