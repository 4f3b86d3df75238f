"""Opening the database, and the files kept in the same folder, for reading; rows of a query as records.

What the connection itself needs (pragmas, checks of the schema) is left to `store.database`.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from leadmasterd import causes
from leadmasterd.errors import CannotUseState
from leadmasterd.settings.paths import Paths
from leadmasterd.store import database
from leadmasterd.store.database import cannot_use, is_damage, words_of
from leadmasterd.store.database import cause_in_file as cause_in_file
from leadmasterd.text import _

Connection = sqlite3.Connection
Row = dict[str, Any]

_T = TypeVar("_T")


def open_for_reading(paths: Paths, *, timeout: float = 5) -> Connection:
    """Open the database read-only. `timeout`: seconds to wait for a lock.

    Raises CannotUseDatabase, also when the file is empty although messages were captured before, and FileNotFoundError
    when there is no database yet.
    """

    def captured_before() -> bool:
        from leadmasterd.listener import profile  # late: needed only when the file is empty

        return profile.captured_before(paths)

    database.check_not_emptied(paths.database, captured_before)
    return database.open_for_reading(paths.database, timeout=timeout)


@contextmanager
def one_state(connection: Connection) -> Iterator[Connection]:
    """Within the block every query sees the database as it was at the first of them, whatever is committed meanwhile.

    Keep the block short, and print nothing in it: the WAL can't be emptied before it ends.
    """
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.rollback()


def data_version(connection: Connection, path: Path) -> int:
    """A number that differs after another connection has committed, so that a reader knows when to look again.

    `path`: the database's, for the error message. Raises CannotUseDatabase.
    """
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.Error as error:
        raise cannot_use(path, error) from error


@contextmanager
def open_companion(
    path: Path, mode: Literal["ro", "rw"], *, version: int, if_recreated: str
) -> Iterator[Connection | None]:
    """Open an SQLite file that another process keeps next to the database, in autocommit. None until it was created.

    `version`: the `user_version` that this program understands. `if_recreated`: what is lost if the file has to be
    created again, for the error message. Raises CannotUseState when the file is empty, damaged or of another version,
    and CannotUseDatabase when it cannot be read for another reason.
    """
    if not path.exists():
        yield None
        return
    if path.is_file() and not path.stat().st_size:  # opening it would delete what its WAL still holds
        raise CannotUseState(
            _("cannot use {path}: it is empty; restart the daemon, which makes it anew: {anew}").format(
                path=path, anew=if_recreated
            )
        )
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=5)
        ) as opened:
            [(found,)] = opened.execute("PRAGMA user_version").fetchall()
            if found == 0:  # it is just being created
                yield None
                return
            if found != version:
                raise CannotUseState(
                    _("cannot use {path}: another version of leadmasterd wrote it; restart the daemon").format(
                        path=path
                    )
                )
            yield opened
    except (sqlite3.Error, UnicodeDecodeError) as error:
        what = _damage_of(path)
        if what:
            raise CannotUseState(
                _("cannot use {path}: {what}; stop the daemon, move {name}* away and start it: {anew}").format(
                    path=path, what=what, name=path.name, anew=if_recreated
                )
            ) from error
        if is_damage(error):
            raise  # this file is sound: the error came from the caller, who read the damaged database inside `with`
        raise cannot_use(path, error) from error


def _damage_of(path: Path) -> str | None:
    """What is wrong with the content of the file, for an error message. None: it is sound, or cannot be checked now."""
    if path.is_dir():
        return _("it is a folder")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as opened:
            result = str(opened.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return _it_is_damaged(words_of(error)) if is_damage(error) else None
    return None if result == "ok" else _it_is_damaged(" ".join(result.split()))


def _it_is_damaged(sqlite_says: str) -> str:
    return _("it is damaged ({what})").format(what=causes.of_sqlite(sqlite_says))


def rows(connection: Connection, query: str, *values: object, **named: object) -> list[Row]:
    """The rows of a query as dicts by column, whatever the connection's own row factory is.

    Parameters are either positional (`values`, for `?`) or named (`named`, for `:name`), never both.
    """
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return [dict(row) for row in cursor.execute(query, named or values)]


def records(kind: type[_T], connection: Connection, query: str, **named: object) -> list[_T]:
    """The rows of a query whose columns are exactly the keys of `kind`, a TypedDict. Nothing checks that here."""
    del kind  # for the type checker only; tests compare its keys with what is printed
    return cast("list[_T]", rows(connection, query, **named))


def id_list(ids: Iterable[int]) -> str:
    """Ids as one SQL parameter, a JSON list, for `IN (SELECT value FROM json_each(:name))`."""
    return json.dumps(list(ids))
