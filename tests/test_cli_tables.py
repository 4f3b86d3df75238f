"""Tables use the whole screen, and no more of it."""

import pytest

from leadmasterd.cli.tables import Column, cell, show

LONG = "no answer in time, and " * 10


def shown(capsys: pytest.CaptureFixture[str], columns: list[Column], *texts: str) -> list[str]:
    """The lines of a table with one row, on a pipe: 80 columns."""
    show(columns, [[cell(text) for text in texts]])
    return capsys.readouterr().out.splitlines()


def test_two_columns_that_shrink_share_what_the_table_is_too_wide(capsys: pytest.CaptureFixture[str]) -> None:
    """Each gives up some of it, not all of it twice."""
    columns = [Column("kind", shrinks=True), Column("id"), Column("why", shrinks=True)]
    _titles, row = shown(capsys, columns, "lead.opened", "12", LONG)
    assert row.startswith("lead.opened  12  no answer")
    assert len(row) == 80


def test_a_short_column_that_may_shrink_is_not_padded(capsys: pytest.CaptureFixture[str]) -> None:
    """Another column is what makes the table too wide."""
    columns = [Column("who", shrinks=True), Column("why", shrinks=True)]
    _titles, row = shown(capsys, columns, "Ana", LONG)
    assert row.startswith("Ana  no answer")
    assert len(row) == 80
