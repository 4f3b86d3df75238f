"""Feeds: how many events a second reach a receiver, whether all do in order, and what capture pays for it."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import psutil

from benchmarks import burst, whole
from benchmarks.daemon import setup, until
from benchmarks.figures import Figure
from benchmarks.lines import write_lines
from benchmarks.ports import free_port, is_open
from leadmasterd.outbox import triggers
from leadmasterd.store.database import open_for_writing

EVENTS: Final = 10_000
STREAMS: Final = 500
AT_ONCE: Final = 8
"""Requests at a time of the bare client, as many as a webhook's."""
FAILS: Final = 0.3
DEATHS: Final = 2
SCALED_DOWN: Final = "1000"
"""By what the schedule's waits are divided, so that its days are a minute and a half."""
SECRET: Final = "whsec_c2VjcmV0IG9mIHRoZSBiZW5jaG1hcmsh"
MEGABYTE: Final = 1e6
ROUNDS: Final = 3


def run() -> list[Figure]:
    """Four parts, each with what it is compared with in the same run."""
    return [*_deliveries(), *_unreliable(), *_capture(), _burst()]


# ---------------------------------------------------------------------- deliveries


def _deliveries() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
        folder, port = Path(name), free_port()
        with _receiver(port, folder / "bare"):
            bare = EVENTS / asyncio.run(_bare(f"http://127.0.0.1:{port}/"))
        _fill(folder / "leadmaster.db")
        with _receiver(port, folder / "log"), _feeds(folder, port):
            until(lambda: _taken(folder / "log") > 0)
            first, began = _taken(folder / "log"), time.perf_counter()
            until(lambda: _taken(folder / "log") >= EVENTS)
            rate = (EVENTS - first) / (time.perf_counter() - began)
    return [
        Figure(
            name="feeds: deliveries a second to a local webhook",
            number=rate,
            unit="events/s",
            better="higher",
            measured=f"{rate:,.0f} (the same client without an outbox {bare:,.0f})",
            promised="at least 1,000",
            held=rate >= 1_000,
        )
    ]


async def _bare(url: str) -> float:
    """Seconds that the same client takes for as many posts of the same size."""
    body = json.dumps({"type": "message.stored", "timestamp": "2026-11-23T12:00:00Z", "data": _data(1, 1)}).encode()
    turns = iter(range(EVENTS))
    async with aiohttp.ClientSession(headers={"content-type": "application/json"}) as session:

        async def work() -> None:
            for _ in turns:
                async with session.post(url, data=body) as response:
                    await response.read()

        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(AT_ONCE):
                tasks.create_task(work(), name=f"client {number}")
        return time.perf_counter() - began


# ---------------------------------------------------------------------- an unreliable receiver


def _unreliable() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
        folder, port = Path(name), free_port()
        _fill(folder / "leadmaster.db")
        began = time.perf_counter()
        with _feeds(folder, port, LEADMASTERD_SUPERVISOR__TIME_DIVISOR=SCALED_DOWN):
            for life in range(DEATHS + 1):
                with _receiver(port, folder / "log", "--fails", str(FAILS), "--seed", str(life)):
                    wanted = EVENTS * (life + 1) // (DEATHS + 1)
                    until(partial(_has_taken, folder / "log", wanted), 300)
                time.sleep(1)
        took = time.perf_counter() - began
        order: dict[str, list[int]] = defaultdict(list)
        for stream, number in _lines(folder / "log"):
            order[stream].append(int(number))
        lost = EVENTS - len(_distinct(folder / "log"))
        twice = _taken(folder / "log") - len(_distinct(folder / "log"))
        disordered = sum(list(dict.fromkeys(numbers)) != sorted(set(numbers)) for numbers in order.values())
    bad = lost + disordered
    return [
        Figure(
            name=f"feeds: of {EVENTS:,} events lost or out of order, receiver refusing 30 % and dying twice",
            number=bad,
            unit="events",
            growth=True,
            measured=f"{lost} lost, {disordered} conversations out of order, {twice} taken twice, in {took:.0f} s",
            promised=f"none; twice at most {DEATHS * AT_ONCE}, which were under way when it died",
            held=bad == 0 and twice <= DEATHS * AT_ONCE,
        )
    ]


# ---------------------------------------------------------------------- what capture pays


def _capture() -> list[Figure]:
    """The daemon without feeds and with three, in turn on one profile."""
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name, setup() as parts:
        folder, port = Path(name), free_port()
        p99: dict[bool, float] = {}
        uss: dict[bool, float] = {}
        delivering = 0.0
        with parts.daemon():
            parts.pair()
        with _receiver(port, folder / "log"):
            for with_feeds in (False, True):
                settings = {"LEADMASTERD_FEEDS": json.dumps(_three(port))} if with_feeds else {}
                with parts.daemon(**settings) as process:
                    until(parts.is_ready)
                    _, slowest = [*whole.latencies(parts), *whole.latencies(parts)][-2:]
                    p99[with_feeds] = slowest.number
                    daemon = psutil.Process(process.pid)
                    uss[with_feeds] = daemon.memory_full_info().uss / MEGABYTE
                    for child in daemon.children():
                        if with_feeds and "leadmasterd.feeds" in child.cmdline():
                            delivering = child.memory_full_info().pss / MEGABYTE
    ratio, more = p99[True] / p99[False], uss[True] - uss[False]
    return [
        Figure(
            name="feeds: page event to commit, p99 with three feeds against none",
            number=ratio,
            unit="x",
            measured=f"{ratio:.2f}x ({p99[True]:.0f} ms, {p99[False]:.0f} ms)",
            promised="at most 1.2x",
            held=ratio <= 1.2,
        ),
        Figure(
            name="feeds: the daemon's own memory (USS) with three feeds, more than with none",
            number=more,
            unit="MB",
            growth=True,
            measured=f"{more:.1f} MB; the process that delivers has {delivering:.0f} MB (PSS)",
            promised="at most 6 MB",
            held=more <= 6,
        ),
    ]


def _three(port: int) -> dict[str, dict[str, object]]:
    hook: dict[str, object] = {
        "kind": "webhook", "url": f"http://127.0.0.1:{port}/", "secrets": [SECRET], "private_hosts": ["127.0.0.1"],
    }  # fmt: skip
    return {"crm": hook, "hub": {**hook, "full": True}, "file": {"kind": "jsonl"}}


def _burst() -> Figure:
    """The burst of benchmarks/burst.py with the triggers of one thin feed, against none."""
    ratios = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
            folder = Path(name)
            lines = folder / "lines"
            write_lines(lines, burst.LINES)
            without = asyncio.run(burst.capture(lines, folder / "without.db")).seconds
            with closing(open_for_writing(folder / "with.db")) as database:
                database.execute("BEGIN IMMEDIATE")
                triggers.sync(database, "thin")
                database.execute("COMMIT")
            ratios.append(asyncio.run(burst.capture(lines, folder / "with.db")).seconds / without)
    ratio = statistics.median(ratios)
    return Figure(
        name="feeds: the burst with one feed against none",
        number=ratio,
        unit="x",
        measured=f"{ratio:.2f}x",
        promised="at most 1.25x",
        held=ratio <= 1.25,
    )


# ---------------------------------------------------------------------- parts


def _fill(database: Path) -> None:
    """An outbox of so many events, in turn of all streams, each numbered within its own."""
    with closing(open_for_writing(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO outbox (kind, stream, at, data) VALUES ('message.stored', ?, '2026-11-23T12:00:00.000Z', ?)",
            (
                (number % STREAMS + 1, json.dumps(_data(number % STREAMS + 1, number // STREAMS)))
                for number in range(EVENTS)
            ),
        )
        connection.execute("COMMIT")


def _data(stream: int, number: int) -> dict[str, object]:
    return {"stream": stream, "number": number, "message_id": 123456, "direction": "in", "author": "contact"}


@contextmanager
def _feeds(state: Path, port: int, **settings: str) -> Iterator[None]:
    """The process that delivers, without a daemon; it ends with its stdin."""
    environment = {
        **os.environ,
        "LEADMASTERD_STATE_DIR": str(state),
        "LEADMASTERD_FEEDS": json.dumps({"crm": _three(port)["crm"]}),
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "leadmasterd.feeds"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        yield
    finally:
        process.communicate(timeout=30)


@contextmanager
def _receiver(port: int, log: Path, *more: str) -> Iterator[None]:
    """Killed at the end, whatever it does then."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.receiver", "--port", str(port), "--log", log, *more])
    try:
        until(lambda: is_open(port))
        yield
    finally:
        process.kill()
        process.wait()


def _lines(log: Path) -> list[list[str]]:
    """The whole lines; the last may be half written."""
    return [line.split() for line in log.read_text().split("\n")[:-1]] if log.exists() else []


def _taken(log: Path) -> int:
    return len(_lines(log))


def _has_taken(log: Path, number: int) -> bool:
    return len(_distinct(log)) >= number


def _distinct(log: Path) -> set[tuple[str, ...]]:
    return {tuple(line) for line in _lines(log)}
