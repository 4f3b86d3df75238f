"""Waiting for the thing itself, with a limit."""

import asyncio
import time
from collections.abc import Callable

LIMIT = 20.0
"""Seconds after which something that should happen counts as never happening."""


async def until(true: Callable[[], object]) -> None:
    """Until it is true, while the loop goes on."""
    async with asyncio.timeout(LIMIT):
        while not true():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.001)


def until_true(true: Callable[[], object]) -> None:
    """The same without a loop."""
    deadline = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
