"""When to retry: the schedule of an event's tries, the pauses while a receiver is down, and how long an outage lasts.

Pure. The waits are those that Standard Webhooks 1.0.0 recommends: ten tries within some 75 hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

WAITS: Final[Sequence[float]] = (
    5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600,
)  # fmt: skip
"""Seconds from each failed try to the next. The first try is made at once, so there are ten."""
TRIES: Final = len(WAITS) + 1
JITTER: Final = 0.1
"""Each wait is up to this share shorter or longer, so that what failed together is not retried at the same moment."""
LONGEST_WAIT: Final = WAITS[-1] * (1 + JITTER)
"""Seconds."""


class Result(StrEnum):
    """What became of a try."""

    DELIVERED = "delivered"
    AGAIN = "again"
    """It failed, and may succeed later."""
    THROTTLED = "throttled"
    """The receiver asks for a pause, or a proxy before it can't reach it (429, 502, 504)."""
    DISABLE = "disable"
    """The receiver wants nothing of this feed any more (410)."""
    IMPOSSIBLE = "impossible"
    """This event can never be delivered, so it is given up at once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one try. `why`: a short text for people, without any words of a message.

    `retry_after`: seconds for which the receiver asked to wait (Retry-After); None if it did not.
    """

    result: Result
    why: str = ""
    retry_after: float | None = None


DELIVERED: Final = Outcome(Result.DELIVERED)


def of_status(status: int, retry_after: float | None) -> Outcome:
    """The outcome that Standard Webhooks gives to an HTTP status: only 2xx is success, and a redirect is a failure."""
    why = f"HTTP {status}"
    if 200 <= status < 300:
        return Outcome(Result.DELIVERED, why)
    if status == 410:
        return Outcome(Result.DISABLE, why)
    if status in (429, 502, 504):
        return Outcome(Result.THROTTLED, why, retry_after)
    return Outcome(Result.AGAIN, why, retry_after)


def seconds_of(retry_after: str | None, now: float) -> float | None:
    """The seconds to wait that a Retry-After header asks for: it gives seconds or a date.

    `now`: seconds since 1970. None if there is no header, or nothing usable in it.
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:20]), 1e15)  # whatever its length, a number that can be added to a time
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def wait_after(tries: int, outcome: Outcome, chance: float) -> float | None:
    """Seconds to the next try after `tries` failed ones; None: give the event up. `chance`: a random number in [0, 1).

    Retry-After can make a wait longer, up to the longest of the schedule, and never shorter.
    """
    if outcome.result is Result.IMPOSSIBLE or tries > len(WAITS):
        return None
    planned = WAITS[tries - 1] * (1 + JITTER * (2 * chance - 1))
    return min(max(planned, outcome.retry_after or 0.0), LONGEST_WAIT)


FAILURES_TO_OPEN: Final = 10
"""Failures in a row, of whatever events, after which the receiver is taken for down."""
FIRST_PAUSE: Final = 30.0
"""Seconds; each further pause is twice as long, up to the longest."""
LONGEST_PAUSE: Final = 600.0
"""Seconds."""
LONGEST_ASKED_PAUSE: Final = 3600.0
"""Seconds that a receiver may ask for. It is tried once an hour even when it asks for a year."""


@dataclass(slots=True)
class Circuit:
    """One feed's circuit breaker: while it is open no event is tried, so that no event's tries are used up.

    When the pause is over, one event is tried. Success closes the circuit; a failure pauses twice as long, up to ten
    minutes. `may_try` stays true until that outcome is known, so the caller must try one at a time while `probing`.

    Times are in seconds, on any clock as long as it is always the same; `divisor` divides the pauses, for tests.
    """

    divisor: float = 1
    failures: int = 0
    """In a row."""
    open_until: float | None = None
    """When the pause ends; None: the circuit is closed."""
    _pause: float = 0.0
    """Seconds of the last pause; 0: there was none since the last success."""

    @property
    def probing(self) -> bool:
        """Whether the circuit is not closed: tries are allowed only after the pause, and one at a time."""
        return self.open_until is not None

    def may_try(self, now: float) -> bool:
        """Whether a try may start now."""
        return self.open_until is None or now >= self.open_until

    def succeeded(self, now: float) -> bool:
        """A try succeeded. True if that closed an open circuit.

        During a pause it does not: the pause began after this try.
        """
        if not self.may_try(now):
            return False
        was_open = self.probing
        self.failures, self.open_until, self._pause = 0, None, 0.0
        return was_open

    def failed(self, outcome: Outcome, now: float) -> None:
        """A try failed: open the circuit, or pause for longer, if that is due.

        A try that fails during a pause began before it. It does not lengthen the pause, unless the receiver asks for
        that.
        """
        self.failures += 1
        asked = min(outcome.retry_after or 0.0, LONGEST_ASKED_PAUSE)
        throttled = outcome.result is Result.THROTTLED
        if self.open_until is not None and now < self.open_until:  # during a pause
            if throttled:
                self.open_until = max(self.open_until, now + asked / self.divisor)
            return
        if self.probing or throttled or self.failures >= FAILURES_TO_OPEN:
            self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            pause = max(self._pause, asked) if throttled else self._pause
            self.open_until = now + pause / self.divisor


@dataclass(slots=True)
class Outage:
    """For how long a feed could deliver nothing, although it tried. Times as in `Circuit`.

    It begins with the first failure. The circuit breaker waits for ten, which can take days in a quiet shop.
    """

    divisor: float = 1
    """Time counts so many times as fast, for tests."""
    _since: float | None = None
    """None: there is no outage."""

    def failed(self, now: float) -> None:
        """A try failed, or had failed before a restart: the outage begins now, unless it has begun before."""
        if self._since is None:
            self._since = now

    def succeeded(self) -> None:
        """A try succeeded: the outage is over."""
        self._since = None

    def count_again(self, now: float) -> None:
        """A person has paused or resumed the feed: an outage counts from now on only."""
        if self._since is not None:
            self._since = now

    def hours(self, now: float) -> int:
        """The whole hours of the outage; 0: less than one, or there is none."""
        if self._since is None:
            return 0
        return int((now - self._since) * self.divisor // 3600)
