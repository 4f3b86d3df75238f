"""`queries` is the only way to read, `actions` the only way to decide: the command line holds no SQL.

That `cli` imports neither the store nor sqlite3 is an import contract in pyproject.toml.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "leadmasterd"
SQL = re.compile(r"\b(SELECT\s|INSERT\s+(OR\s+\w+\s+)?INTO\b|UPDATE\s+\w+\s+SET\b|DELETE\s+FROM\b|PRAGMA\s)")


def sql_in(source: str) -> Iterator[str]:
    """SQL statements in a module's strings, and calls that execute SQL."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
            yield f"line {node.lineno}: {node.value.strip()[:60]}"
        if isinstance(node, ast.Attribute) and node.attr in ("execute", "executemany", "executescript"):
            yield f"line {node.lineno}: .{node.attr}"


def printing_in(source: str) -> Iterator[str]:
    """Calls of print, and imports of argparse or the command line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="print")):
                yield f"line {node.lineno}: print"
            case ast.Import(names=names) if {each.name for each in names} & {"argparse"}:
                yield f"line {node.lineno}: argparse"
            case _:
                pass


@pytest.mark.parametrize("folder", ["cli", "demo"])
def test_what_is_typed_and_printed_holds_no_sql(folder: str) -> None:
    """Otherwise a web page with the same data would have to import the command line."""
    files = sorted((PACKAGE / folder).rglob("*.py"))
    assert files
    assert [f"{file.name}, {each}" for file in files for each in sql_in(file.read_text())] == []


@pytest.mark.parametrize("folder", ["queries", "actions"])
def test_what_reads_and_decides_neither_prints_nor_parses_arguments(folder: str) -> None:
    """So a web page or a feed can call it."""
    files = sorted((PACKAGE / folder).rglob("*.py"))
    assert files
    assert [f"{file.name}, {each}" for file in files for each in printing_in(file.read_text())] == []


def test_queries_write_nothing() -> None:
    """Reading changes no table. A view of one connection is not in the file, and BEGIN alone only reads."""
    words = "INSERT|UPDATE|DELETE|REPLACE INTO|CREATE(?! TEMP VIEW)|DROP|BEGIN IMMEDIATE|BEGIN EXCLUSIVE|COMMIT"
    writes = re.compile(rf"\b({words})\b")
    for file in sorted((PACKAGE / "queries").rglob("*.py")):
        texts = [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)]
        assert not [text for text in texts if isinstance(text, str) and writes.search(text)], file.name


@pytest.mark.parametrize(
    "source",
    [
        'x = "SELECT 1"', 'f"INSERT INTO {x} VALUES (1)"', '"""\n    update"""; y = "UPDATE leads SET stage = 1"',
        'c.execute(x)',
    ],
)  # fmt: skip
def test_sql_is_found_where_it_is(source: str) -> None:
    """Shows that these checks can fail."""
    assert list(sql_in(source))
