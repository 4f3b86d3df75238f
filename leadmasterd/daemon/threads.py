"""Calls from other threads, run on the loop's thread."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def on_loop(function: Callable[[T], None]) -> Callable[[T], None]:
    """A function for other threads that has `function` run on the loop of the caller of `on_loop`, without waiting.

    After the loop's end, calls are dropped.
    """
    loop = asyncio.get_running_loop()

    def call(value: T) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(function, value)

    return call
