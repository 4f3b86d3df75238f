"""How much of the disk the outbox may take, so that a receiver that is down for weeks does not fill it.

Events may take a quarter of the disk that is free, what they take themselves counted as free, and 64 MB however little
that is. Beyond it the oldest have to go.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

SHARE: Final = 4
LEAST: Final = 64_000_000
_AFTERWARDS: Final = 0.9
"""How full it is after the oldest are gone, so that they do not go one by one."""
_SAMPLE: Final = 250
ROW_BYTES: Final = 60
"""What a row takes beside its kind and its data."""


@dataclass(frozen=True, slots=True)
class Room:
    """About how many bytes the events take, and may take; the oldest that are too many go up to the id `through`."""

    taken: int
    most: int
    through: int


def room(connection: sqlite3.Connection, *, free: int) -> Room:
    """What undelivered events take, may take, and which are too many. `free`: bytes on the disk.

    Estimated from a sample of the rows, since all of them may be gigabytes.

    Ids have no holes: events are only ever deleted from the oldest on.
    """
    query = "SELECT ifnull((SELECT min(event_id) FROM outbox), 1), ifnull((SELECT max(event_id) FROM outbox), 0)"
    oldest, newest = connection.execute(query).fetchone()
    (each,) = connection.execute(
        "SELECT avg(length(kind) + length(CAST(data AS BLOB))) FROM outbox WHERE event_id < ? OR event_id > ?",
        (oldest + _SAMPLE, newest - _SAMPLE),
    ).fetchone()
    row = (each or 0) + ROW_BYTES
    taken = round((newest - oldest + 1) * row)
    most = max(LEAST, (free + _unused(connection) + taken) // SHARE)
    return Room(taken, most, 0 if taken <= most else newest - int(_AFTERWARDS * most / row))


def _unused(connection: sqlite3.Connection) -> int:
    """What was deleted and is not given back to the disk: it is written to again."""
    [(pages,)] = connection.execute("PRAGMA freelist_count")
    [(size,)] = connection.execute("PRAGMA page_size")
    return int(pages) * int(size)
