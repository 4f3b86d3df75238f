"""A report as people see it: its sentences, its pictures without style or script, and the command."""

import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from leadmasterd import text
from leadmasterd.clock import Clock
from leadmasterd.queries.report import Figures, Report
from leadmasterd.queries.report.periods import week_of
from leadmasterd.report import document, words
from leadmasterd.report.pictures import week as week_picture
from tests import stories
from tests.stories import ZONE, moment
from tests.test_cli_leads import PRICE, Shop, cells, uncoloured
from tests.test_cli_leads import shop as shop
from tests.test_report import NOW, heard, outage, the_week, told

CLOCK: Final = Clock(moment(NOW), ZONE)
HOSTILE: Final = '<script>alert(1)</script>"&\u202e'


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    """The week of `test_report`, with a name and a note that strangers chose, and two outages."""
    with heard(*the_week()) as books:
        books.db.execute("UPDATE touches SET headline = ?", (HOSTILE,))
        books.db.execute("UPDATE decisions SET note = ?", (HOSTILE,))
        outage(books, "17 10:00", "17 10:05", filled="17 10:06", recovered=1)
        outage(books, "18 10:00", "18 10:07", filled="18 10:08", recovered=4)
        yield told(books)


@pytest.fixture
def _spanish() -> Iterator[None]:
    text.speak("es")
    yield
    text.speak("en")


# ---------------------------------------------------------------------- the sentences


def test_the_sentence_of_the_record_says_what_was_filled(report: Report) -> None:
    """And claims nothing of what expired."""
    assert words.completeness(report["period"], CLOCK) == (
        "The listener was blind for 12 min in 2 gaps; all were filled afterwards (5 messages); what expired or was "
        "deleted meanwhile cannot be known."
    )
    assert words.completeness(report["before"], CLOCK) == "The listener heard all of it, without a gap."


@pytest.mark.usefixtures("_spanish")
def test_the_sentences_are_spanish_where_spanish_is_spoken(report: Report) -> None:
    """Plain, with voseo and numbers as they are written there."""
    assert words.stretch(report["period"], CLOCK) == "del lunes 16 de noviembre al domingo 22 de noviembre de 2026"
    assert words.completeness(report["period"], CLOCK) == (
        "No se escuchó durante 12 min, en 2 cortes; después se recuperaron todos (5 mensajes); lo que venció o se "
        "borró mientras tanto no se puede saber."
    )
    assert words.answered(report["period"]["first_answers"]) == (
        "8 consultas. Respondidas: 6; dentro del plazo: 4. A 2 todavía no se les respondió (siguen esperando: 1)."
    )


def record(report: Report, **changed: Any) -> Figures:
    """The week with another record."""
    return {**report["period"], "record": {**report["period"]["record"], **changed}}  # type: ignore[typeddict-item]


def test_what_may_be_missing_is_said_with_its_length(report: Report) -> None:
    """As long as no sweep has filled it."""
    found = words.completeness(record(report, unfilled=1, unfilled_seconds=3 * 3600), CLOCK)
    assert "1 is not filled yet: what came in these 3 h 0 min may be missing; what expired" in found


def test_a_record_that_begins_later_says_so(report: Report) -> None:
    """Within the period, after it, or never."""
    assert words.completeness(record(report, linked_at=stories.iso("17 09:30"), gaps=0), CLOCK) == (
        "The listener heard all of it, without a gap. Before Tuesday 17 November 2026, 09:30, when the phone was "
        "linked, there is only what it handed over then."
    )
    assert words.completeness(record(report, linked_at=stories.iso("23 00:00")), CLOCK) == (
        "Nobody listened then: the first phone was linked on Monday 23 November 2026."
    )
    assert (
        words.completeness(record(report, linked_at=None), CLOCK) == "No phone has ever been linked: nothing was heard."
    )


def test_a_period_that_runs_says_until_when(report: Report) -> None:
    """And with what it is compared."""
    with heard() as books:
        running = told(books, week_of(moment(NOW), ZONE))
        future = told(books, week_of(moment("12-08 12:00"), ZONE))
    assert words.so_far(running["period"], CLOCK) == "So far: until Tuesday 24 November 2026, 12:00."
    assert words.compared_with(running, CLOCK) == (
        "Compared with: Monday 16 November to Sunday 22 November 2026, until Tuesday 17 November 2026, 12:00."
    )
    assert words.so_far(report["period"], CLOCK) == ""
    assert words.so_far(future["period"], CLOCK) == "This period has not begun yet."
    assert words.completeness(future["period"], CLOCK) == "There is nothing to be complete yet."


# ---------------------------------------------------------------------- the pictures


class Elements(HTMLParser):
    """Every element with its attributes; fails on what is not closed as it was opened."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(markup)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "rect"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_there_is_no_script_no_style_attribute_and_nothing_from_elsewhere(report: Report) -> None:
    """What strangers wrote stands there as text."""
    markup = document.file(report, CLOCK)
    elements = Elements(markup)
    names = {name for name, _ in elements.found}
    attributes = {name for _, each in elements.found for name in each}
    assert names.isdisjoint({"script", "img", "link", "iframe", "object", "a", "form"})
    assert attributes.isdisjoint({"style", "href", "src", "srcset"})
    assert not any(name.startswith("on") for name in attributes)
    assert any("<script>alert(1)</script>" in each for each in elements.texts)
    assert "\u202e" not in markup


def test_a_file_allows_its_own_style_and_nothing_else(report: Report) -> None:
    """By the hash of what stands between the tags."""
    from base64 import b64encode
    from hashlib import sha256

    markup = document.file(report, CLOCK)
    [style] = re.findall(r"<style>(.*?)</style>", markup, re.DOTALL)
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    assert f"content=\"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'" in markup
    assert "url(" not in style
    assert "@import" not in style


def test_the_picture_of_the_week_has_the_numbers_in_it(report: Report) -> None:
    """A cell for each hour in which somebody asked, and a corner for those not answered in time."""
    picture = week_picture(report["period"]["asked"]["hours"])
    assert len(re.findall(r"<rect class=\"level-", picture)) == 11
    assert picture.count("<title>") == 12
    assert "<title>Saturday, 11:00: 1 asked, 1 not answered in time</title>" in picture
    assert 'viewBox="0 0 359 ' in picture, "so that one unit is one pixel on a phone"


def luminance(colour: str) -> float:
    """Relative, by WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """By WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_numbers_can_be_read_on_their_colours() -> None:
    """AA: 4.5 for text, 3 for bars on paper, in the light and in the dark."""
    from leadmasterd.report import pictures

    for fill, ink in (*pictures._CELLS, pictures._MISSED):
        assert contrast(fill, ink) >= 4.5, (fill, ink)
    for colour in (pictures.PLAIN, pictures.LATE, pictures.QUIET):
        assert contrast(colour, "#ffffff") >= 3, colour
        assert contrast(colour, "#14171a") >= 3, colour
    css = (document.HERE / "report.css").read_text()
    for level in range(4):
        fills, inks = (re.findall(rf"\.{kind}-{level} {{ fill: (#\w+)", css) for kind in ("level", "on"))
        assert len(fills) == len(inks) == 2
        for fill, ink in zip(fills, inks, strict=True):
            assert contrast(fill, ink) >= 4.5, (fill, ink)


def test_levels_differ_in_lightness_too() -> None:
    """For eyes that do not tell the colours apart; and the corner from every level."""
    from leadmasterd.report import pictures

    light = [luminance(fill) for fill, _ in pictures._CELLS]
    assert light == sorted(light, reverse=True)
    assert all(one / other > 1.3 for one, other in pairwise(light))


def test_a_week_in_which_nobody_asked_has_no_picture() -> None:
    """Only sentences."""
    with heard() as books:
        markup = document.body(told(books), CLOCK)
    assert "<figure>" not in markup
    assert "Nobody waited for an answer." in markup
    Elements(markup)


def test_long_lists_are_cut_and_say_so(report: Report) -> None:
    """Twenty campaigns, say."""
    many = [{"kind": "campaign", "name": f"Verano {n}", "leads": 1, "won": 0} for n in range(20)]
    found: Report = {**report, "period": {**report["period"], "came_by": many}}  # type: ignore[typeddict-item]
    markup = document.body(found, CLOCK)
    assert "Verano 14" in markup
    assert "Verano 15" not in markup
    assert "and 5 more" in markup


# ---------------------------------------------------------------------- the command


def test_the_week_is_told_on_the_terminal(shop: Shop) -> None:
    """Eighty columns, whatever people call their ads."""
    shop.hears(
        (1, 30, PRICE, {"referral": {"source_id": "1", "source_url": "https://fb.me/1", "title": "Campera " * 20}})
    )
    done = shop.types("report")
    assert (done.code, done.err) == (0, "")
    assert (
        "1 enquiry: 0 answered, 0 of them within the target. 1 has not been answered so far (still waiting: 1)."
        in done.out
    )
    assert "an ad: Campera Campera" in done.out
    assert re.search(r"^within the target +0 of 1 +-$", done.out, re.MULTILINE)
    assert " more\n" not in done.out
    assert max(map(cells, uncoloured(shop.sees(80, "report")).splitlines())) <= 80


def test_before_anything_was_captured_it_is_calm(shop: Shop) -> None:
    """A note, and figures of nothing; also in a file."""
    done = shop.types("report")
    assert done.code == 0
    assert done.err.startswith("Nothing has been captured here yet")
    assert "No phone has ever been linked" in done.out
    assert shop.types("report", "--json").json["period"]["opened"] == 0
    assert shop.types("report", "--html", "week.html").code == 0


def test_a_file_is_private_and_whole(shop: Shop) -> None:
    """It takes the place of an older one."""
    shop.hears((1, 30, PRICE))
    file = shop.folder / "week.html"
    file.write_text("old")
    file.chmod(0o644)
    done = shop.types("report", "--html", str(file))
    assert done.code == 0
    assert "Readable only by you." in done.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("<!doctype html>\n<html lang=")
    assert [each.name for each in shop.folder.glob("*week*")] == ["week.html"]


@pytest.mark.parametrize("file", ["state", "nowhere/week.html"])
def test_a_file_that_cannot_be_written_is_one_sentence(shop: Shop, file: str) -> None:
    """And exit code 1."""
    shop.hears((1, 30, PRICE))
    done = shop.types("report", "--html", file)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"cannot write {file}: ")
    assert done.err.endswith("name another --html\n")


def stretch(shop: Shop, *words: str) -> list[str]:
    """Where the period and the one before begin, and where they end, in the shop's zone."""
    answer = shop.types("report", *words, "--json").json
    zone = ZoneInfo(answer["timezone"])
    return [
        f"{datetime.fromisoformat(answer[period][key]).astimezone(zone):%m-%d %H:%M}"
        for period in ("before", "period")
        for key in ("begins", "ends")
    ]


def test_a_period_can_be_asked_for(shop: Shop) -> None:
    """A date in --to belongs to it; a time ends it."""
    assert stretch(shop, "--week", "2026-11-18") == ["11-09 00:00", "11-16 00:00", "11-16 00:00", "11-23 00:00"]
    assert stretch(shop, "--month", "2026-03-31") == ["02-01 00:00", "03-01 00:00", "03-01 00:00", "04-01 00:00"]
    days = ("--from", "2026-11-10", "--to", "2026-11-12")
    assert stretch(shop, *days) == ["11-07 00:00", "11-10 00:00", "11-10 00:00", "11-13 00:00"]
    times = ("--from", "2026-11-10T08:00", "--to", "2026-11-10T09:00")
    assert stretch(shop, *times) == ["11-10 07:00", "11-10 08:00", "11-10 08:00", "11-10 09:00"]
    today = datetime.now(UTC).astimezone(ZoneInfo(shop.types("report", "--json").json["timezone"]))
    assert stretch(shop)[2:] == stretch(shop, "--week")[2:] == stretch(shop, "--week", "hoy")[2:]
    assert datetime.strptime(f"{today.year}-{stretch(shop)[2]}", "%Y-%m-%d %H:%M").weekday() == 0  # noqa: DTZ007


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (["--to", "hoy"], "cannot use --to without --from"),
        (["--from", "2026-11-10", "--to", "2026-11-09"], "it ends before it begins"),
        (["--from", "2100-01-01"], "it ends before it begins"),
        (["--from", "0005-01-01"], "no calendar goes so far"),
        (["--week", "9999-12-31"], "no calendar goes so far"),
        (["--month", "1900-01-01"], "no calendar goes so far"),
        (["--week", "someday"], "cannot use the time 'someday'"),
        (["--week", "--month"], "not allowed with argument"),
        (["--json", "--html", "x.html"], "not allowed with argument"),
    ],
)
def test_a_period_that_cannot_be_used_is_a_sentence(shop: Shop, typed: list[str], why: str) -> None:
    """Exit code 64."""
    done = shop.types("report", *typed)
    assert (done.code, done.out) == (64, "")
    assert why in done.err


def test_a_dead_daemon_is_told_in_the_record(shop: Shop) -> None:
    """What came since then may be missing."""
    shop.hears((1, 30, PRICE))
    answer = shop.types("report", "--json").json
    assert answer["period"]["record"]["unfilled"] == 1
    assert "may be missing" in shop.types("report").out
