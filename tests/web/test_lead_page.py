"""The page of one conversation: what was written, what is known and why, and what is decided there."""

import re
import sqlite3
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest

from tests import wire
from tests.captures import Store, item
from tests.web.browser import Browser
from tests.web.clients import Client, let_in
from tests.web.shops import WebShop, served

HOSTILE = "<script>alert(1)</script> \"><img src=x onerror=alert(2)> \u202eolleh\x07 'fin"
GROUP = "120363000000000001@g.us"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> WebShop:
    """Ana (1) waits, Beto (2) was answered, and Eva (3) writes what would break a page."""
    made = WebShop(tmp_path_factory.mktemp("lead"))
    evil = {
        "notify_name": HOSTILE,
        "contact": {"saved_name": f"Eva {HOSTILE}", "business": False},
        "message_type": "document",
        "media": {"mimetype": "application/pdf", "filename": HOSTILE, "size": 9000},
        "quoted": {"id": "Q", "participant": None, "body": HOSTILE, "message_type": "chat"},
    }
    beto = {"contact": {"saved_name": "Beto", "business": False}}
    made.hears(
        (1, 40, "hola, ¿cuánto sale la campera?\nla azul", {"contact": {"saved_name": "Ana Gómez", "business": False}}),
        (2, 90, "hacen envíos a Córdoba?", beto),
        (2, 80, "> sí, a todo el país"),
        (3, 20, f"cuánto sale esto? {HOSTILE}", evil),
        (4, 10, "hola, precio de la mesa?", beto),
    )
    return made


def read(client: Client, path: str) -> str:
    """A page, without its marks."""
    reply = client.asks(path)
    assert reply.status == 200, reply.text
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", reply.text)).split())


def test_the_conversation_and_the_reasons_are_shown(client: Client) -> None:
    text = read(client, "/chats/1")
    for part in ("Ana Gómez", "¿cuánto sale la campera? la azul", "for an answer since", "price", "What they wanted"):
        assert part in text
    assert 'href="https://wa.me/' in client.asks("/chats/1").text


def test_what_the_shop_answered_stands_on_its_own_side(client: Client) -> None:
    page = client.asks("/chats/2").text
    assert re.search(r'class="bubble theirs">[^§]*?envíos a Córdoba', page)
    assert re.search(r'class="bubble ours">[^§]*?a todo el país', page)
    assert "Nobody waits for an answer here." in page


def test_hostile_words_names_and_files_are_shown_as_text(client: Client) -> None:
    reply = client.asks("/chats/3")
    assert reply.status == 200
    for part in ("<script>alert", "<img", "\u202e", "\x07"):
        assert part not in reply.text
    assert unescape(reply.text).count("<script>alert(1)</script>") >= 4


@pytest.mark.parametrize("number", ["99", "0", "9" * 18, str(2**63), "9" * 5_000])
def test_there_is_no_page_for_no_conversation(client: Client, number: str) -> None:
    assert client.asks(f"/chats/{number}").status == 404


@pytest.mark.parametrize("number", [str(2**63), "9" * 5_000])
def test_nothing_is_decided_of_a_number_that_no_conversation_can_have(client: Client, number: str) -> None:
    assert client.posts(f"/chats/{number}/dismiss", {}).status == 404


@pytest.mark.parametrize("query", ["older=1", "newer=1", "at=1", "older=x", "newer=99", "at=" + "9" * 30, "older=-1"])
def test_any_place_in_the_conversation_is_a_page(client: Client, query: str) -> None:
    assert "Ana Gómez" in read(client, f"/chats/1?{query}")


def test_what_is_decided_there_is_told_and_undone(client: Client) -> None:
    back = {"back": "/chats/1"}
    page = client.decides("/chats/1/stage", stage="won", seen="new", **back)
    assert "/chats/1/stage/undo" in page
    assert "Nobody waits for an answer here." in page
    [decision] = re.findall(r'name="decision" value="(\d+)"', page)
    page = client.decides("/chats/1/stage/undo", decision=decision, **back)
    assert "for an answer since" in page
    page = client.decides("/chats/1/note", text=HOSTILE, **back)
    assert "<script>alert" not in page
    assert "<script>alert(1)</script>" in unescape(page)
    seen = re.findall(r'name="seen" value="(\d{4}-[^"]*Z)"', page)
    page = client.decides("/chats/1/dismiss", seen=seen[0], **back)
    assert "Nobody waits for an answer here." in page
    page = client.decides(
        "/chats/1/dismiss/undo", decided=re.findall(r'name="decided" value="([^"]*)"', page)[0], **back
    )
    assert "for an answer since" in page


def test_possible_duplicates_are_merged_and_parted_again(client: Client) -> None:
    """Beto has two numbers."""
    page = client.asks("/chats/2").text
    assert "Perhaps the same person" in page
    [other] = re.findall(r'name="other" value="([^"]*)"', page)
    page = client.decides("/chats/2/merge", other=other, back="/chats/2")
    assert "They are one person now." in page
    assert "hola, precio de la mesa?" in page
    assert "Perhaps the same person" not in page
    merge = re.findall(r'name="merge" value="(\d+)"', page)[0]
    page = client.decides("/chats/2/merge/undo", merge=merge, back="/chats/2")
    assert "They are two people again." in page
    assert "hola, precio de la mesa?" not in page
    again = client.decides("/chats/2/merge/undo", merge=merge, back="/chats/2")
    assert 'class="notice refused"' in again


def test_long_conversations_are_read_page_by_page(tmp_path: Path) -> None:
    """A group of 130 messages: three pages, each message once, and what the page is without a person."""
    shop = WebShop(tmp_path)
    (tmp_path / "state").mkdir(exist_ok=True)
    store = Store(shop.database)
    try:
        lines = [
            wire.message(
                f"G{number}", chat=GROUP, participant=wire.ANA, t=wire.NOON + number, body=f"mensaje {number}!"
            )
            for number in range(130)
        ]
        store.write(item(wire.ready()), *lines)
    finally:
        assert store.writer.stop(10)
    with served(shop) as page:
        client, seen, path = let_in(shop.paths, page.port), list[str](), "/chats/1"
        while path:
            text = client.asks(path).text
            assert "wa.me" not in text
            seen = re.findall(r"mensaje \d+!", text) + seen
            found = re.search(r'rel="prev" href="([^"#]*)', text)
            path = unescape(found[1]) if found else ""
    assert seen == [f"mensaje {number}!" for number in range(130)]


def test_a_record_of_hundreds_of_events_is_cut(client: Client, shop: WebShop) -> None:
    """The page says how many there are, and where the others are."""
    with closing(sqlite3.connect(shop.database)) as connection, connection:
        [[lead]] = connection.execute("SELECT lead_id FROM leads WHERE conversation_id = 3").fetchall()
        connection.executemany(
            "INSERT INTO lead_events (lead_id, at, recorded_at, actor, kind, code, value_json) "
            "VALUES (?, '2026-11-01T00:00:00.000Z', '2026-11-01T00:00:00.000Z', 'person:Ana', 'note', 'note', ?)",
            [(lead, '{"text": "nota de prueba"}')] * 300,
        )
    page = client.asks("/chats/3").text
    assert page.count("nota de prueba") == 49
    assert "The latest 50 are shown" in page


@pytest.mark.e2e
@pytest.mark.parametrize("dark", [False, True])
def test_it_is_read_and_used_on_a_phone(client: Client, browser: Browser, dark: bool) -> None:
    """360 pixels wide, hostile words and all: nothing is refused by the policy or wrong for a screen reader."""
    tab = browser.opens(client, dark=dark)
    for number in (1, 2, 3):
        assert tab.goes_to(f"/chats/{number}") == 200
        assert tab.too_wide() <= 0
        assert tab.accessibility() == []
    tab.goes_to("/chats/1")
    tab.unfolds("#note")
    tab.types("#note textarea", "llamarla mañana")
    tab.follows("#note button")
    tab.shows("llamarla mañana")
    tab.follows(".notice button")
    tab.shows("withdrawn", ".notice")
    assert tab.wrong() == []
    tab.closes()
