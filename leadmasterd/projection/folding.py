"""One contact's history, folded from a checkpoint on: marked, read, labelled and folded, a window at a time.

What is the window's alone is written with it: authors, labels, touchpoints. Leads are written at the end, because until
then each of them may change, and nobody may be told of a stage that never was.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import NamedTuple

from leadmasterd.leads.fold import DAY_MS, Fold
from leadmasterd.leads.state import Taken, resume
from leadmasterd.leads.timeline import Heard, Reading
from leadmasterd.projection.auto_replies import Marked, mark_auto_replies
from leadmasterd.projection.checkpoints import Checkpoint, Checkpoints, spaced
from leadmasterd.projection.history import History
from leadmasterd.projection.labels import Classifies, Labels, Told
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.rows import Earlier, LeadRows
from leadmasterd.projection.touchpoints import write_touchpoints
from leadmasterd.projection.windows import Windows


class Distances(NamedTuple):
    """How a history is parted. `every`: events between two checkpoints; `window`: messages of a window."""

    every: int
    window: int


class _Made(NamedTuple):
    """A checkpoint whose leads have no numbers yet."""

    at: int
    position: int
    state: Taken
    heard: dict[int, Heard]


class Folding:
    """Folds one history once: `run`, then `write`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        policy: Policy,
        classifier: Callable[[], Classifies],
        history: History,
        *,
        begun: Checkpoint | None,
        distances: Distances,
        ready: Mapping[object, Told],
        now: str,
        actor: str,
    ) -> None:
        """`begun`: the checkpoint to go on from. `ready`: as for `Labels`; `now`, `actor`: as for `LeadRows`."""
        self._db = connection
        self._policy = policy
        self._history = history
        self._every = min(distances)
        self._windows = Windows(connection, history, distances.window)
        self._labels = Labels(connection, history, classifier, ready=ready, now=now)
        # Not by a method of this object: it would refer to itself, and only a look for garbage would free it.
        self._fold = Fold(self._labels.of, history.people, history.threads, reopen_ms=policy.reopen_days * DAY_MS)
        self._position = 0
        self._made: list[_Made] = []
        self._again: str | None = None
        history.since, history.heard, history.wrote = None, {}, frozenset()
        if begun is not None:
            resume(self._fold, begun.fold)
            self._position = begun.position
            history.since, history.heard, history.wrote = begun.at, begun.heard, set(self._fold.wrote)
        self._rows = LeadRows(connection, policy, history, now=now, actor=actor, earlier=Earlier.of(self._fold.result))

    def run(self) -> str | None:
        """Fold all. Returns since when it must be folded again instead of being written; None: it need not.

        It must where a body becomes automatic, or no longer is, that was sent before the window that shows it. What is
        later is still marked then, so that the next time finds no more of these.
        """
        while not self._window():
            pass
        return self._again

    def _window(self) -> bool:
        """The next window, or a longer one. True: it was the last."""
        history = self._history
        self._windows.load()
        marked = mark_auto_replies(self._db, history, round(self._policy.burst_seconds * 1000))
        self._again = min(filter(None, (self._again, marked.since)), default=None)
        reading = self._windows.read(self._policy.burst_seconds, marked.automatic, every=self._every)
        if reading is None:
            return False
        if self._again is None:
            self._take(reading, marked)
        if history.until is None:
            return True
        self._windows.go_on(marked.heard(history.until), set(self._fold.wrote))
        self._rows.put_aside(*self._fold.let_go())
        kept = spaced([each.position for each in self._made], self._position, self._every)
        self._made = [each for each in self._made if each.position in kept]
        return False

    def _take(self, reading: Reading, marked: Marked) -> None:
        """Label and fold all its steps, and take the state at each boundary."""
        self._labels.begin()
        done = 0
        for boundary in reading.boundaries:
            for step in reading.steps[done : boundary.steps]:
                self._fold.take(step)
            done = boundary.steps
            self._made.append(
                _Made(
                    at=boundary.at,
                    position=self._position + boundary.events,
                    state=Taken(self._fold),
                    heard=marked.heard(boundary.at),
                )
            )
        for step in reading.steps[done:]:
            self._fold.take(step)
        self._position += reading.events
        self._labels.write()
        write_touchpoints(self._db, self._history, self._policy.campaigns)

    def write(self, checkpoints: Checkpoints) -> None:
        """Write the leads and what belongs to them, and keep some of the states."""
        self._rows.write(self._fold.result)
        checkpoints.keep(
            [
                Checkpoint(each.at, each.position, each.state.numbered(self._rows.number_of), each.heard)
                for each in self._made
            ],
            self._position,
            self._every,
        )
