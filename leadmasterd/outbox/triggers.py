"""Writes the outbox: makes the triggers of `events.SOURCES`, writes the events that come due by time, deletes old ones.

In the SQL of a source `ROW` stands for the changed row: `NEW` or `OLD` in a trigger, or the alias of a table. The table
`told` holds, by kind and row id, the rows for which an event that came due was written. Every function that takes a
connection runs inside the caller's transaction.
"""

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, Literal

from leadmasterd.outbox.events import SOURCES, Source

Mode = Literal["off", "thin", "full"]
"""What is written to the outbox. off: nothing. thin: ids, codes and times. full: also words and names."""

_PREFIX: Final = "outbox_"
_NOW: Final = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


def sync(connection: sqlite3.Connection, mode: Mode) -> bool:
    """Make the triggers of this mode, and drop all others. True when something was changed.

    When the mode was off before, events that are already due now count as written: the outbox begins here.
    """
    wanted = [] if mode == "off" else _triggers(full=mode == "full")
    made_with = f"{mode} {blake2b(''.join(wanted).encode(), digest_size=8).hexdigest()}"
    names = {
        name
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE ?", (f"{_PREFIX}%",)
        )
    }
    none_is_missing = len(names) == len(wanted)
    if none_is_missing and (mode == "off" or _made_with(connection) == made_with):
        return False
    for name in names:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in wanted:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO derived_with VALUES ('outbox', ?) ON CONFLICT DO UPDATE SET value = excluded.value", (made_with,)
    )
    was_off = not names
    if mode == "off":
        connection.execute("DELETE FROM told")
    elif was_off:
        for source in _due_sources():
            connection.execute(f"INSERT OR IGNORE INTO told {_select_due(source)}", {"now": _now(connection)})
    return True


def mode_of(connection: sqlite3.Connection) -> Mode:
    """The mode of the last `sync`; "off" if there was none."""
    match _made_with(connection).partition(" ")[0]:
        case "thin":
            return "thin"
        case "full":
            return "full"
        case _:
            return "off"


def _made_with(connection: sqlite3.Connection) -> str:
    """The mode of the last `sync` and a digest of its triggers, with a space between; "" if there was none."""
    row = connection.execute("SELECT value FROM derived_with WHERE name = 'outbox'").fetchone()
    return row[0] if row else ""


def write_due(connection: sqlite3.Connection) -> int:
    """Write the events that have come due since the last call, each once. Returns how many.

    Does nothing while the mode is off.
    """
    mode = mode_of(connection)
    if mode == "off":
        return 0
    written = 0
    values = {"now": _now(connection)}
    for source in _due_sources():
        kind = _only_kind(source)
        is_new = f"{source.when} AND {source.key} NOT IN (SELECT row_id FROM told WHERE kind = '{kind}')"
        written += connection.execute(
            f"INSERT INTO outbox (kind, stream, at, data) SELECT {values_of(source, 'r', full=mode == 'full')} "
            f"FROM {source.table} r WHERE {over(is_new, 'r')} ORDER BY {over(source.key, 'r')}",
            values,
        ).rowcount
        connection.execute(f"INSERT OR IGNORE INTO told {_select_due(source)}", values)
    return written


def values_of(source: Source, row: str, *, full: bool) -> str:
    """The columns of an event as SQL: kind, stream, at (now) and data (JSON).

    `row`: what its row is called in the statement. `full`: with the fields that hold words and names.
    """
    fields = {name: field for name, field in source.fields.items() if full or not field.full}
    pairs = ", ".join(f"'{name}', {field.sql}" for name, field in fields.items())
    return over(
        f"{kind_of(source)} AS kind, {source.stream} AS stream, {_NOW} AS at, json_object({pairs}) AS data", row
    )


def kind_of(source: Source) -> str:
    """SQL for the kind of a source's event: a text, or an expression over the changed row (`ROW`) that picks one."""
    return source.kind or f"'{_only_kind(source)}'"


DROPPED_AT_ONCE: Final = 5_000
"""Events that are deleted in one transaction, which then takes a fraction of a second."""


def drop_delivered(connection: sqlite3.Connection, through: int, *, keep_after: str, crowded: int = 0) -> int:
    """Delete delivered events, the oldest first, at most 5,000. Returns how many.

    `through`: events up to this id are delivered. `keep_after`: events written at this time (ISO) or later are kept,
    except those up to the id `crowded`, for which there is no room. This runs on the thread that captures, so it reads
    only one row more than it deletes.
    """
    return connection.execute(
        "DELETE FROM outbox WHERE event_id <= :through AND event_id < max(:crowded + 1, coalesce("
        "(SELECT event_id FROM outbox WHERE at >= :keep_after ORDER BY event_id LIMIT 1), :through + 1))"
        "AND event_id < (SELECT min(event_id) FROM outbox) + :most",
        {"through": through, "keep_after": keep_after, "crowded": crowded, "most": DROPPED_AT_ONCE},
    ).rowcount


def _triggers(*, full: bool) -> list[str]:
    """The statements that create all triggers.

    Sources with the same table and kind of change share one trigger: SQLite does not define the order of several.
    """
    groups: dict[tuple[str, str], list[Source]] = {}
    for source in SOURCES:
        if source.on != "DUE":
            groups.setdefault((source.table, source.on), []).append(source)
    return [_trigger(sources, full=full) for sources in groups.values()]


def _trigger(sources: list[Source], *, full: bool) -> str:
    """The statement that creates the trigger of these sources, which have the same table and kind of change."""
    table, on = sources[0].table, sources[0].on
    row = "OLD" if on == "DELETE" else "NEW"
    columns = ", ".join(dict.fromkeys(column for source in sources for column in source.of))
    of_columns = f"OF {columns} " if columns else ""
    some_are_unconditional = any(not source.when for source in sources)
    when = "1" if some_are_unconditional else " OR ".join(f"({source.when})" for source in sources)
    inserts = " ".join(
        f"INSERT INTO outbox (kind, stream, at, data) SELECT {values_of(source, row, full=full)} "
        f"WHERE {source.when or '1'};"
        for source in sources
    )
    return (
        f"CREATE TRIGGER {_PREFIX}{table}_{on.lower()} AFTER {on} {of_columns}ON {table} "
        f"WHEN {when} BEGIN {inserts} END"
    )


def _due_sources() -> Iterable[Source]:
    """The sources whose events come due by time alone."""
    return (source for source in SOURCES if source.on == "DUE")


def _select_due(source: Source) -> str:
    """A SELECT that gives, as rows of `told`, everything of this source that is due at `:now`, even if an event was
    written for it before.
    """
    return over(f"SELECT '{_only_kind(source)}', {source.key} FROM {source.table} r WHERE {source.when}", "r")


def _only_kind(source: Source) -> str:
    """The kind of a source's events. Raises ValueError if there are several."""
    [kind] = source.kinds
    return kind


def over(sql: str, row: str) -> str:
    """SQL of a source in which the changed row has this name, in place of `ROW`."""
    return sql.replace("ROW.", f"{row}.")


def _now(connection: sqlite3.Connection) -> str:
    """The time by SQLite's clock, as the triggers write it (ISO, UTC)."""
    [(now,)] = connection.execute(f"SELECT {_NOW}")
    return str(now)
