"""Queries about many ids, and statements that write one row, for all parts of the projection."""

import sqlite3
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

BEGINNING: Final = ""
"""A text that sorts before every time in a table."""
END: Final = "~"
"""A text that sorts after every time in a table."""


def with_ids(connection: sqlite3.Connection, query: str, ids: Iterable[int], *others: str | int) -> list[Any]:
    """All rows of a query about many ids. `others`: the values of its other parameters.

    The query's first parameter gets the ids as one JSON list, to be read by `json_each(?)`: so the SQL text and its
    plan stay the same for any number of ids.
    """
    return list(each_with_ids(connection, query, ids, *others))


def each_with_ids(connection: sqlite3.Connection, query: str, ids: Iterable[int], *others: str | int) -> Iterator[Any]:
    """As `with_ids`, but one row at a time: rows of messages are long, and must not all be in memory at once."""
    return connection.execute(query, (f"[{','.join(map(str, ids))}]", *others))


@cache
def insert(table: str, columns: tuple[str, ...]) -> str:
    """The statement that inserts one row, with a parameter for each of these columns, in this order."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


@cache
def upsert(table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    """As `insert`, but if a row with this key exists, its other columns are overwritten."""
    others = [column for column in columns if column not in key]
    changes = ", ".join(f"{column} = excluded.{column}" for column in others)
    return f"{insert(table, columns)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
