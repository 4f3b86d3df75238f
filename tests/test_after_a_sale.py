"""The two days after `won`: how to pay, fetch or find the shop belongs to the sale; a plainly new enquiry does not."""

from collections.abc import Iterator

import pytest

from leadmasterd.leads.fold import OF_THE_SALE_MS
from tests.stories import Books, Customer, Line, edited, iso, tell

MINUTE_MS = 60_000


@pytest.fixture
def ana() -> Customer:
    """A stranger."""
    return Customer()


@pytest.fixture
def books() -> Iterator[Books]:
    """Empty tables."""
    with Books() as books:
        yield books


def sold(customer: Customer, won: str = "18 12:00") -> list[Line]:
    """They asked, were answered, and bought."""
    return [customer.says("18 10:00", "price"), customer.hears("18 10:05"), customer.decided(won, "won")]


@pytest.mark.parametrize("what", ["payment", "delivery", "business_info", "appointment", "callback"])
def test_how_to_pay_fetch_or_get_there_belongs_to_the_sale_just_made_and_waits(ana: Customer, what: str) -> None:
    """A question waits; no second enquiry is made of it, however sure a rule is."""
    told = tell(*sold(ana), ana.says("18 15:00", what))
    assert told.stages == ["won"]
    assert told.waits_since() == iso("18 15:00")


@pytest.mark.parametrize("what", ["price", "availability", "order", "general_enquiry"])
def test_a_plainly_new_enquiry_is_a_new_lead_even_minutes_after_the_sale(ana: Customer, what: str) -> None:
    """It follows the sale."""
    told = tell(*sold(ana), ana.says("18 12:20", what))
    assert told.stages == ["won", "new"]
    assert told.leads[1]["previous_lead_id"] == told.leads[0]["lead_id"]


def test_an_ad_is_a_new_enquiry_whatever_the_words_say(ana: Customer) -> None:
    """«An ad referral opens whatever the words say»."""
    assert tell(*sold(ana), ana.clicks_ad("18 15:00", "payment")).stages == ["won", "new"]


@pytest.mark.parametrize(
    ("at", "stages"), [("20 12:00", ["won"]), ("20 12:00:01", ["won", "new"]), ("12-20 12:00", ["won", "new"])]
)
def test_after_forty_eight_hours_a_payment_is_a_new_enquiry(ana: Customer, at: str, stages: list[str]) -> None:
    """Both sides of the bound."""
    assert OF_THE_SALE_MS == 48 * 60 * MINUTE_MS
    assert tell(*sold(ana), ana.says(at, "payment")).stages == stages


@pytest.mark.parametrize("stage", ["lost", "dormant"])
def test_only_a_sale_has_things_to_be_paid_and_fetched(ana: Customer, stage: str) -> None:
    """Who was lost and asks how to pay has come back."""
    told = tell(ana.says("18 10:00", "price"), ana.decided("18 12:00", stage), ana.says("18 15:00", "payment"))
    assert (told.stages, told.lead["reopened"]) == (["new"], 1)


@pytest.mark.parametrize(
    ("words", "stages"),
    [
        ("appointment otro para mi hija", ["won", "new"]),
        ("appointment TAMBIÉN el jueves", ["won", "new"]),
        ("appointment otro día", ["won"]),
        ("payment con otra tarjeta", ["won"]),
    ],
)
def test_one_more_appointment_is_a_new_enquiry(ana: Customer, words: str, stages: list[str]) -> None:
    """Another day for the same thing, or another card, is not."""
    assert tell(*sold(ana), ana.says("18 15:00", words)).stages == stages


def test_once_a_new_enquiry_is_open_a_payment_is_a_topic_of_it(ana: Customer) -> None:
    """«A new topic while one is open is an event on it»."""
    told = tell(*sold(ana), ana.says("18 12:20", "price"), ana.says("18 15:00", "payment"))
    assert told.stages == ["won", "new"]


def test_thanks_and_after_sale_talk_stay_what_they_were(ana: Customer) -> None:
    """«After closing: thanks are nothing; after-sale talk is a task, not a lead»."""
    assert tell(*sold(ana), ana.says("18 15:00", "acknowledgement")).waits_since() is None
    told = tell(*sold(Customer()), ana.says("18 15:00", "complaint"))
    assert (told.stages, told.waits_since()) == (["won"], iso("18 15:00"))


def test_a_payment_captured_before_the_sale_was_decided_is_judged_by_when_it_was_sent(books: Books) -> None:
    """In any order of capture: what makes it belong to the sale is the history, not what was known first."""
    ana = Customer()
    asked, answered, won = sold(ana)
    paid = ana.says("18 15:00", "payment")
    books.tell([asked, paid]).tell([answered]).tell([won])
    assert books.column("SELECT stage FROM leads") == ["won"]


def test_an_edit_of_a_payment_after_the_sale_makes_no_enquiry_of_it(books: Books) -> None:
    """Neither as it is now nor as it was."""
    ana = Customer()
    lines = sold(ana)
    paid = ana.says("18 15:00", "payment")
    books.tell([*lines, paid, edited(paid, "18 15:01", "payment yes")])
    assert books.column("SELECT stage FROM leads") == ["won"]
