"""Leads are made in the writer's idle time: capture never waits for them, and a crash loses none."""

import itertools
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from leadmasterd.classify.intents import Label, Signals
from leadmasterd.leads import fold
from leadmasterd.projection import worker as worker_module
from leadmasterd.projection.labels import Classifies
from leadmasterd.projection.policy import policy_of
from leadmasterd.projection.worker import ProjectionWorker
from leadmasterd.settings.model import LeadsSettings
from leadmasterd.store import writer as writer_module
from leadmasterd.store.dirty import mark_all_dirty, mark_wholly_dirty
from leadmasterd.store.records import BatchResult
from leadmasterd.store.waiting import WhoWaits
from leadmasterd.store.writer import PAUSE_SECONDS, IdleWork, StoreError, Writer
from tests import stories, wire
from tests.captures import item, reading
from tests.stories import Books, Customer, iso
from tests.waiting import LIMIT, until_true

HERE = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _try_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits between retries."""
    monkeypatch.setattr(writer_module, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(writer_module, "MAX_IDLE_DELAY_SECONDS", 0.05)


def asks(number: int, *, text: str = "price") -> stories.Line:
    """A stranger's first message."""
    return Customer(f"549115555{number:04}@c.us").says("17 10:00", text)


class Shop:
    """A writer with idle work, what it reported, and the statements it ran."""

    def __init__(self, path: Path, idle_work: Callable[[sqlite3.Connection], IdleWork]) -> None:
        self.path = path
        self.statements: list[str] = []
        self.errors: list[StoreError | None] = []
        self.batches: list[BatchResult] = []
        self.after_batch: Callable[[], object] = lambda: None

        def traced(connection: sqlite3.Connection) -> IdleWork:
            connection.execute("PRAGMA busy_timeout = 10").fetchone()
            connection.set_trace_callback(self.statements.append)
            return idle_work(connection)

        self.writer = Writer(path, on_batch=self._on_batch, on_error=self.errors.append, idle_work=traced)
        self.writer.start()
        self.capture(wire.ready())
        self.writer.call(lambda connection, rows: None).result(LIMIT)

    def _on_batch(self, batch: BatchResult) -> None:
        self.batches.append(batch)
        self.after_batch()

    def capture(self, *lines: stories.Line) -> None:
        """Queue lines as one read."""
        self.writer.put([item(line, now=line["at"] / 1000, text=None) for line in lines])

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Query the file."""
        with reading(self.path) as connection:
            return connection.execute(query).fetchall()

    def leads(self) -> int:
        """The number of leads."""
        [[count]] = self.ask("SELECT count(*) FROM leads")
        assert isinstance(count, int)
        return count


@contextmanager
def open_shop(path: Path, idle_work: Callable[[sqlite3.Connection], IdleWork] | None = None) -> Iterator[Shop]:
    """An open shop."""
    shop = Shop(path, idle_work or projecting())
    try:
        yield shop
    finally:
        assert shop.writer.stop(LIMIT)


def projecting(
    classifier: Classifies | None = None, on_projected: Callable[[WhoWaits], None] = lambda _: None
) -> Callable[[sqlite3.Connection], ProjectionWorker]:
    """The daemon's projection worker, with a classifier for tests."""
    says = classifier or stories.Literal()
    return lambda connection: ProjectionWorker(connection, lambda: says, stories.policy(), on_projected)


class Counting:
    """Idle work that records the number of messages at each step and always has more to do."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.seen: list[int] = []
        self.more = True

    def step(self) -> bool:
        """Record the number of messages."""
        self.seen += self.connection.execute("SELECT count(*) FROM messages").fetchone()
        return self.more

    def done(self) -> None:
        """Nothing happens after a step."""

    def failed(self, error: Exception) -> None:
        """Never called."""
        raise AssertionError(error)


# ---------------------------------------------------------------------- taking turns


def test_what_is_queued_is_written_before_leads_are_made(tmp_path: Path) -> None:
    """Messages are committed first, and leads may lag behind."""
    work: list[Counting] = []

    def start(connection: sqlite3.Connection) -> Counting:
        work.append(Counting(connection))
        work[0].more = False
        return work[0]

    with open_shop(tmp_path / "leadmaster.db", start) as shop:
        until_true(lambda: work[0].seen)
        gate, reached = threading.Event(), threading.Event()

        def hold_on(_connection: sqlite3.Connection, _rows: object) -> None:
            reached.set()
            assert gate.wait(LIMIT)

        hold = shop.writer.call(hold_on)
        assert reached.wait(LIMIT)
        steps = len(work[0].seen)
        for number in range(300):
            shop.capture(asks(number))
        gate.set()
        hold.result(LIMIT)
        until_true(lambda: len(work[0].seen) > steps)
        assert work[0].seen[steps] == 300


def test_leads_are_made_under_load_that_never_ends(tmp_path: Path) -> None:
    """Idle work gets a turn after a maximum wait even if the queue is never empty, and then waits again."""
    work: list[Counting] = []

    def start(connection: sqlite3.Connection) -> Counting:
        work.append(Counting(connection))
        return work[0]

    with open_shop(tmp_path / "leadmaster.db", start) as shop:
        numbers = itertools.count()
        loaded = threading.Event()

        def more() -> None:
            if not loaded.is_set():
                shop.capture(asks(next(numbers)))

        shop.after_batch = more
        more()
        until_true(lambda: len({count for count in work[0].seen if count}) >= 5)
        loaded.set()
        work[0].more = False
        # What the writer's thread had begun to queue must come before the stop.
        shop.writer.call(lambda connection, rows: None).result(LIMIT)
    turns = sorted({count for count in work[0].seen if count})
    assert len(turns) < turns[-1] / 2, "messages come first: it had a turn now and then"


def test_between_two_steps_somebody_else_can_write(tmp_path: Path) -> None:
    """While thousands of conversations are projected, a command must get the write lock now and then."""
    begun: list[float] = []
    committed: list[float] = []

    class Timed(Counting):
        """Records when a step begins and when it is committed."""

        def step(self) -> bool:
            """Do a step; there is always more to do."""
            begun.append(time.monotonic())
            return True

        def done(self) -> None:
            """The write lock is free."""
            committed.append(time.monotonic())

    with open_shop(tmp_path / "leadmaster.db", Timed) as shop:
        until_true(lambda: len(begun) >= 3)
        shop.capture(asks(1))  # messages in between change nothing about it
        steps = len(begun)
        until_true(lambda: len(begun) >= steps + 3)
    free = [begin - end for end, begin in zip(committed, begun[1:], strict=False)]
    assert len(free) >= 5
    assert min(free) >= PAUSE_SECONDS * 0.9 >= 0.001


def test_a_step_ends_when_it_has_taken_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many conversations are dirty, messages are written next."""
    monkeypatch.setattr(worker_module, "LONGEST_SECONDS", 0.0)
    monkeypatch.setattr(worker_module, "AT_ONCE", 1)
    with Books() as books:
        books.capture(*(asks(number) for number in range(3)))
        work = projecting(books.classifier)(books.db)
        made = []
        for _ in range(4):
            more = work.step()
            work.done()
            made.append((more, *books.column("SELECT count(*) FROM leads")))
        assert made == [(True, 1), (True, 2), (True, 3), (False, 3)]


def test_conversations_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation with endless messages must not block the others."""
    monkeypatch.setattr(worker_module, "LONGEST_SECONDS", 0.0)
    monkeypatch.setattr(worker_module, "AT_ONCE", 1)
    with Books() as books:
        books.capture(*(asks(number) for number in range(3)))
        work = projecting(books.classifier)(books.db)
        for _ in range(3):
            work.step()
            mark_wholly_dirty(books.db, [1])
        assert books.column("SELECT conversation_id FROM leads ORDER BY lead_id") == [1, 2, 3]


def test_whoever_wants_to_know_is_told_who_waits(tmp_path: Path) -> None:
    """The callback runs after each step that projected something, and not after an idle one."""
    told: list[WhoWaits] = []
    with open_shop(tmp_path / "leadmaster.db", projecting(on_projected=told.append)) as shop:
        shop.capture(asks(1), asks(2))
        until_true(lambda: told)
        assert told[-1] == WhoWaits(2, told[-1].overdue, iso("17 10:00"))
        count = len(told)
        shop.writer.call(lambda connection, rows: None).result(LIMIT)
        shop.writer.call(lambda connection, rows: None).result(LIMIT)
        assert len(told) == count


# ---------------------------------------------------------------------- failures


class Stumbling(stories.Literal):
    """A classifier that fails on some words."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error: Exception | None = error

    def classify(self, texts: Sequence[str], signals: Signals) -> Label:
        """Classify, or raise the error."""
        if "stumble" in texts and self.error:
            raise self.error
        return super().classify(texts, signals)


def wrong_statement() -> sqlite3.OperationalError:
    """An error as SQLite raises it."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("SELECT * FROM no_such_table")
    except sqlite3.OperationalError as error:
        return error
    finally:
        connection.close()
    raise AssertionError("there is no such table")


def test_damage_is_told_in_one_line_without_the_words_that_can_not_be_decoded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite quotes them, whatever they are."""
    undecodable = sqlite3.OperationalError("Could not decode to UTF-8 column 'body' with text 'mi clave\nsecreta'")
    with open_shop(tmp_path / "leadmaster.db", projecting(Stumbling(undecodable))) as shop:
        shop.capture(asks(1, text="stumble"))
        until_true(lambda: caplog.records)
    [record] = caplog.records
    assert record.getMessage() == "cannot make leads of conversation 1: Could not decode to UTF-8 column 'body'"


@pytest.mark.parametrize("error", [ValueError("a defect"), wrong_statement()], ids=["ours", "in a statement"])
def test_a_conversation_that_fails_is_put_aside_and_the_others_go_on(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported with its reason, capture continues, and the next start retries it."""
    path = tmp_path / "leadmaster.db"
    stumbling = Stumbling(error)
    with open_shop(path, projecting(stumbling)) as shop:
        shop.capture(*(asks(number, text="stumble" if number == 5 else "price") for number in range(10)))
        until_true(lambda: shop.leads() == 9)
        shop.capture(asks(10))
        until_true(lambda: shop.leads() == 10)
        assert len(shop.ask("SELECT * FROM unjudged")) == 1
        assert [record.getMessage() for record in caplog.records] == ["cannot make leads of conversation 6"]
        assert shop.errors == []
    stumbling.error = None
    with open_shop(path, projecting(stumbling)) as shop:
        until_true(lambda: shop.leads() == 11)
        assert shop.ask("SELECT * FROM unjudged") == []


def test_of_several_that_are_read_at_once_only_the_one_that_fails_is_put_aside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The others are tried again, each alone."""
    stumbling = Stumbling(ValueError("a defect"))
    with Books() as books:
        books.capture(*(asks(number, text="stumble" if number == 5 else "price") for number in range(10)))
        mark_all_dirty(books.db)
        worker = projecting(stumbling)(books.db)
        more, failures = True, 0
        while more:
            books.db.execute("BEGIN")
            try:
                more = worker.step()
                books.db.execute("COMMIT")
                worker.done()
            except ValueError as error:
                books.db.execute("ROLLBACK")
                worker.failed(error)
                failures += 1
        assert failures == 2
        assert books.column("SELECT conversation_id FROM unjudged") == [6]
        assert books.column("SELECT count(*) FROM leads") == [9]
    assert [record.getMessage() for record in caplog.records] == ["cannot make leads of conversation 6"]


def test_a_locked_database_is_tried_again(tmp_path: Path) -> None:
    """No conversation is put aside because of it."""
    with open_shop(tmp_path / "leadmaster.db") as shop:
        other = sqlite3.connect(shop.path, isolation_level=None, check_same_thread=False)
        shop.after_batch = lambda: other.execute("BEGIN IMMEDIATE") if len(shop.batches) == 2 else None
        shop.capture(asks(1))
        until_true(lambda: len(shop.batches) == 2 and other.in_transaction)
        tries = len(shop.statements)
        until_true(lambda: shop.statements[tries:].count("BEGIN IMMEDIATE") >= 3)
        assert shop.leads() == 0
        other.execute("ROLLBACK")
        other.close()
        until_true(lambda: shop.leads() == 1)


def test_a_full_disk_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`max_page_count` stands in for the disk: SQLite gives the same error."""
    # All in one step: a small one, as on a busy machine, may find room in pages that are not full yet.
    monkeypatch.setattr(worker_module, "LONGEST_SECONDS", LIMIT)
    with open_shop(tmp_path / "leadmaster.db") as shop:
        writing: list[sqlite3.Connection] = []
        shop.writer.call(lambda connection, rows: writing.append(connection)).result(LIMIT)

        def fill() -> None:
            if len(shop.batches) == 2:
                [pages] = writing[0].execute("PRAGMA page_count").fetchone()
                writing[0].execute(f"PRAGMA max_page_count = {pages}").fetchone()

        shop.after_batch = fill
        shop.capture(*(asks(number) for number in range(200)))
        until_true(lambda: len(shop.batches) == 2)
        tries = len(shop.statements)
        until_true(lambda: shop.statements[tries:].count("BEGIN IMMEDIATE") >= 3)
        assert shop.leads() == 0
        shop.writer.call(lambda c, rows: c.execute("PRAGMA max_page_count = 100000").fetchone()).result(LIMIT)
        until_true(lambda: shop.leads() == 200)
        assert shop.ask("SELECT * FROM unjudged") == []


# ---------------------------------------------------------------------- crashes


class Stuck(stories.Literal):
    """A classifier that reports its `patience`-th call and never returns from it."""

    def __init__(self, patience: int) -> None:
        super().__init__()
        self.patience = patience

    def classify(self, texts: Sequence[str], signals: Signals) -> Label:
        """Classify, or block until the parent process answers, which it never does."""
        if len(self.asked) >= self.patience:
            sys.stdout.write("stuck\n")
            sys.stdout.flush()
            sys.stdin.read()
        return super().classify(texts, signals)


def a_life(path: str, patience: int) -> None:
    """The child process: it commits messages and is killed before all their leads are made."""
    with open_shop(Path(path), projecting(Stuck(patience))) as shop:
        shop.capture(*(asks(number) for number in range(5)))
        sys.stdin.read()


@pytest.mark.parametrize("patience", [0, 3], ids=["before the first", "in the middle"])
def test_leads_catch_up_after_a_crash(tmp_path: Path, patience: int) -> None:
    """The daemon was killed after committing messages; the next start makes their leads, each once."""
    path = tmp_path / "leadmaster.db"
    program = f"from tests.test_projection_worker import a_life; a_life({str(path)!r}, {patience})"
    life = subprocess.Popen(
        [sys.executable, "-c", program], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert life.stdout is not None
        assert life.stdout.readline() == "stuck\n"
    finally:
        life.kill()
        life.communicate()
    with reading(path) as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (5,)
        [(dirty, done)] = connection.execute("SELECT (SELECT count(*) FROM unjudged), (SELECT count(*) FROM leads)")
    # A slow machine commits a step in the middle of the five.
    assert dirty >= 5 - patience
    assert dirty + done == 5, "and nothing half done"
    with open_shop(path) as shop:
        until_true(lambda: shop.leads() == 5)
        assert (
            shop.ask("SELECT stage, waiting_since FROM leads JOIN conversations USING (conversation_id)")
            == [("new", iso("17 10:00"))] * 5
        )
        assert shop.ask("SELECT * FROM unjudged") == []
        assert shop.ask("SELECT count(*) FROM lead_events") == [(5,)]


def test_leads_are_made_anew_after_an_update_that_folds_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed settings do the same; without a change nothing is projected again."""
    before = policy_of(LeadsSettings().plain()).version
    assert policy_of(LeadsSettings().plain()).version == before
    monkeypatch.setattr(fold, "FOLD_VERSION", fold.FOLD_VERSION + 1)
    assert policy_of(LeadsSettings().plain()).version != before
