"""When to sweep (backfill): whenever the live path is back, when lines are missing, and on a short interval.

On the monotonic clock, not by the calendar. The child attaches first and is asked to sweep afterwards, so nothing falls
between the two. After a fresh pairing there is a period of grace, because the phone unlinks companions that misbehave.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from leadmasterd.errors import DatabaseDamaged
from leadmasterd.store.records import SweepOutcome
from leadmasterd.store.sweep_plan import CATCH_UP_SLACK, PERIODIC_SLACK, SweepPlan
from leadmasterd.supervisor.timing import Timing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A sweep to plan: its number, how far before the watermark it starts, and whether it looks back for changes."""

    number: int
    slack: timedelta
    looks_back: bool = False


class Sweeper:
    """Asks for sweeps while there is a live path, one at a time."""

    def __init__(
        self,
        timing: Timing,
        *,
        make_plan: Callable[[Asked], Awaitable[SweepPlan]],
        ask_child: Callable[[int, SweepPlan], None],
        on_stalled: Callable[[int], None],
    ) -> None:
        self._timing = timing
        self._make_plan = make_plan
        self._ask_child = ask_child
        self._on_stalled = on_stalled
        self._suspects: frozenset[int] = frozenset()
        self._asked = 0
        self._due: float | None = None
        self._catch_up = True
        self._look_back_at = 0.0
        self._grace_until = 0.0
        self._changed = asyncio.Event()
        self._running: tuple[int, asyncio.Future[SweepOutcome | None]] | None = None

    @property
    def due_in(self) -> float | None:
        """Seconds until the next sweep; None when there is no live path."""
        return None if self._due is None else max(0.0, self._due - asyncio.get_running_loop().time())

    @property
    def asked(self) -> int:
        """The number of the last sweep that was planned. The child may still be at an earlier one."""
        return self._asked

    def live(self, *, fresh: bool) -> None:
        """The live path is up (again): catch up soon, or later if the link is fresh."""
        now = asyncio.get_running_loop().time()
        if fresh:
            self._grace_until = now + self._timing.settle_after_pairing
        self._catch_up = True
        self._set_due(now + self._timing.sweep_settle)

    def dead(self) -> None:
        """The live path is down, and with it the sweep under way."""
        self._due = None
        self._changed.set()
        if self._running:
            _, answer = self._running
            if not answer.done():
                answer.set_result(None)

    def something_missing(self) -> None:
        """Lines were lost: sweep now, as far back as after a gap."""
        self._catch_up = True
        if self._due is not None:
            self._set_due(asyncio.get_running_loop().time())

    def committed(self, outcome: SweepOutcome) -> None:
        """The last line of a sweep is in the database, and so is everything before it."""
        if self._running and self._running[0] == outcome.done.sweep and not self._running[1].done():
            self._running[1].set_result(outcome)

    def delivered(self, message_ids: set[int]) -> None:
        """These messages were delivered live after all."""
        self._suspects -= message_ids

    def _judge(self, outcome: SweepOutcome) -> None:
        """Quiet is not deaf. Delivery has stalled when the page knows messages that no live line brought.

        Right after a gap it always does, so a catch-up proves nothing.
        """
        undelivered = outcome.undelivered + len(self._suspects)
        self._suspects = outcome.young
        if undelivered:
            self._suspects = frozenset()
            self._on_stalled(undelivered)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(self._due):
                    await self._changed.wait()
            except TimeoutError:
                await self._sweep()

    def _set_due(self, at: float) -> None:
        self._due = max(at, self._grace_until)
        self._changed.set()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        catching_up, self._catch_up = self._catch_up, False
        self._asked += 1
        number, looks_back = self._asked, loop.time() >= self._look_back_at
        try:
            plan = await self._make_plan(Asked(number, CATCH_UP_SLACK if catching_up else PERIODIC_SLACK, looks_back))
        except DatabaseDamaged as error:
            log.warning("cannot plan sweep %d: %s", number, error, extra={"action": "sweep_unplanned"})
            self._catch_up = self._catch_up or catching_up
            if self._due is not None:
                self._set_due(loop.time() + self._timing.sweep_interval)
            return
        if self._due is None:  # the live path went down meanwhile: nobody would answer
            self._catch_up = self._catch_up or catching_up
            return
        answer: asyncio.Future[SweepOutcome | None] = loop.create_future()
        self._running = (number, answer)
        self._ask_child(number, plan)
        try:
            async with asyncio.timeout(self._timing.sweep_timeout):
                outcome = await answer
        except TimeoutError:
            outcome = None
            log.warning("sweep %d timed out", number, extra={"action": "sweep_timeout"})
        finally:
            self._running = None
        if outcome and catching_up:
            self._suspects = frozenset()
        elif outcome:
            self._judge(outcome)
        if outcome is None or outcome.done.error or outcome.done.failed:
            self._catch_up = self._catch_up or catching_up
            if outcome is not None:
                log.warning(
                    "sweep %d: %d of %d chats could not be read (%s); retrying",
                    number,
                    outcome.done.failed,
                    outcome.done.looked_at,
                    outcome.done.error or "see sweep_chat",
                    extra={"action": "sweep_failed"},
                )
        else:
            if looks_back:
                self._look_back_at = loop.time() + self._timing.look_back_every
            if outcome.watermark_held:
                self._catch_up = self._catch_up or catching_up
                log.info(
                    "sweep %d moved no watermark: the recent history of the new link is not complete yet"
                    if outcome.watermark_held == "history_incomplete"
                    else "sweep %d moved no watermark: lines of it may be missing",
                    number,
                    extra={"action": "sweep_without_line"},
                )
        if self._due is not None:
            self._set_due(loop.time() + self._timing.sweep_interval)
