"""The writer thread waits out a full disk or a locked file, and loses nothing."""

import asyncio
import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadmasterd.errors import CannotUseDatabase
from leadmasterd.store import sql
from leadmasterd.store import writer as writer_module
from leadmasterd.store.writer import StoreError, Writer, store_error
from tests import wire
from tests.captures import Store, account, item, opened, reading
from tests.waiting import LIMIT, until_true


@pytest.fixture(autouse=True)
def _try_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait between retries."""
    monkeypatch.setattr(writer_module, "RETRY_SECONDS", 0.05)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path / "leadmaster.db") as fresh:
        yield fresh


def count(store: Store) -> int:
    return int(store.one("SELECT count(*) FROM messages"))


def test_everything_put_is_durable_when_it_says_so(store: Store) -> None:
    """`pending` counts down to zero, and then another connection sees every row."""
    for n in range(50):
        store.writer.put([item(wire.message(f"{n}")), item(wire.message(f"{n}+"))])
    until_true(lambda: store.writer.pending == 0)
    assert count(store) == 100
    assert store.writer.stalled_seconds == 0


def test_the_order_of_put_is_the_order_of_rows(store: Store) -> None:
    """The order holds across batches."""
    for n in range(200):
        store.writer.put([item(wire.message(f"{n:03}"))])
    store.settle()
    ids = [row[0] for row in store.rows("SELECT stanza_id FROM messages ORDER BY message_id")]
    assert ids == sorted(ids)


def test_a_long_batch_is_told_of_when_it_is_written_and_not_durable_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More is read meanwhile, so what is written must not count as waiting any more, but still as pending."""
    monkeypatch.setattr(writer_module, "LONG_BATCH", 3)
    told: list[tuple[int, int, int]] = []

    def written() -> None:
        with reading(path) as other:
            [(durable,)] = other.execute("SELECT count(*) FROM messages")
        told.append((writer.waiting, writer.pending, durable))

    path = tmp_path / "leadmaster.db"
    writer = Writer(path, on_batch=lambda _: None, on_error=lambda _: None, on_written=written)
    writer.start()
    for names in ("ABC", "D", "EFGH"):
        writer.put([account(), *(item(wire.message(name)) for name in names)])
        writer.call(lambda connection, rows: None).result(LIMIT)
    assert told == [(0, 4, 0), (0, 5, 4)]
    assert (writer.waiting, writer.pending) == (0, 0)
    assert writer.stop(LIMIT)


def test_sqlite_keeps_more_pages_only_while_long_batches_come(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Afterwards their memory is free again."""
    monkeypatch.setattr(writer_module, "LONG_BATCH", 3)
    statements: list[str] = []
    store.writer.call(lambda connection, _: connection.set_trace_callback(statements.append)).result(LIMIT)
    for names in ("ABC", "DEF", "G"):
        store.write(*(item(wire.message(name)) for name in names))
    kept = [each.split()[-1] for each in statements if "cache_size" in each]
    assert kept[0] == "-6000"
    assert kept[-1] == "-2000"
    [usual] = store.writer.call(lambda connection, _: connection.execute("PRAGMA cache_size").fetchone()).result(LIMIT)
    assert usual == -2000


def test_every_commit_survives_a_power_cut(store: Store) -> None:
    """The database uses WAL with synchronous=FULL and enforces foreign keys."""

    def pragmas(connection: sqlite3.Connection, _rows: object) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert store.writer.call(pragmas).result(LIMIT) == ["wal", 2, 1]


def test_a_full_database_is_told_and_everything_is_committed_once_there_is_room(tmp_path: Path) -> None:
    """`max_page_count` stands in for the disk: SQLite gives the same error."""
    connections: list[sqlite3.Connection] = []
    room = threading.Event()

    class Roomy(Store):
        """Makes room from the callback, which runs on the writer's thread, where the connection may be used."""

        def _on_error(self, error: StoreError | None) -> None:
            super()._on_error(error)
            if room.is_set():
                connections[0].execute("PRAGMA max_page_count = 100000").fetchone()

    def narrow(connection: sqlite3.Connection, _rows: object) -> None:
        connections.append(connection)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 20}").fetchone()

    store = Roomy(tmp_path / "leadmaster.db")
    store.write(account())
    store.writer.call(narrow).result(LIMIT)
    store.writer.put([item(wire.message(f"{n}", body="x" * 200_000)) for n in range(5)])
    assert store.failing.wait(LIMIT)
    store.writer.put([item(wire.message("behind it"))])
    assert store.errors[0] == StoreError("disk_full", "database or disk is full")
    assert store.writer.pending == 6
    until_true(lambda: store.writer.stalled_seconds > 0)
    assert count(store) == 0
    room.set()
    assert store.healed.wait(LIMIT)
    store.settle()
    assert count(store) == 6
    assert store.errors[-1] is None
    assert store.sum_of("rejected") == 0
    assert store.writer.stop(LIMIT)


def test_a_database_locked_by_another_program_is_waited_for(store: Store) -> None:
    """There is no limit, and afterwards every row is there."""
    store.writer.call(lambda c, _: c.execute("PRAGMA busy_timeout = 20").fetchone()).result(LIMIT)
    with reading(store.path) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        store.writer.put([item(wire.message())])
        question = store.writer.call(lambda c, _: c.execute("SELECT count(*) FROM messages").fetchone()[0])
        assert store.failing.wait(LIMIT)
        assert store.errors[0] == StoreError("database_locked", "database is locked")
        assert not question.done()
        other.execute("ROLLBACK")
    assert question.result(LIMIT) == 1
    assert store.healed.is_set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take /proc for a folder of temporary files")
def test_many_messages_are_written_though_no_temporary_file_can_be_made(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite makes one to take back a statement of many rows. One by one they need none."""
    monkeypatch.setattr(sql, "ROWS_TOGETHER", 1000)
    chats = [f"54911555{number:05}@c.us" for number in range(1000)]
    store.write(*(item(wire.message(chat, chat=chat)) for chat in chats))
    store.writer.call(lambda connection, _: connection.execute("PRAGMA temp_store_directory = '/proc'")).result(LIMIT)
    try:
        store.write(*(item(wire.message(chat[::-1], chat=chat)) for chat in chats))
    finally:
        store.writer.call(lambda connection, _: connection.execute("PRAGMA temp_store_directory = ''")).result(LIMIT)
    assert count(store) == 2000
    assert [error and error.code for error in store.errors] == ["database_error", None]


def test_a_question_waits_for_a_locked_database_as_a_write_does(store: Store) -> None:
    """A sweep may be planned at any time, and a lock must not bring the daemon down."""
    store.writer.call(lambda c, _: c.execute("PRAGMA busy_timeout = 20").fetchone()).result(LIMIT)
    with reading(store.path) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        question = store.writer.call(lambda c, _: c.execute("SELECT 7").fetchone()[0])
        assert store.failing.wait(LIMIT)
        other.execute("ROLLBACK")
    assert question.result(LIMIT) == 7
    assert store.healed.wait(LIMIT), "told after the answer"
    assert store.errors[-1] is None


def test_a_question_waits_for_a_disk_that_fails_as_a_write_does(store: Store) -> None:
    """So it does not bring the daemon down either."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR"
    errors = [error]

    def reads(connection: sqlite3.Connection, _rows: object) -> int:
        if errors:
            raise errors.pop()
        return int(connection.execute("SELECT 7").fetchone()[0])

    assert store.writer.call(reads).result(LIMIT) == 7
    assert store.healed.wait(LIMIT), "told after the answer"
    assert [each and each.code for each in store.errors] == ["database_error", None]


def test_a_question_that_is_wrong_fails_for_whoever_asked(store: Store) -> None:
    """Only the caller gets the error, and nothing of it is committed."""

    def wrong(connection: sqlite3.Connection, _rows: object) -> None:
        connection.execute("DELETE FROM accounts")
        connection.execute("SELECT * FROM no_such_table")

    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        store.writer.call(wrong).result(LIMIT)
    store.write(wire.message())
    assert count(store) == 1


async def test_a_question_whose_asker_left_does_not_end_the_thread(store: Store) -> None:
    """At shutdown tasks are cancelled while messages are still being written."""
    gate = threading.Event()
    blocker = store.writer.call(lambda c, _: gate.wait(LIMIT))
    left = asyncio.wrap_future(store.writer.call(lambda c, _: 1))
    left.cancel()
    await asyncio.sleep(0)
    store.writer.put([item(wire.message())])
    gate.set()
    assert await asyncio.wrap_future(blocker)
    await asyncio.to_thread(store.settle)
    assert count(store) == 1


def test_another_writer_is_noticed(store: Store) -> None:
    """Commands write to the same database, so cached ids and conversations are reloaded."""
    store.write(wire.message("1"))
    with reading(store.path) as other, other:
        other.execute("PRAGMA foreign_keys = ON")
        columns = "account_id, conversation_id, direction, author, type, sent_at, captured_at, captured_via, business"
        other.execute(
            f"INSERT INTO messages (message_id, {columns}, truncated, forwarded, stanza_id) "
            f"SELECT 500, {columns}, truncated, forwarded, 'theirs' FROM messages"
        )
    store.write(wire.message("2"))
    assert store.rows("SELECT message_id FROM messages ORDER BY 1") == [(1,), (500,), (501,)]


def test_a_conversation_deleted_by_another_writer_is_made_anew(store: Store) -> None:
    """Caches are dropped when another connection has changed the file."""
    store.write(wire.message("1"))
    with reading(store.path) as other, other:
        for table in ("message_aliases", "messages", "conversations", "contact_identities", "contacts"):
            other.execute(f"DELETE FROM {table}")
    store.write(wire.message("2"))
    assert store.rows("SELECT message_id, stanza_id FROM messages") == [(2, "2")], "an id is never used again"
    assert store.sum_of("rejected") == 0


def test_stopping_writes_what_is_queued(tmp_path: Path) -> None:
    """Everything queued is written and the file is closed properly, without a -wal file."""
    path = tmp_path / "leadmaster.db"
    store = Store(path)
    gate = threading.Event()
    store.writer.call(lambda c, _: gate.wait(LIMIT))
    store.writer.put([item(wire.ready())])
    for n in range(100):
        store.writer.put([item(wire.message(f"{n}"))])
    assert store.writer.pending == 101
    gate.set()
    assert store.writer.stop(LIMIT)
    assert store.one("SELECT count(*) FROM messages") == 100
    assert not (tmp_path / "leadmaster.db-wal").exists()


def test_stopping_gives_up_on_a_database_that_stays_locked(tmp_path: Path) -> None:
    """It gives up in time and says so; the next start fetches what was not written."""
    store = Store(tmp_path / "leadmaster.db")
    store.writer.call(lambda c, _: c.execute("PRAGMA busy_timeout = 20").fetchone()).result(LIMIT)
    with reading(store.path) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        store.writer.put([item(wire.ready())])
        assert store.failing.wait(LIMIT)
        assert store.writer.stop(0.1) is False
        assert store.writer.pending == 1
        other.execute("ROLLBACK")
    until_true(lambda: not any(thread.name == "store writer" for thread in threading.enumerate()))


def test_a_damaged_database_is_told_and_not_spun_on(tmp_path: Path) -> None:
    """Not even the message's raw line can be stored, so it is reported and retried slowly. The account is stored."""
    path = tmp_path / "leadmaster.db"
    with opened(path) as sound:
        [[page]] = sound.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'messages'")
        [[other]] = sound.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'raw_events'")
    with path.open("r+b") as file:
        for number in (page, other):
            file.seek((number - 1) * 4096)
            file.write(b"\xa5" * 4096)
    store = Store(path)
    store.writer.put([account(), item(wire.message("new"))])
    until_true(lambda: len(store.errors) >= 3)
    assert {error and error.code for error in store.errors} == {"database_damaged"}
    assert store.writer.stop(0.1) is False
    assert store.writer.pending == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_really_full_loses_nothing(tmp_path: Path) -> None:
    """On a disk of one megabyte there is an error while it is full, and no loss once space is freed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1_200_000))
        with opened(disk / "leadmaster.db") as store:
            store.writer.put([item(wire.message(f"{n}", body="x" * 100_000), text=None) for n in range(8)])
            assert store.failing.wait(LIMIT)
            store.writer.put([item(wire.message("behind"))])
            assert {error.code for error in store.errors if error} <= {"disk_full", "database_error"}
            ballast.unlink()
            assert store.healed.wait(LIMIT)
            store.settle()
            assert count(store) == 9
            assert store.sum_of("rejected") == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_database_that_can_not_be_used_is_told_at_start(tmp_path: Path) -> None:
    """The caller gets the error, and the thread has ended."""
    path = tmp_path / "leadmaster.db"
    path.write_bytes(b"not a database, but long enough to look at" * 30)
    with pytest.raises(CannotUseDatabase, match="not an SQLite database"):
        Writer(path, on_batch=lambda _: None, on_error=lambda _: None).start()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("SQLITE_FULL", "disk_full"),
        ("SQLITE_BUSY", "database_locked"),
        ("SQLITE_BUSY_SNAPSHOT", "database_locked"),
        ("SQLITE_LOCKED", "database_locked"),
        ("SQLITE_IOERR_WRITE", "database_error"),
        ("SQLITE_READONLY", "database_error"),
    ],
)
def test_a_store_error_has_a_code_by_what_a_person_would_do(name: str, code: str) -> None:
    """Free space, close a program, or check the disk."""
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorname = name
    assert store_error(error).code == code
