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
"""Phases in which heartbeats are expected. SYNCING is not one: a first sync may take minutes without a heartbeat."""


class Stoppable(Protocol):
    """A child as the runner needs it."""

    exited: "asyncio.Task[int]"
    """Done when the process has ended; its result is the exit code."""

    async def stop(self, timing: Timing) -> object:
        """End the whole process tree."""


class Runner:
    """Feeds the machine one event after the other, keeps its state, and carries out its effects.

    `spawn` starts a child, and raises OSError; `clean_up` kills what a stopped child left behind. `chores` work on the
    browser profile while no child lives, and handle their own errors. `on_change` gets each state whose phase or reason
    is new; `on_forgiven` is called when a calm period has ended the count of failures. `current_facts` gives what a
    decision depends on besides its event. `reading_paused`: whether we do not read the child's lines now, so that no
    heartbeat can come. `start_paused`: begin in PAUSED instead of with a start. `start_values`: what the reason quotes
    if the start leads to a halt, because of a ban.
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
        current_facts: Callable[[], Facts] = Facts,
        reading_paused: Callable[[], bool] = lambda: False,
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
        self._current_facts = current_facts
        self._reading_paused = reading_paused
        self._child: Stoppable | None = None
        self.state = State(because=Reason("paused")) if start_paused else State()
        self._start_paused = start_paused
        self._start_values = start_values

    async def run(self) -> None:
        """Take one step of the machine for each event, until it says LEAVE."""
        if self._start_paused:
            self._on_change(self.state)
        else:
            self._inbox.post(Happened.START, **self._start_values)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch_heartbeat(), name="heartbeat watch")
            leaving = False
            while not leaving:
                event = await self._inbox.next(self.state.timer_at)
                step = machine.step(self.state, replace(event, facts=self._current_facts()), self._timing)
                forgiven = self.state.failures > 0 and step.state.failures == 0
                self.state = step.state
                if forgiven:
                    self._on_forgiven()
                if step.changed:
                    self._on_change(self.state)
                for effect in step.effects:
                    await self._carry_out(effect, tasks)
                leaving = Effect.LEAVE in step.effects
            watching.cancel()

    async def _carry_out(self, effect: Effect, tasks: asyncio.TaskGroup) -> None:
        """Do what an effect asks for. Watching a child, and stopping it, go on in the background, as `tasks`."""
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
        """Post EXITED when the child ends by itself. If it is being stopped, GONE follows instead."""
        code = await asyncio.shield(child.exited)  # a cancellation of this task must not reach the child's own
        if child is self._child and self.state.phase is not Phase.STOPPING:
            self._inbox.post(Happened.EXITED, exit_code=code)

    async def _stop_tree(self) -> None:
        """Stop the child, if there is one, kill what it has left behind, and post GONE."""
        child = self._child
        self._child = None
        if child is not None:
            await child.stop(self._timing)
        await self._clean_up()
        self._inbox.post(Happened.GONE)

    async def _watch_heartbeat(self) -> None:
        """Check every `heartbeat_timeout` whether a heartbeat came. Post HEARTBEAT_LOST after two rounds without one.

        A round does not count if no heartbeat is expected, or if we may be the cause: our loop was late, or we did not
        read.
        """
        loop = asyncio.get_running_loop()
        period = self._timing.heartbeat_timeout
        misses = 0
        while True:
            round_began = loop.time()
            await asyncio.sleep(period)
            loop_was_late = loop.time() - round_began - period > period / 2
            if self.state.phase not in _LIVE or loop_was_late or self._reading_paused():
                misses = 0
                self._inbox.heartbeat()  # as if one had come: the next round measures the silence from now on
                continue
            silent = loop.time() - self._inbox.heartbeat_at
            misses = misses + 1 if silent > period else 0
            if misses == 1:
                log.warning("no heartbeat for %.0f s", silent, extra={"action": "heartbeat_missed"})
            elif misses >= 2:
                misses = 0
                self._inbox.post(Happened.HEARTBEAT_LOST, silent_seconds=round(silent))
