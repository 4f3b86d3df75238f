"""The daemon's part in the outbox: its triggers follow the settings, time makes events, and what is delivered goes."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from leadmasterd import times
from leadmasterd.errors import DatabaseDamaged
from leadmasterd.outbox.triggers import Mode, drop_delivered, sync, write_due
from leadmasterd.settings.model import Settings
from leadmasterd.store.rows import Rows
from leadmasterd.store.writer import Writer

_KEPT: Final = timedelta(days=1)
"""How long delivered events stay, for people who look into what was delivered."""


def mode_of(settings: Settings) -> Mode:
    """What is to be written: nothing without a feed, words and names only when some feed wants them."""
    if not settings.feeds:
        return "off"
    return "full" if any(feed.full for feed in settings.feeds.values()) else "thin"


class OutboxUpkeep:
    """Runs on the writer's thread. `low_water`: every feed is done with the events up to this one."""

    def __init__(self, mode: Mode, *, low_water: Callable[[], int]) -> None:
        self._mode = mode
        self._low_water = low_water

    async def begin(self, writer: Writer) -> None:
        """Before anything is captured."""
        await _on_writer(writer, lambda connection: sync(connection, self._mode))

    async def every_minute(self, writer: Writer) -> None:
        """What has become due, and what is no longer needed."""
        if self._mode != "off":
            low_water, keep_after = self._low_water(), times.iso(datetime.now(UTC) - _KEPT)
            await _on_writer(writer, write_due)
            if low_water:
                await _on_writer(writer, lambda db: drop_delivered(db, low_water, keep_after=keep_after))


async def _on_writer(writer: Writer, work: Callable[[sqlite3.Connection], object]) -> None:
    def call(connection: sqlite3.Connection, _rows: Rows) -> None:
        work(connection)

    with contextlib.suppress(DatabaseDamaged):  # the writer tells it
        await asyncio.wrap_future(writer.call(call))
