"""SQL that several parts of the projection share."""

import sqlite3
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

BEGINNING: Final = ""
"""Earlier than every time in a table."""
END: Final = "~"
"""Later than every time in a table."""


def with_ids(connection: sqlite3.Connection, query: str, ids: Iterable[int], *others: str | int) -> list[Any]:
    """All rows of a query about many ids: a JSON list in its first parameter, so that SQL text and plan stay the same.

    `others`: its other parameters.
    """
    return list(each_with_ids(connection, query, ids, *others))


def each_with_ids(connection: sqlite3.Connection, query: str, ids: Iterable[int], *others: str | int) -> Iterator[Any]:
    """The same, one at a time: of messages, which are long, never all rows are held."""
    return connection.execute(query, (f"[{','.join(map(str, ids))}]", *others))


@cache
def insert(table: str, columns: tuple[str, ...]) -> str:
    """One row, all columns in this order."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


@cache
def upsert(table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    """One row; if this key exists, its other columns are overwritten."""
    others = [column for column in columns if column not in key]
    changes = ", ".join(f"{column} = excluded.{column}" for column in others)
    return f"{insert(table, columns)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
