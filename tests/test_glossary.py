"""docs/glossary.md explains every table, phase and stored code."""

import re
from contextlib import closing
from pathlib import Path

from leadmasterd import sentences
from leadmasterd.health import WARNINGS
from leadmasterd.outbound.database import open_database
from leadmasterd.outbound.decision import Reason
from leadmasterd.outbound.records import State
from leadmasterd.store.database import open_for_writing
from leadmasterd.supervisor.machine import Phase

GLOSSARY = (Path(__file__).resolve().parent.parent / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [line for line in GLOSSARY.splitlines() if line.startswith("| **")]
NAMED = set(re.findall(r"`([a-z_]+)`", "\n".join(ROWS)))


def test_every_table_is_under_a_term(tmp_path: Path) -> None:
    """Checked on a new database, without the tables of SQLite and of the migrations."""
    with closing(open_for_writing(tmp_path / "new.db")) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    tables = {name for (name,) in names if not name.startswith(("sqlite_", "_"))}
    assert {"messages", "leads", "gaps"} <= tables
    assert tables - NAMED == set()


def test_every_phase_and_every_stored_code_is_under_a_term() -> None:
    """The codes are those of the supervisor, the warnings, the store and the leads' record."""
    codes = {*sentences.REASONS, *WARNINGS, *sentences.LEAD_REASONS}
    assert {"deaf", "disk_low", "disk_full", "answered"} <= codes
    assert {*codes, *(phase.value for phase in Phase)} - NAMED == set()


def test_every_table_state_and_reason_of_the_sender_is_under_a_term(tmp_path: Path) -> None:
    """Its database is a file of its own."""
    connection, _ = open_database(tmp_path / "outbound.db")
    with closing(connection):
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = {name for (name,) in names if not name.startswith("sqlite_")}
    assert {"requests", "attempts", "consents"} <= tables
    assert {*tables, *Reason, *State} - NAMED == set()


def test_every_term_has_the_fields_word_and_a_sentence() -> None:
    """There are at least twenty-five terms, each of them once."""
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in ROWS]
    assert len(cells) >= 25
    assert all(len(row) == 3 and row[1] and row[2].endswith(".") for row in cells)
    terms = [row[0] for row in cells]
    assert len(set(terms)) == len(terms)
