"""From stored messages to leads: load a contact's history, label and fold it, write what differs.

Runs inside the caller's transaction, on the writer's thread or in a command. The table `unjudged` holds the dirty
conversations: whatever is captured or decided marks its conversation there in the same transaction, so a crash loses
nothing, and leads may lag behind. A history is folded from the latest checkpoint on that nothing has changed before:
the rows are those of a fold of the whole. The same history gives the same rows, and a lead keeps its `lead_id` by the
message that opened it.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from leadmasterd.projection import windows
from leadmasterd.projection.auto_replies import look_at_bodies
from leadmasterd.projection.checkpoints import EVERY, Checkpoints
from leadmasterd.projection.folding import Distances, Folding
from leadmasterd.projection.history import SHORT, History, histories_of, load, look_over, short_together
from leadmasterd.projection.labels import Classifies, Told
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.sql import with_ids
from leadmasterd.reasons import SYSTEM
from leadmasterd.store.dirty import mark_all_dirty
from leadmasterd.times import iso

_OURS: Final = "('policy', 'hours')"
"""The rows of `derived_with` that leads are made with; others keep theirs there too."""


class Projector:
    """Derives the leads of one database. Not thread-safe: it belongs to the owner of the connection."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        classifier: Callable[[], Classifies],
        policy: Policy,
        *,
        every: int = EVERY,
        window: int = windows.MESSAGES,
        ready: Callable[[], Mapping[object, Told]] = dict,
    ) -> None:
        """`every`: events between two checkpoints; `window`: messages that are folded at once.

        `ready`: labels that are made already, by `place_of`.
        """
        self._ready = ready
        self._db = connection
        self._distances = Distances(every, window)
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
        asked = {*conversations}
        of_nobody = asked.difference(*(history.conversations for history in histories))
        if of_nobody:
            self._clean(of_nobody)
        number, at = len(histories), iso(now)
        if number > 1 and self._distances.window >= SHORT:
            look_over(self._db, histories)
        histories.reverse()
        while histories:
            some = short_together(histories)  # dropped before the next: a long one takes megabytes
            if some[0].is_new:
                load(self._db, some)
                look_at_bodies(self._db, some)
            dirty = self._clean([conversation for history in some for conversation in history.people])
            for history in some:
                since = [dirty.get(each) for each in history.people if each in asked or each in dirty]
                known = [each for each in since if each is not None]
                self._derive(history, min(known) if len(known) == len(since) else None, now=at, actor=actor)
        return number

    def _clean(self, conversations: Collection[int]) -> dict[int, str | None]:
        """Returns which of these were dirty, and since when."""
        query = "DELETE FROM unjudged WHERE conversation_id IN (SELECT value FROM json_each(?)) "
        return dict(with_ids(self._db, query + "RETURNING conversation_id, since", conversations))

    def _derive(self, history: History, since: str | None, *, now: str, actor: str) -> None:
        """`since`: nothing of this history has changed that is earlier. None: not known."""
        checkpoints = Checkpoints(self._db, self._policy, history)
        while True:
            folding = Folding(
                self._db,
                self._policy,
                self._classifier,
                history,
                begun=checkpoints.latest(since),
                distances=self._distances,
                ready=self._ready(),
                now=now,
                actor=actor,
            )
            again = folding.run()
            if again is None:
                folding.write(checkpoints)
                return
            since = again
