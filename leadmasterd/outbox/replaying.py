"""Replay: events made from the tables again, for a feed that is new or has lost something.

The tables hold what is so, not how it came about: of an edited message its last text, of a lead all of its record. What
cannot be known any more is not told: waits that were none, and what time made.
"""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from leadmasterd.outbox.events import KINDS, SOURCES
from leadmasterd.outbox.room import ROW_BYTES
from leadmasterd.outbox.triggers import kind_of, over, values_of

_REPLAYED: Final = tuple(enumerate(each for each in SOURCES if each.replayable))
"""With their ranks, which keep events of one moment in the order of their definitions: a message before its edit."""
_SAMPLE: Final = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay writes: how many events, and about how many bytes."""

    number: int
    size: int


def plan(
    connection: sqlite3.Connection,
    from_at: str,
    *,
    until: str = "9999",
    full: bool,
    kinds: Collection[str] = tuple(KINDS),
) -> Plan:
    """Find what has happened from `from_at` to `until` (ISO, UTC), in its order, for `replay` on this connection.

    Only a temporary table is written, so nobody waits. Outside of a transaction.
    """
    connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS replayed (place INTEGER PRIMARY KEY, rank INTEGER, row_id INTEGER) STRICT"
    )
    connection.execute("DELETE FROM temp.replayed")
    selects = (
        f"SELECT {source.order_by} AS happened_at, {rank} AS rank, r.rowid AS row_id FROM {source.table} r "
        f"WHERE {source.replayable} AND {source.order_by} BETWEEN :from AND :until "
        f"AND {kind_of(source)} IN (SELECT value FROM json_each(:kinds))"
        for rank, source in _REPLAYED
    )
    number = connection.execute(
        "INSERT INTO temp.replayed (rank, row_id) SELECT rank, row_id "
        f"FROM ({over(' UNION ALL '.join(selects), 'r')}) ORDER BY happened_at, rank, row_id",
        {"from": from_at, "until": until, "kinds": json.dumps(list(kinds))},
    ).rowcount
    [(each,)] = connection.execute(
        f"SELECT avg(length(kind) + length(CAST(data AS BLOB))) FROM ({_events(full=full)})",
        {"first": 1, "last": _SAMPLE},
    )
    return Plan(number, round(number * ((each or 0) + ROW_BYTES)))


def replay(connection: sqlite3.Connection, feed: str, first: int, last: int, *, full: bool) -> int:
    """Write for one feed the events of the plan from the `first` to the `last`, counted from 1. Returns how many.

    They come after whatever is in the outbox. What has gone since the plan, as merged messages do, is left out. In the
    caller's transaction.
    """
    return connection.execute(
        f"INSERT INTO outbox (kind, stream, at, data, feed) SELECT kind, stream, at, data, :feed "
        f"FROM ({_events(full=full)}) ORDER BY place",
        {"feed": feed, "first": first, "last": last},
    ).rowcount


def _events(*, full: bool) -> str:
    """CROSS JOIN has SQLite go through the plan and not through the table."""
    return " UNION ALL ".join(
        f"SELECT {values_of(source, 'r', full=full)}, place FROM temp.replayed p CROSS JOIN {source.table} r "
        f"ON r.rowid = p.row_id WHERE p.place BETWEEN :first AND :last AND p.rank = {rank}"
        for rank, source in _REPLAYED
    )
