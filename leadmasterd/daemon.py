"""The daemon: every part, opened in the order of the sentence and closed in reverse.

The listener speaks the protocol; we ingest each message and store it; the supervisor keeps the listener alive. This
file only composes them and passes the news on; what is decided is decided elsewhere.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from leadmasterd import __version__, control, ingest, qr, sentences
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.reloading import Reloading
from leadmasterd.environment import find_browser, find_node
from leadmasterd.housekeeping import Housekeeping, Limits, Seen, was_replaced
from leadmasterd.intake import Intake
from leadmasterd.lead_making import model_file, policy_of, rules_file
from leadmasterd.listener import tree
from leadmasterd.listener.child import ENTRY, CannotStart, Child, environment_for
from leadmasterd.profile_keeper import ProfileKeeper
from leadmasterd.protocol import (
    Authenticated,
    BrowserStarted,
    Bye,
    CommandError,
    Contract,
    Dialog,
    Disconnected,
    Heartbeat,
    Hello,
    Lifecycle,
    Missing,
    OutboundBlocked,
    PageError,
    PairingCode,
    Qr,
    Ready,
    SocketState,
)
from leadmasterd.service import ServiceManager
from leadmasterd.settings import Settings
from leadmasterd.settings_file import Places
from leadmasterd.state_files import Lock, write_private
from leadmasterd.status_board import StatusBoard, measure
from leadmasterd.store.database import DatabaseBusy
from leadmasterd.store.judging import Judging, WhoWaits, who_waits
from leadmasterd.store.phone import phone_silent_since
from leadmasterd.store.rows import BatchResult, GapEnded, GapOpened, Item, Rows, SessionEvent
from leadmasterd.store.sweep_plan import SweepPlan, plan
from leadmasterd.store.writer import Trouble, Writer
from leadmasterd.supervisor.machine import Happened, Phase, State
from leadmasterd.supervisor.runner import Runner
from leadmasterd.sweeper import Sweeper
from leadmasterd.text import printable

log = logging.getLogger(__name__)

T = TypeVar("T")

_STUCK_SECONDS = 60.0
PAGES_OWN = frozenset({"sendPresenceAvailable", "markAvailable"})
"""What the page itself calls on every connect and is refused: nobody tried to send."""
STORAGE_BROKEN = "backing store for indexedDB"
"""What Chromium's error says in the page when the databases of the profile do not open."""
_REOPEN_SECONDS = 5.0


class Presenter(Protocol):
    """Where the person at the terminal (or the journal) looks."""

    def code(self, text: str, valid_until: datetime) -> None:
        """Draw a QR."""

    def pairing_code(self, code: str, valid_until: datetime) -> None:
        """Show a pairing code."""


class Daemon:
    """One life of the daemon. `run` returns when it was asked to stop."""

    def __init__(self, settings: Settings, places: Places, presenter: Presenter) -> None:
        self._settings = settings
        self._places = places
        self._presenter = presenter
        self._timing = settings.timing()
        self._marker = tree.marker_of(places.state_dir)
        self._paused_file = places.state_dir / "paused"
        self._service = ServiceManager()
        self._lock = Lock(places)
        self._board = StatusBoard(places)
        self._child: Child | None = None
        self._bye: Bye | None = None
        self._storage_broken = False
        self._live_since_ready = False
        self._heard_at = ""
        self._shown: str | None = None
        self._announced = False
        self._stop_asked = asyncio.Event()
        self._browser_pid: int | None = None
        self._last_batch = 0.0
        self._kept_concerns: Mapping[str, str] = {}
        self._page_concerns: dict[str, str] = {}
        self._own_concerns: dict[str, str] = {}
        self._keeper = ProfileKeeper(places, settle_seconds=self._timing.settle_after_pairing)
        self._runner = Runner(
            self._timing,
            spawn=self._spawn,
            clean_up=self._clean_up,
            chores=self._keeper.chores,
            facts=self._facts,
            on_change=self._phase_changed,
            excused=lambda: self._child is not None and self._child.reading_paused,
            start_paused=self._paused_file.exists(),
        )

    async def run(self) -> None:
        """From nothing to listening, until the end. Raises CannotUseState, CannotUseDatabase, NotUsable."""
        self._loop = asyncio.get_running_loop()
        self._lock.acquire()
        self._node = find_node(self._settings.listener.node)
        self._browser = find_browser(self._settings.listener.browser)
        self._classifying = Reloading(
            rules_file(self._settings.leads, self._places),
            model_file(self._places),
            on_problem=self._from_thread(self._rules_problem),
            on_change=self._from_thread(self._rules_changed),
        )
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
                on_batch=self._from_thread(self._batch_committed),
                on_trouble=self._from_thread(self._store_trouble),
                idle_work=self._judging,
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

    def _judging(self, connection: sqlite3.Connection) -> Judging:
        """What makes leads on the writer's thread."""
        policy = policy_of(self._settings.leads)
        return Judging(connection, self._classifying.current, policy, self._from_thread(self._know_who_waits))

    def _rules_problem(self, problem: str | None) -> None:
        self._own_concerns.pop("rules", None)
        if problem:
            self._own_concerns["rules"] = problem
            log.error("%s", sentences.concern("rules", problem), extra={"action": "rules_broken"})
        self._show_concerns()

    def _rules_changed(self, classifier: Classifier) -> None:
        log.info("new rules or a new model are in force: %s", classifier.version, extra={"action": "rules_changed"})

    async def _learn(self) -> None:
        """Nightly, in a process of its own, because learning takes memory that a listener should not hold."""
        config = ["--config", str(self._places.file)] if self._places.file else []
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "leadmasterd", *config, "rules", "train"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:  # the daemon stops
                process.kill()
        level = logging.WARNING if process.returncode else logging.INFO
        log.log(level, "%s", printable(said.decode(errors="replace").strip()), extra={"action": "learned"})

    def _know_who_waits(self, who: WhoWaits) -> None:
        if who != self._board.waiting:
            self._board.waiting = who
            self._board.changed()

    async def _run_with_store(self) -> None:
        tree.become_subreaper()
        self._classifying.start()
        await self._load_counts()
        await self._clean_up()
        self._intake = Intake(
            self._settings.capture_rules(),
            self._writer,
            on_lifecycle=self._lifecycle,
            on_hole=self._hole,
            on_pressure=self._under_pressure,
        )
        self._sweeper = Sweeper(
            self._timing, make_plan=self._plan_sweep, ask_child=self._ask_sweep, on_deaf=self._found_deaf
        )
        supervisor = self._settings.supervisor
        self._housekeeping = Housekeeping(
            Limits(supervisor.nightly_restart, supervisor.memory_ceiling_mb, supervisor.disk_floor_mb),
            look_every=self._timing.status_every,
            look=self._look_around,
            recycle=lambda why: self._runner.tell(Happened.RECYCLE, why=why),
            learn=self._learn,
            on_concerns=self._concerned,
        )
        self._board.next_jobs = self._next_jobs
        ear = control.ControlServer(self._places.socket, self._command)
        await ear.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self._sweeper.run(), name="sweeper"),
                    tasks.create_task(self._housekeeping.run(), name="housekeeping"),
                    tasks.create_task(self._feed_watchdog(), name="watchdog"),
                ]
                await self._runner.run()
                for helper in helpers:
                    helper.cancel()
        finally:
            if self._child:
                await self._child.stop(self._timing)  # a second time is nothing; after a defect of ours it is the first
            await ear.close()
            await asyncio.to_thread(self._classifying.stop)
            self._places.qr_picture.unlink(missing_ok=True)

    def _from_thread(self, function: Callable[[T], None]) -> Callable[[T], None]:
        """The same function, run on the loop wherever it is called from. After the loop's end nobody needs it."""

        def call(value: T) -> None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function, value)

        return call

    def _asked_to_stop(self) -> None:
        self._service.notify("STOPPING=1")
        self._stop_asked.set()
        self._runner.tell(Happened.QUIT)

    # ------------------------------------------------------------------ the child

    async def _spawn(self) -> Child:
        self._intake.new_life()
        self._bye = None
        self._live_since_ready = False
        self._storage_broken = False
        self._page_concerns.clear()
        await asyncio.to_thread(self._keeper.before_spawn)
        listener = self._settings.listener
        options = {
            "profile": str(self._places.profile.resolve()),
            "browser": str(self._browser),
            "browser_args": list(listener.browser_args),
            "user_agent": listener.user_agent or None,
            "pairing_phone": listener.pairing_phone or None,
            "presence_unavailable": listener.presence_unavailable,
            "groups": self._settings.capture.groups,
            "no_sandbox": os.geteuid() == 0,
            "instance": self._marker,
            "timing": {"heartbeat": round(self._timing.heartbeat_every * 1000)},
        }
        try:
            self._child = await Child.start(
                [str(self._node), str(ENTRY), f"--instance={self._marker}"],
                environment=environment_for(options),
                marker=self._marker,
                on_lines=self._intake.lines,
                on_oversize=self._intake.oversize,
                on_cut=self._intake.cut_short,
            )
        except CannotStart as error:
            raise OSError(str(error)) from error
        log.info("started the Node child, pid %d", self._child.pid, extra={"action": "child_started"})
        return self._child

    def _under_pressure(self, pressure: bool) -> None:
        if self._child and pressure:
            self._child.pause_reading()
        elif self._child:
            self._child.resume_reading()

    def _facts(self) -> dict[str, object]:
        """What the profile has to do with a child's end."""
        last_words = (self._bye and self._bye.detail) or ""
        return {
            "restorable": self._keeper.restorable,
            "unreachable": "net::ERR_" in last_words,
            "storage_broken": self._storage_broken,
        }

    async def _clean_up(self) -> None:
        """After a stop, and before the first start: nothing that carries our marker may live on."""
        self._keeper.stopped(well=self._child is not None and self._child.ended_well)
        leftovers = await asyncio.to_thread(tree.find_ours, self._marker)
        if leftovers:
            log.warning("killed %d processes an earlier life had left", len(leftovers), extra={"action": "orphans"})
            tree.signal_all(leftovers, signal.SIGKILL)

    # ------------------------------------------------------------------ news from the child

    def _lifecycle(self, event: Lifecycle) -> None:
        match event:
            case Hello(versions=versions):
                self._board.versions = {"leadmasterd": __version__, **versions}
                self._runner.tell(Happened.HELLO)
            case BrowserStarted(pid=pid, version=version):
                self._browser_pid = pid
                self._runner.tell(Happened.LAUNCHED)
                log.info("the browser runs, pid %s, %s", pid, version, extra={"action": "browser_started"})
            case Qr(qr=text, valid_seconds=seconds):
                self._show_code("qr", text, seconds)
                self._runner.tell(Happened.CODE_SHOWN, session_lost=self._keeper.session_lost())
            case PairingCode(code=code, valid_seconds=seconds):
                self._show_code("pairing_code", code, seconds)
                self._runner.tell(Happened.CODE_SHOWN)
            case Authenticated():
                self._forget_code()
                self._runner.tell(Happened.AUTHENTICATED)
            case Ready(account=account, fresh=fresh, web_version=web):
                self._forget_code()
                self._board.account = {"wid": account.wid, "push_name": account.push_name}
                self._board.versions["whatsapp_web"] = web
                if self._live_since_ready:
                    self._page_came_back()
                self._heard()
                self._keeper.ready(account.wid, browser=str(self._board.versions.get("browser")))
                self._runner.tell(Happened.READY, account=account.wid)
                self._sweeper.live(fresh=fresh)
            case SocketState(state=state):
                self._runner.tell(Happened.SOCKET_STATE, state=state)
                if state == "CONNECTED" and self._runner.state.phase is Phase.RECONNECTING:
                    self._sweeper.live(fresh=False)
            case Disconnected(reason=reason, logout_reason=why):
                self._runner.tell(Happened.DISCONNECTED, reason=reason, logout_reason=why)
            case Heartbeat(dropped=dropped):
                self._heard()
                self._board.counters["dropped_lines"] = dropped
            case OutboundBlocked(function=function) if function in PAGES_OWN:
                self._board.bump("presence_refused")
            case OutboundBlocked(module=module, function=function, where=where):
                self._board.bump("outbound_blocked")
                log.error("refused an attempt to send: %s.%s (%s)", module, function, where)
            case PageError(source=source, message=message):
                self._storage_broken |= STORAGE_BROKEN in message
                self._board.bump("page_errors")
                log.warning("page error (%s): %s", source, printable(message), extra={"action": "page_error"})
            case Contract(missing=missing):
                self._contract_checked(missing)
            case Dialog(text=text, button=button, dismissed=dismissed):
                self._dialog_shown(printable(text), button, dismissed=dismissed)
            case CommandError(message=message):
                log.error("the child refused a command: %s", printable(message), extra={"action": "command_error"})
            case Bye() as bye:
                self._bye = bye
                log.info(
                    "the child says bye: %s %s", bye.reason, printable(bye.detail or ""), extra={"action": "child_bye"}
                )
            case _:
                pass

    def _contract_checked(self, missing: Sequence[Missing]) -> None:
        """WhatsApp Web changes under the library; what is gone is told at once instead of going quietly deaf."""
        costs = ", ".join(sorted({each.costs for each in missing}))
        names = ", ".join(sorted({f"{each.module}.{each.function}" for each in missing}))[:300]
        self._page_concerns.pop("contract", None)
        if missing:
            self._page_concerns["contract"] = f"{costs} ({names})"
            self._note("contract", costs=costs, names=names)
        self._show_concerns()

    def _dialog_shown(self, text: str, button: str | None, *, dismissed: bool) -> None:
        """Some dialogs cost the link when nobody acknowledges them; the child clicks those it knows and no other."""
        if dismissed:
            self._page_concerns.pop("dialog", None)
            self._note("dialog_dismissed", text=text, button=button)
        else:
            self._page_concerns["dialog"] = text
            self._note("dialog", text=text)
        self._show_concerns()

    def _note(self, code: str, **values: object) -> None:
        """One line in the history and in the journal that changes no phase."""
        now = ingest.iso(datetime.now(UTC))
        self._writer.put([Item(SessionEvent(self._runner.state.phase.value, code, values), None, now)])
        log.warning("%s", sentences.because(code, values), extra={"action": code})

    def _heard(self) -> None:
        """The live path works: nothing before this moment is missing because of it."""
        self._runner.heartbeat_seen()
        self._heard_at = ingest.iso(datetime.now(UTC))

    def _page_came_back(self) -> None:
        """Ready a second time without a change of phase: the page was loaded anew, and was deaf since its last beat."""
        now = ingest.iso(datetime.now(UTC))
        self._writer.put(
            [Item(record, None, now) for record in (GapOpened("page_reloaded", self._heard_at), GapEnded())]
        )
        self._count_gaps()

    def _hole(self, missing: int) -> None:
        self._board.bump("missing_lines", missing)
        log.warning("%d lines are missing; sweeping", missing, extra={"action": "seq_hole"})
        self._sweeper.something_missing()

    def _show_code(self, kind: str, text: str, seconds: int) -> None:
        valid_until = datetime.now(UTC) + timedelta(seconds=min(max(seconds, 0), 3600))
        self._board.scan = {kind: text, "valid_until": ingest.iso(valid_until)}
        self._board.changed()
        if text == self._shown:
            return
        self._shown = text
        if kind == "qr":
            self._write_picture(text)
        show = self._presenter.code if kind == "qr" else self._presenter.pairing_code
        try:
            show(text, valid_until)
        except (OSError, ValueError) as error:  # stdout is gone, or can't show it: the picture and `qr` still can
            log.warning("cannot draw the code here: %s", error, extra={"action": "code_not_drawn"})

    def _write_picture(self, text: str) -> None:
        try:
            write_private(self._places.qr_picture, qr.png(text))
        except OSError as error:
            log.warning("cannot write %s: %s", self._places.qr_picture, error, extra={"action": "qr_unwritten"})

    def _forget_code(self) -> None:
        self._shown = None
        self._board.scan = None
        self._places.qr_picture.unlink(missing_ok=True)

    # ------------------------------------------------------------------ news from the supervisor and the store

    def _phase_changed(self, state: State) -> None:
        now = ingest.iso(datetime.now(UTC))
        values = dict(state.because.values)
        if self._bye and state.because.code == "child_died":
            values |= {"bye": self._bye.reason, "detail": self._bye.detail}
        was_live, self._live_since_ready = self._live_since_ready, state.phase is Phase.READY
        records: list[Any] = [SessionEvent(state.phase.value, state.because.code, values)]
        if was_live and not self._live_since_ready:
            self._sweeper.dead()
            records.append(GapOpened(state.because.code, now))
        elif self._live_since_ready and not was_live:
            records.append(GapEnded())
        self._writer.put([Item(record, None, now) for record in records])
        self._count_gaps()
        if state.phase is not Phase.WAITING_FOR_SCAN:
            self._forget_code()
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
        for outcome in batch.sweeps_done:
            self._sweeper.committed(outcome)
            self._count_gaps()
        if batch.heard:
            self._sweeper.heard(batch.heard)
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

    # ------------------------------------------------------------------ sweeps

    async def _plan_sweep(self, slack: Any) -> SweepPlan:
        days = self._settings.capture.first_link_days

        def make(connection: sqlite3.Connection, rows: Rows) -> SweepPlan:
            assert rows.account_id is not None, "sweeps follow `ready`, which names the account"
            return plan(connection, rows.account_id, slack, days, datetime.now(UTC))

        return await asyncio.wrap_future(self._writer.call(make))

    def _ask_sweep(self, number: int, wanted: SweepPlan) -> None:
        ignore = [entry if "@" in entry else f"{entry}@c.us" for entry in self._settings.capture_rules().ignore]
        if self._child:
            self._child.tell("sweep", sweep=number, **{"from": wanted.start}, chats=wanted.chats, ignore=ignore)

    def _found_deaf(self, messages: int) -> None:
        log.error("%d messages were not heard live", messages, extra={"action": "deaf"})
        self._runner.tell(Happened.DEAF, messages=messages)

    def _next_jobs(self) -> list[dict[str, object]]:
        jobs: list[dict[str, object]] = []
        if (due_in := self._sweeper.due_in) is not None:
            jobs.append({"job": "sweep", "at": ingest.iso(datetime.now(UTC) + timedelta(seconds=due_in))})
        for job, at in self._housekeeping.next_jobs().items():
            jobs.append({"job": job, "at": ingest.iso(at.astimezone(UTC))})
        return jobs

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
                if self._runner.state.phase is not Phase.WAITING_FOR_SCAN or self._child is None:
                    return {"ok": False, "error": "no scan is needed now, so there is no code to ask for"}
                self._child.tell("pairing_code", phone=phone)
            case other:
                return {"ok": False, "error": f"unknown command {other!r}"}
        return {"ok": True, "phase": self._runner.state.phase.value}

    # ------------------------------------------------------------------ housekeeping

    async def _load_counts(self) -> None:
        def read(connection: sqlite3.Connection, rows: Rows) -> dict[str, tuple[int, str | None]]:
            last = connection.execute("SELECT account_id, wid, push_name FROM accounts ORDER BY last_ready_at DESC")
            if account := last.fetchone():
                rows.account_id = account[0]
                self._board.account = {"wid": account[1], "push_name": account[2]}
                at = ingest.iso(datetime.now(UTC))
                since = connection.execute(
                    "SELECT max(at) FROM (SELECT max(at) AS at FROM session_events UNION ALL "
                    "SELECT last_ready_at FROM accounts WHERE account_id = ?)",
                    (account[0],),
                ).fetchone()[0]
                rows.apply([Item(GapOpened("not_listening", since or at), None, at)])
            return {
                via: (number, newest)
                for via, number, newest in connection.execute(
                    "SELECT captured_via, count(*), max(sent_at) FROM messages GROUP BY captured_via"
                )
            }

        counts = await asyncio.wrap_future(self._writer.call(read))
        capture = self._board.capture
        capture.live = counts.get("live", (0, None))[0]
        capture.sweep = counts.get("sweep", (0, None))[0]
        capture.last_message_at = max((newest for _, newest in counts.values() if newest), default=None)
        self._count_gaps()

    def _count_gaps(self) -> None:
        """Ask the store how many gaps are open; the answer arrives with the next turn of the loop."""

        def read(connection: sqlite3.Connection, rows: Rows) -> int:
            query = "SELECT count(*) FROM gaps WHERE closed_at IS NULL AND account_id = ?"
            return int(connection.execute(query, (rows.account_id,)).fetchone()[0])

        def tell(number: int) -> None:
            self._board.capture.open_gaps = number
            self._board.changed()

        future = self._writer.call(read)
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(tell, done.result()))

    async def _look_around(self) -> Seen:
        """What housekeeping judges by, and `status` shows."""
        measured, replaced = await asyncio.to_thread(lambda: (measure(self._places), was_replaced(self._browser_pid)))
        self._board.resources = measured
        self._board.changed()
        silent = await asyncio.wrap_future(self._writer.call(phone_silent_since))
        waiting = self._writer.call(lambda connection, rows: who_waits(connection, datetime.now(UTC)))
        self._know_who_waits(await asyncio.wrap_future(waiting))
        return Seen(
            tree_pss=measured.get("tree_pss_bytes", 0),
            disk_free=measured.get("disk_free_bytes"),
            browser_replaced=replaced,
            quiet_seconds=self._loop.time() - self._last_batch,
            phone_silent=datetime.now(UTC) - silent if silent else None,
        )

    def _concerned(self, concerns: Mapping[str, str]) -> None:
        for code in concerns.keys() - self._kept_concerns.keys():
            log.warning("%s", sentences.concern(code, concerns[code]), extra={"action": code})
        self._kept_concerns = concerns
        self._show_concerns()

    def _show_concerns(self) -> None:
        self._board.concerns = {**self._kept_concerns, **self._page_concerns, **self._own_concerns}
        self._board.changed()

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
