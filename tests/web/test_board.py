"""The board: open leads by stage, as a person sees them."""

import re

import pytest

from leadmasterd.leads.stages import OPEN
from tests.test_cli_leads import DAY, PRICE
from tests.web.browser import Browser
from tests.web.clients import Client, let_in
from tests.web.shops import Served, WebShop, tell_a_story

EVIL = "<script>alert(1)</script>\u202e\x1b[2J"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> WebShop:
    """The story, a lead that nobody has touched for a month, a silent quote, and a name that lures."""
    made = WebShop(tmp_path_factory.mktemp("shop"))
    tell_a_story(made)
    made.hears(
        (4, 30 * DAY, PRICE, {"notify_name": "Dora"}), (4, 30 * DAY - 5, "> $ 5"),
        (5, 3 * DAY, PRICE, {"notify_name": "Ema"}), (5, 3 * DAY - 5, "> $ 5"),
        (6, 20, PRICE, {"notify_name": EVIL}),
    )  # fmt: skip
    assert made.types("leads", "stage", "+5491155550005", "quoted").code == 0
    return made


def columns(text: str) -> dict[str, str]:
    """The HTML of each column by its stage."""
    parts = re.split(r'aria-labelledby="stage-(\w+)"', text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_open_stage_is_a_column_and_each_card_leads_to_its_conversation(client: Client) -> None:
    """Also where nobody is."""
    found = columns(client.asks("/board").text)
    assert [*found] == [*OPEN]
    assert "Nobody here." in found["qualified"]
    assert "Dora" in found["contacted"]
    links = re.findall(r'href="(/chats/\d+)"', "".join(found.values()))
    assert len(links) == len(set(links)) == 6


def test_a_card_says_how_long_and_what_is_next(client: Client) -> None:
    """In colours that mean the same on every page, and in words."""
    found = columns(client.asks("/board").text)
    dora = found["contacted"].partition("Dora")[2]
    assert re.search(r'class="small late">for \d+ d \d+ h in this stage', dora)
    assert "nothing planned" in dora.partition("</a>")[0]
    ana = found["new"].partition("Ana")[2].partition("</a>")[0]
    assert "waits for an answer" in ana


def test_only_what_is_asked_for_is_shown(client: Client) -> None:
    """By a link each, which says how many there are; what makes no sense shows all."""
    stuck = columns(client.asks("/board?only=stuck").text)
    assert "Dora" in stuck["contacted"]
    assert "Ana" not in "".join(stuck.values())
    assert "Dora" not in client.asks("/board?only=stuck&days=60").text.partition("Download")[0]
    for nonsense in ("only=x", "days=0", "days=-1", "days=%C2%B2", "days=99999999999999", "more=&only=&days="):
        reply = client.asks(f"/board?{nonsense}")
        assert (reply.status, len(re.findall('class="card" href', reply.text))) == (200, 6)


def test_a_name_is_text(client: Client) -> None:
    """Whatever it holds."""
    text = client.asks("/board").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "\x1b" not in text


def test_a_fragment_is_the_section_alone(client: Client) -> None:
    """With the same choice as the page that it belongs to."""
    text = client.asks("/board?only=stuck&fragment=board").text
    assert text.startswith('<section id="board" data-live="/board?days=14&amp;only=stuck&amp;fragment=board"')
    assert "<html" not in text


@pytest.mark.e2e
def test_a_card_moves_by_itself_when_a_lead_changes(shop: WebShop, site: Served, browser: Browser) -> None:
    """And a tap on it opens the conversation's address."""
    tab = browser.opens(let_in(shop.paths, site.port), width=360)
    assert tab.goes_to("/board") == 200
    assert "Beto" in tab.evaluates("() => document.querySelector('[aria-labelledby=stage-contacted]').innerText")
    assert tab.too_wide() <= 0
    assert shop.types("leads", "stage", "+5491155550002", "qualified").code == 0
    tab.waits_for("() => document.querySelector('[aria-labelledby=stage-qualified]').innerText.includes('Beto')")
    assert tab.accessibility() == []
    assert tab.wrong() == []
    tab.closes()
