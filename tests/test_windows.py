"""A long history is folded in windows: never is more than one of them held, and the rows are those of the whole."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadmasterd.classify.intents import Label
from leadmasterd.leads.timeline import NEVER
from leadmasterd.outbox import reading, triggers
from leadmasterd.projection.row_buffer import RowBuffer
from leadmasterd.projection.windows import bursts_of
from tests import wire
from tests.depth import examples
from tests.stories import Customer, Line, Literal
from tests.test_checkpoints import WINDOWS, a_long_story, books_with, numbered, read_of, rows
from tests.test_projection_order import Clerk, Story, stories

THOROUGH = settings(max_examples=examples(12), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
WINDOW = 8
EVERY = 4
CLOSED = "We are closed until tomorrow"


def decided_upon() -> Iterator[Line]:
    """A question an hour, of which every other is answered, and decisions: closed, reopened, quoted, merged, undone."""
    ana = Customer()
    stages = ("quoted", "lost", "new", "won", "dismissed", "junk", "quoted", "contacted", "lost")
    for number in range(60):
        day, hour = 1 + number // 10, 9 + number % 10
        yield ana.says(f"{day:02} {hour:02}:00", ("price", "complaint", "not_interested~", "delivery")[number % 4])
        if number % 2:
            yield ana.hears(f"{day:02} {hour:02}:10", f"{number} pesos")
        if number % 6 == 4:
            yield ana.decided(f"{day:02} {hour:02}:20", stages[number // 6 % len(stages)])


# ---------------------------------------------------------------------- how much is held


def test_never_is_more_than_a_window_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the history."""
    with books_with(EVERY, WINDOW) as books:
        read = read_of(books, monkeypatch)
        books.tell(a_long_story())
        books.rebuild()
        assert sum(read) >= 2 * 80
        assert max(read) <= WINDOW


def test_a_window_grows_where_nothing_parts_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is short again after that."""
    ana = Customer()
    lines = [ana.says(f"17 10:{minute:02}", "mmm") for minute in range(40)]
    lines += [ana.says(f"{day} {hour}:00", "mmm") for day in range(18, 24) for hour in range(10, 20)]
    with books_with(1, 4) as books, books_with(1) as whole:
        read = read_of(books, monkeypatch)
        books.tell(lines)
        assert 40 < max(read) <= 64
        assert read[-1] <= 4
        monkeypatch.undo()
        assert rows(books) == rows(whole.tell(lines))


# ---------------------------------------------------------------------- what is written


def test_many_leads_waits_and_follow_ups_are_those_of_the_whole() -> None:
    """Also when they are there already, and differ: of a rebuild not even a number changes."""
    lines = list(decided_upon())
    with books_with(EVERY, WINDOW) as books, books_with(NEVER) as whole:
        for each in (books, whole):
            each.tell(lines)
        assert len(books.ask("SELECT 1 FROM waiting_cycles")) > 30
        assert len(books.ask("SELECT 1 FROM follow_ups")) > 4
        assert len(books.ask("SELECT 1 FROM leads")) > 2
        assert rows(books) == rows(whole)
        before = numbered(books)
        books.rebuild()
        assert numbered(books) == before
        for each in (books, whole):
            each.db.execute("UPDATE waiting_cycles SET lead_id = NULL, ended_by = 'call' WHERE cycle_id % 3 = 0")
            each.db.execute("DELETE FROM waiting_cycles WHERE cycle_id % 5 = 0")
            each.db.execute("UPDATE waiting_cycles SET started_at = '2026-11-01T00:00:00.001Z' WHERE cycle_id = 7")
            each.db.execute("UPDATE follow_ups SET state = 'done', number = 9 - number")
            each.rebuild()
        assert rows(books) == rows(whole)


def test_nobody_is_told_of_a_stage_that_never_was() -> None:
    """Between two windows nothing of the leads is written: what is told is what is told of the whole."""
    told: list[Counter[tuple[str, str]]] = []
    for window in (NEVER, WINDOW):
        with books_with(NEVER, window) as books:
            books.db.execute("BEGIN IMMEDIATE")
            triggers.sync(books.db, "full")
            books.db.execute("COMMIT")
            books.tell(decided_upon())
            told.append(
                Counter(
                    (event.kind, json.dumps(event.data, sort_keys=True))
                    for event in reading.after(books.db, 0, 10_000)
                    if event.kind.startswith(("lead", "wait"))
                )
            )
    assert told[0] == told[1]
    assert len(told[0]) > 50


def test_a_body_that_a_late_window_shows_to_be_automatic_is_so_in_an_early_one() -> None:
    """It was sent before; then all is folded again, and nothing is labelled twice."""
    ana, others = Customer(), [Customer(wire.BETO), Customer("5491155550003@c.us")]
    before = [
        line for each in others for line in (each.says("01 09:00:00", "price"), each.hears("01 09:00:05", CLOSED))
    ]
    story = [ana.says("02 10:00", "price"), ana.hears("02 10:30", CLOSED), *a_long_story()[20:]]
    story += [ana.says("20 10:00:00", "delivery"), ana.hears("20 10:00:05", CLOSED)]
    with books_with(EVERY, WINDOW) as books, books_with(NEVER) as whole:
        for each in (books, whole):
            each.tell(before)
            each.capture(*story)
            each.project_all()
        assert books.column("SELECT DISTINCT author FROM messages WHERE body = ?", CLOSED) == ["auto_reply"]
        assert rows(books) == rows(whole)
        assert len(books.classifier.asked) == len(whole.classifier.asked)


def test_nothing_is_looked_for_row_by_row() -> None:
    """Each window is found by indexes, and so is what was buffered: a history twice as long costs twice as much."""
    with books_with(EVERY, WINDOW) as books:
        books.tell(decided_upon())
        said: list[str] = []
        books.db.set_trace_callback(said.append)
        books.rebuild()
        books.db.set_trace_callback(None)
        for table, key in (("waiting_cycles", 2), ("follow_ups", 4)):
            columns = books.column("SELECT name FROM pragma_table_info(?)", table)[1:]
            RowBuffer(books.db, table, columns, key=key, at="")
        tables = set(books.column("SELECT name FROM sqlite_schema WHERE type = 'table'")) - {"derived_with", "unjudged"}
        scans = {
            (detail.split()[1], nested > 0): statement
            for statement in said
            if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE", "INSERT INTO w", "INSERT INTO f"))
            for _, nested, _, detail in books.db.execute(f"EXPLAIN QUERY PLAN {statement}")
            if detail.startswith("SCAN")
        }
        assert [scans[each] for each in scans if each[0] in tables] == []
        assert [scans[each] for each in scans if each[0].endswith("_buffer") and each[1]] == []
        assert ("waiting_cycles_buffer", False) in scans


class Failing(Literal):
    """Knows some labels, and then no more."""

    def classify(self, *asked: Any) -> Label:
        if len(self.asked) == 20:
            raise OSError("no more")
        return super().classify(*asked)


def test_a_fold_that_fails_in_the_middle_leaves_nothing() -> None:
    """And the next one finds nothing of it, whether it runs in the same transaction or not."""
    lines = list(decided_upon())
    with books_with(EVERY, WINDOW) as books, books_with(NEVER) as whole:
        books.capture(*lines)
        before = rows(books)
        books.classifier = Failing()
        with pytest.raises(OSError, match="no more"):
            books.project_all()
        books.db.execute("ROLLBACK")
        assert rows(books) == before
        books.classifier = Failing()
        with pytest.raises(OSError, match="no more"):
            books.project_all()
        books.db.execute("COMMIT")
        books.classifier = Literal()
        books.rebuild()
        assert rows(books) == rows(whole.tell(lines))
        assert books.ask("SELECT name FROM sqlite_temp_schema") == []


# ---------------------------------------------------------------------- bursts


@given(stories(), st.sampled_from(WINDOWS))
@THOROUGH
def test_bursts_are_the_same_in_windows_of_any_length(story: Story, window: int) -> None:
    """Those of everybody."""
    with books_with(NEVER) as books:
        clerk = Clerk(books)
        for line in story.lines:
            clerk.take(line)
        books.project_all()
        for conversation in books.column("SELECT conversation_id FROM conversations"):
            whole = list(bursts_of(books.db, conversation, 120, messages=NEVER))
            assert list(bursts_of(books.db, conversation, 120, messages=window)) == whole
