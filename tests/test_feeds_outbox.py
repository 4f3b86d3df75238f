"""From a stored message to a feed: the triggers follow the settings, and each feed gets what it asked for."""

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.daemon.outbox import OutboxUpkeep
from leadmasterd.feeds.events import without_words
from leadmasterd.outbox import triggers
from leadmasterd.outbox.events import SOURCES
from leadmasterd.outbox.reading import Event
from leadmasterd.settings.model import Settings
from leadmasterd.store.writer import Writer
from tests.feeds import AT

THIN = {"kind": "jsonl"}
FULL = {"kind": "jsonl", "full": True}


@pytest.mark.parametrize(
    ("feeds", "mode"), [({}, "off"), ({"a": THIN}, "thin"), ({"a": FULL}, "full"), ({"a": THIN, "b": FULL}, "full")]
)
def test_words_are_written_only_when_some_feed_wants_them(feeds: dict[str, Any], mode: str) -> None:
    """And nothing at all without a feed."""
    assert Settings.model_validate({"feeds": feeds}).plain().outbox == mode


def test_a_thin_feed_gets_no_words_whatever_the_others_want() -> None:
    """Of any kind of event."""
    for source in SOURCES:
        words = {name for name, field in source.fields.items() if field.full}
        for kind in source.kinds:
            event = Event(1, kind, 1, AT, dict.fromkeys(source.fields, "x"), None)
            assert without_words(event).data.keys() == source.fields.keys() - words


@dataclass(slots=True)
class Books:
    """A database with its writer."""

    path: Path
    writer: Writer

    def one(self, query: str) -> Any:
        """The first column of the first row."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchone()[0]


async def test_the_triggers_follow_the_settings_and_what_is_delivered_goes_after_a_day(tmp_path: Path) -> None:
    """What is not delivered stays, however old it is."""
    writer = Writer(tmp_path / "leadmaster.db", on_batch=lambda _: None, on_error=lambda _: None)
    await asyncio.to_thread(writer.start)
    books = Books(tmp_path / "leadmaster.db", writer)
    try:
        low_water = crowded = 0
        on = OutboxUpkeep("thin", low_water=lambda: low_water, crowded=lambda: crowded)
        await on.begin(writer)
        assert books.one("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'outbox_*'") > 5
        with closing(sqlite3.connect(books.path)) as connection, connection:
            rows = [("2020-01-01T00:00:00.000Z",), ("2020-01-01T00:00:00.000Z",), ("2999-01-01T00:00:00.000Z",)]
            connection.executemany("INSERT INTO outbox (kind, stream, at, data) VALUES ('x', 0, ?, '{}')", rows)
        await on.every_minute(writer)
        assert books.one("SELECT count(*) FROM outbox") == 3
        low_water = 1
        await on.every_minute(writer)
        assert books.one("SELECT json_group_array(event_id) FROM outbox") == json.dumps([2, 3], separators=(",", ":"))
        low_water = 3
        await on.every_minute(writer)
        assert books.one("SELECT json_group_array(event_id) FROM outbox") == "[3]"
        with closing(sqlite3.connect(books.path)) as connection, connection:
            rows = [("2999-01-01T00:00:00.000Z",)] * (2 * triggers.DROPPED_AT_ONCE)
            connection.executemany("INSERT INTO outbox (kind, stream, at, data) VALUES ('x', 0, ?, '{}')", rows)
        low_water = crowded = 2 * triggers.DROPPED_AT_ONCE + 1
        await on.every_minute(writer)
        assert books.one("SELECT json_group_array(event_id) FROM outbox") == f"[{low_water + 1},{low_water + 2}]"
        await OutboxUpkeep("off", low_water=lambda: 0).begin(writer)
        assert books.one("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'outbox_*'") == 0
        with closing(sqlite3.connect(books.path)) as connection:
            assert triggers.mode_of(connection) == "off"
    finally:
        await asyncio.to_thread(writer.stop, 5)
