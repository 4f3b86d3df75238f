"""The database as alerts read it: only when it has changed, and whatever state it is in."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from leadmasterd.errors import CannotUseDatabase, DatabaseBusy, DatabaseDamaged
from leadmasterd.queries.database import Connection, cause_in_file, open_for_reading
from leadmasterd.queries.deadlines import with_current_deadlines
from leadmasterd.settings.leads_light import LightLeadsSettings, read_leads_settings
from leadmasterd.settings.paths import Paths

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_ANYWAY_EVERY: Final = timedelta(minutes=1)
"""A change may leave no trace in the files' times, and the hours of now change what is due."""
_SHARE: Final = 20
"""After a read of much work there is none for so many times as long, however often the database changes."""
_MUCH: Final = 0.03
"""Seconds of the processor."""
_LOCK_SECONDS: Final = 0.5
"""Waited for a lock that another program holds; readers never wait for the daemon."""
_AFTER_A_DEFECT: Final = 60.0
_TROUBLE_AFTER: Final = timedelta(minutes=1)
"""A database that is being updated or moved is no trouble yet; a damaged one is."""


class Reader:
    """Reads by the opening hours of now. `settings`: those that were read with the last change."""

    def __init__(self, paths: Paths, *, divisor: float) -> None:
        self._paths = paths
        self._anyway_every = _ANYWAY_EVERY / divisor
        self._trouble_after = _TROUBLE_AFTER / divisor
        self.settings: LightLeadsSettings = read_leads_settings(paths)
        self._stamp: tuple[object, ...] = ()
        self._read_at: datetime | None = None
        self._not_before = 0.0
        self._trouble: tuple[str, datetime, bool] | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to read again. Then `settings` are those of now."""
        if time.monotonic() < self._not_before:
            return False
        files = (self._paths.database, self._paths.database_wal)
        stamp = tuple(_trace(each) for each in (*files, *([self._paths.file] if self._paths.file else [])))
        recently = self._read_at is not None and timedelta() <= now - self._read_at < self._anyway_every
        if recently and stamp == self._stamp:
            return False
        self._stamp, self._read_at = stamp, now
        self.settings = read_leads_settings(self._paths)
        return True

    def ask(self, work: Callable[[Connection], _T], now: datetime, *, nothing: _T) -> _T | None:
        """What `work` finds; `nothing` before there is a database; None when it can't be read now."""
        began = time.thread_time()
        try:
            connection = open_for_reading(self._paths, timeout=_LOCK_SECONDS)
        except FileNotFoundError:
            self._trouble = None
            return nothing
        except (CannotUseDatabase, OSError) as error:
            self._failed(error, now)
            return None
        with closing(connection):
            try:
                found = work(with_current_deadlines(connection, self.settings))
            except Exception as error:  # noqa: BLE001 - a damaged row can make anything fail
                self._failed(cause_in_file(self._paths.database, error) or error, now)
                self._not_before = time.monotonic() + max(_AFTER_A_DEFECT, _SHARE * (time.thread_time() - began))
                return None
        self._trouble = None
        took = time.thread_time() - began
        if took > _MUCH:
            self._not_before = time.monotonic() + _SHARE * took
        return found

    def trouble(self, now: datetime) -> str | None:
        """Why it can't be read, in a sentence; None if it can, or may again in a moment."""
        if self._trouble is None:
            return None
        what, since, at_once = self._trouble
        return what if at_once or now - since >= self._trouble_after else None

    def _failed(self, error: Exception, now: datetime) -> None:
        self._read_at = None  # try again, changed or not
        if isinstance(error, DatabaseBusy):
            return
        if not isinstance(error, CannotUseDatabase | OSError):
            log.error("alerts cannot read the database", exc_info=error, extra={"action": "alerts_defect"})
            return
        since = self._trouble[1] if self._trouble else now
        self._trouble = (str(error), since, isinstance(error, DatabaseDamaged))


def _trace(path: Path) -> tuple[int, int, int] | None:
    """What changes with every commit."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
