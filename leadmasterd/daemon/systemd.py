"""What systemd is told: READY, STATUS and WATCHDOG datagrams (sd_notify(3)). Silent when it isn't listening."""

import contextlib
import os
import socket


class ServiceManager:
    """systemd, if it started us. `watchdog_seconds` is its limit, or None."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        usec = os.environ.get("WATCHDOG_USEC", "")
        pid = os.environ.get("WATCHDOG_PID", "")
        ours = not pid or pid == str(os.getpid())
        self.watchdog_seconds = int(usec) / 1e6 if usec.isdigit() and ours and self._address else None

    def notify(self, *assignments: str) -> None:
        """Send `READY=1`, `STATUS=…`, `WATCHDOG=1`, `STOPPING=1`. A manager that is gone is no reason to fall over."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as s:
            s.sendto("\n".join(assignments).encode(), address)
