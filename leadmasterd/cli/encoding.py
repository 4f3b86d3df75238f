"""Text output for terminals, files and pipes that can't take every character."""

import codecs
import sys
from io import TextIOWrapper

_JSON_ESCAPES = "leadmasterd.json"


def print_for_people() -> None:
    """Print a question mark for what the terminal can't show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_json() -> None:
    """Lose nothing: UTF-8 where stdout is UTF-8, else ASCII with JSON's own escapes."""
    if isinstance(sys.stdout, TextIOWrapper):
        utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        sys.stdout.reconfigure(encoding="utf-8" if utf8 else "ascii", errors=_JSON_ESCAPES)


def print_utf8() -> None:
    """For formats that are UTF-8 whatever the terminal is."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """JSON has non-ASCII characters only in strings, where any character may be escaped."""
    import json

    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_JSON_ESCAPES, _escaped)
