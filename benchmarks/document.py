"""The tables in docs/benchmarks.md, between marks: each run replaces the rows of the benchmarks that it measured."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from benchmarks.figures import Figure
from leadmasterd.errors import CannotUseProgram
from leadmasterd.listener.programs import browser_version, find_browser, find_node

FILE: Final = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- bench:begin -->"
END: Final = "<!-- bench:end -->"
HEADER: Final = ("| benchmark | figure | measured | promised | held | date |", "|---|---|---|---|---|---|")


class CannotUpdate(Exception):
    """Why the table was left as it is, and what to do."""


def today() -> str:
    """The date of a row, in UTC."""
    return datetime.now(UTC).date().isoformat()


def machine() -> str:
    """The line above the table. Versions without their patch level: rows of one machine stay together."""
    memory = psutil.virtual_memory().total / 2**30
    python = f"Python {'.'.join(platform.python_version_tuple()[:2])}"
    parts = (f"{os.cpu_count()} cores", f"{memory:.0f} GiB of memory", _distribution(), python, _node(), _browser())
    return ", ".join(parts)


def rows(benchmark: str, figures: Sequence[Figure], date: str) -> list[str]:
    """The Markdown rows of one benchmark."""
    return [
        f"| `{benchmark}` | {each.name} | {each.measured} | {each.promised} | {'yes' if each.held else 'NO'} | {date} |"
        for each in figures
    ]


def update(measured: Mapping[str, Sequence[str]], *, usual: Sequence[str], known: Sequence[str]) -> None:
    """Write the rows to the document. Raises CannotUpdate."""
    text = FILE.read_text(encoding="utf-8")
    FILE.write_text(updated(text, measured, machine=machine(), usual=usual, known=known), encoding="utf-8")


def updated(
    text: str, measured: Mapping[str, Sequence[str]], *, machine: str, usual: Sequence[str], known: Sequence[str]
) -> str:
    """`text` with the rows of `measured`, by benchmark, in the order of `known`.

    Rows of other benchmarks stay, but not beside those of another machine: a run of all the `usual` ones then drops
    them, and a run of some raises CannotUpdate, as a text without the marks does.
    """
    before, old, after = _parted(text, BEGIN, END)
    kept: dict[str, list[str]] = {}
    for line in old.splitlines():
        if line.startswith("| `") and (name := line.split("`")[1]) in known and name not in measured:
            kept.setdefault(name, []).append(line)
    if machine not in old.splitlines():
        if kept and not measured.keys() >= {*usual}:
            raise CannotUpdate(
                f"its other rows come from another machine or other versions than these ({machine}); run all benchmarks"
            )
        kept = {}
    table = [row for name in known for row in (*measured.get(name, ()), *kept.get(name, ()))]
    return "\n".join([f"{before}{BEGIN}", "", machine, "", *HEADER, *table, "", f"{END}{after}"])


def update_parts(figures: Sequence[Figure]) -> None:
    """Write the tables of what each megabyte and millisecond is for. Raises CannotUpdate."""
    text = FILE.read_text(encoding="utf-8")
    FILE.write_text(with_parts(text, figures, measured_on=f"{today()}: {machine()}"), encoding="utf-8")


def with_parts(text: str, figures: Sequence[Figure], *, measured_on: str) -> str:
    """`text` with a table for each unit, between marks of its own. Raises CannotUpdate."""
    for unit in dict.fromkeys(each.unit for each in figures):
        begin, end = f"<!-- bench:parts {unit}:begin -->", f"<!-- bench:parts {unit}:end -->"
        before, _, after = _parted(text, begin, end)
        rows = [f"| {each.name} | {each.number:.1f} |" for each in figures if each.unit == unit]
        table = [f"| what | {unit} |", "|---|---|", *rows]
        text = "\n".join([f"{before}{begin}", "", measured_on, "", *table, "", f"{end}{after}"])
    return text


def _parted(text: str, begin: str, end: str) -> tuple[str, str, str]:
    """What is before two marks, between and after them."""
    before, found, rest = text.partition(begin)
    between, ended, after = rest.partition(end)
    if not found or not ended:
        raise CannotUpdate(f"it has no marks; put {begin} and {end} on lines of their own")
    return before, between, after


def _node() -> str:
    try:
        said = subprocess.run([find_node(""), "--version"], capture_output=True, text=True, check=False).stdout
    except CannotUseProgram:
        return "no Node"
    return f"Node {said.strip().removeprefix('v').partition('.')[0]}"


def _browser() -> str:
    try:
        said = browser_version(find_browser(""))  # such as "Chromium 150.0.7871.100 built on Debian"
    except CannotUseProgram:
        return "no browser"
    return said.partition(".")[0]


def _distribution() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return f"{release['NAME'].removesuffix(' GNU/Linux')} {release.get('VERSION_ID', '')}".strip()
