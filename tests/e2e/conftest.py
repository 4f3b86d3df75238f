"""Fixtures of the end-to-end tests: a stand-in, a linked and ready daemon, and customers who have written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.customers import Customers
from tests.e2e.daemon import ROTATION, DaemonUnderTest, new_standin


class MakeDaemon(Protocol):
    """Makes a daemon with these settings (as environment variables), without starting it."""

    def __call__(self, **settings: str) -> DaemonUnderTest: ...


@pytest.fixture
def rotation() -> tuple[str, ...]:
    """How long the stand-in shows each code; a test may choose another."""
    return ROTATION


@pytest.fixture(params=["dollar"])
def standin(request: pytest.FixtureRequest, rotation: tuple[str, ...]) -> Iterator[StandIn]:
    """A stand-in with today's shape of message keys; a test may choose another."""
    with new_standin(str(request.param), rotation) as started:
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
def daemon(make_daemon: MakeDaemon) -> DaemonUnderTest:
    """A daemon that is linked and ready."""
    started = make_daemon()
    started.start()
    started.pair()
    return started


@pytest.fixture
def customers(daemon: DaemonUnderTest, standin: StandIn) -> Customers:
    """Customers whose first messages were captured; the first sweep is over."""
    return Customers.who_wrote(daemon, standin)
