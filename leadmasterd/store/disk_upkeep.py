"""Idle work that keeps the file small, and notes each day how large it is.

Wire lines over a day old leave `raw_events` for blocks (`raw_blocks`), lines that were kept long enough are deleted,
and space that is then unused is given back to the disk. Before a line leaves, the author of its message is decided
once more (`mending`), so that columns hold all that leads are derived from. Lines with a problem stay where they
are: they may be all that there is of what somebody wrote.
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

UNPACKED_AT_LEAST: Final = timedelta(days=1)
"""How long a line stays in `raw_events` at least."""
_UNPACKED_AT_MOST: Final = timedelta(days=2)
"""How long it stays where there are too few lines to fill a block."""
BLOCK_LINES: Final = 128
"""Lines of a block; fewer where they are long."""
_BLOCK_CHARACTERS: Final = 200_000
"""Characters of a block's lines, roughly: a step must be short, because no message is written meanwhile."""
_LONGEST_SECONDS: Final = 0.04
"""How long one step gives space back."""
_BLOCKS_AT_ONCE: Final = 8
"""Blocks that one step deletes."""
_PAGES_AT_ONCE: Final = 32
"""Pages that are given back between two looks at the clock."""
UNUSED_SHARE: Final = 0.05
"""The share of the file that may stay unused, for new rows."""
_UNUSED_PAGES: Final = 256
"""So many pages may stay unused in any file."""
_CHECK_SECONDS: Final = 60
"""How long to rest when there is nothing to do."""
_REST_SECONDS: Final = 3600
"""Pause after a failure."""

_LATEST_SENT: Final = "SELECT wire_t FROM messages ORDER BY message_id DESC LIMIT 20"
"""WhatsApp's times of the newest messages: they do not depend on our clock."""
_UNPACKED: Final = (
    "SELECT raw_id, account_id, message_id, captured_at, line FROM raw_events "
    "WHERE raw_id > ? AND problem IS NULL ORDER BY raw_id"
)
_INCREMENTAL: Final = 2
"""The value of `PRAGMA auto_vacuum` in a file that can give space back step by step."""


class DiskUpkeep:
    """Idle work of the writer (`IdleWork`). Belongs to the writer's thread.

    Our clock may be wrong by days, so it does not decide alone when a line is old: WhatsApp's times count as well.
    `days`: how long lines are kept, 0: for ever. `elapsed`: seconds by a clock that does not jump.
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
        self._known_time: datetime | None = None
        """A time that had certainly come when `elapsed` was `_known_time_at`; None: none is known yet."""
        self._known_time_at = elapsed()
        self._packed_through_id = 0
        """All lines with ids up to this one are packed, by steps that were committed."""
        self._packing_through_id = 0
        """Like `_packed_through_id`, but with what the current step packs."""
        self._rests_until = 0.0

    def step(self) -> bool:
        """Pack a block, or delete some, or give space back, in the caller's transaction. True when there may be more.

        With nothing left to do, notes the file's size, and rests for a minute.
        """
        if time.monotonic() < self._rests_until:
            return False
        now = self._clock()
        if not self._clock_is_behind(now):
            if self._pack(now) or self._delete_expired(now) or give_back(self._db):
                return True
            note_size(self._db, now)
        self._rests_until = time.monotonic() + _CHECK_SECONDS
        return False

    def done(self) -> None:
        """The step was committed."""
        self._packed_through_id = self._packing_through_id

    def failed(self, error: Exception) -> None:
        """The step was rolled back because of an error of its own: rest for an hour."""
        log.error(
            "cannot pack old lines, which is tried again in an hour: %s", words_of(error), extra={"action": "pack"}
        )
        self._rests_until = time.monotonic() + _REST_SECONDS

    def _clock_is_behind(self, now: datetime) -> bool:
        """Whether most of the newest messages were sent later than a day from now.

        Lines that are packed then would get too early times of capture, and be deleted as soon as our clock is right.
        """
        tomorrow = (now + UNPACKED_AT_LEAST).timestamp()
        are_later = [bool(t and t > tomorrow) for (t,) in self._db.execute(_LATEST_SENT)]
        return sum(are_later) * 2 > len(are_later)

    def _pack(self, now: datetime) -> bool:
        """Move the oldest lines from `raw_events` to a new block. False when there are not enough of them.

        Those that were kept long enough already are deleted without being packed.
        """
        found = self._lines_to_pack(now)
        if not found:
            return False
        lines = [line for line, _captured_at in found]
        message_ids = [line.message_id for line in lines if line.message_id is not None]
        mark_wholly_dirty(self._db, decide_again_by(self._db, message_ids))
        expired_before = self._expired_before(now)
        latest = iso(now)
        # Blocks follow each other in time, whatever our clock did: a line gets no time in the future, and none before
        # that of an earlier line.
        earliest = self._last_packed_at(latest)
        times = accumulate((max(earliest, min(at, latest)) for _line, at in found), max)
        kept = [(line, at) for line, at in zip(lines, times, strict=True) if at >= expired_before]
        if kept:
            raw_blocks.store(self._db, [line for line, _at in kept], at=[at for _line, at in kept])
        self._db.executemany("DELETE FROM raw_events WHERE raw_id = ?", [(line.raw_id,) for line in lines])
        self._packing_through_id = lines[-1].raw_id
        return True

    def _last_packed_at(self, now: str) -> str:
        """When the last packed line was captured; "" if there is none, or if it is after `now` (a wrong clock)."""
        row = self._db.execute("SELECT newest_at FROM raw_blocks ORDER BY block_id DESC LIMIT 1").fetchone()
        return row[0] if row and row[0] <= now else ""

    def _lines_to_pack(self, now: datetime) -> list[tuple[RawLine, str]]:
        """The oldest lines that are not packed, each with its time of capture (ISO).

        As many as a block holds; or fewer, if one of them has waited for `_UNPACKED_AT_MOST`; or else none. The time of
        capture is by our clock, or WhatsApp's time if that is later: our clock was behind then.
        """
        young_from = iso(now - UNPACKED_AT_LEAST)
        # Lines that were kept long enough do not wait for a full block either: they are to be deleted.
        overdue_before = max(iso(now - _UNPACKED_AT_MOST), self._expired_before(now))
        wrong_after = iso(now + UNPACKED_AT_LEAST)  # either our clock was ahead at the capture, or it is behind now
        found: list[tuple[RawLine, str]] = []
        characters = 0
        is_full = False
        for row in self._db.execute(_UNPACKED, (self._packed_through_id,)):
            line = RawLine(*row)
            captured_at = max(line.captured_at, _sent_at(line, now))
            if young_from <= captured_at <= wrong_after:
                break
            found.append((line, captured_at))
            characters += len(line.line)
            is_full = len(found) == BLOCK_LINES or characters >= _BLOCK_CHARACTERS
            if is_full:
                break
        if found:
            last_line, last_captured_at = found[-1]
            # Lines at the end with a wrong time wait until a later line shows that our clock is right now.
            if last_captured_at > wrong_after and not self._is_followed(last_line, young_from):
                is_full = False
                while found and found[-1][1] > wrong_after:
                    found.pop()
        is_overdue = any(captured_at < overdue_before for _line, captured_at in found)
        return found if is_full or is_overdue else []

    def _is_followed(self, line: RawLine, young_from: str) -> bool:
        """Whether a later line is old enough to be packed: our clock has been right for a day then."""
        later = self._db.execute(
            "SELECT 1 FROM raw_events WHERE raw_id > ? AND problem IS NULL AND captured_at < ? LIMIT 1",
            (line.raw_id, young_from),
        )
        return later.fetchone() is not None

    def _delete_expired(self, now: datetime) -> bool:
        """Delete some blocks that were kept long enough, and all blocks before them. False when there are none.

        Blocks before them are older, even if their times are later: our clock was ahead when they were packed.
        """
        if not self._days:
            return False
        expired = self._db.execute(
            "SELECT block_id FROM raw_blocks WHERE block_id <= "
            "(SELECT max(block_id) FROM raw_blocks WHERE newest_at < ?) ORDER BY 1 LIMIT ?",
            (self._expired_before(now), _BLOCKS_AT_ONCE),
        ).fetchall()
        self._db.executemany("DELETE FROM raw_blocks WHERE block_id = ?", expired)
        return bool(expired)

    def _expired_before(self, now: datetime) -> str:
        """Lines captured before this time (ISO) were kept long enough; "" when lines are kept for ever.

        If our clock is later than the known time, that is used instead: our clock may have jumped ahead.
        """
        if not self._days:
            return ""
        known_time = self._update_known_time(now)
        if known_time is not None:
            now = min(now, known_time)
        return iso(now - timedelta(days=self._days))

    def _update_known_time(self, now: datetime) -> datetime | None:
        """Set and return a time that is certainly not later than the true one; None if no message was captured yet.

        It advances by the seconds that have passed since the last call, and at least to the median of the times that
        WhatsApp gave the newest messages.
        """
        elapsed_before = self._known_time_at
        self._known_time_at = self._elapsed()
        if self._known_time is not None:
            self._known_time += timedelta(seconds=self._known_time_at - elapsed_before)
        times = [believable(t, now) for (t,) in self._db.execute(_LATEST_SENT)]
        if sent := sorted(at for at in times if at):
            median = datetime.fromisoformat(sent[(len(sent) - 1) // 2])  # the latest may be a wrong date
            self._known_time = max(self._known_time or median, median)
        return self._known_time


def _sent_at(line: RawLine, now: datetime) -> str:
    """WhatsApp's time in a line; "" if the line has none, or if it is impossible or in the future."""
    event, _ = decode_line(line.line.encode("utf-8", "replace"))
    return believable(getattr(event, "t", None), now) or ""


def give_back(connection: sqlite3.Connection) -> bool:
    """Give some of the file's unused space back to the disk, in the caller's transaction. True when it gave some.

    Only where the file was made for that (`auto_vacuum`): in one of an earlier version unused pages wait for new rows.
    """
    if _pragma(connection, "auto_vacuum") != _INCREMENTAL:
        return False
    until = time.monotonic() + _LONGEST_SECONDS
    gave_some = False
    while _has_too_much_unused(connection) and time.monotonic() < until:
        for _ in range(_PAGES_AT_ONCE):
            # One page at a time: for a larger number the statement has several steps, of which Python runs the first.
            connection.execute("PRAGMA incremental_vacuum(1)")
        gave_some = True
    return gave_some


def _has_too_much_unused(connection: sqlite3.Connection) -> bool:
    unused = _pragma(connection, "freelist_count")
    return unused > _UNUSED_PAGES and unused > _pragma(connection, "page_count") * UNUSED_SHARE


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
