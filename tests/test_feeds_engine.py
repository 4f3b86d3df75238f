"""A feed at work on a real outbox and real books: at least once, in order per stream, and nobody starves."""

import asyncio
import contextlib
import json
import os
import random
import sqlite3
import stat
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadmasterd.errors import CannotUseState
from leadmasterd.feeds import books, engine
from leadmasterd.feeds.books import Books, GivenUp, State
from leadmasterd.feeds.engine import OF_A_STREAM, UNCOMMITTED, WINDOW, Bookkeeper, Feed
from leadmasterd.feeds.events import Outbox
from leadmasterd.feeds.schedule import DELIVERED, TRIES, Outcome, Result
from leadmasterd.outbox.reading import Event
from tests.depth import examples
from tests.feeds import AT, Committer, Scripted, failing
from tests.waiting import until

AGAIN = Outcome(Result.AGAIN, "HTTP 500")
FAST = 1_000_000.0
"""Divides the schedule's days into fractions of a second."""


class Set:
    """One feed with its outbox, books and receiver."""

    def __init__(self, folder: Path, receiver: Scripted, *, divisor: float = FAST, name: str = "hub") -> None:
        self.receiver = receiver
        self.outbox = Outbox(folder / "leadmaster.db")
        self.books = Books(folder / "feeds.db")
        self.bookkeeper = Bookkeeper(self.books, every=0.001)
        self.record = self.books.register([name], last_id=self.outbox.last_id(), now=AT)[name]
        self.feed = Feed(
            name,
            receiver,
            self.record,
            outbox=self.outbox,
            wants=lambda kind: kind != "unwanted",
            divisor=divisor,
            on_settled=self.bookkeeper.settled,
        )
        self.bookkeeper.watch([self.feed])

    def look(self) -> None:
        """Hand the feed everything that is new, as the process does."""
        self.feed.take(self.outbox.after(self.feed.progress().read_to, 100_000))

    def close(self) -> None:
        self.outbox.close()
        self.books.close()


@asynccontextmanager
async def at_work(
    folder: Path, receiver: Scripted, *, divisor: float = FAST, crash: bool = False
) -> AsyncIterator[Set]:
    """A feed that runs. `crash`: at the end nothing more is committed."""
    mine = Set(folder, receiver, divisor=divisor)
    work = asyncio.create_task(mine.feed.run())
    books = asyncio.create_task(mine.bookkeeper.run())
    try:
        yield mine
    finally:
        if not crash:
            mine.feed.stop()
            await work
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        if crash:
            mine.bookkeeper.watch([])  # what it has not collected is lost
        mine.bookkeeper.stop()
        await books
        mine.close()


@pytest.fixture
def committer(tmp_path: Path) -> Iterator[Committer]:
    """The daemon's side."""
    with closing(Committer(tmp_path / "leadmaster.db")) as mine:
        yield mine


def ids(receiver: Scripted) -> list[int]:
    """Of what was delivered, in order of delivery."""
    return [event.event_id for event in receiver.delivered]


def assert_in_order(receiver: Scripted) -> None:
    """Of each stream, counting each event by its first delivery."""
    first = list(dict.fromkeys((event.stream, event.event_id) for event in receiver.delivered))
    for stream in {each for each, _id in first}:
        mine = [event_id for each, event_id in first if each == stream]
        assert mine == sorted(mine)


async def test_every_event_is_delivered_once_and_in_order(tmp_path: Path, committer: Committer) -> None:
    """Those that were there before, and those that come."""
    committer.commit(1, 2, 1, 0)
    receiver = Scripted()
    async with at_work(tmp_path, receiver) as mine:
        await until(lambda: len(receiver.delivered) == 4)
        committer.commit(2, 1)
        mine.look()
        await until(lambda: len(receiver.delivered) == 6)
    assert sorted(ids(receiver)) == [1, 2, 3, 4, 5, 6]
    assert_in_order(receiver)
    async with at_work(tmp_path, receiver) as mine:
        assert mine.record.floor == 6
        assert mine.record.cursors == {}
        await asyncio.sleep(0.02)
    assert len(receiver.delivered) == 6
    assert receiver.flushes


async def test_a_failed_event_holds_back_its_stream_alone(tmp_path: Path, committer: Committer) -> None:
    """And is tried again before the next of its stream."""
    failed = {1: 3}

    def answer(event: Event, _gap: bool) -> Outcome:
        if failed.get(event.event_id, 0):
            failed[event.event_id] -= 1
            return AGAIN
        return DELIVERED

    receiver = Scripted(answer)
    committer.commit(7, 7, 8, 8)
    async with at_work(tmp_path, receiver) as mine:
        await until(lambda: len(receiver.delivered) == 4)
        assert mine.feed.progress().retrying == 0
    assert receiver.of_stream(7) == [1, 2]
    assert receiver.of_stream(8) == [3, 4]
    assert ids(receiver)[:2] == [3, 4]
    assert receiver.tried.count(1) == 4


async def test_a_poisoned_event_goes_dead_and_the_next_one_says_so(tmp_path: Path, committer: Committer) -> None:
    """Once; it is kept with its data."""
    receiver = Scripted(lambda event, _gap: AGAIN if event.event_id in (1, 2) else DELIVERED)
    committer.commit(7, 7, 7, 7, 8)
    async with at_work(tmp_path, receiver) as mine:
        await until(lambda: len(receiver.delivered) == 3)
        assert mine.feed.progress().dead == 2
    assert receiver.of_stream(7) == [3, 4]
    assert receiver.after_gap == [3]
    assert (receiver.tried.count(1), receiver.tried.count(2)) == (TRIES, TRIES)
    with closing(sqlite3.connect(tmp_path / "feeds.db")) as books:
        rows = books.execute("SELECT event_id, kind, stream, at, tries, why, data FROM dead_letters").fetchall()
        assert [row[:6] for row in rows] == [(1, "message.stored", 7, AT, 10, "HTTP 500"), (2, *rows[0][1:6])]
        assert "ñ 🎉" in rows[0][6]
        assert books.execute("SELECT count(*) FROM gaps").fetchone() == (0,)


async def test_the_mark_of_a_gap_survives_a_restart(tmp_path: Path, committer: Committer) -> None:
    """The next event may come weeks later."""
    committer.commit(7)
    async with at_work(tmp_path, Scripted(lambda _event, _gap: Outcome(Result.IMPOSSIBLE, "too large"))) as mine:
        await until(lambda: mine.feed.progress().dead == 1)
    committer.commit(7, 7)
    receiver = Scripted()
    async with at_work(tmp_path, receiver):
        await until(lambda: len(receiver.delivered) == 2)
    assert receiver.after_gap == [2]


async def test_tries_survive_a_restart(tmp_path: Path, committer: Committer) -> None:
    """The schedule goes on where it was, and waits as long."""
    committer.commit(7, 8)
    poison = Scripted(lambda event, _gap: AGAIN if event.stream == 7 else DELIVERED)
    async with at_work(tmp_path, poison, divisor=10) as mine:
        await until(lambda: mine.feed.progress().retrying == 1 and len(poison.delivered) == 1)
    again = Scripted(poison.answer)
    async with at_work(tmp_path, again, divisor=10) as mine:
        assert mine.record.tries[7].tries == 1
        assert mine.record.cursors == {8: 2}
        await asyncio.sleep(0.05)
        assert again.tried == [], "its wait is not over"
        await until(lambda: again.tried == [1])
        assert mine.feed.progress().undelivered == 1


async def test_a_busy_stream_starves_nobody(tmp_path: Path, committer: Committer) -> None:
    """Streams take turns, however many events one of them has."""
    committer.commit(*[1] * 2_000, 2, 3, 2)
    receiver = Scripted(concurrency=1)
    async with at_work(tmp_path, receiver):
        await until(lambda: len(receiver.delivered) == 2_003)
    place = {event.event_id: number for number, event in enumerate(receiver.delivered)}
    assert receiver.of_stream(1) == list(range(1, 2_001))
    assert place[2_001] < place[100]
    assert place[2_003] < place[100]


async def test_memory_is_bounded(tmp_path: Path, committer: Committer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that is down leaves the events in the outbox, and those of a waiting stream too."""
    monkeypatch.setattr(engine, "WINDOW", 100)
    down = asyncio.Event()

    async def never(_event: Event) -> Outcome:
        await down.wait()
        return DELIVERED

    committer.commit(*(number % 300 for number in range(6_000)))
    receiver = Scripted(lambda event, _gap: never(event))
    async with at_work(tmp_path, receiver) as mine:
        await until(lambda: receiver.at_once == 4)
        held = sum(len(stream.queue) for stream in mine.feed._streams.values())
        assert held <= 100 + engine.READ
        assert max(len(stream.queue) for stream in mine.feed._streams.values()) <= OF_A_STREAM
        down.set()
        await until(lambda: len(receiver.delivered) == 6_000)
        assert mine.feed._held == 0
        assert mine.feed._streams == {}
    assert len(set(ids(receiver))) == 6_000
    assert_in_order(receiver)
    assert WINDOW > OF_A_STREAM


async def test_what_is_not_wanted_is_skipped_and_still_moves_the_floor(tmp_path: Path, committer: Committer) -> None:
    """Otherwise the outbox would never be emptied."""
    committer.commit(*[5] * 40, kind="unwanted")
    committer.commit(5)
    committer.commit(*[5] * 40, kind="unwanted")
    receiver = Scripted()
    async with at_work(tmp_path, receiver) as mine:
        await until(lambda: mine.feed.progress().floor == 81)
    assert ids(receiver) == [41]


async def test_a_replay_for_another_feed_is_not_ours(tmp_path: Path, committer: Committer) -> None:
    """Nobody else has asked for it."""
    committer.commit(1)
    committer.commit(1, feed="other")
    committer.commit(1, 2, feed="hub")
    receiver = Scripted()
    async with at_work(tmp_path, receiver) as mine:
        await until(lambda: mine.feed.progress().floor == 4)
    assert sorted(ids(receiver)) == [1, 3, 4]


async def test_410_disables_the_feed_and_keeps_the_event(tmp_path: Path, committer: Committer) -> None:
    """Until a person has made it active again."""
    gone = Outcome(Result.DISABLE, "HTTP 410")
    receiver = Scripted(lambda _event, _gap: gone, concurrency=1)
    committer.commit(1, 2)
    async with at_work(tmp_path, receiver) as mine:
        await until(lambda: mine.books.standings()["hub"].state is State.DISABLED)
        await asyncio.sleep(0.02)
        assert receiver.tried == [1]
        assert mine.books.standings()["hub"] == (State.DISABLED, "HTTP 410", 0, None)
        receiver.answer = lambda _event, _gap: DELIVERED
        mine.books.set_state("hub", State.ACTIVE, reason="", now=AT)
        mine.feed.set_standing(mine.books.standings()["hub"])
        await until(lambda: len(receiver.delivered) == 2)


async def test_a_receiver_that_is_down_uses_up_no_tries(tmp_path: Path, committer: Committer) -> None:
    """Ten failures open the circuit; everything else waits, and comes as soon as the receiver is back."""
    committer.commit(*range(1, 201))
    receiver = Scripted(lambda _event, _gap: AGAIN, concurrency=4)
    async with at_work(tmp_path, receiver, divisor=200) as mine:
        await until(lambda: mine.feed.progress().paused_for)
        tried = len(receiver.tried)
        assert tried <= 13
        await asyncio.sleep(0.05)
        assert len(receiver.tried) == tried, "the pause is 0.15 s"
        await until(lambda: len(receiver.tried) > tried)
        assert receiver.at_once <= 1
        receiver.answer = lambda _event, _gap: DELIVERED
        await until(lambda: len(receiver.delivered) == 200)
        assert mine.feed.progress().dead == 0
    assert max(Counter(receiver.tried).values()) <= TRIES


@pytest.mark.parametrize("streams", [2_000, 1])
async def test_books_that_can_not_be_written_stop_the_feed_until_they_can(
    streams: int, tmp_path: Path, committer: Committer
) -> None:
    """What comes twice after a crash is bounded, also in a shop of few conversations."""
    committer.commit(*(number % streams + 1 for number in range(2_000)))
    receiver = Scripted()
    async with at_work(tmp_path, receiver) as mine:
        with closing(sqlite3.connect(tmp_path / "feeds.db", isolation_level=None)) as other:
            mine.books._connection.execute("PRAGMA busy_timeout = 10")
            other.execute("BEGIN IMMEDIATE")
            await until(lambda: mine.bookkeeper.trouble)
            await asyncio.sleep(0.1)
            assert len(receiver.delivered) <= 3 * (UNCOMMITTED + receiver.concurrency)
            other.execute("ROLLBACK")
        await until(lambda: len(receiver.delivered) == 2_000)
        assert mine.bookkeeper.trouble is None
    assert len(set(ids(receiver))) == 2_000


async def test_a_defect_of_a_receiver_is_a_failed_try(
    tmp_path: Path, committer: Committer, caplog: pytest.LogCaptureFixture
) -> None:
    """And no end of the process."""
    broken = [True]

    def answer(_event: Event, _gap: bool) -> Outcome:
        if broken.pop() if broken else False:
            raise ZeroDivisionError
        return DELIVERED

    committer.commit(1)
    receiver = Scripted(answer)
    async with at_work(tmp_path, receiver):
        await until(lambda: receiver.delivered)
    assert receiver.tried == [1, 1]
    assert "failed in a way of its own" in caplog.text


async def test_an_event_that_was_deleted_undelivered_is_told_as_a_gap(tmp_path: Path, committer: Committer) -> None:
    """Retention may have to, on a full disk; the receiver is not left in the dark."""
    committer.commit(7, 7)
    async with at_work(tmp_path, Scripted(lambda _event, _gap: AGAIN), divisor=1000) as mine:
        await until(lambda: mine.feed.progress().retrying)
    committer.delete_through(1)
    receiver = Scripted()
    async with at_work(tmp_path, receiver, divisor=1000) as mine:
        await until(lambda: receiver.delivered)
    assert ids(receiver) == receiver.after_gap == [2]


async def test_a_new_database_is_delivered_from_its_beginning(tmp_path: Path, committer: Committer) -> None:
    """Its ids are lower than what the books know, and all of its events are new."""
    committer.commit(*[1] * 10)
    receiver = Scripted()
    async with at_work(tmp_path, receiver):
        await until(lambda: len(receiver.delivered) == 10)
    committer.close()
    for name in ("leadmaster.db", "leadmaster.db-wal", "leadmaster.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    with closing(Committer(tmp_path / "leadmaster.db")) as anew:
        anew.commit(1, 1)
        again = Scripted()
        async with at_work(tmp_path, again):
            await until(lambda: len(again.delivered) == 2)


async def test_the_first_feed_begins_with_the_outbox_and_a_later_one_with_what_comes(
    tmp_path: Path, committer: Committer
) -> None:
    """A million old messages are not sent to a hub that was added today."""
    committer.commit(1, 1)
    with closing(Books(tmp_path / "feeds.db")) as books:
        records = books.register(["first", "beside"], last_id=2, now=AT)
        assert [records["first"].floor, records["beside"].floor] == [0, 0]
        records = books.register(["first", "later"], last_id=2, now=AT)
        assert [records["first"].floor, records["later"].floor] == [0, 2]


def test_the_books_are_readable_by_us_alone_and_of_this_version(tmp_path: Path) -> None:
    """They hold what was said in dead letters."""
    os.umask(0o022)
    path = tmp_path / "feeds.db"
    with closing(Books(path)):
        assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.glob("feeds.db*")} == {0o600}
    with closing(sqlite3.connect(path)) as other:
        strict = other.execute("SELECT min(strict) FROM pragma_table_list WHERE name NOT LIKE 'sqlite%'").fetchone()
        assert strict == (1,)
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(CannotUseState, match="newer leadmasterd"):
        Books(path)


@settings(max_examples=examples(30))
@given(st.data())
async def test_a_crash_at_any_point_loses_nothing_and_keeps_the_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Lives that end without a last commit; events come twice, never out of order, and none is missing."""
    folder = tmp_path_factory.mktemp("crash")
    receiver = Scripted(failing(0.3, random.Random(data.draw(st.integers(0, 1000))), AGAIN))
    total = 0
    with closing(Committer(folder / "leadmaster.db")) as committer:
        for _life in range(data.draw(st.integers(1, 4))):
            streams = data.draw(st.lists(st.integers(0, 4), max_size=60))
            if streams:
                committer.commit(*streams)
                total += len(streams)
            async with at_work(folder, receiver, crash=True):
                for _turn in range(data.draw(st.integers(0, 40))):
                    await asyncio.sleep(0)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(data.draw(st.sampled_from([0, 0.002, 0.01]))):
                        await asyncio.sleep(1)
        async with at_work(folder, receiver) as mine:
            await until(lambda: mine.feed.progress().floor == total)
    with closing(sqlite3.connect(folder / "feeds.db")) as books:
        dead = {each for (each,) in books.execute("SELECT event_id FROM dead_letters")}
    assert set(ids(receiver)) | dead == set(range(1, total + 1))
    assert_in_order(receiver)


# ------------------------------------------------------------------ what there is no room for


@pytest.mark.parametrize("seed", range(8))
async def test_what_there_is_no_room_for_is_given_up_counted_and_marked(
    tmp_path: Path, committer: Committer, seed: int
) -> None:
    """Whatever was delivered before, tried, paused or not yet read, and whether a crash comes between."""
    chance = random.Random(seed)
    committer.commit(*(chance.choice((0, 1, 2, 3)) for _each in range(60)))
    committer.commit(1, 2, kind="unwanted")
    committer.commit(3, feed="hub")
    poisoned = {event_id for event_id in range(1, 64) if chance.random() < 0.3}
    receiver = Scripted(
        lambda event, _gap: AGAIN if event.event_id in poisoned else DELIVERED, concurrency=chance.choice((1, 3))
    )
    before = chance.choice((0, 0, 5, 20))
    through = chance.randint(5, 63)
    async with at_work(tmp_path, receiver, divisor=0.001, crash=seed % 2 == 1) as mine:
        if seed % 3 == 0:
            mine.feed.set_standing(mine.books.standings()["hub"]._replace(state=State.PAUSED))
        else:
            await until(lambda: mine.feed.progress().undelivered or len(receiver.delivered) >= before)
        mine.feed.give_up(through)
        await until(lambda: mine.feed.progress().floor >= through)
    receiver.answer = lambda _event, _gap: DELIVERED
    async with at_work(tmp_path, receiver) as mine:
        await until(lambda: mine.feed.progress().floor >= 63)
        given_up = mine.feed.progress().given_up
        assert mine.books.standings()["hub"].given_up == given_up
    lost = set(range(1, 64)) - {61, 62} - set(ids(receiver))
    assert (given_up.number if given_up else 0) == len(lost)
    assert all(event_id <= through for event_id in lost)
    assert_in_order(receiver)
    streams = dict(committer.connection.execute("SELECT event_id, stream FROM outbox").fetchall())
    after = set()
    for stream in {streams[event_id] for event_id in lost}:
        last = max(event_id for event_id in lost if streams[event_id] == stream)
        after |= {min((each for each in receiver.of_stream(stream) if each > last), default=0)} - {0}
    assert set(receiver.after_gap) == after


async def test_nothing_is_deleted_before_the_books_say_that_it_was_given_up(
    tmp_path: Path, committer: Committer
) -> None:
    """A disk that is full can keep the books from being written; what goes must not go without a word."""
    committer.commit(1, 2)
    async with at_work(tmp_path, Scripted(lambda _event, _gap: AGAIN), divisor=0.001) as mine:
        with closing(sqlite3.connect(tmp_path / "feeds.db", isolation_level=None)) as other:
            mine.books._connection.execute("PRAGMA busy_timeout = 10")
            other.execute("BEGIN IMMEDIATE")
            mine.feed.give_up(2)
            await until(lambda: mine.bookkeeper.trouble)
            assert mine.feed.progress().floor == 0
            other.execute("ROLLBACK")
        await until(lambda: mine.feed.progress().floor == 2)
        assert mine.books.standings()["hub"].given_up == GivenUp(2, AT, AT)


async def test_what_was_given_up_is_known_by_when_it_happened(tmp_path: Path, committer: Committer) -> None:
    """A wait that was found late began before it was told, and a replay finds it by that; so are replayed events."""
    began, captured = "2026-11-01T00:00:00.000Z", "2026-11-30T00:00:00.000Z"
    for kind, data, feed in (
        ("message.stored", {"captured_at": captured, "sent_at": "2026-10-01T00:00:00.000Z"}, "hub"),
        ("waiting.began", {"started_at": began, "due_at": "2027-01-01T00:00:00.000Z"}, None),
        ("contact.merged", {}, None),
    ):
        row = (kind, 1, AT, json.dumps(data), feed)
        committer.connection.execute("INSERT INTO outbox (kind, stream, at, data, feed) VALUES (?, ?, ?, ?, ?)", row)
    async with at_work(tmp_path, Scripted(lambda _event, _gap: AGAIN), divisor=0.001) as mine:
        mine.feed.give_up(1)
        await until(lambda: mine.feed.progress().floor == 1)
        mine.feed.give_up(3)
        await until(lambda: mine.feed.progress().floor == 3)
        assert mine.books.standings()["hub"].given_up == GivenUp(3, began, captured)
        assert mine.feed.progress().given_up == GivenUp(3, began, captured)


async def test_more_than_is_looked_through_at_once_is_given_up_in_parts(
    tmp_path: Path, committer: Committer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While something is being tried it waits, because its outcome counts."""
    monkeypatch.setattr(engine, "GIVEN_UP_AT_ONCE", 7)
    committer.commit(*[1, 2] * 25)
    answer = asyncio.Event()

    async def slowly(event: Event, _gap: bool) -> Outcome:
        await answer.wait()
        return DELIVERED

    receiver = Scripted(slowly, concurrency=1)
    async with at_work(tmp_path, receiver) as mine:
        await until(lambda: receiver.tried)
        mine.feed.give_up(48)
        await asyncio.sleep(0)
        answer.set()
        await until(lambda: mine.feed.progress().floor == 50)
        assert mine.books.standings()["hub"].given_up == GivenUp(47, AT, AT)
    assert sorted(ids(receiver)) == [1, 49, 50]
    assert sorted(receiver.after_gap) == [49, 50]


def test_books_of_the_version_before_are_taken_over_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in the middle leaves them as they were."""
    path = tmp_path / "feeds.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(f"{books._SCHEMA} PRAGMA user_version = 1;")
        old.execute("INSERT INTO feeds VALUES ('hub', 'paused', '', 'x', 7)")
        old.commit()
    with monkeypatch.context() as broken:
        broken.setattr(books, "_SCHEMA_2", f"{books._SCHEMA_2} SELECT a_crash();")
        with pytest.raises(sqlite3.OperationalError, match="a_crash"):
            Books(path)
    with closing(sqlite3.connect(path)) as old:
        assert old.execute("PRAGMA user_version").fetchone() == (1,)
        assert old.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'given_up'").fetchone() == (0,)
    for _twice in range(2):
        with closing(Books(path)) as new:
            record = new.register(["hub"], last_id=9, now=AT)["hub"]
            assert (record.state, record.floor, record.given_up) == (State.PAUSED, 7, None)
