"""How complete the record of a period is, from the ledger of outages. What expired unseen is not in it.

A dead daemon writes nothing down, so since it was last known to listen counts as an outage too: the one that its next
start will write.
"""

from datetime import UTC, datetime
from typing import Final, TypedDict

from leadmasterd.queries.database import Connection
from leadmasterd.queries.history import Gap, gaps_between, recovered
from leadmasterd.queries.report.periods import Window
from leadmasterd.times import iso


class Record(TypedDict):
    """Lengths are those of the outages' parts within the period, and what overlaps counts once.

    `linked_at`: when the first phone was linked; None: none was. `unfilled…`: outages that no sweep has filled yet.
    `recovered`: messages found afterwards, in the whole outages. `unreadable`: messages of customers that came as
    ciphertext and still are.
    """

    linked_at: str | None
    gaps: int
    blind_seconds: float
    unfilled: int
    unfilled_seconds: float
    recovered: int
    unreadable: int


NO_RECORD: Final[Record] = {
    "linked_at": None,
    "gaps": 0,
    "blind_seconds": 0,
    "unfilled": 0,
    "unfilled_seconds": 0,
    "recovered": 0,
    "unreadable": 0,
}
"""Before anything was captured."""

_LAST_KNOWN: Final = """
    SELECT max(at) FROM (SELECT max(at) AS at FROM session_events UNION ALL SELECT max(last_ready_at) FROM accounts)
"""
_UNREADABLE: Final = """
    SELECT count(*) FROM messages WHERE readable_at IS NULL AND account_id IN (SELECT account_id FROM accounts)
    AND sent_at >= :begins AND sent_at < :ends AND direction = 'in'
"""


def record(connection: Connection, window: Window, now: datetime, *, running: bool) -> Record:
    """Of a window that is over by now."""
    linked = connection.execute("SELECT min(first_linked_at) FROM accounts").fetchone()[0]
    begins = max(window.begins, datetime.fromisoformat(linked).astimezone(UTC)) if linked else window.ends
    gaps: list[Gap] = []
    if linked and begins < window.ends:
        gaps = [*gaps_between(connection, begins, window.ends, now)]
        gaps += [] if running else _since_it_died(connection, begins, window)
    unfilled = [gap for gap in gaps if gap.closed_at is None]
    [unreadable] = connection.execute(_UNREADABLE, {"begins": iso(window.begins), "ends": iso(window.ends)}).fetchone()
    return {
        "linked_at": linked,
        "gaps": len(gaps),
        "blind_seconds": _together(gaps, begins, window.ends),
        "unfilled": len(unfilled),
        "unfilled_seconds": _together(unfilled, begins, window.ends),
        "recovered": recovered(gaps),
        "unreadable": unreadable,
    }


def _since_it_died(connection: Connection, begins: datetime, window: Window) -> list[Gap]:
    [known] = connection.execute(_LAST_KNOWN).fetchone()
    [lasting] = connection.execute("SELECT count(*) FROM gaps WHERE to_at IS NULL").fetchone()
    if lasting or known is None or datetime.fromisoformat(known) >= window.ends:
        return []
    since = max(known, iso(begins))
    return [Gap(from_at=since, to_at=None, closed_at=None, cause="not_listening", recovered=0, chats=0)]


def _together(gaps: list[Gap], begins: datetime, ends: datetime) -> float:
    """Seconds of their union within the window."""
    seconds, reached = 0.0, begins
    for gap in sorted(gaps, key=lambda each: each.from_at):
        first = max(reached, datetime.fromisoformat(gap.from_at))
        last = min(ends, datetime.fromisoformat(gap.to_at)) if gap.to_at else ends
        seconds += max(0.0, (last - first).total_seconds())
        reached = max(reached, last)
    return seconds
