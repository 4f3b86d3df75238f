"""The same history gives the same leads in any order of capture and whenever leads are projected in between.

Compared by the messages' own ids, since the tables number rows in the order of capture.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from leadmasterd import times
from leadmasterd.errors import CannotMerge
from leadmasterd.store import merges
from tests import wire
from tests.depth import examples
from tests.stories import ZONE, Books, Customer, Line, edited, iso, reacted, revoked

THOROUGH = settings(max_examples=examples(12), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
WORDS = (
    "price", "delivery~", "order", "greeting", "acknowledgement", "acknowledgement~", "complaint", "personal",
    "personal~", "opt_out", "not_interested~", "mmm", "",
)  # fmt: skip
STAGES = (
    "unsorted", "new", "contacted", "qualified", "quoted", "won", "lost", "junk", "dormant", "dismissed", "dismissed",
)  # fmt: skip
GAPS = (0, 0, 0, 1, 5, 10, 60, 119, 120, 500, 500, 5_000, 90_000, 1_000_000, 2_700_000)
PEOPLE = ("5491155550001@c.us", "5491155550002@c.us", "5491155550003@c.us", "5491155550004@c.us")
ALL = "Tomorrow we open at ten"
BODIES = ("hi", "all right", "a thousand", ALL, "A greeting that is longer than what a hand types in so few seconds")
LID = "88001122334455@lid"
"""LID of the first customer; WhatsApp uses either id and sometimes sends the mapping."""
OTHER_SPELLING = "541155550002@c.us"
"""Second spelling of the second customer's phone; WhatsApp uses either."""


@dataclass
class Story:
    """Lines in the order in which they happened; lines of one chain are also captured in that order."""

    lines: list[Line] = field(default_factory=list)
    chains: list[str] = field(default_factory=list)

    def add(self, line: Line, chain: str) -> None:
        """Append a line."""
        self.lines.append(line)
        self.chains.append(chain)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Customers write and are answered, called, reacted to and decided upon; at the end some things are changed."""
    story = Story()
    people = {chat: Customer(chat) for chat in PEOPLE}
    said: dict[str, list[Line]] = defaultdict(list)
    decided: dict[str, list[str]] = defaultdict(list)
    rang: dict[tuple[str, bool], list[str]] = defaultdict(list)
    joins: list[int] = []
    mapped = wire.contact(phone=PEOPLE[0], lid=LID)
    now = datetime(2026, 11, 17, 10, tzinfo=ZONE)
    present = PEOPLE[: draw(st.sampled_from((1, 1, 2, 4)))]
    for number in range(draw(st.integers(1, 30))):
        now += timedelta(seconds=draw(st.sampled_from(GAPS)))
        at = now.isoformat(" ")[:19]
        chat = draw(st.sampled_from(present))
        who = people[chat]
        known: dict[str, Any] = {}
        if chat == PEOPLE[0]:
            who.chat = draw(st.sampled_from((chat, LID)))
            known = {"contact": mapped if draw(st.booleans()) else wire.contact()}
        elif chat == PEOPLE[1]:
            who.chat = draw(st.sampled_from((chat, OTHER_SPELLING)))
            known = {"contact": wire.contact(name=draw(st.sampled_from((None, "Beto"))))}
        kinds = (
            ["says"] * 6
            + ["hears"] * 4
            + ["greets", "ad", "call", "log", "decides", "decides", "is closed", "tells all"]
        )
        if len(present) > 2:
            kinds += ["is somebody else"] * 2
        if decided[chat]:
            kinds += ["undoes"] * 2
        if joins:
            kinds += ["is not after all"] * 2
        if said[chat]:
            kinds += ["edits", "edits", "revokes", "reacts", "reacts", "says the same", "is labelled"]
        kind = draw(st.sampled_from(kinds))
        match kind:
            case "says" | "ad":
                extra = {"referral": {"source_id": "ad"}} if kind == "ad" else {}
                line = who.says(at, draw(st.sampled_from(WORDS)), **known, **extra)
                said[chat].append(line)
                story.add(line, str(line["id"]["id"]))
            case "hears" | "greets":
                body = "We are closed" if kind == "greets" else draw(st.sampled_from(BODIES))
                line = who.hears(at, body, **known, forwarded=draw(st.sampled_from((False, False, True))))
                story.add(line, str(line["id"]["id"]))
                said[chat].append(line)
            case "call":
                answered, outgoing = draw(st.booleans()), draw(st.booleans())
                story.add(who.call(at, answered=answered, outgoing=outgoing, call_id=f"C{number}"), f"call {number}")
                rang[chat, outgoing].append(f"C{number}")
            case "log":
                answered, outgoing, has_id_of_call = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
                line = who.call_log(at, answered=answered, outgoing=outgoing)
                if has_id_of_call and rang[chat, outgoing]:
                    line["id"]["id"] = rang[chat, outgoing].pop()
                story.add({**line, "contact": known.get("contact", line["contact"])}, f"log {number}")
            case "decides":
                line = {**who.decided(at, draw(st.sampled_from(STAGES))), "chat": chat}
                # No two at one time: a command dates each decision after everything before it.
                line["at"] = line["at"].replace(".000Z", f".{number:03d}Z")
                if line["stage"] == "dismissed" and said[chat] and draw(st.booleans()):
                    line["seen_at"] = times.iso(datetime.fromtimestamp(draw(st.sampled_from(said[chat]))["t"], UTC))
                decided[chat].append(line["at"])
                story.add(line, f"decisions {chat}")
            case "undoes":
                undone = draw(st.sampled_from(decided[chat]))
                decided[chat].remove(undone)
                story.add({"type": "undo", "decision": undone}, f"decisions {chat}")
            case "edits" | "says the same":
                about = draw(st.sampled_from(said[chat]))
                text = draw(st.sampled_from(WORDS)) if kind == "edits" else "We are closed"
                story.add(edited(about, at, text), str(about["id"]["id"]))
            case "revokes":
                about = draw(st.sampled_from(said[chat]))
                story.add(revoked(about, at), str(about["id"]["id"]))
            case "is labelled":
                about = draw(st.sampled_from(said[chat]))
                label = draw(st.sampled_from(("price", "personal", "complaint", "opt_out")))
                change = {"type": "correction", "message": about, "intent": label, "at": at}
                story.add(change, f"labels of {about['id']['id']}")
            case "is somebody else":
                kept, merged = draw(st.permutations(present))[:2]
                joins.append(number)
                story.add({"type": "join", "kept": kept, "merged": merged, "at": at, "number": number}, "joins")
            case "is not after all":
                parted = draw(st.sampled_from(joins))
                joins.remove(parted)
                story.add({"type": "part", "join": parted, "at": at}, "joins")
            case "reacts":
                about = draw(st.sampled_from(said[chat]))
                story.add(reacted(about, at, draw(st.sampled_from(("👍", "")))), f"reactions to {about['id']['id']}")
            case "tells all":
                for other in people.values():
                    facts = {"contact": mapped} if other is people[PEOPLE[0]] else {}
                    sent_at = (now + timedelta(seconds=draw(st.integers(0, 5)))).isoformat(" ")[:19]
                    line = other.hears(sent_at, ALL, **facts)
                    story.add(line, str(line["id"]["id"]))
            case _:
                for other in people.values():
                    facts = {"contact": mapped} if other is people[PEOPLE[0]] else {}
                    answered_at = (now + timedelta(seconds=draw(st.integers(8, 11)))).isoformat(" ")[:19]
                    for line in (other.says(at, "price", **facts), other.hears(answered_at, "We are closed", **facts)):
                        story.add(line, str(line["id"]["id"]))
    return story


def shuffled(story: Story, order: Sequence[int]) -> list[Line]:
    """The lines in this order, with each chain in its own order."""
    waiting: dict[str, list[int]] = defaultdict(list)
    for number in range(len(story.lines)):
        waiting[story.chains[number]].append(number)
    return [story.lines[waiting[story.chains[slot]].pop(0)] for slot in order]


class Clerk:
    """Captures lines one by one; a person's change waits until its subject has been captured."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.undecided: list[Line] = []
        self.merge_ids: dict[int, int] = {}

    def take(self, line: Line) -> None:
        """Capture one line and apply the changes that were waiting for it."""
        if line["type"] in ("decision", "undo", "correction", "join", "part"):
            self.undecided.append(line)
        else:
            self.books.capture(line)
        joins_wait = False
        for decision in list(self.undecided):
            if decision["type"] == "correction":
                if self.books.ask("SELECT 1 FROM messages WHERE stanza_id = ?", decision["message"]["id"]["id"]):
                    self.books.correct(decision["message"], decision["intent"], decision["at"])
                    self.undecided.remove(decision)
            elif decision["type"] == "join":
                joins_wait = joins_wait or not self.join(decision)
            elif decision["type"] == "undo":
                if self.books.ask("SELECT 1 FROM decisions WHERE at = ?", decision["decision"]):
                    self.books.undo(decision["decision"])
                    self.undecided.remove(decision)
            elif decision["type"] == "part":
                if not joins_wait:
                    self.part(decision)
            elif chat := self.books.column(
                "SELECT chat FROM conversations JOIN contact_identities USING (contact_id) WHERE value = ?",
                decision["chat"],
            ):
                self.books.capture({**decision, "chat": chat[0]})
                self.undecided.remove(decision)

    def join(self, line: Line) -> bool:
        """Merge two contacts as a person. False if one of them is not captured yet, so later merges wait too."""
        people = [
            contact
            for chat in (line["kept"], line["merged"])
            for contact in self.books.column("SELECT contact_id FROM contact_identities WHERE value = ?", chat)
        ]
        if len(people) < 2:
            return False
        self.undecided.remove(line)
        with suppress(CannotMerge):
            self.merge_ids[line["number"]] = merges.merge(
                self.books.db, people[0], people[1], actor="person", code="by_hand", at=iso(line["at"])
            )
        return True

    def part(self, line: Line) -> None:
        """Undo such a merge, unless the two were one already."""
        self.undecided.remove(line)
        merge_id = self.merge_ids.get(line["join"])
        if merge_id is not None:
            merges.undo(self.books.db, merge_id, "person", iso(line["at"]))


_LEAD = "(SELECT m.stanza_id || l.opened_at FROM leads l JOIN messages m ON message_id = opened_by_message_id WHERE"
_WHO = "(SELECT min(value) FROM contact_identities i WHERE kind = 'wa_jid' AND i.contact_id = v.contact_id)"


def picture(books: Books) -> dict[str, list[Any]]:
    """All derived rows, without numbers that depend on the order of capture."""
    return {
        name: sorted(books.ask(query), key=repr)
        for name, query in {
            "leads": f"SELECT {_WHO}, m.stanza_id, stage, intent, topics, source, opened_at, stage_at, closed_at, "
            "reopened, proposed, first_response_at, first_response_seconds, first_response_business_seconds, "
            f"last_message_at, {_LEAD} l.lead_id = x.previous_lead_id) FROM leads x "
            "JOIN conversations v USING (conversation_id) LEFT JOIN messages m ON m.message_id = opened_by_message_id "
            # Merged leads exist only if both were made before the contacts were known to be one.
            "WHERE stage <> 'merged'",
            "waiting": f"SELECT {_WHO}, kind, started_at, m.stanza_id, x.due_at, ended_at, ended_by, wall_seconds, "
            f"business_seconds, {_LEAD} l.lead_id = x.lead_id) FROM waiting_cycles x "
            "JOIN conversations v USING (conversation_id) LEFT JOIN messages m USING (message_id)",
            "follow-ups": f"SELECT {_WHO}, kind, planned_at, number, x.due_at, state, ended_at, ended_by, "
            f"{_LEAD} l.lead_id = x.lead_id) FROM follow_ups x JOIN conversations v USING (conversation_id)",
            "conversations": f"SELECT {_WHO}, waiting_since, due_at, category, category_by, last_inbound_at, "
            "last_outbound_at FROM conversations v",
            "labels": "SELECT stanza_id, intent, method FROM classifications JOIN messages "
            "ON message_id = first_message_id",
            "authors": "SELECT stanza_id, direction, author FROM messages",
            "ads": "SELECT stanza_id, at FROM touches JOIN messages USING (message_id)",
        }.items()
    }


def openings(books: Books) -> dict[str, int]:
    """The lead that each message opened."""
    return dict(books.ask("SELECT stanza_id, lead_id FROM leads JOIN messages ON message_id = opened_by_message_id"))


def everything(books: Books) -> dict[str, list[Any]]:
    """Every row of every table."""
    tables = books.column("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {table: books.ask(f"SELECT * FROM {table}") for table in tables}


@given(stories(), st.data())
@THOROUGH
def test_the_order_of_capture_makes_no_difference(story: Story, data: st.DataObject) -> None:
    """«a test that shuffles the order of capture compares leads by their opening message»."""
    with Books() as told, Books() as late:
        clerk = Clerk(told)
        for line in story.lines:
            clerk.take(line)
        told.project_all()
        order = data.draw(st.permutations(range(len(story.lines))))
        pauses = data.draw(st.lists(st.integers(0, 3), min_size=len(order), max_size=len(order)))
        clerk = Clerk(late)
        for line, pause in zip(shuffled(story, order), pauses, strict=True):
            note(str({name: line.get(name) for name in ("type", "id", "body", "stage", "t", "at")}))
            clerk.take(line)
            before = openings(late)
            if pause:
                late.project_some(pause)
                after = openings(late)
                assert {each: after[each] for each in before if each in after} == {
                    each: before[each] for each in before if each in after
                }
        late.project_all()
        assert picture(late) == picture(told)


@given(stories())
@THOROUGH
def test_projecting_twice_and_rebuilding_change_nothing(story: Story) -> None:
    """«`leadmasterd leads rebuild` gives the same rows and keeps `lead_id`»: no row is even rewritten."""
    with Books() as books:
        clerk = Clerk(books)
        for line in story.lines:
            clerk.take(line)
        books.project_all()
        before, written = everything(books), books.db.total_changes
        books.rebuild()
        assert everything(books) == before
        marked_and_cleared = 2 * len(before["conversations"])
        assert books.db.total_changes - written == marked_and_cleared


@given(stories())
@THOROUGH
def test_projected_line_by_line_it_is_the_same_and_never_two_are_open(story: Story) -> None:
    """«At most one open lead per contact» at any moment, when leads depend only on what was captured so far."""
    with Books() as step_by_step, Books() as at_once:
        clerk, other = Clerk(step_by_step), Clerk(at_once)
        for line in story.lines:
            clerk.take(line)
            step_by_step.project_all()
            open_ones = step_by_step.ask(
                "SELECT contact_id, count(*) FROM leads WHERE stage IN ('unsorted', 'new', 'contacted', 'qualified', "
                "'quoted') GROUP BY contact_id"
            )
            assert all(count == 1 for _, count in open_ones)
            assert step_by_step.column(
                "SELECT count(*) FROM leads WHERE (closed_at IS NULL) <> (stage IN "
                "('unsorted', 'new', 'contacted', 'qualified', 'quoted'))"
            ) == [0]
            last_words = step_by_step.ask(
                "SELECT stage, (SELECT after FROM lead_events e WHERE e.lead_id = l.lead_id "
                "AND kind IN ('opened', 'stage', 'reopened', 'merged') ORDER BY event_id DESC LIMIT 1) FROM leads l"
            )
            assert all(stage == word for stage, word in last_words)
        for line in story.lines:
            other.take(line)
        at_once.project_all()
        assert picture(step_by_step) == picture(at_once)
