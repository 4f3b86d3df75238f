"""The real daemon, Node child, library and browser against the stand-in: what every end-to-end test starts from."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from leadmasterd.demo.standin import StandIn
from leadmasterd.listener import tree
from leadmasterd.settings.paths import Paths, resolve_paths
from leadmasterd.state.files import read_status
from tests.processes import carries

OUR_PHONE = "5491155550100"
LIMIT = 120.0
DIVISOR = 20
"""Of durations, but of those that real processes need (`timing.py`)."""
ROTATION: Final = ("--qr-first", str(60_000 // DIVISOR), "--qr-period", str(20_000 // DIVISOR))
"""How long the stand-in shows each code: shorter by the same divisor."""
ROOT = Path(__file__).resolve().parent.parent.parent
_KEYS: Final = {
    "conversations": "conversation_id",
    "messages": "message_id",
    "message_versions": "version_id",
    "raw_events": "raw_id",
    "calls": "call_row_id",
}


def wait_for(test: Callable[[], Any], what: str, limit: float = LIMIT) -> Any:
    """Wait for the thing itself, with a limit."""
    deadline = time.monotonic() + limit
    while True:
        if answer := test():
            return answer
        assert time.monotonic() < deadline, f"waited {limit:.0f} s in vain for {what}"
        time.sleep(0.02)


class DaemonUnderTest:
    """One state directory, and the daemon's lives on it."""

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
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.before: dict[str, tuple[str, int]] = {}
        """Per table: its key, and the last one that an earlier test on the same daemon had made."""

    @property
    def marker(self) -> str:
        """What our processes carry on their command lines."""
        return tree.marker_of(self.places.state_dir)

    def start(self) -> None:
        """Begin a life."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "leadmasterd", "run"],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to stop; its exit code and how long it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(LIMIT)
        return code, time.monotonic() - began

    def ours(self) -> list[psutil.Process]:
        """Processes of the listener that are alive, whoever their parent is."""
        return tree.find_ours(self.marker)

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run one command of the command line beside it."""
        return subprocess.run(
            [sys.executable, "-m", "leadmasterd", *words],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    @property
    def status(self) -> dict[str, Any]:
        """What it last said of itself."""
        return read_status(self.places) or {"phase": "", "capture": {"live": 0, "sweep": 0, "open_gaps": 0}}

    def await_phase(self, phase: str) -> None:
        """Until it says so."""
        wait_for(lambda: self.status["phase"] == phase, f"the phase {phase}")

    def await_messages(self, number: int) -> None:
        """Until so many are in the database (and no fewer: more is a failure)."""
        wait_for(lambda: self.count() >= number, f"{number} messages")
        assert self.count() == number

    def pair(self, phone: str = OUR_PHONE) -> None:
        """From a first start to ready."""
        self.await_phase("waiting_for_scan")
        self.standin.act("scan", phone=phone, name="Tienda")
        self.await_phase("ready")

    def query(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Rows as dictionaries, read while the daemon lives; without those that were there `before`."""
        connection = sqlite3.connect(f"file:{self.places.database}?mode=ro", uri=True, timeout=10)
        connection.row_factory = sqlite3.Row
        try:
            for table, (key, last) in self.before.items():
                connection.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} WHERE {key} > {last}")
            return [dict(row) for row in connection.execute(sql, values)]
        finally:
            connection.close()

    def begin_test(self) -> None:
        """From now on `query` shows only rows that are new: the daemon has served other tests."""
        self.before = {}
        for table, key in _KEYS.items():
            [row] = self.query(f"SELECT coalesce(max({key}), 0) AS last FROM {table}")
            self.before[table] = (key, int(row["last"]))

    def count(self) -> int:
        """Messages in the database."""
        return int(self.query("SELECT count(*) AS n FROM messages")[0]["n"])

    def bodies(self) -> list[str]:
        """Every message's text, sorted."""
        return sorted(row["body"] or "" for row in self.query("SELECT body FROM messages"))

    def node(self) -> psutil.Process:
        """The Node child."""
        return next(each for each in self.ours() if carries(each, f"--instance={self.marker}"))

    def browser(self) -> psutil.Process:
        """The browser's main process."""
        return next(each for each in self.ours() if carries(each, f"--leadmasterd-instance={self.marker}"))

    def end(self) -> None:
        """After a test, however it went: nothing is left."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        tree.signal_all(self.ours(), signal.SIGKILL)

    def show_log(self) -> None:
        """The end of its log, where pytest shows it when the test failed."""
        if self.log.exists():
            sys.stdout.write(f"--- {self.log.name}\n{self.log.read_text(errors='replace')[-6000:]}\n")


MakeDaemon = Callable[..., DaemonUnderTest]


@pytest.fixture
def rotation() -> tuple[str, ...]:
    """The stand-in's, unless a test asks for another."""
    return ROTATION


def new_standin(key_shape: str, rotation: tuple[str, ...] = ROTATION) -> StandIn:
    """A stand-in that is not started yet; use it as a context."""
    node = shutil.which("node")
    assert node, "node is needed: run `make test`"
    return StandIn(Path(node), *rotation, key_shape=key_shape)


@pytest.fixture(params=["dollar"])
def standin(request: pytest.FixtureRequest, rotation: tuple[str, ...]) -> Iterator[StandIn]:
    """A stand-in with the key shape of today's WhatsApp Web, unless a test asks for another."""
    with new_standin(str(request.param), rotation) as started:
        yield started


@pytest.fixture
def make_daemon(tmp_path: Path, standin: StandIn, request: pytest.FixtureRequest) -> Iterator[MakeDaemon]:
    """Makes daemons; ends them all, and shows their logs when the test failed."""
    made: list[DaemonUnderTest] = []

    def make(state_dir: Path | None = None, **settings: str) -> DaemonUnderTest:
        daemon = DaemonUnderTest(state_dir or tmp_path / "state", standin, settings)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.end()
        daemon.show_log()


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> DaemonUnderTest:
    """A daemon that is linked and ready."""
    started = make_daemon()
    started.start()
    started.pair()
    return started
