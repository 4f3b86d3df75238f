"""From stored messages to leads: load a contact's whole history, label and fold it, write what differs.

Runs inside the caller's transaction, on the writer's thread or in a command. The table `unjudged` holds the dirty
conversations: whatever is captured or decided marks its conversation there in the same transaction, so a crash loses
nothing and leads may lag. A contact is folded whole each time: the same history gives the same rows, and a lead keeps
its `lead_id` by the message that opened it.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import datetime
from hashlib import blake2b
from itertools import chain
from typing import Final

from leadmasterd import times
from leadmasterd.leads.fold import fold
from leadmasterd.leads.timeline import Inbound, quick_replies
from leadmasterd.leads.touchpoints import Touchpoint, touchpoints_of
from leadmasterd.projection.history import History, histories_of, read
from leadmasterd.projection.labels import Classifies, Labels
from leadmasterd.projection.persons import several_persons
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.rows import LeadRows
from leadmasterd.projection.sql import with_ids
from leadmasterd.reasons import SYSTEM
from leadmasterd.store.rows import MARK_DIRTY
from leadmasterd.text import clean
from leadmasterd.times import iso

QUICK_REPLY_MS: Final = 10_000
AUTO_REPLY_CONTACTS: Final = 3
"""The same own body to this many contacts, each time within seconds of the inbound: the app answered, no person."""


class Projector:
    """Makes leads of one database. Not thread-safe: it belongs to whoever owns the connection."""

    def __init__(self, connection: sqlite3.Connection, classifier: Callable[[], Classifies], policy: Policy) -> None:
        self._db = connection
        self._classifier = classifier
        self._policy = policy

    def adopt_policy(self) -> bool:
        """Put everything up for judging when it was judged under another policy. True if so."""
        row = self._db.execute("SELECT value FROM derived_with WHERE name = 'policy'").fetchone()
        if row and row[0] == self._policy.version:
            return False
        mark_all_dirty(self._db)
        self._db.execute("DELETE FROM touches WHERE kind = 'ad'")  # made again; of half a character once was half a one
        self._db.execute(
            "INSERT INTO derived_with VALUES ('policy', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (self._policy.version,),
        )
        return row is not None

    def pending(self, limit: int, after: int = 0) -> list[int]:
        """Conversations that wait to be judged, in order of their ids, those above `after`."""
        rows = self._db.execute(
            "SELECT conversation_id FROM unjudged WHERE conversation_id > ? ORDER BY conversation_id LIMIT ?",
            (after, limit),
        ).fetchall()
        return [conversation for (conversation,) in rows]

    def project(self, conversations: Sequence[int], now: datetime, actor: str = SYSTEM) -> int:
        """Projector the contacts behind these; returns how many. Rows of `unjudged` that are done are gone.

        `actor`: who said something just now; what that withdraws or brings back is by them in the leads' record.
        """
        histories = histories_of(self._db, conversations)
        done = {*conversations, *chain.from_iterable(history.conversations for history in histories)}
        with_ids(self._db, "DELETE FROM unjudged WHERE conversation_id IN (SELECT value FROM json_each(?))", done)
        number = len(histories)
        histories.reverse()
        while histories:
            history = histories.pop()  # one at a time, and gone before the next: a long chat takes megabytes
            read(self._db, [history])
            self._project(history, now, actor)
        return number

    # ------------------------------------------------------------------ judging

    def _project(self, history: History, now: datetime, actor: str) -> None:
        automatic = self._auto_replies(history)
        ordered = history.steps(self._policy.burst_seconds, automatic)
        judged_at = iso(now)
        labels = Labels(self._db, history, self._classifier, judged_at)
        reopen_ms = self._policy.reopen_days * 86_400_000
        folded = fold(ordered, labels.of, history.people, history.threads, reopen_ms=reopen_ms)
        labels.keep_only_these()
        LeadRows(self._db, self._policy, history, folded, judged_at, actor).write()
        self._keep_touches(history)

    def _auto_replies(self, history: History) -> set[int]:
        """Own messages of this history that nobody typed. Marks them, and those of others that this shows up."""
        said: dict[int, list[tuple[int, int]]] = defaultdict(list)
        own: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for event in history.events:
            if isinstance(event, Inbound):
                said[history.threads[event.conversation]].append((event.at, 0))
        bodies, where = {}, {}
        for each in history.own:
            if each.body.strip():
                own[history.threads[each.conversation]].append((each.at, each.message_id))
                bodies[each.message_id] = _body_key(each.body)
                where[each.message_id] = each.conversation
        quick = {
            message_id: where[message_id]
            for thread, times in own.items()
            for message_id in quick_replies(said[thread], times, QUICK_REPLY_MS)
        }
        self._db.executemany(
            "INSERT OR IGNORE INTO quick_replies (message_id, conversation_id, body_key) VALUES (?, ?, ?)",
            [(message_id, conversation, bodies[message_id]) for message_id, conversation in quick.items()],
        )
        # Out of the table, since bodies are purged; and anew each time, since two of several may turn out to be one.
        replies: dict[str, set[int]] = defaultdict(set)
        for message_id, body_key in with_ids(
            self._db,
            "SELECT message_id, body_key FROM quick_replies WHERE conversation_id IN (SELECT value FROM json_each(?))",
            history.conversations,
        ):
            replies[body_key].add(message_id)
        automatic: set[int] = set()
        for body_key, message_ids in replies.items():
            several = self._went_to_several(body_key)
            if several:
                automatic |= message_ids
            self._mark(body_key, history, message_ids, author="auto_reply" if several else "operator")
        return automatic

    def _mark(self, body_key: str, history: History, message_ids: set[int], *, author: str) -> None:
        """Say who wrote these, and the same body to others. Those are all of one author: asking of one will do."""
        change = "UPDATE messages SET author = ?1 WHERE author <> ?1 AND message_id IN "
        self._db.execute(f"{change} (SELECT value FROM json_each(?2))", (author, json.dumps(list(message_ids))))
        other = self._db.execute(
            "SELECT author FROM quick_replies q JOIN messages USING (message_id) WHERE body_key = ? "
            "AND q.conversation_id NOT IN (SELECT value FROM json_each(?)) LIMIT 1",
            (body_key, json.dumps(history.conversations)),
        ).fetchone()
        if other and other[0] != author:
            changed = self._db.execute(
                f"{change} (SELECT message_id FROM quick_replies WHERE body_key = ?2) RETURNING conversation_id",
                (author, body_key),
            ).fetchall()
            mark_dirty(self._db, {conversation for (conversation,) in changed} - set(history.conversations))

    def _went_to_several(self, body_key: str) -> bool:
        """Whether it went to three persons, as they were told apart before any person said otherwise."""
        contacts = self._db.execute(
            "SELECT DISTINCT contact_id, merged_into_id IS NOT NULL OR EXISTS "
            "(SELECT 1 FROM contacts other WHERE other.merged_into_id = c.contact_id) "
            "FROM quick_replies JOIN conversations USING (conversation_id) JOIN contacts c USING (contact_id) "
            "WHERE body_key = ?",
            (body_key,),
        )
        with closing(contacts):  # of a body sent to thousands, the first few rows tell
            return several_persons(self._db, contacts, AUTO_REPLY_CONTACTS)

    def _keep_touches(self, history: History) -> None:
        """Where they came from. What only words tell stays when the words are gone."""
        said = [event for event in history.events if isinstance(event, Inbound)]
        wanted = {
            (touch.message_id, touch.kind): _touchpoint_row(touch)
            for event in said
            for touch in touchpoints_of(event, self._policy.campaigns)
        }
        there = {
            (message_id, kind): (conversation, at, source_id, source_url, raw)
            for message_id, kind, conversation, at, source_id, source_url, raw in with_ids(
                self._db,
                "SELECT message_id, kind, conversation_id, at, source_id, source_url, raw FROM touches "
                "WHERE conversation_id IN (SELECT value FROM json_each(?)) AND kind <> 'ad'",
                history.conversations,
            )
        }
        worded = {event.message_id for event in said if event.text or event.earlier}
        self._db.executemany(
            "DELETE FROM touches WHERE message_id = ? AND kind = ?",
            [place for place, row in there.items() if place[0] in worded and wanted.get(place) != row],
        )
        self._db.executemany(
            "INSERT INTO touches (message_id, kind, conversation_id, at, source_id, source_url, raw) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(*place, *row) for place, row in wanted.items() if there.get(place) != row],
        )
        ads = [event.message_id for event in said if event.ad]
        if ads:
            self._db.executemany(
                "INSERT OR IGNORE INTO touches "
                "(conversation_id, message_id, at, kind, source_id, source_url, headline, raw) "
                "VALUES (?, ?, ?, 'ad', ?, ?, ?, ?)",
                [
                    (*place, *_of_ad(referral), referral)
                    for *place, referral in with_ids(
                        self._db,
                        "SELECT conversation_id, message_id, sent_at, referral FROM messages "
                        "WHERE message_id IN (SELECT value FROM json_each(?))",
                        ads,
                    )
                ],
            )


def _touchpoint_row(touch: Touchpoint) -> tuple[int, str, str | None, str | None, str]:
    raw = json.dumps(touch.raw, ensure_ascii=False)
    return touch.conversation, times.iso_ms(touch.at), touch.source_id, touch.source_url, raw


def _of_ad(referral: str) -> list[str | None]:
    """`source_id`, `source_url` and `headline` of an ad. Read here: SQLite would make bytes of half a character."""
    told = json.loads(referral)
    found = [told.get(name) for name in ("source_id", "source_url", "title")]
    return [None if each is None else clean(each if isinstance(each, str) else json.dumps(each)) for each in found]


def _body_key(body: str) -> str:
    return blake2b(" ".join(body.casefold().split()).encode(), digest_size=12).hexdigest()


def mark_dirty(connection: sqlite3.Connection, conversations: Iterable[int]) -> None:
    """These are to be judged (again)."""
    connection.executemany(MARK_DIRTY, [(each,) for each in conversations])


def mark_all_dirty(connection: sqlite3.Connection) -> None:
    """Everything is to be judged again."""
    connection.execute(
        "INSERT OR IGNORE INTO unjudged SELECT conversation_id FROM conversations WHERE contact_id IS NOT NULL"
    )
