"""The books of the feeds, in `feeds.db`: what each feed has delivered, what it tries again, and what it has given up.

The feeds process writes them. A person's commands change the `state` of a feed, take dead letters out to retry them,
and forget what was given up for lack of disk once it is replayed.

An event is final once it is delivered or given up. Events become final in the order of their stream, so one cursor per
feed and stream says which are. A feed's `floor` is the event up to which everything is final in every stream; cursors
at or below it are deleted, so the table holds only the streams beyond it.

Commits are not flushed to the disk one by one (synchronous=NORMAL): a power cut can undo the last of them, and then
events are delivered again. A transaction that gives up an event or disables a feed is flushed, because that would not
happen again by itself.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from leadmasterd.errors import CannotUseState
from leadmasterd.outbox.reading import Event
from leadmasterd.text import _

VERSION: Final = 2

_SCHEMA: Final = """
CREATE TABLE feeds (
    feed TEXT PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'disabled')),
    reason TEXT NOT NULL DEFAULT '',
    since TEXT NOT NULL,
    floor INTEGER NOT NULL
) STRICT;
CREATE TABLE cursors (
    feed TEXT NOT NULL REFERENCES feeds,
    stream INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    PRIMARY KEY (feed, stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE tries (
    feed TEXT NOT NULL REFERENCES feeds,
    stream INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    tries INTEGER NOT NULL CHECK (tries > 0),
    next_at TEXT NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (feed, stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE gaps (
    feed TEXT NOT NULL REFERENCES feeds,
    stream INTEGER NOT NULL,
    PRIMARY KEY (feed, stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE dead_letters (
    feed TEXT NOT NULL REFERENCES feeds,
    event_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    stream INTEGER NOT NULL,
    at TEXT NOT NULL,
    data TEXT NOT NULL,
    replayed INTEGER NOT NULL CHECK (replayed IN (0, 1)),
    tries INTEGER NOT NULL,
    died_at TEXT NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (feed, event_id)
) STRICT, WITHOUT ROWID;
"""
"""`FeedRecord` says what `cursors`, `tries` and `gaps` hold."""

_SCHEMA_2: Final = """
CREATE TABLE given_up (
    feed TEXT PRIMARY KEY REFERENCES feeds,
    number INTEGER NOT NULL CHECK (number > 0),
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL
) STRICT;
"""
"""What went undelivered because it took too much disk, until a person has it replayed."""


class State(StrEnum):
    """Whether a feed delivers."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By a person."""
    DISABLED = "disabled"
    """By its receiver, which wants nothing more. A person's command or a restart of the daemon ends it."""


@dataclass(frozen=True, slots=True)
class PutOff:
    """The first undelivered event of a stream is tried again at `next_at` (ISO text), after `tries` failed tries."""

    event_id: int
    tries: int
    next_at: str
    why: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Events that went undelivered because they took too much disk, and when the first and the last happened."""

    number: int
    first_at: str
    last_at: str

    def __add__(self, later: "GivenUp") -> "GivenUp":
        """Both together."""
        return GivenUp(self.number + later.number, min(self.first_at, later.first_at), max(self.last_at, later.last_at))


class Standing(NamedTuple):
    """What a person's commands may have changed in a feed. `dead`: how many dead letters it has."""

    state: State
    reason: str
    dead: int
    given_up: GivenUp | None


@dataclass(slots=True)
class FeedRecord:
    """A feed as the books know it."""

    state: State
    reason: str
    """Why it is in that state; may be empty."""
    floor: int
    dead: int
    """How many dead letters it has."""
    given_up: GivenUp | None = None
    cursors: dict[int, int] = field(default_factory=dict)
    """By stream: its events up to this one are final. Left out unless it is beyond the floor."""
    tries: dict[int, PutOff] = field(default_factory=dict)
    """By stream: its event that has failed and is tried again."""
    gaps: set[int] = field(default_factory=set)
    """Streams whose next event is to say that one before it was given up."""


@dataclass(slots=True)
class Changes:
    """What one feed has to commit. By stream: a later change replaces an earlier one."""

    cursors: dict[int, int] = field(default_factory=dict)
    """Streams whose events up to this one are final."""
    passed: int = 0
    """How many events these cursors have passed."""
    gaps: dict[int, bool] = field(default_factory=dict)
    """Whether the next event of a stream is to say that one before it was given up."""
    dead: list[tuple[Event, int, str]] = field(default_factory=list)
    """Dead letters: the event, after how many tries it was given up, and why."""
    tries: dict[int, PutOff | None] = field(default_factory=dict)
    """The next try of a stream's first event; None: it no longer waits for one."""
    floor: int | None = None
    """The new floor; None: it has not moved."""
    disabled: str | None = None
    """The receiver wants nothing more, for this reason; None: that did not happen."""
    given_up: GivenUp | None = None
    """What was given up for lack of disk, to be added to what the books have of that."""

    @property
    def size(self) -> int:
        """How many changes these are; 0: there is nothing to write."""
        counted = self.passed + len(self.tries) + len(self.dead)
        single = sum(each is not None for each in (self.floor, self.disabled, self.given_up))
        return counted + single


class Books:
    """The open file `feeds.db`."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it. Raises OSError, sqlite3.Error and CannotUseState."""
        path.touch(mode=0o600)
        # `commit` runs in another thread than the rest; SQLite allows that.
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
        try:
            self._prepare(path)
        except BaseException:
            self._connection.close()
            raise
        self._seen_version = -1

    def _prepare(self, path: Path) -> None:
        """Make or update the tables. Raises CannotUseState for a file of a newer version."""
        execute = self._connection.execute
        (version,) = execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise CannotUseState(
                _("cannot use {path}: it was written by a newer leadmasterd (version {version})").format(
                    path=path, version=version
                )
            )
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA foreign_keys = ON")
        if version < 1:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = 1; COMMIT;")
        if version < 2:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA_2} PRAGMA user_version = 2; COMMIT;")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def changed(self) -> bool:
        """Whether another process has changed anything since the last call. True at the first."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()  # changed by others' commits only
        changed = version != self._seen_version
        self._seen_version = version
        return bool(changed)

    def register(self, feeds: Collection[str], *, last_id: int, now: str) -> dict[str, FeedRecord]:
        """The records of these feeds, by name; a record is made for a feed that has none.

        `last_id`: the last event in the outbox. The first feeds of all begin with the first event there, since nothing
        is written to it before a feed is configured; a feed that is added later begins after `last_id`.
        """
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            start = last_id if execute("SELECT count(*) FROM feeds").fetchone()[0] else 0
            for feed in feeds:
                execute("INSERT OR IGNORE INTO feeds (feed, since, floor) VALUES (?, ?, ?)", (feed, now, start))
                self._begin_again_if_replaced(feed, last_id)
            execute("COMMIT")
        except BaseException:
            execute("ROLLBACK")
            raise
        return {feed: self._record(feed) for feed in feeds}

    def _begin_again_if_replaced(self, feed: str, last_id: int) -> None:
        """Set a feed back to the first event if its record knows events after the last one of the outbox.

        Such events are of another outbox: the database was replaced.
        """
        execute = self._connection.execute
        (highest,) = execute(
            "SELECT max(event_id) FROM (SELECT floor AS event_id FROM feeds WHERE feed = ?1"
            " UNION ALL SELECT event_id FROM cursors WHERE feed = ?1"
            " UNION ALL SELECT event_id FROM tries WHERE feed = ?1)",
            (feed,),
        ).fetchone()
        if highest > last_id:
            # `gaps` has no events, but the streams of that outbox whose next event was to say `after_gap`.
            for table in ("cursors", "tries", "gaps"):
                execute(f"DELETE FROM {table} WHERE feed = ?", (feed,))
            execute("UPDATE feeds SET floor = 0 WHERE feed = ?", (feed,))

    def _record(self, feed: str) -> FeedRecord:
        """What the books have of this feed, which must be registered."""
        execute = self._connection.execute
        of_feed = (feed,)
        state, reason, floor = execute("SELECT state, reason, floor FROM feeds WHERE feed = ?", of_feed).fetchone()
        (dead,) = execute("SELECT count(*) FROM dead_letters WHERE feed = ?", of_feed).fetchone()
        tries = execute("SELECT stream, event_id, tries, next_at, why FROM tries WHERE feed = ?", of_feed)
        return FeedRecord(
            state=State(state),
            reason=reason,
            floor=floor,
            dead=dead,
            given_up=self._given_up().get(feed),
            cursors=dict(execute("SELECT stream, event_id FROM cursors WHERE feed = ?", of_feed).fetchall()),
            tries={stream: PutOff(*rest) for stream, *rest in tries.fetchall()},
            gaps={stream for (stream,) in execute("SELECT stream FROM gaps WHERE feed = ?", of_feed).fetchall()},
        )

    def _given_up(self) -> dict[str, GivenUp]:
        """By feed: what was given up for lack of disk. Feeds without any are left out."""
        rows = self._connection.execute("SELECT feed, number, first_at, last_at FROM given_up").fetchall()
        return {feed: GivenUp(*rest) for feed, *rest in rows}

    def standings(self) -> dict[str, Standing]:
        """The standing of every feed that the books know, by its name."""
        given_up = self._given_up()
        rows = self._connection.execute(
            "SELECT feed, state, reason, (SELECT count(*) FROM dead_letters WHERE feed = feeds.feed) FROM feeds"
        )
        return {
            feed: Standing(State(state), reason, dead, given_up.get(feed))
            for feed, state, reason, dead in rows.fetchall()
        }

    def set_state(self, feed: str, state: State, *, reason: str, now: str) -> bool:
        """Write a feed's state, its reason and since when it holds. False: the books know no such feed."""
        update = "UPDATE feeds SET state = ?, reason = ?, since = ? WHERE feed = ?"
        return self._connection.execute(update, (state, reason, now, feed)).rowcount == 1

    def commit(self, changes: Mapping[str, Changes], *, now: str) -> None:
        """Write the changes of several feeds in one transaction. Raises sqlite3.Error, and then none of it is kept."""
        execute = self._connection.execute
        # What would not happen again by itself must survive a power cut.
        to_flush = any(each.dead or each.given_up or each.disabled is not None for each in changes.values())
        execute(f"PRAGMA synchronous = {'FULL' if to_flush else 'NORMAL'}")
        execute("BEGIN IMMEDIATE")
        try:
            for feed, each in changes.items():
                self._write(feed, each, now)
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise

    def _write(self, feed: str, changes: Changes, now: str) -> None:
        """Write the changes of one feed, inside the transaction of `commit`."""
        execute = self._connection.execute
        execute_many = self._connection.executemany
        execute_many(  # a cursor never goes back
            "INSERT INTO cursors (feed, stream, event_id) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET event_id = max(event_id, excluded.event_id)",
            [(feed, stream, event_id) for stream, event_id in changes.cursors.items()],
        )
        for event, tries, why in changes.dead:
            execute(
                "INSERT OR IGNORE INTO dead_letters "
                "(feed, event_id, kind, stream, at, data, replayed, tries, died_at, why) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    feed,
                    event.event_id,
                    event.kind,
                    event.stream,
                    event.at,
                    json.dumps(event.data, ensure_ascii=False),
                    int(event.feed is not None),
                    tries,
                    now,
                    why,
                ),
            )
        execute_many("DELETE FROM gaps WHERE feed = ? AND stream = ?", [(feed, stream) for stream in changes.gaps])
        gaps = [(feed, stream) for stream, is_gap in changes.gaps.items() if is_gap]
        execute_many("INSERT INTO gaps (feed, stream) VALUES (?, ?)", gaps)
        for stream, put_off in changes.tries.items():
            if put_off is None:
                execute("DELETE FROM tries WHERE feed = ? AND stream = ?", (feed, stream))
            else:
                execute(
                    "INSERT OR REPLACE INTO tries (feed, stream, event_id, tries, next_at, why) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (feed, stream, put_off.event_id, put_off.tries, put_off.next_at, put_off.why),
                )
        gone = changes.given_up
        if gone is not None:
            execute(
                "INSERT INTO given_up (feed, number, first_at, last_at) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "number = number + excluded.number, first_at = min(first_at, excluded.first_at), "
                "last_at = max(last_at, excluded.last_at)",
                (feed, gone.number, gone.first_at, gone.last_at),
            )
        if changes.floor is not None:
            execute("UPDATE feeds SET floor = ? WHERE feed = ?", (changes.floor, feed))
            execute("DELETE FROM cursors WHERE feed = ? AND event_id <= ?", (feed, changes.floor))
        if changes.disabled is not None:
            self.set_state(feed, State.DISABLED, reason=changes.disabled, now=now)
