"""Two commits measured in turn in one run: `make bench ARGS="--against COMMIT"`.

Each side measures its own code with its own benchmarks/, one benchmark at a time and in alternating order (A B, B A,
...), so that both meet the same machine and its drift cancels out.
"""

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, cast

from benchmarks.figures import Report, Row

ROOT: Final = Path(__file__).resolve().parent.parent
ROUNDS: Final = 3
LOCKS: Final = ("requirements.lock", "node_listener/package-lock.json")
_PROBE: Final = """
import json, leadmasterd
from benchmarks import run
print(json.dumps({"files": [leadmasterd.__file__, run.__file__], "known": [*run.ALL, *run.LONG], "usual": run.ALL}))
"""
_STOPPING: Final = 60
"""Seconds that an interrupted benchmark has for stopping its daemon and browser."""


class CannotCompare(Exception):
    """What failed and on which side, after what the failed program printed."""


class Names(NamedTuple):
    """The benchmarks of a side, and those that run when none is named."""

    known: tuple[str, ...]
    usual: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """A checkout to measure, and what the table calls it."""

    label: str
    root: Path

    def measure(self, benchmark: str) -> list[Row]:
        """The rows of one benchmark. Raises CannotCompare when it fails or has run another checkout's code."""
        with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
            report_file, output_file = Path(name) / "rows.json", Path(name) / "output"
            with output_file.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.run", benchmark, "--json", str(report_file)],
                    cwd=self.root,
                    env=self._environment(),
                    stdout=output,
                    stderr=output,
                )
                try:
                    code = process.wait()
                except KeyboardInterrupt:
                    process.wait(_STOPPING)
                    raise
            if code != 0:
                said = output_file.read_text(encoding="utf-8", errors="replace")
                raise CannotCompare(f"{said}\ncannot measure `{benchmark}` of {self.label}: it failed, see above")
            report = cast(Report, json.loads(report_file.read_text(encoding="utf-8")))
        self._check_own(Path(report["package"]))
        return report["rows"]

    def names(self) -> Names:
        """Its benchmarks. Raises CannotCompare when this side cannot be measured."""
        probe = self._python("-c", _PROBE)
        if probe.returncode != 0:
            raise CannotCompare(f"{probe.stderr}\ncannot measure {self.label}: its benchmarks cannot be imported")
        said = json.loads(probe.stdout)
        for file in said["files"]:
            self._check_own(Path(file).resolve().parent)
        if "--json" not in self._python("-m", "benchmarks.run", "--help").stdout:
            raise CannotCompare(
                f"cannot measure {self.label}: its rows carry no numbers (its `benchmarks.run` has no --json); "
                "name a later commit"
            )
        return Names(known=tuple(said["known"]), usual=tuple(said["usual"]))

    def _check_own(self, package: Path) -> None:
        if package.parent != self.root:
            own = self.root / package.name
            raise CannotCompare(f"cannot measure {self.label}: it ran {package} instead of {own}")

    def _python(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        # The editable install names one checkout only. `python -m` looks in the current folder first, unless
        # PYTHONSAFEPATH is set; the path covers that too, and processes that are started elsewhere.
        return {"PUPPETEER_CACHE_DIR": str(ROOT / ".browser"), **os.environ, "PYTHONPATH": str(self.root)}


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of both sides, one value a round; a side that has no such row is empty."""

    name: str
    before: tuple[Row, ...]
    after: tuple[Row, ...]


class Ratio(NamedTuple):
    """Above 1 is worse: slower, larger or, where higher is better, lower."""

    of_medians: float
    smallest: float
    """Of one round."""
    largest: float


def join(rounds: Sequence[tuple[Sequence[Row], Sequence[Row]]]) -> list[Pair]:
    """Rows of (before, after) by name, in the order of the side that is after."""
    names = dict.fromkeys(row["name"] for side in (1, 0) for both in rounds for row in both[side])
    return [
        Pair(
            name,
            before=tuple(row for before, _ in rounds for row in before if row["name"] == name),
            after=tuple(row for _, after in rounds for row in after if row["name"] == name),
        )
        for name in names
    ]


def ratio(pair: Pair) -> Ratio | None:
    """None where a ratio would mean nothing: growth, a row of one side only, other units, numbers not above 0."""
    rows = (*pair.before, *pair.after)
    kinds = {(row["unit"], row["better"], row["growth"]) for row in rows}
    if (
        len(pair.before) != len(pair.after)
        or len(kinds) != 1
        or any(row["growth"] or row["number"] <= 0 for row in rows)
    ):
        return None
    old, new = ([row["number"] for row in side] for side in (pair.before, pair.after))
    if rows[0]["better"] == "higher":
        old, new = new, old
    each = [later / earlier for earlier, later in zip(old, new, strict=True)]
    return Ratio(statistics.median(new) / statistics.median(old), min(each), max(each))


def table(pairs: Sequence[Pair], before: str, after: str) -> Iterator[str]:
    """Markdown, then the limits that did not hold."""
    yield f"| figure | {before} | {after} | ratio | spread |\n|---|---|---|---|---|"
    for pair in pairs:
        found = ratio(pair)
        if not pair.before:
            last = f"only {after} | "
        elif not pair.after:
            last = f"only {before} | "
        elif found:
            last = f"{found.of_medians:.3f}x | {found.smallest:.3f}x to {found.largest:.3f}x"
        else:
            last = "none | "
        yield f"| {pair.name} | {_cell(pair.before)} | {_cell(pair.after)} | {last} |"
    for pair in pairs:
        for label, rows in ((before, pair.before), (after, pair.after)):
            for number, row in enumerate(rows, 1):
                if not row["held"]:
                    yield f"limit exceeded by {label} in round {number}: {pair.name}: {row['text']}"


def compare(commit: str, chosen: Sequence[str], rounds: int, here: Path = ROOT) -> None:
    """Print the table of `commit` against the checkout `here`. Raises CannotCompare."""
    with _unpacked(commit, here) as (before, after):
        theirs, ours = before.names(), after.names()
        pairs: list[Pair] = []
        for benchmark in chosen or dict.fromkeys((*ours.usual, *theirs.usual)):
            sides = [side for side, names in ((before, theirs), (after, ours)) if benchmark in names.known]
            measured: list[tuple[Sequence[Row], Sequence[Row]]] = []
            for number in range(rounds):
                rows: dict[Side, Sequence[Row]] = {before: [], after: []}
                for side in sides if number % 2 == 0 else reversed(sides):
                    _tell(f"{benchmark}, round {number + 1} of {rounds}: {side.label} …")
                    rows[side] = side.measure(benchmark)
                    for row in rows[side]:
                        _tell(f"  {row['name']}: {row['text']}")
                measured.append((rows[before], rows[after]))
            pairs += join(measured)
    for line in table(pairs, before.label, after.label):
        print(line)
    times = "1 round" if rounds == 1 else f"{rounds} rounds"
    print(
        f"\nMedians over {times}. ratio: {after.label} / {before.label}, above 1 is worse. spread: the ratios of\n"
        "single rounds. Rows of growth have no ratio; they show the value of each round."
    )


@contextmanager
def _unpacked(commit: str, here: Path) -> Iterator[tuple[Side, Side]]:
    """The commit and the checkout, each in a folder of its own, with the installed packages of the checkout.

    The checkout is copied as well: bytecode, file system and path are then the same for both, and editing goes on.
    """
    label = _git(here, "rev-parse", "--verify", "--short", f"{commit}^{{commit}}").decode().strip()
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-", ignore_cleanup_errors=True) as name:
        before, after = Side(label, Path(name).resolve() / "a"), Side("this checkout", Path(name).resolve() / "b")
        before.root.mkdir()
        archive = _git(here, "archive", "--format=tar", label)
        subprocess.run(["tar", "-x", "-C", before.root], input=archive, check=True)
        _copy(here, after.root)
        for lock in LOCKS:
            if _content(before.root / lock) != _content(after.root / lock):
                _tell(f"note: {lock} differs; {label} is measured with the packages of this checkout")
        for side in (before, after):
            modules = Path("node_listener", "node_modules")
            if (here / modules).is_dir() and (side.root / modules).parent.is_dir():
                (side.root / modules).symlink_to(here / modules)
            # Otherwise the first round, or under PYTHONDONTWRITEBYTECODE each command, would pay for compiling.
            subprocess.run(
                [sys.executable, "-m", "compileall", "-q", side.root], check=False, stdout=subprocess.DEVNULL
            )
        yield before, after


def _copy(here: Path, root: Path) -> None:
    """Every file that git tracks or would track, as it is now."""
    for name in _git(here, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0"):
        if name and (here / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(here / name, root / name)


def _git(here: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", here, *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise CannotCompare(f"cannot read the commit to compare with: git {arguments[0]} says: {said}")
    return done.stdout


def _content(file: Path) -> bytes:
    return file.read_bytes() if file.is_file() else b""


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    if rows[0]["growth"]:
        each = ", ".join(f"{row['number']:+.2f}" for row in rows)
        return f"{each} {rows[0]['unit']}"
    return f"{_four_digits(statistics.median(row['number'] for row in rows))} {rows[0]['unit']}"


def _four_digits(value: float) -> str:
    whole = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{value:,.{max(0, 4 - whole)}f}"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
