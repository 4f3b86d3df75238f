"""How complete the record of a period is, from the ledger of outages (`gaps`).

Messages that expired or were deleted during an outage are unknown, so nothing here counts them. A daemon that does not
run writes nothing down, so the time since it last listened counts as an outage too: the one that its next start will
write.
"""

from datetime import UTC, datetime
from typing import Final, TypedDict

from leadmasterd.queries.database import Connection
from leadmasterd.queries.history import Gap, gaps_between, recovered
from leadmasterd.queries.report.periods import Window
from leadmasterd.times import iso


class Record(TypedDict):
    """How long nobody listened in the period, and what has been found afterwards.

    Of each outage only the part within the period counts, and where outages overlap, the time counts once.
    `linked_at`: when the first phone was linked; None: none was. `gaps`, `blind_seconds`: all outages; `unfilled`,
    `unfilled_seconds`: those that no sweep has filled yet. `recovered`: messages found afterwards, in the whole of
    these outages. `unreadable`: messages of customers that are still ciphertext.
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
"""The record before anything was captured."""

_LAST_SIGN_OF_LIFE: Final = """
    SELECT max(at) FROM (SELECT max(at) AS at FROM session_events UNION ALL SELECT max(last_ready_at) FROM accounts)
"""
_UNREADABLE: Final = """
    SELECT count(*) FROM messages WHERE readable_at IS NULL AND account_id IN (SELECT account_id FROM accounts)
    AND sent_at >= :begins AND sent_at < :ends AND direction = 'in'
"""


def record(connection: Connection, window: Window, now: datetime, *, running: bool) -> Record:
    """How complete a window is that has passed by now. The time before the first link is no outage.

    `running`: whether the daemon runs; if not, the time since its last sign of life is an outage too.
    """
    [linked_at] = connection.execute("SELECT min(first_linked_at) FROM accounts").fetchone()
    begins = max(window.begins, datetime.fromisoformat(linked_at).astimezone(UTC)) if linked_at else window.ends
    gaps: list[Gap] = []
    if begins < window.ends:
        gaps += gaps_between(connection, begins, window.ends, now)
        if not running:
            gaps += _gap_since_last_sign_of_life(connection, begins, window)
    unfilled = [gap for gap in gaps if gap.closed_at is None]
    [unreadable] = connection.execute(_UNREADABLE, {"begins": iso(window.begins), "ends": iso(window.ends)}).fetchone()
    return {
        "linked_at": linked_at,
        "gaps": len(gaps),
        "blind_seconds": _seconds_covered(gaps, begins, window.ends),
        "unfilled": len(unfilled),
        "unfilled_seconds": _seconds_covered(unfilled, begins, window.ends),
        "recovered": recovered(gaps),
        "unreadable": unreadable,
    }


def _gap_since_last_sign_of_life(connection: Connection, begins: datetime, window: Window) -> list[Gap]:
    """The outage that could not be written down because the daemon does not run: one gap, or none.

    There is none if an open gap is written down already, if there is no sign of life at all, or if the last one came
    after the window.
    """
    [last_sign] = connection.execute(_LAST_SIGN_OF_LIFE).fetchone()
    [open_gaps] = connection.execute("SELECT count(*) FROM gaps WHERE to_at IS NULL").fetchone()
    if open_gaps or last_sign is None or datetime.fromisoformat(last_sign) >= window.ends:
        return []
    since = max(last_sign, iso(begins))
    return [Gap(from_at=since, to_at=None, closed_at=None, cause="not_listening", recovered=0, chats=0)]


def _seconds_covered(gaps: list[Gap], begins: datetime, ends: datetime) -> float:
    """How many seconds between two moments any of these gaps covers; a gap that lasts reaches until `ends`."""
    seconds = 0.0
    covered_until = begins
    for gap in sorted(gaps, key=lambda each: each.from_at):
        first = max(covered_until, datetime.fromisoformat(gap.from_at))
        last = min(ends, datetime.fromisoformat(gap.to_at)) if gap.to_at else ends
        seconds += max(0.0, (last - first).total_seconds())
        covered_until = max(covered_until, last)
    return seconds
