"""Replay: events made from the tables again, for a feed that is new or has lost something.

The tables hold what is so, not how it came about: of an edited message its last text, of a lead all of its record. What
cannot be known any more is not told: waits that were none, and what time made.
"""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from leadmasterd.outbox.events import KINDS, SOURCES, Source
from leadmasterd.outbox.triggers import kind_of, over, values_of

_REPLAYED: Final = tuple(enumerate(each for each in SOURCES if each.replayable))
"""With their ranks, which keep events of one moment in the order of their definitions: a message before its edit."""
_SAMPLE: Final = 500
_ROW_BYTES: Final = 60
"""What a row takes beside its kind and its data."""
END: Final = "9999"
"""After every time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would write: how many events, about how many bytes, and the moments at which it can be cut."""

    number: int
    size: int
    cuts: list[str]


def plan(
    connection: sqlite3.Connection, from_at: str, *, full: bool, kinds: Collection[str] = tuple(KINDS), part: int = 1
) -> Plan:
    """Look at everything since `from_at` (ISO, UTC), with a cut after each `part` events."""
    moments = _union([f"SELECT {source.order_by} AS happened_at {_from(source)}" for _, source in _of(kinds)])
    number, cuts = 0, list[str]()
    values = _values(kinds, from_at, END)
    for (moment,) in connection.execute(f"SELECT happened_at FROM ({moments}) ORDER BY happened_at", values):
        if number and number % part == 0 and moment != (cuts or [from_at])[-1]:
            cuts.append(moment)
        number += 1
    [(each,)] = connection.execute(
        f"SELECT avg(length(kind) + length(CAST(data AS BLOB))) FROM ({_events(kinds, full=full)} LIMIT {_SAMPLE})",
        values,
    )
    return Plan(number, round(number * ((each or 0) + _ROW_BYTES)), cuts)


def replay(
    connection: sqlite3.Connection,
    feed: str,
    from_at: str,
    *,
    full: bool,
    to_at: str = END,
    kinds: Collection[str] = tuple(KINDS),
) -> int:
    """Write for one feed the events of everything from `from_at` until before `to_at` (ISO, UTC). Returns how many.

    They are in the order in which things happened, after whatever is in the outbox. In the caller's transaction.
    """
    return connection.execute(
        "INSERT INTO outbox (kind, stream, at, data, feed) SELECT kind, stream, at, data, :feed "
        f"FROM ({_events(kinds, full=full)}) ORDER BY happened_at, rank, number",
        {"feed": feed, **_values(kinds, from_at, to_at)},
    ).rowcount


def _of(kinds: Collection[str]) -> list[tuple[int, Source]]:
    """The sources of these kinds; one at least, so that there is something to ask."""
    return [(rank, source) for rank, source in _REPLAYED if source.kinds.keys() & set(kinds)] or [_REPLAYED[0]]


def _events(kinds: Collection[str], *, full: bool) -> str:
    return _union(
        [
            f"SELECT {values_of(source, 'r', full=full)}, {source.order_by} AS happened_at, {rank} AS rank, "
            f"r.rowid AS number {_from(source)}"
            for rank, source in _of(kinds)
        ]
    )


def _union(selects: list[str]) -> str:
    return over(" UNION ALL ".join(selects), "r")


def _from(source: Source) -> str:
    return (
        f"FROM {source.table} r WHERE {source.replayable} AND {source.order_by} >= :from AND {source.order_by} < :to "
        f"AND {kind_of(source)} IN (SELECT value FROM json_each(:kinds))"
    )


def _values(kinds: Collection[str], from_at: str, to_at: str) -> dict[str, str]:
    return {"from": from_at, "to": to_at, "kinds": json.dumps(list(kinds))}
