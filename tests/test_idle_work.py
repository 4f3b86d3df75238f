"""Idle work of the writer that takes turns."""

import pytest

from leadmasterd.store import idle
from leadmasterd.store.idle import InTurn


class Work:
    """Does so many steps; some of them fail. `failing`: how many of the next."""

    def __init__(self, steps: int, failing: int = 0) -> None:
        self.left, self.failing, self.failures = steps, failing, 0

    def step(self) -> bool:
        """One of them."""
        if self.failing:
            self.failing -= 1
            raise ValueError("not now")
        self.left = max(0, self.left - 1)
        return self.left > 0

    def done(self) -> None:
        """Committed."""

    def failed(self, error: Exception) -> None:
        """Rolled back."""
        self.failures += 1


def run(works: InTurn, steps: int = 100) -> bool:
    """As the writer does. Whether it ended."""
    for _ in range(steps):
        try:
            if not works.step():
                return True
        except ValueError as error:
            works.failed(error)
    return False


def test_each_gets_its_steps() -> None:
    """Whichever has more to do."""
    one, other = Work(5), Work(1)
    assert run(InTurn(one, other))
    assert (one.left, other.left) == (0, 0)


def test_what_comes_while_another_has_much_to_do_is_done_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leads may lag for hours, and searches read every message that is not indexed."""
    monkeypatch.setattr(idle, "ASKED_AGAIN_SECONDS", 0.0)
    long, other = Work(1000), Work(1)
    works = InTurn(long, other)
    assert not run(works, 10)
    assert other.left == 0
    other.left = 3
    assert not run(works, 10)
    assert other.left == 0
    assert 980 <= long.left < 1000


@pytest.mark.parametrize("failing", [1, 3])
def test_what_fails_is_tried_again_though_the_others_have_nothing_to_do(failing: int) -> None:
    """A locked database is free a moment later, and leads must not wait for the next message."""
    one, other = Work(2, failing=failing), Work(1)
    assert run(InTurn(one, other))
    assert (one.left, one.failures, other.left) == (0, failing, 0)


def test_what_always_fails_starves_nobody() -> None:
    """Its failures are its own."""
    one, other = Work(1, failing=1000), Work(5)
    assert not run(InTurn(one, other))
    assert (other.left, other.failures) == (0, 0)
    assert one.failures > 40
