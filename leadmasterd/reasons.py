"""Why something happened, a stable code with values, and who did it.

Never a sentence: `sentences` makes those when a person reads.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

SYSTEM: Final = "system"
"""The actor of what the program did by itself; people are `person:NAME`."""


def person_name(actor: str) -> str:
    """The NAME of `person:NAME`. Not yet safe for a terminal."""
    return actor.removeprefix("person:")


class Reason(NamedTuple):
    """A stored code, and what its sentence names."""

    code: str
    values: Mapping[str, object] = {}
