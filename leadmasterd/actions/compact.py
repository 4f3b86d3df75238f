"""Compacting the database with SQLite's VACUUM: the space that it does not use goes back to the disk.

It also turns on incremental auto-vacuum, so that later deletions can give space back without another VACUUM.
"""

import os
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from leadmasterd.actions.unit_of_work import LeadEditor
from leadmasterd.errors import DatabaseBusy
from leadmasterd.store.database import cannot_use, megabytes
from leadmasterd.store.growth import size_of
from leadmasterd.text import _

_FREE_DISK_FACTOR: Final = 2.1
"""Free disk it needs, in multiples of the bytes in use: SQLite writes them to a temporary file, then to its WAL."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """The size of the database file in bytes, before and after."""

    before: int
    after: int


def compact(editor: LeadEditor) -> Compacted:
    """Rewrite the database file without its unused space.

    The caller makes sure that no daemon runs: it takes some seconds per gigabyte, and nobody else can write meanwhile.
    Raises CannotUseDatabase; where the disk has too little free space, its subclass DatabaseBusy. When it is
    interrupted, the file stays as it was.
    """
    connection, path = editor.connection, editor.paths.database
    before = path.stat().st_size
    needed = size_of(connection, datetime.now(UTC)).used * _FREE_DISK_FACTOR
    if shutil.disk_usage(path.parent).free < needed:
        raise DatabaseBusy(
            "disk_full",
            _("cannot compact {path}: that needs {size} of free disk; free some space").format(
                path=path, size=megabytes(needed)
            ),
        )
    os.environ["SQLITE_TMPDIR"] = str(path.parent)  # /tmp may be small, or in memory
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # in force from the next VACUUM on
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise cannot_use(path, error) from error
    return Compacted(before, path.stat().st_size)
