"""Several kinds of idle work for the writer's thread, which take turns."""

from collections import deque

from leadmasterd.store.writer import IdleWork


class InTurn:
    """A step of each in turn, until none has more to do. Each step is a transaction, so an error is one's own."""

    def __init__(self, *works: IdleWork) -> None:
        self._works = works
        self._left = deque(works)
        self._current = works[0]

    def step(self) -> bool:
        """A step of the next one. True when there may be more. One that fails is tried again in its turn."""
        if not self._left:
            self._left.extend(self._works)
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
