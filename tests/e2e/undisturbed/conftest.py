"""One paired daemon and its stand-in for all tests that break nothing: pairing a new browser takes seconds each time.

Each test has customers of its own, and `daemon.query` shows only the rows that are new since the test began.
"""

from collections.abc import Iterator

import pytest

from leadmasterd.demo.standin import StandIn
from tests.e2e.conftest import DaemonUnderTest, new_standin

_customers = iter(range(5491155560000, 5491155570000, 100))


@pytest.fixture(scope="session", params=["dollar"])
def standin(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    """A stand-in with the key shape of today's WhatsApp Web, unless a test asks for another."""
    with new_standin(str(request.param)) as started:
        yield started


@pytest.fixture(scope="session")
def paired(standin: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonUnderTest]:
    """A daemon that is linked and ready, for many tests."""
    daemon = DaemonUnderTest(tmp_path_factory.mktemp("undisturbed") / "state", standin, {})
    daemon.start()
    try:
        daemon.pair()
        yield daemon
    finally:
        daemon.end()


@pytest.fixture
def daemon(paired: DaemonUnderTest) -> Iterator[DaemonUnderTest]:
    """The same one, as if nothing had been captured before."""
    paired.begin_test()
    yield paired
    paired.show_log()


@pytest.fixture
def ana() -> str:
    """A phone that no other test uses; the 99 after it are free too."""
    return str(next(_customers))
