"""A contact's history, loaded from the tables: messages, calls, reactions, decisions and corrections.

Reads only. Outgoing messages are kept apart in `outgoing`, because whether a person wrote them is not known yet. What
nobody wrote, and what came to us as one of many, is no part of the history.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from leadmasterd import times
from leadmasterd.authors import OURS
from leadmasterd.leads.stages import DISMISSED
from leadmasterd.leads.timeline import (
    Answered,
    Burst,
    Called,
    Decided,
    Dismissed,
    Event,
    Inbound,
    Merged,
    Reacted,
    Step,
    in_order,
    steps,
)
from leadmasterd.projection.persons import persons_of
from leadmasterd.projection.sql import with_ids
from leadmasterd.readable import NOTHING, VOTE, votes_for_something, written_words
from leadmasterd.store.calls import CALL_LOG, LINE_AFTER, LINE_BEFORE

TO_MANY: Final = "(coalesce(json_extract(marks, '$.broadcast'), json_extract(marks, '$.campaign')) IS NOT NULL)"
"""SQL over a message: whether it came to this chat as one of many (`authors.is_to_many`)."""
_VCARD: Final = "BEGIN:VCARD"
"""A body that begins with this was written by a program, not by the customer."""
_LINE_BEFORE_MS: Final = int(LINE_BEFORE.total_seconds() * 1000)
_LINE_AFTER_MS: Final = int(LINE_AFTER.total_seconds() * 1000)


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

    @property
    def conversations(self) -> list[int]:
        return list(self.people)

    def steps(self, burst_seconds: float, automatic: Container[int] | None = None) -> list[Step]:
        """All of it in order, with bursts. `automatic`: outgoing messages that nobody typed; None: as stored."""
        if automatic is None:
            automatic = {message.message_id for message in self.outgoing if message.author == "auto_reply"}
        answers = [
            Answered(message.at, message.conversation, message.own_id)
            for message in self.outgoing
            if message.author in OURS and not message.deleted and message.message_id not in automatic
        ]
        written_to: dict[int, int] = {}
        for message in self.outgoing:
            if message.author == "system":
                continue  # an ad's greeting stands before the customer's own first words
            thread = self.threads[message.conversation]
            written_to[thread] = min(message.at, written_to.get(thread, message.at))
        return steps(
            in_order([*self.events, *answers]),
            round(burst_seconds * 1000),
            self.people,
            self.threads,
            written_to=written_to,
        )


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
    history.events += [
        Merged(
            at=times.to_ms(merge.at),
            kept=persons.person_of[merge.kept],
            merged=persons.person_of[merge.merged],
            actor=merge.actor,
            number=merge.merge_id,
        )
        for merge in persons.by_hand
    ]


def load(connection: sqlite3.Connection, histories: Sequence[History]) -> None:
    """Fill in what happened."""
    of = {conversation: history for history in histories for conversation in history.conversations}
    call_lines = _load_messages(connection, of)
    _load_calls(connection, of, call_lines)
    _load_reactions(connection, of)
    _load_decisions(connection, of)
    _load_corrections(connection, of)


def _load_messages(connection: sqlite3.Connection, of: Mapping[int, History]) -> dict[int, list[Called]]:
    """Returns the lines of calls in the chats, by conversation."""
    earlier = _earlier_texts(connection, of)
    call_lines: dict[int, list[Called]] = defaultdict(list)
    for (
        conversation, message_id, incoming, author, type_, body, sent_at, readable, edited, saved, business, ad,
        media, about_product, on_status, details, own_id, forwarded, file, revoked,
    ) in with_ids(
        connection,
        "SELECT conversation_id, message_id, direction = 'in', author, type, body, sent_at, "
        "readable_at IS NOT NULL, edited_at IS NOT NULL, saved_name <> '', business, referral IS NOT NULL, "
        "media IS NOT NULL, quoted LIKE '%\"product\":%', details LIKE '%\"status_reply\":%', details, stanza_id, "
        "forwarded, CASE WHEN direction = 'out' AND type <> 'sticker' THEN media ->> 'filehash' END, "
        "revoked_at IS NOT NULL FROM messages WHERE conversation_id IN (SELECT value FROM json_each(?)) "
        f"AND author <> 'system' AND (direction = 'out' OR (author = 'contact' AND NOT {TO_MANY}))",
        of,
    ):  # fmt: skip
        history, at = of[conversation], times.to_ms(sent_at)
        if type_ == VOTE and not incoming:
            history.events.append(Reacted(at, conversation, own_id))  # a tap that answers no words
            continue
        if type_ == VOTE and not votes_for_something(json.loads(details) if details else NOTHING):
            continue
        if type_ == CALL_LOG:
            call_lines[conversation].append(
                Called(
                    at=at,
                    conversation=conversation,
                    own_id=own_id,
                    outgoing=not incoming,
                    answered=_line_says_answered(details),
                )
            )
        elif incoming:
            words = written_words(body, json.loads(details) if details else NOTHING)
            history.events.append(
                Inbound(
                    at=at,
                    conversation=conversation,
                    message_id=message_id,
                    own_id=own_id,
                    type=type_,
                    text="" if words.startswith(_VCARD) else words,
                    readable=bool(readable),
                    edited=bool(edited),
                    earlier=earlier.get(message_id, ()),
                    saved=bool(saved),
                    business=bool(business),
                    ad=bool(ad),
                    media=bool(media),
                    about_product=bool(about_product),
                    on_status=bool(on_status),
                )
            )
        else:
            history.outgoing.append(
                Outgoing(
                    at=at,
                    conversation=conversation,
                    message_id=message_id,
                    own_id=own_id,
                    author=author,
                    body=earlier[message_id][0] if message_id in earlier else body or "",
                    forwarded=bool(forwarded),
                    file=file,
                    deleted=bool(revoked),
                )
            )
    return call_lines


def _earlier_texts(connection: sqlite3.Connection, conversations: Iterable[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = defaultdict(list)
    for message_id, before in with_ids(
        connection,
        "SELECT message_id, body_before FROM messages m JOIN message_versions USING (message_id) "
        "WHERE m.conversation_id IN (SELECT value FROM json_each(?)) AND m.edited_at IS NOT NULL "
        "AND change = 'edit' ORDER BY version_id",
        conversations,
    ):
        found[message_id].append(before or "")
    return {message_id: tuple(texts) for message_id, texts in found.items()}


def _line_says_answered(details: str | None) -> bool:
    """Not answered, unless the line says so."""
    call = json.loads(details).get("call") if details else None
    return isinstance(call, dict) and call.get("answered") is True


def _load_calls(connection: sqlite3.Connection, of: Mapping[int, History], call_lines: dict[int, list[Called]]) -> None:
    """Each call once: a ringing takes the outcome from its line in the chat; a line without a ringing is a call too.

    From the latest call on, each takes the nearest free line.
    """
    for conversation, started_at, outgoing, answered, call_id in with_ids(
        connection,
        "SELECT conversation_id, started_at, outgoing, answered, call_id FROM calls "
        "WHERE conversation_id IN (SELECT value FROM json_each(?)) ORDER BY started_at DESC, call_id",
        of,
    ):
        call = Called(
            at=times.to_ms(started_at),
            conversation=conversation,
            own_id=call_id,
            outgoing=bool(outgoing),
            answered=bool(answered),
        )
        lines = [line for line in call_lines[conversation] if _is_line_of(line, call)]
        if lines:
            nearest = min(lines, key=lambda line: (abs(line.at - call.at), line.at, line.own_id))
            call_lines[conversation].remove(nearest)
            call = replace(nearest, answered=nearest.answered or call.answered)
        of[conversation].events.append(call)
    for conversation, lines in call_lines.items():
        of[conversation].events += lines


def _is_line_of(line: Called, call: Called) -> bool:
    return line.outgoing == call.outgoing and -_LINE_BEFORE_MS <= line.at - call.at <= _LINE_AFTER_MS


def _load_reactions(connection: sqlite3.Connection, of: Mapping[int, History]) -> None:
    for conversation, reacted_at, own_id in with_ids(
        connection,
        # By the message's own id: a reaction may have been captured before the message.
        "SELECT m.conversation_id, r.reacted_at, r.stanza_id FROM messages m "
        "JOIN reactions r USING (conversation_id, stanza_id, direction) "
        "WHERE m.conversation_id IN (SELECT value FROM json_each(?)) AND m.direction = 'in' AND r.from_me = 1 "
        "AND r.emoji <> '' AND coalesce(r.message_id, m.message_id) = m.message_id",
        of,
    ):
        of[conversation].events.append(Reacted(times.to_ms(reacted_at), conversation, own_id))


def _load_decisions(connection: sqlite3.Connection, of: Mapping[int, History]) -> None:
    for conversation, decided_at, stage, actor, number, seen_at in with_ids(
        connection,
        "SELECT conversation_id, at, stage, actor, decision_id, coalesce(seen_at, at) FROM decisions "
        "WHERE conversation_id IN (SELECT value FROM json_each(?)) AND undone_at IS NULL",
        of,
    ):
        at = times.to_ms(decided_at)
        of[conversation].events.append(
            Dismissed(at=at, conversation=conversation, seen=times.to_ms(seen_at), number=number)
            if stage == DISMISSED
            else Decided(at=at, conversation=conversation, stage=stage, actor=actor, number=number)
        )


def _load_corrections(connection: sqlite3.Connection, of: Mapping[int, History]) -> None:
    for conversation, message_ids, intent in with_ids(
        connection,
        "SELECT conversation_id, message_ids, intent FROM corrections "
        "WHERE conversation_id IN (SELECT value FROM json_each(?)) AND undone_at IS NULL "
        "ORDER BY at, correction_id",
        of,
    ):
        of[conversation].corrections |= dict.fromkeys(json.loads(message_ids), intent)


def bursts_of(connection: sqlite3.Connection, conversation: int, burst_seconds: float) -> list[Burst]:
    """All bursts of the person behind this conversation, by time."""
    histories = histories_of(connection, [conversation])
    load(connection, histories)
    return [step for history in histories for step in history.steps(burst_seconds) if isinstance(step, Burst)]
