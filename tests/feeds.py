"""An outbox as the daemon keeps it, and receivers for tests."""

import asyncio
import json
import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from leadmasterd.feeds.schedule import DELIVERED, Outcome
from leadmasterd.outbox.reading import Event

OUTBOX = """
CREATE TABLE IF NOT EXISTS outbox (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, stream INTEGER NOT NULL, at TEXT NOT NULL, data TEXT NOT NULL, feed TEXT
) STRICT
"""
AT = "2026-11-23T12:00:00.000Z"


class Committer:
    """Commits events as the daemon does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(OUTBOX)

    def commit(self, *streams: int, kind: str = "message.stored", feed: str | None = None) -> None:
        """One event for each stream, in one transaction; its data counts up."""
        rows = [(kind, stream, AT, json.dumps({"stream": stream, "text": "ñ 🎉"}), feed) for stream in streams]
        self.connection.execute("BEGIN")
        self.connection.executemany("INSERT INTO outbox (kind, stream, at, data, feed) VALUES (?, ?, ?, ?, ?)", rows)
        self.connection.execute("COMMIT")

    def delete_through(self, event_id: int) -> None:
        """As retention does."""
        self.connection.execute("DELETE FROM outbox WHERE event_id <= ?", (event_id,))

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


Answer = Callable[[Event, bool], Outcome | Awaitable[Outcome]]


class Scripted:
    """A receiver that answers as it is told and remembers what it was given."""

    def __init__(self, answer: Answer = lambda _event, _gap: DELIVERED, *, concurrency: int = 4) -> None:
        self.answer = answer
        self.concurrency = concurrency
        self.tried: list[int] = []
        self.delivered: list[Event] = []
        self.after_gap: list[int] = []
        self.at_once = self.most_at_once = 0
        self.flushes = 0

    async def deliver(self, event: Event, *, after_gap: bool) -> Outcome:
        """Answer by `answer`, after a moment."""
        self.tried.append(event.event_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            outcome = self.answer(event, after_gap)
            if not isinstance(outcome, Outcome):
                outcome = await outcome
        finally:
            self.at_once -= 1
        if outcome is DELIVERED:
            self.delivered.append(event)
            if after_gap:
                self.after_gap.append(event.event_id)
        return outcome

    def flush(self) -> None:
        """Counted."""
        self.flushes += 1

    async def close(self) -> None:
        """Nothing to close."""

    def of_stream(self, stream: int) -> list[int]:
        """The ids of the delivered events of a stream, in the order of delivery."""
        return [event.event_id for event in self.delivered if event.stream == stream]


def failing(share: float, chance: random.Random, outcome: Outcome) -> Answer:
    """Fails at random with this outcome."""
    return lambda _event, _gap: outcome if chance.random() < share else DELIVERED


def body_of(data: bytes) -> dict[str, Any]:
    """A JSON object."""
    value = json.loads(data)
    assert isinstance(value, dict)
    return value
