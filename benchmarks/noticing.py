"""How soon it is noticed that nothing is heard any more, with every duration as in production: about five minutes."""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure
from benchmarks.whole import daemon_on, link, until
from leadmasterd.demo.standin import StandIn
from leadmasterd.settings.paths import resolve_paths
from leadmasterd.store.database import open_for_reading

HANGS: Final = 2
AFTER_A_SWEEP: Final = (1.0, 54.0)
"""Seconds from a sweep to the message nobody hears: the next sweep is nearly a minute away, or comes so soon that the
message is too young for a verdict, and the one after has to give it."""
PATIENCE: Final = 240.0


def run() -> list[Figure]:
    """One daemon, linked and swept; each time it is broken anew, and comes back."""
    node = shutil.which("node")
    assert node, "node is needed"
    with (
        tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name,
        StandIn(Path(node), key_shape="dollar") as standin,
    ):
        where = resolve_paths(None, name, "leadmaster.db")
        # each fault is a first one: a short calm period forgives the one before
        with daemon_on(where, standin, LEADMASTERD_SUPERVISOR__CALM_PERIOD="1"):
            link(where, standin)
            database = open_for_reading(where.database)

            def hang() -> None:
                standin.act("hang")

            def deaf(seconds: float) -> None:
                _await_sweep(database)
                time.sleep(seconds)
                standin.act("deaf")

            hung = [_noticed(database, hang, "heartbeat_lost", standin) for _ in range(HANGS)]
            unheard = [_noticed(database, lambda s=s: deaf(s), "deaf", standin) for s in AFTER_A_SWEEP]  # type: ignore[misc]
            database.close()
    return [
        _figure("hung page: time to detection", hung, 60),
        _figure("stalled delivery: time from the first missed message to detection", unheard, 90),
    ]


def _noticed(database: sqlite3.Connection, break_it: Callable[[], None], code: str, standin: StandIn) -> float:
    """Seconds from the fault, or the message after it, to the ledger's entry; then all is well again."""
    last = database.execute("SELECT max(event_id) FROM session_events").fetchone()[0]
    break_it()
    began = time.time()
    standin.act("deliver", **{"from": "5491155550001", "body": "¿hay alguien?"})
    find = "SELECT at FROM session_events WHERE event_id > ? AND code = ? ORDER BY event_id"
    until(lambda: database.execute(find, (last, code)).fetchone() is not None, PATIENCE)
    at = datetime.fromisoformat(database.execute(find, (last, code)).fetchone()[0])
    ready = "SELECT 1 FROM session_events WHERE event_id > ? AND phase = 'ready'"
    until(lambda: database.execute(ready, (last,)).fetchone() is not None, PATIENCE)
    _await_sweep(database)
    return at.timestamp() - began


def _await_sweep(database: sqlite3.Connection) -> None:
    swept = "SELECT max(last_ready_at) FROM accounts"  # each whole sweep moves it
    before = database.execute(swept).fetchone()[0]
    until(lambda: database.execute(swept).fetchone()[0] != before, PATIENCE)


def _figure(name: str, seconds: list[float], limit: int) -> Figure:
    worst = max(seconds)
    return Figure(
        name=name,
        number=worst,
        unit="s",
        measured=", ".join(f"{value:.0f} s" for value in seconds),
        promised=f"within {limit} s",
        held=worst <= limit,
    )
