"""docs/fidelity.md: the tests that it names exist, and no row is without a test, a decision or a reason."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
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


def test_every_python_test_that_it_names_exists() -> None:
    """In any file of tests."""
    known = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert named
    assert named - known == set()


def test_every_node_test_that_it_names_exists() -> None:
    """A name in quotes is the beginning of a test's name in the file before it."""
    named = [
        (file, name)
        for file, names in re.findall(r"([\w-]+\.test\.js): ((?:\"[^\"]+\"(?:, )?)+)", TEXT)
        for name in re.findall(r"\"([^\"]+)\"", names)
    ]
    assert named
    missing = [(file, name) for file, name in named if not _begins(NODE_TESTS.get(file, ""), name)]
    assert missing == []


def _begins(source: str, name: str) -> bool:
    """Whether a test's name begins so; a name may be a template, whose fixed part before `${` is what counts."""
    begun = re.findall(r"test\(\s*[`'\"](.*?)[`'\"],", source)
    return any(each.startswith(name) or name.startswith(each.split("${")[0]) for each in begun if each.split("${")[0])
