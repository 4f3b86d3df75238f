"""Replay: events made from the tables again, for a feed that is new or has lost something.

The tables hold what is so, not how it came about: of an edited message its last text, of a lead all of its record. What
cannot be known any more is not told: waits that were none, and what time made.
"""

import sqlite3
from typing import Final

from leadmasterd.outbox.events import SOURCES, Source
from leadmasterd.outbox.triggers import over, values_of

_REPLAYED: Final = tuple(each for each in SOURCES if each.replayable)


def replay(connection: sqlite3.Connection, feed: str, from_at: str, *, full: bool) -> int:
    """Write for one feed the events of everything since `from_at` (ISO, UTC). Returns how many.

    They are in the order in which things happened, after whatever is in the outbox. In the caller's transaction.
    """
    selects = " UNION ALL ".join(_select(source, rank, full=full) for rank, source in enumerate(_REPLAYED))
    return connection.execute(
        "INSERT INTO outbox (kind, stream, at, data, feed) SELECT kind, stream, at, data, :feed "
        f"FROM ({selects}) ORDER BY happened_at, rank, number",
        {"feed": feed, "from": from_at},
    ).rowcount


def count(connection: sqlite3.Connection, from_at: str) -> int:
    """How many events that would be."""
    selects = " UNION ALL ".join(
        over(f"SELECT 1 FROM {source.table} r WHERE {source.replayable} AND {source.order_by} >= :from", "r")
        for source in _REPLAYED
    )
    [(number,)] = connection.execute(f"SELECT count(*) FROM ({selects})", {"from": from_at})
    return int(number)


def _select(source: Source, rank: int, *, full: bool) -> str:
    """`rank` keeps events of one moment in the order of their definitions: a message before its edit."""
    kind, rest = (
        values_of(source, "r", full=full),
        f"{source.order_by} AS happened_at, {rank} AS rank, r.rowid AS number",
    )
    where = f"{source.replayable} AND {source.order_by} >= :from"
    return over(f"SELECT {kind}, {rest} FROM {source.table} r WHERE {where}", "r")
