"""Decides what is told and when: each *episode*, the time for which a condition holds, is told once.

Pure. `decide` compares the conditions that hold now with the open episodes and the waiting notes, and returns steps,
which `alerts.service` carries out. A *note* is one thing to tell: a beginning, an end or a digest.

- Of one kind, at most three episodes an hour are told one by one. The fourth says that its kind *flaps*: what follows
  is gathered, and told together at most once an hour in a *digest*.
- More than three that begin at the same look are a *crowd* (everybody who wrote in the night, when the shop opens):
  they are told at once, in one note.
- In quiet hours, what is not urgent is held back. Afterwards it is told if it still holds.
- What waits to be told is left out if its condition has ended meanwhile (a customer who was answered). But a digest
  still has what is urgent, and what is of a kind whose ends are told.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from leadmasterd.alerts.kinds import TRAITS, Condition, Kind, Text
from leadmasterd.times import is_between

FLAPPING: Final = 3
"""How many of a kind are told one by one within `SPAN`, and at one look."""
SPAN: Final = timedelta(hours=1)
"""How far back alerts are counted, and the shortest time between two digests of a kind."""


class Key(NamedTuple):
    """Names a condition, and the episodes of it: see `Condition`."""

    kind: Kind
    subject: str


class What(StrEnum):
    """What a note tells."""

    BEGAN = "began"
    ENDED = "ended"
    DIGEST = "digest"
    """Several notes of one kind."""


class Fate(StrEnum):
    """The state of a note. It begins in one of the first three (`OPEN`), and ends in one of the others."""

    DUE = "due"
    """To be told now."""
    HELD = "held"
    """To be told when quiet hours end, if the condition still holds then."""
    GATHERED = "gathered"
    """To be told in the next digest."""
    TOLD = "told"
    """Delivered to every address."""
    OVER = "over"
    """Not told: the condition had ended before."""
    IN_DIGEST = "in_digest"
    """Part of a digest, which is a note of its own."""
    GIVEN_UP = "given_up"
    """Not told: too many notes were due."""


OPEN: Final = frozenset({Fate.DUE, Fate.HELD, Fate.GATHERED})
"""The states of notes that are still to be told."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A condition that holds (`open`), or that held until it ended."""

    since: datetime
    """The condition's `since`: if it ends and is back with the same time, it is the same episode."""
    told: bool
    """Whether its beginning was told, or is due or gathered; False while it is held. If False, its end is not told."""
    open: bool = True


@dataclass(frozen=True, slots=True)
class Waiting:
    """A note that is not due yet: held or gathered."""

    note_id: int
    key: Key
    what: What
    fate: Fate


@dataclass(frozen=True, slots=True)
class Told:
    """One beginning or digest that was due at once. They are counted to see whether a kind flaps."""

    kind: Kind
    at: datetime
    flapping: bool
    """Whether it was the fourth within the hour, or a digest: what follows within an hour is gathered."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say."""

    kinds: frozenset[Kind]
    """Those that are told."""
    quiet: tuple[time, time] | None
    """When quiet hours begin and end in `zone`; None: there are none."""
    zone: ZoneInfo | None
    silent_before: datetime
    """Leads that were opened before this, when alerts were switched on, are not told."""

    def is_quiet(self, now: datetime) -> bool:
        """Whether quiet hours are now."""
        return self.quiet is not None and is_between(now.astimezone(self.zone).time(), *self.quiet)


@dataclass(slots=True)
class Ledger:
    """What was decided before, as far as a decision needs it."""

    episodes: dict[Key, Episode] = field(default_factory=dict)
    waiting: Sequence[Waiting] = ()
    told: Sequence[Told] = ()
    """Those of the last hour are enough."""


# ---------------------------------------------------------------------- steps


@dataclass(frozen=True, slots=True)
class Began:
    """An episode began. `fate`: of its note; None if nothing is told of it.

    `number`: how many of its kind are told within an hour, with this one, if that makes the kind flap; else 0.
    """

    condition: Condition
    fate: Fate | None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Crowd:
    """Several episodes of one kind began together, and are told now in one note."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """An episode that was taken for ended goes on. Nothing is told of it."""

    key: Key


@dataclass(frozen=True, slots=True)
class Ended:
    """An episode ended. `since`: when it began; `fate`: of the note of its end, or None if that is not told."""

    key: Key
    since: datetime
    fate: Fate | None


@dataclass(frozen=True, slots=True)
class Released:
    """A held note is due now. `text`: what the condition says now; None: the note keeps its text."""

    note_id: int
    text: Text | None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A waiting note is not to be told any more: its condition has ended."""

    note_id: int


@dataclass(frozen=True, slots=True)
class Digest:
    """These gathered notes are told together, now."""

    kind: Kind
    note_ids: tuple[int, ...]


Step: TypeAlias = Began | Crowd | Again | Ended | Released | Dropped | Digest


def decide(
    ledger: Ledger, conditions: Collection[Condition], gone: Collection[Key], *, now: datetime, rules: Rules
) -> list[Step]:
    """The steps that follow from one look, in the order in which to carry them out.

    `conditions`: those that hold now. `gone`: open episodes whose condition has been absent for so long that it ended.
    """
    return [*_Look(ledger, conditions, gone, now=now, rules=rules).steps()]


class _Look:
    """One call of `decide`. `steps` may be called only once, since it adds what is told now to `_told`."""

    def __init__(
        self, ledger: Ledger, conditions: Collection[Condition], gone: Collection[Key], *, now: datetime, rules: Rules
    ) -> None:
        self._ledger = ledger
        self._gone = gone
        self._now = now
        self._rules = rules
        self._conditions = {Key(each.kind, each.subject): each for each in conditions if each.kind in rules.kinds}
        self._quiet = rules.is_quiet(now)
        self._told: Mapping[Kind, list[Told]] = defaultdict(list)
        """What was told within the last hour, and with this look."""
        for told in ledger.told:
            if timedelta() <= now - told.at < SPAN:  # not times in the future, left by a clock that was set back
                self._told[told.kind].append(told)

    def steps(self) -> Iterator[Step]:
        yield from self._endings()
        yield from self._held()
        yield from self._beginnings()
        yield from self._digests()

    def _beginnings(self) -> Iterator[Step]:
        """Episodes that begin or go on: a crowd if many of one kind begin, else one by one."""
        beginning: dict[Kind, list[Condition]] = {}
        for key, condition in self._conditions.items():
            episode = self._ledger.episodes.get(key)
            if episode is not None and episode.open:
                continue
            # One that ended without being told (it was held, and dropped) begins again, so that it may be told now.
            is_same_episode = episode is not None and episode.told and episode.since == condition.since
            if is_same_episode:
                yield Again(key)
            else:
                beginning.setdefault(key.kind, []).append(condition)
        for kind, conditions in beginning.items():
            silent = [each for each in conditions if self._is_silent(each)]
            to_tell = [each for each in conditions if not self._is_silent(each)]
            for condition in silent:
                yield Began(condition, None)
            if len(to_tell) > FLAPPING and not self._is_held(kind) and not self._is_gathering(kind):
                self._told[kind].append(Told(kind, self._now, flapping=False))
                yield Crowd(tuple(to_tell))
            else:
                yield from map(self._begin, to_tell)

    def _is_silent(self, condition: Condition) -> bool:
        """Whether it is a lead from before alerts were switched on, of which nothing is told."""
        return condition.kind is Kind.NEW_LEAD and condition.since < self._rules.silent_before

    def _begin(self, condition: Condition) -> Began:
        """The step for one episode that begins. One that is due now is counted."""
        kind = condition.kind
        if self._is_held(kind):
            return Began(condition, Fate.HELD)
        if self._is_gathering(kind):
            return Began(condition, Fate.GATHERED)
        number = 1 + len(self._told[kind])
        flaps = number > FLAPPING
        self._told[kind].append(Told(kind, self._now, flapping=flaps))
        return Began(condition, Fate.DUE, number if flaps else 0)

    def _endings(self) -> Iterator[Step]:
        """A step for each open episode that has ended. Its end has a note only if its beginning was told too."""
        for key in self._gone:
            episode = self._ledger.episodes.get(key)
            if episode is None or not episode.open or key in self._conditions:
                continue
            is_told = episode.told and TRAITS[key.kind].end_is_told and key.kind in self._rules.kinds
            yield Ended(key, episode.since, self._fate_of_end(key) if is_told else None)

    def _fate_of_end(self, key: Key) -> Fate:
        """When the end of this episode is told: never before its beginning, which may still be gathered."""
        if self._is_held(key.kind):
            return Fate.HELD
        if self._is_gathering(key.kind) or self._is_gathered(key):
            return Fate.GATHERED
        return Fate.DUE

    def _held(self) -> Iterator[Step]:
        """Held notes. That of a beginning is dropped if the condition has ended; else all are due after quiet hours."""
        for note in self._ledger.waiting:
            if note.fate is not Fate.HELD:
                continue
            if note.what is What.BEGAN and not self._still_holds(note.key):
                yield Dropped(note.note_id)
            elif not self._quiet:
                condition = self._conditions.get(note.key) if note.what is What.BEGAN else None
                yield Released(note.note_id, condition.text if condition else None)

    def _digests(self) -> Iterator[Step]:
        """A digest of the gathered notes of each kind that no longer flaps. Notes that are useless now are dropped."""
        gathered: dict[Kind, list[int]] = {}
        for note in self._ledger.waiting:
            if note.fate is not Fate.GATHERED:
                continue
            if _is_useless_once_over(note.key.kind) and not self._still_holds(note.key):
                yield Dropped(note.note_id)
            else:
                gathered.setdefault(note.key.kind, []).append(note.note_id)
        for kind, note_ids in gathered.items():
            if not self._is_gathering(kind) and not self._is_held(kind):
                yield Digest(kind, tuple(note_ids))

    def _still_holds(self, key: Key) -> bool:
        """Whether its episode is open, and its condition holds or has been absent for a moment only."""
        episode = self._ledger.episodes.get(key)
        is_open = episode is not None and episode.open
        return is_open and (key in self._conditions or key not in self._gone)

    def _is_held(self, kind: Kind) -> bool:
        """Whether notes of this kind are held back now, in quiet hours."""
        return self._quiet and not TRAITS[kind].urgent

    def _is_gathering(self, kind: Kind) -> bool:
        """Whether this kind flaps: one of its alerts within the last hour said so, or was a digest."""
        return any(each.flapping for each in self._told[kind])

    def _is_gathered(self, key: Key) -> bool:
        """Whether a note of this condition waits for a digest."""
        return any(note.fate is Fate.GATHERED and note.key == key for note in self._ledger.waiting)


def _is_useless_once_over(kind: Kind) -> bool:
    """Whether its alerts help nobody after the condition has ended, as "answer by 14:20" an hour later."""
    return not TRAITS[kind].urgent and not TRAITS[kind].end_is_told
