"""Two thousand restarts of a child that leaves an orphan process: does anything grow?"""

import asyncio
import gc
import os
import sys
import threading
from dataclasses import dataclass

import psutil

from benchmarks.figures import Figure
from leadmasterd.listener.child import Child
from leadmasterd.supervisor.timing import Timing

RESTARTS = 2000
WARM_UP = 100
CHILD = ["sh", "-c", "sleep 60 >/dev/null & echo '{}'; exit 3"]
"""Prints a line, leaves an orphan, and exits."""


@dataclass(frozen=True, slots=True)
class _Size:
    descriptors: int
    threads: int
    processes: int
    memory: int


def run() -> list[Figure]:
    """Measured in this process, before and after."""
    before, after = asyncio.run(_restart())
    grown = after.memory - before.memory
    same = (before.descriptors, before.threads, before.processes) == (
        after.descriptors,
        after.threads,
        after.processes,
    )
    return [
        Figure(
            name=f"growth over {RESTARTS:,} restarts of a child that leaves an orphan",
            number=grown / 1e6,
            unit="MB",
            growth=True,
            measured=f"descriptors {after.descriptors - before.descriptors:+d}, "
            f"threads {after.threads - before.threads:+d}, "
            f"processes {after.processes - before.processes:+d}, memory {grown / 1e6:+.1f} MB",
            promised="no growth",
            held=same and grown < 2_000_000,
        )
    ]


async def _restart() -> tuple[_Size, _Size]:
    before = _size()
    for turn in range(RESTARTS + WARM_UP):
        if turn == WARM_UP:
            before = _size()
        child = await Child.start(
            CHILD,
            environment=dict(os.environ),
            marker="benchmark-restarts",
            on_lines=lambda _: None,
            on_oversize=lambda _head, _length: None,
            on_cut=lambda _: None,
        )
        await child.exited
        await child.stop(Timing())
        if turn % 200 == 0:
            print(f"  {turn} of {RESTARTS}", file=sys.stderr, flush=True)
    return before, _size()


def _size() -> _Size:
    gc.collect()
    me = psutil.Process()
    return _Size(me.num_fds(), threading.active_count(), len(me.children(recursive=True)), me.memory_full_info().uss)
