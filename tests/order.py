"""The order of tests: some workers wait for real processes while the others compute, from first to last."""

from collections.abc import Sequence
from itertools import islice
from typing import Final, TypeVar

import pytest

from tests.depth import DEEP

_WAITING: Final = frozenset({"chaos", "e2e", "shared_daemon", "systemd"})
"""Folders of tests that wait for real processes half of their time."""
Test = TypeVar("Test")


def in_order(tests: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """All of them, each once, for so many workers.

    A deep run begins with what waits for minutes, for a package registry.
    """
    long = [test for test in tests if test.get_closest_marker("long")]
    waiting = [test for test in tests if test.path.parent.name in _WAITING and test not in long]
    computing = [test for test in tests if test.path.parent.name not in _WAITING and test not in long]
    if DEEP:
        waiting.sort(key=lambda test: test.path.name != "test_install.py")
    return dealt(long, waiting, computing, workers=workers)


def dealt(long: Sequence[Test], waiting: Sequence[Test], computing: Sequence[Test], *, workers: int) -> list[Test]:
    """All of them, each once, so that of so many workers the first, the third and so on begin with those that wait.

    pytest-xdist deals out a list in parts of the same length, in its order; a worker that has done its own part takes
    over the end of another's. So what computes is left to the end, and nobody waits then for one `long` test.
    """
    beginners = (workers + 1) // 2
    total = len(long) + len(waiting) + len(computing)
    rest = iter(computing)
    ordered: list[Test] = []
    for worker in range(workers):
        length = (total - len(ordered)) // (workers - worker)
        number, computes = divmod(worker, 2)
        share: list[Test] = []
        if not computes:
            first, end = (len(waiting) * part // beginners for part in (number, number + 1))
            share = [*long[number::beginners], *waiting[first:end]]
        ordered += share
        ordered += islice(rest, max(0, length - len(share)))
    return ordered
