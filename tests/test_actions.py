"""Decisions as a web page would make them: no command line, a typed result, one unit of work each."""

from collections.abc import Iterator

import pytest

from leadmasterd.actions.labels import label, undo_label
from leadmasterd.actions.merges import merge, undo_merge
from leadmasterd.actions.notes import add_note
from leadmasterd.actions.stages import move_to_stage
from leadmasterd.actions.unit_of_work import Change, LeadEditor, open_editor
from leadmasterd.errors import CannotUseArgument, CannotUseRules, Refused
from leadmasterd.settings.model import load
from tests.test_cli_leads import BROKEN, DELIVERY, PRICE, Shop
from tests.test_cli_leads import shop as shop


@pytest.fixture
def editor(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Iterator[LeadEditor]:
    """Beto's editor; customers 1 and 2 have a lead each, and 3 complains."""
    shop.hears((1, 120, PRICE), (2, 60, DELIVERY), (3, 50, BROKEN))
    settings, paths = load(None)
    with open_editor(settings, paths, actor="person:beto") as editor:
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
