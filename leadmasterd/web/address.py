"""Where the page is really served, for `web link`: a file that counts while the page's process holds a lock on it."""

import fcntl
import os
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from leadmasterd.settings.paths import Paths

_TRIES: Final = 5
"""Who looks where the page is holds the lock for a moment too."""


def keep(paths: Paths, url: str) -> int | None:
    """Write it down until the process ends. Returns the file's descriptor; None if another page of this state is first.

    Raises OSError.
    """
    fd = os.open(_file(paths), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:  # the service's page, which is not root's, must be able to write it later
        owner = paths.state_dir.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)
    for number in range(_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if number + 1 == _TRIES:
                os.close(fd)
                return None
            time.sleep(0.02)
    os.ftruncate(fd, 0)
    os.write(fd, f"{url}\n".encode())
    return fd


def kept(paths: Paths) -> str | None:
    """The URL; None if no page is served, or this user may not know."""
    with suppress(OSError), closing(_file(paths).open(encoding="utf-8")) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or None
    return None


def _file(paths: Paths) -> Path:
    return paths.state_dir / "web.address"
