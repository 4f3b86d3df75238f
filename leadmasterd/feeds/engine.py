"""One feed at work: which event is tried next, and what its outcome means.

A stream is the sequence of a conversation's events. They are tried one after the other, in the order of their commits;
streams take turns, so that a busy chat delays nobody. Memory is bounded: about WINDOW events are held at most, few of
each stream, and none of a stream that waits for its next try; what is not held is read again from the outbox.

An event is final once it is delivered or given up. `Feed` only notes what changes; `Bookkeeper` commits that to the
books.
"""

import asyncio
import contextlib
import heapq
import itertools
import logging
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from leadmasterd import times
from leadmasterd.feeds.books import Books, Changes, FeedRecord, GivenUp, PutOff, Standing, State
from leadmasterd.feeds.events import News, Outbox, happened_at
from leadmasterd.feeds.kinds import Receiver
from leadmasterd.feeds.schedule import LONGEST_WAIT, TRIES, Circuit, Outage, Outcome, Result, wait_after
from leadmasterd.outbox.reading import Event
from leadmasterd.text import later

log = logging.getLogger(__name__)

WINDOW: Final = 1_000
"""A feed that holds this many events in memory reads no more."""
OF_A_STREAM: Final = 16
"""At most this many of the events in memory are of one stream."""
READ: Final = 200
"""Events in one read of the outbox."""
GIVEN_UP_AT_ONCE: Final = 2_000
"""Events examined at once when they take too much disk; that takes some milliseconds."""
UNCOMMITTED: Final = 256
"""With this many uncommitted changes nothing is tried until the books are written: a crash would repeat them."""


@dataclass(slots=True, eq=False)
class _Stream:
    """A stream with undelivered events. Its first is being tried, or it is among the ready, or it waits until `due`."""

    number: int
    next_id: int
    """No undelivered event of the stream has a lower id."""
    queue: deque[Event] = field(default_factory=deque)
    """Its next events, as far as they are held in memory."""
    more: bool = False
    """There are events after those in the queue, to be read again from the outbox."""
    tries: int = 0
    """Failed tries of its first event."""
    tried_id: int = 0
    """Which event the failed tries were of."""
    due: float | None = None
    """When the first event is tried again, on the event loop's clock; None: it is not waiting."""
    after_gap: bool = False
    """An event just before the first one was given up, and the receiver is to know."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How a feed is doing."""

    state: State
    reason: str
    """Why it is in this state; may be empty."""
    undelivered: int
    """How many events up to `read_to` are for this feed and not final."""
    read_to: int
    """The id of the last event that the feed has read from the outbox."""
    floor: int
    """All events up to this id are final, and the books say so: no crash undoes it."""
    dead: int
    """Events given up after all their tries."""
    given_up: GivenUp | None
    """Events given up because they took too much disk."""
    retrying: int
    """Streams that wait for another try."""
    paused_for: float
    """Seconds until the receiver, which is taken for down, is tried again; else 0."""
    outage_hours: int
    """For how many whole hours nothing could be delivered, although it was tried."""
    last_why: str
    """Why the last try failed; empty while nothing fails."""


class Feed:
    """Delivers one feed's events until `stop`."""

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        record: FeedRecord,
        *,
        outbox: Outbox,
        wants: Callable[[str], bool] = lambda _kind: True,
        shape: Callable[[Event], Event] = lambda event: event,
        divisor: float = 1,
        on_settled: Callable[[int], None] = lambda _size: None,
    ) -> None:
        """Take up where the books' `record` says that the feed stopped.

        `wants`: whether it delivers events of a kind. `shape`: makes an event what the receiver may get. `divisor`:
        divides all waits, for tests. `on_settled`: called with the number of changes to collect.
        """
        self.name = name
        self.receiver = receiver
        self._outbox = outbox
        self._wants = wants
        self._shape = shape
        self._divisor = divisor
        self._on_settled = on_settled
        self._circuit = Circuit(divisor)
        self._outage = Outage(divisor)
        self._state = record.state
        self._reason = record.reason
        self._dead = record.dead
        self._given_up = record.given_up
        self._read_to = record.floor
        """The id of the last event read from the outbox."""
        self._floor = record.floor
        """All events up to this id are final."""
        self._committed_floor = record.floor
        """The floor that the books have."""
        self._give_up_to = record.floor
        """Undelivered events up to this id are to be given up, because they take too much disk."""
        self._gave_up_to = record.floor
        """Up to this id that is done."""
        self._cursors = record.cursors
        """By stream: its events up to this id were final at the start. Emptied when `_read_to` has passed them all."""
        self._last_cursor = max(record.cursors.values(), default=0)
        self._gaps = record.gaps
        """Streams whose next event is to say that one before it was given up."""
        self._streams: dict[int, _Stream] = {}
        """All streams with undelivered events up to `_read_to`, by number."""
        self._ready: deque[_Stream] = deque()
        """Streams whose first event may be tried, in the order of their turns."""
        self._waiting: list[tuple[float, int, _Stream]] = []
        """A heap: when, a number that orders equal times, and which stream. Stale if the stream's `due` differs."""
        self._turn = itertools.count()
        """Gives the numbers for `_waiting`."""
        self._failing: set[_Stream] = set()
        """Streams with a failed try since the last success."""
        self._held = 0
        """Events in memory, in the queues of all streams."""
        self._undelivered = 0
        """How many events up to `_read_to` are for this feed and not final."""
        self._under_way = 0
        """Tries that have begun and not ended."""
        self._changes = Changes()
        """What is not collected yet."""
        self._last_why = ""
        self._wake = asyncio.Event()
        """Something has happened, after which there may be more to do."""
        self._stopping = False
        self._resume_waiting(record.tries)

    def _resume_waiting(self, tries: dict[int, PutOff]) -> None:
        """Let streams whose tries failed before the start go on waiting for their next try.

        The clock may have been set meanwhile, so no wait is longer than the longest of the schedule.
        """
        now = datetime.now(UTC)
        for number, put_off in tries.items():
            left = (datetime.fromisoformat(put_off.next_at) - now).total_seconds()
            stream = self._new_stream(number, put_off.event_id)
            stream.more = True
            stream.tries = put_off.tries
            stream.tried_id = put_off.event_id
            self._wait(stream, min(max(left, 0.0), LONGEST_WAIT / self._divisor))
            self._last_why = put_off.why
            self._outage.failed(asyncio.get_running_loop().time())

    # ------------------------------------------------------------------ what comes in

    def take(self, news: News) -> None:
        """Take in events that were committed, unless it is better to read them later from the outbox.

        That is so while the feed is not active, memory is full, or events before these were not read yet.
        """
        follows = news.after <= self._read_to
        if follows and self._held < WINDOW and self._state is State.ACTIVE:
            for event in news.events:
                if event.event_id > self._read_to:
                    self._add(event)
            self._read_to = max(self._read_to, news.events[-1].event_id)
            if self._read_to >= self._last_cursor:
                self._cursors = {}
            if not self._streams:
                self._on_settled(0)  # nothing is left to deliver, so the floor moves
        self._wake.set()

    def set_standing(self, standing: Standing) -> None:
        """Follow what a person's command has written into the books: a pause, its end, dead letters retried."""
        if (standing.state, standing.reason) != (self._state, self._reason):
            log.info("feed %s is %s now", self.name, standing.state, extra={"action": f"feed_{standing.state}"})
            self._outage.count_again(asyncio.get_running_loop().time())
        self._state = standing.state
        self._reason = standing.reason
        self._dead = standing.dead
        self._given_up = standing.given_up
        self._wake.set()

    def give_up(self, through: int) -> None:
        """Have undelivered events up to this id given up, because they take too much disk; also in a paused feed.

        It happens in `run`, once no try is under way.
        """
        self._give_up_to = max(self._give_up_to, through)
        self._wake.set()

    def _add(self, event: Event) -> None:
        """Add the next event read to its stream, unless it is final already or not for this feed."""
        if event.event_id <= self._last_cursor and event.event_id <= self._cursors.get(event.stream, 0):
            return  # it was final at the start
        if not self._is_for_us(event):
            return
        self._undelivered += 1
        stream = self._streams.get(event.stream)
        if stream is None:
            stream = self._new_stream(event.stream, event.event_id)
            self._ready.append(stream)
        # What is held is the beginning of a stream, without holes; a stream that waits holds nothing.
        not_held = stream.more or stream.due is not None or len(stream.queue) >= OF_A_STREAM
        if not_held:
            stream.more = True
        else:
            stream.queue.append(self._shape(event))
            self._held += 1

    def _is_for_us(self, event: Event) -> bool:
        """Whether this feed delivers the event: one for all feeds or replayed for this one, of a kind that it wants."""
        return event.feed in (None, self.name) and self._wants(event.kind)

    def _new_stream(self, number: int, next_id: int) -> _Stream:
        """Add a stream with undelivered events from `next_id` on. The caller makes it ready, or has it wait."""
        stream = self._streams[number] = _Stream(number, next_id, after_gap=number in self._gaps)
        return stream

    def _read_on(self) -> None:
        """Read from the outbox until half the window is full, or nothing is left."""
        while self._held < WINDOW // 2:
            news = self._outbox.after(self._read_to, READ)
            if not news.events:
                break
            self.take(news)

    def _refill(self, stream: _Stream) -> bool:
        """Make sure that the stream's first event is in its queue, reading the outbox again if need be.

        False: the stream has no events left, and was removed.
        """
        while not stream.queue and stream.more:
            read = self._outbox.of_stream(stream.number, (stream.next_id - 1, self._read_to), OF_A_STREAM)
            stream.queue.extend(self._shape(event) for event in read if self._is_for_us(event))
            stream.more = len(read) == OF_A_STREAM
            self._held += len(stream.queue)
            if read and not stream.queue:  # none of these is for this feed
                stream.next_id = read[-1].event_id + 1
        if not stream.queue:
            self._remove(stream)
            return False
        first = stream.queue[0].event_id
        stream.next_id = first
        if stream.tries and first != stream.tried_id:  # the one that was tried is no longer in the outbox
            stream.tries = 0
            stream.after_gap = True
            self._changes.tries[stream.number] = None
        return True

    # ------------------------------------------------------------------ the work

    async def run(self) -> None:
        """Deliver until `stop` is called and the tries under way then have ended."""
        async with asyncio.TaskGroup() as tasks:
            while not self._stopping:
                self._wake.clear()
                pause = self._advance(tasks)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()

    def stop(self) -> None:
        """Have `run` start no more tries, and end with those under way."""
        self._stopping = True
        self._wake.set()

    def _advance(self, tasks: asyncio.TaskGroup) -> float | None:
        """Do what can be done now: give events up, or start tries.

        Returns the seconds after which to look again; None: not before `_wake` is set.
        """
        if self._gave_up_to < self._give_up_to:
            if self._under_way:  # the end of each try sets `_wake`
                return None
            self._give_up_some()
            return 0.0
        if self._state is not State.ACTIVE or self._changes.size >= UNCOMMITTED:
            return None
        now = asyncio.get_running_loop().time()
        self._read_on()
        while self._waiting and self._first_due() <= now:
            due, _turn, stream = heapq.heappop(self._waiting)
            if stream.due == due:  # else something else has ended its wait
                stream.due = None
                self._ready.append(stream)
        while self._ready and self._circuit.may_try(now) and self._under_way < self._most_under_way:
            stream = self._ready.popleft()
            if self._refill(stream):
                self._under_way += 1
                tasks.create_task(self._try(stream), name=f"feed {self.name}: a try")
        return self._pause(now)

    def _first_due(self) -> float:
        """When the first of the waiting streams is due; there is one."""
        due, _turn, _stream = self._waiting[0]
        return due

    def _pause(self, now: float) -> float | None:
        """Seconds until a waiting stream is due or the pause of the circuit breaker ends; None: neither will happen."""
        moments: list[float] = []
        if self._waiting:
            moments.append(self._first_due())
        open_until = self._circuit.open_until
        if self._ready and open_until is not None and now < open_until:
            moments.append(open_until)
        return max(0.0, min(moments) - now) if moments else None

    @property
    def _most_under_way(self) -> int:
        """How many tries may be under way at once."""
        return 1 if self._circuit.probing else self.receiver.concurrency

    async def _try(self, stream: _Stream) -> None:
        """Try to deliver the stream's first event, and do what follows from the outcome."""
        event = stream.queue[0]
        try:
            outcome = await self.receiver.deliver(event, after_gap=stream.after_gap)
        except Exception:  # a defect in a receiver, ours or another package's, must not stop other feeds
            log.exception("feed %s: a try failed in a way of its own", self.name, extra={"action": "feed_defect"})
            outcome = Outcome(Result.AGAIN, later("a defect"))
        finally:
            self._under_way -= 1
        self._settle(stream, event, outcome)
        self._on_settled(self._changes.size)
        self._wake.set()

    def _settle(self, stream: _Stream, event: Event, outcome: Outcome) -> None:
        """Do what follows from a try: the event is final, or waits, or the whole feed is disabled."""
        now = asyncio.get_running_loop().time()
        match outcome.result:
            case Result.DELIVERED:
                self._make_final(stream, event)
                if stream.after_gap:
                    self._set_gap(stream, gap=False)
                if self._circuit.succeeded(now):
                    log.info("feed %s: the receiver is back", self.name, extra={"action": "feed_back"})
                    self._retry_failing_now()
                self._failing.clear()
                self._outage.succeeded()
            case Result.DISABLE:
                self._state = State.DISABLED
                self._reason = self._last_why = outcome.why
                self._changes.disabled = outcome.why
                self._ready.appendleft(stream)  # the event is tried again if a person resumes the feed
                log.error(
                    "feed %s is disabled: its receiver says that it wants nothing more (%s)",
                    self.name,
                    outcome.why,
                    extra={"action": "feed_disabled"},
                )
            case Result.AGAIN | Result.THROTTLED | Result.IMPOSSIBLE:
                self._failed(stream, event, outcome, now)

    def _failed(self, stream: _Stream, event: Event, outcome: Outcome, now: float) -> None:
        """Let the stream wait for the next try of its event, or give the event up after the last.

        A failure also counts towards the circuit breaker, unless it is the event's own (IMPOSSIBLE).
        """
        self._last_why = outcome.why
        tries = stream.tries + 1
        if outcome.result is not Result.IMPOSSIBLE:
            was_open = self._circuit.probing
            self._circuit.failed(outcome, now)
            self._outage.failed(now)
            if self._circuit.probing and not was_open:
                log.warning(
                    "feed %s: the receiver seems to be down (%s)", self.name, outcome.why, extra={"action": "feed_down"}
                )
        planned = wait_after(tries, outcome, random.random())
        if planned is None:  # it was the last try, or the event can never be delivered
            log.error(
                "feed %(feed)s: event %(event)d was given up after %(tries)d tries (%(why)s)",
                {"feed": self.name, "event": event.event_id, "tries": tries, "why": outcome.why},
                extra={"action": "feed_dead"},
            )
            self._changes.dead.append((event, tries, outcome.why))
            self._dead += 1
            self._make_final(stream, event)
            self._set_gap(stream, gap=True)
            return
        wait = planned / self._divisor
        next_at = times.iso(datetime.now(UTC) + timedelta(seconds=wait))
        self._changes.tries[stream.number] = PutOff(event.event_id, tries, next_at, outcome.why)
        stream.tries = tries
        stream.tried_id = event.event_id
        self._held -= len(stream.queue)  # a stream that waits holds no events in memory
        stream.queue.clear()
        stream.more = True
        self._failing.add(stream)
        self._wait(stream, wait)

    def _wait(self, stream: _Stream, seconds: float) -> None:
        """Let the stream wait this many seconds for its next try."""
        stream.due = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._waiting, (stream.due, next(self._turn), stream))

    def _make_final(self, stream: _Stream, event: Event) -> None:
        """Note that the stream's first event is final. The next one follows after the other streams had their turn."""
        self._changes.cursors[stream.number] = event.event_id
        self._changes.passed += 1
        if stream.tries:
            self._changes.tries[stream.number] = None
        stream.tries = 0
        stream.queue.popleft()
        self._held -= 1
        self._undelivered -= 1
        stream.next_id = event.event_id + 1
        if stream.queue or stream.more:
            self._ready.append(stream)
        else:
            self._remove(stream)

    def _remove(self, stream: _Stream) -> None:
        """Forget a stream that has no undelivered events left."""
        del self._streams[stream.number]
        if not self._streams:
            self._undelivered = 0  # it may count events that were deleted from the outbox

    def _set_gap(self, stream: _Stream, *, gap: bool) -> None:
        """Note whether the stream's next event is to say that one before it was given up."""
        stream.after_gap = gap
        self._changes.gaps[stream.number] = gap
        if gap:
            self._gaps.add(stream.number)
        else:
            self._gaps.discard(stream.number)

    def _retry_failing_now(self) -> None:
        """The receiver is back: retry at once what failed meanwhile.

        The last try of an event is not made sooner than planned: if it fails, the event is given up.
        """
        for stream in self._failing:
            if stream.due is not None and stream.tries < TRIES - 1:
                stream.due = None  # makes its entry in `_waiting` stale
                self._ready.append(stream)

    # ------------------------------------------------------------------ giving up what takes too much disk

    def _give_up_some(self) -> None:
        """Give up the next undelivered events up to `_give_up_to`, at most GIVEN_UP_AT_ONCE. No try may be under way.

        The next event of each stream concerned will say `after_gap`.
        """
        start = max(self._gave_up_to, self._floor)
        events = self._outbox.after(start, GIVEN_UP_AT_ONCE).events
        end = self._give_up_to
        there_may_be_more = len(events) == GIVEN_UP_AT_ONCE
        if there_may_be_more:
            end = min(events[-1].event_id, end)
        gone = [event for event in events if event.event_id <= end and self._is_undelivered(event)]
        self._undelivered -= sum(event.event_id <= self._read_to for event in gone)  # the others were not counted
        for number in {event.stream for event in gone}:
            self._gaps.add(number)
            self._changes.gaps[number] = True
        for stream in self._streams.values():
            self._skip(stream, end)
        self._gave_up_to = end
        self._read_to = max(self._read_to, end)
        if gone:
            happened = [happened_at(event) for event in gone]
            newly = GivenUp(len(gone), min(happened), max(happened))
            self._given_up = _together(self._given_up, newly)
            self._changes.given_up = _together(self._changes.given_up, newly)
            log.error(
                "feed %s: %d events were given up, because undelivered events take too much disk",
                self.name,
                len(gone),
                extra={"action": "feed_overflow"},
            )
        self._on_settled(self._changes.size)

    def _is_undelivered(self, event: Event) -> bool:
        """Whether this event of the outbox is for this feed and not final. The feed need not have read it."""
        if not self._is_for_us(event):
            return False
        if event.event_id > self._read_to:  # not read yet, so it is final only if it was at the start
            return event.event_id > self._cursors.get(event.stream, 0)
        stream = self._streams.get(event.stream)  # None: all that was read of the stream is final
        return stream is not None and event.event_id >= stream.next_id

    def _skip(self, stream: _Stream, end: int) -> None:
        """Drop the stream's events up to this id, which were given up; a wait for one of them ends."""
        while stream.queue and stream.queue[0].event_id <= end:
            stream.queue.popleft()
            self._held -= 1
        stream.next_id = max(stream.next_id, end + 1)
        stream.after_gap = stream.number in self._gaps
        if stream.tries and stream.tried_id <= end:
            stream.tries = 0
            self._changes.tries[stream.number] = None
            self._failing.discard(stream)
            if stream.due is not None:
                stream.due = None
                self._ready.append(stream)

    # ------------------------------------------------------------------ what others ask

    def collect(self) -> Changes:
        """Hand over the changes since the last call, which the caller commits.

        They include the new floor if it has moved: the id up to which all events of all streams are final.
        """
        changes = self._changes
        self._changes = Changes()
        first_undelivered = min((stream.next_id for stream in self._streams.values()), default=self._read_to + 1)
        floor = first_undelivered - 1
        if floor > self._floor:
            self._floor = floor
            changes.floor = floor
        self._wake.set()  # `run` may have stopped trying at UNCOMMITTED changes
        return changes

    def committed(self, changes: Changes) -> None:
        """Called when the books have these changes, which were collected before."""
        if changes.floor is not None:
            self._committed_floor = changes.floor

    def progress(self) -> Progress:
        """The feed's state and counts now. They are reported to the daemon, whose `status` and page show them."""
        now = asyncio.get_running_loop().time()
        open_until = self._circuit.open_until
        paused_for = max(0.0, open_until - now) if open_until is not None else 0.0
        outage_hours = self._outage.hours(now) if self._state is State.ACTIVE else 0
        something_fails = self._circuit.probing or bool(self._failing) or outage_hours > 0
        return Progress(
            state=self._state,
            reason=self._reason,
            undelivered=self._undelivered,
            read_to=self._read_to,
            floor=self._committed_floor,
            dead=self._dead,
            given_up=self._given_up,
            retrying=sum(stream.due is not None for stream in self._streams.values()),
            paused_for=paused_for,
            outage_hours=outage_hours,
            last_why=self._last_why if something_fails else "",
        )


def _together(before: GivenUp | None, newly: GivenUp) -> GivenUp:
    """What was given up before, if anything was, and what is given up now."""
    return before + newly if before else newly


class Bookkeeper:
    """Commits what has changed in the feeds to the books, many outcomes in one transaction."""

    def __init__(self, books: Books, *, every: float = 0.2) -> None:
        """`every`: seconds in which outcomes are gathered; many at once are committed sooner."""
        self._books = books
        self._every = every
        self._feeds: list[Feed] = []
        self._something = asyncio.Event()
        """A feed has changes to collect."""
        self._much = asyncio.Event()
        """A feed has so many of them that they are committed at once."""
        self._stopping = False
        self.trouble: str | None = None
        """Why the books can't be written; None while they can."""

    def watch(self, feeds: Collection[Feed]) -> None:
        """Commit for these feeds. Called once, before `run`."""
        self._feeds = list(feeds)

    def settled(self, size: int) -> None:
        """Called by a feed when it may have changes to collect. `size`: how many (`Changes.size`)."""
        self._something.set()
        if size >= UNCOMMITTED // 4:
            self._much.set()

    def stop(self) -> None:
        """Have `run` commit once more and end."""
        self._stopping = True
        self._something.set()
        self._much.set()  # so that `run` waits for neither

    async def run(self) -> None:
        """Commit until `stop`. Must not be cancelled: a thread would still be writing."""
        while not self._stopping:
            await self._something.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._much.wait()
            self._something.clear()
            self._much.clear()
            await self._commit()
        await self._commit()  # what was settled during the commit before

    async def _commit(self) -> None:
        """Collect and commit all changes there are now.

        It is retried every second until it succeeds, or until `stop`. Meanwhile a feed tries no more once it has
        UNCOMMITTED changes.
        """
        collected = {feed.name: feed.collect() for feed in self._feeds}
        changes = {name: each for name, each in collected.items() if each.size}
        receivers = [feed.receiver for feed in self._feeds if feed.name in changes]
        while changes:
            try:
                await asyncio.to_thread(self._write, changes, receivers)
            except (sqlite3.Error, OSError) as error:
                if self.trouble is None:
                    log.error("cannot write the feeds' books: %s", error, extra={"action": "books_unwritten"})  # noqa: TRY400
                self.trouble = str(error)
                if self._stopping:
                    break
                await asyncio.sleep(1)
            else:
                self.trouble = None
                for feed in self._feeds:
                    if feed.name in changes:
                        feed.committed(changes[feed.name])
                break

    def _write(self, changes: dict[str, Changes], receivers: list[Receiver]) -> None:
        """Runs in a thread. Receivers secure what they were given before the books say that it is delivered."""
        for receiver in receivers:
            receiver.flush()
        self._books.commit(changes, now=times.iso(datetime.now(UTC)))
