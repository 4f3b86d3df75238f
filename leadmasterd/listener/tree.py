"""Finds all processes of the listener, Chromium's included, to signal and reap them.

Killing Node's process group does not reach Chromium: puppeteer makes the browser the leader of its own session, and its
crash handlers start with parent 1. So the daemon becomes a subreaper (orphans become its children, not init's). A
process is the listener's if it descends from the daemon, or has on its command line a marker that is unique to this
state directory.
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
"""Pids of the daemon's children that are not the listener's. The code that started them waits for them."""


@contextlib.contextmanager
def not_the_listeners(pid: int) -> Iterator[None]:
    """Within the block nothing here finds, kills or reaps the child with this pid, nor its descendants."""
    _others.add(pid)
    try:
        yield
    finally:
        _others.discard(pid)


def become_subreaper() -> bool:
    """Make this process the parent of its orphaned descendants. False where the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0


def marker_of(state_dir: Path) -> str:
    """The marker for the command lines of the listener's processes: a hash of the state directory's path.

    The next daemon makes the same one, and so finds what a killed daemon has left.
    """
    return "lm-" + hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:16]


def find_ours(marker: str, *, since: float = math.inf) -> list[psutil.Process]:
    """Every live process of the listener: those with the marker and their descendants, and ours created since `since`.

    `since`: in seconds since 1970; by default our own descendants are not looked for. Never this process itself, nor
    one that `not_the_listeners` excludes.
    """
    me = os.getpid()
    marks = {f"--instance={marker}", f"--leadmasterd-instance={marker}"}  # of Node, of the browser
    found = _descendants(me, since) if math.isfinite(since) else {}
    for process in psutil.process_iter():
        if process.pid in found:  # its descendants are, too; to ask for them costs a look at every process
            continue
        with contextlib.suppress(psutil.Error):
            if not marks.isdisjoint(process.cmdline()):
                found[process.pid] = process
                for child in process.children(recursive=True):
                    found[child.pid] = child
    return [process for pid, process in found.items() if pid != me and _is_alive(process)]


def _descendants(pid: int, since: float) -> dict[int, psutil.Process]:
    """The descendants of a process that were created at `since` or later, by pid; none of `_others`."""
    found: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children():
            if child.pid in _others:
                continue
            with contextlib.suppress(psutil.Error):
                for process in (child, *child.children(recursive=True)):
                    if process.create_time() >= since:
                        found[process.pid] = process
    return found


def _is_alive(process: psutil.Process) -> bool:
    """False for a zombie, and for a process that is gone."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def signal_all(processes: list[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each of these that still lives. psutil checks that a pid was not given to another process."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def reap_orphans(excluded: frozenset[int]) -> None:
    """Reap dead children of this process, except those with these pids and `_others`.

    One by one, because waiting for any child would take from asyncio the exits that it waits for.
    """
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process().children():
            if process.pid not in excluded | _others and not _is_alive(process):
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)
