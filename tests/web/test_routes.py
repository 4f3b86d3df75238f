"""Every page that the router knows, in a real browser: on a phone, in light and dark, under the policy, by keyboard."""

import re
from collections.abc import Iterator

import pytest
from starlette.routing import Route

from leadmasterd.web.app import ROUTES
from tests.web.browser import Browser, Page
from tests.web.clients import Client

pytestmark = pytest.mark.e2e

NO_PAGES = {"/events", "/qr.png", "/health", "/week.css", "/week.html"}
"""What a browser does not show by itself."""

REACHABLE = (
    "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]"
    ".filter((each) => each.checkVisibility({visibilityProperty: true}))"
)


def pages() -> list[str]:
    """Every page: GET, with 1 for each value in the path."""
    return [
        re.sub(r"\{[^}]*\}", "1", route.path)
        for route in ROUTES
        if isinstance(route, Route)
        and "GET" in (route.methods or ())
        and route.path not in NO_PAGES
        and not route.path.startswith("/export")
    ]


@pytest.fixture(scope="module", params=["light", "dark"])
def phone(request: pytest.FixtureRequest, browser: Browser, client: Client) -> Iterator[Page]:
    """A narrow screen, in each of the colours."""
    page = browser.opens(client, dark=request.param == "dark")
    yield page
    page.closes()


@pytest.mark.parametrize("path", [*pages(), "/login?link=x", "/nothing"])
def test_a_page_reads_well_on_a_phone(phone: Page, path: str) -> None:
    """Nothing wrong for axe-core, nothing that the policy refuses, nothing wider than 360 pixels."""
    assert phone.goes_to(path) in (200, 404)
    assert phone.text("h1")
    assert phone.accessibility() == []
    assert phone.wrong() == []
    assert phone.too_wide() <= 0


def test_the_page_for_strangers_reads_well_too(browser: Browser, site_url: str) -> None:
    """It is the first that an operator sees."""
    page = browser.opens(Client(int(site_url.rpartition(":")[2])))
    assert page.goes_to("/session") == 401
    assert page.accessibility() == []
    assert page.wrong() == []
    assert page.too_wide() <= 0
    page.closes()


@pytest.mark.parametrize("path", pages())
def test_a_page_is_used_with_the_keyboard_alone(browser: Browser, client: Client, path: str) -> None:
    """Every link, button and field is reached by Tab, and shows that it is."""
    page = browser.opens(client, width=800)
    page.goes_to(path)
    number, reached = len(page.evaluates(f"() => {REACHABLE}.map(() => 1)")), set()
    for _ in range(2 * number + 10):
        page.presses("Tab")
        place, outline, shown = page.evaluates(
            f"() => [{REACHABLE}.indexOf(document.activeElement), "
            "getComputedStyle(document.activeElement).outlineStyle, document.activeElement.outerHTML]"
        )
        if place >= 0:
            assert outline != "none", shown
            reached.add(place)
    assert reached == set(range(number))
    page.closes()


def test_it_can_be_put_on_a_home_screen(browser: Browser, client: Client) -> None:
    """A manifest with pictures that are there."""
    page = browser.opens(client)
    page.goes_to("/session")
    found = page.evaluates(
        "async () => { const manifest = await (await fetch(document.querySelector('link[rel=manifest]').href)).json(); "
        "const icons = await Promise.all(manifest.icons.map(async (icon) => (await fetch(icon.src)).status)); "
        "return [manifest.display, manifest.start_url, icons]; }"
    )
    assert found == ["standalone", "/", [200, 200, 200]]
    page.closes()
