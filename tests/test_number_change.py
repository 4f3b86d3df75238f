"""A changed number, by WhatsApp's own notice: it names both ids, so they are one person, and the lead goes on."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadmasterd.capture import CaptureRules, ignore_list
from leadmasterd.store.sweep_plan import plan
from tests import wire
from tests.captures import item
from tests.stories import Books, Customer, Line, seconds, tell

OLD, NEW = wire.ANA, "5491155550003@c.us"
LID, NEW_LID = wire.ANA_LID, "88001122334488@lid"


def changed(at: str, old: str = OLD, new: str = NEW, *, via: str = "live", **more: Any) -> Line:
    """The notice."""
    fields = {"old_lid": None, "new_lid": None, "t": seconds(at), **more}
    return {**wire.line("number_change", via=via, old=old, new=new, **fields), "at": (seconds(at) + 1) * 1000}


ASKED = Customer(OLD).says("17 10:00", "price")
TOLD = Customer(OLD).hears("17 10:10")
QUOTED = Customer(OLD).decided("17 10:30", "quoted")
WANTS = Customer(NEW).says("18 10:00", "order")
ANSWER = Customer(NEW).hears("18 11:00")


def test_a_lead_goes_on_under_the_new_number() -> None:
    """She was quoted a price, changed her number, which both chats say, and then wants it: one lead, and she waits."""
    told = tell(ASKED, TOLD, QUOTED, changed("18 09:00"), changed("18 09:00", via="sweep"), WANTS, as_of="18 12:00")
    assert (told.lead["stage"], told.lead["opened_at"]) == ("quoted", "2026-11-17T13:00:00.000Z")
    assert told.chat()["waiting_since"] == "2026-11-18T13:00:00.000Z"


@pytest.mark.parametrize("place", range(4))
def test_the_notice_may_come_before_between_and_after(place: int) -> None:
    """She asked under the old number and was answered under the new one."""
    lines = [ASKED, QUOTED, ANSWER]
    lines.insert(place, changed("18 09:00"))
    told = tell(*lines, as_of="18 12:00")
    assert len(told.open) == 1
    assert told.open[0]["first_response_seconds"] == 25 * 3600
    assert told.chat()["waiting_since"] is None


def test_the_notice_alone_makes_nobody_wait() -> None:
    """Nor is there a conversation."""
    told = tell(changed("18 09:00"), as_of="18 12:00")
    assert (told.leads, told.result["conversations"]) == ([], [])


def test_of_others_it_says_nothing() -> None:
    """Beto is neither of the two."""
    beto = Customer(wire.BETO)
    told = tell(ASKED, beto.says("17 11:00", "price"), changed("18 09:00"), WANTS, as_of="18 12:00")
    assert len(told.open) == 2
    assert told.chat(beto)["waiting_since"] is not None


@pytest.mark.parametrize("listed", [OLD, NEW])
def test_who_is_ignored_is_ignored_under_both(listed: str) -> None:
    """Also when only one of the two is in the settings."""
    rules = CaptureRules(ignore=ignore_list([listed]))
    told = tell(changed("16 09:00"), ASKED, WANTS, as_of="18 12:00", rules=rules)
    assert told.result["conversations"] == []


def test_both_accounts_lids_are_the_same_persons() -> None:
    """A chat may be under any of the four ids."""
    notice = changed("18 09:00", old_lid=LID, new_lid=NEW_LID)
    told = tell(ASKED, notice, Customer(NEW_LID).says("18 10:00", "order"), as_of="18 12:00")
    assert len(told.open) == 1


def captured(books: Books, *lines: Line) -> None:
    """Write these as the daemon does."""
    for line in lines:
        books.db.execute("BEGIN")
        books.rows.apply([item(line, now=line["at"] / 1000, text=json.dumps(line))])
        books.db.execute("COMMIT")


def test_the_number_in_use_is_shown() -> None:
    """Hers changes back and forth; an old notice that a sweep reads again is no news."""
    shown = "SELECT phone FROM contacts"
    with Books() as books:
        captured(books, ASKED, changed("18 09:00"))
        assert books.column(shown) == ["+5491155550003"]
        captured(books, changed("19 09:00", NEW, OLD))
        assert books.column(shown) == ["+5491155550001"]
        captured(books, changed("18 09:00", via="sweep"), WANTS)
        assert books.column(shown) == ["+5491155550001"]
        assert books.column("SELECT count(DISTINCT conversation_id) FROM messages") == [1]


def test_a_notice_that_contradicts_an_earlier_one_loses_nothing() -> None:
    """Two people are said to have moved to one number."""
    beto = Customer(wire.BETO)
    with Books() as books:
        captured(books, ASKED, beto.says("17 11:00", "order"), changed("18 09:00"), changed("18 10:00", wire.BETO))
        captured(books, WANTS)
        books.project_all()
        assert sorted(books.column("SELECT body FROM messages")) == ["order", "order", "price"]
        assert books.column("SELECT count(*) FROM leads WHERE closed_at IS NULL") == [1]


def test_a_person_with_two_numbers_has_two_chats_to_read() -> None:
    """A sweep that read only one of them must not pass over what the other holds: that one has no start of its own."""
    read: dict[str, Any] = {"sweep": 1, "found": 1, "error": None}
    with Books() as books:
        captured(books, ASKED, {**wire.line("sweep_chat", chat=OLD, through=ASKED["t"], **read), "at": ASKED["at"]})
        now = datetime.fromtimestamp(seconds("18 12:00"), UTC)

        def starts() -> dict[str, int]:
            return plan(books.db, 1, timedelta(minutes=25), first_link_days=0, now=now).chats

        assert [*starts()] == [OLD]
        captured(books, changed("18 09:00"), WANTS)
        captured(books, {**wire.line("sweep_chat", chat=NEW, through=WANTS["t"], **read), "at": WANTS["at"]})
        assert [*starts()] == [NEW]
