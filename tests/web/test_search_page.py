"""The page on which everything that was captured is searched."""

from html import unescape
from pathlib import Path

import pytest

from tests.web.browser import Browser
from tests.web.clients import Client, let_in
from tests.web.shops import WebShop, served

HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(2)> ‮olleh\x07 girasol'.replace("‮", "\u202e")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> WebShop:
    """Customers with ordinary words, and one with none."""
    made = WebShop(tmp_path_factory.mktemp("search"))
    evil = {"notify_name": HOSTILE, "contact": {"saved_name": f"Eva {HOSTILE}", "business": False}}
    made.hears(
        (1, 40, "hola, ¿hacen envíos a Ñandubay?", {"contact": {"saved_name": "Ana Gómez", "business": False}}),
        (2, 30, HOSTILE, evil),
        (2, 29, "> dale, te mando", evil),
    )
    return made


@pytest.mark.parametrize("typed", ["envio", "ENV%C3%8DO+nandu", "gomez", "5555+0001"])
def test_words_names_and_numbers_lead_to_the_conversation(client: Client, typed: str) -> None:
    reply = client.asks(f"/search?q={typed}")
    assert reply.status == 200
    assert 'href="/chats/1' in reply.text
    assert 'href="/chats/2' not in reply.text


@pytest.mark.parametrize("typed", ["", "+", "%F0%9F%99%82", "%00", "%22", "zzz", "%FF%FE", "a" * 3000])
def test_what_finds_nothing_is_a_calm_page(client: Client, typed: str) -> None:
    reply = client.asks(f"/search?q={typed}")
    assert reply.status == 200
    assert "/chats/" not in reply.text


@pytest.mark.parametrize("before", ["", "x", "-1", "9" * 40, "1", "1e9"])
def test_any_place_to_go_on_from_is_a_page(client: Client, before: str) -> None:
    assert client.asks(f"/search?q=hola&before={before}").status == 200


def test_hostile_words_are_shown_as_text(client: Client) -> None:
    page = client.asks("/search?q=girasol").text
    for part in (page, client.asks("/search?q=%3Cscript%3Ealert(1)%3C/script%3E").text):
        assert "<script>alert" not in part
        assert "<img" not in part
        assert "\u202e" not in part
        assert "\x07" not in part
    assert "<mark>girasol</mark>" in page
    assert "<script>alert(1)</script>" in unescape(page)


def test_a_shop_that_captured_nothing_is_searched_calmly(tmp_path: Path) -> None:
    shop = WebShop(tmp_path)
    with served(shop) as page:
        reply = let_in(shop.paths, page.port).asks("/search?q=hola")
    assert reply.status == 200
    assert "Nothing was found" in reply.text


@pytest.mark.e2e
@pytest.mark.parametrize("dark", [False, True])
def test_it_is_used_on_a_phone(client: Client, browser: Browser, dark: bool) -> None:
    """360 pixels wide; nothing is refused by the policy, nothing is wrong for a screen reader."""
    tab = browser.opens(client, dark=dark)
    tab.goes_to("/search")
    tab.types("#q", "gira")
    tab.follows("form.search button")
    tab.shows("girasol")
    assert tab.too_wide() <= 0
    assert tab.accessibility() == []
    assert tab.wrong() == []
    tab.closes()
