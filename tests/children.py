"""A fake child with exactly the promised behaviour, for tests of the runner."""

import asyncio

from leadmasterd.supervisor.timing import Timing


class FakeChild:
    """Alive until told to exit or stopped. `stopping` waits for `may_stop`."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        self.name = name
        self.end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.exited: asyncio.Task[int] = asyncio.create_task(self._wait(), name=name)
        self.may_stop = asyncio.Event()
        self.may_stop.set()

    async def _wait(self) -> int:
        return await self.end

    def exit(self, code: int) -> None:
        """The child exits by itself."""
        if not self.end.done():
            self.end.set_result(code)

    async def stop(self, _timing: Timing) -> None:
        """Its whole process tree ends."""
        self.log.append(f"stop {self.name}")
        await self.may_stop.wait()
        self.exit(0)
        self.log.append(f"gone {self.name}")
