"""The machine's clock jumps forward and back, as after a dead battery, while WhatsApp's own times stay right.

No browser is involved: a real intake with a clock that the test moves, the real store, and the plan of the next sweep.
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.capture import CaptureRules
from leadmasterd.daemon.intake import Intake
from leadmasterd.store.records import GapEnded, GapOpened, Item
from leadmasterd.store.rows import Rows
from leadmasterd.store.sweep_plan import CATCH_UP_SLACK, PERIODIC_SLACK, SweepPlan, plan
from tests import wire
from tests.captures import Store, at, opened
from tests.test_store import sweep_done, swept
from tests.waiting import LIMIT

LINKED = wire.NOON
HOUR = 3600.0
DAY = 24 * HOUR


class Machine:
    """An intake whose clock a test moves, and the chats of the page with WhatsApp's times."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = float(LINKED)
        self.true_time = float(LINKED)
        self._seq = 0
        self._page: dict[str, tuple[str, float]] = {}
        self.intake = Intake(
            CaptureRules(),
            store.writer,
            on_lifecycle=lambda event: None,
            on_missing=lambda missing: None,
            on_pressure=lambda pressure: None,
            clock=lambda: datetime.fromtimestamp(self.now, UTC),
        )

    def read(self, *objects: dict[str, Any]) -> None:
        """Feed these lines to the intake at our clock's time."""
        for each in objects:
            self._seq += 1
            self.intake.lines([wire.raw({**each, "seq": self._seq})])
        self.store.settle()

    def pass_time(self, seconds: float) -> None:
        """Both clocks advance."""
        self.now += seconds
        self.true_time += seconds

    def arrive(self, stanza: str, *, chat: str = wire.ANA, t: float | None = None, heard: bool = True) -> None:
        """The page gets a message dated `t` (now). It is captured live if `heard`; otherwise the child is down."""
        sent = self.true_time if t is None else t
        self._page[stanza] = (chat, sent)
        if heard:
            self.read(wire.message(stanza, chat=chat, t=int(sent)))

    def whole_sweep(self, slack: timedelta = PERIODIC_SLACK) -> int:
        """Run a complete sweep as the child does, by our clock, and return how many messages it read."""
        asked = self.planned(slack)
        wanted = {
            stanza: (chat, int(t))
            for stanza, (chat, t) in self._page.items()
            if int(t) >= asked.chats.get(chat, asked.start)
        }
        for stanza, (chat, t) in wanted.items():
            self.read(wire.message(stanza, chat=chat, t=t, via="sweep"))
        for read in {chat for chat, _ in wanted.values()}:
            self.read(swept(read, through=int(max(t for chat, t in self._page.values() if chat == read))))
        self.read(sweep_done(started=self.now))
        return len(wanted)

    def captured(self) -> set[str]:
        """The ids of all captured messages."""
        return {stanza for [stanza] in self.store.rows("SELECT stanza_id FROM messages")}

    def gap(self, hours: float) -> None:
        """An outage of so many hours by our clock."""
        began, self.now = self.now, self.now + hours * HOUR
        self.store.writer.put([Item(GapOpened("child_died", at(began)), None, at(began))])
        self.store.writer.put([Item(GapEnded(), None, at(self.now))])
        self.store.settle()

    def planned(self, slack: timedelta = CATCH_UP_SLACK) -> SweepPlan:
        """The sweep that the daemon would request now, by default the one after an outage."""

        def make(connection: sqlite3.Connection, rows: Rows) -> SweepPlan:
            assert rows.account_id is not None
            return plan(
                connection, rows.account_id, slack, first_link_days=0, now=datetime.fromtimestamp(self.now, UTC)
            )

        return self.store.writer.call(make).result(LIMIT)

    def open_gaps(self) -> int:
        """The number of gaps that no sweep has closed."""
        return int(self.store.one("SELECT count(*) FROM gaps WHERE closed_at IS NULL"))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with opened(tmp_path / "leadmaster.db") as fresh:
        linked = Machine(fresh)
        linked.read(wire.ready())
        yield linked


@pytest.mark.parametrize("jump", [DAY, -DAY, 30 * 365 * DAY, -30 * 365 * DAY])
def test_a_message_read_again_after_a_jump_is_the_same_message(machine: Machine, jump: float) -> None:
    """WhatsApp's time decides, not ours."""
    machine.read(wire.message("1", t=LINKED + 10))
    machine.now += jump
    machine.read(wire.message("1", t=LINKED + 10, via="sweep"), wire.message("2", t=LINKED + 20))
    assert machine.store.rows("SELECT stanza_id FROM messages ORDER BY message_id") == [("1",), ("2",)]


def test_a_sweep_under_a_clock_that_was_ahead_hides_nothing_later(machine: Machine) -> None:
    """Its watermark lies in the future, and is not trusted once the clock is right again."""
    machine.now += HOUR
    machine.whole_sweep()
    machine.now += 30 * DAY
    machine.whole_sweep()
    machine.now -= 30 * DAY - HOUR
    missed_at = machine.now
    machine.now += HOUR
    assert machine.planned().start <= missed_at


def test_the_next_whole_sweep_replaces_a_watermark_of_the_future(machine: Machine) -> None:
    """A message dated ahead was trusted while our clock was ahead too; after that, sweeps read little again."""
    machine.now += 30 * DAY
    machine.arrive("of the future", t=LINKED + 20 * DAY)
    machine.whole_sweep()
    assert machine.store.one("SELECT swept_through_at FROM accounts") == at(LINKED + 20 * DAY)
    machine.now = machine.true_time = LINKED + DAY
    machine.arrive("of today")
    machine.pass_time(60)
    machine.whole_sweep()
    assert machine.store.one("SELECT swept_through_at FROM accounts") == at(LINKED + DAY)


def test_a_chats_watermark_of_the_future_goes_when_the_chat_is_read_again(machine: Machine) -> None:
    """Else it would hide what came until then, once that day has passed and no sweep of all chats has succeeded."""
    future, today = LINKED + 20 * 86400, LINKED + 86400
    machine.now += 30 * DAY
    machine.arrive("of the future", t=future)
    machine.read(swept(through=future))
    assert machine.store.one("SELECT swept_through_at FROM conversations") == at(future)
    machine.now = machine.true_time = float(today)
    machine.arrive("of today")
    machine.read(swept(through=future))
    assert machine.store.one("SELECT swept_through_at FROM conversations") is None
    machine.read(swept(through=today))
    assert machine.store.one("SELECT swept_through_at FROM conversations") == at(today)


def test_a_clock_that_goes_back_moves_no_watermark_back(machine: Machine) -> None:
    """Time servers move the clock by seconds, and what was swept stays swept."""
    machine.pass_time(DAY)
    machine.arrive("1")
    machine.whole_sweep()
    machine.now -= 5
    machine.whole_sweep()
    assert machine.store.one("SELECT swept_through_at FROM accounts") == at(LINKED + DAY - 5), "never in the future"
    machine.now += 2
    machine.whole_sweep()
    machine.read({**sweep_done(started=machine.now - 5)})
    assert machine.store.one("SELECT swept_through_at FROM accounts") == at(LINKED + DAY - 3)


def test_a_link_made_under_a_clock_that_was_ahead_is_swept_from_the_true_time(tmp_path: Path) -> None:
    """Otherwise no sweep would find anything until the wrong date."""
    with opened(tmp_path / "another.db") as store:
        machine = Machine(store)
        machine.now += 30 * DAY
        machine.read(wire.ready("5491155550200@c.us"))
        machine.now -= 30 * DAY
        assert machine.planned().start <= machine.now - HOUR


def test_a_gap_that_ended_in_the_future_is_closed_by_the_next_sweep(machine: Machine) -> None:
    """Our clock was wrong when the gap ended."""
    machine.now += 30 * DAY
    machine.gap(hours=1)
    machine.now -= 30 * DAY
    assert machine.open_gaps() == 1
    machine.whole_sweep()
    assert machine.open_gaps() == 0


# ---------------------------------------------------------------------- a clock that stays wrong


@pytest.mark.parametrize("off", [3 * DAY, 9 * HOUR, -9 * HOUR, -3 * DAY])
@pytest.mark.parametrize("linked_before", [True, False], ids=["wrong after the link", "wrong from the start"])
def test_a_clock_that_stays_wrong_hides_nothing_that_came_while_the_child_was_down(
    tmp_path: Path, off: float, linked_before: bool
) -> None:
    """Watermarks are in WhatsApp's time, not ours."""
    with opened(tmp_path / "another.db") as store:
        machine = Machine(store)
        machine.now += 0 if linked_before else off
        machine.read(wire.ready("5491155550200@c.us"))
        machine.now += off if linked_before else 0
        for hour in range(48):
            machine.pass_time(HOUR)
            machine.arrive(f"heard {hour}")
            machine.pass_time(60)
            machine.whole_sweep()
        machine.pass_time(60)
        missed = {f"missed {n}" for n in range(10)}
        for stanza in sorted(missed):
            machine.pass_time(HOUR)
            machine.arrive(stanza, chat=wire.BETO, heard=False)
        machine.pass_time(60)
        machine.arrive("heard before the sweep")
        machine.whole_sweep(CATCH_UP_SLACK)
        assert missed <= machine.captured()


@pytest.mark.parametrize(
    ("off", "at_most"), [(0, 1), (3 * DAY, 1), (-3 * DAY, 31)], ids=["right", "days ahead", "days behind"]
)
def test_a_night_of_sweeps_in_a_quiet_account_reads_little(machine: Machine, off: float, at_most: int) -> None:
    """Each sweep reads only the newest message; with our clock behind, also messages dated after our time."""
    machine.whole_sweep(CATCH_UP_SLACK)
    for day in range(10):
        machine.pass_time(DAY)
        machine.arrive(f"day {day}")
        machine.whole_sweep()
    machine.pass_time(5 * DAY)
    machine.now += off
    for n in range(30):
        machine.pass_time(10)
        machine.arrive(f"{n}", chat=f"54911555500{n:02}@c.us")
    machine.pass_time(600)
    machine.whole_sweep(CATCH_UP_SLACK)
    machine.pass_time(PERIODIC_SLACK.total_seconds())
    machine.whole_sweep()
    for _ in range(8 * 12):
        machine.pass_time(300)
        assert machine.whole_sweep() <= at_most
