"""How `make bench` handles its rows. Only `make bench` measures: no test here depends on time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from benchmarks import document
from benchmarks.against import CannotCompare, Pair, Ratio, compare, join, ratio, table
from benchmarks.figures import Figure, Row, report
from benchmarks.run import ALL, LONG

RUNNER: Final = """
import json, os, sys
import leadmasterd
ALL, LONG = ("quick",), ()
if "--help" in sys.argv:
    print("--json FILE")
elif __name__ == "__main__":
    assert sys.argv[1:3] == ["quick", "--json"]
    leadmasterd.fail()
    row = dict(name="quick", number=leadmasterd.NUMBER, unit="s", better="lower", growth=False, text="", promised="")
    report = {"package": os.path.dirname(os.path.realpath(leadmasterd.__file__)), "rows": [{**row, "held": True}]}
    open(sys.argv[3], "w").write(json.dumps(report))
"""
"""Stands in for `benchmarks.run`: one row, with a number taken from the package."""


def row(name: str, number: float, *, unit: str = "s", higher: bool = False, growth: bool = False) -> Row:
    """A row of the JSON output."""
    figure = Figure(
        name=name,
        number=number,
        unit=unit,
        better="higher" if higher else "lower",
        growth=growth,
        measured=f"{number:.0f} {unit}",
        promised="below 9 s",
        held=number < 9,
    )
    return report([figure])["rows"][0]


def pair(before: list[Row], after: list[Row]) -> Pair:
    """A row with both sides."""
    return Pair("it", tuple(before), tuple(after))


def test_rows_of_two_commits_are_joined_by_name() -> None:
    """The order is the new commit's, and a row of only one side stays."""
    first = ([row("a", 1), row("old", 2)], [row("new", 3), row("a", 4)])
    second = ([row("a", 5), row("old", 6)], [row("new", 7), row("a", 8)])
    joined = join([first, second])
    numbers = {each.name: ([r["number"] for r in each.before], [r["number"] for r in each.after]) for each in joined}
    assert numbers == {"new": ([], [3, 7]), "a": ([1, 5], [4, 8]), "old": ([2, 6], [])}
    assert list(numbers) == ["new", "a", "old"]


def test_the_ratio_is_of_the_medians_and_the_spread_of_single_rounds() -> None:
    """The medians need not come from the same round."""
    before = [row("it", number) for number in (2, 4, 5)]
    after = [row("it", number) for number in (3, 2, 5)]
    assert ratio(pair(before, after)) == Ratio(of_medians=0.75, smallest=0.5, largest=1.5)


def test_a_ratio_above_one_is_worse_where_higher_is_better_too() -> None:
    """A rate that halves has a ratio of 2."""
    found = ratio(pair([row("it", 8, higher=True)], [row("it", 4, higher=True)]))
    assert found == Ratio(of_medians=2, smallest=2, largest=2)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([row("it", 1, growth=True)], [row("it", 2, growth=True)], id="growth"),
        pytest.param([row("it", 1)], [], id="one side only"),
        pytest.param([row("it", 1, unit="ms")], [row("it", 1, unit="s")], id="another unit"),
        pytest.param([row("it", 0)], [row("it", 1)], id="nothing"),
        pytest.param([row("it", 1)], [row("it", -1)], id="below nothing"),
    ],
)
def test_no_ratio_is_given_where_it_would_mean_nothing(before: list[Row], after: list[Row]) -> None:
    """The table says why in words."""
    assert ratio(pair(before, after)) is None
    assert "x |" not in "".join(table([pair(before, after)], "abc", "this checkout"))


def test_the_table_shows_medians_ratio_and_spread() -> None:
    """Growth per round is shown as measured, and exceeded limits are listed below."""
    pairs = [
        Pair("time", (row("time", 2), row("time", 4)), (row("time", 2), row("time", 10))),
        Pair("memory", (row("memory", 0.4, unit="MB", growth=True),), (row("memory", -0.1, unit="MB", growth=True),)),
        Pair("new", (), (row("new", 12345.6, unit="1/s"),)),
    ]
    lines = list(table(pairs, "abc", "this checkout"))
    assert lines[1:] == [
        "| time | 3.000 s | 6.000 s | 2.000x | 1.000x to 2.500x |",
        "| memory | +0.40 MB | -0.10 MB | none |  |",
        "| new |  | 12,346 1/s | only this checkout |  |",
        "limit exceeded by this checkout in round 2: time: 10 s",
        "limit exceeded by this checkout in round 1: new: 12346 1/s",
    ]


class Repository:
    """A checkout with one instant benchmark."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> str:
        """Run git without the user's settings."""
        nobody = {f"GIT_{who}_{what}": "nobody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env={**os.environ, **nobody, **alone}, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def write(self, number: float, *, fails: bool = False, runner: str = RUNNER) -> None:
        """Write the package and its benchmark."""
        how = "raise SystemExit('broken on purpose')" if fails else "pass"
        package = f"NUMBER = {number}\ndef fail(): {how}\n"
        files = {"leadmasterd/__init__.py": package, "benchmarks/__init__.py": "", "benchmarks/run.py": runner}
        for name, text in files.items():
            (self.root / name).parent.mkdir(exist_ok=True)
            (self.root / name).write_text(text)

    def commit(self) -> str:
        """Commit and return the short hash."""
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "a state")
        return self.git("rev-parse", "--short", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """An empty repository, with the temporary folders next to it so that they can be counted."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "checkout").mkdir()
    return Repository(tmp_path / "checkout")


def left_behind(repository: Repository) -> list[Path]:
    """Temporary folders that were not removed."""
    return list((repository.root.parent / "temporary").iterdir())


def test_each_side_measures_its_own_code_in_alternating_order(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checkout counts with its uncommitted changes."""
    repository.write(2)
    commit = repository.commit()
    repository.write(3)
    compare(commit, [], rounds=2, here=repository.root)
    printed = capsys.readouterr()
    assert "| quick | 2.000 s | 3.000 s | 1.500x | 1.500x to 1.500x |" in printed.out
    order = [line.split(": ")[1] for line in printed.err.splitlines() if line.startswith("quick, round")]
    assert order == [f"{commit} …", "this checkout …", "this checkout …", f"{commit} …"]
    assert left_behind(repository) == []


def test_a_commit_whose_rows_carry_no_numbers_is_refused(repository: Repository) -> None:
    """The error names it and says what to do."""
    repository.write(2, runner=RUNNER.replace("--json FILE", ""))
    commit = repository.commit()
    repository.write(3)
    with pytest.raises(CannotCompare, match=f"cannot measure {commit}: its rows carry no numbers .* a later commit"):
        compare(commit, [], rounds=1, here=repository.root)
    assert left_behind(repository) == []


def test_a_side_that_runs_another_checkouts_code_is_refused(repository: Repository) -> None:
    """A commit without a package would import the installed one."""
    repository.write(2)
    (repository.root / "leadmasterd" / "__init__.py").unlink()
    commit = repository.commit()
    repository.write(3)
    with pytest.raises(CannotCompare, match=f"cannot measure {commit}: it ran .* instead of"):
        compare(commit, [], rounds=1, here=repository.root)


def test_a_side_that_runs_another_checkouts_benchmarks_is_refused(repository: Repository) -> None:
    """They would measure the right code in the wrong way."""
    repository.write(2, runner=f"{RUNNER}\n__file__ = '/elsewhere/benchmarks/run.py'\n")
    commit = repository.commit()
    with pytest.raises(CannotCompare, match=f"cannot measure {commit}: it ran /elsewhere/benchmarks instead of"):
        compare(commit, [], rounds=1, here=repository.root)


def test_a_report_from_another_checkouts_code_is_refused(repository: Repository) -> None:
    """The measuring process itself says what it imported."""
    repository.write(2, runner=RUNNER.replace("os.path.dirname", "str"))
    commit = repository.commit()
    with pytest.raises(CannotCompare, match=f"cannot measure {commit}: it ran .* instead of"):
        compare(commit, [], rounds=1, here=repository.root)


def test_a_benchmark_that_fails_is_named_with_what_it_said(repository: Repository) -> None:
    """Its folder is removed."""
    repository.write(2)
    commit = repository.commit()
    repository.write(3, fails=True)
    with pytest.raises(CannotCompare, match=r"broken on purpose\n+cannot measure `quick` of this checkout"):
        compare(commit, [], rounds=1, here=repository.root)
    assert left_behind(repository) == []


def test_a_commit_that_does_not_exist_is_refused(repository: Repository) -> None:
    """The error is git's own."""
    repository.write(2)
    repository.commit()
    with pytest.raises(CannotCompare, match=r"cannot read the commit to compare with: .*Needed a single revision"):
        compare("nowhere", [], rounds=1, here=repository.root)


def test_the_json_is_unrounded() -> None:
    """Only the text rounds."""
    assert json.loads(json.dumps(row("it", 1 / 3)))["number"] == 1 / 3


HERE: Final = "2 cores, Debian 12"
DOCUMENT: Final = f"""# Before
{document.BEGIN}

{HERE}

| benchmark | figure | measured | promised | held | date |
|---|---|---|---|---|---|
| `burst` | old | 1 s |  | yes | 2026-01-01 |
| `gone` | no longer measured | 1 s |  | yes | 2026-01-01 |
| `single` | stays | 2 s |  | yes | 2026-01-01 |

{document.END}
After
"""


def updated(text: str, measured: dict[str, list[str]], machine: str = HERE) -> str:
    """A document with three benchmarks, one of which runs only when named."""
    return document.updated(text, measured, machine=machine, usual=("burst", "size"), known=("single", "burst", "size"))


def test_a_run_replaces_the_rows_of_what_it_measured_and_keeps_the_others() -> None:
    """Rows follow the order of the benchmarks, rows of removed benchmarks go, and text around the marks stays."""
    figure = Figure(name="new", number=1, unit="s", measured="1.0 s", promised="below 2 s", held=False)
    assert (
        updated(DOCUMENT, {"burst": document.rows("burst", [figure], "2026-02-02")})
        == f"""# Before
{document.BEGIN}

{HERE}

| benchmark | figure | measured | promised | held | date |
|---|---|---|---|---|---|
| `single` | stays | 2 s |  | yes | 2026-01-01 |
| `burst` | new | 1.0 s | below 2 s | NO | 2026-02-02 |

{document.END}
After
"""
    )


def test_rows_of_two_machines_never_stand_in_one_table() -> None:
    """Running some benchmarks changes nothing; running all usual ones drops the other machine's rows."""
    with pytest.raises(document.CannotUpdate, match=r"its other rows come from another machine .*; run all benchmarks"):
        updated(DOCUMENT, {"burst": ["| `burst` | new |"]}, "64 cores")
    text = updated(DOCUMENT, {"burst": ["| `burst` | new |"], "size": ["| `size` | new |"]}, "64 cores")
    assert [line for line in text.splitlines() if line.startswith(("| `", "2 ", "64 "))] == [
        "64 cores",
        "| `burst` | new |",
        "| `size` | new |",
    ]


def test_a_document_without_marks_is_left_alone() -> None:
    """The error says which marks to add."""
    with pytest.raises(document.CannotUpdate, match=f"put {document.BEGIN} and {document.END} on lines of their own"):
        updated("# Before", {})


def test_the_document_explains_each_benchmark_and_has_its_rows() -> None:
    """The names are those that `make bench` accepts."""
    text = document.FILE.read_text(encoding="utf-8")
    before, rest = text.split(document.BEGIN)
    table, after = rest.split(document.END)
    around = before + after
    explained, measured = (set(re.findall(r"^\| `(\w+)` \| ", part, re.MULTILINE)) for part in (around, table))
    assert explained == {*ALL, *LONG}
    assert {*ALL} <= measured <= {*ALL, *LONG}


def test_an_unknown_benchmark_is_refused_with_the_names_of_those_that_there_are() -> None:
    command = [sys.executable, "-m", "benchmarks.run", "peerz"]
    done = subprocess.run(command, cwd=document.FILE.parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"unknown: peerz; known are {', '.join((*ALL, *LONG))}" in done.stderr


PARTS: Final = """# Before
<!-- bench:parts MB:begin -->
old
<!-- bench:parts MB:end -->
Between
<!-- bench:parts ms:begin -->
<!-- bench:parts ms:end -->
After
"""


def test_what_each_part_takes_is_a_table_for_each_unit() -> None:
    """Below the machine that it was measured on."""
    parts = [
        Figure(name=name, number=number, unit=unit, measured="", promised="", held=True)
        for name, number, unit in (("Python", 3.44, "MB"), ("ours", 7, "MB"), ("`status`", 49, "ms"))
    ]
    assert (
        document.with_parts(PARTS, parts, measured_on="2026-12-01: 2 cores")
        == """# Before
<!-- bench:parts MB:begin -->

2026-12-01: 2 cores

| what | MB |
|---|---|
| Python | 3.4 |
| ours | 7.0 |

<!-- bench:parts MB:end -->
Between
<!-- bench:parts ms:begin -->

2026-12-01: 2 cores

| what | ms |
|---|---|
| `status` | 49.0 |

<!-- bench:parts ms:end -->
After
"""
    )
    with pytest.raises(document.CannotUpdate, match="<!-- bench:parts MB:begin -->"):
        document.with_parts("# Before", parts, measured_on="")
