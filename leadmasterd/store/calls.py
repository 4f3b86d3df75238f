"""Calls: each is stored once, whether it was seen ringing or only its line in the chat (`call_log`) shows it.

A call that was missed while nothing listened, or that the page does not show us, has only the line. WhatsApp Web gives
the line the call's id (WAWebCallLogUtils, build of 2026-04-27); a line with another id is recognised by its time.
"""

import json
import sqlite3
from datetime import datetime, timedelta
from typing import Final

from leadmasterd.capture import CapturedMessage
from leadmasterd.times import sent_at
from leadmasterd.wire.events import Call

CALL_LOG: Final = "call_log"
LINE_BEFORE: Final = timedelta(minutes=1)
LINE_AFTER: Final = timedelta(hours=1)
"""A call's line in the chat is dated at most this long before or after its ringing."""

_INSERT: Final = (
    "INSERT INTO calls (account_id, conversation_id, call_id, started_at, outgoing, answered, video) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET answered = max(answered, excluded.answered) "
    "RETURNING started_at"
)
_CALL_NEAR_LINE: Final = f"""
SELECT call_row_id, started_at FROM calls c
WHERE conversation_id = :conversation AND outgoing = :outgoing AND call_id <> :line
AND (julianday(:at) - julianday(started_at)) * 86400
    BETWEEN {-LINE_BEFORE.total_seconds()} AND {LINE_AFTER.total_seconds()}
-- no line has the call's id, and no other line is near it in time (lines with the id of another call do not count)
AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = c.conversation_id AND m.stanza_id = c.call_id)
AND NOT EXISTS (
    SELECT 1 FROM messages m WHERE m.conversation_id = c.conversation_id AND m.type = '{CALL_LOG}'
    AND m.stanza_id <> :line AND (m.direction = 'out') = c.outgoing
    AND (julianday(m.sent_at) - julianday(c.started_at)) * 86400
        BETWEEN {-LINE_BEFORE.total_seconds()} AND {LINE_AFTER.total_seconds()}
    AND NOT EXISTS (SELECT 1 FROM calls o WHERE o.conversation_id = m.conversation_id AND o.call_id = m.stanza_id)
)
ORDER BY abs(julianday(started_at) - julianday(:at)) LIMIT 1
"""
"""Finds the stored call to which a line with another id belongs: the nearest in time that has no other line."""


class Calls:
    """Writes the table `calls`, within the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def store_ringing(self, account: int | None, conversation: int, call: Call, at: str) -> str:
        """Store a call that was seen ringing. `at`: when it was captured (ISO).

        Returns the earliest time in the history that this changes: leads are derived again from there on.
        """
        started_at = sent_at(call.t, datetime.fromisoformat(at))
        values = (account, conversation, call.call_id, started_at, call.outgoing, call.answered, call.video)
        return self._write(values, started_at)

    def store_line(self, account: int, conversation: int, line: CapturedMessage) -> str:
        """Store what a call's line in the chat says: that there was a call, and whether it was answered.

        Returns the same as `store_ringing`.
        """
        details = json.loads(line.details or "{}").get("call")
        call = details if isinstance(details, dict) else {}
        answered, video = call.get("answered") is True, call.get("video") is True
        outgoing = line.direction == "out"
        stored = self._db.execute(
            _CALL_NEAR_LINE,
            {
                "conversation": conversation,
                "outgoing": outgoing,
                "line": line.key.stanza_id,
                "at": line.sent_at,
            },
        ).fetchone()
        if stored is None:  # the call is new, or is stored with the line's own id
            values = (account, conversation, line.key.stanza_id, line.sent_at, outgoing, answered, video)
            return self._write(values, line.sent_at)
        row_id, started_at = int(stored[0]), str(stored[1])
        self._db.execute("UPDATE calls SET answered = max(answered, ?) WHERE call_row_id = ?", (answered, row_id))
        return min(started_at, line.sent_at)

    def _write(self, values: tuple[object, ...], started_at: str) -> str:
        """Insert a call, by the columns of `_INSERT`. If it is stored already, only `answered` can change, to true.

        Returns the earlier of `started_at` and the start that is stored.
        """
        [(stored_start,)] = self._db.execute(_INSERT, values).fetchall()
        return min(str(stored_start), started_at)
