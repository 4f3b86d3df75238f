"""Set-up for all tests."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.depth import DEEP, examples

# A slow machine is no failure; a found example is. With a fixed seed there is nothing to store.
settings.register_profile(
    "leadmasterd",
    max_examples=examples(100),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not DEEP,
    print_blob=DEEP,
)
settings.load_profile("leadmasterd")

# A script that starts the tests with `&` makes them ignore Ctrl-C, and so would every command that they stop with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits for minutes, for a package registry: at the end the other workers would wait for it."""
    if DEEP:
        items.sort(key=lambda item: item.path.name != "test_install.py")
