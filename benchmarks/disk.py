"""Bytes on disk a message, with leads and search: raw lines in the open, over a day old, and past their time.

`python -m benchmarks.disk 50000` measures with fewer messages, and prints what each table and index takes.
"""

import json
import random
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.leads import projection_worker
from leadmasterd.capture import CapturedMessage, CaptureFilter, CaptureRules
from leadmasterd.classify.loading import EXAMPLES, PACKAGED
from leadmasterd.store.database import open_for_writing
from leadmasterd.store.disk_upkeep import DiskUpkeep
from leadmasterd.store.records import Item
from leadmasterd.store.rows import Rows
from leadmasterd.store.word_index import WordIndex
from leadmasterd.store.writer import IdleWork
from leadmasterd.times import iso
from leadmasterd.wire.decode import decode_line
from leadmasterd.wire.events import Account, Message
from tests import wire

MESSAGES = 1_000_000
EACH = 20
"""Messages of one contact."""
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
BETWEEN = timedelta(seconds=25)
IN_A_BATCH = 500
_ANSWERS = ("Sí, hay! Sale {number}", "Hola! Te paso el precio: {number}", "Dale, te espero a las {number}")


def run(messages: int = MESSAGES, *, show_objects: bool = False) -> list[Figure]:
    """As capture writes them, then leads and the index of words; then the daemon's own idle work as time goes by."""
    with tempfile.TemporaryDirectory(prefix="leadmasterd-bench-") as name:
        path = Path(name) / "leadmaster.db"
        with closing(open_for_writing(path)) as db:
            db.execute("PRAGMA synchronous = OFF")
            _capture(db, messages)
            ended = START + BETWEEN * messages
            _finish(db, projection_worker(path)(db))
            _finish(db, WordIndex(db, lag=1))
            opened = _taken(db, path, messages, show_objects=show_objects)
            packing = _finish(db, DiskUpkeep(db, days=0, clock=lambda: ended + timedelta(days=3)))
            packed = _taken(db, path, messages, show_objects=show_objects)
            lived = count(step=30 * 86400.0)
            dropping = _finish(
                db,
                DiskUpkeep(db, days=7, clock=lambda: ended + timedelta(days=30), elapsed=lambda: next(lived)),
            )
            gone = _taken(db, path, messages, show_objects=show_objects)
    what = f"bytes on disk a message, {messages:,} messages with leads and search"
    longest = max(packing.longest, dropping.longest) * 1000
    return [
        Figure(
            name=f"{what}, raw lines in the open",
            number=opened,
            unit="bytes",
            measured=f"{opened:,.0f} bytes",
            promised="",
            held=True,
        ),
        _share(f"{what}, raw lines over a day old, against in the open", packed, opened, limit=0.6),
        _share(f"{what}, raw lines past their time, against in the open", gone, opened, limit=0.45),
        Figure(
            name=f"packing {messages:,} raw lines and giving back the space: the longest step",
            number=longest,
            unit="ms",
            measured=f"{longest:.0f} ms ({packing.seconds:.0f} s in {packing.steps:,} steps; dropping them "
            f"{dropping.seconds:.0f} s in {dropping.steps:,})",
            promised="",
            held=True,
        ),
    ]


def _share(name: str, number: float, of: float, *, limit: float) -> Figure:
    share = number / of
    return Figure(
        name=name,
        number=share,
        unit="x",
        measured=f"{share:.2f}x ({number:,.0f} bytes)",
        promised=f"at most {limit}x",
        held=share <= limit,
    )


def _capture(db: sqlite3.Connection, messages: int) -> None:
    """Through decoding, the capture decision and the store's own rows."""
    rows, rules = Rows(db), CaptureFilter(CaptureRules())
    batch = [Item(Account("5491155550100@c.us", None, "Tienda", "android"), None, iso(START))]
    for at, line in _lines(messages):
        event, kept = decode_line(line.encode())
        assert isinstance(event, Message), event
        captured = rules.decide(event, at)
        assert isinstance(captured, CapturedMessage), captured
        batch.append(Item(captured, kept, iso(at)))
        if len(batch) >= IN_A_BATCH:
            _write(db, rows, batch)
            batch = []
    _write(db, rows, batch)


def _write(db: sqlite3.Connection, rows: Rows, batch: list[Item]) -> None:
    db.execute("BEGIN IMMEDIATE")
    rows.remember()
    rows.apply(batch)
    db.execute("COMMIT")


def _lines(messages: int) -> Iterator[tuple[datetime, str]]:
    """No text twice, and in the record what the page's has: ids, times and 32 random bytes of a secret."""
    draw = random.Random(1)
    texts = [
        text
        for line in (PACKAGED / EXAMPLES).read_text(encoding="utf-8").splitlines()
        for text in json.loads(line)["texts"]
    ]
    words = [word for text in texts for word in re.findall(r"[^\W\d_]{4,}", text.lower())]
    names = [word.title() for word in draw.sample(words, 500)]
    contacts = max(1, messages // EACH)
    for number in range(messages):
        contact, step = number % contacts, number // contacts
        at = START + BETWEEN * number
        mine = step % 3 == 2
        chat = f"54911{contact + 10_000_000}@c.us"
        if mine:
            body = draw.choice(_ANSWERS).format(number=draw.randrange(10_000, 99_999)) + f" {draw.choice(words)}"
        else:
            body = f"{draw.choice(texts)} {' '.join(draw.sample(words, 3))} {draw.randrange(1000)}"
        yield at, _line(draw, number=number, chat=chat, mine=mine, at=at, body=body, name=names[contact % len(names)])


def _line(draw: random.Random, *, number: int, chat: str, mine: bool, at: datetime, body: str, name: str) -> str:
    """Some 1,250 bytes."""
    stanza = f"{'3A' if mine else '3EB0'}{draw.randbytes(9).hex().upper()}"
    t, received = int(at.timestamp()) - 1, int(at.timestamp() * 1000) - draw.randrange(900)
    sender, to = (wire.US, chat) if mine else (chat, wire.US)
    record = {
        "id": {"fromMe": mine, "remote": chat, "id": stanza, "self": "out" if mine else "in"},
        "rowId": 1_000_000_000 + number,
        "body": body,
        "type": "chat",
        "t": t,
        "clientReceivedTsMillis": received,
        "notifyName": None if mine else name,
        "from": sender,
        "to": to,
        "ack": 3 if mine else 1,
        "invis": False,
        "isNewMsg": True,
        "kicNotified": False,
        "messageSecret": {str(place): value for place, value in enumerate(draw.randbytes(32))},
    }
    message = wire.message(
        stanza,
        chat=chat,
        mine=mine,
        t=t,
        body=body,
        seq=number + 2,
        at=received + 5,
        notify_name=None if mine else name,
        contact=wire.contact(phone=chat),
        data=record,
    )
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class _Done:
    """Idle work that is done: how many steps it took, how many seconds, and the longest of them with its commit."""

    steps: int
    seconds: float
    longest: float


def _finish(db: sqlite3.Connection, work: IdleWork) -> _Done:
    steps, longest, began, more = 0, 0.0, time.perf_counter(), True
    while more:
        step = time.perf_counter()
        db.execute("BEGIN IMMEDIATE")
        more = work.step()
        db.execute("COMMIT")
        work.done()
        longest = max(longest, time.perf_counter() - step)
        steps += 1
    return _Done(steps, time.perf_counter() - began, longest)


def _taken(db: sqlite3.Connection, path: Path, messages: int, *, show_objects: bool) -> float:
    """Bytes of the file a message."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if show_objects:
        print(f"\n| table or index | bytes a message |\n|---|---|\n{_objects(db, messages)}")
    return path.stat().st_size / messages


def _objects(db: sqlite3.Connection, messages: int) -> str:
    found = db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC").fetchall()
    [[free]] = db.execute("SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")
    rows = [(f"`{name}`", size) for name, size in found if size >= messages]
    rows += [("all others", sum(size for _, size in found if size < messages)), ("unused", free)]
    return "\n".join(f"| {name} | {size / messages:,.1f} |" for name, size in rows)


if __name__ == "__main__":
    for figure in run(int(sys.argv[1]) if sys.argv[1:] else MESSAGES, show_objects=True):
        print(f"{figure.name}: {figure.measured}")
