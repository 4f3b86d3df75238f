"""Open leads by stage: what is stuck, what nobody has planned anything for, and which quotes nobody answered."""

import sqlite3
from collections.abc import Mapping
from typing import Any

import pytest

from leadmasterd import times
from leadmasterd.leads.stages import OPEN
from leadmasterd.queries.board import Board, BoardColumn, Only, board
from tests.stories import Books, Customer, iso, moment

ANA, BETO, CARO, DORA, EMA = (Customer(f"549115555000{number}@c.us") for number in range(1, 6))
NOW = moment("30 12:00")


def told(*lines: dict[str, Any], days: int = 14, limit: int = 20, only: Only | None = None) -> Board:
    """The board of a story on the 30th, a Monday, at noon."""
    with Books() as books:
        books.tell(lines)
        return board(books.db, NOW, days=days, limit=limit, only=only)


def column(found: Board, stage: str) -> BoardColumn:
    """One stage."""
    return next(each for each in found["columns"] if each["stage"] == stage)


def people(found: BoardColumn) -> list[str]:
    """Whose cards there are."""
    return [card["chat"] for card in found["cards"]]


def numbers(found: BoardColumn) -> tuple[int, int, int, int]:
    """How many, stuck, unplanned, silent."""
    return found["leads"], found["stuck"], found["unplanned"], found["silent"]


def some_of_everything() -> list[dict[str, Any]]:
    """Ana waits, Beto was answered long ago, Caro lately; Dora and Ema were quoted, and Ema has written since."""
    return [
        ANA.says("30 11:00", "price"),
        BETO.says("10 10:00", "price"), BETO.hears("10 10:05"),
        CARO.says("29 10:00", "price"), CARO.hears("29 10:05"),
        DORA.says("02 10:00", "price"), DORA.hears("02 10:05"), DORA.decided("02 11:00", "quoted"),
        EMA.says("20 10:00", "price"), EMA.hears("20 10:05"), EMA.decided("20 11:00", "quoted"),
        EMA.says("21 10:00", "acknowledgement"),
    ]  # fmt: skip


def test_every_open_stage_is_a_column_with_its_numbers() -> None:
    """In the order of a sale, also where nobody is; the longest in a stage first."""
    found = told(*some_of_everything())
    assert [each["stage"] for each in found["columns"]] == [*OPEN]
    assert {each["stage"]: people(each) for each in found["columns"]} == {
        "unsorted": [],
        "new": [ANA.chat],
        "contacted": [BETO.chat, CARO.chat],
        "qualified": [],
        "quoted": [DORA.chat, EMA.chat],
    }
    assert numbers(column(found, "new")) == (1, 0, 0, 0)
    assert numbers(column(found, "contacted")) == (2, 1, 2, 0)
    assert numbers(column(found, "quoted")) == (2, 1, 1, 1)
    assert (found["days"], found["unjudged"], found["as_of"]) == (14, 0, times.iso(NOW))


def test_a_card_tells_since_when_and_what_is_next() -> None:
    """Waiting, a follow-up, or nothing."""
    found = told(*some_of_everything())
    [ana] = column(found, "new")["cards"]
    assert (ana["waiting_since"], ana["overdue"], ana["unplanned"]) == (iso("30 11:00"), True, False)
    beto, caro = column(found, "contacted")["cards"]
    assert (beto["stage_at"], beto["stuck"], beto["unplanned"]) == (iso("10 10:05"), True, True)
    assert (caro["stuck"], caro["waiting_since"]) == (False, None)
    dora, ema = column(found, "quoted")["cards"]
    assert (dora["silent"], dora["unplanned"]) == (True, False)
    assert str(dora["follow_up_at"]) < times.iso(NOW)
    assert (ema["silent"], ema["unplanned"]) == (False, True)
    assert (ema["last_message_at"], ema["stage_at"]) == (iso("21 10:00"), iso("20 11:00"))


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        ("stuck", {"contacted": [BETO.chat], "quoted": [DORA.chat]}),
        ("unplanned", {"contacted": [BETO.chat, CARO.chat], "quoted": [EMA.chat]}),
        ("silent", {"quoted": [DORA.chat]}),
    ],
)
def test_only_those_that_were_asked_for_have_cards(only: Only, chosen: Mapping[str, list[str]]) -> None:
    """The numbers stay those of all."""
    found = told(*some_of_everything(), only=only)
    for each in found["columns"]:
        assert people(each) == chosen.get(each["stage"], [])
        assert each["chosen"] == len(each["cards"])
    assert [numbers(each) for each in found["columns"]] == [
        numbers(each) for each in told(*some_of_everything())["columns"]
    ]


def test_how_long_is_stuck_can_be_chosen() -> None:
    """A lead is stuck when it has been in its stage for so many days, whatever was said meanwhile."""
    found = told(*some_of_everything(), days=1)
    assert [card["stuck"] for card in column(found, "contacted")["cards"]] == [True, True]
    assert numbers(column(found, "quoted"))[1] == 2
    assert column(told(*some_of_everything(), days=30), "contacted")["stuck"] == 0


def test_a_column_shows_the_longest_and_counts_all() -> None:
    """At most so many cards."""
    customers = [Customer(f"54911555500{number}@c.us") for number in range(10, 40)]
    lines = [customer.says(f"17 10:{number:02}", "price") for number, customer in enumerate(customers)]
    new = column(told(*lines, limit=5), "new")
    assert (new["leads"], new["chosen"], people(new)) == (30, 30, [each.chat for each in customers[:5]])


def test_a_closed_lead_is_on_no_board() -> None:
    """Nor does it count."""
    found = told(ANA.says("17 10:00", "price"), ANA.decided("17 11:00", "won"))
    assert [numbers(each) for each in found["columns"]] == [(0, 0, 0, 0)] * len(OPEN)


def test_the_numbers_are_those_of_the_cards_at_any_size() -> None:
    """Counted by an index and by what is left, they are what counting card by card gives."""
    with Books() as books:
        lines = []
        for number in range(40):
            customer = Customer(f"5491155550{number:03}@c.us")
            day = number % 28 + 1
            lines.append(customer.says(f"{day:02} 10:00", "price"))
            if number % 3:
                lines.append(customer.hears(f"{day:02} 10:05"))
            if number % 4 == 1:
                lines.append(customer.decided(f"{day:02} 11:00", "quoted"))
            if number % 5 == 1:
                lines.append(customer.says(f"{day + 1:02} 10:00", "price"))
            if number % 7 == 1:
                lines.append(customer.decided(f"{day + 1:02} 11:00", "qualified"))
        books.tell(lines)
        found = board(books.db, NOW, days=10, limit=100)
        for each in found["columns"]:
            cards = each["cards"]
            flags = ("stuck", "unplanned", "silent")
            assert numbers(each) == (len(cards), *(sum(card[flag] for card in cards) for flag in flags))  # type: ignore[literal-required]
        assert all(sum(numbers(each)[place] for each in found["columns"]) for place in range(4))


def test_no_count_reads_the_leads_one_by_one() -> None:
    """Open leads are counted, and the first found, in an index: at 50,000 of them a page must not take longer."""
    with Books() as books:
        books.tell([ANA.says("30 11:00", "price")])
        statements: list[str] = []
        books.db.set_trace_callback(statements.append)
        board(books.db, NOW, days=14, limit=20)
        books.db.set_trace_callback(None)
        plans = [step for each in statements for step in plan(books.db, each)]
    [counted] = [step for step in plans if "leads_by_stage (closed_at=?)" in step]
    assert counted.startswith("SEARCH leads USING COVERING INDEX")
    assert [step for step in plans if "leads_by_stage (closed_at=? AND stage=?)" in step]
    assert not [step for step in plans if step.startswith("SCAN l") and "INDEX" not in step]


def plan(db: sqlite3.Connection, statement: str) -> list[str]:
    """What SQLite does for it."""
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]


def test_a_board_before_anything_was_captured_is_empty() -> None:
    """All stages, and nobody in them."""
    with Books() as books:
        found = board(books.db, NOW, days=1, limit=1)
    assert [each["cards"] for each in found["columns"]] == [[]] * len(OPEN)
