"""Reads the database for alerts: only when it has changed, and not so often that it takes much of the processor.

It never raises: a database that can't be read is itself something to tell (`Reader.trouble`).
"""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from leadmasterd.errors import CannotUseDatabase, DatabaseBusy, DatabaseDamaged
from leadmasterd.queries.database import Connection, cause_in_file, one_state, open_for_reading
from leadmasterd.queries.deadlines import with_current_deadlines
from leadmasterd.settings.leads_light import LightLeadsSettings, read_leads_settings
from leadmasterd.settings.paths import Paths

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_ANYWAY_EVERY: Final = timedelta(minutes=1)
"""It is read so often even if no file changed: a change may leave their times as they were, and what is due changes
with the time of day."""
_PAUSE_RATIO: Final = 20
"""After a long read comes a pause that is so many times as long, even if the database changes in it."""
_LONG: Final = 0.03
"""Seconds of processor time above which a read is long."""
_LOCK_SECONDS: Final = 0.5
"""How long to wait for a lock that another program holds; readers never wait for the daemon."""
_AFTER_A_DEFECT: Final = 60.0
"""The shortest pause, in seconds, after a read that failed unexpectedly: looking for the cause takes long."""
_TROUBLE_AFTER: Final = timedelta(minutes=1)
"""How long the database can't be read before that is told: it may only be updated or moved. Damage is told at once."""


class _Trouble(NamedTuple):
    """`what`: why the database can't be read. `since`: since when; `at_once`: whether that is told without waiting."""

    what: str
    since: datetime
    at_once: bool


class Reader:
    """Reads the database, with deadlines by the opening hours in `settings`: the settings as they were last read."""

    def __init__(self, paths: Paths, *, divisor: float) -> None:
        """`divisor`: divides all times, for tests."""
        self._paths = paths
        self._anyway_every = _ANYWAY_EVERY / divisor
        self._trouble_after = _TROUBLE_AFTER / divisor
        self.settings: LightLeadsSettings = read_leads_settings(paths)
        self._versions: tuple[object, ...] = ()
        """Of the database, its WAL and the settings, when it was last due."""
        self._read_at: datetime | None = None
        """When it was last due; None before, and after a failure."""
        self._not_before = 0.0
        """No read is due before this, on the monotonic clock."""
        self._trouble: _Trouble | None = None

    def begin_if_due(self, now: datetime) -> bool:
        """Whether the caller is to read the database now. If so, that counts as done, and `settings` are read again.

        It is due when a file has changed, the last read failed or was a minute ago, or the clock was set back since.
        In the pause after a long or failed read it never is.
        """
        if time.monotonic() < self._not_before:
            return False
        files = [self._paths.database, self._paths.database_wal]
        if self._paths.file:
            files.append(self._paths.file)
        versions = tuple(_version(each) for each in files)
        is_recent = self._read_at is not None and timedelta() <= now - self._read_at < self._anyway_every
        if is_recent and versions == self._versions:
            return False
        self._versions = versions
        self._read_at = now
        self.settings = read_leads_settings(self._paths)
        return True

    def ask(self, work: Callable[[Connection], _T], now: datetime, *, nothing: _T) -> _T | None:
        """What `work` finds with a connection; `nothing` before there is a database; None when it can't be read now.

        Never raises: what went wrong is kept for `trouble`, or logged if it is an error of this program.
        """
        began = time.thread_time()
        try:
            connection = open_for_reading(self._paths, timeout=_LOCK_SECONDS)
        except FileNotFoundError:
            self._trouble = None
            return nothing
        except (CannotUseDatabase, OSError) as error:
            self._note_failure(error, now)
            return None
        with closing(connection):
            try:
                with one_state(connection):
                    found = work(with_current_deadlines(connection, self.settings))
            except Exception as error:  # noqa: BLE001 - a damaged row can make anything fail
                self._note_failure(cause_in_file(self._paths.database, error) or error, now)
                pause = max(_AFTER_A_DEFECT, _PAUSE_RATIO * (time.thread_time() - began))
                self._not_before = time.monotonic() + pause
                return None
        self._trouble = None
        took = time.thread_time() - began
        if took > _LONG:
            self._not_before = time.monotonic() + _PAUSE_RATIO * took
        return found

    def trouble(self, now: datetime) -> str | None:
        """Why the database can't be read, in a sentence; None if it can, or if that may pass by itself in a moment."""
        trouble = self._trouble
        if trouble is None:
            return None
        is_told = trouble.at_once or now - trouble.since >= self._trouble_after
        return trouble.what if is_told else None

    def _note_failure(self, error: Exception, now: datetime) -> None:
        """Keep why reading failed, unless the database was only locked; log an error that is not the file's fault."""
        self._read_at = None  # try again, changed or not
        if isinstance(error, DatabaseBusy):
            return
        if not isinstance(error, CannotUseDatabase | OSError):
            log.error("alerts cannot read the database", exc_info=error, extra={"action": "alerts_defect"})
            return
        since = self._trouble.since if self._trouble else now
        self._trouble = _Trouble(str(error), since, at_once=isinstance(error, DatabaseDamaged))


def _version(path: Path) -> tuple[int, int, int] | None:
    """A file's inode, size and time, which change when it is written; None if there is no such file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
