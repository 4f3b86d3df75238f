"""Questions about processes that may exit at any moment, even between listing and asking."""

import contextlib

import psutil


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
