"""Where a sweep starts: the watermarks, as SQLite has them.

A sweep is a backfill: the periodic one looks for what the live path missed, the catch-up after an outage for all that
came meanwhile. There are two watermarks, both only ever moved forward, and never before the messages they cover are
written: the account's (every chat is complete up to here, set when a whole sweep succeeded) and a chat's own (set when
that chat was read). A chat starts at the later of the two, less a slack for messages that arrive with an older time.
The page may have several chats of one person; the watermark is that of the one which was read last.
A sweep that began before an outage was over moves only those of chats: others may have been read before that.
Live messages move neither: that one arrived says nothing about those before it.

Both hold WhatsApp's time of the newest message read, because our clock may be wrong for days. In a quiet account the
watermark stays at the newest message. There the slack of a periodic sweep counts from the last whole sweep, at most to
that message, which is then all that is read again. After an outage the slack always counts from the watermark.

A watermark in the future was set while our clock was ahead. It is ignored, and the next whole sweep replaces it (a
chat's, when the chat is read); it would hide every message until that day. Nor does the time of linking, which only our
clock knows, outweigh captured messages: they came after it.
"""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from leadmasterd.times import iso

CATCH_UP_SLACK: Final = timedelta(hours=6)
"""After an outage: what was queued may carry much older times."""
PERIODIC_SLACK: Final = timedelta(minutes=25)
"""Longer than the 20 minutes in which a message may be edited (WAWebABPropsConfigs, build of 2026-04-27): an edit of a
message that is not in the page's memory changes the disk only and has no event."""
LOOK_BACK: Final = timedelta(days=2)
"""How far back changes are looked for once a day. A message can be revoked for about as long, and if it is not in the
page's memory then, that has no event either."""
CLOCKS_AGREE: Final = timedelta(minutes=10)
"""Clocks differ by seconds. Only messages older than the link by more than this show that ours was wrong."""
CIPHERTEXT_DAYS: Final = 14
"""How long an unreadable message is fetched again after each outage."""
MAX_CHATS: Final = 5000
"""Chats with a start of their own in one command; the others start with the account, which is only earlier."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """Seconds since 1970: where to start, and the chats with a start of their own."""

    start: int
    chats: dict[str, int]
    changes_from: int | None = None
    """From when on edits, revocations and reactions are wanted too. None: only of the messages that are read anyway."""


class _Account(NamedTuple):
    first_linked_at: str
    last_ready_at: str
    swept_through_at: str | None


def plan(
    connection: sqlite3.Connection,
    account_id: int,
    slack: timedelta,
    *,
    first_link_days: int,
    now: datetime,
    looks_back: bool = False,
) -> SweepPlan:
    """What to ask the child for. `slack` tells a periodic sweep from a catch-up; `looks_back` asks for old changes."""
    account = _Account._make(
        connection.execute(
            f"SELECT {', '.join(_Account._fields)} FROM accounts WHERE account_id = ?", (account_id,)
        ).fetchone()
    )
    if account.swept_through_at and _moment(account.swept_through_at) > now:
        account = account._replace(swept_through_at=None)
    linked = _moment(account.first_linked_at)
    if linked > now:
        linked = now - CATCH_UP_SLACK
    floor = linked - timedelta(days=first_link_days)
    if account.swept_through_at:
        start = _start_from_watermark(account, _moment(account.swept_through_at), slack=slack, floor=floor)
    else:
        start = _first_start(connection, account_id, floor=floor)
    chats = _later_starts(connection, account_id, account.swept_through_at or "", slack=slack, now=now)
    chats = {chat: own for chat, own in chats.items() if own > _seconds(start)}
    if slack >= CATCH_UP_SLACK:
        for chat, since in _unreadable_since(connection, account_id).items():
            chats[chat] = min(since, chats.get(chat, _seconds(start)))
    changes_from = _seconds(max(now - LOOK_BACK, floor)) if looks_back else None
    return SweepPlan(_seconds(start), chats, changes_from)


def _start_from_watermark(account: _Account, watermark: datetime, *, slack: timedelta, floor: datetime) -> datetime:
    start = watermark - slack
    if slack < CATCH_UP_SLACK:
        start = min(watermark, max(start, _moment(account.last_ready_at) - slack))
    if watermark > floor - CLOCKS_AGREE:
        start = max(min(watermark, floor), start)
    return start


def _first_start(connection: sqlite3.Connection, account_id: int, *, floor: datetime) -> datetime:
    """No whole sweep has succeeded yet: start at the link, or before messages that show that its time is wrong."""
    oldest, newest = connection.execute(
        "SELECT min(m.sent_at), max(m.sent_at) FROM conversations v JOIN messages m USING (conversation_id) "
        "WHERE v.account_id = ?",
        (account_id,),
    ).fetchone()
    if newest and _moment(newest) < floor - CLOCKS_AGREE:
        return _moment(oldest) - CATCH_UP_SLACK
    return floor


def _later_starts(
    connection: sqlite3.Connection, account_id: int, account_watermark: str, *, slack: timedelta, now: datetime
) -> dict[str, int]:
    """Chats whose own watermark is later than the account's, the latest first, by their names in the page.

    The page may have two chats of one person, as of somebody who changed the number, and a watermark says that one of
    them was read.
    """
    rows = connection.execute(
        "SELECT swept_chat, swept_through_at FROM conversations WHERE account_id = ? AND swept_through_at > ? "
        "AND swept_through_at <= ? AND swept_chat IS NOT NULL ORDER BY swept_through_at DESC LIMIT ?",
        (account_id, account_watermark, iso(now), MAX_CHATS),
    )
    return {chat: _seconds(_moment(watermark) - slack) for chat, watermark in rows}


def _unreadable_since(connection: sqlite3.Connection, account_id: int) -> dict[str, int]:
    """Chats with ciphertext, and its time: it may have become readable meanwhile, long after that time.

    What is not sent to this device at all (view-once) never becomes readable here.
    """
    rows = connection.execute(
        "SELECT v.chat, min(m.sent_at) FROM messages m JOIN conversations v USING (conversation_id) "
        "WHERE m.account_id = ? AND m.readable_at IS NULL AND m.revoked_at IS NULL "
        "AND m.sent_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?) "
        "AND coalesce(m.details, '') NOT LIKE '%unavailable_fanout%' GROUP BY v.conversation_id",
        (account_id, f"-{CIPHERTEXT_DAYS} days"),
    )
    return {chat: _seconds(_moment(since)) for chat, since in rows}


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
