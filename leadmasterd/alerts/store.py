"""`alerts.db`: episodes, notes that are to be told, and notes that were told and to whom.

What still matters is kept in memory too, and changes are written at the next `flush`. So alerts are told even when the
disk is full, or the file damaged or deleted: it is written again once that is possible. A damaged file is put aside.
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
"""How many notes that are settled, and how many ended episodes, stay in the file. Older ones are deleted."""
MOST_UNTOLD: Final = 1_000
"""How many notes may be due; the oldest above that are given up."""

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
    """The address, for people."""
    told_at: datetime | None = None
    """When it was delivered; None if it was not."""
    tries: int = 0
    """How many tries have failed."""
    why: str = ""
    """Why the last try failed; empty after a delivery."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to tell."""

    note_id: int
    key: Key
    what: What
    state: Fate
    made_at: datetime
    due_at: datetime | None
    """Since when it is to be told; None while it is held or gathered."""
    at_once: bool
    """Whether it was due when it was made."""
    flapping: bool
    """As in `Told`: whether later notes of its kind are gathered."""
    text: Text
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    """By the address's key."""


class Store:
    """The file, and in memory what of it still matters. To be used by one thread at a time."""

    def __init__(self, path: Path, now: datetime) -> None:
        """Opens the file. Never fails: the next `flush` returns what is wrong with it."""
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        """Of the file that is open."""
        self.began_at = now
        """When alerts were first switched on, as the file says."""
        self.episodes: dict[Key, Episode] = {}
        """Open and ended ones, the latest to change last."""
        self.notes: dict[int, Note] = {}
        """Those that are to be told: held, gathered or due."""
        self._told: list[Told] = []
        """What was told at once, within the last hour at least."""
        self._last_id = round(now.timestamp() * 1000)
        """The id of the last note. Until the file is read it is the time in milliseconds, above any id in the file."""
        self._changed: dict[tuple[str, Any], Episode | Note] = {}
        """What is not written yet, by table and primary key."""
        self._was_read = False
        """Whether the content of the file was read; that is done once."""
        self.flush()

    def close(self) -> None:
        """Close the file, if it is open. It does not write: see `flush`."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def ledger(self) -> Ledger:
        """What `episodes.decide` needs of it."""
        waiting = [
            Waiting(each.note_id, each.key, each.what, each.state)
            for each in self.notes.values()
            if each.state in (Fate.HELD, Fate.GATHERED)
        ]
        return Ledger(self.episodes, waiting, self._told)

    # ------------------------------------------------------------------ changes

    def put_episode(self, key: Key, episode: Episode) -> None:
        """Add or replace an episode."""
        self.episodes.pop(key, None)  # so that it becomes the last
        self.episodes[key] = episode
        self._changed["episodes", key] = episode

    def add_note(self, key: Key, what: What, fate: Fate, text: Text, *, now: datetime, flapping: bool = False) -> None:
        """Add a note with the next id. One that is due now is counted as told, unless it tells of an end.

        `flapping`: as in `Told`.
        """
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
        """Add or replace a note. One that is settled is kept only until it is written."""
        self._changed["notes", note.note_id] = note
        if note.state in OPEN:
            self.notes[note.note_id] = note
        else:
            self.notes.pop(note.note_id, None)

    def due(self) -> list[Note]:
        """The notes to be told now, the oldest first. If there are more than MOST_UNTOLD, the oldest are given up."""
        found = sorted((each for each in self.notes.values() if each.state is Fate.DUE), key=lambda each: each.note_id)
        for note in found[:-MOST_UNTOLD]:
            self.put_note(replace(note, state=Fate.GIVEN_UP))
        return found[-MOST_UNTOLD:]

    # ------------------------------------------------------------------ the file

    def flush(self) -> str:
        """Write what has changed. Returns "", or why that can't be done now; the next call then tries again.

        A file that is damaged is put aside once, and a new one is written.
        """
        try:
            self._open_and_write()
        except _FAILURES as error:
            self.close()
            if not _is_unusable(error):
                return self._sentence(error)
            try:
                self._put_aside(words_of(error))
            except OSError as in_the_way:
                return self._sentence(in_the_way)
        else:
            return ""
        try:
            self._open_and_write()
        except _FAILURES as error:
            self.close()
            return self._sentence(error)
        return ""

    def _sentence(self, error: Exception) -> str:
        return f"{self._path.name}: {words_of(error)}"

    def _open_and_write(self) -> None:
        """Raises `_FAILURES`."""
        self._open()
        if self._changed:
            self._write()

    def _open(self) -> None:
        """Open the file, make its tables if it is new, and read it if that was not done. Does nothing if it is open.

        If the file was deleted or replaced meanwhile, the one that is there now is opened.
        """
        if self._connection:
            if self._inode == _inode(self._path):
                return
            self.close()
        if not self._path.exists():
            self._prepare_new_file()
        self._path.touch(mode=0o600)
        for each in self._wal_files():  # SQLite gives them the file's mode, which may have been read-only then
            with contextlib.suppress(FileNotFoundError):
                each.chmod(0o600)
        self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=2, check_same_thread=False)
        execute = self._connection.execute
        (version,) = execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise sqlite3.NotSupportedError(f"a newer leadmasterd wrote it (version {version})")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        if version < 1:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        if not self._was_read:
            self._read()
            self._was_read = True
        if execute("SELECT 1 FROM began").fetchone() is None:
            execute("INSERT INTO began VALUES (?)", (times.iso(self.began_at),))
        self._inode = _inode(self._path)

    def _prepare_new_file(self) -> None:
        """Remove the WAL of a deleted file, which SQLite would read into the new one. Mark all in memory unwritten."""
        for each in self._wal_files():
            each.unlink(missing_ok=True)
        self._changed |= {("episodes", key): each for key, each in self.episodes.items()}
        self._changed |= {("notes", note_id): each for note_id, each in self.notes.items()}

    def _read(self) -> None:
        """Read into memory what still matters. Raises `_NOT_OURS`, and reads nothing, if a value is not as we write it.

        What is in memory already, since the file could not be read before, is newer and stays. Rows of kinds that this
        version does not know, since another one wrote them, are left out.
        """
        assert self._connection
        execute = self._connection.execute
        kinds = {str(kind) for kind in Kind}
        began = [times.from_iso(at) for (at,) in execute("SELECT at FROM began")]
        episodes = {
            Key(Kind(kind), subject): Episode(times.from_iso(since), told=bool(told), open=bool(is_open))
            for kind, subject, since, told, is_open in execute("SELECT * FROM episodes")
            if kind in kinds
        }
        notes = {
            note_id: _note((note_id, kind, *rest))
            for note_id, kind, *rest in execute("SELECT * FROM notes WHERE state IN ('held', 'gathered', 'due')")
            if kind in kinds
        }
        told = [
            Told(Kind(kind), times.from_iso(at), flapping=bool(flapping))
            for kind, at, flapping in execute(
                "SELECT kind, made_at, flapping FROM notes WHERE at_once AND what <> 'ended' "
                "ORDER BY note_id DESC LIMIT 100"
            )
            if kind in kinds
        ]
        [(last_id,)] = execute("SELECT ifnull(max(note_id), 0) FROM notes")
        if began:
            self.began_at = began[0]
        self.episodes |= {key: each for key, each in episodes.items() if key not in self.episodes}
        self.notes |= {note_id: each for note_id, each in notes.items() if note_id not in self.notes}
        self._told += told
        if not self._changed:  # else notes in memory have larger ids already
            self._last_id = last_id

    def _write(self) -> None:
        """Write all changes, and delete what is old, in one transaction. If that fails, a later call writes them."""
        assert self._connection
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for (table, key), each in self._changed.items():
                row = _episode_row(key, each) if isinstance(each, Episode) else _note_row(each)
                execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            self._delete_old()
            execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise
        self._changed.clear()

    def _delete_old(self) -> None:
        """Delete all but the last KEPT settled notes and ended episodes. Not by age, since the clock may jump."""
        assert self._connection
        self._connection.execute(
            "DELETE FROM notes WHERE state NOT IN ('held', 'gathered', 'due') AND note_id <= "
            "(SELECT note_id FROM notes WHERE state NOT IN ('held', 'gathered', 'due') "
            f"ORDER BY note_id DESC LIMIT 1 OFFSET {KEPT})"
        )
        ended = [key for key, each in self.episodes.items() if not each.open]
        for key in ended[:-KEPT]:  # those that changed first
            del self.episodes[key]
            self._connection.execute("DELETE FROM episodes WHERE kind = ? AND subject = ?", key)

    def _put_aside(self, why: str) -> None:
        """Rename the damaged file, so that a new one can be made. A file that was renamed before is replaced.

        Raises OSError.
        """
        aside = self._path.with_name(f"{self._path.name}.damaged")
        for suffix in ("", *_WAL_SUFFIXES):
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).replace(aside.with_name(aside.name + suffix))
        log.error(
            "%s is damaged (%s): it is now %s, and a new one begins; what still holds is told again",
            self._path,
            why,
            aside.name,
            extra={"action": "alerts_damaged"},
        )

    def _wal_files(self) -> list[Path]:
        """The files that SQLite keeps beside it; they may not exist."""
        return [self._path.with_name(self._path.name + suffix) for suffix in _WAL_SUFFIXES]


_WAL_SUFFIXES: Final = ("-wal", "-shm")
_NOT_OURS: Final = (ValueError, TypeError, AttributeError, RecursionError)
"""The errors that come of values in the file that are not as we write them."""
_FAILURES: Final = (sqlite3.Error, OSError, *_NOT_OURS)
"""What opening and writing may raise."""


def _is_unusable(error: Exception) -> bool:
    """Whether the file itself is at fault: it is damaged, or its tables or values are not as we write them."""
    has_other_tables = getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR"
    return isinstance(error, _NOT_OURS) or is_damage(error) or has_other_tables


def _inode(path: Path) -> tuple[int, int] | None:
    """Device and inode; None if there is no such file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def _episode_row(key: Key, episode: Episode) -> tuple[Any, ...]:
    """A row of the table `episodes`."""
    return (*key, times.iso(episode.since), int(episode.told), int(episode.open))


def _note_row(note: Note) -> tuple[Any, ...]:
    """A row of the table `notes`. Deliveries are a JSON object: by address, an array of the fields of `Delivery`."""
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
    """The note in a row of the table `notes`. Raises `_NOT_OURS` if it is not as `_note_row` makes it."""
    note_id, kind, subject, what, state, made_at, due_at, at_once, flapping, title, body, deliveries = row
    return Note(
        note_id=note_id,
        key=Key(Kind(kind), subject),
        what=What(what),
        state=Fate(state),
        made_at=times.from_iso(made_at),
        due_at=due_at and times.from_iso(due_at),
        at_once=bool(at_once),
        flapping=bool(flapping),
        text=Text(title, body),
        deliveries={
            address: Delivery(shown, at and times.from_iso(at), tries, why)
            for address, (shown, at, tries, why) in json.loads(deliveries).items()
        },
    )
