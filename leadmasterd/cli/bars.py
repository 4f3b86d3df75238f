"""A bar for the share of the target that somebody has been waiting."""

from typing import Final

CELLS: Final = 10
_FULL, _EMPTY = "█", "░"


def bar(share: float, *, late: bool) -> str:
    """Ten cells. Full only if late: rounding must not make anybody late."""
    cells = CELLS if late else min(CELLS - 1, int(max(0.0, share) * CELLS))
    return _FULL * cells + _EMPTY * (CELLS - cells)
