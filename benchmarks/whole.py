"""The whole program on real parts: from the page to the commit, and what the daemon costs when nothing happens."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import Figure, percentile
from leadmasterd.demo.standin import StandIn
from leadmasterd.settings_file import Places, places
from leadmasterd.state_files import read_status

MESSAGES = 200
A_SECOND = 20
IDLE_SECONDS = 60
SETTLE_SECONDS = 15


def run() -> list[Figure]:
    """One daemon, linked to a stand-in."""
    node = shutil.which("node")
    assert node, "node is needed"
    with (
        tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name,
        StandIn(Path(node), key_shape="dollar") as standin,
    ):
        where = places(None, name, "leadmaster.db")
        with daemon_on(where, standin) as process:
            link(where, standin)
            latency = _latencies(where, standin)
            idle = _idle(psutil.Process(process.pid))
    return [*latency, *idle]


def _latencies(where: Places, standin: StandIn) -> list[Figure]:
    """From the moment the page adds a message to its store until another process sees it committed."""
    connection = sqlite3.connect(f"file:{where.database}?mode=ro", uri=True)
    times = []
    for number in range(MESSAGES + 10):
        began = time.perf_counter()
        body = f"m{number}"
        standin.act("deliver", **{"from": f"549115555{number % 50:04d}", "body": body})
        while not (row := connection.execute(_ADDED_AT, (body,)).fetchone()):
            time.sleep(0.0005)
        seen = time.time() * 1000
        if number >= 10:  # the first few pay for a cold path
            times.append(seen - row[0])
        time.sleep(max(0.0, 1 / A_SECOND - (time.perf_counter() - began)))
    connection.close()
    p50, p99 = percentile(times, 50), percentile(times, 99)
    name = f"the page's add to the commit, {A_SECOND} messages a second"
    return [
        Figure(f"{name}: p50", f"{p50:.0f} ms", "below 50 ms", p50 < 50),
        Figure(f"{name}: p99", f"{p99:.0f} ms", "below 250 ms", p99 < 250),
    ]


# the page notes in its own record when it added the message; both clocks are this machine's
_ADDED_AT = """
    SELECT json_extract(line, '$.data.clientReceivedTsMillis')
    FROM raw_events JOIN messages USING (message_id) WHERE body = ?
"""


def _idle(daemon: psutil.Process) -> list[Figure]:
    time.sleep(SETTLE_SECONDS)
    before = daemon.cpu_times()
    began = time.monotonic()
    time.sleep(IDLE_SECONDS)
    after = daemon.cpu_times()
    cpu = (after.user + after.system - before.user - before.system) / (time.monotonic() - began) * 100
    pss = daemon.memory_full_info().pss / 1e6
    return [
        Figure("the daemon alone, idle and ready: memory (PSS)", f"{pss:.0f} MB", "below 90 MB", pss < 90),
        Figure("the daemon alone, idle and ready: CPU", f"{cpu:.2f} % of a core", "below 0.5 %", cpu < 0.5),
    ]


@contextmanager
def daemon_on(where: Places, standin: StandIn, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The real daemon with production timing, stopped in good order at the end."""
    environment = {
        **os.environ,
        "LEADMASTERD_STATE_DIR": str(where.state_dir),
        "LEADMASTERD_LISTENER__BROWSER_ARGS": json.dumps(standin.browser_args),
        "LEADMASTERD_LISTENER__SETTLE_AFTER_PAIRING": "0",
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "leadmasterd", "run"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def status_of(where: Places) -> dict[str, Any]:
    """What the daemon last said of itself; empty before it said anything."""
    return read_status(where) or {}


def link(where: Places, standin: StandIn) -> None:
    """From a first start to ready."""
    until(lambda: status_of(where).get("phase") == "waiting_for_scan")
    standin.act("scan", phone="5491155550100", name="Tienda")
    until(lambda: status_of(where).get("phase") == "ready")


def until(test: Callable[[], bool], limit: float = 90) -> None:
    """Wait, `limit` seconds at most."""
    deadline = time.monotonic() + limit
    while not test():
        if time.monotonic() > deadline:
            raise TimeoutError("the daemon did not get ready")
        time.sleep(0.05)
