"""Alerts at work: looks, decides what a person is to be told, and tells it at each address until it is delivered.

One task looks, every few seconds and whenever there is news. Each address has a task of its own, so one that hangs
keeps nobody waiting but itself.
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
_GONE_AFTER: Final = 8.0
"""Seconds without a condition until its episode has ended: a look may have met a locked database or a torn file."""
_PAUSES: Final = (5.0, 15.0, 60.0, 300.0)
"""Seconds after failures in a row at one address; the last one for all further."""
_ONE_BY_ONE: Final = 3
"""More than this many at once are told as one."""
_TROUBLE_AFTER: Final = 2
"""Failures in a row at an address until `status` tells it."""


class Looks(Protocol):
    """As `alerts.observer.Observer`."""

    def look(self, now: datetime) -> list[Condition]:
        """What holds now."""

    def came_back(self, kind: Kind, subject: str, since: datetime, now: datetime) -> Text | None:
        """What is told of an end."""


class Alerts:
    """All of it. `unusable`: addresses of the settings that can't be used, and why, in sentences."""

    def __init__(
        self,
        rules: Rules,
        *,
        looks: Looks,
        addresses: Sequence[Address],
        store: Store,
        unusable: Sequence[str] = (),
        divisor: float = 1,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = replace(rules, silent_before=store.began_at)
        self._looks = looks
        self._addresses = addresses
        self._store = store
        self._unusable = unusable
        self._divisor = divisor
        self._now = now
        self._monotonic = monotonic
        self._defect = ""
        self._store_trouble = ""
        self._wake = asyncio.Event()
        self._due: Mapping[str, asyncio.Event] = {each.key: asyncio.Event() for each in addresses}
        self._absent: dict[Key, float] = {}
        """Since when, on the monotonic clock, a condition of an open episode has not been seen."""

    def news(self, _news: object = None) -> None:
        """Something was committed: look at once."""
        self._wake.set()

    def trouble(self) -> str:
        """Why somebody can't be told; empty while all is well."""
        failing = [f"{each.shown}: {each.why}" for each in self._addresses if each.failures >= _TROUBLE_AFTER]
        return "; ".join(filter(None, [*self._unusable, *failing, self._store_trouble, self._defect]))

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_looking(), name="looks")
            for address in self._addresses:
                tasks.create_task(self._keep_telling(address), name=f"alerts to {address.shown}")

    # ------------------------------------------------------------------ looking

    async def _keep_looking(self) -> None:
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
        """Once: what holds, what follows from it, and the notes of that."""
        now = self._now()
        conditions = await asyncio.to_thread(self._looks.look, now)
        gone = self._gone({Key(each.kind, each.subject) for each in conditions})
        for step in decide(self._store.ledger(), conditions, gone, now=now, rules=self._rules):
            await self._carry_out(step, now)
        self._settle_old()
        self._flush()
        for event in self._due.values():
            event.set()

    def _gone(self, seen: set[Key]) -> set[Key]:
        """Open episodes whose condition has been absent for long enough."""
        is_open = {key for key, each in self._store.episodes.items() if each.open}
        at = self._monotonic()
        self._absent = {key: self._absent.get(key, at) for key in is_open - seen}
        return {key for key, since in self._absent.items() if at - since >= _GONE_AFTER / self._divisor}

    async def _carry_out(self, step: Step, now: datetime) -> None:
        store = self._store
        match step:
            case Began(condition, fate, flapping):
                key = Key(condition.kind, condition.subject)
                store.put_episode(key, Episode(condition.since, told=fate in (Fate.DUE, Fate.GATHERED)))
                if fate:
                    text = bundle.flapping(condition.text, flapping) if flapping else condition.text
                    store.add_note(key, What.BEGAN, fate, text, now=now, flapping=bool(flapping))
            case Crowd(conditions):
                for each in conditions:
                    store.put_episode(Key(each.kind, each.subject), Episode(each.since, told=True))
                store.add_note(Key(conditions[0].kind, ""), What.DIGEST, Fate.DUE, words.digest(conditions), now=now)
            case Again(key):
                store.put_episode(key, replace(store.episodes[key], open=True))
            case Ended(key, since, fate):
                store.put_episode(key, replace(store.episodes[key], open=False))
                if fate:
                    said = await asyncio.to_thread(self._looks.came_back, key.kind, key.subject, since, now)
                    if said:
                        store.add_note(key, What.ENDED, fate, said, now=now)
            case Released(note_id, text):
                note = store.notes[note_id]
                store.put_note(replace(note, state=Fate.DUE, due_at=now, text=text or note.text))
                if note.key in store.episodes:
                    store.put_episode(note.key, replace(store.episodes[note.key], told=True))
            case Dropped(note_id):
                note = store.notes[note_id]
                store.put_note(replace(note, state=Fate.OVER))
                if note.key in store.episodes:
                    store.put_episode(note.key, replace(store.episodes[note.key], told=False))
            case Digest(kind, note_ids):
                notes = [store.notes[note_id] for note_id in note_ids]
                text = bundle.together([(each.made_at, each.text) for each in notes], now, self._rules.zone)
                for note in notes:
                    store.put_note(replace(note, state=Fate.IN_DIGEST))
                store.add_note(Key(kind, ""), What.DIGEST, Fate.DUE, text, now=now, flapping=True)

    def _settle_old(self) -> None:
        """What has been told to everybody whom the settings name now."""
        if not self._addresses:
            return
        for note in self._store.due():
            if all(self._is_told(note, address) for address in self._addresses):
                self._store.put_note(replace(note, state=Fate.TOLD))

    def _flush(self) -> None:
        trouble = self._store.flush()
        if trouble and trouble != self._store_trouble:
            log.error("cannot write %s; alerts are told all the same", trouble, extra={"action": "alerts_unwritten"})
        self._store_trouble = trouble

    # ------------------------------------------------------------------ telling

    async def _keep_telling(self, address: Address) -> None:
        due = self._due[address.key]
        while True:
            await due.wait()
            due.clear()
            while await self.tell(address):
                if address.failures:
                    pause = _PAUSES[min(address.failures, len(_PAUSES)) - 1]
                    await asyncio.sleep(pause / self._divisor)

    async def tell(self, address: Address) -> bool:
        """One alert: of one note, or of all if they are many. After a failure one is tried alone every second time.

        False: there is nothing to tell.
        """
        now = self._now()
        notes = [each for each in self._store.due() if not self._is_told(each, address)]
        if not notes:
            return False
        if len(notes) <= _ONE_BY_ONE or address.failures % 2:
            notes = [min(notes, key=lambda each: (self._delivery(each, address).tries, each.note_id))]
        text = bundle.together([(each.due_at or now, each.text) for each in notes], now, self._rules.zone)
        text = bundle.late(text, min(each.due_at or now for each in notes), now, self._rules.zone)
        [result] = await address.notifier.send(text)
        address.failures = 0 if result.delivered else address.failures + 1
        address.why = result.why
        for note in notes:
            self._note_result(note.note_id, address, result)
        self._settle_old()
        self._flush()
        return True

    def _note_result(self, note_id: int, address: Address, result: Result) -> None:
        note = self._store.notes.get(note_id)
        if note is None:  # given up meanwhile
            return
        before = self._delivery(note, address)
        if result.delivered:
            told = replace(before, told_at=self._now(), why="")
            log.info("told %s: %s", address.shown, note.key.kind, extra={"action": "alert_told"})
        else:
            told = replace(before, tries=before.tries + 1, why=result.why)
        self._store.put_note(replace(note, deliveries={**note.deliveries, address.key: told}))

    @staticmethod
    def _delivery(note: Note, address: Address) -> Delivery:
        return note.deliveries.get(address.key, Delivery(address.shown))

    def _is_told(self, note: Note, address: Address) -> bool:
        return self._delivery(note, address).told_at is not None
