"""The command line: one file per command, and the only place that prints.

Imports are lazy on purpose: `status` and `--help` must answer at once, so a command's module is imported only when that
command runs.
"""

import argparse
import errno
import os
import sys
from pathlib import Path

from leadmasterd.cli.encoding import print_for_people, print_json
from leadmasterd.cli.parser import make_parser
from leadmasterd.errors import (
    INTERNAL,
    SETTINGS,
    STATE,
    CannotUseDatabase,
    DatabaseBusy,
    LeadmasterdError,
    MayNotWrite,
)
from leadmasterd.settings.language_light import language_of
from leadmasterd.settings.paths import ENV_PREFIX
from leadmasterd.text import _, speak

_SUDO_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's secure_path."""
_READS_DATABASE = frozenset({"status", "messages", "leads", "history", "report", "rules", "doctor", "feeds"})
"""Commands that a damaged database can make fail in any way."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = None
    # None where the shell has closed them (`>&-`).
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - for as long as we run
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    print_for_people()
    try:
        speak(language_of(sys.argv[1:] if argv is None else argv))
        arguments = make_parser().parse_args(argv)
        if getattr(arguments, "json", False) or arguments.command == "replay":  # it always prints JSON
            print_json()
            speak("en")  # what programs read is English
        code = int(arguments.run(arguments))
        sys.stdout.flush()
        if code != SETTINGS and arguments.command != "doctor":  # they say it themselves
            _note_unknown_variables()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _discard_stdout()  # the reader left
        return 141
    except PermissionError as error:
        print(_not_allowed(error.filename), file=sys.stderr)
        return STATE
    except LeadmasterdError as error:
        return _report(error, arguments)
    except Exception as error:  # noqa: BLE001 - the one place where everything ends
        if arguments is not None and (cause := _cause_in_database(error, arguments)):
            return _report(cause, arguments)
        if problem := _device_problem(error):
            _discard_stdout()
            print(problem, file=sys.stderr)
            # systemd starts the daemon again, but not after STATE.
            return INTERNAL if getattr(arguments, "command", None) == "run" else STATE
        import traceback

        traceback.print_exception(error)
        return INTERNAL
    return code


def _discard_stdout() -> None:
    """Send stdout to /dev/null: Python flushes it again at exit, and would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: LeadmasterdError, arguments: argparse.Namespace | None) -> int:
    """Print the error, and which user to run the command as if this one may not. Returns the exit code."""
    locked = isinstance(error, DatabaseBusy) and error.code == "database_locked"
    print((locked and _busy_daemon(arguments)) or error, file=sys.stderr)
    if isinstance(error, MayNotWrite) and error.of_another_user:
        print(_not_allowed(error.of_another_user), file=sys.stderr)
    if error.exit_code != SETTINGS:
        _note_unknown_variables()
    return error.exit_code


def _note_unknown_variables() -> None:
    """Say what was ignored. Whoever reads all settings has refused it instead."""
    if any(name.upper().startswith(ENV_PREFIX) for name in os.environ):
        from leadmasterd.settings.variables import ignored_variables

        for sentence in ignored_variables():
            print(sentence, file=sys.stderr)


def _cause_in_database(error: Exception, arguments: argparse.Namespace) -> CannotUseDatabase | None:
    """Why the command failed if its database is damaged or can't be read; None if that is not why."""
    from leadmasterd.settings.paths import find_paths

    if arguments.command not in _READS_DATABASE:
        return None
    try:
        path = find_paths(arguments.config).database
    except LeadmasterdError:
        return None
    if not path.is_file():
        return None
    from leadmasterd.queries.database import cause_in_file

    return cause_in_file(path, error)


def _device_problem(error: Exception) -> str | None:
    """The message for an I/O error of the disk or the terminal; None for any other error."""
    from leadmasterd import causes

    match getattr(error, "errno", None):
        case errno.ENOSPC:
            return _("cannot write: {why}; free some space").format(why=causes.of_system(error))
        case errno.EIO:
            return _("cannot read or write: {why}; check the disk and the terminal").format(why=causes.of_system(error))
        case _:
            return None


def _not_allowed(path: object) -> str:
    """Whose file it is, and the command to run as that user."""
    import shlex
    import shutil

    from leadmasterd.settings.paths import SYSTEM_FILE
    from leadmasterd.state.files import owner_of

    owner = owner_of(Path(str(path)))
    typed, words = Path(sys.argv[0]), sys.argv[1:]
    # The other user's PATH may not have the program: then name it in full.
    in_path = shutil.which("leadmasterd", path=_SUDO_PATH)
    in_full = typed.name == "leadmasterd" and typed.is_file() and not in_path
    if in_path and words[:2] == ["--config", str(SYSTEM_FILE)]:  # the installed command adds them by itself
        words = words[2:]
    program = str(typed.absolute()) if in_full else "leadmasterd"
    return _("cannot use {path}: permission denied; try `sudo -u {owner} {words}`").format(
        path=path, owner=owner, words=shlex.join([program, *words])
    )


def _busy_daemon(arguments: argparse.Namespace | None) -> str | None:
    """If our own daemon holds the database, say so; None if it may be another program."""
    from leadmasterd.settings.paths import find_paths
    from leadmasterd.state.files import is_running, read_status

    if arguments is None:
        return None
    paths = find_paths(arguments.config)
    if not is_running(paths) or ((read_status(paths) or {}).get("trouble") or {}).get("code") == "database_locked":
        return None
    return _(
        "cannot use {path} now: the daemon is busy writing to it, as after a long outage; nothing is half done, "
        "try again in a minute"
    ).format(path=paths.database)
