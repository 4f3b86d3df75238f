"""It comes back, and what came meanwhile is captured; and when it is told to stop, nothing is left."""

import contextlib
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import DaemonUnderTest, MakeDaemon, wait_for
from tests.e2e.test_faults import await_ready_again, last_event, seen
from tests.processes import lives

pytestmark = pytest.mark.e2e

ANA = "5491155550001"


def test_node_killed_and_what_came_meanwhile_is_captured(daemon: DaemonUnderTest, standin: StandIn) -> None:
    """Live before, by sweep after, each once; the gap is in the ledger and closed."""
    standin.act("deliver", **{"from": ANA, "body": "antes"})
    daemon.await_messages(1)
    daemon.node().kill()
    wait_for(lambda: daemon.status["phase"] != "ready", "the loss to be noticed")
    standin.act("deliver", **{"from": ANA, "body": "durante {n}", "count": 5})
    standin.act("own", to=ANA, body="respuesta desde el teléfono")
    daemon.await_phase("ready")
    daemon.await_messages(7)
    via = daemon.query("SELECT captured_via, count(*) AS n FROM messages GROUP BY 1 ORDER BY 1")
    assert [tuple(row.values()) for row in via] == [("live", 1), ("sweep", 6)]
    [gap] = wait_for(lambda: daemon.query("SELECT * FROM gaps WHERE closed_at IS NOT NULL"), "the gap to be closed")
    assert gap["cause"] == "child_died"
    assert gap["recovered"] == 6
    assert standin.state()["sent"] == []


@pytest.mark.parametrize("victim", ["node", "browser", "daemon"])
def test_whatever_is_killed_nothing_is_lost_and_nothing_is_left(
    daemon: DaemonUnderTest, standin: StandIn, victim: str
) -> None:
    """SIGKILL of each part; after the daemon's own death the next run recovers."""
    standin.act("deliver", **{"from": ANA, "body": "antes"})
    daemon.await_messages(1)
    before = {each.pid for each in daemon.ours()}
    if victim == "daemon":
        daemon.kill()
        wait_for(lambda: not daemon.ours(), "the orphans to leave by themselves")
        assert daemon.command("status").returncode == 3
    else:
        (daemon.node() if victim == "node" else daemon.browser()).kill()
        wait_for(lambda: daemon.status["phase"] != "ready", "the loss to be noticed")
    standin.act("deliver", **{"from": ANA, "body": "durante"})
    if victim == "daemon":
        daemon.start()
        wait_for(lambda: daemon.status["pid"] == daemon.process.pid, "the new life")  # type: ignore[union-attr]
    daemon.await_phase("ready")
    daemon.await_messages(2)
    assert daemon.bodies() == ["antes", "durante"]
    assert not before & {each.pid for each in daemon.ours()}, "nothing of the earlier life is left"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_nothing_behind(daemon: DaemonUnderTest, number: signal.Signals) -> None:
    """Within 25 seconds, exit code 0, no process of ours, the session kept: the next start needs no scan."""
    processes = daemon.ours()
    assert len(processes) > 3
    code, seconds = daemon.stop(number)
    assert code == 0
    assert seconds < 25
    assert daemon.ours() == []
    assert not any(map(lives, processes))
    daemon.start()
    wait_for(lambda: daemon.status["pid"] == daemon.process.pid, "the new life")  # type: ignore[union-attr]
    daemon.await_phase("ready")


def test_a_stop_during_the_start_is_honoured(make_daemon: MakeDaemon) -> None:
    """SIGTERM before the child has said hello."""
    daemon = make_daemon()
    daemon.start()
    daemon.await_phase("starting")
    code, seconds = daemon.stop()
    assert (code, seconds < 25) == (0, True)
    assert daemon.ours() == []


def test_messages_while_nothing_ran_are_captured_at_the_next_start(daemon: DaemonUnderTest, standin: StandIn) -> None:
    """The daemon was stopped; customers went on writing."""
    daemon.stop()
    standin.act("deliver", **{"from": ANA, "body": "mientras dormías {n}", "count": 30, "spread": 3})
    daemon.start()
    daemon.await_messages(30)
    assert {row["captured_via"] for row in daemon.query("SELECT captured_via FROM messages")} == {"sweep"}


def test_a_logout_keeps_the_old_profile_and_another_number_gets_its_own_history(
    daemon: DaemonUnderTest, standin: StandIn
) -> None:
    """Logged out on the phone: quarantine, a fresh scan; the other number is another account, and it is said."""
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
    """An operator's stop wins, over restarts too; what came meanwhile is captured after `resume`."""
    assert daemon.command("pause").returncode == 0
    daemon.await_phase("paused")
    assert daemon.ours() == []
    assert daemon.command("status").returncode == 2
    standin.act("deliver", **{"from": ANA, "body": "en la pausa"})
    daemon.stop()
    daemon.start()
    wait_for(lambda: daemon.status["pid"] == daemon.process.pid, "the new life")  # type: ignore[union-attr]
    daemon.await_phase("paused")
    assert daemon.command("resume").returncode == 0
    daemon.await_phase("ready")
    daemon.await_messages(1)


def test_a_browser_that_dies_at_once_is_tried_again_and_again(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    """The daemon stays, says why, backs off, and stops when asked."""
    browser = tmp_path / "broken-browser"
    browser.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Chromium 156.0.0.0" && exit 0\nexit 3\n')
    browser.chmod(0o755)
    daemon = make_daemon(LEADMASTERD_LISTENER__BROWSER=str(browser))
    daemon.start()

    def failed_twice() -> str | None:
        status = daemon.status
        return str(status["code"]) if (status.get("values") or {}).get("failures", 0) >= 2 else None

    assert wait_for(failed_twice, "two failures") == "child_died"
    code, _ = daemon.stop()
    assert code == 0


def small_file_system(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file system of 8 MB that ends with the test."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "small", small], check=False)
    if mounted.returncode:
        pytest.skip("a file system of its own can only be mounted as root")
    request.addfinalizer(lambda: subprocess.run(["umount", "-l", small], check=False))
    return small


def fill(ballast: Path) -> None:
    """Write until the file system is full."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def test_a_full_disk_is_said_and_loses_nothing(
    make_daemon: MakeDaemon, standin: StandIn, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A real small file system filled to the brim under the database, and freed again."""
    small = small_file_system(tmp_path, request)
    # the database alone is on the small one: a browser profile would not fit
    daemon = make_daemon(LEADMASTERD_DATABASE__PATH=str(small / "leadmaster.db"))
    daemon.places = type(daemon.places)(None, daemon.places.state_dir, small / "leadmaster.db")
    daemon.start()
    daemon.pair()
    standin.act("deliver", **{"from": ANA, "body": "antes"})
    daemon.await_messages(1)
    ballast = small / "ballast"
    fill(ballast)
    standin.act("deliver", **{"from": ANA, "body": "x" * 3000 + " {n}", "count": 200})
    wait_for(lambda: (daemon.status.get("trouble") or {}).get("code") == "disk_full", "the full disk to be noticed")
    assert daemon.command("status").returncode == 4
    assert "disk is full" in daemon.command("status").stdout
    ballast.unlink()
    daemon.await_messages(201)
    wait_for(lambda: daemon.status.get("trouble") is None, "the trouble to be over")


def test_a_disk_that_is_full_at_the_start_is_waited_for(
    make_daemon: MakeDaemon, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The daemon says so and stays; when there is space it goes on by itself."""
    small = small_file_system(tmp_path, request)
    daemon = make_daemon(LEADMASTERD_DATABASE__PATH=str(small / "leadmaster.db"))
    fill(small / "ballast")
    daemon.start()
    wait_for(lambda: (daemon.status.get("trouble") or {}).get("code") == "disk_full", "the full disk to be noticed")
    assert daemon.command("status").returncode == 4
    (small / "ballast").unlink()
    daemon.await_phase("waiting_for_scan")
    assert daemon.status["trouble"] is None


def test_what_became_readable_while_we_were_down_is_filled_in(daemon: DaemonUnderTest, standin: StandIn) -> None:
    """A ciphertext of yesterday, decrypted while nothing ran: the sweep goes back far enough for it."""
    yesterday = int(time.time()) - 86400
    daemon.stop()
    with closing(sqlite3.connect(daemon.places.database)) as connection, connection:
        # the link is older than the message, or it would be none of our business
        connection.execute("UPDATE accounts SET first_linked_at = '2026-01-01T00:00:00.000Z', swept_through_at = NULL")
    standin.act("ciphertext", **{"from": ANA, "id": "SECRET", "t": yesterday})
    daemon.start()
    daemon.await_messages(1)
    wait_for(lambda: daemon.query("SELECT 1 FROM accounts WHERE swept_through_at IS NOT NULL"), "a whole sweep")
    daemon.stop()
    standin.act("decrypt", id="SECRET", body="por fin")
    daemon.start()
    wait_for(lambda: daemon.bodies() == ["por fin"], "the text")
    assert daemon.count() == 1


def test_deafness_is_noticed_and_mended(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """Every listener of the page is gone while the state says connected: a sweep tells, a restart mends."""
    daemon = make_daemon(LEADMASTERD_LISTENER__SWEEP_INTERVAL="40")  # divided: every two seconds
    daemon.start()
    daemon.pair()
    standin.act("deliver", **{"from": ANA, "body": "oída"})
    daemon.await_messages(1)
    wait_for(lambda: daemon.query("SELECT 1 FROM accounts WHERE swept_through_at IS NOT NULL"), "the first sweep")
    mark = last_event(daemon)
    standin.act("deaf")
    standin.act("deliver", **{"from": ANA, "body": "no oída"})
    wait_for(lambda: seen(daemon, mark, code="deaf"), "the deafness to be noticed")
    await_ready_again(daemon, mark)  # the status may still say ready when the ledger says deaf
    live = standin.act("deliver", **{"from": ANA, "body": "oída otra vez"})["ids"][0]
    daemon.await_messages(3)
    [row] = daemon.query("SELECT captured_via FROM messages WHERE stanza_id = ?", live)
    assert row["captured_via"] == "live"
