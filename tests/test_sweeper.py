"""When to sweep: whenever the live path is back, when lines are missing, and on an interval; one at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from leadmasterd.daemon.sweeper import Asked as ToPlan
from leadmasterd.daemon.sweeper import Sweeper
from leadmasterd.store.records import SweepOutcome, WhyHeld
from leadmasterd.store.sweep_plan import CATCH_UP_SLACK, PERIODIC_SLACK, SweepPlan
from leadmasterd.supervisor.timing import Timing
from leadmasterd.wire.events import SweepDone
from tests.waiting import LIMIT, until

TIMING = replace(
    Timing(), sweep_settle=0.01, sweep_interval=0.02, sweep_timeout=1, settle_after_pairing=0.3, status_every=1
)
PATIENT = replace(TIMING, sweep_interval=60)


def done(
    number: int,
    *,
    failed: int = 0,
    error: str | None = None,
    undelivered: int = 0,
    young: frozenset[int] = frozenset(),
    watermark_held: WhyHeld | None = None,
) -> SweepOutcome:
    """The child's last line about a sweep and what the sweep found, as committed."""
    return SweepOutcome(SweepDone(1, number, 0, 1, 1, 0, failed, None, None, error), undelivered, young, watermark_held)


class Asked:
    """A sweeper and the sweeps it requested."""

    def __init__(self, timing: Timing) -> None:
        self.slacks: list[timedelta] = []
        self.look_backs: list[int] = []
        self.numbers: list[int] = []
        self.answer: Callable[[int], SweepOutcome | None] = done
        self.planning = asyncio.Event()
        self.may_plan = asyncio.Event()
        self.may_plan.set()
        self.stalled: list[int] = []
        self.sweeper = Sweeper(timing, make_plan=self._plan, ask_child=self._ask, on_stalled=self.stalled.append)

    async def _plan(self, asked: ToPlan) -> SweepPlan:
        self.slacks.append(asked.slack)
        if asked.looks_back:
            self.look_backs.append(asked.number)
        self.planning.set()
        await self.may_plan.wait()
        return SweepPlan(0, {})

    def _ask(self, number: int, _plan: SweepPlan) -> None:
        self.numbers.append(number)
        answer = self.answer(number)
        if answer:
            asyncio.get_running_loop().call_soon(self.sweeper.committed, answer)


@asynccontextmanager
async def sweeping(timing: Timing = TIMING) -> AsyncIterator[Asked]:
    """A running sweeper."""
    asked = Asked(timing)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(asked.sweeper.run(), name="sweeper")
        yield asked
        task.cancel()


async def test_nothing_is_asked_without_a_live_path() -> None:
    """Listeners are attached first, then sweeps start."""
    async with sweeping() as asked:
        asked.sweeper.something_missing()
        await asyncio.sleep(0.1)
        assert asked.numbers == []
        assert asked.sweeper.due_in is None


async def test_after_the_live_path_is_back_it_catches_up_and_then_looks_on_an_interval() -> None:
    """The first sweep looks further back than the others; sweep numbers increase."""
    async with sweeping() as asked:
        asked.sweeper.live(fresh=False)
        await until(lambda: len(asked.numbers) >= 3)
        assert asked.numbers[:3] == [1, 2, 3]
        assert asked.slacks[:3] == [CATCH_UP_SLACK, PERIODIC_SLACK, PERIODIC_SLACK]


async def test_after_a_fresh_pairing_it_only_listens_for_a_while() -> None:
    """A busy new companion may be unlinked by the phone. Neither missing lines nor another ready shortens this time."""
    async with sweeping() as asked:
        loop = asyncio.get_running_loop()
        paired = loop.time()
        asked.sweeper.live(fresh=True)
        asked.sweeper.something_missing()
        asked.sweeper.live(fresh=False)
        assert (asked.sweeper.due_in or 0) > TIMING.settle_after_pairing / 2
        await until(lambda: asked.numbers)
        assert loop.time() - paired >= TIMING.settle_after_pairing


async def test_missing_lines_are_looked_for_at_once_and_far_back() -> None:
    """It does not wait for the next interval."""
    async with sweeping(PATIENT) as asked:
        asked.sweeper.live(fresh=False)
        await until(lambda: asked.sweeper.due_in and asked.sweeper.due_in > 1)
        asked.sweeper.something_missing()
        await until(lambda: len(asked.numbers) == 2)
        assert asked.slacks == [CATCH_UP_SLACK, CATCH_UP_SLACK]


async def test_a_sweep_that_failed_is_made_again_as_far_back() -> None:
    """This repeats until one succeeds."""
    answers: dict[int, SweepOutcome | None] = {1: done(1, failed=1), 2: done(2, error="page gone"), 3: None}
    async with sweeping() as asked:
        asked.answer = lambda number: answers.get(number, done(number))
        asked.sweeper.live(fresh=False)
        await until(lambda: len(asked.slacks) >= 5)
        assert asked.slacks[:5] == [*[CATCH_UP_SLACK] * 4, PERIODIC_SLACK]


async def test_a_sweep_that_draws_no_line_is_followed_by_one_as_far_back() -> None:
    """While the history of a new link is arriving, older messages may come at any time."""
    async with sweeping() as asked:
        asked.answer = lambda number: done(number, watermark_held="history_incomplete")
        asked.sweeper.live(fresh=False)
        await until(lambda: len(asked.slacks) >= 3)
        asked.answer = done
        await until(lambda: PERIODIC_SLACK in asked.slacks)
        assert set(asked.slacks[:3]) == {CATCH_UP_SLACK}


async def test_once_a_day_a_sweep_looks_for_changes_of_the_last_two_days() -> None:
    """The first sweep does, and one each day after; if it fails, the next one does."""
    async with sweeping(replace(TIMING, look_back_every=0.2)) as asked:
        asked.answer = lambda number: done(number, failed=1 if number == 1 else 0)
        asked.sweeper.live(fresh=False)
        await until(lambda: len(asked.look_backs) >= 3)
        first, second, third = asked.look_backs[:3]
        assert (first, second) == (1, 2)
        assert third > 4


async def test_one_sweep_at_a_time() -> None:
    """Another sweep's answer does not count."""
    async with sweeping(replace(PATIENT, sweep_timeout=60)) as asked:
        asked.answer = lambda _: None
        asked.sweeper.live(fresh=False)
        await until(lambda: asked.numbers == [1])
        asked.sweeper.something_missing()
        asked.sweeper.committed(done(7))
        await asyncio.sleep(0.05)
        assert asked.numbers == [1]
        asked.sweeper.committed(done(1))
        await until(lambda: asked.sweeper.due_in and asked.sweeper.due_in > 1)


async def test_a_live_path_that_goes_ends_the_wait_and_the_next_catches_up() -> None:
    """A sweep that was running when the child died does not count."""
    async with sweeping(replace(TIMING, sweep_timeout=60)) as asked:
        asked.answer = lambda _: None
        asked.sweeper.live(fresh=False)
        await until(lambda: asked.numbers == [1])
        asked.sweeper.dead()
        asked.answer = done
        await asyncio.sleep(0.05)
        assert asked.numbers == [1]
        asked.sweeper.live(fresh=False)
        await until(lambda: len(asked.numbers) >= 2)
        assert asked.slacks[1] == CATCH_UP_SLACK


async def test_a_live_path_that_goes_while_planning_asks_nobody() -> None:
    """No child would answer, and the next catch-up must not wait for that."""
    async with sweeping(replace(TIMING, sweep_timeout=60)) as asked:
        asked.may_plan.clear()
        asked.sweeper.live(fresh=False)
        await asyncio.wait_for(asked.planning.wait(), LIMIT)
        asked.sweeper.dead()
        asked.may_plan.set()
        await asyncio.sleep(0.02)
        assert asked.numbers == []
        asked.sweeper.live(fresh=False)
        await until(lambda: asked.numbers)
        assert asked.slacks[-1] in (CATCH_UP_SLACK, PERIODIC_SLACK)
        assert asked.slacks[1] == CATCH_UP_SLACK


def test_the_catch_up_reaches_further_than_the_look_each_minute() -> None:
    """After a gap, queued messages may have much older times."""
    assert timedelta(0) < PERIODIC_SLACK < CATCH_UP_SLACK


async def test_what_a_catch_up_finds_is_no_deafness() -> None:
    """Right after a gap the page always has messages that we do not."""
    async with sweeping() as asked:
        asked.answer = lambda number: done(number, undelivered=50 if number == 1 else 0)
        asked.sweeper.live(fresh=False)
        await until(lambda: len(asked.numbers) >= 4)
        assert asked.stalled == []


async def test_an_old_message_that_no_live_line_brought_is_deafness() -> None:
    """A sweep found it while the connection was good."""
    async with sweeping() as asked:
        asked.answer = lambda number: done(number, undelivered=2 if number == 3 else 0)
        asked.sweeper.live(fresh=False)
        await until(lambda: asked.stalled)
        assert asked.stalled == [2]


async def test_a_young_message_gets_until_the_next_sweep_to_come_live() -> None:
    """If its live line still comes, delivery works; if not, the next sweep reports it."""
    async with sweeping(replace(TIMING, sweep_interval=0.1)) as asked:
        young = {2: frozenset({11}), 4: frozenset({12})}
        asked.answer = lambda number: done(number, young=young.get(number, frozenset()))
        asked.sweeper.live(fresh=False)
        await until(lambda: asked.sweeper._suspects)
        asked.sweeper.delivered({11})
        await until(lambda: len(asked.numbers) >= 4)
        assert asked.stalled == []
        await until(lambda: asked.stalled)
        assert asked.stalled == [1]
        assert len(asked.numbers) == 5


async def test_a_cancellation_that_comes_with_an_answer_is_not_lost() -> None:
    """Otherwise a daemon asked to stop at that moment would never stop."""
    for _ in range(50):
        asked = Asked(PATIENT)
        asked.answer = lambda _: None
        asked.sweeper.live(fresh=False)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(asked.sweeper.run(), name="sweeper")
            await until(lambda asked=asked: asked.numbers)  # type: ignore[misc]
            asked.sweeper.committed(done(1))
            task.cancel()
            async with asyncio.timeout(LIMIT):
                await asyncio.wait([task])
