"""How many conversations wait for an answer: what status, alerts and lists count alike."""

import sqlite3
from datetime import datetime
from typing import NamedTuple

from leadmasterd.times import iso


class WhoWaits(NamedTuple):
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
