"""How thorough this run is: `make test` uses fixed seeds, `make test-deep` fresh ones and many more examples.

The same commit gives the same examples every time, so a failing `make test` means that the change broke something.
`make test-deep` looks for what only a new example can show, and prints how to repeat what it found.
"""

import os
import random
from typing import Final

import pytest

DEEP: Final = os.environ.get("TEST_DEPTH") == "deep"
DEEP_EXAMPLES: Final = 2_000


def examples(number: int) -> int:
    """How many examples of a property to try: `number`, or at least 2,000 in a deep run."""
    return max(number, DEEP_EXAMPLES) if DEEP else number


def seed(fixed: int) -> int:
    """The seed of a storm: `fixed`, or a fresh one in a deep run."""
    return random.SystemRandom().randrange(1_000_000) if DEEP else fixed


def only_deep(why: str) -> pytest.MarkDecorator:
    """Only in a deep run; `why` a cheaper test is enough otherwise."""
    return pytest.mark.skipif(not DEEP, reason=f"only by `make test-deep`: {why}")
