"""Calls: a row for each that was seen ringing, or of which only the line in the chat (`call_log`) tells.

A call that was missed while nothing listened, or that the page does not show us, has only the line. WhatsApp Web gives
the line the call's id (WAWebCallLogUtils, build of 2026-04-27), so both are one row. A line with another id is a row of
its own; leads recognise it by its time (`projection.history`). To do that here would give other rows in another order.
"""

import json
import sqlite3
from datetime import datetime, timedelta
from typing import Final

from leadmasterd.capture import CapturedMessage
from leadmasterd.times import iso, sent_at
from leadmasterd.wire.events import Call

CALL_LOG: Final = "call_log"
LINE_BEFORE: Final = timedelta(minutes=1)
LINE_AFTER: Final = timedelta(hours=1)
"""A call's line in the chat is dated at most this long before or after its ringing."""

_INSERT: Final = (
    "INSERT INTO calls (account_id, conversation_id, call_id, started_at, outgoing, answered, video, rang) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET answered = max(answered, excluded.answered), rang = max(rang, excluded.rang), "
    "started_at = iif(excluded.rang > rang, excluded.started_at, started_at) "
    "RETURNING started_at"
)


class Calls:
    """Writes the table `calls`, within the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def store_ringing(self, account: int | None, conversation: int, call: Call, at: str) -> str:
        """Store a call that was seen ringing. `at`: when it was captured (ISO).

        Returns the earliest time in the history that this changes: leads are derived again from there on.
        """
        started_at = sent_at(call.t, datetime.fromisoformat(at))
        values = (account, conversation, call.call_id, started_at, call.outgoing, call.answered, call.video, True)
        return self._write(values, started_at)

    def store_line(self, account: int, conversation: int, line: CapturedMessage) -> str:
        """Store what a call's line in the chat says: that there was a call, and whether it was answered.

        Returns the same as `store_ringing`.
        """
        details = json.loads(line.details or "{}").get("call")
        call = details if isinstance(details, dict) else {}
        answered, video = call.get("answered") is True, call.get("video") is True
        outgoing = line.direction == "out"
        values = (account, conversation, line.key.stanza_id, line.sent_at, outgoing, answered, video, False)
        sent = datetime.fromisoformat(line.sent_at)
        [(first_rang_at,)] = self._db.execute(  # of those that it may belong to
            "SELECT min(started_at) FROM calls "
            "WHERE conversation_id = ? AND outgoing = ? AND started_at BETWEEN ? AND ?",
            (conversation, outgoing, iso(sent - LINE_AFTER), iso(sent + LINE_BEFORE)),
        ).fetchall()
        return min(self._write(values, line.sent_at), first_rang_at or line.sent_at)

    def _write(self, values: tuple[object, ...], started_at: str) -> str:
        """Insert a call, by the columns of `_INSERT`. Of one that is stored, `answered` and `rang` can become true.

        Its start is that of the ringing, if it was seen. Returns the earlier of `started_at` and the start that is
        stored then.
        """
        [(stored_start,)] = self._db.execute(_INSERT, values).fetchall()
        return min(str(stored_start), started_at)
