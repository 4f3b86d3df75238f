"""Reads what the daemon needs at its start and for `status`: account, counters, open gaps, the phone's last sign."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from leadmasterd.store.records import GapOpened, Item
from leadmasterd.store.rows import Rows
from leadmasterd.times import iso


@dataclass(frozen=True, slots=True)
class LastAccount:
    """The account that was ready last."""

    wid: str
    push_name: str | None


@dataclass(frozen=True, slots=True)
class StartState:
    """What the database holds when the daemon starts."""

    account: LastAccount | None
    """None: none was ever linked."""
    live: int
    """Messages that came live."""
    sweep: int
    """Messages that a sweep found."""
    last_message_at: str | None
    """WhatsApp's time (ISO) of the newest message; None: there is none."""


def resume(connection: sqlite3.Connection, rows: Rows, now: datetime) -> StartState:
    """Let `rows` continue with the account that was ready last, and return what the database holds.

    Writes an outage that began when the daemon was last known to run: at the latest phase change, or when the account
    was last ready. Writes none without an account. Within the caller's transaction.
    """
    account: LastAccount | None = None
    last = connection.execute("SELECT account_id, wid, push_name FROM accounts ORDER BY last_ready_at DESC").fetchone()
    if last:
        account_id, wid, push_name = last
        account = LastAccount(wid, push_name)
        rows.account_id = account_id
        [[since]] = connection.execute(
            "SELECT max(at) FROM (SELECT max(at) AS at FROM session_events UNION ALL "
            "SELECT last_ready_at FROM accounts WHERE account_id = ?)",
            (account_id,),
        )
        rows.apply([Item(GapOpened("not_listening", since or iso(now)), None, iso(now))])
    counts: dict[str, tuple[int, str | None]] = {
        via: (number, newest)
        for via, number, newest in connection.execute(
            "SELECT captured_via, count(*), max(sent_at) FROM messages GROUP BY captured_via"
        )
    }
    return StartState(
        account=account,
        live=counts.get("live", (0, None))[0],
        sweep=counts.get("sweep", (0, None))[0],
        last_message_at=max((newest for _, newest in counts.values() if newest), default=None),
    )


def open_gaps(connection: sqlite3.Connection, rows: Rows) -> int:
    """How many outages of the current account no sweep has filled yet."""
    query = "SELECT count(*) FROM gaps WHERE closed_at IS NULL AND account_id = ?"
    return int(connection.execute(query, (rows.account_id,)).fetchone()[0])


def phone_silent_since(connection: sqlite3.Connection, rows: Rows) -> datetime | None:
    """When the operator last wrote, or when the account was linked if that is later. None: no account was ever linked.

    WhatsApp logs linked devices out when the phone was not used for too long.
    """
    row = connection.execute(
        "SELECT max(coalesce(max(v.last_outbound_at), ''), a.first_linked_at) FROM accounts a "
        "LEFT JOIN conversations v USING (account_id) WHERE a.account_id = ?",
        (rows.account_id,),
    ).fetchone()
    return datetime.fromisoformat(row[0]) if row and row[0] else None
