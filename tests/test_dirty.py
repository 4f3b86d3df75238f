"""Whoever changes what leads are derived from says since when: nothing before that needs to be folded again."""

import re
from pathlib import Path

import pytest

import leadmasterd
from leadmasterd.store.dirty import dirty_together, mark_all_dirty, mark_dirty, mark_wholly_dirty
from tests import wire
from tests.stories import Books, Customer, edited, iso, reacted, revoked

CODE = Path(leadmasterd.__file__).parent
FACTS = (
    "messages", "message_versions", "reactions", "calls", "decisions", "corrections", "classifications",
    "contact_merges", "contacts", "conversations", "sent_bodies", "automatic_bodies", "lead_events", "leads",
)  # fmt: skip
WRITERS = {
    "actions/dismissals.py": {"decisions"},
    "actions/labels.py": {"corrections"},
    "actions/notes.py": {"lead_events"},
    "actions/reclassify.py": {"classifications"},
    "actions/stages.py": {"decisions"},
    "projection/auto_replies.py": {"messages", "sent_bodies", "automatic_bodies"},
    "projection/labels.py": {"classifications"},
    "projection/rows.py": {"leads", "lead_events", "conversations"},
    "replay.py": {"decisions"},
    "store/absorption.py": {"messages", "reactions", "calls", "contacts", "contact_merges", "conversations"},
    "store/calls.py": {"calls"},
    "store/coverage.py": {"conversations"},
    "store/mending.py": {"messages"},
    "store/merges.py": {"contacts", "contact_merges", "leads", "lead_events"},
    "store/messages.py": {"messages", "message_versions", "conversations"},
    "store/people.py": {"contacts", "conversations"},
    "store/reactions.py": {"reactions"},
    "store/unify.py": {"messages", "message_versions", "corrections"},
}
"""Who writes what a fold reads or goes on from. A new one has to mark what it changes, and to be added here."""


def since(books: Books) -> str | None:
    """Since when the only conversation is dirty; then it is clean again."""
    [(at,)] = books.ask("SELECT since FROM unjudged")
    books.project_all()
    assert books.ask("SELECT * FROM unjudged") == []
    return None if at is None else str(at)


def test_what_is_captured_is_dirty_since_the_time_that_its_history_gives_it() -> None:
    """A change counts from the time of the message that it changes, whenever it was captured."""
    ana = Customer()
    asked, answered = ana.says("17 10:00", "price"), ana.hears("17 10:10")
    with Books() as books:
        for line, at in (
            (answered, "17 10:10"),
            (asked, "17 10:00"),
            (ana.says("18 10:00", "price"), "18 10:00"),
            (edited(asked, "18 10:05", "delivery"), "17 10:00"),
            (reacted(asked, "18 10:06"), "17 10:00"),
            (revoked(answered, "18 10:07"), "17 10:10"),
            (ana.call("18 11:00", call_id="C1"), "18 11:00"),
            (ana.call_log("18 11:20", answered=True), "18 11:00"),
            (ana.decided("19 10:00", "won"), "19 10:00"),
            (ana.dismissed("20 10:00", seen="18 12:00"), "18 12:00"),
        ):
            books.capture(line)
            assert since(books) == iso(at), line


def test_of_several_changes_the_earliest_counts_and_an_unknown_time_before_all() -> None:
    """A conversation stays dirty from the earliest on until it is projected."""
    with Books() as books:
        books.capture(Customer().says("17 10:00", "price"))
        for at, expected in (("18", "17"), ("16", "16"), ("17", "16"), (None, None), ("15", None)):
            mark_dirty(books.db, {1: at and iso(f"{at} 10:00")})
            assert books.column("SELECT since FROM unjudged") == [expected and iso(f"{expected} 10:00")]


@pytest.mark.parametrize("mark", [mark_all_dirty, lambda db: mark_wholly_dirty(db, [1])])
def test_what_nobody_knows_the_time_of_is_dirty_from_the_beginning(mark: object) -> None:
    """None is the unknown time."""
    with Books() as books:
        books.capture(Customer().says("17 10:00", "price"))
        assert callable(mark)
        mark(books.db)
        assert since(books) is None


def test_who_is_one_person_changes_everything() -> None:
    """A merge, by hand or by WhatsApp's word, marks all that both have from the beginning."""
    ana = Customer(lid="88001122334455@lid", phone=wire.ANA)
    with Books() as books:
        books.tell([Customer().says("17 10:00", "price"), Customer("88001122334455@lid").says("17 11:00", "price")])
        books.capture(ana.says("18 10:00", "price"))
        assert since(books) is None


def _written(text: str) -> set[str]:
    found = re.findall(r"(?:INSERT(?: OR \w+)? INTO|UPDATE(?: OR \w+)?|DELETE FROM) (\w+)", text)
    return {*found, *re.findall(r'(?:insert|upsert)\("(\w+)"', text)} & set(FACTS)


def test_everybody_who_writes_what_leads_are_derived_from_is_known() -> None:
    """So that whoever adds a writer thinks of marking what it changes. Migrations mark nothing: they are before all."""
    written: dict[str, set[str]] = {}
    for file in sorted(CODE.rglob("*.py")):
        if found := _written(file.read_text()):
            written[str(file.relative_to(CODE))] = found
    assert {name: tables for name, tables in written.items() if name != "store/schema.py"} == WRITERS


def test_only_one_module_marks() -> None:
    """So none can mark without saying since when; the projection clears."""
    writers: set[str] = set()
    for file in CODE.rglob("*.py"):
        if re.search(r"(INTO|UPDATE) unjudged", file.read_text()):
            writers.add(str(file.relative_to(CODE)))
    assert writers == {"store/dirty.py", "store/schema.py"}


def test_only_short_ones_that_are_wholly_dirty_are_taken_together() -> None:
    """A long one, or one of which little has changed, is taken alone, so that a step does not take long."""
    with Books() as books:
        for number, messages in enumerate((2, 1, 3, 1), 1):
            who = Customer(f"549115555{number:04}@c.us")
            books.capture(*(who.says(f"17 10:{minute:02}", "price") for minute in range(messages)))
        assert dirty_together(books.db, [1, 2, 3, 4], 100) == [1]
        mark_wholly_dirty(books.db, [1, 2, 3])
        assert dirty_together(books.db, [1, 2, 3, 4], 100) == [1, 2, 3]
        assert dirty_together(books.db, [1, 2, 3, 4], 5) == [1, 2]
        assert dirty_together(books.db, [3, 2, 1], 3) == [3]
        assert dirty_together(books.db, [3, 2, 1], 1) == [3]
        assert dirty_together(books.db, [], 5) == []
