"""The process for feeds and alerts, as the daemon sees it. Only started when either is configured."""

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from leadmasterd import causes
from leadmasterd.apart import python_module
from leadmasterd.daemon.warnings import ActiveWarnings
from leadmasterd.health import (
    ALERTS_UNDELIVERED,
    FEED_DEAD,
    FEED_DISABLED,
    FEED_DOWN,
    FEED_OVERFLOW,
    FEEDS_DOWN,
    Warnable,
)
from leadmasterd.listener import tree
from leadmasterd.settings.paths import Paths
from leadmasterd.state.status_object import FeedStatus
from leadmasterd.text import later

log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 300.0
"""Seconds between the end of a process and the next start: doubled after each short life, up to the longest."""
_CALM: Final = 300.0
"""After a life of more than this many seconds the pause is `_FIRST_PAUSE` again."""
_STOP_SECONDS: Final = 9.0
"""Seconds from closing its stdin until it is killed. Meanwhile it may end deliveries (4 s) and commit (4 s)."""
_LONGEST_LINE: Final = 1 << 20


class FeedsProcess:
    """Keeps the process running until `stop`, and turns its reports into warnings and the `feeds` of `status`."""

    def __init__(self, paths: Paths, *, warnings: ActiveWarnings, changed: Callable[[], None]) -> None:
        self._paths = paths
        self._warnings = warnings
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._feeds: list[FeedStatus] = []
        self.low_water = 0
        """Every feed is done with the events up to this one; 0 before that is known."""
        self.crowded = 0
        """Events up to this one take too much disk; 0: none do."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process else None

    def section(self) -> list[FeedStatus]:
        """Each feed as the process reported it last, for `status`."""
        return self._feeds

    async def run(self) -> None:
        """Start the process, and again whenever it ends, until `stop`. If this is cancelled, the process is killed."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            began = loop.time()
            ended = await self._one_life()
            if self._stopping.is_set():
                break
            self._warnings.set(FEEDS_DOWN, ended)
            pause = _FIRST_PAUSE if loop.time() - began > _CALM else min(pause * 2, _LONGEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    def stop(self) -> None:
        """Ask the process to end, by the end of its stdin. `run` returns when it has."""
        self._stopping.set()
        if self._process and self._process.stdin:
            self._process.stdin.close()

    async def _one_life(self) -> str:
        """Start the process, and watch it until it ends. Returns how it ended, or why it could not start, in words."""
        for_us_alone = ("NOTIFY_SOCKET", "WATCHDOG_USEC")  # by these the daemon reports to systemd
        environment = {name: value for name, value in os.environ.items() if name not in for_us_alone}
        try:
            process = await asyncio.create_subprocess_exec(
                *python_module("leadmasterd.feeds", *self._paths.config_arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LONGEST_LINE,
                start_new_session=True,
                env=environment,
            )
        except OSError as error:
            return causes.of_system(error)
        with tree.not_the_listeners(process.pid):
            self._process = process
            log.info("started the feeds process, pid %d", process.pid, extra={"action": "feeds_started"})
            try:
                await self._watch(process)
            finally:
                self._process = None
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        return later("exit code {code}").format(code=process.returncode)

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Read its reports until `stop` or the end of its stdout, then wait `_STOP_SECONDS` at most for its end."""
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(process), name="reports of the feeds")
            stopping = tasks.create_task(self._stopping.wait(), name="stop of the feeds")
            await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                self.stop()  # again: the first call may have come before this process was there
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await process.wait()
            reading.cancel()
            stopping.cancel()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Use each report until the end of its stdout. A line that is no report is logged and skipped."""
        assert process.stdout
        while True:
            try:
                line = await process.stdout.readline()
                if not line:
                    return
                self._reported(json.loads(line))
            except causes.NO_JSON:  # or ValueError of readline, for a line longer than _LONGEST_LINE
                log.warning("the feeds process wrote a line that is no report", extra={"action": "feeds_line"})

    def _reported(self, report: Mapping[str, Any]) -> None:
        """Use one report: keep what the outbox may drop and how each feed is, and set or clear the warnings.

        Raises one of `_NO_REPORT`.
        """
        low_water, crowded = int(report["low_water"]), int(report["crowded"])
        feeds = list(report["feeds"])
        down = [feed for feed in feeds if feed["outage_hours"]]
        halted = [feed for feed in feeds if feed["state"] in ("disabled", "unusable")]
        details = {
            FEEDS_DOWN: str(report["trouble"] or ""),
            FEED_DOWN: ", ".join(f"{each['name']} ({each['outage_hours']} h, {each['why']})" for each in down),
            FEED_DISABLED: ", ".join(f"{feed['name']} ({feed['why']})" for feed in halted),
            FEED_DEAD: ", ".join(f"{feed['name']} ({feed['dead']})" for feed in feeds if feed["dead"]),
            FEED_OVERFLOW: ", ".join(f"{feed['name']} ({feed['given_up']:,})" for feed in feeds if feed["given_up"]),
            ALERTS_UNDELIVERED: str(report["alerts"]),
        }
        # Only now, when nothing in the report has raised: the outbox drops events by these numbers.
        self.low_water, self.crowded, self._feeds = low_water, crowded, feeds
        for warning, detail in details.items():
            self._warn(warning, detail)
        self._changed()

    def _warn(self, warning: Warnable, detail: str) -> None:
        """Activate the warning with this detail; an empty one clears it."""
        if detail:
            self._warnings.set(warning, detail)
        else:
            self._warnings.clear(warning)
