"""Counts what is tried in vain, so that nobody can try for long."""

import time
from collections import deque
from typing import Final

MOST: Final = 20
"""Links and cookies that are none, from one address within WAIT. Then nothing is tried for it any more."""
WAIT: Final = 600.0
"""Seconds."""
MOST_ADDRESSES: Final = 1000
"""That are kept, the latest: with IPv6 anybody has as many as they like."""


class Failures:
    """By address, in memory."""

    def __init__(self) -> None:
        self._at: dict[str, deque[float]] = {}

    def note(self, address: str) -> None:
        """One more."""
        if len(self._at) >= MOST_ADDRESSES and address not in self._at:
            self._at = {each: at for each, at in self._at.items() if _recent(at)}
            while len(self._at) >= MOST_ADDRESSES:
                del self._at[next(iter(self._at))]
        self._at.setdefault(address, deque(maxlen=MOST)).append(time.monotonic())

    def __len__(self) -> int:
        """How many addresses are kept."""
        return len(self._at)

    def are_too_many(self, address: str) -> bool:
        """Whether this address has to wait."""
        return len(_recent(self._at.get(address, deque()))) >= MOST


def _recent(at: deque[float]) -> deque[float]:
    while at and time.monotonic() - at[0] > WAIT:
        at.popleft()
    return at
