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
from tests.browsers import is_main_process

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
        return [deaths(parts, bare), missed(parts)]


def deaths(parts: Setup, bare: float | None) -> Figure:
    """From a killed browser to ready, on a linked profile. `bare`: seconds the bare library takes; None: no limit."""
    # With a short calm period each failure counts as the first one. Its pause is drawn between nothing and a second,
    # which would hide what is measured: so it is next to nothing here.
    with parts.daemon(LEADMASTERD_SUPERVISOR__CALM_PERIOD="1", LEADMASTERD_SUPERVISOR__BACKOFF_FIRST="0.01"):
        until(parts.is_ready)
        recoveries = [_recovery(parts) for _ in range(DEATHS)]
    median, worst = statistics.median(recoveries), max(recoveries)
    measured, promised, held = f"{median:.1f} s median, {worst:.1f} s worst", "", True
    if bare is not None:
        limit = 1.5 * bare
        measured += f" (bare library's start {bare:.1f} s)"
        promised, held = f"at most 1.5 x bare = {limit:.1f} s", worst <= limit
    return Figure(
        name="browser killed: time until ready again, without the drawn pause",
        number=median,
        unit="s",
        measured=measured,
        promised=promised,
        held=held,
    )


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
    browser = next(each for each in tree.find_ours(marker) if is_main_process(each, f"--leadmasterd-instance={marker}"))
    since = parts.status()["since"]
    time.sleep(2)  # the calm period
    browser.kill()
    began = time.monotonic()
    until(lambda: (now := parts.status()).get("phase") == "ready" and now["since"] != since)
    return time.monotonic() - began


def missed(parts: Setup, messages: int = MISSED) -> Figure:
    """So many messages arrive while the daemon is down."""
    parts.standin.act("deliver", **{"from": "5491155510000", "body": "perdido {n}", "count": messages, "spread": CHATS})
    connection = open_for_reading(parts.where.database)
    before = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
    with parts.daemon():
        began = time.monotonic()
        until(parts.is_ready)
        ready = time.monotonic()
        until(lambda: connection.execute("SELECT count(*) FROM messages").fetchone()[0] >= before + messages)
        took = time.monotonic() - ready
    connection.close()
    return Figure(
        name=f"{messages:,} missed messages in {CHATS} chats: time from ready until all are captured",
        number=took,
        unit="s",
        measured=f"{took:.1f} s (ready {ready - began:.1f} s after the start)",
        promised="within 60 s",
        held=took <= 60,
    )
