"""What a report counts: stories in which every figure was counted by hand, the edges of periods, and the record."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from leadmasterd.queries.report import Figures, Report, nothing, report
from leadmasterd.queries.report.asked import asked
from leadmasterd.queries.report.first_answers import lengths
from leadmasterd.queries.report.periods import Period, Window, between, month_of, week_of
from leadmasterd.settings.leads_light import LightLeadsSettings
from leadmasterd.times import iso
from tests import stories
from tests.stories import ZONE, Books, Customer, Line, moment

_DAY: Final = (("09:00", "13:00"), ("16:00", "20:00"))
NOW: Final = "24 12:00"
"""A Tuesday; the week of most stories began on Monday the 16th."""


def settings(**changed: Any) -> LightLeadsSettings:
    """Those of the shop in `stories`."""
    hours = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), _DAY)
    usual: dict[str, Any] = {
        "target_seconds": 900,
        "stale_days": 14,
        "dormant_days": 60,
        "country": "",
        "timezone": str(ZONE),
        "hours": hours,
        "overrides": {},
        "refused": (),
    }
    return LightLeadsSettings(**{**usual, **changed})


def customer(number: int, **more: Any) -> Customer:
    """One of many."""
    return Customer(f"54911555500{number:02}@c.us", **more)


@contextmanager
def heard(*lines: Line) -> Iterator[Books]:
    """Real tables with this in them. The phone was linked in October."""
    with Books() as books:
        books.db.execute("UPDATE accounts SET first_linked_at = ?1, last_ready_at = ?1", (stories.iso("10-01 12:00"),))
        books.tell(lines)
        yield books


def told(
    books: Books,
    period: Period | None = None,
    *,
    now: str = NOW,
    running: bool = True,
    by: LightLeadsSettings | None = None,
) -> Report:
    """The report of a period, or of the week of the 16th."""
    week = period or week_of(moment("18 12:00"), ZONE)
    return report(books.db, week, moment(now), by or settings(), running=running)


def buckets(found: Any) -> list[int]:
    """Up to 5, 15, 60 min, 4 h, 24 h, and more."""
    return [bucket["leads"] for bucket in found["buckets"]]


def by_days(figures: Figures) -> dict[int, tuple[int, int]]:
    """Silences and how many ended."""
    return {each["days"]: (each["silent"], each["answered"]) for each in figures["silences"]["by_days"]}


# ---------------------------------------------------------------------- a week, counted by hand


def the_week() -> list[Line]:
    """What is asked from Monday the 16th to Sunday the 22nd, what was before, and what became of it."""
    ana, bea, cira, dora, eva, fay, gala, hada, ida, jana, kira = (customer(number) for number in range(1, 12))
    lola, mora = customer(12, saved="Lola"), customer(13)
    lines = [
        hada.says("15 23:59:59", "price"), ana.says("16 10:00", "price"), ana.hears("16 10:04", "a thousand"),
        hada.hears("16 09:05", "good morning"), bea.says("16 12:50", "price"), bea.hears("16 16:05", "two thousand"),
        cira.says("17 22:00", "price"), cira.hears("18 09:30", "three thousand"), ida.clicks_ad("18 10:00"),
        ida.hears("18 10:01", "what would you like?"), ida.decided("19 12:00", "won"), jana.says("19 10:00", "price"),
        jana.decided("19 10:30", "lost"), kira.says("19 11:00", "price"), kira.decided("19 11:05", "junk"),
        lola.says("20 10:00", "complaint"), lola.hears("20 10:05", "oh no"), lola.decided("20 12:00", "qualified"),
        mora.call("20 11:00"), bea.says("20 12:00", "order"), bea.hears("20 12:05", "it is on its way"),
        dora.says("20 19:50", "price"), eva.says("21 11:00", "price"), fay.says("22 23:59:59", "price"),
        gala.says("23 00:00", "price"), fay.hears("23 09:10", "four thousand"), dora.hears("23 09:20", "five thousand"),
    ]  # fmt: skip
    return sorted(lines, key=lambda line: line["at"] if isinstance(line["at"], int) else moment_ms(line["at"]))


def moment_ms(at: str) -> int:
    """A decision's time as that of other lines."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)


@pytest.fixture(scope="module")
def week() -> Iterator[Report]:
    """Its report, on the Tuesday after it."""
    with heard(*the_week()) as books:
        yield told(books)


def test_leads_count_that_were_opened_in_the_period(week: Report) -> None:
    """Its last second is in it and its end is not; discarded ones are a number of their own."""
    assert (week["period"]["opened"], week["period"]["discarded"]) == (9, 1)  # a b c d e f, i, j, and lola's by hand
    assert (week["before"]["opened"], week["before"]["discarded"]) == (1, 0)  # hada
    assert week["period"]["begins"] == "2026-11-16T03:00:00.000Z"
    assert week["period"]["ends"] == week["period"]["until"] == "2026-11-23T03:00:00.000Z"
    assert week["before"]["begins"] == "2026-11-09T03:00:00.000Z"
    assert week["before"]["until"] == week["before"]["ends"] == week["period"]["begins"]


def test_first_answers_are_counted_in_open_hours_and_by_the_clock(week: Report) -> None:
    """Ana 4 min; Bea 15 min over noon; Cira and Dora 30 min of opening, Dora over a weekend; Fay 10 min, Ida 1 min."""
    first = week["period"]["first_answers"]
    assert (first["leads"], first["answered"], first["within_target"]) == (8, 6, 4)
    assert buckets(first["open_hours"]) == [2, 2, 2, 0, 0, 0]
    assert buckets(first["wall"]) == [2, 0, 0, 1, 2, 1]
    assert first["open_hours"]["median_seconds"] == 750  # 60 240 600 | 900 1800 1800
    assert first["wall"]["median_seconds"] == (11700 + 33001) / 2  # 60 240 11700 | 33001 41400 221400
    assert first["open_hours"]["p90_seconds"] is None


def test_who_was_never_answered_is_told_beside(week: Report) -> None:
    """Eva still waits; Jana was closed without an answer. What a person opened by hand waited for nothing."""
    first = week["period"]["first_answers"]
    assert (first["never"], first["never_waiting"], first["waiting"]) == (2, 1, 0)
    assert first["by_hand"] == 1


def test_exactly_five_minutes_are_within_five_minutes(week: Report) -> None:
    """Hada's answer came at 9:05, and the shop opens at 9."""
    assert buckets(week["before"]["first_answers"]["open_hours"]) == [1, 0, 0, 0, 0, 0]
    assert week["before"]["first_answers"]["open_hours"]["median_seconds"] == 300


def test_hours_are_those_in_which_somebody_began_to_wait(week: Report) -> None:
    """Also without a lead; not those of a discarded one. An answer in the last second of the target is in time."""
    asked_ = week["period"]["asked"]
    assert (asked_["asked"], asked_["missed"]) == (11, 5)
    places = {(each["weekday"], each["hour"]): (each["asked"], each["missed"]) for each in asked_["hours"]}
    assert places == {
        (1, 10): (1, 0), (1, 12): (1, 0), (2, 22): (1, 1), (3, 10): (1, 0), (4, 10): (1, 1), (5, 10): (1, 0),
        (5, 11): (1, 1), (5, 12): (1, 0), (5, 19): (1, 1), (6, 11): (1, 1), (7, 23): (1, 0),
    }  # fmt: skip
    assert week["before"]["asked"]["hours"] == [{"weekday": 7, "hour": 23, "asked": 1, "missed": 0}]


def test_what_they_ask_and_how_they_came(week: Report) -> None:
    """By the first intent and the first touchpoint; those without a lead by what they are about."""
    assert week["period"]["wants"] == [
        {"intent": "price", "group": "commercial", "leads": 7},
        {"intent": "unknown", "group": "unknown", "leads": 2},
    ]
    assert week["period"]["without_lead"] == [
        {"group": "after_sale", "conversations": 1},
        {"group": "missed_call", "conversations": 1},
    ]
    assert week["period"]["came_by"] == [
        {"kind": "ad", "name": "Camperas", "leads": 1, "won": 1},
        {"kind": "none", "name": None, "leads": 8, "won": 0},
    ]


def test_silences_are_counted_by_how_old_they_became(week: Report) -> None:
    """Ana, Bea (who wrote again on Friday, and fell silent again), Cira, Hada; and Ida, whose lead was closed soon."""
    assert by_days(week["period"]) == {1: (6, 1), 3: (4, 1), 7: (0, 0), 14: (0, 0), 30: (0, 0)}
    assert set(by_days(week["before"]).values()) == {(0, 0)}


def test_leads_closed_in_the_period_are_counted_whenever_they_were_opened(week: Report) -> None:
    """Without a note there is no reason."""
    closings = week["period"]["closings"]
    assert (closings["won"], closings["lost"], closings["dormant"], closings["junk"]) == (1, 1, 0, 1)
    assert closings["reasons"] == [
        {"stage": "won", "intent": None, "note": None, "leads": 1},
        {"stage": "lost", "intent": None, "note": None, "leads": 1},
    ]


# ---------------------------------------------------------------------- single figures


def test_who_still_has_time_is_waiting_and_not_never() -> None:
    """Until the target is missed; then they are never, so far."""
    ana = customer(1)
    with heard(ana.says("17 10:00", "price")) as books:
        first = [told(books, now=now)["period"]["first_answers"] for now in ("17 10:14:59", "17 10:15")]
    assert [(each["waiting"], each["never"], each["never_waiting"]) for each in first] == [(1, 0, 0), (0, 1, 1)]
    assert {each["leads"] for each in first} == {1}


def test_a_reaction_is_no_answer() -> None:
    """It ends the waiting, so nobody waits; and nobody was answered."""
    ana = customer(1)
    asks = ana.says("17 10:00", "price")
    with heard(asks, stories.reacted(asks, "17 10:05")) as books:
        found = told(books)["period"]
    assert (found["first_answers"]["never"], found["first_answers"]["never_waiting"]) == (1, 0)
    assert (found["asked"]["asked"], found["asked"]["missed"]) == (1, 0)


def test_what_a_person_said_needs_no_answer_is_missed_by_nobody() -> None:
    """It is told apart, and nobody has asked; what they write afterwards counts again."""
    ana = customer(1)
    with heard(ana.says("17 10:00", "price"), ana.dismissed("17 10:30")) as books:
        found = told(books)["period"]
        assert (found["first_answers"]["not_needed"], found["first_answers"]["leads"]) == (1, 0)
        assert found["asked"]["asked"] == 0
        books.tell([ana.says("17 12:00", "order")])
        found = told(books)["period"]
        assert (found["first_answers"]["not_needed"], found["first_answers"]["never"]) == (0, 1)
        assert (found["asked"]["asked"], found["asked"]["missed"]) == (1, 1)


@pytest.mark.parametrize(("number", "p90"), [(9, None), (10, 9), (11, 10), (20, 18)])
def test_nine_in_ten_is_somebodys_length(number: int, p90: int | None) -> None:
    """The smallest that at least nine in ten do not exceed; of few it would be one person's."""
    assert lengths(range(1, number + 1))["p90_seconds"] == p90


def test_each_length_is_in_one_bucket() -> None:
    """A limit belongs to what it ends."""
    found = lengths([0, 300, 300.001, 900, 3600, 3601, 14400, 86400, 86401, 9e9])
    assert buckets(found) == [2, 2, 1, 2, 1, 2]
    assert [bucket["up_to_seconds"] for bucket in found["buckets"]] == [300, 900, 3600, 14400, 86400, None]


def test_lengths_are_by_the_hours_of_now() -> None:
    """Whatever they were when the leads were made: the shop was closed on Tuesday after all."""
    ana = customer(1)
    with heard(ana.says("17 10:00", "price"), ana.hears("18 09:10", "a thousand")) as books:
        closed = settings(overrides={"2026-11-17": []})
        found = [told(books, by=by)["period"]["first_answers"]["open_hours"] for by in (settings(), closed)]
    assert [each["median_seconds"] for each in found] == [7 * 3600 + 600, 600]


def test_stored_lengths_are_taken_where_the_hours_are_the_same() -> None:
    """The slow calendar is not built then."""
    ana = customer(1)
    with heard(ana.says("17 10:00", "price"), ana.hears("17 10:10", "a thousand")) as books:
        books.db.execute("INSERT INTO derived_with VALUES ('hours', ?)", (settings().hours_version(),))
        books.db.execute("UPDATE leads SET first_response_business_seconds = 7")
        assert told(books)["period"]["first_answers"]["open_hours"]["median_seconds"] == 7


def test_a_holiday_has_no_open_hours() -> None:
    """The 23rd of November 2026 is one in Argentina (moved from the 20th)."""
    ana = customer(1)
    with heard(ana.says("22 12:00", "price"), ana.hears("23 12:00", "a thousand"), ana.says("24 09:00", "ok")) as books:
        found = [told(books, by=settings(country=country)) for country in ("", "AR")]
    assert [each["period"]["first_answers"]["open_hours"]["median_seconds"] for each in found] == [3 * 3600, 0]


def test_a_lost_lead_is_told_with_what_was_written_and_what_they_said() -> None:
    """Their last closing words count, and the note of the decision that closed it."""
    ana, bea, cira = customer(1), customer(2), customer(3)
    lines = [
        ana.says("17 10:00", "price"), ana.hears("17 10:01", "a lot"), ana.says("17 10:10", "not_interested"),
        bea.says("17 10:00", "price"), bea.hears("17 10:01", "a lot"), cira.says("17 10:00", "price"),
    ]  # fmt: skip
    with heard(*lines) as books:
        books.capture(*(each.decided("18 10:00", "lost") for each in (ana, bea, cira)))
        books.db.execute("UPDATE decisions SET note = ' too dear ' WHERE decision_id > 1")
        books.project_all()
        reasons = told(books)["period"]["closings"]["reasons"]
    assert reasons == [
        {"stage": "lost", "intent": None, "note": "too dear", "leads": 2},
        {"stage": "lost", "intent": "not_interested", "note": None, "leads": 1},
    ]


def test_an_older_lead_that_is_closed_now_was_lost_now() -> None:
    """And one of this week that was closed next week was not."""
    ana, bea = customer(1), customer(2)
    lines = [ana.says("10 10:00", "price"), bea.says("17 10:00", "price")]
    with heard(*lines, ana.decided("18 10:00", "lost"), bea.decided("24 10:00", "lost")) as books:
        found = told(books)
    assert (found["period"]["opened"], found["before"]["opened"]) == (1, 1)
    assert (found["period"]["closings"]["lost"], found["before"]["closings"]["lost"]) == (1, 0)


def test_a_lead_that_was_merged_counts_once() -> None:
    """Its enquiry is the other one's."""
    ana, bea = customer(1), customer(2)
    with heard(ana.says("17 10:00", "price"), bea.says("17 11:00", "price")) as books:
        books.db.execute(
            "INSERT INTO contact_merges (kept_id, merged_id, at, actor, code) "
            "SELECT min(contact_id), max(contact_id), ?, 'person:x', 'person' FROM contacts",
            (stories.iso("17 12:00"),),
        )
        books.db.execute(
            "UPDATE contacts SET merged_into_id = kept_id FROM contact_merges WHERE merged_id = contact_id"
        )
        books.rebuild()
        assert books.column("SELECT stage FROM leads ORDER BY lead_id") == ["new", "merged"]
        assert told(books)["period"]["opened"] == 1


# ---------------------------------------------------------------------- silences


def quiet(number: int, since: str, back: str | None = None, *, nudged: str | None = None) -> list[Line]:
    """A customer who asked and was answered, was perhaps asked again, and perhaps wrote again."""
    who = customer(number)
    lines = [who.says(f"{since} 10:00", "price"), who.hears(f"{since} 10:01", "a thousand")]
    lines += [who.hears(f"{nudged} 10:00", "still interested?")] if nudged else []
    return lines + ([who.says(f"{back} 12:00", "order")] if back else [])


def test_a_silence_counts_for_every_age_that_it_reached() -> None:
    """33 days without a word; 15 and back; 7, in spite of a nudge, and back; 2; and one of long ago."""
    lines = [
        *quiet(1, "10-20"),
        *quiet(2, "10-20", "11-04"),
        *quiet(3, "11-02", "11-09", nudged="11-05"),
        *quiet(4, "11-20"),
        *quiet(5, "06-01"),
    ]
    with heard(*lines) as books:
        found = told(books)
    assert by_days(found["period"]) == {1: (4, 2), 3: (3, 2), 7: (3, 2), 14: (2, 1), 30: (1, 0)}
    assert found["period"]["silences"]["since"] == iso(moment("08-25 00:00"))
    # A week earlier the first had been silent for 26 days, and the fourth had not asked.
    assert by_days(found["before"]) == {1: (3, 2), 3: (3, 2), 7: (3, 2), 14: (2, 1), 30: (0, 0)}


def test_what_comes_after_the_period_is_not_known_in_it() -> None:
    """So that the period before had no more time than this one."""
    with heard(*quiet(1, "11-17", "11-23")) as books:
        assert by_days(told(books)["period"])[3] == (1, 0)
        assert by_days(told(books, week_of(moment("23 12:00"), ZONE))["period"])[3] == (1, 1)


def test_a_call_ends_a_silence() -> None:
    """Taken or not, if it is theirs; ours only if they took it."""
    lines = [*quiet(1, "11-16"), *quiet(2, "11-16"), *quiet(3, "11-16")]
    calls = [
        customer(1).call("18 10:00", call_id="A"),
        customer(2).call("18 10:00", call_id="B", outgoing=True),
        customer(3).call("18 10:00", call_id="C", outgoing=True, answered=True),
    ]
    with heard(*lines, *calls) as books:
        assert by_days(told(books)["period"])[1] == (3, 2)
        assert by_days(told(books)["period"])[3] == (1, 0)


def test_what_a_machine_sent_begins_and_ends_no_silence() -> None:
    """Nor does a message of ours that was deleted for everyone."""
    ana = customer(1)
    lines = [ana.says("16 10:00", "price"), ana.hears("16 10:01", "a thousand")]
    gone = ana.hears("16 18:00", "wrong chat")
    with heard(*lines, gone, stories.revoked(gone, "16 18:01")) as books:
        books.db.execute("UPDATE messages SET author = 'auto_reply' WHERE author = 'operator' AND revoked_at IS NULL")
        assert by_days(told(books)["period"])[1] == (0, 0)


# ---------------------------------------------------------------------- periods


MADRID, SANTIAGO = ZoneInfo("Europe/Madrid"), ZoneInfo("America/Santiago")


def local(text: str, zone: ZoneInfo = ZONE) -> datetime:
    """A local time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def hours(window: Window) -> float:
    """How long it is."""
    return (window.ends - window.begins).total_seconds() / 3600


def test_a_week_in_which_the_clock_changes_has_as_many_hours_as_it_has() -> None:
    """Set back in October, set forward in March."""
    october, march = (week_of(local(day, MADRID), MADRID) for day in ("2026-10-25 12:00", "2026-03-29 12:00"))
    assert [hours(Window(each.begins, each.ends)) for each in (october, march)] == [169, 167]
    assert october.before_begins == local("2026-10-12 00:00", MADRID)


def test_an_hour_that_the_clock_shows_twice_is_one_place() -> None:
    """2:30 in summer time and 2:30 in winter time."""
    with heard() as books:
        for number, at in enumerate(("2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"), 1):
            books.tell([customer(number).says("17 10:00", "price")])
            books.db.execute("UPDATE waiting_cycles SET started_at = ?, due_at = NULL WHERE cycle_id = ?", (at, number))
        day = Window(local("2026-10-25 00:00", MADRID), local("2026-10-26 00:00", MADRID))
        found = asked(books.db, day, moment(NOW), MADRID)
    assert found["hours"] == [{"weekday": 7, "hour": 2, "asked": 2, "missed": 0}]


def test_a_day_without_a_midnight_is_a_day() -> None:
    """In Santiago the 6th of September 2026 begins at one o'clock."""
    day = between(local("2026-09-06 00:00", SANTIAGO), local("2026-09-07 00:00", SANTIAGO), SANTIAGO)
    assert hours(Window(day.begins, day.ends)) == 23
    assert day.before_begins == local("2026-09-05 00:00", SANTIAGO)
    assert day.later().ends == local("2026-09-08 00:00", SANTIAGO)


def test_a_month_is_compared_with_the_month_before() -> None:
    """And followed by the next one, however long they are."""
    march = month_of(local("2026-03-31 23:59"), ZONE)
    assert (march.begins, march.ends) == (local("2026-03-01 00:00"), local("2026-04-01 00:00"))
    assert march.earlier() == month_of(local("2026-02-10 00:00"), ZONE)
    assert march.later() == month_of(local("2026-04-10 00:00"), ZONE)
    assert month_of(local("2026-12-31 00:00"), ZONE).later().ends == local("2027-02-01 00:00")


def test_any_days_are_compared_with_as_many_days_before() -> None:
    """And any time with as long a time."""
    days = between(local("2026-11-10 00:00"), local("2026-11-13 00:00"), ZONE)
    assert days.before_begins == local("2026-11-07 00:00")
    assert days.later().ends == local("2026-11-16 00:00")
    some = between(local("2026-11-10 10:00"), local("2026-11-10 12:30"), ZONE)
    assert some.before_begins == local("2026-11-10 07:30")
    assert some.later().ends == local("2026-11-10 15:00")


def test_a_period_that_runs_is_compared_with_as_much_of_the_one_before() -> None:
    """Until the same weekday and time; of a longer month only as far as the shorter goes."""
    week = week_of(local("2026-11-20 18:00"), ZONE)
    assert week.until(local("2026-11-20 18:00")).ends == local("2026-11-20 18:00")
    assert week.before_until(local("2026-11-20 18:00")).ends == local("2026-11-13 18:00")
    winter = week_of(local("2026-10-28 18:00", MADRID), MADRID)
    assert winter.before_until(local("2026-10-28 18:00", MADRID)).ends == local("2026-10-21 18:00", MADRID)
    assert winter.before_until(local("2026-11-01 18:00", MADRID)).ends == local("2026-10-25 18:00", MADRID)
    march = month_of(local("2026-03-30 18:00"), ZONE)
    assert march.before_until(local("2026-03-30 18:00")).ends == local("2026-03-01 00:00")


@pytest.mark.parametrize("begins", ["1900-01-01 00:00", "0001-01-02 00:00"])
def test_there_is_no_period_where_no_calendar_goes(begins: str) -> None:
    """It is refused, and not told wrong."""
    with pytest.raises((OverflowError, ValueError)):
        between(local(begins), local("2026-01-01 00:00"), ZONE)


def test_a_period_in_the_future_is_empty(week: Report) -> None:
    """And so is what it would be compared with: nothing of it has passed either."""
    with heard(*the_week()) as books:
        found = told(books, week_of(moment("12-08 12:00"), ZONE))
    assert found["period"]["until"] == found["period"]["begins"]
    assert found["before"]["until"] == found["before"]["begins"]
    for figures in (found["period"], found["before"]):
        assert (figures["opened"], figures["asked"]["asked"], figures["record"]["gaps"]) == (0, 0, 0)


def test_a_period_in_which_nothing_happened_has_the_figures_of_nothing() -> None:
    """The same as before anything was captured, but for the link."""
    week = week_of(moment("18 12:00"), ZONE)
    with heard() as books:
        found = told(books)
    empty = nothing(week, moment(NOW), settings())
    for each in ("period", "before"):
        linked = found[each]["record"] | {"linked_at": None}
        assert found[each] | {"record": linked} == empty[each]


# ---------------------------------------------------------------------- how complete it is


def outage(books: Books, begins: str, ends: str | None, *, filled: str | None = None, recovered: int = 0) -> None:
    """A line of the ledger."""
    books.db.execute(
        "INSERT INTO gaps (account_id, from_at, to_at, cause, closed_at, recovered) VALUES (1, ?, ?, 'deaf', ?, ?)",
        (stories.iso(begins), ends and stories.iso(ends), filled and stories.iso(filled), recovered),
    )


def record_of(books: Books, **more: Any) -> dict[str, Any]:
    """That of the week."""
    return dict(told(books, **more)["period"]["record"])


def test_without_an_outage_nothing_is_missing() -> None:
    """Also with one that ended when the period began, and one that began when it ended."""
    with heard() as books:
        outage(books, "15 23:00", "16 00:00")
        outage(books, "23 00:00", "23 01:00")
        assert record_of(books) == {
            "linked_at": stories.iso("10-01 12:00"),
            "gaps": 0,
            "blind_seconds": 0,
            "unfilled": 0,
            "unfilled_seconds": 0,
            "recovered": 0,
            "unreadable": 0,
        }


def test_of_outages_the_part_within_the_period_is_counted_once() -> None:
    """One reaches in from Sunday, two overlap, and one sweep filled those two: it counted its five for each."""
    with heard() as books:
        outage(books, "15 23:50", "16 00:10", filled="16 00:11", recovered=3)
        outage(books, "17 10:00", "17 10:20", filled="17 10:31", recovered=5)
        outage(books, "17 10:10", "17 10:30", filled="17 10:31", recovered=5)
        outage(books, "18 10:00", "18 13:00")
        found = record_of(books)
    assert (found["gaps"], found["blind_seconds"]) == (4, 600 + 1800 + 3 * 3600)
    assert (found["unfilled"], found["unfilled_seconds"], found["recovered"]) == (1, 3 * 3600, 8)


def test_an_outage_that_lasts_is_counted_until_now() -> None:
    """Or until the end of the period."""
    with heard() as books:
        outage(books, "22 23:00", None)
        assert record_of(books)["unfilled_seconds"] == 3600
        running_week = week_of(moment(NOW), ZONE)
        assert told(books, running_week)["period"]["record"]["unfilled_seconds"] == 36 * 3600


def test_a_dead_daemon_listens_to_nothing() -> None:
    """Since it was last known to; it writes down nothing itself."""
    with heard() as books:
        books.db.execute("UPDATE accounts SET last_ready_at = ?", (stories.iso("22 22:00"),))
        assert record_of(books)["gaps"] == 0
        found = record_of(books, running=False)
        assert (found["unfilled"], found["unfilled_seconds"]) == (1, 2 * 3600)
        outage(books, "22 22:30", None)
        assert record_of(books, running=False)["unfilled_seconds"] == 1.5 * 3600, "what is written down is known better"
        assert told(books, week_of(moment("11 12:00"), ZONE), running=False)["period"]["record"]["gaps"] == 0


def test_before_the_first_link_nobody_was_blind() -> None:
    """That time is no outage; the sentence tells of it by the link's own time."""
    with heard() as books:
        books.db.execute("UPDATE accounts SET first_linked_at = ?", (stories.iso("17 00:00"),))
        outage(books, "16 12:00", "17 01:00", filled="17 02:00")
        assert record_of(books)["blind_seconds"] == 3600


def test_what_cannot_be_read_yet_is_counted() -> None:
    """Of what customers sent in the period."""
    from tests import wire

    def sealed(at: str, stanza: str) -> Line:
        return {**wire.ciphertext(stanza, t=stories.seconds(at)), "at": (stories.seconds(at) + 1) * 1000}

    with heard(sealed("17 10:00", "A"), sealed("23 10:00", "B")) as books:
        assert record_of(books)["unreadable"] == 1


def test_what_is_not_processed_yet_is_told() -> None:
    """Then nobody takes the figures for whole."""
    ana = customer(1)
    with heard() as books:
        books.capture(ana.says("17 10:00", "price"))
        assert told(books)["unjudged"] == 1
