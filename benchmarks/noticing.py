"""How soon it is detected that nothing arrives any more, with production's own timing: about seven minutes."""

import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from benchmarks.daemon import setup, until
from benchmarks.figures import Figure
from leadmasterd.demo.standin import StandIn
from leadmasterd.store.database import open_for_reading

HANGS: Final = 2
AFTER_A_SWEEP: Final = (1.0, 54.0)
"""Seconds from a sweep to the missed message: the next sweep is nearly a minute away, or comes so soon that the message
is too young to count as missed, and only the one after detects it."""
TIMEOUT: Final = 240.0


def run() -> list[Figure]:
    """One paired daemon that is broken several times and recovers each time."""
    # With a short calm period each failure counts as the first one.
    with setup() as parts, parts.daemon(LEADMASTERD_SUPERVISOR__CALM_PERIOD="1"):
        parts.pair()
        database = open_for_reading(parts.where.database)
        standin = parts.standin

        def hang() -> None:
            standin.act("hang")

        def stall_after(seconds: float) -> Callable[[], None]:
            def stall() -> None:
                _await_sweep(database)
                time.sleep(seconds)
                standin.act("deaf")

            return stall

        hung = [_detection(database, hang, "heartbeat_lost", standin) for _ in range(HANGS)]
        stalled = [_detection(database, stall_after(seconds), "deaf", standin) for seconds in AFTER_A_SWEEP]
        database.close()
    return [
        _figure("hung page: time to detection", hung, 60),
        _figure("stalled delivery: time from the first missed message to detection", stalled, 90),
    ]


def _detection(database: sqlite3.Connection, break_it: Callable[[], None], code: str, standin: StandIn) -> float:
    """Seconds from the message after the fault to the journal's entry. Returns when the daemon has recovered."""
    last = database.execute("SELECT max(event_id) FROM session_events").fetchone()[0]
    break_it()
    began = time.time()
    standin.act("deliver", **{"from": "5491155550001", "body": "¿hay alguien?"})
    find = "SELECT at FROM session_events WHERE event_id > ? AND code = ? ORDER BY event_id"
    until(lambda: database.execute(find, (last, code)).fetchone() is not None, TIMEOUT)
    at = datetime.fromisoformat(database.execute(find, (last, code)).fetchone()[0])
    ready = "SELECT 1 FROM session_events WHERE event_id > ? AND phase = 'ready'"
    until(lambda: database.execute(ready, (last,)).fetchone() is not None, TIMEOUT)
    _await_sweep(database)
    return at.timestamp() - began


def _await_sweep(database: sqlite3.Connection) -> None:
    swept = "SELECT max(last_ready_at) FROM accounts"  # each complete sweep moves it
    before = database.execute(swept).fetchone()[0]
    until(lambda: database.execute(swept).fetchone()[0] != before, TIMEOUT)


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
