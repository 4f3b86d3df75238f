"""The pipe between Node and the daemon damages what comes through it.

One daemon for all tests: its pipe can be told how.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadmasterd.demo.standin import StandIn
from leadmasterd.listener.programs import find_node
from tests.e2e.customers import Customers
from tests.e2e.daemon import DaemonUnderTest, wait_long

pytestmark = pytest.mark.e2e

BAD_PIPE = Path(__file__).resolve().parent.parent / "programs" / "bad_pipe.py"


@pytest.fixture(scope="session")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `node`, which is Node behind tests/programs/bad_pipe.py, and `how`, which tells that what to do."""
    folder = tmp_path_factory.mktemp("pipe")
    node, how = folder / "node", folder / "how"
    how.touch()
    node.write_text(f'#!/bin/sh\nexec {sys.executable} {BAD_PIPE} {how} {find_node("")} "$@"\n')
    node.chmod(0o755)
    return folder


@pytest.fixture
def shared_settings(shared_settings: dict[str, str], pipe: Path) -> dict[str, str]:
    """Settings of the shared daemon, whose Node is behind the pipe."""
    return {**shared_settings, "LEADMASTERD_LISTENER__NODE": str(pipe / "node")}


@pytest.fixture
def how(pipe: Path) -> Iterator[Path]:
    """Where a test writes what the pipe is to do; nothing, after it."""
    yield pipe / "how"
    (pipe / "how").write_text("")


def test_garbage_between_the_lines_is_skipped(daemon: DaemonUnderTest, customers: Customers, how: Path) -> None:
    """A banner, broken UTF-8, half an object, a line of 1.5 MB: each is stored with a reason, and nothing restarts."""
    mark = daemon.last_event()
    how.write_text("garbage")
    customers.write("entre basura", count=100)
    customers.await_captured()
    customers.nothing_was_lost()
    assert daemon.events(mark, phase="stopping") == []
    assert daemon.query("SELECT count(*) AS n FROM raw_events WHERE problem IS NOT NULL")[0]["n"] > 50


def test_lines_that_were_torn_are_swept(
    daemon: DaemonUnderTest, standin: StandIn, customers: Customers, how: Path
) -> None:
    """One message of three arrives as half a line. The sequence gap triggers sweeps until all are there."""
    before = (daemon.status.get("counters") or {}).get("missing_lines") or 0
    how.write_text("torn")
    customers.write("a medias", count=30)
    customers.await_captured()

    def missing() -> int:
        return (daemon.status.get("counters") or {}).get("missing_lines") or 0

    wait_long(lambda: missing() > before, "the missing lines in the status")
    assert daemon.status["phase"] == "ready"
    assert standin.state()["sent"] == []


def test_node_killed_in_the_middle_of_a_line_loses_nothing(
    daemon: DaemonUnderTest, customers: Customers, how: Path
) -> None:
    """The half line is stored as malformed; the message comes after the restart."""
    mark = daemon.last_event()
    how.write_text("cut")
    customers.write("cortado")
    daemon.await_events(mark, code="child_died", phase="stopping")
    daemon.await_ready_again(mark)
    customers.nothing_was_lost("child_died")
    assert daemon.query("SELECT 1 FROM raw_events WHERE problem LIKE '%cut short%'")
