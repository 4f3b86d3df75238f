"""What the daemon's status says of the session: whether a person is needed, and whether it has been down for long.

Pure. Between two phases in which a person is needed there are others (codes pause, the listener starts again): the
condition holds on through them. It ends once the session is ready and what was missed is fetched, or a little later.
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
"""At most one of these holds at a time. Its end is the session's return."""

_NEEDED: Final = {
    "waiting_for_scan": Kind.NEEDS_SCAN,
    "needs_passkey": Kind.NEEDS_PASSKEY,
    "halted": Kind.BANNED,
}
_BY_A_PERSON: Final = frozenset({"paused", "asked_to_stop"})
"""Reasons to be down of which nobody has to be told."""
_PASSAGE: Final = timedelta(minutes=10)
"""A person is still needed for as long, whatever phases follow. Breaks between codes are shorter."""
_FETCHING: Final = timedelta(minutes=2)
"""The end waits so long for the backfill, to tell what it fetched."""


class Facts(NamedTuple):
    """What is known beside the status."""

    daemon_since: datetime
    """When the daemon started: before that, nobody could listen."""
    open_gaps: Sequence[Gap]
    settled: Settled | None


class Session:
    """Remembers what holds."""

    def __init__(self, *, down_after: timedelta, divisor: float) -> None:
        self._down_after = down_after / divisor
        self._passage = _PASSAGE / divisor
        self._fetching = _FETCHING / divisor
        self._held: Kind | None = None
        self._text = Text("", "")
        self._needed_at: datetime | None = None
        """When a person was last seen to be needed."""
        self._down_since: datetime | None = None
        self.came_back = False
        """What held last ended with the session's return. It may be away again since."""

    def look(self, status: Status | None, facts: Facts, clock: Clock) -> Condition | None:
        """What holds now. `status`: None when the daemon has said nothing since it started."""
        now = clock.now
        phase = status.get("phase") if status else "starting"
        if phase == "ready":
            if self._held and not self._is_done(status, facts, now):
                return self._condition(self._held, facts, now)
            self._held = self._needed_at = self._down_since = None
            self.came_back = True
            return None
        self._down_since = self._down_since or now
        kind = self._kind(status, str(phase), facts, now)
        if kind:
            self.came_back = False
        if kind and (kind != self._held or phase in _NEEDED or kind is Kind.DOWN):
            self._text = self._say(kind, status, self._since(facts, now), clock)
        self._held = kind
        return self._condition(kind, facts, now) if kind else None

    def _kind(self, status: Status | None, phase: str, facts: Facts, now: datetime) -> Kind | None:
        if needed := _NEEDED.get(phase):
            self._needed_at = now
            return needed
        if status and status.get("code") in _BY_A_PERSON:
            return None
        if self._held in _NEEDED.values() and self._needed_at and now - self._needed_at < self._passage:
            return self._held
        if self._held is None and (before := _needed_before(facts, now - self._passage)):
            self._needed_at = datetime.fromisoformat(before.at)
            return _NEEDED[before.phase]
        begins = max(self._since(facts, now), facts.daemon_since)
        return Kind.DOWN if self._held is Kind.DOWN or now - begins >= self._down_after else None

    def _is_done(self, status: Status | None, facts: Facts, now: datetime) -> bool:
        """Whether the return can be told: what was missed is here, or takes longer."""
        return not facts.open_gaps or (status is not None and now - _since_of(status, now) >= self._fetching)

    def _since(self, facts: Facts, now: datetime) -> datetime:
        """Since when nothing is captured; before the first link, since it is not ready."""
        lasting = [gap for gap in facts.open_gaps if gap.to_at is None]
        if lasting:
            return datetime.fromisoformat(lasting[0].from_at)
        return self._down_since or now

    def _condition(self, kind: Kind, facts: Facts, now: datetime) -> Condition:
        return Condition(kind, "", self._since(facts, now), self._text)

    @staticmethod
    def _say(kind: Kind, status: Status | None, since: datetime, clock: Clock) -> Text:
        if status is None or kind is Kind.DOWN:
            return words.down(status, since, clock)
        if kind is Kind.NEEDS_SCAN:
            return words.needs_scan(status, since, clock)
        if kind is Kind.NEEDS_PASSKEY:
            return words.needs_passkey(status, since, clock)
        return words.banned(status, since, clock)


def _needed_before(facts: Facts, earliest: datetime) -> Settled | None:
    """The phase in which a person was needed until a moment ago, as the history tells it."""
    settled = facts.settled
    recent = settled is not None and settled.phase in _NEEDED and datetime.fromisoformat(settled.at) > earliest
    return settled if recent else None


def _since_of(status: Status, now: datetime) -> datetime:
    try:
        return datetime.fromisoformat(str(status.get("since")))
    except ValueError:
        return now
