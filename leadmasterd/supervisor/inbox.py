"""The queue of the supervisor's events.

It is made before everything else, so that the parts that post events need no reference to the runner that reads them.
"""

import asyncio
import random
from collections.abc import Mapping

from leadmasterd.supervisor.machine import Event, Happened


class Inbox:
    """Posted to from the loop's thread; read by the runner alone."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self.heartbeat_at = 0.0
        """When the last heartbeat of the page came (monotonic). It takes the same way as messages."""

    def post(self, happened: Happened, **values: object) -> None:
        """Queue what happened to the child, or a command of the operator.

        `values`: details, which the reason of a change quotes.
        """
        self._events.put_nowait(_event(happened, values))

    def heartbeat(self) -> None:
        """Note when a heartbeat came. It is not queued: the runner looks at the time of the last one."""
        self.heartbeat_at = asyncio.get_running_loop().time()

    async def next(self, until: float | None) -> Event:
        """Wait for the next event. If none has come by `until` (monotonic), it is TIMER; None: wait without a limit."""
        try:
            async with asyncio.timeout_at(until):
                return await self._events.get()
        except TimeoutError:
            return _event(Happened.TIMER, {})


def _event(happened: Happened, values: Mapping[str, object]) -> Event:
    """An event that happens now. The machine reads no clock and draws no numbers, so each event brings both."""
    return Event(happened, now=asyncio.get_running_loop().time(), chance=random.random(), values=values)
