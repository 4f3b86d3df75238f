"""When an event is tried again, when it is given up, when a feed pauses because its receiver is down,
and for how long nothing could be delivered.

Pure. The waits are those that Standard Webhooks 1.0.0 recommends: ten tries within some 75 hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

WAITS: Final[Sequence[float]] = (
    5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600,
)  # fmt: skip
"""Seconds from each failed try to the next. The first try is made at once, so there are ten."""
TRIES: Final = len(WAITS) + 1
JITTER: Final = 0.1
"""Each wait is this share shorter or longer, so that what failed together does not come back together."""
LONGEST_WAIT: Final = WAITS[-1] * (1 + JITTER)


class Result(StrEnum):
    """What became of a try."""

    DELIVERED = "delivered"
    AGAIN = "again"
    """It failed, and may succeed later."""
    THROTTLED = "throttled"
    """The receiver asks for a pause, or what stands before it can't reach it (429, 502, 504)."""
    DISABLE = "disable"
    """The receiver wants nothing of this feed any more (410)."""
    IMPOSSIBLE = "impossible"
    """This event can never be delivered, so no other try is made."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one try. `why`: a short text for people, without anybody's words; `retry_after`: seconds."""

    result: Result
    why: str = ""
    retry_after: float | None = None


DELIVERED: Final = Outcome(Result.DELIVERED)


def of_status(status: int, retry_after: float | None) -> Outcome:
    """What an HTTP status means to Standard Webhooks: only 2xx is success, and a redirect is a failure."""
    why = f"HTTP {status}"
    if 200 <= status < 300:
        return Outcome(Result.DELIVERED, why)
    if status == 410:
        return Outcome(Result.DISABLE, why)
    return Outcome(Result.THROTTLED if status in (429, 502, 504) else Result.AGAIN, why, retry_after)


def seconds_of(retry_after: str | None, now: float) -> float | None:
    """A Retry-After header (seconds, or a date) as seconds from `now` (since 1970); None if it says nothing usable."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:20]), 1e15)
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
"""Failures in a row, whatever their events, after which the receiver is taken for down."""
FIRST_PAUSE: Final = 30.0
LONGEST_PAUSE: Final = 600.0
LONGEST_ASKED_PAUSE: Final = 3600.0
"""A receiver may ask for this much. It is probed once an hour even when it asks for a year."""


@dataclass(slots=True)
class Circuit:
    """One feed's circuit breaker. While it is open no event is tried, so no try is used up.

    After the pause one event probes (`may_try` is true until its outcome has come, so the caller tries one at a time
    while `probing`). A success closes it; a failure pauses twice as long, up to ten minutes. Times are those of any
    clock that the caller keeps to, in seconds; `divisor` divides the pauses, for trials.
    """

    divisor: float = 1
    failures: int = 0
    open_until: float | None = field(default=None)
    _pause: float = 0.0

    @property
    def probing(self) -> bool:
        """Whether it is not closed: only one try at a time is allowed, and that after the pause."""
        return self.open_until is not None

    def may_try(self, now: float) -> bool:
        """Whether a try may start now."""
        return self.open_until is None or now >= self.open_until

    def succeeded(self, now: float) -> bool:
        """A try succeeded. True if that closed the circuit: it does not during a pause, which was asked for since."""
        if not self.may_try(now):
            return False
        was_open = self.probing
        self.failures, self.open_until, self._pause = 0, None, 0.0
        return was_open

    def failed(self, outcome: Outcome, now: float) -> None:
        """A try failed. What was under way when the circuit opened counts no further."""
        self.failures += 1
        asked = min(outcome.retry_after or 0.0, LONGEST_ASKED_PAUSE)
        throttled = outcome.result is Result.THROTTLED
        if self.open_until is not None and now < self.open_until:
            if throttled:
                self.open_until = max(self.open_until, now + asked / self.divisor)
            return
        if self.probing or throttled or self.failures >= FAILURES_TO_OPEN:
            self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            pause = max(self._pause, asked) if throttled else self._pause
            self.open_until = now + pause / self.divisor


@dataclass(slots=True)
class Outage:
    """For how long a feed could deliver nothing, although it tried. Times and `divisor` as in `Circuit`.

    Unlike the circuit it needs one failure only: in a quiet shop ten of them take days.
    """

    divisor: float = 1
    _since: float | None = None

    def failed(self, now: float) -> None:
        """A try failed, or had failed before a restart."""
        if self._since is None:
            self._since = now

    def succeeded(self) -> None:
        """A try succeeded."""
        self._since = None

    def count_again(self, now: float) -> None:
        """A person has paused or resumed the feed: what was before counts no further."""
        if self._since is not None:
            self._since = now

    def hours(self, now: float) -> int:
        """Whole hours; 0: less than one, or there is no outage."""
        return 0 if self._since is None else int((now - self._since) * self.divisor // 3600)
