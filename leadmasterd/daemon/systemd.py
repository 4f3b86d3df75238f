"""Notifies systemd: READY, STATUS and WATCHDOG datagrams (sd_notify(3)). Silent when it did not start us."""

import asyncio
import contextlib
import math
import os
import socket
from collections.abc import Callable
from typing import Final

_ALIVE_EVERY: Final = 10.0
"""Seconds."""


class Systemd:
    """Sends notifications to the systemd that started us. `watchdog_seconds`: how often it expects one; None: never."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        usec = os.environ.get("WATCHDOG_USEC", "")
        pid = os.environ.get("WATCHDOG_PID", "")
        meant_for_us = not pid or pid == str(os.getpid())
        watched = usec.isdigit() and meant_for_us and bool(self._address)
        self.watchdog_seconds = int(usec) / 1e6 if watched else None
        self.alive_every = min(_ALIVE_EVERY, (self.watchdog_seconds or math.inf) / 4)
        """Seconds between two calls of `alive`, at most: a quarter of the limit, so that one late call does no harm."""
        self._announced = False

    def notify(self, *assignments: str) -> None:
        """Send `READY=1`, `STATUS=…`, `WATCHDOG=1`, `STOPPING=1`. Nothing happens if systemd did not start us."""
        if not self._address:
            return
        is_abstract = self._address.startswith("@")  # a socket's name that is no path, as sd_notify(3) writes it
        address = "\0" + self._address[1:] if is_abstract else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as s:
            s.sendto("\n".join(assignments).encode(), address)

    def status(self, sentence: str) -> None:
        """Show a status; the first one also says that the service is up."""
        self.notify(f"STATUS={sentence}", *([] if self._announced else ["READY=1"]))
        self._announced = True

    def alive(self) -> None:
        """Say that we are alive, and extend the time to start by four intervals: a start may take minutes."""
        microseconds = round(_ALIVE_EVERY * 4e6)
        self.notify("WATCHDOG=1", f"EXTEND_TIMEOUT_USEC={microseconds}")

    async def feed_watchdog(self, healthy: Callable[[], bool]) -> None:
        """Ping the watchdog while `healthy`; a loop that is stuck does not ping. Returns if there is no watchdog."""
        if self.watchdog_seconds is None:
            return
        while True:
            if healthy():
                self.notify("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_seconds / 4)
