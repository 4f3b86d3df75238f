"""The file `web.address`: the URL at which the page is served now, for `web link`.

It is valid while the page's process holds a lock on it. The settings do not tell the URL if the port was given on the
command line, or if any free port was taken.
"""

import fcntl
import os
from contextlib import closing, suppress
from pathlib import Path

from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import give_away, lock_unless_held


def keep(paths: Paths, url: str) -> int | None:
    """Write the URL to the file and keep it locked until the process ends. Raises OSError.

    Returns the descriptor; closing it ends the lock. If another process holds the lock: None, and nothing is written.
    """
    fd = os.open(_file(paths), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_away(fd, paths)
    if not lock_unless_held(fd):
        os.close(fd)
        return None
    os.ftruncate(fd, 0)
    os.write(fd, f"{url}\n".encode())
    return fd


def kept(paths: Paths) -> str | None:
    """The URL; None if no page is served, or this user may not read the file."""
    with suppress(OSError), closing(_file(paths).open(encoding="utf-8")) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:  # locked: the process that wrote it is running
            return file.read().strip() or None
    return None


def _file(paths: Paths) -> Path:
    return paths.state_dir / "web.address"
