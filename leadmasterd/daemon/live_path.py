"""Whether messages are heard as they come. Where they were not there is a gap, until a sweep has filled it."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from leadmasterd import times
from leadmasterd.daemon.status import StatusBoard
from leadmasterd.daemon.sweeper import Sweeper
from leadmasterd.settings.model import Settings
from leadmasterd.store.records import BatchResult, GapEnded, GapOpened, Item
from leadmasterd.store.rows import Rows
from leadmasterd.store.start import open_gaps, take_up
from leadmasterd.store.sweep_plan import SweepPlan, plan
from leadmasterd.store.writer import Writer
from leadmasterd.supervisor.machine import Happened, Phase, State
from leadmasterd.supervisor.runner import Runner

log = logging.getLogger(__name__)


class LivePath:
    """Hears of all that tells whether it is there. `tell_child` sends a command, if there is a child."""

    def __init__(
        self,
        settings: Settings,
        writer: Writer,
        board: StatusBoard,
        runner: Runner,
        *,
        tell_child: Callable[..., None],
    ) -> None:
        self._first_link_days = settings.capture.first_link_days
        self._ignored = settings.capture_rules().ignore
        self._writer = writer
        self._board = board
        self._runner = runner
        self._tell_child = tell_child
        self._live = False
        self._heard_at = ""
        self.sweeper = Sweeper(
            settings.timing(), make_plan=self._plan_sweep, ask_child=self._ask_sweep, on_deaf=self._found_deaf
        )

    async def take_up(self) -> None:
        """Where an earlier life left off."""
        found = await asyncio.wrap_future(
            self._writer.call(lambda connection, rows: take_up(connection, rows, datetime.now(UTC)))
        )
        self._board.account = found.account
        self._board.capture.live = found.live
        self._board.capture.sweep = found.sweep
        self._board.capture.last_message_at = found.last_message_at
        self.count_gaps()

    def new_child(self) -> None:
        """It hears nothing yet."""
        self._live = False

    def heard(self) -> None:
        """The live path works: nothing before this moment is missing because of it."""
        self._runner.heartbeat_seen()
        self._heard_at = times.iso(datetime.now(UTC))

    def ready(self) -> None:
        """A second time without a change of phase: the page was loaded anew, and was deaf since its last beat."""
        if self._live:
            now = times.iso(datetime.now(UTC))
            gap = (GapOpened("page_reloaded", self._heard_at), GapEnded())
            self._writer.put([Item(record, None, now) for record in gap])
            self.count_gaps()
        self.heard()

    def phase_changed(self, state: State, at: str) -> list[GapOpened | GapEnded]:
        """What is to be written of it, beside the change itself."""
        was_live, self._live = self._live, state.phase is Phase.READY
        if was_live and not self._live:
            self.sweeper.dead()
            return [GapOpened(state.because.code, at)]
        return [GapEnded()] if self._live and not was_live else []

    def hole(self, missing: int) -> None:
        """So many lines never came."""
        self._board.bump("missing_lines", missing)
        log.warning("%d lines are missing; sweeping", missing, extra={"action": "seq_hole"})
        self.sweeper.something_missing()

    def committed(self, batch: BatchResult) -> None:
        """Sweeps of this batch are over, and messages of it were heard after all."""
        for outcome in batch.sweeps_done:
            self.sweeper.committed(outcome)
            self.count_gaps()
        if batch.heard:
            self.sweeper.heard(batch.heard)

    def count_gaps(self) -> None:
        """Ask the store how many gaps are open; the answer arrives with the next turn of the loop."""
        loop = asyncio.get_running_loop()

        def tell(number: int) -> None:
            self._board.capture.open_gaps = number
            self._board.changed()

        def answered(done: Future[int]) -> None:
            loop.call_soon_threadsafe(tell, done.result())

        self._writer.call(open_gaps).add_done_callback(answered)

    async def _plan_sweep(self, slack: Any) -> SweepPlan:
        def make(connection: sqlite3.Connection, rows: Rows) -> SweepPlan:
            assert rows.account_id is not None, "sweeps follow `ready`, which names the account"
            return plan(connection, rows.account_id, slack, self._first_link_days, datetime.now(UTC))

        return await asyncio.wrap_future(self._writer.call(make))

    def _ask_sweep(self, number: int, wanted: SweepPlan) -> None:
        ignore = [entry if "@" in entry else f"{entry}@c.us" for entry in self._ignored]
        self._tell_child("sweep", sweep=number, **{"from": wanted.start}, chats=wanted.chats, ignore=ignore)

    def _found_deaf(self, messages: int) -> None:
        log.error("%d messages were not heard live", messages, extra={"action": "deaf"})
        self._runner.tell(Happened.DEAF, messages=messages)
