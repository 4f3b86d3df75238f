"""Messages that came while nothing listened: read back, resumed, or sent in chunks after a new link."""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest

from leadmasterd.demo.standin import StandIn
from leadmasterd.times import iso
from tests.e2e.conftest import MakeDaemon
from tests.e2e.customers import ANA
from tests.e2e.daemon import LIMIT, OUR_PHONE, ROTATION, DaemonUnderTest, wait_long, ways

pytestmark = pytest.mark.e2e


def iso_at(t: int) -> str:
    """A time in seconds, as the tables store it."""
    return iso(datetime.fromtimestamp(t, UTC))


def gap_is_closed(daemon: DaemonUnderTest) -> bool:
    """Whether a sweep has closed the outage."""
    return bool(daemon.query("SELECT 1 FROM gaps WHERE closed_at IS NOT NULL"))


@pytest.mark.parametrize("rotation", [ways(resume="blocking")], ids=["blocking"])
def test_what_could_not_be_read_is_captured_by_the_next_sweep_that_can(
    make_daemon: MakeDaemon, standin: StandIn
) -> None:
    """The page's answer to an error looks like the end of a chat: no watermark moves, and the outage stays open."""
    daemon = make_daemon(LEADMASTERD_LISTENER__SWEEP_INTERVAL="40")  # divided: every two seconds
    daemon.start()
    daemon.pair()
    standin.act("deliver", **{"from": ANA, "body": "antes"})
    daemon.await_messages(1)
    daemon.stop()
    standin.act("deliver", **{"from": ANA, "body": "durante {n}", "count": 30})
    standin.act("load_404")
    standin.act("find_fails")
    daemon.start_again()
    daemon.await_phase("ready")
    wait_long(lambda: "did not load earlier messages" in daemon.log.read_text(), "a sweep in doubt")
    time.sleep(1)  # what memory holds may be captured by now; the outage stays open all the same
    assert not gap_is_closed(daemon)
    standin.act("load_404", on=False)
    standin.act("find_fails", on=False)
    daemon.await_messages(31)
    wait_long(lambda: gap_is_closed(daemon), "the outage to be closed")
    [gap] = daemon.query("SELECT recovered FROM gaps WHERE closed_at IS NOT NULL")
    assert gap["recovered"] == 30


@pytest.mark.parametrize("rotation", [(*ROTATION, "--resume-ms=40")], ids=["slow"])
def test_a_resume_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    own_daemon: DaemonUnderTest, standin: StandIn
) -> None:
    """300 messages arrive live before they are on disk, and the browser is killed at the hundredth."""
    daemon = own_daemon
    standin.act("deliver", **{"from": ANA, "body": "antes"})
    daemon.await_messages(1)
    daemon.stop()
    standin.act("deliver", **{"from": ANA, "body": "en espera {n}", "count": 300, "spread": 30})
    daemon.start_again()
    daemon.await_phase("ready")
    wait_long(lambda: daemon.count() >= 101, "the first hundred")
    mark = daemon.last_event()
    daemon.browser().kill()
    daemon.await_ready_again(mark)
    daemon.await_messages(301)
    wait_long(lambda: gap_is_closed(daemon), "the outages to be closed")
    assert sorted({row["captured_via"] for row in daemon.query("SELECT captured_via FROM messages")})[0] == "live"
    assert len(set(daemon.bodies())) == 301
    assert standin.state()["sent"] == []


@pytest.mark.parametrize("rotation", [(*ROTATION, "--history-ms=8000")], ids=["slow"])
def test_a_new_link_whose_history_comes_in_chunks_loses_nothing_of_the_outage(
    make_daemon: MakeDaemon, standin: StandIn
) -> None:
    """After a logout, missed messages exist only on the phone and arrive long after the new link."""
    daemon = make_daemon(LEADMASTERD_LISTENER__SWEEP_INTERVAL="20")  # divided: every second
    daemon.start()
    daemon.pair()
    standin.act("deliver", **{"from": ANA, "body": "antes"})
    daemon.await_messages(1)
    wait_long(lambda: daemon.query("SELECT 1 FROM accounts WHERE swept_through_at IS NOT NULL"), "the first line")
    standin.act("logout", reason=0)
    daemon.await_phase("waiting_for_scan")
    now = int(time.time())
    with closing(sqlite3.connect(daemon.places.database, timeout=LIMIT)) as connection, connection:
        # As if the link had been lost for twenty hours: longer than what any sweep looks back for.
        connection.execute("UPDATE accounts SET first_linked_at = '2026-01-01T00:00:00.000Z'")
        for table in ("accounts", "conversations"):
            connection.execute(f"UPDATE {table} SET swept_through_at = ?", (iso_at(now - 20 * 3600),))
    history = [{"from": ANA, "body": f"sin vínculo {n}", "t": now - 15 * 3600 + n * 1800} for n in range(30)]
    said = daemon.log.stat().st_size
    standin.act("scan", phone=OUR_PHONE, name="Tienda", history=history)
    daemon.await_phase("ready")
    wait_long(lambda: b"moved no watermark" in daemon.log.read_bytes()[said:], "a sweep during the history")
    assert not gap_is_closed(daemon)
    daemon.await_messages(31)
    wait_long(lambda: gap_is_closed(daemon), "the outage to be closed")
    assert daemon.bodies() == sorted(["antes", *(f"sin vínculo {n}" for n in range(30))])
