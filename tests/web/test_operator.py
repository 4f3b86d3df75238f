"""What an operator does, in a real browser: follow a link, tap, and see what has changed."""

import pytest

from leadmasterd.web.access import Access
from tests.web.browser import Browser
from tests.web.clients import Client
from tests.web.old_safari import without_fetch_metadata
from tests.web.shops import Served, WebShop

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("script", [True, False])
def test_a_link_and_one_tap_let_a_browser_in(browser: Browser, shop: WebShop, site: Served, script: bool) -> None:
    """Also without scripts. The link is worth nothing then."""
    page = browser.opens(Client(site.port), script=script)
    link = f"/login?link={Access(shop.paths).make_link('Ana')}"
    assert page.goes_to(link) == 200
    page.follows("button.main")
    assert page.evaluates("() => location.pathname") != "/login"
    assert page.goes_to("/session") == 200
    other = browser.opens(Client(site.port), script=script)
    other.goes_to(link)
    other.follows("button.main")
    assert "This link has been used" in other.text()
    assert other.goes_to("/session") == 401
    assert page.wrong() == []
    assert other.wrong() == []
    page.closes()
    other.closes()


def test_a_link_elsewhere_leads_to_the_page(browser: Browser, client: Client, site: Served) -> None:
    """A strict cookie does not come along from another site, as from a mail; our own page then goes on by itself."""
    page = browser.opens(client)
    page.goes_to(f"data:text/html,<a id='go' href='{site.url}/session'>go</a>")
    page.follows("#go")
    page.shows("Session", "h1")
    assert page.wrong() == []
    page.closes()


def test_another_site_can_not_post(browser: Browser, client: Client, site: Served) -> None:
    """Neither with our cookie nor without; nothing is done."""
    page = browser.opens(client)
    form = (
        f"<form method='post' action='{site.url}/session/revoke'><input name='id' value='1'><button>go</button></form>"
    )
    page.goes_to(f"data:text/html,{form}")
    page.follows("button")
    assert "This came from another site, so nothing was done." in page.text()
    assert client.asks("/session").status == 200
    page.closes()


@pytest.mark.parametrize("script", [True, False])
def test_a_browser_that_sends_no_fetch_metadata_decides_too(
    browser: Browser, shop: WebShop, site: Served, script: bool
) -> None:
    """As Safari before 16.4: from where a form comes is told by its origin alone."""
    with without_fetch_metadata(site.port) as port:
        page = browser.opens(Client(port), script=script)
        page.goes_to(f"/login?link={Access(shop.paths).make_link('Ana')}")
        page.follows("button.main")
        page.goes_to("/chats/1")
        page.follows("form[action='/chats/1/dismiss'] button")
        assert "no answer is needed" in page.text(".notice")
        page.follows(".notice button")
        assert "waits again, as before" in page.text(".notice")
        assert page.wrong() == []
        page.closes()


def test_a_browser_is_let_in_no_longer(browser: Browser, shop: WebShop, site: Served) -> None:
    """By a tap on another's page; with the next thing that it does it is outside."""
    from tests.web.clients import let_in

    ana, beto = let_in(shop.paths, site.port, "Ana R."), let_in(shop.paths, site.port, "Beto R.")
    page = browser.opens(ana)
    page.goes_to("/session")
    page.follows("button[aria-label='Let in no longer: Beto R.']")
    assert "Beto R. is no longer let in." in page.text(".notice")
    assert beto.asks("/session").status == 401
    page.goes_to("/session")
    assert page.text(".notice") == "", "a notice is told once"
    page.closes()
    Access(shop.paths).revoke([each.id for each in Access(shop.paths).sessions() if each.name == "Ana R."])
