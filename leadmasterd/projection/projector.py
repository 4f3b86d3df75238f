"""From stored messages to leads: load a contact's whole history, label and fold it, write what differs.

Runs inside the caller's transaction, on the writer's thread or in a command. The table `unjudged` holds the dirty
conversations: whatever is captured or decided marks its conversation there in the same transaction, so a crash loses
nothing, and leads may lag behind. The whole history of a contact is folded each time: the same history gives the same
rows, and a lead keeps its `lead_id` by the message that opened it.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import chain
from typing import Final

from leadmasterd.leads.fold import DAY_MS, fold
from leadmasterd.projection.auto_replies import mark_auto_replies
from leadmasterd.projection.history import History, histories_of, load
from leadmasterd.projection.labels import Classifies, Labels
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.rows import LeadRows
from leadmasterd.projection.sql import with_ids
from leadmasterd.projection.touchpoints import write_touchpoints
from leadmasterd.reasons import SYSTEM
from leadmasterd.store.dirty import mark_all_dirty
from leadmasterd.times import iso

_OURS: Final = "('policy', 'hours')"
"""The rows of `derived_with` that leads are made with; others keep theirs there too."""


class Projector:
    """Derives the leads of one database. Not thread-safe: it belongs to the owner of the connection."""

    def __init__(self, connection: sqlite3.Connection, classifier: Callable[[], Classifies], policy: Policy) -> None:
        self._db = connection
        self._classifier = classifier
        self._policy = policy
        self._derived_with = {"policy": policy.version, "hours": policy.hours}

    def adopt_policy(self) -> bool:
        """Mark everything dirty unless all of it was derived with this policy. True if it was with another."""
        stored = dict(self._db.execute(f"SELECT name, value FROM derived_with WHERE name IN {_OURS}"))
        if stored == self._derived_with:
            return False
        mark_all_dirty(self._db)
        # Rewrite them: an older version stored bytes where a text ended inside a character.
        self._db.execute("DELETE FROM touches WHERE kind = 'ad'")
        self._db.executemany("INSERT OR REPLACE INTO derived_with VALUES (?, ?)", self._derived_with.items())
        return bool(stored)

    def project(self, conversations: Sequence[int], now: datetime, actor: str = SYSTEM) -> int:
        """Derive the leads of the contacts behind these conversations and mark them clean; returns how many contacts.

        `actor`: who decided or corrected something just now; the leads' record names them when that withdraws a lead or
        brings it back.
        """
        # From now on not all of it is derived with that: a daemon and a command may have started with other settings.
        self._db.execute(
            f"DELETE FROM derived_with WHERE name IN {_OURS} AND value <> iif(name = 'policy', :policy, :hours)",
            self._derived_with,
        )
        histories = histories_of(self._db, conversations)
        done = {*conversations, *chain.from_iterable(history.conversations for history in histories)}
        with_ids(self._db, "DELETE FROM unjudged WHERE conversation_id IN (SELECT value FROM json_each(?))", done)
        number = len(histories)
        histories.reverse()
        while histories:
            history = histories.pop()  # loaded one at a time, and dropped before the next: a long one takes megabytes
            load(self._db, [history])
            automatic = mark_auto_replies(self._db, history, round(self._policy.burst_seconds * 1000))
            self._derive(history, automatic, now=iso(now), actor=actor)
        return number

    def _derive(self, history: History, automatic: set[int], *, now: str, actor: str) -> None:
        labels = Labels(self._db, history, self._classifier, now)
        folded = fold(
            history.steps(self._policy.burst_seconds, automatic),
            labels.of,
            history.people,
            history.threads,
            reopen_ms=self._policy.reopen_days * DAY_MS,
        )
        labels.write()
        LeadRows(self._db, self._policy, history, now=now, actor=actor).write(folded)
        write_touchpoints(self._db, history, self._policy.campaigns)
