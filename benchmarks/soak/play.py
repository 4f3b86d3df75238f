"""Plays the traffic against a running daemon, samples it, and counts at the end what is missing or there twice."""

import contextlib
import itertools
import signal
import sqlite3
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import Final

import psutil

from benchmarks.daemon import Setup
from benchmarks.soak.samples import Sample, processes, sizes
from benchmarks.soak.traffic import DAY, Happening, traffic
from leadmasterd.demo.standin import StandInError
from leadmasterd.times import iso

SEEN_WITHIN: Final = 2.0
"""Seconds in which a message is committed, or its latency is not counted: a sweep brings it."""
SETTLE: Final = 120.0
"""Seconds at the end for what is still on its way."""
SHORTEST_CUT: Final = 0.5
"""Seconds, however fast the traffic is played: the page has to notice."""


class Interrupted(BaseException):
    """A signal asked for the end. The run is reported as far as it went."""


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def listen() -> None:
    """Let the next signal raise Interrupted. Those after it are ignored, so that everything is cleaned up."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Interrupted


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    seconds: float = 0
    days: float = 0
    late: float = 0
    """Seconds by which the traffic was behind its schedule, at most."""
    delivered: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    sent: int = 0
    interrupted: bool = False
    counted: bool = True
    """Whether everything had its time to come before it was counted: not when a second signal came."""
    ended: str | None = None
    """Why the daemon did not run any more, though nobody asked it to end."""

    @property
    def whole(self) -> bool:
        """Whether each message is there exactly once, nothing was sent, and the daemon lived."""
        return not ((self.lost and self.counted) or self.doubled or self.sent or self.ended)


class Play:
    """One run: `parts` with a paired daemon, `process`, for some hours at some times a shop's speed."""

    def __init__(
        self,
        parts: Setup,
        process: "subprocess.Popen[bytes]",
        *,
        speed: float,
        every: float,
        sampled: Callable[[Sample], None],
    ) -> None:
        self._parts = parts
        self._process = process
        self._speed = speed
        self._every = every
        self._sampled = sampled
        self._latencies: list[float] = []
        self._cut = False
        self._disturbed = True
        self._began = 0.0
        self.outcome = Outcome()

    def run(self, *, seed: int, hours: float) -> Outcome:
        """Until the hours are over, the daemon ends, or a signal comes."""
        self._began = time.monotonic()
        with closing(sqlite3.connect(f"file:{self._parts.where.database}?mode=ro", uri=True)) as connection:
            try:
                self._play(connection, seed, until=self._began + hours * 3600)
            except Interrupted:
                self.outcome.interrupted = True
            try:
                listen()
                self._settle(connection)
            except Interrupted:
                self.outcome.interrupted, self.outcome.counted = True, False
            self._count(connection)
        return self.outcome

    def _play(self, connection: sqlite3.Connection, seed: int, *, until: float) -> None:
        happenings = traffic(seed)
        following = next(happenings)
        samples = (self._began + number * self._every for number in itertools.count(1))
        sample_at = next(samples)
        while (now := time.monotonic()) < until and self._lives():
            due = self._began + following.at / self._speed
            if sample_at <= now:
                self._sample(connection)
                sample_at = next(each for each in samples if each > now)
            elif due <= now:
                self.outcome.late = max(self.outcome.late, now - due)
                self._happen(connection, following)
                following = next(happenings)
            else:
                time.sleep(min(due, sample_at, until) - now)
        self._sample(connection)

    def _lives(self) -> bool:
        code = self._process.poll()
        if code is not None:
            self.outcome.ended = f"the daemon ended unasked with exit code {code}"
        return code is None

    def _happen(self, connection: sqlite3.Connection, it: Happening) -> None:
        """Let it happen; while the daemon hears, measure how long a message takes."""
        standin = self._parts.standin
        before = connection.execute("SELECT coalesce(max(message_id), 0) FROM messages").fetchone()[0]
        began = time.perf_counter()
        standin.act(it.action, **it.body)
        if it.message:  # from now on: whether one whose delivery is interrupted came at all is not known
            self.outcome.delivered.append(it.message)
        match it.action:
            case "offline":
                self._cut = self._disturbed = True
                time.sleep(SHORTEST_CUT)
            case "online":
                self._cut = False
            case _ if it.message and not self._cut and self._parts.is_ready():
                if _seen(connection, before, it.message):
                    self._latencies.append((time.perf_counter() - began) * 1000)

    def _sample(self, connection: sqlite3.Connection) -> None:
        ready = self._parts.is_ready() and not self._cut
        kinds, life = processes(psutil.Process(self._process.pid)) if self._lives() else ({}, "")
        database, wal, beside = sizes(self._parts.where)
        seconds = time.monotonic() - self._began
        self.outcome.seconds, self.outcome.days = seconds, seconds * self._speed / DAY
        self._sampled(
            Sample(
                at=iso(datetime.now(UTC)),
                seconds=seconds,
                days=self.outcome.days,
                ready=ready and not self._disturbed,
                life=life,
                delivered=len(self.outcome.delivered),
                captured=connection.execute("SELECT count(*) FROM messages").fetchone()[0],
                kinds=kinds,
                database=database,
                wal=wal,
                beside=beside,
                latency=statistics.median(self._latencies) if self._latencies else None,
            )
        )
        self._latencies.clear()
        self._disturbed = not ready

    def _settle(self, connection: sqlite3.Connection) -> None:
        """Wait until each message is there, if it comes."""
        self._parts.standin.act("online")
        deadline = time.monotonic() + SETTLE
        while time.monotonic() < deadline and self._lives() and self._missing(connection):
            time.sleep(0.2)

    def _missing(self, connection: sqlite3.Connection) -> list[str]:
        there = _counted(connection)
        return [each for each in self.outcome.delivered if each not in there]

    def _count(self, connection: sqlite3.Connection) -> None:
        there = _counted(connection)
        self.outcome.lost = self._missing(connection)
        self.outcome.doubled = [each for each, count in there.items() if count > 1]
        with contextlib.suppress(StandInError, OSError):  # it has gone, as at a second Ctrl-C
            self.outcome.sent = len(self._parts.standin.state()["sent"])


def _counted(connection: sqlite3.Connection) -> Counter[str]:
    return Counter(stanza_id for (stanza_id,) in connection.execute("SELECT stanza_id FROM messages"))


def _seen(connection: sqlite3.Connection, after: int, message: str) -> bool:
    """Whether it is committed in time."""
    deadline = time.monotonic() + SEEN_WITHIN
    while time.monotonic() < deadline:
        if connection.execute(
            "SELECT 1 FROM messages WHERE message_id > ? AND stanza_id = ?", (after, message)
        ).fetchone():
            return True
        time.sleep(0.001)
    return False
