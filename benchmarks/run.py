"""All of it, as one table: `make bench`. Words after it choose: `make bench ARGS="burst single"`."""

import argparse
import sys
from importlib import import_module

from benchmarks.figures import Figure

ALL = ("burst", "single", "commands", "classification", "leads", "size", "whole", "recovery", "restarts")
LONG = ("noticing",)
"""Only when asked for: about five minutes."""


def main(chosen: list[str]) -> None:
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    told = (
        f"{', '.join(ALL)}: all of these without a name, some minutes; or noticing: how soon a hung or a deaf page is "
    )
    told += "noticed with production's own durations, about five minutes"
    parser.add_argument("chosen", nargs="*", metavar="NAME", help=told)
    names = parser.parse_args().chosen
    if unknown := set(names) - {*ALL, *LONG}:
        parser.error(f"unknown: {', '.join(unknown)}")
    main(names)
