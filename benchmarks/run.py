"""Runs the benchmarks and prints one table: `make bench`, or some of them: `make bench ARGS="burst single"`."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.against import ROUNDS, CannotCompare, compare
from benchmarks.figures import Figure, report

ALL = ("burst", "single", "commands", "classification", "leads", "size", "whole", "recovery", "restarts")
LONG = ("noticing",)
"""Only when named: about five minutes."""


def measure(chosen: Sequence[str], json_file: Path | None) -> None:
    """Print each figure as soon as it is there, then the table."""
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


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "chosen",
        nargs="*",
        metavar="NAME",
        help=f"one of {', '.join(ALL)} (all of these when none is named) or noticing, which takes five minutes",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to FILE, unrounded")
    output.add_argument("--against", metavar="COMMIT", help="measure COMMIT and this checkout in turn, and compare")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"for --against: how often each (default {ROUNDS})")
    arguments = parser.parse_args()
    if unknown := set(arguments.chosen) - {*ALL, *LONG}:
        parser.error(f"unknown: {', '.join(unknown)}")
    if arguments.rounds is not None and (arguments.rounds < 1 or not arguments.against):
        parser.error("--rounds needs --against and a number above 0")
    if arguments.against is None:
        measure(arguments.chosen, arguments.json)
        return
    try:
        compare(arguments.against, arguments.chosen, arguments.rounds or ROUNDS)
    except CannotCompare as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
