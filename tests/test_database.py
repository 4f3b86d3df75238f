"""Opening the database: automatic migrations, and one clear sentence when the file cannot be used."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlite_utils import Database

from leadmasterd.errors import CannotUseDatabase
from leadmasterd.store import database
from leadmasterd.store.database import Update, open_for_reading, open_for_writing
from leadmasterd.store.schema import SCHEMA_VERSION, migrate
from tests import wire
from tests.captures import opened

PROMISED_TABLES = {
    "messages",
    "message_aliases",
    "raw_events",
    "accounts",
    "contacts",
    "contact_identities",
    "conversations",
    "session_events",
    "gaps",
}


def tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Every table and index with the SQL that made it."""
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
    return {name: sql for name, sql in rows if name != "_sqlite_migrations"}


def make_newer(path: Path) -> None:
    open_for_writing(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def make_another_programs(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (id)")


def make_text(path: Path) -> None:
    path.write_text("these are notes, and no database at all\n" * 50)


def make_folder(path: Path) -> None:
    path.mkdir()


UNUSABLE: list[tuple[str, Callable[[Path], None], str]] = [
    ("text", make_text, "it is not an SQLite database"),
    ("another program's", make_another_programs, "it is a database of another program (it has the table invoices)"),
    ("newer", make_newer, "it was written by a newer leadmasterd (schema 99"),
    ("a folder", make_folder, "it is a folder"),
]


@pytest.mark.parametrize(("make", "why"), [row[1:] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
@pytest.mark.parametrize("opening", [open_for_writing, open_for_reading])
def test_a_file_that_can_not_be_used_is_one_clear_sentence(
    tmp_path: Path, opening: Callable[[Path], sqlite3.Connection], make: Callable[[Path], None], why: str
) -> None:
    """It names the file, the problem and what to do, and the file is unchanged."""
    path = tmp_path / "leadmaster.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(CannotUseDatabase) as refused:
        opening(path)
    text = str(refused.value)
    assert text.startswith("cannot ")
    assert str(path) in text
    assert why in text
    assert "\n" not in text
    assert before is None or path.read_bytes() == before


def test_an_empty_file_becomes_ours(tmp_path: Path) -> None:
    """It cannot be another program's database."""
    path = tmp_path / "leadmaster.db"
    path.touch()
    with closing(open_for_writing(path)) as connection:
        assert tables(connection).keys() >= PROMISED_TABLES
        assert connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION


@pytest.mark.parametrize("was_there", [False, True])
def test_a_new_file_that_can_not_be_prepared_is_not_left_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, was_there: bool
) -> None:
    """On a full disk, say. It would be taken for one that was emptied."""
    path = tmp_path / "leadmaster.db"
    if was_there:
        path.touch()

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(database, "_prepare", fail)
    with pytest.raises(CannotUseDatabase):
        open_for_writing(path)
    assert path.exists() == was_there


def test_a_new_file_and_its_folder_are_ours_alone(tmp_path: Path) -> None:
    """Files have mode 0600 and directories 0700, whatever the umask."""
    path = tmp_path / "deep" / "leadmaster.db"
    before = os.umask(0)
    try:
        open_for_writing(path).close()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_every_table_is_strict(tmp_path: Path) -> None:
    """A value of the wrong type is refused, not converted."""
    with closing(open_for_writing(tmp_path / "leadmaster.db")) as connection:
        for name, sql in tables(connection).items():
            assert not sql or not sql.startswith("CREATE TABLE") or "STRICT" in sql, name


@pytest.mark.parametrize("version", range(SCHEMA_VERSION))
def test_every_older_version_comes_up_to_date(tmp_path: Path, version: int) -> None:
    """It then has the same tables as a new file."""
    path, fresh = tmp_path / "old.db", tmp_path / "new.db"
    make_older(path, version)
    with closing(open_for_writing(path)) as migrated, closing(open_for_writing(fresh)) as new:
        assert tables(migrated) == tables(new)
        assert migrated.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("version", range(SCHEMA_VERSION))
def test_an_update_that_fails_at_its_last_statement_leaves_the_file_as_it_was(tmp_path: Path, version: int) -> None:
    """The next opening brings it up to date. In sqlite-utils `with db.conn` would not hold the statements together."""
    path, fresh = tmp_path / "old.db", tmp_path / "new.db"
    make_older(path, version)

    def refuse(action: int, name: str | None, value: str | None, *_: object) -> int:
        set_version = action == sqlite3.SQLITE_PRAGMA and name == "user_version" and value is not None
        return sqlite3.SQLITE_DENY if set_version else sqlite3.SQLITE_OK

    with closing(sqlite3.connect(path, isolation_level=None)) as broken:
        before = tables(broken)
        broken.set_authorizer(refuse)
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            migrate(Database(broken, execute_plugins=False))
        broken.set_authorizer(None)
        assert tables(broken) == before
        assert broken.execute("PRAGMA user_version").fetchone() == (version,)
    with closing(open_for_writing(path)) as migrated, closing(open_for_writing(fresh)) as new:
        assert tables(migrated) == tables(new)


def test_an_update_is_told_before_it_begins(tmp_path: Path) -> None:
    """With how much there is; a new file is none, nor is one of this version."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    make_older(old, 6)
    size = old.stat().st_size
    told: list[Update] = []
    for path in (old, new, old):
        open_for_writing(path, on_update=told.append).close()
    assert told == [Update(messages=0, size=size)]


def test_conversations_of_an_older_version_wait_to_be_judged(tmp_path: Path) -> None:
    """Messages captured before leads existed get leads; groups do not."""
    path = tmp_path / "old.db"
    make_older(path, 1)
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES ('1@c.us', 'a', 'a')")
        old.execute("INSERT INTO contacts (created_at, updated_at) VALUES ('a', 'b')")
        old.execute("INSERT INTO conversations (account_id, contact_id, chat, created_at) VALUES (1, 1, '2@c.us', 'a')")
        old.execute("INSERT INTO conversations (account_id, chat, created_at) VALUES (1, '3@g.us', 'a')")
    with closing(open_for_writing(path)) as migrated:
        assert migrated.execute("SELECT conversation_id FROM unjudged").fetchall() == [(1,)]


def test_what_nobody_typed_is_no_answer_after_the_migration(tmp_path: Path) -> None:
    """Messages keep their ids and all that refers to them, and the constraint knows the new authors and no others."""
    path = tmp_path / "old.db"
    make_older(path, 3)
    sent = [
        ("out", "chat"),
        ("out", "pinned_message"),
        ("out", "hsm"),
        ("in", "automated_greeting_message"),
        ("in", "chat"),
    ]
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES ('1@c.us', 'a', 'a')")
        old.execute("INSERT INTO conversations (account_id, chat, created_at) VALUES (1, '2@c.us', 'a')")
        for number, (direction, type_) in enumerate(sent, 11):
            old.execute(
                "INSERT INTO messages (message_id, account_id, conversation_id, direction, author, type, sent_at, "
                "captured_at, captured_via, business, truncated, forwarded, stanza_id) "
                "VALUES (?1, 1, 1, ?2, iif(?2 = 'in', 'contact', 'operator'), ?3, 'a', 'a', 'live', 0, 0, 0, ?1)",
                (number, direction, type_),
            )
            old.execute("INSERT INTO message_aliases (message_id, remote) VALUES (?, '2@c.us')", (number,))
    with closing(open_for_writing(path)) as migrated:
        authors = migrated.execute("SELECT message_id, author FROM messages ORDER BY message_id").fetchall()
        assert authors == [(11, "operator"), (12, "system"), (13, "api"), (14, "system"), (15, "contact")]
        assert migrated.execute("SELECT count(*) FROM message_aliases").fetchone() == (5,)
        for author in ("mailing", "assistant", "system"):
            migrated.execute("UPDATE messages SET author = ? WHERE message_id = 11", (author,))
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            migrated.execute("UPDATE messages SET author = 'somebody'")
        assert migrated.execute("PRAGMA integrity_check").fetchone() == ("ok",)


_OF_VERSION_6 = """
INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES ('5491155550100@c.us', 'a', 'a');
INSERT INTO contacts (created_at, updated_at) VALUES ('a', 'b'), ('a', 'b');
INSERT INTO contact_identities (contact_id, kind, value, first_seen_at)
VALUES (1, 'wa_jid', '5491155550001@c.us', 'a'), (2, 'wa_jid', '5491155550002@c.us', 'a');
INSERT INTO conversations (account_id, contact_id, chat, created_at)
VALUES (1, 1, '5491155550001@c.us', 'a'), (1, 2, '5491155550002@c.us', 'a'), (1, NULL, '1@g.us', 'a');
INSERT INTO messages (message_id, account_id, conversation_id, direction, author, type, body, sent_at, captured_at,
    captured_via, readable_at, sender, business, truncated, forwarded, stanza_id, group_id, variant, wire_t)
VALUES (3, 1, 1, 'in', 'contact', 'chat', 'hola', 'a', 'a', 'live', 'a', 'ana', 0, 0, 0, 'X', '', 0, 100),
       (4, 1, 2, 'in', 'contact', 'chat', 'later', 'a', 'a', 'live', 'a', 'beto', 0, 0, 0, 'X', '', 1, 9000),
       (5, 1, 3, 'in', 'contact', 'chat', 'group', 'a', 'a', 'live', 'a', '77:3@lid', 0, 0, 0, 'X', '1@g.us', 0, 100),
       (9, 1, 1, 'out', 'operator', 'chat', 'gone', 'a', 'a', 'live', 'a', NULL, 0, 0, 0, 'Y', '', 0, NULL);
DELETE FROM messages WHERE message_id = 9;
INSERT INTO message_aliases
VALUES (3, '5491155550001@c.us', ''), (3, '5491155550002@c.us', ''), (5, '1@g.us', '77:3@lid');
INSERT INTO message_versions (message_id, changed_at, change, type_before, body_before)
VALUES (3, 'a', 'edit', 'chat', 'ola');
INSERT INTO reactions (account_id, stanza_id, group_id, sender, from_me, message_id, emoji, reacted_at)
VALUES (1, 'X', '', 'me', 1, 3, '+', 'a'), (1, 'X', '1@g.us', 'me', 1, NULL, '-', 'a'),
       (1, 'UNKNOWN', '', 'me', 1, NULL, '-', 'a');
INSERT INTO calls (account_id, conversation_id, call_id, started_at, outgoing, answered, video)
VALUES (1, 1, 'C', 'a', 0, 1, 0);
INSERT INTO raw_events (account_id, message_id, captured_at, line) VALUES (1, 3, 'a', 'the line');
INSERT INTO leads (contact_id, conversation_id, stage, intent, topics, source, opened_at, opened_by_message_id,
    stage_at, last_message_at, created_at, updated_at)
VALUES (1, 1, 'new', 'price', '[]', 'message', 'a', 3, 'a', 'a', 'a', 'a');
INSERT INTO sent_bodies VALUES (4, 2, 'key', 'a', 0, 0);
"""


def test_messages_of_an_older_version_keep_their_ids_and_all_that_refers_to_them(tmp_path: Path) -> None:
    """Their table is made anew, and dropping the old one deletes nothing."""
    path = tmp_path / "old.db"
    make_older(path, 6)
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(_OF_VERSION_6)
    with closing(open_for_writing(path)) as now:
        assert now.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert now.execute("PRAGMA foreign_key_check").fetchall() == []
        messages = "SELECT message_id, body, participant, variant FROM messages ORDER BY 1"
        assert now.execute(messages).fetchall() == [(3, "hola", "", 0), (4, "later", "", 0), (5, "group", "77@lid", 0)]
        for table in ("message_versions", "raw_events"):
            assert now.execute(f"SELECT message_id FROM {table}").fetchall() == [(3,)], table
        assert now.execute("SELECT count(*) FROM message_aliases").fetchone() == (3,)
        assert now.execute("SELECT opened_by_message_id FROM leads").fetchall() == [(3,)]
        assert now.execute("SELECT message_id FROM sent_bodies").fetchall() == [(4,)]
        assert now.execute("SELECT conversation_id, answered FROM calls").fetchall() == [(1, 1)]
        reactions = "SELECT conversation_id, direction, participant, message_id, emoji FROM reactions ORDER BY 1"
        assert now.execute(reactions).fetchall() == [(1, "in", "", 3, "+"), (3, "in", "77@lid", None, "-")]


def test_calls_that_only_their_line_tells_of_are_known_after_the_update(tmp_path: Path) -> None:
    """Version 14 did not tell them from those that rang. Where a row says more than the line, it rang."""
    path = tmp_path / "old.db"
    make_older(path, 6)
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(_OF_VERSION_6)
        for stanza, answered in (("LINE", "false"), ("MORE", "false"), ("LATER", "true")):
            old.execute(
                "INSERT INTO messages (account_id, conversation_id, direction, author, type, sent_at, captured_at, "
                "captured_via, sender, business, truncated, forwarded, stanza_id, group_id, details) "
                "VALUES (1, 1, 'in', 'contact', 'call_log', 'b', 'b', 'live', 'ana', 0, 0, 0, ?, '', ?)",
                (stanza, f'{{"call": {{"answered": {answered}}}}}'),
            )
        old.execute(
            "INSERT INTO calls (account_id, conversation_id, call_id, started_at, outgoing, answered, video) "
            "VALUES (1, 1, 'LINE', 'b', 0, 0, 0), (1, 1, 'MORE', 'b', 0, 1, 0), (1, 1, 'LATER', 'a', 0, 1, 0)"
        )
    with closing(open_for_writing(path)) as now:
        assert now.execute("SELECT call_id, rang FROM calls ORDER BY 1").fetchall() == [
            ("C", 1),
            ("LATER", 1),
            ("LINE", 0),
            ("MORE", 1),
        ]


def test_after_the_update_no_id_is_used_again_and_whose_words_were_lost_is_heard(tmp_path: Path) -> None:
    """The older version had taken Beto's message for a copy of Ana's; the next sweep that reads it brings it."""
    path = tmp_path / "old.db"
    make_older(path, 6)
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(_OF_VERSION_6)
    beto = wire.message("X", chat=wire.BETO, t=130, body="what Beto wrote", via="sweep")
    ana = wire.message("X", chat=wire.ANA, t=100, body="hola", via="sweep")
    member = wire.message("X", chat="1@g.us", participant="77@lid", t=100, body="group", via="sweep")
    with opened(path) as store:
        store.write(beto, ana, member)
        assert store.rows("SELECT message_id, conversation_id, body FROM messages WHERE message_id > 5") == [
            (10, 2, "what Beto wrote")
        ]
        assert store.one("SELECT count(*) FROM messages") == 4


def make_older(path: Path, version: int) -> None:
    """A file as an earlier version left it."""
    newer = {
        0: "m001_capture",
        1: "m002_leads",
        2: "m003_touches",
        3: "m004_touches_of_more_kinds",
        4: "m005_sent_bodies",
        5: "m006_marks",
        6: "m007_identity",
        7: "m008_outbox",
        8: "m009_swept_chat",
        9: "m010_decisions",
        10: "m011_stages",
        11: "m012_words",
        12: "m013_checkpoints",
        13: "m014_raw_blocks",
        14: "m015_rang",
    }
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(Database(old, execute_plugins=False), stop_before=newer[version])
        assert old.execute("PRAGMA user_version").fetchone() == (version,)


def test_migrating_twice_is_nothing(tmp_path: Path) -> None:
    """The second run finds the record of the first."""
    with closing(open_for_writing(tmp_path / "leadmaster.db")) as connection:
        before = tables(connection)
        migrate(Database(connection, execute_plugins=False))
        assert tables(connection) == before


def test_what_was_captured_survives_another_opening(tmp_path: Path) -> None:
    """Opening the file deletes nothing."""
    path = tmp_path / "leadmaster.db"
    with closing(open_for_writing(path)) as connection:
        connection.execute("INSERT INTO contacts (created_at, updated_at) VALUES ('a', 'b')")
    with closing(open_for_writing(path)) as connection:
        assert connection.execute("SELECT count(*) FROM contacts").fetchone()[0] == 1


def test_reading_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    """A reading command creates no file."""
    with pytest.raises(FileNotFoundError):
        open_for_reading(tmp_path / "leadmaster.db")
    assert list(tmp_path.iterdir()) == []


def test_reading_an_older_schema_says_what_to_do(tmp_path: Path) -> None:
    """Only the daemon migrates."""
    path = tmp_path / "leadmaster.db"
    path.touch()
    with pytest.raises(CannotUseDatabase, match="start the daemon once"):
        open_for_reading(path)


def test_a_reader_can_not_write(tmp_path: Path) -> None:
    """The connection itself is read-only."""
    path = tmp_path / "leadmaster.db"
    open_for_writing(path).close()
    with closing(open_for_reading(path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM messages")


def test_a_database_locked_by_another_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be queued at start, so a person has to close that program."""
    path = tmp_path / "leadmaster.db"
    open_for_writing(path).close()
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, **{**more, "timeout": 0.05}))
    with closing(connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CannotUseDatabase, match="another program holds it locked; close that program"):
            open_for_writing(path)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A disk mounted read-only; root ignores permissions."""
    for command in (["--bind", str(folder), str(folder)], ["-o", "remount,ro,bind", str(folder)]):
        done = subprocess.run(["mount", *command], check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("there", [True, False], ids=["with the file", "without it"])
def test_a_read_only_disk_is_told_at_start(tmp_path: Path, there: bool) -> None:
    """The error does not wait for the first message."""
    folder = tmp_path / "disk"
    folder.mkdir()
    path = folder / "leadmaster.db"
    if there:
        open_for_writing(path).close()
    with read_only(folder), pytest.raises(CannotUseDatabase, match=r"cannot (write|use) .*leadmaster\.db"):
        open_for_writing(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop root")
def test_a_file_we_may_not_write_is_told_at_start(tmp_path: Path) -> None:
    """The error does not wait for the first message."""
    path = tmp_path / "leadmaster.db"
    open_for_writing(path).close()
    path.chmod(0o400)
    with pytest.raises(CannotUseDatabase, match="cannot write"):
        open_for_writing(path)
