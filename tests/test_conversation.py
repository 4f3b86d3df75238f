"""A conversation read page by page, with what became of each message."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.queries.conversation import Thread, thread, whose
from tests import wire
from tests.captures import Store, opened

ANA, LID = wire.ANA, "770011@lid"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database, open for writing."""
    with opened(tmp_path / "leadmaster.db") as store:
        yield store


def says(stanza: str, body: str | None = "hola", *, t: int = wire.NOON, **fields: Any) -> dict[str, Any]:
    """A message in Ana's chat."""
    return wire.message(stanza, chat=ANA, t=t, body=body, **fields)


def read(store: Store, chats: tuple[int, ...] = (1,), *, limit: int = 50, **where: Any) -> Thread:
    """A page of Ana's conversation."""
    with closing(sqlite3.connect(store.path)) as connection:
        return thread(connection, chats, limit=limit, clock=str, **where)


def ids(page: Thread) -> list[int]:
    """The messages of a page."""
    return [message["message_id"] for message in page["messages"]]


def test_pages_follow_each_other_both_ways_whatever_the_order_of_capture(store: Store) -> None:
    """Ten messages, of which some were sent in the same second; captured in an order of its own."""
    times = [5, 1, 3, 3, 3, 9, 0, 7, 2, 8]
    store.write(*(says(f"M{number}", t=wire.NOON + t) for number, t in enumerate(times)))
    whole = ids(read(store))
    assert whole == [number + 1 for number, _ in sorted(enumerate(times), key=lambda pair: (pair[1], pair[0]))]
    back, page = list[int](), read(store, limit=3)
    assert not page["newer"]
    while True:
        back = ids(page) + back
        if not page["older"]:
            break
        page = read(store, limit=3, side="older", of=ids(page)[0])
        assert page["newer"]
    assert back == whole
    on, page = ids(page), page
    while page["newer"]:
        page = read(store, limit=3, side="newer", of=ids(page)[-1])
        assert page["older"]
        on += ids(page)
    assert on == whole
    middle = read(store, limit=4, side="around", of=whole[4])
    assert (ids(middle), middle["older"], middle["newer"]) == (whole[2:7], True, True)
    assert ids(read(store, limit=3, side="older", of=999)) == whole[-3:]


def test_two_chats_of_one_person_are_read_as_one_conversation(store: Store) -> None:
    store.write(
        says("A", t=wire.NOON), wire.message("B", chat=LID, t=wire.NOON + 1), says("C", t=wire.NOON + 2)
    )  # fmt: skip
    assert ids(read(store, (1, 2), limit=2)) == [2, 3]
    assert ids(read(store, (1, 2), limit=2, side="older", of=2)) == [1]


def test_what_became_of_a_message_is_told(store: Store) -> None:
    quoted = {"id": "Q", "participant": None, "body": "promo", "message_type": "chat"}
    store.write(says("A", "uno", quoted=quoted, forwarded=True), says("B", "adiós", t=wire.NOON + 1))
    key = wire.key("A", chat=ANA)
    store.write(
        wire.line("message_edit", id=key, t=wire.NOON, edited_t=wire.NOON + 60, body="dos"),
        wire.line("message_revoke", id=wire.key("B", chat=ANA), t=wire.NOON + 1, scope="everyone"),
        wire.line("reaction", id=key, from_me=True, sender=wire.US, emoji="👍", t=wire.NOON + 70),
    )
    edited, deleted = read(store)["messages"]
    assert (edited["words"], edited["quoted"], edited["forwarded"]) == ("dos", "promo", True)
    assert [version["text"] for version in edited["before"]] == ["uno"]
    assert edited["reactions"] == [{"emoji": "👍", "from_me": True}]
    assert deleted["revoked_at"]
    assert deleted["words"] == "adiós"


def test_media_and_what_cannot_be_read_are_told_as_what_they_are(store: Store) -> None:
    media = {"mimetype": "application/pdf", "filename": "lista.pdf", "size": 4000}
    store.write(
        says("A", "mirá\nesto", message_type="document", media=media),
        wire.ciphertext("B", chat=ANA, t=wire.NOON + 1),
    )
    file, sealed = read(store)["messages"]
    assert (file["about"], file["words"]) == (["document: lista.pdf, 4 KB"], "mirá\nesto")
    assert (sealed["about"], sealed["words"], sealed["readable"]) == (["not readable yet"], None, False)


def test_what_a_sweep_brought_long_after_is_late(store: Store) -> None:
    store.write(says("A", via="sweep", t=wire.NOON - 600), says("B", via="sweep"), says("C", t=wire.NOON - 600))
    assert [message["late"] for message in read(store)["messages"]] == [True, False, False]


def test_a_merged_conversation_leads_to_the_one_that_stays(store: Store) -> None:
    store.write(says("A"), wire.message("B", chat=LID, t=wire.NOON + 1))
    store.write(says("C", t=wire.NOON + 9, contact=wire.contact(lid=LID, phone=ANA)))
    with closing(sqlite3.connect(store.path)) as connection:
        found = whose(connection, 2)
        assert found
        assert (found["conversation_id"], found["chat"]) == (1, ANA)
        assert whose(connection, 99) is None
