"""A damaged database and a full disk: one sentence from every command, and a daemon that goes on where it can."""

import json
import math
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlite_utils import Database

from leadmasterd.cli import main
from leadmasterd.daemon.status import Sections, StatusPublisher
from leadmasterd.listener.profile import SESSION_FOLDERS, Auth
from leadmasterd.settings.paths import resolve_paths
from leadmasterd.store.schema import SCHEMA_VERSION, migrate
from leadmasterd.store.writer import store_error
from leadmasterd.supervisor.timing import Timing
from tests import forked, wire
from tests.captures import Store, account, item, opened, reading
from tests.daemons import running
from tests.depth import examples
from tests.waiting import LIMIT, until_true, wait_for

SOON = {"LEADMASTERD_SUPERVISOR__TIME_DIVISOR": "4"}
"""A daemon tries again after a second and a quarter to open its database."""
PAGE = 4096
PHONES = [f"54911555{number:05}@c.us" for number in range(1, 41)]
COMMANDS = [
    ["status"],
    ["status", "--json"],
    ["messages", "--limit", "1000"],
    ["messages", "--search", "precio"],
    ["messages", "--raw", "--limit", "1000"],
    ["messages", "--compact"],
    ["history"],
    ["leads", "list", "--all"],
    ["leads", "waiting"],
    ["leads", "show", "1"],
    ["leads", "export"],
    ["leads", "merge", "--proposals"],
    ["leads", "note", "1", "pagó la seña"],
    ["leads", "stage", "2", "won"],
    ["leads", "label", "3", "price"],
    ["leads", "rebuild"],
    ["rules", "reclassify", "--all"],
]


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of some 40 customers with leads, in one file."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "state").mkdir()
    path = folder / "state" / "leadmaster.db"
    lines = [
        wire.message(f"{chat}-{number}", chat=chat, mine=number == 1, t=wire.NOON + number * 60, body=f"{text} {chat}")
        for chat in PHONES
        for number, text in enumerate(("hola, precio de la mesa?", "son mil", "y hacen envíos?"))
    ]
    with opened(path, [item(each) for each in lines]):
        pass
    done = forked.run("leads", "rebuild", cwd=folder, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of the commands that the test types."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def damage(path: Path, page: int, filling: bytes) -> None:
    """Overwrite a page (the first is 1)."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write((filling * PAGE)[:PAGE])


def fresh(sound: Path, state: Path) -> Path:
    """A new copy of the sound database, and nothing beside it."""
    for left in state.iterdir():
        left.unlink()
    return Path(shutil.copy(sound, state / "leadmaster.db"))


def one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> int:
    """Type a command; if it ends with 73, stderr is one sentence (`status` says it in its table)."""
    code = main(words)
    out, err = capsys.readouterr()
    where = " ".join(words)
    assert "Traceback" not in err, f"{where}: {err}"
    assert code in (0, 1, 3, 73), f"{where}: {code} {err}"
    if code == 73:
        if words[0] != "status":
            assert err.count("\n") == 1, f"{where}: {err}"
            assert err.startswith("cannot use "), f"{where}: {err}"
        elif words == ["status"]:
            assert "cannot use " in out
    return code


# ---------------------------------------------------------------------- commands


@pytest.mark.parametrize("table", ["conversations", "reactions", "waiting_cycles", "gaps"])
def test_a_table_that_got_lost_is_one_sentence_and_73_too(
    sound: Path, state: Path, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    """SQLite finds such a file sound: `.recover` makes one of a damaged file, or a restore that stopped halfway."""
    path = fresh(sound, state)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DROP TABLE {table}")
    codes = {" ".join(words): one_sentence(words, capsys) for words in COMMANDS}
    assert 73 in codes.values()


def test_status_on_a_terminal_shows_the_whole_status_with_the_damage(state: Path) -> None:
    """There it is coloured by the exit code, and 73 is one of them."""
    (state / "leadmaster.db").write_bytes(b"SQLite format 3\0" + b"garbage" * 2000)
    done = forked.on_terminal("status", columns=200, rows=40, cwd=state.parent, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (73, "")
    heading, *rows = done.stdout.splitlines()
    assert "leadmasterd is not running" in heading
    assert any("database" in row and "its beginning is damaged" in row for row in rows)


@pytest.mark.parametrize("filling", [b"\xa5", b"\x00", b"precio? "], ids=["noise", "zeros", "text"])
def test_any_damaged_page_is_one_sentence_and_73_from_every_command_that_meets_it(
    sound: Path, state: Path, capsys: pytest.CaptureFixture[str], filling: bytes
) -> None:
    """None ends with a traceback. The pages of messages and leads are met by somebody."""
    every, chance = range(1, sound.stat().st_size // PAGE + 1), random.Random(0)
    pages = sorted(chance.sample(every, min(len(every), examples(20))))
    met = 0
    for page in pages:
        codes = []
        for words in chance.sample(COMMANDS, 2):
            damage(fresh(sound, state), page, filling)
            codes.append(one_sentence(words, capsys))
        met += 73 in codes
    assert met > len(pages) / 4


@pytest.mark.parametrize("seed", range(examples(20)))
def test_scattered_damage_is_one_sentence_too(
    sound: Path, state: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """A few bytes here and there, anywhere in the file."""
    chance = random.Random(seed)
    for words in chance.sample(COMMANDS, 2):
        with fresh(sound, state).open("r+b") as file:
            for _ in range(40):
                file.seek(chance.randrange(sound.stat().st_size - 8))
                file.write(chance.randbytes(8))
        one_sentence(words, capsys)


def test_nothing_quotes_the_words_of_people_that_can_not_be_decoded(
    sound: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite puts them into its error; they are no matter for a journal or a screen, and may hold newlines."""
    path = fresh(sound, state)
    with closing(sqlite3.connect(path)) as connection:
        broken = "CAST(X'6D6920636C6176650A736563726574613AFF' AS TEXT)"  # mi clave, a newline, secreta:, no character
        connection.execute(f"UPDATE messages SET body = {broken} WHERE message_id = 1")
        connection.commit()
        with pytest.raises(sqlite3.OperationalError, match="clave") as found:
            connection.execute("SELECT body FROM messages").fetchall()
    for words in [*COMMANDS, ["doctor", "--quick"]]:
        main(words)
    told = [*capsys.readouterr(), str(store_error(found.value))]
    assert [each for each in told if "clave" in each] == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_damaged_beginning_is_73_from_every_command(
    sound: Path, state: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """The file is kept as it is."""
    path = fresh(sound, state)
    damage(path, 1, b"\xa5")
    before = path.read_bytes()
    assert one_sentence(words, capsys) == 73
    assert path.read_bytes() == before


def test_a_damaged_wal_is_no_traceback(sound: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SQLite reads it up to the damage: its frames have checksums."""
    path = fresh(sound, state)
    copy = state / "copy.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE messages SET body = body || '!'")
        connection.commit()
        wal = bytearray(Path(f"{path}-wal").read_bytes())
        shutil.copy(path, copy)
    for at in (0, 16, 40, len(wal) // 2, len(wal) - 100):
        torn = bytearray(wal)
        torn[at : at + 8] = b"\xa5" * 8
        for words in (["messages"], ["status"], ["leads", "note", "1", "x"]):
            shutil.copy(copy, path)
            Path(f"{path}-wal").write_bytes(torn)
            Path(f"{path}-shm").unlink(missing_ok=True)
            assert one_sentence(words, capsys) in (0, 3)


def test_an_index_that_does_not_fit_its_table_is_found(
    sound: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The doctor compares them, and says what to do."""
    path = fresh(sound, state)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        [[root]] = connection.execute(
            "SELECT min(rootpage) FROM sqlite_schema WHERE type = 'index' AND name LIKE 'messages%'"
        )
    damage(path, root, b"\x0a" + bytes(7))
    assert main(["doctor", "--quick", "--json"]) == 1
    findings = {each["code"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert "restore a backup" in findings["database_damaged"]["mend"]


def test_a_defect_of_ours_is_still_a_traceback(
    sound: Path, state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sound database is not blamed."""
    fresh(sound, state)

    def fails(*_: object, **__: object) -> None:
        raise TypeError("ours")

    monkeypatch.setattr("leadmasterd.cli.cmd_messages.message_list", fails)
    assert main(["messages"]) == 70
    assert "TypeError: ours" in capsys.readouterr().err


# ---------------------------------------------------------------------- the writer


def test_what_does_not_touch_the_damaged_table_is_still_stored(tmp_path: Path) -> None:
    """A call can't be stored and is kept as its raw line, once; messages around it are, and the damage is told."""
    path = tmp_path / "leadmaster.db"
    call = wire.line("call", call_id="C1", chat=wire.ANA, t=wire.NOON, outgoing=False, answered=False, video=False)
    with opened(path) as store:
        [[page]] = store.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'calls'")
    damage(path, page, b"\xa5")
    store = Store(path)
    store.writer.put([account(), item(wire.message("before")), item(call), item(wire.message("after"))])
    store.writer.put([item(call)])
    store.settle()
    assert store.rows("SELECT stanza_id FROM messages ORDER BY 1") == [("after",), ("before",)]
    assert store.one("SELECT count(*) FROM raw_events WHERE problem LIKE 'cannot store it: %malformed%'") == 1
    assert {error.code for error in store.errors if error} == {"database_damaged"}
    assert None not in store.errors, "damage does not mend itself"
    assert store.writer.stop(LIMIT)


# ---------------------------------------------------------------------- the daemon


def test_a_daemon_waits_for_a_database_that_can_not_be_opened(tmp_path: Path, sound: Path) -> None:
    """It says so, keeps the file, and goes on by itself once a sound one is in its place."""
    state = tmp_path / "state"
    state.mkdir()
    path = Path(shutil.copy(sound, state / "leadmaster.db"))
    damage(path, 1, b"\xa5")
    before = path.read_bytes()
    with running(tmp_path, state, **SOON) as daemon:
        wait_for(lambda: daemon.trouble == "database_unusable", "the trouble")
        assert path.read_bytes() == before
        shutil.copy(sound, tmp_path / "backup.db")
        (tmp_path / "backup.db").replace(path)
        wait_for(lambda: daemon.status.get("phase") == "waiting_for_scan", "the code")
        assert daemon.trouble is None
    assert daemon.log.read_text().count("cannot use ") == 1, "said once"


def write_former_status(state: Path) -> None:
    sections = Sections(account=lambda: {"wid": wire.US, "push_name": "Tienda"})
    StatusPublisher(resolve_paths(None, str(state), "leadmaster.db"), sections).write()


def keep_linked_profile(state: Path) -> None:
    (state / "auth" / "profile").mkdir(parents=True)
    Auth(resolve_paths(None, str(state), "leadmaster.db")).mark_linked(wire.US)


def keep_profile_aside(state: Path) -> None:
    keep_linked_profile(state)
    (state / "auth" / "quarantine").mkdir()
    (state / "auth" / "profile").rename(state / "auth" / "quarantine" / "20261123")


def keep_snapshot(state: Path) -> None:
    keep_linked_profile(state)
    for folder in SESSION_FOLDERS:
        (state / "auth" / "profile" / folder).mkdir(parents=True)
    Auth(resolve_paths(None, str(state), "leadmaster.db")).take_snapshot(
        account=wire.US, browser=None, now=datetime.now(UTC)
    )
    shutil.rmtree(state / "auth" / "profile")


def leave_wal(state: Path) -> None:
    (state / "leadmaster.db-wal").write_bytes(b"frames")


CAPTURED_BEFORE = [write_former_status, keep_linked_profile, keep_profile_aside, keep_snapshot, leave_wal]


@pytest.mark.parametrize("evidence", CAPTURED_BEFORE)
def test_a_file_that_was_emptied_is_damage_to_every_command(
    state: Path, capsys: pytest.CaptureFixture[str], evidence: Callable[[Path], None]
) -> None:
    """SQLite takes it for a new database, and deletes its WAL, which may hold the last messages."""
    path = state / "leadmaster.db"
    path.touch()
    evidence(state)
    before = {each: each.read_bytes() for each in state.iterdir() if each.is_file()}
    for words in COMMANDS:
        assert one_sentence(words, capsys) == 73, words
    assert main(["doctor", "--quick", "--json"]) == 1
    findings = {each["code"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    found = findings["database_damaged"]
    assert found["found"] == f"cannot use {path}: it is empty, although messages were captured here before"
    assert found["mend"].startswith("stop the daemon, keep a copy of leadmaster.db* and restore a backup, or remove")
    assert {each: each.read_bytes() for each in before} == before


def import_session(state: Path) -> None:
    keep_linked_profile(state)
    paths = resolve_paths(None, str(state), "leadmaster.db")
    Auth(paths).note_link_elsewhere(paths.profile, "2026-11-23T12:00:00.000Z")


def write_status_of_nobody(state: Path) -> None:
    StatusPublisher(resolve_paths(None, str(state), "leadmaster.db")).write()


@pytest.mark.parametrize("begins", [lambda _state: None, import_session, write_status_of_nobody])
def test_an_empty_file_where_nothing_was_captured_is_a_first_start(
    tmp_path: Path, begins: Callable[[Path], None]
) -> None:
    """Even if a session was imported: it has not worked here yet."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "leadmaster.db").touch()
    begins(state)
    with running(tmp_path, state) as daemon:
        wait_for(lambda: daemon.status.get("phase") == "waiting_for_scan", "the code")
        assert daemon.trouble is None
    assert (state / "leadmaster.db").stat().st_size


@pytest.mark.parametrize("evidence", CAPTURED_BEFORE)
def test_a_daemon_waits_for_a_backup_of_a_file_that_was_emptied(
    tmp_path: Path, sound: Path, evidence: Callable[[Path], None]
) -> None:
    """In its next life too, which knows no more than this one has left. It ends neither, and keeps what there is."""
    state = tmp_path / "state"
    state.mkdir()
    path = state / "leadmaster.db"
    path.touch()
    evidence(state)
    wal = state / "leadmaster.db-wal"
    frames = wal.read_bytes() if wal.exists() else None
    # what is in the status has to pass from life to life; all else stays where it is
    for _ in range(2 if evidence is write_former_status else 1):
        with running(tmp_path, state, **SOON) as daemon:
            wait_for(lambda: "it is empty, although messages were" in daemon.log.read_text(), "the journal")
            wait_for(lambda: daemon.trouble == "database_unusable", "the trouble")
        assert (daemon.status["phase"], daemon.status["code"]) == ("stopped", "asked_to_stop")
        assert daemon.trouble == "database_unusable"
        assert "stopped: asked to stop" in daemon.log.read_text()
        assert path.stat().st_size == 0
        assert (wal.read_bytes() if wal.exists() else None) == frames
    with running(tmp_path, state, **SOON) as daemon:
        wait_for(lambda: "it is empty, although messages were" in daemon.log.read_text(), "the journal")
        wal.unlink(missing_ok=True)
        shutil.copy(sound, tmp_path / "backup.db")
        (tmp_path / "backup.db").replace(path)
        wait_for(lambda: daemon.trouble is None, "the end of the trouble")
        wait_for(lambda: daemon.status.get("phase") != "starting", "the start")


def test_whoever_removes_an_emptied_file_begins_anew(tmp_path: Path) -> None:
    """As the sentence says."""
    state = tmp_path / "state"
    state.mkdir()
    path = state / "leadmaster.db"
    path.touch()
    keep_linked_profile(state)
    with running(tmp_path, state, **SOON) as daemon:
        wait_for(lambda: daemon.trouble == "database_unusable", "the trouble")
        path.unlink()
        wait_for(lambda: daemon.trouble is None, "the end of the trouble")
    with reading(path) as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (0,)


@contextmanager
def service_manager(folder: Path) -> Iterator[Callable[[], str]]:
    """A socket that takes what a daemon tells systemd; the function has the next of it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(folder / "notify"))
        listening.settimeout(LIMIT)
        yield lambda: listening.recv(4096).decode()


def test_a_daemon_that_waits_for_its_database_tells_systemd_that_it_lives(tmp_path: Path, sound: Path) -> None:
    """The service is up, so the watchdog would kill it after a minute, and after ten times the service has failed."""
    state = tmp_path / "state"
    state.mkdir()
    damage(Path(shutil.copy(sound, state / "leadmaster.db")), 1, b"\xa5")
    systemd = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
    with service_manager(tmp_path) as told, running(tmp_path, state, **systemd):
        while "READY=1" not in told():
            pass
        began = time.monotonic()
        for _ in range(4):
            assert "WATCHDOG=1" in told()
        assert time.monotonic() - began < Timing().reopen_every


@pytest.mark.parametrize("table", ["accounts", "gaps", "session_events", "conversations", "messages", "unjudged"])
def test_a_daemon_goes_on_with_a_damaged_table(tmp_path: Path, sound: Path, table: str) -> None:
    """It listens all the same, and tells the damage as a trouble that needs a person."""
    state = tmp_path / "state"
    state.mkdir()
    path = Path(shutil.copy(sound, state / "leadmaster.db"))
    with reading(path) as connection:
        [[page]] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchall()
    damage(path, page, b"\xa5")
    with running(tmp_path, state) as daemon:
        wait_for(lambda: daemon.status.get("phase") == "waiting_for_scan", "the code")
        wait_for(lambda: daemon.trouble == "database_damaged", "the trouble")


def test_a_daemon_tells_a_table_that_got_lost(tmp_path: Path, sound: Path) -> None:
    """SQLite finds the file sound, so it is opened; what misses the table is told as damage, without a traceback."""
    state = tmp_path / "state"
    state.mkdir()
    path = Path(shutil.copy(sound, state / "leadmaster.db"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE gaps")
    with running(tmp_path, state) as daemon:
        wait_for(lambda: daemon.status.get("phase") == "waiting_for_scan", "the code")
        wait_for(lambda: daemon.trouble == "database_damaged", "the trouble")
    assert "Traceback" not in daemon.log.read_text()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of this size."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize(
    ("before", "left"),
    [
        ("nothing", 0),
        ("the folder", 0),
        ("the database", 0),
        ("the folder", 4096),
        ("nothing", 16384),
        ("nothing", 98304),
    ],
)
def test_a_disk_that_is_full_at_the_start_is_told_and_tried_again(
    tmp_path: Path, sound: Path, before: str, left: int
) -> None:
    """Whatever is there already and however little is left: no exit, and it goes on once there is room."""
    with small_disk(tmp_path, "3m") as disk:
        state = disk / "state"
        if before != "nothing":
            state.mkdir()
        if before == "the database":
            shutil.copy(sound, state / "leadmaster.db")
        ballast = disk / "ballast"
        room = os.statvfs(disk)
        ballast.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - left)))
        with running(tmp_path, state, **SOON) as daemon:
            if left == 0:
                until_true(lambda: "the disk is full" in daemon.log.read_text())
            else:
                until_true(lambda: len(daemon.log.read_text().splitlines()) >= 3)
            assert daemon.lives(), daemon.log.read_text()
            ballast.unlink()
            wait_for(lambda: daemon.status.get("phase") == "waiting_for_scan", "the code", limit=LIMIT)
            wait_for(lambda: daemon.trouble is None, "the end of the trouble")


# ---------------------------------------------------------------------- a database of an earlier version


AT = "2026-01-05T12:00:00.000Z"
OLDER = 6
"""A version of the schema whose update copies all messages."""


def older(path: Path, messages: int) -> None:
    """A database as it was before a message's id was its chat's, with so many messages."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(Database(old, execute_plugins=False), stop_before="m007_identity")
        old.executescript(
            f"""
            PRAGMA journal_mode = WAL;
            BEGIN;
            INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES ('{wire.US}', '{AT}', '{AT}');
            INSERT INTO conversations (account_id, chat, created_at) VALUES (1, '{wire.GROUP}', '{AT}');
            WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {messages})
            INSERT INTO messages (account_id, conversation_id, direction, author, type, body, sent_at, captured_at,
                captured_via, business, truncated, forwarded, stanza_id, wire_t)
            SELECT 1, 1, 'in', 'contact', 'chat', 'hola, tienen mesas?', '{AT}', '{AT}', 'live', 0, 0, 0, n, n FROM n;
            COMMIT;
            """
        )


def version_of(path: Path) -> int:
    """The version of the schema."""
    with closing(sqlite3.connect(path)) as connection:
        [[version]] = connection.execute("PRAGMA user_version")
    return int(version)


@pytest.mark.parametrize("words", [("leads", "rebuild"), ("leads", "stage", "1", "won"), ("leads", "list")])
def test_a_command_leaves_the_update_to_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """A daemon of the earlier version may still be running, and an update may take minutes."""
    path = tmp_path / "state" / "leadmaster.db"
    older(path, 10)
    monkeypatch.setenv("LEADMASTERD_STATE_DIR", str(path.parent))
    assert main([*words]) == 73
    assert "start the daemon once: it updates the schema" in capsys.readouterr().err
    assert version_of(path) == OLDER


def test_a_daemon_says_that_it_updates_its_database(tmp_path: Path) -> None:
    """In the journal when it begins and when it is done; and systemd gives it time."""
    path = tmp_path / "state" / "leadmaster.db"
    older(path, 2000)
    size = math.ceil(path.stat().st_size / 1e6)
    systemd = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    with service_manager(tmp_path) as told, running(tmp_path, path.parent, **systemd) as daemon:
        heard = [told()]
        while "READY=1" not in heard[-1]:
            heard.append(told())
        wait_for(lambda: daemon.status.get("phase") == "waiting_for_scan", "the code")
        assert "database_update" not in daemon.status["concerns"]
    assert any("EXTEND_TIMEOUT_USEC=" in each for each in heard)
    assert any(f"STATUS=the database is updated to this version (2,000 messages, {size} MB)" in each for each in heard)
    told_lines = [line.partition(" ")[2] for line in daemon.log.read_text().splitlines() if "database" in line]
    assert [line.partition(" (")[0].partition(" in ")[0] for line in told_lines] == [
        "the database is updated to this version",
        "the database was updated",
    ]
    assert version_of(path) == SCHEMA_VERSION


def test_an_update_is_no_reason_to_go_on_when_asked_to_stop(tmp_path: Path) -> None:
    """The database is then as it was."""
    path = tmp_path / "state" / "leadmaster.db"
    older(path, 200_000)
    with running(tmp_path, path.parent) as daemon:
        wait_for(lambda: "is updated" in daemon.log.read_text(), "the update", every=0.01)
        assert daemon.status.get("phase", "starting") == "starting"
    assert "was updated" not in daemon.log.read_text()
    assert version_of(path) == OLDER


def test_a_database_that_the_disk_has_no_room_to_update_stays_as_it_is(tmp_path: Path) -> None:
    """The daemon says how much it needs, and goes on once there is room."""
    with small_disk(tmp_path, "32m") as disk:
        path = disk / "state" / "leadmaster.db"
        older(path, 20_000)
        before = path.read_bytes()
        ballast = disk / "ballast"
        room = os.statvfs(disk)
        ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - path.stat().st_size))
        with running(tmp_path, path.parent, **SOON) as daemon:
            wait_for(lambda: daemon.trouble == "database_unusable", "the trouble")
            assert "MB of free disk" in daemon.status["trouble"]["detail"]
            assert path.read_bytes() == before
            ballast.unlink()
            wait_for(lambda: daemon.status.get("phase") == "waiting_for_scan", "the code", limit=LIMIT)
            assert daemon.trouble is None
        assert version_of(path) == SCHEMA_VERSION
