"""The session on disk: the daemon takes snapshots of it and restores them."""

import json
import shutil

import pytest

from leadmasterd.demo.standin import StandIn
from tests.depth import only_deep
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA
from tests.e2e.daemon import DaemonUnderTest, wait_long

pytestmark = pytest.mark.e2e


def take_snapshot(daemon: DaemonUnderTest) -> None:
    """Take a snapshot with the command, which restarts the listener."""
    mark = daemon.last_event()
    taken = daemon.command("auth", "snapshot")
    assert taken.returncode == 0, taken.stderr
    daemon.await_ready_again(mark)
    assert json.loads(daemon.command("auth", "list", "--json").stdout)["snapshots"]


def lose_and_restore(daemon: DaemonUnderTest, standin: StandIn, damage: str) -> None:
    """Damage the session on disk; the next start needs no scan and captures what came meanwhile."""
    captured = daemon.count()
    daemon.stop()
    for database in (daemon.places.profile / "Default" / "IndexedDB").glob("*.leveldb"):
        if damage == "emptied":
            shutil.rmtree(database)
        else:
            for manifest in database.glob("MANIFEST-*"):
                manifest.unlink()
    if damage == "emptied":
        shutil.rmtree(daemon.places.profile / "Default" / "Local Storage")
    standin.act("deliver", **{"from": ANA, "body": "mientras tanto"})
    daemon.start_again()
    daemon.await_phase("ready")
    daemon.await_messages(captured + 1)
    codes = {row["code"] for row in daemon.query("SELECT code FROM session_events")}
    assert codes & {"session_lost", "profile_broken"}
    assert len(list(daemon.places.quarantine.iterdir())) == 1


def test_a_snapshot_is_taken_restored_when_the_session_is_lost_and_restored_by_hand(
    own_daemon: DaemonUnderTest, standin: StandIn
) -> None:
    """A planned restart takes it: its hashes and account are right, and nothing is lost.

    Then the session's databases are gone, and the daemon restores it, once. At last a person does, which is refused
    while the daemon runs.
    """
    daemon = own_daemon
    standin.act("deliver", **{"from": ANA, "body": "antes"})
    daemon.await_messages(1)
    take_snapshot(daemon)
    standin.act("deliver", **{"from": ANA, "body": "después"})
    daemon.await_messages(2)
    listed = json.loads(daemon.command("auth", "list", "--json").stdout)
    assert listed["linked"] == "5491155550100@c.us"
    [snapshot] = listed["snapshots"]
    assert snapshot["good"]
    assert snapshot["account"] == "5491155550100@c.us"
    assert "good" in daemon.command("auth", "list").stdout
    events = daemon.query("SELECT code FROM session_events WHERE phase = 'stopping'")
    assert {"code": "recycle"} in events

    lose_and_restore(daemon, standin, "emptied")

    refused = daemon.command("auth", "reset")
    assert refused.returncode == 73
    assert "another leadmasterd runs" in refused.stderr
    daemon.stop()
    assert daemon.command("auth", "reset").returncode == 0
    assert not daemon.places.profile.exists()
    assert daemon.command("auth", "restore").returncode == 0
    daemon.start_again()
    daemon.await_phase("ready")


def test_a_session_that_is_too_young_is_not_copied(make_daemon: MakeDaemon) -> None:
    """Soon after the scan the listener restarts without a snapshot, and the journal says why."""
    daemon = make_daemon(LEADMASTERD_LISTENER__SETTLE_AFTER_PAIRING="24000")
    daemon.start()
    daemon.pair()
    assert daemon.command("auth", "snapshot").returncode == 0
    wait_long(lambda: "too young" in daemon.log.read_text(), "the reason")
    daemon.await_phase("ready")
    assert json.loads(daemon.command("auth", "list", "--json").stdout)["snapshots"] == []


@only_deep("test_faults_of_the_machine.py damages the same file")
def test_a_session_whose_database_misses_its_manifest_is_restored(
    own_daemon: DaemonUnderTest, standin: StandIn
) -> None:
    """The profile's database does not open, so the newest snapshot is restored, once."""
    take_snapshot(own_daemon)
    lose_and_restore(own_daemon, standin, "manifest")
