"""The whole program on real parts: latency from the page to the commit, and what an idle daemon costs."""

import sqlite3
import time

import psutil

from benchmarks.daemon import Setup, setup
from benchmarks.figures import Figure, percentile

MESSAGES = 1000
A_SECOND = 20
IDLE_SECONDS = 60
SETTLE_SECONDS = 15


def run() -> list[Figure]:
    """One paired daemon."""
    with setup() as parts, parts.daemon() as process:
        parts.pair()
        latency = latencies(parts)
        idle = _idle(psutil.Process(process.pid))
    return [*latency, *idle]


def latencies(parts: Setup) -> list[Figure]:
    """From the moment the page adds a message to its store until another process sees it committed."""
    times = milliseconds_to_commit(parts, MESSAGES)
    p50, p99 = percentile(times, 50), percentile(times, 99)
    name = f"page event to commit, {A_SECOND} messages a second"
    return [
        _limited(f"{name}: p50", p50, "ms", limit=50),
        _limited(f"{name}: p99", p99, "ms", limit=250),
    ]


def milliseconds_to_commit(parts: Setup, messages: int) -> list[float]:
    """The same of each of so many messages, after a few that warm up."""
    connection = sqlite3.connect(f"file:{parts.where.database}?mode=ro", uri=True)
    times: list[float] = []
    [last] = connection.execute("SELECT coalesce(max(message_id), 0) FROM messages").fetchone()
    for number in range(messages + 10):
        began = time.perf_counter()
        body = f"m{number}"
        parts.standin.act("deliver", **{"from": f"549115555{number % 50:04d}", "body": body})
        while not (row := connection.execute(_ADDED_AT, (last, body)).fetchone()):
            time.sleep(0.0005)
        seen = time.time() * 1000
        last, added = row
        if number >= 10:  # the first few warm up
            times.append(seen - added)
        time.sleep(max(0.0, 1 / A_SECOND - (time.perf_counter() - began)))
    connection.close()
    return times


# The page records when it added the message; both clocks are this machine's.
_ADDED_AT = """
    SELECT message_id, json_extract(line, '$.data.clientReceivedTsMillis')
    FROM raw_events JOIN messages USING (message_id) WHERE message_id > ? AND body = ?
"""


def _idle(daemon: psutil.Process) -> list[Figure]:
    time.sleep(SETTLE_SECONDS)
    before, began = _cpu_seconds(daemon.pid), time.monotonic()
    time.sleep(IDLE_SECONDS)
    cpu = (_cpu_seconds(daemon.pid) - before) / (time.monotonic() - began) * 100
    pss = daemon.memory_full_info().pss / 1e6
    return [
        _limited("daemon alone, idle and ready: memory (PSS)", pss, "MB", limit=90),
        Figure(
            name="daemon alone, idle and ready: CPU",
            number=cpu,
            unit="% of a core",
            measured=f"{cpu:.2f} % of a core",
            promised="below 0.5 %",
            held=cpu < 0.5,
        ),
    ]


def _cpu_seconds(pid: int) -> float:
    """Of all its threads, to the nanosecond: /proc counts in ticks of 10 ms, 7 % of what an idle minute uses.

    The clock id is what `clock_getcpuclockid` of glibc and musl computes from the process id.
    """
    return time.clock_gettime((~pid << 3) | 2)


def _limited(name: str, number: float, unit: str, *, limit: float) -> Figure:
    return Figure(
        name=name,
        number=number,
        unit=unit,
        measured=f"{number:.0f} {unit}",
        promised=f"below {limit:.0f} {unit}",
        held=number < limit,
    )
