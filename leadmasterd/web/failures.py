"""Rate limit of failed logins: counts wrong links and cookies by IP address, so that nobody can go on guessing."""

import time
from collections import deque
from typing import Final

MOST: Final = 20
"""Wrong links and cookies from one address within WAIT, after which it gets nothing but a refusal."""
WAIT: Final = 600.0
"""Seconds."""
MOST_ADDRESSES: Final = 1000
"""Addresses that are kept, so that memory does not grow: with IPv6 anybody has as many as they like."""


class Failures:
    """The times of failures by address, in memory: a restart forgets them."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}
        """On the monotonic clock, oldest first."""

    def note(self, address: str) -> None:
        """Count one more failure of this address.

        When there is no room for it, addresses without recent failures are removed, and if need be the oldest.
        """
        if len(self._times) >= MOST_ADDRESSES and address not in self._times:
            self._times = {each: failed for each, failed in self._times.items() if _without_old(failed)}
            while len(self._times) >= MOST_ADDRESSES:
                oldest = next(iter(self._times))
                del self._times[oldest]
        self._times.setdefault(address, deque(maxlen=MOST)).append(time.monotonic())

    def __len__(self) -> int:
        """How many addresses are kept."""
        return len(self._times)

    def are_too_many(self, address: str) -> bool:
        """Whether this address has to wait."""
        return len(_without_old(self._times.get(address, deque()))) >= MOST


def _without_old(failed: deque[float]) -> deque[float]:
    """Remove the times more than WAIT seconds ago from the deque, and return it."""
    while failed and time.monotonic() - failed[0] > WAIT:
        failed.popleft()
    return failed
