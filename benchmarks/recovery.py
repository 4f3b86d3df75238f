"""How quickly it recovers: from a killed browser to ready, and through ten thousand missed messages."""

import os
import statistics
import subprocess
import time
from pathlib import Path

from benchmarks.daemon import Setup, setup, until
from benchmarks.figures import Figure
from leadmasterd.listener import tree
from leadmasterd.listener.programs import find_browser
from leadmasterd.store.database import open_for_reading
from leadmasterd.supervisor.timing import Timing

DEATHS = 5
BARE_STARTS = 3
MISSED = 10_000
CHATS = 500
HERE = Path(__file__).resolve().parent


def run() -> list[Figure]:
    """The bare library and the daemon in turn, on the same profile and stand-in."""
    with setup() as parts:
        with parts.daemon():
            parts.pair()
        bare = statistics.median(_bare_start(parts) for _ in range(BARE_STARTS))
        # With a short calm period each failure counts as the first one.
        with parts.daemon(LEADMASTERD_SUPERVISOR__CALM_PERIOD="1"):
            until(parts.is_ready)
            recoveries = [_recovery(parts) for _ in range(DEATHS)]
        return [_recovery_figure(recoveries, bare), _missed(parts)]


def _bare_start(parts: Setup) -> float:
    arguments = [*parts.standin.browser_args, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    said = subprocess.run(
        [parts.node, HERE / "bare_start.mjs", parts.where.profile, find_browser(""), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return float(said.stdout) / 1000


def _recovery(parts: Setup) -> float:
    marker = tree.marker_of(parts.where.state_dir)
    browser = next(each for each in tree.find_ours(marker) if f"--leadmasterd-instance={marker}" in each.cmdline())
    since = parts.status()["since"]
    time.sleep(2)  # the calm period
    browser.kill()
    began = time.monotonic()
    until(lambda: (now := parts.status()).get("phase") == "ready" and now["since"] != since)
    return time.monotonic() - began


def _recovery_figure(recoveries: list[float], bare: float) -> Figure:
    limit = Timing().backoff_first + 1.5 * bare
    median, worst = statistics.median(recoveries), max(recoveries)
    return Figure(
        name="browser killed: time until ready again",
        number=median,
        unit="s",
        measured=f"{median:.1f} s median, {worst:.1f} s worst (bare library's start {bare:.1f} s)",
        promised=f"at most the first backoff + 1.5 x bare = {limit:.1f} s",
        held=worst <= limit,
    )


def _missed(parts: Setup) -> Figure:
    parts.standin.act("deliver", **{"from": "5491155510000", "body": "perdido {n}", "count": MISSED, "spread": CHATS})
    connection = open_for_reading(parts.where.database)
    before = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
    with parts.daemon():
        began = time.monotonic()
        until(parts.is_ready)
        ready = time.monotonic()
        until(lambda: connection.execute("SELECT count(*) FROM messages").fetchone()[0] >= before + MISSED)
        took = time.monotonic() - ready
    connection.close()
    return Figure(
        name=f"{MISSED:,} missed messages in {CHATS} chats: time from ready until all are captured",
        number=took,
        unit="s",
        measured=f"{took:.1f} s (ready {ready - began:.1f} s after the start)",
        promised="within 60 s",
        held=took <= 60,
    )
