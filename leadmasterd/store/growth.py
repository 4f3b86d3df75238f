"""How large the database is, how fast it grows, and when the disk will be full."""

import sqlite3
from datetime import datetime, timedelta
from typing import NamedTuple

from leadmasterd.times import iso

_EACH = timedelta(days=1)
"""A size is noted this often at most, and growth is told over no less than that."""
_OVER = timedelta(days=14)
"""Growth is that of this time, as far as it is known."""


class DatabaseSize(NamedTuple):
    """Bytes in use, bytes of the file that wait to be used, and by how many bytes a day the use grows.

    `growth`: None until a day has passed; negative where it shrinks.
    """

    used: int
    unused: int
    growth: int | None


def note_size(connection: sqlite3.Connection, now: datetime) -> None:
    """Once a day, in the caller's transaction."""
    connection.execute("DELETE FROM database_sizes WHERE at > ? OR at < ?", (iso(now), iso(now - _OVER)))
    connection.execute(
        "INSERT INTO database_sizes SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM database_sizes WHERE at > ?)",
        (iso(now), size_of(connection, now).used, iso(now - _EACH)),
    )


def size_of(connection: sqlite3.Connection, now: datetime) -> DatabaseSize:
    """By what is there now and what was noted."""
    pages, free, bytes_each = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    used = (pages - free) * bytes_each
    first = connection.execute(
        "SELECT at, bytes FROM database_sizes WHERE at BETWEEN ? AND ? ORDER BY at LIMIT 1",
        (iso(now - _OVER), iso(now - _EACH)),
    ).fetchone()
    growth = None
    if first:
        days = (now - datetime.fromisoformat(first[0])) / _EACH
        growth = round((used - int(first[1])) / days)
    return DatabaseSize(used, free * bytes_each, growth)


def days_until_full(size: DatabaseSize, disk_free: int) -> int | None:
    """In how many days the disk is full at this pace; None: not known, or never."""
    if not size.growth or size.growth < 0:
        return None
    return (disk_free + size.unused) // size.growth
