"""The condition of the WhatsApp session, from the daemon's status: a person is needed, or it has been down for long.

Pure. While a person is needed, the daemon also passes through other phases (QR codes pause, the listener restarts): the
condition goes on through them. It ends once the session is ready and what was missed has been fetched, or two minutes
after it is ready, so that its end can say what was fetched.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from leadmasterd.alerts import words
from leadmasterd.alerts.kinds import Condition, Kind, Text
from leadmasterd.alerts.words import Status
from leadmasterd.clock import Clock
from leadmasterd.queries.alerts import Settled
from leadmasterd.queries.history import Gap

SESSION: Final = frozenset({Kind.NEEDS_SCAN, Kind.NEEDS_PASSKEY, Kind.BANNED, Kind.DOWN})
"""At most one of these holds at a time. Each ends when the session is ready again."""

_NEEDED: Final = {
    "waiting_for_scan": Kind.NEEDS_SCAN,
    "needs_passkey": Kind.NEEDS_PASSKEY,
    "halted": Kind.BANNED,
}
"""The phases in which a person is needed."""
_BY_A_PERSON: Final = frozenset({"paused", "asked_to_stop"})
"""Codes in the status of a session that a person has stopped. Nobody has to be told."""
_BETWEEN_CODES: Final = timedelta(minutes=10)
"""How long a person still counts as needed after a phase of `_NEEDED`. Pauses between QR codes are shorter."""
_FETCHING: Final = timedelta(minutes=2)
"""How long the end of a condition may wait for the backfill, to say how many messages it fetched."""


class Context(NamedTuple):
    """What is known besides the status."""

    daemon_since: datetime
    """When the daemon started: before that, nobody could listen."""
    open_gaps: Sequence[Gap]
    """Outages from which not everything has been fetched, the oldest first."""
    settled: Settled | None
    """The last phase in the database that was ready, or in which a person was needed; and when it began."""


class Session:
    """Remembers which condition held at the last look."""

    def __init__(self, *, down_after: timedelta, divisor: float) -> None:
        """`down_after`: how long it may be down before that is told. `divisor`: divides all times, for tests."""
        self._down_after = down_after / divisor
        self._between_codes = _BETWEEN_CODES / divisor
        self._fetching = _FETCHING / divisor
        self._held: Kind | None = None
        """What held at the last look."""
        self._text = Text("", "")
        """Its text."""
        self._needed_at: datetime | None = None
        """When a person was last seen to be needed."""
        self._down_since: datetime | None = None
        """When it was first seen not to be ready, since it last was."""
        self.came_back = False
        """Whether the last condition ended because the session was ready again. It may be down again by now."""

    def look(self, status: Status | None, context: Context, clock: Clock) -> Condition | None:
        """What holds now, if anything. `status`: None while the daemon has written nothing since it started."""
        now = clock.now
        phase = status.get("phase") if status else "starting"
        if phase == "ready":
            if self._held and not self._can_end(status, context, now):
                return self._condition(self._held, context, now)
            self._held = None
            self._needed_at = None
            self._down_since = None
            self.came_back = True
            return None
        self._down_since = self._down_since or now
        kind = self._kind(status, str(phase), context, now)
        if kind is None:
            self._held = None
            return None
        self.came_back = False
        text_is_new = phase in _NEEDED or kind is Kind.DOWN  # in a pause between codes the text stays, with how to scan
        if kind != self._held or text_is_new:
            self._text = self._text_of(kind, status, self._since(context, now), clock)
        self._held = kind  # after the text: if that can't be made, the next look tries again
        return self._condition(kind, context, now)

    def _kind(self, status: Status | None, phase: str, context: Context, now: datetime) -> Kind | None:
        """What holds in a phase other than ready; None for a session that a person stopped or that is down briefly.

        Also notes when a person was last needed.
        """
        needed = _NEEDED.get(phase)
        if needed:
            self._needed_at = now
            return needed
        if status and status.get("code") in _BY_A_PERSON:
            return None
        if self._held in _NEEDED.values() and self._needed_at and now - self._needed_at < self._between_codes:
            return self._held
        if self._held is None:  # perhaps alerts have just started, in a pause between codes
            before = _needed_before(context, now - self._between_codes)
            if before:
                self._needed_at = datetime.fromisoformat(before.at)
                return _NEEDED[before.phase]
        if self._held is Kind.DOWN:
            return Kind.DOWN
        down_since = max(self._since(context, now), context.daemon_since)  # time without a daemon does not count
        return Kind.DOWN if now - down_since >= self._down_after else None

    def _can_end(self, status: Status | None, context: Context, now: datetime) -> bool:
        """Whether the condition of a session that is ready again may end: all is fetched, or that takes too long."""
        if not context.open_gaps:
            return True
        return status is not None and now - _since_of(status, now) >= self._fetching

    def _since(self, context: Context, now: datetime) -> datetime:
        """Since when nothing is captured: since the present outage began.

        Before a phone was first linked there are no outages: then since the session was first seen not to be ready.
        """
        lasting = [gap for gap in context.open_gaps if gap.to_at is None]
        if lasting:
            return datetime.fromisoformat(lasting[0].from_at)
        return self._down_since or now

    def _condition(self, kind: Kind, context: Context, now: datetime) -> Condition:
        return Condition(kind, "", self._since(context, now), self._text)

    @staticmethod
    def _text_of(kind: Kind, status: Status | None, since: datetime, clock: Clock) -> Text:
        """The text for this kind. Without a status it can only say that the session is down."""
        if status is None or kind is Kind.DOWN:
            return words.down(status, since, clock)
        if kind is Kind.NEEDS_SCAN:
            return words.needs_scan(status, since, clock)
        if kind is Kind.NEEDS_PASSKEY:
            return words.needs_passkey(status, since, clock)
        return words.banned(status, since, clock)


def _needed_before(context: Context, earliest: datetime) -> Settled | None:
    """The last phase in the database, if a person is needed in it and it began after `earliest`; else None."""
    settled = context.settled
    if settled is None or settled.phase not in _NEEDED:
        return None
    return settled if datetime.fromisoformat(settled.at) > earliest else None


def _since_of(status: Status, now: datetime) -> datetime:
    """When the present phase began; `now` if the status has no usable time."""
    try:
        return datetime.fromisoformat(str(status.get("since")))
    except ValueError:
        return now
