"""Leads are made whenever there is nothing to write: messages first, classification may lag and catches up.

The writer calls `step` between its batches. A conversation that can't be judged (a defect of ours) is put aside with a
line in the journal, so that the others go on; it is tried again at the next start.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from leadmasterd.projection.labels import Classifies
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.projector import Projector
from leadmasterd.times import iso

log = logging.getLogger(__name__)

LONGEST_SECONDS: Final = 0.05
"""Of one transaction, about: no message waits longer to be written, but for one conversation of many thousands."""


@dataclass(frozen=True, slots=True)
class WhoWaits:
    """How many conversations wait for an answer, how many of them for too long, and since when the first one does."""

    conversations: int = 0
    overdue: int = 0
    oldest_since: str | None = None


def who_waits(connection: sqlite3.Connection, now: datetime) -> WhoWaits:
    """Ask the tables."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(due_at <= ?), 0), min(waiting_since) FROM conversations "
        "WHERE waiting_since IS NOT NULL",
        (iso(now),),
    ).fetchone()
    return WhoWaits(*row)


class ProjectionWorker:
    """The steps. Belongs to the writer's thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        classifier: Callable[[], Classifies],
        policy: Policy,
        on_projected: Callable[[WhoWaits], None],
    ) -> None:
        self._db = connection
        self._projector = Projector(connection, classifier, policy)
        self._on_judged = on_projected
        self._renewed = False
        self._at: int | None = None
        self._last = 0
        self._judged = False
        self._aside: set[int] = set()

    def step(self) -> bool:
        """Projector for a while, in the caller's transaction. True when there may be more."""
        self._at, self._judged = None, False
        if not self._renewed:
            self._projector.adopt_policy()
        until = time.monotonic() + LONGEST_SECONDS
        while (conversation := self._next()) is not None:
            self._at = conversation
            self._projector.project([conversation], datetime.now(UTC))
            self._judged = True
            if time.monotonic() >= until:
                return True
        return False

    def _next(self) -> int | None:
        """They take turns: a busy conversation must not keep those after it waiting."""
        for after in (self._last, 0):
            for conversation in self._projector.pending(1 + len(self._aside), after):
                if conversation not in self._aside:
                    self._last = conversation
                    return conversation
        return None

    def done(self) -> None:
        """The step is committed."""
        self._renewed = True
        if self._judged:
            self._on_judged(who_waits(self._db, datetime.now(UTC)))

    def failed(self, error: Exception) -> None:
        """The step was rolled back, and not because of the database as a whole."""
        log.error("cannot make leads of conversation %s", self._at, exc_info=error, extra={"action": "unjudged"})
        if self._at is not None:
            self._aside.add(self._at)
