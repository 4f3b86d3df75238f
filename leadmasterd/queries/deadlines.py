"""Deadlines by the opening hours and the SLA target of now, whatever leads were derived with.

`due_at` is stored when leads are derived. While that was done with other hours than those in the settings, or is still
to be done, views of this connection stand in for the tables, so that every query on it has `due_at` anew: of whoever
waits, and of planned follow-ups. Otherwise nothing is computed, and the calendar, which is slow to load, is not needed.
"""

from datetime import datetime
from functools import cache
from typing import Final

from leadmasterd import times
from leadmasterd.queries.database import Connection
from leadmasterd.settings.leads_light import LightLeadsSettings

_ANEW: Final = {
    "conversations": "iif(waiting_since IS NULL, NULL, wait_due(waiting_since, due_at))",
    "waiting_cycles": "iif(ended_at IS NULL, wait_due(started_at, due_at), due_at)",
    "follow_ups": "iif(state = 'planned', follow_up_due(kind, planned_at, number, due_at), due_at)",
}


def by_hours_of(connection: Connection, settings: LightLeadsSettings, *, in_doubt: bool = True) -> Connection:
    """The connection, whose `due_at` are from now on by these settings; as stored if their calendar can't be used.

    `in_doubt`: also while some conversations are still to be projected, as after each message; what is stored of them
    may be by other hours. A page that says how many those are does without, and so without the calendar's 7 MB.
    """
    if derived_by(connection, settings.hours_version(), in_doubt=in_doubt):
        return connection
    calendar = cache(settings.calendar)

    def wait_due(since: str, stored: str | None) -> str | None:
        if (hours := calendar()) is None:
            return stored
        due = hours.due(datetime.fromisoformat(since), settings.target_seconds)
        return times.iso(due) if due else None

    def follow_up_due(kind: str, planned_at: str, number: int, stored: str) -> str:
        from leadmasterd.leads import fold

        if (hours := calendar()) is None:
            return stored
        due = times.from_ms(fold.follow_up_due(kind, times.to_ms(planned_at), number))
        return times.iso(hours.opens(due) or due)

    connection.create_function("wait_due", 2, wait_due, deterministic=True)
    connection.create_function("follow_up_due", 4, follow_up_due, deterministic=True)
    for table, due in _ANEW.items():
        names = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
        columns = ", ".join(f"{due} AS due_at" if name == "due_at" else name for name in names)
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {columns} FROM main.{table}")
    return connection


def derived_by(connection: Connection, version: str, *, in_doubt: bool = True) -> bool:
    """Whether everything that depends on opening hours was derived with these. `in_doubt`: as above."""
    row = connection.execute(
        "SELECT value = ? AND NOT (? AND EXISTS (SELECT 1 FROM unjudged)) FROM derived_with WHERE name = 'hours'",
        (version, in_doubt),
    ).fetchone()
    return row is not None and bool(row[0])
