"""The table `checkpoints`: states of a contact's fold, so that for a new message only a history's end is folded again.

A checkpoint is the state of a fold at a boundary (`timeline.Boundary`): reading what is earlier does not depend on
anything later. It is valid for one build with one set of settings, until something before it changes (`unjudged` has
the time of the earliest change) or a conversation comes to belong to somebody else. An invalid or damaged checkpoint is
dropped: then more is folded, and the rows come out the same.

A fold can go on from a checkpoint without anything else from before it, because:

- A boundary is never within a burst, nor within the first words of a customer who wrote seconds after our first message
  (`timeline.steps`).
- It is never between a call's ringing and its line in the chat.
- It is never between a dismissal and the time up to which its author had seen the messages. A dismissal concerns
  nothing before that time.
- Whether a message of ours was typed depends on what came before it in its thread, which is remembered
  (`timeline.Heard`), and on whether its body is automatic. When a body becomes automatic or no longer is, the
  conversation is dirty from the first sending of that body on.
"""

import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from leadmasterd import times
from leadmasterd.leads.state import State, is_state, numbers_in
from leadmasterd.leads.timeline import Heard
from leadmasterd.projection.history import History
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.sql import insert

log = logging.getLogger(__name__)

EVERY: Final = 32
"""Events between two checkpoints. With 64 a message takes a quarter more time; with 16 a twentieth less, but then far
more contacts have checkpoints."""
FORM: Final = 3
"""The version of the state's format. Increasing it makes the checkpoints of older builds invalid."""
_LONGEST: Final = 1 << 18
"""Characters of a state. A longer one is not stored, so that a checkpoint takes bounded space."""


class _Row(NamedTuple):
    """The columns of `checkpoints`."""

    contact_id: int
    at: str
    position: int
    made_with: str
    state: str
    checksum: str


_INSERT: Final = insert("checkpoints", _Row._fields).replace("INSERT", "INSERT OR REPLACE", 1)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a contact's fold at a boundary."""

    at: int
    """The boundary's time, in milliseconds."""
    position: int
    """How many events of the history are earlier."""
    fold: State
    """The state from which `leads.state.resume` goes on."""
    heard: dict[int, Heard]
    """Thread -> what is remembered of it, to tell later what nobody typed."""


class Checkpoints:
    """The stored checkpoints of the contact of one history."""

    def __init__(self, connection: sqlite3.Connection, policy: Policy, history: History) -> None:
        self._db = connection
        self._policy = policy
        self._history = history

    @cached_property
    def _made_with(self) -> str:
        """A hash of what a state is valid for: the format, the settings, and whose each conversation is."""
        history = self._history
        whose = [
            sorted(history.people.items()),
            sorted(history.threads.items()),
            [[each.at, each.kept, each.merged, each.number] for each in history.merges],
        ]
        return _digest(json.dumps([FORM, self._policy.version, self._policy.hours, whose]))

    def latest(self, since: str | None) -> Checkpoint | None:
        """The latest valid checkpoint up to `since`; None if there is none.

        `since`: the time (ISO) of the earliest change of this history; None: unknown, so that no checkpoint is valid.
        Deletes all checkpoints later than the one it returns: with None, all of this contact and of those merged into
        it.
        """
        if self._history.is_new:
            return None
        found = None
        while since is not None and found is None:
            row = self._db.execute(
                "SELECT checkpoint_id, at, position, made_with, state, checksum FROM checkpoints "
                "WHERE contact_id = ? AND at <= ? ORDER BY at DESC LIMIT 1",
                (self._history.contact, since),
            ).fetchone()
            if row is None:
                break
            checkpoint_id, *columns = row
            found = self._parse(*columns)
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

    def _parse(self, at: str, position: int, made_with: str, state: str, checksum: str) -> Checkpoint | None:
        """The checkpoint of a row; None if it is not valid for this history or is damaged. Damage is logged."""
        if made_with != self._made_with:
            return None
        is_intact = checksum == _checksum(at, position, state)
        found = _checkpoint_from(at, position, state) if is_intact else None
        if found is None:
            log.warning(
                "a checkpoint of contact %s is damaged; its history is folded from an earlier one",
                self._history.contact,
                extra={"action": "checkpoint_damaged"},
            )
            return None
        return found if self._all_exist(numbers_in(found.fold)) else None

    def _all_exist(self, lead_ids: Sequence[int]) -> bool:
        """Whether the leads with these ids are all stored."""
        if not lead_ids:
            return True
        query = "SELECT count(*) FROM leads WHERE lead_id IN (SELECT value FROM json_each(?))"
        return bool(self._db.execute(query, (json.dumps(lead_ids),)).fetchone()[0] == len(lead_ids))

    def keep(self, made: Iterable[Checkpoint], end: int, every: int) -> None:
        """Store new checkpoints, and thin out old and new ones together: `spaced` says which stay.

        `end`: the position of the history's end. `every`: events between two checkpoints.
        """
        rows = [row for row in map(self._row, made) if len(row.state) <= _LONGEST]
        if not rows:
            return
        stored = self._db.execute(
            "SELECT checkpoint_id, position FROM checkpoints WHERE contact_id = ?", (self._history.contact,)
        ).fetchall()
        positions = [*(position for _, position in stored), *(row.position for row in rows)]
        kept = spaced(positions, end, every)
        self._db.executemany(
            "DELETE FROM checkpoints WHERE checkpoint_id = ?",
            [(checkpoint_id,) for checkpoint_id, position in stored if position not in kept],
        )
        self._db.executemany(_INSERT, [row for row in rows if row.position in kept])

    def _row(self, checkpoint: Checkpoint) -> _Row:
        state = {"fold": checkpoint.fold, "heard": _heard_as_lists(checkpoint.heard)}
        text = json.dumps(state, separators=(",", ":"))
        at = times.iso_ms(checkpoint.at)
        return _Row(
            contact_id=self._history.contact,
            at=at,
            position=checkpoint.position,
            made_with=self._made_with,
            state=text,
            checksum=_checksum(at, checkpoint.position, text),
        )


def spaced(positions: Iterable[int], end: int, every: int) -> set[int]:
    """Which of these positions of checkpoints to keep: many near the history's end, few far from it.

    From its end backwards, the history is divided into stretches of `every` events, then twice as many, four times as
    many, and so on. The first and the last position in each stretch stay.
    """
    by_stretch: dict[int, list[int]] = {}
    for position in sorted(positions):
        stretch = ((end - position) // every + 1).bit_length()  # its number from the end, from 1
        by_stretch.setdefault(stretch, []).append(position)
    return {position for group in by_stretch.values() for position in (group[0], group[-1])}


def _checkpoint_from(at: str, position: int, state: str) -> Checkpoint | None:
    """A stored checkpoint; None if its state is not as this build writes it: any other build may have written it."""
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


def _heard_as_lists(heard: dict[int, Heard]) -> list[list[Any]]:
    return [[thread, *each] for thread, each in heard.items()]


def _heard_from(lists: list[list[Any]]) -> dict[int, Heard]:
    """The reverse of `_heard_as_lists`."""
    return {thread: Heard(*each) for thread, *each in lists}
