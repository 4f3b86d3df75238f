"""SQL that several parts of the projection share."""

import sqlite3
from collections.abc import Iterable
from functools import cache
from typing import Any


def with_ids(connection: sqlite3.Connection, query: str, ids: Iterable[int]) -> list[Any]:
    """All rows of a query about many ids: a JSON list in its one parameter, so that SQL text and plan stay the same."""
    return connection.execute(query, (f"[{','.join(map(str, ids))}]",)).fetchall()


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
