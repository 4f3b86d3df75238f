"""What happens by the calendar, and what is checked once a minute: memory, disk, the browser's file, the phone.

Before each check the daemon gives memory that it no longer needs back to the system.

A planned restart loses nothing: it is a graceful stop, a snapshot, trimmed caches and a start, and the sweep after it
fetches what came meanwhile.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Final

import psutil
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from leadmasterd import times
from leadmasterd.daemon import memory
from leadmasterd.daemon.warnings import ActiveWarnings
from leadmasterd.health import DISK_LOW, MEMORY_HIGH, PHONE_SILENT, Warnable
from leadmasterd.state.status_object import Job

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 120
"""Without messages for this long, a restart disturbs no conversation."""
NOT_AGAIN_WITHIN: Final = 6 * 3600
"""Seconds between two planned restarts at least: a ceiling that is too low must not restart in a loop."""
FAR_OVER: Final = 1.25
"""Above this many times the memory ceiling a restart does not wait for a quiet moment."""
PHONE_SILENT_FOR: Final = timedelta(days=10)
"""When to warn: WhatsApp unlinks all devices when the phone itself was not used for 14 days."""
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
    """Memory of the daemon and all processes below it; 0: it could not be measured."""
    disk_free: int | None
    """None: it could not be measured."""
    browser_replaced: bool
    """The running browser's file was replaced on the disk."""
    quiet_seconds: float
    """Since the last new message."""
    phone_silent: timedelta | None
    """How long the phone itself has not been used; None: not known."""


def restart_reason(seen: Observation, limits: Limits) -> str | None:
    """Why a restart should be planned now (`memory`, `browser_changed`), or None."""
    ceiling = limits.memory_ceiling_mb * _MEGABYTE
    over = seen.tree_pss > ceiling
    far_over = seen.tree_pss > ceiling * FAR_OVER
    quiet = seen.quiet_seconds >= QUIET_SECONDS
    if far_over or (over and quiet):
        return "memory"
    if seen.browser_replaced and quiet:
        return "browser_changed"
    return None


def find_warnings(seen: Observation, limits: Limits) -> Mapping[Warnable, str | None]:
    """Each warning that a check can give, with its detail (megabytes or days); None: clear it."""
    found: dict[Warnable, str | None] = {DISK_LOW: None, MEMORY_HIGH: None, PHONE_SILENT: None}
    if seen.disk_free is not None and seen.disk_free < limits.disk_floor_mb * _MEGABYTE:
        found[DISK_LOW] = str(seen.disk_free // _MEGABYTE)
    if seen.tree_pss > limits.memory_ceiling_mb * _MEGABYTE:
        found[MEMORY_HIGH] = str(seen.tree_pss // _MEGABYTE)
    if seen.phone_silent is not None and seen.phone_silent >= PHONE_SILENT_FOR:
        found[PHONE_SILENT] = str(seen.phone_silent.days)
    return found


def was_replaced(browser_pid: int | None) -> bool:
    """Whether the running browser's file was replaced while it runs, as a package upgrade does.

    False without a browser. The first process may be a script that starts the browser and waits for it, as Debian's
    headless shell is, so its children are looked at too.
    """
    if browser_pid is None:
        return False
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(browser_pid)
        return any(_runs_a_deleted_file(each.pid) for each in (first, *first.children()))
    return False


def _runs_a_deleted_file(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/exe").readlink()).endswith(" (deleted)")
    return False


class Daily(BaseTrigger):  # type: ignore[misc] # apscheduler ships no types
    """Once on each date, at a local time.

    apscheduler's cron trigger follows the wall clock instead. In Santiago that clock shows the hour before midnight
    twice in one night a year, and skips the hour after midnight in another: a job then runs twice, or not at all.
    """

    def __init__(self, at: time) -> None:
        self._at = at

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The time on the date after the previous run's; without one, the next time from `now` on. In `now`'s zone."""
        if previous_fire_time is not None:
            return self._time_on(previous_fire_time.date() + timedelta(days=1), now.tzinfo)
        today = self._time_on(now.date(), now.tzinfo)
        is_past = today.timestamp() < now.timestamp()  # as instants: the wall clock may show one hour twice
        return self._time_on(now.date() + timedelta(days=1), now.tzinfo) if is_past else today

    def _time_on(self, day: date, zone: tzinfo | None) -> datetime:
        """The time of the job on that day. If the clock skips it then, the time that the clock shows instead."""
        local = datetime.combine(day, self._at, zone)
        return local.astimezone(UTC).astimezone(zone)  # by way of UTC, in which no time is skipped


class Maintenance:
    """Checks every `check_every` seconds what `observe` measures, and runs the jobs of the calendar.

    `restart` only asks, with a reason: the supervisor decides whether one fits now. `train` trains the classifier.
    """

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
        # By apscheduler's defaults a job that is a second late (misfire) would be skipped, and nobody would notice.
        self._calendar = AsyncIOScheduler(job_defaults={"misfire_grace_time": 3600, "coalesce": True})

    def next_jobs(self) -> list[Job]:
        """What is due by the calendar (`restart`, `learn`), for `status`."""
        return [Job(job=job, at=times.iso(at.astimezone(UTC))) for job, at in self.calendar().items()]

    def calendar(self) -> Mapping[str, datetime]:
        """When each job is due; empty before `run`."""
        if not self._calendar.running:
            return {}
        return {job.id: job.next_run_time for job in self._calendar.get_jobs()}

    async def run(self) -> None:
        """Check and keep the calendar until cancelled."""
        if self._limits.nightly_restart:
            nightly = time.fromisoformat(self._limits.nightly_restart)
            self._calendar.add_job(self._plan_restart, Daily(nightly), ["nightly"], id="restart")
        self._calendar.add_job(self._train, Daily(TRAIN_AT), id="learn")
        self._calendar.start()
        try:
            while True:
                memory.give_back()
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
        """Ask for a restart, unless the last one was asked for less than NOT_AGAIN_WITHIN ago."""
        now = asyncio.get_running_loop().time()
        if self._last_restart is not None and now - self._last_restart < NOT_AGAIN_WITHIN:
            return
        self._last_restart = now
        log.info("asking for a planned restart: %s", why, extra={"action": "recycle"})
        self._restart(why)
