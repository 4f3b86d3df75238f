"""Statements made from the columns that a row type declares, and many rows in one of them."""

import sqlite3
from collections.abc import Iterable
from functools import cache
from itertools import chain, islice
from typing import Final

ROWS_TOGETHER: Final = 100
"""Rows of one statement, where there are so many. `executemany` runs one for each row, which takes a third longer, and
asks for the interpreter's lock twice a row; now whoever reads the next lines has it meanwhile."""
NULL: Final = float("nan")
"""SQLite has no NaN and takes it for NULL. For None, Python seeks an adapter each time: a quarter of a microsecond."""


@cache
def insert(table: str, columns: tuple[str, ...]) -> str:
    """An INSERT of one row with these columns, in this order."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def insert_all(
    connection: sqlite3.Connection, statement: str, rows: Iterable[tuple[object, ...]], *, together: bool = True
) -> None:
    """Insert rows by a statement of `insert`, in order. As with `executemany`, one that is refused raises.

    `together`: many in one statement. To take one back SQLite keeps what it changes, in a temporary file if that is
    much.
    """
    left = iter(rows)
    if together:
        while len(some := tuple(islice(left, ROWS_TOGETHER))) == ROWS_TOGETHER:
            connection.execute(_of_many(statement, ROWS_TOGETHER), tuple(chain.from_iterable(some)))
        left = iter(some)
    connection.executemany(statement, left)


@cache
def _of_many(statement: str, rows: int) -> str:
    beginning, values, row = statement.rpartition(" VALUES ")
    return f"{beginning}{values}{', '.join([row] * rows)}"
