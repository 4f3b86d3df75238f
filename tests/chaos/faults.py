"""Each fault as a context: it is there while the block runs, and heals, or is left to be healed, after it.

Those that the stand-in plays go through its control interface; signals go to the real processes.
"""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import psutil

from leadmasterd.demo.standin import StandInError
from tests.chaos.plan import KINDS
from tests.e2e.conftest import DaemonUnderTest

_VICTIM_LIMIT: Final = 60.0
_GARBAGE: Final = (
    b"Warning: something was deprecated\n",
    b"\xff\xfe\x00 not UTF-8 \x80\n",
    b'{"v":1,"type":"mess\n',
    b"[1,2,3]\n\n\n",
    b'{"v":1,"type":"weather","seq":-5,"at":0}\n',
)
_GOOD_ENDS: Final = (0, -signal.SIGTERM)
"""The second one when it was asked before it could listen for that, in its first moments."""
_Fault = AbstractContextManager[None]


class NoVictim(Exception):
    """What was to be hit is not there, and did not come in time."""


class EndedBadly(Exception):
    """The daemon was asked to stop, and its exit code says that something went wrong; the text is the code."""


def fault(kind: str, daemon: DaemonUnderTest, seconds: float) -> _Fault:
    """The fault of this name."""
    how, _, victim = kind.partition(" ")
    if victim == "daemon":
        return _DAEMON[how](daemon, seconds)
    if how == "SIGSTOP":
        return _frozen(daemon, victim)
    if how in ("SIGKILL", "SIGTERM"):
        return _signalled(daemon, victim, signal.Signals[how])
    return _OTHERS[kind](daemon, seconds)


def victim_of(daemon: DaemonUnderTest, name: str) -> psutil.Process:
    """The process to hit; waited for, because an earlier fault may have taken it. Raises NoVictim."""
    deadline = time.monotonic() + _VICTIM_LIMIT
    while time.monotonic() < deadline:
        with contextlib.suppress(StopIteration, psutil.Error):
            if name == "node":
                return daemon.node()
            browser = daemon.browser()
            if name == "browser":
                return browser
            return next(each for each in browser.children(recursive=True) if "--type=renderer" in each.cmdline())
        time.sleep(0.05)
    raise NoVictim(name)


@contextmanager
def _signalled(daemon: DaemonUnderTest, name: str, number: signal.Signals) -> Iterator[None]:
    with contextlib.suppress(psutil.NoSuchProcess):
        victim_of(daemon, name).send_signal(number)
    yield


@contextmanager
def _frozen(daemon: DaemonUnderTest, name: str) -> Iterator[None]:
    victim = victim_of(daemon, name)
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.suspend()
    yield
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.resume()


@contextmanager
def _daemon_killed(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
    daemon.kill()
    yield
    daemon.start()


@contextmanager
def _daemon_stopped(daemon: DaemonUnderTest, _seconds: float) -> Iterator[None]:
    code, _ = daemon.stop()
    if code not in _GOOD_ENDS:
        raise EndedBadly(code)
    yield
    daemon.start()


@contextmanager
def _daemon_frozen(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)
    yield
    daemon.process.send_signal(signal.SIGCONT)


def _played(action: str, **body: object) -> Callable[[DaemonUnderTest, float], _Fault]:
    """One action of the stand-in, with nothing to undo."""

    @contextmanager
    def play(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
        daemon.standin.act(action, **body)
        yield

    return play


def _while(
    begin: tuple[str, dict[str, object]], end: tuple[str, dict[str, object]]
) -> Callable[[DaemonUnderTest, float], _Fault]:
    """Two actions of the stand-in around the block."""

    @contextmanager
    def play(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
        daemon.standin.act(begin[0], **begin[1])
        yield
        daemon.standin.act(end[0], **end[1])

    return play


@contextmanager
def _hang(daemon: DaemonUnderTest, seconds: float) -> Iterator[None]:
    """From a moment to longer than the heartbeat is waited for."""
    daemon.standin.act("hang", ms=round(seconds * 2000))
    yield


@contextmanager
def _renderer_crash(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
    victim_of(daemon, "renderer")
    with contextlib.suppress(StandInError):  # gone since
        daemon.standin.act("crash", what="renderer")
    yield


@contextmanager
def _locked(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
    connection = sqlite3.connect(daemon.places.database, timeout=10)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def _say_garbage(daemon: DaemonUnderTest, pieces: tuple[bytes, ...]) -> None:
    """Into the pipe that the Node child's stdout is, between its own lines or into the middle of one."""
    pid = victim_of(daemon, "node").pid
    with contextlib.suppress(OSError):  # it died, or its pipe is full
        pipe = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
        try:
            for piece in pieces:
                os.write(pipe, piece)
        finally:
            os.close(pipe)


@contextmanager
def _garbage(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
    _say_garbage(daemon, _GARBAGE)
    yield
    _say_garbage(daemon, _GARBAGE)


@contextmanager
def _garbage_in_a_line(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
    """Without an end, so that it spoils the line that comes next."""
    _say_garbage(daemon, (b"half a wor",))
    yield
    _say_garbage(daemon, (b'{"v":1,',))


def _killed_holding(phase: str) -> Callable[[DaemonUnderTest, float], _Fault]:
    """The page is held between two steps of a delivery, and the browser killed there."""

    @contextmanager
    def play(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
        victim = victim_of(daemon, "browser")
        daemon.standin.act("hold", phase=phase)
        yield
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
        daemon.standin.act("release")

    return play


_DAEMON: Final = {"SIGKILL": _daemon_killed, "SIGTERM": _daemon_stopped, "SIGSTOP": _daemon_frozen}
_OTHERS: Final[dict[str, Callable[[DaemonUnderTest, float], _Fault]]] = {
    "renderer crash": _renderer_crash,
    "reload": _played("reload"),
    "reload already synced": _played("reload", synced=True),
    "hang": _hang,
    "deaf": _played("deaf"),
    "offline": _while(("offline", {}), ("online", {})),
    "no server": _while(("offline", {"all": True}), ("online", {})),
    "server slow": _while(("slow", {"ms": 300}), ("slow", {"ms": 0})),
    "TIMEOUT and back": _while(("state", {"state": "TIMEOUT"}), ("state", {"state": "CONNECTED"})),
    "CONFLICT": _played("state", state="CONFLICT"),
    "throw": _played("throw"),
    "pushState": _played("navigate", kind="pushState"),
    "iframe": _played("navigate", kind="iframe"),
    "database locked": _locked,
    "garbage on stdout": _garbage,
    "garbage in a line": _garbage_in_a_line,
    "acknowledgements lost": _while(("lose_acks", {"on": True}), ("lose_acks", {"on": False})),
    "killed before acknowledging": _killed_holding("stored"),
    "killed before emitting": _killed_holding("acknowledged"),
}


def every_kind_can_be_played() -> bool:
    """The plan's list and this one are the same."""
    known = {f"{how} {victim}" for how in _DAEMON for victim in ("node", "browser", "renderer", "daemon")}
    return known | set(_OTHERS) == set(KINDS)
