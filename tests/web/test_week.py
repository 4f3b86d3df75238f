"""The page of a week: its links, the file to keep, and how the real browser shows both."""

import re
from datetime import date, timedelta
from html import unescape
from pathlib import Path

import pytest

from tests.web.browser import Browser
from tests.web.clients import Client
from tests.web.shops import WebShop


def link(page: str, label: str) -> str:
    """Where a link of the page goes."""
    [found] = re.findall(rf'<a class="button" href="([^"]+)">{label}</a>', page)
    return unescape(str(found))


def days(path: str) -> tuple[date, date]:
    """The days of an address."""
    first, last = re.findall(r"\d{4}-\d\d-\d\d", path)
    return date.fromisoformat(first), date.fromisoformat(last)


def test_it_is_the_week_so_far(client: Client) -> None:
    """With every section, and the sentence of the record."""
    page = client.asks("/week")
    assert page.status == 200
    for words in (
        "So far: until", "3 enquiries: 1 answered", "may be missing", "First answer", "When they ask", "What they ask",
        "How they came", "Won and lost", "Who fell silent", "How complete this is",
    ):  # fmt: skip
        assert words in page.text, words


def test_the_weeks_and_the_month_around_it_are_linked(client: Client) -> None:
    """Weeks from Monday to Sunday; after this one there is none yet."""
    this = client.asks("/week").text
    first, last = days(link(this, "Before"))
    assert (first.weekday(), last - first) == (0, timedelta(days=6))
    before = client.asks(link(this, "Before")).text
    assert days(link(before, "After"))[0] == first + timedelta(days=7)
    assert ">After</a>" not in this
    begins, ends = days(link(this, "The month"))
    assert (begins.day, (ends + timedelta(days=1)).day) == (1, 1)
    month = client.asks(link(this, "The month")).text
    assert days(link(month, "Before"))[1] == begins - timedelta(days=1)


def test_both_days_belong_to_a_period(client: Client) -> None:
    """One day alone is that of its week."""
    page = client.asks("/week?from=2026-11-10&to=2026-11-12").text
    assert ">Tuesday 10 November to Thursday 12 November 2026</h1>" in page
    assert days(link(page, "Before")) == (date(2026, 11, 7), date(2026, 11, 9))
    alone = client.asks("/week?from=2026-11-11&to=").text
    assert ">Monday 9 November to Sunday 15 November 2026</h1>" in alone


def test_the_last_days_of_the_calendar_are_shown(client: Client) -> None:
    """Though no month after them ends theirs."""
    answer = client.asks("/week?from=9999-12-29&to=9999-12-29")
    assert answer.status == 200
    assert "The month" not in answer.text


@pytest.mark.parametrize(
    "query", ["from=2026-11-12&to=2026-11-10", "from=x&to=y", "from=0001-01-01&to=2026-01-01", "from=9999-12-31"]
)
def test_a_period_that_does_not_exist_is_a_calm_page(client: Client, query: str) -> None:
    """It says what to do."""
    answer = client.asks(f"/week?{query}")
    assert answer.status == 400
    assert "Choose two days, the earlier one first." in answer.text


def test_the_file_to_keep_is_whole(client: Client) -> None:
    """It brings its style and its policy along."""
    answer = client.asks("/week.html?from=2026-11-09&to=2026-11-15")
    assert answer.headers["content-disposition"] == 'attachment; filename="report-2026-11-09-2026-11-15.html"'
    assert answer.text.startswith("<!doctype html>")
    assert "default-src 'none'; style-src 'sha256-" in answer.text


@pytest.mark.e2e
@pytest.mark.parametrize("dark", [False, True])
def test_the_browser_shows_it_on_a_phone(client: Client, browser: Browser, *, dark: bool) -> None:
    """Nothing is refused by the policy, nothing is wider than the screen, and axe finds nothing."""
    page = browser.opens(client, dark=dark)
    assert page.goes_to("/week") == 200
    page.evaluates("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.too_wide() <= 0
    assert page.accessibility() == []
    assert page.wrong() == []
    fill = page.evaluates("() => getComputedStyle(document.querySelector('.week .level-2')).fill")
    assert fill == ("rgb(106, 169, 224)" if dark else "rgb(42, 108, 171)")
    page.closes()


@pytest.mark.e2e
@pytest.mark.parametrize("dark", [False, True])
def test_the_browser_shows_the_file_without_the_page(
    shop: WebShop, client: Client, browser: Browser, tmp_path: Path, *, dark: bool
) -> None:
    """From the disk, by its own policy."""
    file = tmp_path / "week.html"
    assert shop.types("report", "--html", str(file)).code == 0
    page = browser.opens(Client(client.port), dark=dark)
    page.goes_to(file.as_uri())
    page.evaluates("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.too_wide() <= 0
    assert page.wrong() == []
    paper = page.evaluates("() => getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)"), "its own style is allowed"
    page.closes()
