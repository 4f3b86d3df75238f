"""Makes events from the tables again (a replay), for a feed that is new or has lost some.

The tables hold the present state, not each change: for an edited message only its last text. So a replay leaves out
events whose cause is no longer in the tables, such as withdrawn waits, and events that come due by time alone.
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
"""The sources, each with its rank, by which events of the same moment are sorted: a message before its edit."""
_SAMPLE: Final = 500
"""How many events are made to estimate the size of all."""


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
    """Collect what a replay of `from_at` to `until` (ISO, UTC) has to write, for `replay` on the same connection.

    Lists the events, in their order, in a temporary table, which makes no other writer wait. Call it outside of a
    transaction. `full`: whether the events have words and names; `kinds`: which kinds of events.
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
    [(mean_size,)] = connection.execute(
        f"SELECT avg(length(kind) + length(CAST(data AS BLOB))) FROM ({_select_events(full=full)})",
        {"first": 1, "last": _SAMPLE},
    )
    return Plan(number, round(number * ((mean_size or 0) + ROW_BYTES)))  # the mean is None if there are no events


def replay(connection: sqlite3.Connection, feed: str, first: int, last: int, *, full: bool) -> int:
    """Write the events of the last `plan` from number `first` to number `last`, counted from 1. Returns how many.

    They are for one feed only, and come after all that is in the outbox. Events whose row is gone since the plan was
    made, such as a message that was merged, are left out. In the caller's transaction.
    """
    return connection.execute(
        f"INSERT INTO outbox (kind, stream, at, data, feed) SELECT kind, stream, at, data, :feed "
        f"FROM ({_select_events(full=full)}) ORDER BY place",
        {"feed": feed, "first": first, "last": last},
    ).rowcount


def _select_events(*, full: bool) -> str:
    """The SELECT of the planned events from number `:first` to number `:last`, in any order, each with its `place`.

    CROSS JOIN makes SQLite go through the plan, and not through the tables.
    """
    return " UNION ALL ".join(
        f"SELECT {values_of(source, 'r', full=full)}, place FROM temp.replayed p CROSS JOIN {source.table} r "
        f"ON r.rowid = p.row_id WHERE p.place BETWEEN :first AND :last AND p.rank = {rank}"
        for rank, source in _REPLAYED
    )
