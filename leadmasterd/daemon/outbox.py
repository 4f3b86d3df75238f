"""The daemon's part in the outbox: sets its triggers, writes events that become due, and drops delivered ones."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from leadmasterd import times
from leadmasterd.errors import DatabaseDamaged
from leadmasterd.outbox.triggers import DROPPED_AT_ONCE, Mode, drop_delivered, sync, write_due
from leadmasterd.store.rows import Rows
from leadmasterd.store.writer import Writer

_T = TypeVar("_T")

_KEPT: Final = timedelta(days=1)
"""How long delivered events stay, for people who check what was delivered."""


class OutboxUpkeep:
    """Runs on the writer's thread.

    `low_water`: every feed is done with the events up to this one; 0: not known yet. `crowded`: events up to
    this one take too much disk, so they are dropped without delay.
    """

    def __init__(self, mode: Mode, *, low_water: Callable[[], int], crowded: Callable[[], int] = lambda: 0) -> None:
        self._mode = mode
        self._low_water = low_water
        self._crowded = crowded

    async def begin(self, writer: Writer) -> None:
        """Set the triggers to write what the settings ask for; before anything is captured."""
        await _on_writer(writer, lambda connection: sync(connection, self._mode))

    async def every_minute(self, writer: Writer) -> None:
        """If there are feeds, write events that have become due, and drop those that every feed is done with."""
        if self._mode != "off":
            await _on_writer(writer, write_due)
            if low_water := self._low_water():
                await self._drop(writer, low_water, self._crowded())

    async def _drop(self, writer: Writer, low_water: int, crowded: int) -> None:
        """Drop delivered events in parts until a part is not full. Between two parts the writer can write messages."""
        keep_after = times.iso(datetime.now(UTC) - _KEPT)

        def drop(connection: sqlite3.Connection) -> int:
            return drop_delivered(connection, low_water, keep_after=keep_after, crowded=crowded)

        while await _on_writer(writer, drop) == DROPPED_AT_ONCE:
            pass


async def _on_writer(writer: Writer, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
    """Do some work on the writer's thread, and wait for its result. None where the database is damaged."""

    def call(connection: sqlite3.Connection, _rows: Rows) -> _T:
        return work(connection)

    with contextlib.suppress(DatabaseDamaged):  # the writer reports it
        return await asyncio.wrap_future(writer.call(call))
    return None
