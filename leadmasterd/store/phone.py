"""The phone's own life, as far as its messages show it."""

import sqlite3
from datetime import datetime

from leadmasterd.store.rows import Rows


def phone_silent_since(connection: sqlite3.Connection, rows: Rows) -> datetime | None:
    """When the operator last wrote (from any device), or when the account was linked if never. None: not linked yet."""
    row = connection.execute(
        "SELECT max(coalesce(max(v.last_outbound_at), ''), a.first_linked_at) FROM accounts a "
        "LEFT JOIN conversations v USING (account_id) WHERE a.account_id = ?",
        (rows.account_id,),
    ).fetchone()
    return datetime.fromisoformat(row[0]) if row and row[0] else None
