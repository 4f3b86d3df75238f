"""Two listeners on the same stand-in, to be broken in the same way: the bare library in a restart loop, and ours."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.daemon import until
from benchmarks.figures import CannotMeasure
from leadmasterd.demo.standin import StandIn
from leadmasterd.listener.programs import find_browser
from tests.browsers import is_browser
from tests.chaos.product import OURS, Played, Product

HERE: Final = Path(__file__).resolve().parent
LIBRARY: Final = HERE.parent / "node_listener" / "node_modules" / "whatsapp-web.js" / "package.json"
RESTART: Final = 1.0
"""Seconds until what has ended is started again, as `RestartSec=1` of a unit."""
_PHONE: Final = "5491155550100"


class Listener(ABC):
    """What is asked of either."""

    name: str

    def __init__(self, standin: StandIn) -> None:
        self.standin = standin
        self.restarted = 0
        """How often it ended by itself and was started again."""

    @abstractmethod
    def start(self) -> None:
        """Start it and return at once."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the process that was started last says so."""

    @abstractmethod
    def asks_for_a_scan(self) -> bool:
        """Whether it shows a code."""

    @abstractmethod
    def heard(self) -> Counter[str]:
        """How often it has written each message, by its id."""

    @abstractmethod
    def main(self) -> psutil.Process | None:
        """The process that was started last, while it runs."""

    @abstractmethod
    def node(self) -> list[psutil.Process]:
        """The Node process, while it runs."""

    @abstractmethod
    def end(self) -> None:
        """End everything: ask, and kill what does not."""

    def pair(self) -> None:
        """Scan its first code and wait until it is ready."""
        until(self.asks_for_a_scan)
        self.standin.act("scan", phone=_PHONE, name="Tienda")
        until(self.is_ready)

    def tend(self) -> None:
        """Start it again if it has ended, as a unit would, after all that it left."""
        if self.main() is None:
            self.end()
            time.sleep(RESTART)
            self.restarted += 1
            self.start()

    def tree(self) -> list[psutil.Process]:
        """It, and all that it has started."""
        with contextlib.suppress(psutil.Error):
            if main := self.main():
                return [main, *main.children(recursive=True)]
        return []

    def browser(self, kind: str = "") -> list[psutil.Process]:
        """The browser's main process, or those of a type."""
        return [each for each in self.tree() if _is_of_browser(each, kind)]

    def memory(self) -> float:
        """The sum of the proportional set sizes of the whole tree, in megabytes."""
        return sum(each.memory_full_info().pss for each in self.tree()) / 1e6


class Bare(Listener):
    """bare_listener.mjs and its restart loop. The loop itself costs nothing here: a unit would be it."""

    name = "the bare library"

    def __init__(self, standin: StandIn, folder: Path, node: Path) -> None:
        super().__init__(standin)
        self._folder = folder
        self._node = node
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    def start(self) -> None:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._node,
                    HERE / "bare_listener.mjs",
                    self._folder,
                    find_browser("", window=True),  # where ours takes a headless shell, its README knows none
                    *self.standin.browser_args,
                    *root,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        return self._says("ready")

    def asks_for_a_scan(self) -> bool:
        return self._says("qr")

    def heard(self) -> Counter[str]:
        return Counter(each["id"] for each in self._lines() if each["event"] == "message")

    def main(self) -> psutil.Process | None:
        if self._process is None or self._process.poll() is not None:
            return None
        return psutil.Process(self._process.pid)

    def node(self) -> list[psutil.Process]:
        return self.tree()[:1]

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        for each in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(str(self._folder) in word for word in each.cmdline()):
                    each.kill()
        if self._process is not None:
            self._process.wait()

    def _says(self, event: str) -> bool:
        pid = self._process.pid if self._process else 0
        return any(each["event"] == event and each["pid"] == pid for each in self._lines())

    def _lines(self) -> list[dict[str, Any]]:
        try:
            text = (self._folder / "heard.jsonl").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines()]


class Ours(Listener):
    """A checkout's daemon with production's timing, started again by the same loop."""

    name = "ours"

    def __init__(self, standin: StandIn, folder: Path, product: Product = OURS) -> None:
        super().__init__(standin)
        self._played = Played(folder, standin, {"LEADMASTERD_SUPERVISOR__TIME_DIVISOR": "1"})
        self._played.python, self._played.root = product.python, product.root

    def start(self) -> None:
        self._played.start()

    def is_ready(self) -> bool:
        return self._phase() == "ready"

    def asks_for_a_scan(self) -> bool:
        return self._phase() == "waiting_for_scan"

    def heard(self) -> Counter[str]:
        connection = sqlite3.connect(f"file:{self._played.places.database}?mode=ro", uri=True)
        with contextlib.closing(connection):
            return Counter(stanza_id for (stanza_id,) in connection.execute("SELECT stanza_id FROM messages"))

    def main(self) -> psutil.Process | None:
        process = self._played.process
        return None if process is None or process.poll() is not None else psutil.Process(process.pid)

    def node(self) -> list[psutil.Process]:
        return [self._played.node()]

    def end(self) -> None:
        self._played.end()

    def _phase(self) -> str:
        main, status = self._played.process, self._played.status
        return str(status["phase"]) if main is not None and status.get("pid") == main.pid else ""


def _is_of_browser(process: psutil.Process, kind: str) -> bool:
    """Whether it is a browser's main process (no kind), or one of its processes of a kind; False once it has ended."""
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()
        kinds = [word.removeprefix("--type=") for word in words if word.startswith("--type=")]
        if kind or kinds:
            return kind in kinds
        if process.name() in _BROWSERS and not any(word.startswith("--user-data-dir=") for word in words):
            return True
        return is_browser(process)
    return False


_BROWSERS: Final = ("chromium", "chrome", "google-chrome", "headless_shell", "chromium-headless-shell", "firefox")


def other_browsers() -> list[str]:
    """The browsers that run on this machine, by pid and name: memory is shared between those of one program."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if _is_of_browser(process, ""):
                found.append(f"{process.pid} ({process.name()})")
    return found


def must_be_alone() -> None:
    """Raises CannotMeasure when another browser runs."""
    if browsers := other_browsers():
        raise CannotMeasure(
            f"browsers share memory, and others run: {', '.join(browsers[:5])}; end them, and try again"
        )
