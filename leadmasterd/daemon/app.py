"""The daemon: makes all parts, connects them, starts them, and stops them in reverse order.

Nothing is decided here. Events flow one way: child -> intake -> dispatch -> the supervisor's inbox -> runner -> child.
Messages go from the intake to the store's writer instead.
"""

import asyncio
import contextlib
import logging
import math
import signal
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Final

from leadmasterd import sentences, times
from leadmasterd.daemon import memory
from leadmasterd.daemon.audit import AuditFile
from leadmasterd.daemon.ban import BanFile
from leadmasterd.daemon.child_report import ChildReport
from leadmasterd.daemon.control import Control
from leadmasterd.daemon.dispatch import Dispatch
from leadmasterd.daemon.feeds import FeedsProcess
from leadmasterd.daemon.ignored import IgnoredIds
from leadmasterd.daemon.intake import Intake
from leadmasterd.daemon.leads import LeadJobs
from leadmasterd.daemon.live_path import LivePath
from leadmasterd.daemon.maintenance import Limits, Maintenance, Observation
from leadmasterd.daemon.observer import Observer
from leadmasterd.daemon.outbox import OutboxUpkeep
from leadmasterd.daemon.page_report import PageReport
from leadmasterd.daemon.pairing import CodeDisplay, Pairing
from leadmasterd.daemon.profile import BrowserProfile
from leadmasterd.daemon.session import PauseFile, SessionLog
from leadmasterd.daemon.spawner import Spawner
from leadmasterd.daemon.status import Counters, Sections, StatusPublisher
from leadmasterd.daemon.systemd import Systemd
from leadmasterd.daemon.threads import on_loop
from leadmasterd.daemon.warnings import ActiveWarnings
from leadmasterd.errors import CannotUseDatabase, CannotUseState, DatabaseBusy, DatabaseDamaged
from leadmasterd.health import DATABASE_UNUSABLE, DATABASE_UPDATE, DISK_FULL, SESSION_ELSEWHERE
from leadmasterd.listener import tree
from leadmasterd.listener.child import Child
from leadmasterd.listener.profile import captured_before
from leadmasterd.listener.programs import check_temporary_folder, choose_browser, find_node
from leadmasterd.settings.paths import Paths
from leadmasterd.settings.plain import PlainSettings
from leadmasterd.state.control import ControlServer
from leadmasterd.state.files import Lock, read_status
from leadmasterd.state.status_object import Account, Session
from leadmasterd.store.database import Update, check_not_emptied, megabytes, open_for_writing
from leadmasterd.store.disk_upkeep import DiskUpkeep
from leadmasterd.store.idle import InTurn
from leadmasterd.store.records import BatchResult
from leadmasterd.store.word_index import WordIndex
from leadmasterd.store.writer import IdleWork, StoreError, Writer
from leadmasterd.supervisor.inbox import Inbox
from leadmasterd.supervisor.machine import Facts, Happened, Phase, State
from leadmasterd.supervisor.runner import Runner
from leadmasterd.text import later, speaking

log = logging.getLogger(__name__)

_STUCK_SECONDS: Final = 60.0
"""If the writer makes no progress for longer, and no known trouble explains it, systemd's watchdog may restart us."""


class Daemon:
    """One life of the daemon. `run` returns when it was asked to stop."""

    def __init__(self, settings: PlainSettings, paths: Paths, display: CodeDisplay) -> None:
        self._settings = settings
        self._paths = paths
        self._timing = settings.timing
        self._lock = Lock(paths)
        self._systemd = Systemd()
        self._stop_asked = False
        self._woken = asyncio.Event()
        """Set when the daemon is asked to stop, and when the database was opened or could not be."""
        self._inbox = Inbox()
        self._publisher = StatusPublisher(paths)
        self._warnings = ActiveWarnings(self._publisher.changed)
        self._counters = Counters(self._publisher.changed)
        self._pairing = Pairing(paths, display, changed=self._publisher.changed)
        self._profile = BrowserProfile(paths, grace_seconds=self._timing.settle_after_pairing)
        self._spawner = Spawner(settings, paths, self._profile)
        self._pause_file = PauseFile(paths.state_dir)
        self._ban = BanFile(paths.state_dir)
        self._ignored = IgnoredIds(paths.state_dir, settings.capture)
        self._report = ChildReport()
        self._page = PageReport(send=self._spawner.send, changed=self._publisher.changed)
        self._feeds = FeedsProcess(paths, warnings=self._warnings, changed=self._publisher.changed)
        self._outbox = OutboxUpkeep(
            settings.outbox, low_water=lambda: self._feeds.low_water, crowded=lambda: self._feeds.crowded
        )

    async def run(self) -> None:
        """Take the lock, find the programs, open the database and listen, until a signal asks to stop.

        Raises CannotUseState, CannotUseDatabase, CannotUseProgram.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop)
        account = (read_status(self._paths) or {}).get("account")
        self._captured_before = captured_before(self._paths)
        # From here on status.json may be rewritten. Its account stays the one that was read above.
        self._publisher.use(Sections(account=lambda: account))
        if not await self._lock_state():
            return
        self._profile.take_over()
        with speaking(self._settings.language):  # an error ends the daemon, and the person who started it reads why
            self._node = find_node(self._settings.listener.node)
            self._browser = choose_browser(self._settings.listener.browser, used_by=self._profile.used_by).path
            check_temporary_folder()
        self._leads = LeadJobs(
            self._settings.leads, self._paths, warnings=self._warnings, changed=self._publisher.changed
        )
        self._publisher.use(
            Sections(
                account=lambda: account,
                trouble=self._warnings.trouble,
                concerns=self._warnings.concerns,
            )
        )
        if not self._settings.alerts_in_use:
            await self._listen(account)
            return
        # Alerts start first, because a database that can't be opened is a reason for an alert.
        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feeds.run(), name="alerts and feeds")
            try:
                await self._listen(account)
            except Exception as error:  # noqa: BLE001 - raised below, once the alerts have ended in good order
                failure = error
            self._feeds.stop()
        if failure:
            raise failure

    async def _listen(self, account: Account | None) -> None:
        """Open the database, listen until the end, and close the database whatever has happened.

        `account`: whose messages were captured last. `status` names it until the database is open.
        """
        if not await self._open_store():
            self._stopped_before_listening(account)
            return
        try:
            await self._run_with_store()
        finally:
            if not await asyncio.to_thread(self._writer.stop, self._timing.store_stop):
                log.error("stopped with %d items unwritten; the next start sweeps them", self._writer.pending)
            self._publisher.write()
            self._systemd.notify("STATUS=stopped")

    async def _lock_state(self) -> bool:
        """Take the lock, retrying while the disk is too full for the lock's file. False: asked to stop."""
        while True:
            try:
                with speaking(self._settings.language):
                    self._lock.acquire()
            except CannotUseState as error:
                if not error.disk_full:
                    raise
                if not await self._wait_to_try_again(DISK_FULL.code, DISK_FULL.text("")):
                    return False
            else:
                self._store_error(None)
                return True

    async def _open_store(self) -> bool:
        """Open the database, retrying while it can't be opened for now or is damaged. False: asked to stop."""
        while True:
            self._writer = Writer(
                self._paths.database,
                on_batch=on_loop(self._batch_committed),
                on_error=on_loop(self._store_error),
                on_written=self._on_written(),
                on_update=on_loop(self._update_began),
                idle_work=self._idle_work,
            )
            try:
                check_not_emptied(self._paths.database, lambda: self._captured_before)
                if not await self._wait_for_opening(self._writer.open()):
                    return False
            except (DatabaseBusy, DatabaseDamaged) as error:
                code = error.code if isinstance(error, DatabaseBusy) else DATABASE_UNUSABLE.code
                if not await self._wait_to_try_again(code, str(error)):
                    return False
            except CannotUseDatabase:
                # Open it once more, only to raise the error in the language of the person who started the daemon.
                with speaking(self._settings.language):
                    await asyncio.to_thread(lambda: open_for_writing(self._paths.database).close())
                raise
            else:
                self._store_error(None)
                return True

    def _idle_work(self, connection: sqlite3.Connection) -> IdleWork:
        """What the writer's thread does in turn while nothing waits to be written."""
        return InTurn(
            self._leads.idle_work(connection),
            WordIndex(connection),
            DiskUpkeep(connection, days=self._settings.raw_days),
        )

    def _stopped_before_listening(self, account: Account | None) -> None:
        """Publish the phase `stopped`, with the warnings that delayed the start.

        Normally the SessionLog publishes phases, but it is made after the database is open. `account`: whose messages
        were captured last.
        """
        because = sentences.because("asked_to_stop", {})
        now = times.iso(datetime.now(UTC))
        stopped = Session(phase=Phase.STOPPED.value, since=now, because=because, code="asked_to_stop", values={})
        self._publisher.use(
            Sections(
                session=lambda: stopped,
                account=lambda: account,
                trouble=self._warnings.trouble,
                concerns=self._warnings.concerns,
            )
        )
        self._publisher.write()
        log.info("%s: %s", sentences.phase(stopped["phase"]), because, extra={"action": "phase_changed"})

    async def _wait_for_opening(self, opening: "Future[None]") -> bool:
        """Wait until the database is open, which takes minutes if a large one must be updated first.

        False: asked to stop before that. Raises whatever the opening failed with.
        """
        opening.add_done_callback(on_loop(lambda _: self._woken.set()))
        began = time.monotonic()
        await self._wait(math.inf)
        if not opening.done():
            return False
        updated = DATABASE_UPDATE.code in self._warnings.concerns()  # set by _update_began
        self._warnings.clear(DATABASE_UPDATE)
        opening.result()
        if updated:
            took = time.monotonic() - began
            log.info("the database was updated in %.0f s", took, extra={"action": "database_updated"})
        return True

    def _update_began(self, update: Update) -> None:
        """Say that the database of an earlier version is being updated, so the start takes longer than usual."""
        what = later("{n} messages, {size}").format(n=f"{update.messages:,}", size=megabytes(update.size))
        self._warnings.set(DATABASE_UPDATE, what)
        self._systemd.notify(f"STATUS={DATABASE_UPDATE.text(what)}")

    async def _wait_to_try_again(self, code: str, why: str) -> bool:
        """Report what prevents the start, and wait a few seconds. False: asked to stop meanwhile."""
        self._store_error(StoreError(code, why))
        self._systemd.status(why)
        await self._wait(self._timing.reopen_every)
        return not self._stop_asked

    async def _wait(self, seconds: float) -> None:
        """Wait until `_woken` is set or a stop is asked for, at most `seconds`.

        Systemd is told meanwhile that we are alive, or it would kill us.
        """
        end = time.monotonic() + seconds
        while not self._woken.is_set() and not self._stop_asked:
            left = end - time.monotonic()
            if left <= 0:
                break
            self._systemd.alive()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, self._systemd.alive_every)):
                    await self._woken.wait()
        self._woken.clear()

    async def _run_with_store(self) -> None:
        """With the database open: make and start all other parts, run the supervisor, and stop the parts.

        Each part's stop is registered before its start. So every part is stopped, the last one first, even if a start
        or another stop fails.
        """
        tree.become_subreaper()
        self._compose()
        async with contextlib.AsyncExitStack() as at_the_end:
            at_the_end.callback(self._pairing.forget)
            at_the_end.push_async_callback(asyncio.to_thread, self._leads.classifying.stop)
            self._leads.classifying.start()
            memory.freeze_objects()
            await self._outbox.begin(self._writer)
            await self._live_path.resume()
            await self._spawner.clean_up()
            at_the_end.push_async_callback(self._control_socket.close)
            await self._control_socket.start()
            at_the_end.push_async_callback(self._stop_child)
            await self._run_supervisor()

    async def _run_supervisor(self) -> None:
        """Run the supervisor until it ends the daemon, and meanwhile sweeper, maintenance, watchdog and feeds."""
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(self._live_path.sweeper.run(), name="sweeper"),
                tasks.create_task(self._maintenance.run(), name="maintenance"),
                tasks.create_task(self._systemd.feed_watchdog(self._healthy), name="watchdog"),
            ]
            if self._settings.outbox != "off" and not self._settings.alerts_in_use:  # with alerts, `run` has started it
                tasks.create_task(self._feeds.run(), name="feeds")
            await self._runner.run()
            self._feeds.stop()  # its task ends by itself, when the feeds process has ended
            for helper in helpers:
                helper.cancel()

    async def _stop_child(self) -> None:
        """Stop the child if it still runs, as after an error in the supervisor, which otherwise has stopped it."""
        if child := self._spawner.current:
            await child.stop(self._timing)

    def _compose(self) -> None:
        """Make the parts that need the database, and connect them by callbacks.

        Each is given only parts that were made before it, and starts nothing yet.
        """
        changed = self._publisher.changed
        self._session = SessionLog(self._writer)
        self._live_path = LivePath(
            self._settings,
            self._writer,
            self._inbox,
            send=self._spawner.send,
            linked_for=self._profile.linked_for,
            ignored_ids=lambda: self._ignored.known,
            counters=self._counters,
            changed=changed,
        )
        self._dispatch = Dispatch(
            self._inbox,
            report=self._report,
            session=self._session,
            profile=self._profile,
            ban=self._ban,
            audit=AuditFile(self._paths.state_dir),
            pairing=self._pairing,
            live_path=self._live_path,
            page=self._page,
            warnings=self._warnings,
            counters=self._counters,
        )
        self._intake = Intake(
            self._settings.capture,
            self._writer,
            on_lifecycle=self._dispatch.handle,
            on_missing=self._live_path.lines_missing,
            on_pressure=self._spawner.under_pressure,
            linked_elsewhere_at=lambda: self._profile.linked_elsewhere_at,
            known_ignored=self._ignored.known,
            on_more_ignored=self._ignored.keep,
        )
        self._runner = Runner(
            self._timing,
            self._inbox,
            spawn=self._spawn,
            clean_up=self._spawner.clean_up,
            chores=self._profile.chores,
            on_change=self._phase_changed,
            on_forgiven=lambda: self._warnings.clear(SESSION_ELSEWHERE),
            current_facts=self._current_facts,
            reading_paused=lambda: self._spawner.reading_paused,
            start_paused=self._pause_file.exists(),
            start_values=self._ban.values(datetime.now(UTC)),
        )
        self._observer = Observer(
            self._paths, self._writer, report=self._report, live_path=self._live_path, changed=changed
        )
        settings = self._settings
        self._maintenance = Maintenance(
            Limits(settings.nightly_restart, settings.memory_ceiling_mb, settings.disk_floor_mb),
            check_every=self._timing.status_every,
            observe=self._observe,
            restart=lambda why: self._inbox.post(Happened.PLANNED_RESTART, why=why),
            train=self._leads.train,
            warnings=self._warnings,
        )
        control = Control(self._inbox, session=self._session, spawner=self._spawner, page=self._page)
        self._control_socket = ControlServer(self._paths.socket, control.answer)
        self._publisher.use(
            Sections(
                session=self._session.section,
                account=self._live_path.account,
                capture=self._live_path.capture,
                waiting=self._leads.waiting,
                trouble=self._warnings.trouble,
                concerns=self._warnings.concerns,
                scan=self._pairing.section,
                counters=self._counters.section,
                resources=self._observer.resources,
                next_jobs=lambda: [*self._live_path.next_sweep(), *self._maintenance.next_jobs()],
                versions=lambda: self._report.versions,
                page=self._page.section,
                feeds=self._feeds.section if self._settings.outbox != "off" else lambda: None,
            )
        )

    # ------------------------------------------------------------------ what concerns several parts

    def _asked_to_stop(self) -> None:
        """Handle a signal to stop: end any wait for the database, and have the supervisor end the daemon."""
        self._systemd.notify("STOPPING=1")
        self._stop_asked = True
        self._woken.set()
        self._feeds.stop()
        self._inbox.post(Happened.QUIT)

    async def _spawn(self) -> Child:
        """Have every part forget the last child, and start the next. Raises OSError."""
        self._intake.child_started()
        self._dispatch.new_child()
        self._live_path.new_child()
        child = await self._spawner.start(self._node, self._browser, self._intake)
        if not self._session.trying_again:
            log.info("started the Node child, pid %d", child.pid, extra={"action": "child_started"})
        return child

    def _current_facts(self) -> Facts:
        """What the supervisor considers besides the event that it decides on."""
        return Facts(
            restorable=self._profile.restorable,
            unreachable=self._report.blames_network,
            storage_broken=self._report.storage_broken,
            ban_seconds=self._ban.seconds_left(datetime.now(UTC)),
        )

    def _phase_changed(self, state: State) -> None:
        """Record the supervisor's new phase, let each part follow it, and publish the status with all of that."""
        at = times.iso(datetime.now(UTC))
        gaps = self._live_path.phase_changed(state, at)
        self._session.change(state, at, bye=self._report.bye, gaps=gaps)
        self._live_path.count_gaps()  # after `gaps` were queued, so that they are counted
        if state.phase is not Phase.WAITING_FOR_SCAN:
            self._pairing.forget()
        if state.because.code == "stream_lost":
            self._warnings.set(SESSION_ELSEWHERE, "")
        elif state.failures == 0:  # while starts are retried, the warning stays
            self._warnings.clear(SESSION_ELSEWHERE)
        self._pause_file.follow(state.phase)
        self._ban.follow(state.phase)
        self._publisher.write()
        self._systemd.status(self._session.sentence)

    def _on_written(self) -> Callable[[], None]:
        """The writer's callback for when rows are written, but not durable yet: the intake may read on already."""
        on_the_loop = on_loop(lambda _: self._intake.batch_written())
        return lambda: on_the_loop(None)

    def _batch_committed(self, batch: BatchResult) -> None:
        """A batch is durable: count what was odd in it, tell the live path, and read on if reading was paused."""
        if batch.rejected:
            self._counters.bump("rejected_lines", batch.rejected)
        if batch.repeated:
            self._counters.bump("repeated_messages", batch.repeated)
        if batch.new_account_beside:
            new_account, earlier_account = batch.new_account_beside
            self._counters.bump("other_numbers")
            log.error(
                "another number was scanned: %s; it gets a history of its own, next to that of %s",
                new_account,
                earlier_account,
                extra={"action": "another_number"},
            )
        self._live_path.committed(batch)
        self._intake.batch_written()

    def _store_error(self, error: StoreError | None) -> None:
        """Show the warning that nothing can be written, and why. None: it can again."""
        self._warnings.store_error(error.code if error else None, error.detail if error else "")

    async def _observe(self) -> Observation:
        """Maintenance's check once a minute: measure for it, count who waits for an answer, and tend the outbox."""
        observation = await self._observer.observe()
        await self._leads.count_waiting(self._writer)
        await self._outbox.every_minute(self._writer)
        return observation

    def _healthy(self) -> bool:
        """Whether the writer makes progress, or a known trouble explains why it does not."""
        return self._writer.stalled_seconds <= _STUCK_SECONDS or self._warnings.trouble() is not None
