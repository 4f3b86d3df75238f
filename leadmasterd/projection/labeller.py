"""The process that labels ahead (`ahead`): `python -m leadmasterd.projection.labeller DATABASE SECONDS RULES MODEL`.

It reads the database and never writes it. For each conversation that waits to be judged and is not long it writes the
labels that its bursts still lack to its stdout, and ends after the last, or when nobody reads any more.
"""

import gc
import os
import pickle
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final

from leadmasterd.classify.classifier import Classifier
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
_WORDS_REMEMBERED: Final = 32_768
"""A shop's customers do not know more, and this process lives for minutes only."""
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
    classifier = load_classifier(*(existing(Path(file) if file else None) for file in (rules, model)))
    classifier.remember_words(_WORDS_REMEMBERED)
    gc.freeze()
    out = os.fdopen(sys.stdout.fileno(), "wb", closefd=False)
    try:
        _write(out, classifier.version)
        out.flush()
        with closing(open_for_reading(Path(database))) as connection:
            connection.row_factory = None
            connection.execute(f"PRAGMA mmap_size = {_MAPPED}")
            for labelled in _labelled(connection, classifier, float(seconds)):
                for each in labelled:
                    _write(out, each)
                out.flush()
    except BrokenPipeError:
        os._exit(0)  # and no complaint about the pipe


def _labelled(connection: sqlite3.Connection, classifier: Classifier, seconds: float) -> Iterator[list[Labelled]]:
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
            yield [
                (min(asked & each.people.keys()), each.messages, _labels_of(connection, classifier, each, seconds))
                for each in some
            ]


def _labels_of(
    connection: sqlite3.Connection, classifier: Classifier, history: History, seconds: float
) -> dict[object, Told]:
    """By what `Classifier.classify` is asked. None of what is not loaded."""
    known: set[str] = set()
    if not history.is_new:
        query = "SELECT burst FROM classifications WHERE conversation_id IN (SELECT value FROM json_each(?))"
        known = {burst for (burst,) in with_ids(connection, query, history.conversations)}
    found: dict[object, Told] = {}
    for burst in history.read(seconds).steps:
        if isinstance(burst, Burst) and (not known or burst.key not in known):
            texts, signals = burst.texts, burst.signals
            found[place_of(texts, signals)] = told_of(classifier.classify(texts, signals))
    return found


def _write(out: BinaryIO, what: object) -> None:
    content = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    out.write(LENGTH.pack(len(content)) + content)


if __name__ == "__main__":
    main()
