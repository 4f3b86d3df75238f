"""The live path: messages captured as they come. While it is down there is a gap, until a sweep (backfill) fills it."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Final

from leadmasterd import times
from leadmasterd.daemon.status import Counters
from leadmasterd.daemon.sweeper import Asked, Sweeper
from leadmasterd.errors import DatabaseDamaged
from leadmasterd.settings.plain import PlainSettings
from leadmasterd.state import status_object
from leadmasterd.store.records import BatchResult, GapEnded, GapOpened, Item, LinesMissing
from leadmasterd.store.rows import Rows
from leadmasterd.store.start import open_gaps, resume
from leadmasterd.store.sweep_plan import SweepPlan, plan
from leadmasterd.store.writer import Writer
from leadmasterd.supervisor.inbox import Inbox
from leadmasterd.supervisor.machine import Happened, Phase, State
from leadmasterd.wire.events import Account

log = logging.getLogger(__name__)

_UNREACHABLE: Final = frozenset({Phase.STOPPING, Phase.RECONNECTING})
"""Phases that end sweeping when they begin. NEEDS_PASSKEY is not one: messages may still come then."""
_BACK_WITHOUT_READY: Final = frozenset({"reconnected", "passkey_done"})
"""Reasons of the phase READY that do not follow from a `ready` line of the child."""


class LivePath:
    """Knows whether live delivery works, for whom, and how much was captured.

    `send` sends the child a command. `linked_for` tells how long ago the phone was linked. `ignored_ids` gives the ids
    of ignored people that the settings do not name, as known now. `changed` is called when what `status` shows changes.
    """

    def __init__(
        self,
        settings: PlainSettings,
        writer: Writer,
        inbox: Inbox,
        *,
        send: Callable[..., None],
        linked_for: Callable[[], timedelta],
        ignored_ids: Callable[[], Iterable[str]] = tuple,
        counters: Counters,
        changed: Callable[[], None],
    ) -> None:
        self._first_link_days = settings.first_link_days
        self._ignored_by_settings = settings.capture.ignore
        self._writer = writer
        self._inbox = inbox
        self._send = send
        self._linked_for = linked_for
        self._further_ignored = ignored_ids
        self._history: str | None = None
        """Messages from before the link are `incoming` or `complete`, by the last heartbeat; None: it did not say."""
        self._history_due: float | None = None
        """When to stop waiting for messages from before the link (monotonic). None: not computed yet."""
        self._history_timeout = settings.timing.history_timeout
        self._counters = counters
        self._changed = changed
        self._live = False
        """Whether the last phase was READY."""
        self._alive_at = ""
        """When a heartbeat last said that messages would arrive (ISO); empty before the first."""
        self._stream_dead = False
        self._last_batch = 0.0
        """When a new message was last stored (monotonic)."""
        self._account: status_object.Account | None = None
        self._capture = status_object.Capture(live=0, sweep=0, open_gaps=0, last_message_at=None, alive_at=None)
        self.sweeper = Sweeper(
            settings.timing, make_plan=self._plan_sweep, ask_child=self._ask_sweep, on_stalled=self._delivery_stalled
        )

    async def resume(self) -> None:
        """Read account and figures from the database, and record the gap since an earlier life of the daemon."""
        asked = self._writer.call(lambda connection, rows: resume(connection, rows, datetime.now(UTC)))
        try:
            found = await asyncio.wrap_future(asked)
        except DatabaseDamaged:  # the writer reports it; the child will say which account this is
            return
        if found.account:
            self._account = status_object.Account(wid=found.account.wid, push_name=found.account.push_name)
        self._capture["live"] = found.live
        self._capture["sweep"] = found.sweep
        self._capture["last_message_at"] = found.last_message_at
        self.count_gaps()

    # ------------------------------------------------------------------ what the child and the supervisor report

    def new_child(self) -> None:
        """Another child starts, and delivers nothing yet."""
        self._live = False
        self._stream_dead = False
        self._history = None

    def beat(self, *, stream_dead: bool = False, history: str | None = None) -> None:
        """A heartbeat came, so the path from the page to us works. `stream_dead`: WhatsApp's to the page does not.

        If both work, a gap that is noticed later has not begun before now. `history`: whether recent messages from
        before the link are `incoming` or `complete`; None: the page does not say.
        """
        self._history = history
        self._inbox.heartbeat()
        self._stream_dead = stream_dead
        if not stream_dead:
            self._alive_at = times.iso(datetime.now(UTC))

    def attached(self, account: Account, *, fresh: bool) -> None:
        """The child is `ready`: live delivery begins for this account. `fresh`: it has just been paired.

        If live delivery had begun already, the page was reloaded. Then a gap is recorded from the last heartbeat until
        now.
        """
        self._account = status_object.Account(wid=account.wid, push_name=account.push_name)
        if fresh:
            self._history_due = asyncio.get_running_loop().time() + self._history_timeout
        if self._live:
            now = times.iso(datetime.now(UTC))
            gap = (GapOpened("page_reloaded", self._alive_at), GapEnded())
            self._writer.put([Item(record, None, now) for record in gap])
            self.count_gaps()
        self.beat()
        self.sweeper.live(fresh=fresh)

    def phase_changed(self, state: State, at: str) -> Sequence[GapOpened | GapEnded]:
        """Follow a change of phase at this time (ISO). Returns the gap that begins or ends now, to be recorded.

        A gap begins `at`. If the stream is dead, it began earlier: at the last heartbeat that found the stream alive.
        """
        was_live = self._live
        self._live = state.phase is Phase.READY
        if state.phase in _UNREACHABLE:
            self.sweeper.dead()
        if self._live == was_live:
            return []
        if was_live:
            return [GapOpened(state.because.code, self._alive_at if self._stream_dead else at)]
        if state.because.code in _BACK_WITHOUT_READY or self.sweeper.due_in is None:
            self.sweeper.live(fresh=False)  # otherwise `attached` has just called it, for the `ready` line
        return [GapEnded()]

    def lines_missing(self, number: int) -> None:
        """This many lines of the child are missing, by their numbers: have a sweep bring the messages in them."""
        self._counters.bump("missing_lines", number)
        log.warning("%d lines are missing; sweeping", number, extra={"action": "seq_hole"})
        now = times.iso(datetime.now(UTC))
        # An item, and not a call of the writer, because the writer tries an item until it is written.
        self._writer.put([Item(LinesMissing(self.sweeper.asked), None, now)])
        self.sweeper.something_missing()

    def committed(self, batch: BatchResult) -> None:
        """A batch is in the database: update the figures, and report finished sweeps to the sweeper."""
        self._capture["live"] += batch.live
        self._capture["sweep"] += batch.sweep
        newest, known = batch.last_message_at, self._capture["last_message_at"]
        if newest and (known is None or newest > known):
            self._capture["last_message_at"] = newest
        if batch.live or batch.sweep:
            self._last_batch = asyncio.get_running_loop().time()
        for outcome in batch.sweeps_done:
            self.sweeper.committed(outcome)
            self.count_gaps()
        if batch.delivered:
            self.sweeper.delivered(batch.delivered)
        self._changed()

    def count_gaps(self) -> None:
        """Ask the store how many gaps are open; the answer arrives in a later turn of the loop."""
        loop = asyncio.get_running_loop()

        def keep(number: int) -> None:
            self._capture["open_gaps"] = number
            self._changed()

        def answered(done: Future[int]) -> None:
            if not done.exception():  # the database is damaged, which the writer reports
                loop.call_soon_threadsafe(keep, done.result())

        self._writer.call(open_gaps).add_done_callback(answered)

    # ------------------------------------------------------------------ what others ask

    @property
    def quiet_seconds(self) -> float:
        """Seconds since the last new message was stored; before the first, since the monotonic clock began."""
        return asyncio.get_running_loop().time() - self._last_batch

    def account(self) -> status_object.Account | None:
        """The listening number, for `status`; None until a phone was linked."""
        return self._account

    def capture(self) -> status_object.Capture:
        """How complete capture was, for `status`."""
        self._capture["alive_at"] = self._alive_at or None
        return self._capture

    def next_sweep(self) -> list[status_object.Job]:
        """When the next sweep is due, for `status`."""
        due_in = self.sweeper.due_in
        if due_in is None:
            return []
        return [status_object.Job(job="sweep", at=times.iso(datetime.now(UTC) + timedelta(seconds=due_in)))]

    # ------------------------------------------------------------------ sweeps

    def _history_incomplete(self) -> bool:
        """Whether messages from before the link may still come.

        They may until the page says that all have come, or until a limit after the link. For a link that this daemon
        saw, `attached` has set the limit. For an earlier link it is computed here, once only: `linked_for` depends on
        the wall clock, which may jump.
        """
        now = asyncio.get_running_loop().time()
        if self._history_due is None:
            self._history_due = now + self._history_timeout - self._linked_for().total_seconds()
        return now < self._history_due and self._history != "complete"

    async def _plan_sweep(self, asked: Asked) -> SweepPlan:
        """Plan a sweep on the writer's thread. While older messages may still come, it must not move the watermark.

        Raises DatabaseDamaged.
        """
        older_may_come = self._history_incomplete()

        def make(connection: sqlite3.Connection, rows: Rows) -> SweepPlan:
            assert rows.account_id is not None, "sweeps follow `ready`, which names the account"
            if older_may_come:
                rows.hold_watermarks(asked.number, "history_incomplete")
            return plan(
                connection,
                rows.account_id,
                asked.slack,
                first_link_days=self._first_link_days,
                now=datetime.now(UTC),
                looks_back=asked.looks_back,
            )

        return await asyncio.wrap_future(self._writer.call(make))

    def _ask_sweep(self, number: int, wanted: SweepPlan) -> None:
        """Send the child the plan as a command, and every id of ignored people. A bare number becomes an id at c.us."""
        in_settings = [entry if "@" in entry else f"{entry}@c.us" for entry in self._ignored_by_settings]
        since = {"from": wanted.start}
        if wanted.changes_from is not None:
            since["changes_from"] = wanted.changes_from
        ignore = [*in_settings, *self._further_ignored()]
        self._send("sweep", sweep=number, **since, chats=wanted.chats, ignore=ignore)

    def _delivery_stalled(self, messages: int) -> None:
        """A sweep found messages that should have come live: tell the supervisor, which restarts the child."""
        log.error("%d messages were not delivered live", messages, extra={"action": "deaf"})
        self._inbox.post(Happened.DELIVERY_STALLED, messages=messages)
