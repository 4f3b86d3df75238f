"""Alerts at work, with real files: what is told at which address, and what a broken `alerts.db` does to it: nothing."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from leadmasterd.alerts import bundle
from leadmasterd.alerts.addresses import Address
from leadmasterd.alerts.episodes import Episode, Fate, Key, Rules, What
from leadmasterd.alerts.kinds import BODY, Condition, Kind, Text
from leadmasterd.alerts.notifier import Result
from leadmasterd.alerts.service import Alerts
from leadmasterd.alerts.store import KEPT, Store
from leadmasterd.queries import alert_history as queries
from leadmasterd.settings.paths import Paths
from tests.waiting import until

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")


class Looks:
    """What holds, by its titles."""

    def __init__(self) -> None:
        self.holds: list[Condition] = []
        self.fails = False

    def hold(self, *titles: str, kind: Kind = Kind.MISSED, since: datetime = NOON) -> None:
        """Only these."""
        self.holds = [Condition(kind, title, since, Text(title, f"of {title}")) for title in titles]

    def look(self, now: datetime) -> list[Condition]:
        """Once."""
        if self.fails:
            raise KeyError("defect")
        return self.holds

    def came_back(self, kind: Kind, subject: str, since: datetime, now: datetime) -> Text | None:
        """In a word."""
        return Text("back", "")


class Phone:
    """A receiver that answers as it is told: at once, never, or with a refusal of some titles."""

    def __init__(self) -> None:
        self.told: list[Text] = []
        self.refuses: str | None = None
        """What in a text it refuses; "" refuses all."""
        self.hangs = False

    @property
    def titles(self) -> list[str]:
        """Of what it was told."""
        return [each.title for each in self.told]

    async def send(self, text: Text) -> list[Result]:
        """As a notifier."""
        if self.hangs:
            await asyncio.Event().wait()
        whole = f"{text.title}\n{text.body}"
        refused = self.refuses is not None and self.refuses in whole
        if not refused:
            self.told.append(text)
        return [Result("", "", not refused, "refused" if refused else "")]


class World:
    """Alerts with a clock of their own."""

    def __init__(self, folder: Path, phones: int = 1) -> None:
        self.paths = Paths(None, folder, folder / "leadmaster.db")
        self.now = NOON
        self.looks = Looks()
        self.phones = [Phone() for _ in range(phones)]
        self.start()

    def start(self, phones: Sequence[Phone] | None = None) -> None:
        """Anew, from the file."""
        self.phones = [*(phones or self.phones)]
        self.store = Store(queries.file_of(self.paths), self.now)
        self.addresses = [Address(str(id(each)), f"phone {number}", each) for number, each in enumerate(self.phones)]
        self.alerts = Alerts(
            Rules(frozenset(Kind), None, UTC_ZONE, NOON),
            observer=self.looks,
            addresses=self.addresses,
            store=self.store,
            divisor=1000,
            now=lambda: self.now,
            monotonic=lambda: self.now.timestamp(),
        )

    async def look(self, **passes: float) -> None:
        """After some time, and tell what is due, once at each address."""
        self.now += timedelta(**passes)
        await self.alerts.look()
        for address in self.addresses:
            while await self.alerts.tell(address) and not address.failures:
                pass

    def states(self) -> list[tuple[str, str]]:
        """As a person is shown them, the oldest first."""
        history = queries.alert_history(self.paths, limit=2_000)["alerts"]
        return [(each["title"], each["state"]) for each in reversed(history)]

    def close(self) -> None:
        """Close the file."""
        self.store.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One phone."""
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def two_phones(tmp_path: Path) -> Iterator[World]:
    """Two."""
    made = World(tmp_path, 2)
    yield made
    made.close()


async def test_what_holds_is_told_at_every_address_and_noted(two_phones: World) -> None:
    """Once, and its end where the kind says so."""
    world = two_phones
    world.looks.hold("scan", kind=Kind.NEEDS_SCAN)
    for _ in range(3):
        await world.look(seconds=5)
    assert [each.titles for each in world.phones] == [["scan"], ["scan"]]
    assert [each["title"] for each in queries.open_alerts(world.paths)] == ["scan"]
    world.looks.hold()
    await world.look(seconds=5)
    assert len(world.phones[0].told) == 1, "one look without it is no end"
    await world.look(seconds=9)
    assert [each.titles for each in world.phones] == [["scan", "back"], ["scan", "back"]]
    assert queries.open_alerts(world.paths) == []
    told = queries.alert_history(world.paths, limit=9)["alerts"]
    assert [(each["what"], each["state"]) for each in told] == [("ended", "told"), ("began", "told")]
    assert [each["to"] for each in told[1]["deliveries"]] == ["phone 0", "phone 1"]


async def test_what_is_down_for_an_hour_is_told_late_and_says_so(two_phones: World) -> None:
    """Across a restart. The other address was told at once, and is not told again."""
    world = two_phones
    world.phones[0].refuses = ""
    world.looks.hold("Ana")
    await world.look()
    await world.look(seconds=5)
    assert world.alerts.trouble() == "phone 0: refused"
    assert world.states() == [("Ana", "due")]
    world.close()
    world.now += timedelta(hours=1)
    world.start()
    world.phones[0].refuses = None
    await world.look()
    assert [each.titles for each in world.phones] == [["Ana"], ["Ana"]]
    assert world.phones[0].told[0].body.startswith("This is of 12:00, 1 h 0 min ago.")
    assert world.phones[1].told[0].body == "of Ana"
    assert (world.states(), world.alerts.trouble()) == ([("Ana", "told")], "")


async def test_a_mended_address_gets_what_the_wrong_one_did_not(world: World) -> None:
    """A new password makes another address of it, and what waited is for whoever is in the settings now."""
    world.phones[0].refuses = ""
    world.looks.hold("Ana")
    await world.look()
    world.close()
    world.start([Phone()])
    await world.look(minutes=1)
    assert world.phones[0].titles == ["Ana"]
    assert world.states() == [("Ana", "told")]


async def test_many_at_once_are_one_message(world: World) -> None:
    """As when the doors open after a night. The next one is told as any other."""
    world.looks.hold(*(f"customer {number}" for number in range(40)))
    await world.look()
    await world.look(minutes=1)
    [only] = world.phones[0].told
    assert only.title == "40 people have waited too long"
    assert only.body.splitlines()[:2] == ["of customer 0", "of customer 1"]
    assert {(each["title"], each["state"]) for each in queries.open_alerts(world.paths)} == {(only.title, "told")}
    assert len(queries.open_alerts(world.paths)) == 40
    world.looks.hold(*(f"customer {number}" for number in range(41)))
    await world.look(minutes=1)
    assert world.phones[0].titles[1:] == ["customer 40"]
    assert world.store.episodes.keys() == {Key(Kind.MISSED, f"customer {number}") for number in range(41)}


async def test_of_a_crowd_it_is_said_what_was_told_of_it_and_not_what_was_told_before(world: World) -> None:
    """Ana was told alone once. One that is not told, as it is from before, is not in the list."""
    world.looks.hold("Ana")
    await world.look()
    world.looks.hold()
    await world.look(seconds=5)
    await world.look(seconds=9)
    since = world.now
    world.looks.hold("Ana", "Beto", "Caro", "Dora", since=since)
    await world.look(seconds=1)
    assert world.phones[0].titles == ["Ana", "4 people have waited too long"]
    found = {each["subject"]: each["title"] for each in queries.open_alerts(world.paths)}
    assert found == dict.fromkeys(["Ana", "Beto", "Caro", "Dora"], "4 people have waited too long")


async def test_what_is_not_told_is_no_open_alert(world: World) -> None:
    """A lead from before alerts were switched on, also when many new ones come together afterwards."""
    old = Condition(Kind.NEW_LEAD, "old", NOON - timedelta(days=1), Text("old", ""))
    world.looks.holds = [old]
    await world.look()
    world.looks.hold("a", "b", "c", "d", kind=Kind.NEW_LEAD, since=NOON + timedelta(seconds=1))
    world.looks.holds.append(old)
    await world.look(seconds=5)
    assert {each["subject"] for each in queries.open_alerts(world.paths)} == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE notes SET deliveries = '[]'",
        "UPDATE notes SET deliveries = replace(hex(zeroblob(50000)), '0', '[')",
        'UPDATE notes SET deliveries = \'{"a": ["phone", "2026-11-30T12:00:00", 0, ""]}\'',
        "UPDATE notes SET made_at = '2026-11-30T12:00:00'",
        "UPDATE episodes SET since = '2026-11-30T12:00:00'",
        "UPDATE began SET at = '2026-11-30T12:00:00'",
    ],
    ids=range(6),
)
async def test_values_that_are_not_ours_are_put_aside(world: World, change: str) -> None:
    """The process starts, and what holds is told again. Until then the rest of an alert is shown all the same."""
    world.phones[0].refuses = ""
    world.looks.hold("Ana")
    await world.look()
    world.close()
    with closing(sqlite3.connect(world.paths.state_dir / "alerts.db")) as file, file:
        file.execute(change)
    assert world.states() == [("Ana", "due")]
    world.start()
    world.phones[0].refuses = None
    await world.look(seconds=1)
    assert world.phones[0].titles == ["Ana"]
    assert (world.paths.state_dir / "alerts.db.damaged").exists()


async def test_a_damaged_file_that_can_not_be_put_aside_stops_no_alert(world: World) -> None:
    """`status` says why, and the next start tries it again."""
    world.close()
    (world.paths.state_dir / "alerts.db").write_bytes(b"x" * 10_000)
    aside = world.paths.state_dir / "alerts.db.damaged"
    (aside / "folder").mkdir(parents=True)
    world.start()
    world.looks.hold("Ana")
    await world.look()
    assert world.phones[0].titles == ["Ana"]
    assert "alerts.db" in world.alerts.trouble()
    (aside / "folder").rmdir()
    aside.rmdir()
    await world.look(seconds=1)
    assert (world.phones[0].titles, world.alerts.trouble()) == (["Ana"], "")
    assert world.states() == [("Ana", "told")]


def test_of_more_than_fit_the_newest_are_named() -> None:
    """Each with its time; the history has the others."""
    entries = [(NOON, Text(f"customer {number}", "x" * 40)) for number in range(500)]
    long = bundle.together(entries, NOON, UTC_ZONE)
    assert len(long.body) <= BODY
    assert "customer 499\n" in long.body
    assert "customer 0\n" not in long.body
    assert long.body.endswith("earlier ones: `leadmasterd alerts history`")


async def test_what_flaps_becomes_one_digest_an_hour(world: World) -> None:
    """The fourth says so; what follows comes together when the hour is over, beginnings and ends."""
    for _ in range(7):
        world.looks.hold("scan", kind=Kind.NEEDS_SCAN, since=world.now)
        await world.look(minutes=1)
        world.looks.hold()
        await world.look(minutes=1)
        await world.look(minutes=1)
    assert world.phones[0].titles == ["scan", "back"] * 3 + ["scan"]
    assert "number 4 of its kind" in world.phones[0].told[-1].body
    await world.look(minutes=40)
    assert len(world.phones[0].told) == 7
    await world.look(minutes=20)
    digest = world.phones[0].told[-1]
    assert (len(world.phones[0].told), digest.title) == (8, "7 alerts, the last: back")
    assert digest.body.count("scan") == 2 * 3
    assert world.states()[-1] == (digest.title, "told")


async def test_a_digest_leaves_out_who_was_answered_and_not_who_was_hidden(world: World) -> None:
    """By a database that could not be read for a while, say."""
    names = ["Ana", "Beto", "Carla", "Dora", "Ema", "Fede"]
    for number in range(1, 7):
        world.looks.hold(*names[:number])
        await world.look(minutes=1)
    assert world.phones[0].titles == names[:4]
    world.looks.hold()
    await world.look(minutes=1)
    await world.look(minutes=1)
    world.looks.hold("Ana", "Fede")
    await world.look(minutes=1)
    await world.look(hours=1)
    assert world.phones[0].titles == [*names[:4], "Fede"]
    assert ("Ema", "over") in world.states()


async def test_one_that_is_always_refused_does_not_stop_the_others(world: World) -> None:
    """Each is tried alone every second time."""
    world.phones[0].refuses = "poison"
    world.looks.hold("poison", "Ana", "Beto")
    address = world.addresses[0]
    await world.alerts.look()
    for _ in range(20):
        await world.alerts.tell(address)
    assert sorted(world.phones[0].titles) == ["Ana", "Beto"]
    assert ("poison", "due") in world.states()


async def test_an_address_that_hangs_keeps_nobody_waiting(two_phones: World) -> None:
    """Each has a task of its own. It looks at once when there is news."""
    world = two_phones
    world.phones[0].hangs = True
    world.looks.hold("Ana")
    task = asyncio.create_task(world.alerts.run())
    await until(lambda: world.phones[1].titles == ["Ana"])
    world.looks.hold("Ana", "Beto")
    world.alerts.news()
    await until(lambda: world.phones[1].titles == ["Ana", "Beto"])
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_defect_of_a_look_is_told_and_does_not_end_the_next(world: World) -> None:
    """The feeds run in the same process."""
    world.looks.fails = True
    task = asyncio.create_task(world.alerts.run())
    await until(lambda: world.alerts.trouble() == "KeyError('defect')")
    world.looks.fails = False
    world.looks.hold("Ana")
    await until(lambda: world.phones[0].titles == ["Ana"])
    assert world.alerts.trouble() == ""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_without_an_address_that_can_be_used_everything_waits(tmp_path: Path) -> None:
    """For the next start, with mended settings."""
    world = World(tmp_path, 0)
    world.looks.hold("Ana")
    await world.look()
    assert world.states() == [("Ana", "due")]
    world.close()
    world.start([Phone()])
    await world.look()
    assert world.phones[0].titles == ["Ana"]
    world.close()


def _with(file: Path, script: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(script)


DAMAGE: Final[Mapping[str, Callable[[Path], object]]] = {
    "garbage": lambda file: file.write_bytes(b"no database " * 1000),
    "half a page": lambda file: os.truncate(file, 2048),
    "other values": lambda file: _with(file, "UPDATE episodes SET since = 'soon'"),
    "another program's": lambda file: _with(file, "DROP TABLE notes; CREATE TABLE notes (id); DROP TABLE began"),
}


@pytest.mark.parametrize("how", DAMAGE)
async def test_a_damaged_file_is_put_aside_and_alerts_go_on(world: World, how: str) -> None:
    """What still holds is told again: nobody knows any more that it was."""
    world.looks.hold("Ana")
    await world.look()
    world.close()
    DAMAGE[how](queries.file_of(world.paths))
    for beside in world.paths.state_dir.glob("alerts.db-*"):
        beside.unlink()
    world.start()
    await world.look(minutes=1)
    assert world.phones[0].titles == ["Ana", "Ana"]
    assert world.states() == [("Ana", "told")]
    assert world.alerts.trouble() == ""
    assert (world.paths.state_dir / "alerts.db.damaged").exists()


@pytest.mark.parametrize("what", ["alerts.db", "alerts.db*"])
async def test_a_file_that_is_deleted_while_it_runs_is_made_again(world: World, what: str) -> None:
    """With all that is not settled, so that nothing is told twice."""
    world.looks.hold("Ana")
    await world.look()
    world.phones[0].refuses = ""
    world.looks.hold("Ana", "Beto")
    await world.look()
    for file in world.paths.state_dir.glob(what):
        file.unlink()
    world.looks.hold("Ana", "Beto", "Carla")
    await world.look(seconds=5)
    assert world.states() == [("Beto", "due"), ("Carla", "due")]
    world.close()
    world.start()
    world.phones[0].refuses = None
    await world.look(seconds=5)
    assert world.phones[0].titles == ["Ana", "Beto", "Carla"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
async def test_a_full_disk_keeps_nobody_from_being_told(small_disk: Path) -> None:
    """Least of all of the full disk. What was told meanwhile is written once there is room, and not told again."""
    with closing(World(small_disk)) as world:
        await world.look()
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(512))
        world.looks.hold(*(f"full {'x' * 3000} {number}" for number in range(30)), kind=Kind.DISK)
        await world.look()
        assert len(world.phones[0].told) == 1
        assert world.alerts.trouble() == "alerts.db: database or disk is full"
        world.close()
        world.start()
        await world.look(seconds=1)
        assert len(world.phones[0].told) == 2, "that it was told could not be written"
        filler.unlink()
        await world.look(seconds=1)
        assert world.alerts.trouble() == ""
        world.close()
        world.start()
        await world.look(seconds=1)
        assert len(world.phones[0].told) == 2


async def test_a_file_that_was_read_only_is_written_again(world: World) -> None:
    """What SQLite put beside it meanwhile is as read-only, and stays there."""
    beside = [world.paths.state_dir / f"alerts.db{suffix}" for suffix in ("-wal", "-shm")]
    with closing(sqlite3.connect(queries.file_of(world.paths))) as reader:
        reader.execute("SELECT 1 FROM notes").fetchall()
        world.close()
        for each in beside:
            each.chmod(0o400)
        world.looks.hold("Ana")
        await world.look()
        assert [each.stat().st_mode & 0o777 for each in beside] == [0o600, 0o600]


async def test_what_a_newer_version_wrote_is_left_alone(world: World) -> None:
    """Alerts go on from memory, and say so."""
    world.close()
    with closing(sqlite3.connect(queries.file_of(world.paths))) as connection:
        connection.execute("PRAGMA user_version = 99")
    world.start()
    world.looks.hold("Ana")
    await world.look()
    assert world.phones[0].titles == ["Ana"]
    assert world.alerts.trouble() == "alerts.db: a newer leadmasterd wrote it (version 99)"


async def test_a_clock_that_jumps_neither_loses_nor_repeats(world: World) -> None:
    """Years ahead, and back again."""
    world.looks.hold("Ana")
    await world.look()
    for days in (900, -900):
        await world.look(days=days)
        world.looks.hold("Ana", f"after {days}")
        await world.look(seconds=1)
    assert world.phones[0].titles == ["Ana", "after 900", "after -900"]


async def test_the_history_is_bounded(world: World) -> None:
    """By number: the newest stay, and so does what is not settled."""
    world.phones[0].refuses = "poison"
    world.looks.hold("poison")
    await world.look()
    for number in range(3):
        for each in range(0, KEPT, 2):
            key = Key(Kind.MISSED, f"{number} {each}")
            world.store.put_episode(key, Episode(NOON, told=True))
            world.store.add_note(key, What.BEGAN, Fate.GATHERED, Text(key.subject, ""), now=world.now)
        await world.look(hours=2)
        world.looks.hold("poison")
        await world.look(hours=2)
        await world.look(hours=2)
        await world.look(hours=2)
    states = world.states()
    assert KEPT <= len(states) <= KEPT + 2
    assert ("poison", "due") in states
    assert len(world.store.episodes) <= KEPT + 1
