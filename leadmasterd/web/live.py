"""Pages that change by themselves: server-sent events, from one watcher for all open pages.

The watcher looks at the database's `data_version`, which changes with each commit of another connection, and at
`status.json`. While no page is open it looks at nothing. An event says only that something changed: the page then
fetches the part that shows it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from leadmasterd.errors import LeadmasterdError
from leadmasterd.queries.database import Connection, data_version, open_for_reading
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import is_running

LOOK_EVERY: Final = 0.25
"""Seconds between two looks: as often as a page fetches what has changed, so that all of them fetch the same."""
_SLOW_EVERY: Final = 1.0
"""Seconds between two looks at what is slow to look at, or seldom changes."""
HEARTBEAT: Final = 15.0
"""Seconds after which a silent stream sends a comment, so that a dead connection is noticed."""

DATABASE: Final = ("leads", "waiting")
"""The names of the events that a commit causes."""
STATUS: Final = ("session",)
"""Those that a change of the daemon's status causes."""


@dataclass(eq=False, slots=True)
class _Stream:
    """One open page. `events`: what it has not been sent yet; `woken`: set when there is something, or all ends."""

    events: set[str] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Watch:
    """Tells open pages what has changed. Lives in one event loop."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._streams: set[_Stream] = set()
        self._wanted = asyncio.Event()
        """Set once a page listens."""
        self._looking = asyncio.Event()
        """Set once the first look was made: only changes after it are noticed."""
        self._closed = False
        self.announced = 0
        """A version of what pages show: it grows with each announced change, and when the watch begins to look."""

    @property
    def open_pages(self) -> int:
        """How many pages listen."""
        return len(self._streams)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within the block, look for changes whenever a page listens."""
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._run(), name="watch the database for open pages")
            yield
            looking.cancel()

    async def _run(self) -> None:
        """Wait for a page to listen, then look until none does any more; and so on until it is cancelled."""
        while True:
            await self._wanted.wait()
            look = _Look(self._paths)
            # Changes while nobody looked were not announced, so answers made before count as old (web.shared).
            self.announced += 1
            self._looking.set()
            try:
                while self._streams:
                    self._announce(look.changed())
                    await asyncio.sleep(LOOK_EVERY)
            finally:
                look.close()
            self._looking.clear()
            self._wanted.clear()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._announce(())

    def _announce(self, events: tuple[str, ...]) -> None:
        """Wake every stream with these events. Nothing happens if there are none, unless the watch was closed."""
        if events or self._closed:
            self.announced += 1
            for stream in self._streams:
                stream.events.update(events)
                stream.woken.set()

    async def stream(self, may_go_on: Callable[[], bool]) -> AsyncGenerator[str, None]:
        """What to send to one page, as text of server-sent events, until it leaves or the watch is closed.

        Also ends once `may_go_on` returns False; it is asked before each wait for an event.
        """
        stream = _Stream()
        self._streams.add(stream)
        self._wanted.set()
        try:
            # The page fetches its parts once the stream is open, so from here on no change may be missed.
            await self._looking.wait()
            yield "retry: 2000\n\n"  # milliseconds after which the browser connects again if the stream breaks
            while not self._closed and may_go_on():
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await stream.woken.wait()
                except TimeoutError:
                    yield ":\n\n"
                    continue
                stream.woken.clear()
                events = sorted(stream.events)
                stream.events.clear()
                yield "".join(f"event: {event}\ndata: 1\n\n" for event in events)  # without data, browsers drop it
        finally:  # this may run while the task is cancelled, so nothing may be awaited here
            self._streams.discard(stream)


class _Look:
    """What the database and the daemon looked like last, to see whether they have changed.

    The state of each is a value that is only compared: two that are equal mean that nothing changed.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._connection: Connection | None = None
        self._inode = 0
        """Of the database that is open."""
        self._slow_at = time.monotonic()
        """When it last looked at what is looked at only once a second."""
        self._database = self._open()
        self._status = self._status_state()
        self._running = self._is_running()

    def changed(self) -> tuple[str, ...]:
        """Look again. Returns the names of the events for what differs from the last look; empty if nothing does.

        Whether the daemon runs, and whether the database is another file by now, is looked at only once a second.
        """
        database_before = self._database
        daemon_before = (self._status, self._running)
        if time.monotonic() - self._slow_at >= _SLOW_EVERY:
            self._slow_at = time.monotonic()
            self._running = self._is_running()
            if self._connection is None or self._is_other_file():
                self._database = self._open()
        if self._connection is not None:
            self._database = self._database_state(self._connection)
        self._status = self._status_state()
        events: tuple[str, ...] = ()
        if self._database != database_before:
            events += DATABASE
        if (self._status, self._running) != daemon_before:
            events += STATUS
        return events

    def _open(self) -> object:
        """Open the database, closing the connection there was. Returns its state: None if there is no database.

        If it can't be read, its state is the sentence that says why, and there is no connection.
        """
        self.close()
        try:
            self._connection = open_for_reading(self._paths, timeout=0)
            self._inode = self._paths.database.stat().st_ino
        except FileNotFoundError:
            self.close()
            return None
        except (LeadmasterdError, OSError) as error:
            self.close()
            return str(error)
        return self._database_state(self._connection)

    def _database_state(self, connection: Connection) -> object:
        """The file and its `data_version`; why it can't be read any more, and then the connection is closed."""
        try:
            return self._inode, data_version(connection, self._paths.database)
        except LeadmasterdError as error:
            self.close()
            return str(error)

    def _is_other_file(self) -> bool:
        """Whether the database was replaced or removed since it was opened, as by restoring a backup."""
        try:
            return self._paths.database.stat().st_ino != self._inode
        except OSError:
            return True

    def _status_state(self) -> object:
        """When `status.json` was replaced, and its inode; None if there is none."""
        try:
            stat = self._paths.status_file.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    def _is_running(self) -> bool:
        """Whether the daemon is running; False also where that can't be seen."""
        try:
            return is_running(self._paths)
        except OSError:
            return False

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
