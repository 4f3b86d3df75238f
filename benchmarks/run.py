"""Runs the benchmarks, prints one table and writes it to docs/benchmarks.md: all of them, or those that are named."""

import argparse
import compileall
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path

import leadmasterd
from benchmarks import document
from benchmarks.against import ROUNDS, CannotCompare, compare
from benchmarks.figures import CannotMeasure, Figure, report

ALL = (
    "burst", "single", "commands", "classification", "leads", "long_history", "size", "whole", "recovery", "page_ways",
    "restarts",
)  # fmt: skip
LONG = ("noticing", "feeds", "web", "peers", "disk", "parts")
"""Only when named: some one to twenty minutes each."""


def measure(chosen: Sequence[str], json_file: Path | None) -> bool:
    """Print each figure as soon as it is there, then the table; write them to `json_file`, or else to the document.

    False if a benchmark could not be run here: the others are measured all the same, and its old rows stay.
    """
    # Under PYTHONDONTWRITEBYTECODE each command would otherwise be measured with compiling the package.
    compileall.compile_dir(Path(leadmasterd.__file__).parent, quiet=1)
    figures: dict[str, list[Figure]] = {}
    for name in chosen or ALL:
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        try:
            figures[name] = import_module(f"benchmarks.{name}").run()
        except CannotMeasure as why:
            print(f"cannot measure {name}: {why}", file=sys.stderr, flush=True)
            continue
        for figure in figures[name]:
            print(f"  {figure.name}: {figure.measured}", file=sys.stderr, flush=True)
    complete = figures.keys() >= {*(chosen or ALL)}
    if not figures:
        return complete
    rows = {name: document.rows(name, each, document.today()) for name, each in figures.items()}
    print("\n".join([*document.HEADER, *chain.from_iterable(rows.values())]))
    if json_file:
        content = report(chain.from_iterable(figures.values()))
        json_file.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return complete
    try:
        if parts := figures.pop("parts", None):
            document.update_parts(parts)
        if figures:
            document.update({name: rows[name] for name in figures}, usual=ALL, known=(*ALL, *LONG))
    except document.CannotUpdate as error:
        print(f"cannot update {document.FILE}: {error}", file=sys.stderr)
    return complete


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "chosen",
        nargs="*",
        metavar="NAME",
        help=f"one of {', '.join(ALL)} (all of these if none is named) or {' or '.join(LONG)} (six to twenty minutes)",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--json", type=Path, metavar="FILE", help="write the rows to FILE, unrounded, and not to the document"
    )
    output.add_argument("--against", metavar="COMMIT", help="measure COMMIT and this checkout in turn, and compare")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"for --against: how often each (default {ROUNDS})")
    arguments = parser.parse_args()
    if unknown := set(arguments.chosen) - {*ALL, *LONG}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join((*ALL, *LONG))}")
    if arguments.rounds is not None and (arguments.rounds < 1 or not arguments.against):
        parser.error("--rounds needs --against and a number above 0")
    if arguments.against is None:
        if not measure(arguments.chosen, arguments.json):
            sys.exit(1)
        return
    try:
        compare(arguments.against, arguments.chosen, arguments.rounds or ROUNDS)
    except CannotCompare as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
