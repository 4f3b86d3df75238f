"""Opening the database for reading, and rows as records."""

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
    """As `open_for_reading` of the store. Raises CannotUseDatabase, and FileNotFoundError when there is no database."""

    def captured_before() -> bool:
        from leadmasterd.listener import profile  # for an empty file only

        return profile.captured_before(paths)

    database.check_not_emptied(paths.database, captured_before)
    return database.open_for_reading(paths.database, timeout=timeout)


def data_version(connection: Connection, path: Path) -> int:
    """A number that changes with each commit of another connection. Raises CannotUseDatabase."""
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.Error as error:
        raise cannot_use(path, error) from error


@contextmanager
def open_beside(path: Path, mode: Literal["ro", "rw"], *, version: int, anew: str) -> Iterator[Connection | None]:
    """A file that is kept beside the database, in autocommit; None before it is made.

    `anew`: what comes of it when it begins anew. Raises CannotUseDatabase and CannotUseState.
    """
    if not path.exists():
        yield None
        return
    if path.is_file() and not path.stat().st_size:  # to open it would delete what its WAL still holds
        raise CannotUseState(
            _("cannot use {path}: it is empty; restart the daemon, which makes it anew: {anew}").format(
                path=path, anew=anew
            )
        )
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=5)
        ) as opened:
            [(found,)] = opened.execute("PRAGMA user_version").fetchall()
            if found == 0:  # it is being made
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
        if what := _damage_of(path):
            raise CannotUseState(
                _("cannot use {path}: {what}; stop the daemon, move {name}* away and start it: {anew}").format(
                    path=path, what=what, name=path.name, anew=anew
                )
            ) from error
        if is_damage(error):
            raise  # of the database, which was read meanwhile
        raise cannot_use(path, error) from error


def _damage_of(path: Path) -> str | None:
    """What is wrong with the content of the file."""
    if path.is_dir():
        return _("it is a folder")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as opened:
            found = str(opened.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return _it_is_damaged(words_of(error)) if is_damage(error) else None
    return None if found == "ok" else _it_is_damaged(" ".join(found.split()))


def _it_is_damaged(said: str) -> str:
    return _("it is damaged ({what})").format(what=causes.of_sqlite(said))


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
