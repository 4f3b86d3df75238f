"""Deadlines by the opening hours and the SLA target of today's settings, even if leads were derived with others.

`due_at` is stored when leads are derived. If that was done with other settings, or some of it is still to be done,
temporary views hide the tables of this connection, and compute `due_at` again for open waits and planned follow-ups. So
no query has to know about it. Otherwise nothing is computed, and the calendar, which is slow to load, is not needed.
"""

from datetime import datetime
from functools import cache
from typing import Final

from leadmasterd import times
from leadmasterd.queries.database import Connection
from leadmasterd.settings.leads_light import LightLeadsSettings

_DUE_AT: Final = {
    "conversations": "iif(waiting_since IS NULL, NULL, wait_due(waiting_since, due_at))",
    "waiting_cycles": "iif(ended_at IS NULL, wait_due(started_at, due_at), due_at)",
    "follow_ups": "iif(state = 'planned', follow_up_due(kind, planned_at, number, due_at), due_at)",
}
"""By table, SQL for `due_at` by today's settings; what has ended keeps the stored one."""


def with_current_deadlines(
    connection: Connection, settings: LightLeadsSettings, *, while_pending: bool = True
) -> Connection:
    """Make every later query on this connection see `due_at` by these settings, and return the same connection.

    Deadlines stay as stored if these settings' calendar can't be used, or if all were derived with these settings.
    `while_pending`: compute them also while any conversation is still to be projected, because its stored deadlines may
    be by other hours. That is so after each message, and the calendar takes 7 MB: a page that says how many
    conversations are pending does without it.
    """
    if is_derived_with(connection, settings.hours_version(), none_pending=while_pending):
        return connection
    calendar = cache(settings.calendar)  # built once, and only if a row needs it

    def wait_due(since: str, stored: str | None) -> str | None:
        """When a wait that began then misses its target; None: there are no opening hours ahead."""
        hours = calendar()
        if hours is None:
            return stored
        due = hours.due(datetime.fromisoformat(since), settings.target_seconds)
        return times.iso(due) if due else None

    def follow_up_due(kind: str, planned_at: str, number: int, stored: str) -> str:
        """When a follow-up is due: at the first open moment after its days have passed, or then if there is none."""
        from leadmasterd.leads import fold

        hours = calendar()
        if hours is None:
            return stored
        due = times.from_ms(fold.follow_up_due(kind, times.to_ms(planned_at), number))
        return times.iso(hours.opens(due) or due)

    connection.create_function("wait_due", 2, wait_due, deterministic=True)
    connection.create_function("follow_up_due", 4, follow_up_due, deterministic=True)
    for table, due_at in _DUE_AT.items():
        names = [name for _place, name, *_rest in connection.execute(f"PRAGMA main.table_info({table})")]
        columns = ", ".join(f"{due_at} AS due_at" if name == "due_at" else name for name in names)
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {columns} FROM main.{table}")
    return connection


def is_derived_with(connection: Connection, hours_version: str, *, none_pending: bool = True) -> bool:
    """Whether everything stored that depends on opening hours was derived with the hours of this version.

    False if nothing is derived yet. `hours_version`: as the settings give it. `none_pending`: also False while any
    conversation is still to be projected.
    """
    row = connection.execute(
        "SELECT value = ? AND NOT (? AND EXISTS (SELECT 1 FROM unjudged)) FROM derived_with WHERE name = 'hours'",
        (hours_version, none_pending),
    ).fetchone()
    return row is not None and bool(row[0])
