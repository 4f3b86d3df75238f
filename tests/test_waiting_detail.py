"""What it takes to answer somebody who waits, read by indexes alone."""

import json
from datetime import UTC, datetime

import pytest

from leadmasterd.queries import waiting as waiting_queries
from leadmasterd.queries import waiting_detail
from leadmasterd.queries.waiting_detail import wa_number, waiting_details
from leadmasterd.times import iso
from tests.captures import reading
from tests.test_cli_leads import PRICE, Shop
from tests.test_cli_leads import shop as shop


def test_an_answer_is_written_where_whatsapp_knows_the_phone() -> None:
    """In Argentina a mobile has a 9 that people leave out; a LID is no phone."""
    assert wa_number("1@lid", "+5491155550001", ["541155550001@c.us", "5491155550001@c.us"]) == "5491155550001"
    assert wa_number("541155550001@c.us", "+541155550001", ["541155550001@c.us"]) == "541155550001"
    assert wa_number("1@lid", "+5491155550001", []) == "5491155550001"
    assert wa_number("5491155550009@c.us", None, []) == "5491155550009"
    assert wa_number("88001122334455@lid", None, []) is None


def test_their_last_words_are_those_since_they_wait(shop: Shop) -> None:
    """Three of them, the oldest first; what was said before our answer is not shown."""
    shop.hears((1, 90, PRICE), (1, 80, "> $ 5"), *((1, 50 - n, f"y {n}?") for n in range(5)))
    with reading(shop.database) as connection:
        [detail] = waiting_details(connection, [1]).values()
        assert [message["body"] for message in detail["words"]] == ["y 2?", "y 3?", "y 4?"]
        assert detail["last_at"] == detail["words"][-1]["sent_at"]
        assert detail["classified"]
        assert waiting_details(connection, [99]) == {}


@pytest.mark.parametrize(
    "query",
    [
        waiting_queries._WAITING.format(only="", first="v.waiting_since"),
        waiting_detail._DETAILS,
        waiting_detail._WORDS,
    ],
)
def test_no_table_is_read_as_a_whole(shop: Shop, query: str) -> None:
    """With a million messages it takes no longer than with ten."""
    shop.hears((1, 60, PRICE))
    values = {"now": iso(datetime.now(UTC)), "limit": 25, "skip": 0, "ids": json.dumps([1])}
    named = {name: value for name, value in values.items() if f":{name}" in query}
    with reading(shop.database) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", named)]
    small = ("VIRTUAL TABLE", "conversations_waiting", "(subquery")
    assert plan
    assert [line for line in plan if line.startswith("SCAN") and not any(each in line for each in small)] == []
