"""What happens by the calendar, and what is checked once a minute: memory, disk, the browser's file, the phone.

A planned restart loses nothing: it is a graceful stop, a snapshot, trimmed caches and a start, and the sweep after it
fetches what came meanwhile.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from leadmasterd import times
from leadmasterd.daemon.warnings import ActiveWarnings
from leadmasterd.health import DISK_LOW, MEMORY_HIGH, PHONE_SILENT, Warnable
from leadmasterd.state.status_object import Job

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 120
"""Without messages for this long, a restart disturbs no conversation."""
NOT_AGAIN_WITHIN: Final = 6 * 3600
"""A ceiling that is too low, or a night in which half past two comes twice, must not restart in a loop."""
FAR_OVER: Final = 1.25
"""Times the ceiling at which no quiet moment is waited for."""
PHONE_SILENT_FOR: Final = timedelta(days=10)
"""WhatsApp unlinks its devices when the phone itself was not used for 14 days."""
TRAIN_AT: Final = time(4, 10)
"""Local time at which the classifier is trained with the day's corrections."""
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The `[supervisor]` settings about resources."""

    nightly_restart: str
    memory_ceiling_mb: int
    disk_floor_mb: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What a check found. Sizes are bytes."""

    tree_pss: int
    disk_free: int | None
    browser_replaced: bool
    quiet_seconds: float
    phone_silent: timedelta | None


def restart_reason(seen: Observation, limits: Limits) -> str | None:
    """Why a restart should be planned now (`memory`, `browser_changed`), or None."""
    ceiling = limits.memory_ceiling_mb * _MEGABYTE
    quiet = seen.quiet_seconds >= QUIET_SECONDS
    if seen.tree_pss > ceiling * FAR_OVER or (seen.tree_pss > ceiling and quiet):
        return "memory"
    if seen.browser_replaced and quiet:
        return "browser_changed"
    return None


def find_warnings(seen: Observation, limits: Limits) -> Mapping[Warnable, str | None]:
    """Each warning that a check can give, with its detail; None: all is well."""
    disk_low = seen.disk_free is not None and seen.disk_free < limits.disk_floor_mb * _MEGABYTE
    memory_high = seen.tree_pss > limits.memory_ceiling_mb * _MEGABYTE
    silent = seen.phone_silent
    return {
        DISK_LOW: str((seen.disk_free or 0) // _MEGABYTE) if disk_low else None,
        MEMORY_HIGH: str(seen.tree_pss // _MEGABYTE) if memory_high else None,
        PHONE_SILENT: str(silent.days) if silent is not None and silent >= PHONE_SILENT_FOR else None,
    }


def was_replaced(browser_pid: int | None) -> bool:
    """Whether the running browser's file was replaced under it, as a package upgrade does."""
    if browser_pid is None:
        return False
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{browser_pid}/exe").readlink()).endswith(" (deleted)")
    return False


class Maintenance:
    """Only asks for restarts: the supervisor decides whether one fits now."""

    def __init__(
        self,
        limits: Limits,
        *,
        check_every: float,
        observe: Callable[[], Awaitable[Observation]],
        restart: Callable[[str], None],
        train: Callable[[], Awaitable[None]],
        warnings: ActiveWarnings,
    ) -> None:
        self._limits = limits
        self._check_every = check_every
        self._observe = observe
        self._restart = restart
        self._train = train
        self._warnings = warnings
        self._last_restart: float | None = None
        # Its defaults would skip a job that is a second late (misfire) and log a warning that is never seen.
        self._calendar = AsyncIOScheduler(job_defaults={"misfire_grace_time": 3600, "coalesce": True})

    def next_jobs(self) -> list[Job]:
        """What is due by the calendar (`restart`, `learn`), for `status`."""
        return [Job(job=job, at=times.iso(at.astimezone(UTC))) for job, at in self.calendar().items()]

    def calendar(self) -> Mapping[str, datetime]:
        """When each job is due."""
        if not self._calendar.running:
            return {}
        return {job.id: job.next_run_time for job in self._calendar.get_jobs()}

    async def run(self) -> None:
        """Runs until it is cancelled."""
        if self._limits.nightly_restart:
            hour, minute = self._limits.nightly_restart.split(":")
            trigger = CronTrigger(hour=int(hour), minute=int(minute))
            self._calendar.add_job(self._plan_restart, trigger, ["nightly"], id="restart")
        self._calendar.add_job(self._train, CronTrigger(hour=TRAIN_AT.hour, minute=TRAIN_AT.minute), id="learn")
        self._calendar.start()
        try:
            while True:
                seen = await self._observe()
                for warning, detail in find_warnings(seen, self._limits).items():
                    if detail is None:
                        self._warnings.clear(warning)
                    else:
                        self._warnings.set(warning, detail)
                if why := restart_reason(seen, self._limits):
                    self._plan_restart(why)
                await asyncio.sleep(self._check_every)
        finally:
            self._calendar.shutdown(wait=False)

    def _plan_restart(self, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if self._last_restart is not None and now - self._last_restart < NOT_AGAIN_WITHIN:
            return
        self._last_restart = now
        log.info("asking for a planned restart: %s", why, extra={"action": "recycle"})
        self._restart(why)
