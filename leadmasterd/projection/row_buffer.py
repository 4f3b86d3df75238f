"""Final rows of a long history, kept out of memory until the leads that they refer to have ids.

Leads are written last, and only then have ids. Meanwhile there may be very many final rows of waiting cycles and
follow-ups, so they wait in a temporary table, which SQLite keeps in a file. Until then a row's `lead_id` holds the
position of its lead in a list that the caller keeps (`rows.LeadRows`).
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from leadmasterd.projection.sql import insert

_CACHE_PAGES: Final = 64
"""So many pages of temporary tables are kept in memory; by default SQLite keeps 2 MB."""
_LEAD: Final = "lead_id"


class RowBuffer:
    """Buffers rows for one table. Its first `key` columns identify a row; `at` names the column with its time.

    Creating a buffer drops the one that another fold has left for the same table.
    """

    def __init__(
        self, connection: sqlite3.Connection, table: str, columns: Sequence[str], *, key: int, at: str
    ) -> None:
        self._db = connection
        self._table = table
        self._columns = tuple(columns)
        self._key = self._columns[:key]
        self._at = at
        self._buffer = f"{table}_buffer"
        # With the same types: SQLite uses no index to compare a column that has a type with one that has none.
        types = dict(connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,)))
        definitions = ", ".join(f"{name} {types[name]}" for name in columns)
        connection.execute(f"DROP TABLE IF EXISTS temp.{self._buffer}")
        connection.execute(f"PRAGMA temp.cache_size = {_CACHE_PAGES}")
        connection.execute(
            f"CREATE TEMP TABLE {self._buffer} ({definitions}, PRIMARY KEY ({', '.join(self._key)})) WITHOUT ROWID"
        )

    def add(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Add rows, each with the position of its lead instead of an id. The last one with the same key counts."""
        self._db.executemany(insert(self._buffer, self._columns).replace("INSERT", "REPLACE", 1), rows)

    def flush(self, lead_ids: str, conversations: str, since_at: str, earlier: Iterable[tuple[object, ...]]) -> None:
        """Make the table hold exactly the buffered rows for these conversations from `since_at` on; drop the buffer.

        `lead_ids`: a JSON list of ids, by position. `conversations`: a JSON list of their ids. `earlier`: keys of rows
        from before `since_at`; those rows are replaced, or deleted if the buffer has no row with that key.
        """
        self._db.execute(f"UPDATE {self._buffer} SET {_LEAD} = ? ->> {_LEAD} WHERE {_LEAD} IS NOT NULL", (lead_ids,))
        self._delete_unbuffered(conversations, since_at, earlier)
        self._write_changed()
        self._db.execute(f"DROP TABLE temp.{self._buffer}")

    @property
    def _same_key(self) -> str:
        """SQL: whether a row of the buffer and a row of the table have the same key."""
        return " AND ".join(f"{self._buffer}.{name} = {self._table}.{name}" for name in self._key)

    def _delete_unbuffered(self, conversations: str, since_at: str, earlier: Iterable[tuple[object, ...]]) -> None:
        """Delete the table's rows that are not in the buffer. The parameters are those of `flush`."""
        not_buffered = f"NOT EXISTS (SELECT 1 FROM {self._buffer} WHERE {self._same_key})"
        self._db.execute(
            f"DELETE FROM {self._table} WHERE conversation_id IN (SELECT value FROM json_each(?)) AND {self._at} >= ? "
            f"AND {not_buffered}",
            (conversations, since_at),
        )
        has_key = " AND ".join(f"{name} = ?" for name in self._key)
        self._db.executemany(f"DELETE FROM {self._table} WHERE {has_key} AND {not_buffered}", earlier)

    def _write_changed(self) -> None:
        """Copy the buffered rows that the table does not have in the same form, and write no other row."""
        other_columns = [name for name in self._columns if name not in self._key]
        names, keys = ", ".join(self._columns), ", ".join(self._key)
        buffered_values = ", ".join(f"{self._buffer}.{name}" for name in other_columns)
        stored_values = ", ".join(f"{self._table}.{name}" for name in other_columns)
        updates = ", ".join(f"{name} = excluded.{name}" for name in other_columns)
        self._db.execute(
            f"INSERT INTO {self._table} ({names}) SELECT {names} FROM {self._buffer} WHERE NOT EXISTS "
            f"(SELECT 1 FROM {self._table} WHERE {self._same_key} AND ({buffered_values}) IS ({stored_values})) "
            f"ORDER BY {keys} ON CONFLICT ({keys}) DO UPDATE SET {updates}"
        )
