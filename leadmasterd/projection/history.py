"""A contact's history as the tables tell it: everything that was said, answered, called, reacted and decided.

Reads only. Own messages are left in `own`, because whether a person wrote them is still to be found out.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from leadmasterd import times
from leadmasterd.leads.timeline import (
    Answered,
    Burst,
    Called,
    Decided,
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
from leadmasterd.text import clean

_SYSTEM_TYPES: Final = frozenset(
    {
        "e2e_notification", "notification", "notification_template", "group_notification", "broadcast_notification",
        "newsletter_notification", "gp2", "protocol", "ciphertext_placeholder", "debug", "pin_message", "keep_in_chat",
        "poll_update", "reaction", "reaction_enc",
    }
)  # fmt: skip
"""They say something about the chat and nothing by a person. The listener leaves them out; other lines may not."""
_CARD: Final = "BEGIN:VCARD"
"""What begins so is a program's text and nobody's words."""
_CALL_LOG_BEFORE_MS: Final = 60_000
_CALL_LOG_AFTER_MS: Final = 3_600_000
"""A call's line in the chat comes this long after it rang, at most; it knows the outcome, the ringing does not."""


@dataclass(frozen=True, slots=True)
class Own:
    """An own message. `author` as the table has it; `body` as it was sent, before any edit."""

    at: int
    conversation: int
    message_id: int
    own_id: str
    author: str
    body: str


@dataclass(slots=True)
class History:
    """One contact. `corrected`: what a person said a message is."""

    contact: int
    people: dict[int, int]
    """Whose each conversation is, but for what a person said later."""
    threads: dict[int, int]
    """Which WhatsApp thread each conversation is part of: one phone's ids, in one account, are one."""
    events: list[Event] = field(default_factory=list)
    own: list[Own] = field(default_factory=list)
    corrected: dict[int, str] = field(default_factory=dict)

    @property
    def conversations(self) -> list[int]:
        """All of them."""
        return list(self.people)

    def steps(self, burst_seconds: float, automatic: Container[int] | None = None) -> list[Step]:
        """All of it in order, with bursts. `automatic`: own messages that nobody typed; None: those marked so."""
        if automatic is None:
            automatic = {own.message_id for own in self.own if own.author == "auto_reply"}
        answers = [
            Answered(own.at, own.conversation, own.own_id)
            for own in self.own
            if own.author != "api" and own.message_id not in automatic
        ]
        return steps(in_order([*self.events, *answers]), round(burst_seconds * 1000), self.people, self.threads)


def histories_of(connection: sqlite3.Connection, conversations: Sequence[int]) -> list[History]:
    """The contacts behind these conversations, each with all of its own and of those merged into it."""
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
        found.setdefault(root, History(root, {}, {})).people[conversation] = contact
        accounts[conversation] = account
    for history in found.values():
        if len(history.people) > 1:
            _tell_people_apart(connection, history)
        first: dict[tuple[int, int], int] = {}
        for conversation, person in history.people.items():
            history.threads[conversation] = first.setdefault((person, accounts[conversation]), conversation)
    return list(found.values())


def _tell_people_apart(connection: sqlite3.Connection, history: History) -> None:
    """What the program itself knows to be one person always was; what a person said begins with their word."""
    persons = persons_of(connection, history.contact)
    history.people = {conversation: persons.person_of[contact] for conversation, contact in history.people.items()}
    history.events += [
        Merged(
            times.to_ms(merge.at),
            kept=persons.person_of[merge.kept],
            merged=persons.person_of[merge.merged],
            actor=merge.actor,
            number=merge.merge_id,
        )
        for merge in persons.by_hand
    ]


def read(connection: sqlite3.Connection, histories: Sequence[History]) -> None:
    """Fill in what happened."""
    of = {conversation: history for history in histories for conversation in history.conversations}
    earlier = _earlier_texts(connection, of)
    logged: dict[int, list[Called]] = defaultdict(list)
    for (
        conversation, message_id, incoming, author, type_, body, sent_at, readable, edited, saved, business, ad,
        media, details, own_id,
    ) in with_ids(
        connection,
        "SELECT conversation_id, message_id, direction = 'in', author, type, body, sent_at, "
        "readable_at IS NOT NULL, edited_at IS NOT NULL, saved_name <> '', business, referral IS NOT NULL, "
        "media IS NOT NULL, details, stanza_id FROM messages "
        "WHERE conversation_id IN (SELECT value FROM json_each(?))",
        of,
    ):  # fmt: skip
        history, at = of[conversation], times.to_ms(sent_at)
        if type_ in _SYSTEM_TYPES:
            continue
        if type_ == "call_log":
            logged[conversation].append(Called(at, conversation, own_id, not incoming, _logged_call(details)))
        elif incoming:
            words = body or _words_of(details)
            if words.startswith(_CARD):
                words = ""
            said = Inbound(
                at, conversation, message_id, own_id, type_, words, bool(readable), bool(edited),
                earlier.get(message_id, ()), bool(saved), bool(business), bool(ad), bool(media),
            )  # fmt: skip
            history.events.append(said)
        else:
            body = earlier[message_id][0] if message_id in earlier else body or ""
            history.own.append(Own(at, conversation, message_id, own_id, author, body))
    for conversation, started_at, outgoing, answered, call_id in with_ids(
        connection,
        "SELECT conversation_id, started_at, outgoing, answered, call_id FROM calls "
        "WHERE conversation_id IN (SELECT value FROM json_each(?)) ORDER BY started_at DESC, call_id",
        of,
    ):
        call = Called(times.to_ms(started_at), conversation, call_id, bool(outgoing), bool(answered))
        lines = [log for log in logged[conversation] if _is_line_of(log, call)]
        if lines:
            log = min(lines, key=lambda log: (abs(log.at - call.at), log.at, log.own_id))
            logged[conversation].remove(log)
            call = replace(log, answered=log.answered or call.answered)
        of[conversation].events.append(call)
    for conversation, others in logged.items():
        of[conversation].events += others
    for conversation, reacted_at, own_id in with_ids(
        connection,
        # By the message's own id: a reaction may have been captured before what it is about.
        "SELECT m.conversation_id, r.reacted_at, r.stanza_id FROM messages m "
        "JOIN reactions r USING (account_id, stanza_id, group_id) "
        "WHERE m.conversation_id IN (SELECT value FROM json_each(?)) AND m.direction = 'in' AND r.from_me = 1 "
        "AND r.emoji <> '' AND coalesce(r.message_id, m.message_id) = m.message_id",
        of,
    ):
        of[conversation].events.append(Reacted(times.to_ms(reacted_at), conversation, own_id))
    for conversation, at, stage, actor, number in with_ids(
        connection,
        "SELECT conversation_id, at, stage, actor, decision_id FROM decisions "
        "WHERE conversation_id IN (SELECT value FROM json_each(?))",
        of,
    ):
        of[conversation].events.append(Decided(times.to_ms(at), conversation, stage, actor, number))
    for conversation, message_ids, intent in with_ids(
        connection,
        "SELECT conversation_id, message_ids, intent FROM corrections "
        "WHERE conversation_id IN (SELECT value FROM json_each(?)) AND undone_at IS NULL "
        "ORDER BY at, correction_id",
        of,
    ):
        for message_id in json.loads(message_ids):
            of[conversation].corrected[message_id] = intent


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


def _is_line_of(log: Called, call: Called) -> bool:
    return log.outgoing == call.outgoing and -_CALL_LOG_BEFORE_MS <= log.at - call.at <= _CALL_LOG_AFTER_MS


def _words_of(details: str | None) -> str:
    """What an answer to a list or a button, or an order, says beside a body."""
    told = json.loads(details) if details else {}
    parts = [(told.get(name), key) for name, key in (("reply", "text"), ("order", "title"))]
    words = [part.get(key) for part, key in parts if isinstance(part, dict)]
    return " ".join(clean(word) or "" for word in words if isinstance(word, str))


def _logged_call(details: str | None) -> bool:
    """Whether a call's line in the chat says that it was answered. What does not say so was not."""
    call = json.loads(details).get("call") if details else None
    return isinstance(call, dict) and call.get("answered") is True


def bursts_of(connection: sqlite3.Connection, conversation: int, burst_seconds: float) -> list[Burst]:
    """All bursts of the person behind this conversation, by time."""
    histories = histories_of(connection, [conversation])
    read(connection, histories)
    return [step for history in histories for step in history.steps(burst_seconds) if isinstance(step, Burst)]
