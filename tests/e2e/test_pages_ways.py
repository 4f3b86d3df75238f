"""WhatsApp Web's real behaviour where neither the socket's state nor the library's events show it.

The stand-in plays the page's own ways; a test that names one (`--way`) tries another value of it, as
node_listener/standin/README.md lists them.
"""

import json
import time
from datetime import UTC, datetime

import pytest

from leadmasterd.demo.standin import StandIn
from tests.depth import only_deep
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import Customers
from tests.e2e.daemon import DIVISOR, OUR_PHONE, DaemonUnderTest, wait_long, ways
from tests.e2e.test_auth import take_snapshot
from tests.e2e.test_faults import print_delay

pytestmark = pytest.mark.e2e

CODE_PATIENCE_MS = 150_000 // DIVISOR
"""Seconds after the last code that once ended a first sync, in the divided profile."""


# ---------------------------------------------------------------------- a session that is used elsewhere


@pytest.mark.long
def test_a_session_that_another_listener_takes_is_noticed_and_taken_back(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The socket stays CONNECTED and no event comes, but the stream shows it. Nothing that came meanwhile is lost."""
    before, mark, broken_at = set(daemon.ours()), daemon.last_event(), time.time()
    standin.act("replaced")
    customers.write("durante")
    [event] = daemon.await_events(mark, code="stream_lost", phase="reconnecting")
    print_delay(event, broken_at)
    noticed = datetime.fromisoformat(event["at"]).astimezone(UTC).timestamp() - broken_at
    assert noticed < 90 / DIVISOR + 3, "within 90 s, and what the machine itself takes is not divided"
    daemon.await_events(mark, code="session_elsewhere", phase="stopping")
    assert "another" in daemon.status["because"]
    assert daemon.status["concerns"].keys() == {"session_elsewhere"}
    daemon.await_ready_again(mark)
    assert not before & set(daemon.ours())
    customers.nothing_was_lost("stream_lost")
    # From the last heartbeat that saw the stream alive, not from the minute after it.
    [gap] = daemon.query("SELECT from_at FROM gaps WHERE cause = 'stream_lost'")
    assert gap["from_at"] < event["at"]
    wait_long(lambda: "session_elsewhere" not in daemon.status["concerns"], "the calm period")


# ---------------------------------------------------------------------- linking


@pytest.mark.parametrize("rotation", [ways(sync_ms=CODE_PATIENCE_MS * 2)], ids=["silent"])
def test_a_first_sync_that_says_nothing_for_long_is_waited_for(make_daemon: MakeDaemon, standin: StandIn) -> None:
    """The scan is noticed from the socket's state alone, and the same browser becomes ready."""
    daemon = make_daemon()
    daemon.start()
    daemon.await_phase("waiting_for_scan")
    node = daemon.node()
    standin.act("scan", phone=OUR_PHONE, name="Tienda")
    [event] = daemon.await_events(0, phase="syncing")
    assert event["code"] == "scanned"
    assert daemon.status["scan"] is None
    daemon.await_phase("ready")
    assert daemon.node() == node
    assert daemon.events(0, phase="stopping") == []


# ---------------------------------------------------------------------- logged out, or lost on disk


TOLD_ALIKE = only_deep("listener-page-ways.test.js shows that the child tells all three alike")


@pytest.mark.parametrize(
    "rotation",
    [
        pytest.param(ways(unlink="reload"), id="plain reload"),
        pytest.param(ways(unlink="params"), id="reason in the address", marks=TOLD_ALIKE),
        pytest.param(ways(unlink="post_logout"), id="post_logout", marks=TOLD_ALIKE),
    ],
)
@pytest.mark.parametrize(
    "while_down",
    [
        pytest.param(
            False, id="running", marks=only_deep("test_recovery.py unlinks a running one, which is told at once")
        ),
        pytest.param(True, id="down"),
    ],
)
def test_an_unlinked_device_is_never_taken_for_a_lost_session(
    own_daemon: DaemonUnderTest, standin: StandIn, customers: Customers, *, while_down: bool
) -> None:
    """However the page leaves, the snapshot is not restored and the operator is told to check the phone."""
    daemon = own_daemon
    take_snapshot(daemon)
    mark = daemon.last_event()
    if while_down:
        daemon.stop()
    standin.act("logout")
    if while_down:
        daemon.start_again()
    daemon.await_events(mark, code="logged_out", phase="stopping")
    daemon.await_phase("waiting_for_scan")
    assert daemon.events(mark, code="session_lost") == []
    assert len(list(daemon.places.quarantine.iterdir())) == 1
    status = daemon.command("status")
    assert status.returncode == 4
    assert "unlinked, or the number was banned" in status.stdout
    standin.act("scan", phone=OUR_PHONE, name="Tienda")
    daemon.await_phase("ready")
    customers.expect_to_be_heard_live()


# ---------------------------------------------------------------------- bans and unreachable servers


@pytest.mark.long
def test_a_temporary_ban_is_waited_for_across_restarts(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """No page is loaded until the ban ends, even after restarts; then the daemon starts by itself."""
    mark = daemon.last_event()
    standin.act("failure", code=402, expire=30)
    ends_at = time.time() + 30
    daemon.await_phase("halted")
    customers.write("durante")
    loads = standin.state()["page_loads"]
    status = daemon.command("status")
    assert status.returncode == 4
    assert "banned this number until" in status.stdout
    assert daemon.command("restart-listener").returncode != 0
    daemon.stop()
    daemon.start_again()
    daemon.await_phase("halted")
    assert daemon.ours() == []
    assert standin.state()["page_loads"] == loads
    wait_long(lambda: daemon.events(mark, code="ban_over"), "the end of the ban")
    assert time.time() >= ends_at
    daemon.await_ready_again(mark)
    assert not (daemon.places.state_dir / "banned.json").exists()
    customers.nothing_was_lost("temporary_ban")


def test_resume_tries_before_a_temporary_ban_ends_and_says_what_that_means(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """It warns, but the decision is the owner's."""
    standin.act("failure", code=402, expire=3600)
    daemon.await_phase("halted")
    mark = daemon.last_event()
    resumed = daemon.command("resume")
    assert resumed.returncode == 0
    assert "Warning" in resumed.stderr
    daemon.await_events(mark, code="resumed")
    daemon.await_events(mark, phase="halted", code="temporary_ban")
    standin.act("failure", code=None)
    mark = daemon.last_event()
    assert daemon.command("resume").returncode == 0
    daemon.await_ready_again(mark)
    customers.nothing_was_lost("temporary_ban")


def test_servers_that_are_away_are_waited_for_in_the_same_browser(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """503 is not our failure, and the page keeps retrying by itself."""
    node, mark = daemon.node(), daemon.last_event()
    standin.act("failure", code=503)
    daemon.await_events(mark, code="unavailable", phase="reconnecting")
    customers.write("durante")
    standin.act("failure", code=None)
    daemon.await_ready_again(mark)
    assert daemon.node() == node
    customers.nothing_was_lost()
    # The page never takes its screen away by itself (WAWebAppScreen, 2026-04-27), and later tests look at screens.
    loads = standin.state()["page_loads"]
    standin.act("reload")
    standin.act("wait", **{"for": "loads", "loads": loads + 1})
    daemon.await_ready_again(mark)
    customers.nothing_was_lost()


# ---------------------------------------------------------------------- full screens


def test_a_full_screen_is_told_while_it_stands(daemon: DaemonUnderTest, standin: StandIn, customers: Customers) -> None:
    """It has no dialog role; one that goes away by itself raises no alarm."""
    mark = daemon.last_event()
    standin.act("screen", name="locked", on=True)
    wait_long(lambda: "screen" in daemon.status["concerns"], "the screen in the status")
    [event] = daemon.events(mark, code="screen")
    assert json.loads(event["value_json"])["name"] == "locked"
    standin.act("screen", name="locked", on=False)
    wait_long(lambda: "screen" not in daemon.status["concerns"], "its end")
    standin.act("screen", name="offline", on=True)
    wait_long(lambda: "(offline)" in daemon.log.read_text(), "the journal")
    assert "screen" not in daemon.status["concerns"]
    standin.act("screen", name="offline", on=False)
    customers.nothing_was_lost()
