"""The outbox: whoever hears only the events knows what the tables hold, and without a hearer nothing is written."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings

from leadmasterd.outbox import reading, replaying, room, triggers
from leadmasterd.outbox.events import KINDS, LONGEST_TEXT, SOURCES, Type
from tests import wire
from tests.depth import examples
from tests.hearer import Hearer
from tests.stories import Books, Customer, Line, edited, revoked
from tests.test_projection_order import Clerk, Story, stories

ROOT: Final = Path(__file__).resolve().parent.parent
ANA: Final = Customer(wire.ANA)
BETO: Final = Customer(wire.BETO)
PYTHON: Final = {Type.INTEGER: int, Type.TEXT: str, Type.TIME: str, Type.BOOLEAN: bool, Type.OBJECT: dict}


@pytest.fixture
def books() -> Iterator[Books]:
    """Empty tables with somebody who hears all."""
    with Books() as fresh:
        listen(fresh, "full")
        yield fresh


def listen(books: Books, mode: triggers.Mode) -> None:
    books.db.execute("BEGIN IMMEDIATE")
    triggers.sync(books.db, mode)
    books.db.execute("COMMIT")


def heard(books: Books, *kinds: str) -> list[reading.Event]:
    """The events of these kinds, or all of them."""
    return [event for event in reading.after(books.db, 0, 100_000) if not kinds or event.kind in kinds]


def names(books: Books) -> list[str]:
    return [event.kind for event in heard(books)]


def due(books: Books) -> list[str]:
    """What time has made since the last call."""
    before = reading.newest(books.db)
    books.db.execute("BEGIN IMMEDIATE")
    written = triggers.write_due(books.db)
    books.db.execute("COMMIT")
    after = reading.after(books.db, before, 1000)
    assert len(after) == written
    return [event.kind for event in after]


# ---------------------------------------------------------------------- what is told


def test_without_a_hearer_nothing_is_written() -> None:
    """Nor are there any triggers, so it costs nothing."""
    with Books() as books:
        books.tell([ANA.says("17 10:00", "price"), ANA.hears("17 10:05", "a thousand")])
        assert due(books) == []
        assert heard(books) == []
        names = books.column("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        assert [name for name in names if name.startswith("outbox")] == []


def test_an_enquiry_and_its_answer_in_order(books: Books) -> None:
    """All of one conversation are in one stream."""
    books.tell([ANA.says("17 10:00", "price")])
    books.tell([ANA.hears("17 10:05", "a thousand")])
    kinds = ["message.stored", "lead.opened", "waiting.began", "message.stored", "lead.stage", "waiting.ended"]
    assert names(books) == kinds
    assert {event.stream for event in heard(books)} == {1}
    [began] = heard(books, "waiting.began")
    assert began.data["wait"] == "first"
    assert began.data["due_at"]
    assert began.data["phone"] == "+5491155550001"


def test_a_change_that_is_rolled_back_is_not_told(books: Books) -> None:
    """The event is in the transaction of what it tells."""
    books.db.execute("BEGIN")
    books.db.execute("INSERT INTO session_events (at, phase, code, value_json) VALUES ('a', 'ready', 'x', '{}')")
    books.db.execute("ROLLBACK")
    assert heard(books) == []


def test_edits_revocations_and_opened_messages(books: Books) -> None:
    """A message that waited for its key is told twice: when it came, and when it could be read."""
    line = ANA.says("17 10:00", "mmm")
    books.capture(line, edited(line, "17 10:01", "price"), revoked(line, "17 10:02"))
    sealed = wire.ciphertext("LATE", chat=wire.BETO, t=line["t"], at=line["at"])
    books.capture(sealed)
    books.capture({**wire.message("LATE", chat=wire.BETO, t=line["t"], body="at last"), "at": line["at"]})
    told = [(event.kind, event.data["readable"], event.data.get("body")) for event in heard(books)]
    assert told == [
        ("message.stored", True, "mmm"),
        ("message.edited", True, "price"),
        ("message.revoked", True, None),
        ("message.stored", False, None),
        ("message.opened", True, "at last"),
    ]


def test_a_thin_feed_gets_ids_and_codes_and_nobodys_words() -> None:
    """Neither a text, nor a name, nor a phone."""
    with Books() as books:
        listen(books, "thin")
        books.tell([ANA.says("17 10:00", "price, says Ana", notify_name="Ana"), ANA.hears("17 10:05", "a thousand")])
        told = json.dumps([event.data for event in heard(books)])
        assert len(heard(books)) >= 5
        assert "Ana" not in told
        assert "thousand" not in told
        assert "5491155550001" not in told


def test_a_long_text_is_cut_and_says_so(books: Books) -> None:
    """Receivers take events below 20 KB."""
    books.capture(ANA.says("17 10:00", "\U0001f600\n" * LONGEST_TEXT))
    [event] = heard(books)
    assert event.data["body_is_cut"] is True
    assert len(event.data["body"]) == LONGEST_TEXT
    assert len(json.dumps(event.data, ensure_ascii=False).encode()) < 20_000


def test_two_ids_of_one_person_are_told_as_merged(books: Books) -> None:
    """The message and the conversation that are no more are named, with those that stay."""
    lid = Customer(wire.ANA_LID)
    line = ANA.says("17 10:00", "price")
    again = lid.says("17 10:00", "price")
    books.capture(line, {**again, "id": {**again["id"], "id": line["id"]["id"]}})
    first = heard(books)[0].data["message_id"]
    assert len(heard(books)) == 2
    both = wire.contact(phone=wire.ANA, lid=wire.ANA_LID)
    books.capture(lid.says("17 10:09", "hi", contact=both))
    merged = {event.kind: event.data for event in heard(books) if event.kind.endswith(".merged")}
    assert merged["conversation.merged"] == {"conversation_id": 1, "merged_id": 2}
    assert books.column("SELECT DISTINCT conversation_id FROM messages") == [1]
    [one] = heard(books, "message.merged")
    assert one.data == {"message_id": first, "merged_id": 2, "conversation_id": 1}


# ---------------------------------------------------------------------- what time makes


def test_a_missed_target_is_told_once(books: Books) -> None:
    """And so is a follow-up; an answer that comes later is told as usual."""
    books.tell([ANA.says("17 10:00", "price")])
    assert due(books) == ["waiting.missed"]
    assert due(books) == []
    books.tell([ANA.hears("17 18:00", "a thousand")])
    assert due(books) == []
    assert names(books)[-1] == "waiting.ended"


def test_leads_are_not_made_anew_because_somebody_hears(books: Books) -> None:
    """What the triggers were made with and what leads were made with are in one table."""
    books.projector.adopt_policy()
    books.tell([ANA.says("17 10:00", "price")])
    assert triggers.mode_of(books.db) == "full"
    assert not triggers.sync(books.db, "full")
    assert not books.projector.adopt_policy()
    assert books.column("SELECT conversation_id FROM unjudged") == []


def test_a_feed_that_is_new_begins_now() -> None:
    """It does not hear of those who had been waiting before."""
    with Books() as books:
        books.tell([ANA.says("17 10:00", "price")])
        listen(books, "thin")
        assert due(books) == []
        books.tell([BETO.says("17 10:00", "price")])
        assert due(books) == ["waiting.missed"]


def test_another_mode_forgets_nothing_and_tells_nothing_twice(books: Books) -> None:
    """From full to thin while somebody waits; the same mode again changes nothing."""
    books.tell([ANA.says("17 10:00", "price")])
    assert due(books) == ["waiting.missed"]
    listen(books, "thin")
    assert due(books) == []
    assert triggers.mode_of(books.db) == "thin"
    assert not triggers.sync(books.db, "thin")
    books.db.execute("DROP TRIGGER outbox_messages_update")
    assert triggers.sync(books.db, "thin"), "a lost trigger comes back"
    listen(books, "off")
    assert triggers.mode_of(books.db) == "off"
    before = reading.newest(books.db)
    books.tell([BETO.says("17 10:00", "price")])
    assert reading.newest(books.db) == before


def test_events_that_were_delivered_are_dropped(books: Books) -> None:
    """Never a younger one, and no id is used again."""
    books.tell([ANA.says("17 10:00", "price")])
    last = reading.newest(books.db)
    assert triggers.drop_delivered(books.db, last - 1, keep_after="9999") == last - 1
    assert [event.event_id for event in heard(books)] == [last]
    assert triggers.drop_delivered(books.db, last, keep_after="2000") == 0
    assert triggers.drop_delivered(books.db, last, keep_after="9999") == 1
    books.tell([BETO.says("17 10:00", "price")])
    assert heard(books)[0].event_id == last + 1


def test_what_takes_too_much_disk_goes_however_young_it_is(books: Books) -> None:
    """The oldest, in parts, and nothing that is not delivered."""
    with books.db:
        row = "INSERT INTO outbox (kind, stream, at, data) VALUES ('x', 0, '2999', '{}')"
        books.db.executemany(row, [()] * (triggers.DROPPED_AT_ONCE + 100))
    first = heard(books)[0].event_id
    through, crowded = first + triggers.DROPPED_AT_ONCE + 60, first + triggers.DROPPED_AT_ONCE + 20
    assert triggers.drop_delivered(books.db, through, keep_after="2000") == 0
    dropped = [triggers.drop_delivered(books.db, through, keep_after="2000", crowded=crowded) for _part in range(3)]
    assert dropped == [triggers.DROPPED_AT_ONCE, 21, 0]
    assert triggers.drop_delivered(books.db, through, keep_after="2000", crowded=through + 30) == 40


def test_the_outbox_may_take_a_quarter_of_the_disk_that_is_free(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was deleted counts as free: the file is written to again. A little is always allowed."""
    data = json.dumps({"text": "ñ" * 470})
    with books.db:
        row = "INSERT INTO outbox (kind, stream, at, data) VALUES ('x', 0, '2999', ?)"
        books.db.executemany(row, [(data,)] * 2_000)
    each = len(data.encode()) + 1 + room.ROW_BYTES
    now = room.room(books.db, free=0)
    assert (now.taken, now.most, now.through) == (2_000 * each, room.LEAST, 0)
    monkeypatch.setattr(room, "LEAST", 0)
    unused = room.room(books.db, free=0).most * 4 - 2_000 * each
    assert 0 <= unused < 100_000
    now = room.room(books.db, free=5_999 * each - unused)
    assert (now.most, now.through) == (7_999 * each // 4, 2_000 - int(0.9 * (7_999 * each // 4) / each))
    assert room.room(books.db, free=6_001 * each).through == 0
    books.db.execute("DELETE FROM outbox WHERE event_id <= ?", (now.through,))
    after = room.room(books.db, free=5_999 * each - unused)
    assert (after.taken, after.through) == ((2_000 - now.through) * each, 0)
    assert after.most == pytest.approx(now.most, rel=0.2)
    books.db.execute("DELETE FROM outbox")
    assert (room.room(books.db, free=0).taken, room.room(books.db, free=0).through) == (0, 0)


# ---------------------------------------------------------------------- replayed


def replayed(books: Books, from_at: str = "", *, full: bool = True) -> list[reading.Event]:
    """What a replay for one feed adds."""
    before = reading.newest(books.db)
    plan = replaying.plan(books.db, from_at, full=full)
    books.db.execute("BEGIN IMMEDIATE")
    assert replaying.replay(books.db, "crm", 1, plan.number, full=full) == plan.number
    books.db.execute("COMMIT")
    return reading.after(books.db, before, 100_000)


def test_a_replay_tells_one_feed_what_it_missed(books: Books) -> None:
    """In the order in which things happened, and it says that it is a replay."""
    books.tell([ANA.says("17 10:00", "price")])
    books.tell([ANA.hears("17 10:05", "a thousand"), BETO.says("17 10:10", "order")])
    live = [(event.kind, event.data) for event in heard(books)]
    again = replayed(books)
    assert {event.feed for event in again} == {"crm"}
    assert {event.feed for event in heard(books)[: len(live)]} == {None}
    told = [(event.kind, event.data) for event in again]

    def but_waits(events: list[tuple[str, dict[str, Any]]]) -> list[str]:
        """Waits are told as they are now."""
        return sorted(json.dumps(each) for each in events if not each[0].startswith("waiting"))

    assert but_waits(told) == but_waits(live)
    assert [kind for kind, _ in told].count("waiting.began") == 2
    messages = [event.data["captured_at"] for event in again if event.kind == "message.stored"]
    assert messages == sorted(messages)
    later = replayed(books, messages[-1])
    assert [event.data["captured_at"] for event in later if event.kind == "message.stored"] == messages[-1:]
    before = replaying.plan(books.db, "", until=messages[0], full=True, kinds=["message.stored"])
    assert before.number == messages.count(messages[0])
    assert "phone" not in json.dumps([event.data for event in replayed(books, full=False)])


def test_a_replay_in_parts_is_the_same_as_in_one(books: Books) -> None:
    """Each part is a transaction of its own, so that the daemon can write between them."""
    for hour in range(10, 13):
        books.tell([ANA.says(f"17 {hour}:00", "price"), BETO.says(f"17 {hour}:01", "order")])
    whole = [(event.kind, event.data) for event in replayed(books)]
    plan = replaying.plan(books.db, "", full=True)
    assert plan.number == len(whole) > 9
    before = reading.newest(books.db)
    written = [replaying.replay(books.db, "crm", first, first + 3, full=True) for first in range(1, plan.number + 1, 4)]
    assert written[:-1] == [4] * (len(written) - 1)
    assert [(event.kind, event.data) for event in reading.after(books.db, before, 1000)] == whole


def test_what_goes_between_the_plan_and_its_part_is_not_told(books: Books) -> None:
    """As a message does that turns out to be another's copy."""
    books.capture(ANA.says("17 10:00", "price"), ANA.says("17 10:01", "order"))
    plan = replaying.plan(books.db, "", full=True)
    books.db.execute("DELETE FROM raw_events")
    books.db.execute("DELETE FROM messages WHERE message_id = 1")
    assert (plan.number, replaying.replay(books.db, "crm", 1, 2, full=True)) == (2, 1)


def test_a_replay_writes_the_kinds_that_the_feed_wants(books: Books) -> None:
    """And it says before how many events and about how many bytes those are."""
    books.tell([ANA.says("17 10:00", "price")])
    books.tell([ANA.hears("17 10:05", "a thousand")])
    before = reading.newest(books.db)
    plan = replaying.plan(books.db, "", full=False, kinds=["lead.opened", "gap.opened"])
    replaying.replay(books.db, "crm", 1, plan.number, full=False)
    [event] = reading.after(books.db, before, 100)
    assert (event.kind, plan.number) == ("lead.opened", 1)
    assert len(json.dumps(event.data)) < plan.size < 2 * len(json.dumps(event.data))
    assert replaying.plan(books.db, "", full=True, kinds=["waiting.missed"]) == replaying.Plan(0, 0)


# ---------------------------------------------------------------------- all of it


def assert_typed(event: reading.Event) -> None:
    """It has the fields of one of its definitions, each of its type."""
    sources = [source for source in SOURCES if event.kind in source.kinds]
    assert any(list(event.data) == list(source.fields) for source in sources), event
    for name, value in event.data.items():
        declared = sources[0].fields[name]
        if value is None:
            assert declared.null, (event.kind, name)
        else:
            assert type(value) is PYTHON[declared.type], (event.kind, name, value)


@settings(max_examples=examples(12), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(stories())
def test_who_hears_only_the_events_knows_what_the_tables_hold(story: Story) -> None:
    """Whatever happens: merges, edits, labels, withdrawn leads, waits that were none."""
    with Books() as books:
        listen(books, "full")
        clerk = Clerk(books)
        for line in story.lines:
            clerk.take(line)
            books.project_some()
        books.project_all()
        hearer = Hearer()
        for event in heard(books):
            assert_typed(event)
            hearer.hear(event.kind, event.data)
        assert hearer.messages == dict(books.ask("SELECT message_id, conversation_id FROM messages"))
        assert hearer.waiting == set(books.column("SELECT cycle_id FROM waiting_cycles WHERE ended_at IS NULL"))
        assert hearer.stages == dict(books.ask("SELECT lead_id, stage FROM leads"))


def test_every_kind_is_named_as_receivers_expect() -> None:
    """Standard Webhooks: lower case, digits, underscores and points."""
    assert len(KINDS) >= 20
    for kind in KINDS:
        assert kind == kind.lower()
        assert kind.replace(".", "").replace("_", "").isalnum()


def test_the_schemas_are_up_to_date() -> None:
    """Run `python tools/draw_events.py` after changing an event."""
    code = "import draw_events as d, json; print(json.dumps(d.documents()))"
    drawn = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "tools", capture_output=True, text=True, check=True
    ).stdout
    found = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "events").iterdir()}
    assert found == json.loads(drawn)


def test_every_lead_event_that_is_written_has_a_kind(books: Books) -> None:
    """A new kind in `lead_events` must be described before it is told."""
    story: list[Line] = [
        ANA.says("17 10:00", "price"),
        ANA.decided("17 11:00", "quoted"),
        ANA.says("17 12:00", "order"),
    ]
    books.tell(story)
    told = {event.kind for event in heard(books) if event.kind.startswith("lead.")}
    assert told >= {"lead.opened", "lead.stage", "lead.new_topic"}
    assert told <= KINDS.keys()
    assert datetime.fromisoformat(heard(books, "lead.opened")[0].data["happened_at"])
