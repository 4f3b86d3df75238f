"""Each fault as a context: it lasts while the block runs, and is over (or left for the daemon to repair) after it.

The stand-in plays some of them through its control interface; signals go to the real processes.
"""

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Final

import psutil

from leadmasterd.demo.standin import StandInError
from leadmasterd.errors import CannotUseSnapshot
from leadmasterd.listener.profile import Auth
from tests.chaos.plan import KINDS
from tests.e2e.daemon import OUR_PHONE, DaemonUnderTest

_VICTIM_LIMIT: Final = 60.0
_BACK_LIMIT: Final = 120.0
_GARBAGE: Final = (
    b"Warning: something was deprecated\n",
    b"\xff\xfe\x00 not UTF-8 \x80\n",
    b'{"v":1,"type":"mess\n',
    b"[1,2,3]\n\n\n",
    b'{"v":1,"type":"weather","seq":-5,"at":0}\n',
)
_GOOD_ENDS: Final = (0, -signal.SIGTERM)
"""Minus SIGTERM: it was asked in its first moments, before it handled the signal."""
_Fault = AbstractContextManager[None]


class NoVictim(Exception):
    """The process to hit does not exist and was not started in time."""


class CannotPlay(Exception):
    """This machine cannot play the fault; the text says why."""


class NotBack(Exception):
    """A recovery did not end in time; the text is what was waited for."""


class EndedBadly(Exception):
    """The daemon was asked to stop and its exit code, the text, tells of a failure."""


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
    """The process to hit; waits for it, since an earlier fault may have ended it. Raises NoVictim."""
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
    """One action of the stand-in that needs no undoing."""

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
def _acks_lost(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
    """Ends with a new connection: only then does WhatsApp send again what was not acknowledged."""
    daemon.standin.act("lose_acks", on=True)
    yield
    daemon.standin.act("lose_acks", on=False)
    daemon.standin.act("offline")
    daemon.standin.act("online")


@contextmanager
def _hang(daemon: DaemonUnderTest, seconds: float) -> Iterator[None]:
    """For a moment, or for longer than the daemon waits for a heartbeat."""
    daemon.standin.act("hang", ms=round(seconds * 2000))
    yield


@contextmanager
def _renderer_crash(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
    victim_of(daemon, "renderer")
    with contextlib.suppress(StandInError):  # it has exited
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
    """Write into the pipe that is the Node child's stdout, between its lines or into one."""
    pid = victim_of(daemon, "node").pid
    with contextlib.suppress(OSError):  # it has exited, or its pipe is full
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
    """Without a newline, so that it spoils the next line."""
    _say_garbage(daemon, (b"half a wor",))
    yield
    _say_garbage(daemon, (b'{"v":1,',))


def _killed_holding(phase: str) -> Callable[[DaemonUnderTest, float], _Fault]:
    """Hold the page between two steps of a delivery and kill the browser there."""

    @contextmanager
    def play(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
        victim = victim_of(daemon, "browser")
        daemon.standin.act("hold", phase=phase)
        yield
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
        daemon.standin.act("release")

    return play


def _await(test: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _BACK_LIMIT
    while not test():
        if time.monotonic() > deadline:
            raise NotBack(what)
        time.sleep(0.05)


def _await_link(daemon: DaemonUnderTest) -> None:
    """Wait until the session works again, and scan the code when one is shown, as a person would."""

    def linked() -> bool:
        assert daemon.process is not None
        if daemon.status.get("pid") != daemon.process.pid:
            return False
        if daemon.status["phase"] == "waiting_for_scan":
            with contextlib.suppress(StandInError):  # that page is gone
                daemon.standin.act("scan", phone=OUR_PHONE, name="Tienda", wait=1000)
        return bool(daemon.status["phase"] == "ready" and daemon.standin.state()["paired"])

    _await(linked, "the session to work again")


@contextmanager
def _logout(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
    daemon.standin.act("logout")
    yield
    _await(lambda: daemon.status["phase"] != "ready", "the logout to be noticed")
    _await_link(daemon)


def _loaded_with(
    begin: tuple[str, dict[str, object]], end: tuple[str, dict[str, object]]
) -> Callable[[DaemonUnderTest, float], _Fault]:
    """A fault that a page has from its load: kill the browser, and wait until a page was loaded with it."""

    @contextmanager
    def play(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
        daemon.standin.act(begin[0], **begin[1])
        loads = daemon.standin.state()["page_loads"]
        with contextlib.suppress(psutil.NoSuchProcess):
            victim_of(daemon, "browser").kill()
        yield
        _await(lambda: daemon.standin.state()["page_loads"] > loads, f"a page to be loaded with {begin}")
        daemon.standin.act(end[0], **end[1])

    return play


def _while_stopped(change: Callable[[DaemonUnderTest], object]) -> Callable[[DaemonUnderTest, float], _Fault]:
    """Stop the daemon cleanly and change its files before it is started again."""

    @contextmanager
    def play(daemon: DaemonUnderTest, seconds: float) -> Iterator[None]:
        with _daemon_stopped(daemon, seconds):
            change(daemon)
            yield
        _await_link(daemon)
        for snapshot in Auth(
            daemon.places
        ).snapshots():  # it served this once; restored later it would lose what came since
            shutil.rmtree(snapshot.path)

    return play


def _lock_for_another_host(daemon: DaemonUnderTest) -> None:
    lock = daemon.places.profile / "SingletonLock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(f"not-{socket.gethostname()}-1")


def _break_manifests(daemon: DaemonUnderTest) -> None:
    for manifest in (daemon.places.profile / "Default" / "IndexedDB").glob("*.leveldb/MANIFEST-*"):
        manifest.write_bytes(b"\xff" * 100)


def _break_manifests_after_a_snapshot(daemon: DaemonUnderTest) -> None:
    with contextlib.suppress(CannotUseSnapshot):  # the profile was never linked
        Auth(daemon.places).take(account=f"{OUR_PHONE}@c.us", browser=None, now=datetime.now(UTC))
    _break_manifests(daemon)


@contextmanager
def _disk_full(daemon: DaemonUnderTest, _: float) -> Iterator[None]:
    """Fill the file system of the database, if it has one of its own."""
    folder = daemon.places.database.parent
    if not folder.is_mount():
        raise CannotPlay("the database is on no file system of its own, which takes root")
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1_000_000))
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))
    try:
        yield
    finally:
        ballast.unlink()


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
    "UNPAIRED_IDLE": _played("state", state="UNPAIRED_IDLE"),
    "DEPRECATED_VERSION": _played("state", state="DEPRECATED_VERSION"),
    "OPENING forever": _loaded_with(("hold", {"phase": "opening"}), ("release", {"phase": "opening"})),
    "LOGOUT": _logout,
    "module missing": _loaded_with(("missing", {"modules": ["WAWebCallCollection"]}), ("missing", {"modules": []})),
    "module missing that all need": _loaded_with(
        ("missing", {"modules": ["WAWebCollections"]}), ("missing", {"modules": []})
    ),
    "throw": _played("throw"),
    "pushState": _played("navigate", kind="pushState"),
    "iframe": _played("navigate", kind="iframe"),
    "database locked": _locked,
    "disk full": _disk_full,
    "stale Singleton lock": _while_stopped(_lock_for_another_host),
    "broken MANIFEST": _while_stopped(_break_manifests),
    "broken MANIFEST, with a snapshot": _while_stopped(_break_manifests_after_a_snapshot),
    "garbage on stdout": _garbage,
    "garbage in a line": _garbage_in_a_line,
    "acknowledgements lost": _acks_lost,
    "killed before acknowledging": _killed_holding("stored"),
    "killed before emitting": _killed_holding("acknowledged"),
}


def every_kind_can_be_played() -> bool:
    """Whether the plan's list of faults is the list of this file."""
    known = {f"{how} {victim}" for how in _DAEMON for victim in ("node", "browser", "renderer", "daemon")}
    return known | set(_OTHERS) == set(KINDS)
