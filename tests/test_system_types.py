"""Which types are notices is known twice: the listener drops them, and replayed lines may hold them."""

import re
from pathlib import Path

from leadmasterd.authors import NOTICES

SOURCES = Path(__file__).resolve().parent.parent / "node_listener" / "src"


def test_both_sides_know_the_same_system_types() -> None:
    """A type that only one side knows would be dropped live and make leads in a replay, or the other way round."""
    [kinds] = SOURCES.rglob("kinds.js")
    cases = kinds.read_text().split("function isSystemType")[1].split("default:")[0]
    assert set(re.findall(r"case '([\w-]+)'", cases)) == NOTICES
