"""The feeds process: it delivers what the daemon commits to every feed, sends alerts, and reports to the daemon.

It ends when its stdin does, so it never outlives the daemon, however that ends. Each line on its stdout is a
`FeedReport` as JSON. Committed events are emitted once, as `news`, to the feeds and the alerts (pyee).
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyee.asyncio import AsyncIOEventEmitter

from leadmasterd import times
from leadmasterd.errors import CannotUseSettings, CannotUseState, LeadmasterdError
from leadmasterd.feeds.books import Books, FeedRecord, State
from leadmasterd.feeds.engine import READ, Bookkeeper, Feed, Progress
from leadmasterd.feeds.events import Outbox, without_words
from leadmasterd.feeds.kinds import Nowhere, Place, Receiver
from leadmasterd.settings.model import Settings
from leadmasterd.settings.paths import Paths, base_folder
from leadmasterd.state.files import read_status
from leadmasterd.state.status_object import FeedReport, FeedStatus
from leadmasterd.text import _, speaking

if TYPE_CHECKING:
    from leadmasterd.alerts.service import Alerts

log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 0.5
"""Seconds between two looks for new events in the database and for a person's changes in the books."""
_REPORT_EVERY: Final = 1.0
_LOOK_FOR_ROOM_EVERY: Final = 60.0
_STOP_SECONDS: Final = 4.0
"""Seconds for tries that are under way when the daemon stops; those that are cut short are made again."""
_LONGEST_PAUSE: Final = 300.0
"""Seconds, at most, until feeds that failed are started again, where alerts or a ping keep the process alive."""
_LOCK_SECONDS: Final = 20.0
"""How long to wait for an earlier process, whose daemon was killed, to end."""

ENDINGS: Final = (sqlite3.Error, OSError)
"""Errors that end the process with one line in the journal. The daemon starts it again."""


async def run(settings: Settings, paths: Paths) -> None:
    """Run the feeds process until stdin ends. Raises CannotUseState, sqlite3.Error and OSError."""
    stop = asyncio.Event()
    await _stop_at_end_of_stdin(stop)
    with _lock(paths.state_dir / "feeds.lock"):
        await Process(settings, paths).run(stop)


class Process:
    """Runs what the settings ask for: feeds, alerts and a still-alive ping. If the feeds fail, the others go on."""

    def __init__(self, settings: Settings, paths: Paths) -> None:
        self._settings = settings
        self._paths = paths
        self._emitter = AsyncIOEventEmitter()
        self._emitter.on("error", _listener_failed)
        self._feeds: Feeds | None = None
        self._trouble: str | None = None
        """Why the feeds do not run; None while they do, or before they have failed twice."""
        self._alerts = _alerts_of(settings, paths)
        self._last_report = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set.

        Where there are only feeds, an error in their files ends the process; with alerts or a ping it must go on, so
        the feeds are started again after a while.
        """
        async with asyncio.TaskGroup() as tasks:
            reporting = tasks.create_task(self._report(stop), name="report")
            other_work: list[asyncio.Task[None]] = []
            if self._alerts:
                self._emitter.on("news", self._alerts.news)
                other_work.append(tasks.create_task(self._run_alerts(self._alerts), name="alerts"))
            ping_url = self._settings.alerts.ping_url.get_secret_value()
            if ping_url:
                other_work.append(tasks.create_task(self._ping(ping_url), name="ping"))
            if not self._settings.feeds:
                await stop.wait()
            elif other_work:
                await self._keep_delivering(stop)
            else:
                await self._deliver(stop)
            for task in (reporting, *other_work):
                task.cancel()

    async def _run_alerts(self, alerts: "Alerts") -> None:
        """Run the alerts in the operator's language. All else here is English, as it goes to logs and files."""
        with speaking(self._settings.language()):
            await alerts.run()

    async def _ping(self, url: str) -> None:
        """Tell the service at this URL every minute whether capture works, so that it notices when we fall silent."""
        from leadmasterd.alerts.ping import StillAlive

        fail_after = self._settings.alerts.down_after
        divisor = self._settings.supervisor.time_divisor
        await StillAlive(url, lambda: read_status(self._paths), fail_after=fail_after, divisor=divisor).run()

    async def _deliver(self, stop: asyncio.Event) -> None:
        """Open the outbox and the books, and run all feeds until `stop`. Raises CannotUseState and ENDINGS."""
        with (
            closing(Outbox(self._paths.database)) as outbox,
            closing(Books(self._paths.state_dir / "feeds.db")) as books,
        ):
            self._feeds = Feeds(self._settings, self._paths, outbox=outbox, books=books, emitter=self._emitter)
            self._trouble = None
            try:
                await self._feeds.run(stop)
            finally:
                self._feeds = None

    async def _keep_delivering(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`, starting again after each failure: a database that is missing, say.

        The pauses double, and are short again once the feeds have run for a while.
        """
        loop = asyncio.get_running_loop()
        pause = 1.0
        failures = 0
        while not stop.is_set():
            began = loop.time()
            try:
                await self._deliver(stop)
            except* (*ENDINGS, LeadmasterdError) as group:
                log.error("the feeds wait for %g s: %s", pause, group.exceptions[0], extra={"action": "feeds_wait"})  # noqa: TRY400
                if loop.time() - began > _LONGEST_PAUSE:
                    pause = 1.0
                    failures = 0
                failures += 1
                self._trouble = str(group.exceptions[0]) if failures > 1 else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _report(self, stop: asyncio.Event) -> None:
        """Print a report as one line of JSON whenever it differs from the last one.

        If nobody reads them any more, the daemon is gone, and this process stops.
        """
        while True:
            line = json.dumps(self.report(), ensure_ascii=False)
            if line != self._last_report:
                self._last_report = line
                try:
                    print(line, flush=True)  # noqa: T201 - this is what stdout is for
                except OSError:
                    stop.set()
            await asyncio.sleep(_REPORT_EVERY)

    def report(self) -> FeedReport:
        """How feeds and alerts are doing. While no feeds are at work, `trouble` says why."""
        alerts = self._alerts.trouble() if self._alerts else ""
        if self._feeds:
            return self._feeds.report(alerts)
        return FeedReport(low_water=0, crowded=0, trouble=self._trouble, feeds=[], alerts=alerts)


def _alerts_of(settings: Settings, paths: Paths) -> "Alerts | None":
    """The alerts of the settings; None if they are sent to nobody.

    They are imported only here, because the client of all the services that send them is large.
    """
    if not settings.alerts.tells:
        return None
    from leadmasterd.alerts.making import make

    return make(settings, paths)


class Feeds:
    """All feeds of the settings at work, and what they share: news, books, and room on the disk."""

    def __init__(
        self,
        settings: Settings,
        paths: Paths,
        *,
        outbox: Outbox,
        books: Books,
        emitter: AsyncIOEventEmitter,
        free: Callable[[], int] | None = None,
    ) -> None:
        """`free`: bytes on the disk of the database; by default they are measured."""
        self._settings = settings
        self._outbox = outbox
        self._books = books
        self._bookkeeper = Bookkeeper(books)
        self._emitter = emitter
        self._feeds: dict[str, Feed] = {}
        self._unusable: dict[str, str] = {}
        """By feed: why no receiver could be made from its settings."""
        self._free = free or (lambda: shutil.disk_usage(paths.database.parent).free)
        self._crowded = 0
        """Events up to this id take too much disk; 0: none."""
        self._position = outbox.last_id()
        """Events up to this id were emitted as news, or were there before: feeds read those by themselves."""
        now = times.iso(datetime.now(UTC))
        for name, record in books.register(settings.feeds, last_id=self._position, now=now).items():
            if record.state is State.DISABLED:  # a person who restarts the daemon is taken to have mended the receiver
                books.set_state(name, State.ACTIVE, reason="", now=now)
                record.state, record.reason = State.ACTIVE, ""
            self._add(name, record, paths)
        self._bookkeeper.watch(self._feeds.values())

    def _add(self, name: str, record: FeedRecord, paths: Paths) -> None:
        """Make one feed and its receiver. A feed whose settings can't be used delivers nothing, and says why."""
        from leadmasterd.feeds.making import make_receiver  # with a client of 10 MB, not needed for alerts

        settings = self._settings.feeds[name]
        place = Place(name, paths.state_dir, base_folder(paths.file))
        receiver: Receiver
        try:
            receiver = make_receiver(settings, place)
        except (CannotUseSettings, OSError) as error:
            log.error("feed %s does not start: %s", name, error, extra={"action": "feed_unusable"})  # noqa: TRY400
            self._unusable[name] = str(error)
            receiver = Nowhere()
        feed = self._feeds[name] = Feed(
            name,
            receiver,
            record,
            outbox=self._outbox,
            wants=settings.wants,
            shape=(lambda event: event) if settings.full else without_words,
            divisor=self._settings.supervisor.time_divisor,
            on_settled=self._bookkeeper.settled,
        )
        self._emitter.on("news", feed.take)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set.

        Tries under way then get some seconds to end; the bookkeeper commits what came of them, and all is closed.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._bookkeeper.run(), name="bookkeeper")
                watching = [
                    tasks.create_task(self._look_for_news(), name="news"),
                    tasks.create_task(self._look_for_room(), name="room"),
                ]
                working = [tasks.create_task(feed.run(), name=f"feed {name}") for name, feed in self._feeds.items()]
                await stop.wait()
                for feed in self._feeds.values():
                    feed.stop()
                if working:
                    await asyncio.wait(working, timeout=_STOP_SECONDS)
                for task in (*watching, *working):
                    task.cancel()
                self._bookkeeper.stop()
        finally:
            for feed in self._feeds.values():
                self._emitter.remove_listener("news", feed.take)
                await feed.receiver.close()

    async def _look_for_news(self) -> None:
        """Emit events that the daemon has committed, and hand a person's changes in the books to the feeds."""
        while True:
            if self._outbox.changed():
                while (news := self._outbox.after(self._position, READ)).events:
                    self._emitter.emit("news", news)
                    self._position = news.events[-1].event_id
                    await asyncio.sleep(0)  # lets the feeds start on them
            if self._books.changed():
                for name, standing in self._books.standings().items():
                    if feed := self._feeds.get(name):
                        feed.set_standing(standing)
            await asyncio.sleep(_LOOK_EVERY)

    async def _look_for_room(self) -> None:
        """Have the feeds give up events that take too much disk; the daemon deletes them once the books say so."""
        while True:
            self._crowded = self._outbox.room(self._free()).through
            if self._crowded:
                for feed in self._feeds.values():
                    feed.give_up(self._crowded)
            await asyncio.sleep(_LOOK_FOR_ROOM_EVERY)

    def report(self, alerts: str = "") -> FeedReport:
        """How all feeds are doing. `alerts`: why alerts can't be sent, else empty; it is passed on."""
        progress = {name: self._feeds[name].progress() for name in self._settings.feeds}
        return FeedReport(
            low_water=min((each.floor for each in progress.values()), default=0),
            crowded=self._crowded,
            trouble=self._bookkeeper.trouble,
            feeds=[self._status(name, each) for name, each in progress.items()],
            alerts=alerts,
        )

    def _status(self, name: str, progress: Progress) -> FeedStatus:
        """One feed of the report. To the feed's own states it adds `unusable` and `down`."""
        state = str(progress.state)
        why = progress.reason or progress.last_why
        outage_hours = progress.outage_hours
        if name in self._unusable:
            state = "unusable"
            why = self._unusable[name]
            outage_hours = 0
        elif progress.state is State.ACTIVE and (progress.paused_for or outage_hours):
            state = "down"
        behind = progress.undelivered
        if progress.read_to < self._position:  # `undelivered` counts only what the feed has read
            behind += self._outbox.count_after(progress.read_to)
        return FeedStatus(
            name=name,
            kind=self._settings.feeds[name].kind,
            state=state,
            why=why,
            behind=behind,
            retrying=progress.retrying,
            dead=progress.dead,
            given_up=progress.given_up.number if progress.given_up else 0,
            outage_hours=outage_hours,
        )


def _listener_failed(error: Exception) -> None:
    """Called by the emitter with what a listener to `news` raised: a defect, which must not stop the others."""
    log.error("a listener to news failed", exc_info=error, extra={"action": "news_defect"})


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock on this file, so that only one process delivers.

    Waits for an earlier process that is still ending. Raises CannotUseState if it does not end, and OSError.
    """
    with path.open("a", encoding="utf-8") as file:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise CannotUseState(
                        _("cannot deliver: another process of leadmasterd holds {path}").format(path=path)
                    ) from error
                time.sleep(0.1)
            else:
                break
        yield


async def _stop_at_end_of_stdin(stop: asyncio.Event) -> None:
    """Have `stop` set once stdin ends; what comes from it is ignored. A copy of it is read, and closed at its end."""

    class Stdin(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            """Called by asyncio when stdin has ended."""
            stop.set()

    await asyncio.get_running_loop().connect_read_pipe(Stdin, os.fdopen(os.dup(sys.stdin.fileno()), "rb", 0))
