"""From other threads back to the loop's."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def on_loop(function: Callable[[T], None]) -> Callable[[T], None]:
    """The same function, run on this loop wherever it is called from. After the loop's end nobody needs it."""
    loop = asyncio.get_running_loop()

    def call(value: T) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(function, value)

    return call
