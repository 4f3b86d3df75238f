"""Finds outgoing messages that nobody typed: greetings and away messages of the WhatsApp Business app, and bots.

A body (a text or a file) is automatic if it went to at least three persons, to each within seconds of a message of
theirs, or to all of them within seconds. Then every message with this body is automatic, however late it was sent. A
long text is automatic by itself if it was sent within seconds of the first message of a burst. A forwarded message
never counts: a person chose it.

So a new message may show that earlier ones were automatic, in other conversations too, and a merge of contacts may show
that they were not. The table `sent_bodies` keeps a hash of each body that was sent, because the bodies themselves are
purged. Its rows are counted again each time; `automatic_bodies` has the bodies that are automatic now.

For a history that is loaded from a checkpoint on, `timeline.Heard` stands for what is earlier.
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

from leadmasterd.authors import OURS, Author
from leadmasterd.leads.timeline import NOTHING_HEARD, Heard, Inbound, Sent, quick_replies, untyped
from leadmasterd.projection.history import History, Outgoing, SentBodies
from leadmasterd.projection.persons import are_several_persons
from leadmasterd.projection.sql import with_ids
from leadmasterd.store.dirty import mark_dirty
from leadmasterd.times import iso_ms, to_ms

QUICK_REPLY_MS: Final = 10_000
"""A message of ours so soon after an inbound one has a sign of a machine."""
TOGETHER_MS: Final = 8_000
"""The same body sent to others within this time is a sign too: somebody who pastes it into three chats takes longer."""
AUTO_REPLY_PERSONS: Final = 3
"""At least so many persons were sent an automatic body."""
_SHORTEST: Final = 13
"""Characters. A shorter text ("dale") proves nothing: people type it within seconds, to many."""
_LONG: Final = 40
"""Letters, without links. Nobody types more in five seconds."""
_FIRST_SENDINGS: Final = 100
"""How many sendings of a body are looked at for `_LEAST_SHARE`."""
_LEAST_SHARE: Final = 1 / 3
"""At least this share of an automatic body's first sendings has a sign of a machine. Of a saved reply, which a person
sent quickly now and then, a smaller share has one."""
_QUICK: Final = 1
"""A bit of `sent_bodies.signs`: sent within `QUICK_REPLY_MS` of an inbound message."""
_NEAR: Final = 2
"""A bit of `sent_bodies.signs`: sent within `TOGETHER_MS` of the same body to another conversation."""
_LINK: Final = re.compile(r"\S*(?://|www\.|\.\w{2,6}/)\S*")


class _Sending(NamedTuple):
    """A row of `sent_bodies`: one sending of a body."""

    body_key: str
    long: bool
    signs: int
    """The sum of `_QUICK` and `_NEAR`, where they apply; 0: it has no sign of a machine."""
    automatic: bool
    """Whether `automatic_bodies` has its body, as of when the row was read; False for a new row."""


Trails = Mapping[int, Sequence[tuple[int, Heard]]]
"""Thread -> for each of its messages in order the time (ms), and what is remembered of the thread after it."""


@dataclass(frozen=True, slots=True)
class Marked:
    """The automatic messages of a history, as far as it is loaded, and what to remember of its threads."""

    automatic: set[int]
    """Their ids."""
    since: str | None
    """From when on (ISO) the history must be folded again: a body that was sent then, before what is loaded, has become
    automatic, or no longer is. None: it need not."""
    _before: Mapping[int, Heard]
    """Thread -> what is remembered of it from before what is loaded."""
    _trails: Callable[[], Trails]
    _first_sent: Mapping[int, int]
    """As `History.first_sent` returns it."""

    def heard(self, at: int) -> dict[int, Heard]:
        """Thread -> what is remembered of its messages before this time (ms). Threads without any are left out."""
        found = dict(self._before)
        for thread, trail in self._trails().items():
            messages_before = bisect_left(trail, at, key=itemgetter(0))
            if messages_before:
                _time, found[thread] = trail[messages_before - 1]
        for thread, first_sent in self._first_sent.items():
            if first_sent < at:
                found[thread] = found.get(thread, NOTHING_HEARD)._replace(written=first_sent)
        return found


def prepare_bodies(connection: sqlite3.Connection, histories: Sequence[History]) -> None:
    """Set `bodies` of these histories, which are new and loaded together.

    This saves queries: only a body that several persons were sent can be automatic. So nothing need be looked up for a
    body that only one of these histories has and no table.
    """
    keys_of = []
    history_counts: Counter[str] = Counter()
    """Body key -> in how many of these histories it occurs."""
    for history in histories:
        counting = [each for each in history.outgoing if each.author in OURS and not each.forwarded]
        keys = {message.message_id: _body_key(message) for message in counting}
        keys_of.append(keys)
        history_counts.update({key for key in keys.values() if key})
    in_tables = connection.execute(_KNOWN_BODIES, (json.dumps([*history_counts]),)).fetchall()
    elsewhere = {key for key, count in history_counts.items() if count > 1}.union(*in_tables)
    for history, keys in zip(histories, keys_of, strict=True):
        history.bodies = SentBodies(keys, elsewhere)


def mark_auto_replies(connection: sqlite3.Connection, history: History, burst_ms: int) -> Marked:
    """Find the automatic messages of what is loaded of a history, and set `messages.author` where that changes.

    Also updates `sent_bodies` and `automatic_bodies`. Marks conversations of other contacts dirty if a body sent there
    becomes automatic, or no longer is. `burst_ms`: inbound messages less than this apart are one burst.
    """
    candidates = [message for message in history.outgoing if message.author in OURS]
    received = _received(history)
    sendings = _stored_sendings(connection, history)
    changed_bodies = _update_sendings(connection, history, candidates, sendings, received=received)
    automatic_bodies, since = _update_automatic_bodies(connection, history, sendings, changed_bodies)
    automatic, trails = _automatic_messages(
        history, candidates, sendings, bodies=automatic_bodies, received=received, burst_ms=burst_ms
    )
    became_automatic = [
        message.message_id for message in candidates if message.author == "operator" and message.message_id in automatic
    ]
    became_typed = [
        message.message_id
        for message in candidates
        if message.author == "auto_reply" and message.message_id not in automatic
    ]
    _set_author(connection, became_automatic, "auto_reply")
    _set_author(connection, became_typed, "operator")
    return Marked(
        automatic=automatic,
        since=since,
        _before=history.heard,
        _trails=trails,
        _first_sent=history.first_sent(),
    )


def _set_author(connection: sqlite3.Connection, message_ids: Sequence[int], author: Author) -> None:
    if message_ids:
        connection.execute(
            "UPDATE messages SET author = ? WHERE message_id IN (SELECT value FROM json_each(?))",
            (author, json.dumps(message_ids)),
        )


_KNOWN_BODIES: Final = (
    "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM sent_bodies WHERE body_key = value) "
    "OR EXISTS (SELECT 1 FROM automatic_bodies WHERE body_key = value)"
)
"""SQL: those of a JSON list of body keys that one of these tables has."""


def _received(history: History) -> Mapping[int, list[int]]:
    """Thread -> the times of its inbound messages (ms)."""
    times: dict[int, list[int]] = defaultdict(list)
    for event in history.events:
        if isinstance(event, Inbound):
            times[history.threads[event.conversation]].append(event.at)
    return times


# ---------------------------------------------------------------------- what was sent


_SENDINGS: Final = (
    "SELECT s.message_id, s.body_key, s.long, s.signs, a.body_key IS NOT NULL "
    "FROM {} LEFT JOIN automatic_bodies a USING (body_key) "
    "WHERE {}.conversation_id IN (SELECT value FROM json_each(?1))"
)
"""SQL: the message's id and the columns of `_Sending`, for a JSON list of conversations.

The gaps: the tables to read, and the one of them whose `conversation_id` is compared.
"""
_ALL_SENDINGS: Final = _SENDINGS.format("sent_bodies s", "s")
_LOADED_SENDINGS: Final = (
    _SENDINGS.format("messages m CROSS JOIN sent_bodies s USING (message_id)", "m")
    + " AND m.sent_at >= ?2 AND m.sent_at < ?3"
)
"""`CROSS JOIN` makes SQLite begin with the messages of that time."""


def _stored_sendings(connection: sqlite3.Connection, history: History) -> dict[int, _Sending]:
    """The rows of `sent_bodies` for what is loaded, by message."""
    if history.is_new:
        return {}
    if history.is_whole:
        rows = with_ids(connection, _ALL_SENDINGS, history.conversations)
    else:
        rows = with_ids(connection, _LOADED_SENDINGS, history.conversations, history.since_at, history.until_at)
    return {
        message_id: _Sending(body_key, bool(long), signs, bool(automatic))
        for message_id, body_key, long, signs, automatic in rows
    }


def _update_sendings(
    connection: sqlite3.Connection,
    history: History,
    candidates: Iterable[Outgoing],
    sendings: dict[int, _Sending],
    *,
    received: Mapping[int, list[int]],
) -> set[str]:
    """Make `sent_bodies` have one row for each candidate with a body that counts, and `sendings` the same rows.

    `sendings`: the rows for what is loaded, as stored so far. `received`: as `_received` returns it. Returns the keys
    of the bodies whose rows changed.
    """
    sent = {message.message_id: message for message in candidates if not message.forwarded}
    quick = _quick_reply_ids(history, sent.values(), received)
    changed = set()
    for message_id in sendings.keys() - sent.keys():  # no candidates any more
        changed.add(sendings.pop(message_id).body_key)
        connection.execute("DELETE FROM sent_bodies WHERE message_id = ?", (message_id,))
    new: list[Outgoing] = []
    keys = history.bodies.keys if history.bodies else {}  # those that are computed already
    for message_id, message in sent.items():
        quick_sign = _QUICK if message_id in quick else 0
        sending = sendings.get(message_id)
        if sending is None:
            body_key = keys[message_id] if message_id in keys else _body_key(message)
            if body_key:
                sendings[message_id] = _Sending(body_key, _is_long(message.body), quick_sign, automatic=False)
                new.append(message)
        elif (sending.signs & _QUICK) != quick_sign:
            signs = sending.signs ^ _QUICK  # set it if it is not set, else remove it
            sendings[message_id] = sending._replace(signs=signs)
            changed.add(sending.body_key)
            connection.execute("UPDATE sent_bodies SET signs = ? WHERE message_id = ?", (signs, message_id))
    if new:
        _insert_sendings(connection, history, new, sendings)
        changed.update(sendings[each.message_id].body_key for each in new)
    return changed


def _insert_sendings(
    connection: sqlite3.Connection, history: History, new: Iterable[Outgoing], sendings: dict[int, _Sending]
) -> None:
    """Insert the rows of new messages, which `sendings` has, and add the sign `_NEAR` to both where it applies."""
    rows = []
    maybe_elsewhere = []
    for message in new:
        message_id, sending = message.message_id, sendings[message.message_id]
        sent_at = iso_ms(message.at)
        rows.append((message_id, message.conversation, sending.body_key, sent_at, sending.long, sending.signs))
        if history.bodies is None or sending.body_key in history.bodies.elsewhere:
            maybe_elsewhere.append(message_id)
    connection.executemany(
        "INSERT INTO sent_bodies (message_id, conversation_id, body_key, sent_at, long, signs) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )
    if maybe_elsewhere:
        for message_id in _mark_near(connection, maybe_elsewhere):
            sendings[message_id] = sendings[message_id]._replace(signs=sendings[message_id].signs | _NEAR)


def _quick_reply_ids(history: History, messages: Iterable[Outgoing], received: Mapping[int, list[int]]) -> set[int]:
    """Those of these messages that were sent within `QUICK_REPLY_MS` of an inbound one in their thread."""
    outgoing: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for message in messages:
        outgoing[history.threads[message.conversation]].append((message.at, message.message_id))
    found: set[int] = set()
    for thread, sent in outgoing.items():
        heard_before = history.heard.get(thread, NOTHING_HEARD)
        found.update(quick_replies(received.get(thread, ()), sent, QUICK_REPLY_MS, heard_before))
    return found


_SENT_NEAR: Final = (
    "SELECT n.message_id, other.message_id FROM sent_bodies n CROSS JOIN sent_bodies other "
    "ON other.body_key = n.body_key AND other.conversation_id <> n.conversation_id AND other.sent_at "
    f"BETWEEN strftime('%Y-%m-%dT%H:%M:%fZ', n.sent_at, '-{TOGETHER_MS / 1000} seconds') "
    f"AND strftime('%Y-%m-%dT%H:%M:%fZ', n.sent_at, '+{TOGETHER_MS / 1000} seconds') "
    "WHERE n.message_id IN (SELECT value FROM json_each(?))"
)
"""SQL: pairs of one of these messages (a JSON list) and another message with the same body, which was sent to another
conversation within `TOGETHER_MS` of the first."""


def _mark_near(connection: sqlite3.Connection, message_ids: Sequence[int]) -> set[int]:
    """Add the sign `_NEAR` to each of these messages whose body went to another conversation within `TOGETHER_MS`.

    The message to the other conversation gets it too. Returns which of these messages got it.
    """
    near = with_ids(connection, _SENT_NEAR, message_ids)
    if near:
        connection.execute(
            "UPDATE sent_bodies SET signs = signs | ? WHERE message_id IN (SELECT value FROM json_each(?))",
            (_NEAR, json.dumps(sorted({message_id for pair in near for message_id in pair}))),
        )
    return {message_id for message_id, _other in near}


def _body_key(message: Outgoing) -> str | None:
    """A hash that is equal for the same text, whatever its case and spaces.

    A message with fewer than `_SHORTEST` characters gets a hash of its file instead; None if it has no file.
    """
    text = " ".join(message.body.casefold().split())
    if len(text) < _SHORTEST:
        text = f"file {message.file}" if message.file else ""
    return blake2b(text.encode(), digest_size=12).hexdigest() if text else None


def _is_long(body: str) -> bool:
    """Whether a text has more than `_LONG` letters outside of links."""
    if len(body) <= _LONG:
        return False
    may_have_link = "/" in body or "www." in body  # searching for one takes long
    words = _LINK.sub("", body) if may_have_link else body
    return sum(map(str.isalpha, words)) > _LONG


# ---------------------------------------------------------------------- which bodies are automatic


def _update_automatic_bodies(
    connection: sqlite3.Connection, history: History, sendings: dict[int, _Sending], changed: set[str]
) -> tuple[set[str], str | None]:
    """Decide again which bodies of this history are automatic, and update `automatic_bodies`.

    `changed`: the keys of bodies whose rows changed. If a body becomes automatic, or no longer is, the conversations of
    other contacts that were sent it are marked dirty. Returns the keys of the automatic bodies, and `Marked.since`.
    """
    earlier: list[str] = []
    automatic_before = {sending.body_key for sending in sendings.values() if sending.automatic}
    with_signs = {sending.body_key for sending in sendings.values() if sending.signs}
    to_decide = changed | automatic_before | with_signs
    if history.bodies:
        to_decide &= history.bodies.elsewhere  # the others went to one person only
    if not to_decide:
        return set(), None
    automatic = set()
    for body_key, was_automatic, with_signs_up_to_limit in connection.execute(
        "SELECT value, EXISTS (SELECT 1 FROM automatic_bodies WHERE body_key = value), "
        "(SELECT count(*) FROM (SELECT 1 FROM sent_bodies WHERE body_key = value AND signs > 0 LIMIT ?)) "
        "FROM json_each(?)",
        (AUTO_REPLY_PERSONS, json.dumps(sorted(to_decide))),
    ).fetchall():
        has_enough_signs = with_signs_up_to_limit == AUTO_REPLY_PERSONS
        is_automatic = has_enough_signs and _is_automatic(connection, body_key)
        if is_automatic:
            automatic.add(body_key)
        if is_automatic != bool(was_automatic):
            first_sent = _set_automatic(connection, body_key, is_automatic=is_automatic)
            mark_dirty(connection, {each: at for each, at in first_sent.items() if each not in history.people})
            earlier += [at for each, at in first_sent.items() if each in history.people and at < history.since_at]
    return automatic, min(earlier, default=None)


def _set_automatic(connection: sqlite3.Connection, body_key: str, *, is_automatic: bool) -> dict[int, str]:
    """Add a body to `automatic_bodies`, or remove it. Returns by conversation when it was first sent there (ISO)."""
    if is_automatic:
        connection.execute("INSERT INTO automatic_bodies VALUES (?)", (body_key,))
    else:
        connection.execute("DELETE FROM automatic_bodies WHERE body_key = ?", (body_key,))
    query = "SELECT conversation_id, min(sent_at) FROM sent_bodies WHERE body_key = ? GROUP BY conversation_id"
    return dict(connection.execute(query, (body_key,)))


_TO_CONTACT: Final = (
    "contact_id, merged_into_id IS NOT NULL OR EXISTS "
    "(SELECT 1 FROM contacts other WHERE other.merged_into_id = c.contact_id) "
    "FROM sent_bodies JOIN conversations USING (conversation_id) JOIN contacts c USING (contact_id)"
)
"""SQL: the contact that each row of `sent_bodies` went to, and whether the contact takes part in any merge."""
_WITH_SIGN: Final = "body_key = ? AND signs > 0 AND signs & ?"
"""SQL: the rows of a body that have a certain sign. `signs > 0` follows from it, but SQLite uses the partial index
`sent_bodies_with_signs` only if that is said."""


def _is_automatic(connection: sqlite3.Connection, body_key: str) -> bool:
    """Whether a body is automatic: enough of its first sendings have a sign of a machine (`_LEAST_SHARE`), and at least
    `AUTO_REPLY_PERSONS` were sent it quickly, or were sent it together.
    """
    [(sendings, with_signs)] = connection.execute(
        "SELECT count(*), sum(signs > 0) FROM "
        "(SELECT signs FROM sent_bodies WHERE body_key = ? ORDER BY sent_at, message_id LIMIT ?)",
        (body_key, _FIRST_SENDINGS),
    )
    if with_signs < sendings * _LEAST_SHARE:
        return False
    return _went_quickly_to_several(connection, body_key) or _went_together_to_several(connection, body_key)


def _went_quickly_to_several(connection: sqlite3.Connection, body_key: str) -> bool:
    """Whether at least `AUTO_REPLY_PERSONS` were sent a body within `QUICK_REPLY_MS` of a message of theirs."""
    to_contacts = connection.execute(f"SELECT DISTINCT {_TO_CONTACT} WHERE {_WITH_SIGN}", (body_key, _QUICK))
    with closing(to_contacts):  # of a body sent to thousands, the first few rows suffice
        return are_several_persons(connection, to_contacts, AUTO_REPLY_PERSONS)


def _went_together_to_several(connection: sqlite3.Connection, body_key: str) -> bool:
    """Whether at least `AUTO_REPLY_PERSONS` were sent a body within some span of `TOGETHER_MS`."""
    near = connection.execute(
        f"SELECT sent_at, {_TO_CONTACT} WHERE {_WITH_SIGN} ORDER BY sent_at", (body_key, _NEAR)
    ).fetchall()
    times = [to_ms(at) for at, *_ in near]
    for number, at in enumerate(times):  # `at` is the end of a span
        first_in_span = bisect_left(times, at - TOGETHER_MS)
        together = near[first_in_span : number + 1]
        contacts = {(contact, is_merged) for _at, contact, is_merged in together}
        if len(contacts) >= AUTO_REPLY_PERSONS and are_several_persons(connection, contacts, AUTO_REPLY_PERSONS):
            return True
    return False


# ---------------------------------------------------------------------- which messages are automatic


def _automatic_messages(
    history: History,
    candidates: Iterable[Outgoing],
    sendings: dict[int, _Sending],
    *,
    bodies: set[str],
    received: Mapping[int, list[int]],
    burst_ms: int,
) -> tuple[set[int], Callable[[], Trails]]:
    """The ids of the candidates that are automatic, and a function that returns what is remembered of each thread.

    It is a function because most histories have no boundary, and only boundaries need its result. `bodies`: the keys of
    the automatic ones. `received`: as `_received` returns it.
    """
    before = history.heard
    sent: dict[int, list[Sent]] = defaultdict(list)
    for message in candidates:
        sending = sendings.get(message.message_id)
        sent[history.threads[message.conversation]].append(
            Sent(
                at=message.at,
                own_id=message.own_id,
                message_id=message.message_id,
                automatic=sending is not None and sending.body_key in bodies,
                long=sending is not None and sending.long,
            )
        )
    threads = {*received, *sent}

    def untyped_in(thread: int, trail: list[tuple[int, Heard]] | None = None) -> set[int]:
        """The ids of a thread's automatic messages. What is remembered after each message is appended to `trail`."""
        heard = before.get(thread, NOTHING_HEARD)
        return untyped(received.get(thread, ()), sent.get(thread, ()), burst_ms, heard, trail=trail)

    @cache
    def trails() -> Trails:
        """What is remembered of each thread. Looks at all messages once more, on the first call only."""
        found: dict[int, list[tuple[int, Heard]]] = {thread: [] for thread in threads}
        for thread, trail in found.items():
            untyped_in(thread, trail)
        return found

    automatic: set[int] = set()
    for thread in threads:
        automatic |= untyped_in(thread)
    return automatic, trails
