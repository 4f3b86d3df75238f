"""Tests are dealt out so that waiting and computing overlap, and none is lost or run twice."""

from itertools import chain, product
from types import SimpleNamespace
from typing import Any, cast

import pytest
from xdist.scheduler.worksteal import WorkStealingScheduling

from tests.order import dealt, in_order

MIXES = [*product((0, 1, 5), (0, 1, 2, 41), (0, 1, 3, 60, 301))]


class _Worker:
    """What xdist knows of a worker: what it was told to run."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.shutting_down = False
        self.told: list[int] = []

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.told += numbers

    def shutdown(self) -> None:
        self.shutting_down = True


def parts_of(tests: list[str], workers: int) -> list[list[str]]:
    """What pytest-xdist gives to each of so many workers at first."""
    config = SimpleNamespace(getvalue={"tx": [f"{workers}*popen"]}.get, option=None)
    scheduler = WorkStealingScheduling(cast(Any, config))
    started = [_Worker(number) for number in range(workers)]
    for worker in started:
        scheduler.add_node(cast(Any, worker))
    for worker in started:
        scheduler.add_node_collection(cast(Any, worker), tests)
    scheduler.schedule()
    return [[tests[number] for number in worker.told] for worker in started]


def made(long: int, waiting: int, computing: int) -> tuple[list[str], list[str], list[str]]:
    """Names of so many tests that wait for long, that wait, and that compute."""
    return (
        [f"long {n}" for n in range(long)],
        [f"waits {n}" for n in range(waiting)],
        [f"{n}" for n in range(computing)],
    )


@pytest.mark.parametrize("workers", range(1, 10))
def test_each_test_is_dealt_out_once_whatever_the_mix(workers: int) -> None:
    """None is lost and none runs twice; those that share what a file or a run makes keep their order."""
    for mix in MIXES:
        long, waiting, computing = made(*mix)
        ordered = dealt(long, waiting, computing, workers=workers)
        assert [name for name in ordered if name.startswith("waits")] == waiting, mix
        assert [name for name in ordered if name.isdigit()] == computing, mix
        assert sorted(ordered) == sorted(long + waiting + computing), mix
        assert [*chain(*parts_of(ordered, workers))] == ordered, mix


@pytest.mark.parametrize("workers", range(1, 10))
def test_every_second_worker_begins_with_tests_that_wait(workers: int) -> None:
    """The longest first; the others compute meanwhile."""
    for total in range(500, 500 + workers):
        parts = parts_of(dealt(*made(9, 90, total), workers=workers), workers)
        assert all(part[0].isdigit() == bool(number % 2) for number, part in enumerate(parts))
        assert not any(name.startswith("waits") for part in parts[1::2] for name in part)
        for kind in ("long", "waits"):
            numbers = [sum(name.startswith(kind) for name in part) for part in parts[::2]]
            assert max(numbers) - min(numbers) <= 1
        assert all(sorted(part, key=lambda name: (name.isdigit(), name[0] != "l")) == part for part in parts)


def test_each_test_of_this_run_is_dealt_out_once(request: pytest.FixtureRequest) -> None:
    """As pytest collected them, for however many workers."""
    items = request.session.items
    collected = sorted({item.nodeid for item in items})
    for workers in range(1, 10):
        assert sorted(item.nodeid for item in in_order(items, workers)) == collected
