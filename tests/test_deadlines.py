"""Opening hours that are changed show at once and everywhere alike, whether or not the daemon was restarted."""

import logging
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from leadmasterd import times
from leadmasterd.daemon.leads import LeadJobs
from leadmasterd.daemon.warnings import ActiveWarnings
from leadmasterd.leads.calendar import BusinessCalendar
from leadmasterd.projection.policy import classifier_of, policy_of
from leadmasterd.projection.projector import Projector
from leadmasterd.queries.deadlines import with_current_deadlines
from leadmasterd.settings.leads_light import LightLeadsSettings, read_leads_settings
from leadmasterd.settings.model import load
from leadmasterd.settings.paths import find_paths
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.writer import Writer
from tests.captures import reading
from tests.test_cli_leads import ALWAYS_OPEN, DAY, HELLO, NOON, PRICE, Shop
from tests.test_cli_leads import shop as shop
from tests.waiting import LIMIT

EVENINGS = ALWAYS_OPEN.replace("00:00", "18:00")
NEVER = re.sub(r"\[\[.*\]\]", "[]", ALWAYS_OPEN)
PATIENT = ALWAYS_OPEN.replace("[leads]", "[leads]\ntarget_minutes = 600")
"""Settings in whose zone it is noon."""


def write(shop: Shop, settings: str) -> None:
    """Change the settings, and nothing else."""
    (shop.folder / "config.toml").write_text(settings)


def everywhere(shop: Shop) -> set[tuple[bool, str | None]]:
    """Whether the one customer's wait is overdue and when it is due, as each command says it."""
    answers = [
        shop.types("leads", "list", "--json").json["leads"][0],
        shop.types("leads", "waiting", "--json").json["waiting"][0],
        shop.types("leads", "show", "1", "--json").json["lead"],
        shop.types("leads", "export", "--json").json["leads"][0],
    ]
    said = {(each["overdue"], each["due_at"]) for each in answers}
    [due] = {due for _late, due in said}
    shown = shop.types("leads", "show", "1", "--json").json
    said |= {(answers[0]["overdue"], each["due_at"]) for each in (shown["conversations"][0], shown["waiting"][0])}
    counted = {
        shop.types("status", "--json").json["waiting"]["overdue"],
        shop.types("leads", "waiting", "--json").json["overdue"],
        int("1 overdue" in shop.types("status").out),
        int("overdue" in shop.types("leads", "list").out),
        int("late" in shop.types("leads", "waiting").out),
        int("overdue" in shop.types("leads", "show", "1").out),
    }
    return said | {(bool(number), due) for number in counted}


@contextmanager
def projector(shop: Shop) -> Iterator[Projector]:
    """The one of a daemon that has started now."""
    settings, paths = load(None)
    with closing(open_for_writing(shop.database)) as connection:
        connection.execute("BEGIN")
        yield Projector(
            connection, lambda: classifier_of(settings.leads.rules, paths), policy_of(settings.leads.plain())
        )
        connection.execute("COMMIT")


def this_evening() -> str:
    """A quarter past six where it is noon."""
    here = datetime.now(UTC).astimezone().replace(hour=18, minute=15, second=0, microsecond=0)
    return times.iso(here.astimezone(UTC))


def test_new_hours_are_those_of_every_command_at_once(shop: Shop) -> None:
    """And the former ones again, when they are written back."""
    shop.hears((1, 60, PRICE))
    [[since]] = shop.asks("SELECT waiting_since FROM conversations")
    due = times.iso(datetime.fromisoformat(since) + timedelta(minutes=15))
    for _ in range(2):
        write(shop, ALWAYS_OPEN)
        assert everywhere(shop) == {(True, due)}
        write(shop, EVENINGS)
        assert everywhere(shop) == {(False, this_evening())}
        write(shop, NEVER)
        assert everywhere(shop) == {(False, None)}
        write(shop, PATIENT)
        assert everywhere(shop) == {(False, times.iso(datetime.fromisoformat(since) + timedelta(hours=10)))}
    assert shop.asks("SELECT due_at FROM conversations") == [(due,)], "as it was derived"


def test_another_zone_moves_the_hours(shop: Shop) -> None:
    """Where it is evening already, the target has been missed."""
    write(shop, EVENINGS)
    shop.hears((1, 60, PRICE))
    assert {late for late, _due in everywhere(shop)} == {False}
    ahead = -int(NOON.removeprefix("Etc/GMT")) + 7
    zone = f"Etc/GMT{-ahead:+d}" if ahead <= 14 else f"Etc/GMT{24 - ahead:+d}"
    write(shop, EVENINGS.replace(NOON, zone))
    assert {late for late, _due in everywhere(shop)} == {True}


def test_follow_ups_move_into_the_new_hours(shop: Shop) -> None:
    """They are planned for a day, and due when the shop opens on it."""
    shop.hears((1, 2 * DAY, PRICE), (1, 2 * DAY - 5, "> $ 5"))
    at = times.iso(datetime.now(UTC) - timedelta(days=1, minutes=1))
    with closing(open_for_writing(shop.database)) as connection:
        connection.execute(
            "INSERT INTO decisions (conversation_id, at, actor, stage) VALUES (1, ?, 'person:beto', 'quoted')", (at,)
        )
    assert shop.types("leads", "rebuild").code == 0
    planned = times.iso(datetime.fromisoformat(at) + timedelta(days=1))
    opens = times.iso(datetime.fromisoformat(this_evening()) - timedelta(minutes=15))
    for settings, due in ((ALWAYS_OPEN, planned), (EVENINGS, opens), (NEVER, planned)):
        write(shop, settings)
        shown = shop.types("leads", "show", "1", "--json").json
        assert (shown["lead"]["follow_up_at"], shown["follow_ups"][0]["due_at"]) == (due, due)
        assert ("follow up" in shop.types("leads", "list").out) == (due == planned)


def test_what_has_ended_stays_as_it_was(shop: Shop) -> None:
    """It was late, or it was not."""
    shop.hears((1, 60, PRICE), (1, 10, "> $ 5"))
    before = shop.types("leads", "show", "1", "--json").json["waiting"]
    write(shop, NEVER)
    assert shop.types("leads", "show", "1", "--json").json["waiting"] == before


def test_the_calendar_is_not_loaded_while_the_hours_are_those_of_the_leads(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer than everything else that `status` and `leads list` do."""
    shop.hears((1, 60, PRICE))

    loaded = []
    right = LightLeadsSettings.calendar

    def slow(settings: LightLeadsSettings) -> BusinessCalendar | None:
        loaded.append(settings)
        return right(settings)

    monkeypatch.setattr(LightLeadsSettings, "calendar", slow)
    for expected in (0, 2):
        assert shop.types("status").code == 3
        assert shop.types("leads", "list").code == 0
        assert len(loaded) == expected
        write(shop, EVENINGS)


def test_a_command_with_new_hours_leaves_nothing_that_is_taken_for_the_old_ones(shop: Shop) -> None:
    """The daemon still has the old ones: what was derived with which is not known any more, until its next start."""
    shop.hears((1, 60, PRICE), (2, 50, PRICE))
    write(shop, EVENINGS)
    assert shop.types("leads", "label", "1", "delivery").code == 0
    write(shop, ALWAYS_OPEN)
    assert shop.types("leads", "waiting", "--json").json["overdue"] == 2
    with projector(shop) as started:
        started.adopt_policy()
    assert shop.asks("SELECT count(*) FROM unjudged") == [(2,)]


def test_until_all_is_derived_anew_the_old_deadlines_do_not_count(shop: Shop) -> None:
    """A daemon that has started with new hours works on it for a while."""
    shop.hears((1, 60, PRICE))
    write(shop, EVENINGS)
    with projector(shop) as started:
        started.adopt_policy()
    assert everywhere(shop) == {(False, this_evening())}


def test_a_page_loads_no_calendar_while_messages_come(shop: Shop) -> None:
    """Each leaves a conversation to be projected for a moment; only other hours count there."""
    shop.hears((1, 60, PRICE))
    shop.hears((1, 1, HELLO), judged=False)
    for settings, computes in ((ALWAYS_OPEN, False), (EVENINGS, True)):
        write(shop, settings)
        with reading(shop.database) as connection:
            with_current_deadlines(connection, read_leads_settings(find_paths(None)), while_pending=False)
            views = connection.execute("SELECT count(*) FROM sqlite_temp_schema").fetchone()[0]
        assert bool(views) == computes


def test_hours_that_can_not_be_used_leave_the_deadlines_as_they_were(shop: Shop) -> None:
    """Looking goes on."""
    shop.hears((1, 60, PRICE))
    before = everywhere(shop)
    write(shop, ALWAYS_OPEN.replace("24:00", "25:00"))
    assert everywhere(shop) == before


def test_new_hours_are_for_whoever_waits_without_a_lead_too(shop: Shop) -> None:
    """As after a missed call."""
    shop.misses_a_call(1, 60)
    shop.hears((2, 60, HELLO))
    write(shop, EVENINGS)
    rows = shop.types("leads", "waiting", "--json").json["waiting"]
    assert [(row["overdue"], row["due_at"]) for row in rows] == [(False, this_evening())] * 2


async def test_the_daemon_says_while_the_settings_have_other_hours_than_it(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Once in the journal, and in `status` and `doctor` for as long as it is so; not for any other change."""
    caplog.set_level(logging.INFO)
    settings, paths = load(None)
    shop.keeps()
    warnings = ActiveWarnings(lambda: None)
    jobs = LeadJobs(settings.leads.plain(), paths, warnings=warnings, changed=lambda: None)
    writer = Writer(paths.database, on_batch=lambda _: None, on_error=lambda _: None)
    writer.start()
    warned = []
    for text in (
        ALWAYS_OPEN,
        ALWAYS_OPEN + "# a word\n[capture]\ngroups = true\n",
        EVENINGS,
        EVENINGS,
        "[leads",
        ALWAYS_OPEN.replace("24:00", "25:00"),
        PATIENT,
        ALWAYS_OPEN,
    ):
        write(shop, text)
        await jobs.count_waiting(writer)
        warned.append("hours_changed" in warnings.concerns())
    assert warned == [False, False, True, True, True, True, True, False]
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1
    assert writer.stop(LIMIT)
