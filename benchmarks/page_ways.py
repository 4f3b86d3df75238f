"""Figures of `whole` and `recovery` again, on the page's own ways.

The stand-in of earlier commits does not have these ways, so nothing is compared. Nor does the bare library set a limit:
it waits for an event of the page that may have passed before it listens, and then never says that it is ready.
"""

from dataclasses import replace

from benchmarks import recovery, whole
from benchmarks.daemon import setup
from benchmarks.figures import Figure

FEW = 900
"""Below 1,000 the page emits what waited after it is synced, one by one; from there on it stores all of it before."""


def run() -> list[Figure]:
    """One daemon after another, on one linked profile."""
    with setup(ways="page") as parts:
        with parts.daemon():
            parts.pair()
            latency = whole.latencies(parts)
        figures = [
            *latency,
            recovery.deaths(parts, bare=None),
            recovery.missed(parts, FEW),
            recovery.missed(parts),
        ]
    return [replace(figure, name=f"the page's ways, {figure.name}") for figure in figures]
