"""The live path: its counters, the gaps it opens and closes, and when it asks for a sweep."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from leadmasterd.daemon.live_path import LivePath
from leadmasterd.daemon.status import Counters
from leadmasterd.daemon.sweeper import Asked
from leadmasterd.reasons import Reason
from leadmasterd.settings.model import Settings
from leadmasterd.store import writer
from leadmasterd.store.records import BatchResult, GapEnded, GapOpened, Item
from leadmasterd.store.start import open_gaps
from leadmasterd.store.sweep_plan import CATCH_UP_SLACK
from leadmasterd.store.writer import Writer
from leadmasterd.supervisor.inbox import Inbox
from leadmasterd.supervisor.machine import Happened, Phase, State
from leadmasterd.wire.events import Account
from tests import wire
from tests.captures import Store as RealStore
from tests.captures import at, opened
from tests.waiting import until

OURS = Account("5491155550100@c.us", None, "Tienda", "android")
NOW = "2026-11-23T14:00:00.000Z"


class Store:
    """A fake writer that records what it gets and reports two open gaps. Other calls get no answer."""

    def __init__(self) -> None:
        self.put_items: list[Item] = []

    def put(self, items: list[Item]) -> None:
        self.put_items += items

    def call(self, function: Callable[..., Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        if function is open_gaps:
            future.set_result(2)
        return future


class World:
    """A live path and everything it sends out."""

    def __init__(self) -> None:
        self.store = Store()
        self.inbox = Inbox()
        self.counters = Counters(lambda: None)
        self.changes = 0
        self.path = LivePath(
            Settings().plain(),
            cast("Writer", self.store),
            self.inbox,
            send=lambda *_, **__: None,
            linked_for=lambda: timedelta(days=30),
            counters=self.counters,
            changed=self._changed,
        )

    def _changed(self) -> None:
        self.changes += 1

    def enter(self, phase: Phase, code: str = "x") -> list[GapOpened | GapEnded]:
        """Change the supervisor's phase."""
        return list(self.path.phase_changed(State(phase=phase, because=Reason(code)), NOW))


async def test_batches_are_counted_and_the_newest_time_is_kept() -> None:
    """An older message from a later sweep does not lower the newest time."""
    world = World()
    world.path.committed(BatchResult(live=3, last_message_at="2026-11-23T14:00:05.000Z"))
    world.path.committed(BatchResult(sweep=2, last_message_at="2026-11-23T13:00:00.000Z"))
    assert world.path.capture() == {
        "live": 3,
        "sweep": 2,
        "open_gaps": 0,
        "last_message_at": "2026-11-23T14:00:05.000Z",
        "alive_at": None,
    }
    assert world.changes == 2
    assert world.path.quiet_seconds < 60


async def test_a_gap_lasts_from_the_phase_that_ends_ready_to_the_next_ready() -> None:
    """Phases in between do not matter, and the first reason is the cause of the gap."""
    world = World()
    assert world.enter(Phase.STARTING) == []
    assert world.enter(Phase.READY, "ready") == [GapEnded()]
    assert world.enter(Phase.RECONNECTING, "connection_lost") == [GapOpened("connection_lost", NOW)]
    assert world.enter(Phase.STOPPING, "reconnect_took_too_long") == []
    assert world.enter(Phase.READY, "ready") == [GapEnded()]


async def test_a_reconnection_is_followed_by_a_sweep_and_a_lost_one_is_not() -> None:
    """The page may have missed messages while it was disconnected."""
    world = World()
    world.enter(Phase.READY, "ready")
    world.enter(Phase.RECONNECTING, "connection_lost")
    assert world.path.next_sweep() == []
    world.enter(Phase.READY, "reconnected")
    [job] = world.path.next_sweep()
    assert job["job"] == "sweep"
    world.enter(Phase.STOPPING, "paused")
    assert world.path.next_sweep() == []


async def test_ready_names_the_account_and_asks_for_a_sweep() -> None:
    """A child's first ready opens no gap."""
    world = World()
    assert world.path.account() is None
    world.path.attached(OURS, fresh=False)
    assert world.path.account() == {"wid": "5491155550100@c.us", "push_name": "Tienda"}
    assert world.store.put_items == []
    assert world.path.next_sweep()
    assert world.inbox.heartbeat_at > 0


async def test_a_second_ready_without_a_change_of_phase_was_a_reload() -> None:
    """The page may have delivered nothing since its last heartbeat, so the gap starts there."""
    world = World()
    world.path.attached(OURS, fresh=False)
    world.enter(Phase.READY, "ready")
    world.path.attached(OURS, fresh=False)
    [opened, ended] = [item.record for item in world.store.put_items]
    assert isinstance(opened, GapOpened)
    assert opened.cause == "page_reloaded"
    assert ended == GapEnded()
    await until(lambda: world.path.capture()["open_gaps"] == 2)


async def test_a_gap_under_a_dead_stream_begins_with_the_last_moment_it_was_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The phase changes a minute later, but messages of that minute are missing too."""
    world = World()
    world.path.attached(OURS, fresh=False)
    world.enter(Phase.READY, "ready")
    world.path.beat()
    alive_at = world.path.capture()["alive_at"]
    assert alive_at
    monkeypatch.setattr("leadmasterd.times.iso", lambda _moment: NOW)
    world.path.beat(stream_dead=True)
    assert world.inbox.heartbeat_at > 0, "the path from the page works"
    assert world.path.capture()["alive_at"] == alive_at, "and it proves nothing more"
    [opened] = world.enter(Phase.RECONNECTING, "stream_lost")
    assert opened == GapOpened("stream_lost", alive_at)


async def test_a_stream_that_came_back_counts_as_alive_until_now() -> None:
    """A later gap has its own cause and start."""
    world = World()
    world.path.attached(OURS, fresh=False)
    world.enter(Phase.READY, "ready")
    world.path.beat(stream_dead=True)
    world.path.beat()
    assert world.enter(Phase.STOPPING, "child_died") == [GapOpened("child_died", NOW)]


async def test_a_passkey_check_is_a_gap_in_which_sweeps_go_on() -> None:
    """It is unknown whether WhatsApp delivers during the check; the next sweep fetches what is missing."""
    world = World()
    world.path.attached(OURS, fresh=False)
    world.enter(Phase.READY, "ready")
    assert world.enter(Phase.NEEDS_PASSKEY, "passkey_check") == [GapOpened("passkey_check", NOW)]
    assert world.path.next_sweep()
    assert world.enter(Phase.READY, "passkey_done") == [GapEnded()]
    assert world.path.next_sweep()
    world.enter(Phase.NEEDS_PASSKEY, "passkey_check")
    world.enter(Phase.STOPPING, "child_died")
    assert world.path.next_sweep() == []


async def test_missing_lines_are_counted() -> None:
    """They are also logged; a sweep fetches them once the live path works."""
    world = World()
    world.path.lines_missing(3)
    world.path.lines_missing(1)
    assert world.counters.section() == {"missing_lines": 4}


async def test_a_stalled_delivery_is_reported_to_the_supervisor() -> None:
    """The event counts the messages that arrived by sweep only."""
    world = World()
    world.path._delivery_stalled(2)
    event = await world.inbox.next(None)
    assert (event.happened, event.values) == (Happened.DELIVERY_STALLED, {"messages": 2})


class Linked:
    """A live path on a real database with one captured message and an open gap from a lost link."""

    def __init__(self, store: RealStore, *, linked_for: timedelta = timedelta(0)) -> None:
        self.store = store
        self.sent: dict[str, Any] = {}
        self.linked_for = linked_for
        self.path = LivePath(
            Settings().plain(),
            store.writer,
            Inbox(),
            send=lambda _, **fields: self.sent.update(fields),
            linked_for=lambda: self.linked_for,
            counters=Counters(lambda: None),
            changed=lambda: None,
        )
        store.write(Item(GapOpened("logged_out", at(wire.NOON + 2)), None, at(wire.NOON + 2)))
        store.write(Item(GapEnded(), None, at(wire.NOON + 3)))

    async def sweep(self, number: int) -> bool:
        """Run a complete sweep and return whether it moved the watermarks."""
        await self.path._plan_sweep(Asked(number, CATCH_UP_SLACK))
        started = round((wire.NOON + 4) * 1000)
        self.store.write(
            wire.message(f"M{number}", t=wire.NOON + number, via="sweep"),
            wire.line("sweep_chat", sweep=number, chat=wire.ANA, found=1, through=wire.NOON + number, error=None),
            wire.line(
                "sweep_done", sweep=number, started_at=started, chats=1, looked_at=1, messages=1, failed=0,
                oldest=None, newest=None, error=None,
            ),
        )  # fmt: skip
        [outcome] = self.store.batches[-1].sweeps_done
        drawn = {
            int(outcome.watermark_held is None),
            self.store.one("SELECT swept_through_at IS NOT NULL FROM accounts"),
            self.store.one("SELECT swept_through_at IS NOT NULL FROM conversations"),
            self.store.one("SELECT closed_at IS NOT NULL FROM gaps"),
        }
        assert len(drawn) == 1, "all of them or none"
        return bool(drawn.pop())


@pytest.mark.parametrize("told", ["incoming", None])
async def test_after_a_link_no_line_is_drawn_until_the_page_says_that_the_history_is_complete(
    told: str | None, tmp_path: Path
) -> None:
    """A later chunk may hold older messages; those found meanwhile are stored and counted as recovered."""
    with opened(tmp_path / "leadmaster.db") as store:
        linked = Linked(store)
        linked.path.attached(OURS, fresh=True)
        linked.path.beat(history=told)
        assert not await linked.sweep(1)
        assert store.one("SELECT recovered FROM gaps") == 1
        linked.path.beat(history="complete")
        assert await linked.sweep(2)
        assert store.one("SELECT recovered FROM gaps") == 2


@pytest.mark.parametrize(("fresh", "told"), [(True, "incoming"), (False, None)])
async def test_the_wait_for_the_history_is_bounded(fresh: bool, told: str | None, tmp_path: Path) -> None:
    """It is limited by our own timer, which counts from a link that was made before us."""
    with opened(tmp_path / "leadmaster.db") as store:
        linked = Linked(store)
        linked.path._history_timeout = 0.05
        linked.path.attached(OURS, fresh=fresh)
        linked.path.beat(history=told)
        assert not await linked.sweep(1)
        await asyncio.sleep(0.06)
        assert await linked.sweep(2)


@pytest.mark.parametrize(("minutes", "drawn"), [(29, False), (31, True)])
async def test_a_restart_begins_no_new_wait_for_the_history(minutes: int, drawn: bool, tmp_path: Path) -> None:
    """The time of the link survives it."""
    with opened(tmp_path / "leadmaster.db") as store:
        linked = Linked(store, linked_for=timedelta(minutes=minutes))
        linked.path.attached(OURS, fresh=False)
        assert await linked.sweep(1) is drawn


@pytest.mark.parametrize("fresh", [True, False])
async def test_a_clock_that_jumps_ends_no_wait_for_the_history(fresh: bool, tmp_path: Path) -> None:
    """Nor does a machine that slept: the page received nothing meanwhile."""
    with opened(tmp_path / "leadmaster.db") as store:
        linked = Linked(store)
        linked.path.attached(OURS, fresh=fresh)
        linked.path.beat(history="incoming")
        assert not await linked.sweep(1)
        linked.linked_for = timedelta(hours=8)
        assert not await linked.sweep(2)
        linked.path.beat(history="complete")
        assert await linked.sweep(3)


async def test_a_sweep_of_which_lines_may_be_missing_draws_no_line(tmp_path: Path) -> None:
    """What it read behind the next watermark would never be read again. The child may still be at an earlier sweep than
    the last one that was asked for.
    """
    with opened(tmp_path / "leadmaster.db") as store:
        linked = Linked(store, linked_for=timedelta(days=30))
        linked.path.sweeper._asked = 2
        linked.path.lines_missing(1)
        assert not await linked.sweep(1)
        assert not await linked.sweep(2)
        assert await linked.sweep(3)


async def test_that_lines_are_missing_is_not_forgotten_when_the_disk_fails_just_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk in trouble is why lines are dropped."""
    with opened(tmp_path / "leadmaster.db") as store:
        linked = Linked(store, linked_for=timedelta(days=30))
        linked.path.sweeper._asked = 1
        errors = [sqlite3.OperationalError("disk I/O error")]
        in_transaction = writer._in_transaction

        def fails_once(*arguments: Any) -> Any:
            if errors:
                raise errors.pop()
            return in_transaction(*arguments)

        monkeypatch.setattr(writer, "_in_transaction", fails_once)
        monkeypatch.setattr(writer, "RETRY_SECONDS", 0.01)
        linked.path.lines_missing(1)
        assert not await linked.sweep(1)
        assert errors == []


async def test_a_sweep_that_looks_back_asks_for_changes(tmp_path: Path) -> None:
    """It never asks for changes from before the link, since those messages were never captured."""
    with opened(tmp_path / "leadmaster.db") as store:
        linked = Linked(store, linked_for=timedelta(days=30))
        for seconds_ago, changes_from in ((30 * 86400, 2 * 86400), (3600, 3600)):
            with closing(sqlite3.connect(store.path)) as connection, connection:
                connection.execute("UPDATE accounts SET first_linked_at = ?", (at(time.time() - seconds_ago),))
            linked.path._ask_sweep(1, await linked.path._plan_sweep(Asked(1, CATCH_UP_SLACK, looks_back=True)))
            assert linked.sent["changes_from"] == pytest.approx(time.time() - changes_from, abs=60)
        linked.sent.clear()
        linked.path._ask_sweep(2, await linked.path._plan_sweep(Asked(2, CATCH_UP_SLACK)))
        assert "changes_from" not in linked.sent


async def test_the_inbox_gives_the_timer_when_nothing_came_before() -> None:
    """An event that arrives before the timeout is returned instead of the timer."""
    inbox = Inbox()
    assert (await inbox.next(0.0)).happened is Happened.TIMER
    inbox.post(Happened.PAUSE)
    assert (await inbox.next(None)).happened is Happened.PAUSE
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await inbox.next(None)
