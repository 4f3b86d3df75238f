"""Opening the database for reading, and rows as records."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, TypeVar, cast

from leadmasterd.settings.paths import Paths
from leadmasterd.store import database
from leadmasterd.store.database import cause_in_file as cause_in_file

Connection = sqlite3.Connection
Row = dict[str, Any]

_T = TypeVar("_T")


def open_for_reading(paths: Paths, *, timeout: float = 5) -> Connection:
    """As `open_for_reading` of the store. Raises CannotUseDatabase, and FileNotFoundError when there is no database."""

    def captured_before() -> bool:
        from leadmasterd.listener import profile  # for an empty file only

        return profile.captured_before(paths)

    database.check_not_emptied(paths.database, captured_before)
    return database.open_for_reading(paths.database, timeout=timeout)


def rows(connection: Connection, query: str, *values: object, **named: object) -> list[Row]:
    """Rows as dicts, whatever the connection's own row factory is."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return [dict(row) for row in cursor.execute(query, named or values)]


def records(kind: type[_T], connection: Connection, query: str, **named: object) -> list[_T]:
    """Rows of a query whose columns are the keys of `kind`, a TypedDict."""
    del kind  # for the type checker; the tests compare its keys with what is printed
    return cast("list[_T]", rows(connection, query, **named))


def id_list(ids: Iterable[int]) -> str:
    """Ids for `IN (SELECT value FROM json_each(:name))`."""
    return json.dumps(list(ids))
