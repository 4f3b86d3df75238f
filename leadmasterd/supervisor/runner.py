"""Carries out what the machine decides: spawns, stops, waits, and tells the machine what happened.

One queue of events, one timer, one child at most. No decision is made here.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from leadmasterd.reasons import Reason
from leadmasterd.supervisor import machine
from leadmasterd.supervisor.machine import Effect, Event, Happened, Phase, State
from leadmasterd.supervisor.timing import Timing

log = logging.getLogger(__name__)

_LIVE: Final = frozenset({Phase.READY, Phase.RECONNECTING})


class Stoppable(Protocol):
    """A child as the runner needs it."""

    exited: "asyncio.Task[int]"

    async def stop(self, timing: Timing) -> object:
        """End the whole tree."""


class Runner:
    """The supervisor, running. `tell` may be called at any time from the loop's thread.

    `chores` are done with the profile while no child lives; they see to their own errors. `facts` adds what else is
    known when a child exits or takes too long; `excused` says that no heartbeat can be expected just now.
    """

    def __init__(
        self,
        timing: Timing,
        *,
        spawn: Callable[[], Awaitable[Stoppable]],
        clean_up: Callable[[], Awaitable[None]],
        chores: Mapping[Effect, Callable[[], Awaitable[None]]],
        on_change: Callable[[State], None],
        facts: Callable[[], Mapping[str, object]] = dict,
        excused: Callable[[], bool] = lambda: False,
        start_paused: bool = False,
    ) -> None:
        self._timing = timing
        self._spawn = spawn
        self._clean_up = clean_up
        self._chores = chores
        self._on_change = on_change
        self._facts = facts
        self._excused = excused
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._child: Stoppable | None = None
        self._beat = 0.0
        self.state = State(because=Reason("paused")) if start_paused else State()
        self._start_paused = start_paused

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def tell(self, happened: Happened, **values: object) -> None:
        """Something happened to the child, or a person wishes something."""
        self._events.put_nowait(Event(happened, self._now, random.random(), values))

    def heartbeat_seen(self) -> None:
        """A heartbeat came through the path of messages."""
        self._beat = self._now

    async def run(self) -> None:
        """Until the machine says leave."""
        if self._start_paused:
            self._on_change(self.state)
        else:
            self.tell(Happened.START)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch_heartbeat(), name="heartbeat watch")
            leaving = False
            while not leaving:
                event = await self._next_event()
                step = machine.step(self.state, event, self._timing)
                self.state = step.state
                if step.changed:
                    self._on_change(self.state)
                for effect in step.effects:
                    leaving = leaving or effect is Effect.LEAVE
                    await self._carry_out(effect, tasks)
            watching.cancel()

    async def _next_event(self) -> Event:
        timer_at = self.state.timer_at
        if timer_at is None:
            return await self._events.get()
        try:
            async with asyncio.timeout_at(timer_at):
                return await self._events.get()
        except TimeoutError:
            return Event(Happened.TIMER, self._now, random.random(), self._facts())

    async def _carry_out(self, effect: Effect, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case Effect.SPAWN:
                try:
                    child = self._child = await self._spawn()
                except OSError as error:
                    self.tell(Happened.CANNOT_SPAWN, detail=str(error))
                else:
                    tasks.create_task(self._watch_exit(child), name="child's exit")
            case Effect.STOP_TREE:
                tasks.create_task(self._stop_tree(), name="stopping the child's tree")
            case Effect.QUARANTINE_PROFILE | Effect.RESTORE_PROFILE | Effect.TAKE_SNAPSHOT | Effect.TRIM_CACHES:
                await self._chores[effect]()
            case Effect.LEAVE:
                pass

    async def _watch_exit(self, child: Stoppable) -> None:
        code = await asyncio.shield(child.exited)
        if child is self._child and self.state.phase is not Phase.STOPPING:
            self.tell(Happened.EXITED, exit_code=code, **self._facts())

    async def _stop_tree(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.stop(self._timing)
        await self._clean_up()
        self.tell(Happened.GONE)

    async def _watch_heartbeat(self) -> None:
        """Two misses, not one; a round in which our loop was late, or we did not read at all, counts for nothing."""
        period = self._timing.heartbeat_timeout
        misses = 0
        while True:
            asleep = self._now
            await asyncio.sleep(period)
            late = self._now - asleep - period
            if self.state.phase not in _LIVE or late > period / 2 or self._excused():
                misses = 0
                self._beat = self._now
                continue
            silent = self._now - self._beat
            misses = misses + 1 if silent > period else 0
            if misses == 1:
                log.warning("no heartbeat for %.0f s", silent, extra={"action": "heartbeat_missed"})
            elif misses >= 2:
                misses = 0
                self.tell(Happened.HEARTBEAT_LOST, silent_seconds=round(silent))
