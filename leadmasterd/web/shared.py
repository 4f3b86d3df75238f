"""Answers that the open pages of one session share: a change makes all of them ask at once, and one answer is made."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

_LONGEST: Final = 1.0
"""Seconds for which an answer is given again: the times that it shows grow old."""
_MOST: Final = 64
"""Answers that are kept."""


@dataclass(slots=True)
class _Answer:
    """The last answer to a question. `version`: as `Shared.get` has it; `made_at`: monotonic, before it was made."""

    lock: Lock = field(default_factory=Lock)
    version: int = -1
    made_at: float = 0.0
    body: bytes = b""


@dataclass(slots=True)
class Shared:
    """Caches answers by question. When threads ask for one at once, the first makes it and the others wait for it."""

    _lock: Lock = field(default_factory=Lock)
    _answers: dict[object, _Answer] = field(default_factory=dict)

    def get(self, question: object, version: int, make: Callable[[], bytes]) -> bytes:
        """The cached answer, or a new one by `make` if it is a second old or its version is lower than `version`.

        `version`: `Watch.announced`, which counts changes: no answer from before the last one is given.
        """
        with self._lock:
            answer = self._answers.setdefault(question, _Answer())
            if len(self._answers) > _MOST:
                oldest = next(iter(self._answers))
                del self._answers[oldest]
        with answer.lock:
            now = time.monotonic()
            if answer.version < version or now - answer.made_at >= _LONGEST:
                answer.body = make()
                answer.version = version
                answer.made_at = now
            return answer.body
