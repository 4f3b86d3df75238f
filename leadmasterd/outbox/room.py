"""Limits how much of the disk the outbox may take, so that a receiver that is down for weeks does not fill it.

Events may take a quarter of the disk that would be free without them, and always 64 MB.
If they take more, the oldest have to be deleted. This module only estimates; `triggers.drop_delivered` deletes.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

SHARE: Final = 4
"""The disk that would be free without events, divided by this, is what they may take."""
LEAST: Final = 64_000_000
"""Bytes that events may always take."""
_FULL_AFTERWARDS: Final = 0.9
"""The share of their room that events still take after the oldest were deleted. If it were 1, the next event would
make another deletion necessary."""
_SAMPLE: Final = 250
"""How many events at each end of the outbox are measured."""
ROW_BYTES: Final = 60
"""Bytes of a row besides its kind and its data."""


@dataclass(frozen=True, slots=True)
class Room:
    """About how many bytes the events take, and at `most` may take.

    `through`: events up to this id have to be deleted; 0: none.
    """

    taken: int
    most: int
    through: int


def room(connection: sqlite3.Connection, *, free: int) -> Room:
    """Estimate the room of the outbox. `free`: bytes that are free on the disk.

    Only a sample of the rows is measured, because all of them may be gigabytes. Rows are counted by their ids, which
    have no holes: events are only ever deleted from the oldest on.
    """
    query = "SELECT ifnull((SELECT min(event_id) FROM outbox), 1), ifnull((SELECT max(event_id) FROM outbox), 0)"
    oldest, newest = connection.execute(query).fetchone()  # 1 and 0 if there are no events
    (mean_size,) = connection.execute(
        "SELECT avg(length(kind) + length(CAST(data AS BLOB))) FROM outbox WHERE event_id < ? OR event_id > ?",
        (oldest + _SAMPLE, newest - _SAMPLE),
    ).fetchone()
    row_size = (mean_size or 0) + ROW_BYTES
    taken = round((newest - oldest + 1) * row_size)
    most = max(LEAST, (free + _unused(connection) + taken) // SHARE)
    if taken <= most:
        return Room(taken, most, 0)
    return Room(taken, most, newest - int(_FULL_AFTERWARDS * most / row_size))


def _unused(connection: sqlite3.Connection) -> int:
    """Bytes of the database file that are free for new rows: what was deleted and not given back to the disk."""
    [(pages,)] = connection.execute("PRAGMA freelist_count")
    [(page_size,)] = connection.execute("PRAGMA page_size")
    return int(pages) * int(page_size)
