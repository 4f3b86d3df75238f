"""Makes INSERT statements from the columns that a row type declares, and runs them for many rows."""

import sqlite3
from collections.abc import Iterable
from functools import cache
from itertools import chain, islice
from typing import Final

ROWS_TOGETHER: Final = 100
"""Rows that one statement inserts. `executemany` runs a statement for each row, which takes a third longer. It also
takes the interpreter's lock again for each row, while another thread needs that lock to read the next lines."""
NULL: Final = float("nan")
"""Binds NULL faster than None does. SQLite stores NaN as NULL, but for None Python looks for an adapter (0.25 us)."""


@cache
def insert(table: str, columns: tuple[str, ...]) -> str:
    """An INSERT of one row with these columns, in this order."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def insert_all(
    connection: sqlite3.Connection, statement: str, rows: Iterable[tuple[object, ...]], *, together: bool = True
) -> None:
    """Insert rows by a statement of `insert`, in order. Raises sqlite3.Error for a row that is refused.

    `together`: many rows in one statement. For that SQLite may need a temporary file, to be able to roll the statement
    back, so a caller turns it off when the disk fails.
    """
    remaining = iter(rows)
    if together:
        while len(some := tuple(islice(remaining, ROWS_TOGETHER))) == ROWS_TOGETHER:
            connection.execute(_of_many(statement, ROWS_TOGETHER), tuple(chain.from_iterable(some)))
        remaining = iter(some)  # the last ones, fewer than a whole statement takes
    connection.executemany(statement, remaining)


@cache
def _of_many(statement: str, rows: int) -> str:
    """The same INSERT of so many rows."""
    beginning, values, row = statement.rpartition(" VALUES ")
    return f"{beginning}{values}{', '.join([row] * rows)}"
