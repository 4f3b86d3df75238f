"""The command line: one file a command, the only place that prints.

Imports are late on purpose: `status` and `--help` must answer in a blink, so a command's module is imported when it is
asked for and not before.
"""

import sys
from importlib import import_module

from leadmasterd.cli.parser import make_parser

USAGE = 64
INTERNAL = 70
STATE = 73
SETTINGS = 78


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = make_parser().parse_args(argv)
    command = import_module(f"leadmasterd.cli.cmd_{arguments.module}")
    try:
        return int(command.run(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader left; Python would complain about it at exit
        return 141
    except Exception as error:  # noqa: BLE001 - the one place where everything ends
        code = exit_code_of(error)
        if code is None:
            import traceback  # noqa: PLC0415 - only a defect pays for it

            traceback.print_exception(error)
            return INTERNAL
        print(error, file=sys.stderr)
        return code


def exit_code_of(error: BaseException) -> int | None:
    """The documented exit code of an error that is not a defect of ours, or None for one that is."""
    return {
        "CannotUseSettings": SETTINGS,
        "NotUsable": SETTINGS,
        "CannotUseState": STATE,
        "CannotUseDatabase": STATE,
        "DatabaseBusy": INTERNAL,
        "NotAnswered": 3,
    }.get(type(error).__name__)
