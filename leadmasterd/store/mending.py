"""Decides again who wrote stored messages, and with which marks, by the wire lines that are still kept.

This corrects what an earlier version did not know, or decided otherwise. A line of a listener that gave no marks holds
the page's record in `data`; marks are read from there by the rules of node_listener/src/message/marks.js. Messages in
chats that are not captured any more (bots, WhatsApp's own accounts, notes to oneself) stay, with the author `system`.
"""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Final

from leadmasterd.authors import OURS
from leadmasterd.capture import CapturedMessage, CaptureFilter, CaptureRules
from leadmasterd.identity import canonical_id, chat_kind
from leadmasterd.store import raw_blocks
from leadmasterd.wire.decode import decode_line
from leadmasterd.wire.events import Account, Ciphertext, Message

_LINES: Final = """
    SELECT message_id, m.conversation_id, m.account_id, m.author, m.marks, r.line
    FROM messages m CROSS JOIN raw_events r USING (message_id)
    WHERE {} AND r.problem IS NULL ORDER BY {} message_id, r.raw_id
"""
_OF_CONVERSATION: Final = _LINES.format("m.conversation_id = ?", "m.sent_at,")
_OF_MESSAGES: Final = _LINES.format("message_id IN (SELECT value FROM json_each(?))", "")
"""SQLite's indexes give the lines in these orders, so it need not hold all in memory to sort them."""
_STORED: Final = """
    SELECT message_id, conversation_id, account_id, author, marks
    FROM messages WHERE message_id IN (SELECT value FROM json_each(?))
"""
_EVERYTHING: Final = CaptureRules(groups=True)
"""What is stored was let in by the settings of its time, so today's settings refuse nothing here."""
_HOSTED: Final = re.compile(r"@hosted(\.lid)?$|:99@")
"""Matches ids of businesses whose messages a provider hosts."""


Decided = tuple[str, str | None]
"""The author and the marks (JSON, None: none) of a message."""
DecidedBy = Mapping[int, Mapping[int, Decided]]
"""By conversation, and then by message id."""


def decide_again(connection: sqlite3.Connection, conversations: Sequence[int], packed: DecidedBy) -> set[int]:
    """Correct authors and marks in these conversations. Returns the conversations in which anything changed.

    `packed`: what `decided_by_packed` gives, from lines that have left `raw_events`. Those are older than the lines
    that are still there, so they are applied first.
    """
    changed: set[int] = set()
    filters = _filters(connection)
    for conversation in conversations:
        for message_id, (author, marks) in packed.get(conversation, {}).items():
            updated = connection.execute(
                "UPDATE messages SET author = ?1, marks = ?2 WHERE message_id = ?3 AND (author, marks) IS NOT (?1, ?2)",
                (author, marks, message_id),
            )
            if updated.rowcount:
                changed.add(conversation)
        changed |= _decide_by_lines(connection, filters, _OF_CONVERSATION, conversation)
    return changed


def decide_again_by(connection: sqlite3.Connection, messages: Sequence[int]) -> set[int]:
    """Correct authors and marks of these messages by their lines in `raw_events`. Returns the changed conversations."""
    return _decide_by_lines(connection, _filters(connection), _OF_MESSAGES, json.dumps(list(messages)))


def decided_by_packed(connection: sqlite3.Connection) -> DecidedBy:
    """What the lines in `raw_blocks` say of messages, where something else is stored. Damaged blocks are left out."""
    filters = _filters(connection)
    merged_into = dict(connection.execute("SELECT merged_id, kept_id FROM message_merges").fetchall())
    found: dict[int, dict[int, Decided]] = {}
    for block in raw_blocks.stored(connection):
        try:
            lines = raw_blocks.unpack(block.packed)
        except raw_blocks.BlockDamaged:
            continue
        ids_in_lines = [line.message_id or 0 for line in lines]  # 0: of no message
        message_ids = [merged_into.get(each, each) for each in ids_in_lines]
        rows = connection.execute(_STORED, (json.dumps(message_ids),))
        stored = {message_id: columns for message_id, *columns in rows}
        for message_id, line in zip(message_ids, lines, strict=True):
            if message_id not in stored:
                continue
            conversation, account, author, marks = stored[message_id]
            before = found.get(conversation, {}).get(message_id, (author, marks))
            decided = _decided_by_line(line.line, before, filters[account])
            if decided != before:
                found.setdefault(conversation, {})[message_id] = decided
    return found


def _decide_by_lines(
    connection: sqlite3.Connection, filters: Mapping[int, CaptureFilter], query: str, which: int | str
) -> set[int]:
    """Correct messages by the lines that a query gives. Returns the changed conversations.

    `query`: `_OF_CONVERSATION` or `_OF_MESSAGES`, with `which` as its parameter. Its lines are in the order of their
    messages, so that only those of one message are in memory. `filters`: by account.
    """
    changed: set[int] = set()
    of_message = itemgetter(slice(5))  # all columns but the line
    for message, rows in groupby(connection.execute(query, (which,)), key=of_message):
        message_id, conversation, account, author, marks = message
        stored = (author, marks)
        decided = stored
        for *_, line in rows:
            decided = _decided_by_line(line, decided, filters[account])
        if decided != stored:
            connection.execute("UPDATE messages SET author = ?, marks = ? WHERE message_id = ?", (*decided, message_id))
            changed.add(conversation)
    return changed


def _decided_by_line(line: str, before: Decided, rules: CaptureFilter) -> Decided:
    """The author and marks of a message, as decided by one of its lines. `before`: as decided so far.

    A line that is no message changes nothing, and marks that are known are never lost.
    """
    event = _message_in(line)
    if event is None:
        return before
    author, marks = before
    known: dict[str, str | bool] = json.loads(marks) if marks else {}
    adds_marks = bool(event.marks.keys() - known.keys())
    all_marks = {**known, **event.marks}
    if isinstance(event, Ciphertext):
        decision = rules.decide(replace(event, marks=all_marks), datetime.now(UTC))
    else:
        decision = rules.decide(event._replace(marks=all_marks), datetime.now(UTC))
    if not isinstance(decision, CapturedMessage):
        return "system", marks
    if adds_marks:
        marks = decision.marks
    if author in OURS and decision.author in OURS:  # the projection decides which of the two
        return author, marks
    return decision.author, marks


def _filters(connection: sqlite3.Connection) -> dict[int, CaptureFilter]:
    """What decides about the messages of each account, by its id."""
    return {
        account: _filter_of(wid, lid)
        for account, wid, lid in connection.execute("SELECT account_id, wid, lid FROM accounts").fetchall()
    }


def _filter_of(wid: str, lid: str | None) -> CaptureFilter:
    found = CaptureFilter(_EVERYTHING)
    found.use_account(Account(wid, lid, None, None))
    return found


def _message_in(line: str) -> Message | Ciphertext | None:
    """The message that a wire line brings; None if it brings something else or can't be read.

    If the line has no marks, they are read from the page's record, where the line has that.
    """
    event, _ = decode_line(line.encode("utf-8", "replace"))
    if not isinstance(event, Message | Ciphertext):
        return None
    if event.marks or isinstance(event, Ciphertext):
        return event
    record = json.loads(line).get("data")
    return event._replace(marks=marks_of(record)) if isinstance(record, dict) else event


def marks_of(record: Mapping[str, object]) -> dict[str, str | bool]:
    """The marks of the page's record, as the listener gives them today (tests/test_marks.py compares the two)."""

    def text(*names: str) -> str | None:
        """The first of these fields that is a text, and not empty."""
        for name in names:
            value = record.get(name)
            if isinstance(value, str) and value:
                return value
        return None

    def hosted(wid: object) -> bool:
        return isinstance(wid, str) and bool(_HOSTED.search(wid))

    id_ = record.get("id")
    key = id_ if isinstance(id_, dict) else {}
    mine = key.get("fromMe") is True
    participant = key.get("participant")
    type_ = text("type")
    marks: dict[str, str | bool | None] = {
        "broadcast": text("broadcastId") or record.get("broadcast") is True,
        "campaign": text("pmCampaignId", "smbClientCampaignId") or text("bizSource") == "smb_promo",
        "bot": text("bizBotType"),
        "assistant": record.get("isSupportAIMessage") is True
        or (isinstance(participant, str) and chat_kind(canonical_id(participant)) == "bot"),
        "template": record.get("isFromTemplate") is True or type_ == "hsm" or bool(text("templateId", "hsmTag")),
        "native_flow": text("nativeFlowName"),
        "api": mine and hosted(record.get("author")),
        "automated_greeting": type_ == "automated_greeting_message",
        "hosted": record.get("senderOrRecipientAccountTypeHosted") is True
        or hosted(key.get("remote"))
        or hosted(record.get("from")),
        "verified_name": None if mine else text("verifiedBizName"),
    }
    return {name: mark for name, mark in marks.items() if mark}
