"""Ids of ignored people that WhatsApp told once are ignored for good, and no longer than the person is."""

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.capture import CaptureFilter, CaptureRules, Skipped, ignore_list
from leadmasterd.daemon.ignored import IgnoredIds
from tests import wire

OLD, NEW = wire.ANA, "5491155550003@c.us"
NEW_WITHOUT_NINE, NEW_LID = "541155550003@c.us", "88001122334488@lid"
RULES = CaptureRules(ignore=ignore_list([OLD]))
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
IGNORED = Skipped("an ignored chat")


def told_of_the_change(chosen: CaptureFilter) -> None:
    """WhatsApp's notice."""
    ids: dict[str, Any] = {"old": OLD, "new": NEW, "old_lid": None, "new_lid": NEW_LID}
    change: Any = wire.decoded(wire.line("number_change", via="live", t=wire.NOON, **ids))
    assert chosen.refusal_of_change(change) == IGNORED


def life(folder: Path, rules: CaptureRules = RULES) -> tuple[IgnoredIds, CaptureFilter]:
    """What a start of the daemon knows."""
    ids = IgnoredIds(folder, rules)
    return ids, CaptureFilter(rules, ids.known)


def of(chat: str) -> Any:
    return wire.decoded(wire.message(chat=chat))


@pytest.mark.parametrize("chat", [NEW, NEW_WITHOUT_NINE, NEW_LID])
def test_a_new_number_is_ignored_in_later_lives_too(tmp_path: Path, chat: str) -> None:
    """Under each spelling and its LID. The file is private."""
    ids, chosen = life(tmp_path)
    assert chosen.decide(of(chat), NOW) != IGNORED
    told_of_the_change(chosen)
    ids.keep(chosen.learnt)
    assert stat.S_IMODE((tmp_path / "ignored.json").stat().st_mode) == 0o600
    ids, chosen = life(tmp_path)
    assert chosen.decide(of(chat), NOW) == IGNORED
    assert set(ids.known) == {NEW, NEW_WITHOUT_NINE, NEW_LID}


def test_an_entry_may_be_written_in_another_way(tmp_path: Path) -> None:
    """It is the same person's phone."""
    ids, chosen = life(tmp_path)
    told_of_the_change(chosen)
    ids.keep(chosen.learnt)
    written = CaptureRules(ignore=ignore_list(["+54 9 11 5555-0001"]))
    assert life(tmp_path, written)[1].decide(of(NEW), NOW) == IGNORED


def test_who_is_ignored_no_longer_is_heard_under_every_id(tmp_path: Path) -> None:
    """Others stay ignored."""
    _, chosen = life(tmp_path)
    told_of_the_change(chosen)
    IgnoredIds(tmp_path, RULES).keep(chosen.learnt)
    others = CaptureRules(ignore=ignore_list([wire.BETO]))
    ids, chosen = life(tmp_path, others)
    assert ids.known == {}
    assert chosen.decide(of(NEW), NOW) != IGNORED
    assert chosen.decide(of(wire.BETO), NOW) == IGNORED


def test_what_is_learnt_by_what_was_learnt_is_of_the_same_entry(tmp_path: Path) -> None:
    """Another LID of the new number."""
    ids, chosen = life(tmp_path)
    told_of_the_change(chosen)
    other = "88001122334499@lid"
    assert chosen.decide(wire.decoded(wire.message(chat=other, contact=wire.contact(phone=NEW))), NOW) == IGNORED  # type: ignore[arg-type]
    assert set(chosen.learnt.values()) == {OLD.partition("@")[0]}
    ids.keep(chosen.learnt)
    assert life(tmp_path)[1].decide(of(other), NOW) == IGNORED


def test_the_ids_in_the_settings_are_not_learnt() -> None:
    """A usual line of an ignored chat writes no file."""
    chosen = CaptureFilter(RULES)
    assert chosen.decide(of(OLD), NOW) == IGNORED
    assert chosen.learnt == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "null", '{"5491155550003@c.us": 7}', "\ud800"])
def test_a_file_that_says_nothing_is_none(tmp_path: Path, text: str) -> None:
    """The daemon starts all the same."""
    (tmp_path / "ignored.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert IgnoredIds(tmp_path, RULES).known == {}


def test_what_can_not_be_written_holds_for_this_life(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The journal says so, and names nobody."""
    ids = IgnoredIds(tmp_path / "gone", RULES)
    ids.keep({NEW: "5491155550001"})
    assert NEW in ids.known
    [record] = caplog.records
    assert record.action == "ignored_unwritten"  # type: ignore[attr-defined]
    assert "5491155550003" not in record.getMessage()
