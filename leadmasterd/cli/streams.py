"""What is printed arrives, whichever characters the terminal, the file or the pipe can take."""

import codecs
import sys
from io import TextIOWrapper

_AS_JSON = "leadmasterd.json"


def print_for_people() -> None:
    """A character that can't be shown there is a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_json() -> None:
    """Nothing is lost: UTF-8 where that is spoken, else ASCII with JSON's own escapes."""
    if isinstance(sys.stdout, TextIOWrapper):
        utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        sys.stdout.reconfigure(encoding="utf-8" if utf8 else "ascii", errors=_AS_JSON)


def print_utf8() -> None:
    """For a file that says by itself what it is in."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Outside ASCII there is nothing in a JSON text but its strings, where this may stand for any character."""
    import json

    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_AS_JSON, _escaped)
