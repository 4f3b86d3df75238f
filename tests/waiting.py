"""Wait for the thing itself, up to a limit: tests never sleep and hope."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

LIMIT = 60.0
"""Seconds after which something that takes milliseconds counts as never happening; a busy machine is no defect."""

Answer = TypeVar("Answer")


def wait_for(answer: Callable[[], Answer | None], what: str, *, limit: float = LIMIT, every: float = 0.02) -> Answer:
    """The first answer that is true; fails with `what` after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not (given := answer()):
        assert time.monotonic() < deadline, f"waited {limit:g} s in vain for {what}"
        time.sleep(every)
    return given


async def until(holds: Callable[[], object]) -> None:
    """Wait for it while the event loop runs."""
    async with asyncio.timeout(LIMIT):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


def until_true(holds: Callable[[], object]) -> None:
    """Wait for it without an event loop."""
    wait_for(holds, "a condition to hold", every=0.005)
