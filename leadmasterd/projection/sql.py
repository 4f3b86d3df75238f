"""Queries about many ids at once: a JSON list in the one parameter, so that the text, and its plan, stay the same."""

import sqlite3
from collections.abc import Iterable
from typing import Any


def with_ids(connection: sqlite3.Connection, query: str, ids: Iterable[int]) -> list[Any]:
    """All rows of a query that takes the ids by `json_each(?)`."""
    return connection.execute(query, (f"[{','.join(map(str, ids))}]",)).fetchall()
