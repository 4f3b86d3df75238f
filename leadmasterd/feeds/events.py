"""Committed events, as the outbox in the daemon's database holds them. Only read here, never written."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leadmasterd.outbox import reading
from leadmasterd.outbox.events import KINDS, SOURCES
from leadmasterd.outbox.reading import Event
from leadmasterd.outbox.room import Room, room

NO_STREAM: Final = 0
"""The stream of events that belong to no conversation."""


@dataclass(frozen=True, slots=True)
class News:
    """Events in the order of their commits: all those there are after the id `after`, up to the last of them."""

    after: int
    events: list[Event]


_WORDS: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(
        name for source in SOURCES if kind in source.kinds for name, field in source.fields.items() if field.full
    )
    for kind in KINDS
}


def fields_of(kind: str, *, full: bool) -> frozenset[str]:
    """What events of this kind always have in their data."""
    sources = [source.fields.items() for source in SOURCES if kind in source.kinds]
    each = [frozenset(name for name, field in fields if full or not field.full) for fields in sources]
    return frozenset.intersection(*each)


def without_words(event: Event) -> Event:
    """The event as a feed gets it that is not `full`: ids, codes and times."""
    words = _WORDS.get(event.kind, frozenset())
    return event._replace(data={name: value for name, value in event.data.items() if name not in words})


_HAPPENED: Final[Mapping[str, str]] = {
    kind: name
    for source in SOURCES
    if source.order_by
    for kind in source.kinds
    for name, field in source.fields.items()
    if field.sql == source.order_by
}


def happened_at(event: Event) -> str:
    """By what a replay finds it: of a wait when it began, which may be long before it was told."""
    return event.data.get(_HAPPENED.get(event.kind, "")) or event.at


class Outbox:
    """A read-only connection to the daemon's database."""

    def __init__(self, database: Path) -> None:
        """Raises sqlite3.Error when the database is not there or can't be opened."""
        self._connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        self._seen_version = -1

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def changed(self) -> bool:
        """Whether anything was committed since the last call. True at the first."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        changed = version != self._seen_version
        self._seen_version = version
        return bool(changed)

    def last_id(self) -> int:
        """The highest id ever given, also when its row was deleted meanwhile; 0: none."""
        return reading.newest(self._connection)

    def after(self, event_id: int, limit: int) -> News:
        """The next events, at most `limit`."""
        return News(event_id, reading.after(self._connection, event_id, limit))

    def of_stream(self, stream: int, between: tuple[int, int], limit: int) -> list[Event]:
        """The next events of one stream, after the first of two ids and up to the second."""
        return reading.of_stream(self._connection, stream, between, limit)

    def count_after(self, event_id: int) -> int:
        """How many events there are after this one. Ids have no holes, so nothing is read for it."""
        first = "SELECT min(event_id) FROM outbox WHERE event_id > ?"
        query = f"SELECT ifnull(max(event_id) - ({first}) + 1, 0) FROM outbox"
        (number,) = self._connection.execute(query, (event_id,)).fetchone()
        return int(number)

    def room(self, free: int) -> Room:
        """What the events take of the disk, of which these bytes are free."""
        return room(self._connection, free=free)
