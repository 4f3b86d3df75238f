"""Opening the database: pragmas, migrations, and clear errors when the file can't be used."""

import errno
import math
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from leadmasterd import causes
from leadmasterd.errors import CannotUseDatabase, DatabaseBusy, DatabaseDamaged, MayNotWrite
from leadmasterd.store.schema import SCHEMA_VERSION, is_table
from leadmasterd.text import _, figure

_COPIED_BEFORE: Final = 7
"""An update from before this version of the schema copies the messages."""
_ROOM_OF_UPDATE: Final = 2.5
"""Room that an update needs, in sizes of the file: the messages' old and new pages in the WAL, then the new ones in the
file. It was 2.4 for a million messages and nothing else."""
_LEAST_ROOM: Final = 64 * 1024
"""Bytes that SQLite needs to open a database: the files beside it (WAL and its index) are made or grown then."""
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_NO_TEXT: Final = "Could not decode to UTF-8"
_NO_TABLE: Final = "no such table: "
"""How errors begin for which SQLite has no code of their own."""
_MAY_BE_OURS: Final = ("SQLITE_ERROR", "SQLITE_MISUSE", "SQLITE_RANGE", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH")
"""Errors of a statement, and so most likely a defect of ours."""
_NEEDS_ROOM: Final = ("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")
"""What SQLite says, beside SQLITE_FULL, when it finds no room for those files."""


class Update(NamedTuple):
    """What is in a database of an earlier version that is about to be brought up to date."""

    messages: int
    size: int
    """Bytes of the file."""


def check_not_emptied(path: Path, captured_before: Callable[[], bool]) -> None:
    """Raise DatabaseDamaged for a file of no bytes that had some, which SQLite would take for a new database.

    Its WAL tells, which SQLite would delete; and `captured_before`, whether messages were captured here at all.
    """
    try:
        if path.stat().st_size or not path.is_file():
            return
        wal = path.with_name(f"{path.name}-wal")
        had_some = (wal.exists() and wal.stat().st_size > 0) or captured_before()
    except OSError:  # opening it says why
        return
    if had_some:
        raise DatabaseDamaged(
            _(
                "cannot use {path}: it is empty, although messages were captured here before; stop the daemon, keep a "
                "copy of {name}* and restore a backup, or remove the file to begin anew"
            ).format(path=path, name=path.name)
        )


def open_for_writing(
    path: Path, *, timeout: float = 5, on_update: Callable[[Update], None] = lambda _update: None
) -> sqlite3.Connection:
    """A connection that writes: WAL, every commit durable (synchronous=FULL), schema up to date.

    It waits up to `timeout` seconds for another writer. `on_update` is called before a database of an earlier version
    is brought up to date, which may take minutes and room on the disk. Raises CannotUseDatabase for a file that is not
    ours, is newer than this program, or can't be written; the file is then as it was.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not path.exists()
        if is_new:
            path.touch(mode=0o600)
        connection = sqlite3.connect(path, isolation_level=None, timeout=timeout)
    except (OSError, sqlite3.Error) as error:
        raise cannot_use(path, error) from error
    try:
        if _prepare(connection, path, on_update) < SCHEMA_VERSION:
            from leadmasterd.apart import apart  # commands never come here

            apart(_migrate, path, timeout, package="sqlite_utils")
    except BaseException as error:
        connection.close()
        if is_new and not path.stat().st_size:
            path.unlink()  # so that it is not taken for one that was emptied
        if isinstance(error, sqlite3.Error | UnicodeDecodeError):
            raise cannot_use(path, error) from error
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, on_update: Callable[[Update], None]) -> int:
    """The version of its schema; one that is about to be updated is told."""
    version = _checked_version(connection, path)
    if not path.stat().st_size:  # later only a VACUUM changes that
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _set_up(connection)
    # Prove now that writing is possible, and not at the first message.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    if 0 < version < SCHEMA_VERSION:
        if version < _COPIED_BEFORE:
            _check_room(path)
        [[messages]] = connection.execute("SELECT count(*) FROM messages")
        on_update(Update(messages, path.stat().st_size))
    return version


def _set_up(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _migrate(path: Path, timeout: float) -> None:
    from sqlite_utils import Database

    from leadmasterd.store.schema import migrate

    with closing(sqlite3.connect(path, isolation_level=None, timeout=timeout)) as connection:
        _set_up(connection)
        migrate(Database(connection, execute_plugins=False))


def _check_room(path: Path) -> None:
    """Raises DatabaseBusy where an update would fill the disk, before it has begun."""
    import shutil  # brings three compression libraries along

    needed = path.stat().st_size * _ROOM_OF_UPDATE
    if shutil.disk_usage(path.parent).free < needed:
        raise DatabaseBusy(
            "database_unusable",
            _("cannot update {path} to this version: that needs {size} of free disk; free some space").format(
                path=path, size=megabytes(needed)
            ),
        )


def megabytes(size: float) -> str:
    """Bytes in words."""
    return f"{figure(math.ceil(size / 1e6))} MB"


def open_for_reading(path: Path, *, timeout: float = 5) -> sqlite3.Connection:
    """A read-only connection, which waits up to `timeout` seconds for a lock.

    Raises CannotUseDatabase, and FileNotFoundError when there is no file.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=timeout)
        connection.row_factory = sqlite3.Row
        version = _checked_version(connection, path)
    except (sqlite3.Error, UnicodeDecodeError, CannotUseDatabase) as error:
        if connection:
            connection.close()
        if isinstance(error, CannotUseDatabase):
            raise
        raise cannot_use(path, error) from error
    if version < SCHEMA_VERSION:
        connection.close()
        raise CannotUseDatabase(
            _(
                "cannot read {path}: its schema is version {version} and this program's is {ours}; start the daemon "
                "once: it updates the schema, which may take minutes"
            ).format(path=path, version=version, ours=SCHEMA_VERSION)
        )
    return connection


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise CannotUseDatabase(
            _(
                "cannot use {path}: it was written by a newer leadmasterd (schema {version}, this one knows {ours}); "
                "install that version again, or set database.path to another file"
            ).format(path=path, version=version, ours=SCHEMA_VERSION)
        )
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if version == 0 and tables - {"_sqlite_migrations", "sqlite_sequence"}:
        raise CannotUseDatabase(
            _(
                "cannot use {path}: it is a database of another program (it has the table {table}); set database.path "
                "to another file"
            ).format(path=path, table=min(tables))
        )
    return version


def cannot_use(path: Path, error: Exception) -> CannotUseDatabase:
    """The error as a sentence that says what to do."""
    said, name = words_of(error), error_name(error)
    why = causes.of_system(error) if isinstance(error, OSError) else causes.of_sqlite(said)
    if path.is_dir():
        return CannotUseDatabase(_("cannot use {path}: it is a folder; set database.path to a file").format(path=path))
    if _is_full(path, error):
        return DatabaseBusy("disk_full", _("cannot use {path}: the disk is full; free some space").format(path=path))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "locked" in said:
        return DatabaseBusy(
            "database_locked",
            _("cannot use {path}: another program holds it locked; close that program").format(path=path),
        )
    if name == "SQLITE_NOTADB":
        return DatabaseDamaged(
            _(
                "cannot use {path}: it is not an SQLite database, or its beginning is damaged; move it away, or set "
                "database.path to another file"
            ).format(path=path)
        )
    if is_damage(error):
        return damaged(path, said)
    if name.startswith("SQLITE_IOERR"):
        return DatabaseBusy(
            "database_error", _("cannot use {path}: the disk fails ({why}); check the disk").format(path=path, why=why)
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")) or isinstance(error, PermissionError):
        of_another_user = path.exists() and path.stat().st_uid != os.geteuid()
        return MayNotWrite(
            _("cannot write {path} ({why}); check that this user may write to the folder and the file").format(
                path=path, why=why
            ),
            of_another_user=path if of_another_user else None,
        )
    return CannotUseDatabase(_("cannot use {path}: {why}").format(path=path, why=why))


def damaged(path: Path, what: str) -> DatabaseDamaged:
    """The sentence for a file whose content is damaged."""
    return DatabaseDamaged(
        _(
            "cannot use {path}: the database is damaged ({what}); stop the daemon, keep a copy of the file and restore "
            "a backup"
        ).format(path=path, what=causes.of_sqlite(what))
    )


def error_name(error: Exception) -> str:
    """SQLite's name of an error, such as SQLITE_FULL; empty if it is none of SQLite's own."""
    return str(getattr(error, "sqlite_errorname", None) or "")


def words_of(error: Exception) -> str:
    """What an error says, in one line, as SQLite quotes its schema in several.

    Without the text that it quotes when it can't decode it: people's words, of any form.
    """
    return " ".join(str(error).partition(" with text ")[0].split())


def is_damage(error: Exception) -> bool:
    """Whether the content of the file is the cause.

    SQLite has no checksums: it also hands out what is no text, and quotes it in its errors, which Python can't decode.
    A file that was put together again (`.recover`, half a restore) may lack a table, and SQLite finds it sound.
    """
    text = str(error) if isinstance(error, sqlite3.OperationalError) else ""
    lacks_table = text.startswith(_NO_TABLE) and is_table(text.removeprefix(_NO_TABLE).removeprefix("main."))
    return (
        lacks_table
        or text.startswith(_NO_TEXT)
        or isinstance(error, UnicodeDecodeError)
        or error_name(error).startswith(_DAMAGED)
    )


def cause_in_file(path: Path, error: Exception) -> CannotUseDatabase | None:
    """Why work on this database failed, if the file is the cause; None if it is sound, and the error a defect of ours.

    A damaged row can make anything of ours fail. So whatever SQLite does not blame on the file itself, the file is
    checked, which takes seconds for a large one.
    """
    if is_damage(error) or (
        isinstance(error, sqlite3.DatabaseError) and not error_name(error).startswith(_MAY_BE_OURS)
    ):
        return cannot_use(path, error)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            found = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except (sqlite3.DatabaseError, UnicodeDecodeError) as failed:
        return damaged(path, words_of(failed)) if is_damage(failed) else None
    return None if found == "ok" else damaged(path, " ".join(found.split()))


def _is_full(path: Path, error: Exception) -> bool:
    if error_name(error) == "SQLITE_FULL" or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return True
    if not error_name(error).startswith(_NEEDS_ROOM):
        return False
    try:
        room = os.statvfs(path.parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _LEAST_ROOM or (room.f_files > 0 and room.f_favail == 0)
