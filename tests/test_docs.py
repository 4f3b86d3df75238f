"""docs/protocol.md describes what the code reads and writes."""

import json
import re
from pathlib import Path

import pytest

from leadmasterd.wire import decode
from leadmasterd.wire.events import Malformed, Unknown

CHECKOUT = Path(__file__).parent.parent
DOCUMENT = (CHECKOUT / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = [line.strip() for line in DOCUMENT.splitlines() if line.startswith("    {")]
FROM_CHILD = [line for line in EXAMPLES if '"v":1' in line]
TO_CHILD = [line for line in EXAMPLES if '"v":1' not in line]


@pytest.mark.parametrize("line", FROM_CHILD)
def test_every_example_of_a_line_can_be_read(line: str) -> None:
    """The examples are decoded exactly as written."""
    assert not isinstance(decode.decode(line.encode()), Malformed | Unknown)


def test_every_type_is_documented_with_an_example() -> None:
    """Each has a description too."""
    shown = {json.loads(line)["type"] for line in FROM_CHILD}
    assert shown == set(decode.EVENT_TYPES)
    for type_ in decode.EVENT_TYPES:
        assert f"`{type_}`" in DOCUMENT


def test_the_examples_are_one_conversation() -> None:
    """They are numbered from 1 without a gap."""
    assert [json.loads(line)["seq"] for line in FROM_CHILD] == list(range(1, len(FROM_CHILD) + 1))


def test_every_command_to_the_child_is_documented() -> None:
    """None of them sends a message."""
    documented = {json.loads(line)["type"] for line in TO_CHILD}
    sources = "".join(path.read_text() for path in (CHECKOUT / "leadmasterd").rglob("*.py"))
    sent = set(re.findall(r'\.tell\(\s*"(\w+)"', sources))
    assert sent <= documented
    assert documented == {"sweep", "pairing_code", "check_page", "stop"}


def test_the_limits_are_the_documented_ones() -> None:
    """These are the longest line and the version."""
    assert f"{decode.MAX_LINE:,} bytes" in DOCUMENT
    assert f"version {decode.VERSION}" in DOCUMENT.splitlines()[0]
