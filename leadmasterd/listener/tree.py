"""The child's whole process tree, and its end.

Killing Node's group does not reach Chromium: puppeteer makes the browser the leader of its own session, and its crash
handlers start with parent 1. So the daemon becomes a subreaper (orphans come to it and not to init), and the tree is
known by descent and by the marker on the command lines, which is unique to this state directory.
"""

import contextlib
import ctypes
import hashlib
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

PR_SET_CHILD_SUBREAPER: Final = 36

_others: Final[set[int]] = set()
"""Children of the daemon that are not the listener's, by pid. Whoever started them waits for them."""


@contextlib.contextmanager
def not_the_listeners(pid: int) -> Iterator[None]:
    """While this holds, nothing here kills or reaps the child with this pid, nor its descendants."""
    _others.add(pid)
    try:
        yield
    finally:
        _others.discard(pid)


def become_subreaper() -> bool:
    """Become the parent of orphaned descendants. False where the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0


def marker_of(state_dir: Path) -> str:
    """The name that our processes carry on their command lines: one per state directory, the same at every start."""
    return "lm-" + hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:16]


def find_ours(marker: str, *, since: float = math.inf) -> list[psutil.Process]:
    """Every live process of the listener: those that carry the marker, and our own descendants made after `since`
    (seconds since 1970; orphans come to us as the subreaper). Never ourselves, nor what is `not_the_listeners`."""
    me = os.getpid()
    found: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(me).children() if math.isfinite(since) else ():
            if child.pid in _others:
                continue
            with contextlib.suppress(psutil.Error):
                for process in (child, *child.children(recursive=True)):
                    if process.create_time() >= since:
                        found[process.pid] = process
    for process in psutil.process_iter():
        if process.pid in found:  # with all below it; to ask for those is to look at every process once more
            continue
        with contextlib.suppress(psutil.Error):
            arguments = process.cmdline()
            if f"--instance={marker}" in arguments or f"--leadmasterd-instance={marker}" in arguments:
                found[process.pid] = process
                for child in process.children(recursive=True):
                    found[child.pid] = child
    return [process for pid, process in found.items() if pid != me and _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def signal_all(processes: list[psutil.Process], number: signal.Signals) -> None:
    """Signal each that still lives. psutil checks that a pid was not reused."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def reap_orphans(besides: frozenset[int]) -> None:
    """Reap orphans that came to us, by their pids: waiting for any child would steal asyncio's exits."""
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process().children():
            if process.pid not in besides | _others and not _is_alive(process):
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)
