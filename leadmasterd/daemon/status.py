"""Publishes `status.json`, so that the daemon's status can be read when the daemon is dead.

Each part makes one section and owns what is in it; the publisher calls all of them whenever it writes the file.
"""

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from leadmasterd import sentences
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import write_status
from leadmasterd.state.status_object import (
    Account,
    Capture,
    FeedStatus,
    Job,
    Page,
    Scan,
    Session,
    Status,
    Trouble,
    Waiting,
)

log = logging.getLogger(__name__)

_WRITE_AFTER = 0.1
"""Seconds in which changes become one rewrite of the file."""


def _not_started() -> Session:
    because = sentences.because("not_started", {})
    return Session(phase="starting", since="", because=because, code="not_started", values={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """The functions that make the parts of `status.json`. The defaults are for parts that do not exist yet."""

    session: Callable[[], Session] = _not_started
    account: Callable[[], Account | None] = lambda: None
    capture: Callable[[], Capture] = lambda: Capture(live=0, sweep=0, open_gaps=0, last_message_at=None, alive_at=None)
    waiting: Callable[[], Waiting] = lambda: Waiting(conversations=0, overdue=0, oldest_since=None)
    trouble: Callable[[], Trouble | None] = lambda: None
    concerns: Callable[[], Mapping[str, str]] = dict
    scan: Callable[[], Scan | None] = lambda: None
    counters: Callable[[], Mapping[str, int]] = dict
    resources: Callable[[], Mapping[str, int]] = dict
    next_jobs: Callable[[], list[Job]] = list
    versions: Callable[[], Mapping[str, str | None]] = dict
    page: Callable[[], Page | None] = lambda: None
    feeds: Callable[[], list[FeedStatus] | None] = lambda: None


class StatusPublisher:
    """Writes the file soon after `changed`, or at once."""

    def __init__(self, paths: Paths, sections: Sections | None = None) -> None:
        self._paths = paths
        self._sections = sections or Sections()
        self._write_due: asyncio.TimerHandle | None = None
        self._complained = False

    def use(self, sections: Sections) -> None:
        """From the next write on, make the file of these sections."""
        self._sections = sections

    def changed(self) -> None:
        """Write the file in a moment, so that several changes become one write."""
        if self._write_due is None:
            self._write_due = asyncio.get_running_loop().call_later(_WRITE_AFTER, self.write)

    def write(self) -> None:
        """Write the file now. A failure is logged once, and again only after a write has succeeded."""
        if self._write_due:
            self._write_due.cancel()
            self._write_due = None
        try:
            write_status(self._paths, self.status())
        except OSError as error:
            if not self._complained:
                log.error("cannot write %s: %s", self._paths.status_file, error, extra={"action": "status_unwritten"})  # noqa: TRY400
            self._complained = True
        else:
            self._complained = False

    def status(self) -> Status:
        """The object of `status.json`, as docs/json.md documents it, with values as of now."""
        sections = self._sections
        session = sections.session()
        return Status(
            v=1,
            phase=session["phase"],
            since=session["since"],
            because=session["because"],
            code=session["code"],
            values=session["values"],
            pid=os.getpid(),
            account=sections.account(),
            capture=sections.capture(),
            waiting=sections.waiting(),
            trouble=sections.trouble(),
            concerns=sections.concerns(),
            scan=sections.scan(),
            counters=sections.counters(),
            resources=sections.resources(),
            next_jobs=sections.next_jobs(),
            versions=sections.versions(),
            page=sections.page(),
            feeds=sections.feeds(),
        )


class Counters:
    """Counts what should not happen, since the start."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._counts: dict[str, int] = {}

    def bump(self, counter: str, by: int = 1) -> None:
        """Add to a counter, by its name in `status`."""
        self._counts[counter] = self._counts.get(counter, 0) + by
        self._changed()

    def set(self, counter: str, to: int) -> None:
        """Take over a count that the child keeps. It comes with every heartbeat, so the file is not rewritten."""
        self._counts[counter] = to

    def section(self) -> Mapping[str, int]:
        """All counters by name, for `status`; those that never counted are left out."""
        return self._counts


def measure(paths: Paths) -> dict[str, int]:
    """Memory of the daemon and of its whole process tree, free disk space and the database's size, in bytes, by name.

    What can't be measured is left out. Memory is PSS, because a sum of RSS counts shared pages several times. Takes
    some 30 ms; call it in a thread.
    """
    me = psutil.Process()
    own = _pss(me)
    measured: dict[str, int] = {"daemon_pss_bytes": own}
    with contextlib.suppress(psutil.Error):
        measured["tree_pss_bytes"] = own + sum(_pss(process) for process in me.children(recursive=True))
    with contextlib.suppress(OSError):
        measured["disk_free_bytes"] = shutil.disk_usage(paths.state_dir).free
    with contextlib.suppress(OSError):
        measured["database_bytes"] = paths.database.stat().st_size
        measured["database_bytes"] += paths.database_wal.stat().st_size  # without a WAL the first figure stays
    return measured


def _pss(process: psutil.Process) -> int:
    """Its memory in bytes; 0 if it has ended or may not be looked at."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
