"""Errors that end a command. The text is for people: "cannot …", what was tried, with which value, and what to do.

Each carries the exit code of its command. Every other exception is a defect: traceback and exit code 70.
Errors that the program handles by itself stay with the module that raises them.
"""

from pathlib import Path
from typing import Any, ClassVar, Final

NO: Final = 1
NOT_RUNNING: Final = 3
USAGE: Final = 64
INTERNAL: Final = 70
STATE: Final = 73
SETTINGS: Final = 78
"""Exit codes. After STATE and SETTINGS systemd does not restart the daemon: a person must act first."""


class LeadmasterdError(Exception):
    """Base of the errors below: `cli` prints the text without a traceback and exits with `exit_code`."""

    exit_code: ClassVar[int] = INTERNAL

    def __reduce__(self) -> tuple[Any, ...]:
        """How to pickle it. By default unpickling would call `__init__` with `args`, which subclasses with keyword
        arguments refuse."""
        return _unpickled, (type(self), self.args, self.__dict__)


def _unpickled(kind: type[LeadmasterdError], args: tuple[object, ...], values: dict[str, object]) -> LeadmasterdError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(values)
    return error


# ---------------------------------------------------------------------- 1: the answer is no


class Refused(LeadmasterdError):
    """What was asked for can't be done as things are, or the daemon refuses it."""

    exit_code = NO


class CannotMerge(Refused):
    """Two contacts can't be merged, or a merge can't be undone."""


class CannotUseSnapshot(Refused):
    """A snapshot of the session is damaged or can't be taken.

    `code` for programs: `no_session`, `changed` (a file is not what was copied) or `unreadable`.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class CannotUseLine(Refused):
    """A line of a file of labelled messages is wrong: names file, line, value and what is allowed."""


class DemoFailed(Refused):
    """Something in the demo did not happen in time."""


# ---------------------------------------------------------------------- 130: a person ended it


class Interrupted(LeadmasterdError):
    """Ended by Ctrl-C or by the end of its terminal, where something is left for a person to do."""

    exit_code = 130


# ---------------------------------------------------------------------- 3: no daemon to ask


class CannotReachDaemon(LeadmasterdError):
    """No daemon answers on the control socket, or this user may not ask it."""

    exit_code = NOT_RUNNING


# ---------------------------------------------------------------------- 64: usage


class CannotUseArgument(LeadmasterdError):
    """An argument that the parser let pass makes no sense: names the value and what is allowed."""

    exit_code = USAGE


# ---------------------------------------------------------------------- 73: the state can't be used


class CannotUseState(LeadmasterdError):
    """The state directory can't be used. `disk_full`: whether a full disk is why; a retry makes sense then."""

    exit_code = STATE

    def __init__(self, text: str, *, disk_full: bool = False) -> None:
        super().__init__(text)
        self.disk_full = disk_full


class CannotUseDatabase(LeadmasterdError):
    """The database can't be used: names the file."""

    exit_code = STATE


class DatabaseBusy(CannotUseDatabase):
    """The database can't be used now, but trying again makes sense.

    `code`: `disk_full`, `database_locked`, `database_error`; `database_unusable` if there is no room to update it.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class DatabaseDamaged(CannotUseDatabase):
    """The file's content is damaged, and only a person can put a sound one in its place."""


class MayNotWrite(CannotUseDatabase):
    """The database can't be written. `of_another_user`: the file that belongs to another user, if that is why."""

    def __init__(self, text: str, *, of_another_user: Path | None) -> None:
        super().__init__(text)
        self.of_another_user = of_another_user


# ---------------------------------------------------------------------- 78: settings, node or browser wrong


class CannotUseSettings(LeadmasterdError):
    """Settings are wrong. The text names file, key, value and what is allowed, in one line for each problem."""

    exit_code = SETTINGS


class CannotUseProgram(LeadmasterdError):
    """Node or the browser is missing, too old or broken."""

    exit_code = SETTINGS


class CannotUseRules(LeadmasterdError):
    """The rules file is wrong. The text names file, line where known, rule, value and what is allowed, in one line for
    each problem."""

    exit_code = SETTINGS


class CannotUseModel(LeadmasterdError):
    """The model can't be read. The text names the file and what is wrong with it."""

    exit_code = SETTINGS
