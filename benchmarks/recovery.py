"""How quickly it is back: from the browser's death to ready, and through ten thousand missed messages."""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.whole import daemon_on, link, status_of, until
from leadmasterd.demo.standin import StandIn
from leadmasterd.listener import tree
from leadmasterd.listener.programs import find_browser
from leadmasterd.settings.paths import Paths, resolve_paths
from leadmasterd.store.database import open_for_reading
from leadmasterd.supervisor.timing import Timing

DEATHS = 5
BARE_STARTS = 3
MISSED = 10_000
CHATS = 500
HERE = Path(__file__).resolve().parent


def run() -> list[Figure]:
    """The bare library and ours on the same profile and stand-in, in turn."""
    node = shutil.which("node")
    assert node, "node is needed"
    with (
        tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name,
        StandIn(Path(node), key_shape="dollar") as standin,
    ):
        where = resolve_paths(None, name, "leadmaster.db")
        with daemon_on(where, standin):
            link(where, standin)
        bare = statistics.median(_bare_start(node, where, standin) for _ in range(BARE_STARTS))
        # each death is a first one: a short calm period forgives the one before
        with daemon_on(where, standin, LEADMASTERD_SUPERVISOR__CALM_PERIOD="1"):
            until(lambda: status_of(where).get("phase") == "ready")
            deaths = [_back_after_death(where) for _ in range(DEATHS)]
        return [_death_figure(deaths, bare), _missed(where, standin)]


def _bare_start(node: str, where: Paths, standin: StandIn) -> float:
    arguments = [*standin.browser_args, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    said = subprocess.run(
        [node, HERE / "bare_start.mjs", where.profile, find_browser(""), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return float(said.stdout) / 1000


def _back_after_death(where: Paths) -> float:
    marker = tree.marker_of(where.state_dir)
    browser = next(each for each in tree.find_ours(marker) if f"--leadmasterd-instance={marker}" in each.cmdline())
    since = status_of(where)["since"]
    time.sleep(2)  # the calm period
    browser.kill()
    began = time.monotonic()
    until(lambda: (now := status_of(where)).get("phase") == "ready" and now["since"] != since)
    return time.monotonic() - began


def _death_figure(deaths: list[float], bare: float) -> Figure:
    limit = Timing().backoff_first + 1.5 * bare
    median, worst = statistics.median(deaths), max(deaths)
    return Figure(
        name="browser killed: time until ready again",
        number=median,
        unit="s",
        measured=f"{median:.1f} s median, {worst:.1f} s worst (bare library's start {bare:.1f} s)",
        promised=f"at most the first backoff + 1.5 x bare = {limit:.1f} s",
        held=worst <= limit,
    )


def _missed(where: Paths, standin: StandIn) -> Figure:
    standin.act("deliver", **{"from": "5491155510000", "body": "perdido {n}", "count": MISSED, "spread": CHATS})
    connection = open_for_reading(where.database)
    before = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
    with daemon_on(where, standin):
        began = time.monotonic()
        until(lambda: status_of(where).get("phase") == "ready")
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
