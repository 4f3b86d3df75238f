"""Committed events, read from the outbox in the daemon's database. Nothing here writes to it."""

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
    """Events in the order of their commits: every event after the id `after`, up to the last one here."""

    after: int
    events: list[Event]


_WORDS: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(
        name for source in SOURCES if kind in source.kinds for name, field in source.fields.items() if field.full
    )
    for kind in KINDS
}
"""By kind: the fields of `data` that hold what people wrote. Only a feed that is `full` gets them."""


def fields_of(kind: str, *, full: bool) -> frozenset[str]:
    """The fields of `data` that every event of this kind has. The template of a feed may name only these.

    Events of one kind can come from several tables, so these are the fields that all of the tables give. `full`: as in
    the settings of the feed.
    """
    by_source = [
        frozenset(name for name, field in source.fields.items() if full or not field.full)
        for source in SOURCES
        if kind in source.kinds
    ]
    return frozenset.intersection(*by_source)


def without_words(event: Event) -> Event:
    """The event without what people wrote, for a feed that is not `full`: ids, codes and times."""
    words = _WORDS.get(event.kind, frozenset())
    return event._replace(data={name: value for name, value in event.data.items() if name not in words})


_FIELD_OF_TIME: Final[Mapping[str, str]] = {
    kind: name
    for source in SOURCES
    if source.order_by
    for kind in source.kinds
    for name, field in source.fields.items()
    if field.sql == source.order_by
}
"""By kind: the field of `data` with the time by which a replay finds such an event."""


def happened_at(event: Event) -> str:
    """When it happened (ISO, UTC). A wait happened when it began, which may be long before its event was written.

    A replay finds the event by this time. If `data` has no such time, it is when the event was written.
    """
    field = _FIELD_OF_TIME.get(event.kind)
    happened = event.data.get(field) if field else None
    return happened or event.at


class Outbox:
    """A read-only connection to the daemon's database."""

    def __init__(self, database: Path) -> None:
        """Open it. Raises sqlite3.Error when the database is not there or can't be opened."""
        self._connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        self._seen_version = -1

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def changed(self) -> bool:
        """Whether anything was committed to the database since the last call. True at the first."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        changed = version != self._seen_version
        self._seen_version = version
        return bool(changed)

    def last_id(self) -> int:
        """The highest id ever given, even if its row has been deleted since; 0: none."""
        return reading.newest(self._connection)

    def after(self, event_id: int, limit: int) -> News:
        """The next events after this id, at most `limit`."""
        return News(event_id, reading.after(self._connection, event_id, limit))

    def of_stream(self, stream: int, between: tuple[int, int], limit: int) -> list[Event]:
        """The next events of one stream. `between`: after the first of these ids, and up to the second."""
        return reading.of_stream(self._connection, stream, between, limit)

    def count_after(self, event_id: int) -> int:
        """How many events there are after this id. Ids have no holes: the lowest and the highest tell."""
        first = "SELECT min(event_id) FROM outbox WHERE event_id > ?"
        query = f"SELECT ifnull(max(event_id) - ({first}) + 1, 0) FROM outbox"
        (number,) = self._connection.execute(query, (event_id,)).fetchone()
        return int(number)

    def room(self, free: int) -> Room:
        """How much disk the events take and may take. `free`: bytes that are free on it."""
        return room(self._connection, free=free)
