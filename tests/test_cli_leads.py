"""The `leads` commands and their neighbours against a real database: output, writes, refusals and exit codes."""

import csv
import fcntl
import io
import json
import os
import re
import shlex
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unicodedata import combining, east_asian_width
from zoneinfo import ZoneInfo

import pytest

from leadmasterd import sentences, times
from leadmasterd.actions import rebuild, unit_of_work
from leadmasterd.cli import editing, main, names, parser
from leadmasterd.cli.arguments import subcommands
from leadmasterd.cli.bars import bar
from leadmasterd.cli.times import time_from
from leadmasterd.clock import Clock
from leadmasterd.projection.policy import classifier_of, policy_of
from leadmasterd.projection.projector import Projector
from leadmasterd.projection.worker import ProjectionWorker
from leadmasterd.queries import lead_detail
from leadmasterd.queries import leads as lead_queries
from leadmasterd.queries.leads import AsOf
from leadmasterd.queries.waiting import BusinessSeconds, waiting
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.model import load
from leadmasterd.settings.paths import find_paths
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.records import Item
from leadmasterd.store.writer import Writer
from leadmasterd.text import speaking
from tests import forked, test_cli, wire
from tests.captures import account, item, opened, reading
from tests.forked import Forked
from tests.waiting import LIMIT, until_true

CHECKOUT = Path(__file__).parent.parent
NOON = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
"""A zone where it is noon now (Etc/GMT names invert the sign), so that the last hours always belong to today."""
ALWAYS_OPEN = f'[leads]\ncountry = ""\ntimezone = "{NOON}"\n[leads.hours]\n' + "".join(
    f'{day} = [["00:00", "24:00"]]\n' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
)
PRICE, DELIVERY, BROKEN, HELLO = "hola, cuánto sale la campera?", "hacen envíos?", "me llegó rota la taza", "hola"
DAY = 24 * 60
Line = tuple[int, float, str] | tuple[int, float, str, dict[str, Any]]
"""Customer, minutes ago, text (a leading > marks our own), and optionally more fields of the wire line."""


@dataclass
class Answer:
    """A command's exit code and output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The single JSON object on stdout."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


class Shop:
    """A folder with settings (open all week) and a database, in which commands are run."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.database = folder / "state" / "leadmaster.db"
        self._capsys = capsys
        self._number = 0
        self._now = time.time()
        (folder / "config.toml").write_text(ALWAYS_OPEN)

    def hears(self, *lines: Line, judged: bool = True) -> None:
        """Capture these messages and, unless told otherwise, make their leads."""
        self.keeps(*self.captures(*lines))
        if judged:
            assert self.types("leads", "rebuild").code == 0

    def captures(self, *lines: Line) -> list[Item]:
        """The records to write for these messages."""
        items = []
        for customer, minutes, text, *more in lines:
            self._number += 1
            fields: dict[str, Any] = {"notify_name": f"Cliente {customer}", **(more[0] if more else {})}
            mine = text.startswith(">")
            if mine:
                fields["notify_name"] = None
            at = self._now - minutes * 60
            line = wire.message(
                f"M{self._number}", chat=fields.pop("chat", chat(customer)), mine=mine, t=int(at), body=text, **fields
            )
            items.append(item(line, now=at + 1))
        return items

    def keeps(self, *items: Item) -> None:
        """Write these records to the database."""
        self.database.parent.mkdir(exist_ok=True)
        with opened(self.database, items):
            pass

    def misses_a_call(self, customer: int, minutes: float) -> None:
        """Capture a call that nobody answered."""
        at = self._now - minutes * 60
        call = {"call_id": "c1", "chat": chat(customer), "t": int(at), "outgoing": False, "answered": False}
        self.keeps(item({**wire.line("call"), **call, "video": False}, now=at + 1))
        assert self.types("leads", "rebuild").code == 0

    def types(self, *words: str) -> Answer:
        """Run `leadmasterd …` in this folder."""
        self._capsys.readouterr()
        try:
            code = main(list(words))
        except SystemExit as left:
            code = int(str(left.code))
        said = self._capsys.readouterr()
        return Answer(code, said.out, said.err)

    def sees(self, columns: int, *words: str) -> str:
        """The output of `leadmasterd …` on a terminal of this width."""
        environment = {**os.environ, "TERM": "xterm-256color"}
        done = forked.on_terminal(
            *words,
            columns=columns,
            rows=24,
            cwd=self.folder,
            env={name: value for name, value in environment.items() if name not in ("COLUMNS", "NO_COLOR")},
        )
        assert done.returncode in (0, 3)
        return done.stdout

    def asks(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Query the database directly."""
        with reading(self.database) as connection:
            return connection.execute(query, values).fetchall()

    def minutes_since(self, at: datetime) -> float:
        """The minutes to pass to `hears` for a message at this second."""
        return (self._now - at.timestamp() - 0.01) / 60

    def lead(self, customer: int) -> Any:
        """A customer's newest lead, as `leads list` shows it."""
        rows = self.types("leads", "list", "--all", "--json").json["leads"]
        return next(row for row in rows if row["chat"] == chat(customer))


def chat(customer: int) -> str:
    """The id of a customer's chat."""
    return f"54911555500{customer:02d}@c.us"


def uncoloured(text: str) -> str:
    """The text without colour codes."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def cells(text: str) -> int:
    """The width of a text in terminal columns, on terminals that do not join emoji."""
    return sum(2 if east_asian_width(char) in "WF" else int(not combining(char)) for char in text)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """A shop in which nothing has been captured yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", NOON)
    time.tzset()
    for name in [name for name in os.environ if name.startswith("LEADMASTERD_")]:
        monkeypatch.delenv(name)
    yield Shop(tmp_path, capsys)
    monkeypatch.undo()
    time.tzset()


# ---------------------------------------------------------------------- help and usage


def words() -> list[tuple[str, str]]:
    """All subcommands."""
    top = subcommands(parser.make_parser())
    return [(group, name) for group in ("leads", "rules", "auth", "config") for name in subcommands(top[group])]


@pytest.mark.parametrize(("command", "word"), words())
def test_the_help_of_every_subcommand_has_examples_that_can_be_typed(
    command: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help fits 80 columns, and each example also works with --json."""
    with pytest.raises(SystemExit) as left:
        main([command, word, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    examples = [line.strip() for line in text.partition("examples:\n")[2].split("\n\n")[0].splitlines()]
    assert examples
    for example in examples:
        typed = shlex.split(example.split(" | ")[0])[1:]
        assert parser.make_parser().parse_args(typed).action == word
        assert parser.make_parser().parse_args([*typed, "--json"]).json
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize(
    "typed",
    [
        "list --limit 0", "label 1", "label 1 price --undo", "stage 1", "note 1", "note 1 ' '",
        "merge", "merge 1", "merge 1 2 --undo 3", "merge --undo 3 --proposals", "export --format xls",
    ],
)  # fmt: skip
def test_wrong_usage_is_64_and_stdout_stays_empty(shop: Shop, typed: str) -> None:
    """A program that reads --json must not get a usage text."""
    done = shop.types("leads", *shlex.split(typed))
    assert (done.code, done.out) == (64, "")
    assert "leads" in done.err or "note" in done.err


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("messages --search", 0),
        ("messages --chat", 1),
        ("leads show", 1),
        ("leads note 1", 0),
        ("rules test --text", 0),
    ],
)
def test_bytes_that_are_no_utf8_are_looked_for_and_kept_as_question_marks(shop: Shop, typed: str, code: int) -> None:
    """Input in another encoding never causes a traceback."""
    shop.hears((1, 5, PRICE))
    done = shop.types(*typed.split(), b"a\xff".decode("utf-8", "surrogateescape"))
    assert done.code == code
    assert "Traceback" not in done.err


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", ""])
def test_a_limit_that_is_no_number_is_told_with_what_it_must_be(shop: Shop, limit: str) -> None:
    """The error says what a limit must be, not which Python function failed."""
    done = shop.types("leads", "list", f"--limit={limit}")
    assert (done.code, done.out) == (64, "")
    assert f"argument --limit: {limit!r} must be a whole number, at least 1" in done.err


def test_without_a_database_reading_is_empty_and_writing_is_no(shop: Shop) -> None:
    """Reading prints an empty result, writing exits with 1, and no file is created."""
    for word in ("list", "waiting", "export"):
        done = shop.types("leads", word, "--json")
        assert done.code == 0
        assert not any(done.json.get(key) for key in ("leads", "waiting", "conversations"))
        assert "there is no" in done.err
    for typed in (["show", "1"], ["label", "1", "price"], ["stage", "1", "won"], ["note", "1", "x"], ["rebuild"]):
        done = shop.types("leads", *typed)
        assert (done.code, done.out) == (1, "")
        assert "Nothing has been captured here yet" in done.err
    assert not shop.database.exists()


# ---------------------------------------------------------------------- time zones


def test_people_read_the_hours_of_the_business_on_a_machine_of_another_zone(
    monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    """13:00Z is shown as 10:00 in Buenos Aires even on a server in UTC; JSON stays in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    (shop.folder / "config.toml").write_text('[leads]\ncountry = ""\ntimezone = "America/Argentina/Buenos_Aires"\n')
    at = (datetime.now(UTC) - timedelta(days=3)).replace(hour=13, minute=0, second=0, microsecond=0)
    minutes = shop.minutes_since(at)
    shop.hears((1, minutes, PRICE), (2, minutes - 1, BROKEN))
    [listed] = shop.types("leads", "list", "--json").json["leads"]
    assert listed["opened_at"] == listed["waiting_since"] == f"{at:%Y-%m-%dT13:00:00.000Z}"
    assert shop.types("leads", "list").out.splitlines()[2].split().count("10:00") == 2
    waiting = shop.types("leads", "waiting").out
    assert waiting.splitlines()[2].split().count("10:00") == 1
    assert f"the first since {at:%Y-%m-%d} 10:00" in waiting
    assert f"the first since {at:%Y-%m-%d} 10:00" in shop.types("status").out
    shown = shop.types("leads", "show", "1").out
    assert shown.count(f"{at:%Y-%m-%d} 10:00") == 6
    assert f"{at:%Y-%m-%d} 10:00" in shop.types("messages").out
    assert shop.types("leads", "label", "1", "supplier").code == 0
    assert (
        f"Waiting for an answer since {at:%Y-%m-%d} 10:00 (Buenos Aires)."
        in shop.types("leads", "label", "1", "--undo").out
    )
    assert "13:0" not in waiting + shown


def test_every_command_names_the_zone_of_its_times_where_the_machine_has_another(
    monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    """The zone is printed on stderr for lists, in a lead's record, and after a time in a sentence; never in JSON."""
    shop.hears((1, 120, PRICE))
    assert not any("leads.timezone" in shop.types(*typed.split()).err for typed in ("messages", "leads list"))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    (shop.folder / "config.toml").write_text('[leads]\ncountry = ""\ntimezone = "America/Argentina/Buenos_Aires"\n')
    for typed in ("messages", "leads list"):
        assert shop.types(*typed.split()).err == "Times are in Buenos Aires time (leads.timezone).\n"
        assert shop.types(*typed.split(), "--json").err == ""
    assert "\n  times      in Buenos Aires time (leads.timezone)\n" in shop.types("leads", "show", "1").out
    assert shop.types("leads", "waiting").out.endswith(" (Buenos Aires)\n")
    assert shop.types("leads", "label", "1", "supplier").code == 0
    undone = shop.types("leads", "label", "1", "--undo").out
    assert re.search(r"Waiting for an answer since \d{4}-\d\d-\d\d \d\d:\d\d \(Buenos Aires\)\.\n", undone)


@pytest.mark.parametrize(
    "typed", ["messages --since", "messages --chat", "leads export --since", "rules reclassify --since"]
)
def test_an_empty_value_is_not_taken_for_none(shop: Shop, typed: str) -> None:
    """A script with an empty variable must not get all rows."""
    shop.hears((1, 10, PRICE))
    done = shop.types(*typed.split(), "")
    assert (done.code, done.out) == (1 if "--chat" in typed else 64, "")
    assert "''" in done.err


def test_a_time_that_is_typed_without_a_zone_is_of_the_business(shop: Shop) -> None:
    """13:00Z is 10:00 in Buenos Aires, so typing the displayed hour finds the displayed row."""
    (shop.folder / "config.toml").write_text('[leads]\ncountry = ""\ntimezone = "America/Argentina/Buenos_Aires"\n')
    at = (datetime.now(UTC) - timedelta(days=3)).replace(hour=13, minute=0, second=0, microsecond=0)
    shop.hears((1, shop.minutes_since(at), PRICE))
    for typed, found in (("09:59", 1), ("10:00", 1), ("10:01", 0), ("13:00Z", 1), ("13:01Z", 0)):
        since = f"{at:%Y-%m-%d}T{typed}"
        assert len(shop.types("messages", "--since", since, "--json").json["messages"]) == found
        assert len(shop.types("leads", "export", "--since", since, "--json").json["leads"]) == found
        assert shop.types("rules", "reclassify", "--since", since, "--json").json["bursts"] == found


def test_where_no_zone_is_known_the_machines_counts(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    """A machine may have no time zone database."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert time_from("2026-11-23T09:00", None) == datetime(2026, 11, 23, tzinfo=UTC)
    assert time_from("2026-11-23T09:00+01:00", None) == datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.mark.parametrize("when", ["", "9999-12-31T23:59-05:00", "0001-01-01T00:00+05:00", "algún día", "2026-02-30"])
@pytest.mark.parametrize(
    "typed",
    ["messages --since", "history --since", "leads export --since", "rules reclassify --since", "replay - --at"],
)
def test_a_time_that_is_none_or_that_no_calendar_reaches_is_64(shop: Shop, typed: str, when: str) -> None:
    """The error shows how to write a time."""
    done = shop.types(*typed.split(), when)
    assert (done.code, done.out) == (64, "")
    assert f"cannot use the time {when!r}: write it as 2026-11-23" in done.err


@pytest.mark.parametrize(
    ("zone", "now", "at", "brief", "short"),
    [
        ("America/Argentina/Buenos_Aires", "2026-11-23T02:00Z", "2026-11-22T13:00Z", "10:00", ("10:00", "")),
        (
            "America/Argentina/Buenos_Aires", "2026-11-23T12:00Z", "2026-11-23T02:00Z", "2026-11-22 23:00",
            ("11-22", "23:00"),
        ),
        ("Asia/Tokyo", "2026-12-31T16:00Z", "2026-12-31T14:00Z", "2026-12-31 23:00", ("12-31", "2026")),
        ("Europe/Madrid", "2026-11-23T12:00Z", "2026-07-01T12:00Z", "2026-07-01 14:00", ("07-01", "14:00")),
        (None, "2026-11-23T23:00Z", "2026-11-23T01:00Z", "01:00", ("01:00", "")),
    ],
)  # fmt: skip
def test_a_day_begins_when_it_does_where_the_business_is(
    monkeypatch: pytest.MonkeyPatch,
    shop: Shop,
    zone: str | None,
    now: str,
    at: str,
    brief: str,
    short: tuple[str, str],
) -> None:
    """Today's times omit the date, and today is that of the business's zone, or of the machine's if none is known."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    clock = Clock(datetime.fromisoformat(now), ZoneInfo(zone) if zone else None)
    assert (clock.brief(at), clock.short(at)) == (brief, short)


@pytest.mark.parametrize(
    ("at", "spoken", "day"),
    [
        ("2026-11-30T11:05Z", "08:05", "lunes 30 de noviembre"),
        ("2026-11-30T02:59Z", "ayer 23:59", "domingo 29 de noviembre"),
        ("2026-12-02T12:15Z", "mié 2/12 09:15", "miércoles 2 de diciembre"),
        ("2025-12-02T12:15Z", "mar 2/12/2025 09:15", "martes 2 de diciembre de 2025"),
    ],
)
def test_the_page_tells_the_day_as_people_say_it(at: str, spoken: str, day: str) -> None:
    """The weekday where it is not today's; the year only where it is another one."""
    clock = Clock(datetime.fromisoformat("2026-11-30T12:00Z"), ZoneInfo("America/Argentina/Buenos_Aires"))
    with speaking("es"):
        assert (clock.spoken(at), clock.day_spoken(clock.date_of(at))) == (spoken, day)


# ---------------------------------------------------------------------- list


def test_list_shows_open_leads_with_the_longest_waiting_first(shop: Shop) -> None:
    """It shows id, customer, stage, intent and waiting time, and explains the Spanish names below the table."""
    shop.hears((1, 50, PRICE), (2, 130, DELIVERY), (2, 125, "> sí, a todo el país"), (3, 10, HELLO))
    done = shop.types("leads", "list")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["id", "who", "stage", "wants", "opened", "last", "waiting"]
    assert [line.split("  ")[1] for line in lines[1::2]] == ["Cliente 1", "Cliente 3", "Cliente 2"]
    assert lines[1].endswith("50 min")
    assert lines[2].split() == ["+5491155550001", "nuevo", "precio", "overdue"]
    assert lines[6].split()[:3] == ["+5491155550002", "contactado", "envío"]
    assert "bandeja" in lines[4]
    assert all(len(line) <= 80 for line in lines)


def test_list_as_json_says_what_the_clock_says(shop: Shop) -> None:
    """Overdue, stale, dormant and a proposed closing reason are separate fields."""
    shop.hears(
        (1, 50, PRICE),
        (2, 20 * DAY, PRICE), (2, 20 * DAY - 5, "> $ 100"),
        (3, 70 * DAY, PRICE), (3, 70 * DAY - 5, "> $ 100"),
        (4, 60, PRICE), (4, 55, "> $ 100"), (4, 5, "gracias pero ya compré en otro lado"),
        (5, 20 * DAY, PRICE), (5, 20 * DAY - 5, "> $ 100"),
    )  # fmt: skip
    assert shop.types("leads", "stage", chat(5), "quoted").code == 0
    rows = {row["who"]: row for row in shop.types("leads", "list", "--json").json["leads"]}
    said = {who: (row["overdue"], row["stale"], row["dormant_proposed"], row["proposed"]) for who, row in rows.items()}
    assert said == {
        "Cliente 1": (True, False, False, None),
        "Cliente 2": (False, True, False, None),
        "Cliente 3": (False, True, True, None),
        "Cliente 4": (False, False, False, "not_interested"),
        "Cliente 5": (False, False, False, None),
    }
    assert rows["Cliente 1"]["topics"] == ["price"]
    assert rows["Cliente 2"]["first_response_seconds"] == 300
    assert rows["Cliente 5"]["follow_up_at"] is not None
    flags = shop.types("leads", "list").out
    assert all(flag in flags for flag in ("overdue", "stale", "dormant?", "close?"))


def test_list_can_be_narrowed_down(shop: Shop) -> None:
    """It filters by stage (including closed ones), intent, topic or count, with English or Spanish names."""
    shop.hears((1, 50, PRICE), (2, 40, DELIVERY), (3, 30, PRICE), (3, 20, "> $ 5"), (3, 10, DELIVERY))
    assert shop.types("leads", "stage", chat(2), "won").code == 0

    def who(*typed: str) -> list[str]:
        return [row["chat"] for row in shop.types("leads", "list", "--json", *typed).json["leads"]]

    assert who() == [chat(1), chat(3)]
    assert who("--all") == [chat(1), chat(3), chat(2)]
    assert who("--stage", "won") == who("--stage", "Ganado") == [chat(2)]
    assert who("--stage", "new", "--stage", "contacted") == [chat(1), chat(3)]
    assert who("--intent", "delivery") == who("--intent", "envío") == [chat(3)]
    assert who("--intent", "delivery", "--all") == [chat(3), chat(2)]
    assert who("--limit", "1") == [chat(1)]
    assert who("--stage", "lost") == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("envio", "delivery"), ("ENVÍO", "delivery"), ("stock", "availability"), ("disponibilidad", "availability"),
        ("numero equivocado", "wrong_number"), ("wrong-number", "wrong_number"), ("Business Info", "business_info"),
        ("devolucion", "return"), (" precio ", "price"),
    ],
)  # fmt: skip
def test_a_label_is_understood_as_people_type_it(typed: str, meant: str) -> None:
    """Accents may be missing, and English and Spanish names both work."""
    assert names.intent(typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("--stage wonn", "did you mean won (ganado)?"), ("--intent prcio", "did you mean price (precio)?")],
)
def test_a_name_that_there_is_not_is_64_with_what_was_perhaps_meant(shop: Shop, typed: str, meant: str) -> None:
    """The error suggests the closest name and lists all of them."""
    done = shop.types("leads", "list", *typed.split())
    assert (done.code, done.out) == (64, "")
    assert meant in done.err
    assert "known: " in done.err


def test_nobody_is_without_a_name_in_the_list(shop: Shop) -> None:
    """A contact with only a LID is listed by an id that the commands accept."""
    shop.hears((1, 5, PRICE, {"chat": wire.ANA_LID, "notify_name": None}), (2, 4, PRICE, {"notify_name": "  "}))
    assert [row["who"] for row in shop.types("leads", "list", "--json").json["leads"]] == [
        wire.ANA_LID,
        "+5491155550002",
    ]
    number = wire.ANA_LID.removesuffix("@lid")
    assert number in shop.types("leads", "list").out
    assert shop.types("leads", "show", number).code == 0


@pytest.mark.parametrize("name", ["\u3164", "\u2800 \u2800", "\u200b\u200b", "\u202e", " \t"])
def test_who_calls_themselves_nothing_is_shown_by_their_phone(shop: Shop, name: str) -> None:
    """Some people choose an invisible name, and filler characters break the columns of terminals."""
    shop.hears((1, 5, PRICE, {"notify_name": name}))
    assert shop.lead(1)["who"] == "+5491155550001"
    for typed in ("leads list", "leads waiting", "leads show 1", "messages", "status"):
        shown = shop.types(*typed.split()).out
        assert "5491155550001" in shown
        assert name not in shown
    assert shop.types("leads", "show", "1").out.startswith("Lead 1: +5491155550001\n  contact    no name is known")


def test_a_strangers_name_can_not_command_the_terminal(shop: Shop) -> None:
    """Control characters are removed, and a long name is cut."""
    wild = "\x1b[2J[red]:smile:\x07" + "x" * 500 + "\u202e"
    shop.hears((1, 50, PRICE, {"notify_name": wild}))
    for typed in (["leads", "list"], ["leads", "waiting"], ["status"], ["leads", "show", "1"]):
        done = shop.types(*typed)
        assert "\x1b" not in done.out
        assert done.out.replace("\n", "").isprintable()
    assert all(len(line) <= 80 for line in shop.types("leads", "list").out.splitlines())


def test_a_follow_up_that_is_due_is_in_the_list(shop: Shop) -> None:
    """The due follow-up is also shown among the tasks."""
    shop.hears((1, 3 * DAY, PRICE), (1, 3 * DAY - 5, "> $ 5"))
    at = times.iso(datetime.now(UTC) - timedelta(days=2))
    with closing(open_for_writing(shop.database)) as connection:
        connection.execute(
            "INSERT INTO decisions (conversation_id, at, actor, stage) VALUES (1, ?, 'person:beto', 'quoted')", (at,)
        )
    assert shop.types("leads", "rebuild").code == 0
    assert shop.types("leads", "list").out.splitlines()[-1].endswith("follow up")
    assert "ask about the quote (1 of 4) (now)" in shop.types("leads", "show", "1").out


def test_a_terminal_gets_colours_and_its_own_width(shop: Shop) -> None:
    """The table is drawn by rich, and names that look like rich markup are printed unchanged."""
    shop.hears((1, 50, PRICE, {"notify_name": "[red]Ana[/red] :smile:"}))
    for typed in (["leads", "list"], ["leads", "waiting"], ["status"]):
        text = shop.sees(100, *typed)
        assert "\x1b[31m" in text or "\x1b[1;31m" in text
        assert "[red]Ana[/red] :smile:" in text
        assert all(len(line) <= 100 for line in uncoloured(text).splitlines())


LONG_NAMES = (
    "María Fernanda de los Ángeles Rodríguez Álzaga del Carril SA",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f3fd Familia \u2764\ufe0f " + "\U0001f9c9" * 30,
    "山田太郎株式会社東京本社営業部第一課長代理補佐見習い候補生",
    "محمد عبد الرحمن بن عبد العزيز آل سعود \u200f" + "ש" * 30,
)


@pytest.mark.parametrize(
    ("columns", "list_ends", "waiting_ends"),
    [(50, "wants waiting", "wants waits"), (80, "last waiting", "since waits of 15 min open")],
)
def test_long_names_are_cut_and_phones_stay_whole_on_a_small_screen(
    shop: Shop, columns: int, list_ends: str, waiting_ends: str
) -> None:
    """No line is wider than the screen, even with wide characters; the least important columns are dropped first."""
    for number, name in enumerate(LONG_NAMES, 1):
        shop.hears((number, 900 * DAY if number == 1 else 50, PRICE, {"notify_name": name}))
    for typed, ends in (("leads list", list_ends), ("leads waiting", waiting_ends)):
        lines = uncoloured(shop.sees(columns, *typed.split())).splitlines()
        assert " ".join(lines[0].split()).endswith(ends)
        assert max(map(cells, lines)) <= columns
        for number in range(1, len(LONG_NAMES) + 1):
            assert any(f" +549115555000{number} " in line for line in lines)
        assert ("late" if "waiting" in typed else "overdue") in " ".join(lines)
    for typed in ("status", "leads show 1", "messages", "history"):
        assert max(map(cells, uncoloured(shop.sees(columns, *typed.split())).splitlines())) <= columns


def test_no_column_that_is_needed_is_lost_on_the_terminal_of_a_phone(shop: Shop) -> None:
    """The lead's number stays, since the other commands need it."""
    shop.hears(*((number, 10, "info del local? dónde están?") for number in range(1, 12)))
    for typed in ("leads list", "leads waiting"):
        lines = uncoloured(shop.sees(36, *typed.split())).splitlines()
        assert max(map(cells, lines)) <= 36
        assert {line.split()[0] for line in lines if line.strip()} >= set(map(str, range(1, 12)))


def test_long_texts_are_broken_between_words_on_a_terminal_alone(shop: Shop) -> None:
    """Continuation lines are indented on a terminal; on a pipe the line is not broken."""
    said = "hola, cuánto sale la campera de cuero que está en la vidriera de la calle Corrientes?"
    shop.hears((1, 50, said))
    assert f"<- {said}  [1]\n" in shop.types("leads", "show", "1").out
    assert said + "\n" in shop.types("messages").out
    shown = uncoloured(shop.sees(60, "leads", "show", "1"))
    broken = [line[20:] for line in shown.partition("Messages")[2].splitlines()[1:]]
    assert broken == [
        "<- hola, cuánto sale la campera de cuero",
        "que está en la vidriera de la calle",
        "Corrientes?  [1]",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
@pytest.mark.parametrize("rights", [0o700, 0o755])
@pytest.mark.parametrize("word", [["list"], ["waiting"], ["stage", "1", "won"]])
def test_somebody_without_the_rights_is_told_the_line_to_use(shop: Shop, word: list[str], rights: int) -> None:
    """Even reading needs write permission in SQLite, so the error shows the command with the right user."""
    shop.hears((1, 50, PRICE))
    for folder in (shop.folder, *shop.folder.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    (shop.folder / "state").chmod(rights)
    shop.database.chmod(rights & 0o666)
    done = test_cli.called_by_nobody(shop.folder, "leads", *word)
    assert (done.returncode, done.stdout) == (73, "")
    assert "sudo -u root leadmasterd" in done.stderr


# ---------------------------------------------------------------------- waiting


def test_waiting_tells_who_waits_the_longest_first(shop: Shop) -> None:
    """The list includes people without a lead: complaints, missed calls and strangers whose message has no label."""
    shop.hears((1, 3 * 60, BROKEN), (2, 12, PRICE), (3, 5, "qwerty uiop"), (4, 70, PRICE), (4, 65, "> $ 5"))
    shop.misses_a_call(5, 20)
    answer = shop.types("leads", "waiting", "--json").json
    said = [(row["chat"], row["intent"], row["missed_call"], row["overdue"]) for row in answer["waiting"]]
    assert said == [
        (chat(1), "complaint", False, True),
        (chat(5), None, True, True),
        (chat(2), "price", False, False),
        (chat(3), "unknown", False, False),
    ]
    assert (answer["conversations"], answer["overdue"], answer["target_seconds"]) == (4, 2, 900)
    assert answer["oldest_since"] == answer["waiting"][0]["waiting_since"]
    assert [row["lead_id"] is None for row in answer["waiting"]] == [True, True, False, False]
    waited = answer["waiting"][2]
    assert waited["waited_business_seconds"] == pytest.approx(waited["waited_seconds"], abs=1)
    lines = shop.types("leads", "waiting").out.splitlines()
    assert lines[1].split()[0] == "-"
    assert "█" * 10 in lines[1]
    assert lines[2].split() == ["+5491155550001", "reclamo", "late", "3", "h", "0", "min"]
    assert "llamada perdida" in lines[4]
    assert "████████░░" in lines[5] or "███████░░░" in lines[5]
    assert lines[-1].startswith("4 conversations, 2 overdue, the first since ")
    assert all(len(line) <= 80 for line in lines)


def test_whoever_waits_beyond_the_limit_is_told_of(shop: Shop) -> None:
    """A note says how many are shown and how to see all, so that a short table does not look complete."""
    shop.hears((1, 30, PRICE), (2, 20, PRICE), (3, 10, PRICE))
    assert shop.types("leads", "waiting", "--limit", "3").err == ""
    done = shop.types("leads", "waiting", "--limit", "2")
    assert done.err == "The first 2 are shown: --limit 3 shows all.\n"
    assert "3 conversations" in done.out


def test_when_nobody_waits_it_says_so_calmly(shop: Shop) -> None:
    """It prints one sentence and exits with 0."""
    shop.hears((1, 50, PRICE), (1, 40, "> $ 5"))
    done = shop.types("leads", "waiting")
    assert (done.code, done.out) == (0, "Nobody is waiting for an answer.\n")


def test_time_outside_the_opening_hours_does_not_count_against_the_target(shop: Shop) -> None:
    """In a shop that is closed all week the bar stays empty however long a customer waits."""
    (shop.folder / "config.toml").write_text('[leads]\ncountry = ""\n[leads.hours]\n')
    shop.hears((1, 300, PRICE))
    [row] = shop.types("leads", "waiting", "--json").json["waiting"]
    assert (row["waited_business_seconds"], row["overdue"], row["due_at"]) == (0, False, None)
    assert "not open yet" in shop.types("leads", "waiting").out


def test_opening_hours_are_never_shown_in_days(shop: Shop) -> None:
    """A business day has no fixed length, so 240 business hours are not shown as 10 days."""
    shop.hears((1, 10 * DAY, PRICE), (2, 10 * DAY, PRICE), (2, 10, "> $ 5"))
    shown = shop.types("leads", "waiting").out
    assert "10 d 0 h" in shown
    assert "240 h" in shown
    assert shown.count(" d ") == 1
    assert "10 d 0 h, 240 h of it in opening hours; overdue since" in shop.types("leads", "show", "1").out
    assert shop.types("leads", "show", "2").out.count("9 d 23 h, 239 h of it in opening hours") == 2
    (shop.folder / "config.toml").write_text(ALWAYS_OPEN.replace("[leads]", "[leads]\ntarget_minutes = 2880"))
    assert "of 48 h open" in shop.types("leads", "waiting").out


def test_a_persons_word_is_what_somebody_waits_for(shop: Shop) -> None:
    """The list shows the corrected intent, not the classifier's."""
    shop.hears((1, 5, PRICE))
    assert shop.types("leads", "label", "1", "delivery").code == 0
    [row] = shop.types("leads", "waiting", "--json").json["waiting"]
    assert row["intent"] == "delivery"


def test_status_shows_who_waits(shop: Shop) -> None:
    """It prints one line and the five longest waits, each with a bar."""
    assert "waiting" not in shop.types("status").out
    shop.hears(*((customer, 5 + customer, PRICE) for customer in range(1, 8)))
    lines = shop.types("status").out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("  waiting"))
    assert re.fullmatch(r"  waiting    7 conversations, the first since \d\d:\d\d", lines[first])
    assert len(lines[first + 1 :]) == 5
    assert lines[first + 1].split() == ["████████░░", "12", "min", "Cliente", "7", "price"]
    assert shop.types("leads", "stage", chat(1), "won").code == 0
    for customer in range(2, 8):
        shop.hears((customer, 1, "> hola"))
    assert "  waiting    nobody is waiting for an answer" in shop.types("status").out


def test_status_says_when_the_database_can_not_be_read(shop: Shop) -> None:
    """A database error is shown instead of the waiting customers; a missing database is not an error."""
    assert "database" not in shop.types("status").out
    shop.hears((1, 5, PRICE))
    with closing(sqlite3.connect(shop.database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    done = shop.types("status")
    assert done.code == 3
    assert "database" in done.out
    assert "it was written by a newer leadmasterd" in done.out


@pytest.mark.parametrize(
    ("share", "late", "shown"),
    [
        (0, False, "░" * 10),
        (0.5, False, "█" * 5 + "░" * 5),
        (0.999, False, "█" * 9 + "░"),
        (5, False, "█" * 9 + "░"),
        (0.2, True, "█" * 10),
        (-1, False, "░" * 10),
    ],
)
def test_only_what_is_late_has_a_full_bar(share: float, late: bool, shown: str) -> None:
    """Rounding never makes the bar look full."""
    assert bar(share, late=late) == shown


def test_without_a_calendar_the_waited_time_is_told_from_the_due_time(shop: Shop) -> None:
    """The figure is exact while the shop stays open until then, and never exceeds the elapsed time."""
    shop.hears((1, 10, PRICE))
    now = datetime.now(UTC)
    with reading(shop.database) as connection:

        def waited(calendar: BusinessSeconds | None) -> float:
            [row] = waiting(connection, now, limit=5, target_seconds=900, business_seconds=calendar)
            return row["waited_business_seconds"]

        exact, told = waited(lambda start, end: (end - start).total_seconds()), waited(None)
    assert told == pytest.approx(exact)


# ---------------------------------------------------------------------- show


def test_show_is_of_one_moment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the daemon commits between two of its queries is shown the next time."""
    shop.hears((1, 10, "cuánto sale?"))
    person = lead_detail._person

    def meanwhile(*arguments: Any) -> Any:
        with closing(sqlite3.connect(shop.database)) as daemon, daemon:
            daemon.execute("UPDATE messages SET body = 'y con envío?'")
        return person(*arguments)

    monkeypatch.setattr(lead_detail, "_person", meanwhile)
    assert [each["body"] for each in shop.types("leads", "show", "1", "--json").json["messages"]] == ["cuánto sale?"]
    assert [each["body"] for each in shop.types("leads", "show", "1", "--json").json["messages"]] == ["y con envío?"]


def test_show_tells_everything_with_its_reasons(shop: Shop) -> None:
    """It shows contact, reasons, first response in wall and business time, the record, tasks and messages."""
    shop.hears((1, 120, HELLO), (1, 119, "cuánto sale?"), (1, 60, "> $ 500"))
    assert shop.types("leads", "stage", "1", "quoted", "--note", "the blue one").code == 0
    assert shop.types("leads", "note", "1", "calls back\non Monday").code == 0
    done = shop.types("leads", "show", "1")
    assert done.code == 0
    for words_ in (
        "Lead 1: Cliente 1",
        "+5491155550001, 5491155550001@c.us",
        "quoted since",
        "wants      price",
        "after 1 h 0 min, 1 h 0 min of it in opening hours",
        "«hola / cuánto sale?»: price, rule ",
        "system: opened as new: they want price",
        "system: new -> contacted: a person answered",
        ": contacted -> quoted: a person decided",
        ": the blue one",
        ": calls back on Monday",
        "ask about the quote (1 of 4)",
        "-> > $ 500",
    ):
        assert words_ in done.out, words_
    found = shop.types("leads", "show", "+54 9 11 5555-0001", "--json").json
    assert found["lead"]["lead_id"] == 1
    assert found["contact"]["phone"] == "+5491155550001"
    assert [each["kind"] for each in found["record"]] == ["opened", "stage", "stage", "note", "note"]
    assert found["record"][2]["actor"].startswith("person:")
    assert [each["number"] for each in found["follow_ups"]] == [1, 2, 3, 4]
    assert found["classifications"][0]["texts"] == ["hola", "cuánto sale?"]
    assert found["waiting"][0]["ended_by"] == "reply"
    assert len(found["messages"]) == 3


@pytest.mark.parametrize(
    "spelling",
    [
        "1",
        "5491155550001",
        "+5491155550001",
        "+54 9 11 5555-0001",
        "011 5555-0001",
        "11 5555 0001",
        "5491155550001@c.us",
    ],
)
def test_a_person_is_found_by_any_spelling(shop: Shop, spelling: str) -> None:
    """The lead's number, the phone and the chat id all work, in any format."""
    shop.hears((1, 10, PRICE))
    assert shop.types("leads", "show", spelling, "--json").json["lead"]["lead_id"] == 1


def test_messages_of_somebody_beyond_the_limit_are_told_of(shop: Shop) -> None:
    """A note on stderr mentions `--limit`; with --json there is none."""
    shop.hears((1, 10, PRICE), (1, 5, "gracias"))
    more = "There may be more: --limit shows them.\n"
    assert shop.types("leads", "show", "1", "--limit", "2").err == more
    assert shop.types("leads", "show", "1", "--limit", "3").err == ""
    assert shop.types("leads", "show", "1", "--limit", "2", "--json").err == ""


@pytest.mark.parametrize("word", [["show"], ["label", "price"], ["stage", "won"], ["note", "x"], ["merge", "1"]])
@pytest.mark.parametrize(
    "who", ["99", "5491155559999", "99999999999999999999999", "' OR 1=1 --", wire.GROUP, "", "x@lid"]
)
def test_somebody_who_is_not_there_is_1(shop: Shop, word: list[str], who: str) -> None:
    """The error says what to try, and stdout stays empty."""
    shop.hears((1, 10, PRICE))
    done = shop.types("leads", word[0], who, *word[1:])
    assert (done.code, done.out) == (1, "")
    assert "cannot find" in done.err or "groups have no leads" in done.err


# ---------------------------------------------------------------------- label


def test_a_label_wins_at_once_and_is_remembered(shop: Shop) -> None:
    """It applies to the whole burst and prints what changed; undone, the classifier's label counts again."""
    shop.hears((1, 120, HELLO), (1, 119, "cuánto sale?"))
    done = shop.types("leads", "label", "1", "turno")
    assert done.code == 0
    assert "«hola / cuánto sale?» is now labelled appointment. Before, it was price." in done.out
    assert "Lead 1 is about appointment, not price." in done.out
    assert shop.lead(1)["intent"] == "appointment"
    [(message_ids, intent, actor)] = shop.asks("SELECT message_ids, intent, actor FROM corrections")
    assert (json.loads(message_ids), intent) == ([1, 2], "appointment")
    assert actor.startswith("person:")
    assert actor != "person:"
    answer = shop.types("leads", "label", "1", "--undo", "--json").json
    assert (answer["intent_before"], answer["intent"]) == ("appointment", "price")
    assert answer["changes"] == [{"what": "intent", "lead_id": 1, "before": "appointment", "after": "price"}]
    assert shop.lead(1)["intent"] == "price"
    again = shop.types("leads", "label", "1", "--undo")
    assert (again.code, again.out) == (1, "")
    assert "no label to undo" in again.err


def test_a_label_of_noise_withdraws_the_lead_and_ends_the_waiting(shop: Shop) -> None:
    """The withdrawn lead can still be shown by its number, and the label undone."""
    shop.hears((1, 120, PRICE))
    done = shop.types("leads", "label", "1", "proveedor")
    assert "Lead 1 was withdrawn: this was not a lead." in done.out
    assert "Nobody is waiting for an answer there any more." in done.out
    assert shop.types("leads", "list", "--all", "--json").json["leads"] == []
    assert "Lead 1 was withdrawn" in shop.types("leads", "show", "1").out
    assert shop.types("leads", "label", "1", "--undo").code == 0
    assert shop.lead(1)["intent"] == "price"


def test_a_label_is_of_the_burst_that_opened_the_lead_or_a_chats_last(shop: Shop) -> None:
    """`--message` selects another burst."""
    shop.hears((1, 120, PRICE), (1, 60, DELIVERY), (1, 59, "a Rosario"))
    for typed, message_ids in (
        (["1", "order"], [1]),
        ([chat(1), "order"], [2, 3]),
        ([chat(1), "order", "--message", "1"], [1]),
        (["1", "order", "--message", "3"], [2, 3]),
    ):
        assert shop.types("leads", "label", *typed, "--json").json["message_ids"] == message_ids
    shop.hears((2, 50, PRICE), (2, 40, "> $ 5"))
    for message in ("4", "5", "999"):  # of another chat, our own, unknown
        done = shop.types("leads", "label", "1", "order", "--message", message)
        assert (done.code, done.out) == (1, "")
        assert "cannot label message" in done.err


def test_a_label_that_does_not_exist_is_64_with_the_list(shop: Shop) -> None:
    """Nothing is written."""
    shop.hears((1, 10, PRICE))
    done = shop.types("leads", "label", "1", "prcie")
    assert (done.code, done.out) == (64, "")
    assert "did you mean price (precio)?" in done.err
    assert "order_status (estado del pedido)" in done.err
    assert shop.asks("SELECT * FROM corrections") == []


# ---------------------------------------------------------------------- stage


def test_a_stage_is_a_decision_with_its_consequences(shop: Shop) -> None:
    """A quote plans follow-ups, a closing stage ends the waiting, and an open stage reopens the lead."""
    shop.hears((1, 120, PRICE))
    done = shop.types("leads", "stage", "1", "presupuestado")
    assert done.out == "Lead 1: new -> quoted.\n4 follow-ups are planned.\n"
    done = shop.types("leads", "stage", "1", "won", "--note", "paid in cash")
    assert "quoted -> won" in done.out
    assert "Nobody is waiting for an answer there any more." in done.out
    assert shop.asks("SELECT stage, note FROM decisions ORDER BY decision_id") == [
        ("quoted", None),
        ("won", "paid in cash"),
    ]
    assert shop.types("leads", "stage", "1", "won").out == "Lead 1 is already won.\n"
    again = shop.types("leads", "stage", "1", "won", "--note", "in two parts")
    assert again.out == "Lead 1 is already won.\nNoted on lead 1.\n"
    assert "in two parts" in shop.types("leads", "show", "1").out
    assert len(shop.asks("SELECT * FROM decisions")) == 2
    answer = shop.types("leads", "stage", "1", "qualified", "--json").json
    assert (answer["stage_before"], answer["stage"], answer["lead_id"]) == ("won", "qualified", 1)
    assert (shop.lead(1)["reopened"], shop.lead(1)["closed_at"]) == (1, None)


def test_a_chat_without_a_lead_gets_one_by_an_open_stage(shop: Shop) -> None:
    """A closing stage is refused, since the chat has nothing to close."""
    shop.hears((1, 120, BROKEN), (1, 60, "> lo vemos"))
    done = shop.types("leads", "stage", chat(1), "lost")
    assert (done.code, done.out) == (1, "")
    assert "leads label" in done.err
    assert shop.asks("SELECT * FROM decisions") == []
    done = shop.types("leads", "stage", chat(1), "new", "--note", "wants another cup")
    assert "Lead 1 was opened as new." in done.out
    assert "wants another cup" in shop.types("leads", "show", "1").out


def test_a_chat_without_a_lead_is_done_with_by_a_closing_stage(shop: Shop) -> None:
    """The closing stage ends the waiting."""
    shop.hears((1, 120, BROKEN))
    done = shop.types("leads", "stage", chat(1), "junk")
    assert (done.code, done.out) == (
        0, "Nobody is waiting for an answer there any more.\nNo follow-up is planned any more.\n"
    )  # fmt: skip
    assert shop.types("leads", "waiting", "--json").json["conversations"] == 0
    assert shop.types("leads", "stage", chat(1), "junk").code == 1, "nobody waits there now"


def test_what_was_decided_where_there_is_no_lead_is_on_the_persons_record(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With who decided, and their note; later it is on the record of the lead that follows."""
    monkeypatch.setenv("SUDO_USER", "beto")
    shop.hears((1, 120, BROKEN))
    assert shop.types("leads", "stage", chat(1), "junk", "--note", "ya lo cambiamos").code == 0
    record = shop.types("leads", "show", chat(1), "--json").json["record"]
    assert [(each["kind"], each["after"], each["code"], each["values"]) for each in record] == [
        ("decision", "junk", "decided", {}),
        ("note", None, "note", {"text": "ya lo cambiamos"}),
    ]
    [[at, actor]] = shop.asks("SELECT at, actor FROM decisions")
    assert {(each["at"], each["actor"]) for each in record} == {(at, actor)}
    shown = shop.types("leads", "show", chat(1)).out.partition("Record\n")[2]
    assert [line.split(": ", 1)[1] for line in shown.splitlines()[:2]] == [
        "junk: a person decided",
        "ya lo cambiamos",
    ]
    shop.hears((1, -5, PRICE))
    record = shop.types("leads", "show", "1", "--json").json["record"]
    assert [each["kind"] for each in record] == ["decision", "note", "opened"]


def test_a_decision_on_a_lead_is_on_its_record_once(shop: Shop) -> None:
    """A second quote changes no stage, and is a decision all the same."""
    shop.hears((1, 120, PRICE), (1, 110, "> $ 5"))
    for stage in ("quoted", "quoted", "won"):
        assert shop.types("leads", "stage", "1", stage).code == 0
    record = shop.types("leads", "show", "1", "--json").json["record"]
    decided = [(each["kind"], each["after"]) for each in record if each["actor"] != "system"]
    assert decided == [("stage", "quoted"), ("decision", "quoted"), ("stage", "won")]


def test_a_task_of_somebody_who_does_not_wait_is_discarded_too(shop: Shop) -> None:
    """A reaction was the answer; the follow-up is still planned, and there is no lead."""
    shop.hears((1, 120, BROKEN))
    [[message]] = shop.asks("SELECT stanza_id FROM messages")
    key = wire.key(message, chat=chat(1))
    reacted = int(time.time()) - 60
    shop.keeps(item(wire.line("reaction", id=key, from_me=True, sender=None, emoji="👍", t=reacted), now=reacted))
    assert shop.types("leads", "rebuild").code == 0
    assert shop.types("leads", "waiting", "--json").json["conversations"] == 0
    assert shop.asks("SELECT state FROM follow_ups") == [("planned",)]
    assert shop.types("leads", "stage", chat(1), "won").code == 1
    assert shop.types("leads", "stage", chat(1), "descartado").code == 0
    assert shop.asks("SELECT state, ended_by FROM follow_ups") == [("cancelled", "closed")]
    assert shop.types("leads", "stage", chat(1), "descartado").code == 1


def test_what_is_not_judged_yet_does_not_look_as_if_nobody_waited(shop: Shop) -> None:
    """«No classifier may silence the unanswered alert», so the output counts conversations not processed yet."""
    shop.hears((1, 120, PRICE), (2, 60, PRICE), judged=False)
    told = "2 conversations are not processed yet: somebody may be waiting there."
    assert shop.types("leads", "waiting").out == f"{told}\n"
    assert shop.types("leads", "list").err.splitlines() == ["No leads.", told]
    assert f"  waiting    {told}" in shop.types("status").out
    assert shop.types("leads", "export").err == f"{told}\n"
    for words in (["leads", "waiting"], ["leads", "list"]):
        assert shop.types(*words, "--json").json["unjudged"] == 2
    assert shop.types("status", "--json").json["waiting"] == {
        "conversations": 0, "overdue": 0, "oldest_since": None, "unjudged": 2
    }  # fmt: skip
    assert shop.types("leads", "rebuild").code == 0
    assert "not processed" not in shop.types("leads", "waiting").out + shop.types("status").out
    assert shop.types("leads", "waiting", "--json").json["unjudged"] == 0


def test_whose_time_is_shown_is_said_where_the_machine_has_another(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server often runs in UTC while the shop has another zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    shop.hears((1, 120, PRICE))
    settings = shop.folder / "config.toml"
    settings.write_text(settings.read_text().replace(f'"{NOON}"', '"America/Argentina/Buenos_Aires"'))
    assert shop.types("leads", "waiting").out.endswith(" (Buenos Aires)\n")
    monkeypatch.setenv("TZ", "America/Argentina/Buenos_Aires")
    time.tzset()
    try:
        assert "(Buenos Aires)" not in shop.types("leads", "waiting").out
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_a_lead_that_was_none_and_is_one_again_is_told_in_words(shop: Shop) -> None:
    """The record explains both the withdrawal by a label and the return when it is undone."""
    shop.hears((1, 120, PRICE))
    assert shop.types("leads", "label", "1", "supplier").code == 0
    assert shop.types("leads", "label", "1", "--undo").code == 0
    shown = shop.types("leads", "show", "1").out
    record = shop.types("leads", "show", "1", "--json").json["record"]
    [who] = {each["actor"].removeprefix("person:") for each in record} - {"system"}
    assert f" {who}: withdrawn: a change by {who} shows that this was not a lead\n" in shown
    assert f" {who}: new again: after a change by {who}\n" in shown
    assert "? ->" not in shown


def test_status_of_a_dead_daemon_counts_who_waits_by_now(shop: Shop) -> None:
    """The count comes from the database, not from the old status.json."""
    shop.hears((1, 120, PRICE))
    then = {"v": 1, "phase": "ready", "waiting": {"conversations": 0, "overdue": 0, "oldest_since": None}}
    (shop.database.parent / "status.json").write_text(json.dumps(then))
    told = shop.types("status", "--json").json
    assert (told["running"], told["waiting"]["conversations"], told["waiting"]["overdue"]) == (False, 1, 1)


def test_a_lead_that_another_came_after_is_not_decided_on(shop: Shop) -> None:
    """Otherwise the decision would apply to the newer lead."""
    shop.hears((1, 120, PRICE))
    assert shop.types("leads", "stage", "1", "won").code == 0
    shop.hears((1, -1, PRICE))
    assert shop.lead(1)["lead_id"] == 2
    done = shop.types("leads", "stage", "1", "lost")
    assert (done.code, done.out) == (1, "")
    assert "lead 2 came after it" in done.err


def test_a_decision_is_after_what_it_is_about_even_when_our_clock_is_behind(shop: Shop) -> None:
    """Messages carry WhatsApp's time and decisions our own."""
    shop.hears((1, -55, PRICE))
    assert shop.types("leads", "stage", "1", "won").code == 0
    assert shop.lead(1)["stage"] == "won"
    assert shop.types("leads", "stage", "1", "lost").code == 0
    assert shop.lead(1)["stage"] == "lost"


def test_whoever_decides_after_a_colleague_is_told(shop: Shop) -> None:
    """Both decisions are kept, and the later one counts."""
    shop.hears((1, 120, PRICE))
    at = times.iso(datetime.now(UTC) - timedelta(seconds=30))
    with closing(open_for_writing(shop.database)) as connection:
        connection.execute(
            "INSERT INTO decisions (conversation_id, at, actor, stage) VALUES (1, ?, 'person:beto', 'lost')", (at,)
        )
    assert shop.types("leads", "rebuild").code == 0
    done = shop.types("leads", "stage", "1", "quoted")
    assert re.match(
        r"Note: at (\d{4}-\d\d-\d\d )?\d\d:\d\d beto decided on lead 1: "
        r"new -> lost: a person decided\.\n",
        done.out,
    )
    assert shop.lead(1)["stage"] == "quoted"
    assert [each["actor"] for each in shop.types("leads", "show", "1", "--json").json["record"]][1] == "person:beto"


def test_two_people_who_decide_at_once_are_both_kept(shop: Shop) -> None:
    """With six processes on one lead none crashes, no decision is lost, and the last one written is the stage."""
    shop.hears((1, 120, PRICE))
    stages = ("qualified", "quoted", "won", "lost", "junk", "dormant")
    running = [
        Forked(
            *("leads", "stage", "1", stage),
            cwd=shop.folder,
            env=os.environ,
            output=shop.folder / "output",
            errors=shop.folder / f"{stage}.errors",
        )
        for stage in stages
    ]
    assert [each.wait(100) for each in running] == [0] * len(stages)
    assert [(shop.folder / f"{stage}.errors").read_text() for stage in stages] == [""] * len(stages)
    decided = [stage for (stage,) in shop.asks("SELECT stage FROM decisions ORDER BY at, decision_id")]
    assert sorted(decided) == sorted(stages)
    assert shop.lead(1)["stage"] == decided[-1]
    assert shop.asks(
        "SELECT count(*) FROM lead_events WHERE kind IN ('stage', 'reopened') AND actor LIKE 'person:%'"
    ) == [(len(stages),)]


def test_a_word_is_kept_when_it_can_not_be_judged_now(shop: Shop) -> None:
    """Broken rules give exit code 78; once they are fixed, the decision applies."""
    shop.hears((1, 120, PRICE), judged=False)
    assert shop.types("leads", "rebuild").code == 0
    shop.hears((1, 1, DELIVERY), judged=False)
    (shop.folder / "rules.toml").write_text("this is no rule")
    done = shop.types("leads", "stage", "1", "won")
    assert (done.code, done.out) == (78, "")
    assert "rules.toml" in done.err
    assert "Your change is saved and applies once the file is fixed" in done.err
    assert shop.asks("SELECT stage FROM decisions") == [("won",)]
    (shop.folder / "rules.toml").unlink()
    assert shop.types("leads", "rebuild").code == 0
    assert shop.lead(1)["stage"] == "won"


@pytest.mark.parametrize(
    ("running", "trouble", "said"),
    [
        (False, None, "another program holds it locked; close that program"),
        (True, {"code": "database_locked", "detail": ""}, "another program holds it locked; close that program"),
        (True, None, "the daemon is busy writing to it"),
    ],
)
def test_a_database_that_is_locked_for_long_is_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, running: bool, trouble: object, said: str
) -> None:
    """The error says who may hold the lock, and nothing is half written. A daemon that reports the lock itself is not
    blamed.
    """
    shop.hears((1, 120, PRICE))
    (shop.database.parent / "status.json").write_text(json.dumps({"v": 1, "trouble": trouble}))
    opening = open_for_writing

    def hasty(path: Path, **_: float) -> sqlite3.Connection:
        connection = opening(path)
        connection.execute("PRAGMA busy_timeout = 50")
        locker.execute("BEGIN IMMEDIATE")
        return connection

    monkeypatch.setattr(unit_of_work, "open_for_writing", hasty)
    monkeypatch.setattr(editing, "LOCK_TIMEOUT", 0.2)
    with (
        closing(sqlite3.connect(shop.database, isolation_level=None)) as locker,
        (shop.database.parent / "leadmasterd.lock").open("w") as lock,
    ):
        if running:
            fcntl.flock(lock, fcntl.LOCK_EX)
        done = shop.types("leads", "stage", "1", "won")
        locker.execute("ROLLBACK")
    assert (done.code, done.out) == (73, "")
    assert said in done.err
    assert "Traceback" not in done.err
    assert shop.asks("SELECT * FROM decisions") == []


@contextmanager
def deciding_while_locked(shop: Shop) -> Iterator[tuple[subprocess.Popen[str], str, sqlite3.Connection]]:
    """A command waiting for the locked database, the first line of its stderr, and the lock's connection."""
    with closing(sqlite3.connect(shop.database, isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        words = ["--config", str(shop.folder / "config.toml"), "leads", "stage", "1", "won"]
        with subprocess.Popen(
            [sys.executable, "-m", "leadmasterd", *words], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True
        ) as waiting:
            assert waiting.stderr is not None
            yield waiting, waiting.stderr.readline(), locker


def test_whoever_waits_for_the_database_is_told_and_may_give_up(shop: Shop) -> None:
    """Ctrl-C ends the command while another program writes, and nothing is written."""
    shop.hears((1, 120, PRICE))
    with deciding_while_locked(shop) as (waiting, told, locker):
        assert told.startswith("another program is writing to the database; waiting")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(LIMIT) == 130
        locker.execute("ROLLBACK")
    assert shop.asks("SELECT * FROM decisions") == []


def test_whoever_waits_for_the_database_goes_on_once_it_is_free(shop: Shop) -> None:
    """The decision is then written as usual."""
    shop.hears((1, 120, PRICE))
    with deciding_while_locked(shop) as (waiting, told, locker):
        assert told
        locker.execute("ROLLBACK")
        assert waiting.wait(LIMIT) == 0
    assert shop.asks("SELECT stage FROM decisions") == [("won",)]


def test_a_stage_and_what_needs_no_answer_are_undone_by_a_command(shop: Shop) -> None:
    """Each says what is so now."""
    shop.hears((1, 120, PRICE))
    assert shop.types("leads", "stage", "1", "won").code == 0
    done = shop.types("leads", "stage", "1", "--undo")
    assert re.match(r"Undone: won, which \S+ had decided at ", done.out)
    assert "Lead 1: won -> new.\n" in done.out
    assert shop.types("leads", "dismiss", "1").out == "Nobody is waiting for an answer there any more.\n"
    again = shop.types("leads", "dismiss", "1")
    assert (again.code, again.out) == (0, "That was said already: no answer is needed there.\n")
    assert shop.types("leads", "waiting").out == "Nobody is waiting for an answer.\n"
    done = shop.types("leads", "dismiss", "1", "--undo")
    assert re.match(r"Undone: .+\nWaiting for an answer since ", done.out)
    for words in (["stage", "1", "--undo"], ["dismiss", "1", "--undo"], ["note", "1", "--undo"]):
        refused = shop.types("leads", *words)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err


@pytest.mark.parametrize(
    "words", [["stage", "1"], ["stage", "1", "won", "--undo"], ["stage", "1", "--undo", "--note", "x"], ["note", "1"]]
)
def test_a_decision_and_its_undo_are_one_or_the_other(shop: Shop, words: list[str]) -> None:
    """Exit code 64, and nothing is written."""
    shop.hears((1, 120, PRICE))
    assert shop.types("leads", *words).code == 64
    assert shop.asks("SELECT * FROM decisions") == []


# ---------------------------------------------------------------------- note


def test_a_note_is_on_the_record_and_changes_nothing_else(shop: Shop) -> None:
    """A note goes to the lead with this number or to the lead of a chat; a chat without a lead is refused."""
    shop.hears((1, 120, PRICE), (2, 60, BROKEN))
    before = shop.types("leads", "list", "--json").json["leads"]
    assert shop.types("leads", "note", "1", "ñ 😀 'quoted'").out == "Noted on lead 1.\n"
    assert shop.types("leads", "note", chat(1), "second", "--json").json["lead_id"] == 1
    assert shop.types("leads", "list", "--json").json["leads"] == before
    assert shop.types("leads", "note", "1", "bytes: \udcff").code == 0
    assert shop.types("leads", "show", "\udcff").code == 1
    assert shop.types("leads", "rebuild").code == 0
    record = shop.types("leads", "show", "1", "--json").json["record"]
    assert [each["values"]["text"] for each in record if each["kind"] == "note"] == [
        "ñ 😀 'quoted'",
        "second",
        "bytes: ?",
    ]
    done = shop.types("leads", "note", chat(2), "x")
    assert (done.code, done.out) == (1, "")
    assert "has no lead" in done.err


# ---------------------------------------------------------------------- merge


def test_two_contacts_are_merged_and_parted_again(shop: Shop) -> None:
    """The older lead stays; after the undo the younger one is as before."""
    shop.hears((1, 120, PRICE), (2, 60, DELIVERY))
    done = shop.types("leads", "merge", "1", "2")
    assert done.code == 0
    assert "are one person now" in done.out
    assert "Lead 2: new -> merged." in done.out
    assert "leads merge --undo 1" in done.out
    assert "contact 1" not in shop.types("leads", "show", "1").out
    assert shop.types("leads", "show", "1", "--json").json["contact"]["phones"] == ["+5491155550001", "+5491155550002"]
    done = shop.types("leads", "stage", "2", "won")
    assert (done.code, done.out) == (1, "")
    assert "lead 2 was merged into lead 1; name that one" in done.err
    again = shop.types("leads", "merge", "1", chat(2))
    assert (again.code, again.out) == (1, "")
    assert "one person already" in again.err
    done = shop.types("leads", "merge", "--undo", "1")
    assert "two people again" in done.out
    assert {row["lead_id"]: row["stage"] for row in shop.types("leads", "list", "--json").json["leads"]} == {
        1: "new",
        2: "new",
    }
    for number in ("1", "7"):
        done = shop.types("leads", "merge", "--undo", number)
        assert (done.code, done.out) == (1, "")
        assert "cannot undo merge" in done.err


def test_who_may_be_one_person_is_proposed_with_the_line_to_type(shop: Shop) -> None:
    """Nothing is merged automatically."""
    assert shop.types("leads", "merge", "--proposals").code == 0
    named = {"contact": wire.contact(name="Ana Gómez")}
    shop.hears((1, 120, PRICE, named), (2, 60, DELIVERY, named))
    done = shop.types("leads", "merge", "--proposals")
    assert "Ana Gómez: saved under the same name" in done.out
    line = next(line.strip() for line in done.out.splitlines() if "leadmasterd" in line)
    [proposal] = shop.types("leads", "merge", "--proposals", "--json").json["proposals"]
    assert [contact["contact_id"] for contact in proposal["contacts"]] == [1, 2]
    assert shop.types(*line.split()[1:]).code == 0
    assert shop.types("leads", "merge", "--proposals").out == "No likely duplicates.\n"


# ---------------------------------------------------------------------- export


def test_a_spreadsheet_takes_nothing_in_the_export_for_a_formula(shop: Shop) -> None:
    """Strangers choose their names; commas, quotes and newlines in them stay inside the cell."""
    names = ["=HYPERLINK(1)", "+1-1", "-1", "@SUM(A1)", "\t=1", 'a,"b"\nc', "ñandú 😀", "\r=1", "+1", "\x07\x1b\x85z"]
    shop.hears(*((number, 50, PRICE, {"notify_name": name}) for number, name in enumerate(names, 1)))
    rows = list(csv.DictReader(io.StringIO(shop.types("leads", "export").out, newline="")))
    cells = [cell for row in rows for cell in row.values()]
    formulas = [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert {row["phone"] for row in rows} < set(formulas)
    assert all(re.fullmatch(r"\+[0-9]+", cell) for cell in formulas)  # a number is none
    assert [row["who"] for row in rows][:4] == ["'=HYPERLINK(1)", "'+1-1", "'-1", "'@SUM(A1)"]
    assert [row["who"] for row in rows][7:] == ["' =1", "+1", "   z"]
    assert rows[5]["who"] == 'a,"b"\nc'
    assert rows[6]["who"] == "ñandú 😀"
    assert (rows[0]["stage"], rows[0]["topics"], rows[0]["overdue"], rows[0]["closed_at"]) == ("new", "price", "1", "")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_that_is_looked_at_does_not_command_the_terminal(shop: Shop, form: str) -> None:
    """JSON output has every name unchanged; CSV output has no invisible characters."""
    shop.hears((1, 5, PRICE, {"notify_name": "\x1b[2J\x9b2JAna"}))
    assert not re.search("[\x1b\x9b]", shop.sees(80, "leads", "export", "--format", form))
    piped = shop.types("leads", "export", "--format", form).out
    assert ("\x9b2JAna" if form == "jsonl" else ", [2J 2JAna,") in piped
    assert shop.types("leads", "export", "--format", form, "--output", "leads.out").code == 0
    assert (shop.folder / "leads.out").read_bytes().decode() == piped


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_is_utf8_whatever_the_terminal_speaks(shop: Shop, form: str) -> None:
    """This holds on a pipe and in a file."""
    shop.hears((1, 5, PRICE, {"notify_name": "Ñandú 👍"}))
    piped = test_cli.typed(
        shop.folder, "leads", "export", "--format", form, variables={"PYTHONIOENCODING": "latin-1"}, encoding="utf-8"
    )
    assert (piped.returncode, "Ñandú 👍" in piped.stdout) == (0, True)


def test_how_somebody_came_is_shown_and_exported(shop: Shop) -> None:
    """The touchpoints are a configured campaign and a link; the export has the first one."""
    with (shop.folder / "config.toml").open("a") as settings:
        settings.write('[leads.campaigns]\n"Verano 2027" = "vi la promo de verano"\n')
    shop.hears(
        (1, 30, "Hola! vi la promo de verano, cuánto sale?"), (1, 20, "esta: https://t.example/p?utm_campaign=v")
    )
    shop.hears((2, 10, PRICE))
    shown = shop.types("leads", "show", "1").out
    assert "a campaign: Verano 2027" in shown
    assert "a link: v (https://t.example/p?utm_campaign=v)" in " ".join(shown.split())
    touches = shop.types("leads", "show", "1", "--json").json["touches"]
    assert [(touch["kind"], touch["source_id"]) for touch in touches] == [("campaign", "Verano 2027"), ("link", "v")]
    rows = list(csv.DictReader(io.StringIO(shop.types("leads", "export").out, newline="")))
    assert [row["touch"] for row in rows] == ["campaign: Verano 2027", ""]
    listed = shop.types("leads", "list", "--json").json["leads"]
    assert [(lead["touch"] or {}).get("kind") for lead in listed] == [
        "campaign" if lead["lead_id"] == 1 else None for lead in listed
    ]


def test_an_export_for_programs_is_one_object_a_line(shop: Shop) -> None:
    """It includes closed leads, oldest first, or with `--since` only those that changed."""
    shop.hears((1, 10 * DAY, PRICE, {"notify_name": "=1"}), (2, 60, DELIVERY))
    assert shop.types("leads", "stage", "1", "lost").code == 0
    rows = [json.loads(line) for line in shop.types("leads", "export", "--format", "jsonl").out.splitlines()]
    assert [(row["lead_id"], row["who"], row["stage"]) for row in rows] == [(1, "=1", "lost"), (2, "Cliente 2", "new")]
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    rows = [
        json.loads(line)
        for line in shop.types("leads", "export", "--format", "jsonl", "--since", since).out.splitlines()
    ]
    assert [row["lead_id"] for row in rows] == [2]
    assert shop.types("leads", "export", "--since", "someday").code == 64


@pytest.mark.parametrize("words", [["leads", "export"], ["leads", "list", "--json"], ["leads", "waiting"]])
def test_an_answer_that_finds_no_room_on_the_disk_is_told(shop: Shop, words: list[str]) -> None:
    """`leads export > leads.csv` on a full disk prints one sentence and no traceback."""
    shop.hears((1, 120, PRICE))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "leadmasterd", *words],
            cwd=shop.folder, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=LIMIT,
        )  # fmt: skip
    assert done.returncode == 73
    assert done.stderr == "cannot write: the disk is full; free some space\n"


def test_an_export_to_a_file_is_whole_and_private_or_not_at_all(shop: Shop) -> None:
    """If writing fails, the previous file stays."""
    shop.hears((1, 60, PRICE))
    file = shop.folder / "leads.csv"
    file.write_text("old")
    answer = shop.types("leads", "export", "--output", "leads.csv", "--json").json
    assert answer == {"file": "leads.csv", "format": "csv", "leads": 1, "conversations": None, "cut": 0}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("lead_id,who,phone")
    assert not list(shop.folder.glob(".leads*"))
    for target in ("nowhere/leads.csv", "state"):
        done = shop.types("leads", "export", "--output", target)
        assert (done.code, done.out) == (1, "")
        assert "cannot write" in done.err


# ---------------------------------------------------------------------- rebuild and reclassify


def test_a_rebuild_gives_the_same_leads_under_the_same_numbers(shop: Shop) -> None:
    """It uses messages, settings and people's decisions, which it keeps; a second rebuild changes nothing."""
    shop.hears((1, 120, PRICE), (2, 60, DELIVERY), (3, 50, PRICE), (3, 45, "> $ 5"))
    assert shop.types("leads", "stage", "2", "quoted").code == 0
    assert shop.types("leads", "label", "1", "order").code == 0
    before = shop.asks("SELECT lead_id, stage, intent, opened_at FROM leads ORDER BY lead_id")
    with closing(sqlite3.connect(shop.database, isolation_level=None)) as connection:
        for table in ("waiting_cycles", "follow_ups"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("UPDATE leads SET stage = 'junk', intent = 'spam', closed_at = NULL")
    answer = shop.types("leads", "rebuild", "--json").json
    assert (answer["leads"], answer["changed"], answer["made"], answer["failed"]) == (3, 3, 0, 0)
    assert shop.asks("SELECT lead_id, stage, intent, opened_at FROM leads ORDER BY lead_id") == before
    assert shop.asks("SELECT count(*) FROM follow_ups") == [(4,)]
    done = shop.types("leads", "rebuild")
    assert done.out == "3 leads, 3 open: 0 new, 0 changed, 0 withdrawn.\n"
    assert shop.asks("SELECT * FROM unjudged") == []


def test_a_rebuild_and_the_daemon_leave_each_other_whole(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages that arrive while a slice holds the database are committed before the next slice begins."""
    shop.hears(*((customer, 50, PRICE) for customer in range(1, 25)))
    settings, paths = load(None)
    classifier = classifier_of(settings.leads.rules, paths)
    before = shop.asks("SELECT lead_id, opened_by_message_id FROM leads ORDER BY lead_id")
    writer = Writer(
        shop.database,
        on_batch=lambda _: None,
        on_error=lambda _: None,
        idle_work=lambda connection: ProjectionWorker(
            connection, lambda: classifier, policy_of(settings.leads.plain()), lambda _: None
        ),
    )
    slices = 0
    right = Projector.project

    def judge(self: Projector, conversations: Any, now: datetime) -> int:
        nonlocal slices
        if threading.current_thread() is threading.main_thread():
            slices += 1
            done, to_come, new = slices, 25 - slices, 30 + slices
            writer.put(shop.captures((done, 5, "> $ 5"), (to_come, 4, DELIVERY), (new, 3, PRICE)))
        return right(self, conversations, now)

    def pause(seconds: float) -> None:
        assert seconds > 0.1, "SQLite looks for its lock every 0.1 s"
        until_true(lambda: writer.pending == 0)

    monkeypatch.setattr(Projector, "project", judge)
    monkeypatch.setattr(rebuild, "SLICE", 4)
    monkeypatch.setattr(rebuild, "time", SimpleNamespace(sleep=pause))
    with paths.lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        writer.start()
        writer.put([account()])
        until_true(lambda: writer.pending == 0)
        done = shop.types("leads", "rebuild", "--json")
    assert (done.code, done.err, done.json["failed"]) == (0, "", 0)
    assert slices == 24 / 4
    until_true(lambda: not shop.asks("SELECT * FROM unjudged"))
    assert writer.stop(LIMIT)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert shop.asks("SELECT count(*) FROM messages") == [(24 + 3 * 6,)]
    after = shop.asks("SELECT lead_id, opened_by_message_id FROM leads ORDER BY lead_id")
    assert after[:24] == before
    assert len(after) == 24 + 6
    assert shop.asks("SELECT count(*), count(DISTINCT lead_id) FROM lead_events WHERE kind = 'opened'") == [(30, 30)]
    again = shop.types("leads", "rebuild", "--json").json
    assert (again["made"], again["changed"], again["withdrawn"], again["failed"]) == (0, 0, 0, 0)


def test_reclassifying_asks_the_rules_of_today_and_keeps_peoples_words(shop: Shop) -> None:
    """It covers all messages, or with `--since` only the newer ones."""
    shop.hears((1, 3 * DAY, PRICE), (2, 60, "xkqw zzpr blorft"), (3, 50, PRICE))
    assert shop.types("leads", "label", "3", "order").code == 0
    shop.asks("SELECT 1")
    with closing(sqlite3.connect(shop.database, isolation_level=None)) as connection:
        connection.execute("UPDATE classifications SET intent = 'callback'")
    assert shop.types("leads", "rebuild").code == 0
    assert [shop.lead(customer)["intent"] for customer in (1, 2, 3)] == ["callback", "callback", "order"]
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    answer = shop.types("rules", "reclassify", "--since", since, "--json").json
    assert (answer["bursts"], answer["relabelled_bursts"], answer["changed"], answer["failed"]) == (2, 2, 1, 0)
    assert answer["relabelled"] == [
        {"before": "callback", "after": "price", "bursts": 1},
        {"before": "callback", "after": "unknown", "bursts": 1},
    ]
    assert [shop.lead(customer)["intent"] for customer in (1, 2, 3)] == ["callback", "unknown", "order"]
    assert shop.types("rules", "reclassify", "--all").out == (
        "3 bursts classified, 1 label changed:\n"
        "      1  callback -> price\n"
        "3 leads, 3 open: 0 new, 1 changed, 0 withdrawn.\n"
    )
    assert [shop.lead(customer)["intent"] for customer in (1, 2, 3)] == ["price", "unknown", "order"]
    assert shop.types("rules", "reclassify", "--all").out.startswith("3 bursts classified, 0 labels changed.\n3 leads")


def test_the_most_frequent_changes_of_labels_are_told(shop: Shop) -> None:
    """Of ten kinds of change, the text lists eight and counts the rest; JSON has all ten."""
    shop.hears(*((customer, 60, PRICE) for customer in range(1, 13)))
    wrong = ("order", "order", "order", "delivery", "payment", "callback", "greeting", "spam", "personal", "return")
    with closing(sqlite3.connect(shop.database, isolation_level=None)) as connection:

        def spoil() -> None:
            for number, intent in enumerate((*wrong, "complaint", "unknown"), 1):
                connection.execute("UPDATE classifications SET intent = ? WHERE conversation_id = ?", (intent, number))

        spoil()
        answer = shop.types("rules", "reclassify", "--all", "--json").json
        assert (answer["bursts"], answer["relabelled_bursts"], len(answer["relabelled"])) == (12, 12, 10)
        spoil()
        lines = shop.types("rules", "reclassify", "--all").out.splitlines()
    assert lines[:2] == ["12 bursts classified, 12 labels changed:", "      3  order -> price"]
    assert lines[9] == "      2  in other ways"
    assert len(lines) == 11


def test_nothing_is_forgotten_when_the_rules_can_not_be_read(shop: Shop) -> None:
    """The exit code is 78, and the stored labels stay."""
    shop.hears((1, 60, PRICE))
    before = shop.asks("SELECT * FROM classifications")
    (shop.folder / "rules.toml").write_text("no rule")
    done = shop.types("rules", "reclassify", "--all")
    assert (done.code, done.out) == (78, "")
    assert shop.asks("SELECT * FROM classifications") == before


def test_one_conversation_that_can_not_be_judged_does_not_stop_the_others(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported, stays marked for processing, and gives the exit code of a bug."""
    shop.hears((1, 60, PRICE), (2, 50, PRICE), (3, 40, PRICE))
    right = Projector.project

    def wrong(self: Projector, conversations: Any, now: datetime) -> int:
        if 2 in conversations:
            raise ZeroDivisionError("a defect")
        return right(self, conversations, now)

    monkeypatch.setattr(Projector, "project", wrong)
    done = shop.types("leads", "rebuild", "--json")
    assert (done.code, done.json["failed"]) == (70, 1)
    assert "cannot make leads of conversation 2: ZeroDivisionError: a defect" in done.err
    assert shop.asks("SELECT conversation_id FROM unjudged") == [(2,)]


# ---------------------------------------------------------------------- settings and sentences


@pytest.mark.parametrize(
    ("file", "variables"),
    [
        ("", {}),
        (ALWAYS_OPEN, {}),
        ("[leads]\ntarget_minutes = 7.5\nstale_days = 3\ndormant_days = 9\noverrides = { 2026-12-31 = [] }\n", {}),
        ("", {"LEADMASTERD_LEADS__TARGET_MINUTES": "20", "leadmasterd_leads__country": "MX"}),
        ("[leads.hours]\nsun = []\n", {"LEADMASTERD_LEADS__HOURS": '{"mon": [["10:00", "11:00"]]}'}),
    ],
)
def test_the_quick_look_at_the_settings_is_the_full_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, variables: dict[str, str]
) -> None:
    """The light reader agrees with the full one on defaults, file and environment."""
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text(file)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings, paths = load(None)
    quick, full = read_leads_settings(paths), settings.leads
    assert (quick.target_seconds, quick.stale_days, quick.dormant_days, quick.country) == (
        full.target_minutes * 60,
        full.stale_days,
        full.dormant_days,
        full.country,
    )
    assert quick.calendar() == full.plain().calendar()
    assert quick.hours_version() == full.plain().hours_version()
    assert quick.zone() == ZoneInfo(full.timezone)


@pytest.mark.parametrize(
    ("file", "keys"),
    [
        (
            "[leads]\ntarget_minutes = 'x'\nstale_days = -1\nhours = 3\n",
            "`leads.target_minutes`, `leads.stale_days`, `leads.hours`",
        ),
        ("leads = 3\n", "`leads`"),
        ("[leads]\ntimezone = 'Mars/Base'\n", "`leads.timezone`"),
        ("[leads]\ntimezone = ''\n", "`leads.timezone`"),
        ("[leads]\ntimezone = 'America'\n", "`leads.timezone`"),
        (
            f"[leads]\ntarget_minutes = 1{'0' * 400}\nstale_days = 1{'0' * 400}\n",
            "`leads.target_minutes`, `leads.stale_days`",
        ),
    ],
)
def test_wrong_settings_do_not_keep_anybody_from_looking(shop: Shop, file: str, keys: str) -> None:
    """Reading commands fall back to the defaults and say so, since overdue times and zones may differ."""
    shop.hears((1, 60, PRICE))
    assert shop.types("leads", "waiting").err == ""
    (shop.folder / "config.toml").write_text(file)
    assert read_leads_settings(find_paths(None)).zone() == ZoneInfo("America/Argentina/Buenos_Aires")
    for word in ("list", "waiting", "export"):
        assert shop.types("leads", word, "--json").code == 0
    for typed in ("waiting", "list", "show 1"):
        done = shop.types("leads", *typed.split())
        assert done.code == 0
        assert done.err.startswith(f"{keys} in the settings: wrong, so the defaults are used;")
    assert shop.types("leads", "stage", "1", "won").code == 78


def test_every_reason_on_a_leads_record_has_a_sentence() -> None:
    """A code without a sentence would be shown to people as it is."""
    sources = "".join((CHECKOUT / "leadmasterd" / each).read_text() for each in ("leads/fold.py", "projection/rows.py"))
    codes = set(re.findall(r'Reason\(\s*"(\w+)"', sources)) | {"answered", "called", "merged", "note"}
    assert len(codes) >= 10
    assert codes <= set(sentences.LEAD_REASONS)
    for kind in (
        "opened", "stage", "new_topic", "reopened", "proposed", "withdrawn", "merged", "note", "note_withdrawn",
        "dismissed", "undone", "of_tomorrow",
    ):  # fmt: skip
        for code, actor in product((*codes, "of_tomorrow"), ("system", "person:beto")):
            assert sentences.lead_event(
                kind=kind, before=None, after=None, code=code, values={"text": "x"}, actor=actor
            )


def test_windows_are_whole_days_of_silence(shop: Shop) -> None:
    """A lead becomes stale or dormant exactly at the end of its window."""
    shop.hears((1, 60, PRICE), (1, 50, "> $ 5"))
    with reading(shop.database) as connection:
        [row] = lead_queries.leads(connection, AsOf(datetime.now(UTC), 14, 60), limit=1)
        last = datetime.fromisoformat(row["last_message_at"])
        for after, stale, dormant in (
            (timedelta(days=13, hours=23), False, False),
            (timedelta(days=14), True, False),
            (timedelta(days=60), True, True),
        ):
            [row] = lead_queries.leads(connection, AsOf(last + after, 14, 60), limit=1)
            assert (row["stale"], row["dormant_proposed"]) == (stale, dormant)


# ---------------------------------------------------------------------- names and relative times


def test_people_are_found_by_name_where_an_id_is_asked_for(shop: Shop) -> None:
    """Each word begins one of theirs, whatever its case and accents; the saved name and their own both count."""
    shop.hears(
        (1, 60, PRICE, {"notify_name": "María José Ñandú"}),
        (2, 50, PRICE, {"notify_name": "Anita", "contact": wire.contact(name="Ana Gómez")}),
        (3, 40, PRICE, {"notify_name": "Ana"}),
        (4, 30, PRICE, {"notify_name": "Mariana"}),
    )
    for words, lead in (("jose", 1), ("NANDU maria", 1), ("gomez", 2), ("anita", 2), ("mariana", 4)):
        assert shop.types("leads", "show", words, "--json").json["lead"]["lead_id"] == lead, words
    texts = shop.types("messages", "--chat", "Gómez", "--json").json["messages"]
    assert [each["conversation_id"] for each in texts] == [2]
    assert shop.types("leads", "note", "mariana", "pide factura").code == 0


@pytest.mark.parametrize(
    "command", [["leads", "show", "ana"], ["messages", "--chat", "ana"], ["leads", "stage", "ana", "won"]]
)
def test_several_of_one_name_are_listed_with_their_ids(shop: Shop, command: list[str]) -> None:
    """Nothing is guessed, and nothing is changed."""
    shop.hears((1, 60, PRICE, {"notify_name": "Ana Paz"}), (2, 50, PRICE, {"notify_name": "Ana"}))
    done = shop.types(*command)
    assert (done.code, done.out) == (1, "")
    first, *people = done.err.splitlines()
    assert first == "2 people are called 'ana'; say which one by an id:"
    assert [each.split()[1:] for each in people] == [["Ana", "Paz,", "lead", "1"], ["Ana,", "lead", "2"]]
    for each in people:
        assert shop.types("leads", "show", each.split()[0]).code == 0


@pytest.mark.parametrize("name", ["zz", "an a", "12", "@lid", "ana@c.us", " "])
def test_nobody_is_found_by_what_is_nobodys_name(shop: Shop, name: str) -> None:
    """A part in the middle of a word is none either."""
    shop.hears((1, 60, PRICE, {"notify_name": "Mariana"}))
    assert shop.types("leads", "show", name).code == 1


def test_times_may_be_typed_as_people_say_them() -> None:
    """Days begin at midnight in the shop's zone; the others count back from now."""
    zone = ZoneInfo("America/Argentina/Buenos_Aires")
    now = datetime.now(UTC)
    for words, ago in (("7d", timedelta(days=7)), ("12 h", timedelta(hours=12)), ("90min", timedelta(minutes=90)),
                       ("2w", timedelta(weeks=2)), ("2s", timedelta(weeks=2))):  # fmt: skip
        assert abs(time_from(words, zone) - (now - ago)) < timedelta(seconds=10)
    for words, days in (("hoy", 0), ("ayer", 1), ("AYER", 1), ("yesterday", 1), ("anteayer", 2)):
        local = time_from(words, zone).astimezone(zone)
        assert (local.hour, local.minute) == (0, 0)
        assert (now.astimezone(zone).date() - local.date()).days == days


def test_messages_since_yesterday_leave_out_what_is_older(shop: Shop) -> None:
    """`--since ayer` and `--since 7d`."""
    shop.hears((1, 60, "nuevo"), (1, 3 * DAY, "de antes"), (1, 9 * DAY, "viejo"))
    for since, bodies in (("ayer", ["nuevo"]), ("7d", ["de antes", "nuevo"])):
        found = shop.types("messages", "--since", since, "--json").json["messages"]
        assert [each["body"] for each in found] == bodies


def test_show_says_when_only_a_machine_has_answered(shop: Shop) -> None:
    """With the reason to look; a mailing is no answer of any kind, and after a person's nothing is said."""
    machines: dict[str, dict[str, Any]] = {
        "answered by the assistant, nobody of yours yet": {"marks": {"bot": "biz_1p"}},
        "answered by a program, nobody of yours yet": {"marks": {"template": True}},
    }
    for customer, (words, fields) in enumerate(machines.items(), 1):
        shop.hears((customer, 30, PRICE), (customer, 29, ">Hola! Sale 12 mil", fields))
        assert words in " ".join(shop.types("leads", "show", chat(customer)).out.split())
        shop.hears((customer, 5, ">hola, soy Eva"))
        assert "nobody of yours" not in shop.types("leads", "show", chat(customer)).out
    shop.hears((3, 30, PRICE), (3, 29, ">Promo!", {"marks": {"broadcast": True}}))
    shown = shop.types("leads", "show", chat(3)).out
    assert "nobody of yours" not in shown
    assert "-> (mailing) >Promo!" in shown


def test_a_business_is_called_by_its_verified_name(shop: Shop) -> None:
    """Unless the operator has saved another one."""
    named = {"marks": {"verified_name": "Muebles SRL"}, "notify_name": "juan"}
    saved = named | {"contact": {**wire.contact(name="Juan Muebles"), "business": True}}
    shop.hears((1, 30, PRICE, named), (2, 30, PRICE, saved))
    assert {lead["who"] for lead in shop.types("leads", "list", "--json").json["leads"]} == {
        "Muebles SRL",
        "Juan Muebles",
    }
    assert "Lead 1: Muebles SRL" in shop.types("leads", "show", "1").out
    assert {each["contact"] for each in shop.types("messages", "--json").json["messages"]} == {
        "Muebles SRL",
        "Juan Muebles",
    }


def test_what_a_message_shows_of_its_sender_is_told_to_programs(shop: Shop) -> None:
    """By the codes of the wire, and null where it shows nothing."""
    marks = {"broadcast": "1@broadcast", "hosted": True, "verified_name": "Muebles del Sur"}
    shop.hears((1, 60, PRICE, {"marks": marks}), (1, 50, "hola?"))
    messages = shop.types("messages", "--json").json["messages"]
    assert [each["marks"] for each in messages] == [marks, None]


def test_the_longest_waiting_are_listed_first_under_the_same_word_as_who_waits(shop: Shop) -> None:
    """Then come those that wait for nothing, the most recently active first, and the limit counts both."""
    shop.hears(
        (1, 90, PRICE), (1, 80, ">son mil"),
        (2, 60, PRICE),
        (3, 200, PRICE), (3, 30, "y envíos?"),
        (4, 100, PRICE), (4, 20, ">son mil"),
    )  # fmt: skip
    listed = shop.types("leads", "list", "--json").json["leads"]
    of = {int(each["who"].split()[-1]): each["lead_id"] for each in listed}
    assert [each["lead_id"] for each in listed] == [
        of[3], of[2], of[4], of[1]
    ]  # fmt: skip
    limited = shop.types("leads", "list", "--limit", "3", "--json").json["leads"]
    assert [each["lead_id"] for each in limited] == [each["lead_id"] for each in listed[:3]]
    for command in ("list", "waiting"):
        assert "wants" in shop.types("leads", command).out.splitlines()[0].lower()


def test_discarding_ends_what_waits_and_what_is_planned_and_is_on_record(shop: Shop) -> None:
    """Also of a lead that is closed or discarded already, as often as something begins again."""
    shop.hears((1, 300, PRICE), (1, 290, ">son mil"))
    assert shop.types("leads", "stage", "1", "won").code == 0
    shop.hears((1, -1, BROKEN))
    assert shop.asks("SELECT count(*) FROM follow_ups WHERE state = 'planned'") == [(1,)]
    for number in (1, 2):
        assert shop.types("leads", "stage", "1", "descartado").code == 0
        assert shop.asks("SELECT count(*) FROM follow_ups WHERE state = 'planned'") == [(0,)]
        assert shop.asks("SELECT waiting_since FROM conversations") == [(None,)]
        [[events]] = shop.asks("SELECT count(*) FROM lead_events WHERE after = 'junk' AND actor LIKE 'person:%'")
        assert events == number
        shop.hears((1, -1 - number, BROKEN))
