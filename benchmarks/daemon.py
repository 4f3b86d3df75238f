"""The real daemon on real parts: Node, the library and a browser, against the stand-in of WhatsApp Web."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from leadmasterd.demo.standin import StandIn
from leadmasterd.settings.paths import Paths, resolve_paths
from leadmasterd.state.files import read_status


@dataclass(frozen=True, slots=True)
class Setup:
    """A state directory and the stand-in that its daemon talks to."""

    where: Paths
    standin: StandIn
    node: Path
    output: IO[bytes] | int = subprocess.DEVNULL
    """Where its log goes."""

    @contextmanager
    def daemon(self, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run it with production's timing, then stop it with SIGTERM. `settings` are environment variables.

        It leads a session of its own: Ctrl-C is the benchmark's alone.
        """
        environment = {
            **os.environ,
            "LEADMASTERD_STATE_DIR": str(self.where.state_dir),
            "LEADMASTERD_LISTENER__BROWSER_ARGS": json.dumps(self.standin.browser_args),
            "LEADMASTERD_LISTENER__SETTLE_AFTER_PAIRING": "0",
            **settings,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "leadmasterd", "run"],
            env=environment,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def status(self) -> dict[str, Any]:
        """The content of status.json; empty before it is written."""
        return read_status(self.where) or {}

    def is_ready(self) -> bool:
        """Whether status.json says so."""
        return self.status().get("phase") == "ready"

    def pair(self) -> None:
        """Scan the first QR code, and wait until the daemon is ready."""
        until(lambda: self.status().get("phase") == "waiting_for_scan")
        self.standin.act("scan", phone="5491155550100", name="Tienda")
        until(self.is_ready)


@contextmanager
def setup(ways: Literal["page", "old"] = "old", output: IO[bytes] | int = subprocess.DEVNULL) -> Iterator[Setup]:
    """In a temporary folder; the stand-in is up, no daemon is.

    By default it plays its old ways, the only ones of earlier commits, with whose rows these are compared.
    """
    node = shutil.which("node")
    assert node, "node is needed"
    with (
        tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name,
        StandIn(Path(node), "--ways", ways, key_shape="dollar") as standin,
    ):
        yield Setup(resolve_paths(None, name, "leadmaster.db"), standin, Path(node), output)


def until(test: Callable[[], bool], limit: float = 90) -> None:
    """Wait until `test` is true. Raises TimeoutError after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not test():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the daemon did not get there in {limit:.0f} s")
        time.sleep(0.05)
