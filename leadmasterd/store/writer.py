"""The writer thread, the only one that writes. Items go through its queue in order, and are durable once reported.

Under load everything queued becomes one transaction; otherwise each message is its own. A write that fails because the
disk is full or the database is locked is retried for as long as it takes: the batch stays in memory, the caller stops
reading (`pending` grows), and unread messages stay in the browser's own store, from where a sweep fetches them.

Where the file is damaged, whatever does not touch the damaged part goes on, and a record that does is kept as its raw
line; only if that fails too is it retried.
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
from typing import Final, Protocol, TypeGuard, TypeVar

from leadmasterd.store.database import Update, cannot_use, error_name, is_damage, open_for_writing, words_of
from leadmasterd.store.records import BatchResult, Item
from leadmasterd.store.rows import Rows

MAX_BATCH: Final = 5000
"""Items per transaction, roughly: what was read together is never split."""
LONG_BATCH: Final = 500
"""Items that take so long to be made durable that more can be read meanwhile."""
_USUAL_CACHE: Final = 2000
"""KiB of pages that SQLite keeps, its own default."""
_CACHE_OF_BURSTS: Final = 6000
"""KiB for as long as long batches come. Their rows go to pages all over the indexes, and with fewer kept each page is
written out and read again several times: a message takes 5 us longer."""
RETRY_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.005
"""Pause between two steps of idle work, so that commands can take the write lock."""
MAX_IDLE_DELAY_SECONDS: Final = 1.0
"""How long idle work waits under load before it gets a step all the same."""
_OUR_FAULT: Final = frozenset({"", "SQLITE_ERROR"})
"""Names of errors that no waiting ends: a wrong statement."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreError:
    """Why something can't be written: a stable `code`.

    `disk_full`, `database_locked`, `database_error` or `database_damaged`.
    """

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[[sqlite3.Connection, Rows], object]
    future: "Future[object]"


class IdleWork(Protocol):
    """Work for the writer's thread while nothing is queued."""

    def step(self) -> bool:
        """Do a little, inside the writer's transaction. True when there may be more."""

    def done(self) -> None:
        """The step was committed."""

    def failed(self, error: Exception) -> None:
        """The step was rolled back because of an error of its own."""


class _Stop:
    """The end of the queue."""


class Writer:
    """Owns the writing connection. `put` and `call` may be used from any thread; callbacks run on the writer's.

    `on_written`: the rows of a long batch are written, and will be durable soon. `on_batch`: they are.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_batch: Callable[[BatchResult], None],
        on_error: Callable[[StoreError | None], None],
        on_written: Callable[[], None] = lambda: None,
        on_update: Callable[[Update], None] = lambda _update: None,
        idle_work: Callable[[sqlite3.Connection], IdleWork] | None = None,
    ) -> None:
        self._path = path
        self._on_update = on_update
        self._idle_work = idle_work
        self._on_batch = on_batch
        self._on_error = on_error
        self._on_written = on_written
        self._damage: StoreError | None = None
        self._kept_raw: set[str] = set()
        self._queue: SimpleQueue[Sequence[Item] | _Call | _Stop] = SimpleQueue()
        self._put = 0
        self._written = 0
        self._done = 0
        self._progress = time.monotonic()
        self._cache = _USUAL_CACHE
        self._giving_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._opened: Future[None] = Future()

    def open(self) -> "Future[None]":
        """Begin to open the database on the writer's thread; the future has CannotUseDatabase where that fails.

        A database of an earlier version is updated, which takes minutes where it is large: `on_update` is called first.
        """
        self._thread.start()
        return self._opened

    def start(self) -> None:
        """Open the database and wait for that. Raises CannotUseDatabase."""
        self.open().result()

    @property
    def pending(self) -> int:
        """Queued items that are not durable yet."""
        return self._put - self._done

    @property
    def waiting(self) -> int:
        """Queued items that are not even written: those of a batch are while it is being made durable."""
        return self._put - self._written

    @property
    def stalled_seconds(self) -> float:
        """Seconds without progress while there is work; 0 when idle."""
        return time.monotonic() - self._progress if self.pending else 0.0

    def put(self, items: Sequence[Item]) -> None:
        """Queue items that were read together."""
        if self.pending == 0:
            self._progress = time.monotonic()
        self._put += len(items)
        self._queue.put(items)

    def call(self, function: Callable[[sqlite3.Connection, Rows], T]) -> "Future[T]":
        """Run a function on the writer's thread after everything queued so far, in a transaction of its own.

        The future has DatabaseDamaged where the file is damaged.
        """
        future: Future[T] = Future()
        self._queue.put(_Call(function, future))  # type: ignore[arg-type]
        return future

    def stop(self, timeout: float) -> bool:
        """Write what is queued, and close. False when `timeout` seconds were not enough."""
        self._queue.put(_Stop())
        self._thread.join(timeout)
        self._giving_up.set()
        if self._thread.is_alive():
            self._thread.join(RETRY_SECONDS * 2)
        return self.pending == 0

    # ------------------------------------------------------------------ on the thread

    def _run(self) -> None:
        try:
            connection = open_for_writing(self._path, on_update=self._on_update)
        except BaseException as error:  # noqa: BLE001 - start() raises it
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        rows = Rows(connection)
        try:
            self._serve(connection, rows, self._idle_work(connection) if self._idle_work else None)
        finally:
            connection.close()

    def _serve(self, connection: sqlite3.Connection, rows: Rows, idle: IdleWork | None) -> None:
        next_step = 0.0 if idle else math.inf  # monotonic time; infinite when there is nothing to do
        while True:
            try:
                entry = self._queue.get(timeout=self._until(next_step))
            except Empty:
                assert idle is not None, "only idle work makes the queue time out"
                self._keep(connection, _USUAL_CACHE)
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
            self._keep(connection, _CACHE_OF_BURSTS if len(batch) >= LONG_BATCH else _USUAL_CACHE)
            if batch and not self._write(connection, rows, batch):  # gave up
                return
            if idle:
                now = time.monotonic()
                if next_step == math.inf:  # there may be something to do now
                    next_step = now
                if now - next_step > MAX_IDLE_DELAY_SECONDS:
                    next_step = self._step(connection, rows, idle)
            if isinstance(entry, _Call):
                self._answer(connection, rows, entry)
            elif isinstance(entry, _Stop):
                return

    def _keep(self, connection: sqlite3.Connection, cache: int) -> None:
        """Have SQLite keep so many KiB of pages, and free what is beyond."""
        if cache != self._cache:
            connection.execute(f"PRAGMA cache_size = -{cache}")
            self._cache = cache

    def _write(self, connection: sqlite3.Connection, rows: Rows, batch: list[Item]) -> bool:
        """Commit a batch, however long it takes. False only when the program ends before that."""
        failing = rejecting = False

        def apply() -> BatchResult:
            result = rows.apply(batch, together=not failing)  # what needs a temporary file may be what has failed
            self._written = self._done + len(batch)
            if len(batch) >= LONG_BATCH:
                self._on_written()
            return result

        work: Callable[[], BatchResult] = apply
        while True:
            try:
                result = _in_transaction(connection, rows, work)
                break
            except Exception as error:  # noqa: BLE001 - one bad record must not stop the others
                if is_damage(error) and not rejecting:
                    self._tell(store_error(error))
                    if len(batch) > 1:
                        return self._write_each(connection, rows, batch)
                    rejecting = True
                    again = repr(batch[0].record) in self._kept_raw  # sweeps bring it again and again
                    work = BatchResult if again else partial(rows.reject, batch[0], f"cannot store it: {error}")
                    continue
                if rejecting or _concerns_all(error):
                    failing = True
                    self._tell(store_error(error))
                    if self._giving_up.wait(RETRY_SECONDS):
                        return False
                    continue
                if len(batch) > 1:
                    return self._write_each(connection, rows, batch)
                rejecting = True
                work = partial(rows.reject, batch[0], f"cannot store it: {type(error).__name__}: {error}")
        self._done += len(batch)
        self._written = self._done
        self._progress = time.monotonic()
        if rejecting and self._damage:
            self._kept_raw.add(repr(batch[0].record))
        if failing:
            self._tell(None)
        self._on_batch(result)
        return True

    def _tell(self, error: StoreError | None) -> None:
        """Report an error, or that it is over: then damage, which does not mend itself, is what remains."""
        if error and error.code == "database_damaged":
            self._damage = error
        self._on_error(error or self._damage)

    @staticmethod
    def _until(next_step: float) -> float | None:
        return None if next_step == math.inf else max(0.0, next_step - time.monotonic())

    def _step(self, connection: sqlite3.Connection, rows: Rows, idle: IdleWork) -> float:
        """Do a step of the idle work. Returns when the next is due."""
        try:
            more = _in_transaction(connection, rows, idle.step)
        except Exception as error:  # noqa: BLE001 - idle work can wait, capture can't
            if is_damage(error):
                self._tell(store_error(error))
            if not _concerns_all(error) or is_damage(error) or error_name(error) == "SQLITE_ERROR":  # a wrong statement
                idle.failed(error)
            return time.monotonic() + RETRY_SECONDS
        idle.done()
        return time.monotonic() + PAUSE_SECONDS if more else math.inf

    def _write_each(self, connection: sqlite3.Connection, rows: Rows, batch: list[Item]) -> bool:
        return all(self._write(connection, rows, [item]) for item in batch)

    def _answer(self, connection: sqlite3.Connection, rows: Rows, call: _Call) -> None:
        if not call.future.set_running_or_notify_cancel():
            return  # the caller has cancelled it
        failing = False
        while True:
            try:
                answer = _in_transaction(connection, rows, lambda: call.function(connection, rows))
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                if _is_of_the_disk(error):
                    failing = True
                    self._tell(store_error(error))
                    if not self._giving_up.wait(RETRY_SECONDS):
                        continue
                if isinstance(error, Exception) and is_damage(error):
                    self._tell(store_error(error))
                    call.future.set_exception(cannot_use(self._path, error))
                else:
                    call.future.set_exception(error)
            else:
                call.future.set_result(answer)
                if failing:
                    self._tell(None)
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


def _is_of_the_disk(error: BaseException) -> TypeGuard[sqlite3.OperationalError]:
    """Whether it may pass: the disk is full or fails, or another program has the lock."""
    return isinstance(error, sqlite3.OperationalError) and error_name(error) not in _OUR_FAULT and not is_damage(error)


def _concerns_all(error: Exception) -> bool:
    """Whether the database as a whole is the cause, and not one record."""
    return isinstance(error, sqlite3.OperationalError | MemoryError) or is_damage(error)


def store_error(error: Exception) -> StoreError:
    """Sort a failed write by what a person has to do about it."""
    name = error_name(error)
    if name == "SQLITE_FULL":
        return StoreError("disk_full", str(error))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError("database_locked", str(error))
    if is_damage(error):
        return StoreError("database_damaged", words_of(error))
    return StoreError("database_error", f"{name or type(error).__name__}: {error}")
