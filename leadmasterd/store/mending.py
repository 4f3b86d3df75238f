"""What stored messages are decided to be, decided again from the wire lines that are still there.

For what an earlier version did not know: marks and authors. A line of a listener that told no marks holds the page's
record in `data`; the marks are read from there by the rules of node_listener/src/message/marks.js. Messages in chats
that are not captured any more (bots, WhatsApp's own accounts, notes to oneself) stay, as nobody's.
"""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
"""In an order that SQLite's indexes give, so that it need not hold all lines to sort them."""
_STORED: Final = """
    SELECT message_id, conversation_id, account_id, author, marks
    FROM messages WHERE message_id IN (SELECT value FROM json_each(?))
"""
_EVERYTHING: Final = CaptureRules(groups=True)
_HOSTED: Final = re.compile(r"@hosted(\.lid)?$|:99@")
"""An id of a business's device at a provider."""


Decided = tuple[str, str | None]
"""Author and marks of a message."""
DecidedBy = Mapping[int, Mapping[int, Decided]]
"""Those of messages, by their conversation and id."""


def decide_again(connection: sqlite3.Connection, conversations: Sequence[int], packed: DecidedBy) -> set[int]:
    """Correct authors and marks in these conversations. Returns those where anything changed.

    `packed`: what the lines say that are not in `raw_events` any more (`decided_by_packed`); they are the older ones.
    """
    changed: set[int] = set()
    filters = _filters(connection)
    for conversation in conversations:
        for message_id, (author, marks) in packed.get(conversation, {}).items():
            done = connection.execute(
                "UPDATE messages SET author = ?1, marks = ?2 WHERE message_id = ?3 AND (author, marks) IS NOT (?1, ?2)",
                (author, marks, message_id),
            )
            if done.rowcount:
                changed.add(conversation)
        changed |= _decide_by_lines(connection, filters, _OF_CONVERSATION, conversation)
    return changed


def decide_again_by(connection: sqlite3.Connection, messages: Sequence[int]) -> set[int]:
    """Correct authors and marks of these messages, by what is in `raw_events`. Returns the changed conversations."""
    return _decide_by_lines(connection, _filters(connection), _OF_MESSAGES, json.dumps(list(messages)))


def decided_by_packed(connection: sqlite3.Connection) -> DecidedBy:
    """What the packed lines say, where that is not what is stored. Of damaged blocks nothing."""
    filters = _filters(connection)
    merged = dict(connection.execute("SELECT merged_id, kept_id FROM message_merges").fetchall())
    found: dict[int, dict[int, Decided]] = {}
    for block in raw_blocks.stored(connection):
        with suppress(raw_blocks.BlockDamaged):
            lines = raw_blocks.unpack(block.packed)
            about = [merged.get(each.message_id or 0, each.message_id or 0) for each in lines]
            stored = {row[0]: row[1:] for row in connection.execute(_STORED, (json.dumps(about),))}
            for message_id, each in zip(about, lines, strict=True):
                if message_id in stored:
                    conversation, account, author, marks = stored[message_id]
                    of_conversation = found.get(conversation, {})
                    was = of_conversation.get(message_id, (author, marks))
                    now = _decided(filters[account], each.line, was)
                    if now != was:
                        found.setdefault(conversation, of_conversation)[message_id] = now
    return found


def _decide_by_lines(
    connection: sqlite3.Connection, filters: Mapping[int, CaptureFilter], query: str, which: int | str
) -> set[int]:
    """`query`: gives the lines of one message after the other. They are never all held."""
    changed: set[int] = set()
    for message, lines in groupby(connection.execute(query, (which,)), key=itemgetter(slice(5))):
        message_id, conversation, account, author, marks = message
        decided = stored = (author, marks)
        for *_, line in lines:
            decided = _decided(filters[account], line, decided)
        if decided != stored:
            connection.execute("UPDATE messages SET author = ?, marks = ? WHERE message_id = ?", (*decided, message_id))
            changed.add(conversation)
    return changed


def _decided(rules: CaptureFilter, line: str, was: Decided) -> Decided:
    """What a line says of its message, of which this was known before."""
    told = _told(line)
    if told is None:
        return was
    author, marks = was
    known: dict[str, str | bool] = json.loads(marks) if marks else {}
    lacks = bool(told.marks.keys() - known.keys())
    all_marks = {**known, **told.marks}
    with_all = replace(told, marks=all_marks) if isinstance(told, Ciphertext) else told._replace(marks=all_marks)
    decision = rules.decide(with_all, datetime.now(UTC))
    if not isinstance(decision, CapturedMessage):
        return "system", marks
    if lacks:
        marks = decision.marks
    if author in OURS and decision.author in OURS:  # which of the two is the projection's to say
        return author, marks
    return decision.author, marks


def _filters(connection: sqlite3.Connection) -> dict[int, CaptureFilter]:
    return {
        account: _filter_of(wid, lid)
        for account, wid, lid in connection.execute("SELECT account_id, wid, lid FROM accounts").fetchall()
    }


def _filter_of(wid: str, lid: str | None) -> CaptureFilter:
    found = CaptureFilter(_EVERYTHING)
    found.use_account(Account(wid, lid, None, None))
    return found


def _told(line: str) -> Message | Ciphertext | None:
    event, _ = decode_line(line.encode("utf-8", "replace"))
    if not isinstance(event, Message | Ciphertext):
        return None
    if event.marks or isinstance(event, Ciphertext):
        return event
    record = json.loads(line).get("data")
    return event._replace(marks=marks_of(record)) if isinstance(record, dict) else event


def marks_of(record: Mapping[str, object]) -> dict[str, str | bool]:
    """The marks of the page's record, as the listener tells them today (tests/test_marks.py compares the two)."""

    def text(*names: str) -> str | None:
        return next((value for name in names if isinstance(value := record.get(name), str) and value), None)

    def hosted(wid: object) -> bool:
        return isinstance(wid, str) and bool(_HOSTED.search(wid))

    id_ = record.get("id")
    key = id_ if isinstance(id_, dict) else {}
    mine, member, type_ = key.get("fromMe") is True, key.get("participant"), text("type")
    marks: dict[str, str | bool | None] = {
        "broadcast": text("broadcastId") or record.get("broadcast") is True,
        "campaign": text("pmCampaignId", "smbClientCampaignId") or text("bizSource") == "smb_promo",
        "bot": text("bizBotType"),
        "assistant": record.get("isSupportAIMessage") is True
        or (isinstance(member, str) and chat_kind(canonical_id(member)) == "bot"),
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
