"""Where the page is really served, for `web link`: a file that counts while the page's process holds a lock on it."""

import fcntl
import os
from contextlib import closing, suppress
from pathlib import Path

from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import give_away, lock_unless_held


def keep(paths: Paths, url: str) -> int | None:
    """Write it down until the process ends. Returns the file's descriptor; None if another page of this state is first.

    Raises OSError.
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
    """The URL; None if no page is served, or this user may not know."""
    with suppress(OSError), closing(_file(paths).open(encoding="utf-8")) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or None
    return None


def _file(paths: Paths) -> Path:
    return paths.state_dir / "web.address"
