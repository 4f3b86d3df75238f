"""The order of `leads list`, against the same order worked out in Python from the tables."""

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadmasterd.queries.leads import AsOf, leads
from leadmasterd.store.database import open_for_writing

NOW = AsOf(datetime(2026, 11, 1, tzinfo=UTC), stale_days=3, dormant_days=30)


def at(minute: int) -> str:
    return f"2026-10-01T10:{minute:02}:00.000Z"


def fill(db: sqlite3.Connection, chance: random.Random) -> None:
    """Thirty leads: some wait, some in two chats at once, some waited before, some are closed; times collide."""
    db.execute("INSERT INTO accounts (wid, first_linked_at, last_ready_at) VALUES ('5@c.us', ?, ?)", (at(0), at(0)))
    chats = iter(range(1, 1000))
    for lead in range(1, 31):
        number = chance.choice((1, 1, 1, 2))
        waits = [at(chance.randrange(10)) if chance.random() < 0.4 else None for _ in range(number)]
        opened: list[int] = []
        for wait in waits:
            chat = next(chats)
            db.execute("INSERT INTO contacts (created_at, updated_at) VALUES (?, ?)", (at(0), at(0)))
            db.execute(
                "INSERT INTO conversations (account_id, contact_id, chat, created_at, waiting_since) "
                "VALUES (1, ?, ?, ?, ?)",
                (chat, f"54911555500{chat:02}@c.us", at(0), wait),
            )
            if not opened:
                closed = at(59) if wait is None and chance.random() < 0.3 else None
                db.execute(
                    "INSERT INTO leads VALUES (?, ?, ?, 'new', 'price', '[]', 'message', ?, NULL, ?, ?, 0, NULL, NULL, "
                    "NULL, NULL, NULL, NULL, ?, ?, ?)",
                    (lead, chat, chat, at(0), at(0), closed, at(chance.randrange(10)), at(0), at(0)),
                )
            opened.append(chat)
            cycles = [(at(chance.randrange(10, 20)), at(30))] if chance.random() < 0.5 else []
            for began, ended in [*cycles, *([(wait, None)] if wait else [])]:
                db.execute(
                    "INSERT INTO waiting_cycles (conversation_id, lead_id, kind, started_at, ended_at) "
                    "VALUES (?, ?, 'next', ?, ?)",
                    (chat, lead, began, ended),
                )


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("closed_too", [False, True])
def test_each_lead_is_listed_once_and_the_longest_wait_first(tmp_path: Path, seed: int, closed_too: bool) -> None:
    """Whatever the limit, and however many chats of one person wait."""
    with closing(open_for_writing(tmp_path / "leadmaster.db")) as db:
        fill(db, random.Random(seed))
        every = dict(
            db.execute("SELECT lead_id, last_message_at FROM leads WHERE closed_at IS NULL OR ?", (closed_too,))
        )
        since = dict(
            db.execute("SELECT lead_id, min(started_at) FROM waiting_cycles WHERE ended_at IS NULL GROUP BY lead_id")
        )
        longest = sorted((lead for lead in every if lead in since), key=lambda lead: (since[lead], lead))
        latest = sorted(every, key=lambda lead: (every[lead], lead), reverse=True)
        silent = [lead for lead in latest if lead not in since]
        for limit in (1, 5, 100):
            for waiting, expected in ((True, longest), (False, silent), (None, latest)):
                found = leads(db, NOW, limit=limit, closed_too=closed_too, waiting=waiting)
                assert [each["lead_id"] for each in found] == expected[:limit]
