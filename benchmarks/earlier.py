"""The memory and the starts of another checkout's daemon and of ours, on the same page, in the order A B, B A.

`make bench ARGS="--against COMMIT"` asks each side's own benchmarks, and an old commit has none for this. Here the
other checkout is used only by what stays the same from version to version: `python -m benchmarks.earlier COMMIT`.
"""

import argparse
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.figures import CannotMeasure
from benchmarks.listeners import Listener, Ours, must_be_alone
from benchmarks.peers import idle, page, starts
from leadmasterd.demo.standin import StandIn
from tests.chaos.product import OURS, CannotPrepare, Product, prepared

ROUNDS: Final = 2


@dataclass(slots=True)
class Measured:
    """One value a round (MB), or one a start (seconds)."""

    tree: list[float] = field(default_factory=list)
    daemon: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def measure(other: Product, node: Path) -> dict[str, Measured]:
    """Both, by label. Raises CannotMeasure when another browser runs."""
    must_be_alone()
    found = {OURS.label: Measured(), other.label: Measured()}
    for number in range(ROUNDS):
        for product in (OURS, other) if number % 2 == 0 else (other, OURS):
            with page(node, _played(product)) as listener:
                measured = found[product.label]
                measured.seconds += starts(listener)
                idle(listener)
                measured.tree.append(listener.memory())
                measured.daemon.append(_daemon(listener))
            _say(f"{product.label}: {measured.tree[-1]:.1f} MB, of which the daemon {measured.daemon[-1]:.1f}")
    return found


def table(found: Mapping[str, Measured]) -> list[str]:
    """Lines of Markdown: ours, theirs, and ours divided by theirs."""
    ours, theirs = found.values()
    labels = list(found)
    rows: dict[str, Callable[[Measured], list[float]]] = {
        "whole tree, idle, each alone: memory (PSS), MB": lambda each: each.tree,
        "the daemon of it (PSS), MB": lambda each: each.daemon,
        "start to ready on a linked profile, s": lambda each: each.seconds,
    }
    lines = [f"| figure | {labels[0]} | {labels[1]} | ratio |", "|---|---|---|---|"]
    for name, values in rows.items():
        mine, other = statistics.median(values(ours)), statistics.median(values(theirs))
        lines.append(f"| {name} | {mine:.4g} | {other:.4g} | {mine / other:.3f}x |")
    return lines


def _played(product: Product) -> Callable[[StandIn, Path], Listener]:
    return lambda standin, folder: Ours(standin, folder / "daemon", product)


def _daemon(listener: Listener) -> float:
    """Megabytes of all that is neither Node nor started by it."""
    of_node = {each.pid for node in listener.node() for each in (node, *node.children(recursive=True))}
    return sum(each.memory_full_info().pss for each in listener.tree() if each.pid not in of_node) / 1e6


def _say(line: str) -> None:
    print(f"    {line}", file=sys.stderr, flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.earlier", description=__doc__)
    parser.add_argument("checkout", metavar="COMMIT", help="a commit of this repository, or a folder with a checkout")
    checkout = parser.parse_args().checkout
    node = shutil.which("node")
    if node is None:
        sys.exit("cannot measure: Node is not installed; run `tools/setup.sh test`")
    try:
        with prepared(checkout) as other:
            print("\n".join(table(measure(other, Path(node)))))
    except (CannotMeasure, CannotPrepare) as why:
        sys.exit(str(why))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
