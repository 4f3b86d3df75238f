"""The runner does what the table says: it spawns, stops and waits, with at most one child."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from leadmasterd.supervisor.inbox import Inbox
from leadmasterd.supervisor.machine import Effect, Facts, Happened, Phase, State
from leadmasterd.supervisor.runner import Runner
from leadmasterd.supervisor.timing import Timing
from tests.children import FakeChild
from tests.waiting import until

SLOW = Timing()
FAST = replace(SLOW, backoff_first=0.01, backoff_max=0.02)


class World:
    """A runner with fake children, and everything that happened in order."""

    def __init__(self, timing: Timing, *, start_paused: bool = False, ban: Mapping[str, object] | None = None) -> None:
        self.log: list[str] = []
        self.children: list[FakeChild] = []
        self.states: list[State] = []
        self.cannot_spawn = 0
        self.busy = False
        self.forgiven = 0
        self.facts = Facts(ban_seconds=3600.0 if ban else None)
        self.changed = asyncio.Event()
        self.inbox = Inbox()
        self.runner = Runner(
            timing,
            self.inbox,
            spawn=self._spawn,
            clean_up=self._clean_up,
            chores={Effect.QUARANTINE_PROFILE: self._quarantine},
            on_change=self._note,
            on_forgiven=self._forgive,
            current_facts=lambda: self.facts,
            start_values=ban or {},
            reading_paused=lambda: self.busy,
            start_paused=start_paused,
        )

    def _note(self, state: State) -> None:
        self.states.append(state)
        self.log.append(state.phase.value)
        self.changed.set()

    def _forgive(self) -> None:
        self.forgiven += 1

    async def _spawn(self) -> FakeChild:
        if self.cannot_spawn:
            self.cannot_spawn -= 1
            raise OSError("no such program")
        child = FakeChild(self.log, f"child {len(self.children) + 1}")
        self.children.append(child)
        self.log.append(f"spawn {child.name}")
        return child

    async def _clean_up(self) -> None:
        self.log.append("clean up")

    async def _quarantine(self) -> None:
        self.log.append("quarantine")

    async def reach(self, phase: Phase) -> State:
        """Wait for a phase."""
        await until(lambda: self.runner.state.phase is phase)
        return self.runner.state

    async def listen(self) -> None:
        """Take the child to ready."""
        await until(lambda: self.children and self.runner.state.phase is Phase.STARTING)
        for happened in (Happened.HELLO, Happened.AUTHENTICATED, Happened.READY):
            self.inbox.post(happened)
        self.inbox.heartbeat()
        await self.reach(Phase.READY)


@asynccontextmanager
async def running(
    timing: Timing = SLOW, *, start_paused: bool = False, ban: Mapping[str, object] | None = None
) -> AsyncIterator[World]:
    """A running runner, which is asked to stop at the end."""
    world = World(timing, start_paused=start_paused, ban=ban)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.runner.run(), name="runner")
        yield world
        for child in world.children:
            child.may_stop.set()
        world.inbox.post(Happened.QUIT)
        await world.reach(Phase.STOPPED)


async def test_it_starts_and_stops_in_good_order() -> None:
    """There was one child, and its tree is gone and cleaned up before the runner ends."""
    async with running() as world:
        await world.listen()
    assert world.log == [
        "starting",
        "spawn child 1",
        "syncing",
        "ready",
        "stopping",
        "stop child 1",
        "gone child 1",
        "clean up",
        "stopped",
    ]


async def test_a_child_that_dies_is_followed_by_another() -> None:
    """First its tree is stopped, then the runner waits, then it starts another."""
    async with running(FAST) as world:
        await world.listen()
        world.children[0].exit(70)
        await until(lambda: len(world.children) == 2)
        assert world.log.index("gone child 1") < world.log.index("backing_off") < world.log.index("spawn child 2")
        stopping = next(state for state in world.states if state.phase is Phase.STOPPING)
        assert stopping.because.values == {"exit_code": 70}


async def test_nothing_is_spawned_while_a_tree_is_still_dying() -> None:
    """The child's last line and its exit come at once, but only the end of the whole tree counts."""
    async with running(FAST) as world:
        await world.listen()
        first = world.children[0]
        first.may_stop.clear()
        world.inbox.post(Happened.LOGGED_OUT, reason="LOGOUT")
        world.inbox.post(Happened.EXITED, exit_code=70)
        first.exit(70)
        await until(lambda: "stop child 1" in world.log)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(world.children) == 1
        assert world.runner.state.phase is Phase.STOPPING
        first.may_stop.set()
        await until(lambda: len(world.children) == 2)
        after = world.log[world.log.index("gone child 1") :]
        assert after[:5] == ["gone child 1", "clean up", "starting", "quarantine", "spawn child 2"]


async def test_a_program_that_can_not_be_spawned_is_tried_again() -> None:
    """It backs off as after a crash."""
    async with running(FAST) as world:
        world.cannot_spawn = 3
        await until(lambda: world.children)
        assert world.log.count("backing_off") == 3
        assert (
            next(state for state in world.states if state.phase is Phase.BACKING_OFF).because.values["detail"]
            == "no such program"
        )


async def test_a_pause_lasts_and_resume_ends_it() -> None:
    """While paused there is no child."""
    async with running(FAST) as world:
        await world.listen()
        world.inbox.post(Happened.PAUSE)
        await world.reach(Phase.PAUSED)
        world.inbox.post(Happened.RESTART)
        world.inbox.post(Happened.RESUME)
        await until(lambda: len(world.children) == 2)


async def test_it_can_start_paused() -> None:
    """A pause survives a restart of the daemon."""
    async with running(start_paused=True) as world:
        await until(lambda: world.states)
        assert (world.runner.state.phase, world.runner.state.because.code) == (Phase.PAUSED, "paused")
        assert world.children == []


async def test_a_ban_that_outlived_the_daemon_is_told_and_nothing_starts() -> None:
    """Nothing starts until the ban is over or a person says so."""
    async with running(ban={"expires": 1795435200}) as world:
        state = await world.reach(Phase.HALTED)
        assert (state.because.code, state.because.values) == ("temporary_ban", {"expires": 1795435200})
        assert world.children == []
        world.facts = Facts()
        world.inbox.post(Happened.RESUME)
        await until(lambda: world.children)


async def test_forgiveness_is_told_once_and_only_when_there_was_something_to_forgive() -> None:
    """A warning may be cleared by it."""
    async with running(replace(FAST, calm_period=0.05)) as world:
        await world.listen()
        await asyncio.sleep(0.1)
        assert world.forgiven == 0
        world.children[0].exit(70)
        await until(lambda: len(world.children) == 2)
        await world.listen()
        await until(lambda: world.forgiven)
        world.inbox.post(Happened.READY)
        await asyncio.sleep(0.1)
        assert world.forgiven == 1


async def test_a_restart_that_is_asked_for_waits_for_nothing() -> None:
    """It never backs off, however often it is requested."""
    async with running(SLOW) as world:
        for number in range(1, 4):
            await world.listen()
            world.inbox.post(Happened.RESTART)
            await until(lambda wanted=number + 1: len(world.children) == wanted)  # type: ignore[misc]
        assert "backing_off" not in world.log


async def test_a_deadline_that_passes_stops_the_child() -> None:
    """The child never says hello."""
    async with running(replace(FAST, hello_timeout=0.01)) as world:
        await until(lambda: any(state.because.code == "start_took_too_long" for state in world.states))


async def test_an_event_in_time_disarms_the_deadline() -> None:
    """The timer belongs to the phase that set it."""
    async with running(replace(SLOW, hello_timeout=1, start_timeout=60)) as world:
        await until(lambda: world.children)
        started = world.runner.state.timer_at
        world.inbox.post(Happened.CODE_SHOWN)
        await world.reach(Phase.WAITING_FOR_SCAN)
        assert started is not None
        await asyncio.sleep(max(0.0, started - asyncio.get_running_loop().time()) + 0.02)
        assert world.runner.state.phase is Phase.WAITING_FOR_SCAN


PULSE = replace(FAST, heartbeat_timeout=0.05)


async def test_two_missed_heartbeats_end_the_child(caplog: pytest.LogCaptureFixture) -> None:
    """The first one is only logged."""
    async with running(PULSE) as world:
        await world.listen()
        since = time.monotonic()
        world.inbox.heartbeat()
        await until(lambda: any(state.because.code == "heartbeat_lost" for state in world.states))
        assert time.monotonic() - since >= 2 * PULSE.heartbeat_timeout * 0.9
        lost_at = time.time()
    # logged more than once if our own loop was late in between; the last time a full timeout before the end
    assert {record.action for record in caplog.records} == {"heartbeat_missed"}  # type: ignore[attr-defined]
    assert lost_at - caplog.records[-1].created >= PULSE.heartbeat_timeout * 0.9


async def test_a_heartbeat_now_and_then_keeps_the_child() -> None:
    """Each heartbeat restarts the timer."""
    async with running(PULSE) as world:
        await world.listen()
        until = time.monotonic() + 8 * PULSE.heartbeat_timeout
        while time.monotonic() < until:
            world.inbox.heartbeat()
            await asyncio.sleep(PULSE.heartbeat_timeout / 5)
        assert world.runner.state.phase is Phase.READY


async def test_a_round_in_which_our_own_loop_was_late_counts_for_nothing() -> None:
    """We were not listening, so the child is not to blame."""
    async with running(PULSE) as world:
        await world.listen()
        for _ in range(6):
            for _turn in range(5):
                await asyncio.sleep(0)
            time.sleep(PULSE.heartbeat_timeout * 1.7)  # noqa: ASYNC251 - that is the fault
        assert all(state.because.code != "heartbeat_lost" for state in world.states)
        assert len(world.children) == 1


async def test_silence_is_excused_while_we_do_not_read() -> None:
    """With a full disk we stop reading, so the child is not to blame."""
    async with running(PULSE) as world:
        await world.listen()
        world.busy = True
        await asyncio.sleep(5 * PULSE.heartbeat_timeout)
        assert world.runner.state.phase is Phase.READY
        world.busy = False
        await until(lambda: any(state.because.code == "heartbeat_lost" for state in world.states))


async def test_no_heartbeat_is_expected_before_ready() -> None:
    """A first sync may be silent for minutes, and killing it would cost the link."""
    async with running(PULSE) as world:
        await until(lambda: world.children)
        world.inbox.post(Happened.AUTHENTICATED)
        await asyncio.sleep(5 * PULSE.heartbeat_timeout)
        assert world.runner.state.phase is Phase.SYNCING
