"""Calls from other threads, run on the loop's thread."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def on_loop(function: Callable[[T], None]) -> Callable[[T], None]:
    """Wrap `function` for calls from other threads: it then runs on the event loop of now, and the call does not wait.

    Calls after the loop's end are dropped.
    """
    loop = asyncio.get_running_loop()

    def call(value: T) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(function, value)

    return call
