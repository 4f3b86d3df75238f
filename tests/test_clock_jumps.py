"""Our clock jumps forward and back, as after a dead battery or a wrong time server. WhatsApp's own times do not.

Below the browser: a real intake with a clock that can be moved, the real store, and the plan of the next sweep.
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.ingest import CaptureRules
from leadmasterd.intake import Intake
from leadmasterd.store.rows import GapEnded, GapOpened, Item, Rows
from leadmasterd.store.sweep_plan import CATCH_UP_SLACK, SweepPlan, plan
from tests import wire
from tests.captures import Store, at, opened
from tests.test_store import sweep_done
from tests.waiting import LIMIT

LINKED = wire.NOON
HOUR = 3600.0
DAY = 24 * HOUR


class Machine:
    """An intake whose clock a test moves."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = float(LINKED)
        self._seq = 0
        self.intake = Intake(
            CaptureRules(),
            store.writer,
            on_lifecycle=lambda event: None,
            on_hole=lambda missing: None,
            on_pressure=lambda pressure: None,
            clock=lambda: datetime.fromtimestamp(self.now, UTC),
        )

    def read(self, *objects: dict[str, Any]) -> None:
        """These lines, at the time that our clock shows."""
        for each in objects:
            self._seq += 1
            self.intake.lines([wire.raw({**each, "seq": self._seq})])
        self.store.settle()

    def whole_sweep(self) -> None:
        """One that went well; the child's clock is ours."""
        self.read(sweep_done(started=self.now))

    def gap(self, hours: float) -> None:
        """So long without a live path."""
        began, self.now = self.now, self.now + hours * HOUR
        self.store.writer.put([Item(GapOpened("child_died", at(began)), None, at(began))])
        self.store.writer.put([Item(GapEnded(), None, at(self.now))])
        self.store.settle()

    def planned(self) -> SweepPlan:
        """What the daemon would ask for now, after a gap."""

        def make(connection: sqlite3.Connection, rows: Rows) -> SweepPlan:
            assert rows.account_id is not None
            return plan(connection, rows.account_id, CATCH_UP_SLACK, 0, datetime.fromtimestamp(self.now, UTC))

        return self.store.writer.call(make).result(LIMIT)

    def open_gaps(self) -> int:
        """Gaps that no sweep has closed."""
        return int(self.store.one("SELECT count(*) FROM gaps WHERE closed_at IS NULL"))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with opened(tmp_path / "leadmaster.db") as fresh:
        linked = Machine(fresh)
        linked.read(wire.ready())
        yield linked


@pytest.mark.parametrize("jump", [DAY, -DAY, 30 * 365 * DAY, -30 * 365 * DAY])
def test_a_message_read_again_after_a_jump_is_the_same_message(machine: Machine, jump: float) -> None:
    """WhatsApp's time decides, never ours."""
    machine.read(wire.message("1", t=LINKED + 10))
    machine.now += jump
    machine.read(wire.message("1", t=LINKED + 10, via="sweep"), wire.message("2", t=LINKED + 20))
    assert machine.store.rows("SELECT stanza_id FROM messages ORDER BY message_id") == [("1",), ("2",)]


def test_a_sweep_under_a_clock_that_was_ahead_hides_nothing_later(machine: Machine) -> None:
    """Its watermark lies in the future; once the clock is right again it is not believed."""
    machine.now += HOUR
    machine.whole_sweep()
    machine.now += 30 * DAY
    machine.whole_sweep()
    machine.now -= 30 * DAY - HOUR
    missed_at = machine.now
    machine.now += HOUR
    assert machine.planned().start <= missed_at


def test_the_next_whole_sweep_replaces_a_watermark_of_the_future(machine: Machine) -> None:
    """So that sweeps are cheap again at once, and not after a month."""
    machine.now += 30 * DAY
    machine.whole_sweep()
    machine.now -= 29 * DAY
    machine.whole_sweep()
    assert machine.store.one("SELECT swept_through_at FROM accounts") == at(machine.now)
    assert machine.planned().start == machine.now - CATCH_UP_SLACK.total_seconds()


def test_a_clock_that_goes_back_moves_no_watermark_back(machine: Machine) -> None:
    """By seconds, as time servers do: what was swept stays swept."""
    machine.now += DAY
    machine.whole_sweep()
    swept = machine.store.one("SELECT swept_through_at FROM accounts")
    machine.read({**sweep_done(started=machine.now - 5)})
    assert machine.store.one("SELECT swept_through_at FROM accounts") == swept


def test_a_link_made_under_a_clock_that_was_ahead_is_swept_from_the_true_time(tmp_path: Path) -> None:
    """Otherwise nothing would be swept until that day."""
    with opened(tmp_path / "another.db") as store:
        machine = Machine(store)
        machine.now += 30 * DAY
        machine.read(wire.ready("5491155550200@c.us"))
        machine.now -= 30 * DAY
        assert machine.planned().start <= machine.now - HOUR


def test_a_gap_that_ended_in_the_future_is_closed_by_the_next_sweep(machine: Machine) -> None:
    """It is over, whatever the clock said then."""
    machine.now += 30 * DAY
    machine.gap(hours=1)
    machine.now -= 30 * DAY
    assert machine.open_gaps() == 1
    machine.whole_sweep()
    assert machine.open_gaps() == 0
