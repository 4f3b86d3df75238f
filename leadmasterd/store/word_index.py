"""The word index: which messages hold a word, or one that begins with some letters. An FTS5 table, `message_words`.

It is filled in the writer's idle time and lags behind by a few hundred messages, so that capture pays nothing for it
and never waits. A search reads the messages that are not indexed yet themselves (`documents_not_indexed`).

The index holds words only, no texts. They are those of `text.words`: SQLite's tokenizer would fold letters by other
rules than the rest of the program. A row id (a *place*) begins with the second in which the message was sent, so that
the newest rows can be read first without sorting. Nothing is ever removed: an edit adds words. So a search checks each
message that the index names: it may have been merged into another, or not hold the word any more. To remove words from
the file, the index is dropped (`drop`) and made again, and the file vacuumed.
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
"""How many messages wait before a step is done: each step costs a commit, and a search reads them in milliseconds."""
LONGEST_SECONDS: Final = 0.05
"""How long one step takes, roughly. It is short because no message is written meanwhile."""
_REST_SECONDS: Final = 3600
"""Pause after a failure."""
_SLICE: Final = 250
"""Messages read at once."""

_CREATE: Final = (
    "CREATE VIRTUAL TABLE message_words USING fts5 "
    "(words, content = '', columnsize = 0, detail = none, tokenize = 'ascii', prefix = '1 2')"
)
_CREATE_VOCABULARY: Final = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS temp.indexed_words USING fts5vocab(main, message_words, row)"
)
"""A view of the index, for one connection: all words in it."""
_DOCUMENT: Final = (
    "SELECT m.message_id, m.sent_at, m.type, m.body, m.media, m.quoted, m.details, (SELECT json_group_array("
    "body_before) FROM message_versions v WHERE v.message_id = m.message_id AND body_before IS NOT m.body) FROM "
)
"""The columns that `_document` takes."""
_INDEXED_BEGINNING: Final = 2
"""FTS5 keeps an index of the beginnings of words, up to so many letters (`prefix` in `_CREATE`)."""
_MOST_WORDS: Final = 1500
"""In place of a longer beginning, at most so many whole words are looked for."""
_NEXT: Final = _DOCUMENT + "messages m WHERE m.message_id > ? ORDER BY m.message_id LIMIT ?"
_LATEST: Final = _DOCUMENT + "messages m WHERE m.message_id > ? ORDER BY m.message_id DESC LIMIT ?"
_REWORDED: Final = (
    _DOCUMENT + "reworded JOIN messages m USING (message_id) WHERE message_id < ? ORDER BY message_id DESC LIMIT ?"
)
_BY_IDS: Final = _DOCUMENT + "json_each(?) JOIN messages m ON m.message_id = value"
_ID_BITS: Final = 32
"""The low bits of a place: the id of the message. The others are the second in which it was sent."""
_NO_ID: Final = 1 << _ID_BITS
"""Above all ids of messages."""
_LATEST_SECOND: Final = 2**31 - 1
"""So that a place has at most 63 bits."""
_TEMPORARY: Final = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_NOMEM")
"""Errors that are not due to the index, and pass by themselves."""


class IndexBroken(Exception):
    """The index can't be used: it has to be dropped and made again."""


class Document(NamedTuple):
    """The texts by which a message is found.

    `place`: its row id in the index; the later a message was sent, the higher. `text`: what it says and holds.
    `before`: its texts before it was edited. `quoted`: what the quoted message said; "" if none is quoted.
    """

    place: int
    message_id: int
    text: str
    before: list[str]
    quoted: str

    def words(self) -> set[str]:
        """All words of these texts."""
        return set(words("\n".join((self.text, *self.before, self.quoted))))


def message_of(place: int) -> int:
    """The id of the message at a place in the index."""
    return place & ((1 << _ID_BITS) - 1)


def _document(row: Sequence[object]) -> Document:
    """The document of a row of `_DOCUMENT`. What can't be read of a damaged row is left out of it."""
    number, sent_at, *columns, before = row
    message_id = int(str(number))
    second = 0
    text, quoted, earlier = "", "", list[str]()
    with suppress(ValueError, TypeError):
        second = int((datetime.fromisoformat(str(sent_at)) - EARLIEST).total_seconds())
    second = min(max(second, 0), _LATEST_SECOND)
    with suppress(ValueError, TypeError, AttributeError):
        text = searched_columns(*columns)  # type: ignore[arg-type]
        quoted = quoted_words(columns[3])  # type: ignore[arg-type]
        earlier = [each for each in json.loads(str(before)) if each]
    place = second << _ID_BITS | message_id
    return Document(place=place, message_id=message_id, text=text, before=earlier, quoted=quoted)


# ---------------------------------------------------------------------- filling it


class WordIndex:
    """Fills the index: idle work of the writer (`IdleWork`). Belongs to the writer's thread.

    `lag`: how many messages may wait for it.
    """

    def __init__(self, connection: sqlite3.Connection, *, lag: int = LAG) -> None:
        self._db = connection
        self._lag = lag
        self._was_remade = False
        """Whether a broken index was dropped before: if that did not help, it is an error."""
        self._rests_until = 0.0

    def step(self) -> bool:
        """Index for a while, in the caller's transaction. True when there is more.

        Drops a broken index, once, so that it is made again.
        """
        if time.monotonic() < self._rests_until:
            return False
        try:
            return fill(self._db, least=self._lag)
        except IndexBroken as error:
            if self._was_remade:
                raise
            self._was_remade = True
            log.warning("the index of words is damaged, it is made anew: %s", error, extra={"action": "reindex"})
            drop(self._db)
            return True

    def done(self) -> None:
        """The step was committed."""

    def failed(self, error: Exception) -> None:
        """The step was rolled back because of an error of its own: rest for an hour."""
        log.error(
            "cannot index words, which is tried again in an hour: %s", words_of(error), extra={"action": "reindex"}
        )
        self._rests_until = time.monotonic() + _REST_SECONDS


def fill(connection: sqlite3.Connection, *, least: int, seconds: float = LONGEST_SECONDS) -> bool:
    """Index for some seconds, if at least `least` messages wait for it. True when there is more to do.

    Makes the index if there is none. In the caller's transaction. Raises IndexBroken.
    """
    through = indexed_through(connection)
    # Counted by ids, which is enough to compare with `least`: a few ids are of messages that were merged.
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
    more = True
    reworded_below = _NO_ID
    indexed_again: list[int] = []
    while more and time.monotonic() < until:
        found = [_document(row) for row in connection.execute(_NEXT, (through, _SLICE))]
        if found:
            through = found[-1].message_id
        else:  # all messages are indexed; those with new words follow, the latest first
            found = [_document(row) for row in connection.execute(_REWORDED, (reworded_below, _SLICE))]
            if found:
                reworded_below = found[-1].message_id
                indexed_again += [each.message_id for each in found]
        more = bool(found)
        _add(connection, found)
    _flush(connection)
    connection.execute("UPDATE word_index SET through_id = ?", (through,))
    if more:
        connection.executemany("DELETE FROM reworded WHERE message_id = ?", [(each,) for each in indexed_again])
    else:
        connection.execute("DELETE FROM reworded")  # also those of messages that were merged into others
    return more


def _add(connection: sqlite3.Connection, documents: list[Document]) -> None:
    """Add the words of these documents to the index, in the order of their places: FTS5 then writes many at once.

    A document that is in the index already gets these words too. FTS5 keeps for each word its rows, and a row
    that it has twice counts once.
    """
    words_of_each = ((each.place, each.words()) for each in sorted(documents))
    try:
        connection.executemany(
            "INSERT INTO message_words (rowid, words) VALUES (?, ?)",
            ((place, " ".join(found)) for place, found in words_of_each if found),
        )
    except sqlite3.Error as error:
        raise _as_broken(error) from error


def _flush(connection: sqlite3.Connection) -> None:
    """Have FTS5 write what it holds now. If that failed at the commit, nothing would show that the index is the cause.

    The end of a savepoint makes it write.
    """
    try:
        connection.execute("SAVEPOINT words")
        connection.execute("RELEASE words")
    except sqlite3.Error as error:
        raise _as_broken(error) from error


def _as_broken(error: sqlite3.Error) -> Exception:
    """The error to raise for one of FTS5: IndexBroken, or the error itself if the index is not the cause."""
    return error if error_name(error).startswith(_TEMPORARY) else IndexBroken(words_of(error))


def _make(connection: sqlite3.Connection) -> None:
    """Make an empty index."""
    try:
        connection.execute(_CREATE)
    except sqlite3.Error as error:
        raise _as_broken(error) from error
    connection.execute("DELETE FROM reworded")
    connection.execute("DELETE FROM word_index")
    connection.execute("INSERT INTO word_index VALUES (0)")


def drop(connection: sqlite3.Connection) -> None:
    """Delete the index, even a broken one. `fill` makes it again. In the caller's transaction."""
    connection.execute("DELETE FROM word_index")
    try:
        connection.execute("DROP TABLE IF EXISTS message_words")
    except sqlite3.Error:  # before it drops the table FTS5 reads it, which fails if it is broken
        _drop_without_reading(connection)


def _drop_without_reading(connection: sqlite3.Connection) -> None:
    """Remove the virtual table from the text of the schema. Then its parts are ordinary tables, and are dropped."""
    connection.execute("PRAGMA writable_schema = ON")
    try:
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'message_words'")
    finally:
        connection.execute("PRAGMA writable_schema = RESET")
    for part in ("data", "idx", "config", "content", "docsize"):
        connection.execute(f"DROP TABLE IF EXISTS message_words_{part}")


# ---------------------------------------------------------------------- reading it


def indexed_through(connection: sqlite3.Connection) -> int | None:
    """The id of the message up to which words are indexed; None while there is no index."""
    row = connection.execute("SELECT through_id FROM word_index").fetchone()
    return int(row[0]) if row else None


def places_with(connection: sqlite3.Connection, wanted: Sequence[str], *, before: int, limit: int) -> list[int]:
    """Places in the index of messages that have, for each wanted word, a word that begins with it; the latest first.

    `wanted`: at least one, as `text.words` gives them. `before`: only places below this one. Raises IndexBroken.
    """
    query = "SELECT rowid FROM message_words WHERE message_words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
    try:
        expression = " AND ".join(f"({_beginning_with(connection, word)})" for word in wanted)
        return [place for (place,) in connection.execute(query, (expression, before, limit))]
    except sqlite3.Error as error:
        raise _as_broken(error) from error


def _beginning_with(connection: sqlite3.Connection, word: str) -> str:
    """The FTS5 expression for words that begin with this one. It has letters and digits only, so nothing is escaped.

    For a beginning longer than `_INDEXED_BEGINNING` FTS5 first collects all rows, which took 180 ms for 300,000 rows.
    For a whole word it reads the rows one by one, the latest first. Most beginnings are those of few words, so these
    words are looked for instead.
    """
    if len(word) > _INDEXED_BEGINNING:
        connection.execute(_CREATE_VOCABULARY)
        whole_words = connection.execute(
            "SELECT term FROM indexed_words WHERE term >= ? AND term < ? LIMIT ?",
            (word, f"{word}\U0010ffff", _MOST_WORDS + 1),
        ).fetchall()
        if 0 < len(whole_words) <= _MOST_WORDS:
            return " OR ".join(f'"{each}"' for (each,) in whole_words)
    return f'"{word}"*'


def documents(connection: sqlite3.Connection, messages: Sequence[int]) -> Iterator[Document]:
    """The documents of these messages, in any order; none for an id that is gone."""
    return map(_document, connection.execute(_BY_IDS, (json.dumps(messages),)))


def documents_not_indexed(connection: sqlite3.Connection, through: int | None, limit: int) -> list[Document]:
    """The newest messages that are not in the index, and the newest of which it lacks words; at most `limit` of each.

    `through`: as `indexed_through` gives it.
    """
    found = [_document(row) for row in connection.execute(_LATEST, (through or 0, limit))]
    if through is not None:
        found += [_document(row) for row in connection.execute(_REWORDED, (_NO_ID, limit))]
    return found
