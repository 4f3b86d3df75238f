"""`leadmasterd` and `python -m leadmasterd`: what a shell and systemd start."""

import gc
import os
import sys
from typing import Final, NoReturn

from leadmasterd.cli import main

_GARBAGE_AFTER: Final = 50_000
"""New objects after which garbage is looked for. With Python's 700 a command does so again and again while it imports,
which takes 6 ms and finds none."""
_HAVE_AN_END: Final = frozenset({"asyncio", "logging", "multiprocessing", "tempfile", "threading"})
"""Modules that have something to do when the process ends: threads to wait for, files to write or to delete."""


def run() -> NoReturn:
    """Run the command that was typed, and end the process with its exit code.

    To take Python apart first, object by object, takes as long as `status` itself.
    """
    gc.set_threshold(_GARBAGE_AFTER)
    try:
        code: object = main()
    except SystemExit as ended:  # of argparse
        code = ended.code
    if isinstance(code, int) and _HAVE_AN_END.isdisjoint(sys.modules):
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            pass  # Python says so as it always does
        else:
            os._exit(code)
    sys.exit(code)  # type: ignore[arg-type]


if __name__ == "__main__":
    run()
