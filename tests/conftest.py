"""Set-up for all tests."""

import fcntl
import gc
import logging
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import sqlite_utils
from hypothesis import HealthCheck, settings

from leadmasterd.text import speak
from tests.depth import DEEP, examples
from tests.order import in_order

# A slow machine is no failure; a found example is. With a fixed seed there is nothing to store.
settings.register_profile(
    "leadmasterd",
    max_examples=examples(50),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not DEEP,
    print_blob=DEEP,
)
settings.load_profile("leadmasterd")

# Where it is loaded, a new database is made without a process of its own.
assert sqlite_utils

# A script that starts the tests with `&` makes them ignore Ctrl-C, and so would every command that they stop with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Tests compare English, whatever this machine speaks. The characters of a terminal are another matter.
for name in ("LC_ALL", "LC_MESSAGES"):
    os.environ.pop(name, None)
os.environ |= {"LANG": "en_US.UTF-8", "LC_CTYPE": "C.UTF-8"}


# What collecting makes lives until the end, and nothing of it is garbage. What tests make is looked through less often
# than usual.
gc.disable()
gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let one worker collect before the others: in a fresh clone each would compile all tests, which takes longer than
    collecting them.
    """
    folder = os.open(Path(__file__).parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(folder, fcntl.LOCK_SH)
        return (yield)
    finally:
        os.close(folder)
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What was run within a test may have chosen another language, umask or log for the whole process."""
    umask = os.umask(0o077)
    os.umask(umask)
    log = logging.getLogger("leadmasterd")
    handlers, level, propagates = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:] = handlers
    log.setLevel(level)
    log.propagate = propagates
    os.umask(umask)
    speak("en")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests that wait and tests that compute run side by side."""
    items[:] = in_order(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
