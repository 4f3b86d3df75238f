"""What several open pages ask for at once is made once, and never older than what they were told of."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from leadmasterd.web import shared
from leadmasterd.web.shared import Shared


def test_pages_that_ask_at_once_are_answered_with_one() -> None:
    """The first makes it, and the others wait for it."""
    answers, all_here, may_end = Shared(), Barrier(5), Event()
    made: list[int] = []

    def make() -> bytes:
        made.append(len(made))
        assert may_end.wait(10)
        return b"the list"

    def ask() -> bytes:
        all_here.wait(10)
        return answers.get("list", 1, make)

    with ThreadPoolExecutor(5) as pool:
        asking = [pool.submit(ask) for _ in range(5)]
        may_end.set()
        assert [each.result(10) for each in asking] == [b"the list"] * 5
    assert made == [0]


def test_what_was_told_since_is_in_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """And times that are shown grow old without anything told."""
    answers = Shared()
    assert answers.get("list", 1, lambda: b"one") == b"one"
    assert answers.get("list", 1, lambda: b"two") == b"one"
    assert answers.get("list", 2, lambda: b"two") == b"two"
    assert answers.get("other", 2, lambda: b"three") == b"three"
    monkeypatch.setattr(shared, "_LONGEST", 0.0)
    assert answers.get("list", 2, lambda: b"four") == b"four"


def test_a_failure_is_told_to_who_asked_and_not_kept() -> None:
    """The next one tries again."""
    answers = Shared()

    def fails() -> bytes:
        raise LookupError

    with pytest.raises(LookupError):
        answers.get("list", 1, fails)
    assert answers.get("list", 1, lambda: b"one") == b"one"


def test_only_so_many_answers_are_kept() -> None:
    """The oldest goes."""
    answers = Shared()
    for number in range(1_000):
        answers.get(number, 1, lambda: b"x" * 1_000)
    assert answers.get(999, 1, lambda: b"anew") == b"x" * 1_000
    assert answers.get(0, 1, lambda: b"anew") == b"anew"
