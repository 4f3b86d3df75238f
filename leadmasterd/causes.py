"""What the system and libraries say of an error, in our words: theirs are of another language, or too terse."""

import errno
import re
from collections.abc import Sequence
from typing import Final

from leadmasterd.text import _, later, translated


def of_system(error: BaseException) -> str:
    """Why the system refused something, in our words: its own are of another language, or too terse."""
    match getattr(error, "errno", None):
        case errno.EACCES | errno.EPERM:
            return _("permission denied")
        case errno.ENOENT:
            return _("no such file or folder")
        case errno.ENOSPC | errno.EDQUOT:
            return _("the disk is full")
        case errno.EROFS:
            return _("the disk is read-only")
        case errno.EIO:
            return _("the disk fails")
        case errno.EISDIR:
            return _("it is a folder")
        case errno.ENOTDIR:
            return _("a part of the path is not a folder")
        case errno.EEXIST | errno.ENOTEMPTY:
            return _("there is already something in its place")
        case errno.ENOEXEC:
            return _("it is not a program for this machine")
        case errno.ENOMEM:
            return _("no memory is left")
        case errno.EMFILE | errno.ENFILE:
            return _("too many files are open")
        case errno.ENAMETOOLONG:
            return _("the name is too long")
        case errno.ECONNREFUSED:
            return _("connection refused")
        case errno.ETIMEDOUT:
            return _("no answer in time")
        case int(number):
            return _("system error {name}").format(name=errno.errorcode.get(number, number))
        case _:
            return _("no answer in time") if isinstance(error, TimeoutError) else type(error).__name__


_AT: Final = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>[0-9]+), column (?P<column>[0-9]+)|end of document)\)")
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
"""How tomllib begins what it says. With a value in it, that is left out in another language."""


def of_toml(error: ValueError) -> str:
    """What is wrong with a text that is not TOML, and where. `error`: of tomllib."""
    found = _AT.fullmatch(str(error))
    said = found["what"] if found else str(error)
    known = next((each for each in _TOML if said.startswith(each)), "")
    what = said if translated(known) == known else translated(known)
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
"""What SQLite says, as far as a file or a disk brings it about; with a name in it, up to that."""


def of_sqlite(said: str) -> str:
    """SQLite's words, those that are known in ours. What follows them, a name or a place, stays."""
    return _begun(said, _SQLITE)


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
    """What RE2 says of a regex, as `of_sqlite`: the part of it that is wrong follows."""
    return _begun(said, _RE2)


def _begun(said: str, known: Sequence[str]) -> str:
    begin = next((each for each in known if said.startswith(each)), "")
    return translated(begin) + said.removeprefix(begin)
