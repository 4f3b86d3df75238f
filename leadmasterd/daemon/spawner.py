"""Starts Node children, one after the other, and removes what one may have left behind."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import Final

import psutil

from leadmasterd.daemon.intake import Intake
from leadmasterd.daemon.profile import BrowserProfile
from leadmasterd.listener import tree
from leadmasterd.listener.child import CannotStart, Child, command_for, environment_for
from leadmasterd.listener.options import child_options
from leadmasterd.settings.paths import Paths
from leadmasterd.settings.plain import PlainSettings

log = logging.getLogger(__name__)

_GONE_WITHIN: Final = 3.0
"""Seconds to wait until killed processes are gone: until then they seem to use the profile."""


class Spawner:
    """`current` is the child that was started last, dead or alive; None before the first."""

    def __init__(self, settings: PlainSettings, paths: Paths, profile: BrowserProfile) -> None:
        self._settings = settings
        self._profile_folder = paths.profile
        self._profile = profile
        self._marker = tree.marker_of(paths.state_dir)
        """Text on the command line of every process of our children, by which they are found."""
        self.current: Child | None = None

    async def start(self, node: Path, browser: Path, intake: Intake) -> Child:
        """Start the next child on a prepared profile; its lines go to `intake`. Raises OSError."""
        await asyncio.to_thread(self._profile.before_spawn, browser)
        options = child_options(self._settings, profile=self._profile_folder, browser=browser, instance=self._marker)
        try:
            self.current = await Child.start(
                command_for(node, self._marker),
                environment=environment_for(options),
                marker=self._marker,
                on_lines=intake.lines,
                on_oversize=intake.oversize,
                on_cut=intake.cut_short,
            )
        except CannotStart as error:
            raise OSError(str(error)) from error
        return self.current

    async def clean_up(self) -> None:
        """After a stop, and before the first start: kill every process that still carries our marker.

        First the profile learns that the child is gone, and whether it ended well.
        """
        self._profile.stopped(cleanly=self.current is not None and self.current.ended_well)
        leftovers = await asyncio.to_thread(tree.find_ours, self._marker)
        if leftovers:
            log.warning("killed %d processes of an earlier child", len(leftovers), extra={"action": "orphans"})
            tree.signal_all(leftovers, signal.SIGKILL)
            await asyncio.to_thread(psutil.wait_procs, leftovers, _GONE_WITHIN)

    def send(self, command: str, **fields: object) -> None:
        """Send the child a command; without a child nothing happens."""
        if self.current:
            self.current.send(command, **fields)

    @property
    def reading_paused(self) -> bool:
        """Whether we have stopped reading the child's lines, so that none can come."""
        return self.current is not None and self.current.reading_paused

    def under_pressure(self, pressure: bool) -> None:
        """Stop reading because the store cannot keep up (True), or read on."""
        if self.current and pressure:
            self.current.pause_reading()
        elif self.current:
            self.current.resume_reading()
