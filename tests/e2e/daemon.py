"""The real daemon under test, with Node, library and browser, against the stand-in of WhatsApp Web."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from leadmasterd.demo.standin import StandIn
from leadmasterd.listener import tree
from leadmasterd.settings.paths import Paths, resolve_paths
from leadmasterd.state.files import read_status
from tests import forked
from tests.browsers import chosen, is_main_process
from tests.forked import Forked
from tests.processes import carries
from tests.waiting import Answer, wait_for

ROOT: Final = Path(__file__).resolve().parent.parent.parent
OUR_PHONE: Final = "5491155550100"
LIMIT: Final = 120.0
"""Seconds for anything that includes a start of the browser, on a busy machine."""
DIVISOR: Final = 20
"""Divides all durations except those that real processes need (`timing.py`)."""
ROTATION: Final = ("--qr-first", str(60_000 // DIVISOR), "--qr-period", str(20_000 // DIVISOR))
"""How long the stand-in shows each code, divided as well."""


def ways(**wanted: object) -> tuple[str, ...]:
    """Values for the fixture `rotation` that set ways of the page, as node_listener/standin/README.md lists them."""
    return (*ROTATION, *(word for name, value in wanted.items() for word in ("--way", f"{name}={value}")))


_ROW_IDS: Final = {
    "conversations": "conversation_id",
    "messages": "message_id",
    "message_versions": "version_id",
    "raw_events": "raw_id",
    "calls": "call_row_id",
    "gaps": "gap_id",
}


def wait_long(answer: Callable[[], Answer | None], what: str, *, every: float = 0.05) -> Answer:
    """Wait for something that may take several starts of the browser."""
    return wait_for(answer, what, limit=LIMIT, every=every)


def wait_for_command(answer: Callable[[], Answer | None], what: str) -> Answer:
    """Wait for something that only a command tells: each is a process of its own, and takes from what it waits for."""
    return wait_long(answer, what, every=0.5)


def new_standin(key_shape: str, rotation: tuple[str, ...] = ROTATION) -> StandIn:
    """A stand-in to use as a context, which starts it."""
    node = shutil.which("node")
    assert node, "node is needed: run `make test`"
    return StandIn(Path(node), *rotation, key_shape=key_shape)


def _stamp(path: Path) -> tuple[int, ...]:
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns
    return ()


def _is_browser(process: psutil.Process, argument: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return is_main_process(process, argument)
    return False


class DaemonUnderTest:
    """One state directory and the daemon processes that run on it, one after another."""

    forks: bool = True
    """Whether they and commands are forked from a process that has imported them. What starts as `python -m
    leadmasterd` is tested with systemd, by the demo and in storms.
    """

    def __init__(self, state_dir: Path, standin: StandIn, settings: dict[str, str]) -> None:
        self.places: Paths = resolve_paths(None, str(state_dir), "leadmaster.db")
        self.standin = standin
        self.log = state_dir.parent / f"{state_dir.name}.log"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LEADMASTERD_")},
            "LEADMASTERD_STATE_DIR": str(state_dir),
            "LEADMASTERD_LISTENER__BROWSER_ARGS": json.dumps(standin.browser_args),
            "LEADMASTERD_LISTENER__SETTLE_AFTER_PAIRING": "0",
            "LEADMASTERD_SUPERVISOR__TIME_DIVISOR": str(DIVISOR),
            **chosen(),
            **settings,
        }
        self.python = sys.executable
        self.root = ROOT
        """The checkout whose code runs."""
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self._hidden: dict[str, int] = {}
        """The last row of each table that belongs to an earlier test on the same daemon."""

    # ------------------------------------------------------------------ its lives

    def start(self) -> None:
        """Start it and return at once; after a restart, `status` may still be the previous process's."""
        if self.forks:
            self.process = Forked("run", cwd=self.root, env=self.environment, output=self.log, session=True)
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", "leadmasterd", "run"],
                env=self.environment,
                cwd=self.root,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def start_again(self) -> None:
        """Start it and wait until `status` is the new process's."""
        self.start()
        assert self.process is not None
        pid = self.process.pid
        wait_long(lambda: self.status.get("pid") == pid, "the status of the new life")

    def pair(self, phone: str = OUR_PHONE) -> None:
        """Take it from its first start to ready."""
        self.await_phase("waiting_for_scan")
        self.standin.act("scan", phone=phone, name="Tienda")
        self.await_phase("ready")

    def kill(self) -> None:
        """SIGKILL: it cannot clean up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to stop; returns its exit code and the seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(LIMIT)
        return code, time.monotonic() - began

    def end(self) -> None:
        """End every process, even after a failed test."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        tree.signal_all(self.ours(), signal.SIGKILL)

    def show_log(self) -> None:
        """Print the end of its log, which pytest shows if the test failed."""
        if self.log.exists():
            sys.stdout.write(f"--- {self.log.name}\n{self.log.read_text(errors='replace')[-6000:]}\n")

    def is_whole(self) -> bool:
        """Whether it runs and is ready, without any trouble, concern or outage that a later test would meet."""
        status = self.status
        return (
            self.process is not None
            and self.process.poll() is None
            and (status["phase"], status.get("pid")) == ("ready", self.process.pid)
            and not (status.get("trouble") or status.get("concerns"))
            and not self.query("SELECT 1 FROM main.gaps WHERE closed_at IS NULL")
        )

    # ------------------------------------------------------------------ its processes

    @property
    def marker(self) -> str:
        """The marker on the command lines of our processes."""
        return tree.marker_of(self.places.state_dir)

    def ours(self) -> list[psutil.Process]:
        """All living processes of the listener, whatever their parent."""
        return tree.find_ours(self.marker)

    def node(self) -> psutil.Process:
        """The Node child."""
        return next(each for each in self.ours() if carries(each, f"--instance={self.marker}"))

    def browser(self) -> psutil.Process:
        """The browser's main process."""
        return next(each for each in self.ours() if _is_browser(each, f"--leadmasterd-instance={self.marker}"))

    # ------------------------------------------------------------------ what it says

    @property
    def status(self) -> dict[str, Any]:
        """Its last status.json."""
        return read_status(self.places) or {"phase": "", "capture": {"live": 0, "sweep": 0, "open_gaps": 0}}

    def await_phase(self, phase: str) -> None:
        """Wait until its status names this phase."""
        wait_long(lambda: self.status["phase"] == phase, f"the phase {phase}")

    def await_trouble(self, code: str | None) -> None:
        """Wait until its status shows this trouble, or none (None)."""
        wait_long(lambda: (self.status.get("trouble") or {}).get("code") == code, f"the trouble {code}")

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command on the same state directory."""
        if self.forks:
            return forked.run(*words, cwd=self.root, env=self.environment, limit=LIMIT)
        return subprocess.run(
            [self.python, "-m", "leadmasterd", *words],
            env=self.environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    # ------------------------------------------------------------------ what it captured

    def query(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Rows read while the daemon runs, without those from before `begin_test`."""
        connection = sqlite3.connect(f"file:{self.places.database}?mode=ro", uri=True, timeout=LIMIT)
        connection.row_factory = sqlite3.Row
        try:
            for table, last in self._hidden.items():
                connection.execute(
                    f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} WHERE {_ROW_IDS[table]} > {last}"
                )
            return [dict(row) for row in connection.execute(sql, values)]
        finally:
            connection.close()

    def begin_test(self) -> None:
        """Hide existing rows from `query`, since the daemon has served other tests."""
        self._hidden = {}
        for table, row_id in _ROW_IDS.items():
            [row] = self.query(f"SELECT coalesce(max({row_id}), 0) AS last FROM {table}")
            self._hidden[table] = int(row["last"])

    @contextmanager
    def locked_database(self) -> Iterator[None]:
        """Lock the database for writing, as another program may."""
        other = sqlite3.connect(self.places.database, timeout=LIMIT, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
        finally:
            other.close()

    def count(self) -> int:
        """The number of captured messages."""
        return int(self.query("SELECT count(*) AS n FROM messages")[0]["n"])

    def bodies(self) -> list[str]:
        """The text of each message, sorted."""
        return sorted(row["body"] or "" for row in self.query("SELECT body FROM messages"))

    def await_messages(self, number: int) -> None:
        """Wait for exactly this many messages."""
        self.await_rows(lambda: self.count() >= number, f"{number} messages")
        assert self.count() == number

    def await_sweep(self) -> None:
        """Wait until the first whole sweep is done."""
        self.await_rows(
            lambda: self.query("SELECT 1 FROM accounts WHERE swept_through_at IS NOT NULL"), "a whole sweep"
        )

    def await_rows(self, answer: Callable[[], Answer | None], what: str) -> Answer:
        """Wait for what the database holds: it is asked when its files have changed, or twice a second."""
        before: list[object] = []
        files = self.places.database, Path(f"{self.places.database}-wal")

        def ask_when_changed() -> Answer | None:
            now = [int(2 * time.monotonic()), *map(_stamp, files)]
            if now == before:
                return None
            before[:] = now
            return answer()

        return wait_long(ask_when_changed, what)

    # ------------------------------------------------------------------ its log of sessions

    def last_event(self) -> int:
        """The id of the newest row of `session_events`, from which a test reads on."""
        return int(self.query("SELECT coalesce(max(event_id), 0) AS n FROM session_events")[0]["n"])

    def events(self, after: int, **wanted: str) -> list[dict[str, Any]]:
        """Later rows of `session_events` with these values, oldest first."""
        condition = " AND ".join(["event_id > ?", *(f"{name} = ?" for name in wanted)])
        return self.query(f"SELECT * FROM session_events WHERE {condition} ORDER BY event_id", after, *wanted.values())

    def await_events(self, after: int, **wanted: str) -> list[dict[str, Any]]:
        """Wait for at least one such row; returns them all."""
        return self.await_rows(lambda: self.events(after, **wanted), f"an event with {wanted}")

    def await_ready_again(self, after: int) -> None:
        """Wait for a ready after that event."""
        self.await_events(after, phase="ready")
        self.await_phase("ready")
