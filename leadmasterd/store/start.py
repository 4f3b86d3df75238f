"""What a start finds in the database, and how many gaps are open."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from leadmasterd.store.records import GapOpened, Item
from leadmasterd.store.rows import Rows
from leadmasterd.times import iso


@dataclass(frozen=True, slots=True)
class Found:
    """The account listened to last (None: not linked yet), the messages by how they came, and the newest one's time."""

    account: dict[str, object] | None
    live: int
    sweep: int
    last_message_at: str | None


def take_up(connection: sqlite3.Connection, rows: Rows, now: datetime) -> Found:
    """Go on with that account, which nobody listened to since the last thing known of it."""
    account = connection.execute(
        "SELECT account_id, wid, push_name FROM accounts ORDER BY last_ready_at DESC"
    ).fetchone()
    if account:
        rows.account_id = account[0]
        since = connection.execute(
            "SELECT max(at) FROM (SELECT max(at) AS at FROM session_events UNION ALL "
            "SELECT last_ready_at FROM accounts WHERE account_id = ?)",
            (account[0],),
        ).fetchone()[0]
        rows.apply([Item(GapOpened("not_listening", since or iso(now)), None, iso(now))])
    counts: dict[str, tuple[int, str | None]] = {
        via: (number, newest)
        for via, number, newest in connection.execute(
            "SELECT captured_via, count(*), max(sent_at) FROM messages GROUP BY captured_via"
        )
    }
    return Found(
        account={"wid": account[1], "push_name": account[2]} if account else None,
        live=counts.get("live", (0, None))[0],
        sweep=counts.get("sweep", (0, None))[0],
        last_message_at=max((newest for _, newest in counts.values() if newest), default=None),
    )


def open_gaps(connection: sqlite3.Connection, rows: Rows) -> int:
    """Gaps that no sweep has filled yet."""
    query = "SELECT count(*) FROM gaps WHERE closed_at IS NULL AND account_id = ?"
    return int(connection.execute(query, (rows.account_id,)).fetchone()[0])


def phone_silent_since(connection: sqlite3.Connection, rows: Rows) -> datetime | None:
    """When the operator last wrote (from any device), or when the account was linked if never. None: not linked yet."""
    row = connection.execute(
        "SELECT max(coalesce(max(v.last_outbound_at), ''), a.first_linked_at) FROM accounts a "
        "LEFT JOIN conversations v USING (account_id) WHERE a.account_id = ?",
        (rows.account_id,),
    ).fetchone()
    return datetime.fromisoformat(row[0]) if row and row[0] else None
