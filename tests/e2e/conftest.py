"""Fixtures of the end-to-end tests: a stand-in, a linked and ready daemon, and customers who have written.

A first start with its scan takes seconds of processor time. So `daemon` and its stand-in are shared by all tests that
leave the daemon linked and ready: what a test kills, the daemon brings back, and that is what most of them are about.
Each test sees only rows that are new since it began. A daemon that is broken after a test, or whose test failed, is
replaced with its stand-in.
A test that changes what cannot be changed back (the link, the profile, snapshots, settings) takes `own_daemon` or
`make_daemon`, and then its stand-in is its own too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.customers import Customers
from tests.e2e.daemon import ROTATION, DaemonUnderTest, new_standin

Ways = dict[str, object]
"""Values of ways by name, as node_listener/standin/README.md lists them."""

_SETTINGS: Final = {
    # So many failures in a row are not forgiven. Divided: at most two seconds until the next start.
    "LEADMASTERD_SUPERVISOR__BACKOFF_MAX": "40",
}


class MakeDaemon(Protocol):
    """Makes a daemon with these settings (as environment variables), without starting it."""

    def __call__(self, **settings: str) -> DaemonUnderTest: ...


@dataclass
class Pair:
    """A stand-in, and the daemon on it once a test has asked for one."""

    key: tuple[str, dict[str, str]]
    standin: StandIn
    daemon: DaemonUnderTest | None = None

    def end(self) -> None:
        """End every process."""
        if self.daemon is not None:
            self.daemon.end()
        self.standin.__exit__(None, None, None)


class Shared:
    """The stand-in and the daemon that tests share."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._pair: Pair | None = None

    def standin(self, shape: str, settings: dict[str, str]) -> StandIn:
        """A stand-in for a daemon with these settings; the last one, if nothing is wrong with its daemon."""
        pair = self._pair
        if pair is None or pair.key != (shape, settings) or (pair.daemon and not pair.daemon.is_whole()):
            self.end()
            pair = self._pair = Pair((shape, settings), new_standin(shape).__enter__())
        return pair.standin

    def daemon(self) -> DaemonUnderTest:
        """The daemon on that stand-in, linked and ready. It seems to have captured nothing yet."""
        assert self._pair is not None
        if self._pair.daemon is None:
            state_dir = self._folders.mktemp("shared") / "state"
            self._pair.daemon = DaemonUnderTest(state_dir, self._pair.standin, self._pair.key[1])
            self._pair.daemon.start()
            self._pair.daemon.pair()
        self._pair.daemon.begin_test()
        return self._pair.daemon

    def end(self) -> None:
        """End every process."""
        if self._pair is not None:
            self._pair.end()
            self._pair = None


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """What the tests of this process share."""
    started = Shared(tmp_path_factory)
    yield started
    started.end()


@pytest.fixture(scope="session", params=["dollar"])
def shape(request: pytest.FixtureRequest) -> str:
    """The shape of message keys: today's, or what a test chooses. Of session scope, so that pytest groups by it."""
    return str(request.param)


@pytest.fixture
def shared_settings() -> dict[str, str]:
    """Settings of the shared daemon."""
    return _SETTINGS


@pytest.fixture
def rotation() -> tuple[str, ...]:
    """Options of a stand-in of the test's own: how long it shows each code, and what a test chooses."""
    return ROTATION


@pytest.fixture
def page_ways() -> Ways:
    """Ways of the page during the test, which a test may choose."""
    return {}


@pytest.fixture
def standin(
    request: pytest.FixtureRequest,
    shape: str,
    rotation: tuple[str, ...],
    shared_settings: dict[str, str],
    page_ways: Ways,
) -> Iterator[StandIn]:
    """The shared stand-in, or one of the test's own if it has a daemon of its own."""
    if "daemon" in request.fixturenames:
        assert rotation == ROTATION, "a test with options of its own takes own_daemon"
        shared: Shared = request.getfixturevalue("shared")
        started = shared.standin(shape, shared_settings)
        before = {name: value for name, value in started.state()["ways"].items() if name in page_ways}
        started.act("ways", **page_ways)
        failed = request.session.testsfailed
        yield started
        if request.session.testsfailed > failed:
            shared.end()
        else:
            started.act("ways", **before)
    else:
        assert not page_ways, "a stand-in of the test's own takes them as options"
        with new_standin(shape, rotation) as started:
            yield started


@pytest.fixture
def make_daemon(tmp_path: Path, standin: StandIn) -> Iterator[MakeDaemon]:
    """Makes a daemon; at the end it is stopped, and its log is shown if the test failed."""
    made: list[DaemonUnderTest] = []

    def make(**settings: str) -> DaemonUnderTest:
        daemon = DaemonUnderTest(tmp_path / "state", standin, settings)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.end()
        daemon.show_log()


@pytest.fixture
def own_daemon(make_daemon: MakeDaemon) -> DaemonUnderTest:
    """A daemon of the test's own, linked and ready."""
    started = make_daemon()
    started.start()
    started.pair()
    return started


@pytest.fixture
def daemon(standin: StandIn, shared: Shared) -> Iterator[DaemonUnderTest]:
    """The shared daemon, linked and ready; it seems to have captured nothing yet."""
    ready = shared.daemon()
    yield ready
    ready.show_log()


@pytest.fixture
def customers(request: pytest.FixtureRequest, standin: StandIn) -> Customers:
    """Customers whose first messages were captured; the first sweep is over."""
    name = "daemon" if "daemon" in request.fixturenames else "own_daemon"
    return Customers.who_wrote(request.getfixturevalue(name), standin)
