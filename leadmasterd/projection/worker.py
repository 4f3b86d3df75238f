"""Derives leads whenever nothing waits to be written: messages first, leads may lag and catch up.

The writer calls `step` between its batches. A conversation that cannot be projected (a defect of ours) is set aside
with a line in the journal, so that the others go on; it is retried at the next start.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from leadmasterd.projection.ahead import Ahead
from leadmasterd.projection.labels import Classifies
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.projector import Projector
from leadmasterd.store.database import is_damage, words_of
from leadmasterd.store.dirty import (
    NO_ID,
    dirty_among,
    dirty_conversations,
    dirty_together,
    last_dirty_conversations,
)
from leadmasterd.store.waiting import WhoWaits, who_waits

log = logging.getLogger(__name__)

LONGEST_SECONDS: Final = 0.05
"""Of one transaction, roughly, because no message is written meanwhile. A conversation of thousands takes longer."""
AT_ONCE: Final = 16
_MESSAGES_AT_ONCE: Final = 320
"""Conversations that are read at once, and how many messages they have together: it takes half of that."""


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
        self._projector = Projector(connection, classifier, policy, ready=lambda: self._ahead.made_as(classifier()))
        self._on_projected = on_projected
        self._policy_adopted = False
        self._last = 0
        self._first_taken = NO_ID
        self._set_aside: set[int] = set()
        self._alone: set[int] = set()
        """One of these, or several, made others fail that were projected with them."""
        self._current: Sequence[int] = ()
        self._projected = False
        """Whether the current step has projected anything."""

    def step(self) -> bool:
        """Project for a while, in the caller's transaction. True when there may be more."""
        self._current, self._projected = (), False
        if not self._policy_adopted:
            self._projector.adopt_policy()
        self._ahead.begin(self._db)
        until = time.monotonic() + LONGEST_SECONDS
        while conversations := self._next():
            self._current = conversations
            self._projector.project(conversations, datetime.now(UTC))
            self._projected = True
            if time.monotonic() >= until:
                return True
        self._ahead.end()
        return False

    def _next(self) -> Sequence[int]:
        """Round robin: a busy conversation must not starve those after it.

        Those that are labelled come first, and while more of them are to come, the others from the last one on.
        """
        while labelled := self._ahead.take(AT_ONCE, _MESSAGES_AT_ONCE):
            left = dirty_among(self._db, [each for each in labelled if each not in self._set_aside | self._alone])
            if left:
                return left
        if self._ahead.runs:
            for before in (self._first_taken, NO_ID):
                if some := self._at_once(last_dirty_conversations(self._db, AT_ONCE + len(self._set_aside), before)):
                    self._first_taken = some[-1]
                    return some
            return ()
        for after in (self._last, 0):
            if some := self._at_once(dirty_conversations(self._db, AT_ONCE + len(self._set_aside), after)):
                self._last = some[-1]
                return some
        return ()

    def _at_once(self, conversations: Sequence[int]) -> Sequence[int]:
        """The first of these, and those after it that are short like it and were never judged."""
        wanted = [each for each in conversations if each not in self._set_aside][:AT_ONCE]
        if len(wanted) > 1 and self._alone.isdisjoint(wanted):
            return dirty_together(self._db, wanted, _MESSAGES_AT_ONCE)
        return wanted[:1]

    def done(self) -> None:
        """The step was committed."""
        self._policy_adopted = True
        if self._projected:
            self._on_projected(who_waits(self._db, datetime.now(UTC)))

    def failed(self, error: Exception) -> None:
        """The step was rolled back, and not because of the database as a whole."""
        if len(self._current) > 1:
            self._alone.update(self._current)
            return
        current = self._current[0] if self._current else None
        if is_damage(error):  # no defect of ours, so no traceback
            why = words_of(error)
            log.error("cannot make leads of conversation %s: %s", current, why, extra={"action": "unjudged"})
        else:
            log.error("cannot make leads of conversation %s", current, exc_info=error, extra={"action": "unjudged"})
        self._set_aside.update(self._current)
