"""Questions about processes that may exit at any moment, even between listing and asking."""

import contextlib
import ctypes
from collections.abc import Iterator

import psutil

from leadmasterd.listener import tree


def lives(process: psutil.Process) -> bool:
    """Whether the process runs; a zombie does not."""
    with contextlib.suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def carries(process: psutil.Process, argument: str) -> bool:
    """Whether its command line contains this text; False if it has exited."""
    with contextlib.suppress(psutil.Error):
        return argument in process.cmdline()
    return False


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Adopt orphans meanwhile, as the daemon does, and check that none is left."""
    assert tree.become_subreaper()
    before = set(psutil.Process().children(recursive=True))
    yield
    ctypes.CDLL(None).prctl(tree.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    left = [process for process in psutil.Process().children(recursive=True) if process not in before]
    assert left == []
