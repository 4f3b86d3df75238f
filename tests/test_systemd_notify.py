"""Notifications to systemd over a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadmasterd.daemon.systemd import Systemd


@pytest.fixture(autouse=True)
def _no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A listening service manager, for both kinds of socket address."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@leadmasterd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if name.startswith("@") else name)
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listening


def test_assignments_travel_in_one_datagram(manager: socket.socket) -> None:
    """Each is a line."""
    Systemd().notify("READY=1", "STATUS=ready: listening ñ")
    assert manager.recv(4096).decode() == "READY=1\nSTATUS=ready: listening ñ"


def test_the_watchdogs_limit_is_known(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given in seconds, and only if it is set for our process."""
    assert Systemd().watchdog_seconds is None
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert Systemd().watchdog_seconds == 30
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert Systemd().watchdog_seconds == 30
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Systemd().watchdog_seconds is None


def test_without_a_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon may run in a terminal."""
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    manager = Systemd()
    manager.notify("READY=1")
    assert manager.watchdog_seconds is None


def test_a_manager_that_is_gone_is_no_reason_to_fall_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon keeps working."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Systemd().notify("WATCHDOG=1")
