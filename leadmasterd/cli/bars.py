"""A bar that shows how much of the target somebody has waited."""

from typing import Final

CELLS: Final = 10
_FULL, _EMPTY = "█", "░"


def bar(share: float, *, late: bool) -> str:
    """Ten cells. Only what is late is full: rounding makes nobody late."""
    cells = CELLS if late else min(CELLS - 1, int(max(0.0, share) * CELLS))
    return _FULL * cells + _EMPTY * (CELLS - cells)
