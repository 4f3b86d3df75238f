"""A database of a million messages and fifty thousand contacts: capture, `status` and the commands for leads."""

import asyncio
import gc
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.bodies import Bodies
from benchmarks.burst import capture
from benchmarks.burst import raw as raw_seconds
from benchmarks.figures import Figure
from benchmarks.leads import idle_work, projection_worker
from benchmarks.lines import CHATS, chat_of, write_lines
from leadmasterd.queries.search import search
from leadmasterd.store.database import open_for_reading, open_for_writing
from leadmasterd.store.word_index import fill
from leadmasterd.times import iso

CONTACTS = 50_000
MESSAGES_EACH = 20
MESSAGES = CONTACTS * MESSAGES_EACH
LINES = 20_000
RUNS = 31
SEARCHES = ("hola", "h", "a", "precio envio", "heladera", "zzz", "ana", "11 1000", "+54 9 11 1000-0777", "hola zzz")
START = datetime(2026, 1, 5, 12, tzinfo=UTC)


def run() -> list[Figure]:
    """Making such a database takes minutes."""
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
        folder = Path(name)
        empty, full = folder / "empty", folder / "full"
        for place in (empty, full):
            place.mkdir()
            open_for_writing(place / "leadmaster.db").close()
        write_history(full / "leadmaster.db")
        rebuilt = rebuild(full / "leadmaster.db")
        indexed = index(full / "leadmaster.db")
        burst = _burst(folder, full / "leadmaster.db")
        return [rebuilt, indexed, burst, _searches(empty, full), *_commands(empty, full)]


def write_history(database: Path, *, contacts: int = CONTACTS) -> None:
    """Straight into the tables: invented messages, no text twice; a tenth of the contacts still waits for an answer."""
    with closing(open_for_writing(database)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.execute(
            "INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES ('5491155550100@c.us', ?, ?)",
            (iso(START), iso(START)),
        )
        for contact in range(1, contacts + 1):
            chat = _chat_of(contact)
            at = iso(START)
            phone = chat.removesuffix("@c.us")
            db.execute(
                "INSERT INTO contacts (push_name, phone, match_key, created_at, updated_at) VALUES ('Ana', ?, ?, ?, ?)",
                (f"+{phone}", phone.replace("549", "54", 1), at, at),
            )
            db.execute(
                "INSERT INTO contact_identities (contact_id, kind, value, first_seen_at) VALUES (?, 'wa_jid', ?, ?)",
                (contact, chat, at),
            )
            db.execute(
                "INSERT INTO conversations (account_id, contact_id, chat, created_at) VALUES (1, ?, ?, ?)",
                (contact, chat, at),
            )
        db.executemany(
            "INSERT INTO messages (account_id, conversation_id, direction, author, type, body, sent_at, captured_at, "
            "captured_via, readable_at, business, truncated, forwarded, stanza_id, wire_t) "
            "VALUES (1, ?, ?, ?, 'chat', ?, ?, ?, 'live', ?, 0, 0, 0, ?, ?)",
            _messages(contacts),
        )
        db.execute(
            "INSERT INTO message_aliases SELECT message_id, chat, '' "
            "FROM messages JOIN conversations USING (conversation_id)"
        )
        db.execute("INSERT INTO unjudged (conversation_id) SELECT conversation_id FROM conversations")
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _chat_of(contact: int) -> str:
    """The first 500 are the chats of the burst."""
    return chat_of(contact - 1) if contact <= CHATS else f"54911{contact + 10_000_000}@c.us"


def _messages(contacts: int) -> Iterator[tuple[object, ...]]:
    bodies = Bodies()
    number = 0
    for step in range(MESSAGES_EACH):
        for contact in range(1, contacts + 1):
            number += 1
            ours = step % 3 == 2 or (step == MESSAGES_EACH - 1 and contact % 10 != 0)
            moment = START + timedelta(days=step * 15, seconds=contact * 20 + (60 if ours else 0))
            at = iso(moment)
            body = bodies.answered() if ours else bodies.asked()
            direction, author = ("out", "operator") if ours else ("in", "contact")
            yield contact, direction, author, body, at, at, at, f"3EB0{number:016X}", int(moment.timestamp())


def rebuild(database: Path, *, contacts: int = CONTACTS) -> Figure:
    """What the daemon does with messages that no lead was made from yet: the whole history of every contact."""
    messages = contacts * MESSAGES_EACH
    with closing(open_for_writing(database)) as db:
        work = projection_worker(database)(db)
        gc.collect()
        gc.freeze()  # as the daemon does
        began, more = time.perf_counter(), True
        while more:
            db.execute("BEGIN IMMEDIATE")
            more = work.step()
            db.execute("COMMIT")
            work.done()
        took = time.perf_counter() - began
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (waiting,) = db.execute("SELECT count(*) FROM conversations WHERE waiting_since IS NOT NULL").fetchone()
    return Figure(
        name=f"rebuilding the leads of {contacts:,} contacts from {messages:,} messages, no body twice",
        number=took,
        unit="s",
        measured=f"{took:.0f} s ({messages / took:,.0f} messages/s; {waiting:,} contacts wait)",
        promised="",
        held=waiting > 0,
    )


def index(database: Path) -> Figure:
    """What the daemon does in its idle time after an update from a version without the index of words."""
    with closing(open_for_writing(database)) as db:
        before = database.stat().st_size
        longest, began, more = 0.0, time.perf_counter(), True
        while more:
            step = time.perf_counter()
            db.execute("BEGIN IMMEDIATE")
            more = fill(db, least=1)
            db.execute("COMMIT")
            longest = max(longest, time.perf_counter() - step)
        took = time.perf_counter() - began
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    grown = database.stat().st_size / before - 1
    return Figure(
        name=f"indexing the words of {MESSAGES:,} messages",
        number=took,
        unit="s",
        measured=f"{took:.0f} s (longest step {longest * 1000:.0f} ms; the file grows by {grown:.0%})",
        promised="",
        held=True,
    )


def _searches(empty: Path, full: Path) -> Figure:
    """The slowest of what people type, against the same on an empty database."""
    slowest, of = 0.0, ""
    for typed in SEARCHES:
        on_empty, on_full = [], []
        for _ in range(RUNS):
            on_empty.append(_search(empty, typed))
            on_full.append(_search(full, typed))
        later = statistics.median(on_full) - statistics.median(on_empty)
        if later > slowest:
            slowest, of = later, typed
    return Figure(
        name=f"a search in {MESSAGES:,} messages and {CONTACTS:,} contacts, later than in an empty database",
        number=slowest * 1000,
        unit="ms",
        measured=f"{slowest * 1000:.0f} ms (`{of}`, the slowest of {len(SEARCHES)})",
        promised="at most 150 ms",
        held=slowest <= 0.15,
    )


def _search(state_dir: Path, typed: str) -> float:
    began = time.perf_counter()
    with closing(open_for_reading(state_dir / "leadmaster.db")) as db:
        search(db, typed, country="AR")
    return time.perf_counter() - began


def _burst(folder: Path, database: Path) -> Figure:
    """A burst into that database with leads on, against the same rows into the same file."""
    lines = folder / "lines"
    write_lines(lines, LINES)
    ratios = []
    for _ in range(3):
        ours, raw = folder / "ours.db", folder / "raw.db"
        for copy in (ours, raw):
            shutil.copy(database, copy)
        ours_seconds = asyncio.run(capture(lines, ours, idle_work(ours))).seconds
        ratios.append(ours_seconds / raw_seconds(ours, raw, since=database))
        for copy in (ours, raw):
            for suffix in ("", "-wal", "-shm"):
                Path(f"{copy}{suffix}").unlink(missing_ok=True)
    ratio = statistics.median(ratios)
    return Figure(
        name=f"burst of {LINES:,} lines on top of {MESSAGES:,}, leads on, against raw executemany",
        number=ratio,
        unit="x",
        measured=f"1/{ratio:.1f}",
        promised="at least 1/8",
        held=ratio <= 8,
    )


def _commands(empty: Path, full: Path) -> list[Figure]:
    """Medians, each measured in turn with what it is compared with."""
    on_empty, on_full, only_help, waiting, listed = [], [], [], [], []
    for _ in range(RUNS):
        on_empty.append(_seconds(["status"], empty))
        on_full.append(_seconds(["status"], full))
        only_help.append(_seconds(["leads", "--help"], full))
        waiting.append(_seconds(["leads", "waiting"], full))
        listed.append(_seconds(["leads", "list"], full))
    small, large, base = (statistics.median(times) for times in (on_empty, on_full, only_help))
    ratio = large / small
    figures = [
        Figure(
            name=f"`status` with {MESSAGES:,} messages, against an empty database",
            number=ratio,
            unit="x",
            measured=f"{ratio:.2f}x ({large * 1000:.0f} ms)",
            promised="at most 1.5x",
            held=ratio <= 1.5,
        )
    ]
    for words, times in (("leads waiting", waiting), ("leads list", listed)):
        more = (statistics.median(times) - base) * 1000
        figures.append(
            Figure(
                name=f"`{words}` with {MESSAGES:,} messages, time beyond `--help`",
                number=more,
                unit="ms",
                measured=f"{more:.0f} ms",
                promised="below 200 ms",
                held=more < 200,
            )
        )
    return figures


def _seconds(words: Sequence[str], state_dir: Path) -> float:
    environment = {**os.environ, "LEADMASTERD_STATE_DIR": str(state_dir)}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "leadmasterd", *words], env=environment, capture_output=True, check=False
    )
    took = time.perf_counter() - began
    assert done.returncode in (0, 3), done.stderr.decode()
    return took
