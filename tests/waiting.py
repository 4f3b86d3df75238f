"""Wait for the thing itself, up to a limit: tests never sleep and hope."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

LIMIT = 60.0
"""Seconds after which something that takes milliseconds counts as never happening; a busy machine is no defect."""
_SELDOMEST: Final = 0.05
"""Seconds between two looks at most: what takes long is looked for less often, and costs less of what it waits for."""

Answer = TypeVar("Answer")


def wait_for(answer: Callable[[], Answer | None], what: str, *, limit: float = LIMIT, every: float = 0.02) -> Answer:
    """The first answer that is true; fails with `what` after `limit` seconds. `every`: between the first looks."""
    deadline = time.monotonic() + limit
    while not (given := answer()):
        assert time.monotonic() < deadline, f"waited {limit:g} s in vain for {what}"
        time.sleep(every)
        every = _longer(every)
    return given


async def until(holds: Callable[[], object]) -> None:
    """Wait for it while the event loop runs."""
    every = 0.001
    async with asyncio.timeout(LIMIT):
        while not holds():
            await asyncio.sleep(every)
            every = _longer(every)


def _longer(pause: float) -> float:
    return max(pause, min(1.1 * pause, _SELDOMEST))


def until_true(holds: Callable[[], object]) -> None:
    """Wait for it without an event loop."""
    wait_for(holds, "a condition to hold", every=0.005)
