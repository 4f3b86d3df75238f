"""The live path: what is counted, which gaps begin and end, and when a sweep is due."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

import pytest

from leadmasterd.daemon.live_path import LivePath
from leadmasterd.daemon.status import Counters
from leadmasterd.reasons import Reason
from leadmasterd.settings.model import Settings
from leadmasterd.store.records import BatchResult, GapEnded, GapOpened, Item
from leadmasterd.store.start import open_gaps
from leadmasterd.store.writer import Writer
from leadmasterd.supervisor.inbox import Inbox
from leadmasterd.supervisor.machine import Happened, Phase, State
from leadmasterd.wire.events import Account
from tests.waiting import until

OURS = Account("5491155550100@c.us", None, "Tienda", "android")
NOW = "2026-11-23T14:00:00.000Z"


class Store:
    """A writer that keeps what it is given, and knows of two open gaps."""

    def __init__(self) -> None:
        self.put_items: list[Item] = []

    def put(self, items: list[Item]) -> None:
        self.put_items += items

    def call(self, function: Callable[..., Any]) -> "Future[Any]":
        assert function is open_gaps
        future: Future[Any] = Future()
        future.set_result(2)
        return future


class World:
    """A live path, and all that it says."""

    def __init__(self) -> None:
        self.store = Store()
        self.inbox = Inbox()
        self.counters = Counters(lambda: None)
        self.changes = 0
        self.path = LivePath(
            Settings(),
            cast("Writer", self.store),
            self.inbox,
            send=lambda *_, **__: None,
            counters=self.counters,
            changed=self._changed,
        )

    def _changed(self) -> None:
        self.changes += 1

    def enter(self, phase: Phase, code: str = "x") -> list[GapOpened | GapEnded]:
        """The supervisor changes its phase."""
        return list(self.path.phase_changed(State(phase=phase, because=Reason(code)), NOW))


async def test_batches_are_counted_and_the_newest_time_is_kept() -> None:
    """A sweep may bring older messages later."""
    world = World()
    world.path.committed(BatchResult(live=3, last_message_at="2026-11-23T14:00:05.000Z"))
    world.path.committed(BatchResult(sweep=2, last_message_at="2026-11-23T13:00:00.000Z"))
    assert world.path.capture() == {
        "live": 3,
        "sweep": 2,
        "open_gaps": 0,
        "last_message_at": "2026-11-23T14:00:05.000Z",
    }
    assert world.changes == 2
    assert world.path.quiet_seconds < 60


async def test_a_gap_lasts_from_the_phase_that_ends_ready_to_the_next_ready() -> None:
    """Whatever lies between: its cause is the first reason."""
    world = World()
    assert world.enter(Phase.STARTING) == []
    assert world.enter(Phase.READY, "ready") == [GapEnded()]
    assert world.enter(Phase.RECONNECTING, "connection_lost") == [GapOpened("connection_lost", NOW)]
    assert world.enter(Phase.STOPPING, "reconnect_took_too_long") == []
    assert world.enter(Phase.READY, "ready") == [GapEnded()]


async def test_a_reconnection_is_followed_by_a_sweep_and_a_lost_one_is_not() -> None:
    """The page may have missed what came meanwhile."""
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
    """The first one of a child opens no gap."""
    world = World()
    assert world.path.account() is None
    world.path.attached(OURS, fresh=False)
    assert world.path.account() == {"wid": "5491155550100@c.us", "push_name": "Tienda"}
    assert world.store.put_items == []
    assert world.path.next_sweep()
    assert world.inbox.heartbeat_at > 0


async def test_a_second_ready_without_a_change_of_phase_was_a_reload() -> None:
    """The page delivered nothing since its last heartbeat."""
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
    """The phase changes a minute later, and what came in that minute is missing as well."""
    world = World()
    world.path.attached(OURS, fresh=False)
    world.enter(Phase.READY, "ready")
    world.path.beat()
    alive_at = world.path._alive_at
    monkeypatch.setattr("leadmasterd.times.iso", lambda _moment: NOW)
    world.path.beat(stream_dead=True)
    assert world.inbox.heartbeat_at > 0, "the path from the page works"
    [opened] = world.enter(Phase.RECONNECTING, "stream_lost")
    assert opened == GapOpened("stream_lost", alive_at)


async def test_a_stream_that_came_back_counts_as_alive_until_now() -> None:
    """What ends it then is something else, and begins when it does."""
    world = World()
    world.path.attached(OURS, fresh=False)
    world.enter(Phase.READY, "ready")
    world.path.beat(stream_dead=True)
    world.path.beat()
    assert world.enter(Phase.STOPPING, "child_died") == [GapOpened("child_died", NOW)]


async def test_a_passkey_check_is_a_gap_in_which_sweeps_go_on() -> None:
    """Nobody knows whether WhatsApp delivers behind it; and once it is over, what is missing is fetched."""
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
    """And logged; a sweep brings them once there is a live path."""
    world = World()
    world.path.lines_missing(3)
    world.path.lines_missing(1)
    assert world.counters.section() == {"missing_lines": 4}


async def test_a_stalled_delivery_is_reported_to_the_supervisor() -> None:
    """With how many messages no live line brought."""
    world = World()
    world.path._delivery_stalled(2)
    event = await world.inbox.next(None)
    assert (event.happened, event.values) == (Happened.DELIVERY_STALLED, {"messages": 2})


async def test_the_inbox_gives_the_timer_when_nothing_came_before() -> None:
    """And an event that came in time instead of it."""
    inbox = Inbox()
    assert (await inbox.next(0.0)).happened is Happened.TIMER
    inbox.post(Happened.PAUSE)
    assert (await inbox.next(None)).happened is Happened.PAUSE
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await inbox.next(None)
