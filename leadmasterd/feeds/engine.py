"""One feed at work: which event is tried next, and what its outcome means.

Events of one stream are tried one after the other, in the order of their commits; streams take turns, so that a busy
chat delays nobody. Memory is bounded: at most some WINDOW events are held, few of each stream, and none of a stream
that waits for its next try; what is not held is read again from the outbox.
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
"""Events in memory beyond which no more are read."""
OF_A_STREAM: Final = 16
"""How many of them may be of one stream."""
READ: Final = 200
"""Events in one read of the outbox."""
GIVEN_UP_AT_ONCE: Final = 2_000
"""Events that are looked through at once when there is no room for them: some milliseconds."""
UNCOMMITTED: Final = 256
"""Outcomes beyond which nothing is tried until the books are written: what a crash can make come twice."""


@dataclass(slots=True, eq=False)
class _Stream:
    """A stream with undelivered events. Its first is being tried, or it is among the ready, or it waits until `due`."""

    number: int
    next_id: int
    """No undelivered event of it has a lower id."""
    queue: deque[Event] = field(default_factory=deque)
    more: bool = False
    """Events after those in the queue were seen and not kept."""
    tries: int = 0
    tried_id: int = 0
    """Which event the failed tries were of."""
    due: float | None = None
    after_gap: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How a feed is doing. `undelivered`: of the events that it has seen. `retrying`: streams that wait for a try."""

    state: State
    reason: str
    undelivered: int
    seen: int
    floor: int
    """As the books have it: a crash takes nothing of it back."""
    dead: int
    given_up: GivenUp | None
    retrying: int
    paused_for: float
    """Seconds until the receiver is tried again; 0: it is not taken for down."""
    outage_hours: int
    """For how many whole hours nothing could be delivered, although it was tried."""
    last_why: str


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
        settled: Callable[[int], None] = lambda _number: None,
    ) -> None:
        """`wants`: which kinds of events it delivers. `shape`: how it gets them. `settled`: how much to `collect`."""
        self.name = name
        self.receiver = receiver
        self._outbox = outbox
        self._wants = wants
        self._shape = shape
        self._divisor = divisor
        self._settled = settled
        self._circuit = Circuit(divisor)
        self._outage = Outage(divisor)
        self._state, self._reason, self._dead = record.state, record.reason, record.dead
        self._given_up = record.given_up
        self._seen = self._floor = self._committed_floor = record.floor
        self._gave_up_to = self._give_up_to = record.floor
        self._final = record.cursors
        self._final_to = max(record.cursors.values(), default=0)
        self._gaps = record.gaps
        self._streams: dict[int, _Stream] = {}
        self._ready: deque[_Stream] = deque()
        self._waiting: list[tuple[float, int, _Stream]] = []
        self._turn = itertools.count()
        self._failing: set[_Stream] = set()
        """Those that failed since the last success."""
        self._held = self._undelivered = self._under_way = 0
        self._changes = Changes()
        self._last_why = ""
        self._wake = asyncio.Event()
        self._stopping = False
        self._resume_waiting(record.tries)

    def _resume_waiting(self, tries: dict[int, PutOff]) -> None:
        """The clock may have been set meanwhile, so no wait is longer than the schedule's longest."""
        now = datetime.now(UTC)
        for number, put_off in tries.items():
            left = (datetime.fromisoformat(put_off.next_at) - now).total_seconds()
            stream = self._stream(number, put_off.event_id)
            stream.more, stream.tries, stream.tried_id = True, put_off.tries, put_off.event_id
            self._wait(stream, min(max(left, 0.0), LONGEST_WAIT / self._divisor))
            self._last_why = put_off.why
            self._outage.failed(asyncio.get_running_loop().time())

    # ------------------------------------------------------------------ what comes in

    def take(self, news: News) -> None:
        """New events, unless there is no room or some before them were not seen yet: then they are read later."""
        if news.after <= self._seen and self._held < WINDOW and self._state is State.ACTIVE:
            for event in news.events:
                if event.event_id > self._seen:
                    self._add(event)
            self._seen = max(self._seen, news.events[-1].event_id)
            if self._seen >= self._final_to:
                self._final = {}
            if not self._streams:
                self._settled(0)  # nothing of it was wanted, and still the floor moves
        self._wake.set()

    def set_standing(self, standing: Standing) -> None:
        """A person's command has written this into the books."""
        state, reason, self._dead, self._given_up = standing
        if (state, reason) != (self._state, self._reason):
            log.info("feed %s is %s now", self.name, state, extra={"action": f"feed_{state}"})
            self._outage.count_again(asyncio.get_running_loop().time())
        self._state, self._reason = state, reason
        self._wake.set()

    def give_up(self, through: int) -> None:
        """Give up what is undelivered up to this event: it takes too much disk. Also while nothing is delivered."""
        self._give_up_to = max(self._give_up_to, through)
        self._wake.set()

    def _add(self, event: Event) -> None:
        if event.event_id <= self._final_to and event.event_id <= self._final.get(event.stream, 0):
            return
        if not self._is_for_us(event):
            return
        self._undelivered += 1
        stream = self._streams.get(event.stream)
        if stream is None:
            stream = self._stream(event.stream, event.event_id)
            self._ready.append(stream)
        if stream.more or stream.due is not None or len(stream.queue) >= OF_A_STREAM:
            stream.more = True
        else:
            stream.queue.append(self._shape(event))
            self._held += 1

    def _is_for_us(self, event: Event) -> bool:
        return event.feed in (None, self.name) and self._wants(event.kind)

    def _stream(self, number: int, next_id: int) -> _Stream:
        stream = self._streams[number] = _Stream(number, next_id, after_gap=number in self._gaps)
        return stream

    def _read_on(self) -> None:
        """Fill up the window from the outbox."""
        while self._held < WINDOW // 2:
            news = self._outbox.after(self._seen, READ)
            if not news.events:
                break
            self.take(news)

    def _refill(self, stream: _Stream) -> bool:
        """Make sure that the stream's first event is in its queue. False: it has none left, and is gone."""
        while not stream.queue and stream.more:
            seen = self._outbox.of_stream(stream.number, (stream.next_id - 1, self._seen), OF_A_STREAM)
            stream.queue.extend(self._shape(event) for event in seen if self._is_for_us(event))
            stream.more = len(seen) == OF_A_STREAM
            self._held += len(stream.queue)
            if seen and not stream.queue:
                stream.next_id = seen[-1].event_id + 1
        if not stream.queue:
            self._has_ended(stream)
            return False
        first = stream.queue[0].event_id
        stream.next_id = first
        if stream.tries and first != stream.tried_id:  # the one that was tried is no longer in the outbox
            stream.tries, stream.after_gap = 0, True
            self._changes.tries[stream.number] = None
        return True

    # ------------------------------------------------------------------ the work

    async def run(self) -> None:
        """Until `stop`, and until then tries that are under way have ended."""
        async with asyncio.TaskGroup() as tasks:
            while not self._stopping:
                self._wake.clear()
                pause = self._advance(tasks)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()

    def stop(self) -> None:
        """Start no other try."""
        self._stopping = True
        self._wake.set()

    def _advance(self, tasks: asyncio.TaskGroup) -> float | None:
        """Start what can be started. Seconds until there may be more to do without being woken; None: never."""
        if self._gave_up_to < self._give_up_to:
            if self._under_way:
                return None
            self._give_up_some()
            return 0.0
        if self._state is not State.ACTIVE or self._changes.size >= UNCOMMITTED:
            return None
        now = asyncio.get_running_loop().time()
        self._read_on()
        while self._waiting and self._waiting[0][0] <= now:
            due, _turn, stream = heapq.heappop(self._waiting)
            if stream.due == due:
                stream.due = None
                self._ready.append(stream)
        while self._ready and self._circuit.may_try(now) and self._under_way < self._most_under_way:
            stream = self._ready.popleft()
            if self._refill(stream):
                self._under_way += 1
                tasks.create_task(self._try(stream), name=f"feed {self.name}: a try")
        until = [self._waiting[0][0]] if self._waiting else []
        if self._ready and not self._circuit.may_try(now):
            until.append(self._circuit.open_until or now)
        return max(0.0, min(until) - now) if until else None

    @property
    def _most_under_way(self) -> int:
        return 1 if self._circuit.probing else self.receiver.concurrency

    async def _try(self, stream: _Stream) -> None:
        event = stream.queue[0]
        try:
            outcome = await self.receiver.deliver(event, after_gap=stream.after_gap)
        except Exception:  # a defect of the receiver's, ours or a package's, must not stop other feeds
            log.exception("feed %s: a try failed in a way of its own", self.name, extra={"action": "feed_defect"})
            outcome = Outcome(Result.AGAIN, later("a defect"))
        finally:
            self._under_way -= 1
        self._settle(stream, event, outcome)
        self._settled(self._changes.size)
        self._wake.set()

    def _settle(self, stream: _Stream, event: Event, outcome: Outcome) -> None:
        now = asyncio.get_running_loop().time()
        match outcome.result:
            case Result.DELIVERED:
                self._is_final(stream, event)
                if stream.after_gap:
                    self._gap(stream, gap=False)
                if self._circuit.succeeded(now):
                    log.info("feed %s: the receiver is back", self.name, extra={"action": "feed_back"})
                    self._hasten()
                self._failing.clear()
                self._outage.succeeded()
            case Result.DISABLE:
                self._state, self._reason = State.DISABLED, outcome.why
                self._changes.disabled = self._last_why = outcome.why
                self._ready.appendleft(stream)
                log.error(
                    "feed %s is disabled: its receiver says that it wants nothing more (%s)",
                    self.name,
                    outcome.why,
                    extra={"action": "feed_disabled"},
                )
            case Result.AGAIN | Result.THROTTLED | Result.IMPOSSIBLE:
                self._failed(stream, event, outcome, now)

    def _failed(self, stream: _Stream, event: Event, outcome: Outcome, now: float) -> None:
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
        wait = wait_after(tries, outcome, random.random())
        if wait is None:
            log.error(
                "feed %s: event %d was given up after %d tries (%s)",
                *(self.name, event.event_id, tries, outcome.why),
                extra={"action": "feed_dead"},
            )
            self._changes.dead.append((event, tries, outcome.why))
            self._dead += 1
            self._is_final(stream, event)
            self._gap(stream, gap=True)
            return
        wait /= self._divisor
        next_at = times.iso(datetime.now(UTC) + timedelta(seconds=wait))
        self._changes.tries[stream.number] = PutOff(event.event_id, tries, next_at, outcome.why)
        stream.tries, stream.tried_id = tries, event.event_id
        self._held -= len(stream.queue)
        stream.queue.clear()
        stream.more = True
        self._failing.add(stream)
        self._wait(stream, wait)

    def _wait(self, stream: _Stream, seconds: float) -> None:
        stream.due = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._waiting, (stream.due, next(self._turn), stream))

    def _is_final(self, stream: _Stream, event: Event) -> None:
        """The stream goes on with its next event, when the others have had their turn."""
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
            self._has_ended(stream)

    def _has_ended(self, stream: _Stream) -> None:
        del self._streams[stream.number]
        if not self._streams:
            self._undelivered = 0  # it may count events that were deleted from the outbox

    def _gap(self, stream: _Stream, *, gap: bool) -> None:
        stream.after_gap = gap
        self._changes.gaps[stream.number] = gap
        (self._gaps.add if gap else self._gaps.discard)(stream.number)

    def _hasten(self) -> None:
        """The receiver was down and is back: what failed meanwhile is tried now, except for a last try."""
        for stream in self._failing:
            if stream.due is not None and stream.tries < TRIES - 1:
                stream.due = None
                self._ready.append(stream)

    # ------------------------------------------------------------------ what there is no room for

    def _give_up_some(self) -> None:
        """Nothing is being tried now. The next event of each conversation says `after_gap`."""
        start = max(self._gave_up_to, self._floor)
        events = self._outbox.after(start, GIVEN_UP_AT_ONCE).events
        end = self._give_up_to if len(events) < GIVEN_UP_AT_ONCE else min(events[-1].event_id, self._give_up_to)
        gone = [event for event in events if event.event_id <= end and self._is_undelivered(event)]
        self._undelivered -= sum(event.event_id <= self._seen for event in gone)
        for number in {event.stream for event in gone}:
            self._gaps.add(number)
            self._changes.gaps[number] = True
        for stream in self._streams.values():
            self._skip(stream, end)
        self._gave_up_to = end
        self._seen = max(self._seen, end)
        if gone:
            happened = [happened_at(event) for event in gone]
            more = GivenUp(len(gone), min(happened), max(happened))
            self._given_up = self._given_up + more if self._given_up else more
            self._changes.given_up = self._changes.given_up + more if self._changes.given_up else more
            log.error(
                "feed %s: %d events were given up, because undelivered events take too much disk",
                *(self.name, len(gone)),
                extra={"action": "feed_overflow"},
            )
        self._settled(self._changes.size)

    def _is_undelivered(self, event: Event) -> bool:
        if not self._is_for_us(event):
            return False
        if event.event_id > self._seen:
            return event.event_id > self._final.get(event.stream, 0)
        stream = self._streams.get(event.stream)
        return stream is not None and event.event_id >= stream.next_id

    def _skip(self, stream: _Stream, end: int) -> None:
        """Whatever is left of it comes after `end`."""
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
        """What is to be committed since the last call."""
        changes, self._changes = self._changes, Changes()
        floor = min((stream.next_id for stream in self._streams.values()), default=self._seen + 1) - 1
        if floor > self._floor:
            self._floor = changes.floor = floor
        self._wake.set()
        return changes

    def committed(self, changes: Changes) -> None:
        """The books have what was collected."""
        if changes.floor is not None:
            self._committed_floor = changes.floor

    def progress(self) -> Progress:
        """For people."""
        open_until = self._circuit.open_until
        now = asyncio.get_running_loop().time()
        outage_hours = self._outage.hours(now) if self._state is State.ACTIVE else 0
        return Progress(
            state=self._state,
            reason=self._reason,
            undelivered=self._undelivered,
            seen=self._seen,
            floor=self._committed_floor,
            dead=self._dead,
            given_up=self._given_up,
            retrying=sum(stream.due is not None for stream in self._streams.values()),
            paused_for=max(0.0, open_until - now) if open_until is not None else 0.0,
            outage_hours=outage_hours,
            last_why=self._last_why if open_until is not None or self._failing or outage_hours else "",
        )


class Bookkeeper:
    """Commits what the feeds have settled, many outcomes in one transaction."""

    def __init__(self, books: Books, *, every: float = 0.2) -> None:
        """`every`: seconds in which outcomes are gathered; many at once are committed sooner."""
        self._books = books
        self._every = every
        self._feeds: list[Feed] = []
        self._news = asyncio.Event()
        self._much = asyncio.Event()
        self._stopping = False
        self.trouble: str | None = None
        """Why the books can't be written, if they can't."""

    def watch(self, feeds: Collection[Feed]) -> None:
        """These are the feeds."""
        self._feeds = list(feeds)

    def settled(self, number: int) -> None:
        """A feed has something to collect, and this much of it."""
        self._news.set()
        if number >= UNCOMMITTED // 4:
            self._much.set()

    def stop(self) -> None:
        """Commit once more, and end."""
        self._stopping = True
        self._news.set()
        self._much.set()

    async def run(self) -> None:
        """Until `stop`. Not to be cancelled: a thread would still be writing."""
        while not self._stopping:
            await self._news.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._much.wait()
            self._news.clear()
            self._much.clear()
            await self._commit()
        await self._commit()  # what was settled while the last one was written

    async def _commit(self) -> None:
        """Commit all that is settled now. It is tried until it succeeds; meanwhile the feeds come to a halt."""
        changes = {feed.name: found for feed in self._feeds if (found := feed.collect()).size}
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
        for receiver in receivers:
            receiver.flush()
        self._books.commit(changes, now=times.iso(datetime.now(UTC)))
