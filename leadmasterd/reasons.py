"""Reasons as they are stored: a stable code with values, and the actor.

Never a sentence: `sentences` makes one of it when a person reads.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

SYSTEM: Final = "system"
"""The actor of what the program did by itself; people are `person:NAME`."""


def person_name(actor: str) -> str:
    """The NAME of `person:NAME`. Not yet safe for a terminal."""
    return actor.removeprefix("person:")


class Reason(NamedTuple):
    """Why something happened: a stored code, and the values that its sentence names."""

    code: str
    values: Mapping[str, object] = {}
