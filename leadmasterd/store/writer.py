"""The one thread that writes. Everything captured goes through its queue, in order, and is durable when it says so.

Under load whatever has piled up becomes one transaction; when it is quiet a message is its own. A write that fails
because the disk is full or the database is locked is tried again for as long as it takes: the batch stays in memory,
the caller stops reading (`pending` grows), and what was never read stays in the browser's own store for the sweep.
"""

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Protocol, TypeVar

from leadmasterd.store.database import open_for_writing
from leadmasterd.store.records import BatchResult, Item
from leadmasterd.store.rows import Rows

MAX_BATCH: Final = 5000
"""Items in one transaction, about: a chunk as it was read is never split."""
RETRY_SECONDS: Final = 1.0
BREATH_SECONDS: Final = 0.005
"""Between two steps of idle work nothing is locked for so long, or commands would wait for as long as there is any."""
PATIENCE_SECONDS: Final = 1.0
"""How long idle work waits for its turn under load before it gets one all the same."""
_PASSES: Final = ("disk_full", "database_locked")
_BROKEN: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing can be written just now: a stable `code` (`disk_full`, `database_locked`, `database_error`)."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[[sqlite3.Connection, Rows], object]
    future: "Future[object]"


class IdleWork(Protocol):
    """What is done on the writer's thread while nothing waits to be written."""

    def step(self) -> bool:
        """Do a little, in the writer's transaction. True when there may be more."""

    def done(self) -> None:
        """The step is committed."""

    def failed(self, error: Exception) -> None:
        """The step was rolled back, for a reason of its own."""


class _Stop:
    """The end of the queue."""


class Writer:
    """Owns the writing connection. `put` and `call` may be used from any thread; callbacks run on the writer's."""

    def __init__(
        self,
        path: Path,
        *,
        on_batch: Callable[[BatchResult], None],
        on_trouble: Callable[[Trouble | None], None],
        idle_work: Callable[[sqlite3.Connection], IdleWork] | None = None,
    ) -> None:
        self._path = path
        self._idle_work = idle_work
        self._on_batch = on_batch
        self._on_trouble = on_trouble
        self._queue: SimpleQueue[Sequence[Item] | _Call | _Stop] = SimpleQueue()
        self._put = 0
        self._done = 0
        self._progress = time.monotonic()
        self._giving_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._opened: Future[None] = Future()

    def start(self) -> None:
        """Open (and migrate) the database on the writer's thread. Raises CannotUseDatabase."""
        self._thread.start()
        self._opened.result()

    @property
    def pending(self) -> int:
        """Items put and not yet durable."""
        return self._put - self._done

    @property
    def stalled_seconds(self) -> float:
        """How long there has been work without any progress; 0 when idle."""
        return time.monotonic() - self._progress if self.pending else 0.0

    def put(self, items: Sequence[Item]) -> None:
        """Queue items that were read together."""
        if self.pending == 0:
            self._progress = time.monotonic()
        self._put += len(items)
        self._queue.put(items)

    def call(self, function: Callable[[sqlite3.Connection, Rows], T]) -> "Future[T]":
        """Run a function on the writer's thread after everything queued so far, in a transaction of its own."""
        future: Future[T] = Future()
        self._queue.put(_Call(function, future))  # type: ignore[arg-type]
        return future

    def stop(self, timeout: float) -> bool:
        """Write what is queued and close. False when that was not possible in `timeout` seconds."""
        self._queue.put(_Stop())
        self._thread.join(timeout)
        self._giving_up.set()
        if self._thread.is_alive():
            self._thread.join(RETRY_SECONDS * 2)
        return self.pending == 0

    # ------------------------------------------------------------------ on the thread

    def _run(self) -> None:
        try:
            connection = open_for_writing(self._path)
        except BaseException as error:  # noqa: BLE001 - handed to whoever called start()
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        rows = Rows(connection)
        try:
            self._serve(connection, rows, self._idle_work(connection) if self._idle_work else None)
        finally:
            connection.close()

    def _serve(self, connection: sqlite3.Connection, rows: Rows, idle: IdleWork | None) -> None:
        next_step = 0.0 if idle else math.inf  # monotonic; none to be expected: infinite
        while True:
            try:
                entry = self._queue.get(timeout=self._until(next_step))
            except Empty:
                assert idle is not None, "only idle work makes the queue time out"
                next_step = self._step(connection, rows, idle)
                continue
            batch: list[Item] = []
            while not isinstance(entry, _Call | _Stop):
                batch.extend(entry)
                if len(batch) >= MAX_BATCH:
                    break
                try:
                    entry = self._queue.get_nowait()
                except Empty:
                    break
            if batch and not self._write(connection, rows, batch):
                return
            if idle:
                now = time.monotonic()
                if next_step == math.inf:  # there may be something to do now
                    next_step = now
                if now - next_step > PATIENCE_SECONDS:
                    next_step = self._step(connection, rows, idle)
            if isinstance(entry, _Call):
                self._answer(connection, rows, entry)
            elif isinstance(entry, _Stop):
                return

    def _write(self, connection: sqlite3.Connection, rows: Rows, batch: list[Item]) -> bool:
        """Commit a batch, for as long as it takes. False only when giving up at the end of the program's life."""
        work: Callable[[], BatchResult] = lambda: rows.apply(batch)  # noqa: E731
        troubled = rejecting = False
        while True:
            try:
                result = _in_transaction(connection, rows, work)
                break
            except Exception as error:  # noqa: BLE001 - one bad record must not stop the others
                if rejecting or _is_the_store_itself(error):
                    troubled = True
                    self._on_trouble(trouble_of(error))
                    if self._giving_up.wait(RETRY_SECONDS):
                        return False
                    continue
                if len(batch) > 1:
                    return self._write_each(connection, rows, batch)
                rejecting = True
                work = partial(rows.reject, batch[0], f"cannot store it: {type(error).__name__}: {error}")
        self._done += len(batch)
        self._progress = time.monotonic()
        if troubled:
            self._on_trouble(None)
        self._on_batch(result)
        return True

    @staticmethod
    def _until(next_step: float) -> float | None:
        return None if next_step == math.inf else max(0.0, next_step - time.monotonic())

    def _step(self, connection: sqlite3.Connection, rows: Rows, idle: IdleWork) -> float:
        """Do a step of the idle work; returns when the next is due."""
        try:
            more = _in_transaction(connection, rows, idle.step)
        except Exception as error:  # noqa: BLE001 - what it was doing can wait; capture can not
            if not _is_the_store_itself(error) or _name(error) == "SQLITE_ERROR":  # the latter is a wrong statement
                idle.failed(error)
            return time.monotonic() + RETRY_SECONDS
        idle.done()
        return time.monotonic() + BREATH_SECONDS if more else math.inf

    def _write_each(self, connection: sqlite3.Connection, rows: Rows, batch: list[Item]) -> bool:
        return all(self._write(connection, rows, [item]) for item in batch)

    def _answer(self, connection: sqlite3.Connection, rows: Rows, call: _Call) -> None:
        if not call.future.set_running_or_notify_cancel():
            return  # whoever asked has left
        troubled = False
        while True:
            try:
                answer = _in_transaction(connection, rows, lambda: call.function(connection, rows))
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                if isinstance(error, sqlite3.OperationalError) and (trouble := trouble_of(error)).code in _PASSES:
                    troubled = True
                    self._on_trouble(trouble)
                    if not self._giving_up.wait(RETRY_SECONDS):
                        continue
                call.future.set_exception(error)
            else:
                call.future.set_result(answer)
                if troubled:
                    self._on_trouble(None)
            return


def _in_transaction(connection: sqlite3.Connection, rows: Rows, work: Callable[[], T]) -> T:
    rows.remember()
    try:
        connection.execute("BEGIN IMMEDIATE")
        answer = work()
        connection.execute("COMMIT")
    except BaseException:
        rows.forget()
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return answer


def _is_the_store_itself(error: Exception) -> bool:
    """Whether the database as a whole is why, and not the one record."""
    return isinstance(error, sqlite3.OperationalError | MemoryError) or _name(error) in _BROKEN


def _name(error: Exception) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def trouble_of(error: Exception) -> Trouble:
    """Sort a failed write by what a person would have to do about it."""
    name = _name(error)
    if name == "SQLITE_FULL":
        return Trouble("disk_full", str(error))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Trouble("database_locked", str(error))
    return Trouble("database_error", f"{name or type(error).__name__}: {error}")
