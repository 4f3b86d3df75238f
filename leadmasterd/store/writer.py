"""The writer thread, the only one in the daemon that writes to the database. `rows` knows how each record is written.

Items go through its queue in order, and are durable once `on_batch` reports them. Under load everything that is queued
becomes one transaction; otherwise each message is its own. A write that fails because the disk is full or the database
is locked is retried for as long as it takes: the batch stays in memory, the caller stops reading (`pending` grows), and
unread messages stay in the browser's own store, from where a sweep fetches them.

Where the file is damaged, everything that does not touch the damaged part goes on. A record that does is kept as its
raw line, and only if that fails too is it retried.
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
"""From so many items on a batch is long: making it durable takes long enough to read more lines meanwhile."""
_USUAL_CACHE: Final = 2000
"""KiB of pages that SQLite keeps in memory: its own default."""
_CACHE_OF_BURSTS: Final = 6000
"""KiB of pages while long batches come. Their rows go to pages all over the indexes. In a smaller cache each page would
be written and read again several times, which takes 5 us a message."""
RETRY_SECONDS: Final = 1.0
"""Pause before a failed write is tried again."""
PAUSE_SECONDS: Final = 0.005
"""Pause between two steps of idle work, so that commands can take the write lock."""
MAX_IDLE_DELAY_SECONDS: Final = 1.0
"""How long idle work waits under load before it gets a step all the same."""
_OUR_FAULT: Final = frozenset({"", "SQLITE_ERROR"})
"""Names of errors that waiting does not help, because the statement is wrong. "": not of SQLite itself."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreError:
    """Why something can't be written.

    `code`: `disk_full`, `database_locked`, `database_error` or `database_damaged`; `detail`: the error's own message.
    """

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Call:
    """An entry of the queue: a function to run in a transaction, and the future for its result."""

    function: Callable[[sqlite3.Connection, Rows], object]
    future: "Future[object]"


class IdleWork(Protocol):
    """Work for the writer's thread while nothing is queued. After each step either `done` or `failed` is called.

    Neither is called if the step was rolled back because the database as a whole can't be written.
    """

    def step(self) -> bool:
        """Do a little, inside the writer's transaction. True when there may be more to do."""

    def done(self) -> None:
        """The step was committed."""

    def failed(self, error: Exception) -> None:
        """The step was rolled back because of an error of its own."""


class _Stop:
    """The last entry of the queue."""


class Writer:
    """Owns the writing connection. `put` and `call` may be used from any thread; callbacks run on the writer's.

    `on_written` is called when the rows of a long batch are written, but not durable yet; `on_batch` when a batch is
    durable; `on_error` when a write fails, and with None when writing works again; `on_update` as in
    `open_for_writing`. `idle_work` makes the work to do while nothing is queued.
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
        """Set once the file is found damaged: that does not end."""
        self._kept_raw: set[str] = set()
        """Records, as text, of which only the raw line could be kept."""
        self._queue: SimpleQueue[Sequence[Item] | _Call | _Stop] = SimpleQueue()
        self._put = 0
        """Items that were ever queued; `_written` and `_durable` likewise."""
        self._written = 0
        self._durable = 0
        self._last_progress = time.monotonic()
        self._cache = _USUAL_CACHE
        self._giving_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._opened: Future[None] = Future()

    def open(self) -> "Future[None]":
        """Start the thread, which opens the database. The future is done then, or raises CannotUseDatabase.

        A database of an earlier version is updated first, which takes minutes where it is large.
        """
        self._thread.start()
        return self._opened

    def start(self) -> None:
        """Start the thread, and wait until it has opened the database. Raises CannotUseDatabase."""
        self.open().result()

    @property
    def pending(self) -> int:
        """Queued items that are not durable yet."""
        return self._put - self._durable

    @property
    def waiting(self) -> int:
        """Queued items that are not written yet. A batch that is being made durable is written already."""
        return self._put - self._written

    @property
    def stalled_seconds(self) -> float:
        """Seconds without progress while there is work; 0 when idle."""
        return time.monotonic() - self._last_progress if self.pending else 0.0

    def put(self, items: Sequence[Item]) -> None:
        """Queue items that were read together, to be written in one transaction."""
        if self.pending == 0:  # the time without work is no stall
            self._last_progress = time.monotonic()
        self._put += len(items)
        self._queue.put(items)

    def call(self, function: Callable[[sqlite3.Connection, Rows], T]) -> "Future[T]":
        """Run a function on the writer's thread after everything queued so far, in a transaction of its own.

        Its future raises what the function raises, and DatabaseDamaged where the file is damaged.
        """
        future: Future[T] = Future()
        self._queue.put(_Call(function, future))  # type: ignore[arg-type]
        return future

    def stop(self, timeout: float) -> bool:
        """Write what is queued, and end the thread. False if items are left that could not be written.

        Waits up to `timeout` seconds for that; then a write that fails is not tried again.
        """
        self._queue.put(_Stop())
        self._thread.join(timeout)
        self._giving_up.set()
        if self._thread.is_alive():
            self._thread.join(RETRY_SECONDS * 2)
        return self.pending == 0

    # ------------------------------------------------------------------ on the thread

    def _run(self) -> None:
        """Open the database, serve the queue, and close the database."""
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
        """Write and answer what is queued until `_Stop` comes, with steps of idle work while nothing is queued.

        Under load idle work gets a step too, once it has waited for `MAX_IDLE_DELAY_SECONDS`.
        """
        next_step = 0.0 if idle else math.inf  # monotonic time; infinite when there is nothing to do
        while True:
            try:
                entry = self._queue.get(timeout=self._seconds_until(next_step))
            except Empty:
                assert idle is not None, "only idle work makes the queue time out"
                self._set_cache(connection, _USUAL_CACHE)
                next_step = self._step(connection, rows, idle)
                continue
            batch, next_entry = self._take_batch(entry)
            self._set_cache(connection, _CACHE_OF_BURSTS if len(batch) >= LONG_BATCH else _USUAL_CACHE)
            if batch and not self._write(connection, rows, batch):  # gave up
                return
            if idle:
                now = time.monotonic()
                if next_step == math.inf:  # there may be something to do now
                    next_step = now
                if now - next_step > MAX_IDLE_DELAY_SECONDS:
                    next_step = self._step(connection, rows, idle)
            if isinstance(next_entry, _Call):
                self._answer(connection, rows, next_entry)
            elif isinstance(next_entry, _Stop):
                return

    def _take_batch(self, entry: Sequence[Item] | _Call | _Stop) -> tuple[list[Item], _Call | _Stop | None]:
        """Take what is queued up to the next call or stop, about `MAX_BATCH` items at most.

        `entry`: the first entry, which is taken already. Returns the items, and the call or stop that ended them, if
        any.
        """
        batch: list[Item] = []
        while not isinstance(entry, _Call | _Stop):
            batch.extend(entry)
            if len(batch) >= MAX_BATCH:
                return batch, None
            try:
                entry = self._queue.get_nowait()
            except Empty:
                return batch, None
        return batch, entry

    def _set_cache(self, connection: sqlite3.Connection, cache: int) -> None:
        """Let SQLite keep this many KiB of pages in memory; it frees what is beyond that."""
        if cache != self._cache:
            connection.execute(f"PRAGMA cache_size = -{cache}")
            self._cache = cache

    def _write(self, connection: sqlite3.Connection, rows: Rows, batch: list[Item]) -> bool:
        """Commit a batch, and try again for as long as the database can't be written. False if it gave up (`stop`).

        If one record is the cause, the batch is written record by record, and the raw line of that one is kept instead.
        """
        failing = False  # the database can't be written: the batch is tried again
        rejecting = False  # SQLite refuses the only record of the batch: its raw line is written instead

        def apply() -> BatchResult:
            result = rows.apply(batch, together=not failing)  # when writing fails, try without temporary files
            self._written = self._durable + len(batch)
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
                    was_kept_before = repr(batch[0].record) in self._kept_raw  # sweeps bring it again and again
                    if was_kept_before:
                        work = BatchResult  # nothing is written
                    else:
                        work = partial(rows.reject, batch[0], f"cannot store it: {error}")
                elif rejecting or _concerns_all(error):
                    failing = True
                    self._tell(store_error(error))
                    if self._giving_up.wait(RETRY_SECONDS):
                        return False
                elif len(batch) > 1:
                    return self._write_each(connection, rows, batch)
                else:
                    rejecting = True
                    work = partial(rows.reject, batch[0], f"cannot store it: {type(error).__name__}: {error}")
        self._durable += len(batch)
        self._written = self._durable
        self._last_progress = time.monotonic()
        if rejecting and self._damage:
            self._kept_raw.add(repr(batch[0].record))
        if failing:
            self._tell(None)
        self._on_batch(result)
        return True

    def _tell(self, error: StoreError | None) -> None:
        """Report why writing fails, or with None that it works again.

        Damage does not end: once the file is damaged, that is reported in place of None.
        """
        if error and error.code == "database_damaged":
            self._damage = error
        self._on_error(error or self._damage)

    @staticmethod
    def _seconds_until(next_step: float) -> float | None:
        """Seconds until a monotonic time: 0 if it has passed, None (to wait without a limit) if it is infinite."""
        return None if next_step == math.inf else max(0.0, next_step - time.monotonic())

    def _step(self, connection: sqlite3.Connection, rows: Rows, idle: IdleWork) -> float:
        """Do a step of the idle work in a transaction.

        Returns when the next one is due, in monotonic time; infinite when there is nothing left to do.
        """
        try:
            more = _in_transaction(connection, rows, idle.step)
        except Exception as error:  # noqa: BLE001 - idle work can wait, capture can't
            if is_damage(error):
                self._tell(store_error(error))
            # A full disk or a lock passes, and the same step is tried again. The work must know of everything else.
            is_wrong_statement = error_name(error) == "SQLITE_ERROR"
            if is_damage(error) or is_wrong_statement or not _concerns_all(error):
                idle.failed(error)
            return time.monotonic() + RETRY_SECONDS
        idle.done()
        return time.monotonic() + PAUSE_SECONDS if more else math.inf

    def _write_each(self, connection: sqlite3.Connection, rows: Rows, batch: list[Item]) -> bool:
        """Write each item in a transaction of its own. Returns the same as `_write`."""
        return all(self._write(connection, rows, [item]) for item in batch)

    def _answer(self, connection: sqlite3.Connection, rows: Rows, call: _Call) -> None:
        """Run a call in a transaction, and set the result or the error of its future.

        While the disk fails or another program has the lock, it is tried again, until `stop` gives up.
        """
        if not call.future.set_running_or_notify_cancel():
            return  # the caller has cancelled it
        failing = False
        while True:
            try:
                answer = _in_transaction(connection, rows, lambda: call.function(connection, rows))
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                if _may_pass(error):
                    failing = True
                    self._tell(store_error(error))
                    if not self._giving_up.wait(RETRY_SECONDS):
                        continue  # try again
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
    """Return what `work` returns, once its transaction is committed. If it raises, roll back, `rows` included."""
    rows.remember()
    try:
        connection.execute("BEGIN IMMEDIATE")
        answer = work()
        connection.execute("COMMIT")
    except BaseException:
        rows.restore()
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return answer


def _may_pass(error: BaseException) -> TypeGuard[sqlite3.OperationalError]:
    """Whether trying again may help: the disk is full or fails, or another program has the lock."""
    return isinstance(error, sqlite3.OperationalError) and error_name(error) not in _OUR_FAULT and not is_damage(error)


def _concerns_all(error: Exception) -> bool:
    """Whether the database as a whole, or lack of memory, is the cause of an error, and not one record."""
    return isinstance(error, sqlite3.OperationalError | MemoryError) or is_damage(error)


def store_error(error: Exception) -> StoreError:
    """Why a write failed, as a code by which a person knows what to do."""
    name = error_name(error)
    if name == "SQLITE_FULL":
        return StoreError("disk_full", str(error))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError("database_locked", str(error))
    if is_damage(error):
        return StoreError("database_damaged", words_of(error))
    return StoreError("database_error", f"{name or type(error).__name__}: {error}")
