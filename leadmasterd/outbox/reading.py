"""Reads events from the outbox, for the parts that deliver them."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

_SELECT: Final = "SELECT event_id, kind, stream, at, data, feed FROM outbox WHERE event_id > ?"


class Event(NamedTuple):
    """A row of the outbox.

    `stream`: the conversation within which it keeps its order, 0 for none; `at`: when it was written (ISO, UTC);
    `feed`: the feed for which it was replayed, and which alone gets it; None: all feeds get it.
    """

    event_id: int
    kind: str
    stream: int
    at: str
    data: dict[str, Any]
    feed: str | None


def after(connection: sqlite3.Connection, event_id: int, limit: int) -> list[Event]:
    """At most `limit` events after the one with this id, in the order in which they were committed."""
    return _events(connection.execute(f"{_SELECT} ORDER BY event_id LIMIT ?", (event_id, limit)))


def of_stream(connection: sqlite3.Connection, stream: int, between: tuple[int, int], limit: int) -> list[Event]:
    """At most `limit` events of one stream, in the order in which they were committed.

    `between`: two ids; only events after the first are returned, up to and including the second. As streams have
    no index, it may read all events between the two.
    """
    after_id, through_id = between
    query = f"{_SELECT} AND event_id <= ? AND stream = ? ORDER BY event_id LIMIT ?"
    return _events(connection.execute(query, (after_id, through_id, stream, limit)))


def _events(rows: Iterable[tuple[Any, ...]]) -> list[Event]:
    return [
        Event(event_id=event_id, kind=kind, stream=stream, at=at, data=json.loads(data), feed=feed)
        for event_id, kind, stream, at, data, feed in rows
    ]


def newest(connection: sqlite3.Connection) -> int:
    """The id of the newest event that was ever written, even if it is deleted by now; 0 before the first."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
    return row[0] if row else 0
