"""The page of who waits: what it shows, what is decided there with its undo, and that it changes by itself."""

import html
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.requests import Request

from leadmasterd.queries.database import Connection
from leadmasterd.queries.waiting_detail import WaitingDetail, waiting_details
from leadmasterd.web.access import Access
from leadmasterd.web.live import Watch
from leadmasterd.web.pages import waiting as page_of_waiting
from leadmasterd.web.pages.waiting import PAGE
from leadmasterd.web.place import Place
from leadmasterd.web.site import Site
from tests.test_cli_leads import chat
from tests.web.browser import Browser, Page
from tests.web.clients import Client, let_in
from tests.web.shops import Served, WebShop, served, tell_a_story

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)> \u202eabc\u0007\x1b[31m {{ 7*7 }}'


def row_of(page: str, conversation: int) -> str:
    """The row of a conversation, as HTML; empty if it is not there."""
    begins = f'<li class="card waits" id="waits-{conversation}">'
    found = re.search(rf'{begins}.*?</li>\n(?=<li class="card|</ol>)', page, re.S)
    return found[0] if found else ""


def order(page: str) -> list[int]:
    """The conversations in the list."""
    return [int(each) for each in re.findall(r'id="waits-(\d+)"', page)]


def notices(page: str) -> list[str]:
    """What is told once."""
    return [html.unescape(each) for each in re.findall(r'<div class="notice[^"]*" role="status">\s*<p>(.*?)</p>', page)]


def undo_of(page: str) -> tuple[str, dict[str, str]]:
    """The form beside the notice."""
    [form] = re.findall(r'<div class="notice.*?<form[^>]*action="([^"]+)">(.*?)</form>', page, re.S)
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form[1]))
    return form[0], {name: html.unescape(value) for name, value in fields.items() if name != "csrf"}


def undoes(client: Client, page: str) -> str:
    """Press the undo of the notice, and read the page after it."""
    path, fields = undo_of(page)
    return client.decides(path, **fields)


def number_of(shop: WebShop, customer: int) -> int:
    """The conversation of a customer."""
    [(conversation,)] = shop.asks("SELECT conversation_id FROM conversations WHERE chat = ?", chat(customer))
    return int(conversation)


def seen_in(page: str, conversation: int) -> str:
    """What the button that no answer is needed says was seen."""
    found = re.search(r'name="seen" value="(\d{4}[^"]+)"', row_of(page, conversation))
    assert found
    return found[1]


def test_who_is_answered_while_the_page_is_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon commits between two queries; the page is of the moment before it, and the next one of after it."""
    shop = WebShop(tmp_path)
    tell_a_story(shop)

    def answered_meanwhile(connection: Connection, conversations: Iterable[int]) -> dict[int, WaitingDetail]:
        with closing(sqlite3.connect(shop.database)) as daemon, daemon:
            daemon.execute("UPDATE conversations SET waiting_since = NULL WHERE conversation_id = 1")
        return waiting_details(connection, conversations)

    monkeypatch.setattr(page_of_waiting, "waiting_details", answered_meanwhile)
    site = Site(Place("127.0.0.1", 0), shop.paths, "en", access=Access(shop.paths), watch=Watch(shop.paths))
    scope = {"type": "http", "query_string": b"fragment", "path": "/", "headers": [], "leadmasterd.site": site}
    for waits in ([1, 3], [3]):
        answer = page_of_waiting.show(Request(scope))
        assert order(bytes(answer.body).decode()) == waits
    with closing(sqlite3.connect(shop.database)) as daemon:
        assert daemon.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, "no reader is left"


# ---------------------------------------------------------------------- what is shown


def test_who_waits_is_listed_the_longest_first_with_what_it_takes_to_answer(client: Client) -> None:
    """Whoever was answered is not there."""
    page = client.asks("/").text
    assert order(page)[:2] == [1, 3]
    assert 2 not in order(page)
    ana = row_of(page, 1)
    for text in ("Ana", "+5491155550001", "price", "hola, cuánto sale la campera?", "waits for 40 min"):
        assert text in ana, text
    assert 'class="bar late"' in ana
    assert 'href="https://wa.me/5491155550001" target="_blank" rel="noopener noreferrer"' in ana
    assert 'class="bar ok"' in row_of(page, 3)


def test_the_likely_stages_and_labels_are_one_press_each(shop: WebShop, client: Client) -> None:
    """Of the label that it has nothing is offered; what the model was not sure of comes first."""
    shop.hears((23, 30, "asdf qwer zxcv", {"notify_name": "Gino"}))
    page = client.asks("/").text
    ana = row_of(page, 1)
    assert re.findall(r'<button id="(\w+)-1" name="(stage|intent)"', ana) == [
        *(("quoted", "stage"), ("won", "stage")),
        *(("personal", "intent"), ("availability", "intent")),
    ]
    gino = number_of(shop, 23)
    offered = re.findall(rf'<button id="(\w+)-{gino}" name="intent"', row_of(page, gino))
    assert len(offered) == 2


def test_the_reason_and_how_they_came_stand_beside_it(shop: WebShop, client: Client) -> None:
    """By the classifier's own reason, an ad's name, and whether it is a missed call."""
    ad = {"referral": {"source_id": "ad-1", "source_url": "https://fb.me/1", "title": "Camperas"}}
    shop.hears((21, 30, "quería saber el precio", ad))
    shop.misses_a_call(22, 12)
    page = client.asks("/").text
    asked = row_of(page, number_of(shop, 21))
    assert "Came by an ad: Camperas" in asked
    assert "rule " in asked
    called = row_of(page, number_of(shop, 22))
    assert "missed call" in called
    assert "hidden" in called
    assert 'class="bar soon"' in called


def test_names_and_words_of_any_kind_are_text(shop: WebShop, client: Client) -> None:
    """HTML, script, direction and control characters, templates: nothing of it does anything."""
    shop.hears((31, 15, HOSTILE, {"notify_name": HOSTILE}))
    conversation = number_of(shop, 31)
    row = row_of(client.asks("/").text, conversation)
    assert "<script" not in row
    assert "<img" not in row
    assert "\u202e" not in row
    assert "\x1b" not in row
    assert html.escape("<script>alert(1)</script>", quote=False) in row
    assert "{{ 7*7 }}" in row
    page = client.decides(f"/chats/{conversation}/note", text=HOSTILE, back="/")
    assert "<script>alert" not in page
    undoes(client, page)


def test_whoever_has_no_phone_has_no_link_to_whatsapp(shop: WebShop, client: Client) -> None:
    """WhatsApp tells of some people only another id."""
    shop.hears((0, 14, "hola, precio?", {"chat": "88001122334455@lid", "notify_name": "Lía"}))
    [(conversation,)] = shop.asks("SELECT conversation_id FROM conversations WHERE chat = '88001122334455@lid'")
    row = row_of(client.asks("/").text, conversation)
    assert "Lía" in row
    assert "wa.me" not in row


def test_it_says_that_it_does_not_listen_and_what_is_not_processed(shop: WebShop, client: Client) -> None:
    """So the list may be incomplete; no daemon runs here."""
    shop.hears((41, 2, "hola?"), judged=False)
    page = client.asks("/").text
    assert "While it does not listen, somebody may be waiting who is not here." in page
    assert "1 conversation is not processed yet" in page
    assert shop.types("leads", "rebuild").code == 0
    assert "not processed yet" not in client.asks("/").text


def test_a_long_list_has_pages(shop: WebShop, client: Client) -> None:
    """With a way back; a page that does not exist is empty, and a wrong one the first."""
    shop.hears(*((100 + n, 1000 + n, "cuánto sale?") for n in range(PAGE + 1)))
    first = client.asks("/").text
    assert (len(order(first)), f'href="/?from={PAGE}"' in first) == (PAGE, True)
    second = client.asks(f"/?from={PAGE}").text
    assert set(order(second)).isdisjoint(order(first))
    assert order(second)
    assert f'data-live="/?fragment=waiting&amp;from={PAGE}"' in second
    assert order(client.asks(f"/?fragment=waiting&from={PAGE}").text) == order(second)
    assert order(client.asks("/?from=x").text) == order(first)
    assert order(client.asks("/?from=9999").text) == []
    for n in range(PAGE + 1):
        assert shop.types("leads", "dismiss", chat(100 + n)).code == 0


# ---------------------------------------------------------------------- what is decided


@pytest.fixture
def asks(shop: WebShop) -> Iterator[int]:
    """A conversation that waits the longest, for one test."""
    customer = 200 + len(shop.asks("SELECT 1 FROM conversations"))
    shop.hears((customer, 500, "hola, cuánto sale?", {"notify_name": "Dora"}))
    yield number_of(shop, customer)
    shop.types("leads", "dismiss", chat(customer))


def waits(shop: WebShop, conversation: int) -> bool:
    """As the tables have it."""
    [(since,)] = shop.asks("SELECT waiting_since FROM conversations WHERE conversation_id = ?", conversation)
    return since is not None


def lead_of(shop: WebShop, conversation: int) -> tuple[str, str]:
    """Its stage and intent."""
    [(stage, intent)] = shop.asks("SELECT stage, intent FROM leads WHERE conversation_id = ?", conversation)
    return stage, intent


def test_no_answer_needed_takes_the_row_away_and_undo_brings_it_back(shop: WebShop, client: Client, asks: int) -> None:
    """A second press does no harm, on whatever page it comes."""
    seen = seen_in(client.asks("/").text, asks)
    page = client.decides(f"/chats/{asks}/dismiss", seen=seen, back="/")
    assert "no answer is needed" in notices(page)[0]
    assert row_of(page, asks) == ""
    again = client.decides(f"/chats/{asks}/dismiss", seen=seen, back="/")
    assert "said already" in notices(again)[0]
    assert len(shop.asks("SELECT 1 FROM decisions WHERE conversation_id = ?", asks)) == 1
    back = undoes(client, page)
    assert "waits again" in notices(back)[0]
    assert row_of(back, asks)
    assert notices(client.asks("/").text) == [], "a notice is told once"


def test_what_came_after_the_page_was_shown_waits_on(shop: WebShop, client: Client, asks: int) -> None:
    """Nobody has read it."""
    seen = seen_in(client.asks("/").text, asks)
    [(chat_id,)] = shop.asks("SELECT chat FROM conversations WHERE conversation_id = ?", asks)
    shop.hears((0, 1, "y hacen envíos?", {"chat": chat_id, "notify_name": "Dora"}))
    page = client.decides(f"/chats/{asks}/dismiss", seen=seen, back="/")
    assert "y hacen envíos?" in row_of(page, asks)
    assert "cuánto sale" not in row_of(page, asks)


def test_a_label_a_stage_and_a_note_are_one_press_each_with_its_undo(shop: WebShop, client: Client, asks: int) -> None:
    """Pressed twice they are decided once; by the name of the session."""
    row = row_of(client.asks("/").text, asks)
    message = re.search(r'name="message" value="(\d+)"', row)
    assert message
    assert '<button name="intent" value="delivery">delivery</button>' in row
    labelled, _again = (
        client.decides(f"/chats/{asks}/label", intent="delivery", message=message[1], back="/") for _press in range(2)
    )
    assert notices(labelled) == ["Dora: labelled delivery."]
    assert "Ana says so" in row_of(labelled, asks)
    undoes(client, labelled)
    assert lead_of(shop, asks) == ("new", "price")

    moved, _again = (
        client.decides(f"/chats/{asks}/stage", stage="quoted", seen="new", back="/") for _press in range(2)
    )
    decisions = shop.asks("SELECT stage, actor FROM decisions WHERE conversation_id = ?", asks)
    assert decisions == [("quoted", "person:Ana")]
    undoes(client, moved)
    assert lead_of(shop, asks) == ("new", "price")
    assert waits(shop, asks)

    _first, page = (client.decides(f"/chats/{asks}/note", text="llama el lunes", back="/") for _press in range(2))
    assert len(shop.asks("SELECT 1 FROM lead_events WHERE kind = 'note' AND value_json LIKE '%lunes%'")) == 1
    assert "withdrawn" in notices(undoes(client, page))[0]
    refused = undoes(client, page)
    assert notices(refused) == ["that note was withdrawn already; there is nothing to do"]


def test_a_closing_stage_takes_the_row_away(client: Client, asks: int) -> None:
    """And its undo lets them wait as before."""
    page = client.decides(f"/chats/{asks}/stage", stage="won", seen="new", back="/")
    assert row_of(page, asks) == ""
    assert row_of(undoes(client, page), asks)


def test_a_colleagues_decision_just_before_is_told(shop: WebShop, site: Served, client: Client, asks: int) -> None:
    """And an undo takes back one's own only."""
    page = client.decides(f"/chats/{asks}/stage", stage="qualified", seen="new", back="/")
    other = let_in(shop.paths, site.port, "Beto")
    theirs = other.decides(f"/chats/{asks}/stage", stage="quoted", seen="new", back="/")
    assert "Just before, Ana decided: new -> qualified" in notices(theirs)[0]
    undoes(client, page)
    assert lead_of(shop, asks)[0] == "quoted"


@pytest.mark.parametrize(
    ("path", "fields", "says"),
    [
        ("label", {"intent": "nonsense"}, "Choose one of the labels."),
        ("stage", {"stage": "merged"}, "Choose one of the stages."),
        ("note", {"text": "  "}, "Write a note"),
        ("note", {"text": "x" * 2001}, "Write a note"),
        ("note/undo", {"note": "-1"}, "incomplete"),
        ("stage/undo", {"decision": "7" * 30}, "incomplete"),
        ("dismiss/undo", {}, "nothing to undo"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    client: Client, path: str, fields: dict[str, str], says: str
) -> None:
    """On the page that one comes from."""
    page = client.decides(f"/chats/1/{path}", back="/", **fields)
    assert says in notices(page)[0]


def test_a_conversation_that_is_nobodys_is_refused(client: Client) -> None:
    """With a sentence."""
    page = client.decides("/chats/99999/dismiss", back="/")
    assert "there is no conversation 99999" in notices(page)[0]


# ---------------------------------------------------------------------- in a real browser


@pytest.fixture
def page(browser: Browser, client: Client) -> Iterator[Page]:
    """The list on a phone."""
    opened = browser.opens(client)
    assert opened.goes_to("/") == 200
    yield opened
    assert opened.wrong() == []
    opened.closes()


@pytest.mark.e2e
def test_a_row_comes_by_itself_and_goes_when_they_are_answered(shop: WebShop, page: Page) -> None:
    """No reload: a mark in the page is still there at the end."""
    page.evaluates("() => { globalThis.sameLoad = true }")
    shop.hears((301, 300, "hola, tienen stock?", {"notify_name": "Elsa"}))
    page.shows("Elsa", "#waiting")
    page.shows("hola, tienen stock?", "#waiting")
    shop.hears((301, 0, "> sí"))
    page.waits_for("() => !document.querySelector('#waiting').innerText.includes('Elsa')")
    assert page.evaluates("() => globalThis.sameLoad") is True


@pytest.mark.e2e
def test_what_is_pressed_is_not_replaced_under_the_finger(shop: WebShop, page: Page) -> None:
    """A press counts where it began and ended; the newer list comes right after it."""
    looks = "() => performance.getEntriesByType('resource').filter((r) => r.name.includes('fragment=waiting')).length"
    page.evaluates(
        "() => { globalThis.was = document.querySelector('#waiting'); dispatchEvent(new PointerEvent('pointerdown')) }"
    )
    before = page.evaluates(looks)
    shop.hears((303, 200, "hola, hacen envíos?", {"notify_name": "Flor"}))
    page.waits_for(
        "(n) => performance.getEntriesByType('resource')"
        ".filter((r) => r.name.includes('fragment=waiting')).length > n + 2",
        before,
    )
    assert page.evaluates("() => globalThis.was === document.querySelector('#waiting')") is True
    page.evaluates("() => { dispatchEvent(new PointerEvent('pointerup')) }")
    page.shows("Flor", "#waiting")
    shop.hears((303, 0, "> sí"))
    page.waits_for("() => !document.querySelector('#waiting').innerText.includes('Flor')")


@pytest.mark.e2e
def test_a_tap_decides_and_its_undo_takes_it_back(shop: WebShop, page: Page, asks: int) -> None:
    """Label, stage and no answer needed; what was opened stays open while the list changes."""
    row = f"#waits-{asks}"
    page.waits_for("(s) => document.querySelector(s)", row)
    page.unfolds(f"#stage-{asks}")
    shop.hears((302, 300, "hola, precio?"))
    page.waits_for("(s) => document.querySelector(s)", f"#waits-{number_of(shop, 302)}")
    assert page.evaluates("(s) => document.querySelector(s).open", f"#stage-{asks}") is True
    page.follows(f"#won-{asks}")
    page.shows("it is won now")
    assert not waits(shop, asks)
    page.follows(".notice button")
    page.waits_for("(s) => document.querySelector(s)", row)
    page.unfolds(f"#label-{asks}")
    page.follows(f"#label-{asks} button[value=delivery]")
    page.shows("labelled delivery")
    page.follows(f'{row} form[action$="/dismiss"] button')
    page.shows("no answer is needed")
    assert page.evaluates("(s) => document.querySelector(s)", row) is None
    page.follows(".notice button")
    page.waits_for("(s) => document.querySelector(s)", row)


@pytest.mark.e2e
def test_it_reads_and_acts_on_a_phone_by_keyboard_and_without_a_script(
    shop: WebShop, browser: Browser, client: Client, asks: int
) -> None:
    """Nothing is wider than 360 pixels, whatever somebody is called; axe-core finds nothing, light and dark."""
    shop.hears((303, 400, "W" * 300, {"notify_name": "Ñ" * 120}))
    for dark in (False, True):
        shown = browser.opens(client, dark=dark)
        assert shown.goes_to("/") == 200
        assert shown.too_wide() <= 0
        assert shown.accessibility() == []
        assert shown.wrong() == []
        shown.closes()
    typed = browser.opens(client)
    assert typed.goes_to("/") == 200
    typed.evaluates("(s) => document.querySelector(s).focus()", f"#stage-{asks} summary")
    for key in ("Enter", "Tab", "Enter"):
        typed.presses(key)
    typed.shows("it is unsorted now")
    typed.follows(".notice button")
    typed.closes()
    plain = browser.opens(client, script=False)
    assert plain.goes_to("/") == 200
    plain.follows(f'#waits-{asks} form[action$="/dismiss"] button')
    plain.closes()
    assert not waits(shop, asks)


# ---------------------------------------------------------------------- in Spanish


def test_in_spanish_it_speaks_as_the_shop_does(shop: WebShop) -> None:
    """No id of a stage or an intent in English."""
    with served(shop, LEADMASTERD_GENERAL__LANGUAGE="es") as page:
        text = let_in(shop.paths, page.port).asks("/").text
    for words in (
        "Quién espera",
        "Responder",
        "No hace falta contestar",
        "espera hace",
        "Otra etiqueta",
        "presupuestado",
    ):
        assert words in text, words
