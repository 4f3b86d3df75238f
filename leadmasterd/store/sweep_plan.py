"""From when a sweep has to look, as SQLite knows it.

Two lines are kept, both only ever moved forward and never before the messages they speak for: the account's (every chat
is complete up to here, set when a whole sweep went well) and a chat's own (set when that chat was read). A chat starts
at whichever is later, less a slack for messages that arrive with an older time. Live messages move neither: that one
came says nothing about the ones before it.

Both are WhatsApp's times, of the newest message that was read, because our clock may be wrong for days. In a quiet
account the line stays at the newest message, so a periodic sweep takes its slack from the last whole sweep instead, as
far as that one: nothing but that message is read again all night. After a gap the slack is always taken from the line.

A line in the future was drawn at a wrong date while our clock was ahead. It says nothing, and believing it would hide
every message until that day: it is passed over, and the next whole sweep replaces it. Nor is the time of the link,
which only our clock knows, believed against messages: they came after it.
"""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from leadmasterd.times import iso

CATCH_UP_SLACK: Final = timedelta(hours=6)
"""After any time without a live path: what was queued may carry times from well before."""
PERIODIC_SLACK: Final = timedelta(minutes=10)
CLOCKS_AGREE: Final = timedelta(minutes=10)
"""Messages older than the link by less than this say nothing of our clock: clocks differ by seconds."""
CIPHERTEXT_DAYS: Final = 14
"""How long a message that can't be read is looked for again, after any time without a live path."""
MAX_CHATS: Final = 5000
"""Chats with a line of their own in one command; the others start at the account's line, which is only earlier."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """Seconds since 1970: where to start, and the chats that may start later."""

    start: int
    chats: dict[str, int]


def plan(
    connection: sqlite3.Connection, account_id: int, slack: timedelta, first_link_days: int, now: datetime
) -> SweepPlan:
    """What to ask the child for."""
    first_linked_at, swept_through_at, last_ready_at = connection.execute(
        "SELECT first_linked_at, swept_through_at, last_ready_at FROM accounts WHERE account_id = ?", (account_id,)
    ).fetchone()
    if swept_through_at and _moment(swept_through_at) > now:
        swept_through_at = None
    linked = _moment(first_linked_at)
    if linked > now:
        linked = now - CATCH_UP_SLACK
    base = linked - timedelta(days=first_link_days)
    if swept_through_at:
        line = _moment(swept_through_at)
        begin = line - slack
        if slack < CATCH_UP_SLACK:
            begin = min(line, max(begin, _moment(last_ready_at) - slack))
        if line > base - CLOCKS_AGREE:
            begin = max(min(line, base), begin)
    else:
        begin = base
        oldest, newest = connection.execute(_CAPTURED, (account_id,)).fetchone()
        if newest and _moment(newest) < base - CLOCKS_AGREE:
            begin = _moment(oldest) - CATCH_UP_SLACK
    start = int(begin.timestamp())
    chats = {}
    for chat, own in connection.execute(
        "SELECT chat, swept_through_at FROM conversations WHERE account_id = ? AND swept_through_at > ? "
        "AND swept_through_at <= ? ORDER BY swept_through_at DESC LIMIT ?",
        (account_id, swept_through_at or "", iso(now), MAX_CHATS),
    ):
        if (own_start := _with_slack(own, slack)) > start:
            chats[chat] = own_start
    if slack >= CATCH_UP_SLACK:
        # it may have become readable while nobody listened, long after its own time
        for chat, since in connection.execute(_UNREADABLE, (account_id, f"-{CIPHERTEXT_DAYS} days")):
            chats[chat] = min(int(_moment(since).timestamp()), chats.get(chat, start))
    return SweepPlan(start, chats)


_CAPTURED: Final = """
    SELECT min(m.sent_at), max(m.sent_at) FROM conversations v JOIN messages m USING (conversation_id)
    WHERE v.account_id = ?
"""

# what is not sent to this device at all (view-once) never becomes readable here
_UNREADABLE: Final = """
    SELECT v.chat, min(m.sent_at) FROM messages m JOIN conversations v USING (conversation_id)
    WHERE m.account_id = ? AND m.readable_at IS NULL AND m.sent_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?)
      AND coalesce(m.details, '') NOT LIKE '%unavailable_fanout%'
    GROUP BY v.conversation_id
"""


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


def _with_slack(at: str, slack: timedelta) -> int:
    return int((_moment(at) - slack).timestamp())
