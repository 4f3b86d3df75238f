"""How many conversations wait for an answer: what status, alerts and lists count alike."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from leadmasterd.times import iso


@dataclass(frozen=True, slots=True)
class WhoWaits:
    """How many conversations wait, how many of them past the target, and the earliest start."""

    conversations: int = 0
    overdue: int = 0
    oldest_since: str | None = None


def who_waits(connection: sqlite3.Connection, now: datetime) -> WhoWaits:
    """As of the last projection; `now` decides what is overdue."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(due_at <= ?), 0), min(waiting_since) FROM conversations "
        "WHERE waiting_since IS NOT NULL",
        (iso(now),),
    ).fetchone()
    return WhoWaits(*row)
