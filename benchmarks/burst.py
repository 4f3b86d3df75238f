"""A burst of 100,000 message lines from a pipe to committed rows, against `executemany` of the very same rows."""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, message_line, ready_line
from leadmasterd.ingest import CaptureRules
from leadmasterd.intake import Intake
from leadmasterd.listener.child import Child
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.rows import BatchResult
from leadmasterd.store.writer import Writer
from leadmasterd.timing import Timing

LINES = 100_000
ROUNDS = 3
TABLES = ("accounts", "contacts", "contact_identities", "conversations", "messages", "message_aliases", "raw_events")


def run() -> list[Figure]:
    """Both in turn, several times; the median of the ratios."""
    ratios, ours_seconds = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
            folder = Path(name)
            lines = folder / "lines"
            with lines.open("wb") as file:
                file.write(ready_line())
                for number in range(LINES):
                    file.write(message_line(number, number + 2))
            ours = asyncio.run(_ours(lines, folder / "ours.db"))
            raw = _raw(folder / "ours.db", folder / "raw.db")
            ratios.append(ours / raw)
            ours_seconds.append(ours)
    ratio, rate = statistics.median(ratios), LINES / statistics.median(ours_seconds)
    return [
        Figure(
            f"burst of {LINES:,} lines, pipe to committed rows, against raw executemany",
            f"1/{ratio:.1f} ({rate:,.0f} messages/s)",
            "at least 1/8",
            ratio <= 8,
        )
    ]


async def _ours(lines: Path, database: Path) -> float:
    """The daemon's own path: the child's pipe, the framing, the intake with its backpressure, the writer."""
    loop = asyncio.get_running_loop()
    all_there = asyncio.Event()

    def caught_up() -> None:
        intake.batch_committed()
        if not writer.pending:
            all_there.set()

    def committed(_: BatchResult) -> None:
        loop.call_soon_threadsafe(caught_up)

    writer = Writer(database, on_batch=committed, on_trouble=lambda trouble: print(trouble))
    child: Child | None = None

    def pressure(stop: bool) -> None:
        if child:
            (child.pause_reading if stop else child.resume_reading)()

    intake = Intake(CaptureRules(), writer, on_lifecycle=lambda _: None, on_hole=lambda _: None, on_pressure=pressure)
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
        all_there.clear()
        await all_there.wait()
    took = time.perf_counter() - began
    await child.stop(Timing())
    writer.stop(10)
    return took


def _raw(ours: Path, raw: Path) -> float:
    """The same rows into the same schema, nothing else: the limit of SQLite from Python."""
    source = sqlite3.connect(ours)
    rows = {table: source.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    source.close()
    assert len(rows["messages"]) == LINES
    target = open_for_writing(raw)
    target.execute("PRAGMA foreign_keys = OFF")
    began = time.perf_counter()
    target.execute("BEGIN IMMEDIATE")
    for table, values in rows.items():
        target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values[0]))})", values)
    target.execute("COMMIT")
    took = time.perf_counter() - began
    target.close()
    return took
