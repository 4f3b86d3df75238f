"""The daemon: every part, opened in the order of the sentence and closed in reverse.

The listener speaks the protocol; we ingest each message and store it; the supervisor keeps the listener alive. This
file only composes them and passes the news on; what is decided is decided elsewhere.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from leadmasterd import sentences, times
from leadmasterd.daemon.intake import Intake
from leadmasterd.daemon.leads import LeadKeeper
from leadmasterd.daemon.lifecycle import ChildNews
from leadmasterd.daemon.live_path import LivePath
from leadmasterd.daemon.maintenance import Housekeeping, Limits, Seen, was_replaced
from leadmasterd.daemon.pairing import Presenter, ScanCode
from leadmasterd.daemon.profile import ProfileKeeper
from leadmasterd.daemon.spawner import Children
from leadmasterd.daemon.status import StatusBoard, measure
from leadmasterd.daemon.systemd import ServiceManager
from leadmasterd.daemon.threads import on_loop
from leadmasterd.errors import DatabaseBusy
from leadmasterd.listener import tree
from leadmasterd.listener.child import Child
from leadmasterd.listener.programs import find_browser, find_node
from leadmasterd.settings.model import Settings
from leadmasterd.settings.paths import Paths
from leadmasterd.state import control
from leadmasterd.state.files import Lock
from leadmasterd.store.records import BatchResult, Item, SessionEvent
from leadmasterd.store.start import phone_silent_since
from leadmasterd.store.writer import Trouble, Writer
from leadmasterd.supervisor.machine import Happened, Phase, State
from leadmasterd.supervisor.runner import Runner

log = logging.getLogger(__name__)

_STUCK_SECONDS = 60.0
_REOPEN_SECONDS = 5.0


class Daemon:
    """One life of the daemon. `run` returns when it was asked to stop."""

    def __init__(self, settings: Settings, places: Paths, presenter: Presenter) -> None:
        self._settings = settings
        self._places = places
        self._timing = settings.timing()
        self._paused_file = places.state_dir / "paused"
        self._service = ServiceManager()
        self._lock = Lock(places)
        self._board = StatusBoard(places)
        self._announced = False
        self._stop_asked = asyncio.Event()
        self._last_batch = 0.0
        self._scan_code = ScanCode(places, self._board, presenter)
        self._profile = ProfileKeeper(places, settle_seconds=self._timing.settle_after_pairing)
        self._children = Children(settings, places, self._profile)
        self._runner = Runner(
            self._timing,
            spawn=self._spawn,
            clean_up=self._children.clean_up,
            chores=self._profile.chores,
            facts=lambda: self._child_news.facts(),
            on_change=self._phase_changed,
            excused=lambda: self._children.current is not None and self._children.current.reading_paused,
            start_paused=self._paused_file.exists(),
        )

    async def run(self) -> None:
        """From nothing to listening, until the end. Raises CannotUseState, CannotUseDatabase, CannotUseProgram."""
        self._loop = asyncio.get_running_loop()
        self._lock.acquire()
        self._node = find_node(self._settings.listener.node)
        self._browser = find_browser(self._settings.listener.browser)
        self._leads = LeadKeeper(self._settings.leads, self._places, self._board)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._loop.add_signal_handler(number, self._asked_to_stop)
        if not await self._open_store():
            return
        try:
            await self._run_with_store()
        finally:
            if not await asyncio.to_thread(self._writer.stop, self._timing.store_stop):
                log.error("stopped with %d items unwritten; the next start sweeps them", self._writer.pending)
            self._board.write()
            self._service.notify("STATUS=stopped")

    async def _open_store(self) -> bool:
        """Open the database, and wait for as long as the disk is full or another program holds it. False: stopped."""
        while True:
            self._writer = Writer(
                self._places.database,
                on_batch=on_loop(self._batch_committed),
                on_trouble=on_loop(self._store_trouble),
                idle_work=self._leads.judging,
            )
            try:
                self._writer.start()
            except DatabaseBusy as busy:
                self._store_trouble(Trouble(busy.code, str(busy)))
                self._service.notify("READY=1", f"STATUS={busy}")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REOPEN_SECONDS):
                        await self._stop_asked.wait()
                if self._stop_asked.is_set():
                    return False
            else:
                self._store_trouble(None)
                return True

    async def _run_with_store(self) -> None:
        tree.become_subreaper()
        self._leads.classifying.start()
        self._live_path = LivePath(
            self._settings, self._writer, self._board, self._runner, tell_child=self._children.tell
        )
        await self._live_path.take_up()
        await self._children.clean_up()
        self._child_news = ChildNews(
            self._runner, self._writer, self._board, self._profile, self._scan_code, self._live_path
        )
        self._intake = Intake(
            self._settings.capture_rules(),
            self._writer,
            on_lifecycle=self._child_news.heard,
            on_hole=self._live_path.hole,
            on_pressure=self._children.under_pressure,
        )
        supervisor = self._settings.supervisor
        self._housekeeping = Housekeeping(
            Limits(supervisor.nightly_restart, supervisor.memory_ceiling_mb, supervisor.disk_floor_mb),
            look_every=self._timing.status_every,
            look=self._look_around,
            recycle=lambda why: self._runner.tell(Happened.RECYCLE, why=why),
            learn=self._leads.learn,
            on_concerns=self._concerned,
        )
        self._board.next_jobs = self._next_jobs
        ear = control.ControlServer(self._places.socket, self._command)
        await ear.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self._live_path.sweeper.run(), name="sweeper"),
                    tasks.create_task(self._housekeeping.run(), name="housekeeping"),
                    tasks.create_task(self._feed_watchdog(), name="watchdog"),
                ]
                await self._runner.run()
                for helper in helpers:
                    helper.cancel()
        finally:
            if child := self._children.current:
                await child.stop(self._timing)  # a second time is nothing; after a defect of ours it is the first
            await ear.close()
            await asyncio.to_thread(self._leads.classifying.stop)
            self._places.qr_picture.unlink(missing_ok=True)

    def _asked_to_stop(self) -> None:
        self._service.notify("STOPPING=1")
        self._stop_asked.set()
        self._runner.tell(Happened.QUIT)

    async def _spawn(self) -> Child:
        self._intake.new_life()
        self._child_news.new_child()
        self._live_path.new_child()
        return await self._children.start(self._node, self._browser, self._intake)

    # ------------------------------------------------------------------ news from the supervisor and the store

    def _phase_changed(self, state: State) -> None:
        now = times.iso(datetime.now(UTC))
        values = dict(state.because.values)
        if (bye := self._child_news.bye) and state.because.code == "child_died":
            values |= {"bye": bye.reason, "detail": bye.detail}
        change = SessionEvent(state.phase.value, state.because.code, values)
        records = (change, *self._live_path.phase_changed(state, now))
        self._writer.put([Item(record, None, now) for record in records])
        self._live_path.count_gaps()
        if state.phase is not Phase.WAITING_FOR_SCAN:
            self._scan_code.forget()
        self._remember_pause(state.phase)
        self._board.phase = state.phase.value
        self._board.since = now
        self._board.because = type(state.because)(state.because.code, values)
        self._board.write()
        sentence = f"{sentences.phase(state.phase.value)}: {sentences.because(state.because.code, values)}"
        log.info("%s", sentence, extra={"action": "phase_changed"})
        self._service.notify(f"STATUS={sentence}", *([] if self._announced else ["READY=1"]))
        self._announced = True

    def _remember_pause(self, phase: Phase) -> None:
        """A pause outlives the daemon: the operator's stop wins over every restart."""
        try:
            if phase is Phase.PAUSED:
                self._paused_file.touch(mode=0o600)
            elif phase is Phase.STARTING:
                self._paused_file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot remember the pause: %s", error, extra={"action": "pause_unwritten"})

    def _batch_committed(self, batch: BatchResult) -> None:
        self._board.count(batch)
        if batch.live or batch.sweep:
            self._last_batch = self._loop.time()
        if batch.rejected:
            self._board.bump("rejected_lines", batch.rejected)
        if batch.new_account_beside:
            self._board.bump("other_numbers")
            log.error(
                "another number was scanned: %s; it gets its own history beside %s",
                batch.new_account_beside[0],
                batch.new_account_beside[1],
                extra={"action": "another_number"},
            )
        self._live_path.committed(batch)
        self._intake.batch_committed()

    def _store_trouble(self, trouble: Trouble | None) -> None:
        told = None if trouble is None else (trouble.code, trouble.detail)
        if told == self._board.trouble:
            return
        self._board.trouble = told
        self._board.write()
        if trouble:
            log.error("%s", sentences.trouble(trouble.code, trouble.detail), extra={"action": trouble.code})
        else:
            log.info("the database can be written again", extra={"action": "store_recovered"})

    # ------------------------------------------------------------------ commands of people

    async def _command(self, command: str, request: Mapping[str, Any]) -> dict[str, Any]:
        match command:
            case "pause":
                self._runner.tell(Happened.PAUSE)
            case "resume":
                self._runner.tell(Happened.RESUME)
            case "snapshot":
                if self._runner.state.phase is not Phase.READY:
                    return {"ok": False, "error": "a snapshot is only taken of a session that is ready"}
                self._runner.tell(Happened.RECYCLE, why="snapshot")
            case "restart-listener":
                self._runner.tell(Happened.RESTART)
            case "pairing-code":
                phone = "".join(filter(str.isdigit, str(request.get("phone", ""))))
                if self._runner.state.phase is not Phase.WAITING_FOR_SCAN or self._children.current is None:
                    return {"ok": False, "error": "no scan is needed now, so there is no code to ask for"}
                self._children.current.tell("pairing_code", phone=phone)
            case other:
                return {"ok": False, "error": f"unknown command {other!r}"}
        return {"ok": True, "phase": self._runner.state.phase.value}

    # ------------------------------------------------------------------ housekeeping

    async def _look_around(self) -> Seen:
        """What housekeeping judges by, and `status` shows."""
        browser = self._child_news.browser_pid
        measured, replaced = await asyncio.to_thread(lambda: (measure(self._places), was_replaced(browser)))
        self._board.resources = measured
        self._board.changed()
        silent = await asyncio.wrap_future(self._writer.call(phone_silent_since))
        await self._leads.look_who_waits(self._writer)
        return Seen(
            tree_pss=measured.get("tree_pss_bytes", 0),
            disk_free=measured.get("disk_free_bytes"),
            browser_replaced=replaced,
            quiet_seconds=self._loop.time() - self._last_batch,
            phone_silent=datetime.now(UTC) - silent if silent else None,
        )

    def _concerned(self, concerns: Mapping[str, str]) -> None:
        for code in concerns.keys() - self._board.housekeeping_concerns.keys():
            log.warning("%s", sentences.concern(code, concerns[code]), extra={"action": code})
        self._board.housekeeping_concerns = concerns
        self._board.show_concerns()

    def _next_jobs(self) -> list[dict[str, object]]:
        jobs: list[dict[str, object]] = []
        if (due_in := self._live_path.sweeper.due_in) is not None:
            jobs.append({"job": "sweep", "at": times.iso(datetime.now(UTC) + timedelta(seconds=due_in))})
        for job, at in self._housekeeping.next_jobs().items():
            jobs.append({"job": job, "at": times.iso(at.astimezone(UTC))})
        return jobs

    async def _feed_watchdog(self) -> None:
        """Ping from the loop that does the work, and only while the store and the supervisor move."""
        limit = self._service.watchdog_seconds
        if limit is None:
            return
        while True:
            stuck = self._writer.stalled_seconds > _STUCK_SECONDS and self._board.trouble is None
            if not stuck:
                self._service.notify("WATCHDOG=1")
            await asyncio.sleep(limit / 4)
