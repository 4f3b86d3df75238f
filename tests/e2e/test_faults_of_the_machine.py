"""What goes wrong around the listener: the database, the profile on disk, the pipe between Node and the daemon.

The other half of test_faults.py, with the same customers; docs/faults.md is the table.
"""

import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadmasterd.demo.standin import StandIn
from leadmasterd.listener.profile import Auth
from leadmasterd.listener.programs import find_browser, find_node
from tests.e2e.conftest import OUR_PHONE, DaemonUnderTest, MakeDaemon, wait_for
from tests.e2e.test_faults import (
    Customers,
    await_ready_again,
    last_event,
    seen,
    start_again,
    wrote_before,
)

pytestmark = pytest.mark.e2e

BAD_PIPE = Path(__file__).resolve().parent.parent / "programs" / "bad_pipe.py"


@pytest.fixture
def customers(daemon: DaemonUnderTest, standin: StandIn) -> Customers:
    """They have written already, and were heard; the first sweep is over."""
    return wrote_before(daemon, standin)


# ---------------------------------------------------------------------- the database


def await_trouble(daemon: DaemonUnderTest, code: str | None) -> None:
    """Until the status speaks of it; None: of none."""
    wait_for(lambda: (daemon.status.get("trouble") or {}).get("code") == code, f"the trouble {code}")


def test_a_database_that_another_program_locks_is_waited_for(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """Said in the status, and written when it is free; the listener goes on meanwhile."""
    node = daemon.node()
    other = sqlite3.connect(daemon.places.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    customers.write("durante", count=50)
    await_trouble(daemon, "database_locked")
    assert "holds the database locked" in daemon.command("status").stdout
    other.execute("ROLLBACK")
    other.close()
    await_trouble(daemon, None)
    customers.nothing_was_lost()
    assert daemon.node() == node


def test_a_database_that_is_locked_at_the_start_is_waited_for(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The daemon stays and says why; when it is free it goes on by itself."""
    daemon.stop()
    other = sqlite3.connect(daemon.places.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    customers.write("durante")
    daemon.start()
    await_trouble(daemon, "database_locked")
    other.execute("ROLLBACK")
    other.close()
    daemon.await_phase("ready")
    customers.nothing_was_lost("asked_to_stop")


def test_a_daemon_killed_between_reading_and_committing_loses_nothing(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """Read from the pipe, held back by a locked database, SIGKILL: the next life sweeps them."""
    other = sqlite3.connect(daemon.places.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    customers.write("leídos y no escritos", count=50)
    standin.act("wait", **{"for": "drained"})
    await_trouble(daemon, "database_locked")
    daemon.kill()
    other.execute("ROLLBACK")
    other.close()
    assert daemon.count() == 4, "only those from before"
    wait_for(lambda: not daemon.ours(), "the orphans to leave by themselves")
    start_again(daemon)
    daemon.await_phase("ready")
    customers.nothing_was_lost("not_listening")


# ---------------------------------------------------------------------- the profile


def break_manifests(daemon: DaemonUnderTest) -> None:
    """As a torn write leaves it: the database of the session does not open."""
    broken = list((daemon.places.profile / "Default" / "IndexedDB").glob("*.leveldb/MANIFEST-*"))
    assert broken
    for manifest in broken:
        manifest.write_bytes(b"\xff" * 100)


def test_a_broken_profile_without_a_snapshot_waits_for_a_scan(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """Nothing to restore, so a person is needed; the scan brings all of it again, each once."""
    daemon.stop()
    break_manifests(daemon)
    customers.write("durante")
    start_again(daemon)
    daemon.await_phase("waiting_for_scan")
    assert daemon.command("status").returncode == 4
    standin.act("scan", phone=OUR_PHONE, name="Tienda")
    daemon.await_phase("ready")
    customers.nothing_was_lost("asked_to_stop")


def test_a_broken_profile_is_restored_from_the_newest_good_snapshot(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The newest of all is damaged, so the one before it is taken; no scan, and the broken profile is kept."""
    daemon.stop()
    auth = Auth(daemon.places)
    auth.take(account=f"{OUR_PHONE}@c.us", browser=None, now=datetime(2026, 1, 1, tzinfo=UTC))
    damaged = auth.take(account=f"{OUR_PHONE}@c.us", browser=None, now=datetime(2026, 1, 2, tzinfo=UTC))
    next(damaged.path.rglob("MANIFEST-*")).write_bytes(b"bit rot")
    break_manifests(daemon)
    customers.write("durante")
    mark = last_event(daemon)
    start_again(daemon)
    await_ready_again(daemon, mark)
    assert seen(daemon, mark, phase="waiting_for_scan") == []
    [event] = seen(daemon, mark, phase="stopping")
    assert event["code"] in ("session_lost", "profile_broken")
    assert len(Auth(daemon.places).quarantined()) == 1
    customers.nothing_was_lost("asked_to_stop")


def test_a_lost_session_is_restored_once_and_then_waits_for_a_scan(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """A snapshot that verifies but holds no session either: one try, not a circle."""
    daemon.stop()
    for folder in ("IndexedDB", "Local Storage"):
        shutil.rmtree(daemon.places.profile / "Default" / folder)
        (daemon.places.profile / "Default" / folder).mkdir()
    Auth(daemon.places).take(account=f"{OUR_PHONE}@c.us", browser=None, now=datetime.now(UTC))
    customers.write("durante")
    mark = last_event(daemon)
    start_again(daemon)
    daemon.await_phase("waiting_for_scan")
    assert daemon.command("status").returncode == 4
    assert [event["code"] for event in seen(daemon, mark, phase="stopping")] == ["session_lost"]
    standin.act("scan", phone=OUR_PHONE, name="Tienda")
    daemon.await_phase("ready")
    customers.nothing_was_lost("asked_to_stop")
    assert [event["code"] for event in seen(daemon, mark, phase="stopping")] == ["session_lost"]


def test_an_outage_costs_no_session(daemon: DaemonUnderTest, standin: StandIn, customers: Customers) -> None:
    """Start after start finds no server, and there is a snapshot: the session is newer, and stays where it is."""
    daemon.stop()
    Auth(daemon.places).take(account=f"{OUR_PHONE}@c.us", browser=None, now=datetime.now(UTC))
    mark = last_event(daemon)
    standin.act("offline", all=True)
    customers.write("durante")
    start_again(daemon)
    wait_for(lambda: len(seen(daemon, mark, code="child_died", phase="stopping")) >= 4, "four starts in vain")
    standin.act("online")
    await_ready_again(daemon, mark)
    assert seen(daemon, mark, code="profile_broken") == []
    assert Auth(daemon.places).quarantined() == []
    customers.nothing_was_lost("asked_to_stop")


@pytest.mark.parametrize("host", ["another-host", "this-host"])
def test_a_lock_that_nobody_holds_is_removed(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, host: str
) -> None:
    """Of a machine that was renamed, on which Chromium would leave with code 21, or of a browser that died here."""
    daemon.stop()
    mark = last_event(daemon)
    name = socket.gethostname() if host == "this-host" else host
    gone = subprocess.Popen(["true"])
    gone.wait()
    lock = daemon.places.profile / "SingletonLock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(f"{name}-{gone.pid}")
    customers.write("durante")
    start_again(daemon)
    await_ready_again(daemon, mark)
    assert seen(daemon, mark, code="child_died") == []
    customers.nothing_was_lost("asked_to_stop")


def test_a_profile_that_a_living_browser_holds_is_waited_for(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """A real browser that is not ours: it is left alone, and when it is closed we go on."""
    daemon.stop()
    profile = daemon.places.profile
    mark = last_event(daemon)
    other = subprocess.Popen(
        [
            find_browser(""),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={profile.resolve()}",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: (profile / "SingletonLock").is_symlink(), "the other browser's lock")
        customers.write("durante")
        start_again(daemon)
        [event, *_] = wait_for(lambda: seen(daemon, mark, code="cannot_spawn"), "the refusal")
        assert f"pid {other.pid}" in json.loads(event["value_json"])["detail"]
        assert other.poll() is None, "it is not ours to end"
    finally:
        other.send_signal(signal.SIGTERM)
        other.wait(30)
    await_ready_again(daemon, mark)
    customers.nothing_was_lost("asked_to_stop")


# ---------------------------------------------------------------------- the pipe


def behind_a_bad_pipe(make_daemon: MakeDaemon, tmp_path: Path, how: str) -> DaemonUnderTest:
    """A daemon whose `listener.node` is Node behind tests/programs/bad_pipe.py, linked and ready."""
    node = tmp_path / "node"
    command = f'{sys.executable} {BAD_PIPE} {how} {tmp_path / "flag"} {find_node("")} "$@"'
    node.write_text(f"#!/bin/sh\nexec {command}\n")
    node.chmod(0o755)
    daemon = make_daemon(LEADMASTERD_LISTENER__NODE=str(node))
    daemon.start()
    daemon.pair()
    return daemon


def test_garbage_between_the_lines_disturbs_nobody(make_daemon: MakeDaemon, standin: StandIn, tmp_path: Path) -> None:
    """A banner, broken UTF-8, half JSON, a line of 1.5 MB: counted, kept with the reason, and read over."""
    daemon = behind_a_bad_pipe(make_daemon, tmp_path, "garbage")
    customers = wrote_before(daemon, standin)
    mark = last_event(daemon)
    customers.write("entre basura", count=100)
    customers.await_captured()
    customers.nothing_was_lost()
    assert seen(daemon, mark, phase="stopping") == []
    assert daemon.query("SELECT count(*) AS n FROM raw_events WHERE problem IS NOT NULL")[0]["n"] > 50


def test_lines_that_were_torn_are_swept(make_daemon: MakeDaemon, standin: StandIn, tmp_path: Path) -> None:
    """Every third message is half a line: its number is missing, and a sweep brings it, though it is torn again."""
    daemon = behind_a_bad_pipe(make_daemon, tmp_path, "torn")
    customers = Customers(daemon, standin)
    customers.write("a medias", count=30)
    customers.await_captured()
    wait_for(lambda: (daemon.status.get("counters") or {}).get("missing_lines"), "the missing lines in the status")
    assert daemon.status["phase"] == "ready"
    assert standin.state()["sent"] == []


def test_node_killed_in_the_middle_of_a_line_loses_nothing(
    make_daemon: MakeDaemon, standin: StandIn, tmp_path: Path
) -> None:
    """The half line is put aside as such; the message comes with the next life."""
    (tmp_path / "flag").touch()
    daemon = behind_a_bad_pipe(make_daemon, tmp_path, "cut")
    customers = wrote_before(daemon, standin)
    mark = last_event(daemon)
    (tmp_path / "flag").unlink()
    customers.write("cortado")
    wait_for(lambda: seen(daemon, mark, code="child_died", phase="stopping"), "the end of Node")
    await_ready_again(daemon, mark)
    customers.nothing_was_lost("child_died")
    assert daemon.query("SELECT 1 FROM raw_events WHERE problem LIKE '%cut short%'")
