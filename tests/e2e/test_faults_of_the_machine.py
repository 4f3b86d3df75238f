"""Faults around the listener: the database and the profile on disk.

test_faults.py has the other half, test_bad_pipe.py the pipe; docs/faults.md is the table of all.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadmasterd.demo.standin import StandIn
from leadmasterd.listener.profile import Auth
from tests.browsers import both
from tests.e2e.customers import Customers
from tests.e2e.daemon import OUR_PHONE, DaemonUnderTest, wait_long

pytestmark = pytest.mark.e2e


# ---------------------------------------------------------------------- the database


def test_a_database_that_is_locked_at_the_start_is_waited_for(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The daemon runs and reports the lock; it starts the listener once the lock is gone."""
    daemon.stop()
    with daemon.locked_database():
        customers.write("durante")
        daemon.start()
        daemon.await_trouble("database_locked")
    daemon.await_phase("ready")
    customers.nothing_was_lost("asked_to_stop")


def test_a_daemon_killed_between_reading_and_committing_loses_nothing(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """A locked database kept messages in memory; the next start fetches them by a sweep."""
    with daemon.locked_database():
        customers.write("leídos y no escritos", count=50)
        standin.act("wait", **{"for": "drained"})
        daemon.await_trouble("database_locked")
        daemon.kill()
    assert daemon.count() == 4, "only what came before the lock"
    wait_long(lambda: not daemon.ours(), "the orphans to exit by themselves")
    daemon.start_again()
    daemon.await_phase("ready")
    customers.nothing_was_lost("not_listening")


# ---------------------------------------------------------------------- the profile


def break_manifests(daemon: DaemonUnderTest) -> None:
    """Damage the session's database like a torn write, so that it does not open."""
    broken = list((daemon.places.profile / "Default" / "IndexedDB").glob("*.leveldb/MANIFEST-*"))
    assert broken
    for manifest in broken:
        manifest.write_bytes(b"\xff" * 100)


@pytest.mark.long
def test_a_broken_profile_without_a_snapshot_waits_for_a_scan(
    own_daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """There is nothing to restore. After the scan all messages come again, and each is stored once."""
    daemon = own_daemon
    daemon.stop()
    break_manifests(daemon)
    customers.write("durante")
    daemon.start_again()
    daemon.await_phase("waiting_for_scan")
    assert daemon.command("status").returncode == 4
    standin.act("scan", phone=OUR_PHONE, name="Tienda")
    daemon.await_phase("ready")
    customers.nothing_was_lost("asked_to_stop")


@pytest.mark.long
def test_a_broken_profile_is_restored_from_the_newest_good_snapshot(
    own_daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The newest is damaged, so the one before it is restored without a scan. The broken profile is kept."""
    daemon = own_daemon
    daemon.stop()
    auth = Auth(daemon.places)
    auth.take_snapshot(account=f"{OUR_PHONE}@c.us", browser=None, now=datetime(2026, 1, 1, tzinfo=UTC))
    damaged = auth.take_snapshot(account=f"{OUR_PHONE}@c.us", browser=None, now=datetime(2026, 1, 2, tzinfo=UTC))
    next(damaged.path.rglob("MANIFEST-*")).write_bytes(b"bit rot")
    break_manifests(daemon)
    customers.write("durante")
    mark = daemon.last_event()
    daemon.start_again()
    daemon.await_ready_again(mark)
    assert daemon.events(mark, phase="waiting_for_scan") == []
    [event] = daemon.events(mark, phase="stopping")
    assert event["code"] in ("session_lost", "profile_broken")
    assert len(Auth(daemon.places).quarantined()) == 1
    customers.nothing_was_lost("asked_to_stop")


@pytest.mark.long
def test_a_lost_session_is_restored_once_and_then_waits_for_a_scan(
    own_daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The snapshot is intact but holds no session either, so it is tried only once."""
    daemon = own_daemon
    daemon.stop()
    for folder in ("IndexedDB", "Local Storage"):
        shutil.rmtree(daemon.places.profile / "Default" / folder)
        (daemon.places.profile / "Default" / folder).mkdir()
    Auth(daemon.places).take_snapshot(account=f"{OUR_PHONE}@c.us", browser=None, now=datetime.now(UTC))
    customers.write("durante")
    mark = daemon.last_event()
    daemon.start_again()
    daemon.await_phase("waiting_for_scan")
    assert daemon.command("status").returncode == 4
    assert [event["code"] for event in daemon.events(mark, phase="stopping")] == ["session_lost"]
    standin.act("scan", phone=OUR_PHONE, name="Tienda")
    daemon.await_phase("ready")
    customers.nothing_was_lost("asked_to_stop")
    assert [event["code"] for event in daemon.events(mark, phase="stopping")] == ["session_lost"]


@pytest.mark.long
def test_an_outage_costs_no_session(own_daemon: DaemonUnderTest, standin: StandIn, customers: Customers) -> None:
    """Repeated starts find no server: the session is newer than the snapshot and is not replaced."""
    daemon = own_daemon
    daemon.stop()
    Auth(daemon.places).take_snapshot(account=f"{OUR_PHONE}@c.us", browser=None, now=datetime.now(UTC))
    mark = daemon.last_event()
    standin.act("offline", all=True)
    customers.write("durante")
    daemon.start_again()
    wait_long(lambda: len(daemon.events(mark, code="child_died", phase="stopping")) >= 4, "four failed starts")
    standin.act("online")
    daemon.await_ready_again(mark)
    assert daemon.events(mark, code="profile_broken") == []
    assert Auth(daemon.places).quarantined() == []
    customers.nothing_was_lost("asked_to_stop")


@pytest.mark.parametrize("host", ["another-host", "this-host"])
def test_a_lock_that_nobody_holds_is_removed(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, host: str
) -> None:
    """It is left from a browser that died here, or from the host's old name (Chromium would exit with 21)."""
    daemon.stop()
    mark = daemon.last_event()
    name = socket.gethostname() if host == "this-host" else host
    gone = subprocess.Popen(["true"])
    gone.wait()
    lock = daemon.places.profile / "SingletonLock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(f"{name}-{gone.pid}")
    customers.write("durante")
    daemon.start_again()
    daemon.await_ready_again(mark)
    assert daemon.events(mark, code="child_died") == []
    customers.nothing_was_lost("asked_to_stop")


@pytest.mark.parametrize("program", both(), ids=lambda program: program.name)
def test_a_profile_that_a_living_browser_holds_is_waited_for(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, program: Path
) -> None:
    """A browser that is not ours is left alone, also one that keeps no lock; the listener starts once it is closed."""
    daemon.stop()
    profile = daemon.places.profile
    mark = daemon.last_event()
    other = subprocess.Popen(
        [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={profile.resolve()}",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_long(Auth(daemon.places).browser_using_it, "the other browser")
        customers.write("durante")
        daemon.start_again()
        [event, *_] = daemon.await_events(mark, code="cannot_spawn")
        told = re.search(r"pid (\d+)", json.loads(event["value_json"])["detail"])
        assert told
        assert os.getpgid(int(told[1])) == other.pid, "not the other browser, which still runs"
    finally:
        os.killpg(other.pid, signal.SIGTERM)  # the headless shell is started by a script that stays
        other.wait(30)
    daemon.await_ready_again(mark)
    customers.nothing_was_lost("asked_to_stop")
