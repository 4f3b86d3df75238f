"""The session on disk for a command that changes it: nobody else may use it meanwhile."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from leadmasterd.listener.profile import Auth
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import Lock
from leadmasterd.text import _


@contextmanager
def locked(paths: Paths) -> Iterator[Auth]:
    """The session, with the state directory locked: the profile of a running daemon must not be touched.

    Raises PermissionError to root when the state is another user's: the daemon could not read what root writes there.
    """
    if os.geteuid() == 0 and paths.state_dir.exists() and paths.state_dir.stat().st_uid != 0:
        raise PermissionError(errno.EPERM, _("permission denied"), str(paths.state_dir))
    lock = Lock(paths)
    lock.acquire()
    try:
        yield Auth(paths)
    finally:
        lock.release()
