"""The tests that docs/fidelity.md and docs/boundary.md name exist; no row of the first is without test or reason."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXTS = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("fidelity.md", "boundary.md")}
TEXT = TEXTS["fidelity.md"]
NODE_TESTS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "node_listener/test").rglob("*.test.js")}
ROWS = [
    line
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith(("| what the page does", "|---"))
]


def test_every_row_has_a_test_a_decision_or_a_reason() -> None:
    """The last column is never empty, and never a promise."""
    assert len(ROWS) >= 45
    shows = re.compile(r"`test_\w+`|\.test\.js: |^decision: |^reason: ")
    assert [row for row in ROWS if not shows.search(row.strip("| ").split(" | ")[-1])] == []


@pytest.mark.parametrize("document", TEXTS)
def test_every_python_test_that_it_names_exists(document: str) -> None:
    """In any file of tests."""
    known = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", TEXTS[document]))
    assert named
    assert named - known == set()


@pytest.mark.parametrize("document", TEXTS)
def test_every_node_test_that_it_names_exists(document: str) -> None:
    """A name in quotes is the beginning of a test's name in the file before it."""
    named = [
        (file, name)
        for file, names in re.findall(r"([\w-]+\.test\.js): ((?:\"[^\"]+\"(?:, )?)+)", TEXTS[document])
        for name in re.findall(r"\"([^\"]+)\"", names)
    ]
    assert named
    missing = [(file, name) for file, name in named if not _begins(NODE_TESTS.get(file, ""), name)]
    assert missing == []


def _begins(source: str, name: str) -> bool:
    """Whether a test's name begins so; a name may be a template, whose fixed part before `${` is what counts."""
    begun = re.findall(r"test\(\s*[`'\"](.*?)[`'\"],", source)
    return any(each.startswith(name) or name.startswith(each.split("${")[0]) for each in begun if each.split("${")[0])


@pytest.mark.parametrize("command", re.findall(r"^    node --test (.*)$", TEXTS["boundary.md"], re.MULTILINE))
def test_what_a_reader_is_told_to_run_is_there(command: str) -> None:
    """The file, and the test in it where one is named."""
    file = ROOT / command.split()[-1]
    source = file.read_text(encoding="utf-8")
    assert all(name in source for name in re.findall(r'"([^"]+)"', command))
