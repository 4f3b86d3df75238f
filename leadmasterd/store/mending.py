"""What stored messages are decided to be, decided again from the wire lines that are still there.

For what an earlier version did not know: marks and authors. A line of a listener that told no marks holds the page's
record in `data`; the marks are read from there by the rules of node_listener/src/message/marks.js. Messages in chats
that are not captured any more (bots, WhatsApp's own accounts, notes to oneself) stay, as nobody's.
"""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from leadmasterd.authors import OURS
from leadmasterd.capture import CapturedMessage, CaptureFilter, CaptureRules
from leadmasterd.identity import canonical_id, chat_kind
from leadmasterd.wire.decode import decode_line
from leadmasterd.wire.events import Account, Ciphertext, Message

_LINES: Final = """
    SELECT m.message_id, m.conversation_id, m.account_id, m.author, m.marks, r.line
    FROM messages m JOIN raw_events r USING (message_id)
    WHERE m.conversation_id IN (SELECT value FROM json_each(?)) AND r.problem IS NULL ORDER BY r.raw_id
"""
_EVERYTHING: Final = CaptureRules(groups=True)
_HOSTED: Final = re.compile(r"@hosted(\.lid)?$|:99@")
"""An id of a business's device at a provider."""


def decide_again(connection: sqlite3.Connection, conversations: Sequence[int]) -> set[int]:
    """Correct authors and marks in these conversations. Returns those where anything changed."""
    changed: set[int] = set()
    now: dict[int, tuple[str, str | None]] = {}
    filters = {
        account: _filter_of(wid, lid)
        for account, wid, lid in connection.execute("SELECT account_id, wid, lid FROM accounts").fetchall()
    }
    found = connection.execute(_LINES, (json.dumps(list(conversations)),)).fetchall()
    for message_id, conversation, account, *stored, line in found:
        told = _told(line)
        if told is None:
            continue
        author, marks = now.setdefault(message_id, (stored[0], stored[1]))
        decision = filters[account].decide(told, datetime.now(UTC))
        new_author, new_marks = "system", marks
        if isinstance(decision, CapturedMessage):
            new_author, new_marks = decision.author, decision.marks or marks
        if author in OURS and new_author in OURS:
            new_author = author  # which of the two is the projection's to say
        if (new_author, new_marks) != (author, marks):
            connection.execute(
                "UPDATE messages SET author = ?, marks = ? WHERE message_id = ?", (new_author, new_marks, message_id)
            )
            now[message_id] = new_author, new_marks
            changed.add(conversation)
    return changed


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
