"""What a message costs of a contact with a long history, against one with a short one, and what a whole fold takes."""

import multiprocessing
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.figures import Figure
from leadmasterd.classify.loading import load_classifier
from leadmasterd.projection.policy import policy_of
from leadmasterd.projection.projector import Projector
from leadmasterd.settings.model import LeadsSettings
from leadmasterd.store.database import open_for_writing
from leadmasterd.times import iso

LONG = 30_000
SHORT = 300
MIDDLE = 3_000
MESSAGES = 200
"""Judged one by one at the end of each history."""
START = datetime(2024, 1, 8, 12, tzinfo=UTC)
APART = timedelta(minutes=10)


def run() -> list[Figure]:
    """CPU time, so that what else runs counts little; the two histories take turns."""
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
        long, short = (_History(Path(name) / f"{messages}.db", messages) for messages in (LONG, SHORT))
        with closing(long.db), closing(short.db):
            for history in (long, short):
                history.project()
            costs = [(long.judge_one(), short.judge_one()) for _ in range(MESSAGES)]
            again = long.rebuild()
    of_long, of_short = (statistics.median(each) * 1000 for each in zip(*costs, strict=True))
    grown, of_middle = _peak_growth(LONG), _peak_growth(MIDDLE)
    return [
        Figure(
            name=f"a message of a contact with {LONG:,} judged",
            number=of_long,
            unit="ms",
            measured=f"{of_long:.1f} ms",
            promised="at most 10 ms",
            held=of_long <= 10,
        ),
        Figure(
            name=f"a message of a contact with {LONG:,} judged, against one of a contact with {SHORT}",
            number=of_long / of_short,
            unit="x",
            measured=f"{of_long / of_short:.2f}x ({of_short:.1f} ms)",
            promised="at most 1.5x",
            held=of_long <= 1.5 * of_short,
        ),
        Figure(
            name=f"a history of {LONG:,} messages folded anew from its beginning",
            number=again,
            unit="s",
            measured=f"{again:.2f} s",
            promised="",
            held=True,
        ),
        Figure(
            name=f"memory that folding {LONG:,} messages takes at its peak",
            number=grown,
            unit="MB",
            measured=f"{grown:.1f} MB ({of_middle:.1f} MB for {MIDDLE:,})",
            promised=f"at most 2x that of {MIDDLE:,}",
            held=grown <= 2 * of_middle,
        ),
    ]


class _History:
    """A contact with so many messages: each hour somebody asks, thanks and is answered."""

    def __init__(self, path: Path, messages: int) -> None:
        self.db = open_for_writing(path)
        self._messages = messages
        classifier = load_classifier(None, None)
        self._projector = Projector(self.db, lambda: classifier, policy_of(LeadsSettings().plain()))
        at = iso(START)
        with _transaction(self.db):
            self.db.execute("INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES ('us', ?, ?)", (at, at))
            self.db.execute("INSERT INTO contacts (created_at, updated_at) VALUES (?, ?)", (at, at))
            self.db.execute(
                "INSERT INTO conversations (account_id, contact_id, chat, created_at) VALUES (1, 1, 'them', ?)", (at,)
            )
            self.db.executemany(_INSERT, (_message(number) for number in range(messages)))
            self.db.execute("INSERT INTO unjudged (conversation_id) VALUES (1)")

    def project(self) -> float:
        """Seconds of CPU time."""
        with _transaction(self.db):
            began = time.process_time()
            self._projector.project([1], datetime.now(UTC))
            return time.process_time() - began

    def judge_one(self) -> float:
        """Of one more message."""
        message = _message(self._messages)
        self._messages += 1
        with _transaction(self.db):
            self.db.execute(_INSERT, message)
            columns = len(self.db.execute("SELECT * FROM unjudged LIMIT 0").description)
            self.db.execute(f"INSERT INTO unjudged VALUES ({', '.join('??'[:columns])})", (1, message[3])[:columns])
        return self.project()

    def rebuild(self) -> float:
        """Of all of them, none of which differs."""
        self.db.execute("INSERT INTO unjudged (conversation_id) VALUES (1)")
        return self.project()


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    yield
    db.execute("COMMIT")


_INSERT = (
    "INSERT INTO messages (account_id, conversation_id, direction, author, type, body, sent_at, captured_at, "
    "captured_via, readable_at, business, truncated, forwarded, stanza_id, wire_t) "
    "VALUES (1, 1, ?1, ?2, 'chat', ?3, ?4, ?4, 'live', ?4, 0, 0, 0, ?5, ?6)"
)


def _message(number: int) -> tuple[object, ...]:
    moment = START + number * APART
    ours = number % 3 == 2
    body = f"Sí, hay! Sale {number}" if ours else "gracias!" if number % 3 else f"cuánto sale la campera {number}?"
    direction, author = ("out", "operator") if ours else ("in", "contact")
    return direction, author, body, iso(moment), f"3EB0{number:016X}", int(moment.timestamp())


def _peak_growth(messages: int) -> float:
    """MB, of a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_grow, (messages,))


def _grow(messages: int) -> float:
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
        history = _History(Path(name) / "one.db", messages)
        with closing(history.db):
            _small(Path(name))
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is now what is in use
            before = _peak()
            history.project()
            return _peak() - before


def _peak() -> float:
    """MB of memory that this process has had at most."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("Linux tells the peak")


def _small(folder: Path) -> None:
    """Load what any projection loads, once."""
    history = _History(folder / "small.db", 30)
    with closing(history.db):
        history.project()
