"""Who speaks and who is a customer: what ends a wait, what begins one, and what is not even captured."""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from leadmasterd.store.mending import decide_again
from tests import captures, wire
from tests.stories import Books, Customer, Line, iso, revoked, tell

LIST: dict[str, Any] = {"marks": {"broadcast": "1795611111@broadcast"}}
BOT: dict[str, Any] = {"marks": {"bot": "biz_1p"}}
NOTES = wire.US
OWN_LID = "77000000000100@lid"


def customers(count: int) -> list[Customer]:
    return [Customer(f"54911555520{number:02}@c.us") for number in range(count)]


def captured_later(line: Line, seconds: int) -> Line:
    """By a sweep, after everything else of that time."""
    return {**line, "via": "sweep", "at": line["at"] + seconds * 1000}


# ---------------------------------------------------------------------- our broadcast list


def test_a_mailing_to_256_answers_nobody() -> None:
    """Whatever it is made of, and in whatever order its copies are captured."""
    people = customers(256)
    asked = [each.says("17 09:10", "price") for each in people]
    mailed = [
        each.hears("17 10:00", "Sale!", message_type="image" if number % 2 else "chat", **LIST)
        for number, each in enumerate(people)
    ]
    told = tell(*asked, *[captured_later(line, 300) for line in reversed(mailed)], as_of="17 12:00")
    assert told.stages == ["new"] * 256
    assert {each["waiting_since"] for each in told.result["conversations"]} == {iso("17 09:10")}
    assert {lead["first_response_seconds"] for lead in told.leads} == {None}


def test_the_mailing_may_be_captured_before_the_question_that_it_followed() -> None:
    """And a person's answer afterwards is the first response."""
    ana, beto = customers(2)
    told = tell(
        ana.hears("17 09:30", "Sale!", **LIST),
        beto.hears("17 09:30", "Sale!", **LIST),
        captured_later(ana.says("17 09:00", "price"), 3600),
        captured_later(beto.says("17 09:20", "availability"), 3600),
        beto.hears("17 10:20", "we have two left"),
        as_of="17 12:00",
    )
    assert {lead["chat"]: (lead["stage"], lead["first_response_seconds"]) for lead in told.leads} == {
        ana.chat: ("new", None),
        beto.chat: ("contacted", 3600),
    }


def test_a_mailing_within_seconds_stays_a_mailing() -> None:
    """The same body to three who have just written would be an automatic reply; a mark is certain."""
    people = customers(3)
    with Books() as books:
        for each in people:
            books.tell([each.says("17 10:00", "price"), each.hears("17 10:00:05", "Sale!", **LIST)])
        assert set(books.column("SELECT author FROM messages WHERE direction = 'out'")) == {"mailing"}
        books.rebuild()
        assert set(books.column("SELECT author FROM messages WHERE direction = 'out'")) == {"mailing"}


def test_who_only_ever_got_mailings_is_a_stranger() -> None:
    """Nobody has answered them, so their bare hello waits."""
    ana = Customer()
    told = tell(ana.hears("16 10:00", "Sale!", **LIST), ana.says("17 10:00", "greeting"), as_of="17 12:00")
    assert (told.lead["stage"], told.waits_since()) == ("unsorted", iso("17 10:00"))


def test_the_same_sentence_typed_to_three_people_answers_all_three() -> None:
    """Minutes after each wrote, and without any mark."""
    people = customers(3)
    lines = [each.says(f"17 10:0{number}", "price") for number, each in enumerate(people)]
    typed = [each.hears(f"17 10:2{number}", "The combo is 18 thousand") for number, each in enumerate(people)]
    told = tell(*lines, *typed, as_of="17 12:00")
    assert told.stages == ["contacted"] * 3
    assert {lead["first_response_seconds"] for lead in told.leads} == {1200}


# ---------------------------------------------------------------------- bots, templates, what nobody typed


@pytest.mark.parametrize(
    ("sent", "author"),
    [
        (BOT, "assistant"),
        ({"marks": {"assistant": True}}, "assistant"),
        ({"marks": {"template": True}}, "api"),
        ({"marks": {"api": True}}, "api"),
        ({"marks": {"campaign": "C1"}}, "mailing"),
        ({"message_type": "list"}, "api"),
        ({"message_type": "hsm"}, "api"),
        ({"message_type": "automated_greeting_message"}, "system"),
        ({"message_type": "pinned_message"}, "system"),
        ({"message_type": "poll_edit_encrypted"}, "system"),
        ({"message_type": "holographic"}, "system"),
    ],
    ids=str,
)
def test_a_machine_answers_nothing_and_a_person_after_it_does(sent: dict[str, Any], author: str) -> None:
    """The wait goes on from the question, and the first response is the person's."""
    ana = Customer()
    asked, machine = ana.says("17 10:00", "price"), ana.hears("17 10:00:04", "Hi! It is 12 thousand.", **sent)
    with Books() as books:
        books.tell([asked, machine])
        assert books.column("SELECT author FROM messages WHERE direction = 'out'") == [author]
    told = tell(asked, machine, as_of="17 12:00")
    assert (told.lead["stage"], told.waits_since()) == ("new", iso("17 10:00"))
    answered = tell(asked, machine, ana.hears("17 10:30", "hello, this is Eva"), as_of="17 12:00")
    assert (answered.lead["stage"], answered.lead["first_response_seconds"]) == ("contacted", 1800)


@pytest.mark.parametrize(
    "sent",
    [
        {"text": "sí"},
        {"text": None, "message_type": "ptt"},
        {"text": None, "message_type": "document"},
        {"text": None, "message_type": "sticker"},
        {"text": "ok", "marks": {"hosted": True}},
        {"text": None, "message_type": "interactive", "marks": {"native_flow": "order_details"}},
        {"text": "you asked @Meta AI", "marks": {}},
    ],
    ids=str,
)
def test_what_a_person_sends_answers_at_once(sent: dict[str, Any]) -> None:
    """A quick "sí" four seconds after the question too."""
    ana = Customer()
    told = tell(ana.says("17 10:00", "availability"), ana.hears("17 10:00:04", **sent), as_of="17 12:00")
    assert (told.lead["stage"], told.lead["first_response_seconds"]) == ("contacted", 4)


def test_our_ciphertext_is_an_answer_until_it_shows_otherwise() -> None:
    """It is decided again when its text comes, here a bot's."""
    ana = Customer()
    sealed = ana.hears("17 10:05", None)
    placeholder = {**wire.ciphertext(chat=ana.chat), **{key: sealed[key] for key in ("id", "t", "at", "from", "to")}}
    with Books() as books:
        books.tell([ana.says("17 10:00", "price"), placeholder])
        assert books.column("SELECT stage FROM leads") == ["contacted"]
        books.tell([{**sealed, "body": "Hi! It is 12 thousand.", **BOT}])
        assert books.column("SELECT author FROM messages WHERE direction = 'out'") == ["assistant"]
        assert books.ask("SELECT stage, first_response_at FROM leads") == [("new", None)]
        assert books.column("SELECT waiting_since FROM conversations") == [iso("17 10:00")]


def test_a_later_copy_may_show_what_the_first_did_not() -> None:
    """A mark is added once; the name of a business, learnt since, changes nothing."""
    ana = Customer()
    asked, mailed = ana.says("17 10:00", "price"), ana.hears("17 10:05", "Sale!")
    with Books() as books:
        books.tell([asked, mailed])
        assert books.column("SELECT stage FROM leads") == ["contacted"]
        books.tell([captured_later(mailed | LIST, 60)])
        assert books.ask("SELECT stage, first_response_at FROM leads") == [("new", None)]
        versions = books.ask("SELECT count(*) FROM message_versions")
        named = captured_later(asked | {"marks": {"verified_name": "Ana SRL"}}, 90)
        books.capture(named)
        assert books.column("SELECT count(*) FROM unjudged") == [0]
        assert books.ask("SELECT count(*) FROM message_versions") == versions


def test_an_unknown_type_of_a_stranger_counts_by_what_there_is_to_read() -> None:
    """What was sent and can't be read waits for a person; gibberish does too; a notice is nobody's."""
    for type_, text, stages in (
        ("unknown", None, ["unsorted"]),
        ("oversized", None, ["unsorted"]),
        ("sticker-pack", None, ["unsorted"]),
        ("quarantined", None, ["unsorted"]),
        ("chat", "asdkjh qwe", ["unsorted"]),
        ("holographic", "price", ["new"]),
        ("holographic", None, []),
        ("pinned_message", None, []),
        ("message_history_notice", "price", []),
    ):
        told = tell(Customer().says("17 10:00", text, message_type=type_), as_of="17 12:00")
        assert told.stages == stages, (type_, text)
        assert (told.waits_since() is not None) == bool(stages)


def test_a_bot_asked_within_the_chat_opens_nothing() -> None:
    """What the customer wrote to it does."""
    ana = Customer()
    assert tell(ana.says("17 10:00", "price", marks={"assistant": True}), as_of="17 12:00").leads == []
    told = tell(ana.says("17 10:00", "price"), ana.says("17 10:01", "order", marks={"assistant": True}))
    assert told.lead["intent"] == "price"


# ---------------------------------------------------------------------- deleted answers


def test_an_answer_that_was_deleted_for_everyone_is_none() -> None:
    """Whatever it was made of, and whether the deletion comes at once, after other lines, or before it is known."""
    ana = Customer()
    asked = ana.says("17 10:00", "price")
    for fields in ({}, {"message_type": "image"}, {"message_type": "ptt"}):
        wrong = ana.hears("17 10:01", "mum, call me", **fields)
        gone = revoked(wrong, "17 10:02")
        for lines in itertools.permutations([asked, wrong, gone]):
            told = tell(*lines, as_of="17 12:00")
            assert (told.lead["stage"], told.waits_since()) == ("new", iso("17 10:00"))
    found = captured_later({**ana.hears("17 10:05", None), "message_type": "revoked"}, 600)
    told = tell(asked, found, as_of="17 12:00")
    assert (told.lead["stage"], told.lead["first_response_seconds"]) == ("new", None)


def test_a_deletion_that_comes_later_is_folded_anew() -> None:
    """Live, and as a sweep finds it; the lead waits again since the question."""
    ways: Sequence[Callable[[Line], Line]] = (
        lambda line: revoked(line, "17 11:00"),
        lambda line: captured_later({**line, "message_type": "revoked", "body": None}, 3600),
    )
    for way in ways:
        ana = Customer()
        wrong = ana.hears("17 10:01", "for somebody else")
        with Books() as books:
            books.tell([ana.says("17 10:00", "price"), wrong])
            assert books.column("SELECT stage FROM leads") == ["contacted"]
            books.tell([way(wrong)])
            assert books.ask("SELECT stage, first_response_at FROM leads") == [("new", None)]
            assert books.column("SELECT waiting_since FROM conversations") == [iso("17 10:00")]
            assert books.column("SELECT body FROM messages WHERE direction = 'out'") == ["for somebody else"]


def test_what_was_deleted_beside_an_answer_or_on_our_side_only_changes_nothing() -> None:
    """The customer still has an answer."""
    ana = Customer()
    asked, first, second = ana.says("17 10:00", "price"), ana.hears("17 10:01", "oops"), ana.hears("17 10:08", "14 mil")
    told = tell(asked, first, second, revoked(first, "17 10:02"), as_of="17 12:00")
    assert (told.lead["stage"], told.lead["first_response_seconds"]) == ("contacted", 480)
    told = tell(asked, first, revoked(first, "17 10:02", scope="me"), as_of="17 12:00")
    assert (told.lead["stage"], told.lead["first_response_seconds"]) == ("contacted", 60)


def test_a_customers_deleted_question_still_was_asked() -> None:
    """It keeps waiting."""
    ana = Customer()
    asked = ana.says("17 10:00", "price")
    assert tell(asked, revoked(asked, "17 10:02"), as_of="17 12:00").waits_since() == iso("17 10:00")


# ---------------------------------------------------------------------- their broadcast list


def test_what_came_by_their_list_opens_nothing_and_waits_for_nothing() -> None:
    """However much it asks; a direct word beside it counts as if it stood alone."""
    ana = Customer()
    chain = ana.says("17 10:00", "price order", **LIST)
    told = tell(chain, as_of="17 12:00")
    assert (told.leads, told.waits_since()) == ([], None)
    direct = ana.says("17 10:01", "availability")
    for lines in ([chain, direct], [direct, chain]):
        told = tell(*lines, as_of="17 12:00")
        assert (told.lead["intent"], told.waits_since()) == ("availability", iso("17 10:01"))


def test_who_waits_and_sends_a_chain_waits_since_the_question() -> None:
    """No more and no less, and after our answer the chain begins no new wait."""
    ana = Customer()
    asked, chain = ana.says("17 10:00", "price"), ana.says("17 10:40", "forward this", **LIST)
    assert tell(asked, chain, as_of="17 12:00").waits_since() == iso("17 10:00")
    told = tell(asked, ana.hears("17 10:20"), chain, as_of="17 12:00")
    assert (told.lead["stage"], told.waits_since()) == ("contacted", None)


# ---------------------------------------------------------------------- the past


@pytest.mark.parametrize(
    ("record", "author", "marks"),
    [
        ({"broadcast": True, "broadcastId": "17@broadcast"}, "mailing", {"broadcast": "17@broadcast"}),
        ({"bizBotType": "biz_1p"}, "assistant", {"bot": "biz_1p"}),
        ({"isFromTemplate": True}, "api", {"template": True}),
        ({"author": "5491155550100@hosted"}, "api", {"api": True}),
        ({"bizSource": "smb_promo"}, "mailing", {"campaign": True}),
        ({"isFromTemplate": False, "bizBotType": None, "broadcast": False}, "operator", None),
    ],
    ids=str,
)
def test_a_rebuild_mends_what_an_older_version_took_for_an_answer(
    record: dict[str, Any], author: str, marks: dict[str, Any] | None
) -> None:
    """From the page's record in the line, as long as the line is there."""
    ana = Customer()
    asked, sent = ana.says("17 10:00", "price"), ana.hears("17 10:05", "Sale!")
    sent |= {"data": {"id": sent["id"], "type": "chat", **record}}
    with Books() as books:
        books.capture(asked)
        books.rows.apply([captures.item(sent, now=sent["at"] / 1000, text=json.dumps(sent))])
        books.project_all()
        assert books.column("SELECT stage FROM leads") == ["contacted"]
        [conversation] = books.column("SELECT conversation_id FROM conversations")
        for changes in ({conversation} if marks else set(), set()):
            assert decide_again(books.db, [conversation], {}) == changes
        books.rebuild()
        [(now, kept)] = books.ask("SELECT author, marks FROM messages WHERE direction = 'out'")
        assert (now, json.loads(kept) if kept else None) == (author, marks)
        assert books.column("SELECT stage FROM leads") == ["contacted" if author == "operator" else "new"]


def test_a_rebuild_withdraws_the_leads_of_chats_that_are_not_captured_any_more() -> None:
    """Their messages stay, as nobody's."""
    with Books() as books:
        books.tell([Customer().says("17 10:00", "price")])
        line = {**wire.message("3EB0C1", chat="867051314767696@bot", body="price")}
        item = captures.item(wire.message("3EB0C1", chat="5491155552099@c.us", body="price"), text=json.dumps(line))
        books.rows.apply([item])
        books.project_all()
        assert len(books.column("SELECT lead_id FROM leads")) == 2
        decide_again(books.db, books.column("SELECT conversation_id FROM conversations"), {})
        books.rebuild()
        assert books.column("SELECT chat FROM leads JOIN conversations USING (conversation_id)") == [wire.ANA]
        assert len(books.column("SELECT message_id FROM messages")) == 2


# ---------------------------------------------------------------------- who is no customer


@pytest.mark.parametrize(
    "chat",
    [
        "867051314767696@bot", "1807055946647696@bot", "13135550002@c.us", "13135559999@s.whatsapp.net",
        "13165550042@c.us", "0@c.us", "165332417282214@lid",
        NOTES, "5491155550100:7@c.us", "541155550100@c.us", OWN_LID,
    ],
)  # fmt: skip
@pytest.mark.parametrize("mine", [True, False])
def test_programs_and_oneself_are_never_captured(chat: str, mine: bool) -> None:
    """Neither their messages nor what happens to them makes a conversation."""
    line = wire.message("3EB0C1", chat=chat, mine=mine, body="price")
    account = wire.ready()
    account["account"]["lid"] = OWN_LID
    changes = [
        wire.line("message_edit", id=line["id"], t=wire.NOON, edited_t=wire.NOON + 9, body="order"),
        wire.line("reaction", id=line["id"], from_me=True, sender=wire.US, emoji="👍", t=wire.NOON),
        wire.line("call", call_id="C1", chat=chat, t=wire.NOON, outgoing=False, answered=False, video=False),
        wire.ciphertext("3EB0C2", chat=chat),
    ]
    told = tell(account, line, *changes)
    assert (told.leads, told.result["conversations"], told.refused) == ([], [], [])


def test_a_bot_known_by_its_phone_too_is_never_captured() -> None:
    """Under its LID, once the page says whose it is; and one's own LID likewise, if the account did not name it."""
    for phone in ("13135550002@c.us", wire.US):
        line = wire.message(chat="99887766@lid", body="price", contact=wire.contact(phone=phone, lid="99887766@lid"))
        later = wire.message("3EB0C9", chat="99887766@lid", body="order")
        told = tell(wire.ready(), line, *([later] if phone == wire.US else []))
        assert told.result["conversations"] == []


def test_people_with_such_names_and_such_numbers_are_customers() -> None:
    """Everybody calls themselves as they like, and other numbers of the same area are people's."""
    names = {"5491155552001@c.us": "Meta AI Ventas", "13125550002@c.us": "WhatsApp Tucu", "131355500021@c.us": "0"}
    lines = [wire.message(chat[:5] + "A", chat=chat, notify_name=name, body="price") for chat, name in names.items()]
    assert len(tell(wire.ready(), *lines).leads) == 3
