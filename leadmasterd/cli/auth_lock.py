"""Exclusive use of the session on disk, for the commands that change it."""

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
    """Give the session during a `with`, and lock the state directory meanwhile, so that no daemon starts on it.

    Raises CannotUseState if a daemon runs, and PermissionError if root asks and the state belongs to another user: the
    daemon could not read what root writes there. Raises OSError if an import or restore that was cut off can't be
    finished.
    """
    if os.geteuid() == 0 and paths.state_dir.exists() and paths.state_dir.stat().st_uid != 0:
        raise PermissionError(errno.EPERM, _("permission denied"), str(paths.state_dir))
    lock = Lock(paths)
    lock.acquire()
    try:
        auth = Auth(paths)
        auth.finish_adoption()
        yield auth
    finally:
        lock.release()
