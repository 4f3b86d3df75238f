"""Opens the database: pragmas, schema up to date (`schema`), and clear errors when the file can't be used."""

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
"""Updates from schema versions below this one copy the table of messages, which needs room on the disk."""
_ROOM_OF_UPDATE: Final = 2.5
"""Room that such an update needs, as a multiple of the file's size: the old and the new pages of `messages` in the WAL,
then the new ones in the file. Measured: 2.4 for a file of a million messages and nothing else."""
_LEAST_ROOM: Final = 64 * 1024
"""Bytes that SQLite needs to open a database: it makes or extends the WAL and its index then."""
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_NO_TEXT: Final = "Could not decode to UTF-8"
_NO_TABLE: Final = "no such table: "
"""How the messages of two errors begin for which SQLite has no code of their own."""
_MAY_BE_OURS: Final = ("SQLITE_ERROR", "SQLITE_MISUSE", "SQLITE_RANGE", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH")
"""Errors in a statement or its values: most likely a defect in this program, and not in the file."""
_NEEDS_ROOM: Final = ("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")
"""Errors that SQLite gives besides SQLITE_FULL when there is no room for the WAL or its index."""


class Update(NamedTuple):
    """The size of a database of an earlier version whose schema is about to be updated."""

    messages: int
    size: int
    """Bytes of the file."""


def check_not_emptied(path: Path, captured_before: Callable[[], bool]) -> None:
    """Raise DatabaseDamaged for an empty file that held messages before: SQLite would take it for a new database.

    There were messages if its WAL is not empty (SQLite would delete that), or if `captured_before()` says that some
    were ever captured here. Does nothing when there is no file or it can't be examined.
    """
    try:
        if path.stat().st_size or not path.is_file():
            return
        wal = path.with_name(f"{path.name}-wal")
        wal_has_content = wal.exists() and wal.stat().st_size > 0
        held_messages = wal_has_content or captured_before()
    except OSError:  # opening the file will fail too, and say why
        return
    if held_messages:
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

    Makes the file and its folder where there are none. Waits up to `timeout` seconds for another writer. `on_update` is
    called before the schema of an earlier version is updated, which may take minutes and room on the disk. Raises
    CannotUseDatabase for a file that is not ours, is newer than this program, or can't be written; the file is then as
    it was.
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
            from leadmasterd.apart import apart  # late: commands never need it

            apart(_migrate, path, timeout, package="sqlite_utils")
    except BaseException as error:
        connection.close()
        if is_new and not path.stat().st_size:
            path.unlink()  # `check_not_emptied` would take an empty file for a damaged one
        if isinstance(error, sqlite3.Error | UnicodeDecodeError):
            raise cannot_use(path, error) from error
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, on_update: Callable[[Update], None]) -> int:
    """Set the pragmas, and prove that the file can be written. Returns the version of its schema, 0 for a new file.

    Calls `on_update` when the schema has to be updated, or raises DatabaseBusy where that would fill the disk.
    """
    version = _checked_version(connection, path)
    if not path.stat().st_size:  # it can be set only for an empty file, or by a VACUUM
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
    """Set the pragmas of a connection that writes: WAL, every commit durable, foreign keys enforced."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _migrate(path: Path, timeout: float) -> None:
    """Update the schema. Runs in a process of its own (`apart`), so that sqlite-utils does not stay in memory here."""
    from sqlite_utils import Database

    from leadmasterd.store.schema import migrate

    with closing(sqlite3.connect(path, isolation_level=None, timeout=timeout)) as connection:
        _set_up(connection)
        migrate(Database(connection, execute_plugins=False))


def _check_room(path: Path) -> None:
    """Raise DatabaseBusy if an update that copies the messages would fill the disk."""
    import shutil  # imports three compression libraries

    needed = path.stat().st_size * _ROOM_OF_UPDATE
    if shutil.disk_usage(path.parent).free < needed:
        raise DatabaseBusy(
            "database_unusable",
            _("cannot update {path} to this version: that needs {size} of free disk; free some space").format(
                path=path, size=megabytes(needed)
            ),
        )


def megabytes(size: float) -> str:
    """A number of bytes as people read it: in MB, rounded up."""
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
    """The version of the file's schema, 0 for an empty file.

    Raises CannotUseDatabase when a newer leadmasterd or another program wrote it.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise CannotUseDatabase(
            _(
                "cannot use {path}: it was written by a newer leadmasterd (schema {version}, this one knows {ours}); "
                "install that version again, or set database.path to another file"
            ).format(path=path, version=version, ours=SCHEMA_VERSION)
        )
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    # Our own file may have those two and no version yet, if its first migration was interrupted.
    if version == 0 and tables - {"_sqlite_migrations", "sqlite_sequence"}:
        raise CannotUseDatabase(
            _(
                "cannot use {path}: it is a database of another program (it has the table {table}); set database.path "
                "to another file"
            ).format(path=path, table=min(tables))
        )
    return version


def cannot_use(path: Path, error: Exception) -> CannotUseDatabase:
    """The error to raise for an OSError or an error of SQLite on this file: its sentence says what to do.

    DatabaseBusy when it may pass, DatabaseDamaged when the content is the cause, MayNotWrite when permissions are.
    """
    said = words_of(error)
    name = error_name(error)
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
    """The error for a file whose content is damaged. `what`: what SQLite says of it, in English."""
    return DatabaseDamaged(
        _(
            "cannot use {path}: the database is damaged ({what}); stop the daemon, keep a copy of the file and restore "
            "a backup"
        ).format(path=path, what=causes.of_sqlite(what))
    )


def error_name(error: Exception) -> str:
    """SQLite's name of an error, such as SQLITE_FULL; empty if the error has none."""
    return str(getattr(error, "sqlite_errorname", None) or "")


def words_of(error: Exception) -> str:
    """An error's message in one line. (If SQLite quotes its schema, the message has several.)

    Text that the message quotes because it can't be decoded is left out: people wrote it, so it may be anything.
    """
    return " ".join(str(error).partition(" with text ")[0].split())


def is_damage(error: Exception) -> bool:
    """Whether the content of the file is the cause.

    SQLite reports some damage itself. But it has no checksums, so a damaged text may reach Python, which can't decode
    it. And a file that was put together from parts (`.recover`, half a restore) may lack a table, which SQLite takes
    for an error in the statement.
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
    """The error to report if the file is why work on it failed; None if it is sound, and `error` is a defect of ours.

    A damaged row can make any of our code fail. So the file is checked even when SQLite does not blame it, which takes
    seconds for a large one.
    """
    sqlite_blames_file = isinstance(error, sqlite3.DatabaseError) and not error_name(error).startswith(_MAY_BE_OURS)
    if is_damage(error) or sqlite_blames_file:
        return cannot_use(path, error)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            finding = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except (sqlite3.DatabaseError, UnicodeDecodeError) as failed:
        return damaged(path, words_of(failed)) if is_damage(failed) else None
    if finding == "ok":
        return None
    return damaged(path, " ".join(finding.split()))


def _is_full(path: Path, error: Exception) -> bool:
    """Whether the disk is full: the error says so, or SQLite finds no room for its other files (`_LEAST_ROOM`)."""
    if error_name(error) == "SQLITE_FULL" or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return True
    if not error_name(error).startswith(_NEEDS_ROOM):
        return False
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    no_bytes_left = disk.f_bavail * disk.f_frsize < _LEAST_ROOM
    no_inodes_left = disk.f_files > 0 and disk.f_favail == 0  # some file systems have no number of inodes: 0 of 0
    return no_bytes_left or no_inodes_left
