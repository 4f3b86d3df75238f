"""What a benchmark returns: rows for the table and for comparing two commits."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

import leadmasterd


class CannotMeasure(Exception):
    """A benchmark cannot be run here; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table.

    Rows of two commits are joined by `name`, so it holds nothing that was measured.
    """

    name: str
    number: float
    """What two commits are compared by, unrounded."""
    unit: str
    """`x` for a ratio against the limit measured in the same run."""
    better: Literal["lower", "higher"] = "lower"
    growth: bool = False
    """The number is a difference that should be 0, so a ratio of two of them means nothing."""
    measured: str
    """For people; may hold more than the number."""
    promised: str
    held: bool


class Row(TypedDict):
    """A figure in the JSON of `--json`."""

    name: str
    number: float
    unit: str
    better: str
    growth: bool
    text: str
    promised: str
    held: bool


class Report(TypedDict):
    """The JSON of `--json`."""

    package: str
    """The folder of the leadmasterd that was measured."""
    rows: list[Row]


def report(figures: Iterable[Figure]) -> Report:
    """The figures, unrounded."""
    return {
        "package": str(Path(leadmasterd.__file__).resolve().parent),
        "rows": [
            {
                "name": figure.name,
                "number": figure.number,
                "unit": figure.unit,
                "better": figure.better,
                "growth": figure.growth,
                "text": figure.measured,
                "promised": figure.promised,
                "held": figure.held,
            }
            for figure in figures
        ],
    }


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which `percent` percent of the values lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
