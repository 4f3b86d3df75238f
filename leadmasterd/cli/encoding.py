"""How text is encoded for terminals, files and pipes that can't take every character.

Each `print_…` function sets up stdout for the rest of the process.
"""

import codecs
import sys
from io import TextIOWrapper

_JSON_ESCAPES = "leadmasterd.json"


def print_for_people() -> None:
    """From now on print a question mark for each character that stdout or stderr can't encode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_json() -> None:
    """From now on lose no character on stdout: leave it UTF-8 if it is, else print ASCII with JSON's own escapes."""
    if isinstance(sys.stdout, TextIOWrapper):
        utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        sys.stdout.reconfigure(encoding="utf-8" if utf8 else "ascii", errors=_JSON_ESCAPES)


def print_utf8() -> None:
    """From now on print UTF-8 on stdout whatever the terminal's encoding, for formats that are always UTF-8."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """An error handler for `str.encode`: returns JSON escapes for what can't be encoded, and the place to go on from.

    Right for JSON only: its non-ASCII characters are all within strings, where any character may be escaped.
    """
    import json

    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_JSON_ESCAPES, _escaped)
