"""What is told when: one alert for each episode of a condition, whatever the looks in between saw.

Pure. `decide` compares what holds now with the episodes that are open and the notes that wait, and returns steps, which
`alerts.store` carries out. A *note* is one thing to tell. Of one kind at most three episodes an hour are told one by
one. The fourth says so, and what follows waits and is told together, at most once an hour: a *digest*. More than three
that begin at the same look (all who wrote in the night, when the shop opens) are a *crowd*, one note. In quiet hours
what can wait is held back, and told afterwards if it still holds. Who was answered meanwhile is in no digest either.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from leadmasterd.alerts.kinds import FACTS, Condition, Kind, Text
from leadmasterd.times import is_between

FLAPPING: Final = 3
"""So many of a kind are told one by one in `SPAN`, and at a time."""
SPAN: Final = timedelta(hours=1)


class Key(NamedTuple):
    """What an episode is of."""

    kind: Kind
    subject: str


class What(StrEnum):
    """What a note tells."""

    BEGAN = "began"
    ENDED = "ended"
    DIGEST = "digest"
    """Several notes of one kind."""


class Fate(StrEnum):
    """What becomes of a note: at first one of the first three, in the end one of the others."""

    DUE = "due"
    """To be told now."""
    HELD = "held"
    """Until quiet hours end."""
    GATHERED = "gathered"
    """For a digest."""
    TOLD = "told"
    OVER = "over"
    """Before it was told."""
    IN_DIGEST = "in_digest"
    """Told with others."""
    GIVEN_UP = "given_up"
    """Too many others were to be told."""


OPEN: Final = frozenset({Fate.DUE, Fate.HELD, Fate.GATHERED})
"""What is not settled."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A condition that holds, or has held and was seen to end a moment ago."""

    since: datetime
    """The condition's own time, by which it is known again."""
    told: bool
    """Its beginning was told, or is about to be; so its end may be told too."""
    open: bool = True


@dataclass(frozen=True, slots=True)
class Waiting:
    """A note that is held back."""

    note_id: int
    key: Key
    what: What
    fate: Fate


@dataclass(frozen=True, slots=True)
class Told:
    """A beginning or a digest that was told when it came, for counting what flaps."""

    kind: Kind
    at: datetime
    flapping: bool
    """It was the fourth within the hour, or a digest: what follows is gathered."""


@dataclass(frozen=True, slots=True)
class Rules:
    """From the settings. `silent_before`: leads from before alerts were switched on are never told."""

    kinds: frozenset[Kind]
    quiet: tuple[time, time] | None
    zone: ZoneInfo | None
    silent_before: datetime

    def is_quiet(self, now: datetime) -> bool:
        """Whether quiet hours are now."""
        return self.quiet is not None and is_between(now.astimezone(self.zone).time(), *self.quiet)


@dataclass(slots=True)
class Ledger:
    """All that a decision needs to know of earlier ones."""

    episodes: dict[Key, Episode] = field(default_factory=dict)
    waiting: Sequence[Waiting] = ()
    told: Sequence[Told] = ()
    """Those of the last hour are enough."""


# ---------------------------------------------------------------------- steps


@dataclass(frozen=True, slots=True)
class Began:
    """An episode. `fate`: None where nothing is told of it. `flapping`: its number in an hour, or 0."""

    condition: Condition
    fate: Fate | None
    flapping: int = 0


@dataclass(frozen=True, slots=True)
class Crowd:
    """Episodes of one kind that begin together and are told now, as one."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """An episode that seemed to have ended goes on."""

    key: Key


@dataclass(frozen=True, slots=True)
class Ended:
    """An episode. `fate` is None where its end is not told."""

    key: Key
    since: datetime
    fate: Fate | None


@dataclass(frozen=True, slots=True)
class Released:
    """A held note is due now. `text`: as it is now; None where only the old text is known."""

    note_id: int
    text: Text | None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A held note is not told any more: what it tells of is over."""

    note_id: int


@dataclass(frozen=True, slots=True)
class Digest:
    """These notes are told together."""

    kind: Kind
    note_ids: tuple[int, ...]


Step: TypeAlias = Began | Crowd | Again | Ended | Released | Dropped | Digest


def decide(
    ledger: Ledger, conditions: Collection[Condition], gone: Collection[Key], *, now: datetime, rules: Rules
) -> list[Step]:
    """`gone`: open episodes that have been absent long enough to have ended."""
    return [*_Look(ledger, conditions, gone, now=now, rules=rules).steps()]


class _Look:
    def __init__(
        self, ledger: Ledger, conditions: Collection[Condition], gone: Collection[Key], *, now: datetime, rules: Rules
    ) -> None:
        self._ledger, self._gone, self._now, self._rules = ledger, gone, now, rules
        self._conditions = {Key(each.kind, each.subject): each for each in conditions if each.kind in rules.kinds}
        self._quiet = rules.is_quiet(now)
        self._told: Mapping[Kind, list[Told]] = defaultdict(list)
        for told in ledger.told:
            if timedelta() <= now - told.at < SPAN:  # none from the future, where the clock was until it was set
                self._told[told.kind].append(told)

    def steps(self) -> Iterator[Step]:
        yield from self._endings()
        yield from self._held()
        yield from self._beginnings()
        yield from self._digests()

    def _beginnings(self) -> Iterator[Step]:
        begin: dict[Kind, list[Condition]] = {}
        for key, condition in self._conditions.items():
            episode = self._ledger.episodes.get(key)
            # What was held and dropped meanwhile was never told.
            if episode is None or not (episode.open or (episode.told and episode.since == condition.since)):
                begin.setdefault(key.kind, []).append(condition)
            elif not episode.open:
                yield Again(key)
        for kind, conditions in begin.items():
            told = [each for each in conditions if not self._is_silent(each)]
            yield from (Began(each, None) for each in conditions if self._is_silent(each))
            if len(told) > FLAPPING and not self._is_held(kind) and not self._is_gathering(kind):
                self._told[kind].append(Told(kind, self._now, flapping=False))
                yield Crowd(tuple(told))
            else:
                yield from map(self._begin, told)

    def _is_silent(self, condition: Condition) -> bool:
        return condition.kind is Kind.NEW_LEAD and condition.since < self._rules.silent_before

    def _begin(self, condition: Condition) -> Began:
        kind = condition.kind
        if self._is_held(kind):
            return Began(condition, Fate.HELD)
        if self._is_gathering(kind):
            return Began(condition, Fate.GATHERED)
        number = 1 + len(self._told[kind])
        flapping = number if number > FLAPPING else 0
        self._told[kind].append(Told(kind, self._now, bool(flapping)))
        return Began(condition, Fate.DUE, flapping)

    def _endings(self) -> Iterator[Step]:
        for key in self._gone:
            episode = self._ledger.episodes.get(key)
            if episode is None or not episode.open or key in self._conditions:
                continue
            fate = None
            if episode.told and FACTS[key.kind].end_is_told and key.kind in self._rules.kinds:
                waits = self._is_gathering(key.kind) or self._is_gathered(key)
                fate = Fate.HELD if self._is_held(key.kind) else Fate.GATHERED if waits else Fate.DUE
            yield Ended(key, episode.since, fate)

    def _held(self) -> Iterator[Step]:
        """What held is told once quiet hours are over; what is over by then was nothing that had to be told."""
        for note in self._ledger.waiting:
            if note.fate is not Fate.HELD:
                continue
            if note.what is What.BEGAN and not self._still_holds(note.key):
                yield Dropped(note.note_id)
            elif not self._quiet:
                condition = self._conditions.get(note.key) if note.what is What.BEGAN else None
                yield Released(note.note_id, condition.text if condition else None)

    def _digests(self) -> Iterator[Step]:
        gathered: dict[Kind, list[int]] = {}
        for note in self._ledger.waiting:
            if note.fate is not Fate.GATHERED:
                continue
            if _is_moot_once_over(note.key.kind) and not self._still_holds(note.key):
                yield Dropped(note.note_id)  # "answer by 14:20" helps nobody an hour later
            else:
                gathered.setdefault(note.key.kind, []).append(note.note_id)
        for kind, note_ids in gathered.items():
            if not self._is_gathering(kind) and not self._is_held(kind):
                yield Digest(kind, tuple(note_ids))

    def _still_holds(self, key: Key) -> bool:
        episode = self._ledger.episodes.get(key)
        return episode is not None and episode.open and (key in self._conditions or key not in self._gone)

    def _is_held(self, kind: Kind) -> bool:
        return self._quiet and not FACTS[kind].urgent

    def _is_gathering(self, kind: Kind) -> bool:
        return any(each.flapping for each in self._told[kind])

    def _is_gathered(self, key: Key) -> bool:
        return any(note.fate is Fate.GATHERED and note.key == key for note in self._ledger.waiting)


def _is_moot_once_over(kind: Kind) -> bool:
    return not FACTS[kind].urgent and not FACTS[kind].end_is_told
