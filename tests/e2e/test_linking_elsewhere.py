"""Linking in a window on one computer and importing the session file on another, which then needs no scan."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from leadmasterd.demo.standin import StandIn
from tests.depth import only_deep
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA
from tests.e2e.daemon import LIMIT, OUR_PHONE, ROOT, ROTATION, wait_long

pytestmark = pytest.mark.e2e

WAIT_DIVISOR = 100
"""The half hour that the history may take becomes 18 seconds."""


class Screen:
    """An X server that draws into a file."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("Xvfb")
        if program is None:
            pytest.skip("no Xvfb here: install the package xvfb (`tools/setup.sh test` does it for root)")
        ours, its = os.pipe()
        self._process = subprocess.Popen(
            [program, "-displayfd", str(its), "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-fbdir", folder],
            pass_fds=[its],
            stderr=subprocess.DEVNULL,
        )
        os.close(its)
        with os.fdopen(ours) as said:
            self.display = f":{said.readline().strip()}"
        self._picture = folder / "Xvfb_screen0"

    def colours(self) -> int:
        """The number of colours on the screen; an empty one has one."""
        pixels = memoryview(self._picture.read_bytes()[-1280 * 1024 * 4 :]).cast("I")
        return len(set(pixels))

    def close(self) -> None:
        """End the server and everything on it."""
        self._process.terminate()
        self._process.wait(LIMIT)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    """The display that a server lacks."""
    folder = tmp_path / "screen"
    folder.mkdir()
    started = Screen(folder)
    yield started
    started.close()


class Pairing:
    """`leadmasterd auth pair` on a desktop."""

    def __init__(self, folder: Path, screen: Screen, standin: StandIn) -> None:
        self.file = folder / "session.zip"
        self.work = folder / "work"
        self.work.mkdir()
        self._log = folder / "pair.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LEADMASTERD_")}
        environment |= {
            "DISPLAY": screen.display,
            "LEADMASTERD_LISTENER__BROWSER_ARGS": json.dumps(standin.browser_args),
            "LEADMASTERD_SUPERVISOR__TIME_DIVISOR": str(WAIT_DIVISOR),
        }
        words = ["auth", "pair", "--json", "--output", str(self.file), "--work-dir", str(self.work)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "leadmasterd", *words],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """What the person at the desktop has been shown so far."""
        return self._log.read_text()

    def await_word(self, words: str) -> None:
        """Wait until this text was printed."""
        wait_long(lambda: words in self.said or self.process.poll() is not None, words)
        assert words in self.said, self.said

    def browser(self) -> psutil.Process:
        """The process that owns the window."""
        profile = f"--user-data-dir={self.work}/"
        for child in psutil.Process(self.process.pid).children(recursive=True):
            arguments = child.cmdline()
            if any(each.startswith(profile) for each in arguments) and not any("--type=" in each for each in arguments):
                return child
        raise AssertionError("there is no browser")

    def result(self) -> tuple[int, Any]:
        """The exit code and the printed object, if any."""
        assert self.process.stdout is not None
        out, _none = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, json.loads(out) if out else None

    def end(self) -> None:
        """End every process of it."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(LIMIT)
        if self.process.stdout:
            self.process.stdout.close()
        sys.stdout.write(f"--- auth pair\n{self.said}\n")


@pytest.fixture
def pairing(tmp_path: Path, screen: Screen, standin: StandIn) -> Iterator[Pairing]:
    """The command, just started."""
    started = Pairing(tmp_path, screen, standin)
    yield started
    started.end()


@pytest.mark.parametrize(
    "rotation",
    [
        pytest.param((*ROTATION, "--ways", "page"), id="page"),
        pytest.param(
            (*ROTATION, "--ways", "old"), id="old", marks=only_deep("the page's own ways are what people meet")
        ),
    ],
)
def test_a_session_that_was_linked_in_a_window_needs_no_scan_elsewhere(
    pairing: Pairing, screen: Screen, standin: StandIn, make_daemon: MakeDaemon
) -> None:
    """Linked on one machine and imported on another, the daemon gets ready there and captures everything since the
    scan.
    """
    pairing.await_word("scan the code in the window")
    wait_long(lambda: screen.colours() > 10, "a window on the screen")
    an_hour_ago = int(time.time()) - 3600
    # Two, so that one has to be read back: a page of the old ways ends no gap before it has read one.
    history = [{"from": ANA, "body": "antes", "t": an_hour_ago + number} for number in range(2)]
    standin.act("scan", phone=OUR_PHONE, name="Tienda", history=history)
    pairing.await_word("Linked: 5491155550100.")
    code, record = pairing.result()
    assert code == 0, pairing.said
    assert record["account"] == f"{OUR_PHONE}@c.us"
    assert list(pairing.work.iterdir()) == []

    standin.act("deliver", **{"from": ANA, "body": "en el camino"})
    daemon = make_daemon()
    imported = daemon.command("auth", "import", str(pairing.file))
    assert imported.returncode == 0, imported.stderr
    daemon.start()
    daemon.await_phase("ready")
    standin.act("deliver", **{"from": ANA, "body": "después"})
    wait_long(lambda: daemon.count() >= 2, "both messages")
    daemon.await_sweep()
    assert daemon.bodies() == ["después", "en el camino"], "and none from before the link"
    phases = {row["phase"] for row in daemon.query("SELECT phase FROM session_events")}
    assert "waiting_for_scan" not in phases
    refused = daemon.command("auth", "import", str(pairing.file))
    assert (refused.returncode, refused.stdout) == (73, "")
    assert refused.stderr.endswith(f"stop it first with `kill {daemon.status['pid']}`\n")
    assert standin.state()["sent"] == []


def test_a_passkey_is_answered_in_the_window(
    pairing: Pairing, screen: Screen, standin: StandIn, make_daemon: MakeDaemon
) -> None:
    """The code to compare is shown; the file is written once the page says that the recent history is complete."""
    pairing.await_word("scan the code in the window")
    history = [{"from": ANA, "body": f"antes {n}", "t": int(time.time()) - 3600 + n} for n in range(20)]
    standin.act("scan", phone=OUR_PHONE, name="Tienda", passkey=True, history=history)
    pairing.await_word("WhatsApp asks for a passkey: answer in the window")
    standin.act("passkey", step="continue")
    standin.act("passkey", step="code", code="K3Y7")
    pairing.await_word("WhatsApp shows the code K3Y7: confirm it on the phone.")
    standin.act("passkey", step="done")
    pairing.await_word("The recent history is complete.")
    code, record = pairing.result()
    assert (code, record["history"]) == (0, "complete"), pairing.said
    daemon = make_daemon()
    assert daemon.command("auth", "import", str(pairing.file)).returncode == 0
    daemon.start()
    daemon.await_phase("ready")
    assert {row["phase"] for row in daemon.query("SELECT phase FROM session_events")} <= {
        "starting",
        "syncing",
        "ready",
    }


@pytest.mark.parametrize("how", ["closed", "Ctrl-C"])
def test_a_window_that_is_closed_half_way_leaves_nothing(pairing: Pairing, how: str) -> None:
    """No file, profile or process is left, and the error says what to do."""
    pairing.await_word("scan the code in the window")
    browser = pairing.browser()
    if how == "closed":
        browser.terminate()
    else:
        pairing.process.send_signal(signal.SIGINT)
    code, record = pairing.result()
    assert record is None
    why = "the window was closed too early" if how == "closed" else "it was interrupted"
    assert pairing.said.endswith(f"cannot pair: {why}; run `leadmasterd auth pair` again\n")
    assert code == (1 if how == "closed" else 130)
    assert not browser.is_running()
    assert not pairing.file.exists()
    assert list(pairing.work.iterdir()) == []
