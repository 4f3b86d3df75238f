"""What happens by the calendar, and what is looked at once a minute: memory, disk, the browser's own file, the phone.

A planned restart loses nothing: it is a graceful stop, a snapshot, trimmed caches and a start, and the sweep after it
fetches what came meanwhile.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 120
"""Without a message for so long, a restart disturbs nobody."""
NOT_AGAIN_WITHIN: Final = 6 * 3600
"""A ceiling that is too low, or a night that has its half past two twice, must not restart in a loop."""
FAR_OVER: Final = 1.25
"""Times the ceiling at which no quiet moment is waited for."""
PHONE_SILENT: Final = timedelta(days=10)
"""WhatsApp unlinks its devices when the phone itself was not used for 14 days."""
LEARN_AT: Final = time(4, 10)
"""Local time at which the classifier learns from the day's corrections."""
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The `[supervisor]` settings that are about resources."""

    nightly_restart: str
    memory_ceiling_mb: int
    disk_floor_mb: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found."""

    tree_pss: int
    disk_free: int | None
    browser_replaced: bool
    quiet_seconds: float
    phone_silent: timedelta | None


def wish(seen: Seen, limits: Limits) -> str | None:
    """Why to restart by plan now (`memory`, `browser_changed`), or None."""
    ceiling = limits.memory_ceiling_mb * _MEGABYTE
    quiet = seen.quiet_seconds >= QUIET_SECONDS
    if seen.tree_pss > ceiling * FAR_OVER or (seen.tree_pss > ceiling and quiet):
        return "memory"
    if seen.browser_replaced and quiet:
        return "browser_changed"
    return None


def concerns(seen: Seen, limits: Limits) -> dict[str, str]:
    """What a person should know, as codes with a detail; empty when all is well."""
    found = {}
    if seen.disk_free is not None and seen.disk_free < limits.disk_floor_mb * _MEGABYTE:
        found["disk_low"] = str(seen.disk_free // _MEGABYTE)
    if seen.tree_pss > limits.memory_ceiling_mb * _MEGABYTE:
        found["memory_high"] = str(seen.tree_pss // _MEGABYTE)
    if seen.phone_silent is not None and seen.phone_silent >= PHONE_SILENT:
        found["phone_silent"] = str(seen.phone_silent.days)
    return found


def was_replaced(browser_pid: int | None) -> bool:
    """Whether the running browser's file was replaced under it, as a package upgrade does."""
    if browser_pid is None:
        return False
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{browser_pid}/exe").readlink()).endswith(" (deleted)")
    return False


class Housekeeping:
    """Runs beside the supervisor and only ever wishes: the machine decides whether a restart fits now."""

    def __init__(
        self,
        limits: Limits,
        *,
        look_every: float,
        look: Callable[[], Awaitable[Seen]],
        recycle: Callable[[str], None],
        learn: Callable[[], Awaitable[None]],
        on_concerns: Callable[[Mapping[str, str]], None],
    ) -> None:
        self._limits = limits
        self._look_every = look_every
        self._look = look
        self._recycle = recycle
        self._learn = learn
        self._on_concerns = on_concerns
        self._last_recycle: float | None = None
        # Its defaults would skip a job that is a second late (misfire) and log it as a warning nobody sees.
        self._calendar = AsyncIOScheduler(job_defaults={"misfire_grace_time": 3600, "coalesce": True})

    def next_jobs(self) -> dict[str, datetime]:
        """What is due by the calendar, and when: `restart`, `learn`."""
        if not self._calendar.running:
            return {}
        return {job.id: job.next_run_time for job in self._calendar.get_jobs()}

    async def run(self) -> None:
        """For ever; cancelled at the end."""
        if self._limits.nightly_restart:
            hour, minute = self._limits.nightly_restart.split(":")
            trigger = CronTrigger(hour=int(hour), minute=int(minute))
            self._calendar.add_job(self._wish, trigger, ["nightly"], id="restart")
        self._calendar.add_job(self._learn, CronTrigger(hour=LEARN_AT.hour, minute=LEARN_AT.minute), id="learn")
        self._calendar.start()
        try:
            while True:
                seen = await self._look()
                self._on_concerns(concerns(seen, self._limits))
                if why := wish(seen, self._limits):
                    self._wish(why)
                await asyncio.sleep(self._look_every)
        finally:
            self._calendar.shutdown(wait=False)

    def _wish(self, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if self._last_recycle is not None and now - self._last_recycle < NOT_AGAIN_WITHIN:
            return
        self._last_recycle = now
        log.info("wishing for a planned restart: %s", why, extra={"action": "recycle"})
        self._recycle(why)
