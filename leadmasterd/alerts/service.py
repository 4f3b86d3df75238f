"""Runs alerts: looks for conditions, carries out what `episodes.decide` returns, and sends what is due to each address.

One task looks, every few seconds and whenever something was committed. Each address has a task of its own, so that one
which hangs does not delay the others. A note stays due until every address has it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Protocol

from leadmasterd.alerts import bundle, words
from leadmasterd.alerts.addresses import Address
from leadmasterd.alerts.episodes import (
    Again,
    Began,
    Crowd,
    Digest,
    Dropped,
    Ended,
    Episode,
    Fate,
    Key,
    Released,
    Rules,
    Step,
    What,
    decide,
)
from leadmasterd.alerts.kinds import Condition, Kind, Text
from leadmasterd.alerts.notifier import Result
from leadmasterd.alerts.store import Delivery, Note, Store

log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 5.0
"""Seconds between two looks."""
_GONE_AFTER: Final = 8.0
"""Seconds for which a condition must not be found until its episode ends. One look may have failed to read a locked
database or a half-written file."""
_PAUSES: Final = (5.0, 15.0, 60.0, 300.0)
"""Seconds to wait after the first failure in a row at one address, the second and so on; the last for all further."""
_ONE_BY_ONE: Final = 3
"""If more notes than this are due at an address, they are sent in one message."""
_TROUBLE_AFTER: Final = 2
"""Failures in a row at an address after which `trouble` says so."""


class Observes(Protocol):
    """What is needed of `alerts.observer.Observer`, so that tests can use another."""

    def look(self, now: datetime) -> list[Condition]:
        """What holds now. Blocks."""

    def came_back(self, kind: Kind, subject: str, since: datetime, now: datetime) -> Text | None:
        """What to tell of the end of a condition that began at `since`; None: nothing. Blocks."""


class Alerts:
    """The parts together, and the tasks that run them."""

    def __init__(
        self,
        rules: Rules,
        *,
        observer: Observes,
        addresses: Sequence[Address],
        store: Store,
        unusable: Sequence[str] = (),
        divisor: float = 1,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`unusable`: a sentence for each address in the settings that can't be used.

        `rules.silent_before` is replaced by when alerts were first switched on, which the store knows. For tests:
        `divisor` divides all times, `now` and `monotonic` are the clocks.
        """
        self._rules = replace(rules, silent_before=store.began_at)
        self._observer = observer
        self._addresses = addresses
        self._store = store
        self._unusable = unusable
        self._divisor = divisor
        self._now = now
        self._monotonic = monotonic
        self._defect = ""
        """The error with which the last look failed; empty if it did not."""
        self._store_trouble = ""
        """Why the store could not be written; empty if it could."""
        self._wake = asyncio.Event()
        """Set to make the next look begin at once."""
        self._due: Mapping[str, asyncio.Event] = {each.key: asyncio.Event() for each in addresses}
        """By address: set when notes may be due there."""
        self._absent: dict[Key, float] = {}
        """Since when, on the monotonic clock, the condition of an open episode has not been found."""

    def news(self, _news: object = None) -> None:
        """Look at once, because something was committed. `_news`: what the caller says of it; not used."""
        self._wake.set()

    def trouble(self) -> str:
        """Why some alerts may not reach people, for `status`; empty while all is well."""
        failing = [f"{each.shown}: {each.why}" for each in self._addresses if each.failures >= _TROUBLE_AFTER]
        return "; ".join(filter(None, [*self._unusable, *failing, self._store_trouble, self._defect]))

    async def run(self) -> None:
        """Look and tell until it is cancelled. The store is closed then."""
        with contextlib.closing(self._store):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_looking(), name="looks")
                for address in self._addresses:
                    tasks.create_task(self._keep_telling(address), name=f"alerts to {address.shown}")

    # ------------------------------------------------------------------ looking

    async def _keep_looking(self) -> None:
        """Look again and again. A look that fails is logged, and told by `trouble` until one succeeds."""
        while True:
            self._wake.clear()
            try:
                await self.look()
            except Exception as error:
                log.exception("a look for alerts failed", extra={"action": "alerts_defect"})
                self._defect = repr(error)
            else:
                self._defect = ""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY / self._divisor):
                    await self._wake.wait()

    async def look(self) -> None:
        """Look once: find what holds, carry out what follows, and wake the tasks that send."""
        now = self._now()
        conditions = await asyncio.to_thread(self._observer.look, now)
        gone = self._update_absent({Key(each.kind, each.subject) for each in conditions})
        for step in decide(self._store.ledger(), conditions, gone, now=now, rules=self._rules):
            await self._carry_out(step, now)
        self._settle()
        self._flush()
        for event in self._due.values():
            event.set()

    def _update_absent(self, found: set[Key]) -> set[Key]:
        """Note which open episodes have no condition in `found`. Returns those that have had none for long enough."""
        open_keys = {key for key, each in self._store.episodes.items() if each.open}
        at = self._monotonic()
        self._absent = {key: self._absent.get(key, at) for key in open_keys - found}
        return {key for key, since in self._absent.items() if at - since >= _GONE_AFTER / self._divisor}

    async def _carry_out(self, step: Step, now: datetime) -> None:
        """Change episodes and notes in the store as a step says. It is written to the file later, by `_flush`."""
        store = self._store
        match step:
            case Began(condition, fate, number):
                key = Key(condition.kind, condition.subject)
                store.put_episode(key, Episode(condition.since, told=fate in (Fate.DUE, Fate.GATHERED)))
                if fate:
                    flaps = number > 0
                    text = bundle.flapping(condition.text, number) if flaps else condition.text
                    store.add_note(key, What.BEGAN, fate, text, now=now, flapping=flaps)
            case Crowd(conditions):
                for each in conditions:
                    store.put_episode(Key(each.kind, each.subject), Episode(each.since, told=True))
                key = Key(conditions[0].kind, "")  # the note is about several conditions
                store.add_note(key, What.DIGEST, Fate.DUE, words.digest(conditions), now=now)
            case Again(key):
                store.put_episode(key, replace(store.episodes[key], open=True))
            case Ended(key, since, fate):
                store.put_episode(key, replace(store.episodes[key], open=False))
                if fate:
                    text_of_end = await asyncio.to_thread(self._observer.came_back, key.kind, key.subject, since, now)
                    if text_of_end:
                        store.add_note(key, What.ENDED, fate, text_of_end, now=now)
            case Released(note_id, new_text):
                note = store.notes[note_id]
                store.put_note(replace(note, state=Fate.DUE, due_at=now, text=new_text or note.text))
                self._put_told(note.key, told=True)
            case Dropped(note_id):
                note = store.notes[note_id]
                store.put_note(replace(note, state=Fate.OVER))
                self._put_told(note.key, told=False)
            case Digest(kind, note_ids):
                notes = [store.notes[note_id] for note_id in note_ids]
                text = bundle.together([(each.made_at, each.text) for each in notes], now, self._rules.zone)
                for note in notes:
                    store.put_note(replace(note, state=Fate.IN_DIGEST))
                store.add_note(Key(kind, ""), What.DIGEST, Fate.DUE, text, now=now, flapping=True)

    def _put_told(self, key: Key, *, told: bool) -> None:
        """Set whether the beginning of this episode counts as told, if the episode is still known."""
        episode = self._store.episodes.get(key)
        if episode:
            self._store.put_episode(key, replace(episode, told=told))

    def _settle(self) -> None:
        """Mark each due note as told once every address in the settings has it; none if there are no addresses."""
        if not self._addresses:
            return
        for note in self._store.due():
            if all(self._is_told(note, address) for address in self._addresses):
                self._store.put_note(replace(note, state=Fate.TOLD))

    def _flush(self) -> None:
        """Write the store. If that fails, say so once in the log, and in `trouble` until it succeeds."""
        trouble = self._store.flush()
        if trouble and trouble != self._store_trouble:
            log.error("cannot write %s; alerts are told all the same", trouble, extra={"action": "alerts_unwritten"})
        self._store_trouble = trouble

    # ------------------------------------------------------------------ telling

    async def _keep_telling(self, address: Address) -> None:
        """Whenever notes may be due, send until none is left, with pauses after failures."""
        due = self._due[address.key]
        while True:
            await due.wait()
            due.clear()
            while await self.tell(address):
                if address.failures:
                    pause = _PAUSES[min(address.failures, len(_PAUSES)) - 1]
                    await asyncio.sleep(pause / self._divisor)

    async def tell(self, address: Address) -> bool:
        """Send one message to the address, and note what came of it. Returns False if no note was due there.

        The message is one note, or all that are due if they are many. While deliveries fail, every second message is
        one note, the one that has failed least often: the server may refuse only one of the texts.
        """
        now = self._now()
        notes = [each for each in self._store.due() if not self._is_told(each, address)]
        if not notes:
            return False
        is_alone = len(notes) <= _ONE_BY_ONE or address.failures % 2 == 1
        if is_alone:
            notes = [min(notes, key=lambda each: (self._delivery(each, address).tries, each.note_id))]
        text = bundle.together([(each.due_at or now, each.text) for each in notes], now, self._rules.zone)
        text = bundle.late(text, min(each.due_at or now for each in notes), now, self._rules.zone)
        [result] = await address.notifier.send(text)
        address.failures = 0 if result.delivered else address.failures + 1
        address.why = result.why
        for note in notes:
            self._note_result(note.note_id, address, result)
        self._settle()
        self._flush()
        return True

    def _note_result(self, note_id: int, address: Address, result: Result) -> None:
        """Add to a note what came of sending it to this address."""
        note = self._store.notes.get(note_id)
        if note is None:  # given up meanwhile
            return
        before = self._delivery(note, address)
        if result.delivered:
            delivery = replace(before, told_at=self._now(), why="")
            log.info("told %s: %s", address.shown, note.key.kind, extra={"action": "alert_told"})
        else:
            delivery = replace(before, tries=before.tries + 1, why=result.why)
        self._store.put_note(replace(note, deliveries={**note.deliveries, address.key: delivery}))

    @staticmethod
    def _delivery(note: Note, address: Address) -> Delivery:
        """What became of a note at this address; a new record if it was not tried there yet."""
        return note.deliveries.get(address.key, Delivery(address.shown))

    def _is_told(self, note: Note, address: Address) -> bool:
        return self._delivery(note, address).told_at is not None
