"""A bar that fills up to the SLA target while somebody waits."""

from typing import Final

CELLS: Final = 10
_FULL, _EMPTY = "█", "░"


def bar(share: float, *, late: bool) -> str:
    """Ten cells. If `late`, all are filled; else this share (0 to 1) of them, but never all, which would look late."""
    cells = CELLS if late else min(CELLS - 1, int(max(0.0, share) * CELLS))
    return _FULL * cells + _EMPTY * (CELLS - cells)
