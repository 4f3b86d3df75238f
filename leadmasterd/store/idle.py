"""Several kinds of idle work for the writer's thread, which take turns."""

import time
from collections import deque
from typing import Final

from leadmasterd.store.writer import IdleWork

ASKED_AGAIN_SECONDS: Final = 1.0
"""After which those that had nothing left to do are asked again while another has: it may have for hours."""


class InTurn:
    """A step of each in turn, until none has more to do. Each step is a transaction, so an error is one's own."""

    def __init__(self, *works: IdleWork) -> None:
        self._works = works
        self._left = deque[IdleWork]()
        self._current = works[0]
        self._all_again = 0.0

    def step(self) -> bool:
        """A step of the next one. True when there may be more. One that fails is tried again in its turn."""
        now = time.monotonic()
        if not self._left or now >= self._all_again:
            self._left.extend(each for each in self._works if each not in self._left)
            self._all_again = now + ASKED_AGAIN_SECONDS
        self._current = self._left[0]
        self._left.rotate(-1)
        if not self._current.step():
            self._left.remove(self._current)
        return bool(self._left)

    def done(self) -> None:
        """The step was committed."""
        self._current.done()

    def failed(self, error: Exception) -> None:
        """The step was rolled back because of an error of its own."""
        self._current.failed(error)
