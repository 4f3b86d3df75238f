"""The table `checkpoints`: where the fold of a contact's history may begin, so that a message costs what it changes.

A checkpoint is the state of a fold at a boundary (`timeline.Boundary`): nothing that is later changes how what is
earlier is read. It holds until something before it changes, which whoever changes that has said in `unjudged`; until
whose a conversation is changes; and for one build with one set of settings. One that does not hold, or is damaged, is
dropped: then more is folded, and the rows come out the same.

What a checkpoint leaves out rests on these:

- A burst, and first words within seconds of ours, are never parted (`timeline.steps`).
- A call's ringing and its line in the chat are never parted.
- A dismissal is not parted from the time up to which its author had seen what came: it says nothing of what was before.
- Whether an own message was typed depends on what was before it in its thread, which is remembered (`timeline.Heard`),
  and on whether its body is automatic. If that changes, it is dirty since that body was first sent there.
"""

import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

from leadmasterd import times
from leadmasterd.leads.state import State, is_state, numbers_in
from leadmasterd.leads.timeline import Heard
from leadmasterd.projection.history import History
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.sql import insert

log = logging.getLogger(__name__)

EVERY: Final = 32
"""Events between two checkpoints. With 64 a message takes a quarter more time; with 16 a twentieth less, but far more
contacts have one."""
FORM: Final = 3
"""Of the state. Another one makes all checkpoints of older builds void."""
_LONGEST: Final = 1 << 18
"""Characters of a state. A longer one is not kept, so that checkpoints take bounded room."""
_COLUMNS: Final = ("contact_id", "at", "position", "made_with", "state", "checksum")
_INSERT: Final = insert("checkpoints", _COLUMNS).replace("INSERT", "INSERT OR REPLACE", 1)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything before `at` (ms), `position` events, as state."""

    at: int
    position: int
    fold: State
    heard: dict[int, Heard]


class Checkpoints:
    """Those of one contact."""

    def __init__(self, connection: sqlite3.Connection, policy: Policy, history: History) -> None:
        self._db = connection
        self._policy = policy
        self._history = history

    @cached_property
    def _made_with(self) -> str:
        """What a state holds for: this form, the settings, and whose each conversation is."""
        history = self._history
        whose = [
            sorted(history.people.items()),
            sorted(history.threads.items()),
            [[each.at, each.kept, each.merged, each.number] for each in history.merges],
        ]
        return _digest(json.dumps([FORM, self._policy.version, self._policy.hours, whose]))

    def latest(self, since: str | None) -> Checkpoint | None:
        """The latest that holds, when nothing before `since` has changed. Drops all others that are as late."""
        found = None
        if self._history.is_new:
            return None
        while since is not None and found is None:
            row = self._db.execute(
                "SELECT checkpoint_id, at, position, made_with, state, checksum FROM checkpoints "
                "WHERE contact_id = ? AND at <= ? ORDER BY at DESC LIMIT 1",
                (self._history.contact, since),
            ).fetchone()
            if row is None:
                break
            checkpoint_id, *columns = row
            found = self._read(*columns)
            if found is None:
                self._db.execute("DELETE FROM checkpoints WHERE checkpoint_id = ?", (checkpoint_id,))
        if found is None:
            self._db.execute(
                "DELETE FROM checkpoints WHERE contact_id = ?1 OR contact_id IN (SELECT contact_id FROM conversations "
                "WHERE conversation_id IN (SELECT value FROM json_each(?2)))",
                (self._history.contact, json.dumps(self._history.conversations)),
            )
        else:
            self._db.execute(
                "DELETE FROM checkpoints WHERE contact_id = ? AND at > ?",
                (self._history.contact, times.iso_ms(found.at)),
            )
        return found

    def _read(self, at: str, position: int, made_with: str, state: str, checksum: str) -> Checkpoint | None:
        if made_with != self._made_with:
            return None
        found = _state_of(at, position, state) if checksum == _checksum(at, position, state) else None
        if found is None:
            log.warning(
                "a checkpoint of contact %s is damaged; its history is folded from an earlier one",
                self._history.contact,
                extra={"action": "checkpoint_damaged"},
            )
            return None
        return found if self._has_leads(numbers_in(found.fold)) else None

    def _has_leads(self, numbers: Sequence[int]) -> bool:
        if not numbers:
            return True
        query = "SELECT count(*) FROM leads WHERE lead_id IN (SELECT value FROM json_each(?))"
        return bool(self._db.execute(query, (json.dumps(numbers),)).fetchone()[0] == len(numbers))

    def keep(self, made: Iterable[Checkpoint], end: int, every: int) -> None:
        """Keep these, and of all that there are a few, at growing distances from the end (a position)."""
        rows = []
        for each in made:
            state = json.dumps({"fold": each.fold, "heard": _plain(each.heard)}, separators=(",", ":"))
            if len(state) <= _LONGEST:
                at = times.iso_ms(each.at)
                checksum = _checksum(at, each.position, state)
                rows.append((self._history.contact, at, each.position, self._made_with, state, checksum))
        if not rows:
            return
        stored = self._db.execute(
            "SELECT checkpoint_id, position FROM checkpoints WHERE contact_id = ?", (self._history.contact,)
        ).fetchall()
        kept = spaced([*(position for _, position in stored), *(row[2] for row in rows)], end, every)
        self._db.executemany(
            "DELETE FROM checkpoints WHERE checkpoint_id = ?",
            [(each,) for each, position in stored if position not in kept],
        )
        self._db.executemany(_INSERT, [row for row in rows if row[2] in kept])


def spaced(positions: Iterable[int], end: int, every: int) -> set[int]:
    """Those to keep: the first and the last of each distance from the end, each twice as long as the one before."""
    by_distance: dict[int, list[int]] = {}
    for position in sorted(positions):
        by_distance.setdefault(((end - position) // every + 1).bit_length(), []).append(position)
    return {position for group in by_distance.values() for position in (group[0], group[-1])}


def _state_of(at: str, position: int, state: str) -> Checkpoint | None:
    """None: not as this build writes it, for what is in a file may come from any other."""
    try:
        value = json.loads(state)
        found = Checkpoint(times.to_ms(at), position, value["fold"], _heard_from(value["heard"]))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return found if is_state(found.fold) else None


def _checksum(at: str, position: int, state: str) -> str:
    return _digest(f"{at} {position} {state}")


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(heard: dict[int, Heard]) -> list[list[Any]]:
    return [[thread, *each] for thread, each in heard.items()]


def _heard_from(plain: list[list[Any]]) -> dict[int, Heard]:
    return {thread: Heard(*each) for thread, *each in plain}
