"""`leadmasterd` and `python -m leadmasterd`: what a shell and systemd start."""

import gc
import os
import sys
from typing import Final, NoReturn

from leadmasterd.cli import main

_GARBAGE_AFTER: Final = 50_000
"""New objects after which the garbage collector runs. With Python's default of 700 it runs again and again while a
command imports its modules, which takes 6 ms and finds nothing."""
_NEED_CLEAN_EXIT: Final = frozenset({"asyncio", "logging", "multiprocessing", "tempfile", "threading"})
"""Modules that do something when the process ends: they join threads, write buffers or delete files."""


def run() -> NoReturn:
    """Run the command that was typed, and end the process with its exit code.

    The interpreter's own clean-up is skipped unless a module needs it: it frees every object one by one, which takes as
    long as `status` itself.
    """
    gc.set_threshold(_GARBAGE_AFTER)
    try:
        code: object = main()
    except SystemExit as ended:  # raised by argparse: --help, or a usage error
        code = ended.code
    if isinstance(code, int) and _NEED_CLEAN_EXIT.isdisjoint(sys.modules):
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            pass  # stdout is closed or full: sys.exit below reports it as Python always does
        else:
            os._exit(code)
    sys.exit(code)  # type: ignore[arg-type]


if __name__ == "__main__":
    run()
