"""What a person types into the search: words, beginnings of words, names and parts of a phone, and never a language."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.queries import search as search_module
from leadmasterd.queries.database import rows
from leadmasterd.queries.search import Found, Piece, excerpt, search
from leadmasterd.store.word_index import fill
from leadmasterd.text import places_of, words
from tests import wire
from tests.captures import Store, opened
from tests.waiting import LIMIT

PEOPLE: dict[str, str | None] = {
    "5491155550001@c.us": "Ana Gómez",
    "5491155550002@c.us": "Ñusta Núñez",
    "5493515550003@c.us": "José María del Campo",
    "5215555550004@c.us": "Guadalupe",
    "5491155551515@c.us": None,
}
BODIES = ("hola", "quiero precio de la mesa", "¿hacen envíos a Córdoba?")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Five customers, three messages each, all indexed; and one message that is not indexed yet."""
    path = tmp_path_factory.mktemp("search") / "leadmaster.db"
    lines = [
        wire.message(
            f"{chat}-{number}",
            chat=chat,
            t=wire.NOON + who * 10 + number,
            body=body,
            notify_name=None,
            contact=wire.contact(name=name),
        )
        for who, (chat, name) in enumerate(PEOPLE.items())
        for number, body in enumerate(BODIES)
    ]
    with opened(path) as store:
        store.write(*lines)
        while store.writer.call(lambda connection, _rows: fill(connection, least=1)).result(LIMIT):
            pass
        store.write(
            wire.message("new", chat="5491155550001@c.us", t=wire.NOON + 999, body="recién llegado", notify_name=None)
        )
        yield store


@contextmanager
def reading(store: Store) -> Iterator[sqlite3.Connection]:
    """A connection of its own."""
    with closing(sqlite3.connect(store.path)) as connection:
        yield connection


def ask(store: Store, typed: str, **how: Any) -> Found:
    """The answer, in Argentina."""
    with reading(store) as connection:
        return search(connection, typed, country="AR", **how)


def names(answer: Found) -> list[str]:
    """Who fits, by name."""
    return [person["who"] for person in answer["people"]]


def chats(answer: Found) -> list[str]:
    """Where words fit, by chat."""
    return [each["chat"] for each in answer["conversations"]]


# ---------------------------------------------------------------------- messages


def test_hits_are_grouped_by_conversation_the_newest_first(shop: Store) -> None:
    answer = ask(shop, "envio")
    assert chats(answer) == list(reversed(PEOPLE))
    assert [len(each["hits"]) for each in answer["conversations"]] == [1] * 5


def test_all_words_have_to_fit(shop: Store) -> None:
    assert chats(ask(shop, "precio mesa"))
    assert chats(ask(shop, "mesa prec"))
    assert not chats(ask(shop, "precio silla"))


def test_what_was_captured_a_moment_ago_is_found(shop: Store) -> None:
    assert chats(ask(shop, "recien")) == ["5491155550001@c.us"]


@pytest.mark.parametrize(("table", "column", "before"), [
    ("messages", "message_id", "FROM messages WHERE message_id"),
    ("conversations", "conversation_id", "FROM conversations v"),
])  # fmt: skip
def test_what_is_merged_away_while_it_is_searched_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, column: str, before: str
) -> None:
    """The daemon may merge two messages or two chats between two queries of one search: each sees what is committed."""
    with opened(tmp_path / "leadmaster.db") as store:
        for number, chat in enumerate(("5491155550001@c.us", "5491155550002@c.us")):
            store.write(wire.message(f"m{number}", chat=chat, t=wire.NOON + number, body="hola"))

        def rows_after_a_merge(connection: sqlite3.Connection, query: str, **named: object) -> list[dict[str, Any]]:
            if before in query and named["ids"] != "[]":
                with closing(sqlite3.connect(store.path, isolation_level=None)) as daemon:
                    daemon.execute(f"DELETE FROM {table} WHERE {column} = (SELECT max({column}) FROM {table})")
            return rows(connection, query, **named)

        monkeypatch.setattr(search_module, "rows", rows_after_a_merge)
        assert chats(ask(store, "hola")) == ["5491155550001@c.us"]


def test_what_was_found_is_marked_in_its_own_letters(shop: Store) -> None:
    [first, *_] = ask(shop, "envio cord")["conversations"]
    assert first["hits"][0]["excerpt"] == [
        {"text": "¿hacen ", "found": False},
        {"text": "envío", "found": True},
        {"text": "s a ", "found": False},
        {"text": "Córd", "found": True},
        {"text": "oba?", "found": False},
    ]


def test_one_conversation_shows_three_and_says_how_many_more_fit(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "HITS", 1)
    [one, *_] = ask(shop, "h")["conversations"]
    assert (len(one["hits"]), one["more"]) == (1, 1)


def test_older_ones_follow_without_a_gap_or_a_repetition(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [hit["message_id"] for each in ask(shop, "h")["conversations"] for hit in each["hits"]]
    monkeypatch.setattr(search_module, "CONVERSATIONS", 2)
    monkeypatch.setattr(search_module, "_EXAMINED", 3)
    seen: list[int] = []
    before = None
    for _ in range(20):
        answer = ask(shop, "h", before=before)
        seen += [hit["message_id"] for each in answer["conversations"] for hit in each["hits"]]
        before = answer["older"]
        if before is None:
            break
    assert seen == whole
    assert len(whole) == 10


@pytest.mark.parametrize(
    "typed",
    [
        '"', "'", '"hola', 'hola"', "hola AND precio", "hola NEAR precio", "NEAR(hola precio)", "hola*", "*", "-hola",
        "^hola", "words:hola", "hola:", "(hola", "hola)", "{hola} :", "hola + precio", "\0", "hola\0precio", "%", "_",
        "hola%", "\ud800", "'; DROP TABLE messages; --", "  ", "", "🙂", "\u202ehola", "hola OR",
        "NOT", "a" * 70_000, "x " * 9_000,
    ],
)  # fmt: skip
def test_nothing_that_is_typed_is_a_language(shop: Store, typed: str) -> None:
    """Each is words and digits, or nothing, and finds what these find."""
    answer = ask(shop, typed)
    assert not answer["damaged"]
    if words(typed) == ["hola"]:
        assert len(chats(answer)) == 5
    if not words(typed):
        assert not chats(answer)
        assert not names(answer)


def test_a_middle_of_words_long_text_is_cut_around_what_was_found() -> None:
    text = "relleno " * 5000 + "aguja " + "paja " * 5000
    found = excerpt(text, ["aguja"])
    assert sum(len(piece["text"]) for piece in found) < 200
    assert {"text": "aguja", "found": True} in found
    assert (found[0], found[-1]) == ({"text": "…", "found": False}, {"text": "…", "found": False})


@pytest.mark.parametrize(
    ("text", "wanted", "pieces"),
    [
        ("Ñandú, ñandúes", ["nandu"], ["Ñandú", "ñandú"]),
        ("cafe\u0301 solo", ["cafe"], ["cafe\u0301"]),
        ("straße", ["strass"], ["straß"]),
        ("½ kilo", ["1"], ["½"]),
        ("hola holanda", ["hol", "hola"], ["hola", "hola"]),
        ("ﬁn", ["fi"], ["ﬁ"]),
    ],
)
def test_places_are_told_in_the_letters_as_they_are_written(text: str, wanted: list[str], pieces: list[str]) -> None:
    assert [text[begin:end] for begin, end in places_of(text, wanted)] == pieces


# ---------------------------------------------------------------------- people


@pytest.mark.parametrize(
    ("typed", "who"),
    [
        ("gomez", ["Ana Gómez"]),
        ("ana gó", ["Ana Gómez"]),
        ("ñus", ["Ñusta Núñez"]),
        ("nuñez", ["Ñusta Núñez"]),
        ("maria jose", ["José María del Campo"]),
        ("ampo", []),
    ],
)
def test_people_are_found_by_the_beginnings_of_their_names(shop: Store, typed: str, who: list[str]) -> None:
    assert names(ask(shop, typed)) == who


@pytest.mark.parametrize(
    ("typed", "who"),
    [
        ("+54 9 11 5555-0001", ["Ana Gómez"]),
        ("011 15 5555-0001", ["Ana Gómez"]),
        ("15 5555 0001", ["Ana Gómez"]),
        ("11 5555 0001", ["Ana Gómez"]),
        ("5411 5555 0001", ["Ana Gómez"]),
        ("55550001", ["Ana Gómez"]),
        ("0001", ["Ana Gómez"]),
        ("(0351) 15-555-0003", ["José María del Campo"]),
        ("+52 1 55 5555 0004", ["Guadalupe"]),
        ("1515", ["+5491155551515"]),
        ("99", []),
        ("7777777", []),
    ],
)
def test_people_are_found_by_a_part_of_their_phone_however_it_is_typed(shop: Store, typed: str, who: list[str]) -> None:
    assert names(ask(shop, typed)) == who


def test_merged_contacts_are_one_person(shop: Store, tmp_path: Path) -> None:
    with reading(shop) as source, closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        source.backup(copy)
        copy.execute("UPDATE contacts SET merged_into_id = 1 WHERE contact_id = 2")
        answer = search(copy, "n", country="AR")
    assert names(answer) == ["Ana Gómez"]


def test_the_mark_on_a_name_is_a_piece_of_it(shop: Store) -> None:
    [person] = ask(shop, "gom")["people"]
    wanted: list[Piece] = [
        {"text": "Ana ", "found": False},
        {"text": "Góm", "found": True},
        {"text": "ez", "found": False},
    ]
    assert person["name"] == wanted
