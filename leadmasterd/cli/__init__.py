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
"""PATH under sudo on Debian (its `secure_path`)."""
_READS_DATABASE = frozenset({"status", "messages", "leads", "history", "report", "rules", "doctor", "feeds"})
"""Commands that read the database. When one fails unexpectedly, `main` looks whether a damaged file is the cause."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    `argv`: the words after the program's name; None: as in `sys.argv`. For an error one sentence goes to stderr; for a
    defect a traceback does, and the exit code is 70. Raises SystemExit after `--help`, `--version` and usage errors.
    """
    arguments = None
    # Python sets them to None where the shell has closed them (`>&-`).
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
        # Wrong settings and `doctor` have named unknown variables already.
        if code != SETTINGS and arguments.command != "doctor":
            _note_unknown_variables()
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells have it
    except BrokenPipeError:  # whoever read our output has closed the pipe
        _discard_stdout()
        return 141  # 128 + SIGPIPE
    except PermissionError as error:
        print(_permission_denied(error.filename), file=sys.stderr)
        return STATE
    except LeadmasterdError as error:
        return _report(error, arguments)
    except Exception as error:  # noqa: BLE001 - the one place where everything ends
        if arguments is not None and (cause := _cause_in_database(error, arguments)):
            return _report(cause, arguments)
        if problem := _device_problem(error):
            _discard_stdout()
            print(problem, file=sys.stderr)
            # systemd starts the daemon again after INTERNAL, but not after STATE.
            return INTERNAL if getattr(arguments, "command", None) == "run" else STATE
        import traceback

        traceback.print_exception(error)
        return INTERNAL
    return code


def _discard_stdout() -> None:
    """Send stdout to /dev/null: Python flushes it again at exit, and would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: LeadmasterdError, arguments: argparse.Namespace | None) -> int:
    """Print an error with what we know about its cause, and return its exit code.

    If the database is locked, say whether our own daemon holds the lock. If a file belongs to another user, add the
    command to run as that user. `arguments` is None if the error came before the command line was parsed.
    """
    sentence = str(error)
    if isinstance(error, DatabaseBusy) and error.code == "database_locked":
        sentence = _busy_daemon(arguments) or sentence
    print(sentence, file=sys.stderr)
    if isinstance(error, MayNotWrite) and error.of_another_user:
        print(_permission_denied(error.of_another_user), file=sys.stderr)
    if error.exit_code != SETTINGS:  # an error in the settings has named unknown variables already
        _note_unknown_variables()
    return error.exit_code


def _note_unknown_variables() -> None:
    """Name on stderr each LEADMASTERD_ variable that is not a setting.

    Commands that read only a few settings ignore such a variable. Commands that read them all (`settings.model.load`)
    refuse it, so that nothing is left to name here.
    """
    if any(name.upper().startswith(ENV_PREFIX) for name in os.environ):
        from leadmasterd.settings.variables import ignored_variables

        for sentence in ignored_variables():
            print(sentence, file=sys.stderr)


def _cause_in_database(error: Exception, arguments: argparse.Namespace) -> CannotUseDatabase | None:
    """The error of a database that is damaged or can't be read, if that is why the command failed; else None.

    Also None if the command does not read the database, or if the settings or the file can't be found.
    """
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
    """The sentence for a full disk, or for a disk or terminal that can't be read or written; None for other errors."""
    from leadmasterd import causes

    match getattr(error, "errno", None):
        case errno.ENOSPC:
            return _("cannot write: {why}; free some space").format(why=causes.of_system(error))
        case errno.EIO:
            return _("cannot read or write: {why}; check the disk and the terminal").format(why=causes.of_system(error))
        case _:
            return None


def _permission_denied(path: object) -> str:
    """The sentence for a file that this user may not use, with the `sudo` line that runs this command as its owner."""
    import shlex
    import shutil

    from leadmasterd.settings.paths import SYSTEM_FILE
    from leadmasterd.state.files import owner_of

    owner = owner_of(Path(str(path)))
    started_as, words = Path(sys.argv[0]), sys.argv[1:]
    sudo_finds_it = shutil.which("leadmasterd", path=_SUDO_PATH) is not None
    if sudo_finds_it and words[:2] == ["--config", str(SYSTEM_FILE)]:  # the installed command adds these two by itself
        words = words[2:]
    program = "leadmasterd"
    if not sudo_finds_it and started_as.name == "leadmasterd" and started_as.is_file():
        program = str(started_as.absolute())
    return _("cannot use {path}: permission denied; try `sudo -u {owner} {words}`").format(
        path=path, owner=owner, words=shlex.join([program, *words])
    )


def _busy_daemon(arguments: argparse.Namespace | None) -> str | None:
    """The sentence for a database that our own daemon has locked; None if another program may hold the lock."""
    from leadmasterd.settings.paths import find_paths
    from leadmasterd.state.files import is_running, read_status

    if arguments is None:
        return None
    paths = find_paths(arguments.config)
    if not is_running(paths):
        return None
    trouble = (read_status(paths) or {}).get("trouble") or {}
    if trouble.get("code") == "database_locked":  # the daemon is itself waiting for that lock
        return None
    return _(
        "cannot use {path} now: the daemon is busy writing to it, as after a long outage; nothing is half done, "
        "try again in a minute"
    ).format(path=paths.database)
