"""Leads are made whenever there is nothing to write: messages first, classification may lag and catches up.

The writer calls `step` between its batches. A conversation that can't be judged (a defect of ours) is put aside with a
line in the journal, so that the others go on; it is tried again at the next start.
"""

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from leadmasterd.ingest import iso
from leadmasterd.store.lead_rows import Policy
from leadmasterd.store.leads import Judge
from leadmasterd.store.verdicts import Classifies

log = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 64
"""Conversations in one transaction: some tens of milliseconds."""


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


class Judging:
    """The steps. Belongs to the writer's thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        classifier: Callable[[], Classifies],
        policy: Policy,
        on_judged: Callable[[WhoWaits], None],
    ) -> None:
        self._db = connection
        self._judge = Judge(connection, classifier, policy)
        self._on_judged = on_judged
        self._size = MOST_AT_ONCE
        self._renewed = False
        self._batch: list[int] = []
        self._aside: set[int] = set()

    def step(self) -> bool:
        """Judge some, in the caller's transaction. True when there may be more."""
        if not self._renewed:
            self._judge.renew()
        self._batch = [each for each in self._judge.pending(self._size + len(self._aside)) if each not in self._aside]
        self._batch = self._batch[: self._size]
        if self._batch:
            self._judge.judge(self._batch, datetime.now(UTC))
        return bool(self._batch)

    def done(self) -> None:
        """The step is committed."""
        self._renewed = True
        self._size = min(MOST_AT_ONCE, self._size * 2)
        if self._batch:
            self._on_judged(who_waits(self._db, datetime.now(UTC)))

    def failed(self, error: Exception) -> None:
        """The step was rolled back, and not because of the database as a whole."""
        if len(self._batch) > 1:
            self._size = 1
            return
        self._aside.update(self._batch)
        log.error("cannot make leads of conversation %s", self._batch, exc_info=error, extra={"action": "unjudged"})
