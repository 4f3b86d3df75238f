"""Which of our own messages nobody typed, told by when they went out and to how many. In any order of capture."""

import random
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pytest

from leadmasterd.store import merges
from tests import wire
from tests.depth import examples
from tests.stories import Books, Customer, Line, edited, iso

GREETING = "¡Bienvenida a Vivero Norte! Atendemos de martes a domingo de 10 a 19; contanos qué planta buscás."
PRICES = "El limonero en maceta sale 18 mil"
PICTURE = {"mimetype": "image/jpeg", "filehash": "Zm90byBkZWwgdml2ZXJv"}


@pytest.fixture
def books() -> Iterator[Books]:
    """Empty tables."""
    with Books() as books:
        yield books


def customers(count: int) -> list[Customer]:
    """Strangers."""
    return [Customer(f"549115555040{number}@c.us") for number in range(count)]


def at(second: float, hour: int = 10) -> str:
    """So many seconds after the full hour, on the 18th."""
    return f"18 {hour:02}:{int(second) // 60:02}:{int(second) % 60:02}"


def served(delays: Sequence[int], body: str | None, **fields: Any) -> list[list[Line]]:
    """One customer asks every three minutes, and gets this after so many seconds."""
    return [
        [who.says(at(180 * number), "price"), who.hears(at(180 * number + delay), body, **fields)]
        for number, (who, delay) in enumerate(zip(customers(len(delays)), delays, strict=True))
    ]


def authors(books: Books) -> list[str]:
    """Those of our own messages, by when they were sent."""
    return books.column("SELECT author FROM messages WHERE direction = 'out' ORDER BY sent_at, stanza_id")


def waiting(books: Books) -> int:
    """How many wait."""
    return int(books.column("SELECT count(*) FROM conversations WHERE waiting_since IS NOT NULL")[0])


def told_in_any_order(lines: Sequence[Line], expected: list[str]) -> None:
    """Capture these in many orders, projecting now and then, and rebuild: the authors are always the same."""
    for seed in range(examples(8)):
        draw = random.Random(seed)
        with Books() as books:
            for line in draw.sample(lines, len(lines)):
                books.capture(line)
                if draw.random() < 0.4:
                    books.project_some(draw.randint(1, 3))
            assert authors(books.project_all()) == expected, seed
            before = books.ask("SELECT * FROM sent_bodies"), books.ask("SELECT * FROM automatic_bodies")
            books.rebuild()
            assert (authors(books), books.ask("SELECT stage FROM leads WHERE stage <> 'contacted'")) == (
                expected,
                [("new",)] * waiting(books),
            )
            assert (books.ask("SELECT * FROM sent_bodies"), books.ask("SELECT * FROM automatic_bodies")) == before


# ---------------------------------------------------------------------- what no hand sends


def test_what_is_known_for_a_machines_is_so_however_late_it_comes() -> None:
    """Three within seconds, then the phone is slow, and once it was off."""
    lines = list(chain.from_iterable(served([7, 10, 8, 25, 170], PRICES)))
    told_in_any_order(lines, ["auto_reply"] * 5)


def test_the_same_to_many_at_once_is_a_machines_however_old_the_questions() -> None:
    """A phone that was off all night sends its greetings on waking."""
    people = customers(4)
    asked = [who.says(at(600 * number, hour=2), "price") for number, who in enumerate(people)]
    told = [who.hears(at(3 * number, hour=9), PRICES) for number, who in enumerate(people)]
    told_in_any_order([*asked, *told], ["auto_reply"] * 4)


def test_the_same_file_without_words_is_one_too() -> None:
    """A greeting may be a picture; its hash tells."""
    lines = list(chain.from_iterable(served([4, 9, 6], None, message_type="image", media=PICTURE)))
    told_in_any_order(lines, ["auto_reply"] * 3)


def test_what_new_contacts_were_sent_is_compared_when_they_are_read_together(books: Books) -> None:
    """All of them are judged by one call: what three were sent is a machine's, what only one was sent is not."""
    lines = list(chain.from_iterable(served([7, 10, 8], PRICES)))
    own = [who.hears(at(3_000 + number), f"{PRICES}, {number} de oferta") for number, who in enumerate(customers(3))]
    books.capture(*lines, *own)
    assert books.project_some()
    assert authors(books.project_all()) == [*["auto_reply"] * 3, *["operator"] * 3]
    assert len(books.ask("SELECT * FROM automatic_bodies")) == 1
    assert books.column("SELECT count(*) FROM sent_bodies") == [6]


def test_what_is_too_long_to_be_typed_so_fast_is_a_machines_even_to_one_person() -> None:
    """A quiet shop's first customer was not answered either."""
    told_in_any_order(list(chain.from_iterable(served([5], GREETING))), ["auto_reply"])


def test_after_the_machine_a_person_answers(books: Books) -> None:
    """The first response is the person's, though the burst goes on."""
    [who] = customers(1)
    books.tell([who.says(at(0), "price"), who.hears(at(3), GREETING), who.says(at(20), "order")])
    assert (authors(books), waiting(books)) == (["auto_reply"], 1)
    books.tell([who.hears(at(300), "Hola Inés! quedan tres")])
    assert authors(books) == ["auto_reply", "operator"]
    assert books.column("SELECT first_response_seconds FROM leads") == [300.0]
    assert books.column("SELECT count(*) FROM waiting_cycles") == [1]


def test_a_machine_that_edits_its_greeting_is_judged_by_what_it_sent(books: Books) -> None:
    """As every own message."""
    [[asked, told]] = served([3], GREETING)
    books.tell([asked, told, edited(told, at(90), "ok")])
    assert authors(books) == ["auto_reply"]


# ---------------------------------------------------------------------- what a person does


@pytest.mark.parametrize(
    ("delays", "body", "fields"),
    [
        ([40, 55, 120, 65], PRICES, {}),
        ([11, 12, 14, 11], PRICES, {}),
        ([2, 3, 2, 4], "sí, tenemos!", {}),
        ([2, 3, 2], None, {"message_type": "sticker", "media": PICTURE}),
        ([20, 30, 25], None, {"message_type": "image", "media": PICTURE}),
        ([6, 9], PRICES, {}),
        ([3, 3, 3], PRICES, {"forwarded": True}),
        ([3], GREETING, {"forwarded": True}),
        ([6], GREETING, {}),
        ([2], "https://maps.example.com/vivero-norte-avenida-libertador-entrada-sur", {}),
    ],
    ids=[
        "typed minutes after each question", "a saved reply, after ten seconds", "a quick yes", "a quick sticker",
        "a picture after a while", "two people", "forwarded", "long and forwarded", "long, after six seconds",
        "a pasted link",
    ],
)  # fmt: skip
def test_what_a_hand_can_do_is_the_operators(delays: list[int], body: str | None, fields: dict[str, Any]) -> None:
    """Each a control for one sign of a machine."""
    told_in_any_order(list(chain.from_iterable(served(delays, body, **fields))), ["operator"] * len(delays))


def test_a_line_forwarded_by_hand_to_several_at_once_answers_them(books: Books) -> None:
    """Who forwards has read the questions and chosen the line."""
    people = customers(3)
    books.tell(who.says(at(60 * number), "price") for number, who in enumerate(people))
    books.tell(who.hears(at(900 + number), PRICES, forwarded=True) for number, who in enumerate(people))
    assert (authors(books), waiting(books)) == (["operator"] * 3, 0)


def test_pasted_into_three_chats_one_after_the_other_is_by_hand(books: Books) -> None:
    """Five seconds for each chat."""
    people = customers(3)
    books.tell(who.says(at(60 * number), "price") for number, who in enumerate(people))
    books.tell(who.hears(at(900 + 5 * number), PRICES) for number, who in enumerate(people))
    assert authors(books) == ["operator"] * 3


def test_a_saved_reply_that_was_now_and_then_quick_stays_the_operators(books: Books) -> None:
    """Three of twelve within seconds, with the chat open."""
    books.tell(chain.from_iterable(served([8, 9, 8, *[90] * 6], PRICES)))
    assert authors(books) == ["auto_reply"] * 9
    more = [Customer(f"549115555050{number}@c.us") for number in range(3)]
    for number, who in enumerate(more):
        books.tell([who.says(at(0, hour=12 + number), "price"), who.hears(at(120, hour=12 + number), PRICES)])
    assert authors(books) == ["operator"] * 12
    assert waiting(books) == 0


def test_whoever_writes_while_we_type_did_not_get_a_machine(books: Books) -> None:
    """The operator had begun before they wrote again, or while they wrote their first lines."""
    [who, other] = customers(2)
    long = "Te cuento: los de interior van sin sol directo y se riegan una vez por semana, no más que eso"
    books.tell([who.says(at(0), "price"), who.hears(at(30), "Hola!"), who.says(at(60), "mmm"), who.hears(at(63), long)])
    books.tell([other.says(at(0), "mmm"), other.says(at(25), "price"), other.hears(at(28), long)])
    assert authors(books) == ["operator"] * 3


# ---------------------------------------------------------------------- persons


def test_three_chats_of_two_people_are_two_people(books: Books) -> None:
    """As soon as WhatsApp says so, and their answers become answers again."""
    beto, caro, lid = Customer(wire.BETO), Customer("5491155550003@c.us"), Customer(wire.ANA_LID)
    for number, who in enumerate((beto, caro, lid)):
        books.tell([who.says(at(180 * number), "price"), who.hears(at(180 * number + 6), PRICES)])
    assert authors(books) == ["auto_reply"] * 3
    books.tell([Customer(wire.ANA_LID, phone=wire.BETO, _said=10).says("18 12:00", "mmm")])
    assert authors(books) == ["operator"] * 3
    assert books.ask("SELECT * FROM automatic_bodies") == []


def test_people_merged_by_hand_were_three_when_it_was_sent(books: Books) -> None:
    """A merge by hand counts from its own time on, and undoing it changes nothing."""
    lines = list(chain.from_iterable(served([5, 6, 7], PRICES)))
    books.tell(lines)
    merge = merges.merge(books.db, 1, 2, actor="person", code="by_hand", at=iso("18 12:00"))
    assert authors(books.project_all()) == ["auto_reply"] * 3
    merges.undo(books.db, merge, "person", iso("18 13:00"))
    assert authors(books.project_all()) == ["auto_reply"] * 3


def test_a_message_that_is_erased_proves_nothing_any_more(books: Books) -> None:
    """Its row goes with it; the others are judged when their conversation is looked at next."""
    books.tell(chain.from_iterable(served([5, 6, 7], PRICES)))
    books.db.execute("DELETE FROM messages WHERE direction = 'out' AND conversation_id = 1")
    books.rebuild()
    assert authors(books) == ["operator"] * 2
