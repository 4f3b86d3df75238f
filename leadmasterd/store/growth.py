"""How large the database is, how fast it grows, and when the disk will be full. Sizes are kept in `database_sizes`."""

import sqlite3
from datetime import datetime, timedelta
from typing import NamedTuple

from leadmasterd.times import iso

_NOTED_EVERY = timedelta(days=1)
"""A size is noted at most this often, and growth is measured over at least as long."""
_MEASURED_OVER = timedelta(days=14)
"""Growth is measured over at most this time."""


class DatabaseSize(NamedTuple):
    """Bytes of the file that are in use, and bytes that are unused and will be used for new rows.

    `growth`: by how many bytes a day the use grows; negative where it shrinks, None until a day has passed.
    """

    used: int
    unused: int
    growth: int | None


def note_size(connection: sqlite3.Connection, now: datetime) -> None:
    """Note the size, unless one was noted within a day. In the caller's transaction.

    Deletes sizes that are too old, and those with a time in the future: our clock was ahead then.
    """
    connection.execute("DELETE FROM database_sizes WHERE at > ? OR at < ?", (iso(now), iso(now - _MEASURED_OVER)))
    connection.execute(
        "INSERT INTO database_sizes SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM database_sizes WHERE at > ?)",
        (iso(now), size_of(connection, now).used, iso(now - _NOTED_EVERY)),
    )


def size_of(connection: sqlite3.Connection, now: datetime) -> DatabaseSize:
    """The size now, and its growth since the oldest size that was noted 1 to 14 days ago."""
    pages, unused_pages, page_size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    used = (pages - unused_pages) * page_size
    oldest = connection.execute(
        "SELECT at, bytes FROM database_sizes WHERE at BETWEEN ? AND ? ORDER BY at LIMIT 1",
        (iso(now - _MEASURED_OVER), iso(now - _NOTED_EVERY)),
    ).fetchone()
    growth = None
    if oldest:
        noted_at, used_then = oldest
        days = (now - datetime.fromisoformat(noted_at)) / timedelta(days=1)
        growth = round((used - int(used_then)) / days)
    return DatabaseSize(used, unused_pages * page_size, growth)


def days_until_full(size: DatabaseSize, disk_free: int) -> int | None:
    """In how many days the disk is full if the database goes on growing; None: not known, or it does not grow.

    `disk_free`: bytes.
    """
    if not size.growth or size.growth < 0:
        return None
    return (disk_free + size.unused) // size.growth
