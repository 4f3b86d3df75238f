"""Every rule of leads, waiting and follow-up, with the sentence of the documents that it tests."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from leadmasterd.capture import CaptureRules
from leadmasterd.errors import CannotMerge
from leadmasterd.store import merges
from tests import wire
from tests.stories import Books, Customer, Line, edited, iso, policy, reacted, revoked, tell

COMMERCIAL = (
    "price", "availability", "order", "appointment", "delivery", "payment", "business_info", "callback",
    "general_enquiry",
)  # fmt: skip
AFTER_SALE = ("complaint", "order_status", "return")
CLOSING = ("not_interested", "opt_out", "wrong_number", "abusive")
NOISE = ("personal", "supplier", "job_seeker", "spam")


@pytest.fixture
def ana() -> Customer:
    """An unsaved customer."""
    return Customer()


@pytest.fixture
def beto() -> Customer:
    """Another unsaved customer."""
    return Customer(wire.BETO)


@pytest.fixture
def tia() -> Customer:
    """A customer saved in the operator's address book."""
    return Customer("5491155550003@c.us", saved="Tía Marta")


@pytest.fixture
def books() -> Iterator[Books]:
    """Real tables and the code that writes them."""
    with Books() as empty:
        yield empty


def cycles(books: Books) -> list[tuple[Any, ...]]:
    """Waiting cycles as (kind, start, end, ended by)."""
    return books.ask("SELECT kind, started_at, ended_at, ended_by FROM waiting_cycles ORDER BY started_at")


def contact_of(books: Books, customer: Customer) -> int:
    """The contact with this customer's id."""
    [contact] = books.column("SELECT contact_id FROM contact_identities WHERE value = ?", customer.chat)
    assert isinstance(contact, int)
    return contact


def merged_by_hand(books: Books, keep: Customer, other: Customer, at: str) -> None:
    """A person merges two customers."""
    contacts = (contact_of(books, keep), contact_of(books, other))
    merges.merge(books.db, *contacts, actor="person", code="by_hand", at=iso(at))
    books.project_all()


def record(books: Books, *kinds: str) -> list[tuple[Any, ...]]:
    """Rows of the leads' record as (kind, before, after, code)."""
    query = "SELECT kind, before, after, code FROM lead_events ORDER BY at, event_id"
    return [line for line in books.ask(query) if not kinds or line[0] in kinds]


# ---------------------------------------------------------------------- opening


def test_one_open_lead_per_contact_holds_in_the_tables(books: Books, ana: Customer) -> None:
    """«At most one open lead per contact» (a partial unique index)."""
    books.tell([ana.says("17 10:00", "price"), ana.says("17 11:00", "order"), ana.clicks_ad("18 10:00")])
    assert books.column("SELECT stage FROM leads") == ["new"]
    columns = "contact_id, conversation_id, stage, intent, topics, source, opened_at, stage_at, last_message_at"
    with pytest.raises(sqlite3.IntegrityError, match=r"leads\.contact_id"):
        books.db.execute(
            f"INSERT INTO leads ({columns}, created_at, updated_at) SELECT {columns}, created_at, updated_at FROM leads"
        )


@pytest.mark.parametrize("intent", COMMERCIAL)
@pytest.mark.parametrize("who", ["ana", "tia"])
@pytest.mark.parametrize("says_so", ["", "~"], ids=["by a rule", "by the model"])
def test_commercial_intent_opens_as_new(intent: str, who: str, says_so: str, request: pytest.FixtureRequest) -> None:
    """«Opens as `new` on the first inbound burst with commercial intent»."""
    customer: Customer = request.getfixturevalue(who)
    told = tell(customer.says("17 10:00", intent + says_so))
    assert (told.lead["stage"], told.lead["intent"], told.lead["opened_at"]) == ("new", intent, iso("17 10:00"))
    assert (told.lead["reopened"], told.lead["previous_lead_id"]) == (0, None)


def test_an_ad_opens_as_new(books: Books, tia: Customer) -> None:
    """«…or with an ad referral»."""
    books.tell([tia.clicks_ad("17 10:00", "what is this")])
    assert books.ask("SELECT stage, source FROM leads") == [("new", "ad")]
    assert books.ask("SELECT kind, source_id, headline FROM touches") == [("ad", "ad-1", "Camperas")]


@pytest.mark.parametrize("words", ["mmm", "", None, "🔥🔥"])
def test_what_nobody_understands_opens_unsorted_from_a_stranger(ana: Customer, words: str | None) -> None:
    """«From an unknown, unsaved contact a burst that can't be classified opens `unsorted`.»"""
    told = tell(ana.says("17 10:00", words))
    assert (told.lead["stage"], told.lead["intent"]) == ("unsorted", "unknown")


def test_what_nobody_understands_opens_nothing_from_who_is_known(tia: Customer, ana: Customer) -> None:
    """«From an unknown, unsaved contact a burst that can't be classified opens `unsorted`»: from a known one it does
    not.
    """
    for told in (
        tell(tia.says("17 10:00", "mmm")),
        tell(ana.hears("16 10:00", "hi, this is the shop"), ana.says("17 10:00", "mmm")),
    ):
        assert told.leads == []
        assert told.waits_since() == iso("17 10:00")


@pytest.mark.parametrize("intent", [*NOISE, "opt_out", "wrong_number"])
@pytest.mark.parametrize("says_so", ["", "~"], ids=["by a rule", "by the model"])
def test_noise_makes_no_lead(ana: Customer, intent: str, says_so: str) -> None:
    """«Personal, supplier, job seeker, spam, opt-out, wrong number: no lead.»"""
    assert tell(ana.says("17 10:00", intent + says_so)).leads == []


@pytest.mark.parametrize("chat", [wire.GROUP, "status@broadcast", "123@broadcast", "123@newsletter"])
@pytest.mark.parametrize("groups", [False, True])
def test_only_direct_chats_make_leads(chat: str, groups: bool) -> None:
    """«Groups, status, broadcasts, channels, calls-only and system messages never make one.»"""
    told = tell(Customer(chat).says("17 10:00", "price", participant=wire.ANA), rules=CaptureRules(groups=groups))
    assert told.leads == []
    assert all(chat["waiting_since"] is None for chat in told.result["conversations"])


@pytest.mark.parametrize("kind", ["e2e_notification", "notification_template", "gp2", "protocol", "pin_message"])
def test_a_system_message_makes_no_lead_and_is_no_answer(ana: Customer, kind: str) -> None:
    """«Groups, status, broadcasts, channels, calls-only and system messages never make one.»"""
    told = tell(ana.says("17 10:00", None, message_type=kind))
    assert told.leads == []
    assert told.waits_since() is None
    told = tell(ana.says("17 10:00", "price"), ana.hears("17 10:05", None, message_type=kind))
    assert told.lead["stage"] == "new"
    assert told.waits_since() == iso("17 10:00")


def test_calls_alone_make_no_lead(ana: Customer) -> None:
    """«Groups, status, broadcasts, channels, calls-only and system messages never make one.»"""
    told = tell(
        ana.call("17 10:00"), ana.call_log("17 10:30"), ana.call("17 12:00", answered=True, call_id="C2")
    )  # fmt: skip
    assert told.leads == []


def test_a_new_topic_is_an_event(books: Books, ana: Customer) -> None:
    """«A new topic while one is open is an event on it, not a second lead.»"""
    books.tell(
        [
            ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.says("17 10:10", "delivery"),
            ana.hears("17 10:15"), ana.says("17 10:20", "price"), ana.says("17 11:00", "payment~"),
        ]
    )  # fmt: skip
    assert books.ask("SELECT intent, topics FROM leads") == [("price", '["price", "delivery", "payment"]')]
    assert record(books, "new_topic") == [
        ("new_topic", None, "delivery", "commercial"),
        ("new_topic", None, "payment", "commercial"),
    ]


# ---------------------------------------------------------------------- stages


@pytest.mark.parametrize("first", ["price", "mmm"], ids=["new", "unsorted"])
def test_a_human_answer_makes_contacted(ana: Customer, first: str) -> None:
    """«`new -> contacted` by itself on the first human outgoing message (any device: `fromMe`)» and «`unsorted` becomes
    `new` with the first commercial burst, and either becomes `contacted` by a human answer».
    """
    told = tell(ana.says("17 10:00", first), ana.hears("17 10:05"))
    assert told.lead["stage"] == "contacted"
    assert told.lead["first_response_seconds"] == 300


def test_an_own_message_that_can_not_be_read_is_an_answer_all_the_same(ana: Customer) -> None:
    """«any device: `fromMe`»: it was sent, even if we cannot read it."""
    unread = wire.ciphertext("OWN", t=ana.hears("17 10:05")["t"])
    unread["id"]["fromMe"] = True
    told = tell(ana.says("17 10:00", "price"), {**unread, "at": (unread["t"] + 1) * 1000})
    assert told.lead["stage"] == "contacted"


def test_an_answer_before_the_enquiry_makes_nothing_contacted(ana: Customer) -> None:
    """«`new -> contacted` by itself on the first human outgoing message»: only messages after the enquiry count."""
    told = tell(ana.hears("17 09:00"), ana.says("17 10:00", "price"))
    assert (told.lead["stage"], told.lead["first_response_seconds"]) == ("new", None)


def test_people_take_it_further(books: Books, ana: Customer) -> None:
    """«`contacted -> qualified -> quoted -> won | lost | junk` by people»."""
    books.tell([ana.says("17 10:00", "price"), ana.hears("17 10:05")])
    for hour, stage in enumerate(("qualified", "quoted", "won"), 11):
        books.tell([ana.decided(f"17 {hour}:00", stage)])
        assert books.column("SELECT stage FROM leads") == [stage]
    assert books.column("SELECT closed_at FROM leads") == [iso("17 13:00")]
    assert books.ask("SELECT actor, after, code FROM lead_events WHERE actor <> 'system' ORDER BY at") == [
        ("person", "qualified", "decided"),
        ("person", "quoted", "decided"),
        ("person", "won", "decided"),
    ]


@pytest.mark.parametrize("stage", ["qualified", "quoted"])
def test_an_answer_takes_nothing_back(ana: Customer, stage: str) -> None:
    """«`contacted -> qualified -> quoted -> won | lost | junk` by people»: a later answer changes nothing."""
    told = tell(
        ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.decided("17 10:10", stage), ana.hears("17 10:15"),
        ana.says("17 10:20", "order"),
    )  # fmt: skip
    assert told.lead["stage"] == stage


def test_a_decision_on_a_chat_without_a_lead_makes_one(books: Books, tia: Customer) -> None:
    """When a person gives an open stage to a chat without a lead, that opens a lead."""
    books.tell([tia.says("17 10:00", "mmm"), tia.decided("17 11:00", "qualified")])
    assert books.ask("SELECT stage, source, opened_at FROM leads") == [("qualified", "person", iso("17 11:00"))]
    assert record(books) == [("opened", None, "qualified", "decided")]


def test_two_people_deciding_at_once_are_both_heard(books: Books, ana: Customer) -> None:
    """The decision written last counts, and the record has both."""
    books.tell([ana.says("17 10:00", "price"), ana.decided("17 11:00", "quoted"), ana.decided("17 11:00", "won")])
    assert books.column("SELECT stage FROM leads") == ["won"]
    assert [line[1:3] for line in record(books, "stage")] == [("new", "quoted"), ("quoted", "won")]
    assert books.column("SELECT DISTINCT state FROM follow_ups") == ["cancelled"]


def test_a_stage_that_does_not_exist_is_refused_and_nothing_else(ana: Customer) -> None:
    """It is a clear error, and the other lines still count."""
    told = tell(ana.says("17 10:00", "price"), ana.decided("17 11:00", "sold"), ana.says("17 12:00", "order"))
    assert told.lead["stage"] == "new"
    [refused] = told.refused
    assert refused.line == 2
    assert "stage 'sold' is none of unsorted, new" in refused.why


def test_dormant_is_only_proposed(ana: Customer) -> None:
    """«`dormant` is proposed after long silence, never taken by itself.»"""
    story = [ana.says("17 10:00", "price"), ana.hears("17 10:05")]
    early, late = (tell(*story, as_of=at) for at in ("2027-01-16 10:04", "2027-01-16 10:05"))
    assert early.alerts("dormant_proposed") == []
    assert late.alerts("dormant_proposed") == [
        {"kind": "dormant_proposed", "conversation_id": 1, "due_at": iso("2027-01-16 10:05")}
    ]
    assert late.lead["stage"] == "contacted"


# ---------------------------------------------------------------------- after closing


@pytest.mark.parametrize("stage", ["won", "lost", "junk", "dormant"])
def test_thanks_after_closing_are_nothing(ana: Customer, stage: str) -> None:
    """«After closing: thanks are nothing», whether we had answered before or not."""
    for told in (
        tell(ana.says("17 10:00", "price"), ana.decided("17 11:00", stage), ana.says("17 12:00", "acknowledgement")),
        tell(
            ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.decided("17 11:00", stage),
            ana.says("17 12:00", "acknowledgement"),
        ),
    ):  # fmt: skip
        assert told.stages == [stage]
        assert told.waits_since() is None


@pytest.mark.parametrize("stage", ["won", "lost", "junk", "dormant"])
@pytest.mark.parametrize("intent", AFTER_SALE)
def test_after_sale_talk_after_closing_is_a_task(books: Books, ana: Customer, stage: str, intent: str) -> None:
    """«after-sale talk is a task, not a lead»: it waits until it is answered."""
    books.tell([ana.says("17 10:00", "price"), ana.decided("17 11:00", stage), ana.says("17 12:00", intent)])
    assert books.column("SELECT stage FROM leads") == [stage]
    assert books.ask("SELECT kind, due_at, state, lead_id FROM follow_ups") == [
        ("after_sale", iso("17 12:00"), "planned", None)
    ]
    assert books.column("SELECT waiting_since FROM conversations") == [iso("17 12:00")]
    books.tell([ana.says("17 12:30", intent)])
    assert books.column("SELECT count(*) FROM follow_ups") == [1], "said twice it is one thing to do"
    books.tell([ana.hears("17 13:00")])
    assert books.ask("SELECT state, ended_at, ended_by FROM follow_ups") == [("done", iso("17 13:00"), "reply")]


@pytest.mark.parametrize("stage", ["lost", "dormant"])
@pytest.mark.parametrize("ad", [False, True], ids=["commercial", "an ad"])
def test_commercial_intent_within_thirty_days_reopens(books: Books, ana: Customer, stage: str, ad: bool) -> None:
    """«commercial intent within 30 days of `lost`/`dormant` reopens the same lead (`reopened`)», «Reopening sets the
    stage to `new` and counts» and «`dormant` is closed like `lost`».
    """
    books.tell([ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.decided("17 11:00", stage)])
    again = ana.clicks_ad("12-17 11:00") if ad else ana.says("12-17 11:00", "order")
    books.tell([again])
    assert books.ask("SELECT lead_id, stage, reopened, closed_at, opened_at FROM leads") == [
        (1, "new", 1, None, iso("17 10:00"))
    ]
    assert record(books, "reopened") == [("reopened", stage, "new", "ad" if ad else "commercial")]
    assert books.column("SELECT waiting_since FROM conversations") == [iso("12-17 11:00")]
    books.tell([ana.hears("12-17 12:00"), ana.decided("12-17 13:00", stage), ana.says("12-18 10:00", "price")])
    assert books.ask("SELECT stage, reopened, first_response_seconds FROM leads") == [("new", 2, 300.0)]


@pytest.mark.parametrize(("stage", "later"), [("lost", "12-17 11:01"), ("dormant", "12-17 11:01"), ("won", "17 11:10")])
def test_later_or_after_won_it_is_a_new_lead(ana: Customer, stage: str, later: str) -> None:
    """«otherwise, or after `won`, a new lead with `previous_lead_id`»."""
    told = tell(
        ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.decided("17 11:00", stage), ana.says(later, "order")
    )
    assert told.stages == [stage, "new"]
    first, second = told.leads
    assert (second["previous_lead_id"], second["reopened"]) == (first["lead_id"], 0)
    assert second["opened_at"] == second["waiting_since"] == iso(later)


@pytest.mark.parametrize("before", ["won", "lost", "junk", "dormant"])
@pytest.mark.parametrize("stage", ["lost", "dormant"])
def test_the_thirty_days_begin_with_the_last_word_of_a_person(ana: Customer, before: str, stage: str) -> None:
    """«commercial intent within 30 days of `lost`/`dormant`»: a later closing decision restarts the window."""
    story = [ana.says("11-02 10:00", "price"), ana.hears("11-02 10:05"), ana.decided("11-02 12:00", before)]
    story += [ana.decided("12-01 12:00", stage)]
    told = tell(*story, ana.says("12-31 11:00", "price"))
    assert told.stages == (["new"] if stage != before else [stage, "new"]), "the same word again changes nothing"
    assert tell(*story, ana.says("12-31 13:00", "price")).stages == [stage, "new"]


def test_reopen_days_is_a_setting(ana: Customer) -> None:
    """«windows are settings»."""
    story = [ana.says("17 10:00", "price"), ana.decided("17 11:00", "lost"), ana.says("18 11:00", "order")]
    assert tell(*story, policy=policy(reopen_days=1)).stages == ["new"]
    assert tell(*story, policy=policy(reopen_days=0)).stages == ["lost", "new"]


@pytest.mark.parametrize("words", ["mmm", "greeting", "complaint", "personal", "opt_out"])
def test_only_commercial_intent_reopens(ana: Customer, words: str) -> None:
    """«commercial intent within 30 days of `lost`/`dormant` reopens the same lead»: nothing else does."""
    told = tell(
        ana.says("17 10:00", "price"),
        ana.hears("17 10:05"),
        ana.decided("17 11:00", "lost"),
        ana.says("18 10:00", words),
    )
    assert told.stages == ["lost"]


def test_after_junk_it_is_unsorted(ana: Customer) -> None:
    """«After `junk`, commercial intent opens a new `unsorted` lead.» And «`unsorted` becomes `new` with the first
    commercial burst», which is the next one.
    """
    story = [ana.says("17 10:00", "price"), ana.decided("17 11:00", "junk"), ana.says("17 12:00", "order")]
    told = tell(*story)
    assert told.stages == ["junk", "unsorted"]
    assert told.leads[1]["previous_lead_id"] == told.leads[0]["lead_id"]
    assert tell(*story, ana.says("17 12:30", "price")).stages == ["junk", "new"]


# ---------------------------------------------------------------------- waiting


def test_waiting_begins_with_the_first_that_needs_an_answer(ana: Customer) -> None:
    """«waiting_since: the first inbound that needs an answer after the last human outgoing.»"""
    told = tell(
        ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.says("17 10:10", "acknowledgement"),
        ana.says("17 10:20", "delivery"), ana.says("17 10:30", "greeting"),
    )  # fmt: skip
    assert told.waits_since() == told.lead["waiting_since"] == iso("17 10:20")
    assert told.alerts("waiting")[0]["due_at"] == iso("17 10:35")


def test_every_stretch_of_waiting_is_a_row(books: Books, ana: Customer) -> None:
    """A waiting cycle is stored for the first and each later response, in wall and in business time."""
    books.tell(
        [
            ana.says("17 12:50", "price"), ana.hears("17 16:10"), ana.says("17 16:20", "order"),
            ana.hears("17 16:21"), ana.says("17 17:00", "payment"),
        ]
    )  # fmt: skip
    assert cycles(books) == [
        ("first", iso("17 12:50"), iso("17 16:10"), "reply"),
        ("next", iso("17 16:20"), iso("17 16:21"), "reply"),
        ("next", iso("17 17:00"), None, None),
    ]
    assert books.ask("SELECT wall_seconds, business_seconds, lead_id FROM waiting_cycles ORDER BY started_at") == [
        (12000.0, 1200.0, 1),
        (60.0, 60.0, 1),
        (None, None, 1),
    ]


@pytest.mark.parametrize("kind", ["chat", "sticker"])
def test_a_pure_acknowledgement_after_our_answer_starts_nothing(ana: Customer, kind: str) -> None:
    """«A pure acknowledgement after our answer starts nothing»."""
    told = tell(
        ana.says("17 10:00", "price"), ana.hears("17 10:05"),
        ana.says("17 10:10", "acknowledgement", message_type=kind),
    )  # fmt: skip
    assert told.waits_since() is None
    assert told.lead["waiting_since"] is None


def test_an_acknowledgement_with_something_in_it_is_not_pure(ana: Customer) -> None:
    """«A pure acknowledgement after our answer starts nothing»: thanks below the picture of a receipt is not pure."""
    told = tell(
        ana.says("17 10:00", "price"), ana.hears("17 10:05"),
        ana.says("17 10:10", "acknowledgement", message_type="image", media={"mimetype": "image/jpeg"}),
    )  # fmt: skip
    assert told.waits_since() == iso("17 10:10")


@pytest.mark.parametrize("words", ["acknowledgement", "greeting", "mmm", "👍", "personal~", "spam~", "opt_out~"])
def test_from_a_stranger_never_answered_anything_starts_it(ana: Customer, words: str) -> None:
    """«from a stranger never answered, anything does»; and «an unlabelled chat from a stranger alerts like a lead»."""
    told = tell(ana.says("17 10:00", words))
    assert told.waits_since() == iso("17 10:00")
    assert told.alerts("waiting") == [{"kind": "waiting", "conversation_id": 1, "due_at": iso("17 10:15")}]


@pytest.mark.parametrize("intent", [*CLOSING, *NOISE])
def test_the_model_silences_nobody(ana: Customer, tia: Customer, intent: str) -> None:
    """«No classifier may silence the unanswered alert»; «the learned model never does»: not for a stranger, a saved
    contact or a customer answered before.
    """
    assert tell(ana.says("17 10:00", f"{intent}~")).waits_since() == iso("17 10:00")
    assert tell(tia.says("17 10:00", f"{intent}~")).waits_since() == iso("17 10:00")
    answered = tell(ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.says("17 10:10", f"{intent}~"))
    assert answered.waits_since() == iso("17 10:10")


@pytest.mark.parametrize("intent", [*CLOSING, *NOISE])
def test_a_rule_that_gives_its_reason_may(ana: Customer, intent: str) -> None:
    """«Only a person's decision, or a rule that gives its reason, makes closing and noise intents start no waiting»."""
    assert tell(ana.says("17 10:00", intent)).waits_since() is None
    waited = tell(ana.says("17 10:00", "price"), ana.says("17 10:10", intent))
    assert waited.waits_since() == iso("17 10:00"), "what waited before goes on"


@pytest.mark.parametrize("intent", [*CLOSING, *NOISE])
def test_and_so_may_a_person(books: Books, ana: Customer, intent: str) -> None:
    """«Only a person's decision, or a rule that gives its reason, makes closing and noise intents start no waiting»."""
    said = ana.says("17 10:00", "mmm")
    books.tell([said])
    assert books.column("SELECT waiting_since FROM conversations") == [iso("17 10:00")]
    books.correct(said, intent)
    books.project_all()
    assert books.column("SELECT waiting_since FROM conversations") == [None]
    assert books.ask("SELECT * FROM leads") == []


def test_a_persons_word_wins_until_undone(books: Books, ana: Customer) -> None:
    """After the undo the stored classification counts again, and the lead is as before."""
    said = ana.says("17 10:00", "price")
    books.tell([said])
    books.correct(said, "delivery")
    books.project_all()
    assert books.ask("SELECT lead_id, intent FROM leads") == [(1, "delivery")]
    books.db.execute("UPDATE corrections SET undone_at = at")
    books.rebuild()
    assert books.ask("SELECT lead_id, intent FROM leads") == [(1, "price")]


def test_a_lead_that_a_person_moves_to_a_later_message_keeps_its_id(books: Books, ana: Customer) -> None:
    """«keeps `lead_id`»: a person says that the first message was no enquiry, and the next one is."""
    first = ana.says("17 10:00", "mmm")
    books.tell([first, ana.says("17 12:00", "price")])
    assert books.ask("SELECT lead_id, opened_at FROM leads") == [(1, iso("17 10:00"))]
    books.correct(first, "complaint")
    books.project_all()
    assert books.ask("SELECT lead_id, opened_at, stage FROM leads") == [(1, iso("17 12:00"), "new")]


def test_a_greeting_after_our_answer_is_a_nudge(ana: Customer) -> None:
    """«A greeting after our answer is a nudge and waits.»"""
    told = tell(ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.says("17 12:00", "greeting"))
    assert told.waits_since() == iso("17 12:00")


@pytest.mark.parametrize("words", ["greeting", "acknowledgement", "greeting~"])
def test_a_bare_greeting_from_a_stranger_opens_unsorted(ana: Customer, tia: Customer, words: str) -> None:
    """«a stranger is unsaved and never answered by a person; a bare greeting or acknowledgement from one opens
    `unsorted`».
    """
    assert tell(ana.says("17 10:00", words)).stages == ["unsorted"]
    assert tell(tia.says("17 10:00", words)).leads == [], "saved"
    assert tell(ana.hears("17 09:00"), ana.says("17 10:00", words)).leads == [], "written to by a person"


def test_unsorted_becomes_new_with_the_first_commercial_burst(books: Books, ana: Customer) -> None:
    """«`unsorted` becomes `new` with the first commercial burst»: it stays the lead that the greeting opened."""
    books.tell([ana.says("17 10:00", "greeting"), ana.says("17 10:30", "price")])
    assert books.ask("SELECT stage, intent, opened_at FROM leads") == [("new", "price", iso("17 10:00"))]
    assert record(books) == [("opened", None, "unsorted", "stranger"), ("stage", "unsorted", "new", "commercial")]


@pytest.mark.parametrize("intent", AFTER_SALE)
def test_after_sale_talk_without_a_lead_opens_none_but_waits(ana: Customer, tia: Customer, intent: str) -> None:
    """«After-sale talk without a lead opens none, but waits.»"""
    for customer in (ana, tia):
        told = tell(customer.says("17 10:00", intent))
        assert told.leads == []
        assert told.waits_since() == iso("17 10:00")
        assert told.chat()["category"] == "after_sale"


def test_after_sale_talk_of_somebody_with_a_lead_waits_in_it(ana: Customer) -> None:
    """«After-sale talk without a lead opens none»: with an open lead it waits and changes no stage."""
    told = tell(ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.says("17 11:00", "complaint"))
    assert told.stages == ["contacted"]
    assert told.lead["waiting_since"] == iso("17 11:00")
    assert told.alerts("after_sale") == []


# ---------------------------------------------------------------------- bursts


def test_a_burst_is_labelled_as_one_and_opened_at_is_its_first_message(books: Books, ana: Customer) -> None:
    """«A burst ends with our answer; `opened_at` is its first message.» People split sentences over messages."""
    books.tell([ana.says("17 10:00", "greeting"), ana.says("17 10:01:30", "mmm"), ana.says("17 10:03:29", "price")])
    assert books.ask("SELECT stage, intent, opened_at FROM leads") == [("new", "price", iso("17 10:00"))]
    assert books.column("SELECT count(*) FROM classifications") == [1]
    assert record(books) == [("opened", None, "new", "commercial")]


def test_a_burst_ends_with_our_answer(ana: Customer) -> None:
    """«A burst ends with our answer»: the next message waits again, however soon it comes."""
    told = tell(ana.says("17 10:00", "price"), ana.hears("17 10:00:20"), ana.says("17 10:00:40", "order"))
    assert told.waits_since() == iso("17 10:00:40")


def test_a_call_of_ours_that_nobody_took_ends_no_burst(tia: Customer) -> None:
    """«A burst ends with our answer; `opened_at` is its first message»: an unanswered call is no answer."""
    story = [tia.says("17 10:00:00", "greeting"), tia.call("17 10:00:20", outgoing=True)]
    assert tell(*story, tia.says("17 10:00:40", "price")).lead["opened_at"] == iso("17 10:00:00")


def test_two_minutes_apart_are_two_bursts(books: Books, ana: Customer) -> None:
    """Inbound messages less than two minutes apart form one burst; `burst_seconds` is a setting."""
    books.tell([ana.says("17 10:00", "price"), ana.says("17 10:02", "order")])
    assert books.column("SELECT count(*) FROM classifications") == [2]
    with Books(policy=policy(burst_seconds=300)) as longer:
        longer.tell([ana.says("17 10:00", "price"), ana.says("17 10:02", "order")])
        assert longer.column("SELECT count(*) FROM classifications") == [1]


# ---------------------------------------------------------------------- reactions and closing


def test_an_operators_reaction_ends_the_alert_and_not_the_first_response(books: Books, ana: Customer) -> None:
    """«A reaction from the operator ends the alert, not the first response» and «An operator's reaction ends the
    waiting (by `reaction`) …; the first response stays open until words».
    """
    said = ana.says("17 10:00", "price")
    books.tell([said, reacted(said, "17 10:05")])
    assert cycles(books) == [("first", iso("17 10:00"), iso("17 10:05"), "reaction")]
    assert books.column("SELECT waiting_since FROM conversations") == [None]
    assert books.ask("SELECT stage, first_response_at FROM leads") == [("new", None)]
    books.tell([ana.hears("17 10:20")])
    assert books.ask("SELECT stage, first_response_seconds FROM leads") == [("contacted", 1200.0)]


def test_a_reaction_captured_before_its_message_counts(ana: Customer) -> None:
    """«A reaction from the operator ends the alert», also if the reaction came live and its message only by a sweep."""
    said = ana.says("17 10:00", "price", via="sweep")
    assert tell(reacted(said, "17 10:05"), said).waits_since() is None


def test_their_own_reaction_and_one_taken_back_end_nothing(ana: Customer) -> None:
    """«A reaction from the operator ends the alert»: the customer's own or a removed one does not."""
    said = ana.says("17 10:00", "price")
    assert tell(said, reacted(said, "17 10:05", by_us=False)).waits_since() == iso("17 10:00")
    back = tell(said, reacted(said, "17 10:05"), reacted(said, "17 10:06", ""))
    assert back.waits_since() == iso("17 10:00")


def test_a_reaction_is_no_answer_to_a_stranger(ana: Customer) -> None:
    """«a stranger is unsaved and never answered by a person»: after a mere reaction, thanks still wait."""
    said = ana.says("17 10:00", "mmm")
    told = tell(said, reacted(said, "17 10:01"), ana.says("17 10:01:30", "acknowledgement"))
    assert told.waits_since() == iso("17 10:01:30")


@pytest.mark.parametrize("stage", ["won", "lost", "junk", "dormant"])
def test_closing_ends_the_waiting(books: Books, ana: Customer, stage: str) -> None:
    """«…and closing a lead does too (by `closed`); the first response stays open until words.»"""
    books.tell([ana.says("17 10:00", "price"), ana.decided("17 11:00", stage)])
    assert cycles(books) == [("first", iso("17 10:00"), iso("17 11:00"), "closed")]
    assert books.column("SELECT first_response_at FROM leads") == [None]


@pytest.mark.parametrize("stage", ["won", "lost", "junk", "dormant"])
@pytest.mark.parametrize("how", ["words", "call"])
def test_the_first_response_comes_after_closing_too(books: Books, ana: Customer, stage: str, how: str) -> None:
    """«…the first response stays open until words», even after closing; the stage set by a person stays."""
    answer = ana.hears("17 12:00") if how == "words" else ana.call("17 12:00", answered=True)
    books.tell([ana.says("17 10:00", "price"), ana.decided("17 11:00", stage), answer, ana.hears("17 12:30")])
    assert books.ask("SELECT stage, first_response_at, first_response_seconds FROM leads") == [
        (stage, iso("17 12:00"), 7200.0)
    ]


def test_an_answer_is_the_first_response_of_the_lead_that_is_open(books: Books, ana: Customer) -> None:
    """«Each lead has its own first response»: an answer to the next lead does not count for a closed one."""
    books.tell([ana.says("17 10:00", "price"), ana.decided("17 11:00", "won"), ana.says("18 10:00", "price")])
    books.tell([ana.hears("18 10:10"), ana.hears("18 10:20")])
    assert books.column("SELECT first_response_seconds FROM leads ORDER BY lead_id") == [None, 600.0]


@pytest.mark.parametrize("stage", ["won", "lost", "junk", "dormant"])
def test_a_person_is_done_with_a_chat_that_never_was_a_lead(books: Books, tia: Customer, stage: str) -> None:
    """«closing a lead does too (by `closed`)»; without a lead, the decision applies to the chat."""
    books.tell([tia.says("17 10:00", "complaint"), tia.decided("17 11:00", stage)])
    assert cycles(books) == [("first", iso("17 10:00"), iso("17 11:00"), "closed")]
    assert books.column("SELECT count(*) FROM leads") == [0]
    books.tell([tia.says("17 12:00", "complaint")])
    assert cycles(books)[1:] == [("first", iso("17 12:00"), None, None)]
    books.tell([tia.decided("17 12:30", "won"), tia.decided("17 12:31", "new")])
    assert cycles(books)[1:] == [("first", iso("17 12:00"), None, None)], "and was not, after all"
    assert books.ask("SELECT stage FROM leads") == [("new",)]


def test_another_word_on_a_closed_lead_ends_no_waiting(books: Books, ana: Customer) -> None:
    """«closing a lead does too (by `closed`)»: on a lead already closed, newer messages still wait for an answer."""
    books.tell([ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.decided("17 11:00", "won")])
    books.tell([ana.says("17 12:00", "complaint"), ana.decided("17 12:30", "lost")])
    assert cycles(books)[1:] == [("next", iso("17 12:00"), None, None)]


@pytest.mark.parametrize("stage", ["unsorted", "new"])
def test_whoever_was_closed_by_mistake_waits_again(books: Books, ana: Customer, stage: str) -> None:
    """«waiting_since: the first inbound that needs an answer after the last human outgoing»: reopening restores the
    wait if nobody has answered.
    """
    books.tell([ana.says("17 10:00", "price"), ana.decided("17 11:00", "won"), ana.decided("17 11:01", stage)])
    assert cycles(books) == [("first", iso("17 10:00"), None, None)]
    assert books.column("SELECT waiting_since FROM conversations") == [iso("17 10:00")]
    books.tell([ana.hears("17 11:30")])
    assert cycles(books) == [("first", iso("17 10:00"), iso("17 11:30"), "reply")]


def test_whoever_wrote_again_before_the_mistake_was_taken_back_waits_since_the_first(
    books: Books, ana: Customer
) -> None:
    """A message written in between does not start a second wait: the older one continues."""
    books.tell([ana.says("17 10:00", "price"), ana.decided("17 11:00", "won"), ana.says("17 11:30", "complaint")])
    books.tell([ana.decided("17 11:40", "new")])
    assert cycles(books) == [("first", iso("17 10:00"), None, None)]


def test_whoever_waited_under_two_spellings_and_was_closed_by_mistake_waits_again(books: Books) -> None:
    """Closing ends both waits of the one thread, and both continue."""
    one, other = Customer("5491155550001@c.us"), Customer("541155550001@c.us")
    books.tell([one.says("17 10:00", "price"), other.says("17 10:30", "order"), one.decided("17 11:00", "won")])
    books.tell([one.decided("17 11:01", "new")])
    assert cycles(books) == [("first", iso("17 10:00"), None, None), ("first", iso("17 10:30"), None, None)]


@pytest.mark.parametrize("answer", ["words", "reaction", "stage"])
def test_whoever_was_answered_since_closing_does_not_wait_again(books: Books, ana: Customer, answer: str) -> None:
    """An answer, a reaction, or a stage that implies contact each count."""
    asked = ana.says("17 10:00", "price")
    books.tell([asked, ana.decided("17 11:00", "won")])
    if answer != "stage":
        books.tell([ana.hears("17 11:10") if answer == "words" else reacted(asked, "17 11:10")])
    books.tell([ana.decided("17 11:20", "qualified" if answer == "stage" else "new")])
    assert cycles(books) == [("first", iso("17 10:00"), iso("17 11:00"), "closed")]


def test_what_needs_no_answer_ends_the_waiting_and_leaves_the_lead_as_it_is(books: Books, ana: Customer) -> None:
    """«No hace falta contestar»: the first response stays open until words, and what comes later waits again."""
    books.tell([ana.says("17 10:00", "price"), ana.dismissed("17 11:00")])
    assert cycles(books) == [("first", iso("17 10:00"), iso("17 11:00"), "dismissed")]
    assert books.ask("SELECT stage, closed_at, first_response_at FROM leads") == [("new", None, None)]
    assert books.ask("SELECT waiting_since, due_at FROM conversations") == [(None, None)]
    books.tell([ana.says("17 11:00:30", "price")])
    assert cycles(books)[1:] == [("first", iso("17 11:00:30"), None, None)]
    books.tell([ana.hears("17 12:00")])
    assert books.column("SELECT first_response_at FROM leads") == [iso("17 12:00")]


def test_what_nobody_had_seen_waits_on_although_it_was_sent_before_the_decision(books: Books, ana: Customer) -> None:
    """A sweep may bring a message that is older than the decision: nobody has said that it needs no answer."""
    first, late = ana.says("17 10:00", "price"), ana.says("17 10:30", "order")
    books.tell([first, ana.dismissed("17 11:00", seen="17 10:00")])
    assert books.column("SELECT waiting_since FROM conversations") == [None]
    books.tell([late])
    assert cycles(books) == [
        ("first", iso("17 10:00"), iso("17 11:00"), "dismissed"),
        ("first", iso("17 10:30"), None, None),
    ]


def test_of_one_burst_the_part_that_was_not_seen_waits_on(books: Books, ana: Customer) -> None:
    """They wrote a second line while a person read the first."""
    second = ana.says("17 10:00:20", "order")
    books.tell([ana.says("17 10:00", "price"), second, ana.dismissed("17 10:00:25", seen="17 10:00")])
    [message] = books.column("SELECT message_id FROM messages WHERE stanza_id = ?", second["id"]["id"])
    assert cycles(books)[1:] == [("first", iso("17 10:00:20"), None, None)]
    assert books.column("SELECT message_id FROM waiting_cycles WHERE ended_at IS NULL") == [message]


def test_who_writes_again_before_anything_was_seen_waits_since_then(books: Books, ana: Customer) -> None:
    """A decision about words that were answered meanwhile is about nothing."""
    books.tell([ana.says("17 10:00", "price"), ana.hears("17 10:10"), ana.says("17 10:20", "price")])
    books.tell([ana.dismissed("17 10:30", seen="17 10:00")])
    assert cycles(books)[1:] == [("next", iso("17 10:20"), None, None)]


def test_an_answer_before_the_decision_is_what_ended_the_waiting(books: Books, ana: Customer) -> None:
    """However late it is captured."""
    books.tell([ana.says("17 10:00", "price"), ana.dismissed("17 11:00")])
    books.tell([ana.hears("17 10:30")])
    assert cycles(books) == [("first", iso("17 10:00"), iso("17 10:30"), "reply")]


def test_a_dismissal_that_is_undone_lets_them_wait_as_before(books: Books, ana: Customer) -> None:
    """Since the same time, also if they wrote again meanwhile."""
    books.tell([ana.says("17 10:00", "price"), ana.dismissed("17 11:00"), ana.says("17 11:30", "price")])
    books.undo(iso("17 11:00"))
    books.project_all()
    assert cycles(books) == [("first", iso("17 10:00"), None, None)]


def test_reopening_does_not_restore_what_needed_no_answer(books: Books, ana: Customer) -> None:
    """Only what the closing had ended."""
    books.tell([ana.says("17 10:00", "price"), ana.dismissed("17 10:30"), ana.decided("17 11:00", "won")])
    books.tell([ana.decided("17 11:01", "new")])
    assert cycles(books) == [("first", iso("17 10:00"), iso("17 10:30"), "dismissed")]


def test_a_missed_call_needs_no_answer_if_a_person_says_so(books: Books, tia: Customer) -> None:
    """Without a lead too; a later call waits again."""
    books.tell([tia.call("17 10:00"), tia.dismissed("17 10:30"), tia.call("17 11:00", call_id="C2")])
    assert cycles(books) == [
        ("first", iso("17 10:00"), iso("17 10:30"), "dismissed"),
        ("first", iso("17 11:00"), None, None),
    ]


def test_a_decision_that_is_undone_is_as_if_it_had_not_been_made(books: Books, ana: Customer) -> None:
    """The waiting goes on, planned follow-ups are gone, and a lead that it opened is withdrawn; its record stays."""
    books.tell([ana.says("17 10:00", "price"), ana.decided("17 11:00", "quoted"), ana.decided("17 12:00", "won")])
    books.undo(iso("17 12:00"))
    books.project_all()
    assert books.ask("SELECT stage, closed_at FROM leads") == [("quoted", None)]
    assert cycles(books) == [("first", iso("17 10:00"), None, None)]
    books.undo(iso("17 11:00"))
    books.project_all()
    assert books.ask("SELECT stage, reopened FROM leads") == [("new", 0)]
    assert books.ask("SELECT * FROM follow_ups") == []
    assert record(books, "stage")[-1] == ("stage", "quoted", "new", "recomputed")
    before = books.ask("SELECT * FROM lead_events")
    books.rebuild()
    assert books.ask("SELECT * FROM lead_events") == before


@pytest.mark.parametrize("intent", CLOSING)
@pytest.mark.parametrize("says_so", ["", "~"])
def test_closing_words_only_propose(books: Books, ana: Customer, intent: str, says_so: str) -> None:
    """«Closing intents on an open lead propose a reason, never close it»."""
    books.tell([ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.says("17 10:30", intent + says_so)])
    assert books.ask("SELECT stage, closed_at, proposed FROM leads") == [("contacted", None, intent)]
    assert record(books, "proposed") == [("proposed", None, intent, "closing_words")]


def test_a_proposal_to_close_ends_when_they_want_something_after_all(books: Books, ana: Customer) -> None:
    """«Closing intents on an open lead propose a reason»: a new enquiry withdraws the proposal."""
    books.tell([ana.says("17 10:00", "price"), ana.says("17 11:00", "not_interested"), ana.says("17 12:00", "order")])
    assert books.ask("SELECT stage, proposed FROM leads") == [("new", None)]
    books.tell([ana.says("17 17:00", "not_interested")])
    assert books.column("SELECT proposed FROM leads") == ["not_interested"]
    assert len(record(books, "proposed")) == 2


def test_opt_out_ends_the_follow_ups(books: Books, ana: Customer) -> None:
    """«`opt_out` also ends its follow-ups.»"""
    books.tell([ana.says("17 10:00", "price"), ana.decided("17 11:00", "quoted"), ana.says("17 12:00", "opt_out")])
    assert books.ask("SELECT DISTINCT state, ended_at, ended_by FROM follow_ups") == [
        ("cancelled", iso("17 12:00"), "opt_out")
    ]


# ---------------------------------------------------------------------- ads, calls, edits


@pytest.mark.parametrize("words", ["personal", "spam~", "opt_out", "complaint", "greeting", "mmm", None])
@pytest.mark.parametrize("who", ["ana", "tia"])
def test_an_ad_opens_whatever_the_words_say(words: str, who: str, request: pytest.FixtureRequest) -> None:
    """«An ad referral opens (or reopens) whatever the words say.»"""
    customer: Customer = request.getfixturevalue(who)
    assert tell(customer.clicks_ad("17 10:00", words)).stages == ["new"]
    reopened = tell(
        customer.says("16 10:00", "price"), customer.decided("16 11:00", "lost"), customer.clicks_ad("17 10:00", words)
    )
    assert (reopened.lead["stage"], reopened.lead["reopened"]) == ("new", 1)


def test_an_ad_on_an_unsorted_lead_makes_it_new(ana: Customer) -> None:
    """«Opens as `new` … with an ad referral»: the ad makes it commercial whatever the text."""
    assert tell(ana.says("17 10:00", "mmm"), ana.clicks_ad("17 11:00", "mmm")).stages == ["new"]


@pytest.mark.parametrize("logged", [False, True])
def test_a_missed_call_waits_but_makes_no_lead(ana: Customer, logged: bool) -> None:
    """«A missed call waits but makes no lead»."""
    told = tell(ana.call_log("17 10:00", answered=False) if logged else ana.call("17 10:00"))
    assert told.leads == []
    assert told.waits_since() == iso("17 10:00")
    answered = tell(ana.call("17 10:00"), ana.hears("17 10:20"))
    assert answered.waits_since() is None


@pytest.mark.parametrize("outgoing", [False, True])
@pytest.mark.parametrize("logged", [False, True])
def test_an_answered_call_is_an_answer(books: Books, ana: Customer, outgoing: bool, logged: bool) -> None:
    """«A missed call waits but makes no lead; an answered one is an answer.»"""
    call = ana.call_log if logged else ana.call
    books.tell([ana.says("17 10:00", "price"), call("17 10:10", outgoing=outgoing, answered=True)])
    assert cycles(books) == [("first", iso("17 10:00"), iso("17 10:10"), "call")]
    assert books.ask("SELECT stage, first_response_seconds FROM leads") == [("contacted", 600.0)]


def test_our_call_that_nobody_took_is_no_answer(ana: Customer) -> None:
    """«an answered one is an answer»: our own unanswered call neither answers nor waits."""
    told = tell(ana.says("17 10:00", "price"), ana.call("17 10:10", outgoing=True))
    assert told.waits_since() == iso("17 10:00")
    assert tell(ana.call("17 10:10", outgoing=True)).waits_since() is None


@pytest.mark.parametrize("ids", [("A", "B"), ("B", "A")])
def test_of_two_calls_in_one_second_the_answered_one_was_the_second(ids: tuple[str, str]) -> None:
    """«an answered one is an answer»: nobody calls again within a second after being answered."""
    ana, (missed, answered) = Customer(), ids
    told = tell(
        ana.call("17 10:00", call_id=missed), ana.call("17 10:00", answered=True, call_id=answered), as_of="17 12:00"
    )
    assert told.alerts("waiting") == []


def test_a_call_and_its_line_in_the_chat_are_one_call(books: Books, ana: Customer) -> None:
    """«A missed call waits»: it was not missed if either the call or its line in the chat says it was answered."""
    books.tell([ana.says("17 10:00", "price"), ana.call("17 10:10", answered=True), ana.call_log("17 10:10:30")])
    assert [cycle[3] for cycle in cycles(books)] == ["call"]
    with Books() as other:
        other.tell([ana.says("17 10:00", "price"), ana.call("17 10:10"), ana.call_log("17 10:10:30", answered=True)])
        assert [cycle[3] for cycle in cycles(other)] == ["call"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_line_that_is_captured_before_the_ringing_is_of_one_call_with_it(
    books: Books, ana: Customer, order: int
) -> None:
    """So is one captured after it: leads do not depend on the order of capture."""
    rang, line = ana.call("17 10:10", answered=True), ana.call_log("17 10:10:30")
    books.tell([ana.says("17 10:00", "price"), *[rang, line][::order]])
    assert [(cycle[3], cycle[2]) for cycle in cycles(books)] == [("call", iso("17 10:10:30"))]


@pytest.mark.parametrize("order", [1, -1])
def test_a_call_takes_the_line_with_its_id_before_one_that_is_near(books: Books, ana: Customer, order: int) -> None:
    """Of two calls that rang within a minute the first was answered, and the second has no line yet: it waits."""
    first, second = ana.call("17 10:00", call_id="C1"), ana.call("17 10:00:30", call_id="C2")
    line = ana.call_log("17 10:00:10", answered=True)
    line["id"]["id"] = "C1"
    books.tell([first, second, line][::order])
    assert books.column("SELECT waiting_since FROM conversations") == [iso("17 10:00:30")]


def test_each_call_has_its_own_line(books: Books, ana: Customer) -> None:
    """«A missed call waits»: of two calls within an hour, only the second has its line in the chat yet."""
    books.tell([ana.call("17 10:00", call_id="C1"), ana.call("17 10:30", call_id="C2"), ana.call_log("17 10:30:05")])
    assert books.column("SELECT waiting_since FROM conversations") == [iso("17 10:00")]


def test_edits_are_judged_by_the_current_text(ana: Customer) -> None:
    """«Edits are judged by the current text»."""
    said = ana.says("17 10:00", "mmm")
    told = tell(said, edited(said, "17 10:05", "price"))
    assert (told.lead["stage"], told.lead["intent"]) == ("new", "price")
    thanks = ana.says("17 10:10", "acknowledgement")
    told = tell(
        ana.says("17 10:00", "price"), ana.hears("17 10:05"), thanks, edited(thanks, "17 10:11", "delivery please")
    )
    assert told.waits_since() == iso("17 10:10")


@pytest.mark.parametrize("after", ["mmm", "complaint", "personal", "opt_out", "acknowledgement", ""])
@pytest.mark.parametrize(("before", "stage"), [("price", "new"), ("mmm", "unsorted"), ("greeting", "unsorted")])
def test_an_edit_never_un_opens_a_lead(books: Books, ana: Customer, before: str, stage: str, after: str) -> None:
    """«Edits … never un-open a lead», whether leads were projected before the edit or only after it."""
    said = ana.says("17 10:00", before)
    change = edited(said, "17 10:05", after)
    books.tell([said])
    assert books.column("SELECT stage FROM leads") == [stage]
    books.tell([change])
    assert books.ask("SELECT lead_id, stage FROM leads") == [(1, stage)]
    assert tell(said, change).stages == [stage]


def test_an_edit_never_un_opens_what_a_later_word_made_new(ana: Customer) -> None:
    """«Edits … never un-open a lead»: it stays commercial whichever message of the burst is edited."""
    first, second = ana.says("17 10:00", "mmm"), ana.says("17 10:00:30", "price")
    told = tell(first, second, edited(first, "17 10:05", "hm"), edited(second, "17 10:06", "ah"))
    assert told.stages == ["new"]


def test_a_revoked_message_keeps_waiting(ana: Customer) -> None:
    """«a revoked message still was written: it keeps waiting»."""
    said = ana.says("17 10:00", "price")
    told = tell(said, revoked(said, "17 10:01"))
    assert told.stages == ["new"]
    assert told.waits_since() == iso("17 10:00")
    unseen = tell(ana.says("17 10:00", None, message_type="revoked"))
    assert unseen.stages == ["unsorted"]
    assert unseen.waits_since() == iso("17 10:00")


@pytest.mark.parametrize("deleted", ["theirs", "ours"])
def test_a_message_deleted_on_our_side_only_changes_no_lead(ana: Customer, deleted: str) -> None:
    """The customer still has the message, so a question still waits and an answer still counts."""
    asked, answered = ana.says("17 10:00", "price"), ana.hears("17 10:20")
    story = [asked] if deleted == "theirs" else [asked, answered]
    before, after = tell(*story), tell(*story, revoked(story[-1], "17 10:30", "me"))
    assert after.result == before.result
    assert (after.waits_since() is None) == (deleted == "ours")


# ---------------------------------------------------------------------- auto-replies


def customers(count: int) -> list[Customer]:
    """Several unsaved customers."""
    return [Customer(f"549115555010{number}@c.us") for number in range(count)]


def greeted(count: int, *, after: str = "10:00:10", body: str = "We are closed now") -> list[Any]:
    """Each customer asks and gets this reply."""
    return [
        line
        for number, customer in enumerate(customers(count), 17)
        for line in (customer.says(f"{number} 10:00", "price"), customer.hears(f"{number} {after}", body))
    ]


def test_the_same_body_to_three_contacts_within_ten_seconds_is_automatic(books: Books) -> None:
    """«Auto-reply: the same body to three or more contacts, within ten seconds of the inbound» and «are
    `auto_reply` and stop no clock».
    """
    books.tell(greeted(2))
    assert books.column("SELECT stage FROM leads") == ["contacted"] * 2
    books.tell(greeted(3))
    assert books.column("SELECT DISTINCT author FROM messages WHERE direction = 'out'") == ["auto_reply"]
    assert books.ask("SELECT stage, first_response_at FROM leads") == [("new", None)] * 3
    assert None not in books.column("SELECT waiting_since FROM conversations")


def test_what_is_slower_fewer_or_different_is_a_person(books: Books) -> None:
    """«the same body to three or more contacts, within ten seconds of the inbound»: all three conditions must hold."""
    assert tell(*greeted(2)).stages == ["contacted"] * 2
    assert tell(*greeted(3, after="10:00:11")).stages == ["contacted"] * 3
    different = [tell(*greeted(1, body=f"Hi {number}")).stages for number in range(3)]
    assert different == [["contacted"]] * 3
    [same] = customers(1)
    often = [
        line for day in range(17, 21) for line in (same.says(f"{day} 10:00", "price"), same.hears(f"{day} 10:00:05"))
    ]
    assert tell(*often).stages == ["contacted"], "one contact, however often"


def test_a_contact_with_two_chats_counts_once(books: Books) -> None:
    """«to three or more contacts»: two spellings of a phone are one contact."""
    twice = [Customer("541155550200@c.us"), Customer("5491155550200@c.us"), Customer("5491155550201@c.us")]
    for customer in twice:
        books.tell([customer.says("17 10:00", "price"), customer.hears("17 10:00:05", "closed")])
    assert books.column("SELECT DISTINCT author FROM messages WHERE direction = 'out'") == ["operator"]


def test_a_body_known_as_automatic_is_so_at_any_delay(ana: Customer) -> None:
    """«once known so, at any delay»: the phone may have been off."""
    told = tell(*greeted(3), ana.says("17 10:00", "price"), ana.hears("17 10:07", "We are closed now"))
    assert [lead["stage"] for lead in told.leads if lead["chat"] == ana.chat] == ["new"]


def test_somebody_who_heard_only_the_machine_is_a_stranger_still() -> None:
    """«never answered by a person»: thanks for an automatic greeting still wait."""
    [one, *_] = customers(3)
    told = tell(*greeted(3), one.says("17 10:05", "acknowledgement"))
    assert told.waits_since(one) == iso("17 10:00")


def test_who_was_answered_by_the_machine_is_contacted_by_the_person_after() -> None:
    """«stop no clock»: the first response is the person's, not the automatic one."""
    [one, *_] = customers(3)
    told = tell(*greeted(3), one.hears("17 10:30", "it is a thousand"))
    assert {lead["first_response_seconds"] for lead in told.leads if lead["chat"] == one.chat} == {1800.0}


# ---------------------------------------------------------------------- time


def test_first_response_in_wall_and_business_seconds(books: Books, ana: Customer) -> None:
    """«First response time: first inbound of the lead to the first human outgoing; wall and business time (weekly hours
    with gaps, …)».
    """
    books.tell([ana.says("20 19:50", "greeting"), ana.says("20 19:55", "price"), ana.hears("23 09:05")])
    query = "SELECT first_response_seconds, first_response_business_seconds FROM leads"
    assert books.ask(query) == [(61 * 3600 + 15 * 60, 15 * 60.0)]


def test_each_lead_has_its_own_first_response(books: Books, ana: Customer) -> None:
    """«Each lead has its own first response, in wall seconds and in business seconds.»"""
    books.tell(
        [
            ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.decided("17 11:00", "won"),
            ana.says("18 12:59", "order"), ana.hears("18 16:01"),
        ]
    )  # fmt: skip
    query = "SELECT first_response_seconds, first_response_business_seconds FROM leads ORDER BY lead_id"
    assert books.ask(query) == [(300.0, 300.0), (3 * 3600 + 120, 120.0)]


@pytest.mark.parametrize(("as_of", "overdue"), [("17 16:09:59", False), ("17 16:10", True), ("18 10:00", True)])
def test_overdue_is_business_time_over_the_target(ana: Customer, as_of: str, overdue: bool) -> None:
    """«Overdue: business time waiting over the target (15 min).» The lunch break does not count."""
    told = tell(ana.says("17 12:55", "price"), as_of=as_of)
    assert told.chat()["overdue"] is overdue
    assert told.alerts("waiting")[0]["due_at"] == iso("17 16:10")


def test_dates_by_hand_win_over_holidays_which_are_closed(ana: Customer) -> None:
    """«Dates by hand win over holidays; holidays are closed.»"""
    story = ana.says("12-24 19:55", "price")
    christmas = {"2026-12-24": [["09:00", "20:00"]]}
    usual = tell(story, policy=policy(country="AR", overrides=christmas)).alerts("waiting")
    by_hand = {**christmas, "2026-12-25": [["10:00", "12:00"]]}
    open_ = tell(story, policy=policy(country="AR", overrides=by_hand)).alerts("waiting")
    assert usual[0]["due_at"] == iso("12-28 09:10"), "closed on Christmas, a Friday"
    assert open_[0]["due_at"] == iso("12-25 10:10")


def test_a_shop_that_never_opens_is_never_overdue(ana: Customer) -> None:
    """«Overdue: business time waiting over the target»: without opening hours no target passes, but the customer still
    waits.
    """
    closed = policy(target_minutes=10**9)
    told = tell(ana.says("17 10:00", "price"), policy=closed)
    assert told.alerts("waiting") == [{"kind": "waiting", "conversation_id": 1, "due_at": None}]
    assert told.chat()["overdue"] is False


def test_nothing_after_the_time_asked_about_is_seen(ana: Customer) -> None:
    """Later messages, answers, decisions, edits, reactions and calls are ignored."""
    said = ana.says("17 10:00", "mmm")
    told = tell(
        said, edited(said, "17 12:01", "price"), reacted(said, "17 12:02"), ana.hears("17 12:03"),
        ana.decided("17 12:04", "won"), ana.call("17 12:05", answered=True), as_of="17 12:00",
    )  # fmt: skip
    assert told.stages == ["unsorted"]
    assert told.waits_since() == iso("17 10:00")


# ---------------------------------------------------------------------- follow-ups


def test_a_silent_quote_is_followed_up_four_times(books: Books, ana: Customer) -> None:
    """«Follow-ups for a person to do: quoted and silent D+1, D+3, D+7, D+14, at most four»."""
    books.tell([ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.decided("17 11:00", "quoted")])
    assert books.ask("SELECT number, due_at, state, lead_id FROM follow_ups ORDER BY number") == [
        (1, iso("18 11:00"), "planned", 1),
        (2, iso("20 11:00"), "planned", 1),
        (3, iso("24 11:00"), "planned", 1),
        (4, iso("12-01 11:00"), "planned", 1),
    ]


def test_an_alert_for_each_follow_up_that_is_still_to_do(ana: Customer) -> None:
    """«Follow-ups for a person to do»: one that is done gives no alert."""
    told = tell(
        ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.decided("17 11:00", "quoted"), ana.hears("20 12:00")
    )
    assert [alert["due_at"] for alert in told.alerts("quote_silent")] == [iso("24 11:00"), iso("12-01 11:00")]


@pytest.mark.parametrize("inbound", ["message", "thanks", "missed call", "answered call"])
def test_any_inbound_cancels(books: Books, ana: Customer, inbound: str) -> None:
    """«quoted and silent D+1, D+3, D+7, D+14, at most four, any inbound cancels»."""
    books.tell([ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.decided("17 11:00", "quoted")])
    books.tell(
        [
            {
                "message": lambda: ana.says("17 12:00", "mmm"),
                "thanks": lambda: ana.says("17 12:00", "acknowledgement"),
                "missed call": lambda: ana.call("17 12:00"),
                "answered call": lambda: ana.call("17 12:00", answered=True),
            }[inbound]()
        ]
    )
    assert books.ask("SELECT DISTINCT state, ended_at FROM follow_ups") == [("cancelled", iso("17 12:00"))]


@pytest.mark.parametrize("stage", ["won", "lost", "contacted"])
def test_another_stage_cancels_them(books: Books, ana: Customer, stage: str) -> None:
    """«quoted and silent»: with another stage the lead is no longer quoted."""
    books.tell([ana.says("17 10:00", "price"), ana.decided("17 11:00", "quoted"), ana.decided("17 12:00", stage)])
    assert books.column("SELECT DISTINCT state FROM follow_ups") == ["cancelled"]


# ---------------------------------------------------------------------- identity


def test_a_lid_and_its_phone_are_one_contact_and_one_lead(books: Books) -> None:
    """«The same identity or a LID-phone mapping given by WhatsApp merges by itself»; «When two contacts with open leads
    merge, the older lead stays and the other ends as `merged`.»
    """
    by_phone, by_lid = Customer(), Customer(wire.ANA_LID)
    books.tell([by_phone.says("17 10:00", "price")])
    books.tell([by_lid.says("17 11:00", "order")])
    assert books.column("SELECT stage FROM leads ORDER BY lead_id") == ["new", "new"]
    mapped = Customer(wire.ANA_LID, phone=wire.ANA, _said=10)
    books.tell([mapped.says("17 12:00", "delivery")])
    assert books.ask("SELECT lead_id, stage, merged_into_id, opened_at FROM leads ORDER BY lead_id") == [
        (1, "new", None, iso("17 10:00")),
        (2, "merged", 1, iso("17 11:00")),
    ]
    assert json.loads(books.column("SELECT topics FROM leads")[0]) == ["price", "order", "delivery"]
    books.rebuild()
    assert books.column("SELECT stage FROM leads ORDER BY lead_id") == ["new", "merged"]


def test_a_lid_known_from_the_start_is_one_contact(ana: Customer) -> None:
    """«The same identity or a LID-phone mapping given by WhatsApp merges by itself»."""
    by_lid = Customer(wire.ANA_LID, phone=wire.ANA)
    told = tell(by_lid.says("17 10:00", "price"), ana.hears("17 10:05"))
    assert told.stages == ["contacted"]
    assert told.waits_since() is None


def test_a_lead_made_by_hand_that_ends_as_merged_is_one_row(books: Books, ana: Customer, beto: Customer) -> None:
    """«the older lead stays and the other ends as `merged`», and «`leads rebuild` gives the same rows»."""
    books.tell([ana.says("17 10:00", "price"), beto.call("17 10:00", outgoing=True), beto.decided("17 11:00", "new")])
    merges.merge(books.db, 1, 2, actor="person", code="by_hand", at=iso("17 12:00"))
    books.project_all()
    before = books.ask("SELECT * FROM leads")
    assert books.column("SELECT stage FROM leads ORDER BY lead_id") == ["new", "merged"]
    books.rebuild()
    assert books.ask("SELECT * FROM leads") == before


def test_a_lead_waits_wherever_its_contact_does() -> None:
    """A lead's «waiting_since» covers all chats of its contact."""
    with_nine, without = Customer("5491155550001@c.us"), Customer("541155550001@c.us")
    told = tell(with_nine.says("17 10:00", "price"), with_nine.hears("17 10:05"), without.says("17 11:00", "order"))
    assert told.lead["waiting_since"] == iso("17 11:00")
    assert told.waits_since(with_nine) is None


def test_a_missed_call_waits_in_the_lead_that_follows(books: Books, ana: Customer) -> None:
    """«A missed call waits but makes no lead»: a lead opened or reopened later takes over that wait."""
    books.tell([ana.call("17 09:50"), ana.says("17 10:00", "price")])
    assert books.ask("SELECT started_at, lead_id FROM waiting_cycles") == [(iso("17 09:50"), 1)]
    books.tell([ana.decided("17 11:00", "lost"), ana.call("17 12:00", call_id="C2"), ana.decided("17 12:30", "quoted")])
    assert books.ask("SELECT stage, reopened FROM leads") == [("quoted", 1)]
    assert books.ask("SELECT lead_id FROM waiting_cycles WHERE ended_at IS NULL") == [(1,)]


def test_two_spellings_of_a_phone_are_one_contact() -> None:
    """«equality is by a match key (Argentina 54 9 = 54, …)»: an answer under one spelling answers the lead of the
    other.
    """
    with_nine, without = Customer("5491155550001@c.us"), Customer("541155550001@c.us")
    told = tell(with_nine.says("17 10:00", "price"), without.says("17 11:00", "order"), without.hears("17 11:05"))
    assert [lead["stage"] for lead in told.open] == ["contacted"]


@pytest.mark.parametrize(
    "chats",
    [
        ("5491155550001@c.us", "541155550001@c.us"), ("5215512345678@c.us", "525512345678@c.us"),
        ("5511987654321@c.us", "551187654321@c.us"),
    ],
)  # fmt: skip
def test_two_spellings_of_a_phone_are_one_thread(chats: tuple[str, str]) -> None:
    """«equality is by a match key (…)» and «the conversation (the one WhatsApp thread)»: messages, answers and
    reactions count together under both spellings.
    """
    one, other = (Customer(chat) for chat in chats)
    asked = [one.says("17 10:00", "price"), other.says("17 10:30", "order")]
    assert tell(*asked).open[0]["waiting_since"] == iso("17 10:00")
    for end in (other.hears("17 11:00"), other.call("17 11:00", answered=True), reacted(asked[1], "17 11:00")):
        told = tell(*asked, end)
        assert (told.alerts("waiting"), told.lead["waiting_since"]) == ([], None)
    told = tell(asked[0], other.hears("17 10:00:30"), one.says("17 10:01", "order"))
    assert told.waits_since(one) == iso("17 10:01")


@pytest.mark.parametrize("joined_first", [True, False])
def test_a_spelling_that_comes_after_a_persons_merge_is_of_that_phone(
    books: Books, ana: Customer, beto: Customer, *, joined_first: bool
) -> None:
    """«The same identity … merges by itself», «capture may be backfilled and out of order»: Beto's second spelling
    counts as Beto from the start, and as Ana only since the merge.
    """
    other = Customer(beto.chat.replace("549", "54"))
    late = [other.says("17 10:00", "price")]
    books.tell([ana.says("17 09:00", "price"), ana.hears("17 09:05"), beto.says("17 09:10", "price")])
    if not joined_first:
        books.tell(late)
    merges.merge(books.db, 1, 2, actor="person", code="by_hand", at=iso("17 12:00"))
    books.project_all().tell(late)
    assert books.ask("SELECT stage, opened_at FROM leads ORDER BY opened_at") == [
        ("contacted", iso("17 09:00")),
        ("merged", iso("17 09:10")),
    ]
    assert books.column("SELECT kind FROM waiting_cycles ORDER BY started_at") == ["first", "first", "first"]


def greeted_within_seconds(customer: Customer) -> list[Line]:
    """A question, and the closed-shop greeting eight seconds later."""
    return [customer.says("18 10:00", "price"), customer.hears("18 10:00:08", "We are closed")]


@pytest.mark.parametrize("other_spelling", ["before the merge", "after it"])
def test_people_that_a_person_merged_count_apart_whenever_their_other_spelling_comes(
    books: Books, beto: Customer, *, other_spelling: str
) -> None:
    """«the same body to three or more contacts», «capture may be backfilled and out of order»: Beto, Caro and Dora were
    three contacts before the merge, and Beto's second spelling is his whenever it is captured.
    """
    caro, dora = Customer("5491155550003@c.us"), Customer("5491155550004@c.us")
    other_beto = Customer(beto.chat.replace("549", "54"))
    books.tell([beto.says("17 09:00", "price"), caro.says("17 09:10", "price")])
    if other_spelling == "before the merge":
        books.tell(greeted_within_seconds(other_beto))
    merged_by_hand(books, caro, beto, "17 12:00")
    if other_spelling == "after it":
        books.tell(greeted_within_seconds(other_beto))
    books.tell([*greeted_within_seconds(caro), *greeted_within_seconds(dora)])
    assert books.column("SELECT author FROM messages WHERE direction = 'out'") == ["auto_reply"] * 3
    assert books.column("SELECT count(*) FROM conversations WHERE waiting_since IS NOT NULL") == [4]


@pytest.mark.parametrize("phone_is_told", ["before the merge", "after it"])
def test_a_person_says_nothing_new_of_two_ids_that_share_a_phone(
    books: Books, ana: Customer, *, phone_is_told: str
) -> None:
    """«equality is by a match key»: a LID with Ana's phone was Ana even before a person merged the two, so an answer to
    one answers both, whenever WhatsApp reveals the phone.
    """
    lid = Customer(wire.ANA_LID)
    told = Customer(lid.chat, phone=ana.chat.replace("549", "54"), _said=10)
    books.tell([ana.says("17 10:00", "price"), lid.says("17 10:30", "order"), ana.hears("17 11:00")])
    if phone_is_told == "before the merge":
        books.tell([told.says("17 13:00", "mmm")])
    with suppress(CannotMerge):
        merged_by_hand(books, ana, lid, "17 12:00")
    if phone_is_told == "after it":
        books.tell([told.says("17 13:00", "mmm")])
    assert books.ask("SELECT stage, topics FROM leads WHERE stage <> 'merged'") == [("contacted", '["price", "order"]')]
    assert books.column("SELECT started_at FROM waiting_cycles WHERE ended_at IS NULL") == [iso("17 13:00")]


@pytest.mark.parametrize("merged_again", [False, True])
def test_two_spellings_that_a_person_parted_are_two_people(
    books: Books, ana: Customer, beto: Customer, *, merged_again: bool
) -> None:
    """Undoing the merge overrides the shared phone, so the two count as separate contacts until a person merges them
    again.
    """
    other_beto = Customer(beto.chat.replace("549", "54"))
    books.tell([beto.says("17 09:00", "price"), other_beto.says("17 09:10", "price")])
    merges.undo(books.db, 1, "person", iso("17 12:00"))
    for customer in (beto, other_beto, ana):
        books.tell(greeted_within_seconds(customer))
    if merged_again:
        merged_by_hand(books, beto, other_beto, "19 12:00")
    assert books.column("SELECT author FROM messages WHERE direction = 'out'") == ["auto_reply"] * 3
    since = "SELECT waiting_since FROM conversations ORDER BY waiting_since"
    assert books.column(since) == [iso("17 09:00"), iso("17 09:10"), iso("18 10:00")]


def test_contacts_without_a_phone_are_not_one_for_want_of_it(books: Books) -> None:
    """«a LID-phone mapping given by WhatsApp merges by itself»: contacts that a person merged with that LID are merged
    too, and one lead stays open.
    """
    lids = [Customer(f"88{number}@lid") for number in (1, 2, 3)]
    ana = Customer()
    books.tell([each.says(f"17 10:0{number}", "price") for number, each in enumerate((lids[0], ana, *lids[1:]))])
    merges.merge(books.db, 3, 1, actor="person", code="by_hand", at=iso("17 12:00"))
    merges.merge(books.db, 3, 4, actor="person", code="by_hand", at=iso("17 12:01"))
    books.project_all()
    books.tell([Customer(lids[0].chat, phone=ana.chat, _said=10).says("17 13:00", "order")])
    assert sorted(books.column("SELECT stage FROM leads")) == ["merged", "merged", "merged", "new"]


def test_a_lid_that_a_person_joined_and_whose_phone_is_told_later_is_of_that_phone(
    books: Books, ana: Customer, beto: Customer
) -> None:
    """«two spellings of one phone» merge by themselves, even if a person merged one of them with a third contact that
    has two spellings as well; one lead stays open.
    """
    lid, other_beto = Customer(wire.ANA_LID), Customer(beto.chat.replace("549", "54"))
    books.tell([lid.says("17 10:00", "mmm"), ana.says("17 10:30", "price"), beto.says("17 11:00", "order")])
    merges.merge(books.db, 3, 1, actor="person", code="by_hand", at=iso("17 11:30"))
    told = Customer(lid.chat, phone=ana.chat.replace("549", "54"), _said=10)
    books.tell([told.says("17 12:00", "mmm"), other_beto.says("17 12:30", "price")])
    assert books.ask("SELECT stage, opened_at FROM leads ORDER BY opened_at") == [
        ("new", iso("17 10:00")),
        ("merged", iso("17 10:30")),
        ("merged", iso("17 11:00")),
    ]


@pytest.mark.parametrize("mapped", ["first", "last"])
def test_two_ids_of_one_person_are_no_two_contacts_that_got_the_same_answer(books: Books, mapped: str) -> None:
    """«same body to several contacts»: these three chats are of two people, whether the mapping comes first or last."""
    people = Customer(wire.ANA), Customer(wire.ANA_LID), Customer(wire.BETO)
    told = []
    for hour, customer in enumerate(people, 10):
        told += [customer.says(f"17 {hour}:00:00", "price"), customer.hears(f"17 {hour}:00:08", "Hola! Ya te paso")]
    mapping = {**Customer(wire.ANA, phone=wire.ANA, lid=wire.ANA_LID).says("17 20:00", "acknowledgement")}
    mapping["id"] = {**mapping["id"], "id": "MAPPED"}
    for line in [mapping, *told] if mapped == "first" else [*told, mapping]:
        books.tell([line])
    assert books.column("SELECT DISTINCT author FROM messages WHERE direction = 'out'") == ["operator"]
    assert books.ask("SELECT stage, first_response_seconds FROM leads WHERE stage <> 'merged'") == [
        ("contacted", 8.0),
        ("contacted", 8.0),
    ]


def test_a_field_of_another_shape_than_the_librarys_is_no_words(books: Books, ana: Customer) -> None:
    """If `reply` is not an object, the message counts as one without text, and the next one is read as usual."""
    books.tell(
        [ana.says("17 10:00", None, message_type="list_response", reply="delivery"), ana.says("17 11:00", "price")]
    )
    assert books.ask("SELECT stage, intent FROM leads") == [("new", "price")]


def test_an_auto_reply_is_one_under_another_spelling_too() -> None:
    """«`auto_reply` and stop no clock», whichever id WhatsApp uses."""
    lines = greeted(3)
    for line, customer in zip(lines[1::2], customers(3), strict=True):
        line["id"]["remote"] = customer.chat.replace("549", "54")
    told = tell(*lines)
    assert told.stages == ["new"] * 3
    assert len(told.alerts("waiting")) == 3


def test_our_two_numbers_are_two_threads(ana: Customer) -> None:
    """«the one WhatsApp thread»: an answer from one of our numbers does not answer a message to the other."""
    told = tell(
        wire.ready(), ana.says("17 10:00", "price"), wire.ready("5491155550999@c.us"), ana.says("17 11:00", "order"),
        ana.hears("17 11:30"),
    )  # fmt: skip
    assert [each["waiting_since"] for each in told.result["conversations"]] == [iso("17 10:00"), None]


def test_a_lid_is_never_read_as_a_phone(books: Books) -> None:
    """«phone may be unknown: never parse a @lid as a phone». A contact without name and phone gets a lead like any
    other.
    """
    books.tell([Customer("5491155550001@lid").says("17 10:00", "price", notify_name=None)])
    assert books.ask("SELECT phone, saved_name, push_name, stage FROM leads JOIN contacts USING (contact_id)") == [
        (None, None, None, "new")
    ]


def test_a_number_that_changes_hands_is_one_chat_until_a_person_says_otherwise(books: Books) -> None:
    """«anything else is proposed»: the same phone with another LID stays one identity, and nothing is lost."""
    before, after = Customer(lid="881@lid"), Customer(lid="882@lid", _said=50)
    books.tell([before.says("2026-01-05 10:00", "price"), before.decided("2026-01-06 10:00", "won")])
    books.tell([after.says("17 10:00", "mmm", notify_name="Somebody else")])
    assert books.column("SELECT count(DISTINCT contact_id) FROM conversations") == [1]
    assert books.column("SELECT stage FROM leads") == ["won"]
    assert books.column("SELECT waiting_since FROM conversations") == [iso("17 10:00")]


# ---------------------------------------------------------------------- derived data


def test_a_classification_is_a_stored_fact(books: Books, ana: Customer) -> None:
    """«Classifications are stored facts that only `rules reclassify` changes»."""
    books.tell([ana.says("17 10:00", "price"), ana.hears("17 10:05"), ana.says("17 11:00", "order")])
    asked = len(books.classifier.asked)
    books.rebuild()
    assert len(books.classifier.asked) == asked
    assert books.ask("SELECT intent, method, source, code FROM classifications ORDER BY first_message_id") == [
        ("price", "rule", "rule price", "rule"),
        ("order", "rule", "rule order", "rule"),
    ]


def test_the_facts_of_two_bursts_are_never_mistaken(books: Books, ana: Customer) -> None:
    """«Classifications are stored facts»: the key of message 2 edited once differs from that of message 21."""
    first, second = ana.says("17 09:00", "greeting"), ana.says("17 09:30", "mmm")
    others = [ana.says(f"17 {10 + number // 10}:{number % 10 * 5:02}", "mmm") for number in range(18)]
    books.tell([first, second, *others, ana.says("17 19:00", "price")])
    assert books.column("SELECT message_id FROM messages WHERE body = 'price'") == [21]
    books.tell([edited(second, "17 19:30", "complaint")])
    assert books.column("SELECT topics FROM leads") == ['["price"]']
    assert books.column("SELECT count(*) FROM classifications WHERE intent = 'complaint'") == [1]


def test_a_bodys_purge_changes_no_lead(books: Books, ana: Customer) -> None:
    """«ad referral and the contact's flags at receipt are columns of the message, since raw payloads and bodies are
    purged».
    """
    books.tell([ana.says("17 10:00", "price"), ana.clicks_ad("17 12:00", "order")])
    before = books.ask("SELECT * FROM leads")
    books.db.execute("UPDATE messages SET body = NULL")
    books.db.execute("DELETE FROM raw_events")
    books.rebuild()
    assert books.ask("SELECT * FROM leads") == before


def test_flags_are_those_at_receipt(books: Books, ana: Customer) -> None:
    """«the contact's flags at receipt»: a customer saved later was a stranger when the first message came."""
    books.tell([ana.says("17 10:00", "mmm")])
    saved = Customer(ana.chat, saved="Ana", _said=10)
    books.tell([saved.says("17 12:00", "mmm")])
    assert books.column("SELECT stage FROM leads") == ["unsorted"]


def test_the_record_is_only_added_to(books: Books, ana: Customer) -> None:
    """«`lead_events` (append-only, with actor and reason)»: late messages add rows and change none."""
    books.tell([ana.says("17 10:00", "price"), ana.hears("17 10:05", "We are closed now")])
    before = books.ask("SELECT * FROM lead_events")
    books.tell(greeted(3, after="10:00:05")[2:])
    late = [ana.says("17 10:04:55", "order")]
    books.tell(late)
    assert books.column("SELECT stage FROM leads WHERE lead_id = 1") == ["new"]
    assert books.ask("SELECT * FROM lead_events")[: len(before)] == before
    stages = books.column(
        "SELECT after FROM lead_events WHERE lead_id = 1 AND kind IN ('opened', 'stage') ORDER BY event_id"
    )
    assert stages == ["new", "contacted", "new"], "the last word of the record is the lead's stage"


def test_a_lead_opens_once_in_the_record_however_its_first_burst_grows(books: Books, ana: Customer) -> None:
    """«`lead_events` (append-only, with actor and reason)»: people greet first and ask seconds later."""
    books.tell([ana.says("17 10:00", "greeting")])
    books.tell([ana.says("17 10:00:20", "price")])
    assert books.ask("SELECT kind, before, after, code, message_id FROM lead_events ORDER BY event_id") == [
        ("opened", None, "unsorted", "stranger", 1),
        ("stage", "unsorted", "new", "commercial", 1),
    ]
    books.rebuild()
    assert books.column("SELECT count(*) FROM lead_events") == [2]


def test_a_lead_that_never_was_one_is_withdrawn_with_a_word(books: Books, ana: Customer) -> None:
    """«`lead_events` (append-only, with actor and reason)»."""
    said = ana.says("17 10:00", "price")
    books.tell([said])
    books.correct(said, "personal")
    books.project_all()
    assert books.ask("SELECT * FROM leads") == []
    assert record(books) == [("opened", None, "new", "commercial"), ("withdrawn", "new", None, "withdrawn")]
    books.db.execute("UPDATE corrections SET undone_at = at")
    books.rebuild()
    assert books.ask("SELECT lead_id, stage FROM leads") == [(1, "new")]
    assert record(books)[2:] == [("stage", None, "new", "recomputed")], "and it comes back with one"


@pytest.mark.parametrize("first", [True, False], ids=["in order", "late"])
def test_late_messages_make_the_same_lead_under_the_same_id(books: Books, ana: Customer, first: bool) -> None:
    """«capture may be backfilled and out of order: `leads rebuild` gives the same rows and keeps `lead_id`»."""
    story = [ana.says("17 10:00", "greeting"), ana.says("17 12:00", "price"), ana.hears("17 12:05")]
    for line in story if first else reversed(story):
        books.tell([line])
    assert books.ask("SELECT lead_id, stage, opened_at, first_response_seconds FROM leads") == [
        (1, "contacted", iso("17 10:00"), 7500.0)
    ]


# ---------------------------------------------------------------------- bad input


BAD: dict[str, dict[str, Any]] = {
    "an empty body": {"text": ""},
    "no body": {"text": None},
    "only emoji": {"text": "😍🔥❤️‍🔥"},
    "a voice note": {"text": None, "message_type": "ptt", "media": {"mimetype": "audio/ogg; codecs=opus"}},
    "60,000 characters": {"text": "mmm " * 15_000},
    "right-to-left marks": {"text": "\u202e\u200f\u2067olleh\u2069\u202c"},
    "a business card": {
        "text": "BEGIN:VCARD\nVERSION:3.0\nFN:Beto\nEND:VCARD", "message_type": "vcard",
        "contact_cards": ["BEGIN:VCARD\nFN:Beto\nEND:VCARD"],
    },
    "an album": {"text": None, "message_type": "album"},
    "a sticker": {"text": None, "message_type": "sticker", "media": {"mimetype": "image/webp"}},
    "a half surrogate": {"text": "price \ud83d"},
    "a zero byte": {"text": "mm\0m"},
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_from_a_stranger_is_a_sensible_lead(ana: Customer, kind: str) -> None:
    """Nothing is lost: the message waits, and a person can look at it."""
    told = tell(ana.says("17 10:00", **BAD[kind]))
    assert told.refused == []
    assert told.lead["stage"] in ("unsorted", "new")
    assert told.waits_since() == iso("17 10:00")


def test_a_business_cards_own_text_is_no_words(ana: Customer) -> None:
    """The text of a contact card is not classified."""
    told = tell(ana.says("17 10:00", "BEGIN:VCARD\nNOTE: price spam\nEND:VCARD", message_type="vcard"))
    assert told.stages == ["unsorted"]
    assert told.waits_since() == iso("17 10:00")


def test_a_message_that_can_not_be_read_yet_waits_and_is_labelled_once_it_can(books: Books, ana: Customer) -> None:
    """Ciphertext opens an `unsorted` lead; once decrypted, the message is labelled and the lead keeps its id."""
    said = ana.says("17 10:00", "price")
    unread = wire.ciphertext(said["id"]["id"], t=said["t"])
    books.tell([{**unread, "at": said["at"]}])
    assert books.ask("SELECT lead_id, stage FROM leads") == [(1, "unsorted")]
    assert books.column("SELECT waiting_since FROM conversations") == [iso("17 10:00")]
    books.tell([said])
    assert books.ask("SELECT lead_id, stage, intent FROM leads") == [(1, "new", "price")]


@pytest.mark.parametrize("t", [0, -1, 4102444800, 1 << 52, None])
def test_a_message_with_a_wrong_clock_is_filed_under_its_capture(ana: Customer, t: int | None) -> None:
    """It waits from the time of its capture, and later messages answer it."""
    wrong = {**ana.says("17 10:00", "price"), "t": t}
    assert tell(wrong).waits_since() == iso("17 10:00:01")
    assert tell(wrong, ana.hears("17 10:05")).stages == ["contacted"]


def test_an_answer_in_the_same_second_comes_after_the_question(ana: Customer) -> None:
    """WhatsApp's times are whole seconds, so within one second the customer's message comes first, in any order of
    capture.
    """
    question, answer = ana.says("17 10:00", "price"), ana.hears("17 10:00")
    assert tell(question, answer).stages == tell(answer, question).stages == ["contacted"]


def test_an_answer_to_a_list_is_what_the_customer_says() -> None:
    """The chosen text is in `reply`, not in the body."""
    ana = Customer()
    told = tell(
        ana.says("17 10:00", None, message_type="list_response", reply={"kind": "list", "id": "1", "text": "delivery"}),
        as_of="17 12:00",
    )
    assert told.lead["intent"] == "delivery"


def test_a_name_without_letters_is_no_name(ana: Customer) -> None:
    """«a *stranger* is unsaved»: an empty name in the address book does not count as saved."""
    assert tell(ana.says("17 10:00", "mmm", contact=wire.contact(name=""))).stages == ["unsorted"]


@pytest.mark.parametrize("place", [0, 1, 2, None])
def test_a_file_may_tell_the_account_anywhere(ana: Customer, place: int | None) -> None:
    """Lines count in the order of capture; a message before and after `ready` is still one message."""
    said = ana.says("17 10:00", "price")
    lines = [said, {**said, "via": "sweep"}]
    if place is not None:
        lines.insert(place, wire.ready())
    told = tell(*lines)
    assert told.stages == ["new"]
    assert len(told.result["conversations"]) == 1


def test_a_decision_for_a_chat_that_is_not_there_is_kept_until_it_is(ana: Customer, beto: Customer) -> None:
    """Lines count in the order of capture, so a chat's first message may come after the decision."""
    assert tell(beto.decided("17 12:00", "won"), ana.says("17 10:00", "price")).stages == ["new"]
    assert tell(ana.decided("17 12:00", "won"), ana.says("17 10:00", "price")).stages == ["won"]


def test_follow_ups_fall_into_opening_hours(books: Books, ana: Customer) -> None:
    """A quote of Friday evening is asked about on Monday morning, not on Saturday, when the shop is closed."""
    books.tell([ana.says("20 10:00", "price"), ana.hears("20 10:05"), ana.decided("20 19:30", "quoted")])
    assert books.column("SELECT due_at FROM follow_ups ORDER BY number") == [
        iso("23 09:00"), iso("23 19:30"), iso("27 19:30"), iso("12-04 19:30"),
    ]  # fmt: skip
