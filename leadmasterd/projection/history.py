"""A contact's history, loaded from the tables: messages, calls, reactions, decisions and corrections.

Of a long history only what is later than a checkpoint is loaded, and what is remembered of all before stands for it;
and never more than a window of it at once (`windows`). Reads only. Outgoing messages are kept apart in `outgoing`,
because whether a person wrote them is not known yet. What nobody wrote, and what came to us as one of many, is no part
of the history.
"""

import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from leadmasterd import times
from leadmasterd.authors import OURS
from leadmasterd.leads.stages import DISMISSED
from leadmasterd.leads.timeline import (
    NEVER,
    Answered,
    Called,
    Decided,
    Dismissed,
    Event,
    Heard,
    Inbound,
    Merged,
    Reacted,
    Reading,
    in_order,
    steps,
)
from leadmasterd.projection.persons import persons_of
from leadmasterd.projection.sql import BEGINNING, END, each_with_ids, with_ids
from leadmasterd.readable import NOTHING, VOTE, votes_for_something, written_words
from leadmasterd.store.calls import CALL_LOG, LINE_AFTER, LINE_BEFORE

TO_MANY: Final = "(coalesce(json_extract(marks, '$.broadcast'), json_extract(marks, '$.campaign')) IS NOT NULL)"
"""SQL over a message: whether it came to this chat as one of many (`authors.is_to_many`)."""
_VCARD: Final = "BEGIN:VCARD"
"""A body that begins with this was written by a program, not by the customer."""
_LINE_BEFORE_MS: Final = int(LINE_BEFORE.total_seconds() * 1000)
_LINE_AFTER_MS: Final = int(LINE_AFTER.total_seconds() * 1000)
SHORT: Final = 1_000
"""Messages of a history that is not long, and of all that are loaded at once."""
_OF_ONE_CALL_MS: Final = _LINE_BEFORE_MS + _LINE_AFTER_MS + 1000
"""A call's ringing and its line are not further apart."""


class Outgoing(NamedTuple):
    """What was sent from our side. `author` as stored; `body` as it was sent, before any edit; `file`: its hash.

    `deleted`: for everyone, so that it is no answer any more.
    """

    at: int
    conversation: int
    message_id: int
    own_id: str
    author: str
    body: str
    forwarded: bool
    file: str | None
    deleted: bool


class SentBodies(NamedTuple):
    """What several histories that were loaded together, and are new, have of `sent_bodies`."""

    keys: Mapping[int, str | None]
    """The `body_key` of each message that counts there; None: it proves nothing."""
    elsewhere: Set[str]
    """Those of them that another history has too, or that the tables already know."""


@dataclass(slots=True)
class History:
    """One contact: the root, and all that were merged into it."""

    contact: int
    people: dict[int, int] = field(default_factory=dict)
    """Conversation -> whose it was before any person merged contacts."""
    threads: dict[int, int] = field(default_factory=dict)
    """Conversation -> which WhatsApp thread it is part of: in one account, all ids of one phone are one thread."""
    events: list[Event] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    corrections: dict[int, str] = field(default_factory=dict)
    """Message -> the intent that a person gave it."""
    merges: list[Merged] = field(default_factory=list)
    """By hand."""
    rung: list[int] = field(default_factory=list)
    """When each call rang and when each line of a call was written."""
    unseen: list[tuple[int, int]] = field(default_factory=list)
    """Of dismissals, also later ones, until when their author had seen what came, and when they said so."""
    since: int | None = None
    """What was loaded is not earlier; None: all was."""
    until: int | None = None
    """It is earlier than this; None: what is later was loaded too."""
    heard: Mapping[int, Heard] = field(default_factory=dict)
    """Thread -> what is remembered of it from before then."""
    wrote: Set[int] = frozenset()
    """The people who had written before then."""
    messages: int = 0
    """How many there are, once `look_over` has counted them: of a long history some more than `SHORT`."""
    is_new: bool = False
    """It is not long, and as far as `look_over` knows nothing was ever derived from it: so no table need be asked what
    it has of it."""
    bodies: SentBodies | None = None
    """Once `auto_replies.look_at_bodies` has looked."""

    @property
    def conversations(self) -> list[int]:
        return list(self.people)

    @property
    def is_of_one(self) -> bool:
        """One conversation, and nobody merged into another."""
        return [*self.people.values()] == [self.contact]

    @property
    def since_at(self) -> str:
        """As the tables have times."""
        return BEGINNING if self.since is None else times.iso_ms(self.since)

    @property
    def until_at(self) -> str:
        """The same."""
        return END if self.until is None else times.iso_ms(self.until)

    def first_written(self) -> dict[int, int]:
        """Thread -> when anything of ours was first sent there."""
        found = {thread: each.written for thread, each in self.heard.items() if each.written is not None}
        for message in self.outgoing:
            if message.author == "system":
                continue  # an ad's greeting stands before the customer's own first words
            thread = self.threads[message.conversation]
            found[thread] = min(message.at, found.get(thread, message.at))
        return found

    def read(self, burst_seconds: float, automatic: Container[int] | None = None, *, every: int = NEVER) -> Reading:
        """All that was loaded in order, with bursts. `automatic`: outgoing messages that nobody typed; None: as stored.

        `every`: boundaries are at least so many events apart.
        """
        if automatic is None:
            automatic = {message.message_id for message in self.outgoing if message.author == "auto_reply"}
        answers = [
            Answered(message.at, message.conversation, message.own_id)
            for message in self.outgoing
            if message.author in OURS and not message.deleted and message.message_id not in automatic
        ]
        return steps(
            in_order([*self.events, *(each for each in self.merges if self.has(each.at)), *answers]),
            round(burst_seconds * 1000),
            self.people,
            self.threads,
            written_to=self.first_written(),
            received={thread for thread, each in self.heard.items() if each.last is not None},
            wrote=self.wrote,
            every=every,
            may_part=self._may_part(),
        )

    def has(self, at: int) -> bool:
        """Whether what happened then is loaded."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is loaded."""
        return self.since is None and self.until is None

    def end_at(self, at: int) -> None:
        """Forget what was loaded of this time and later."""
        self.until = at
        self.events = [event for event in self.events if event.at < at]
        self.outgoing = [message for message in self.outgoing if message.at < at]

    def _may_part(self) -> Callable[[int], bool]:
        """Whether a moment parts no call from its line, and no dismissal from what it says nothing of."""
        rung = sorted(self.rung)

        def may_part(at: int) -> bool:
            first = bisect_left(rung, at - _OF_ONE_CALL_MS)
            return (first == len(rung) or rung[first] >= at) and not any(
                seen < at <= decided for seen, decided in self.unseen
            )

        return may_part


def histories_of(connection: sqlite3.Connection, conversations: Sequence[int]) -> list[History]:
    """The contacts behind these conversations, each with all conversations of everybody merged into it; not loaded."""
    found: dict[int, History] = {}
    accounts: dict[int, int] = {}
    for root, contact, conversation, account in with_ids(
        connection,
        "WITH RECURSIVE up (contact, root, above) AS ("
        "  SELECT c.contact_id, c.contact_id, c.merged_into_id FROM conversations v JOIN contacts c USING (contact_id)"
        "  WHERE v.conversation_id IN (SELECT value FROM json_each(?))"
        "  UNION SELECT up.contact, c.contact_id, c.merged_into_id FROM up JOIN contacts c ON c.contact_id = up.above"
        "), down (root, contact) AS ("
        "  SELECT root, root FROM up WHERE above IS NULL"
        "  UNION SELECT down.root, c.contact_id FROM down JOIN contacts c ON c.merged_into_id = down.contact"
        ") SELECT root, contact, conversation_id, account_id FROM down JOIN conversations ON contact_id = contact "
        "ORDER BY root, conversation_id",
        conversations,
    ):
        found.setdefault(root, History(root)).people[conversation] = contact
        accounts[conversation] = account
    for history in found.values():
        if len(history.people) > 1:
            _tell_persons_apart(connection, history)
        first: dict[tuple[int, int], int] = {}
        for conversation, person in history.people.items():
            history.threads[conversation] = first.setdefault((person, accounts[conversation]), conversation)
    return list(found.values())


def _tell_persons_apart(connection: sqlite3.Connection, history: History) -> None:
    persons = persons_of(connection, history.contact)
    history.people = {conversation: persons.person_of[contact] for conversation, contact in history.people.items()}
    history.merges = [
        Merged(
            at=times.to_ms(merge.at),
            kept=persons.person_of[merge.kept],
            merged=persons.person_of[merge.merged],
            actor=merge.actor,
            number=merge.merge_id,
        )
        for merge in persons.by_hand
    ]


_LOOK_OVER: Final = (
    "SELECT conversation_id, (SELECT count(*) FROM (SELECT 1 FROM messages m WHERE m.conversation_id = "
    "v.conversation_id LIMIT ?2)), "
    + " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} d WHERE d.conversation_id = v.conversation_id)"
        for table in ("classifications", "sent_bodies", "waiting_cycles", "follow_ups", "touches", "leads")
    )
    + " OR EXISTS (SELECT 1 FROM leads d WHERE d.contact_id = v.contact_id)"
    " OR EXISTS (SELECT 1 FROM checkpoints d WHERE d.contact_id = v.contact_id) "
    "FROM json_each(?1) CROSS JOIN conversations v ON v.conversation_id = value"
)


def look_over(connection: sqlite3.Connection, histories: Iterable[History]) -> None:
    """Set `messages` and `is_new` of these."""
    for history in histories:
        history.messages, history.is_new = 0, history.is_of_one
    of = _by_conversation(histories)
    for conversation, messages, derived in with_ids(connection, _LOOK_OVER, of, SHORT + 1):
        history = of[conversation]
        history.messages += messages
        history.is_new &= not derived and history.messages <= SHORT


def short_together(histories: list[History]) -> list[History]:
    """Take off the end of the list: one, or some that are new and have at most `SHORT` messages together."""
    some = [histories.pop()]
    left = SHORT - some[0].messages
    while some[0].is_new and histories and histories[-1].is_new and histories[-1].messages <= left:
        left -= histories[-1].messages
        some.append(histories.pop())
    return some


def _by_conversation(histories: Iterable[History]) -> dict[int, History]:
    return {conversation: history for history in histories for conversation in history.people}


def load(connection: sqlite3.Connection, histories: Sequence[History]) -> None:
    """Fill in what happened from `since` on and before `until`, which are the same of all of these."""
    for history in histories:
        history.events, history.outgoing, history.corrections = [], [], {}
        history.rung, history.unseen = [], []
    if not histories:
        return
    some = _Some(connection, _by_conversation(histories), histories[0].since_at, histories[0].until_at)
    _load_calls(some, _load_messages(some))
    _load_reactions(some)
    _load_decisions(some)
    _load_corrections(some)


class _Some(NamedTuple):
    """Where histories are read from, whose each conversation is, since when and until when."""

    connection: sqlite3.Connection
    of: Mapping[int, History]
    since_at: str
    until_at: str

    def rows(self, query: str) -> Iterator[Any]:
        """`query`: with the conversations in its first parameter, and the times in its second and third."""
        return each_with_ids(self.connection, query, self.of, self.since_at, self.until_at)


def _load_messages(some: _Some) -> dict[int, list[Called]]:
    """Returns the lines of calls in the chats, by conversation."""
    edited: dict[int, tuple[list[Any], int]] = {}
    call_lines: dict[int, list[Called]] = defaultdict(list)
    for (
        conversation, message_id, incoming, author, type_, body, sent_at, readable, is_edited, saved, business, ad,
        media, about_product, on_status, details, own_id, forwarded, file, revoked,
    ) in some.rows(
        "SELECT conversation_id, message_id, direction = 'in', author, type, body, sent_at, "
        "readable_at IS NOT NULL, edited_at IS NOT NULL, saved_name <> '', business, referral IS NOT NULL, "
        "media IS NOT NULL, quoted LIKE '%\"product\":%', details LIKE '%\"status_reply\":%', details, stanza_id, "
        "forwarded, CASE WHEN direction = 'out' AND type <> 'sticker' THEN media ->> 'filehash' END, "
        "revoked_at IS NOT NULL FROM messages WHERE conversation_id IN (SELECT value FROM json_each(?1)) "
        "AND sent_at >= ?2 AND sent_at < ?3 "
        f"AND author <> 'system' AND (direction = 'out' OR (author = 'contact' AND NOT {TO_MANY}))"
    ):  # fmt: skip
        history = some.of[conversation]
        at = times.to_ms(sent_at)
        if type_ == VOTE and not incoming:
            history.events.append(Reacted(at, conversation, own_id))  # a tap that answers no words
            continue
        if type_ == VOTE and not votes_for_something(json.loads(details) if details else NOTHING):
            continue
        if type_ == CALL_LOG:
            history.rung.append(at)
            call_lines[conversation].append(
                Called(
                    at=at,
                    conversation=conversation,
                    own_id=own_id,
                    outgoing=not incoming,
                    answered=_line_says_answered(details),
                )
            )
            continue
        if is_edited:
            said: list[Any] = history.events if incoming else history.outgoing
            edited[message_id] = said, len(said)
        if incoming:
            words = written_words(body, json.loads(details)) if details else body or ""
            history.events.append(
                Inbound._make(  # in order: naming so many fields takes three times as long
                    (
                        at,
                        conversation,
                        message_id,
                        own_id,
                        type_,
                        "" if words.startswith(_VCARD) else words,
                        bool(readable),
                        bool(is_edited),
                        (),
                        bool(saved),
                        bool(business),
                        bool(ad),
                        bool(media),
                        bool(about_product),
                        bool(on_status),
                    )
                )
            )
        else:
            history.outgoing.append(
                Outgoing._make(
                    (
                        at,
                        conversation,
                        message_id,
                        own_id,
                        author,
                        body or "",
                        bool(forwarded),
                        file,
                        bool(revoked),
                    )
                )
            )
    if edited:
        for message_id, texts in _earlier_texts(some.connection, edited).items():
            of, place = edited[message_id]
            message = of[place]
            changed = {"earlier": tuple(texts)} if isinstance(message, Inbound) else {"body": texts[0]}
            of[place] = message._replace(**changed)
    return call_lines


def _earlier_texts(connection: sqlite3.Connection, message_ids: Iterable[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for message_id, before in each_with_ids(
        connection,
        "SELECT message_id, body_before FROM message_versions "
        "WHERE message_id IN (SELECT value FROM json_each(?)) AND change = 'edit' ORDER BY version_id",
        message_ids,
    ):
        found[message_id].append(before or "")
    return found


def _line_says_answered(details: str | None) -> bool:
    """Not answered, unless the line says so."""
    call = json.loads(details).get("call") if details else None
    return isinstance(call, dict) and call.get("answered") is True


def _load_calls(some: _Some, lines_of: Mapping[int, list[Called]]) -> None:
    """Each call once: a ringing takes the outcome from its line in the chat; a line without a ringing is a call too.

    From the latest call on, each takes the nearest free line.
    """
    lines = {key: sorted(found, key=_when_and_which) for key, found in _by_direction(lines_of).items()}
    for conversation, started_at, outgoing, answered, call_id in some.rows(
        "SELECT conversation_id, started_at, outgoing, answered, call_id FROM calls "
        "WHERE conversation_id IN (SELECT value FROM json_each(?1)) AND started_at >= ?2 AND started_at < ?3 "
        "ORDER BY started_at DESC, call_id"
    ):
        history = some.of[conversation]
        call = Called(
            at=times.to_ms(started_at),
            conversation=conversation,
            own_id=call_id,
            outgoing=bool(outgoing),
            answered=bool(answered),
        )
        history.rung.append(call.at)
        free = lines.get((conversation, call.outgoing), [])
        first = bisect_left(free, call.at - _LINE_BEFORE_MS, key=_when)
        near = free[first : bisect_right(free, call.at + _LINE_AFTER_MS, key=_when)]
        if near:
            nearest = min(near, key=lambda line: (abs(line.at - call.at), line.at, line.own_id))
            free.remove(nearest)
            call = replace(nearest, answered=nearest.answered or call.answered)
        history.events.append(call)
    for (conversation, _outgoing), free in lines.items():
        some.of[conversation].events += free


def _by_direction(lines_of: Mapping[int, list[Called]]) -> dict[tuple[int, bool], list[Called]]:
    found: dict[tuple[int, bool], list[Called]] = defaultdict(list)
    for conversation, lines in lines_of.items():
        for line in lines:
            found[conversation, line.outgoing].append(line)
    return found


def _when(call: Called) -> int:
    return call.at


def _when_and_which(call: Called) -> tuple[int, str]:
    return call.at, call.own_id


_REACTION: Final = (
    # By the message's own id: a reaction may have been captured before the message. It is never earlier than that.
    "SELECT m.conversation_id, max(r.reacted_at, m.sent_at), r.stanza_id"
)
_OF_MESSAGE: Final = (
    "m.conversation_id = r.conversation_id AND m.stanza_id = r.stanza_id AND m.direction = r.direction "
    "AND coalesce(r.message_id, m.message_id) = m.message_id AND m.direction = 'in'"
)
_OURS: Final = "r.from_me = 1 AND r.emoji <> ''"


def _load_reactions(some: _Some) -> None:
    for conversation, reacted_at, own_id in some.rows(
        f"{_REACTION} FROM reactions r CROSS JOIN messages m ON {_OF_MESSAGE} "
        f"WHERE r.conversation_id IN (SELECT value FROM json_each(?1)) AND r.reacted_at >= ?2 AND r.reacted_at < ?3 "
        f"AND +m.sent_at < ?3 AND {_OURS} "
        f"UNION ALL {_REACTION} FROM messages m CROSS JOIN reactions r ON {_OF_MESSAGE} "
        "WHERE m.conversation_id IN (SELECT value FROM json_each(?1)) AND ?2 > '' AND m.sent_at >= ?2 "
        f"AND m.sent_at < ?3 AND +r.reacted_at < ?2 AND {_OURS}"
    ):
        some.of[conversation].events.append(Reacted(times.to_ms(reacted_at), conversation, own_id))


def _load_decisions(some: _Some) -> None:
    for conversation, decided_at, stage, actor, number, seen_at in some.rows(
        "SELECT conversation_id, at, stage, actor, decision_id, coalesce(seen_at, at) FROM decisions "
        "WHERE conversation_id IN (SELECT value FROM json_each(?1)) AND at >= ?2 AND undone_at IS NULL "
        "AND (at < ?3 OR seen_at < ?3)"
    ):
        history = some.of[conversation]
        at, seen = times.to_ms(decided_at), times.to_ms(seen_at)
        if stage == DISMISSED:
            history.unseen.append((seen, at))
        if not history.has(at):
            continue
        history.events.append(
            Dismissed(at=at, conversation=conversation, seen=seen, number=number)
            if stage == DISMISSED
            else Decided(at=at, conversation=conversation, stage=stage, actor=actor, number=number)
        )


def _load_corrections(some: _Some) -> None:
    for conversation, message_ids, intent in with_ids(
        some.connection,
        "SELECT conversation_id, message_ids, intent FROM corrections "
        "WHERE conversation_id IN (SELECT value FROM json_each(?)) AND undone_at IS NULL "
        "ORDER BY at, correction_id",
        some.of,
    ):
        some.of[conversation].corrections |= dict.fromkeys(json.loads(message_ids), intent)
