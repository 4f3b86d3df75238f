"""When to sweep (backfill): whenever the live path is back, when lines are missing, and on a short interval.

Times are on the monotonic clock, not by the calendar. Live delivery begins first and the sweep is asked for afterwards,
so nothing falls between the two. After a fresh pairing there is a period of grace, because the phone unlinks companions
that misbehave. A sweep after a gap is a catch-up: it begins further back than a periodic one.
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
    """Asks for sweeps while there is a live path, one at a time.

    `make_plan` plans a sweep, and raises DatabaseDamaged. `ask_child` sends the child its number and plan. `on_stalled`
    gets the number of messages that live delivery should have brought and did not.
    """

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
        """Messages of the last sweep that were too young to judge, and that live delivery has not brought since."""
        self._asked = 0
        self._due: float | None = None
        """When the next sweep is due; None while there is no live path."""
        self._catch_up = True
        """Whether the next sweep must be a catch-up."""
        self._look_back_at = 0.0
        """When the next sweep is due that also looks for revocations of the last days."""
        self._grace_until = 0.0
        """Until when no sweep is asked for, after a fresh pairing."""
        self._changed = asyncio.Event()
        """`_due` has changed."""
        self._running: tuple[int, asyncio.Future[SweepOutcome | None]] | None = None
        """The sweep under way: its number, and a future for its outcome, which is None if the live path goes down."""

    @property
    def due_in(self) -> float | None:
        """Seconds until the next sweep; None when there is no live path."""
        return None if self._due is None else max(0.0, self._due - asyncio.get_running_loop().time())

    @property
    def asked(self) -> int:
        """The number of the last sweep that was planned. The child may still be at an earlier one."""
        return self._asked

    def live(self, *, fresh: bool) -> None:
        """The live path is up (again): catch up soon; after a `fresh` link, when the period of grace is over."""
        now = asyncio.get_running_loop().time()
        if fresh:
            self._grace_until = now + self._timing.settle_after_pairing
        self._catch_up = True
        self._set_due(now + self._timing.sweep_settle)

    def dead(self) -> None:
        """The live path is down: no sweep is due, and a sweep under way ends without an outcome."""
        self._due = None
        self._changed.set()
        if self._running:
            _number, answer = self._running
            if not answer.done():
                answer.set_result(None)

    def something_missing(self) -> None:
        """Lines were lost: sweep now, as far back as after a gap."""
        self._catch_up = True
        if self._due is not None:
            self._set_due(asyncio.get_running_loop().time())

    def committed(self, outcome: SweepOutcome) -> None:
        """The last line of a sweep is in the database, and so is all before it. Ignored if that sweep was given up."""
        if self._running is None:
            return
        number, answer = self._running
        if number == outcome.done.sweep and not answer.done():
            answer.set_result(outcome)

    def delivered(self, message_ids: set[int]) -> None:
        """These messages were delivered live after all."""
        self._suspects -= message_ids

    def _judge(self, outcome: SweepOutcome) -> None:
        """Report stalled delivery if messages are known that should have come live by now.

        These are the messages that this periodic sweep brought, if they are old enough, and the suspects of the last
        one. Silence alone proves nothing: there may be no messages.
        """
        undelivered = outcome.undelivered + len(self._suspects)
        if undelivered:
            # Young messages need no judgement then: the child is restarted, and a catch-up drops all suspects.
            self._suspects = frozenset()
            self._on_stalled(undelivered)
        else:
            self._suspects = outcome.young

    async def run(self) -> None:
        """Sweep whenever a sweep is due, until cancelled."""
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(self._due):
                    await self._changed.wait()  # then `_due` has another value to wait for
            except TimeoutError:
                await self._sweep()

    def _set_due(self, at: float) -> None:
        """Plan the next sweep for this time, or for the end of the period of grace if that is later."""
        self._due = max(at, self._grace_until)
        self._changed.set()

    async def _sweep(self) -> None:
        """Do one sweep. If it is a catch-up and moves no watermark, the next sweep is a catch-up again."""
        loop = asyncio.get_running_loop()
        catching_up = self._catch_up
        self._catch_up = False  # while this sweep runs, `live` and `something_missing` may ask for another catch-up
        looks_back = loop.time() >= self._look_back_at
        self._asked += 1
        slack = CATCH_UP_SLACK if catching_up else PERIODIC_SLACK
        outcome = await self._outcome_of(Asked(self._asked, slack, looks_back))
        if outcome and catching_up:
            self._suspects = frozenset()  # a catch-up always brings messages that did not come live
        elif outcome:
            self._judge(outcome)
        complete = outcome is not None and _is_complete(outcome)
        moved_watermark = outcome is not None and complete and outcome.watermark_held is None
        if complete and looks_back:
            self._look_back_at = loop.time() + self._timing.look_back_every
        if catching_up and not moved_watermark:
            self._catch_up = True
        if self._due is not None:
            self._set_due(loop.time() + self._timing.sweep_interval)

    async def _outcome_of(self, asked: Asked) -> SweepOutcome | None:
        """Have the child do this sweep, and wait for its outcome.

        None: it could not be planned, timed out, or the live path went down.
        """
        try:
            plan = await self._make_plan(asked)
        except DatabaseDamaged as error:
            log.warning("cannot plan sweep %d: %s", asked.number, error, extra={"action": "sweep_unplanned"})
            return None
        if self._due is None:  # the live path went down meanwhile: nobody would answer
            return None
        answer: asyncio.Future[SweepOutcome | None] = asyncio.get_running_loop().create_future()
        self._running = (asked.number, answer)
        self._ask_child(asked.number, plan)
        try:
            async with asyncio.timeout(self._timing.sweep_timeout):
                outcome = await answer
        except TimeoutError:
            log.warning("sweep %d timed out", asked.number, extra={"action": "sweep_timeout"})
            return None
        finally:
            self._running = None
        if outcome:
            _log_shortcomings(outcome)
        return outcome


def _is_complete(outcome: SweepOutcome) -> bool:
    """Whether the child could read every chat that it was to look at."""
    return not outcome.done.error and not outcome.done.failed


def _log_shortcomings(outcome: SweepOutcome) -> None:
    """Log that a sweep was not complete, or that a complete one moved no watermark; nothing otherwise."""
    done = outcome.done
    if not _is_complete(outcome):
        log.warning(
            "sweep %d: %d of %d chats could not be read (%s); retrying",
            done.sweep,
            done.failed,
            done.looked_at,
            done.error or "see sweep_chat",
            extra={"action": "sweep_failed"},
        )
    elif outcome.watermark_held:
        log.info(
            "sweep %d moved no watermark: the recent history of the new link is not complete yet"
            if outcome.watermark_held == "history_incomplete"
            else "sweep %d moved no watermark: lines of it may be missing",
            done.sweep,
            extra={"action": "sweep_without_line"},
        )
