"""After a crash, a stop or a pause the daemon captures what it missed; a stop leaves no process."""

import contextlib
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from leadmasterd.demo.standin import StandIn
from tests.depth import only_deep
from tests.e2e.conftest import MakeDaemon, Ways
from tests.e2e.customers import ANA
from tests.e2e.daemon import DaemonUnderTest, wait_long
from tests.processes import lives

pytestmark = pytest.mark.e2e

BLOCKING: Ways = {"resume": "blocking"}
RESUMES: list[Ways] = [BLOCKING, {"resume": "nonblocking"}]
"""How the page takes what waited at the server: stored before it is synced and never emitted, or emitted after."""


AS_WITH_THE_OTHER = only_deep("what waited comes alike, whichever of Node and the browser died")


@pytest.mark.parametrize(
    ("victim", "cause", "page_ways"),
    [
        pytest.param("node", "child_died", RESUMES[0], id="node, blocking"),
        pytest.param("node", "child_died", RESUMES[1], id="node, nonblocking", marks=AS_WITH_THE_OTHER),
        pytest.param("browser", "child_died", RESUMES[0], id="browser, blocking", marks=AS_WITH_THE_OTHER),
        pytest.param("browser", "child_died", RESUMES[1], id="browser, nonblocking"),
        pytest.param("daemon", "not_listening", RESUMES[0], id="daemon, blocking"),
        pytest.param("daemon", "not_listening", RESUMES[1], id="daemon, nonblocking"),
    ],
)
def test_whatever_is_killed_nothing_is_lost_and_nothing_is_left(
    daemon: DaemonUnderTest, standin: StandIn, page_ways: Ways, victim: str, cause: str
) -> None:
    """A part gets SIGKILL (a killed daemon is started again): missed messages come once, and the gap closes."""
    standin.act("deliver", **{"from": ANA, "body": "antes"})
    daemon.await_messages(1)
    before = {each.pid for each in daemon.ours()}
    assert daemon.process
    its_process = psutil.Process(daemon.process.pid)
    if victim == "daemon":
        daemon.kill()
        wait_long(lambda: not daemon.ours(), "the orphans to exit by themselves")
        assert daemon.command("status").returncode == 3
    else:
        its_process.suspend()  # otherwise a new browser may hear what comes below, within a second
        (daemon.node() if victim == "node" else daemon.browser()).kill()
    standin.act("deliver", **{"from": ANA, "body": "durante {n}", "count": 5})
    standin.act("own", to=ANA, body="respuesta desde el teléfono")
    if victim == "daemon":
        daemon.start_again()
    else:
        its_process.resume()
        wait_long(lambda: daemon.status["phase"] != "ready", "the loss to be noticed")
    daemon.await_phase("ready")
    daemon.await_messages(7)
    via = daemon.query("SELECT captured_via, count(*) AS n FROM messages GROUP BY 1 ORDER BY 1")
    assert sum(row["n"] for row in via) == 7
    if page_ways == BLOCKING:
        assert [tuple(row.values()) for row in via] == [("live", 1), ("sweep", 6)]
    [gap] = wait_long(lambda: daemon.query("SELECT * FROM gaps WHERE closed_at IS NOT NULL"), "the gap to be closed")
    assert gap["cause"] == cause
    assert gap["recovered"] == next((row["n"] for row in via if row["captured_via"] == "sweep"), 0)
    assert daemon.bodies() == ["antes", *(f"durante {n}" for n in range(1, 6)), "respuesta desde el teléfono"]
    assert not before & {each.pid for each in daemon.ours()}, "a process of the earlier life is left"
    assert standin.state()["sent"] == []


@pytest.mark.parametrize(
    ("number", "page_ways"),
    [(signal.SIGTERM, RESUMES[0]), (signal.SIGINT, RESUMES[1])],
    ids=["SIGTERM, blocking", "SIGINT, nonblocking"],
)
def test_a_stop_leaves_nothing_behind_and_the_next_start_captures_what_came_meanwhile(
    daemon: DaemonUnderTest, standin: StandIn, number: signal.Signals, page_ways: Ways
) -> None:
    """It exits with 0 within 25 seconds without a process left, and the next start needs no scan.

    The messages are stored before the listener attaches, or emitted after it.
    """
    processes = daemon.ours()
    assert len(processes) > 3
    code, seconds = daemon.stop(number)
    assert code == 0
    assert seconds < 25
    assert daemon.ours() == []
    assert not any(map(lives, processes))
    standin.act("deliver", **{"from": ANA, "body": "mientras dormías {n}", "count": 30, "spread": 3})
    daemon.start_again()
    daemon.await_phase("ready")
    daemon.await_messages(30)
    if page_ways == BLOCKING:
        assert {row["captured_via"] for row in daemon.query("SELECT captured_via FROM messages")} == {"sweep"}


def test_a_stop_during_the_start_ends_it(make_daemon: MakeDaemon) -> None:
    """SIGTERM comes before the child's `hello`, and it still stops in time."""
    daemon = make_daemon()
    daemon.start()
    daemon.await_phase("starting")
    code, seconds = daemon.stop()
    assert (code, seconds < 25) == (0, True)
    assert daemon.ours() == []


def test_a_logout_keeps_the_old_profile_and_another_number_gets_its_own_history(
    own_daemon: DaemonUnderTest, standin: StandIn
) -> None:
    """After a logout on the phone the profile is quarantined; scanning another number makes a second account."""
    daemon = own_daemon
    standin.act("deliver", **{"from": ANA, "body": "al primero"})
    daemon.await_messages(1)
    standin.act("logout", reason=0)
    daemon.await_phase("waiting_for_scan")
    assert daemon.command("status").returncode == 4
    assert [each.is_dir() for each in daemon.places.quarantine.iterdir()] == [True]
    standin.act("scan", phone="5491155550200", name="Otra")
    daemon.await_phase("ready")
    standin.act("deliver", **{"from": ANA, "body": "al segundo"})
    daemon.await_messages(2)
    rows = daemon.query(
        "SELECT wid, body, conversation_id FROM messages JOIN accounts USING (account_id) ORDER BY message_id"
    )
    assert [(row["wid"], row["body"]) for row in rows] == [
        ("5491155550100@c.us", "al primero"),
        ("5491155550200@c.us", "al segundo"),
    ]
    assert rows[0]["conversation_id"] != rows[1]["conversation_id"]
    assert "another number was scanned" in daemon.log.read_text()


def test_pause_outlives_the_daemon_and_resume_ends_it(daemon: DaemonUnderTest, standin: StandIn) -> None:
    """It stays paused across a restart; missed messages are captured after `resume`."""
    assert daemon.command("pause").returncode == 0
    daemon.await_phase("paused")
    assert daemon.ours() == []
    assert daemon.command("status").returncode == 2
    standin.act("deliver", **{"from": ANA, "body": "en la pausa"})
    daemon.stop()
    daemon.start_again()
    daemon.await_phase("paused")
    assert daemon.command("resume").returncode == 0
    daemon.await_phase("ready")
    daemon.await_messages(1)


def test_a_browser_that_dies_at_once_is_tried_again_and_again(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    """The daemon stays up, says why it waits, backs off, and stops when asked."""
    browser = tmp_path / "broken-browser"
    browser.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Chromium 156.0.0.0" && exit 0\nexit 3\n')
    browser.chmod(0o755)
    daemon = make_daemon(LEADMASTERD_LISTENER__BROWSER=str(browser))
    daemon.start()

    def failed_twice() -> str | None:
        status = daemon.status
        return str(status["code"]) if (status.get("values") or {}).get("failures", 0) >= 2 else None

    assert wait_long(failed_twice, "two failures") == "child_died"
    code, _ = daemon.stop()
    assert code == 0


def small_file_system(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file system of 8 MB, unmounted after the test."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "small", small], check=False)
    if mounted.returncode:
        pytest.skip("a file system of its own can only be mounted as root")
    request.addfinalizer(lambda: subprocess.run(["umount", "-l", small], check=False))
    return small


def fill(ballast: Path) -> None:
    """Write to this file until the file system is full."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def test_a_full_disk_is_reported_and_loses_nothing(
    make_daemon: MakeDaemon, standin: StandIn, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The database is on a small file system that is full at the first start and later again.

    The daemon stays up, and goes on once there is space.
    """
    small = small_file_system(tmp_path, request)
    # Only the database is on the small one: a browser profile would not fit.
    daemon = make_daemon(LEADMASTERD_DATABASE__PATH=str(small / "leadmaster.db"))
    daemon.places = type(daemon.places)(None, daemon.places.state_dir, small / "leadmaster.db")
    ballast = small / "ballast"
    fill(ballast)
    daemon.start()
    daemon.await_trouble("disk_full")
    assert daemon.command("status").returncode == 4
    ballast.unlink()
    daemon.await_phase("waiting_for_scan")
    assert daemon.status["trouble"] is None

    daemon.pair()
    standin.act("deliver", **{"from": ANA, "body": "antes"})
    daemon.await_messages(1)
    fill(ballast)
    standin.act("deliver", **{"from": ANA, "body": "x" * 3000 + " {n}", "count": 200})
    daemon.await_trouble("disk_full")
    assert daemon.command("status").returncode == 4
    assert "disk is full" in daemon.command("status").stdout
    ballast.unlink()
    daemon.await_messages(201)
    daemon.await_trouble(None)


def test_what_became_readable_while_the_daemon_was_stopped_is_filled_in(
    own_daemon: DaemonUnderTest, standin: StandIn
) -> None:
    """A ciphertext of yesterday was decrypted while the daemon was stopped: the sweep goes back far enough."""
    daemon = own_daemon
    yesterday = int(time.time()) - 86400
    daemon.stop()
    with closing(sqlite3.connect(daemon.places.database)) as connection, connection:
        # The link is older than the message, or the message would not be captured at all.
        connection.execute("UPDATE accounts SET first_linked_at = '2026-01-01T00:00:00.000Z', swept_through_at = NULL")
    standin.act("ciphertext", **{"from": ANA, "id": "SECRET", "t": yesterday})
    daemon.start()
    daemon.await_messages(1)
    daemon.await_sweep()
    daemon.stop()
    standin.act("decrypt", id="SECRET", body="por fin")
    daemon.start()
    wait_long(lambda: daemon.bodies() == ["por fin"], "the text")
    assert daemon.count() == 1


def test_deafness_is_noticed_and_ends_with_a_restart(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """All listeners in the page are gone although it says CONNECTED: a sweep notices, and a restart repairs it."""
    daemon = make_daemon(LEADMASTERD_LISTENER__SWEEP_INTERVAL="40")  # divided: every two seconds
    daemon.start()
    daemon.pair()
    standin.act("deliver", **{"from": ANA, "body": "oída"})
    daemon.await_messages(1)
    daemon.await_sweep()
    mark = daemon.last_event()
    standin.act("deaf")
    standin.act("deliver", **{"from": ANA, "body": "no oída"})
    daemon.await_events(mark, code="deaf")
    daemon.await_ready_again(mark)  # for a moment the status still says ready
    live = standin.act("deliver", **{"from": ANA, "body": "oída otra vez"})["ids"][0]
    daemon.await_messages(3)
    [row] = daemon.query("SELECT captured_via FROM messages WHERE stanza_id = ?", live)
    assert row["captured_via"] == "live"
