"""`alerts.db`: the open episodes, what is to be told, and what was told to whom.

All that is not settled is kept in memory too, and what changed is written at the next `flush`. So a full disk, or a
file that was damaged or deleted, keeps nobody from being told: it is written again once that is possible. A damaged
file is put aside.
"""

import contextlib
import json
import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from leadmasterd import times
from leadmasterd.alerts.episodes import OPEN, SPAN, Episode, Fate, Key, Ledger, Told, Waiting, What
from leadmasterd.alerts.kinds import Kind, Text
from leadmasterd.queries.alert_history import VERSION
from leadmasterd.store.database import is_damage, words_of

log = logging.getLogger(__name__)

KEPT: Final = 1_000
"""Notes that are settled, and ended episodes. Older ones are deleted."""
MOST_UNTOLD: Final = 1_000
"""Notes that wait for an address; the oldest above that are given up."""

_SCHEMA: Final = """
CREATE TABLE began (at TEXT NOT NULL) STRICT;
CREATE TABLE episodes (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    since TEXT NOT NULL,
    told INTEGER NOT NULL CHECK (told IN (0, 1)),
    open INTEGER NOT NULL CHECK (open IN (0, 1)),
    PRIMARY KEY (kind, subject)
) STRICT;
CREATE TABLE notes (
    note_id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('began', 'ended', 'digest')),
    state TEXT NOT NULL CHECK (state IN ('held', 'gathered', 'due', 'told', 'over', 'in_digest', 'given_up')),
    made_at TEXT NOT NULL,
    due_at TEXT,
    at_once INTEGER NOT NULL CHECK (at_once IN (0, 1)),
    flapping INTEGER NOT NULL CHECK (flapping IN (0, 1)),
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    deliveries TEXT NOT NULL
) STRICT;
CREATE INDEX notes_state ON notes (state);
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a note at one address."""

    shown: str
    told_at: datetime | None = None
    tries: int = 0
    """Those that failed."""
    why: str = ""
    """Of the last that failed."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to tell."""

    note_id: int
    key: Key
    what: What
    state: Fate
    made_at: datetime
    due_at: datetime | None
    at_once: bool
    """It was due when it was made."""
    flapping: bool
    text: Text
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    """By a key of the address."""


class Store:
    """The file, and what of it is not settled. For one thread at a time."""

    def __init__(self, path: Path, now: datetime) -> None:
        """Never fails: what is wrong with the file, `flush` says."""
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self.began_at = now
        """When alerts were switched on."""
        self.episodes: dict[Key, Episode] = {}
        self.notes: dict[int, Note] = {}
        """Those that are not settled."""
        self._told: list[Told] = []
        self._last_id = round(now.timestamp() * 1000)
        """Until the file could be read, above all that may be in it."""
        self._changed: dict[tuple[str, Any], Episode | Note] = {}
        """What is not written yet, by table and key."""
        self._known = False
        """Whether what the file held was read."""
        self.flush()

    def close(self) -> None:
        """Close the file."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def ledger(self) -> Ledger:
        """As decisions need it."""
        waiting = [
            Waiting(each.note_id, each.key, each.what, each.state)
            for each in self.notes.values()
            if each.state in (Fate.HELD, Fate.GATHERED)
        ]
        return Ledger(self.episodes, waiting, self._told)

    # ------------------------------------------------------------------ changes

    def put_episode(self, key: Key, episode: Episode) -> None:
        """New or changed."""
        self.episodes.pop(key, None)  # the latest to change is the last
        self.episodes[key] = self._changed["episodes", key] = episode

    def add_note(self, key: Key, what: What, fate: Fate, text: Text, *, now: datetime, flapping: bool = False) -> None:
        """A new one."""
        self._last_id += 1
        due = fate is Fate.DUE
        self.put_note(
            Note(
                note_id=self._last_id,
                key=key,
                what=what,
                state=fate,
                made_at=now,
                due_at=now if due else None,
                at_once=due,
                flapping=flapping,
                text=text,
            )
        )
        if due and what is not What.ENDED:
            self._told = [each for each in self._told if abs(now - each.at) < SPAN]
            self._told.append(Told(key.kind, now, flapping))

    def put_note(self, note: Note) -> None:
        """Changed."""
        self._changed["notes", note.note_id] = note
        if note.state in OPEN:
            self.notes[note.note_id] = note
        else:
            self.notes.pop(note.note_id, None)

    def due(self) -> list[Note]:
        """What is to be told now, the oldest first. The oldest of too many are given up."""
        found = sorted((each for each in self.notes.values() if each.state is Fate.DUE), key=lambda each: each.note_id)
        for note in found[:-MOST_UNTOLD]:
            self.put_note(replace(note, state=Fate.GIVEN_UP))
        return found[-MOST_UNTOLD:]

    # ------------------------------------------------------------------ the file

    def flush(self) -> str:
        """Write what has changed. Returns why that can't be done now; then it is tried again by the next call."""
        for last in (False, True):
            try:
                self._open()
                if self._changed:
                    self._write()
            except (
                sqlite3.Error,
                OSError,
                ValueError,
                TypeError,
            ) as error:  # the last two: from values that are not ours
                self.close()
                if _is_no_file_of_ours(error) and not last:
                    self._put_aside(words_of(error))
                else:
                    return f"{self._path.name}: {words_of(error)}"
            else:
                break
        return ""

    def _open(self) -> None:
        """Nothing if it is open. To a file that is new, all that is known is written."""
        if self._connection:
            if self._inode == _inode(self._path):
                return
            self.close()
        if not self._path.exists():
            for suffix in _BESIDE:  # what a deleted file has left would be taken for the new one's
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._changed |= {("episodes", key): each for key, each in self.episodes.items()}
            self._changed |= {("notes", note_id): each for note_id, each in self.notes.items()}
        self._path.touch(mode=0o600)
        for suffix in _BESIDE:  # SQLite gave them the mode of the file, which may have been read-only then
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).chmod(0o600)
        self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=2, check_same_thread=False)
        execute = self._connection.execute
        (version,) = execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise sqlite3.NotSupportedError(f"a newer leadmasterd wrote it (version {version})")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        if version < 1:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        if not self._known:
            self._read()
            self._known = True
        if execute("SELECT 1 FROM began").fetchone() is None:
            execute("INSERT INTO began VALUES (?)", (times.iso(self.began_at),))
        self._inode = _inode(self._path)

    def _read(self) -> None:
        """What is known already is newer than what the file says of it."""
        assert self._connection
        execute = self._connection.execute
        if began := execute("SELECT at FROM began").fetchone():
            self.began_at = datetime.fromisoformat(began[0])
        kinds = {str(kind) for kind in Kind}  # another version may have others
        for kind, subject, since, told, is_open in execute("SELECT * FROM episodes"):
            if kind in kinds:
                episode = Episode(datetime.fromisoformat(since), bool(told), bool(is_open))
                self.episodes.setdefault(Key(Kind(kind), subject), episode)
        for row in execute("SELECT * FROM notes WHERE state IN ('held', 'gathered', 'due')"):
            if row[1] in kinds:
                self.notes.setdefault(row[0], _note(row))
        [(last_id,)] = execute("SELECT ifnull(max(note_id), 0) FROM notes")
        if not self._changed:
            self._last_id = last_id
        for kind, at, flapping in execute(
            "SELECT kind, made_at, flapping FROM notes WHERE at_once AND what <> 'ended' "
            "ORDER BY note_id DESC LIMIT 100"
        ):
            if kind in kinds:
                self._told.append(Told(Kind(kind), datetime.fromisoformat(at), bool(flapping)))

    def _write(self) -> None:
        assert self._connection
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for (table, key), each in self._changed.items():
                row = _episode_row(key, each) if isinstance(each, Episode) else _note_row(each)
                execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            self._forget()
            execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise
        self._changed.clear()

    def _forget(self) -> None:
        """What is long settled. By number and not by age: a clock that jumps must not take anything away."""
        assert self._connection
        self._connection.execute(
            "DELETE FROM notes WHERE state NOT IN ('held', 'gathered', 'due') AND note_id <= "
            "(SELECT note_id FROM notes WHERE state NOT IN ('held', 'gathered', 'due') "
            f"ORDER BY note_id DESC LIMIT 1 OFFSET {KEPT})"
        )
        ended = [key for key, each in self.episodes.items() if not each.open]
        for key in ended[:-KEPT]:  # in the order in which they were put
            del self.episodes[key]
            self._connection.execute("DELETE FROM episodes WHERE kind = ? AND subject = ?", key)

    def _put_aside(self, why: str) -> None:
        """A damaged file must not silence alerts. It is kept for whoever wants to look; one of before is not."""
        aside = self._path.with_name(f"{self._path.name}.damaged")
        log.error(
            "%s is damaged (%s): it is now %s, and a new one begins; what still holds is told again",
            self._path,
            why,
            aside.name,
            extra={"action": "alerts_damaged"},
        )
        for suffix in ("", *_BESIDE):
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).replace(aside.with_name(aside.name + suffix))


_BESIDE: Final = ("-wal", "-shm")


def _is_no_file_of_ours(error: Exception) -> bool:
    """SQLITE_ERROR: its tables are others."""
    return (
        isinstance(error, ValueError | TypeError)
        or is_damage(error)
        or getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR"
    )


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _episode_row(key: Key, episode: Episode) -> tuple[Any, ...]:
    return (*key, times.iso(episode.since), int(episode.told), int(episode.open))


def _note_row(note: Note) -> tuple[Any, ...]:
    deliveries = {
        address: [each.shown, each.told_at and times.iso(each.told_at), each.tries, each.why]
        for address, each in note.deliveries.items()
    }
    return (
        note.note_id,
        *note.key,
        note.what,
        note.state,
        times.iso(note.made_at),
        note.due_at and times.iso(note.due_at),
        int(note.at_once),
        int(note.flapping),
        note.text.title,
        note.text.body,
        json.dumps(deliveries, ensure_ascii=False),
    )


def _note(row: tuple[Any, ...]) -> Note:
    note_id, kind, subject, what, state, made_at, due_at, at_once, flapping, title, body, deliveries = row
    return Note(
        note_id=note_id,
        key=Key(Kind(kind), subject),
        what=What(what),
        state=Fate(state),
        made_at=datetime.fromisoformat(made_at),
        due_at=due_at and datetime.fromisoformat(due_at),
        at_once=bool(at_once),
        flapping=bool(flapping),
        text=Text(title, body),
        deliveries={
            address: Delivery(shown, at and datetime.fromisoformat(at), tries, why)
            for address, (shown, at, tries, why) in json.loads(deliveries).items()
        },
    )
