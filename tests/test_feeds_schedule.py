"""When an event is tried again: the table of Standard Webhooks 1.0.0, Retry-After within it, and the circuit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadmasterd.feeds.schedule import (
    FAILURES_TO_OPEN,
    FIRST_PAUSE,
    LONGEST_ASKED_PAUSE,
    LONGEST_PAUSE,
    LONGEST_WAIT,
    TRIES,
    Circuit,
    Outage,
    Outcome,
    Result,
    of_status,
    seconds_of,
    wait_after,
)

AGAIN = Outcome(Result.AGAIN, "HTTP 500")
YEAR = 365 * 86400.0
MIDDLE = 0.5
"""The chance that changes nothing."""

STATUSES = [
    (200, Result.DELIVERED),
    (201, Result.DELIVERED),
    (204, Result.DELIVERED),
    (299, Result.DELIVERED),
    (199, Result.AGAIN),
    (300, Result.AGAIN),
    (301, Result.AGAIN),
    (304, Result.AGAIN),
    (400, Result.AGAIN),
    (401, Result.AGAIN),
    (404, Result.AGAIN),
    (410, Result.DISABLE),
    (413, Result.AGAIN),
    (429, Result.THROTTLED),
    (500, Result.AGAIN),
    (502, Result.THROTTLED),
    (503, Result.AGAIN),
    (504, Result.THROTTLED),
]


@pytest.mark.parametrize(("status", "result"), STATUSES)
def test_only_2xx_is_success(status: int, result: Result) -> None:
    """A redirect is a failure, 410 disables, and three statuses throttle."""
    assert of_status(status, None).result is result


def test_the_waits_are_those_of_standard_webhooks() -> None:
    """The first try is made at once; after the tenth failure the event is given up."""
    hour = 3600
    waits = [wait_after(tries, AGAIN, MIDDLE) for tries in range(1, TRIES + 1)]
    assert waits == [5, 300, 1800, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour, None]


@given(st.integers(1, TRIES - 1), st.floats(0, 1, exclude_max=True), st.floats(0, YEAR * 100) | st.none())
def test_a_wait_is_never_shorter_than_planned_nor_longer_than_the_longest(
    tries: int, chance: float, retry_after: float | None
) -> None:
    """Jitter is a tenth. Retry-After only lengthens, and a year is capped."""
    planned = wait_after(tries, AGAIN, MIDDLE)
    wait = wait_after(tries, Outcome(Result.THROTTLED, "", retry_after), chance)
    assert planned is not None
    assert wait is not None
    assert planned * 0.9 <= wait <= LONGEST_WAIT
    if retry_after is None:
        assert wait <= planned * 1.1
    else:
        assert wait >= min(retry_after, LONGEST_WAIT)


@given(st.integers(1, 100))
def test_what_can_never_be_delivered_is_given_up_at_once(tries: int) -> None:
    """Another try would only delay the conversation."""
    assert wait_after(tries, Outcome(Result.IMPOSSIBLE), MIDDLE) is None


RETRY_AFTER = [
    ("120", 120.0),
    (" 120 ", 120.0),
    ("31536000", YEAR),
    ("9" * 400, 1e15),
    ("Mon, 23 Nov 2026 12:02:00 GMT", 120.0),
    ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
    ("-5", None),
    ("soon", None),
    ("", None),
    ("١٢", None),
    ("Mon, 99 Nov 2026 12:02:00 GMT", None),
    (None, None),
]


@pytest.mark.parametrize(("header", "seconds"), RETRY_AFTER)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """What is neither says nothing."""
    assert seconds_of(header, 1795435200.0) == seconds


@given(st.text(max_size=40))
def test_no_retry_after_breaks_anything(header: str) -> None:
    """Receivers write what they like."""
    seconds = seconds_of(header, 1795435200.0)
    assert seconds is None or seconds >= 0


def opened(failures: int = FAILURES_TO_OPEN, outcome: Outcome = AGAIN) -> Circuit:
    """A circuit after some failures at 0."""
    circuit = Circuit()
    for _each in range(failures):
        circuit.failed(outcome, 0.0)
    return circuit


def test_a_circuit_opens_after_failures_in_a_row() -> None:
    """Not one earlier, and a success between begins the count anew."""
    circuit = opened(FAILURES_TO_OPEN - 1)
    assert circuit.may_try(0)
    assert not circuit.succeeded(0)
    circuit.failed(AGAIN, 0)
    assert circuit.may_try(0)
    circuit = opened()
    assert not circuit.may_try(FIRST_PAUSE - 1)
    assert circuit.may_try(FIRST_PAUSE)


def test_a_probe_that_fails_doubles_the_pause_up_to_ten_minutes() -> None:
    """A receiver that comes back is noticed within that."""
    circuit, now, pauses = opened(), 0.0, []
    for _each in range(8):
        assert circuit.open_until is not None
        pauses.append(circuit.open_until - now)
        now = circuit.open_until
        circuit.failed(AGAIN, now)
    assert pauses == [30, 60, 120, 240, 480, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    assert circuit.open_until is not None
    assert circuit.succeeded(circuit.open_until)
    assert circuit.may_try(now)
    assert not circuit.probing


def test_what_was_under_way_when_it_opened_does_not_lengthen_the_pause() -> None:
    """Eight tries that fail at once are one sign."""
    circuit = opened(FAILURES_TO_OPEN + 8)
    assert circuit.open_until == FIRST_PAUSE


@pytest.mark.parametrize(
    ("asked", "pause"), [(None, FIRST_PAUSE), (5, FIRST_PAUSE), (120, 120), (YEAR, LONGEST_ASKED_PAUSE)]
)
def test_a_throttle_pauses_at_once_for_as_long_as_it_asks(asked: float | None, pause: float) -> None:
    """At most for an hour, so that a mistaken year does not silence the feed."""
    assert opened(1, Outcome(Result.THROTTLED, "HTTP 429", asked)).open_until == pause


def test_a_success_within_the_pause_that_was_asked_for_does_not_end_it() -> None:
    """It was under way before."""
    circuit = opened(1, Outcome(Result.THROTTLED, "HTTP 429", 120))
    assert not circuit.succeeded(1)
    assert not circuit.may_try(119)
    assert circuit.succeeded(120)


# ---------------------------------------------------------------------- nothing delivered for hours


def test_an_outage_counts_from_the_first_failure_to_the_first_delivery() -> None:
    """Whole hours; later failures change nothing, and the next outage begins anew."""
    outage = Outage()
    assert outage.hours(0) == 0
    outage.failed(100)
    outage.failed(3000)
    assert [outage.hours(now) for now in (100, 3699, 3700, 7300)] == [0, 0, 1, 2]
    outage.succeeded()
    assert outage.hours(10_000) == 0
    outage.failed(10_000)
    assert [outage.hours(now) for now in (13_599, 13_600)] == [0, 1]


def test_a_pause_by_a_person_is_no_outage() -> None:
    """It counts again from its end, if it counted before."""
    outage = Outage()
    outage.count_again(50)
    assert outage.hours(10_000) == 0
    outage.failed(100)
    outage.count_again(5000)
    assert [outage.hours(now) for now in (8599, 8600)] == [0, 1]


def test_the_hours_of_a_trial_are_as_short_as_its_waits() -> None:
    """One divisor for all."""
    outage = Outage(1000)
    outage.failed(0)
    assert [outage.hours(now) for now in (3.5, 3.6)] == [0, 1]
