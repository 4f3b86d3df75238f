"""Decisions as a web page would make them: no command line, a typed result, one unit of work each."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from leadmasterd.actions import unit_of_work
from leadmasterd.actions.dismissals import dismiss, undo_dismissal
from leadmasterd.actions.labels import label, undo_label
from leadmasterd.actions.merges import merge, undo_merge
from leadmasterd.actions.notes import add_note, undo_note
from leadmasterd.actions.stages import move_to_stage, undo_stage
from leadmasterd.actions.unit_of_work import Change, LeadEditor, Patience, open_editor
from leadmasterd.classify.classifier import Classifier
from leadmasterd.errors import CannotUseArgument, CannotUseRules, DatabaseBusy, Refused
from leadmasterd.projection.policy import classifier_of
from leadmasterd.settings.model import load
from leadmasterd.settings.paths import Paths
from leadmasterd.store.dirty import mark_all_dirty
from tests.test_cli_leads import BROKEN, DELIVERY, PRICE, Shop
from tests.test_cli_leads import shop as shop


@pytest.fixture
def editor(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Iterator[LeadEditor]:
    """Beto's editor; customers 1 and 2 have a lead each, and 3 complains."""
    shop.hears((1, 120, PRICE), (2, 60, DELIVERY), (3, 50, BROKEN))
    settings, paths = load(None)
    with open_editor(settings.plain(), paths, actor="person:beto", patience=Patience(1)) as editor:
        yield editor
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", ""), "an action prints nothing"


def test_a_stage_is_moved_with_its_note_and_says_what_changed(editor: LeadEditor, shop: Shop) -> None:
    """If nothing changes, the result says so and no decision is written."""
    done = move_to_stage(editor, "1", "won", note="in cash")
    assert (done.before and done.before.stage, done.after and done.after.stage, done.unchanged) == ("new", "won", False)
    assert done.changes[0] == Change("stage", 1, "new", "won")
    assert {change.what for change in done.changes} == {"stage", "waiting"}
    assert move_to_stage(editor, "1", "won").unchanged
    assert shop.asks("SELECT actor, stage, note FROM decisions") == [("person:beto", "won", "in cash")]
    assert shop.asks("SELECT json_extract(value_json, '$.text') FROM lead_events WHERE kind = 'note'") == [("in cash",)]


def test_rules_and_model_are_read_while_others_may_write(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon has not labelled what they wrote just now. It takes a third of a second, and nothing else does."""
    shop.hears((1, 120, PRICE))
    with closing(sqlite3.connect(shop.database)) as connection, connection:
        connection.execute("DELETE FROM classifications")
        mark_all_dirty(connection)
    settings, paths = load(None)
    locked = []

    def read(rules: str, paths: Paths) -> Classifier:
        locked.append(mine.connection.in_transaction)
        return classifier_of(rules, paths)

    monkeypatch.setattr(unit_of_work, "classifier_of", read)
    with open_editor(settings.plain(), paths, actor="person:beto", patience=Patience(1)) as mine:
        move_to_stage(mine, "1", "won")
    assert locked == [False]
    assert shop.asks("SELECT intent FROM classifications") == [("price",)]


def test_a_locked_database_is_waited_for_as_long_as_told(editor: LeadEditor, shop: Shop) -> None:
    """A page gives up sooner than a command."""
    with closing(sqlite3.connect(shop.database, isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(DatabaseBusy):
            move_to_stage(editor, "1", "won")
        assert 1 <= time.monotonic() - began < 20
        locker.execute("ROLLBACK")
    assert shop.asks("SELECT * FROM decisions") == []


def test_what_can_not_be_decided_is_refused_and_nothing_is_written(editor: LeadEditor, shop: Shop) -> None:
    """The error is a text for people."""
    for who, stage in (("99", "won"), ("x@g.us", "won")):
        with pytest.raises(Refused):
            move_to_stage(editor, who, stage)
    with pytest.raises(Refused, match="no label to undo"):
        undo_label(editor, "1")
    with pytest.raises(Refused, match="was not received in this chat"):
        label(editor, "1", "order", message_id=2)
    with pytest.raises(Refused, match="one person already"):
        merge(editor, "1", "1")
    with pytest.raises(Refused, match="cannot undo merge 7"):
        undo_merge(editor, 7)
    with pytest.raises(CannotUseArgument):
        add_note(editor, "1", " ")
    for table in ("decisions", "corrections", "contact_merges"):
        assert shop.asks(f"SELECT count(*) FROM {table}") == [(0,)]
    assert not editor.connection.in_transaction


def test_a_decision_is_kept_when_the_projection_must_wait(editor: LeadEditor, shop: Shop) -> None:
    """The rules file is broken: the conversation stays dirty, and the second transaction is rolled back."""
    shop.hears((1, 1, DELIVERY), judged=False)
    (shop.folder / "rules.toml").write_text("this is no rule")
    with pytest.raises(CannotUseRules, match="Your change is saved"):
        move_to_stage(editor, "1", "won", note="in cash")
    assert shop.asks("SELECT stage, note FROM decisions") == [("won", "in cash")]
    assert shop.asks("SELECT conversation_id FROM unjudged") == [(1,)]
    assert shop.asks("SELECT count(*) FROM lead_events WHERE kind = 'note'") == [(0,)]


def test_a_label_and_a_merge_are_undone_to_what_was(editor: LeadEditor) -> None:
    """Each result says what changed back."""
    assert label(editor, "1", "order").changes == [Change("intent", 1, "price", "order")]
    assert undo_label(editor, "1").changes == [Change("intent", 1, "order", "price")]
    merged = merge(editor, "1", "2")
    assert Change("stage", 2, "new", "merged") in merged.changes
    assert Change("stage", 2, "merged", "new") in undo_merge(editor, merged.merge_id).changes


# ---------------------------------------------------------------------- undoing stages and notes


def kinds_on_record(shop: Shop, lead: int) -> list[tuple[str, str | None, str]]:
    """The lead's record in `leads show`: kind, the stage after, and who did it."""
    record = shop.types("leads", "show", str(lead), "--json").json["record"]
    return [(each["kind"], each["after"], each["actor"]) for each in record]


def test_a_stage_is_undone_with_its_note_and_the_record_says_both(editor: LeadEditor, shop: Shop) -> None:
    """The lead waits as before; a rebuild gives the same."""
    move_to_stage(editor, "1", "won", note="in cash")
    editor.actor = "person:ana"
    done = undo_stage(editor, "1")
    assert (done.stage, done.decided_by, done.actor) == ("won", "person:beto", "person:ana")
    assert (done.before and done.before.stage, done.after and done.after.stage) == ("won", "new")
    assert {change.what for change in done.changes} == {"stage", "waiting"}
    assert shop.asks("SELECT stage, actor, undone_by FROM decisions") == [("won", "person:beto", "person:ana")]
    expected = [
        ("opened", "new", "system"),
        ("stage", "won", "person:beto"),
        ("note_withdrawn", None, "person:ana"),
        ("undone", None, "person:ana"),
        ("stage", "new", "person:ana"),
    ]
    assert sorted(kinds_on_record(shop, 1), key=repr) == sorted(expected, key=repr)
    shown = shop.types("leads", "show", "1").out
    assert "undone: won: what beto had decided" in shown
    assert "in cash" not in shown
    before = (shop.asks("SELECT * FROM leads"), shop.asks("SELECT * FROM lead_events"))
    assert shop.types("leads", "rebuild").code == 0
    assert (shop.asks("SELECT * FROM leads"), shop.asks("SELECT * FROM lead_events")) == before
    with pytest.raises(Refused, match="no decision to undo"):
        undo_stage(editor, "1")


def test_each_undo_takes_back_the_latest_that_still_counts(editor: LeadEditor, shop: Shop) -> None:
    """Of two decisions the later one first, whoever made it."""
    move_to_stage(editor, "1", "qualified")
    editor.actor = "person:ana"
    move_to_stage(editor, "1", "quoted")
    assert [undo_stage(editor, "1").stage for _ in range(2)] == ["quoted", "qualified"]
    assert shop.asks("SELECT stage FROM leads WHERE lead_id = 1") == [("new",)]
    assert shop.asks("SELECT * FROM follow_ups WHERE lead_id = 1") == []


def test_an_undo_of_ones_own_decision_leaves_a_colleagues(editor: LeadEditor, shop: Shop) -> None:
    """As the page's button does it: it names the decision, so pressing it late or twice undoes nothing else."""
    mine = move_to_stage(editor, "1", "qualified").decision_id
    editor.actor = "person:ana"
    move_to_stage(editor, "1", "quoted")
    assert undo_stage(editor, 1, decision_id=mine).stage == "qualified"
    assert shop.asks("SELECT stage FROM leads WHERE lead_id = 1") == [("quoted",)]
    with pytest.raises(Refused, match="can no longer be undone"):
        undo_stage(editor, 1, decision_id=mine)
    assert shop.asks("SELECT stage FROM decisions WHERE undone_at IS NULL") == [("quoted",)]


def test_a_decision_about_an_earlier_lead_is_undone_by_that_leads_number(editor: LeadEditor, shop: Shop) -> None:
    """The lead that came after it has none; without the closing both are one lead."""
    move_to_stage(editor, "1", "won")
    shop.hears((1, -5, PRICE))
    assert shop.asks("SELECT lead_id FROM leads WHERE contact_id = 1 ORDER BY lead_id") == [(1,), (3,)]
    with pytest.raises(Refused, match="no decision to undo"):
        undo_stage(editor, "3")
    undo_stage(editor, "1")
    assert shop.asks("SELECT lead_id, stage FROM leads WHERE contact_id = 1") == [(1, "new")]


def test_a_lead_that_a_decision_opened_is_withdrawn_by_undoing_it(editor: LeadEditor, shop: Shop) -> None:
    """By the chat or by the lead's number; the number stays findable."""
    opened = move_to_stage(editor, "+5491155550003", "new").after
    assert opened is not None
    assert undo_stage(editor, str(opened.lead_id)).after is None
    assert shop.asks("SELECT count(*) FROM leads WHERE lead_id = ?", opened.lead_id) == [(0,)]
    again = move_to_stage(editor, str(opened.lead_id), "new").after
    assert again is not None


def test_a_note_is_withdrawn_and_shown_no_more(editor: LeadEditor, shop: Shop) -> None:
    """The latest first; the record is append-only, so the line stays in the table."""
    for text in ("one", "two"):
        add_note(editor, "1", text)
    assert undo_note(editor, "1")["text"] == "two"
    first = undo_note(editor, "1")
    with pytest.raises(Refused, match="no note"):
        undo_note(editor, "1")
    with pytest.raises(Refused, match="withdrawn already"):
        undo_note(editor, "1", note_id=first["note_id"])
    assert shop.asks("SELECT count(*) FROM lead_events WHERE kind = 'note'") == [(2,)]
    shown = shop.types("leads", "show", "1").out
    assert (shown.count("a note was withdrawn"), "two" in shown) == (2, False)


# ---------------------------------------------------------------------- no answer needed


def test_what_needs_no_answer_waits_no_more_and_that_can_be_undone(editor: LeadEditor, shop: Shop) -> None:
    """A second press changes nothing; the undo restores the same beginning."""
    [since] = shop.asks("SELECT waiting_since FROM conversations WHERE conversation_id = 1")
    done = dismiss(editor, "1")
    assert (done.conversation_ids, [change.what for change in done.changes]) == ([1], ["waiting"])
    again = dismiss(editor, "1")
    assert (again.unchanged, again.changes) == (True, [])
    assert shop.asks("SELECT stage, first_response_at FROM leads WHERE lead_id = 1") == [("new", None)]
    assert shop.asks("SELECT stage, actor FROM decisions") == [("dismissed", "person:beto")]
    assert kinds_on_record(shop, 1)[-1] == ("dismissed", None, "person:beto")
    assert "no answer needed" in shop.types("leads", "show", "1").out
    with pytest.raises(Refused, match="no decision to undo"):
        undo_stage(editor, "1")
    undo_dismissal(editor, "1")
    assert shop.asks("SELECT waiting_since FROM conversations WHERE conversation_id = 1") == [since]
    with pytest.raises(Refused, match="nothing to undo"):
        undo_dismissal(editor, "1")
    assert "undone: no answer needed: what beto had decided" in shop.types("leads", "show", "1").out


def test_where_nobody_waits_there_is_nothing_to_dismiss(editor: LeadEditor, shop: Shop) -> None:
    """Also where an answer came meanwhile; whoever wrote again since then has to be read first."""
    shop.hears((1, 40, "> sale $ 5"))
    with pytest.raises(Refused, match="nobody is waiting"):
        dismiss(editor, "1")
    [(seen,)] = shop.asks("SELECT waiting_since FROM conversations WHERE conversation_id = 2")
    shop.hears((2, 30, "> sí"), (2, 20, "y a Córdoba?"))
    with pytest.raises(Refused, match="written again"):
        dismiss(editor, 2, seen_at=seen)
    assert shop.asks("SELECT * FROM decisions") == []


def test_only_what_was_seen_is_dismissed(editor: LeadEditor, shop: Shop) -> None:
    """The page says what it showed: a line that came meanwhile waits on, and a second press changes nothing."""
    [(seen,)] = shop.asks("SELECT waiting_since FROM conversations WHERE conversation_id = 1")
    shop.hears((1, 10, "hola?"))
    [(last,)] = shop.asks("SELECT max(sent_at) FROM messages WHERE conversation_id = 1")
    assert dismiss(editor, 1, seen_at=seen).conversation_ids == [1]
    assert shop.asks("SELECT waiting_since FROM conversations WHERE conversation_id = 1") == [(last,)]
    assert dismiss(editor, 1, seen_at=seen).unchanged
    assert dismiss(editor, 1, seen_at=last).conversation_ids == [1]


def test_a_conversation_is_meant_by_its_number(editor: LeadEditor, shop: Shop) -> None:
    """Also by that of one which became part of another; a group or a number of nobody is refused."""
    assert move_to_stage(editor, 2, "won").conversation_id == 2
    assert label(editor, 1, "order").conversation_id == 1
    assert add_note(editor, 2, "x")["lead_id"] == 2
    with pytest.raises(Refused, match="no conversation 99"):
        dismiss(editor, 99)


def test_deciding_needs_no_pydantic() -> None:
    """The page's process stays, and would keep its 13 MB after the first decision."""
    parts = "dismissals, labels, merges, notes, stages"
    program = f"import sys; from leadmasterd.actions import {parts}; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
