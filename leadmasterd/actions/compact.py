"""Writing the database anew without the space that it does not use, and so that it gives back space by itself later."""

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

_ROOM: Final = 2.1
"""Free disk that it takes, in sizes of what is in use: SQLite writes it to a file beside, and then to its WAL."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """The size of the file in bytes."""

    before: int
    after: int


def compact(editor: LeadEditor) -> Compacted:
    """The caller sees to it that no daemon runs: nobody else can write meanwhile, for some seconds a gigabyte.

    Raises CannotUseDatabase, also where the disk has no room for it; an end in the middle leaves the file as it was.
    """
    connection, path = editor.connection, editor.paths.database
    before = path.stat().st_size
    needed = size_of(connection, datetime.now(UTC)).used * _ROOM
    if shutil.disk_usage(path.parent).free < needed:
        raise DatabaseBusy(
            "disk_full",
            _("cannot compact {path}: that needs {size} of free disk; free some space").format(
                path=path, size=megabytes(needed)
            ),
        )
    os.environ["SQLITE_TMPDIR"] = str(path.parent)  # /tmp may be small, or in memory
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise cannot_use(path, error) from error
    return Compacted(before, path.stat().st_size)
