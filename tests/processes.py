"""Asking about processes that may exit at any moment, also between listing them and asking."""

import contextlib

import psutil


def lives(process: psutil.Process) -> bool:
    """Whether it runs; a zombie does not."""
    with contextlib.suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def carries(process: psutil.Process, argument: str) -> bool:
    """Whether this is on its command line; False if it has exited."""
    with contextlib.suppress(psutil.Error):
        return argument in process.cmdline()
    return False
