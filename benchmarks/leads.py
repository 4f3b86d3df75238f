"""Whether classification and leads keep up with a steady stream of messages."""

import asyncio
import contextlib
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from benchmarks.bodies import Bodies
from benchmarks.figures import Figure
from benchmarks.lines import CHATS, message_line, ready_line
from leadmasterd.capture import CaptureRules
from leadmasterd.classify.loading import load_classifier
from leadmasterd.daemon.intake import Intake
from leadmasterd.projection.ahead import Ahead, command_for
from leadmasterd.projection.policy import policy_of
from leadmasterd.projection.worker import ProjectionWorker
from leadmasterd.settings.model import LeadsSettings
from leadmasterd.store.disk_upkeep import DiskUpkeep
from leadmasterd.store.idle import InTurn
from leadmasterd.store.word_index import WordIndex
from leadmasterd.store.writer import IdleWork, Writer

SECONDS = 20
RATE = 1500


def run() -> list[Figure]:
    """Messages from 500 chats at a steady rate; how far behind are the leads when the last one is stored?"""
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
        lag = asyncio.run(_lag(Path(name) / "leadmaster.db"))
    return [
        Figure(
            name=f"{RATE:,} messages a second for {SECONDS} s: lag of the leads after the last one",
            number=lag,
            unit="s",
            measured=f"{lag:.1f} s",
            promised="keeps up (at most 3 s)",
            held=lag <= 3,
        )
    ]


def projection_worker(database: Path) -> Callable[[sqlite3.Connection], ProjectionWorker]:
    """The daemon's own worker that derives leads: packaged rules and model, default settings."""
    classifier = load_classifier(None, None)
    policy = policy_of(LeadsSettings().plain())
    labeller = command_for(database, None, None, policy.burst_seconds)

    def make(connection: sqlite3.Connection) -> ProjectionWorker:
        return ProjectionWorker(connection, lambda: classifier, policy, lambda who: None, ahead=Ahead(labeller))

    return make


def idle_work(database: Path) -> Callable[[sqlite3.Connection], IdleWork]:
    """All that the daemon's writer does in its idle time: leads, words, and keeping the file small."""
    projecting = projection_worker(database)
    return lambda connection: InTurn(projecting(connection), WordIndex(connection), DiskUpkeep(connection, days=7))


async def _lag(database: Path) -> float:
    questions = islice(_questions(), RATE * SECONDS)
    lines = [message_line(number, number + 2, body).rstrip() for number, body in enumerate(questions)]
    writer = Writer(database, on_batch=lambda _: None, on_error=print, idle_work=idle_work(database))
    intake = Intake(CaptureRules(), writer, on_lifecycle=lambda _: None, on_missing=lambda _: None, on_pressure=print)
    writer.start()
    intake.lines([ready_line().rstrip()])
    began, number = time.perf_counter(), 0
    while number < len(lines):
        due = min(len(lines), int((time.perf_counter() - began) * RATE))
        intake.lines(lines[number:due])
        number = due
        await asyncio.sleep(0.02)
    fed = time.perf_counter()
    while await asyncio.wrap_future(writer.call(_dirty_count)):  # noqa: ASYNC110 - nothing announces it
        await asyncio.sleep(0.02)
    lag = time.perf_counter() - fed
    writer.stop(10)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        leads = connection.execute("SELECT count(*) FROM leads").fetchone()[0]
        assert leads == CHATS, f"{leads} leads of {CHATS} customers at {datetime.now(UTC)}"
    return lag


def _questions() -> Iterator[str]:
    """One question with different words each time, drawn by how often people use them: the classifier caches words."""
    words, draw = Bodies().words, random.Random(1)
    while True:
        first, second, third = draw.sample(words, 3)
        yield f"Hola, buenas tardes! cuánto sale el {first} de 12 {second} con envío a {third}?"


def _dirty_count(connection: sqlite3.Connection, _: object) -> int:
    return int(connection.execute("SELECT count(*) FROM unjudged").fetchone()[0])
