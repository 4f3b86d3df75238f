"""The commands about old lines and the file's size: `messages --raw`, `messages --compact`, `status` and `doctor`."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leadmasterd import times
from leadmasterd.cli import cmd_status, main
from leadmasterd.clock import Clock
from leadmasterd.doctor import Finding, examine
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.files import Lock
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.disk_upkeep import DiskUpkeep
from leadmasterd.text import speaking
from tests import wire
from tests.captures import item, opened
from tests.daemons import running
from tests.test_database import make_older
from tests.waiting import until_true

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory, and the commands typed beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEADMASTERD_GENERAL__LANGUAGE", "en")
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


def capture(state: Path, number: int, *, age: float, body: str = "hola") -> list[str]:
    """So many messages of that many days ago, each with its line. Returns the lines."""
    at = (NOW - timedelta(days=age)).timestamp()
    told = [wire.message(f"M{age}-{each}", t=int(at) + each, body=f"{body} {each}") for each in range(number)]
    lines = [json.dumps(each, ensure_ascii=False) for each in told]
    with opened(
        state / "leadmaster.db", [item(each, now=at, text=line) for each, line in zip(told, lines, strict=True)]
    ):
        pass
    return lines


def keep_up(state: Path, *, days: int = 7) -> None:
    with closing(open_for_writing(state / "leadmaster.db")) as connection:
        upkeep = DiskUpkeep(connection, days=days)
        while upkeep.step():
            upkeep.done()


# ---------------------------------------------------------------------- messages --raw


def test_old_and_new_lines_are_printed_as_they_are(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that other programs can read them, and so can `replay`."""
    old = capture(state, 3, age=3, body="ñandú «1»")
    keep_up(state)
    new = capture(state, 2, age=0)
    assert main(["messages", "--raw"]) == 0
    assert capsys.readouterr() == ("\n".join([*old, *new]) + "\n", "")
    Path("lines.jsonl").write_text("\n".join([*old, *new]), encoding="utf-8")
    assert main(["replay", "lines.jsonl", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["conversations"]) == 1


def test_lines_can_be_chosen_as_messages_are(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = capture(state, 3, age=3)
    keep_up(state)
    assert main(["messages", "--raw", "--chat", wire.ANA, "--limit", "2"]) == 0
    assert capsys.readouterr() == ("\n".join(old[1:]) + "\n", "There may be more: --limit shows them.\n")
    assert main(["messages", "--raw", "--chat", "nobody"]) == 1
    assert capsys.readouterr().out == ""
    assert main(["messages", "--raw", "--since", (NOW - DAY).isoformat()]) == 0
    assert capsys.readouterr() == ("", "No lines.\n")
    assert main(["messages", "--raw", "--search", "hola"]) == 64
    capsys.readouterr()
    assert main(["messages", "--raw", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["line"] for each in found["lines"]] == old


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "cannot read 3 lines captured from "),
        ("es", "no se pueden leer 3 líneas capturadas entre "),
    ],
)
def test_a_damaged_block_is_one_sentence(
    state: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    sentence: str,
) -> None:
    """And the others are shown."""
    capture(state, 3, age=4)
    keep_up(state)
    whole = capture(state, 2, age=3)
    keep_up(state)
    with closing(sqlite3.connect(state / "leadmaster.db")) as connection, connection:
        connection.execute("UPDATE raw_blocks SET packed = substr(packed, 1, 40) WHERE block_id = 1")
    monkeypatch.setenv("LEADMASTERD_GENERAL__LANGUAGE", language)
    assert main(["messages", "--raw"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == whole
    assert err.startswith(sentence)
    assert err.count("\n") == 1
    assert "Traceback" not in err


# ---------------------------------------------------------------------- messages --compact


def old_database(state: Path, lines: int) -> Path:
    """Of the version before, full of lines, and updated."""
    path = state / "leadmaster.db"
    make_older(path, 13)
    with closing(sqlite3.connect(path)) as old, old:
        old.executemany(
            "INSERT INTO raw_events (captured_at, line) VALUES (?, ?)",
            [(times.iso(NOW - 30 * DAY), "x" * 1300)] * lines,
        )
    open_for_writing(path).close()
    keep_up(state)
    return path


def test_an_old_file_is_written_anew_and_gives_back_by_itself_from_then_on(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until then it keeps its size, and what is free in it is used."""
    path = old_database(state, 2000)
    before = path.stat().st_size
    assert before > 2_000_000
    assert main(["messages", "--compact"]) == 0
    after = path.stat().st_size
    assert after < 600_000
    assert capsys.readouterr().out == f"{before / 1e6:.0f} MB before, {after / 1e3:.0f} kB now.\n"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [each.name for each in state.iterdir() if "tmp" in each.name or each.name.startswith("etilqs")] == []


def test_beside_a_running_daemon_nothing_is_written_anew(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It could not write meanwhile."""
    path = old_database(state, 500)
    before = path.stat().st_size
    lock = Lock(find_paths(None))
    lock.acquire()
    try:
        assert main(["messages", "--compact"]) == 73
    finally:
        lock.release()
    assert "another leadmasterd runs on it" in capsys.readouterr().err
    assert path.stat().st_size == before


def test_without_room_nothing_is_written_anew(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old_database(state, 500)
    before = path.stat().st_size
    usage = shutil.disk_usage(state)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=100_000))
    assert main(["messages", "--compact"]) == 73
    assert capsys.readouterr().err == (f"cannot compact {path}: that needs 1 MB of free disk; free some space\n")
    assert path.stat().st_size == before
    assert main(["messages", "--compact", "--json"]) == 64


@pytest.mark.parametrize("option", ["--compact", "--reindex"])
def test_what_is_done_to_the_whole_database_is_refused_for_a_part(
    state: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """It was done to the whole without a word."""
    assert main(["messages", option, "--chat", "Ana"]) == 64
    assert capsys.readouterr().err == (
        f"{option} is for the whole database, and not for a part by --chat; leave one of them out\n"
    )


# ---------------------------------------------------------------------- growth


def noted(state: Path, *, days_ago: float, share: float) -> None:
    """The size was noted then, and is what is used now times this share."""
    with closing(sqlite3.connect(state / "leadmaster.db")) as connection, connection:
        connection.execute(
            "INSERT INTO database_sizes SELECT ?, CAST((page_count - freelist_count) * page_size * ? AS INTEGER) "
            "FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
            (times.iso(NOW - timedelta(days=days_ago)), share),
        )


def about_the_disk() -> Finding:
    """What `doctor` says of the database's size."""
    codes = ("growth_ok", "growth_none", "growth_unknown", "disk_full_soon")
    [found] = [each for each in examine(None, start_browser=False) if each.code in codes]
    return found


def test_doctor_foresees_a_full_disk(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By how the database grows, and by what is free on the disk and in the file."""
    capture(state, 200, age=0)
    assert about_the_disk().code == "growth_unknown"
    noted(state, days_ago=2, share=1.2)
    assert about_the_disk().code == "growth_none"
    noted(state, days_ago=10, share=0.5)
    found = about_the_disk()
    assert (found.code, found.level) == ("growth_ok", "ok")
    a_day = (state / "leadmaster.db").stat().st_size * 0.05
    usage = shutil.disk_usage(state)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=int(a_day * 40.5)))
    found = about_the_disk()
    assert (found.code, found.level, found.check) == ("disk_full_soon", "warning", "disk")
    assert found.values["days"] == pytest.approx(40, abs=2)
    assert found.found.startswith(f"full in about {found.values['days']} days: the database is ")
    with speaking("es"):
        found = about_the_disk()
        assert found.found.startswith(f"se llena en unos {found.values['days']} días: la base de datos ocupa ")


def test_doctor_says_what_an_old_file_could_give_back(state: Path) -> None:
    """Only where it is much."""
    old_database(state, 12_000)
    assert "MB unused: `leadmasterd messages --compact` gives it back)" in about_the_disk().found
    assert main(["messages", "--compact"]) == 0
    assert "unused" not in about_the_disk().found


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "12 MB"),
        ({"database_growth_bytes": -4}, "12 MB"),
        ({"database_growth_bytes": 1_000_000}, "12 MB, growing by 1 MB a day"),
        (
            {"database_growth_bytes": 50_000_000, "database_unused_bytes": 100_000_000},
            "12 MB, growing by 50 MB a day; the disk is full in about 42 days",
        ),
    ],
)
def test_status_tells_the_size_and_what_comes_of_it(more: dict[str, int], text: str) -> None:
    resources = {"database_bytes": 12_000_000, "disk_free_bytes": 2_000_000_000, **more}
    if more.get("database_growth_bytes") == 1_000_000:
        resources["disk_free_bytes"] = 800_000_000_000
    rows = cmd_status._running_rows({"resources": resources}, Clock(NOW, UTC))
    assert ("database", text) in rows


def test_the_daemon_keeps_the_file_small_by_itself(state: Path, tmp_path: Path) -> None:
    """By the setting, once most of the latest messages say how late it is; and it tells the size in its status."""
    capture(state, 20, age=3)
    packed: Callable[[], bool] = lambda: _asked(state, "SELECT count(*), sum(lines) FROM raw_blocks") == (1, 20)  # noqa: E731
    with running(tmp_path, state) as daemon:
        until_true(packed)
        until_true(lambda: "database_unused_bytes" in (daemon.status.get("resources") or {}))
        assert _asked(state, "SELECT count(*) FROM raw_events") == (0,)
    capture(state, 20, age=0)
    with running(tmp_path, state, LEADMASTERD_DATABASE__RAW_DAYS="2"):
        until_true(lambda: _asked(state, "SELECT count(*) FROM raw_blocks") == (0,))
    assert _asked(state, "SELECT count(*) FROM messages") == (40,)


def _asked(state: Path, query: str) -> tuple[object, ...]:
    with closing(sqlite3.connect(state / "leadmaster.db")) as connection:
        found: tuple[object, ...] = connection.execute(query).fetchone()
        return found
