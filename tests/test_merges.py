"""Merging contacts and undoing it: nothing is lost, one lead stays open, and every pointer has its merge record."""

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadmasterd.errors import CannotMerge
from leadmasterd.store import merges
from leadmasterd.store.absorption import MOVED, absorb
from leadmasterd.store.dirty import mark_all_dirty
from leadmasterd.store.duplicates import Duplicate, possible_duplicates
from tests import wire
from tests.captures import Store, account, at, item, opened
from tests.depth import examples
from tests.stories import Books, Customer, iso
from tests.waiting import LIMIT

CARO = "5491155550003@c.us"
CARO_NO_NINE = "541155550003@c.us"
CARO_LID = "88001122334466@lid"
LATER = at(wire.NOON + 3600)
DAY = 86_400
DERIVED = ("unjudged", "waiting_cycles", "follow_ups")
"""Tables of a conversation that move with it or are derived again."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store that knows its account."""
    with opened(tmp_path / "leadmaster.db") as fresh:
        yield fresh
        assert_sound(fresh)


def assert_sound(store: Store) -> None:
    """Check what must hold in any database, whatever was merged."""
    assert store.rows("PRAGMA foreign_key_check") == []
    pointers = store.rows("SELECT contact_id, merged_into_id FROM contacts WHERE merged_into_id IS NOT NULL ORDER BY 1")
    assert pointers == store.rows("SELECT merged_id, kept_id FROM contact_merges WHERE undone_at IS NULL ORDER BY 1")
    assert store.rows("SELECT * FROM contact_merges WHERE kept_id = merged_id") == []
    for contact, above in pointers:
        assert do(store, merges.root_of, above) not in dict(pointers), f"contact {contact} points in a circle"
    belongs = "SELECT lead_id FROM leads JOIN contacts c USING (contact_id) WHERE c.merged_into_id IS NOT NULL"
    assert store.rows(belongs) == [], "leads belong to roots"
    assert store.sum_of("rejected") == 0


def do(store: Store, function: Callable[..., Any], *values: Any) -> Any:
    """Run one of the functions that commands call, in a transaction."""
    return store.writer.call(lambda connection, rows: function(connection, *values)).result(LIMIT)


def merge_by_hand(store: Store, keep: int, other: int, actor: str = "person:dora", when: str = LATER) -> int:
    """A person merges two contacts; returns the merge's number."""
    number = do(store, partial(merges.merge, actor=actor, code="by_hand", at=when), keep, other)
    assert isinstance(number, int)
    return number


def contact_of(store: Store, chat: str) -> int:
    """The contact with this id."""
    return int(
        store.one("SELECT contact_id FROM contact_identities WHERE kind IN ('wa_jid', 'lid') AND value = ?", chat)
    )


def open_lead(store: Store, chat: str, opened_at: str = LATER) -> int:
    """A lead as the projector writes it, with a row in every table that refers to it."""

    def insert(connection: sqlite3.Connection) -> int:
        contact = contact_of(store, chat)
        conversation, message = connection.execute(
            "SELECT conversation_id, min(message_id) FROM messages JOIN conversations USING (conversation_id) "
            "WHERE contact_id = ?",
            (contact,),
        ).fetchone()
        cursor = connection.execute(
            "INSERT INTO leads (contact_id, conversation_id, stage, intent, topics, source, opened_at, "
            "opened_by_message_id, stage_at, last_message_at, created_at, updated_at) "
            "VALUES (?, ?, 'new', 'price', '[]', 'message', ?, ?, 'b', 'c', 'd', 'e')",
            (merges.root_of(connection, contact), conversation, opened_at, message),
        )
        lead = int(cursor.lastrowid or 0)
        values = {"lead": lead, "conversation": conversation, "message": message}
        for statement in (
            "INSERT OR IGNORE INTO classifications (conversation_id, burst, first_message_id, intent, method, "
            "confidence, source, code, value_json, classified_at) "
            "VALUES (:conversation, 'burst', :message, 'price', 'rule', 1, 'r', 'rule', '{}', 'a')",
            "INSERT OR IGNORE INTO waiting_cycles (conversation_id, lead_id, kind, started_at, message_id) "
            "VALUES (:conversation, :lead, 'first', 'then', :message)",
            "INSERT OR IGNORE INTO follow_ups (conversation_id, lead_id, kind, planned_at, number, due_at, state) "
            "VALUES (:conversation, :lead, 'quote_silent', 'then', 1, 'b', 'planned')",
            "INSERT INTO decisions (conversation_id, at, actor, stage) "
            "VALUES (:conversation, 'a', 'person:ana', 'quoted')",
            "INSERT INTO corrections (conversation_id, message_ids, intent, at, actor) "
            "VALUES (:conversation, '[1]', 'price', 'a', 'person:ana')",
            "INSERT OR IGNORE INTO touches (conversation_id, message_id, at, kind, raw) "
            "VALUES (:conversation, :message, 'a', 'ad', '{}')",
            "INSERT OR IGNORE INTO sent_bodies (message_id, conversation_id, body_key, sent_at, long, signs) "
            "VALUES (:message, :conversation, 'key', 'a', 0, 1)",
        ):
            connection.execute(statement, values)
        connection.execute("DELETE FROM unjudged")
        return lead

    return int(do(store, insert))


def three(store: Store) -> tuple[int, int, int]:
    """Ana, Beto and Caro, each with a message."""
    store.write(*(wire.message(f"of {chat}", chat=chat) for chat in (wire.ANA, wire.BETO, CARO)))
    return contact_of(store, wire.ANA), contact_of(store, wire.BETO), contact_of(store, CARO)


LEADS = "SELECT lead_id, contact_id, stage, closed_at, merged_into_id FROM leads ORDER BY lead_id"


# ---------------------------------------------------------------------- merges by WhatsApp's mapping, for good


@pytest.mark.parametrize("older", [wire.ANA, wire.ANA_LID])
def test_of_two_open_leads_the_older_stays_when_whatsapp_says_that_two_contacts_are_one(
    store: Store, older: str
) -> None:
    """The younger lead ends as `merged`."""
    store.write(wire.message("1", chat=wire.ANA), wire.message("2", chat=wire.ANA_LID))
    leads = {
        chat: open_lead(store, chat, at(wire.NOON + (0 if chat == older else 9))) for chat in (wire.ANA, wire.ANA_LID)
    }
    store.write(item(wire.message("3", chat=wire.ANA_LID, contact=wire.contact(phone=wire.ANA)), now=wire.NOON + 3600))
    stays = leads.pop(older)
    [ends] = leads.values()
    assert sorted(store.rows(LEADS)) == sorted([(stays, 1, "new", None, None), (ends, 1, "merged", LATER, stays)])
    assert store.rows("SELECT stage_at FROM leads WHERE lead_id = ?", ends) == [(LATER,)]
    assert store.rows("SELECT lead_id, at, actor, kind, before, after, code, value_json FROM lead_events") == [
        (ends, LATER, "system", "merged", "new", "merged", "merged", f'{{"into": {stays}}}')
    ]
    assert store.rows("SELECT conversation_id FROM unjudged") == [(1,)]


def test_everything_said_of_a_conversation_goes_along_when_it_becomes_part_of_another(store: Store) -> None:
    """Stored facts move, the first of two labels for one burst stays, and derived rows are projected again."""
    store.write(wire.message("1", chat=wire.ANA), wire.message("2", chat=wire.ANA_LID))
    for chat in (wire.ANA, wire.ANA_LID):
        open_lead(store, chat)
    store.write(wire.message("3", chat=wire.ANA_LID, contact=wire.contact(phone=wire.ANA)))
    counts = {
        table: store.rows(f"SELECT conversation_id, count(*) FROM {table} GROUP BY 1") for table in (*MOVED, *DERIVED)
    }
    assert counts == {
        "messages": [(1, 3)],
        "reactions": [],
        "calls": [],
        "leads": [(1, 2)],
        "decisions": [(1, 2)],
        "corrections": [(1, 2)],
        "classifications": [(1, 1)],
        "touches": [(1, 2)],
        "sent_bodies": [(1, 2)],
        "unjudged": [(1, 1)],
        "waiting_cycles": [(1, 1)],
        "follow_ups": [(1, 1)],
    }


def test_every_table_that_speaks_of_a_conversation_is_told_what_a_merge_does_to_it(store: Store) -> None:
    """A new table must be moved or derived again, or its rows would be lost or block the merge."""
    tables = [name for (name,) in store.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    speaks = {
        table
        for table in tables
        if any(key[2] == "conversations" for key in store.rows(f"PRAGMA foreign_key_list({table})"))
    }
    assert speaks == {*MOVED, *DERIVED, "conversation_merges"}


def test_two_numbers_of_ours_keep_their_conversations_with_one_contact(store: Store) -> None:
    """The contact is merged, but the two conversations are not."""
    store.write(wire.message("1", chat=wire.ANA), account("5491155550200@c.us"), wire.message("2", chat=wire.ANA_LID))
    store.write(wire.message("3", chat=wire.ANA_LID, contact=wire.contact(phone=wire.ANA)))
    assert store.rows("SELECT account_id, contact_id FROM conversations") == [(1, 1), (2, 1)]
    assert {row[0] for row in store.rows("SELECT conversation_id FROM unjudged")} == {1, 2}


# ---------------------------------------------------------------------- merges by a pointer, which can be undone


def test_a_merge_by_hand_keeps_both_conversations_and_projects_them_together(store: Store) -> None:
    """The root contact has the leads of both."""
    ana, beto, _ = three(store)
    first, second = open_lead(store, wire.ANA, at(wire.NOON)), open_lead(store, wire.BETO, at(wire.NOON + 9))
    number = merge_by_hand(store, beto, ana)
    assert store.rows("SELECT * FROM contact_merges") == [
        (number, beto, ana, LATER, "person:dora", "by_hand", None, None)
    ]
    assert store.rows(LEADS) == [(first, beto, "new", None, None), (second, beto, "merged", LATER, first)]
    assert store.rows("SELECT actor FROM lead_events") == [("person:dora",)]
    assert store.rows("SELECT conversation_id FROM unjudged") == [(1,), (2,)]
    assert store.one("SELECT count(*) FROM conversations") == 3


def test_three_contacts_merged_in_a_chain_are_one_person(store: Store) -> None:
    """A merge joins the roots, whichever contact was named."""
    ana, beto, caro = three(store)
    merge_by_hand(store, beto, caro)
    merge_by_hand(store, ana, caro)
    assert store.rows("SELECT contact_id, merged_into_id FROM contacts") == [(ana, None), (beto, ana), (caro, beto)]
    assert [do(store, merges.root_of, contact) for contact in (ana, beto, caro)] == [ana] * 3
    assert do(store, merges.members_of, ana) == [ana, beto, caro]
    assert do(store, merges.members_of, beto) == [beto, caro]


@pytest.mark.parametrize(
    ("keep", "other", "why"),
    [
        (1, 1, "cannot merge contact 1 with itself; name two different contacts"),
        (1, 3, "cannot merge contacts 1 and 3: they are one already, contact 1; there is nothing to do"),
        (3, 2, "cannot merge contacts 3 and 2: they are one already, contact 1; there is nothing to do"),
        (1, 9, "cannot merge contact 9: there is no such contact; "),
        (9, 1, "cannot merge contact 9: there is no such contact; "),
    ],
)
def test_a_merge_that_makes_no_sense_is_refused(store: Store, keep: int, other: int, why: str) -> None:
    """With itself, in a circle or with an unknown contact it changes nothing."""
    ana, beto, caro = three(store)
    merge_by_hand(store, ana, beto)
    merge_by_hand(store, beto, caro)
    with pytest.raises(CannotMerge) as refused:
        merge_by_hand(store, keep, other)
    assert str(refused.value).startswith(why)
    assert store.one("SELECT count(*) FROM contact_merges") == 2


def test_an_undone_merge_gives_each_its_leads_back(store: Store) -> None:
    """They keep their ids; the projector matches them by their opening message."""
    ana, beto, _ = three(store)
    first, second = open_lead(store, wire.ANA, at(wire.NOON)), open_lead(store, wire.BETO, at(wire.NOON + 9))
    number = merge_by_hand(store, ana, beto, when=at(wire.NOON + 60))
    do(store, lambda connection: connection.execute("DELETE FROM unjudged"))
    do(store, merges.undo, number, "person:eva", LATER)
    assert store.rows("SELECT undone_at, undone_by FROM contact_merges") == [(LATER, "person:eva")]
    assert store.rows("SELECT contact_id FROM contacts WHERE merged_into_id IS NOT NULL") == []
    assert [row[:3] for row in store.rows(LEADS)] == [(first, ana, "new"), (second, beto, "merged")]
    assert store.rows("SELECT conversation_id FROM unjudged") == [(1,), (2,)]


def test_undoing_the_middle_of_a_chain_parts_it_there(store: Store) -> None:
    """Contacts merged into the one that leaves go with it."""
    ana, beto, caro = three(store)
    merge_by_hand(store, beto, caro)
    number = merge_by_hand(store, ana, beto)
    lead = open_lead(store, CARO)
    assert store.one("SELECT contact_id FROM leads") == ana
    do(store, merges.undo, number, "person:dora", LATER)
    assert (do(store, merges.members_of, ana), do(store, merges.members_of, beto)) == ([ana], [beto, caro])
    assert store.rows("SELECT lead_id, contact_id FROM leads") == [(lead, beto)]


def test_a_merge_is_undone_once(store: Store) -> None:
    """A second undo or an unknown number is an error."""
    ana, beto, _ = three(store)
    number = merge_by_hand(store, ana, beto)
    do(store, merges.undo, number, "person:dora", LATER)
    with pytest.raises(CannotMerge, match=f"cannot undo merge {number}: it was undone already, at {LATER}"):
        do(store, merges.undo, number, "person:dora", LATER)
    with pytest.raises(CannotMerge, match="cannot undo merge 99: there is no such merge"):
        do(store, merges.undo, 99, "person:dora", LATER)
    merge_by_hand(store, beto, ana)
    assert store.rows("SELECT merged_into_id FROM contacts WHERE contact_id = ?", ana) == [(beto,)]


def test_a_person_who_parted_two_spellings_is_not_overruled_by_them(store: Store) -> None:
    """Two spellings merge automatically only once; after an undo only WhatsApp's own mapping merges them again."""
    store.write(wire.message("1", chat=CARO), wire.message("2", chat=CARO_NO_NINE))
    [[number]] = store.rows("SELECT merge_id FROM contact_merges")
    do(store, merges.undo, number, "person:dora", LATER)
    store.write(wire.message("3", chat=CARO, contact=wire.contact(lid=CARO_LID)))
    assert store.rows("SELECT contact_id FROM contacts WHERE merged_into_id IS NOT NULL") == []
    store.write(wire.message("4", chat=CARO_LID, contact=wire.contact(phone=CARO_NO_NINE)))
    assert store.one("SELECT count(*) FROM contacts") == 1


def test_whatsapps_word_that_two_of_a_chain_are_one_shortens_it(store: Store) -> None:
    """Contacts that pointed to the absorbed one now point to the one that stays."""
    store.write(*(wire.message(f"{n}", chat=chat) for n, chat in enumerate([wire.ANA_LID, wire.BETO, CARO])))
    lid, beto, caro = (contact_of(store, chat) for chat in (wire.ANA_LID, wire.BETO, CARO))
    merge_by_hand(store, beto, lid)
    merge_by_hand(store, beto, caro)
    do(store, lambda connection: connection.execute("DELETE FROM unjudged"))
    store.write(wire.message("0", chat=wire.ANA_LID, contact=wire.contact(phone=CARO)))  # a copy of the first message
    assert store.rows("SELECT conversation_id FROM unjudged") == [(1,), (2,)]
    assert_sound(store)
    assert store.rows("SELECT contact_id, merged_into_id FROM contacts") == [(lid, beto), (beto, None)]
    store.write(wire.message("and again", chat=wire.ANA_LID, contact=wire.contact(phone=wire.BETO)))
    assert store.rows("SELECT contact_id, merged_into_id FROM contacts") == [(beto, None)]
    assert store.one("SELECT count(*) FROM messages") == 4


def test_who_was_merged_into_the_one_that_is_gone_is_merged_into_the_one_that_stays(store: Store) -> None:
    """The merge can still be undone."""
    store.write(*(wire.message(f"{n}", chat=chat) for n, chat in enumerate([wire.ANA_LID, CARO, wire.BETO])))
    lid, caro, beto = (contact_of(store, chat) for chat in (wire.ANA_LID, CARO, wire.BETO))
    number = merge_by_hand(store, caro, beto)
    store.write(wire.message("told", chat=wire.ANA_LID, contact=wire.contact(phone=CARO)))
    assert store.rows("SELECT contact_id, merged_into_id FROM contacts") == [(lid, None), (beto, lid)]
    assert_sound(store)
    do(store, merges.undo, number, "person:dora", LATER)
    assert store.rows("SELECT contact_id, merged_into_id FROM contacts") == [(lid, None), (beto, None)]


def merged_by_hand(books: Books, kept: str, other: str, moment: str) -> int:
    """A person merges these two."""
    ids = [books.ask("SELECT contact_id FROM contact_identities WHERE value = ?", chat)[0][0] for chat in (kept, other)]
    books.db.execute("BEGIN")
    merge_id = merges.merge(books.db, ids[0], ids[1], actor="person:ana", code="person", at=iso(moment))
    books.db.execute("COMMIT")
    books.project_all()
    return merge_id


def taken_back(books: Books, merge_id: int, moment: str, actor: str) -> None:
    """A person undoes a merge."""
    books.db.execute("BEGIN IMMEDIATE")
    merges.undo(books.db, merge_id, actor, iso(moment))
    books.db.execute("COMMIT")
    books.project_all()


@pytest.mark.parametrize("kept", [wire.ANA, wire.BETO])
@pytest.mark.parametrize("lid_first", [True, False])
def test_a_persons_word_outlives_what_whatsapp_says_of_one_of_the_two(kept: str, lid_first: bool) -> None:
    """A person merged Ana and Beto, and WhatsApp maps a LID to Beto before or after: the merge can be undone, and Ana's
    earlier decision stays hers.
    """
    ana, beto, lid = Customer(), Customer(wire.BETO), Customer(wire.ANA_LID)
    asked = [lid.says("17 10:00", "price"), beto.says("17 11:00", "order"), ana.says("17 12:00", "delivery")]
    asked = asked if lid_first else [asked[1], asked[0], asked[2]]
    mapped = {**Customer(wire.ANA_LID, phone=wire.BETO, lid=wire.ANA_LID).says("18 12:00", "greeting")}
    mapped["id"] = {**mapped["id"], "id": "MAPPED"}
    other = wire.ANA if kept == wire.BETO else wire.BETO
    pictures = []
    for mapped_first in (True, False):
        with Books() as books:
            for line in asked:
                books.tell([line])
            books.tell([ana.decided("17 13:00", "won")])
            if mapped_first:
                books.tell([mapped])
            merge_id = merged_by_hand(books, kept, other, "18 13:00")
            if not mapped_first:
                books.tell([mapped])
            query = "SELECT kept_id = merged_id, actor, code FROM contact_merges"
            assert books.ask(query) == [(0, "person:ana", "person")]
            stages = "SELECT opened_at, stage FROM leads WHERE stage <> 'merged' ORDER BY opened_at"
            joined = books.ask(stages)
            books.rebuild()
            assert books.ask(stages) == joined
            taken_back(books, merge_id, "18 14:00", "person:ana")
            pictures.append((joined, books.ask(stages)))
            assert books.ask("SELECT stage FROM leads WHERE opened_at = ?", iso("17 12:00")) == [("won",)]
            assert books.ask("SELECT stage FROM leads WHERE opened_at = ?", iso("17 10:00")) == [("new",)]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("kept", [wire.ANA, CARO])
@pytest.mark.parametrize("spelling", ["before the merge", "after it"])
def test_a_second_spelling_goes_with_its_phone_when_a_merge_by_hand_is_undone(
    store: Store, kept: str, spelling: str
) -> None:
    """After Ana and Caro are merged and parted, Caro's second spelling is Caro's, whenever it was captured."""
    store.write(wire.message("1", chat=wire.ANA), wire.message("2", chat=CARO))
    if spelling == "before the merge":
        store.write(wire.message("3", chat=CARO_NO_NINE))
    other = wire.ANA if kept == CARO else CARO
    number = merge_by_hand(store, contact_of(store, kept), contact_of(store, other))
    if spelling == "after it":
        store.write(wire.message("3", chat=CARO_NO_NINE))
    assert_sound(store)
    do(store, merges.undo, number, "person:dora", LATER)
    roots = [do(store, merges.root_of, contact_of(store, chat)) for chat in (wire.ANA, CARO, CARO_NO_NINE)]
    assert roots == [contact_of(store, wire.ANA), contact_of(store, CARO), contact_of(store, CARO)]


def test_two_words_of_a_person_are_kept_when_whatsapp_joins_those_they_were_said_of(store: Store) -> None:
    """A person merged Caro with Ana and Beto with a LID; WhatsApp then maps that LID to Ana, and both merges can still
    be undone.
    """
    for number, chat in enumerate((CARO, wire.BETO, wire.ANA, wire.ANA_LID), 1):
        store.write(wire.message(f"M{number}", chat=chat))
    ids = {chat: contact_of(store, chat) for chat in (CARO, wire.BETO, wire.ANA, wire.ANA_LID)}
    one = merge_by_hand(store, ids[CARO], ids[wire.ANA], "person:x")
    two = merge_by_hand(store, ids[wire.BETO], ids[wire.ANA_LID], "person:x")
    left = do(store, partial(absorb, at=LATER), ids[wire.ANA], ids[wire.ANA_LID])
    assert_sound(store)
    assert {do(store, merges.root_of, each) for each in (ids[CARO], ids[wire.BETO], left)} == {ids[CARO]}
    do(store, merges.undo, two, "person:x", LATER)
    assert_sound(store)
    assert do(store, merges.root_of, left) == ids[CARO]
    assert do(store, merges.root_of, ids[wire.BETO]) == ids[wire.BETO]
    do(store, merges.undo, one, "person:x", LATER)
    assert do(store, merges.root_of, left) == left


def test_whatsapps_word_never_closes_a_circle(store: Store) -> None:
    """The oldest contact is under the youngest by hand, and WhatsApp joins it with the one in the middle."""
    store.write(*(wire.message(f"{n}", chat=chat) for n, chat in enumerate([wire.ANA_LID, CARO, wire.BETO])))
    lid, beto = (contact_of(store, chat) for chat in (wire.ANA_LID, wire.BETO))
    merge_by_hand(store, beto, lid)
    store.write(wire.message("told", chat=wire.ANA_LID, contact=wire.contact(phone=CARO)))
    assert store.rows("SELECT contact_id, merged_into_id FROM contacts") == [(lid, beto), (beto, None)], "as Dora said"
    assert store.one("SELECT count(*) FROM messages JOIN conversations USING (conversation_id)") == 4


# ---------------------------------------------------------------------- leads after a merge


def test_a_merge_taken_back_leaves_every_lead_as_it_was() -> None:
    """They are open again under their old ids, and their record has the merge."""
    ana, beto = Customer(), Customer(wire.BETO)
    with Books() as books:
        books.tell([ana.says("17 10:00", "price"), beto.says("17 10:30", "order")])
        before = books.ask(LEADS)
        assert [row[2] for row in before] == ["new", "new"]
        books.db.execute("BEGIN IMMEDIATE")
        number = merges.merge(books.db, 2, 1, actor="person:dora", code="by_hand", at=iso("17 11:00"))
        books.db.execute("COMMIT")
        merged = [(1, 2, "new", None, None), (2, 2, "merged", iso("17 11:00"), 1)]
        assert books.ask(LEADS) == merged
        books.project_all()
        assert books.ask(LEADS) == merged, "projected together they are one lead"
        books.rebuild()
        assert books.ask(LEADS) == merged
        taken_back(books, number, "17 12:00", "person:dora")
        assert books.ask(LEADS) == before
        assert books.column("SELECT kind FROM lead_events WHERE lead_id = 2 ORDER BY event_id")[:2] == [
            "opened",
            "merged",
        ]


def test_what_ended_as_merged_and_never_was_a_lead_is_gone_once_the_merge_is_undone() -> None:
    """No lead stays merged into a stranger's."""
    ana, beto = Customer(), Customer(wire.BETO)
    hers = beto.says("17 11:00", "order")
    with Books() as books:
        books.tell([ana.says("17 10:00", "price"), hers])
        merge_id = merged_by_hand(books, wire.ANA, wire.BETO, "17 12:00")
        books.correct(hers, "personal", "17 12:10")
        books.project_all()
        taken_back(books, merge_id, "17 13:00", "person:ana")
        assert books.ask("SELECT stage, opened_at FROM leads") == [("new", iso("17 10:00"))]


def test_what_was_before_a_merge_stays_what_it_was_of_each() -> None:
    """An earlier enquiry does not become a topic of the other's lead, and closing that lead does not end its wait."""
    ana, beto = Customer(), Customer(wire.BETO)
    with Books() as books:
        lines = [beto.says("17 10:00", "order"), ana.says("17 10:30", "price"), beto.decided("17 10:40", "won")]
        books.tell(lines)
        before = books.ask(LEADS)
        assert [row[2] for row in before] == ["won", "new"]
        books.db.execute("BEGIN IMMEDIATE")
        number = merges.merge(books.db, 2, 1, actor="person:dora", code="by_hand", at=iso("17 11:00"))
        books.db.execute("COMMIT")
        books.project_all()
        assert [row[0::2][:2] for row in books.ask(LEADS)] == [(1, "won"), (2, "new")]
        assert books.column("SELECT waiting_since FROM conversations WHERE waiting_since IS NOT NULL") == [
            iso("17 10:30")
        ]
        books.tell([beto.says("17 11:30", "availability")])
        assert books.column("SELECT topics FROM leads ORDER BY lead_id") == ['["order"]', '["price", "availability"]']
        taken_back(books, number, "17 12:00", "person:dora")
        assert books.ask("SELECT lead_id, stage, topics, previous_lead_id FROM leads ORDER BY lead_id") == [
            (1, "won", '["order"]', None),
            (2, "new", '["price"]', None),
            (3, "new", '["availability"]', 1),
        ]


def test_a_lead_that_comes_back_is_the_one_it_was() -> None:
    """A person's label withdrew it; after the undo it has the same number and record."""
    ana, beto = Customer(), Customer(wire.BETO)
    with Books() as books:
        line = ana.says("17 10:00", "price")
        books.tell([line, beto.says("17 10:30", "order")])
        books.correct(line, "supplier")
        books.project_all()
        assert books.column("SELECT lead_id FROM leads") == [2]
        books.tell([beto.says("17 11:30", "delivery")])
        books.db.execute("UPDATE corrections SET undone_at = at")
        mark_all_dirty(books.db)
        books.project_all()
        assert books.column("SELECT lead_id FROM leads ORDER BY lead_id") == [1, 2]
        kinds = books.column("SELECT kind FROM lead_events WHERE lead_id = 1 ORDER BY event_id")
        assert kinds[:2] == ["opened", "withdrawn"]


def test_two_spellings_of_one_phone_have_one_open_lead() -> None:
    """Messages under the second spelling go to the lead of the first."""
    with Books() as books:
        nine, no_nine = Customer(CARO), Customer(CARO_NO_NINE)
        books.tell([nine.says("17 10:00", "price"), no_nine.says("17 10:30", "order"), nine.hears("17 10:40")])
        assert [row[1:3] for row in books.ask(LEADS)] == [(1, "contacted")]
        assert books.column("SELECT topics FROM leads") == ['["price", "order"]']


# ---------------------------------------------------------------------- proposed duplicates


def proposed(store: Store) -> list[Duplicate]:
    return list(do(store, possible_duplicates, 100))


def test_two_contacts_saved_under_one_name_are_proposed(store: Store) -> None:
    """Case is ignored. A pair is not proposed while merged, nor again after an undo."""
    store.write(wire.message("1", contact=wire.contact(name="Ana Gómez")))
    store.write(wire.message("2", chat=wire.BETO, contact=wire.contact(name="ANA GÓMEZ".lower())))
    store.write(wire.message("3", chat=CARO, contact=wire.contact(name="Caro")))
    assert [(each.code, each.contact_id, each.other_id) for each in proposed(store)] == [("same_name", 1, 2)]
    number = merge_by_hand(store, 1, 2)
    assert proposed(store) == []
    do(store, merges.undo, number, "person:dora", LATER)
    assert proposed(store) == []


def test_one_push_name_is_proposed_only_when_one_of_them_shows_no_phone(store: Store) -> None:
    """Two phones with the same first name are two people, but a LID may belong to a known phone."""
    store.write(wire.message("1", chat=wire.ANA, notify_name="Anita P."))
    store.write(wire.message("2", chat=wire.BETO, notify_name="Beto"), wire.message("3", chat=CARO, notify_name="Beto"))
    assert proposed(store) == []
    store.write(wire.message("4", chat=wire.ANA_LID, notify_name="anita p."))
    assert proposed(store) == [Duplicate("same_push_name", 1, 4, "anita p.")]


def test_a_pair_is_proposed_once(store: Store) -> None:
    """The stronger of the two reasons is given."""
    for chat in (wire.ANA, wire.ANA_LID):
        store.write(wire.message(chat, chat=chat, notify_name="Anita P.", contact=wire.contact(name="Ana Gómez")))
    assert proposed(store) == [Duplicate("same_name", 1, 2, "Ana Gómez")]


def test_a_push_name_that_a_third_has_as_well_tells_nothing(store: Store) -> None:
    """The LID could belong to either of the two phones."""
    for n, chat in enumerate([wire.ANA, wire.BETO, wire.ANA_LID]):
        store.write(wire.message(f"{n}", chat=chat, notify_name="Ana"))
    assert proposed(store) == []


def test_a_saved_name_may_stand_for_several_numbers_but_not_for_many(store: Store) -> None:
    """Home, work and an old number are proposed; `Cliente` on every second contact is not."""
    for n in range(12):
        name = wire.contact(name="Ana Gómez" if n < 3 else "Cliente")
        store.write(wire.message(f"{n}", chat=f"54911555510{n:02d}@c.us", contact=name))
    assert proposed(store) == [Duplicate("same_name", 1, 2, "Ana Gómez"), Duplicate("same_name", 1, 3, "Ana Gómez")]


def test_contacts_without_any_name_are_proposed_to_nobody(store: Store) -> None:
    """A missing or empty name never matches."""
    for n, chat in enumerate([wire.ANA_LID, CARO_LID]):
        store.write(wire.message(f"{n}", chat=chat, notify_name=None if n else "", contact=wire.contact(name="")))
    assert proposed(store) == []


@pytest.mark.parametrize(
    ("days", "lid", "name", "look"),
    [
        (181, CARO_LID, "Zulma", True),
        (179, CARO_LID, "Zulma", False),
        (181, CARO_LID, "Ana", False),
        (181, wire.ANA_LID, "Zulma", False),
    ],
    ids=["long silence, another LID and name", "not so long", "the same name", "the same LID"],
)
def test_a_number_that_may_have_changed_hands_is_proposed(
    store: Store, days: int, lid: str, name: str, look: bool
) -> None:
    """It has a new LID and name after half a year of silence; nothing is split automatically."""
    then, now = wire.NOON - days * DAY, wire.NOON
    store.write(item(wire.message("1", t=then, contact=wire.contact(lid=wire.ANA_LID)), now=then))
    store.write(item(wire.message("2", t=now, notify_name=name, contact=wire.contact(lid=lid)), now=now))
    store.write(item(wire.message("3", t=now + 60, notify_name=name, contact=wire.contact(lid=lid)), now=now + 60))
    assert proposed(store) == ([Duplicate("changed_hands", 1, 1, name)] if look else [])
    assert store.one("SELECT count(*) FROM contacts") == 1


def test_lids_that_were_both_known_before_the_silence_tell_of_no_other_hands(store: Store) -> None:
    """Only the name is new."""
    then, now = wire.NOON - 200 * DAY, wire.NOON
    for n, lid in enumerate([wire.ANA_LID, CARO_LID]):
        store.write(item(wire.message(f"{n}", t=then + n, contact=wire.contact(lid=lid)), now=then + n))
    store.write(item(wire.message("2", t=now, notify_name="Zulma"), now=now))
    assert proposed(store) == []


def test_proposals_stop_at_the_limit(store: Store) -> None:
    """The limit counts pairs."""
    for n in range(6):
        name = wire.contact(name=f"Name {n % 3}")
        store.write(wire.message(f"{n}", chat=f"54911555510{n:02d}@c.us", contact=name))
    assert len(proposed(store)) == 3
    assert len(do(store, possible_duplicates, 2)) == 2


# ---------------------------------------------------------------------- any order


PHONES = [wire.ANA, CARO, CARO_NO_NINE]
LIDS = [wire.ANA_LID, CARO_LID]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("message"), st.sampled_from([*PHONES, *LIDS])),
        st.tuples(st.just("mapping"), st.sampled_from(PHONES), st.sampled_from(LIDS)),
        st.tuples(st.just("lead"), st.sampled_from([*PHONES, *LIDS]), st.integers(0, 9)),
        st.tuples(st.just("merge"), st.sampled_from([*PHONES, *LIDS]), st.sampled_from([*PHONES, *LIDS])),
        st.tuples(st.just("undo"), st.integers(0, 3)),
    ),
    max_size=16,
)


@settings(max_examples=examples(15))
@given(STEPS)
def test_in_whatever_order_ids_are_mapped_merged_and_parted_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    """No unique index fails, no message is lost, every pointer has its merge, and leads belong to root contacts."""
    with opened(tmp_path_factory.mktemp("orders") / "leadmaster.db") as store:
        for number, step in enumerate(steps):
            take(store, step, number)
            assert_sound(store)
        sent = sum(step[0] in ("message", "mapping") for step in steps)
        assert store.one("SELECT count(*) FROM messages") == sent
        assert store.one("SELECT count(*) FROM messages JOIN conversations USING (conversation_id)") == sent
        for step in steps:
            if step[0] == "mapping":
                assert contact_of(store, step[1]) == contact_of(store, step[2])


def take(store: Store, step: tuple[Any, ...], number: int) -> None:
    """Apply one step; a step that is impossible or already done is skipped."""
    match step:
        case ("message", chat):
            store.write(wire.message(f"{number}", chat=chat))
        case ("mapping", phone, lid):
            store.write(wire.message(f"{number}", chat=lid, contact=wire.contact(phone=phone)))
        case ("lead", chat, minute):
            if known(store, chat):
                root = do(store, merges.root_of, contact_of(store, chat))
                if not store.rows("SELECT 1 FROM leads WHERE contact_id = ? AND closed_at IS NULL", root):
                    open_lead(store, chat, at(wire.NOON + minute * 60))
        case ("merge", one, other):
            roots = {do(store, merges.root_of, contact_of(store, chat)) for chat in (one, other) if known(store, chat)}
            if len(roots) == 2:
                merge_by_hand(store, contact_of(store, one), contact_of(store, other), "person:a")
        case ("undo", which):
            active = store.rows("SELECT merge_id FROM contact_merges WHERE undone_at IS NULL ORDER BY 1")
            if which < len(active):
                do(store, merges.undo, active[which][0], "person:a", LATER)
        case _:
            raise AssertionError(step)


def known(store: Store, chat: str) -> bool:
    return bool(store.rows("SELECT 1 FROM contact_identities WHERE value = ?", chat))
