"""A contact's history, loaded from the tables: messages, calls, reactions, decisions and corrections.

This module only reads. A long history is loaded from a checkpoint on, one window at a time (`windows`); what came
before is represented by what the checkpoint or the window before remembers of it (`heard`, `wrote`). Outgoing messages
are kept apart in `outgoing`, because whether a person typed them is not known yet. Messages that nobody wrote, and
messages to us that were sent to many chats at once, are no part of the history.
"""

import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain
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
"""SQL over a message: whether it was sent to many chats at once (`authors.is_to_many`)."""
_VCARD: Final = "BEGIN:VCARD"
"""A body that begins with this was written by a program, not by the customer."""
_LINE_BEFORE_MS: Final = int(LINE_BEFORE.total_seconds() * 1000)
_LINE_AFTER_MS: Final = int(LINE_AFTER.total_seconds() * 1000)
SHORT: Final = 1_000
"""A history with more messages is long. Short ones are loaded together, up to this many messages in all."""
_OF_ONE_CALL_MS: Final = _LINE_BEFORE_MS + _LINE_AFTER_MS + 1000
"""The ringing of a call and its line in the chat are closer together than this."""


class Outgoing(NamedTuple):
    """What was sent from our side."""

    at: int
    conversation: int
    message_id: int
    own_id: str
    author: str
    """As it is stored now (`authors.Author`); an earlier projection may have set `auto_reply`."""
    body: str
    """As it was sent, before any edit."""
    forwarded: bool
    file: str | None
    """The hash of its file; None without one, and for stickers."""
    deleted: bool
    """For everyone, so that it is no answer any more."""


class SentBodies(NamedTuple):
    """What is known of the bodies of one new history, which was loaded together with others."""

    keys: Mapping[int, str | None]
    """Message -> the key of its body (`sent_bodies.body_key`), for messages that count; None: it proves nothing."""
    elsewhere: Set[str]
    """The keys of bodies that other persons may have been sent too: those that at least two of the histories loaded
    together have, or that the tables already have."""


@dataclass(slots=True)
class History:
    """The history of one contact: of the root of a tree of merges, and of everybody who was merged into it.

    `histories_of` makes it, `load` fills in what happened from `since` until `until`. Times are milliseconds.
    """

    contact: int
    people: dict[int, int] = field(default_factory=dict)
    """Conversation -> the person whose it was before anybody merged contacts by hand."""
    threads: dict[int, int] = field(default_factory=dict)
    """Conversation -> which WhatsApp thread it is part of: in one account, all ids of one phone are one thread."""
    events: list[Event] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    corrections: dict[int, str] = field(default_factory=dict)
    """Message -> the intent that a person gave it."""
    merges: list[Merged] = field(default_factory=list)
    """Those by hand, of all times."""
    call_times: list[int] = field(default_factory=list)
    """When each call rang and when each line of a call was written."""
    dismissal_spans: list[tuple[int, int]] = field(default_factory=list)
    """For each dismissal, the time up to which its author had seen the messages, and the time of the dismissal. Also
    dismissals after `until` are here, if their author had seen less than what is loaded."""
    since: int | None = None
    """What is loaded begins here; None: at the history's beginning."""
    until: int | None = None
    """What is loaded ends before this; None: with the history's end."""
    heard: Mapping[int, Heard] = field(default_factory=dict)
    """Thread -> what is remembered of it from before `since`."""
    wrote: Set[int] = frozenset()
    """The people who had written before `since`."""
    message_count: int = 0
    """Set by `measure`, which stops counting above `SHORT`; 0 until then."""
    is_new: bool = False
    """Set by `measure`: the history is short and nothing was ever derived from it, so no derived table need be read."""
    bodies: SentBodies | None = None
    """Set by `auto_replies.prepare_bodies`, for new histories only."""

    @property
    def conversations(self) -> list[int]:
        return list(self.people)

    @property
    def is_of_one(self) -> bool:
        """Whether it has one conversation and nobody was merged."""
        return [*self.people.values()] == [self.contact]

    @property
    def since_at(self) -> str:
        """`since` as the tables have times (ISO); for None a text that sorts before all times."""
        return BEGINNING if self.since is None else times.iso_ms(self.since)

    @property
    def until_at(self) -> str:
        """`until` as the tables have times (ISO); for None a text that sorts after all times."""
        return END if self.until is None else times.iso_ms(self.until)

    def first_sent(self) -> dict[int, int]:
        """Thread -> when our side first sent anything there (ms). Threads where it sent nothing are left out."""
        found = {thread: each.written for thread, each in self.heard.items() if each.written is not None}
        for message in self.outgoing:
            if message.author == "system":
                continue  # an ad's greeting, which WhatsApp puts before the customer's own first words
            thread = self.threads[message.conversation]
            found[thread] = min(message.at, found.get(thread, message.at))
        return found

    def read(self, burst_seconds: float, automatic: Container[int] | None = None, *, every: int = NEVER) -> Reading:
        """What is loaded, in order, with inbound messages joined to bursts and outgoing ones as answers.

        `automatic`: ids of outgoing messages that nobody typed, which are no answers; None: those stored as such.
        `every`: boundaries are at least so many events apart.
        """
        if automatic is None:
            automatic = {message.message_id for message in self.outgoing if message.author == "auto_reply"}
        answers = [
            Answered(message.at, message.conversation, message.own_id)
            for message in self.outgoing
            if message.author in OURS and not message.deleted and message.message_id not in automatic
        ]
        merges = [merge for merge in self.merges if self.includes(merge.at)]
        return steps(
            in_order([*self.events, *merges, *answers]),
            round(burst_seconds * 1000),
            self.people,
            self.threads,
            written_to=self.first_sent(),
            received={thread for thread, each in self.heard.items() if each.last is not None},
            wrote=self.wrote,
            every=every,
            may_part=self._boundary_check(),
        )

    def includes(self, at: int) -> bool:
        """Whether a time (ms) is in the stretch that is loaded."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is loaded."""
        return self.since is None and self.until is None

    def end_at(self, at: int) -> None:
        """Make `at` (ms) the end of what is loaded, and forget the events and outgoing messages from then on."""
        self.until = at
        self.events = [event for event in self.events if event.at < at]
        self.outgoing = [message for message in self.outgoing if message.at < at]

    def _boundary_check(self) -> Callable[[int], bool]:
        """A function that says whether the history may be divided at a time (ms).

        It may not be divided between a call's ringing and its line in the chat, nor between a dismissal and the time up
        to which its author had seen the messages.
        """
        call_times = sorted(self.call_times)

        def may_part(at: int) -> bool:
            first = bisect_left(call_times, at - _OF_ONE_CALL_MS)
            parts_a_call = first < len(call_times) and call_times[first] < at  # the rest of this call may be later
            parts_a_dismissal = any(seen < at <= dismissed for seen, dismissed in self.dismissal_spans)
            return not parts_a_call and not parts_a_dismissal

        return may_part


def histories_of(connection: sqlite3.Connection, conversations: Sequence[int]) -> list[History]:
    """The histories of the contacts behind these conversations, in the order of contacts; nothing is loaded yet.

    Each has all conversations of the contact and of everybody merged into it, also those not asked for. Conversations
    without a contact (groups) are left out.
    """
    found: dict[int, History] = {}
    accounts: dict[int, int] = {}
    # `up` goes from each contact to the root of its tree of merges, `down` from each root to all contacts of its tree.
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
            _set_persons(connection, history)
        thread_of: dict[tuple[int, int], int] = {}
        for conversation, person in history.people.items():
            # A thread is named by its first conversation.
            history.threads[conversation] = thread_of.setdefault((person, accounts[conversation]), conversation)
    return list(found.values())


def _set_persons(connection: sqlite3.Connection, history: History) -> None:
    """Replace the contacts in `people` by the persons behind them, and set `merges`."""
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


_MEASURE: Final = (
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
"""For each conversation in the JSON list ?1: its id, how many messages it has (?2 at most), and whether any table has
rows that were derived from it."""


def measure(connection: sqlite3.Connection, histories: Iterable[History]) -> None:
    """Set `message_count` and `is_new` of these histories, with one query for all."""
    for history in histories:
        history.message_count = 0
        history.is_new = history.is_of_one
    history_of = _by_conversation(histories)
    for conversation, messages, has_derived_rows in with_ids(connection, _MEASURE, history_of, SHORT + 1):
        history = history_of[conversation]
        history.message_count += messages
        if has_derived_rows or history.message_count > SHORT:
            history.is_new = False


def pop_batch(histories: list[History]) -> list[History]:
    """Remove from the end of the list what can be loaded together, and return it.

    That is one history, or several that are all new and have at most `SHORT` messages together.
    """
    batch = [histories.pop()]
    if not batch[0].is_new:
        return batch
    messages_left = SHORT - batch[0].message_count
    while histories:
        candidate = histories[-1]
        if not candidate.is_new or candidate.message_count > messages_left:
            break
        messages_left -= candidate.message_count
        batch.append(histories.pop())
    return batch


def _by_conversation(histories: Iterable[History]) -> dict[int, History]:
    return {conversation: history for history in histories for conversation in history.people}


def load(connection: sqlite3.Connection, histories: Sequence[History]) -> None:
    """Replace what these histories have loaded by what happened from `since` on and before `until`.

    All must have the same `since` and the same `until`. Corrections are loaded whatever their time.
    """
    for history in histories:
        history.events, history.outgoing, history.corrections = [], [], {}
        history.call_times, history.dismissal_spans = [], []
    if not histories:
        return
    batch = _Batch(connection, _by_conversation(histories), histories[0].since_at, histories[0].until_at)
    call_lines = _load_messages(batch)
    _load_calls(batch, call_lines)
    _load_reactions(batch)
    _load_decisions(batch)
    _load_corrections(batch)


class _Batch(NamedTuple):
    """Histories that are loaded together, and from when until when."""

    connection: sqlite3.Connection
    history_of: Mapping[int, History]
    """By conversation."""
    since_at: str
    until_at: str

    def rows(self, query: str) -> Iterator[Any]:
        """The rows of a query: its first parameter gets the conversations, its second and third the two times."""
        return each_with_ids(self.connection, query, self.history_of, self.since_at, self.until_at)


def _load_messages(batch: _Batch) -> dict[int, list[Called]]:
    """Add messages to `events` and `outgoing`. Returns the lines of calls in the chats, by conversation.

    A vote of ours counts as a reaction; a customer's vote that was taken back does not count.
    """
    edited: dict[int, tuple[list[Any], int]] = {}
    call_lines: dict[int, list[Called]] = defaultdict(list)
    for (
        conversation, message_id, incoming, author, type_, body, sent_at, readable, is_edited, saved, business, ad,
        media, about_product, on_status, details, own_id, forwarded, file, revoked,
    ) in batch.rows(
        "SELECT conversation_id, message_id, direction = 'in', author, type, body, sent_at, "
        "readable_at IS NOT NULL, edited_at IS NOT NULL, saved_name <> '', business, referral IS NOT NULL, "
        "media IS NOT NULL, quoted LIKE '%\"product\":%', details LIKE '%\"status_reply\":%', details, stanza_id, "
        "forwarded, CASE WHEN direction = 'out' AND type <> 'sticker' THEN media ->> 'filehash' END, "
        "revoked_at IS NOT NULL FROM messages WHERE conversation_id IN (SELECT value FROM json_each(?1)) "
        "AND sent_at >= ?2 AND sent_at < ?3 "
        f"AND author <> 'system' AND (direction = 'out' OR (author = 'contact' AND NOT {TO_MANY}))"
    ):  # fmt: skip
        history = batch.history_of[conversation]
        at = times.to_ms(sent_at)
        if type_ == VOTE:
            if not incoming:
                history.events.append(Reacted(at, conversation, own_id))  # a tap is no answer in words
                continue
            vote = json.loads(details) if details else NOTHING
            if not votes_for_something(vote):
                continue
        if type_ == CALL_LOG:
            history.call_times.append(at)
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
            message_list: list[Any] = history.events if incoming else history.outgoing
            edited[message_id] = message_list, len(message_list)  # where it is appended below
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
        _set_earlier_texts(batch.connection, edited)
    return call_lines


def _set_earlier_texts(connection: sqlite3.Connection, edited: Mapping[int, tuple[list[Any], int]]) -> None:
    """Give edited inbound messages their earlier texts, and edited outgoing ones the first text as their body.

    `edited`: message -> the list that it is in (`events` or `outgoing`), and its position there.
    """
    for message_id, texts in _earlier_texts(connection, edited).items():
        message_list, position = edited[message_id]
        message = message_list[position]
        if isinstance(message, Inbound):
            message_list[position] = message._replace(earlier=tuple(texts))
        else:
            message_list[position] = message._replace(body=texts[0])


def _earlier_texts(connection: sqlite3.Connection, message_ids: Iterable[int]) -> dict[int, list[str]]:
    """The texts of edited messages before each edit, oldest first. Messages without a stored edit are left out."""
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
    """Whether a call's line in the chat says that it was answered. `details`: that message's column, JSON or None."""
    call = json.loads(details).get("call") if details else None
    return isinstance(call, dict) and call.get("answered") is True


def _load_calls(batch: _Batch, call_lines: Mapping[int, list[Called]]) -> None:
    """Add each call to `events` once: calls that were seen ringing, and those known only by their line in the chat.

    `call_lines`: by conversation. A call that rang takes the line with its own id, with this line's time and outcome.
    Then the latest of the others takes the nearest line that is still free, then the one before it, and so on. Lines
    that are left over are calls too.
    """
    free_lines = {key: sorted(found, key=_when_and_which) for key, found in _by_direction(call_lines).items()}
    lines = chain.from_iterable(call_lines.values())
    line_of_id = {(line.conversation, line.outgoing, line.own_id): line for line in lines}
    rang = [
        Called(
            at=times.to_ms(started_at),
            conversation=conversation,
            own_id=call_id,
            outgoing=bool(outgoing),
            answered=bool(answered),
        )
        for conversation, started_at, outgoing, answered, call_id in batch.rows(
            "SELECT conversation_id, started_at, outgoing, answered, call_id FROM calls "
            "WHERE conversation_id IN (SELECT value FROM json_each(?1)) AND started_at >= ?2 AND started_at < ?3 "
            "AND rang ORDER BY started_at DESC, call_id"
        )
    ]
    rang.sort(key=lambda call: _own_line(call, line_of_id) is None)
    for call in rang:
        history = batch.history_of[call.conversation]
        history.call_times.append(call.at)
        free = free_lines.get((call.conversation, call.outgoing), [])
        if line := _own_line(call, line_of_id) or _nearest_line(call, free):
            free.remove(line)
            call = replace(line, answered=line.answered or call.answered)
        history.events.append(call)
    for (conversation, _outgoing), left_over in free_lines.items():
        batch.history_of[conversation].events += left_over


def _own_line(call: Called, line_of_id: Mapping[tuple[int, bool, str], Called]) -> Called | None:
    """The line with the call's id, unless it is too far away to be read together with it."""
    line = line_of_id.get((call.conversation, call.outgoing, call.own_id))
    is_near = line is not None and -_LINE_BEFORE_MS <= line.at - call.at <= _LINE_AFTER_MS
    return line if is_near else None


def _nearest_line(call: Called, free: Sequence[Called]) -> Called | None:
    """The line that may be of this call and is nearest in time. `free`: by time."""
    first = bisect_left(free, call.at - _LINE_BEFORE_MS, key=_when)
    near = free[first : bisect_right(free, call.at + _LINE_AFTER_MS, key=_when)]
    return min(near, key=lambda line: (abs(line.at - call.at), line.at, line.own_id), default=None)


def _by_direction(call_lines: Mapping[int, list[Called]]) -> dict[tuple[int, bool], list[Called]]:
    """Lines of calls, by conversation and by whether the call was outgoing."""
    found: dict[tuple[int, bool], list[Called]] = defaultdict(list)
    for conversation, lines in call_lines.items():
        for line in lines:
            found[conversation, line.outgoing].append(line)
    return found


def _when(call: Called) -> int:
    return call.at


def _when_and_which(call: Called) -> tuple[int, str]:
    return call.at, call.own_id


_REACTION: Final = "SELECT m.conversation_id, max(r.reacted_at, m.sent_at), r.stanza_id"
"""Conversation, time and own id. A reaction counts from the time of its message on, even if it is dated earlier."""
_OF_MESSAGE: Final = (
    "m.conversation_id = r.conversation_id AND m.stanza_id = r.stanza_id AND m.direction = r.direction "
    "AND coalesce(r.message_id, m.message_id) = m.message_id AND m.direction = 'in'"
)
"""A reaction is joined to an inbound message by the own id, as it may have been captured before the message."""
_IS_OURS: Final = "r.from_me = 1 AND r.emoji <> ''"
"""It was given by us, and not taken back."""


def _load_reactions(batch: _Batch) -> None:
    """Add our reactions to their messages to `events`.

    The first part of the query finds reactions of the loaded time. The second finds reactions that are dated earlier
    although their message is of the loaded time; `?2 > ''` skips it if nothing is earlier. A `+` keeps SQLite from
    using an index of that column.
    """
    for conversation, reacted_at, own_id in batch.rows(
        f"{_REACTION} FROM reactions r CROSS JOIN messages m ON {_OF_MESSAGE} "
        f"WHERE r.conversation_id IN (SELECT value FROM json_each(?1)) AND r.reacted_at >= ?2 AND r.reacted_at < ?3 "
        f"AND +m.sent_at < ?3 AND {_IS_OURS} "
        f"UNION ALL {_REACTION} FROM messages m CROSS JOIN reactions r ON {_OF_MESSAGE} "
        "WHERE m.conversation_id IN (SELECT value FROM json_each(?1)) AND ?2 > '' AND m.sent_at >= ?2 "
        f"AND m.sent_at < ?3 AND +r.reacted_at < ?2 AND {_IS_OURS}"
    ):
        batch.history_of[conversation].events.append(Reacted(times.to_ms(reacted_at), conversation, own_id))


def _load_decisions(batch: _Batch) -> None:
    """Add people's decisions to `events`, and every dismissal whose span begins before `until` to `dismissal_spans`."""
    for conversation, decided_at, stage, actor, number, seen_at in batch.rows(
        "SELECT conversation_id, at, stage, actor, decision_id, coalesce(seen_at, at) FROM decisions "
        "WHERE conversation_id IN (SELECT value FROM json_each(?1)) AND at >= ?2 AND undone_at IS NULL "
        "AND (at < ?3 OR seen_at < ?3)"
    ):
        history = batch.history_of[conversation]
        at = times.to_ms(decided_at)
        decision: Dismissed | Decided
        if stage == DISMISSED:
            seen = times.to_ms(seen_at)
            history.dismissal_spans.append((seen, at))
            decision = Dismissed(at=at, conversation=conversation, seen=seen, number=number)
        else:
            decision = Decided(at=at, conversation=conversation, stage=stage, actor=actor, number=number)
        if history.includes(at):
            history.events.append(decision)


def _load_corrections(batch: _Batch) -> None:
    """Set `corrections`; of several for one message the last counts."""
    for conversation, message_ids, intent in with_ids(
        batch.connection,
        "SELECT conversation_id, message_ids, intent FROM corrections "
        "WHERE conversation_id IN (SELECT value FROM json_each(?)) AND undone_at IS NULL "
        "ORDER BY at, correction_id",
        batch.history_of,
    ):
        batch.history_of[conversation].corrections |= dict.fromkeys(json.loads(message_ids), intent)
