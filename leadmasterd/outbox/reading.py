"""Reading the outbox, for whoever delivers."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

_SELECT: Final = "SELECT event_id, kind, stream, at, data, feed FROM outbox WHERE event_id > ?"


class Event(NamedTuple):
    """One event.

    `stream`: the conversation whose order it keeps, 0 for none; `at`: when it was written, UTC; `feed`: the one that it
    is replayed for, None when it is for all.
    """

    event_id: int
    kind: str
    stream: int
    at: str
    data: dict[str, Any]
    feed: str | None


def after(connection: sqlite3.Connection, event_id: int, limit: int) -> list[Event]:
    """The next events after this one, oldest first: in the order in which they were committed."""
    return _events(connection.execute(f"{_SELECT} ORDER BY event_id LIMIT ?", (event_id, limit)))


def of_stream(connection: sqlite3.Connection, stream: int, between: tuple[int, int], limit: int) -> list[Event]:
    """The same of one stream: after the first of two ids, up to the second. There is no index of streams."""
    query = f"{_SELECT} AND event_id <= ? AND stream = ? ORDER BY event_id LIMIT ?"
    return _events(connection.execute(query, (*between, stream, limit)))


def _events(rows: Iterable[tuple[Any, ...]]) -> list[Event]:
    return [Event._make((*row[:4], json.loads(row[4]), row[5])) for row in rows]


def newest(connection: sqlite3.Connection) -> int:
    """The id of the newest event there ever was; 0 before the first."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
    return row[0] if row else 0
