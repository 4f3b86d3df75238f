"""`leadmasterd run --web`: a small parent of the daemon and of the page, each a process of its own.

Each is started again when it dies, and the other goes on meanwhile. Each leads a session of its own, so that Ctrl-C
reaches only the parent, which then ends both in good order.
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
_LONGEST_PAUSE: Final = 60.0
_CALM: Final = 60.0
"""Seconds of a life after which earlier deaths are forgiven."""
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)


class _Kept:
    """A process that is started again whenever it ends, until `end`, or until its exit code is one of `final`."""

    def __init__(self, name: str, argv: Sequence[str], *, final: Sequence[int] = ()) -> None:
        self._name = name
        self._argv = argv
        self._final = final
        self._ending = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> int:
        """Its last exit code."""
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            code = await self._live()
            if self._ending.is_set() or code in self._final:
                return code
            if time.monotonic() - began > _CALM:
                pause = _FIRST_PAUSE
            log.warning("the %s ended (%d); it is started again in %.0f s", self._name, code, pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ending.wait()
                    return code
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _live(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            *self._argv, start_new_session=True, preexec_fn=_end_with_the_parent
        )
        if self._ending.is_set():
            self._process.terminate()
        return await self._process.wait()

    def end(self) -> None:
        """Ask it to end, once."""
        if not self._ending.is_set():
            self._ending.set()
            if self._process is not None and self._process.returncode is None:
                self._process.terminate()


def run_both(daemon: Sequence[str], page: Sequence[str], beside: Coroutine[None, None, None]) -> int:
    """Run these two command lines until SIGTERM, SIGINT or SIGHUP. Returns the daemon's exit code.

    A daemon that can't use its settings or its state ends both: a person has to see to that. `beside` is run meanwhile.
    """
    code = asyncio.run(_run_both(_Kept("daemon", daemon, final=(STATE, SETTINGS)), _Kept("page", page), beside))
    return code if code >= 0 else 128 - code


async def _run_both(daemon: _Kept, page: _Kept, beside: Coroutine[None, None, None]) -> int:
    def end() -> None:
        page.end()
        daemon.end()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(page.run(), name="keep the page running")
        other = tasks.create_task(beside, name="run beside both")
        code = await daemon.run()
        other.cancel()
        page.end()
    return code


def _end_with_the_parent() -> None:
    """In the child: be asked to end when the parent is killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
