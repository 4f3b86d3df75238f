"""What several open pages of a session ask for at once is made once: a change wakes all of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

_LONGEST: Final = 1.0
"""Seconds that an answer is given again: times that are shown grow old by themselves."""
_MOST: Final = 64
"""Answers that are kept."""


@dataclass(slots=True)
class _Answer:
    """The last one to a question, what was told when it was begun, and when that was."""

    lock: Lock = field(default_factory=Lock)
    told: int = -1
    at: float = 0.0
    body: bytes = b""


@dataclass(slots=True)
class Shared:
    """Answers by question. For threads that ask at once: the first makes it, and the others wait for it."""

    _lock: Lock = field(default_factory=Lock)
    _answers: dict[object, _Answer] = field(default_factory=dict)

    def get(self, question: object, told: int, make: Callable[[], bytes]) -> bytes:
        """The answer. `told`: how often changes have been told; what was made before the last of them is made anew."""
        with self._lock:
            answer = self._answers.setdefault(question, _Answer())
            if len(self._answers) > _MOST:
                del self._answers[next(iter(self._answers))]
        with answer.lock:
            now = time.monotonic()
            if answer.told < told or now - answer.at >= _LONGEST:
                answer.body = make()
                answer.told, answer.at = told, now
            return answer.body
