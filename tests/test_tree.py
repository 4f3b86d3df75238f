"""Finding the listener's processes by marker and by descent, and no others."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from leadmasterd.listener import tree
from tests.processes import adopting_orphans
from tests.waiting import LIMIT, until_true

SLEEP = "import time; time.sleep(1000)"
OURS = f"lm-ours-{os.getpid()}"
"""Unique to this run, since another run of these tests may be active."""
NESTED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"


class Started:
    """The processes of one test."""

    def __init__(self) -> None:
        self.all: list[subprocess.Popen[bytes]] = []
        self.others: list[psutil.Process] = []
        """Their children that outlive them."""

    def start(self, *arguments: str, code: str = SLEEP) -> psutil.Process:
        """Start a Python process with these arguments in its own session."""
        process = subprocess.Popen([sys.executable, "-c", code, *arguments], start_new_session=True)
        self.all.append(process)
        return psutil.Process(process.pid)


@pytest.fixture
def started() -> Iterator[Started]:
    """Processes that are all ended after the test."""
    mine = Started()
    yield mine
    tree.signal_all(mine.others, signal.SIGKILL)
    for process in mine.all:
        with contextlib.suppress(psutil.NoSuchProcess):
            tree.signal_all(psutil.Process(process.pid).children(recursive=True), signal.SIGKILL)
        process.kill()
        process.wait(LIMIT)


def test_the_marker_names_one_state_directory_in_every_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same after a restart and differs for every other directory."""
    (tmp_path / "link").symlink_to(tmp_path / "state")
    monkeypatch.chdir(tmp_path)
    marker = tree.marker_of(tmp_path / "state")
    assert marker == tree.marker_of(Path("state")) == tree.marker_of(tmp_path / "other" / ".." / "link")
    assert marker != tree.marker_of(tmp_path / "state2")
    assert marker.startswith("lm-")
    assert marker.isascii()


@pytest.mark.parametrize("argument", [f"--instance={OURS}", f"--leadmasterd-instance={OURS}"], ids=["node", "browser"])
def test_marked_processes_and_their_children_are_ours(started: Started, argument: str) -> None:
    """Their parent does not matter."""
    marked = started.start(argument, code=NESTED)
    until_true(lambda: marked.children())
    found = {process.pid for process in tree.find_ours(OURS)}
    assert found == {marked.pid, marked.children()[0].pid}


def test_a_browser_that_its_node_has_left_is_ours_beside_the_next_node(started: Started) -> None:
    """Each is found by its own marker, with what runs below it."""
    left = started.start(f"--leadmasterd-instance={OURS}", code=NESTED)
    node = started.start(f"--instance={OURS}", code=NESTED)
    until_true(lambda: left.children() and node.children())
    found = {process.pid for process in tree.find_ours(OURS)}
    assert found == {left.pid, left.children()[0].pid, node.pid, node.children()[0].pid}


@pytest.mark.parametrize("argument", ["--instance={}2", "x--instance={}", "{}", "--instance=lm-"])
def test_processes_of_another_marker_are_not_ours(started: Started, argument: str) -> None:
    """A longer name is a different marker."""
    started.start(argument.format(OURS))
    assert tree.find_ours(OURS) == []


def test_our_own_children_count_only_since_the_child_was_made(started: Started) -> None:
    """Processes we started earlier have another purpose."""
    before = started.start()
    marked = started.start(f"--instance={OURS}")
    after = started.start()
    until_true(lambda: after.create_time() >= marked.create_time())
    found = {process.pid for process in tree.find_ours(OURS, since=marked.create_time())}
    assert after.pid in found
    assert marked.pid in found
    if before.create_time() < marked.create_time():
        assert before.pid not in found
    assert os.getpid() not in found


def test_a_child_that_is_not_the_listeners_is_left_alone(started: Started) -> None:
    """Nor its descendants: training and feeds outlive a restart of the listener."""
    marked = started.start(f"--instance={OURS}")
    other = started.start(code=NESTED)
    until_true(lambda: other.children())
    [orphan] = other.children()
    started.others.append(orphan)
    theirs = {other.pid, orphan.pid}
    assert theirs <= {process.pid for process in tree.find_ours(OURS, since=0)}
    with tree.not_the_listeners(other.pid):
        found = {process.pid for process in tree.find_ours(OURS, since=0)}
        assert not theirs & found
        assert marked.pid in found
        other.kill()
        until_true(lambda: other.status() == psutil.STATUS_ZOMBIE)
        tree.reap_orphans(frozenset())
        assert started.all[1].wait(LIMIT) == -signal.SIGKILL, "whoever started it learns how it ended"
    assert other.pid not in tree._others


def test_the_dead_are_not_found(started: Started) -> None:
    """A zombie counts as dead."""
    marked = started.start(f"--instance={OURS}")
    marked.kill()
    until_true(lambda: marked.status() == psutil.STATUS_ZOMBIE)
    assert marked not in tree.find_ours(OURS, since=0)  # others may have been forked for tests before this one


def test_signalling_the_gone_is_as_good(started: Started) -> None:
    """The process is gone, as wanted."""
    gone = started.start()
    living = started.start()
    gone.kill()
    started.all[0].wait(LIMIT)
    tree.signal_all([gone, living], signal.SIGKILL)
    assert started.all[1].wait(LIMIT) == -signal.SIGKILL


def test_orphans_come_to_us_and_are_reaped_by_their_pid() -> None:
    """A child that other code waits for is left to it."""
    with adopting_orphans():
        mine = subprocess.Popen([sys.executable, "-c", "pass"])
        leaver = "import os\npid = os.fork()\nif pid == 0: os._exit(0)\nprint(pid)"
        orphan = int(subprocess.run([sys.executable, "-c", leaver], stdout=subprocess.PIPE, check=True).stdout)
        until_true(lambda: psutil.Process(mine.pid).status() == psutil.STATUS_ZOMBIE)
        until_true(lambda: not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE)
        tree.reap_orphans(frozenset({mine.pid}))
        assert not psutil.pid_exists(orphan)
        assert mine.wait(LIMIT) == 0
