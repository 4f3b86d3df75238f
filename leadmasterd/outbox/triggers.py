"""The triggers that write the outbox, and the events that time makes.

Every function runs inside the caller's transaction.
"""

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, Literal

from leadmasterd.outbox.events import SOURCES, Source

Mode = Literal["off", "thin", "full"]
"""off: nobody hears, nothing is written. full: some feed also wants words and names."""

_PREFIX: Final = "outbox_"
_NOW: Final = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


def sync(connection: sqlite3.Connection, mode: Mode) -> bool:
    """Let exactly the triggers of this mode be there. True when something was changed.

    When the first hearer comes, what is due already counts as told: it begins now.
    """
    wanted = [] if mode == "off" else _triggers(full=mode == "full")
    made_with = f"{mode} {blake2b(''.join(wanted).encode(), digest_size=8).hexdigest()}"
    names = {
        name
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE ?", (f"{_PREFIX}%",)
        )
    }
    if len(names) == len(wanted) and (mode == "off" or _made_with(connection) == made_with):
        return False
    for name in names:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in wanted:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO derived_with VALUES ('outbox', ?) ON CONFLICT DO UPDATE SET value = excluded.value", (made_with,)
    )
    if mode == "off":
        connection.execute("DELETE FROM told")
    elif not names:
        for source in _of_time():
            connection.execute(f"INSERT OR IGNORE INTO told {_due_keys(source)}", {"now": _now(connection)})
    return True


def mode_of(connection: sqlite3.Connection) -> Mode:
    """What the triggers that are there write."""
    match _made_with(connection).partition(" ")[0]:
        case "thin":
            return "thin"
        case "full":
            return "full"
        case _:
            return "off"


def _made_with(connection: sqlite3.Connection) -> str:
    """The mode and a digest of the triggers; empty when there never were any."""
    row = connection.execute("SELECT value FROM derived_with WHERE name = 'outbox'").fetchone()
    return row[0] if row else ""


def write_due(connection: sqlite3.Connection) -> int:
    """Write the events that time alone has made since the last call. Returns how many."""
    mode = mode_of(connection)
    if mode == "off":
        return 0
    written, values = 0, {"now": _now(connection)}
    for source in _of_time():
        untold = f"{source.when} AND {source.key} NOT IN (SELECT row_id FROM told WHERE kind = '{_only(source)}')"
        written += connection.execute(
            f"INSERT INTO outbox (kind, stream, at, data) SELECT {values_of(source, 'r', full=mode == 'full')} "
            f"FROM {source.table} r WHERE {over(untold, 'r')} ORDER BY {over(source.key, 'r')}",
            values,
        ).rowcount
        connection.execute(f"INSERT OR IGNORE INTO told {_due_keys(source)}", values)
    return written


def values_of(source: Source, row: str, *, full: bool) -> str:
    """The four columns of an event in SQL: kind, stream, at and data. `row`: the alias of its row."""
    pairs = ", ".join(f"'{name}', {field.sql}" for name, field in source.fields.items() if full or not field.full)
    return over(
        f"{kind_of(source)} AS kind, {source.stream} AS stream, {_NOW} AS at, json_object({pairs}) AS data", row
    )


def kind_of(source: Source) -> str:
    """The kind of an event in SQL, over `ROW`."""
    return source.kind or f"'{_only(source)}'"


DROPPED_AT_ONCE: Final = 5_000
"""Events in one transaction, which takes a fraction of a second."""


def drop_delivered(connection: sqlite3.Connection, through: int, *, keep_after: str, crowded: int = 0) -> int:
    """Delete events up to this id, and before the first that is not older than `keep_after` (ISO). Returns how many.

    Up to the id `crowded` they go however young they are. It reads what it deletes and one more, and deletes the
    oldest 5,000 at most: this runs on the thread that captures.
    """
    return connection.execute(
        "DELETE FROM outbox WHERE event_id <= :through AND event_id < max(:crowded + 1, coalesce("
        "(SELECT event_id FROM outbox WHERE at >= :keep_after ORDER BY event_id LIMIT 1), :through + 1))"
        "AND event_id < (SELECT min(event_id) FROM outbox) + :most",
        {"through": through, "keep_after": keep_after, "crowded": crowded, "most": DROPPED_AT_ONCE},
    ).rowcount


def _triggers(*, full: bool) -> list[str]:
    """One trigger for each kind of change of a table: among several, SQLite defines no order."""
    changes = [each for each in SOURCES if each.on != "DUE"]
    groups: dict[tuple[str, str], list[Source]] = {}
    for source in changes:
        groups.setdefault((source.table, source.on), []).append(source)
    return [_trigger(sources, full=full) for sources in groups.values()]


def _trigger(sources: list[Source], *, full: bool) -> str:
    table, on = sources[0].table, sources[0].on
    row = "OLD" if on == "DELETE" else "NEW"
    columns = ", ".join(dict.fromkeys(column for source in sources for column in source.of))
    when = " OR ".join(f"({source.when})" for source in sources) if all(source.when for source in sources) else "1"
    events = " ".join(
        f"INSERT INTO outbox (kind, stream, at, data) SELECT {values_of(source, row, full=full)} "
        f"WHERE {source.when or '1'};"
        for source in sources
    )
    return (
        f"CREATE TRIGGER {_PREFIX}{table}_{on.lower()} AFTER {on} {f'OF {columns} ' if columns else ''}ON {table} "
        f"WHEN {when} BEGIN {events} END"
    )


def _due_keys(source: Source) -> str:
    return over(f"SELECT '{_only(source)}', {source.key} FROM {source.table} r WHERE {source.when}", "r")


def _of_time() -> Iterable[Source]:
    return (each for each in SOURCES if each.on == "DUE")


def _only(source: Source) -> str:
    [kind] = source.kinds
    return kind


def over(sql: str, row: str) -> str:
    """An expression of a source over a row of this name."""
    return sql.replace("ROW.", f"{row}.")


def _now(connection: sqlite3.Connection) -> str:
    [(now,)] = connection.execute(f"SELECT {_NOW}")
    return str(now)
