"""A burst of 100,000 message lines from a pipe to committed rows, against `executemany` of every row that was written.

Without a feed and with one: the index of words and the outbox are such rows too.
"""

import asyncio
import gc
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Figure
from benchmarks.lines import write_lines
from leadmasterd.capture import CaptureRules
from leadmasterd.daemon.intake import Intake
from leadmasterd.listener.child import Child
from leadmasterd.outbox import triggers
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.records import BatchResult
from leadmasterd.store.word_index import WordIndex, documents, fill, indexed_through
from leadmasterd.store.writer import IdleWork, Writer
from leadmasterd.supervisor.timing import Timing

LINES = 100_000
ROUNDS = 3
TABLES = (
    "accounts", "contacts", "contact_identities", "conversations", "messages", "message_aliases", "raw_events",
    "unjudged", "outbox",
)  # fmt: skip
KEYS_OF_NEW_ROWS = {
    "contact_identities": "identity_id",
    "messages": "message_id",
    "message_aliases": "message_id",
    "raw_events": "raw_id",
}
"""The tables that a burst from known contacts adds to, and the column that tells new rows from old ones."""


def run() -> list[Figure]:
    """Each way in turn with its limit; the medians of the ratios."""
    gc.collect()
    gc.freeze()  # as the daemon does
    ways = {"": [], " with a feed": []}  # type: dict[str, list[tuple[float, float]]]
    for _ in range(ROUNDS):
        for way, measured in ways.items():
            with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
                folder = Path(name)
                lines, ours = folder / "lines", folder / "ours.db"
                write_lines(lines, LINES)
                if way:
                    _with_a_feed(ours)
                took, indexed = asyncio.run(capture(lines, ours, WordIndex))
                measured.append((took / raw(ours, folder / "raw.db", indexed=indexed), took))
    figures = []
    for way, measured in ways.items():
        ratio, seconds = (statistics.median(column) for column in zip(*measured, strict=True))
        figures.append(
            Figure(
                name=f"burst of {LINES:,} lines{way}, pipe to committed rows, against raw executemany of every row",
                number=ratio,
                unit="x",
                measured=f"1/{ratio:.1f} ({LINES / seconds:,.0f} messages/s)",
                promised="at least 1/1.8",
                held=ratio <= 1.8,
            )
        )
    return figures


def _with_a_feed(database: Path) -> None:
    """Somebody hears, as in `feeds`: then each message is an event as well."""
    with closing(open_for_writing(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        triggers.sync(connection, "thin")
        connection.execute("COMMIT")


class Captured(NamedTuple):
    """How long it took, and up to which message words are indexed by then (None: there is no index)."""

    seconds: float
    indexed: int | None


async def capture(
    lines: Path, database: Path, idle_work: Callable[[sqlite3.Connection], IdleWork] | None = None
) -> Captured:
    """On the daemon's own path: the child's pipe, framing, the intake with backpressure, the writer."""
    loop = asyncio.get_running_loop()
    all_written = asyncio.Event()

    def caught_up() -> None:
        intake.batch_written()
        if not writer.pending:
            all_written.set()

    def committed(_: BatchResult) -> None:
        loop.call_soon_threadsafe(caught_up)

    def written() -> None:
        loop.call_soon_threadsafe(intake.batch_written)

    writer = Writer(database, on_batch=committed, on_error=print, on_written=written, idle_work=idle_work)
    child: Child | None = None

    def pressure(stop: bool) -> None:
        if child:
            (child.pause_reading if stop else child.resume_reading)()

    intake = Intake(
        CaptureRules(), writer, on_lifecycle=lambda _: None, on_missing=lambda _: None, on_pressure=pressure
    )
    writer.start()
    began = time.perf_counter()
    child = await Child.start(
        ["cat", str(lines)],
        environment={},
        marker="benchmark",
        on_lines=intake.lines,
        on_oversize=intake.oversize,
        on_cut=intake.cut_short,
    )
    await child.ended
    while writer.pending:
        all_written.clear()
        await all_written.wait()
    indexed = await asyncio.wrap_future(writer.call(lambda connection, _: indexed_through(connection)))
    took = time.perf_counter() - began
    await child.stop(Timing())
    writer.stop(10)
    return Captured(took, indexed)


def raw(ours: Path, raw: Path, *, since: Path | None = None, indexed: int | None = None) -> float:
    """Seconds for the rows of `ours` into the same schema and nothing else: the limit of SQLite from Python.

    `since`: a database without the new rows; only those are copied. `indexed`: the words of messages up to this one are
    among the rows.
    """
    words: list[tuple[int, str]] = []
    with closing(sqlite3.connect(ours)) as source:
        if since is None:
            rows = {table: source.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
            ids = list(range(1, (indexed or 0) + 1))
            words = sorted((each.place, " ".join(each.words())) for each in documents(source, ids))
        else:
            source.execute("ATTACH ? AS before", (str(since),))
            rows = {
                table: source.execute(
                    f"SELECT * FROM {table} WHERE {key} > (SELECT coalesce(max({key}), 0) FROM before.{table})"
                ).fetchall()
                for table, key in KEYS_OF_NEW_ROWS.items()
            }
    with closing(open_for_writing(raw)) as target:
        target.execute("PRAGMA foreign_keys = OFF")
        if words:
            fill(target, least=0)  # makes the table
        began = time.perf_counter()
        target.execute("BEGIN IMMEDIATE")
        for table, values in rows.items():
            if values:
                target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values[0]))})", values)
        if words:
            target.executemany("INSERT INTO message_words (rowid, words) VALUES (?, ?)", words)
        target.execute("COMMIT")
        return time.perf_counter() - began
