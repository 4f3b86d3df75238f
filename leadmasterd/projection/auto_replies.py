"""Which outgoing messages nobody typed: greetings and away messages of the WhatsApp Business app, and bots.

A body, or a file, is automatic if it went to three or more persons, each time within seconds of an inbound message, or
to three within seconds of one another; then every message with it is, however late. A long text within seconds of the
first inbound message is automatic by itself. What was forwarded was chosen by hand.

So a new message may show that earlier ones were automatic, in other conversations too, and a merge of contacts that
they were not. What was sent is kept in `sent_bodies`, because bodies are purged, and is counted again each time.

Of a history that is loaded from a checkpoint on, what is earlier is remembered (`timeline.Heard`).
"""

import json
import re
import sqlite3
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from operator import itemgetter
from typing import Final, NamedTuple

from leadmasterd.authors import OURS
from leadmasterd.leads.timeline import NOTHING_HEARD, Heard, Inbound, Sent, quick_replies, untyped
from leadmasterd.projection.history import History, Outgoing, SentBodies
from leadmasterd.projection.persons import several_persons
from leadmasterd.projection.sql import with_ids
from leadmasterd.store.dirty import mark_dirty
from leadmasterd.times import iso_ms, to_ms

QUICK_REPLY_MS: Final = 10_000
TOGETHER_MS: Final = 8_000
"""Three chats, one after the other, take a hand that pastes longer."""
AUTO_REPLY_PERSONS: Final = 3
_SHORTEST: Final = 13
"""Characters. A shorter text ("dale, ya te paso") is typed within seconds, to many."""
_LONG: Final = 40
"""Letters, without links. More are not typed in five seconds."""
_FIRST_SENDINGS: Final = 100
_LEAST_SHARE: Final = 1 / 3
"""Of the first sendings, the share with a sign of a machine. A saved reply that was quick now and then has less."""
_QUICK: Final = 1
_NEAR: Final = 2
"""Bits of `sent_bodies.signs`; near: sent within `TOGETHER_MS` of the same to another conversation."""
_LINK: Final = re.compile(r"\S*(?://|www\.|\.\w{2,6}/)\S*")


class _Kept(NamedTuple):
    """A row of `sent_bodies`, and whether its body is known to be automatic."""

    body_key: str
    long: bool
    signs: int
    automatic: bool


@dataclass(frozen=True, slots=True)
class Marked:
    """This history's automatic messages, and what is remembered of its threads.

    `since`: where a body becomes automatic, or no longer is, that was sent before what was loaded: the first time that
    it was, for the history to be loaded from there. All else is to be found again then.
    """

    automatic: set[int]
    since: str | None
    _before: Mapping[int, Heard]
    _trails: Callable[[], Mapping[int, Sequence[tuple[int, Heard]]]]
    _first_written: Mapping[int, int]

    def heard(self, at: int) -> dict[int, Heard]:
        """What is remembered of each thread at this time, of what was earlier."""
        found = dict(self._before)
        for thread, trail in self._trails().items():
            place = bisect_left(trail, at, key=itemgetter(0))
            if place:
                found[thread] = trail[place - 1][1]
        for thread, written in self._first_written.items():
            if written < at:
                found[thread] = found.get(thread, NOTHING_HEARD)._replace(written=written)
        return found


def look_at_bodies(connection: sqlite3.Connection, histories: Sequence[History]) -> None:
    """Set `bodies` of these, which are loaded and new: of a body that only one person was sent nothing is to be asked.

    Only what went to several persons is automatic by its body.
    """
    keys_of = [
        {each.message_id: _body_key(each) for each in history.outgoing if each.author in OURS and not each.forwarded}
        for history in histories
    ]
    of_histories = Counter(key for keys in keys_of for key in {*keys.values()} if key)
    known = connection.execute(_KNOWN_BODIES, (json.dumps([*of_histories]),)).fetchall()
    elsewhere = {key for key, histories in of_histories.items() if histories > 1}.union(*known)
    for history, keys in zip(histories, keys_of, strict=True):
        history.bodies = SentBodies(keys, elsewhere)


def mark_auto_replies(connection: sqlite3.Connection, history: History, burst_ms: int) -> Marked:
    """Set `messages.author` where it becomes `auto_reply`, or no longer is.

    Marks conversations of other contacts dirty if a body sent there becomes automatic, or no longer is.
    """
    typed = [message for message in history.outgoing if message.author in OURS]
    received = _received(history)
    kept = _kept(connection, history)
    bodies = _update_sent(connection, history, typed, kept, received=received)
    automatic_bodies, since = _judge(connection, history, kept, bodies)
    automatic, trails = _automatic(history, typed, kept, bodies=automatic_bodies, received=received, burst_ms=burst_ms)
    for author, other in (("auto_reply", "operator"), ("operator", "auto_reply")):
        changed = [
            message.message_id
            for message in typed
            if message.author == other and (message.message_id in automatic) == (author == "auto_reply")
        ]
        if changed:
            connection.execute(
                "UPDATE messages SET author = ? WHERE message_id IN (SELECT value FROM json_each(?))",
                (author, json.dumps(changed)),
            )
    return Marked(
        automatic=automatic,
        since=since,
        _before=history.heard,
        _trails=trails,
        _first_written=history.first_written(),
    )


_KNOWN_BODIES: Final = (
    "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM sent_bodies WHERE body_key = value) "
    "OR EXISTS (SELECT 1 FROM automatic_bodies WHERE body_key = value)"
)


def _received(history: History) -> Mapping[int, list[int]]:
    """When something came in, by thread."""
    times: dict[int, list[int]] = defaultdict(list)
    for event in history.events:
        if isinstance(event, Inbound):
            times[history.threads[event.conversation]].append(event.at)
    return times


# ---------------------------------------------------------------------- what was sent


_WITH_JUDGEMENT: Final = (
    "SELECT s.message_id, s.body_key, s.long, s.signs, a.body_key IS NOT NULL "
    "FROM {} LEFT JOIN automatic_bodies a USING (body_key) "
    "WHERE {}.conversation_id IN (SELECT value FROM json_each(?1))"
)
_KEPT: Final = _WITH_JUDGEMENT.format("sent_bodies s", "s")
_KEPT_LOADED: Final = (
    _WITH_JUDGEMENT.format("messages m CROSS JOIN sent_bodies s USING (message_id)", "m")
    + " AND m.sent_at >= ?2 AND m.sent_at < ?3"
)


def _kept(connection: sqlite3.Connection, history: History) -> dict[int, _Kept]:
    if history.is_new:
        return {}
    return {
        message_id: _Kept(body_key, bool(long), signs, bool(automatic))
        for message_id, body_key, long, signs, automatic in with_ids(
            connection,
            _KEPT if history.is_whole else _KEPT_LOADED,
            history.conversations,
            *(() if history.is_whole else (history.since_at, history.until_at)),
        )
    }


def _update_sent(
    connection: sqlite3.Connection,
    history: History,
    typed: Iterable[Outgoing],
    kept: dict[int, _Kept],
    *,
    received: Mapping[int, list[int]],
) -> set[str]:
    """Bring `sent_bodies` and `kept` up to date. Returns the bodies about which anything is new."""
    chosen = {message.message_id: message for message in typed if not message.forwarded}
    quick = _quick(history, chosen.values(), received)
    changed = set()
    for message_id in kept.keys() - chosen.keys():
        changed.add(kept.pop(message_id).body_key)
        connection.execute("DELETE FROM sent_bodies WHERE message_id = ?", (message_id,))
    new: list[Outgoing] = []
    keys = history.bodies.keys if history.bodies else {}
    elsewhere = history.bodies.elsewhere if history.bodies else None
    for message_id, message in chosen.items():
        known = kept.get(message_id)
        if known is None:
            if body_key := keys[message_id] if message_id in keys else _body_key(message):
                kept[message_id] = _Kept(body_key, _is_long(message.body), _QUICK * (message_id in quick), False)
                new.append(message)
        elif (known.signs & _QUICK) != _QUICK * (message_id in quick):
            signs = known.signs ^ _QUICK
            kept[message_id] = known._replace(signs=signs)
            changed.add(known.body_key)
            connection.execute("UPDATE sent_bodies SET signs = ? WHERE message_id = ?", (signs, message_id))
    if new:
        connection.executemany(
            "INSERT INTO sent_bodies (message_id, conversation_id, body_key, sent_at, long, signs) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [
                (each.message_id, each.conversation, row.body_key, iso_ms(each.at), row.long, row.signs)
                for each in new
                for row in (kept[each.message_id],)
            ],
        )
        changed.update(kept[each.message_id].body_key for each in new)
        asked = [each.message_id for each in new if elsewhere is None or kept[each.message_id].body_key in elsewhere]
        for message_id in _mark_near(connection, asked) if asked else ():
            kept[message_id] = kept[message_id]._replace(signs=kept[message_id].signs | _NEAR)
    return changed


def _quick(history: History, messages: Iterable[Outgoing], received: Mapping[int, list[int]]) -> set[int]:
    outgoing: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for message in messages:
        outgoing[history.threads[message.conversation]].append((message.at, message.message_id))
    return {
        message_id
        for thread, sent in outgoing.items()
        for message_id in quick_replies(
            received.get(thread, ()), sent, QUICK_REPLY_MS, history.heard.get(thread, NOTHING_HEARD)
        )
    }


_OF_NEARLY_ONE_TIME: Final = (
    "SELECT n.message_id, other.message_id FROM sent_bodies n CROSS JOIN sent_bodies other "
    "ON other.body_key = n.body_key AND other.conversation_id <> n.conversation_id AND other.sent_at "
    f"BETWEEN strftime('%Y-%m-%dT%H:%M:%fZ', n.sent_at, '-{TOGETHER_MS / 1000} seconds') "
    f"AND strftime('%Y-%m-%dT%H:%M:%fZ', n.sent_at, '+{TOGETHER_MS / 1000} seconds') "
    "WHERE n.message_id IN (SELECT value FROM json_each(?))"
)


def _mark_near(connection: sqlite3.Connection, message_ids: Sequence[int]) -> set[int]:
    """Mark those of these messages whose body went elsewhere too at nearly the same time, and what went there.

    Returns which of these messages that are.
    """
    near = with_ids(connection, _OF_NEARLY_ONE_TIME, message_ids)
    if near:
        connection.execute(
            "UPDATE sent_bodies SET signs = signs | ? WHERE message_id IN (SELECT value FROM json_each(?))",
            (_NEAR, json.dumps(sorted({message_id for pair in near for message_id in pair}))),
        )
    return {message_id for message_id, _other in near}


def _body_key(message: Outgoing) -> str | None:
    """Equal for the same text or, without a text of some length, for the same file; None if it proves nothing."""
    text = " ".join(message.body.casefold().split())
    if len(text) < _SHORTEST:
        text = f"file {message.file}" if message.file else ""
    return blake2b(text.encode(), digest_size=12).hexdigest() if text else None


def _is_long(body: str) -> bool:
    if len(body) <= _LONG:
        return False
    words = _LINK.sub("", body) if "/" in body or "www." in body else body  # to search for a link takes long
    return sum(map(str.isalpha, words)) > _LONG


# ---------------------------------------------------------------------- which bodies are automatic


def _judge(
    connection: sqlite3.Connection, history: History, kept: dict[int, _Kept], changed: set[str]
) -> tuple[set[str], str | None]:
    """The bodies of this history that are automatic. Tells the other conversations where that is new.

    And since when it is new in this one, if that is earlier than what was loaded.
    """
    earlier: list[str] = []
    before = {row.body_key for row in kept.values() if row.automatic}
    doubtful = changed | before | {row.body_key for row in kept.values() if row.signs}
    if history.bodies:
        doubtful &= history.bodies.elsewhere
    if not doubtful:
        return set(), None
    automatic = set()
    for body_key, was_automatic, signs in connection.execute(
        "SELECT value, EXISTS (SELECT 1 FROM automatic_bodies WHERE body_key = value), "
        "(SELECT count(*) FROM (SELECT 1 FROM sent_bodies WHERE body_key = value AND signs > 0 LIMIT ?)) "
        "FROM json_each(?)",
        (AUTO_REPLY_PERSONS, json.dumps(sorted(doubtful))),
    ).fetchall():
        is_automatic = signs == AUTO_REPLY_PERSONS and _is_automatic(connection, body_key)
        if is_automatic:
            automatic.add(body_key)
        if is_automatic != bool(was_automatic):
            connection.execute(
                "INSERT INTO automatic_bodies VALUES (?)"
                if is_automatic
                else "DELETE FROM automatic_bodies WHERE body_key = ?",
                (body_key,),
            )
            since = dict(
                connection.execute(
                    "SELECT conversation_id, min(sent_at) FROM sent_bodies WHERE body_key = ? GROUP BY conversation_id",
                    (body_key,),
                )
            )
            mark_dirty(connection, {each: at for each, at in since.items() if each not in history.people})
            earlier += [at for each, at in since.items() if each in history.people and at < history.since_at]
    return automatic, min(earlier, default=None)


_CONTACT: Final = (
    "contact_id, merged_into_id IS NOT NULL OR EXISTS "
    "(SELECT 1 FROM contacts other WHERE other.merged_into_id = c.contact_id) "
    "FROM sent_bodies JOIN conversations USING (conversation_id) JOIN contacts c USING (contact_id)"
)


def _is_automatic(connection: sqlite3.Connection, body_key: str) -> bool:
    [(sendings, with_signs)] = connection.execute(
        "SELECT count(*), sum(signs > 0) FROM "
        "(SELECT signs FROM sent_bodies WHERE body_key = ? ORDER BY sent_at, message_id LIMIT ?)",
        (body_key, _FIRST_SENDINGS),
    )
    if with_signs < sendings * _LEAST_SHARE:
        return False
    quick = connection.execute(
        f"SELECT DISTINCT {_CONTACT} WHERE body_key = ? AND signs > 0 AND signs & ?", (body_key, _QUICK)
    )
    with closing(quick):  # of a body sent to thousands, the first few rows suffice
        if several_persons(connection, quick, AUTO_REPLY_PERSONS):
            return True
    near = connection.execute(
        f"SELECT sent_at, {_CONTACT} WHERE body_key = ? AND signs > 0 AND signs & ? ORDER BY sent_at", (body_key, _NEAR)
    ).fetchall()
    moments = [to_ms(at) for at, *_ in near]
    for number, moment in enumerate(moments):
        together = near[bisect_left(moments, moment - TOGETHER_MS) : number + 1]
        contacts = {(contact, merged) for _at, contact, merged in together}
        if len(contacts) >= AUTO_REPLY_PERSONS and several_persons(connection, contacts, AUTO_REPLY_PERSONS):
            return True
    return False


# ---------------------------------------------------------------------- which messages are


def _automatic(
    history: History,
    typed: Iterable[Outgoing],
    kept: dict[int, _Kept],
    *,
    bodies: set[str],
    received: Mapping[int, list[int]],
    burst_ms: int,
) -> tuple[set[int], Callable[[], Mapping[int, Sequence[tuple[int, Heard]]]]]:
    """Their ids, and how to learn what is remembered of each thread after each time: most histories are not parted."""
    before = history.heard
    sent: dict[int, list[Sent]] = defaultdict(list)
    for message in typed:
        row = kept.get(message.message_id)
        sent[history.threads[message.conversation]].append(
            Sent(
                at=message.at,
                own_id=message.own_id,
                message_id=message.message_id,
                automatic=row is not None and row.body_key in bodies,
                long=row is not None and row.long,
            )
        )
    threads = {*received, *sent}

    def untyped_in(thread: int, trail: list[tuple[int, Heard]] | None = None) -> set[int]:
        heard = before.get(thread, NOTHING_HEARD)
        return untyped(received.get(thread, ()), sent.get(thread, ()), burst_ms, heard, trail=trail)

    @cache
    def trails() -> Mapping[int, Sequence[tuple[int, Heard]]]:
        found: dict[int, list[tuple[int, Heard]]] = {thread: [] for thread in threads}
        for thread, trail in found.items():
            untyped_in(thread, trail)
        return found

    return set().union(*map(untyped_in, threads)), trails
