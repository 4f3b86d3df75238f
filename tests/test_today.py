"""`leads today`: what is due today where the business is, and what was due before."""

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from leadmasterd import times
from leadmasterd.clock import Clock
from leadmasterd.queries.today import today
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.paths import find_paths
from leadmasterd.store.database import open_for_writing
from tests.captures import reading
from tests.test_cli_leads import ALWAYS_OPEN, BROKEN, DAY, PRICE, Shop, cells, uncoloured
from tests.test_cli_leads import shop as shop

TODAY = f"{datetime.now(UTC):%a}".lower()
CLOSED_TODAY = re.sub(rf"^{TODAY} = .*$", f"{TODAY} = []", ALWAYS_OPEN, flags=re.MULTILINE)
"""The settings' zone has the same day as UTC where it is noon."""


def quotes(shop: Shop, customer: int, days_ago: float) -> None:
    """A customer asked, was answered and got a quote so long ago."""
    ago = round(days_ago * DAY)
    shop.hears((customer, ago + 60, PRICE), (customer, ago + 50, "> $ 5"))
    at = times.iso(datetime.now(UTC) - timedelta(days=days_ago))
    with closing(open_for_writing(shop.database)) as connection:
        connection.execute(
            "INSERT INTO decisions (conversation_id, at, actor, stage) VALUES "
            "((SELECT max(conversation_id) FROM conversations), ?, 'person:beto', 'quoted')",
            (at,),
        )
    assert shop.types("leads", "rebuild").code == 0


def day() -> times.Day:
    """Today as the settings have it."""
    return Clock(datetime.now(UTC), read_leads_settings(find_paths(None)).zone()).today()


def test_a_day_on_which_nothing_is_due_is_told_calmly(shop: Shop) -> None:
    """Also before anything was captured; in JSON the lists are empty."""
    before = shop.types("leads", "today")
    assert (before.code, before.out) == (0, "Nothing is due today.\n")
    quotes(shop, 1, 0.1)
    done = shop.types("leads", "today")
    assert (done.code, done.out, done.err) == (0, "Nothing is due today.\n", "")
    answer = shop.types("leads", "today", "--json").json
    assert answer | {"as_of": ""} == {
        "as_of": "",
        "day": f"{datetime.now(UTC).astimezone():%Y-%m-%d}",
        "target_seconds": 900,
        "unjudged": 0,
        "follow_ups": [],
        "waiting": [],
        "waiting_later": 0,
    }


def test_follow_ups_of_today_and_of_earlier_days_are_listed(shop: Shop) -> None:
    """The first due first. Of a series that nobody has begun, it is one thing to do."""
    quotes(shop, 1, 0.9)
    quotes(shop, 2, 4.5)
    quotes(shop, 3, 1.01)
    now = times.iso(datetime.now(UTC))
    rows = shop.types("leads", "today", "--json").json["follow_ups"]
    told = [(row["lead_id"], row["kind"], row["number"], row["overdue"], row["due_at"] > now) for row in rows]
    assert told == [
        (2, "quote_silent", 2, True, False),
        (3, "quote_silent", 1, False, False),
        (1, "quote_silent", 1, False, True),
    ]
    since = datetime.now(UTC) - timedelta(days=3.5)
    assert abs(datetime.fromisoformat(rows[0]["due_at"]) - since) < timedelta(minutes=1)
    shown = shop.types("leads", "today").out
    assert shown.startswith("To follow up\n")
    lines = shown.splitlines()
    assert re.search(rf"^ +2  Cliente 2 .* ask about the quote \(2 of 4\) +{since.astimezone():%m-%d}$", lines[2])
    assert lines[3].endswith(" overdue")
    assert re.search(r"^ +3  Cliente 3 .* ask about the quote \(1 of 4\) +\d\d:\d\d$", lines[4])
    assert shown.count("overdue") == 1


def test_what_was_answered_is_not_due_any_more(shop: Shop) -> None:
    """A message of ours does what was due."""
    quotes(shop, 1, 4.5)
    assert len(shop.types("leads", "today", "--json").json["follow_ups"]) == 1
    shop.hears((1, 1, "> pudiste pensarlo?"))
    assert shop.types("leads", "today").out == "Nothing is due today.\n"


def test_a_task_without_a_lead_is_listed(shop: Shop) -> None:
    """After a sale that was made elsewhere, say."""
    shop.hears((1, 30, BROKEN))
    [task] = shop.types("leads", "today", "--json").json["follow_ups"]
    assert (task["lead_id"], task["kind"], task["stage"], task["intent"]) == (None, "after_sale", None, None)
    assert "  -  Cliente 1" in shop.types("leads", "today").out
    assert "look into their after-sale question" in shop.types("leads", "today").out


def test_who_waits_is_listed_by_when_the_target_is_missed(shop: Shop) -> None:
    """With the time, and whether it has passed."""
    shop.hears((1, 5, PRICE), (2, 60, PRICE))
    rows = shop.types("leads", "today", "--json").json["waiting"]
    assert [(row["lead_id"], row["overdue"]) for row in rows] == [(2, True), (1, False)]
    assert [row["due_at"] for row in rows] == sorted(row["due_at"] for row in rows)
    lines = shop.types("leads", "today").out.splitlines()
    assert lines[0] == "Waiting for an answer"
    assert lines[1].endswith("answer by")
    late, on_time = (f"{datetime.fromisoformat(row['due_at']).astimezone():%H:%M}" for row in rows)
    assert lines[2].endswith(late)
    assert lines[3].endswith("overdue")
    assert lines[4].endswith(on_time)
    assert not lines[5].endswith("overdue")


def test_who_waits_until_another_day_is_only_counted(shop: Shop) -> None:
    """The shop is closed today; nobody has to be answered."""
    (shop.folder / "config.toml").write_text(CLOSED_TODAY)
    shop.hears((1, 5, PRICE), (2, 60, PRICE))
    answer = shop.types("leads", "today", "--json").json
    assert (answer["waiting"], answer["waiting_later"]) == ([], 2)
    assert shop.types("leads", "today").out == (
        "Nothing is due today.\n2 conversations wait that are not due today: `leadmasterd leads waiting`.\n"
    )
    (shop.folder / "config.toml").write_text(ALWAYS_OPEN)
    assert len(shop.types("leads", "today", "--json").json["waiting"]) == 2, "by the hours of now"


def test_a_follow_up_that_falls_on_a_closed_day_is_due_when_the_shop_opens(shop: Shop) -> None:
    """Tomorrow, at midnight."""
    (shop.folder / "config.toml").write_text(CLOSED_TODAY)
    quotes(shop, 1, 1.01)
    assert shop.types("leads", "today", "--json").json["follow_ups"] == []
    assert shop.lead(1)["follow_up_at"] == times.iso(day().ends)


@pytest.mark.parametrize(
    ("now", "zone", "begins", "ends"),
    [
        ("2026-11-24T02:30Z", "America/Argentina/Buenos_Aires", "2026-11-23T03:00Z", "2026-11-24T03:00Z"),
        ("2026-11-24T03:00Z", "America/Argentina/Buenos_Aires", "2026-11-24T03:00Z", "2026-11-25T03:00Z"),
        ("2026-11-24T12:00Z", "Pacific/Kiritimati", "2026-11-24T10:00Z", "2026-11-25T10:00Z"),
        ("2026-10-25T12:00Z", "Europe/Madrid", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
    ],
)
def test_today_is_the_day_where_the_business_is(now: str, zone: str, begins: str, ends: str) -> None:
    """From midnight to midnight; 25 hours when the clock is set back."""
    day = Clock(datetime.fromisoformat(now), ZoneInfo(zone)).today()
    assert (day.begins, day.ends) == (datetime.fromisoformat(begins), datetime.fromisoformat(ends))
    assert day.date == datetime.fromisoformat(now).astimezone(ZoneInfo(zone)).date()


def test_a_follow_up_of_a_few_hours_ago_may_be_of_another_day(shop: Shop) -> None:
    """Where midnight has passed since then."""
    quotes(shop, 1, 1.2)
    [[due]] = shop.asks("SELECT min(due_at) FROM follow_ups")
    due_at = datetime.fromisoformat(due)
    with reading(shop.database) as connection:
        told = []
        for begins, ends in ((-1, 23), (0, 24), (0.001, 24.001), (1, 25), (-25, -1), (-24, 0)):
            day = times.Day(due_at.date(), due_at + timedelta(hours=begins), due_at + timedelta(hours=ends))
            answer = today(connection, due_at, day, limit=9, target_seconds=900, calendar=lambda: None)
            told.append([each["overdue"] for each in answer["follow_ups"]])
    assert told == [[False], [False], [True], [True], [], []]


def test_what_is_not_processed_yet_is_said(shop: Shop) -> None:
    """Then nobody says that nothing is due."""
    shop.hears((1, 30, PRICE), judged=False)
    done = shop.types("leads", "today")
    assert done.out == "1 conversation is not processed yet: somebody may be waiting there.\n"


def test_a_limit_is_of_each_list(shop: Shop) -> None:
    """And there may be more."""
    shop.hears(*((customer, 30, PRICE) for customer in range(1, 4)), *((customer, 30, BROKEN) for customer in (4, 5)))
    done = shop.types("leads", "today", "--limit", "2")
    assert done.err.startswith("There may be more: --limit shows them.")
    answer = shop.types("leads", "today", "--limit", "2", "--json").json
    assert (len(answer["follow_ups"]), len(answer["waiting"])) == (2, 2)
    assert len(shop.types("leads", "today", "--json").json["waiting"]) == 5


def test_it_fits_on_80_columns_and_on_a_phone(shop: Shop) -> None:
    """Whatever people call themselves; a phone that can be typed stays whole."""
    name = {"notify_name": "Ana María de los Ángeles Fernández Bustamante"}
    shop.hears((1, 60, PRICE, name), (2, 30, BROKEN, name))
    quotes(shop, 3, 4.5)
    for text in (shop.types("leads", "today").out, uncoloured(shop.sees(80, "leads", "today"))):
        assert max(map(cells, text.splitlines())) <= 80
        assert "+5491155550001" in text
    assert max(map(cells, uncoloured(shop.sees(45, "leads", "today")).splitlines())) <= 45


def test_its_help_has_an_example(shop: Shop) -> None:
    """And says whose day it is."""
    done = shop.types("leads", "today", "--help")
    assert done.code == 0
    assert "leadmasterd leads today" in done.out.partition("examples:")[2]
    assert "leads.timezone" in done.out


def test_the_command_line_only_prints_it() -> None:
    """What is due is a query, for a page to show as well."""
    source = (Path(__file__).parent.parent / "leadmasterd" / "cli" / "leads_today.py").read_text()
    assert "SELECT" not in source
