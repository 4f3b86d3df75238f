"""How far back a sweep has to look: to the watermark, less a slack."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leadmasterd.store import sweep_plan
from leadmasterd.store.records import GapEnded, GapOpened, Item
from leadmasterd.store.rows import Rows
from leadmasterd.store.sweep_plan import CATCH_UP_SLACK, PERIODIC_SLACK, SweepPlan, plan
from tests import wire
from tests.captures import Store, account, at, item, opened
from tests.test_store import sweep_done, swept
from tests.waiting import LIMIT

LINKED = wire.NOON
HOUR = 3600


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path / "leadmaster.db") as fresh:
        yield fresh


def planned(
    store: Store, *, slack: timedelta = PERIODIC_SLACK, days: int = 0, now: float = LINKED + 100 * HOUR
) -> SweepPlan:
    """The plan as the daemon requests it."""

    def make(connection: sqlite3.Connection, rows: Rows) -> SweepPlan:
        assert rows.account_id is not None
        return plan(connection, rows.account_id, slack, first_link_days=days, now=datetime.fromtimestamp(now, UTC))

    return store.writer.call(make).result(LIMIT)


def whole_sweep(through: float) -> list[Item]:
    """A complete sweep an hour later, whose newest message was sent at that time."""
    now = through + HOUR
    newest = wire.message(f"at {through}", t=int(through), via="sweep")
    return [item(newest, now=now), item(sweep_done(started=now), now=now)]


def test_the_first_sweep_starts_at_the_first_link(store: Store) -> None:
    """Older messages open no leads and raise no alerts."""
    assert planned(store) == SweepPlan(LINKED, {})


def test_first_link_days_reach_further_back(store: Store) -> None:
    """The setting adds this many days."""
    assert planned(store, days=3).start == LINKED - 3 * 86400


@pytest.mark.parametrize("slack", [PERIODIC_SLACK, CATCH_UP_SLACK])
def test_a_later_sweep_starts_at_the_newest_message_of_the_last_whole_one_less_a_slack(
    store: Store, slack: timedelta
) -> None:
    """The slack is for messages that arrive late with an older time."""
    newest = LINKED + 24 * HOUR
    store.write(item(wire.message(t=newest, via="sweep"), now=newest), item(sweep_done(started=newest), now=newest))
    assert planned(store, slack=slack).start == newest - slack.total_seconds()


def test_when_it_was_quiet_only_a_catch_up_looks_before_the_newest_message(store: Store) -> None:
    """Sweeps of a quiet night read one message each; after a gap any message may have come late."""
    newest = LINKED + 24 * HOUR
    store.write(item(wire.message(t=newest, via="sweep"), now=newest))
    for minutes, start in ((10, newest - 900), (25, newest), (600, newest)):
        store.write(item(sweep_done(started=newest + 60 * minutes), now=newest + 60 * minutes))
        assert planned(store).start == start
    assert planned(store, slack=CATCH_UP_SLACK).start == newest - CATCH_UP_SLACK.total_seconds()


def test_messages_older_than_the_link_tell_that_our_clock_was_ahead(store: Store) -> None:
    """Nothing from before the link is captured, so the stored time of the link was wrong."""
    store.write(wire.message(t=LINKED - 24 * HOUR))
    assert planned(store).start == LINKED - 30 * HOUR
    store.write(*whole_sweep(LINKED - 20 * HOUR))
    assert planned(store).start == LINKED - 20 * HOUR
    assert planned(store, slack=CATCH_UP_SLACK).start == LINKED - 26 * HOUR
    store.write(*whole_sweep(LINKED + HOUR))
    assert planned(store, slack=CATCH_UP_SLACK).start == LINKED


def test_a_clock_that_is_ahead_by_seconds_brings_no_older_messages(store: Store) -> None:
    """Every clock is a few seconds off."""
    store.write(wire.message(t=LINKED - 2))
    assert planned(store, slack=CATCH_UP_SLACK).start == LINKED
    store.write(wire.message(t=LINKED - 2, via="sweep"), sweep_done())
    assert planned(store, slack=CATCH_UP_SLACK).start == LINKED - 2, "and hides none after it"


def test_the_slack_never_reaches_behind_the_first_link(store: Store) -> None:
    """Messages from before the link are not captured."""
    store.write(*whole_sweep(LINKED + 60))
    assert planned(store, slack=CATCH_UP_SLACK).start == LINKED


def test_a_chat_read_later_than_the_whole_starts_later(store: Store) -> None:
    """A chat without its own watermark uses the account's, which is earlier."""
    now = LINKED + 25 * HOUR
    store.write(
        wire.message("1", chat=wire.ANA),
        wire.message("2", chat=wire.BETO),
        *whole_sweep(LINKED + 10 * HOUR),
        item(swept(wire.ANA, through=LINKED + 20 * HOUR), now=now),
        item(swept(wire.BETO, through=LINKED + 5 * HOUR), now=now),
    )
    slack = round(PERIODIC_SLACK.total_seconds())
    assert planned(store) == SweepPlan(LINKED + 10 * HOUR, {wire.ANA: LINKED + 20 * HOUR - slack})


@pytest.mark.parametrize("other", ["5491155550001@hosted", wire.ANA_LID])
def test_a_watermark_is_that_of_the_chat_that_was_read(store: Store, other: str) -> None:
    """The page may have two chats of one person: the phone's, and one under a LID or from a provider's device.

    A sweep that ends early has read one of them, and says nothing about the other.
    """
    now = LINKED + 25 * HOUR
    known = wire.contact(phone=wire.ANA, lid=wire.ANA_LID)
    store.write(wire.message("1", chat=wire.ANA, contact=known), wire.message("2", chat=other, contact=known))
    assert store.one("SELECT count(*) FROM conversations") == 1
    slack = round(PERIODIC_SLACK.total_seconds())
    for chat, hours in ((other, 20), (wire.ANA, 10), (wire.ANA, 12)):
        store.write(*whole_sweep(LINKED + HOUR), item(swept(chat, through=LINKED + hours * HOUR), now=now))
        assert planned(store) == SweepPlan(LINKED + HOUR, {chat: LINKED + hours * HOUR - slack})


def test_a_sweep_under_way_when_the_machine_woke_hides_nothing_that_waited(store: Store) -> None:
    """It read Ana's chat before what waited at the server came, and Beto's newest message after that."""
    store.write(*whole_sweep(LINKED + 8 * HOUR))
    slept, woke = LINKED + 9 * HOUR, LINKED + 20 * HOUR
    store.write(Item(GapOpened("connection_lost", at(slept)), None, at(woke + 10)))
    store.write(Item(GapEnded(), None, at(woke + 20)))
    store.write(
        item(wire.message("late", chat=wire.BETO, t=woke - 60, via="sweep"), now=woke + 30),
        item(sweep_done(started=woke), now=woke + 30),
    )
    assert planned(store, slack=CATCH_UP_SLACK).start <= slept


def test_no_chat_starts_after_its_own_watermark(store: Store) -> None:
    """Otherwise messages would be skipped forever."""
    store.write(wire.message(), swept(through=LINKED + 3))
    through = dict(store.rows("SELECT chat, swept_through_at FROM conversations"))
    for chat, start in planned(store, slack=timedelta(0)).chats.items():
        assert at(start) <= through[chat]


def test_the_command_stays_a_line_of_bounded_length(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """With very many chats, only those read last get their own start."""
    monkeypatch.setattr(sweep_plan, "MAX_CHATS", 2)
    for n in range(4):
        chat = f"549115555100{n}@c.us"
        store.write(
            wire.message(f"{n}", chat=chat), item(swept(chat, through=LINKED + n * HOUR), now=LINKED + 9 * HOUR)
        )
    assert set(planned(store).chats) == {"5491155551002@c.us", "5491155551003@c.us"}


def test_another_number_starts_at_its_own_first_link(store: Store) -> None:
    """Each account has its own watermarks."""
    store.write(wire.message(), *whole_sweep(LINKED + 24 * HOUR))
    store.write(account("5491155550200@c.us", now=LINKED + 30 * HOUR))
    assert planned(store) == SweepPlan(LINKED + 30 * HOUR, {})
    store.write(account(now=LINKED + 40 * HOUR))
    assert planned(store).start == LINKED + 24 * HOUR, "the first number's is kept"
