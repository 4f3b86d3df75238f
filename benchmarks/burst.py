"""A burst of 100,000 message lines from a pipe to committed rows, against `executemany` of the same rows."""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.lines import write_lines
from leadmasterd.capture import CaptureRules
from leadmasterd.daemon.intake import Intake
from leadmasterd.listener.child import Child
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.records import BatchResult
from leadmasterd.store.word_index import WordIndex
from leadmasterd.store.writer import IdleWork, Writer
from leadmasterd.supervisor.timing import Timing

LINES = 100_000
ROUNDS = 3
TABLES = ("accounts", "contacts", "contact_identities", "conversations", "messages", "message_aliases", "raw_events")
KEYS_OF_NEW_ROWS = {
    "contact_identities": "identity_id",
    "messages": "message_id",
    "message_aliases": "message_id",
    "raw_events": "raw_id",
}
"""The tables that a burst from known contacts adds to, and the column that tells new rows from old ones."""


def run() -> list[Figure]:
    """Both in turn; the median of the ratios."""
    ratios, seconds = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
            folder = Path(name)
            lines = folder / "lines"
            write_lines(lines, LINES)
            took = asyncio.run(capture(lines, folder / "ours.db", WordIndex))
            ratios.append(took / raw(folder / "ours.db", folder / "raw.db"))
            seconds.append(took)
    ratio, rate = statistics.median(ratios), LINES / statistics.median(seconds)
    return [
        Figure(
            name=f"burst of {LINES:,} lines, pipe to committed rows, against raw executemany",
            number=ratio,
            unit="x",
            measured=f"1/{ratio:.1f} ({rate:,.0f} messages/s)",
            promised="at least 1/8",
            held=ratio <= 8,
        )
    ]


async def capture(
    lines: Path, database: Path, idle_work: Callable[[sqlite3.Connection], IdleWork] | None = None
) -> float:
    """Seconds on the daemon's own path: the child's pipe, framing, the intake with backpressure, the writer."""
    loop = asyncio.get_running_loop()
    all_written = asyncio.Event()

    def caught_up() -> None:
        intake.batch_committed()
        if not writer.pending:
            all_written.set()

    def committed(_: BatchResult) -> None:
        loop.call_soon_threadsafe(caught_up)

    writer = Writer(database, on_batch=committed, on_error=print, idle_work=idle_work)
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
    took = time.perf_counter() - began
    await child.stop(Timing())
    writer.stop(10)
    return took


def raw(ours: Path, raw: Path, *, since: Path | None = None) -> float:
    """Seconds for the rows of `ours` into the same schema and nothing else: the limit of SQLite from Python.

    `since`: a database without the new rows; only those are copied.
    """
    with closing(sqlite3.connect(ours)) as source:
        if since is None:
            rows = {table: source.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
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
        began = time.perf_counter()
        target.execute("BEGIN IMMEDIATE")
        for table, values in rows.items():
            if values:
                target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values[0]))})", values)
        target.execute("COMMIT")
        return time.perf_counter() - began
