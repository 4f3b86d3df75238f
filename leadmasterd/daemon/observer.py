"""Measures memory, disk, browser and database, for maintenance's decisions and for `status`."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from leadmasterd.daemon.child_report import ChildReport
from leadmasterd.daemon.live_path import LivePath
from leadmasterd.daemon.maintenance import Observation, was_replaced
from leadmasterd.daemon.status import measure
from leadmasterd.errors import DatabaseDamaged
from leadmasterd.settings.paths import Paths
from leadmasterd.store.growth import size_of
from leadmasterd.store.rows import Rows
from leadmasterd.store.start import phone_silent_since
from leadmasterd.store.writer import Writer


class Observer:
    """Keeps the last measurement."""

    def __init__(
        self, paths: Paths, writer: Writer, *, report: ChildReport, live_path: LivePath, changed: Callable[[], None]
    ) -> None:
        self._paths = paths
        self._writer = writer
        self._report = report
        self._live_path = live_path
        self._changed = changed
        self._resources: Mapping[str, int] = {}
        self._of_database: Mapping[str, int] = {}

    def resources(self) -> Mapping[str, int]:
        """Memory, disk and database in bytes by name, for `status`; empty before the first measurement."""
        return self._resources

    async def observe(self) -> Observation:
        """Measure now. `status` gets memory and disk before the database is asked, whose writer may be stuck for long.

        If the database is damaged, its figures stay as they were, and the phone's silence is unknown.
        """
        browser = self._report.browser_pid
        measured, replaced = await asyncio.to_thread(lambda: (measure(self._paths), was_replaced(browser)))
        self._resources = {**measured, **self._of_database}
        self._changed()
        silent = None
        with contextlib.suppress(DatabaseDamaged):  # the writer reports it
            silent = await asyncio.wrap_future(self._writer.call(phone_silent_since))
            self._of_database = await asyncio.wrap_future(self._writer.call(_size))
        self._resources = {**measured, **self._of_database}
        return Observation(
            tree_pss=measured.get("tree_pss_bytes", 0),
            disk_free=measured.get("disk_free_bytes"),
            browser_replaced=replaced,
            quiet_seconds=self._live_path.quiet_seconds,
            phone_silent=datetime.now(UTC) - silent if silent else None,
        )


def _size(connection: sqlite3.Connection, _rows: Rows) -> dict[str, int]:
    """The database's unused bytes, and its growth in bytes where that is known yet, by their names in `status`."""
    size = size_of(connection, datetime.now(UTC))
    growth = {} if size.growth is None else {"database_growth_bytes": size.growth}
    return {"database_unused_bytes": size.unused, **growth}
