"""Derives leads whenever nothing waits to be written: messages come first, leads may lag and catch up.

The writer calls `step` between its batches. A conversation that cannot be projected, because of a bug or a damaged
database, is skipped from then on, with a line in the journal, so that the others go on. It is retried at the next
start.
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
"""About how long one transaction may take: no message is written meanwhile. A very long conversation takes longer."""
AT_ONCE: Final = 16
"""At most so many conversations are projected together, which takes half the time of projecting them one by one."""
_MESSAGES_AT_ONCE: Final = 320
"""At most so many messages may the conversations have that are projected together."""


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
        """`on_projected` is called with who waits for an answer, after each committed step that projected anything.

        `classifier` is called for each fold. `ahead` makes labels on another core while very much waits; None: nothing
        does.
        """
        self._db = connection
        self._ahead = ahead or Ahead(None)
        self._projector = Projector(
            connection, classifier, policy, labels_ahead=lambda: self._ahead.labels_for(classifier())
        )
        self._on_projected = on_projected
        self._policy_adopted = False
        self._upward_from = 0
        """The last conversation that was projected in ascending order."""
        self._downward_from = NO_ID
        """The last one in descending order, which is used while the process that labels ahead works upward."""
        self._skipped: set[int] = set()
        """Conversations that failed when they were projected alone."""
        self._alone: set[int] = set()
        """Conversations that are projected one by one, because they were in a group that failed."""
        self._current: Sequence[int] = ()
        """The conversations of the projection that runs, or ran last."""
        self._projected = False
        """Whether the current step has projected anything."""

    def step(self) -> bool:
        """Project dirty conversations for `LONGEST_SECONDS`, in the caller's transaction. False: none is left.

        The caller then calls `done` or `failed`. Starts and ends the process that labels ahead.
        """
        self._current, self._projected = (), False
        if not self._policy_adopted:
            self._projector.adopt_policy()
        self._ahead.start_if_worthwhile(self._db)
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
        """The dirty conversations to project next; empty if there are none.

        Those that are labelled ahead come first. While the process that labels them works from the first one up, the
        others are taken from the last one down, else from the first one up. Each search begins where the last one
        ended, and then at the start again, so that a busy conversation does not starve the others.
        """
        while labelled := self._ahead.take(AT_ONCE, _MESSAGES_AT_ONCE):
            left = dirty_among(self._db, [each for each in labelled if each not in self._skipped | self._alone])
            if left:
                return left
        limit = AT_ONCE + len(self._skipped)  # skipped ones may be among those that are found
        if self._ahead.is_active:
            for before in (self._downward_from, NO_ID):
                if group := self._first_group(last_dirty_conversations(self._db, limit, before)):
                    self._downward_from = group[-1]
                    return group
            return ()
        for after in (self._upward_from, 0):
            if group := self._first_group(dirty_conversations(self._db, limit, after)):
                self._upward_from = group[-1]
                return group
        return ()

    def _first_group(self, conversations: Sequence[int]) -> Sequence[int]:
        """The first of these dirty conversations, and those after it that are short and dirty from their beginning.

        Only such conversations are projected together with others. Empty if all of these are skipped.
        """
        wanted = [each for each in conversations if each not in self._skipped][:AT_ONCE]
        may_be_grouped = len(wanted) > 1 and self._alone.isdisjoint(wanted)
        if may_be_grouped:
            return dirty_together(self._db, wanted, _MESSAGES_AT_ONCE)
        return wanted[:1]

    def done(self) -> None:
        """The writer has committed the step: report who waits, if anything was projected."""
        self._policy_adopted = True
        if self._projected:
            self._on_projected(who_waits(self._db, datetime.now(UTC)))

    def failed(self, error: Exception) -> None:
        """The writer has rolled the step back, because projecting failed with this error.

        A group that failed is projected one by one from now on; a single conversation that failed is skipped.
        """
        if len(self._current) > 1:
            self._alone.update(self._current)
            return
        current = self._current[0] if self._current else None
        if is_damage(error):  # the file's fault and no bug, so no traceback
            why = words_of(error)
            log.error("cannot make leads of conversation %s: %s", current, why, extra={"action": "unjudged"})
        else:
            log.error("cannot make leads of conversation %s", current, exc_info=error, extra={"action": "unjudged"})
        self._skipped.update(self._current)
