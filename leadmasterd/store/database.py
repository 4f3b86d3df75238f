"""Opening the database: pragmas, migrations, and clear errors when the file can't be used."""

import os
import sqlite3
from pathlib import Path

from leadmasterd.errors import CannotUseDatabase, DatabaseBusy, MayNotWrite
from leadmasterd.store.schema import SCHEMA_VERSION


def open_for_writing(path: Path, *, timeout: float = 5) -> sqlite3.Connection:
    """A connection that writes: WAL, every commit durable (synchronous=FULL), schema up to date.

    It waits up to `timeout` seconds for another writer. Raises CannotUseDatabase for a file that is not ours, is newer
    than this program, or can't be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
        connection = sqlite3.connect(path, isolation_level=None, timeout=timeout)
    except (OSError, sqlite3.Error) as error:
        raise cannot_use(path, error) from error
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise cannot_use(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = _checked_version(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # Prove now that writing is possible, and not at the first message.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    if version < SCHEMA_VERSION:
        from sqlite_utils import Database

        from leadmasterd.store.schema import migrate

        migrate(Database(connection, execute_plugins=False))


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A read-only connection. Raises CannotUseDatabase, and FileNotFoundError when there is no file."""
    if not path.exists():
        raise FileNotFoundError(path)
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        connection.row_factory = sqlite3.Row
        version = _checked_version(connection, path)
    except (sqlite3.Error, CannotUseDatabase) as error:
        if connection:
            connection.close()
        if isinstance(error, CannotUseDatabase):
            raise
        raise cannot_use(path, error) from error
    if version < SCHEMA_VERSION:
        connection.close()
        raise CannotUseDatabase(
            f"cannot read {path}: its schema is version {version} and this program's is {SCHEMA_VERSION}; "
            "start the daemon once: it updates the schema"
        )
    return connection


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise CannotUseDatabase(
            f"cannot use {path}: it was written by a newer leadmasterd (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); install that version again, or set database.path to another file"
        )
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if version == 0 and tables - {"_sqlite_migrations", "sqlite_sequence"}:
        raise CannotUseDatabase(
            f"cannot use {path}: it is a database of another program (it has the table "
            f"{min(tables)}); set database.path to another file"
        )
    return version


def cannot_use(path: Path, error: Exception) -> CannotUseDatabase:
    """The error as a sentence that says what to do."""
    text = str(error)
    if path.is_dir():
        return CannotUseDatabase(f"cannot use {path}: it is a folder; set database.path to a file")
    if "full" in text or "No space" in text:
        return DatabaseBusy("disk_full", f"cannot use {path}: the disk is full; free some space")
    if "locked" in text:
        return DatabaseBusy(
            "database_locked", f"cannot use {path}: another program holds it locked; close that program"
        )
    if "not a database" in text:
        what = "it is not an SQLite database; move it away or set database.path to another file"
        return CannotUseDatabase(f"cannot use {path}: {what}")
    if "malformed" in text:
        return CannotUseDatabase(
            f"cannot use {path}: the database is damaged ({text}); move it away and restore a backup"
        )
    if "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
        what = "check that this user may write to the folder and the file"
        of_another_user = path.exists() and path.stat().st_uid != os.geteuid()
        return MayNotWrite(f"cannot write {path} ({text}); {what}", of_another_user=path if of_another_user else None)
    return CannotUseDatabase(f"cannot use {path}: {text}")
