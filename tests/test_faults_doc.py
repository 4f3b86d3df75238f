"""docs/faults.md and the tests of faults: each names all of the other."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = (TESTS.parent / "docs" / "faults.md").read_text(encoding="utf-8")
MATRIX = (
    "test_faults.py",
    "test_faults_of_the_machine.py",
    "test_bad_pipe.py",
    "shared_daemon/test_faults_without_a_restart.py",
)
NAMED = set(re.findall(r"`(test_\w+)`", TABLE))


def names_in(*files: Path) -> set[str]:
    """The names of the tests in these files."""
    return {
        name for file in files for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }


def test_every_test_that_the_table_names_exists() -> None:
    """It may be in any test file."""
    assert NAMED
    assert names_in(*TESTS.rglob("test_*.py")) >= NAMED


def test_the_table_names_every_test_of_a_fault() -> None:
    """These files hold nothing but such tests."""
    assert names_in(*(TESTS / "e2e" / name for name in MATRIX)) <= NAMED


def test_every_row_names_its_test() -> None:
    """No row makes a claim without a test."""
    rows = [line for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith(("| fault", "| ---"))]
    assert len(rows) >= 40
    assert [row for row in rows if not re.search(r"`test_\w+`", row)] == []
