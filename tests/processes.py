"""Looking at processes that may go at any moment, between being listed and being asked."""

import contextlib

import psutil


def lives(process: psutil.Process) -> bool:
    """Whether it is there and no zombie."""
    with contextlib.suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def carries(process: psutil.Process, argument: str) -> bool:
    """Whether it has this on its command line; one that has gone since has not."""
    with contextlib.suppress(psutil.Error):
        return argument in process.cmdline()
    return False
