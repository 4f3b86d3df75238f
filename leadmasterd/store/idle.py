"""Lets several kinds of idle work take turns on the writer's thread, which takes only one."""

import time
from collections import deque
from typing import Final

from leadmasterd.store.writer import IdleWork

ASKED_AGAIN_SECONDS: Final = 1.0
"""How often work that had nothing left to do is asked again while other work goes on, which may take hours."""


class InTurn:
    """Idle work that does a step of each of `works` in turn, until none has more to do.

    Each step is a transaction of its own, so an error in one concerns no other. At least one work is needed.
    """

    def __init__(self, *works: IdleWork) -> None:
        self._works = works
        self._unfinished = deque[IdleWork]()
        """In the order of their turns."""
        self._current = works[0]
        """The work that did the last step."""
        self._ask_all_at = 0.0

    def step(self) -> bool:
        """Do a step of the work whose turn it is. True when any of them may have more to do.

        If the step raises, the work keeps its place, and is tried again in its next turn.
        """
        now = time.monotonic()
        if not self._unfinished or now >= self._ask_all_at:
            self._unfinished.extend(work for work in self._works if work not in self._unfinished)
            self._ask_all_at = now + ASKED_AGAIN_SECONDS
        self._current = self._unfinished[0]
        self._unfinished.rotate(-1)
        if not self._current.step():
            self._unfinished.remove(self._current)
        return bool(self._unfinished)

    def done(self) -> None:
        """The step was committed."""
        self._current.done()

    def failed(self, error: Exception) -> None:
        """The step was rolled back because of an error of its own."""
        self._current.failed(error)
