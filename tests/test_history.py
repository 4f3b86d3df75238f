"""`history` on a real database with known events."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadmasterd.queries.history import read, recovered
from leadmasterd.store.database import open_for_writing

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Linked at 10:00, a recovered gap of 6 minutes, an open one of 12, and a pause before them."""
    with closing(open_for_writing(tmp_path / "leadmaster.db")) as connection:
        connection.execute(
            "INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES "
            "('5491155550100@c.us', '2026-11-23T10:00:00.000Z', '2026-11-23T11:48:00.000Z')"
        )
        connection.executemany(
            "INSERT INTO gaps (account_id, from_at, to_at, cause, closed_at, recovered, chats) "
            "VALUES (1, ?, ?, ?, ?, ?, ?)",
            [
                (
                    "2026-11-23T10:30:00.000Z",
                    "2026-11-23T10:36:00.000Z",
                    "child_died",
                    "2026-11-23T10:37:00.000Z",
                    4,
                    2,
                ),
                ("2026-11-23T11:48:00.000Z", None, "heartbeat_lost", None, 0, 0),
            ],
        )
        connection.executemany(
            "INSERT INTO session_events (at, phase, code, value_json) VALUES (?, ?, ?, ?)",
            [
                ("2026-11-23T10:00:00.000Z", "ready", "ready", "{}"),
                ("2026-11-23T10:30:00.000Z", "stopping", "child_died", json.dumps({"bye": "browser_gone"})),
                ("2026-11-23T10:36:00.000Z", "ready", "ready", "{}"),
                ("2026-11-23T11:48:00.000Z", "stopping", "heartbeat_lost", "{}"),
                ("2026-11-23T11:50:00.000Z", "stopping", "asked_to_stop", "{}"),
            ],
        )
        yield connection


def test_uptime_counts_from_the_first_link_and_open_gaps_until_now(ledger: sqlite3.Connection) -> None:
    """Of the two hours since the link, eighteen minutes had no live path."""
    history = read(ledger, since=datetime(2026, 11, 1, tzinfo=UTC), now=NOW, limit=50)
    assert history.since == "2026-11-23T10:00:00.000Z"
    assert history.uptime == pytest.approx(1 - 18 / 120)


def test_a_window_cuts_the_gaps_that_reach_into_it(ledger: sqlite3.Connection) -> None:
    """Of a gap that began earlier, only the part inside the window counts."""
    history = read(ledger, since=datetime(2026, 11, 23, 10, 33, tzinfo=UTC), now=NOW, limit=50)
    assert history.uptime == pytest.approx(1 - (3 + 12) / 87)
    assert [gap.cause for gap in history.gaps] == ["child_died", "heartbeat_lost"]


def test_restarts_are_counted_by_reason_and_a_stop_by_a_person_is_none(ledger: sqlite3.Connection) -> None:
    """Only failures and planned restarts count."""
    history = read(ledger, since=datetime(2026, 11, 1, tzinfo=UTC), now=NOW, limit=50)
    assert history.restarts == {"browser_gone": 1, "heartbeat_lost": 1}


def test_time_to_recovery_speaks_of_gaps_that_are_over(ledger: sqlite3.Connection) -> None:
    """It is six minutes, since the other gap is still open."""
    history = read(ledger, since=datetime(2026, 11, 1, tzinfo=UTC), now=NOW, limit=50)
    assert (history.recovery_median, history.recovery_max) == (360.0, 360.0)


def test_the_newest_events_are_kept_when_there_are_more(ledger: sqlite3.Connection) -> None:
    """They are still listed oldest first."""
    history = read(ledger, since=datetime(2026, 11, 1, tzinfo=UTC), now=NOW, limit=2)
    assert [event.code for event in history.events] == ["heartbeat_lost", "asked_to_stop"]


def test_a_message_is_shown_as_recovered_of_one_gap_only(ledger: sqlite3.Connection) -> None:
    """Each sweep counts for every gap that is open, so the numbers of gaps that one sweep closed hold the same ones."""
    closed = "2026-11-23T11:31:00.000Z"
    ledger.executemany(
        "INSERT INTO gaps (account_id, from_at, to_at, cause, closed_at, recovered) VALUES (1, ?, ?, 'deaf', ?, ?)",
        [
            ("2026-11-23T11:00:00.000Z", "2026-11-23T11:01:00.000Z", closed, 11),
            ("2026-11-23T11:20:00.000Z", "2026-11-23T11:21:00.000Z", closed, 6),
            ("2026-11-23T11:30:00.000Z", "2026-11-23T11:30:30.000Z", closed, 6),
        ],
    )
    history = read(ledger, since=datetime(2026, 11, 1, tzinfo=UTC), now=NOW, limit=50)
    shares = [share for _gap, share in history.gaps_with_share()]
    assert shares == [4, 5, None, 6, 0], "of the third nothing was found before the fourth began"
    assert sum(share or 0 for share in shares) == recovered(history.gaps)


def test_before_the_first_link_there_is_no_uptime(tmp_path: Path) -> None:
    """It is null, neither 0 nor 100 per cent."""
    with closing(open_for_writing(tmp_path / "leadmaster.db")) as connection:
        history = read(connection, since=datetime(2026, 11, 1, tzinfo=UTC), now=NOW, limit=50)
    assert history.uptime is None
    assert history.as_json()["recovery_seconds"] == {"median": None, "max": None}
