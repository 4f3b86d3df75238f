"""How many conversations wait for an answer: what status, alerts and lists count alike."""

import sqlite3
from datetime import datetime
from typing import Final, NamedTuple

from leadmasterd.times import iso


class WhoWaits(NamedTuple):
    """How many conversations wait, how many of them past the target, and the earliest start."""

    conversations: int = 0
    overdue: int = 0
    oldest_since: str | None = None


_WHO_WAITS: Final = """
    SELECT (SELECT count(*) FROM conversations WHERE waiting_since IS NOT NULL),
           (SELECT count(*) FROM conversations WHERE waiting_since IS NOT NULL AND due_at <= ?),
           (SELECT min(waiting_since) FROM conversations WHERE waiting_since IS NOT NULL)
"""
"""Each from the index alone: with thousands who wait half the time of one query for all three."""


def who_waits(connection: sqlite3.Connection, now: datetime) -> WhoWaits:
    """As of the last projection; `now` decides what is overdue."""
    row = connection.execute(_WHO_WAITS, (iso(now),)).fetchone()
    return WhoWaits(*row)
