"""Carries out what the machine decides: spawns, stops, waits, and reports what happened.

One inbox, one timer, at most one child. No decision is made here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, Protocol

from leadmasterd.reasons import Reason
from leadmasterd.supervisor import machine
from leadmasterd.supervisor.inbox import Inbox
from leadmasterd.supervisor.machine import Effect, Facts, Happened, Phase, State
from leadmasterd.supervisor.timing import Timing

log = logging.getLogger(__name__)

_LIVE: Final = frozenset({Phase.READY, Phase.RECONNECTING})
"""Phases in which a heartbeat is expected: a first sync may go minutes without one."""


class Stoppable(Protocol):
    """A child as the runner needs it."""

    exited: "asyncio.Task[int]"

    async def stop(self, timing: Timing) -> object:
        """End the whole process tree."""


class Runner:
    """The supervisor, running.

    `chores` work on the browser profile while no child lives, and handle their own errors. `facts` is asked at each
    decision. `excused` is true while no heartbeat can be expected, because we do not read. `on_forgiven` follows a calm
    period after failures. `start_values` are quoted by the reason when the start leads to a halt.
    """

    def __init__(
        self,
        timing: Timing,
        inbox: Inbox,
        *,
        spawn: Callable[[], Awaitable[Stoppable]],
        clean_up: Callable[[], Awaitable[None]],
        chores: Mapping[Effect, Callable[[], Awaitable[None]]],
        on_change: Callable[[State], None],
        on_forgiven: Callable[[], None] = lambda: None,
        facts: Callable[[], Facts] = Facts,
        excused: Callable[[], bool] = lambda: False,
        start_paused: bool = False,
        start_values: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self._timing = timing
        self._inbox = inbox
        self._spawn = spawn
        self._clean_up = clean_up
        self._chores = chores
        self._on_change = on_change
        self._on_forgiven = on_forgiven
        self._facts = facts
        self._excused = excused
        self._child: Stoppable | None = None
        self.state = State(because=Reason("paused")) if start_paused else State()
        self._start_paused = start_paused
        self._start_values = start_values

    async def run(self) -> None:
        """Returns when the machine says leave."""
        if self._start_paused:
            self._on_change(self.state)
        else:
            self._inbox.post(Happened.START, **self._start_values)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch_heartbeat(), name="heartbeat watch")
            leaving = False
            while not leaving:
                event = await self._inbox.next(self.state.timer_at)
                step = machine.step(self.state, replace(event, facts=self._facts()), self._timing)
                forgiven = self.state.failures > 0 and step.state.failures == 0
                self.state = step.state
                if forgiven:
                    self._on_forgiven()
                if step.changed:
                    self._on_change(self.state)
                for effect in step.effects:
                    leaving = leaving or effect is Effect.LEAVE
                    await self._carry_out(effect, tasks)
            watching.cancel()

    async def _carry_out(self, effect: Effect, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case Effect.SPAWN:
                try:
                    child = self._child = await self._spawn()
                except OSError as error:
                    self._inbox.post(Happened.CANNOT_SPAWN, detail=str(error))
                else:
                    tasks.create_task(self._watch_exit(child), name="child's exit")
            case Effect.STOP_TREE:
                tasks.create_task(self._stop_tree(), name="stopping the child's tree")
            case Effect.QUARANTINE_PROFILE | Effect.RESTORE_PROFILE | Effect.TAKE_SNAPSHOT | Effect.TRIM_CACHES:
                await self._chores[effect]()
            case Effect.LEAVE:
                pass  # `run` returns

    async def _watch_exit(self, child: Stoppable) -> None:
        code = await asyncio.shield(child.exited)
        if child is self._child and self.state.phase is not Phase.STOPPING:
            self._inbox.post(Happened.EXITED, exit_code=code)

    async def _stop_tree(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.stop(self._timing)
        await self._clean_up()
        self._inbox.post(Happened.GONE)

    async def _watch_heartbeat(self) -> None:
        """Two misses end the child. A round in which our own loop was late, or we did not read, does not count."""
        loop = asyncio.get_running_loop()
        period = self._timing.heartbeat_timeout
        misses = 0
        while True:
            asleep = loop.time()
            await asyncio.sleep(period)
            late = loop.time() - asleep - period
            if self.state.phase not in _LIVE or late > period / 2 or self._excused():
                misses = 0
                self._inbox.heartbeat()
                continue
            silent = loop.time() - self._inbox.heartbeat_at
            misses = misses + 1 if silent > period else 0
            if misses == 1:
                log.warning("no heartbeat for %.0f s", silent, extra={"action": "heartbeat_missed"})
            elif misses >= 2:
                misses = 0
                self._inbox.post(Happened.HEARTBEAT_LOST, silent_seconds=round(silent))
