"""Decides where a sweep (a backfill) starts, by the watermarks that are stored. `coverage` moves them.

The periodic sweep looks for what the live path missed; the catch-up sweep after an outage for all that came meanwhile.
There are two watermarks: the account's (every chat is complete up to here; moved when a whole sweep succeeded) and each
chat's own (moved when that chat was read). Both only move forward, and never before the messages that they cover are
stored. A chat starts at the later of the two, less a slack for messages that arrive with an older time. The page may
have several chats of one person; the watermark is that of the chat that was read last. A sweep that began before an
outage was over moves only watermarks of chats, because it may have read other chats before that. Live messages move
neither: a message that arrived says nothing about earlier ones.

Both hold WhatsApp's time of the newest message read, because our clock may be wrong for days. In a quiet account the
watermark stays at the newest message. There the slack of a periodic sweep is counted from the last whole sweep, so that
only that newest message is read again. After an outage the slack is always counted from the watermark.

A watermark in the future was set while our clock was ahead, and would hide every message until that day. It is ignored,
and the next sweep that may move it replaces it. The time of linking comes from our clock alone. It is ignored where
captured messages contradict it: they came after the linking.
"""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from leadmasterd.times import iso

CATCH_UP_SLACK: Final = timedelta(hours=6)
"""The slack of a catch-up sweep: messages that were queued during an outage may have much older times."""
PERIODIC_SLACK: Final = timedelta(minutes=25)
"""The slack of a periodic sweep: longer than the 20 minutes in which a message may be edited (WAWebABPropsConfigs,
build of 2026-04-27). An edit of a message that is not in the page's memory has no event: it only changes the page's
disk."""
LOOK_BACK: Final = timedelta(days=2)
"""How far back changes are looked for once a day: a message can be revoked for about as long. That has no event either
if the message is not in the page's memory."""
CLOCKS_AGREE: Final = timedelta(minutes=10)
"""Right clocks differ by seconds. Messages older than the linking by more than this show that our clock was wrong."""
CIPHERTEXT_DAYS: Final = 14
"""For how many days an unreadable message is fetched again after each outage."""
MAX_CHATS: Final = 5000
"""How many chats can have a start of their own. The others start with the account, which is only earlier."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep reads. Times are seconds since 1970."""

    start: int
    """Every chat is read from here on, except those in `chats`."""
    chats: dict[str, int]
    """Chats that are read from another time on, by their ids in the page."""
    changes_from: int | None = None
    """From when on edits, revocations and reactions are read too. None: only those of messages that are read anyway."""


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
    """Where a sweep of this account, which must exist, starts.

    `slack`: `PERIODIC_SLACK` or `CATCH_UP_SLACK`, which also tells which kind of sweep it is. `first_link_days`: how
    far before the linking messages are wanted. `looks_back`: whether older changes are looked for too (`LOOK_BACK`).
    """
    account = _Account._make(
        connection.execute(
            f"SELECT {', '.join(_Account._fields)} FROM accounts WHERE account_id = ?", (account_id,)
        ).fetchone()
    )
    if account.swept_through_at and _moment(account.swept_through_at) > now:  # our clock was ahead when it was set
        account = account._replace(swept_through_at=None)
    linked = _moment(account.first_linked_at)
    if linked > now:  # our clock was ahead at the linking
        linked = now - CATCH_UP_SLACK
    floor = linked - timedelta(days=first_link_days)
    if account.swept_through_at:
        start = _start_from_watermark(account, _moment(account.swept_through_at), slack=slack, floor=floor)
    else:
        start = _first_start(connection, account_id, floor=floor)
    later = _later_starts(connection, account_id, account.swept_through_at or "", slack=slack, now=now)
    chats = {chat: own_start for chat, own_start in later.items() if own_start > _seconds(start)}
    is_catch_up = slack >= CATCH_UP_SLACK
    if is_catch_up:
        for chat, since in _unreadable_since(connection, account_id).items():
            own_start = chats.get(chat, _seconds(start))
            chats[chat] = min(since, own_start)
    changes_from = _seconds(max(now - LOOK_BACK, floor)) if looks_back else None
    return SweepPlan(_seconds(start), chats, changes_from)


def _start_from_watermark(account: _Account, watermark: datetime, *, slack: timedelta, floor: datetime) -> datetime:
    """The watermark less the slack. `floor`: before this time no messages are wanted."""
    start = watermark - slack
    if slack < CATCH_UP_SLACK:  # periodic: the slack counts from the last whole sweep; no later than the watermark
        start = min(watermark, max(start, _moment(account.last_ready_at) - slack))
    # The newest message that was read is older than the floor only if our clock was wrong at the linking.
    floor_is_plausible = watermark > floor - CLOCKS_AGREE
    if floor_is_plausible:
        start = max(min(watermark, floor), start)  # not before the floor, but never after the watermark
    return start


def _first_start(connection: sqlite3.Connection, account_id: int, *, floor: datetime) -> datetime:
    """Where to start while no whole sweep has succeeded yet: at `floor`, before which no messages are wanted.

    If all stored messages are older than that, our clock was wrong at the linking: then it starts before them.
    """
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
    """The starts of chats whose own watermark is later than the account's, by their ids in the page.

    `account_watermark`: ISO, "" if there is none. The page may have two chats of one person, as after a change of
    number. The watermark is that of the chat that was read (`swept_chat`), so the other chat has no start of its own.
    Watermarks in the future are ignored.
    """
    rows = connection.execute(
        "SELECT swept_chat, swept_through_at FROM conversations WHERE account_id = ? AND swept_through_at > ? "
        "AND swept_through_at <= ? AND swept_chat IS NOT NULL ORDER BY swept_through_at DESC LIMIT ?",
        (account_id, account_watermark, iso(now), MAX_CHATS),
    )
    return {chat: _seconds(_moment(watermark) - slack) for chat, watermark in rows}


def _unreadable_since(connection: sqlite3.Connection, account_id: int) -> dict[str, int]:
    """Chats with messages that are not readable yet, and the time of the oldest: by now they may be readable.

    Messages that are not sent to this device at all (view-once, `unavailable_fanout`) never become readable, and are
    left out.
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
