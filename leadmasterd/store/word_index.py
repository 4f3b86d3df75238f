"""The index of words: which messages hold a word, or one that begins so. An FTS5 table, `message_words`.

It is filled in the writer's idle time and lags behind by a few hundred messages, so capture pays nothing for it and
never waits. Who searches reads what is still missing from the messages themselves (`documents_not_indexed`).

The index has words only, no texts, and its words are those of `text.words`: SQLite's tokenizer would fold letters by
other rules than the rest of the program. A row's id begins with the second in which the message was sent, so that the
newest can be read first without sorting. Nothing is ever taken away from it: an edit adds words, and what was merged or
does not hold a word any more is sorted out by whoever reads the messages that it names. Made anew (`drop`) is also how
words disappear from the file, after a VACUUM.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from leadmasterd.readable import quoted_words, searched_columns
from leadmasterd.store.database import error_name, words_of
from leadmasterd.text import words
from leadmasterd.times import EARLIEST

log = logging.getLogger(__name__)

LAG: Final = 500
"""Messages that may wait for the index: to read them takes a search some milliseconds, and each step costs a commit."""
LONGEST_SECONDS: Final = 0.05
"""Of one step, roughly, because no message is written meanwhile."""
_REST_SECONDS: Final = 3600
"""After a failure."""
_SLICE: Final = 250
"""Messages read at once."""

_CREATE: Final = (
    "CREATE VIRTUAL TABLE message_words USING fts5 "
    "(words, content = '', columnsize = 0, detail = none, tokenize = 'ascii', prefix = '1 2')"
)
_VOCABULARY: Final = "CREATE VIRTUAL TABLE IF NOT EXISTS temp.words_there USING fts5vocab(main, message_words, row)"
_DOCUMENT: Final = (
    "SELECT m.message_id, m.sent_at, m.type, m.body, m.media, m.quoted, m.details, (SELECT json_group_array("
    "body_before) FROM message_versions v WHERE v.message_id = m.message_id AND body_before IS NOT m.body) FROM "
)
_INDEXED_BEGINNING: Final = 2
"""Letters of the longest beginning that has an index of its own (`prefix`)."""
_MOST_WORDS: Final = 1500
"""That one beginning is looked for as."""
_LATER: Final = _DOCUMENT + "messages m WHERE m.message_id > ? ORDER BY m.message_id LIMIT ?"
_LATEST: Final = _DOCUMENT + "messages m WHERE m.message_id > ? ORDER BY m.message_id DESC LIMIT ?"
_REWORDED: Final = (
    _DOCUMENT + "reworded JOIN messages m USING (message_id) WHERE message_id < ? ORDER BY message_id DESC LIMIT ?"
)
_BY_IDS: Final = _DOCUMENT + "json_each(?) JOIN messages m ON m.message_id = value"
_ID_BITS: Final = 32
_NO_ID: Final = 1 << _ID_BITS
"""Above all ids of messages."""
_LATEST_SECOND: Final = 2**31 - 1
_PASSES: Final = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_NOMEM")
"""Errors that are not the index's own."""


class IndexBroken(Exception):
    """The index can't be used; it has to be made anew."""


class Document(NamedTuple):
    """What a message is found by: what it says and holds, what it said before, and what it answers.

    `place`: its id in the index; of two messages the one sent later has the higher.
    """

    place: int
    message_id: int
    text: str
    before: list[str]
    quoted: str

    def words(self) -> set[str]:
        """All of them."""
        return set(words("\n".join((self.text, *self.before, self.quoted))))


def message_of(place: int) -> int:
    """The message behind an id of the index."""
    return place & ((1 << _ID_BITS) - 1)


def _document(row: Sequence[object]) -> Document:
    number, sent_at, *columns, before = row
    message_id, second = int(str(number)), 0
    text, quoted, earlier = "", "", list[str]()
    with suppress(ValueError, TypeError):  # of a damaged row
        second = int((datetime.fromisoformat(str(sent_at)) - EARLIEST).total_seconds())
    place = min(max(second, 0), _LATEST_SECOND) << _ID_BITS | message_id
    with suppress(ValueError, TypeError, AttributeError):
        text = searched_columns(*columns)  # type: ignore[arg-type]
        quoted = quoted_words(columns[3])  # type: ignore[arg-type]
        earlier = [each for each in json.loads(str(before)) if each]
    return Document(place=place, message_id=message_id, text=text, before=earlier, quoted=quoted)


# ---------------------------------------------------------------------- filling it


class WordIndex:
    """Fills the index: idle work of the writer. Belongs to the writer's thread."""

    def __init__(self, connection: sqlite3.Connection, *, lag: int = LAG) -> None:
        self._db = connection
        self._lag = lag
        self._made_anew = False
        self._rests_until = 0.0

    def step(self) -> bool:
        """Index for a while, in the caller's transaction. True when there is more."""
        if time.monotonic() < self._rests_until:
            return False
        try:
            return fill(self._db, least=self._lag)
        except IndexBroken as error:
            if self._made_anew:
                raise
            self._made_anew = True
            log.warning("the index of words is damaged, it is made anew: %s", error, extra={"action": "reindex"})
            drop(self._db)
            return True

    def done(self) -> None:
        """The step was committed."""

    def failed(self, error: Exception) -> None:
        """The step was rolled back, and not because of the database as a whole."""
        log.error(
            "cannot index words, which is tried again in an hour: %s", words_of(error), extra={"action": "reindex"}
        )
        self._rests_until = time.monotonic() + _REST_SECONDS


def fill(connection: sqlite3.Connection, *, least: int, seconds: float = LONGEST_SECONDS) -> bool:
    """Index for some seconds, once `least` messages wait for it. True when there is more to do.

    Raises IndexBroken.
    """
    through = indexed_through(connection)
    [[waiting]] = connection.execute(
        "SELECT (SELECT coalesce(max(message_id), 0) FROM messages) - ? + (SELECT count(*) FROM reworded)",
        (through or 0,),
    )
    if waiting < least:
        return False
    if through is None:
        _make(connection)
        through = 0
    until = time.monotonic() + seconds
    more, below, reworded = True, _NO_ID, list[int]()
    while more and time.monotonic() < until:
        found = [_document(row) for row in connection.execute(_LATER, (through, _SLICE))]
        if found:
            through = found[-1].message_id
        elif found := [_document(row) for row in connection.execute(_REWORDED, (below, _SLICE))]:
            below = found[-1].message_id
            reworded += [each.message_id for each in found]
        more = bool(found)
        _add(connection, found)
    _flush(connection)
    connection.execute("UPDATE word_index SET through_id = ?", (through,))
    if more:
        connection.executemany("DELETE FROM reworded WHERE message_id = ?", [(each,) for each in reworded])
    else:
        connection.execute("DELETE FROM reworded")  # also those of messages that were merged into others
    return more


def _add(connection: sqlite3.Connection, documents: list[Document]) -> None:
    """In the order of their ids, which FTS5 needs to write many at once.

    One that is there already gets these words besides: FTS5 keeps the rows of a word, and a row that it has twice
    counts once.
    """
    try:
        connection.executemany(
            "INSERT INTO message_words (rowid, words) VALUES (?, ?)",
            ((each.place, " ".join(found)) for each in sorted(documents) if (found := each.words())),
        )
    except sqlite3.Error as error:
        raise _told(error) from error


def _flush(connection: sqlite3.Connection) -> None:
    """Have FTS5 write now, and not with the next statement or the commit: their failure would be the database's."""
    try:
        connection.execute("SAVEPOINT words")
        connection.execute("RELEASE words")
    except sqlite3.Error as error:
        raise _told(error) from error


def _told(error: sqlite3.Error) -> Exception:
    return error if error_name(error).startswith(_PASSES) else IndexBroken(words_of(error))


def _make(connection: sqlite3.Connection) -> None:
    try:
        connection.execute(_CREATE)
    except sqlite3.Error as error:
        raise _told(error) from error
    connection.execute("DELETE FROM reworded")
    connection.execute("DELETE FROM word_index")
    connection.execute("INSERT INTO word_index VALUES (0)")


def drop(connection: sqlite3.Connection) -> None:
    """Take the index away, whatever state it is in; `fill` makes it anew. In the caller's transaction."""
    connection.execute("DELETE FROM word_index")
    try:
        connection.execute("DROP TABLE IF EXISTS message_words")
    except sqlite3.Error:  # FTS5 reads it first, and can't
        _forget(connection)


def _forget(connection: sqlite3.Connection) -> None:
    """Take the index out of the schema's text: then its tables are tables as all others."""
    connection.execute("PRAGMA writable_schema = ON")
    try:
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'message_words'")
    finally:
        connection.execute("PRAGMA writable_schema = RESET")
    for part in ("data", "idx", "config", "content", "docsize"):
        connection.execute(f"DROP TABLE IF EXISTS message_words_{part}")


# ---------------------------------------------------------------------- reading it


def indexed_through(connection: sqlite3.Connection) -> int | None:
    """The message up to which words are indexed; None while there is no index."""
    row = connection.execute("SELECT through_id FROM word_index").fetchone()
    return int(row[0]) if row else None


def places_with(connection: sqlite3.Connection, wanted: Sequence[str], *, before: int, limit: int) -> list[int]:
    """Ids of the index with words that begin with each of these, the latest first. `before`: only below this one.

    Raises IndexBroken.
    """
    query = "SELECT rowid FROM message_words WHERE message_words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
    try:
        phrase = " AND ".join(f"({_begun(connection, word)})" for word in wanted)
        return [place for (place,) in connection.execute(query, (phrase, before, limit))]
    except sqlite3.Error as error:
        raise _told(error) from error


def _begun(connection: sqlite3.Connection, word: str) -> str:
    """What FTS5 looks for to find words that begin with this one: letters and digits only, so nothing in it is syntax.

    For a beginning that has no index of its own FTS5 first collects every row that fits, 180 ms for 300,000.
    The rows of whole words it reads one by one, the latest first, and most beginnings are few words.
    """
    if len(word) > _INDEXED_BEGINNING:
        connection.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.words_there USING fts5vocab(main, message_words, row)"
        )
        begun = connection.execute(
            "SELECT term FROM words_there WHERE term >= ? AND term < ? LIMIT ?",
            (word, f"{word}\U0010ffff", _MOST_WORDS + 1),
        ).fetchall()
        if 0 < len(begun) <= _MOST_WORDS:
            return " OR ".join(f'"{each}"' for (each,) in begun)
    return f'"{word}"*'


def documents(connection: sqlite3.Connection, messages: Sequence[int]) -> Iterator[Document]:
    """Those of these messages that are there."""
    return map(_document, connection.execute(_BY_IDS, (json.dumps(messages),)))


def documents_not_indexed(connection: sqlite3.Connection, through: int | None, limit: int) -> list[Document]:
    """Messages whose words, or some of them, are not in the index; at most the newest `limit`."""
    found = [_document(row) for row in connection.execute(_LATEST, (through or 0, limit))]
    if through is not None:
        found += [_document(row) for row in connection.execute(_REWORDED, (_NO_ID, limit))]
    return found
