"""A daemon that cannot start, or is in trouble at its end, leaves nothing open and nothing running."""

import os
import subprocess
import sys
from pathlib import Path

from tests.daemons import NODE, running
from tests.waiting import LIMIT, wait_for

LIVES = """
import asyncio, threading
from leadmasterd.daemon.app import Daemon
from leadmasterd.settings.plain import read_plain

try:
    asyncio.run(Daemon(*read_plain(None), display=None).run())
except OSError as error:
    print(type(error).__name__)
print([thread.name for thread in threading.enumerate() if thread is not threading.main_thread()])
"""
"""A daemon's life, and which threads it has left."""


def test_a_daemon_that_cannot_open_its_control_socket_leaves_no_thread(tmp_path: Path) -> None:
    """What was started before that is stopped: those who watch the rules, and the store's writer."""
    node = tmp_path / "node"
    node.write_text(NODE)
    node.chmod(0o755)
    state = tmp_path / "state"
    (state / "leadmasterd.sock").mkdir(parents=True)
    settings = {"STATE_DIR": str(state), "LISTENER__NODE": str(node), "LISTENER__BROWSER": "/bin/true"}
    done = subprocess.run(
        [sys.executable, "-c", LIVES],
        cwd=tmp_path,
        env={**os.environ, **{f"LEADMASTERD_{name}": value for name, value in settings.items()}},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    assert done.stdout.splitlines() == ["IsADirectoryError", "[]"], done.stderr


def test_a_picture_of_a_code_that_cannot_be_removed_ends_nothing(tmp_path: Path) -> None:
    """On a disk that became read-only no file can be removed, and the listener goes on all the same."""
    state = tmp_path / "state"
    (state / "qr.png").mkdir(parents=True)
    with running(tmp_path, state) as daemon:
        wait_for(lambda: daemon.status.get("phase") == "waiting_for_scan" or not daemon.lives(), "the code")
        assert daemon.lives(), daemon.log.read_text()
    assert "cannot remove" in daemon.log.read_text()
