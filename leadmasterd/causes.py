"""Errors of the system and of libraries, in words that can be translated.

The originals come in English or in the system's language, and many are too terse for an operator.
"""

import errno
import re
import signal
from collections.abc import Sequence
from typing import Final

from leadmasterd.text import _, later, translated

_SYSTEM: Final = {
    errno.EACCES: later("permission denied"),
    errno.EPERM: later("permission denied"),
    errno.ENOENT: later("no such file or folder"),
    errno.ENOSPC: later("the disk is full"),
    errno.EDQUOT: later("the disk is full"),
    errno.EROFS: later("the disk is read-only"),
    errno.EIO: later("the disk fails"),
    errno.EISDIR: later("it is a folder"),
    errno.ENOTDIR: later("a part of the path is not a folder"),
    errno.EEXIST: later("there is already something in its place"),
    errno.ENOTEMPTY: later("there is already something in its place"),
    errno.ENOEXEC: later("it is not a program for this machine"),
    errno.ENOMEM: later("no memory is left"),
    errno.EMFILE: later("too many files are open"),
    errno.ENFILE: later("too many files are open"),
    errno.ENAMETOOLONG: later("the name is too long"),
    errno.ECONNREFUSED: later("connection refused"),
    errno.ETIMEDOUT: later("no answer in time"),
}


def of_system(error: BaseException) -> str:
    """The cause of an `OSError` or timeout, as half a sentence: `permission denied`. Unknown ones by their name."""
    number = getattr(error, "errno", None)
    if number in _SYSTEM:
        return translated(_SYSTEM[number])
    if isinstance(number, int):
        return _("system error {name}").format(name=errno.errorcode.get(number, number))
    return _("no answer in time") if isinstance(error, TimeoutError) else type(error).__name__


def of_exit(code: int) -> str:
    """How a process ended that printed no reason. `code`: as `subprocess` gives it, negative for a signal."""
    if code == -signal.SIGKILL:
        return _("it was killed, as the system does when no memory is left")
    return _("it ended with {code}").format(code=code)


_AT: Final = r"(?P<what>.*) \(at (?:line (?P<line>[0-9]+), column (?P<column>[0-9]+)|end of document)\)"
_TOML: Final = (
    later("Cannot declare"),
    later("Cannot mutate immutable namespace"),
    later("Cannot overwrite a value"),
    later("Cannot redefine namespace"),
    later("Duplicate inline table key"),
    later("Escaped character is not a Unicode scalar value"),
    later("Expected \"'"),
    later("Expected '=' after a key in a key/value pair"),
    later("Expected ']' at the end of a table declaration"),
    later("Expected ']]' at the end of an array declaration"),
    later("Expected newline or end of document after a statement"),
    later("Found invalid character"),
    later("Illegal character"),
    later("Invalid date or datetime"),
    later("Invalid hex value"),
    later("Invalid initial character for a key part"),
    later("Invalid statement"),
    later("Invalid value"),
    later("Unclosed array"),
    later("Unclosed inline table"),
    later("Unescaped '\\' in a string"),
    later("Unterminated string"),
)
"""How tomllib's messages begin. What follows is a value from the file; a translation leaves it out."""
_TOO_MANY_DIGITS: Final = "Exceeds the limit"


NO_JSON: Final = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What taking values out of a JSON text raises if it is damaged, nested too deep, or of another shape than expected."""


NO_TOML: Final = (ValueError, RecursionError)
"""What tomllib raises for bad TOML. A number of thousands of digits gives Python's own ValueError, and nesting of
thousands of levels a RecursionError."""


def of_toml(error: ValueError | RecursionError) -> str:
    """What is wrong with a text that is not TOML, and where. `error`: what tomllib raised (`NO_TOML`)."""
    if isinstance(error, RecursionError):
        return _("it is nested too deeply")
    if str(error).startswith(_TOO_MANY_DIGITS):
        return _("it has a number with thousands of digits")
    found = re.fullmatch(_AT, str(error))
    said = found["what"] if found else str(error)
    known = next((each for each in _TOML if said.startswith(each)), "")
    what = said if translated(known) == known else translated(known)  # untranslated, it keeps the value that follows
    if not found:
        return what
    if found["line"] is None:
        return _("{what} (at the end of the file)").format(what=what)
    return _("{what} (line {line}, column {column})").format(what=what, line=found["line"], column=found["column"])


_SQLITE: Final = (
    later("attempt to write a readonly database"),
    later("Could not decode to UTF-8"),
    later("database disk image is malformed"),
    later("database is locked"),
    later("database or disk is full"),
    later("disk I/O error"),
    later("file is not a database"),
    later("malformed database schema"),
    later("no such table"),
    later("unable to open database file"),
)
"""SQLite's messages about files and disks. Of one that goes on with a name: the part before it."""


def of_sqlite(said: str) -> str:
    """SQLite's message with its known beginning translated. A name or place after it stays; unknown ones stay whole."""
    return _with_known_beginning(said, _SQLITE)


_RE2: Final = (
    later("bad repetition operator"),
    later("invalid character class range"),
    later("invalid escape sequence"),
    later("invalid named capture group"),
    later("invalid perl operator"),
    later("invalid repetition size"),
    later("missing )"),
    later("missing ]"),
    later("no argument for repetition operator"),
    later("pattern too large"),
    later("trailing \\"),
    later("unexpected )"),
)


def of_re2(said: str) -> str:
    """RE2's message about a regex, with its known beginning translated. The part of the regex that is wrong follows."""
    return _with_known_beginning(said, _RE2)


def _with_known_beginning(said: str, known: Sequence[str]) -> str:
    beginning = next((each for each in known if said.startswith(each)), "")
    return translated(beginning) + said.removeprefix(beginning)
