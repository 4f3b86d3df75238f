"""Faults that need no restart: afterwards the same processes are ready, and nothing was lost.

docs/faults.md is the table of all faults.
"""

import signal
import time

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.customers import Customers
from tests.e2e.daemon import DaemonUnderTest, wait_long

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("kind", ["reload", "reload-already-synced", "iframe", "pushState", "error-in-the-page"])
def test_a_page_that_moves_within_one_life_is_followed(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, kind: str
) -> None:
    """After a reload the listener attaches again and sweeps; the processes are always the same."""
    before, mark, loads = daemon.node(), daemon.last_event(), standin.state()["page_loads"]
    match kind:
        case "reload":
            standin.act("reload")
        case "reload-already-synced":
            standin.act("reload", synced=True)
        case "error-in-the-page":
            errors = page_errors(daemon)
            standin.act("throw")
            wait_long(lambda: page_errors(daemon) > errors, "the error to be counted")
        case _:
            standin.act("navigate", kind=kind)
    if kind.startswith("reload"):
        customers.write("durante")
        standin.act("wait", **{"for": "loads", "loads": loads + 1})
        standin.act("wait", **{"for": "synced"})
        customers.await_captured()
        wait_long(lambda: customers.are_heard_live(), "the live path")
    # A slow page may be seen OPENING before it is ready again: then that is what the gap says.
    customers.nothing_was_lost(*(("page_reloaded", "connection_lost") if kind.startswith("reload") else ()))
    assert daemon.events(mark, phase="stopping") == []
    assert daemon.node() == before
    if not kind.startswith("reload"):
        assert standin.state()["page_loads"] == loads


def page_errors(daemon: DaemonUnderTest) -> int:
    """How many errors of the page's own code the status counts."""
    return int((daemon.status.get("counters") or {}).get("page_errors", 0))


def test_a_daemon_that_was_frozen_goes_on_where_it_was(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """After SIGSTOP and SIGCONT it reads the pipe's backlog, and does not blame the page for its own pause."""
    assert daemon.process is not None
    before, mark = set(daemon.ours()), daemon.last_event()
    daemon.process.send_signal(signal.SIGSTOP)
    frozen_until = time.monotonic() + 9  # four times the heartbeat's limit
    customers.write("durante", count=200)
    standin.act("wait", **{"for": "drained"})
    wait_long(lambda: time.monotonic() > frozen_until, "the freeze to last long enough")
    daemon.process.send_signal(signal.SIGCONT)
    customers.await_captured()
    customers.nothing_was_lost()
    assert daemon.events(mark, phase="stopping") == []
    assert before <= set(daemon.ours())


@pytest.mark.parametrize("page_ways", [{"reconnect": "opening"}, {"reconnect": "timeout"}], ids=["opening", "timeout"])
def test_a_connection_that_comes_back_needs_no_restart(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The status says that it reconnects, a sweep follows, and the processes stay. With `timeout`, the old way, the
    state TIMEOUT comes before.
    """
    before, mark = daemon.node(), daemon.last_event()
    standin.act("offline")
    daemon.await_events(mark, phase="reconnecting")
    assert daemon.command("status").returncode == 2
    customers.write("durante")
    standin.act("online")
    daemon.await_ready_again(mark)
    customers.nothing_was_lost("connection_lost")
    assert daemon.node() == before


def test_a_database_that_another_program_locks_is_waited_for(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers
) -> None:
    """The status shows the lock; messages are written once it is gone, and the listener keeps running."""
    node = daemon.node()
    with daemon.locked_database():
        customers.write("durante", count=50)
        daemon.await_trouble("database_locked")
        assert "holds the database locked" in daemon.command("status").stdout
    daemon.await_trouble(None)
    customers.nothing_was_lost()
    assert daemon.node() == node
