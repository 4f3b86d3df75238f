"""From stored messages to leads: load a contact's history, label and fold it, write what differs.

Runs inside the caller's transaction, on the writer's thread or in a command. The table `unjudged` holds the dirty
conversations: whatever is captured or decided marks its conversation there in the same transaction, so a crash loses
nothing, and leads may lag behind. A history is folded from the latest checkpoint before the earliest change, and gives
the same rows as if it were folded from its beginning. The same history always gives the same rows, and a lead keeps its
`lead_id` by the message that opened it.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from leadmasterd.projection import windows
from leadmasterd.projection.auto_replies import prepare_bodies
from leadmasterd.projection.checkpoints import EVERY, Checkpoints
from leadmasterd.projection.folding import Folding, Spacing
from leadmasterd.projection.history import SHORT, History, histories_of, load, measure, pop_batch
from leadmasterd.projection.labels import Classifies, StoredLabel
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.sql import with_ids
from leadmasterd.reasons import SYSTEM
from leadmasterd.store.dirty import mark_all_dirty
from leadmasterd.times import iso

_POLICY_ROWS: Final = "('policy', 'hours')"
"""The names of our rows in `derived_with`, which say with which policy all leads were derived. Other parts have rows
there too."""


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
        labels_ahead: Callable[[], Mapping[object, StoredLabel]] = dict,
    ) -> None:
        """`every`: events between two checkpoints; `window`: messages of each conversation that are folded at once.

        `classifier` is called for each fold, because rules and model may change. `labels_ahead` returns labels that
        another process has made already, by `label_key`.
        """
        self._labels_ahead = labels_ahead
        self._db = connection
        self._spacing = Spacing(every, window)
        self._classifier = classifier
        self._policy = policy
        self._derived_with = {"policy": policy.version, "hours": policy.hours}

    def adopt_policy(self) -> bool:
        """Mark everything dirty unless all of it was derived with this policy, and note this policy.

        True if another policy was noted before; False if it is the same one, or if none was.
        """
        stored = dict(self._db.execute(f"SELECT name, value FROM derived_with WHERE name IN {_POLICY_ROWS}"))
        if stored == self._derived_with:
            return False
        mark_all_dirty(self._db)
        # These will be written again: an older version stored bytes where a text ended inside a character.
        self._db.execute("DELETE FROM touches WHERE kind = 'ad'")
        self._db.executemany("INSERT OR REPLACE INTO derived_with VALUES (?, ?)", self._derived_with.items())
        return bool(stored)

    def project(self, conversations: Sequence[int], now: datetime, actor: str = SYSTEM) -> int:
        """Derive the leads of the contacts behind these conversations and mark them clean; returns how many contacts.

        If one of these is not dirty, its contact's history is folded from the beginning. `actor`: who decided or
        corrected something just now; the leads' record names them when that withdraws a lead or brings it back.
        """
        # A daemon and a command may have different settings: then not all is derived with the noted policy any more.
        self._db.execute(
            f"DELETE FROM derived_with WHERE name IN {_POLICY_ROWS} AND value <> iif(name = 'policy', :policy, :hours)",
            self._derived_with,
        )
        histories = histories_of(self._db, conversations)
        requested = {*conversations}
        without_contact = requested.difference(*(history.conversations for history in histories))
        if without_contact:
            self._mark_clean(without_contact)
        contact_count, at = len(histories), iso(now)
        may_be_batched = contact_count > 1 and self._spacing.window >= SHORT  # each history in a batch is one window
        if may_be_batched:
            measure(self._db, histories)
        histories.reverse()  # batches are taken from its end
        while histories:
            batch = pop_batch(histories)  # freed before the next one: a long history takes megabytes
            if batch[0].is_new:
                load(self._db, batch)
                prepare_bodies(self._db, batch)
            changed_at = self._mark_clean([conversation for history in batch for conversation in history.people])
            for history in batch:
                to_derive = [each for each in history.people if each in requested or each in changed_at]
                since = _earliest([changed_at.get(each) for each in to_derive])
                self._derive(history, since, now=at, actor=actor)
        return contact_count

    def _mark_clean(self, conversations: Collection[int]) -> dict[int, str | None]:
        """Mark these clean. Returns those that were dirty, each with the time of its first change (None: unknown)."""
        query = "DELETE FROM unjudged WHERE conversation_id IN (SELECT value FROM json_each(?)) "
        return dict(with_ids(self._db, query + "RETURNING conversation_id, since", conversations))

    def _derive(self, history: History, since: str | None, *, now: str, actor: str) -> None:
        """Fold a history and write what differs. `since`: its earliest change; None: unknown, so fold all of it.

        A fold may find that an earlier message has become automatic, or no longer is. Then it is repeated from there.
        """
        checkpoints = Checkpoints(self._db, self._policy, history)
        while True:
            folding = Folding(
                self._db,
                self._policy,
                self._classifier,
                history,
                start=checkpoints.latest(since),
                spacing=self._spacing,
                labels_ahead=self._labels_ahead(),
                now=now,
                actor=actor,
            )
            repeat_since = folding.run()
            if repeat_since is None:
                folding.write(checkpoints)
                return
            since = repeat_since


def _earliest(changes: Sequence[str | None]) -> str | None:
    """The earliest of these times (ISO); None if one of them is unknown, that is None."""
    known = [at for at in changes if at is not None]
    return min(known) if len(known) == len(changes) else None
