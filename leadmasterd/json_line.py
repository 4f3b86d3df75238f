"""JSON of one line, whatever reads it."""

import json
from collections.abc import Mapping
from typing import Any, Final

_ENDS: Final = str.maketrans({each: f"\\u{ord(each):04x}" for each in "\x85\u2028\u2029"})
"""JSON lets them stand in a text as they are, and many readers take them for the end of a line."""


def json_line(value: Mapping[str, Any], *, separators: tuple[str, str] | None = None) -> str:
    """Without its end. Only control characters and ends of lines are escaped."""
    return json.dumps(value, ensure_ascii=False, separators=separators).translate(_ENDS)
