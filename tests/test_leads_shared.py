"""What people share (products, payments, invitations, events, a status answered), in leads and touchpoints."""

import json
from typing import Any

import pytest

from leadmasterd.classify.intents import Signals
from leadmasterd.classify.loading import load_classifier
from leadmasterd.queries.database import Connection
from leadmasterd.queries.messages import message_list
from tests import captures, wire
from tests.stories import Books, Customer, iso, policy, tell

PACKAGED = load_classifier(None, None)
LAMP = {"product_id": "88", "title": "Lámpara", "price": 45_000_000, "currency": "ARS", "url": None}
SHARED: list[dict[str, Any]] = [
    {"message_type": "product", "product": LAMP},
    {"message_type": "product", "product": {"product_id": None, "title": None}},
    {"message_type": "order", "order": {"order_id": "1", "title": None}},
    {"message_type": "payment", "payment": {"kind": "send", "amount": 45_000, "currency": "BRL"}},
    {"message_type": "payment", "payment": {"kind": "request", "amount": None}},
    {"message_type": "groups_v4_invite", "invitation": {"kind": "group", "name": "Ferias"}},
    {"message_type": "newsletter_follower_invite", "invitation": {"kind": "channel", "name": "Ofertas"}},
    {"message_type": "event_creation", "event": {"name": "Visita", "starts": 1_795_700_000}},
]
IDS = [f"{each['message_type']}-{number}" for number, each in enumerate(SHARED)]
SILENT_WORDS = ("not_interested", "spam", "wrong_number", "acknowledgement", "complaint", "spam~", None)


@pytest.mark.parametrize("words", SILENT_WORDS)
@pytest.mark.parametrize("shared", SHARED, ids=IDS)
def test_what_a_stranger_shares_waits_for_a_person(shared: dict[str, Any], words: str | None) -> None:
    """Whatever the words with it look like: at least `unsorted`, and somebody waits."""
    told = tell(Customer().says("17 10:00", words, **shared))
    assert told.stages == ["unsorted"]
    assert told.waits_since() == iso("17 10:00")


def test_the_same_words_without_anything_shared_open_nothing() -> None:
    """A rule with a reason still silences words alone."""
    told = tell(Customer().says("17 10:00", "not_interested"))
    assert (told.leads, told.waits_since()) == ([], None)


def test_a_payment_after_our_answer_waits_though_its_note_is_thanks() -> None:
    """Money came: somebody must look. Thanks alone would start nothing."""
    ana = Customer()
    before = [ana.says("17 10:00", "price"), ana.hears("17 10:05")]
    paid = ana.says("17 10:10", "acknowledgement", message_type="payment", payment={"kind": "send"})
    assert tell(*before, paid).waits_since() == iso("17 10:10")
    assert tell(*before, ana.says("17 10:10", "acknowledgement")).waits_since() is None


def test_a_person_may_call_anything_shared_noise() -> None:
    """A person's label silences what a rule may not."""
    with Books() as books:
        invitation = Customer().says("17 10:00", "price", message_type="groups_v4_invite")
        books.tell([invitation])
        assert books.column("SELECT stage FROM leads") == ["new"]
        books.correct(invitation, "spam")
        books.project_all()
        assert books.column("SELECT waiting_since FROM conversations") == [None]


@pytest.mark.parametrize("words", ["y este?", "y en blanco?", "hola, este?", "hola", "gracias", "👀", ""])
def test_first_words_about_a_product_are_an_enquiry(words: str) -> None:
    """However little is said: the product says it all."""
    found = PACKAGED.classify([words], Signals(first_contact=True, about_product=True))
    assert found.group == "commercial", found
    assert found.method == "rule"


@pytest.mark.parametrize(
    ("words", "intent"),
    [
        ("gracias!", "acknowledgement"),
        ("no me interesa, gracias", "not_interested"),
        ("y este otro?", "general_enquiry"),
    ],
)
def test_later_words_about_a_product_may_be_thanks_or_a_no(words: str, intent: str) -> None:
    """Only the first ones are always an enquiry."""
    assert PACKAGED.classify([words], Signals(about_product=True)).intent == intent


def test_the_same_words_about_nothing_are_no_enquiry() -> None:
    """The control: the product makes the difference."""
    assert PACKAGED.classify(["y este?"], Signals(first_contact=True)).group != "commercial"


def test_an_answer_about_a_product_opens_a_lead_and_is_a_touchpoint() -> None:
    """By the packaged rules; a message that quotes something else is no touchpoint."""
    ana, beto = Customer(), Customer(chat=wire.BETO)
    quoted = {"id": "product_inquiry:88", "participant": wire.US, "body": None, "message_type": "product"}
    with Books() as books:
        books.projector = type(books.projector)(books.db, lambda: PACKAGED, policy())
        books.tell(
            [
                ana.says("17 10:00", "y este?", quoted={**quoted, "product": LAMP}),
                beto.says("17 10:00", "y este?", quoted={**quoted, "id": "3EB0A9", "body": '"product": {}'}),
            ]
        )
        books.rebuild()
        assert books.column("SELECT stage FROM leads ORDER BY lead_id") == ["new", "unsorted"]
        assert books.ask("SELECT conversation_id, kind, source_id, headline FROM touches") == [
            (1, "product", "88", "Lámpara")
        ]


def test_a_shared_product_and_an_answer_to_our_status_are_touchpoints() -> None:
    """With what they were about; projecting again adds none."""
    ana = Customer()
    status = {"id": "3EB0S", "participant": wire.US, "body": "Llegó la lana \ud83d", "message_type": "chat"}
    with Books() as books:
        books.tell(
            [
                ana.says("17 10:00", None, message_type="product", product=LAMP),
                ana.says("17 10:30", "price", quoted=status, status_reply={"author": wire.US, "id": "3EB0S"}),
                ana.hears("17 11:00", "gracias", status_reply={"author": ana.chat, "id": "3EB0T"}),
            ]
        )
        books.rebuild()
        assert books.ask("SELECT kind, source_id, headline FROM touches ORDER BY at") == [
            ("product", "88", "Lámpara"),
            ("status", "3EB0S", "Llegó la lana \ufffd"),
        ]


def _found(connection: Connection, words: str) -> list[str]:
    return [message["text"] for message in message_list(connection, limit=10, search=words)["messages"]]


def test_what_was_shared_is_found_by_its_words() -> None:
    """Product, invitation, file name, status, contact: but not by our own words for the kind."""
    ana = Customer()
    card = "BEGIN:VCARD\nFN:Beto Ruiz\nEND:VCARD"
    with Books() as books:
        books.tell(
            [
                ana.says("17 10:00", None, message_type="product", product=LAMP),
                ana.says("17 10:01", "y esta?", quoted={"id": "1", "body": None, "product": LAMP}),
                ana.says("17 10:02", "Sumate", message_type="groups_v4_invite", invitation={"name": "Ferias"}),
                ana.says("17 10:03", None, message_type="document", media={"filename": "Ficha.PDF"}),
                ana.says("17 10:04", None, message_type="vcard", contact_cards=[card]),
                ana.says("17 10:05", "lindo", quoted={"id": "2", "body": "Llegó la lana"}, status_reply={"id": "2"}),
            ]
        )
        assert _found(books.db, "lampara") == [
            "[product: Lámpara, ARS 45000]",
            "[about a product: Lámpara, ARS 45000] y esta?",
        ]
        assert _found(books.db, "ferias") == ["[invitation to a group: Ferias] Sumate"]
        assert _found(books.db, "ficha.pdf") == ["[document: Ficha.PDF]"]
        assert _found(books.db, "RUIZ") == ["[contact: Beto Ruiz]"]
        assert _found(books.db, "la lana") == ["[answer to our status: Llegó la lana] lindo"]
        assert _found(books.db, "invitation") == _found(books.db, "document") == []


def test_a_message_whose_details_were_purged_still_reads() -> None:
    """The type alone gives a line."""
    with Books() as books:
        books.tell([Customer().says("17 10:00", None, message_type="product", product=LAMP)])
        books.db.execute("UPDATE messages SET details = NULL")
        [message] = message_list(books.db, limit=1)["messages"]
        assert message["text"] == "[product]"
        assert json.dumps(message)


def vote(names: list[str], *, selected: list[int] | None = None) -> dict[str, Any]:
    """The fields of a vote."""
    chosen = list(range(len(names))) if selected is None else selected
    return {
        "message_type": "poll_vote",
        "poll_vote": {"poll": "3EB0P", "question": "¿Qué día?", "selected": chosen, "options": names},
    }


def test_a_vote_on_our_poll_is_what_its_voter_says() -> None:
    """It waits like an answer in words; one that was taken back says nothing."""
    ana = Customer()
    asked = [ana.says("17 10:00", "price"), ana.hears("17 10:05", "¿Qué día?", message_type="poll_creation")]
    told = tell(*asked, ana.says("17 10:10", "Martes", **vote(["Martes"])))
    assert told.waits_since() == iso("17 10:10")
    assert tell(*asked, ana.says("17 10:10", None, **vote([]))).waits_since() is None
    assert tell(*asked, ana.says("17 10:10", None, **vote([], selected=[3]))).waits_since() == iso("17 10:10")


def test_our_own_vote_ends_the_waiting_and_is_no_response() -> None:
    """As a reaction does: a tap answers no words."""
    ana = Customer()
    told = tell(ana.says("17 10:00", "price"), ana.hears("17 10:05", "Martes", **vote(["Martes"])))
    assert told.waits_since() is None
    assert told.lead["first_response_seconds"] is None
    assert told.stages == ["new"]


def test_votes_that_only_a_sweep_finds_say_nothing_about_the_live_path() -> None:
    """Another table and another event: they neither prove it dead nor move what counts as read."""
    with Books() as books:
        found = Customer().says("17 10:00", "Martes", via="sweep", **vote(["Martes"]))
        books.capture(found)
        done = wire.line(
            "sweep_done",
            sweep=1,
            started_at=1,
            chats=1,
            looked_at=1,
            messages=0,
            failed=0,
            oldest=None,
            newest=None,
            error=None,
        )
        books.db.execute("BEGIN")
        result = books.rows.apply([captures.item(done, now=found["at"] / 1000 + 60, text=None)])
        books.db.execute("COMMIT")
        assert [outcome.undelivered for outcome in result.sweeps_done] == [0]
        assert books.column("SELECT swept_through_at FROM accounts") == [None]
        assert books.column("SELECT body FROM messages") == ["Martes"]
