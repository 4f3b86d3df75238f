"""Wire lines over a day old are packed, go after their time, and none is lost or doubled on the way."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from leadmasterd import times
from leadmasterd.queries.raw_lines import StoredLines, stored_lines
from leadmasterd.store import disk_upkeep, raw_blocks
from leadmasterd.store.database import open_for_reading, open_for_writing
from leadmasterd.store.dirty import mark_wholly_dirty
from leadmasterd.store.disk_upkeep import BLOCK_LINES, DiskUpkeep
from leadmasterd.store.growth import days_until_full, note_size, size_of
from leadmasterd.store.idle import InTurn
from leadmasterd.store.mending import decide_again, decided_by_packed
from leadmasterd.store.raw_blocks import BlockDamaged, RawLine, pack, unpack
from leadmasterd.store.writer import Writer
from tests import captures, wire
from tests.captures import Store, opened
from tests.stories import Books, Customer, edited, reacted, revoked
from tests.test_database import make_older
from tests.waiting import LIMIT, until_true

HERE = Path(__file__).parent.parent
NOW = datetime.fromtimestamp(wire.NOON, UTC)
DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path / "leadmaster.db") as store:
        yield store


def says(store: Store, *numbers: int, age: float = 0, sent: float | None = None, chat: str = wire.ANA) -> None:
    """Messages with these numbers, captured so many days before NOW, each with its own line.

    `sent`: days before NOW, by WhatsApp's clock; usually when it was captured, or NOW if our clock is ahead.
    """
    items = []
    days = max(age, 0) if sent is None else sent
    for number in numbers:
        told = wire.message(f"M{number}", chat=chat, t=int(wire.NOON - number - days * 86400), body=f"hola {number}")
        line = json.dumps(told, ensure_ascii=False)
        items.append(captures.item(told, now=wire.NOON - age * 86400, text=line))
    store.write(*items)


def keep_up(store: Store, *, days: int = 7, now: datetime = NOW, lived: timedelta = 1000 * DAY) -> int:
    """All of the upkeep that is due, as the writer does it. Returns its steps. `lived`: since it has looked first."""

    def work(connection: sqlite3.Connection, _rows: object) -> int:
        seconds = [0.0]
        upkeep, steps = DiskUpkeep(connection, days=days, clock=lambda: now, elapsed=lambda: seconds[-1]), 0
        upkeep._expired_before(now)
        seconds.append(lived.total_seconds())
        while upkeep.step():
            upkeep.done()
            steps += 1
        return steps

    return store.writer.call(work).result(LIMIT)


def told(store: Store, **options: Any) -> StoredLines:
    with closing(open_for_reading(store.path)) as connection:
        return stored_lines(connection, **{"limit": 100_000, **options})


def numbers(found: StoredLines) -> list[int]:
    """Of the messages that these lines bring."""
    return [int(json.loads(each["line"])["id"]["id"].removeprefix("M")) for each in found["lines"]]


def in_the_open(store: Store) -> int:
    return int(store.one("SELECT count(*) FROM raw_events"))


# ---------------------------------------------------------------------- what is packed


def test_the_lines_of_the_last_day_stay_in_their_table(store: Store) -> None:
    """Other programs read them there."""
    says(store, *range(BLOCK_LINES), age=1.1)
    says(store, *range(BLOCK_LINES, BLOCK_LINES + 3), age=0.9)
    keep_up(store)
    assert store.rows("SELECT message_id FROM raw_events") == [
        (BLOCK_LINES + 1,),
        (BLOCK_LINES + 2,),
        (BLOCK_LINES + 3,),
    ]
    assert store.rows("SELECT lines, oldest_at = newest_at FROM raw_blocks") == [(BLOCK_LINES, 1)]
    assert numbers(told(store)) == list(range(BLOCK_LINES + 3))


def test_a_packed_line_is_what_it_was(store: Store) -> None:
    """To the letter, with its id, its message and when it was captured."""
    says(store, *range(40), age=3)
    columns = "raw_id, captured_at, message_id, line"
    before = store.rows(f"SELECT {columns} FROM raw_events ORDER BY raw_id")
    keep_up(store)
    assert in_the_open(store) == 0
    assert [tuple(each.values()) for each in told(store)["lines"]] == before


def test_too_few_for_a_block_wait_another_day(store: Store) -> None:
    """Small blocks hardly compress."""
    says(store, 1, 2, age=1.9)
    assert keep_up(store) == 0
    assert in_the_open(store) == 2
    assert keep_up(store, now=NOW + DAY / 5) == 1
    assert in_the_open(store) == 0
    assert numbers(told(store)) == [1, 2]


def test_long_lines_make_blocks_of_fewer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line may have a megabyte, and a step must not hold up capture."""
    monkeypatch.setattr(disk_upkeep, "_BLOCK_CHARACTERS", 2000)
    says(store, *range(10), age=3)
    keep_up(store)
    assert [lines for (lines,) in store.rows("SELECT lines FROM raw_blocks")] == [4, 4, 2]
    assert numbers(told(store)) == list(range(10))


def test_a_line_that_tells_of_a_problem_stays(store: Store) -> None:
    """It may be all that there is of what somebody wrote."""
    says(store, 1, age=30)
    other = wire.message("M1", t=wire.NOON - 1 - 30 * 86400, body="something else")
    store.write(captures.item(other, now=wire.NOON - 30 * 86400, text="another's line"))
    keep_up(store)
    assert [line for (line,) in store.rows("SELECT line FROM raw_events")] == ["another's line"]
    store.write(captures.item(other, text="once more"))
    assert in_the_open(store) == 1, "it is still known"


def test_what_was_captured_under_a_wrong_clock_holds_up_nothing(store: Store) -> None:
    """A clock that was years ahead, when the oldest line came."""
    says(store, 1, age=-1000)
    says(store, 2, 3, age=3)
    keep_up(store)
    assert in_the_open(store) == 0
    assert numbers(told(store)) == [1, 2, 3]
    assert store.one("SELECT newest_at FROM raw_blocks") == times.iso(NOW)
    keep_up(store, now=NOW + 8 * DAY)
    assert told(store) == {"lines": [], "damaged": []}


@pytest.mark.parametrize("behind", [timedelta(days=2), timedelta(days=20000)])
def test_a_clock_that_starts_behind_costs_no_line(store: Store, behind: timedelta) -> None:
    """As that of a machine without a battery, until it hears of the time: nothing is packed or dropped by it."""
    says(store, *range(BLOCK_LINES + 10), age=3)
    says(store, *range(500, 500 + BLOCK_LINES), age=0.5)
    keep_up(store, now=NOW - behind)
    says(store, 1000, age=behind / DAY, sent=0)
    keep_up(store, now=NOW - behind)
    assert in_the_open(store) == 2 * BLOCK_LINES + 11
    keep_up(store)
    found = numbers(told(store))
    assert [each for each in found if each != 1000] == [*range(BLOCK_LINES + 10), *range(500, 500 + BLOCK_LINES)]


@pytest.mark.parametrize("behind", [3, 30, 20000])
def test_what_was_captured_while_the_clock_was_behind_is_kept_as_long_as_all(store: Store, behind: int) -> None:
    """By our clock it seems old once that is right again; WhatsApp's says when it was sent."""
    says(store, *range(BLOCK_LINES), age=5)
    keep_up(store)
    says(store, *range(BLOCK_LINES, 2 * BLOCK_LINES), age=2 + behind, sent=2)
    says(store, 1000, 1001, age=behind, sent=0)
    keep_up(store)
    assert numbers(told(store)) == [*range(2 * BLOCK_LINES), 1000, 1001]
    assert store.one("SELECT min(message_id) FROM raw_events") == 2 * BLOCK_LINES + 1, "those of today stay in the open"
    keep_up(store, now=NOW + 4 * DAY)
    assert numbers(told(store)) == [*range(BLOCK_LINES, 2 * BLOCK_LINES), 1000, 1001]
    keep_up(store, now=NOW + 6 * DAY)
    assert numbers(told(store)) == [1000, 1001]
    keep_up(store, now=NOW + 8 * DAY)
    assert told(store)["lines"] == []


def test_nothing_is_packed_while_the_clock_is_behind(store: Store) -> None:
    """For days, so that lines seem old by it. Once it is right, they would go, and all blocks before them."""
    says(store, *range(BLOCK_LINES), age=2.5)
    keep_up(store, now=NOW - DAY)
    says(store, *range(500, 500 + BLOCK_LINES), age=30 + 2.4, sent=2.4)
    keep_up(store, now=NOW - 30 * DAY, lived=DAY)
    assert in_the_open(store) == BLOCK_LINES
    keep_up(store)
    assert in_the_open(store) == 0
    assert numbers(told(store)) == [*range(BLOCK_LINES), *range(500, 500 + BLOCK_LINES)]


def test_what_does_not_say_when_it_was_sent_is_no_older_than_what_came_before(store: Store) -> None:
    """Its clock was behind, too."""
    says(store, *range(BLOCK_LINES), age=3)
    keep_up(store)
    for number in (500, 501):
        line = wire.message(f"M{number}", t=None)
        store.write(captures.item(line, now=wire.NOON - 30 * 86400, text=json.dumps(line)))
    keep_up(store, now=NOW + 3 * DAY)
    assert numbers(told(store)) == [*range(BLOCK_LINES), 500, 501]
    keep_up(store, now=NOW + 5 * DAY)
    assert told(store)["lines"] == []


def test_packing_twice_is_nothing(store: Store) -> None:
    says(store, *range(5), age=3)
    assert keep_up(store) == 1
    assert keep_up(store) == 0
    assert numbers(told(store)) == list(range(5))


# ---------------------------------------------------------------------- what goes


@pytest.mark.parametrize(("days", "left"), [(7, [2, 3, 4]), (2, [3, 4]), (1, [4]), (0, [1, 2, 3, 4])])
def test_lines_go_after_the_days_of_the_setting(store: Store, days: int, left: list[int]) -> None:
    """Those that were packed and those that never were; 0: none goes."""
    for number, age in ((1, 9), (2, 5), (3, 1.5), (4, 0.5)):
        says(store, number, age=age)
        keep_up(store, days=days, now=NOW - timedelta(days=age) + 3 * DAY if number < 3 else NOW)
    keep_up(store, days=days)
    keep_up(store, days=days, now=NOW + DAY / 3)
    assert numbers(told(store)) == left


def test_a_clock_that_jumps_ahead_costs_no_line(store: Store) -> None:
    """It was a week's, at once. Time that has passed counts, whether or not anything was captured meanwhile."""
    says(store, 1, age=3)
    says(store, 2, age=-400)
    keep_up(store)
    for minutes in (1, 2):
        keep_up(store, now=NOW + 400 * DAY, lived=timedelta(minutes=minutes))
        says(store, 2 + minutes, age=-400)
    assert numbers(told(store)) == [1, 2, 3, 4]
    keep_up(store, now=NOW + 400 * DAY, lived=5 * DAY)
    assert numbers(told(store)) == [2, 3, 4]


@pytest.mark.parametrize("dated", [-400, 0])
def test_a_message_with_a_wrong_date_does_not_make_a_clock_right(store: Store, dated: int) -> None:
    """The clock jumps ahead, and then a message is dated so, or has no date and gets that of the clock."""
    says(store, 1, 2, 3, age=3)
    says(store, 4, age=1.5)
    keep_up(store)
    says(store, 5, age=-400, sent=dated)
    keep_up(store, now=NOW + 400 * DAY, lived=timedelta(minutes=1))
    assert numbers(told(store)) == [1, 2, 3, 4, 5]
    keep_up(store, lived=timedelta(minutes=2))
    assert numbers(told(store)) == [1, 2, 3, 4, 5]


def test_blocks_from_a_clock_that_was_ahead_go_with_those_after_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are older, whatever they say: for years they would hold up nothing, but stay."""
    monkeypatch.setattr(disk_upkeep, "BLOCK_LINES", 1)
    monkeypatch.setattr(disk_upkeep, "_BLOCKS_AT_ONCE", 2)
    says(store, 1, 2, 3, age=-40)
    keep_up(store, now=NOW + 42 * DAY)
    says(store, 4, 5, 6, age=3)
    keep_up(store)
    assert store.one("SELECT count(*) FROM raw_blocks") == 6
    keep_up(store, now=NOW + 3 * DAY)
    assert store.one("SELECT count(*) FROM raw_blocks") == 6
    keep_up(store, now=NOW + 5 * DAY)
    assert told(store)["lines"] == []


def test_after_days_off_all_that_is_due_happens(store: Store) -> None:
    """Of an old database most lines are past their time, and are not packed first."""
    for number in range(20):
        says(store, number, age=20 - number)
    keep_up(store)
    assert numbers(told(store)) == [13, 14, 15, 16, 17, 18, 19]
    assert store.one("SELECT sum(lines) FROM raw_blocks") == 6


# ---------------------------------------------------------------------- reading them


def test_the_newest_are_shown_whichever_side_they_are_on(store: Store) -> None:
    says(store, *range(6), age=3)
    keep_up(store)
    says(store, 6, 7)
    assert numbers(told(store, limit=4)) == [4, 5, 6, 7]
    assert numbers(told(store, limit=1)) == [7]
    assert numbers(told(store, since=times.iso(NOW - DAY))) == [6, 7]


def test_the_lines_of_one_chat_are_found_in_every_block(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_upkeep, "BLOCK_LINES", 4)
    for number in range(12):
        says(store, number, age=3, chat=wire.ANA if number % 3 else wire.BETO)
    keep_up(store)
    [conversation] = store.rows("SELECT conversation_id FROM conversations WHERE chat = ?", wire.BETO)
    assert numbers(told(store, conversations=conversation)) == [0, 3, 6, 9]
    assert numbers(told(store, conversations=conversation, limit=2)) == [6, 9]
    assert told(store, conversations=())["lines"] == []


def test_a_line_is_its_messages_under_the_id_that_stays(store: Store) -> None:
    """Two rows became one after their lines were packed."""
    store.write(
        captures.item(wire.message("M1", chat=wire.ANA), text='{"id": {"id": "M1"}}'),
        captures.item(wire.message("M1", chat=wire.ANA_LID), text='{"id": {"id": "M2"}}'),
    )
    keep_up(store, now=NOW + 3 * DAY)
    store.write(wire.message("N", chat=wire.ANA, t=wire.NOON + 9, contact=wire.contact(lid=wire.ANA_LID)))
    [(message, conversation)] = store.rows("SELECT message_id, conversation_id FROM messages WHERE stanza_id = 'M1'")
    found = told(store, conversations=[conversation])["lines"]
    assert [each["message_id"] for each in found][:2] == [message, message]


def test_a_damaged_block_costs_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_upkeep, "BLOCK_LINES", 4)
    says(store, *range(12), age=3)
    keep_up(store)

    def damage(connection: sqlite3.Connection, _rows: object) -> None:
        [[block, packed]] = connection.execute("SELECT block_id, packed FROM raw_blocks ORDER BY 1 LIMIT 1 OFFSET 1")
        wrong = bytearray(packed)
        wrong[len(wrong) // 2] ^= 1
        connection.execute("UPDATE raw_blocks SET packed = ? WHERE block_id = ?", (bytes(wrong), block))

    store.writer.call(damage).result(LIMIT)
    found = told(store)
    assert numbers(found) == [0, 1, 2, 3, 8, 9, 10, 11]
    assert [each["lines"] for each in found["damaged"]] == [4]


def test_every_changed_byte_of_a_block_is_found_out() -> None:
    """Wrong lines would be worse than none."""
    lines = [RawLine(number, 1, number, times.iso(NOW), f'{{"body":"ñandú {number}"}}') for number in range(30)]
    packed = pack(lines)
    assert unpack(packed) == lines
    for place in range(len(packed)):
        wrong = bytearray(packed)
        wrong[place] ^= 1 << place % 8
        try:
            assert unpack(bytes(wrong)) == lines, f"byte {place}"
        except BlockDamaged:
            continue
    for cut in (0, 1, len(packed) // 2, len(packed) - 1):
        with pytest.raises(BlockDamaged):
            unpack(packed[:cut])


# ---------------------------------------------------------------------- crashes, and capture meanwhile

_LIFE = """
import os, signal, sqlite3, sys
from datetime import datetime, timedelta
from pathlib import Path
from leadmasterd.store import disk_upkeep
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.disk_upkeep import DiskUpkeep
disk_upkeep.BLOCK_LINES = 8
path, left, now = Path(sys.argv[1]), int(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
connection = open_for_writing(path)
def count(_statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
connection.set_trace_callback(count)
upkeep, more = DiskUpkeep(connection, days=7, clock=lambda: now), True
while more:
    connection.execute("BEGIN IMMEDIATE")
    more = upkeep.step()
    connection.execute("COMMIT")
    upkeep.done()
print("done")
"""


def test_killed_in_the_middle_no_line_is_lost_or_doubled(tmp_path: Path) -> None:
    """Wherever it is killed, each line is on one side, and the next life goes on."""
    path = tmp_path / "leadmaster.db"
    with opened(path) as store:
        says(store, *range(30), age=3)
    ended = False
    for life in range(1, 40):
        arguments = [sys.executable, "-c", _LIFE, str(path), str(life * 7), NOW.isoformat()]
        done = subprocess.run(arguments, cwd=HERE, capture_output=True, text=True, check=False)
        with closing(open_for_reading(path)) as connection:
            assert numbers(stored_lines(connection, limit=1000)) == list(range(30)), f"life {life}"
        if ended := done.stdout == "done\n":
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert ended
    assert life > 2


def test_capture_goes_on_while_an_old_database_is_brought_over(tmp_path: Path) -> None:
    """The update itself touches no line; they are packed by and by, between what is captured."""
    path = tmp_path / "old.db"
    make_older(path, 12)
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(
            "INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES ('5491155550100@c.us', 'a', 'a')"
        )
        old.executemany(
            "INSERT INTO raw_events (account_id, message_id, captured_at, line) VALUES (1, ?, ?, ?)",
            [(None, times.iso(NOW - 3 * DAY), f'{{"id":{{"id":"M{number}"}}}}') for number in range(3000)],
        )
    open_for_writing(path).close()
    with captures.reading(path) as connection:
        assert connection.execute("SELECT count(*) FROM raw_events").fetchone() == (3000,)
    writer = Writer(
        path,
        on_batch=lambda _: None,
        on_error=print,
        idle_work=lambda connection: InTurn(DiskUpkeep(connection, days=7, clock=lambda: NOW)),
    )
    writer.start()
    try:
        writer.put([captures.account()])
        for number in range(3000, 3040):
            message = wire.message(f"M{number}", t=wire.NOON - number)
            writer.put([captures.item(message, text=json.dumps(message))])
            writer.call(lambda connection, rows: None).result(LIMIT)
        with captures.reading(path) as connection:
            until_true(lambda: connection.execute("SELECT count(*) FROM raw_events").fetchone() == (40,))
    finally:
        assert writer.stop(LIMIT)
    with closing(open_for_reading(path)) as connection:
        assert numbers(stored_lines(connection, limit=10_000)) == list(range(3040))


def test_whatever_comes_when_every_line_is_kept_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of any length and age, edits, and upkeep at any time."""
    monkeypatch.setattr(disk_upkeep, "BLOCK_LINES", 7)
    monkeypatch.setattr(disk_upkeep, "_BLOCK_CHARACTERS", 6000)
    chance = random.Random(5)
    now, number = NOW, 0
    for _turn in range(60):
        now += timedelta(hours=chance.randrange(20))
        for _ in range(chance.randrange(6)):
            told_ = wire.message(f"M{number}", t=int(now.timestamp()), body="ñ" * chance.randrange(2000))
            store.write(captures.item(told_, now=now.timestamp(), text=json.dumps(told_, ensure_ascii=False)))
            number += 1
        if chance.random() < 0.6:
            keep_up(store, days=0, now=now)
            young = store.one("SELECT count(*) FROM raw_events WHERE captured_at >= ?", times.iso(now - DAY))
            all_young = store.one("SELECT count(*) FROM messages WHERE captured_at >= ?", times.iso(now - DAY))
            assert young == all_young, "the last day's are all in the open"
            late = store.one("SELECT count(*) FROM raw_events WHERE captured_at < ?", times.iso(now - 2 * DAY))
            assert late == 0
    assert numbers(told(store)) == list(range(number))


# ---------------------------------------------------------------------- what leads are derived from


def _derived(books: Books) -> dict[str, list[tuple[Any, ...]]]:
    """Every table but those of lines, without when a row was written."""
    tables = [
        name
        for (name,) in books.ask("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        if name not in ("raw_events", "raw_blocks", "database_sizes", "checkpoints", "_sqlite_migrations")
    ]
    found = {}
    for table in tables:
        columns = [
            name
            for (name,) in books.ask("SELECT name FROM pragma_table_info(?)", table)
            if name not in ("created_at", "updated_at", "recorded_at", "classified_at")
        ]
        wanted = ", ".join(columns)
        if table == "lead_events":  # what a rebuild finds out happens then
            wanted = wanted.replace(" at,", " iif(code = 'recomputed', '', at),")
        found[table] = sorted(books.ask(f"SELECT {wanted} FROM {table}"), key=repr)
    assert found["leads"]
    return found


def _tell_a_rich_story(books: Books) -> None:
    """Leads, ads, machines, LIDs, edits, deletions, reactions and calls; some lines are those of an older listener."""
    ana, beto = Customer(), Customer(wire.BETO, saved="Beto")
    carla = Customer("5491155550003@c.us", lid="777@lid", phone="5491155550003@c.us")
    dora = Customer("5491155550004@c.us")
    asked, answer = ana.says("10 10:00", "price"), ana.hears("10 10:05", "a thousand")
    sent = {**dora.hears("10 10:30", "Sale!"), "data": {"type": "chat", "isFromTemplate": True}}
    greeting = {**dora.hears("11 09:30", "promo"), "marks": {"broadcast": "17@broadcast"}}
    hidden = {**beto.says("12 11:00", "order"), "type": "ciphertext"}
    lines = [
        asked, answer, beto.clicks_ad("10 10:20"), dora.says("10 10:29", "availability"), sent, greeting,
        carla.says("10 12:00", "delivery", **{"from": "777@lid"}), edited(asked, "10 10:02", "order price"),
        {k: v for k, v in hidden.items() if k != "body"}, {**hidden, "type": "message", "via": "sweep"},
        reacted(asked, "10 10:04"), revoked(answer, "10 10:06"), ana.call("11 10:00"),
        {**answer, "via": "sweep", "marks": {"campaign": True}},
        {**answer, "via": "sweep", "marks": {"api": True}},
        {**dora.says("13 10:00", "price"), "type": "message", "data": {"bizBotType": "biz_1p"}},
    ]  # fmt: skip
    for line in lines:
        books.rows.apply([captures.item(line, now=line["at"] / 1000, text=json.dumps(line))])
    books.project_all()


def _rebuild(books: Books) -> None:
    """As `leads rebuild` does."""
    packed = decided_by_packed(books.db)
    conversations = books.column("SELECT conversation_id FROM conversations")
    mark_wholly_dirty(books.db, decide_again(books.db, conversations, packed))
    books.rebuild()


def _keep_up(books: Books, *, days: int) -> None:
    seconds, now = count(step=30 * 86400.0), datetime(2026, 12, 1, tzinfo=UTC)
    upkeep = DiskUpkeep(books.db, days=days, clock=lambda: now, elapsed=lambda: next(seconds))
    while upkeep.step():
        upkeep.done()
    books.project_all()


@pytest.mark.parametrize("lines_of_a_block", [1, 2, 5, BLOCK_LINES])
def test_a_rebuild_needs_no_line(monkeypatch: pytest.MonkeyPatch, lines_of_a_block: int) -> None:
    """With the lines in the open, packed, or gone: the same rows in every table that is derived."""
    monkeypatch.setattr(disk_upkeep, "BLOCK_LINES", lines_of_a_block)
    with Books() as kept, Books() as packed, Books() as gone:
        for books in (kept, packed, gone):
            _tell_a_rich_story(books)
        assert len(kept.column("SELECT raw_id FROM raw_events")) == 14
        _keep_up(packed, days=0)
        _keep_up(gone, days=1)
        assert (packed.column("SELECT count(*) FROM raw_events"), gone.column("SELECT * FROM raw_blocks")) == ([0], [])
        assert packed.column("SELECT sum(lines) FROM raw_blocks") == kept.column("SELECT count(*) FROM raw_events")
        for books in (kept, packed, gone):
            _rebuild(books)
        wanted = _derived(kept)
        for table, rows in wanted.items():
            assert _derived(packed)[table] == rows, table
            assert _derived(gone)[table] == rows, table
        assert kept.column("SELECT author FROM messages WHERE body = 'Sale!'") == ["api"], "an older listener's line"


def test_before_a_line_goes_it_is_decided_by_it_who_wrote(store: Store) -> None:
    """A line of an older listener told no marks; afterwards they are in their column, and leads are derived anew."""
    sent = wire.message("M1", mine=True, body="Sale!")
    old = json.dumps({**sent, "data": {"id": sent["id"], "type": "chat", "isFromTemplate": True}})
    store.write(captures.item(sent, text=old))
    store.writer.call(lambda connection, _: connection.execute("DELETE FROM unjudged")).result(LIMIT)
    assert store.one("SELECT author FROM messages") == "operator"
    keep_up(store, now=NOW + 30 * DAY)
    assert store.rows("SELECT author, marks FROM messages") == [("api", '{"template": true}')]
    assert store.one("SELECT count(*) FROM unjudged") == 1
    assert told(store)["lines"] == []


def test_a_newer_version_decides_again_by_packed_lines(store: Store) -> None:
    """What it takes for somebody else's then, it tells from the block."""
    sent = wire.message("M1", mine=True, body="Sale!")
    line = json.dumps({**sent, "marks": {"template": True}})
    store.write(captures.item(sent, text=line))
    keep_up(store, days=0, now=NOW + 30 * DAY)

    def forget_and_decide(connection: sqlite3.Connection, _rows: object) -> set[int]:
        connection.execute("UPDATE messages SET author = 'operator', marks = NULL")
        return decide_again(connection, [1], decided_by_packed(connection))

    assert store.writer.call(forget_and_decide).result(LIMIT) == {1}
    assert store.rows("SELECT author, marks FROM messages") == [("api", '{"template": true}')]


# ---------------------------------------------------------------------- space, and how it grows


def test_a_new_file_gives_its_space_back(store: Store) -> None:
    """The file shrinks by nearly what the lines took, in steps, and the rest stays for what comes next."""
    for first in range(0, 6000, 500):
        says(store, *range(first, first + 500), age=3)
    store.writer.call(lambda connection, _: None).result(LIMIT)

    def size() -> int:
        with closing(sqlite3.connect(store.path)) as connection:
            return int(connection.execute("SELECT page_count FROM pragma_page_count").fetchone()[0])

    before = size()
    keep_up(store, now=NOW + 30 * DAY)
    assert size() < before * 0.6
    assert store.one("SELECT freelist_count FROM pragma_freelist_count") <= 256
    assert store.one("PRAGMA integrity_check") == "ok"
    assert store.one("SELECT count(*) FROM messages") == 6000


def test_growth_is_told_after_a_day_and_over_two_weeks_at_most(store: Store) -> None:
    def note(now: datetime) -> int | None:
        def work(connection: sqlite3.Connection, _rows: object) -> int | None:
            note_size(connection, now)
            return size_of(connection, now).growth

        return store.writer.call(work).result(LIMIT)

    assert note(NOW) is None
    assert note(NOW + DAY / 2) is None
    assert note(NOW + DAY) == 0
    says(store, *range(2000))
    grown = note(NOW + 2 * DAY)
    assert grown is not None
    assert grown > 500_000
    assert note(NOW + 40 * DAY) is None, "it was off for weeks"
    assert store.one("SELECT count(*) FROM database_sizes") == 1
    assert note(NOW) is None, "a clock that was ahead leaves nothing behind"


@pytest.mark.parametrize(
    ("growth", "days"),
    [(None, None), (0, None), (-5, None), (10, 40), (1, 400), (1000, 0)],
)
def test_the_days_until_the_disk_is_full(growth: int | None, days: int | None) -> None:
    """The unused part of the file is used first."""
    size = size_of_values(used=1000, unused=100, growth=growth)
    assert days_until_full(size, 300) == days


def size_of_values(*, used: int, unused: int, growth: int | None) -> Any:
    from leadmasterd.store.growth import DatabaseSize

    return DatabaseSize(used, unused, growth)


def test_upkeep_that_fails_rests_and_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Idle work of others goes on, and the lines stay where they are."""
    says(store, 1, age=3)
    monkeypatch.setattr(raw_blocks, "pack", lambda lines: 1 / 0)
    with closing(open_for_writing(store.path)) as connection:
        upkeep = DiskUpkeep(connection, days=7, clock=lambda: NOW)
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(ZeroDivisionError) as failed:
            upkeep.step()
        connection.execute("ROLLBACK")
        upkeep.failed(failed.value)
        assert "cannot pack old lines" in caplog.text
        assert not upkeep.step()
    assert in_the_open(store) == 1
