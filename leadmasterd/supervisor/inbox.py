"""The queue of the supervisor's events.

It is made before everything else, so that the parts that post events need no reference to the runner that reads them.
"""

import asyncio
import random

from leadmasterd.supervisor.machine import Event, Happened


class Inbox:
    """Posted to from the loop's thread; read by the runner alone."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self.heartbeat_at = 0.0
        """When the last heartbeat came through the path of messages (monotonic)."""

    def post(self, happened: Happened, **values: object) -> None:
        """Queue what happened to the child, or a command of the operator.

        `values`: details, which the reason of a change quotes.
        """
        now = asyncio.get_running_loop().time()
        self._events.put_nowait(Event(happened, now, random.random(), values))

    def heartbeat(self) -> None:
        """Note when a heartbeat came. It is not queued: the runner looks at the time of the last one."""
        self.heartbeat_at = asyncio.get_running_loop().time()

    async def next(self, until: float | None) -> Event:
        """Wait for the next event. If none has come by `until` (monotonic), it is TIMER; None: wait without a limit."""
        try:
            async with asyncio.timeout_at(until):
                return await self._events.get()
        except TimeoutError:
            return Event(Happened.TIMER, asyncio.get_running_loop().time(), random.random())
