"""Rows that cannot change any more, while the leads that they name have no numbers yet.

Of a long history they are many, so they wait in a temporary table, which SQLite keeps in a file.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from leadmasterd.projection.sql import insert

_CACHE: Final = 64
"""Pages. By default SQLite holds 2 MB of temporary tables in memory."""
_LEAD: Final = "lead_id"
"""Until the leads have numbers: the lead's place in the list of them."""


class Aside:
    """Rows for one table. Its first `key` columns identify a row; `at`: the column with its time."""

    def __init__(
        self, connection: sqlite3.Connection, table: str, columns: Sequence[str], *, key: int, at: str
    ) -> None:
        self._db = connection
        self._table = table
        self._columns = tuple(columns)
        self._key = self._columns[:key]
        self._at = at
        self._aside = f"{table}_aside"
        # With the same types: SQLite uses no index of a column without one to find what is in a column with one.
        types = dict(connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,)))
        names = ", ".join(f"{name} {types[name]}" for name in columns)
        connection.execute(f"DROP TABLE IF EXISTS temp.{self._aside}")
        connection.execute(f"PRAGMA temp.cache_size = {_CACHE}")
        connection.execute(
            f"CREATE TEMP TABLE {self._aside} ({names}, PRIMARY KEY ({', '.join(self._key)})) WITHOUT ROWID"
        )

    def put(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Add rows, with places of leads."""
        self._db.executemany(insert(self._aside, self._columns).replace("INSERT", "REPLACE", 1), rows)

    def write(self, numbers: str, conversations: str, since_at: str, earlier: Iterable[tuple[object, ...]]) -> None:
        """Give the table these rows for these conversations from this time on, and drop what is aside.

        `numbers`: of the leads, by place. `earlier`: keys of older rows to replace. The three first are JSON and text.
        """
        table, aside = self._table, self._aside
        self._db.execute(f"UPDATE {aside} SET {_LEAD} = ? ->> {_LEAD} WHERE {_LEAD} IS NOT NULL", (numbers,))
        same = " AND ".join(f"{aside}.{name} = {table}.{name}" for name in self._key)
        gone = f"NOT EXISTS (SELECT 1 FROM {aside} WHERE {same})"
        self._db.execute(
            f"DELETE FROM {table} WHERE conversation_id IN (SELECT value FROM json_each(?)) AND {self._at} >= ? "
            f"AND {gone}",
            (conversations, since_at),
        )
        self._db.executemany(
            f"DELETE FROM {table} WHERE {' AND '.join(f'{name} = ?' for name in self._key)} AND {gone}", earlier
        )
        others = [name for name in self._columns if name not in self._key]
        names, keys = ", ".join(self._columns), ", ".join(self._key)
        values = [", ".join(f"{one}.{name}" for name in others) for one in (aside, table)]
        self._db.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM {aside} WHERE NOT EXISTS "
            f"(SELECT 1 FROM {table} WHERE {same} AND ({values[0]}) IS ({values[1]})) ORDER BY {keys} "
            f"ON CONFLICT ({keys}) DO UPDATE SET "
            f"{', '.join(f'{name} = excluded.{name}' for name in others)}"
        )
        self._db.execute(f"DROP TABLE temp.{aside}")
