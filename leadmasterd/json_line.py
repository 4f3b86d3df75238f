"""JSON that every reader takes for a single line."""

import json
from collections.abc import Mapping
from typing import Any, Final

_ENDS: Final = str.maketrans({each: f"\\u{ord(each):04x}" for each in "\x85\u2028\u2029"})
"""JSON allows these characters unescaped in a string, but many readers take them for the end of a line."""


def json_line(value: Mapping[str, Any], *, separators: tuple[str, str] | None = None) -> str:
    """`value` as JSON without a line break anywhere, also not at its end. Other characters are not escaped."""
    return json.dumps(value, ensure_ascii=False, separators=separators).translate(_ENDS)
