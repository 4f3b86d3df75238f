"""A real database written through the real decoder, the intake's decisions and the real writer thread."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from leadmasterd import times
from leadmasterd.capture import CapturedMessage, CaptureFilter, CaptureRules
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.records import BatchResult, Item, Record
from leadmasterd.store.writer import StoreError, Writer
from leadmasterd.wire.events import Account, Ciphertext, Malformed, Message, Ready
from tests import wire
from tests.waiting import LIMIT

RULES = CaptureRules(groups=True)


def at(t: float) -> str:
    """A time in seconds, as the tables store it."""
    return times.iso(datetime.fromtimestamp(t, UTC))


def item(obj: dict[str, Any], *, now: float = wire.NOON + 5, text: str | None = "the line") -> Item:
    """The record of a wire line, as the intake makes it."""
    event = wire.decoded(obj)
    record: Record
    if isinstance(event, Message | Ciphertext):
        captured = CaptureFilter(RULES).decide(event, datetime.fromtimestamp(now, UTC))
        assert isinstance(captured, CapturedMessage), captured
        record = captured
    elif isinstance(event, Ready):
        record = event.account
    else:
        assert not isinstance(event, Malformed), event
        record = event  # type: ignore[assignment]
    return Item(record, None if text is None else text.encode(), at(now))


def account(wid: str = wire.US, *, now: float = wire.NOON) -> Item:
    """The `ready` line: messages after it belong to this number."""
    return Item(Account(wid, None, "Tienda", "android"), None, at(now))


@cache
def _new_database() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "new.db"
        open_for_writing(path).close()
        return path.read_bytes()


def make_database(path: Path) -> None:
    """Make an empty database of today's schema: a copy, since all migrations take thirty times as long."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(_new_database())


class Store:
    """The writer with everything it reported, and a second connection for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.batches: list[BatchResult] = []
        self.errors: list[StoreError | None] = []
        self.failing = threading.Event()
        self.healed = threading.Event()
        if not path.exists():
            make_database(path)
        self.writer = Writer(path, on_batch=self.batches.append, on_error=self._on_error)
        self.writer.start()

    def _on_error(self, error: StoreError | None) -> None:
        self.errors.append(error)
        (self.failing if error else self.healed).set()

    def write(self, *items: Item | dict[str, Any]) -> None:
        """Write these in one batch and wait until they are durable."""
        self.writer.put([each if isinstance(each, Item) else item(each) for each in items])
        self.settle()

    def settle(self) -> None:
        """Wait until everything queued is durable."""
        self.writer.call(lambda connection, rows: None).result(LIMIT)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Query the file on a connection of its own."""
        with reading(self.path) as connection:
            return connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> Any:
        """The single value of a single row."""
        [[value]] = self.rows(query, *values)
        return value

    def sum_of(self, counter: str) -> int:
        """The sum of a counter over all batches so far."""
        return sum(int(getattr(batch, counter)) for batch in self.batches)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for reading that is closed at the end."""
    connection = sqlite3.connect(path, timeout=LIMIT)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def opened(path: Path, items: Sequence[Item] = ()) -> Iterator[Store]:
    """An open store that knows its account."""
    store = Store(path)
    try:
        store.write(account(), *items)
        yield store
    finally:
        assert store.writer.stop(LIMIT)
