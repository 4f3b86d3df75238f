"""Pages that change by themselves: server-sent events, from one watcher for all open pages.

It looks at the database's `data_version`, which changes with each commit of another connection, and at `status.json`.
While no page is open it looks at nothing.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from leadmasterd.errors import LeadmasterdError
from leadmasterd.queries.database import Connection, data_version, open_for_reading
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import is_running

LOOK_EVERY: Final = 0.25
"""Seconds between two looks: as often as a page fetches what has changed, so that all of them fetch the same."""
_SLOWLY: Final = 1.0
"""Seconds between two looks at what is dearer, or seldom changes."""
HEARTBEAT: Final = 15.0
"""Seconds after which a silent stream says something, so that a dead one is noticed."""

DATABASE: Final = ("leads", "waiting")
"""The events of a commit."""
STATUS: Final = ("session",)


@dataclass(eq=False, slots=True)
class _Stream:
    events: set[str] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Watch:
    """Tells open pages what has changed. Lives in one event loop."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._streams: set[_Stream] = set()
        self._wanted = asyncio.Event()
        self._looking = asyncio.Event()
        self._closed = False
        self.told = 0
        """How often a change was told."""

    @property
    def open_pages(self) -> int:
        """How many pages listen."""
        return len(self._streams)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks meanwhile, while somebody listens."""
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._run(), name="watch the database for open pages")
            yield
            looking.cancel()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            look = _Look(self._paths)
            self._looking.set()
            try:
                while self._streams:
                    self._tell(look.changed())
                    await asyncio.sleep(LOOK_EVERY)
            finally:
                look.close()
            self._looking.clear()
            self._wanted.clear()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._tell(())

    def _tell(self, events: tuple[str, ...]) -> None:
        if events or self._closed:
            self.told += 1
            for stream in self._streams:
                stream.events.update(events)
                stream.woken.set()

    async def stream(self, may_go_on: Callable[[], bool]) -> AsyncIterator[str]:
        """The events for one page, until it leaves, or may listen no longer."""
        stream = _Stream()
        self._streams.add(stream)
        self._wanted.set()
        try:
            await self._looking.wait()  # what is shown then may be fetched before anything is told
            yield "retry: 2000\n\n"
            while not self._closed and may_go_on():
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await stream.woken.wait()
                except TimeoutError:
                    yield ":\n\n"
                    continue
                stream.woken.clear()
                events, stream.events = stream.events, set()
                yield "".join(f"event: {event}\ndata: 1\n\n" for event in sorted(events))
        finally:  # it may be cancelled here, so it must not wait
            self._streams.discard(stream)


class _Look:
    """What the database and the daemon looked like last."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._connection: Connection | None = None
        self._file = 0
        self._slowly_at = time.monotonic()
        self._database = self._open()
        self._status = self._look_at_status()
        self._running = self._is_running()

    def changed(self) -> tuple[str, ...]:
        """The events to tell of."""
        database, status, running = self._database, self._status, self._running
        if time.monotonic() - self._slowly_at >= _SLOWLY:
            self._slowly_at = time.monotonic()
            self._running = self._is_running()
            if self._connection is None or self._is_other_file():
                self._database = self._open()
        if self._connection is not None:
            self._database = self._look_at_database(self._connection)
        self._status = self._look_at_status()
        events = DATABASE if database != self._database else ()
        return (*events, *STATUS) if (status, running) != (self._status, self._running) else events

    def _open(self) -> object:
        """Open the database anew. Returns what to compare with the next look: version, None or why it can't be read."""
        self.close()
        try:
            self._connection = open_for_reading(self._paths, timeout=0)
            self._file = self._paths.database.stat().st_ino
        except FileNotFoundError:
            return None
        except LeadmasterdError as error:
            return str(error)
        return self._look_at_database(self._connection)

    def _look_at_database(self, connection: Connection) -> object:
        try:
            return self._file, data_version(connection, self._paths.database)
        except LeadmasterdError as error:
            self.close()
            return str(error)

    def _is_other_file(self) -> bool:
        try:
            return self._paths.database.stat().st_ino != self._file
        except OSError:
            return True

    def _look_at_status(self) -> object:
        try:
            stat = self._paths.status_file.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    def _is_running(self) -> bool:
        try:
            return is_running(self._paths)
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
