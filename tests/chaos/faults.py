"""Each fault as a context: it lasts while the block runs, and is then undone or left for the daemon to repair.

The stand-in plays some of them through its control interface; signals go to the real processes. `mix` says which of
them make up a storm, and how often each comes.
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
from tests.chaos.product import Played
from tests.e2e.daemon import OUR_PHONE
from tests.processes import carries

_POLL: Final = 0.1
_PASSKEY_LIMIT: Final = 10.0
_PERSON: Final = 0.3
"""Seconds that a person takes for a step of the passkey."""
_TWO_SWEEPS: Final = 4.0
"""Seconds for the sweep after a start and a periodic one (60 s divided)."""
_GARBAGE: Final = (
    b"Warning: something was deprecated\n",
    b"\xff\xfe\x00 not UTF-8 \x80\n",
    b'{"v":1,"type":"mess\n',
    b"[1,2,3]\n\n\n",
    b'{"v":1,"type":"weather","seq":-5,"at":0}\n',
)
_GOOD_ENDS: Final = (0, -signal.SIGTERM)
"""Minus SIGTERM: it was asked in its first moments, before it handled the signal."""
Action = tuple[str, dict[str, object]]
"""An action of the stand-in, and its body."""
Play = Callable[[Played, float], AbstractContextManager[None]]
"""A fault, by the daemon and the seconds it shall last."""


class CannotPlay(Exception):
    """This machine cannot play the fault; the text says why."""


class NotBack(Exception):
    """A recovery did not finish in time; the text says what was missing."""


class EndedBadly(Exception):
    """The daemon was asked to stop and failed; the text is its exit code."""


def victim_of(daemon: Played, name: str) -> psutil.Process:
    """The process to hit; waits for it, since an earlier fault may have ended it. Raises NotBack."""
    found: list[psutil.Process] = []

    def look() -> bool:
        with contextlib.suppress(StopIteration, psutil.Error):
            found.append(_process(daemon, name))
        return bool(found)

    await_(daemon, look, f"a {name} to hit")
    return found[0]


def _process(daemon: Played, name: str) -> psutil.Process:
    if name == "node":
        return daemon.node()
    browser = daemon.browser()
    if name == "browser":
        return browser
    return next(each for each in browser.children(recursive=True) if carries(each, "--type=renderer"))


def signalled(name: str, number: signal.Signals) -> Play:
    """Send a signal to a part of the daemon."""

    @contextmanager
    def play(daemon: Played, _: float) -> Iterator[None]:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim_of(daemon, name).send_signal(number)
        yield

    return play


def frozen(name: str) -> Play:
    """Stop a part of the daemon with SIGSTOP."""

    @contextmanager
    def play(daemon: Played, _: float) -> Iterator[None]:
        victim = victim_of(daemon, name)
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.suspend()
        try:
            yield
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.resume()

    return play


@contextmanager
def daemon_killed(daemon: Played, _: float) -> Iterator[None]:
    """SIGKILL; the driver starts it again."""
    daemon.kill()
    yield
    daemon.start()


@contextmanager
def daemon_stopped(daemon: Played, _seconds: float) -> Iterator[None]:
    """SIGTERM; the driver starts it again. Raises EndedBadly."""
    code, _ = daemon.stop()
    if code not in _GOOD_ENDS:
        raise EndedBadly(code)
    yield
    daemon.start()


@contextmanager
def daemon_frozen(daemon: Played, _: float) -> Iterator[None]:
    """SIGSTOP of the daemon alone."""
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)


def played(action: str, **body: object) -> Play:
    """One action of the stand-in that needs no undoing."""

    @contextmanager
    def play(daemon: Played, _: float) -> Iterator[None]:
        daemon.standin.act(action, **body)
        yield

    return play


def during(begin: Action, end: Action) -> Play:
    """Two actions of the stand-in around the block."""

    @contextmanager
    def play(daemon: Played, _: float) -> Iterator[None]:
        daemon.standin.act(begin[0], **begin[1])
        try:
            yield
        finally:
            daemon.standin.act(end[0], **end[1])

    return play


@contextmanager
def acks_lost(daemon: Played, _: float) -> Iterator[None]:
    """Ends with a new connection: only then does WhatsApp send again what was not acknowledged."""
    daemon.standin.act("lose_acks", on=True)
    try:
        yield
    finally:
        daemon.standin.act("lose_acks", on=False)
    daemon.standin.act("offline")
    daemon.standin.act("online")


@contextmanager
def hang(daemon: Played, seconds: float) -> Iterator[None]:
    """Block the page for a moment, or for longer than the daemon waits for a heartbeat."""
    daemon.standin.act("hang", ms=round(seconds * 2000))
    yield


@contextmanager
def renderer_crash(daemon: Played, _: float) -> Iterator[None]:
    """Crash the renderer by the stand-in."""
    victim_of(daemon, "renderer")
    with contextlib.suppress(StandInError):  # it has exited
        daemon.standin.act("crash", what="renderer")
    yield


@contextmanager
def locked(daemon: Played, _: float) -> Iterator[None]:
    """Another program holds the write lock."""
    connection = sqlite3.connect(daemon.places.database, timeout=10)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def _say_garbage(daemon: Played, pieces: tuple[bytes, ...]) -> None:
    """Write into the pipe of the Node child's stdout, between its lines or inside one."""
    pid = victim_of(daemon, "node").pid
    with contextlib.suppress(OSError):  # it has exited, or its pipe is full
        pipe = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
        try:
            for piece in pieces:
                os.write(pipe, piece)
        finally:
            os.close(pipe)


@contextmanager
def garbage(daemon: Played, _: float) -> Iterator[None]:
    """Whole lines that match no wire line."""
    _say_garbage(daemon, _GARBAGE)
    yield
    _say_garbage(daemon, _GARBAGE)


@contextmanager
def garbage_in_a_line(daemon: Played, _: float) -> Iterator[None]:
    """Without a newline, so that it spoils the next line."""
    _say_garbage(daemon, (b"half a wor",))
    yield
    _say_garbage(daemon, (b'{"v":1,',))


def killed_holding(phase: str) -> Play:
    """Hold the page between two steps of a delivery and kill the browser there."""

    @contextmanager
    def play(daemon: Played, _: float) -> Iterator[None]:
        victim = victim_of(daemon, "browser")
        daemon.standin.act("hold", phase=phase)
        try:
            yield
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        finally:
            daemon.standin.act("release")

    return play


def await_(daemon: Played, test: Callable[[], bool], what: str, *, limit: float | None = None) -> None:
    """Wait for a part of the recovery. Raises NotBack, at once if the daemon has ended."""
    deadline = time.monotonic() + (limit or daemon.patience)
    while not test():
        if time.monotonic() > deadline or (daemon.process and daemon.process.poll() is not None):
            raise NotBack(what)
        time.sleep(_POLL)


def await_link(daemon: Played) -> None:
    """Wait until the session works again, and scan a code when one is shown, as a person would."""

    def linked() -> bool:
        assert daemon.process is not None
        if daemon.status.get("pid") != daemon.process.pid:
            return False
        if daemon.status["phase"] == "waiting_for_scan":
            with contextlib.suppress(StandInError):  # that page is gone
                daemon.standin.act("scan", phone=OUR_PHONE, name="Tienda", wait=1000)
        return bool(daemon.status["phase"] == "ready" and daemon.standin.state()["paired"])

    await_(daemon, linked, "the session to work again")


@contextmanager
def logout(daemon: Played, _: float) -> Iterator[None]:
    """Unlink on the phone; the driver scans again."""
    with logged_out(daemon):
        yield


def loaded_with(begin: Action, end: Action) -> Play:
    """A fault that is set when a page loads: kill the browser, and wait until a page has loaded with it."""

    @contextmanager
    def play(daemon: Played, _: float) -> Iterator[None]:
        daemon.standin.act(begin[0], **begin[1])
        try:
            loads = daemon.standin.state()["page_loads"]
            with contextlib.suppress(psutil.NoSuchProcess):
                victim_of(daemon, "browser").kill()
            yield
            await_(daemon, lambda: daemon.standin.state()["page_loads"] > loads, f"a page to be loaded with {begin}")
        finally:
            daemon.standin.act(end[0], **end[1])

    return play


def while_stopped(change: Callable[[Played], object]) -> Play:
    """Stop the daemon cleanly and change its files before it is started again."""

    @contextmanager
    def play(daemon: Played, seconds: float) -> Iterator[None]:
        with daemon_stopped(daemon, seconds):
            change(daemon)
            yield
        await_link(daemon)
        # Each snapshot serves once; restored later it would lose what came since.
        for snapshot in Auth(daemon.places).snapshots():
            shutil.rmtree(snapshot.path)

    return play


def lock_for_another_host(daemon: Played) -> None:
    """A profile whose lock seems to be held on another machine."""
    lock = daemon.places.profile / "SingletonLock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(f"not-{socket.gethostname()}-1")


def break_manifests(daemon: Played) -> None:
    """A profile whose databases will not open."""
    for manifest in (daemon.places.profile / "Default" / "IndexedDB").glob("*.leveldb/MANIFEST-*"):
        manifest.write_bytes(b"\xff" * 100)


def break_manifests_after_a_snapshot(daemon: Played) -> None:
    """The same, with a snapshot to restore."""
    with contextlib.suppress(CannotUseSnapshot):  # the profile was never linked
        Auth(daemon.places).take_snapshot(account=f"{OUR_PHONE}@c.us", browser=None, now=datetime.now(UTC))
    break_manifests(daemon)


def replaced(again: int) -> Play:
    """Another listener takes the session, and takes it again from the next `again` connections."""

    @contextmanager
    def play(daemon: Played, _: float) -> Iterator[None]:
        await_(daemon, lambda: _connected(daemon), "a session to take")
        loads = daemon.standin.state()["page_loads"]
        daemon.standin.act("replaced", again=again)
        yield
        await_(
            daemon,
            lambda: daemon.standin.state()["page_loads"] > loads + again and _connected(daemon),
            "the session to be taken back",
        )

    return play


def _connected(daemon: Played) -> bool:
    state = daemon.standin.state()
    return bool(state["paired"] and state["page_connected"] and state["synced"])


def refused(code: int) -> Play:
    """WhatsApp refuses the account for a while: 402 is a temporary ban, 503 is its own outage."""

    @contextmanager
    def play(daemon: Played, seconds: float) -> Iterator[None]:
        daemon.standin.act("failure", code=code, expire=seconds + 1)
        yield
        await_(daemon, lambda: _connected(daemon), "the account to be connected again")

    return play


def expelled(code: int) -> Play:
    """WhatsApp refuses the account and logs it out; the driver scans again."""

    @contextmanager
    def play(daemon: Played, _: float) -> Iterator[None]:
        daemon.standin.act("failure", code=code)
        yield
        await_(daemon, lambda: not daemon.standin.state()["paired"], "the account to be logged out")
        daemon.standin.act("failure", code=None)
        await_link(daemon)

    return play


@contextmanager
def logout_with_late_history(daemon: Played, seconds: float) -> Iterator[None]:
    """After the scan the older messages come late, long after ready."""
    with logged_out(daemon):
        yield
        daemon.standin.act("history_late", seconds=2 + seconds)


@contextmanager
def logout_with_passkey(daemon: Played, _: float) -> Iterator[None]:
    """The scan asks for a passkey, and a person answers. If the daemon breaks the ceremony, a plain scan follows."""
    with logged_out(daemon):
        yield
        await_(daemon, lambda: daemon.status["phase"] == "waiting_for_scan", "a code to scan")
        with contextlib.suppress(StandInError):
            daemon.standin.act("scan", phone=OUR_PHONE, name="Tienda", passkey=True)
            with contextlib.suppress(NotBack):
                await_(daemon, lambda: daemon.status["phase"] == "needs_passkey", "the passkey", limit=_PASSKEY_LIMIT)
            for step in ("continue", "code", "done"):
                time.sleep(_PERSON)
                daemon.standin.act("passkey", step=step, **({"code": "ABCD1234"} if step == "code" else {}))


@contextmanager
def logged_out(daemon: Played) -> Iterator[None]:
    """Unlinked while the block runs, then linked again."""
    await_(daemon, lambda: bool(daemon.standin.state()["paired"]), "a session to end")
    daemon.standin.act("logout")
    yield
    await_(daemon, lambda: daemon.status["phase"] != "ready", "the logout to be noticed")
    await_link(daemon)


def unreadable(*actions: str) -> Play:
    """Reading back fails from the next start on, until sweeps have run into it."""

    @contextmanager
    def play(daemon: Played, _: float) -> Iterator[None]:
        for action in actions:
            daemon.standin.act(action, on=True)
        try:
            loads = daemon.standin.state()["page_loads"]
            with contextlib.suppress(psutil.NoSuchProcess):
                victim_of(daemon, "browser").kill()
            yield
            await_(
                daemon,
                lambda: daemon.standin.state()["page_loads"] > loads and _connected(daemon),
                f"a page with {actions}",
            )
            time.sleep(_TWO_SWEEPS)
        finally:
            for action in actions:
                daemon.standin.act(action, on=False)

    return play


@contextmanager
def reloads(daemon: Played, seconds: float) -> Iterator[None]:
    """The page loads itself again and again, as after an update."""
    daemon.standin.act("reload")
    yield
    for pause in (seconds / 4, seconds / 8):
        daemon.standin.act("reload")
        time.sleep(pause)


@contextmanager
def disk_full(daemon: Played, _: float) -> Iterator[None]:
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
