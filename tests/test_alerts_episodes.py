"""What a person is told when: once an episode, whatever the looks, the clock, the notifier and restarts do between."""

import asyncio
import re
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from leadmasterd.alerts.addresses import Address
from leadmasterd.alerts.episodes import (
    Again,
    Began,
    Crowd,
    Digest,
    Dropped,
    Ended,
    Episode,
    Fate,
    Key,
    Ledger,
    Released,
    Rules,
    Step,
    Told,
    Waiting,
    What,
    decide,
)
from leadmasterd.alerts.kinds import TRAITS, Condition, Kind, Text
from leadmasterd.alerts.notifier import Result
from leadmasterd.alerts.service import Alerts
from leadmasterd.alerts.store import Store
from tests.depth import examples

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
NIGHT = datetime(2026, 11, 30, 23, tzinfo=UTC)
MORNING = datetime(2026, 12, 1, 8, tzinfo=UTC)
RULES = Rules(
    kinds=frozenset(Kind), quiet=(time(21), time(8)), zone=ZoneInfo("UTC"), silent_before=NOON - timedelta(days=9)
)
MINUTE = timedelta(minutes=1)


def condition(kind: Kind, subject: str = "", since: datetime = NOON) -> Condition:
    """It holds, and says so."""
    return Condition(kind, subject, since, Text(f"{kind} {subject}", "body"))


def told_before(kind: Kind, *minutes: float, flapping: bool = False) -> list[Told]:
    """So many minutes before noon."""
    return [Told(kind, NOON - each * MINUTE, flapping) for each in minutes]


SCAN, MISSED = Key(Kind.NEEDS_SCAN, ""), Key(Kind.MISSED, "7")
OPEN = Episode(NOON, told=True)


def steps(
    ledger: Ledger, *conditions: Condition, gone: Iterable[Key] = (), now: datetime = NOON, rules: Rules = RULES
) -> list[Step]:
    """What follows."""
    return decide(ledger, conditions, frozenset(gone), now=now, rules=rules)


def test_what_holds_is_told_once() -> None:
    """And again only after it has ended."""
    scan = condition(Kind.NEEDS_SCAN)
    assert steps(Ledger(), scan) == [Began(scan, Fate.DUE)]
    assert steps(Ledger({SCAN: OPEN}), scan) == []
    later = condition(Kind.NEEDS_SCAN, since=NOON + MINUTE)
    assert steps(Ledger({SCAN: OPEN}), later) == [], "an open episode is one episode"
    assert steps(Ledger({SCAN: Episode(NOON, told=True, open=False)}), later) == [Began(later, Fate.DUE)]


def test_what_only_seemed_to_end_goes_on() -> None:
    """A locked database hides what is in it; it is known again by its time. What was held until then was never told."""
    scan = condition(Kind.NEEDS_SCAN)
    assert steps(Ledger({SCAN: Episode(NOON, told=True, open=False)}), scan) == [Again(SCAN)]
    assert steps(Ledger({SCAN: Episode(NOON, told=False, open=False)}), scan) == [Began(scan, Fate.DUE)]


def test_the_end_is_told_of_what_was_told() -> None:
    """Where the kind says so."""
    assert steps(Ledger({SCAN: OPEN}), gone=[SCAN]) == [Ended(SCAN, NOON, Fate.DUE)]
    assert steps(Ledger({MISSED: OPEN}), gone=[MISSED]) == [Ended(MISSED, NOON, None)]
    assert steps(Ledger({SCAN: Episode(NOON, told=False)}), gone=[SCAN]) == [Ended(SCAN, NOON, None)]
    assert steps(Ledger({SCAN: OPEN}), condition(Kind.NEEDS_SCAN), gone=[SCAN]) == [], "it is back"


def test_a_kind_that_is_taken_out_of_the_settings_did_not_end() -> None:
    """Nobody may be told that something is well again because he no longer asks."""
    rules = Rules(frozenset({Kind.MISSED}), None, None, NOON)
    assert steps(Ledger({SCAN: OPEN}), condition(Kind.NEEDS_SCAN), gone=[SCAN], rules=rules) == [
        Ended(SCAN, NOON, None)
    ]


def test_quiet_hours_hold_back_what_can_wait() -> None:
    """Afterwards it is told as it is then, if it still holds."""
    missed = condition(Kind.MISSED, "7")
    assert steps(Ledger(), missed, condition(Kind.DISK), now=NIGHT) == [
        Began(missed, Fate.HELD),
        Began(condition(Kind.DISK), Fate.DUE),
    ]
    held = Ledger({MISSED: Episode(NOON, told=False)}, [Waiting(4, MISSED, What.BEGAN, Fate.HELD)])
    assert steps(held, missed, now=NIGHT) == []
    assert steps(held, missed, now=MORNING) == [Released(4, missed.text)]
    assert steps(held, now=MORNING) == [Released(4, None)], "one look without it is no end"
    assert steps(held, gone=[MISSED], now=NIGHT) == [Ended(MISSED, NOON, None), Dropped(4)]


def test_the_end_of_what_was_told_before_quiet_hours_is_told_after_them() -> None:
    """It can wait as well as the beginning."""
    feeds = Key(Kind.FEEDS, "")
    assert steps(Ledger({feeds: OPEN}), gone=[feeds], now=NIGHT) == [Ended(feeds, NOON, Fate.HELD)]
    held = Ledger({feeds: Episode(NOON, told=True, open=False)}, [Waiting(4, feeds, What.ENDED, Fate.HELD)])
    assert steps(held, now=NIGHT) == []
    assert steps(held, now=MORNING) == [Released(4, None)]


@pytest.mark.parametrize(
    ("at", "quiet"),
    [("20:59", False), ("21:00", True), ("23:59", True), ("00:00", True), ("07:59", True), ("08:00", False)],
)
def test_quiet_hours_go_past_midnight(at: str, quiet: bool) -> None:
    """By the clock of the shop."""
    now = datetime.fromisoformat(f"2026-11-30T{at}-03:00").astimezone(UTC)
    rules = Rules(frozenset(), (time(21), time(8)), ZoneInfo("America/Argentina/Buenos_Aires"), NOON)
    assert rules.is_quiet(now) is quiet
    by_day = Rules(frozenset(), (time(8), time(21)), rules.zone, NOON)
    assert by_day.is_quiet(now) is not quiet


def test_the_fourth_of_a_kind_within_an_hour_says_so() -> None:
    """What follows waits, ends too, and is told together an hour later."""
    scan = condition(Kind.NEEDS_SCAN)
    thrice = told_before(Kind.NEEDS_SCAN, 50, 40, 5)
    assert steps(Ledger(told=thrice), scan) == [Began(scan, Fate.DUE, number=4)]
    assert steps(Ledger(told=thrice[1:]), scan) == [Began(scan, Fate.DUE)]
    assert steps(Ledger(told=told_before(Kind.NEEDS_SCAN, 61, 40, 5)), scan) == [Began(scan, Fate.DUE)]
    assert steps(Ledger(told=told_before(Kind.DISK, 50, 40, 5)), scan) == [Began(scan, Fate.DUE)]
    flaps = told_before(Kind.NEEDS_SCAN, 59, flapping=True)
    assert steps(Ledger(told=flaps), scan) == [Began(scan, Fate.GATHERED)]
    waiting = [Waiting(4, SCAN, What.BEGAN, Fate.GATHERED), Waiting(5, SCAN, What.ENDED, Fate.GATHERED)]
    assert steps(Ledger({SCAN: OPEN}, waiting, flaps), gone=[SCAN]) == [Ended(SCAN, NOON, Fate.GATHERED)]
    assert steps(Ledger({}, waiting, flaps)) == []
    assert steps(Ledger({}, waiting, told_before(Kind.NEEDS_SCAN, 60, flapping=True))) == [
        Digest(Kind.NEEDS_SCAN, (4, 5))
    ]


def test_many_customers_at_once_are_told_at_once_as_one() -> None:
    """All who wrote in the night are late at the same second, and none of them is told an hour later."""
    many = [condition(Kind.MISSED, str(number)) for number in range(6)]
    assert steps(Ledger(), *many) == [Crowd(tuple(many))]
    assert steps(Ledger(), *many[:3]) == [Began(each, Fate.DUE) for each in many[:3]]
    assert steps(Ledger(told=told_before(Kind.MISSED, 3, 2, 1)), *many) == [Crowd(tuple(many))]
    assert steps(Ledger(), *many, now=NIGHT) == [Began(each, Fate.HELD) for each in many]
    flaps = told_before(Kind.MISSED, 59, flapping=True)
    assert steps(Ledger(told=flaps), *many) == [Began(each, Fate.GATHERED) for each in many]
    assert steps(Ledger(), *many, condition(Kind.DISK)) == [Crowd(tuple(many)), Began(condition(Kind.DISK), Fate.DUE)]


def test_who_was_answered_before_the_digest_is_not_in_it() -> None:
    """An attempt to send, and a feed that was down, still are."""
    refused, feeds = Key(Kind.SEND_REFUSED, "x"), Key(Kind.FEEDS, "")
    gathered = [Waiting(at, key, What.BEGAN, Fate.GATHERED) for at, key in enumerate((MISSED, refused, feeds))]
    over = Ledger({key: Episode(NOON, told=True, open=False) for key in (MISSED, refused, feeds)}, gathered)
    assert steps(over) == [Dropped(0), Digest(Kind.SEND_REFUSED, (1,)), Digest(Kind.FEEDS, (2,))]
    still = Ledger({MISSED: OPEN}, gathered[:1])
    assert steps(still, condition(Kind.MISSED, "7")) == [Digest(Kind.MISSED, (0,))]
    assert steps(still) == [Digest(Kind.MISSED, (0,))], "one look without it is no end"


def test_a_crowd_counts_as_one_told() -> None:
    """Those who follow one by one are told one by one."""
    crowd = Told(Kind.MISSED, NOON - MINUTE, flapping=False)
    missed = condition(Kind.MISSED, "7")
    assert steps(Ledger(told=[crowd]), missed) == [Began(missed, Fate.DUE)]


def test_a_clock_that_was_ahead_silences_nothing() -> None:
    """What was told then is of the future now, and counts for nothing."""
    ahead = [Told(Kind.NEEDS_SCAN, NOON + timedelta(days=300), True)]
    scan = condition(Kind.NEEDS_SCAN)
    assert steps(Ledger(told=ahead), scan) == [Began(scan, Fate.DUE)]
    waiting = [Waiting(4, SCAN, What.BEGAN, Fate.GATHERED)]
    assert steps(Ledger({}, waiting, ahead)) == [Digest(Kind.NEEDS_SCAN, (4,))]


def test_leads_from_before_alerts_were_switched_on_are_not_told() -> None:
    """But whoever waits is."""
    rules = Rules(frozenset(Kind), None, None, silent_before=NOON)
    old, new, missed = (
        condition(Kind.NEW_LEAD, "1", NOON - MINUTE),
        condition(Kind.NEW_LEAD, "2", NOON),
        condition(Kind.MISSED, "7", NOON - MINUTE),
    )
    assert steps(Ledger(), old, new, missed, rules=rules) == [
        Began(old, None),
        Began(new, Fate.DUE),
        Began(missed, Fate.DUE),
    ]


class Shop:
    """What holds, as the observer tells it."""

    def __init__(self) -> None:
        self.holds: dict[Key, Condition] = {}
        self.hidden = False
        """The database can't be read."""

    def look(self, now: datetime) -> list[Condition]:
        """All of it."""
        return [each for each in self.holds.values() if not (self.hidden and each.kind is Kind.MISSED)]

    def came_back(self, kind: Kind, subject: str, since: datetime, now: datetime) -> Text | None:
        """Named by the episode."""
        return Text(f"<end {kind} {subject} {since.isoformat()}>", "")


class Receiver:
    """Takes what it is told, unless it is down."""

    def __init__(self) -> None:
        self.down = False
        self.told: list[Text] = []

    async def send(self, text: Text) -> list[Result]:
        """As a notifier."""
        if not self.down:
            self.told.append(text)
        return [Result("a", "an address", not self.down, "down" if self.down else "")]


KEYS = [Key(kind, subject) for kind in (Kind.NEEDS_SCAN, Kind.MISSED, Kind.FEEDS) for subject in ("", "1", "2", "3")]


class OperatorIsTold(RuleBasedStateMachine):
    """The whole of alerts but its observer and its notifier, over days."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="lm-alerts-")
        self.loop = asyncio.Runner()
        self.now = NOON
        self.shop, self.receiver = Shop(), Receiver()
        self.wanted: set[str] = set()
        """Beginnings that must be told: each was seen by a look that could tell it."""
        self.alerts: Alerts

    def teardown(self) -> None:
        """In the end the notifier is there, and time has passed."""
        try:
            self.shop.holds.clear()
            self.receiver.down = False
            for _hour in range(30):
                self.now += 61 * MINUTE
                self.run(self.alerts.look())
                self.forget_who_no_longer_waits()
                self.tell()
            said = "\n".join(f"{each.title}\n{each.body}" for each in self.receiver.told)
            assert [each for each in self.wanted if each not in said] == [], "lost"
            self.nothing_is_told_twice()
        finally:
            self.store.close()
            self.loop.close()
            self.folder.cleanup()

    def run(self, work: Any) -> Any:
        """Until it is done."""
        return self.loop.run(work)

    def tell(self) -> None:
        """All that can be told now."""
        address = self.alerts._addresses[0]

        async def all_of_it() -> None:
            while await self.alerts.tell(address) and not address.failures:
                pass

        self.run(all_of_it())

    @initialize()
    def begin(self) -> None:
        """Also after a restart of the process or the machine."""
        self.store = Store(Path(self.folder.name) / "alerts.db", self.now)
        self.alerts = Alerts(
            RULES,
            observer=self.shop,
            addresses=[Address("a", "an address", self.receiver)],
            store=self.store,
            now=lambda: self.now,
            monotonic=lambda: self.now.timestamp(),
        )

    @rule()
    def restart(self) -> None:
        """Nothing is remembered but the file."""
        self.store.close()
        self.begin()

    @rule(
        changes=st.lists(st.sampled_from(KEYS), max_size=6, unique=True),
        minutes=st.sampled_from([1, 1, 1, 10, 50, 600]),
        down=st.booleans(),
        hidden=st.booleans(),
    )
    def time_passes(self, changes: list[Key], minutes: int, down: bool, hidden: bool) -> None:
        """Some things end and others begin, while the notifier is there or not, and the database readable or not.

        A title names the episode. An end is one once two looks have seen it.
        """
        self.receiver.down, self.shop.hidden = down, hidden
        ended = [key for key in changes if self.shop.holds.pop(key, None)]
        for _look in range(2 if ended else 0):
            self.look(1)
        for key in changes:
            if key not in ended:
                title = f"<{key.kind} {key.subject} {self.now.isoformat()}>"
                self.shop.holds[key] = Condition(key.kind, key.subject, self.now, Text(title, ""))
        self.look(minutes)

    def look(self, minutes: int) -> None:
        """After so long, and tell what follows from it."""
        self.now += minutes * MINUTE
        self.run(self.alerts.look())
        self.forget_who_no_longer_waits()
        for each in self.shop.look(self.now):
            if TRAITS[each.kind].urgent or not RULES.is_quiet(self.now):
                self.wanted.add(each.text.title)
        self.tell()

    def forget_who_no_longer_waits(self) -> None:
        """Nobody has to be told of them."""
        assert self.store._connection
        over = self.store._connection.execute("SELECT title FROM notes WHERE state = 'over' AND kind = 'missed'")
        self.wanted -= {title for [title] in over}

    @invariant()
    def nothing_is_told_twice(self) -> None:
        """Each title names one episode, and its beginning or its end."""
        said = "\n".join(text.title if text.title.startswith("<") else text.body for text in self.receiver.told)
        titles = re.findall("<.*?>", re.sub("the last: <.*?>", "", said))  # a digest among others repeats one
        assert sorted(titles) == sorted(set(titles))

    @invariant()
    def nothing_urgent_is_held(self) -> None:
        """Whatever the hour."""
        assert not [each for each in self.store.notes.values() if each.state == "held" and TRAITS[each.key.kind].urgent]


OperatorIsTold.TestCase.settings = settings(max_examples=examples(15), stateful_step_count=12, deadline=None)
TestOperatorIsTold = OperatorIsTold.TestCase
