"""The process that labels ahead (`ahead`): `python -m leadmasterd.projection.labeller DATABASE SECONDS RULES MODEL`.

It reads the database and never writes it. For each conversation that waits to be judged and is not long it writes the
labels that its bursts still lack to its stdout, and ends after the last, or when nobody reads any more.
"""

import gc
import os
import pickle
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final

from leadmasterd.classify.bulk import Bulk
from leadmasterd.classify.intents import Label, Signals
from leadmasterd.classify.loading import existing, load_classifier
from leadmasterd.leads.timeline import Burst
from leadmasterd.projection.ahead import LENGTH, Labelled
from leadmasterd.projection.history import SHORT, History, histories_of, load, look_over, short_together
from leadmasterd.projection.labels import Told, place_of, told_of
from leadmasterd.projection.sql import with_ids
from leadmasterd.store.database import open_for_reading
from leadmasterd.store.dirty import dirty_conversations

_AT_ONCE: Final = 16
"""Conversations of one read, and of one write."""
_GARBAGE_AFTER: Final = 50_000
"""Objects. What is made here refers to nothing in a circle, so that a look for garbage finds next to none."""
_MAPPED: Final = 1 << 34
"""Bytes of the file that are read without a call of the system for each page: messages of a chat lie far apart."""
_NICE: Final = 10
"""Capture and everybody else go first."""


def main() -> None:
    """The command line."""
    database, seconds, rules, model = sys.argv[1:]
    os.nice(_NICE)
    gc.set_threshold(_GARBAGE_AFTER)
    bulk = Bulk(load_classifier(*(existing(Path(file) if file else None) for file in (rules, model))))
    gc.freeze()
    out = os.fdopen(sys.stdout.fileno(), "wb", closefd=False)
    try:
        _write(out, bulk.version)
        out.flush()
        with closing(open_for_reading(Path(database))) as connection:
            connection.row_factory = None
            connection.execute(f"PRAGMA mmap_size = {_MAPPED}")
            for labelled in _labelled(connection, bulk, float(seconds)):
                for each in labelled:
                    _write(out, each)
                out.flush()
    except BrokenPipeError:
        os._exit(0)  # and no complaint about the pipe


def _labelled(connection: sqlite3.Connection, bulk: Bulk, seconds: float) -> Iterator[list[Labelled]]:
    after = 0
    while conversations := dirty_conversations(connection, _AT_ONCE, after):
        after = conversations[-1]
        asked = {*conversations}
        histories = histories_of(connection, conversations)
        look_over(connection, histories)
        histories.reverse()
        while histories:
            some = short_together(histories)
            if some[0].messages <= SHORT:
                load(connection, some)
            unlabelled = [_unlabelled(connection, each, seconds) for each in some]
            labels = iter(bulk.labels([burst for bursts in unlabelled for burst in bursts]))
            yield [
                (min(asked & each.people.keys()), each.messages, _told(bursts, labels))
                for each, bursts in zip(some, unlabelled, strict=True)
            ]


def _unlabelled(
    connection: sqlite3.Connection, history: History, seconds: float
) -> list[tuple[Sequence[str], Signals]]:
    """What the classifier is asked of the bursts that lack a label. None of what is not loaded."""
    known: set[str] = set()
    if not history.is_new:
        query = "SELECT burst FROM classifications WHERE conversation_id IN (SELECT value FROM json_each(?))"
        known = {burst for (burst,) in with_ids(connection, query, history.conversations)}
    return [
        (step.texts, step.signals)
        for step in history.read(seconds).steps
        if isinstance(step, Burst) and (not known or step.key not in known)
    ]


def _told(bursts: Iterable[tuple[Sequence[str], Signals]], labels: Iterator[Label]) -> dict[object, Told]:
    """The next label for each of these, by what was asked."""
    return {place_of(texts, signals): told_of(next(labels)) for texts, signals in bursts}


def _write(out: BinaryIO, what: object) -> None:
    content = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    out.write(LENGTH.pack(len(content)) + content)


if __name__ == "__main__":
    main()
