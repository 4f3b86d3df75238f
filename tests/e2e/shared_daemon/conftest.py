"""One paired daemon and stand-in, shared by tests that leave the same processes ready.

Pairing a new browser takes seconds, so these tests share one. Each has its own customers, and `daemon.query` shows only
rows that are new since the test began. A daemon broken by a failed test is replaced.
"""

from collections.abc import Iterator
from typing import Final

import psutil
import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.daemon import DaemonUnderTest, new_standin

_phones = iter(range(5491155560000, 5491155570000, 100))

_SETTINGS: Final = {"LEADMASTERD_SUPERVISOR__HEARTBEAT_TIMEOUT": "45"}
"""Before it is divided. No test here breaks the page, and other tests may starve it for more than a second."""


@pytest.fixture(scope="session", params=["dollar"])
def standin(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    """A stand-in with today's shape of message keys; a test may choose another."""
    with new_standin(str(request.param)) as started:
        yield started


class SharedDaemon:
    """The daemon that tests share, replaced when it is broken."""

    def __init__(self, standin: StandIn, tmp_path_factory: pytest.TempPathFactory) -> None:
        self._standin = standin
        self._folders = tmp_path_factory
        self._daemon: DaemonUnderTest | None = None
        self._processes: set[psutil.Process] = set()

    def get(self) -> DaemonUnderTest:
        """A ready daemon with the same processes as at its start."""
        if self._daemon is not None and self._is_whole(self._daemon):
            return self._daemon
        self.end()
        daemon = DaemonUnderTest(self._folders.mktemp("shared") / "state", self._standin, _SETTINGS)
        self._daemon = daemon
        daemon.start()
        daemon.pair()
        self._processes = {daemon.node(), daemon.browser()}
        return daemon

    def _is_whole(self, daemon: DaemonUnderTest) -> bool:
        return daemon.status["phase"] == "ready" and self._processes <= set(daemon.ours())

    def end(self) -> None:
        """End every process."""
        if self._daemon is not None:
            self._daemon.end()


@pytest.fixture(scope="session")
def shared(standin: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedDaemon]:
    """The daemon for many tests."""
    daemon = SharedDaemon(standin, tmp_path_factory)
    try:
        yield daemon
    finally:
        daemon.end()


@pytest.fixture
def daemon(shared: SharedDaemon) -> Iterator[DaemonUnderTest]:
    """A linked and ready daemon that seems to have captured nothing yet."""
    ready = shared.get()
    ready.begin_test()
    yield ready
    ready.show_log()


@pytest.fixture
def ana() -> str:
    """A phone that no other test uses; the 99 after it are free too."""
    return str(next(_phones))
