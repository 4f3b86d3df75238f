"""Fixtures of the page's tests. They last for a module, whose tests share the shop and its story; the browser lasts for
all, and each of its tabs has a profile of its own.
"""

from collections.abc import Iterator

import pytest

from tests.web.browser import Browser, started
from tests.web.clients import Client, let_in
from tests.web.shops import Served, WebShop, served, tell_a_story


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> WebShop:
    """A state directory with a small story. Nothing listens."""
    made = WebShop(tmp_path_factory.mktemp("shop"))
    tell_a_story(made)
    return made


@pytest.fixture(scope="module")
def site(shop: WebShop) -> Iterator[Served]:
    """Its page, served by a real process."""
    with served(shop) as page:
        yield page


@pytest.fixture(scope="module")
def site_url(site: Served) -> str:
    """Where it is served, without a slash at the end."""
    return site.url


@pytest.fixture(scope="module")
def client(shop: WebShop, site: Served) -> Client:
    """Somebody who is let in, without a browser."""
    return let_in(shop.paths, site.port)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with started() as running:
        yield running
