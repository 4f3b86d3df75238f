"""Folds one contact's history from a checkpoint on: for each window, mark automatic replies, read, label and fold.

What belongs to one window alone is written with it: authors, labels, touchpoints. Leads are written at the end, because
until then each of them may change, and nobody may be told of a stage that never was.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import NamedTuple

from leadmasterd.leads.fold import DAY_MS, Fold
from leadmasterd.leads.state import UnnumberedState, resume
from leadmasterd.leads.timeline import Heard, Reading
from leadmasterd.projection.auto_replies import Marked, mark_auto_replies
from leadmasterd.projection.checkpoints import Checkpoint, Checkpoints, spaced
from leadmasterd.projection.history import History
from leadmasterd.projection.labels import Classifies, Labels, StoredLabel
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.rows import Earlier, LeadRows
from leadmasterd.projection.touchpoints import write_touchpoints
from leadmasterd.projection.windows import Windows


class Spacing(NamedTuple):
    """How a history is divided."""

    every: int
    """At least so many events between two checkpoints."""
    window: int
    """Messages of each conversation in a window."""


class _NewCheckpoint(NamedTuple):
    """A checkpoint of this fold, as `checkpoints.Checkpoint`, but its leads have no ids yet."""

    at: int
    position: int
    state: UnnumberedState
    heard: dict[int, Heard]


class Folding:
    """Folds one history once: `run`, then `write` unless `run` says that it must be repeated."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        policy: Policy,
        classifier: Callable[[], Classifies],
        history: History,
        *,
        start: Checkpoint | None,
        spacing: Spacing,
        labels_ahead: Mapping[object, StoredLabel],
        now: str,
        actor: str,
    ) -> None:
        """`start`: the checkpoint to go on from; None: the history's beginning. The history is set to begin there.

        `labels_ahead`: as for `Labels`; `now` (ISO), `actor`: as for `LeadRows`.
        """
        self._db = connection
        self._policy = policy
        self._history = history
        self._every = min(spacing)  # a window that is shorter than `every` needs a boundary too
        self._windows = Windows(connection, history, spacing.window)
        self._labels = Labels(connection, history, classifier, labels_ahead=labels_ahead, now=now)
        # Not a method of this object: that would make a reference cycle, which only the garbage collector frees.
        self._fold = Fold(self._labels.of, history.people, history.threads, reopen_ms=policy.reopen_days * DAY_MS)
        self._position = 0
        """How many events of the whole history were folded, those before the checkpoint included."""
        self._new_checkpoints: list[_NewCheckpoint] = []
        self._repeat_since: str | None = None
        history.since, history.heard, history.wrote = None, {}, frozenset()
        if start is not None:
            resume(self._fold, start.fold)
            self._position = start.position
            history.since, history.heard, history.wrote = start.at, start.heard, set(self._fold.wrote)
        self._rows = LeadRows(connection, policy, history, now=now, actor=actor, earlier=Earlier.of(self._fold.result))

    def run(self) -> str | None:
        """Fold the history to its end. Returns None, or since when (ISO) it must be folded again instead of written.

        It must if a window shows that a body sent before this window has become automatic, or no longer is. Automatic
        replies are still marked in later windows then, so that the repetition finds no more such bodies.
        """
        finished = False
        while not finished:
            finished = self._fold_window()
        return self._repeat_since

    def _fold_window(self) -> bool:
        """Fold the next window; if it has no boundary, only prepare a longer one. True: the history is at its end."""
        history = self._history
        self._windows.load()
        marked = mark_auto_replies(self._db, history, round(self._policy.burst_seconds * 1000))
        self._repeat_since = min(filter(None, (self._repeat_since, marked.since)), default=None)
        reading = self._windows.read(self._policy.burst_seconds, marked.automatic, every=self._every)
        if reading is None:
            return False
        if self._repeat_since is None:
            self._fold_steps(reading, marked)
        if history.until is None:
            return True
        self._windows.advance(marked.heard(history.until), set(self._fold.wrote))
        final_waits, final_follow_ups = self._fold.let_go()
        self._rows.buffer(final_waits, final_follow_ups)
        kept = spaced([each.position for each in self._new_checkpoints], self._position, self._every)
        self._new_checkpoints = [each for each in self._new_checkpoints if each.position in kept]
        return False

    def _fold_steps(self, reading: Reading, marked: Marked) -> None:
        """Label and fold a window's steps, make a checkpoint at each boundary, and write labels and touchpoints."""
        self._labels.begin()
        done = 0
        for boundary in reading.boundaries:
            for step in reading.steps[done : boundary.steps]:
                self._fold.take(step)
            done = boundary.steps
            self._new_checkpoints.append(
                _NewCheckpoint(
                    at=boundary.at,
                    position=self._position + boundary.events,
                    state=UnnumberedState(self._fold),
                    heard=marked.heard(boundary.at),
                )
            )
        for step in reading.steps[done:]:
            self._fold.take(step)
        self._position += reading.events
        self._labels.write()
        write_touchpoints(self._db, self._history, self._policy.campaigns)

    def write(self, checkpoints: Checkpoints) -> None:
        """Write the leads and what belongs to them, then store the new checkpoints with the ids of those leads."""
        self._rows.write(self._fold.result)
        checkpoints.keep(
            [
                Checkpoint(each.at, each.position, each.state.numbered(self._rows.id_of), each.heard)
                for each in self._new_checkpoints
            ],
            self._position,
            self._every,
        )
