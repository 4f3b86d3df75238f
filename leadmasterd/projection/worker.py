"""Derives leads whenever nothing waits to be written: messages first, leads may lag and catch up.

The writer calls `step` between its batches. A conversation that cannot be projected (a defect of ours) is set aside
with a line in the journal, so that the others go on; it is retried at the next start.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from leadmasterd.projection.ahead import Ahead
from leadmasterd.projection.labels import Classifies
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.projector import Projector
from leadmasterd.store.database import is_damage, words_of
from leadmasterd.store.dirty import NO_ID, dirty_conversations, is_dirty, last_dirty_conversations
from leadmasterd.store.waiting import WhoWaits, who_waits

log = logging.getLogger(__name__)

LONGEST_SECONDS: Final = 0.05
"""Of one transaction, roughly, because no message is written meanwhile. A conversation of thousands takes longer."""


class ProjectionWorker:
    """The writer's idle work. Belongs to the writer's thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        classifier: Callable[[], Classifies],
        policy: Policy,
        on_projected: Callable[[WhoWaits], None],
        ahead: Ahead | None = None,
    ) -> None:
        """`ahead`: makes labels on another core while very much waits."""
        self._db = connection
        self._ahead = ahead or Ahead(None)
        self._projector = Projector(connection, lambda: self._ahead.before(classifier()), policy)
        self._on_projected = on_projected
        self._policy_adopted = False
        self._last = 0
        self._first_taken = NO_ID
        self._set_aside: set[int] = set()
        self._current: int | None = None
        self._projected = False
        """Whether the current step has projected anything."""

    def step(self) -> bool:
        """Project for a while, in the caller's transaction. True when there may be more."""
        self._current, self._projected = None, False
        if not self._policy_adopted:
            self._projector.adopt_policy()
        self._ahead.begin(self._db)
        until = time.monotonic() + LONGEST_SECONDS
        while (conversation := self._next()) is not None:
            self._current = conversation
            self._projector.project([conversation], datetime.now(UTC))
            self._projected = True
            if time.monotonic() >= until:
                return True
        self._ahead.end()
        return False

    def _next(self) -> int | None:
        """Round robin: a busy conversation must not starve those after it.

        Those that are labelled come first, and while more of them are to come, the others from the last one on.
        """
        while (labelled := self._ahead.take()) is not None:
            if labelled not in self._set_aside and is_dirty(self._db, labelled):
                return labelled
        if self._ahead.runs:
            for before in (self._first_taken, NO_ID):
                for conversation in last_dirty_conversations(self._db, 1 + len(self._set_aside), before):
                    if conversation not in self._set_aside:
                        self._first_taken = conversation
                        return conversation
            return None
        for after in (self._last, 0):
            for conversation in dirty_conversations(self._db, 1 + len(self._set_aside), after):
                if conversation not in self._set_aside:
                    self._last = conversation
                    return conversation
        return None

    def done(self) -> None:
        """The step was committed."""
        self._policy_adopted = True
        if self._projected:
            self._on_projected(who_waits(self._db, datetime.now(UTC)))

    def failed(self, error: Exception) -> None:
        """The step was rolled back, and not because of the database as a whole."""
        if is_damage(error):  # no defect of ours, so no traceback
            why = words_of(error)
            log.error("cannot make leads of conversation %s: %s", self._current, why, extra={"action": "unjudged"})
        else:
            log.error(
                "cannot make leads of conversation %s", self._current, exc_info=error, extra={"action": "unjudged"}
            )
        if self._current is not None:
            self._set_aside.add(self._current)
