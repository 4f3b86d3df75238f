"""`leadmasterd run --web`: a small parent that runs the daemon and the page, each as a process of its own.

Each is started again when it dies, after a backoff, while the other goes on. Each is in a Unix session of its own, so
that Ctrl-C reaches only the parent, which then ends both in order.
"""

import asyncio
import ctypes
import logging
import signal
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Final

from leadmasterd.errors import SETTINGS, STATE

log = logging.getLogger("leadmasterd.run")

_FIRST_PAUSE: Final = 1.0
"""Seconds from a death to the next start; twice as many after each further death."""
_LONGEST_PAUSE: Final = 60.0
_CALM: Final = 60.0
"""If a process has run for so many seconds before it dies, the pause is the first one again."""
_PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h."""
_LIBC: Final = ctypes.CDLL(None)


class _RestartedProcess:
    """A process that is started again whenever it ends, until `end`, or until its exit code is one of `final`.

    `name`: for the log; `argv`: its command line.
    """

    def __init__(self, name: str, argv: Sequence[str], *, final: Sequence[int] = ()) -> None:
        self._name = name
        self._argv = argv
        self._final = final
        self._ending = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> int:
        """Start it, and again whenever it ends. Returns its last exit code (negative: the signal that killed it)."""
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            code = await self._run_once()
            if self._ending.is_set() or code in self._final:
                return code
            if time.monotonic() - began > _CALM:
                pause = _FIRST_PAUSE
            log.warning("the %s ended (%d); it is started again in %.0f s", self._name, code, pause)
            with suppress(TimeoutError):  # the pause is over
                async with asyncio.timeout(pause):
                    await self._ending.wait()
                    return code
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _run_once(self) -> int:
        """Start it and return its exit code once it has ended."""
        self._process = await asyncio.create_subprocess_exec(
            *self._argv, start_new_session=True, preexec_fn=_end_with_the_parent
        )
        if self._ending.is_set():  # `end` was called while it was being started
            self._process.terminate()
        return await self._process.wait()

    def end(self) -> None:
        """Send it SIGTERM, and start it no more. Does nothing the second time."""
        if not self._ending.is_set():
            self._ending.set()
            if self._process is not None and self._process.returncode is None:
                self._process.terminate()


def run_both(daemon: Sequence[str], page: Sequence[str], meanwhile: Coroutine[None, None, None]) -> int:
    """Run these two command lines until SIGTERM, SIGINT or SIGHUP. Returns the daemon's exit code, as shells have it.

    If the daemon can't use its settings or its state, both end, because a person has to mend that. `meanwhile` is run
    beside them, and cancelled at the end.
    """
    code = asyncio.run(
        _run_both(
            _RestartedProcess("daemon", daemon, final=(STATE, SETTINGS)), _RestartedProcess("page", page), meanwhile
        )
    )
    return code if code >= 0 else 128 - code  # killed by a signal: 128 and its number


async def _run_both(daemon: _RestartedProcess, page: _RestartedProcess, meanwhile: Coroutine[None, None, None]) -> int:
    """Do as `run_both` says. Returns the daemon's exit code; negative: the signal that killed it."""

    def end() -> None:
        page.end()
        daemon.end()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(page.run(), name="keep the page running")
        other = tasks.create_task(meanwhile, name="run beside both")
        code = await daemon.run()
        other.cancel()
        page.end()
    return code


def _end_with_the_parent() -> None:
    """Run in the child before its program. Has the kernel send the child SIGTERM when the parent dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
