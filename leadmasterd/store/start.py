"""What the daemon reads at its start and for `status`: the account, counters, open gaps, the phone's silence."""

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
    """The last account (None: never linked), how many messages came live and by sweep, and the newest one's time."""

    account: LastAccount | None
    live: int
    sweep: int
    last_message_at: str | None


def resume(connection: sqlite3.Connection, rows: Rows, now: datetime) -> StartState:
    """Continue with the last account, and record the outage since the last time it is known to have been alive."""
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
    """How many gaps no sweep has filled yet."""
    query = "SELECT count(*) FROM gaps WHERE closed_at IS NULL AND account_id = ?"
    return int(connection.execute(query, (rows.account_id,)).fetchone()[0])


def phone_silent_since(connection: sqlite3.Connection, rows: Rows) -> datetime | None:
    """When the operator last wrote from any device, or else when the account was linked. None: never linked."""
    row = connection.execute(
        "SELECT max(coalesce(max(v.last_outbound_at), ''), a.first_linked_at) FROM accounts a "
        "LEFT JOIN conversations v USING (account_id) WHERE a.account_id = ?",
        (rows.account_id,),
    ).fetchone()
    return datetime.fromisoformat(row[0]) if row and row[0] else None
