"""What is written is true: the protocol's document and the reader of the wire say the same."""

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
def test_every_example_is_understood(line: str) -> None:
    """Exactly as it stands there."""
    assert not isinstance(decode.decode(line.encode()), Malformed | Unknown)


def test_every_type_is_documented_with_an_example() -> None:
    """In words too."""
    shown = {json.loads(line)["type"] for line in FROM_CHILD}
    assert shown == set(decode.EVENT_TYPES)
    for type_ in decode.EVENT_TYPES:
        assert f"`{type_}`" in DOCUMENT


def test_the_examples_are_one_conversation() -> None:
    """Numbered from 1, without a hole."""
    assert [json.loads(line)["seq"] for line in FROM_CHILD] == list(range(1, len(FROM_CHILD) + 1))


def test_every_command_that_is_sent_is_documented() -> None:
    """And none of them sends a message."""
    documented = {json.loads(line)["type"] for line in TO_CHILD}
    sources = "".join(path.read_text() for path in (CHECKOUT / "leadmasterd").rglob("*.py"))
    sent = set(re.findall(r'\.tell\(\s*"(\w+)"', sources))
    assert sent <= documented
    assert documented == {"sweep", "pairing_code", "stop"}


def test_the_limits_are_the_documented_ones() -> None:
    """One mebibyte a line, version 1."""
    assert f"{decode.MAX_LINE:,} bytes" in DOCUMENT
    assert f"version {decode.VERSION}" in DOCUMENT.splitlines()[0]
