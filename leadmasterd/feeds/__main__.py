"""`python -m leadmasterd.feeds [--config FILE]`: started by the daemon, and ended by the end of its stdin."""

import argparse
import asyncio
import logging
import os
import sys
from typing import Final

from leadmasterd.errors import INTERNAL, LeadmasterdError
from leadmasterd.feeds import process
from leadmasterd.journal import set_up_logging
from leadmasterd.settings.model import load

_NICE: Final = 5
"""Lower than the daemon's: on a busy machine capture comes first."""


def main() -> int:
    """Run the feeds process until its stdin ends. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m leadmasterd.feeds", description=__doc__)
    parser.add_argument("--config")
    set_up_logging()
    log = logging.getLogger("leadmasterd.feeds")
    os.umask(0o077)
    os.nice(_NICE)
    try:
        settings, paths = load(parser.parse_args().config)
        asyncio.run(process.run(settings, paths))
    except LeadmasterdError as error:
        log.error("%s", error)  # noqa: TRY400
        return error.exit_code
    except ExceptionGroup as group:
        known, others = group.split(process.ENDINGS)
        if others or known is None:  # a defect among them: its traceback is needed
            raise
        log.error("the feeds stop: %s", known.exceptions[0])  # noqa: TRY400
        return INTERNAL
    except process.ENDINGS as error:
        log.error("the feeds stop: %s", error)  # noqa: TRY400
        return INTERNAL
    return 0


if __name__ == "__main__":
    sys.exit(main())
