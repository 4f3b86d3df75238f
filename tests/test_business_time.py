"""Business time, compared with a simple clock that is read minute by minute."""

import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadmasterd import times
from leadmasterd.leads.calendar import WEEKDAYS, BusinessCalendar, openings
from leadmasterd.leads.public_holidays import holidays_in, known_country
from tests.depth import examples

Times = list[list[str]]

BUENOS_AIRES = "America/Argentina/Buenos_Aires"
SPLIT_DAY: Times = [["09:00", "13:00"], ["16:00", "20:00"]]
SHOP: dict[str, object] = {**dict.fromkeys(WEEKDAYS[:5], SPLIT_DAY), "sat": [["09:00", "13:00"]], "sun": []}
HOUR = 3600

REMARKABLE = [
    ("America/Santiago", "2026-04-05T03:00"),  # 24:00 is 23:00 again, on the Saturday
    ("America/Santiago", "2026-09-06T04:00"),  # the Sunday begins at 01:00
    ("Europe/Madrid", "2026-03-29T01:00"),
    ("Europe/Madrid", "2026-10-25T01:00"),
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),  # by half an hour
    ("America/St_Johns", "2006-10-29T02:31"),  # one minute after midnight, back into the day before
    ("Pacific/Apia", "2011-12-30T10:00"),  # a date that never was
    (BUENOS_AIRES, "2026-05-25T03:00"),  # a holiday
    (BUENOS_AIRES, "2026-12-25T03:00"),  # a holiday after a day that is often cut short
    (BUENOS_AIRES, "2027-01-01T03:00"),
    ("Asia/Kathmandu", "2026-03-01T18:15"),
]


def utc(text: str) -> datetime:
    """A UTC instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str = BUENOS_AIRES) -> datetime:
    """An instant given in local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def shop(overrides: dict[str, object] | None = None, zone: str = BUENOS_AIRES, country: str = "AR") -> BusinessCalendar:
    """A shop with ordinary hours."""
    return BusinessCalendar.of(SHOP, overrides or {}, zone, country)


class SlowCalendar:
    """The same answers, computed from a wall clock."""

    def __init__(self, hours: dict[str, Times], overrides: dict[str, Times], zone: str, country: str) -> None:
        self.hours, self.overrides, self.zone = hours, overrides, ZoneInfo(zone)
        code, _, part = country.partition("-")
        self.holidays: Any = holidays.country_holidays(code, subdiv=part or None) if country else {}

    def is_open(self, at: datetime) -> bool:
        """Whether the wall clock is within the day's openings."""
        wall = at.astimezone(self.zone)
        today = wall.date()
        if today.isoformat() in self.overrides:
            times = self.overrides[today.isoformat()]
        elif today in self.holidays:
            times = []
        else:
            times = self.hours.get(WEEKDAYS[wall.weekday()], [])
        return any(start <= f"{wall:%H:%M}" < end for start, end in times)

    def business_seconds(self, start: datetime, end: datetime) -> int:
        """Count the open minutes one by one."""
        minutes = (end - start) // timedelta(minutes=1)
        return 60 * sum(self.is_open(start + timedelta(minutes=minute)) for minute in range(minutes))


@st.composite
def days(draw: st.DrawFn) -> Times:
    """The openings of one day: possibly none, often touching midnight."""
    minute = st.one_of(st.sampled_from([0, 60, 90, 120, 180, 1380, 1410, 1440]), st.integers(0, 1440))
    edges = sorted(draw(st.sets(minute, max_size=6)))
    return [
        [f"{start // 60:02}:{start % 60:02}", f"{end // 60:02}:{end % 60:02}"]
        for start, end in zip(edges[::2], edges[1::2], strict=False)
    ]


Drawn = tuple[BusinessCalendar, SlowCalendar, datetime]


@st.composite
def calendars(draw: st.DrawFn) -> Drawn:
    """A calendar, its slow double, and an instant near a clock change or another special date."""
    zone, text = draw(st.sampled_from(REMARKABLE))
    instant = utc(text)
    hours = {day: draw(days()) for day in draw(st.sets(st.sampled_from(WEEKDAYS), min_size=2))}
    near = instant.astimezone(ZoneInfo(zone)).date()
    shifts = st.integers(-2, 2).map(lambda shift: (near + timedelta(days=shift)).isoformat())
    overrides = draw(st.dictionaries(shifts, days(), max_size=2))
    country = draw(st.sampled_from(["", "AR", "AR-B", "ES"]))
    return BusinessCalendar.of(hours, overrides, zone, country), SlowCalendar(hours, overrides, zone, country), instant


minutes = st.integers(-2 * 1440, 2 * 1440).map(lambda count: timedelta(minutes=count))
spans = st.integers(-3 * 86_400_000_000, 3 * 86_400_000_000).map(lambda count: timedelta(microseconds=count))


# ---------------------------------------------------------------------- properties


@settings(max_examples=examples(20))
@given(calendars(), minutes, minutes)
def test_business_time_is_what_the_wall_clock_says_minute_by_minute(
    drawn: Drawn, one: timedelta, other: timedelta
) -> None:
    """Tried across clock changes, midnight, holidays and manual dates."""
    calendar, slow, near = drawn
    start, end = near + min(one, other), near + max(one, other)
    assert calendar.business_seconds(start, end) == slow.business_seconds(start, end)


@settings(max_examples=examples(20))
@given(calendars(), spans)
def test_open_now_is_what_the_wall_clock_says(drawn: Drawn, shift: timedelta) -> None:
    """This holds at every microsecond."""
    calendar, slow, near = drawn
    assert calendar.is_open(near + shift) == slow.is_open(near + shift)


@settings(max_examples=examples(20))
@given(calendars(), st.tuples(spans, spans, spans))
def test_business_time_adds_up_and_is_never_more_than_time(drawn: Drawn, shifts: tuple[timedelta, ...]) -> None:
    """From a to c equals a to b plus b to c, so it never decreases."""
    calendar, _, near = drawn
    first, second, third = (near + shift for shift in sorted(shifts))
    left, right = calendar.business_seconds(first, second), calendar.business_seconds(second, third)
    assert calendar.business_seconds(first, third) == pytest.approx(left + right, abs=1e-6)
    assert 0 <= left <= (second - first).total_seconds()
    assert calendar.business_seconds(second, first) == 0 or first == second


@settings(max_examples=examples(20))
@given(calendars(), spans, st.integers(1, 40 * HOUR * 1_000_000))
def test_due_is_the_first_instant_when_so_much_business_time_has_passed(
    drawn: Drawn, shift: timedelta, microseconds: int
) -> None:
    """A microsecond earlier it was less."""
    calendar, _, near = drawn
    start, seconds = near + shift, microseconds / 1_000_000
    due = calendar.due(start, seconds)
    if due is None:
        assert calendar.business_seconds(start, start + timedelta(days=730)) < seconds
    else:
        assert due.tzinfo is UTC
        assert calendar.business_seconds(start, due) == seconds
        assert calendar.business_seconds(start, due - timedelta(microseconds=1)) < seconds


@settings(max_examples=examples(30))
@given(calendars(), st.integers(-3 * 86_400_000, 3 * 86_400_000), st.integers(-40 * HOUR * 1_000, 40 * HOUR * 1_000))
def test_milliseconds_are_the_same_instants(drawn: Drawn, shift: int, more: int) -> None:
    """Who has milliseconds gets what they would by datetimes."""
    calendar, _, near = drawn
    start = times.to_ms(times.iso(near)) + shift
    begins, ends = times.from_ms(start), times.from_ms(start + more)
    assert calendar.business_seconds_ms(start, start + more) == calendar.business_seconds(begins, ends)
    due = calendar.due(begins, more / 7_000)
    assert times.iso_ms_or_none(calendar.due_ms(start, more / 7_000)) == (times.iso(due) if due else None)


def next_opening(calendar: BusinessCalendar, at: datetime) -> datetime | None:
    """`at` if open; otherwise the moment just before the first open microsecond has passed."""
    due = calendar.due(at, 1e-6)
    return due - timedelta(microseconds=1) if due else None


@settings(max_examples=examples(20))
@given(calendars(), spans)
def test_the_next_opening_is_open_and_nothing_is_before_it(drawn: Drawn, shift: timedelta) -> None:
    """If the shop is open, it is now."""
    calendar, _, near = drawn
    at = near + shift
    opening = next_opening(calendar, at)
    if opening is None:
        assert calendar.business_seconds(at, at + timedelta(days=730)) == 0
    else:
        assert opening >= at
        assert calendar.is_open(opening)
        assert calendar.business_seconds(at, opening) == 0
        assert (opening == at) == calendar.is_open(at)


# ---------------------------------------------------------------------- known cases


def test_the_midday_gap_and_the_night_do_not_count() -> None:
    """Monday 2026-06-01: fifteen minutes from 12:50 end at 16:05."""
    calendar = shop()
    assert calendar.due(local("2026-06-01T12:50"), 15 * 60) == local("2026-06-01T16:05")
    assert calendar.business_seconds(local("2026-06-01T12:50"), local("2026-06-01T16:05")) == 15 * 60
    assert calendar.due(local("2026-06-01T23:00"), 15 * 60) == local("2026-06-02T09:15")
    assert calendar.business_seconds(local("2026-06-01T00:00"), local("2026-06-08T00:00")) == (5 * 8 + 4) * HOUR


def test_saturday_afternoon_waits_for_monday() -> None:
    """The shop is closed on Sundays."""
    assert shop().due(local("2026-06-06T13:00"), 1) == local("2026-06-08T09:00:01")
    assert next_opening(shop(), local("2026-06-06T13:00")) == local("2026-06-08T09:00")


def test_an_opening_includes_its_first_instant_and_not_its_last() -> None:
    """So two adjacent openings are one."""
    calendar = BusinessCalendar.of({"mon": [["13:00", "18:00"], ["09:00", "13:00"]]}, {}, BUENOS_AIRES)
    assert calendar.is_open(local("2026-06-01T09:00"))
    assert calendar.is_open(local("2026-06-01T13:00"))
    assert not calendar.is_open(local("2026-06-01T18:00"))
    assert calendar.due(local("2026-06-01T09:00"), 9 * HOUR) == local("2026-06-01T18:00")


def test_a_holiday_is_closed() -> None:
    """Monday 2026-05-25 and Tuesday 2026-12-08. The bridge day before that is no holiday."""
    assert shop().due(local("2026-05-23T13:00"), 60) == local("2026-05-26T09:01")
    assert shop(country="").due(local("2026-05-23T13:00"), 60) == local("2026-05-25T09:01")
    assert shop().business_seconds(local("2026-12-07T00:00"), local("2026-12-08T00:00")) == 8 * HOUR
    assert shop().business_seconds(local("2026-12-08T00:00"), local("2026-12-09T00:00")) == 0


def test_a_date_by_hand_wins_over_weekday_and_holiday() -> None:
    """Tried with a short Christmas Eve, a closed New Year's Eve, an open holiday and an open Sunday."""
    calendar = shop({
        "2026-12-24": [["09:00", "13:00"]],
        "2026-12-31": [],
        "2026-05-25": [["10:00", "12:00"]],
        "2026-12-20": [["10:00", "18:00"]],
    })  # fmt: skip
    day = timedelta(days=1)
    for text, hours in [("2026-12-24", 4), ("2026-12-31", 0), ("2026-05-25", 2), ("2026-12-20", 8), ("2026-12-23", 8)]:
        start = local(f"{text}T00:00")
        assert calendar.business_seconds(start, start + day) == hours * HOUR
    assert calendar.due(local("2026-12-24T12:50"), 15 * 60) == local("2026-12-26T09:05")


CLOCK_CHANGES = [
    ("America/Santiago", "2026-04-04", [["09:00", "24:00"]], 16),  # 23:00 comes twice
    ("America/Santiago", "2026-04-04", [["16:00", "23:30"]], 8),  # and with it half an hour of the opening
    ("America/Santiago", "2026-09-06", [["00:00", "08:00"]], 7),
    ("America/Santiago", "2026-09-06", [["00:15", "00:45"]], 0),
    ("America/New_York", "2026-11-01", [["00:00", "04:00"]], 5),
    ("America/New_York", "2026-03-08", [["00:00", "04:00"]], 3),
    ("America/New_York", "2026-03-08", [["02:10", "02:50"]], 0),  # the clock never shows it
    ("America/New_York", "2026-03-08", [["01:00", "02:30"]], 1),
    ("Europe/Madrid", "2026-03-29", [["00:00", "24:00"]], 23),
    ("Europe/Madrid", "2026-10-25", [["00:00", "24:00"]], 25),
    ("Australia/Lord_Howe", "2026-04-05", [["00:00", "24:00"]], 24.5),
    ("Pacific/Apia", "2011-12-30", [["00:00", "24:00"]], 0),
    (BUENOS_AIRES, "2026-03-29", [["00:00", "24:00"]], 24),
]


@pytest.mark.parametrize(("zone", "day", "times", "hours"), CLOCK_CHANGES)
def test_the_seconds_of_a_day_of_a_clock_change_are_real_ones(zone: str, day: str, times: Times, hours: float) -> None:
    """A repeated hour counts twice and a skipped hour not at all."""
    calendar = BusinessCalendar.of({}, {day: times}, zone)
    noon = utc(f"{day}T12:00")
    assert calendar.business_seconds(noon - timedelta(days=3), noon + timedelta(days=3)) == hours * HOUR


def test_the_hours_of_argentina_are_those_of_its_zone_when_it_had_summer_time() -> None:
    """It has none now, but its zone still knows that 2008 had it (UTC-2)."""
    assert next_opening(shop(country=""), utc("2008-02-04T00:00")) == utc("2008-02-04T11:00")
    assert next_opening(shop(country=""), utc("2026-02-02T00:00")) == utc("2026-02-02T12:00")


def test_what_is_never_open_is_never_due() -> None:
    """If two years are not enough, there is no answer."""
    closed = BusinessCalendar.of({}, {}, BUENOS_AIRES, "AR")
    at = utc("2026-06-01T12:00")
    assert closed.due(at, 1) is None
    assert next_opening(closed, at) is None
    assert closed.business_seconds(at, at + timedelta(days=5000)) == 0
    assert shop().due(at, 10_000 * HOUR) is None
    once = BusinessCalendar.of({}, {"2028-05-30": [["09:00", "10:00"]]}, BUENOS_AIRES)
    assert next_opening(once, at) == local("2028-05-30T09:00")


def test_nothing_asked_is_due_at_once_and_time_never_runs_backwards() -> None:
    """Whether the shop is open or closed."""
    at = local("2026-06-07T03:00")
    assert shop().due(at, 0) == at
    assert shop().due(at, -5) == at
    assert shop().business_seconds(at, at) == 0
    assert shop().business_seconds(at + timedelta(days=9), at) == 0


def test_any_aware_time_is_understood_and_a_naive_one_is_refused() -> None:
    """The same instant in two zones gives the same result."""
    calendar = shop()
    here, there = local("2026-06-01T10:00"), local("2026-06-01T10:00").astimezone(ZoneInfo("Asia/Tokyo"))
    assert calendar.due(here, 60) == calendar.due(there, 60)
    with pytest.raises(TypeError, match="naive"):
        calendar.is_open(datetime(2026, 6, 1, 10))  # noqa: DTZ001


def test_a_calendar_is_a_value() -> None:
    """Its caches do not affect equality."""
    asked, fresh = shop(), shop()
    asked.is_open(utc("2026-06-01T12:00"))
    assert asked == fresh
    assert hash(asked) == hash(fresh)
    assert asked != shop(country="")


def test_fifty_thousand_questions_take_no_longer_than_a_moment() -> None:
    """A rebuild asks this often. It takes 0.15 s of CPU time; the test fails only at twenty times that."""
    calendar = shop()
    begin = utc("2026-01-01T00:00")
    pairs = [
        (begin + timedelta(minutes=9 * each), begin + timedelta(minutes=9 * each, days=3)) for each in range(50_000)
    ]
    started = time.process_time()
    assert sum(calendar.business_seconds(start, end) for start, end in pairs) > 0
    assert time.process_time() - started < 3


# ---------------------------------------------------------------------- what is refused

NO_OPENINGS = [
    (5, "5 is not a list"),
    ("09:00", "'09:00' is not a list"),
    (["09:00", "13:00"], "'09:00' is not a pair of times"),
    ([["09:00"]], "is not a pair of times"),
    ([["09:00", "13:00", "16:00"]], "is not a pair of times"),
    ([["9:00", "13:00"]], "'9:00' is not a time of day"),
    ([["09:00", "13:60"]], "'13:60' is not a time of day"),
    ([["09:00", "24:01"]], "'24:01' is not a time of day"),
    ([["\u0660\u0669:00", "13:00"]], "is not a time of day"),
    ([[9, 13]], "9 is not a time of day"),
    ([["24:00", "24:00"]], "from 24:00 to 24:00 ends before it begins"),
    ([["20:00", "02:00"]], "across midnight write one until 24:00"),
    ([["09:00", "13:00"], ["12:00", "20:00"]], "12:00 is in two of them"),
    ([["09:00", "13:00"], ["09:00", "13:00"]], "09:00 is in two of them"),
]


@pytest.mark.parametrize(("value", "why"), NO_OPENINGS)
def test_what_are_no_openings_is_said_with_what_they_look_like(value: object, why: str) -> None:
    """The error ends with the reason."""
    with pytest.raises(ValueError, match="openings such as") as refused:
        openings(value)
    assert why in str(refused.value)


def test_openings_over_midnight_are_two_that_count_as_one() -> None:
    """One ends at 24:00, the other starts at 00:00."""
    calendar = BusinessCalendar.of({"fri": [["20:00", "24:00"]], "sat": [["00:00", "02:00"]]}, {}, BUENOS_AIRES)
    assert calendar.due(local("2026-06-05T20:00"), 5 * HOUR) == local("2026-06-06T01:00")


@pytest.mark.parametrize("zone", ["", "America", "Buenos Aires", "../etc/passwd", "/etc/localtime", "America/Buenos\0"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    """The error is the same whatever the operating system raises for the name."""
    with pytest.raises(ValueError, match="a time zone such as America/Argentina/Buenos_Aires"):
        BusinessCalendar.of({}, {}, zone)


@pytest.mark.parametrize("day", ["2026-02-29", "20261224", "2026-W01-1", "24/12/2026", "", "2026-12-24T00:00"])
def test_a_date_that_is_none_is_refused(day: str) -> None:
    """Only one format is allowed."""
    with pytest.raises(ValueError, match="a calendar date such as 2026-12-24"):
        BusinessCalendar.of({}, {day: []}, BUENOS_AIRES)


@pytest.mark.parametrize("day", ["lun", "monday", "Mon", ""])
def test_a_weekday_that_is_none_is_refused(day: str) -> None:
    """Weekdays are three English letters."""
    with pytest.raises(ValueError, match="one of mon, tue, wed, thu, fri, sat, sun"):
        BusinessCalendar.of({day: []}, {}, BUENOS_AIRES)


# ---------------------------------------------------------------------- holidays


def test_the_holidays_of_every_country_are_those_of_the_library() -> None:
    """Although only the country's own module is loaded. Argentina's are below."""
    for country in holidays.list_supported_countries(include_aliases=False).keys() - {"AR"}:
        for year in (2025, 2026):
            expected: Any = holidays.country_holidays(country, years=year, expand=False)
            assert holidays_in(country, year) == frozenset(expected), country


CLOSED_IN_2026 = {
    "AR": "0101 0216 0217 0324 0402 0403 0501 0525 0615 0620 0709 0817 1012 1109 1123 1208 1225",
    "AR-C": "0101 0216 0217 0324 0402 0403 0501 0525 0615 0620 0709 0817 1012 1109 1110 1123 1208 1225",
    "UY": "0101 0501 0718 0825 1225",
    "BR": "0101 0403 0421 0501 0907 1012 1102 1115 1120 1225",
    "CL": "0101 0403 0404 0501 0521 0621 0629 0716 0815 0918 0919 1012 1031 1101 1208 1225",
    "ES": "0101 0106 0403 0501 0815 1012 1208 1225",
    "MX": "0101 0202 0316 0501 0916 1116 1225",
}
"""Months and days. On 2 April 2026 Argentina's Holy Thursday was also the day of the Malvinas, which closes shops."""


@pytest.mark.parametrize("country", CLOSED_IN_2026)
def test_in_a_whole_year_shops_are_closed_on_these_days(country: str) -> None:
    """Not where employers choose: Argentina's bridge days, carnival in Brazil and Uruguay. What the library of a
    release says of a country may be wrong; then this fails with its update, and the day is looked up."""
    assert " ".join(f"{day:%m%d}" for day in sorted(holidays_in(country, 2026))) == CLOSED_IN_2026[country]


@pytest.mark.parametrize("language", ["C", "en_US.UTF-8", "es_AR.UTF-8", "pt_BR.UTF-8", "uk_UA.UTF-8"])
def test_holidays_do_not_depend_on_the_language_of_the_machine(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library names days in the language of the environment. Tried with Holy Thursday and a bridge day."""
    for variable in ("LANGUAGE", "LC_ALL", "LANG"):
        monkeypatch.setenv(variable, language)
    holidays_in.cache_clear()
    closed = holidays_in("AR", 2025)
    assert date(2025, 4, 17) not in closed
    assert date(2025, 5, 2) not in closed
    assert date(2025, 4, 18) in closed


def test_a_part_of_a_country_has_holidays_of_its_own() -> None:
    """Tried with Buenos Aires in 2026 and Madrid, in upper and lower case."""
    assert holidays_in("AR-B", 2026) - holidays_in("AR", 2026) == {date(2026, 11, 11)}
    assert known_country("es-md") == "ES-MD"
    assert date(2026, 5, 2) in holidays_in("es-md", 2026)
    assert known_country("ar") == "AR"


@pytest.mark.parametrize("code", ["Argentina", "ARG", "ZZ", "A", "-B", " ar"])
def test_a_country_that_is_none_is_refused(code: str) -> None:
    """The error shows a valid example."""
    with pytest.raises(ValueError, match="a country's two letters such as AR"):
        known_country(code)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("AR-", "AR-A (Salta), AR-B (Buenos Aires), AR-C (Ciudad Autónoma de Buenos Aires)"),
        ("AR-ZZ", "did you mean AR-Z"),
        ("UY-MO", "no regions"),
        ("AR-CABA", "did you mean AR-C, Ciudad Autónoma de Buenos Aires?"),
        ("ar-cordoba", "did you mean AR-X, Córdoba?"),
        ("AR-Tierra del Fuego", "did you mean AR-V, Tierra del Fuego?"),
        ("AR-Córdova", "did you mean AR-X, Córdoba?"),
        ("ES-Madrid", "did you mean ES-MD"),
    ],
)
def test_a_part_that_is_none_is_refused_with_those_there_are(code: str, says: str) -> None:
    """The list is the library's. Nobody knows that a province is a letter, so its name and initials are understood."""
    with pytest.raises(ValueError, match="alone or with a region") as refused:
        known_country(code)
    assert says in str(refused.value)
    assert code != "AR-" or "did you mean" not in str(refused.value)


def test_the_library_of_holidays_is_loaded_only_when_a_date_needs_it_and_then_one_country() -> None:
    """All countries take 11 MB, one takes 4."""
    program = """
import sys
from datetime import UTC, datetime, timedelta
from leadmasterd.leads.calendar import BusinessCalendar
at = datetime(2026, 6, 1, tzinfo=UTC)
hours = {"mon": [["09:00", "13:00"]]}
assert BusinessCalendar.of(hours, {}, "Europe/Madrid").due(at, 60)
there = BusinessCalendar.of(hours, {}, "Europe/Madrid", "ES")
assert not any(name.split(".")[0] == "holidays" for name in sys.modules)
assert there.due(at, 60)
assert "holidays" in sys.modules
assert "holidays.countries" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
