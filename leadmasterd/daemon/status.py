"""What the daemon says of itself, kept in `status.json` so that it can be asked when the daemon is dead."""

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil

from leadmasterd import sentences
from leadmasterd.reasons import Reason
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import write_status
from leadmasterd.store.records import BatchResult
from leadmasterd.store.waiting import WhoWaits

log = logging.getLogger(__name__)

_WRITE_AFTER = 0.1
"""Seconds in which changes become one rewrite of the file."""


@dataclass(slots=True)
class Capture:
    """How complete capture was, since ever."""

    live: int = 0
    sweep: int = 0
    open_gaps: int = 0
    last_message_at: str | None = None


@dataclass(slots=True)
class StatusBoard:
    """The current status; `changed` gets it written soon."""

    places: Paths
    phase: str = "starting"
    since: str = ""
    because: Reason = field(default_factory=lambda: Reason("not_started"))
    account: dict[str, object] | None = None
    capture: Capture = field(default_factory=Capture)
    trouble: tuple[str, str] | None = None
    concerns: Mapping[str, str] = field(default_factory=dict)
    """What a person should know, as codes with a detail: of these three, when last shown."""
    housekeeping_concerns: Mapping[str, str] = field(default_factory=dict)
    page_concerns: dict[str, str] = field(default_factory=dict)
    rules_concerns: dict[str, str] = field(default_factory=dict)
    scan: dict[str, object] | None = None
    counters: dict[str, int] = field(default_factory=dict)
    resources: Mapping[str, int] = field(default_factory=dict)
    waiting: WhoWaits = field(default_factory=WhoWaits)
    versions: dict[str, object] = field(default_factory=dict)
    next_jobs: Callable[[], list[dict[str, object]]] = list
    _write_due: asyncio.TimerHandle | None = None
    _complained: bool = False

    def count(self, batch: BatchResult) -> None:
        """Add a committed batch."""
        self.capture.live += batch.live
        self.capture.sweep += batch.sweep
        newest = batch.last_message_at
        if newest and (self.capture.last_message_at is None or newest > self.capture.last_message_at):
            self.capture.last_message_at = newest
        self.changed()

    def bump(self, counter: str, by: int = 1) -> None:
        """Count something that should not happen."""
        self.counters[counter] = self.counters.get(counter, 0) + by
        self.changed()

    def show_concerns(self) -> None:
        """One of the three has changed."""
        self.concerns = {**self.housekeeping_concerns, **self.page_concerns, **self.rules_concerns}
        self.changed()

    def changed(self) -> None:
        """Write the file in a moment."""
        if self._write_due is None:
            self._write_due = asyncio.get_running_loop().call_later(_WRITE_AFTER, self.write)

    def write(self) -> None:
        """Write it now. A disk that is full is told once, and again when it mattered again."""
        if self._write_due:
            self._write_due.cancel()
            self._write_due = None
        try:
            write_status(self.places, self.as_json())
        except OSError as error:
            if not self._complained:
                log.error("cannot write %s: %s", self.places.status_file, error, extra={"action": "status_unwritten"})  # noqa: TRY400
            self._complained = True
        else:
            self._complained = False

    def as_json(self) -> dict[str, Any]:
        """The documented object."""
        return {
            "v": 1,
            "phase": self.phase,
            "since": self.since,
            "because": sentences.because(self.because.code, self.because.values),
            "code": self.because.code,
            "values": dict(self.because.values),
            "pid": os.getpid(),
            "account": self.account,
            "capture": {
                "live": self.capture.live,
                "sweep": self.capture.sweep,
                "open_gaps": self.capture.open_gaps,
                "last_message_at": self.capture.last_message_at,
            },
            "waiting": asdict(self.waiting),
            "trouble": None if self.trouble is None else {"code": self.trouble[0], "detail": self.trouble[1]},
            "concerns": dict(self.concerns),
            "scan": self.scan,
            "counters": self.counters,
            "resources": self.resources,
            "next_jobs": self.next_jobs(),
            "versions": self.versions,
        }


def measure(places: Paths) -> dict[str, int]:
    """Memory of the daemon and of its whole tree (PSS: summed RSS counts shared pages threefold), disk, database.

    Takes some 30 ms; call it in a thread.
    """
    me = psutil.Process()
    own = _pss(me)
    measured: dict[str, int] = {"daemon_pss_bytes": own}
    with contextlib.suppress(psutil.Error):
        measured["tree_pss_bytes"] = own + sum(_pss(process) for process in me.children(recursive=True))
    with contextlib.suppress(OSError):
        measured["disk_free_bytes"] = shutil.disk_usage(places.state_dir).free
    with contextlib.suppress(OSError):
        measured["database_bytes"] = places.database.stat().st_size
    return measured


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
