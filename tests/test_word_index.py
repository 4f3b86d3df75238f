"""The index of words: what it holds after everything that can happen to a message, and what its damage costs."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.cli import main
from leadmasterd.queries.search import search
from leadmasterd.store import word_index
from leadmasterd.store.idle import InTurn
from leadmasterd.store.word_index import IndexBroken, WordIndex, drop, fill, indexed_through, message_of, places_with
from leadmasterd.store.writer import Writer
from tests import wire
from tests.captures import Store, account, item, opened
from tests.waiting import LIMIT, until_true

ANA = wire.ANA
LAST = 2**63 - 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database, open for writing."""
    (tmp_path / "state").mkdir()
    with opened(tmp_path / "state" / "leadmaster.db") as store:
        yield store


def index(store: Store) -> None:
    """Index whatever waits."""
    while store.writer.call(lambda connection, _rows: fill(connection, least=1)).result(LIMIT):
        pass


def indexed(store: Store, *words: str) -> list[str]:
    """The ids on the wire of the messages that the index alone names for these beginnings of words."""
    with closing(sqlite3.connect(store.path)) as connection:
        found = [message_of(place) for place in places_with(connection, words, before=LAST, limit=100)]
        names = dict(connection.execute("SELECT message_id, stanza_id FROM messages").fetchall())
    return [names.get(each, "gone") for each in found]


def found(store: Store, typed: str) -> list[str]:
    """The ids on the wire of the messages that a search finds."""
    with closing(sqlite3.connect(store.path)) as connection:
        answer = search(connection, typed, country="AR")
        names = dict(connection.execute("SELECT message_id, stanza_id FROM messages").fetchall())
    return [names[hit["message_id"]] for chat in answer["conversations"] for hit in chat["hits"]]


def says(stanza: str, body: str | None, *, t: int = wire.NOON, **fields: Any) -> dict[str, Any]:
    """A message of Ana's."""
    return wire.message(stanza, chat=ANA, t=t, body=body, **fields)


def edit(stanza: str, body: str, *, t: int = wire.NOON) -> dict[str, Any]:
    """Another text for a message of Ana's."""
    return wire.line("message_edit", id=wire.key(stanza, chat=ANA), t=t, edited_t=t + 60, body=body)


@pytest.mark.parametrize("typed", ["ñandú", "nandu", "NANDU", "ñand", "ñ", "n"])
def test_words_are_found_by_their_beginnings_whatever_case_and_accents(store: Store, typed: str) -> None:
    store.write(says("A", "El Ñandú corre"), says("B", "otra cosa"))
    assert found(store, typed) == ["A"]
    index(store)
    assert found(store, typed) == ["A"]
    assert indexed(store, "nandu") == ["A"]


def test_accents_that_stand_apart_fancy_letters_and_other_scripts_are_letters(store: Store) -> None:
    store.write(
        says("A", "cafe\u0301 con leche", t=wire.NOON + 1),
        says("B", "\U0001d4d7\U0001d4f8\U0001d4f5\U0001d4ea amiga", t=wire.NOON + 2),
        says("C", "Привет, мир", t=wire.NOON + 3),
        says("D", "STRASSE straße", t=wire.NOON + 4),
    )
    index(store)
    assert [found(store, each) for each in ("café", "hola", "прив", "straße", "strasse")] == [
        ["A"], ["B"], ["C"], ["D"], ["D"],
    ]  # fmt: skip


def test_the_middle_of_a_word_is_not_its_beginning(store: Store) -> None:
    store.write(says("A", "desprecio"))
    index(store)
    assert found(store, "precio") == []


def test_the_newest_come_first_whatever_the_order_of_capture(store: Store) -> None:
    times = [3, 1, 2, 5, 4]
    store.write(*(says(f"M{t}", "hola", t=wire.NOON + t) for t in times))
    index(store)
    assert indexed(store, "hola") == ["M5", "M4", "M3", "M2", "M1"]


def test_what_a_message_holds_beside_its_text_is_found(store: Store) -> None:
    media = {"mimetype": "application/pdf", "filename": "Presupuesto-heladera.pdf", "size": 1000}
    store.write(
        says("A", "mirá", message_type="document", media=media),
        says("B", "sí", quoted={"id": "Q", "participant": None, "body": "la promo de mayo", "message_type": "image"}),
    )
    index(store)
    assert [found(store, each) for each in ("heladera", "promo mayo", "pdf")] == [["A"], ["B"], ["A"]]


def test_an_edited_message_is_found_by_what_it_says_and_by_what_it_said(store: Store) -> None:
    store.write(says("A", "cuesta mil pesos"))
    index(store)
    store.write(edit("A", "cuesta dos mil dólares"))
    assert [found(store, each) for each in ("dólares", "pesos", "cuesta")] == [["A"], ["A"], ["A"]]
    index(store)
    assert [indexed(store, each) for each in ("dolares", "pesos", "cuesta")] == [["A"], ["A"], ["A"]]
    assert [found(store, each) for each in ("dólares", "pesos", "cuesta dól")] == [["A"], ["A"], ["A"]]
    store.writer.call(
        lambda connection, _rows: connection.execute("INSERT INTO message_words (message_words) VALUES ('optimize')")
    ).result(LIMIT)
    assert [indexed(store, each) for each in ("dolares", "pesos", "cuesta")] == [["A"], ["A"], ["A"]]


def test_what_was_deleted_for_everyone_is_found_as_messages_search_finds_it(store: Store) -> None:
    store.write(says("A", "la clave es girasol"))
    index(store)
    store.write(wire.line("message_revoke", id=wire.key("A", chat=ANA), t=wire.NOON, scope="everyone"))
    index(store)
    assert found(store, "girasol") == ["A"]


def test_what_could_not_be_read_is_found_once_it_can(store: Store) -> None:
    store.write(wire.ciphertext("A", chat=ANA, t=wire.NOON))
    index(store)
    store.write(says("A", "por fin se lee"))
    assert found(store, "fin") == ["A"]
    index(store)
    assert indexed(store, "fin") == ["A"]


def test_of_two_rows_that_become_one_the_one_that_stays_is_found(store: Store) -> None:
    """Captured under a phone and under a LID, until WhatsApp says that they are one person."""
    lid = "77001@lid"
    store.write(says("A", "hola reina"), wire.message("A", chat=lid, t=wire.NOON, body="hola reina"))
    index(store)
    assert indexed(store, "reina") == ["A", "A"]
    store.write(says("B", "soy yo", t=wire.NOON + 9, contact=wire.contact(lid=lid, phone=ANA)))
    assert store.one("SELECT count(*) FROM messages WHERE stanza_id = 'A'") == 1
    index(store)
    assert found(store, "reina") == ["A"]
    assert store.one("SELECT count(*) FROM reworded") == 0


def test_whatever_happens_the_index_finds_what_reading_every_message_finds(store: Store) -> None:
    """Random captures, edits, deletions and steps of the index, from a fixed seed."""
    chance = random.Random(17)
    vocabulary = ["hola", "holanda", "precio", "Preció", "ñandú", "nandubay", "envío", "a", "ä", "15", "155"]
    known: list[str] = []
    for turn in range(60):
        lines = []
        for number in range(chance.randrange(4)):
            known.append(f"M{turn}-{number}")
            body = " ".join(chance.choices(vocabulary, k=3))
            lines.append(says(known[-1], body, t=wire.NOON + chance.randrange(1000)))
        store.write(*lines)
        if known and chance.random() < 0.4:
            stanza = chance.choice(known)
            t = store.one("SELECT wire_t FROM messages WHERE stanza_id = ?", stanza)
            body = " ".join(chance.choices(vocabulary, k=2))
            store.write(edit(stanza, body, t=t))
        if chance.random() < 0.5:
            index(store)
    with closing(sqlite3.connect(store.path)) as connection:
        for typed in ("hol", "precio", "ñ", "nandu", "envio", "a", "15", "hola precio"):
            index(store)
            with_index = _all_found(connection, typed)
            store.writer.call(lambda connection, _rows: drop(connection)).result(LIMIT)
            assert with_index == _all_found(connection, typed) != []


def _all_found(connection: sqlite3.Connection, typed: str) -> list[int]:
    answer = search(connection, typed, country="AR")
    return [hit["message_id"] for chat in answer["conversations"] for hit in chat["hits"]] + [
        chat["more"] for chat in answer["conversations"]
    ]


# ---------------------------------------------------------------------- in the writer's idle time


def test_the_writer_indexes_by_itself_once_enough_waits(tmp_path: Path) -> None:
    path = tmp_path / "leadmaster.db"
    writer = Writer(path, on_batch=lambda _: None, on_error=print, idle_work=lambda c: InTurn(WordIndex(c, lag=3)))
    writer.start()
    try:
        writer.put([account(), item(says("A", "uno")), item(says("B", "dos", t=wire.NOON + 1))])
        writer.call(lambda connection, rows: None).result(LIMIT)
        with closing(sqlite3.connect(path)) as connection:
            assert indexed_through(connection) is None
            writer.put([item(says("C", "tres", t=wire.NOON + 2))])
            until_true(lambda: indexed_through(connection) == 3)
            writer.put([item(says("D", "cuatro", t=wire.NOON + 3))])
            writer.call(lambda connection, rows: None).result(LIMIT)
            assert indexed_through(connection) == 3
            assert search(connection, "cuatro", country="AR")["conversations"]
    finally:
        assert writer.stop(LIMIT)


@pytest.mark.parametrize("most", [word_index._MOST_WORDS, 3])
def test_a_beginning_of_very_many_words_finds_the_newest(
    store: Store, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for as its words, or as a beginning where these are too many."""
    monkeypatch.setattr(word_index, "_MOST_WORDS", most)
    for part in range(8):
        body = " ".join(f"par{number}" for number in range(part * 180, part * 180 + 180))
        store.write(says(f"M{part}", body, t=wire.NOON + part))
    index(store)
    assert indexed(store, "par") == [f"M{part}" for part in reversed(range(8))]
    assert indexed(store, "par1439", "par") == ["M7"]


def test_a_large_database_is_indexed_in_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_index, "_SLICE", 10)
    store.write(*(says(f"M{number}", f"palabra{number}", t=wire.NOON + number) for number in range(35)))

    def step(connection: sqlite3.Connection, _rows: object) -> tuple[bool, int | None]:
        return fill(connection, least=1, seconds=0.0), indexed_through(connection)

    steps = [store.writer.call(step).result(LIMIT) for _ in range(2)]
    assert steps[0] == (True, 0), "no time was given"
    index(store)
    assert indexed(store, "palabra34") == ["M34"]


# ---------------------------------------------------------------------- damage


def test_a_damaged_index_is_made_anew_by_itself(store: Store) -> None:
    store.write(*(says(f"M{number}", f"palabra{number}", t=wire.NOON + number) for number in range(20)))
    index(store)
    _damage(store)
    with closing(sqlite3.connect(store.path)) as connection:
        answer = search(connection, "palabra7", country="AR")
    assert answer["damaged"]
    assert len(answer["conversations"]) == 1
    store.write(says("N", "nueva", t=wire.NOON + 99))

    def step(connection: sqlite3.Connection, _rows: object) -> None:
        work = WordIndex(connection, lag=1)
        while work.step():
            pass

    store.writer.call(step).result(LIMIT)
    assert not store.errors
    assert indexed(store, "palabra7") == ["M7"]
    assert indexed(store, "nueva") == ["N"]


@pytest.mark.parametrize("table", ["message_words_data", "message_words_config", "message_words_idx"])
def test_whatever_table_of_the_index_is_gone_reading_goes_on_and_one_command_mends_it(
    store: Store, table: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.write(says("A", "hola"), says("B", "chau", t=wire.NOON + 1))
    index(store)
    store.writer.call(lambda connection, _rows: connection.execute(f"DELETE FROM {table}")).result(LIMIT)
    assert found(store, "hola") == ["A"]
    store.write(says("C", "hola de nuevo", t=wire.NOON + 2))
    assert found(store, "hola") == ["C", "A"]
    monkeypatch.chdir(store.path.parent.parent)
    assert main(["messages", "--reindex"]) == 0
    assert "3" in capsys.readouterr().out
    assert indexed(store, "hola") == ["C", "A"]


def _damage(store: Store) -> None:
    def spoil(connection: sqlite3.Connection, _rows: object) -> None:
        connection.execute("UPDATE message_words_data SET block = zeroblob(3) WHERE id > 1")
        connection.execute("UPDATE message_words_data SET block = x'00000000ff' WHERE id = 10")

    store.writer.call(spoil).result(LIMIT)


def test_an_index_that_is_not_there_is_no_error(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as connection, pytest.raises(IndexBroken):
        places_with(connection, ["hola"], before=LAST, limit=1)
    assert found(store, "hola") == []
