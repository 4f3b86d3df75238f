"""All of it, as one table: `make bench`. Words after it choose: `make bench ARGS="burst single"`."""

import argparse
import json
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TypedDict

import leadmasterd
from benchmarks.figures import Figure

ALL = ("burst", "single", "commands", "classification", "leads", "size", "whole", "recovery", "restarts")
LONG = ("noticing",)
"""Only when asked for: about five minutes."""


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


def main(chosen: list[str], json_file: Path | None = None) -> None:
    """Print each figure as soon as it is there, then the table as it stands in the README."""
    figures: list[Figure] = []
    for name in chosen or ALL:
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        for figure in import_module(f"benchmarks.{name}").run():
            print(f"  {figure.name}: {figure.measured}", file=sys.stderr, flush=True)
            figures.append(figure)
    print("| figure | measured | promised | held |\n|---|---|---|---|")
    for figure in figures:
        print(f"| {figure.name} | {figure.measured} | {figure.promised} | {'yes' if figure.held else 'NO'} |")
    if json_file:
        json_file.write_text(json.dumps(report(figures), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    told = (
        f"{', '.join(ALL)}: all of these without a name, some minutes; or noticing: how soon a hung or a deaf page is "
    )
    told += "noticed with production's own durations, about five minutes"
    parser.add_argument("chosen", nargs="*", metavar="NAME", help=told)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE as well, unrounded")
    arguments = parser.parse_args()
    if unknown := set(arguments.chosen) - {*ALL, *LONG}:
        parser.error(f"unknown: {', '.join(unknown)}")
    main(arguments.chosen, arguments.json)
