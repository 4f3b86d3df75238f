"""The process that labels ahead (`ahead`): `python -m leadmasterd.projection.labeller DATABASE SECONDS RULES MODEL`.

It reads the database and never writes it. For each conversation that waits to be judged and is not long it writes the
labels that its bursts still lack to its stdout, and ends after the last, or when nobody reads any more.
"""

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
from leadmasterd.projection.ahead import LENGTH, Labelled, place_of, told_of
from leadmasterd.projection.history import bursts_of
from leadmasterd.store.database import open_for_reading
from leadmasterd.store.dirty import dirty_conversations

_AT_ONCE: Final = 16
"""Conversations of one read, and of one write."""
_LONGEST: Final = 1_000
"""Messages: what is longer is left to the writer, which reads only what has changed of it."""
_WORDS_REMEMBERED: Final = 32_768
"""A shop's customers do not know more, and this process lives for minutes only."""
_NICE: Final = 10
"""Capture and everybody else go first."""


def main() -> None:
    """The command line."""
    database, seconds, rules, model = sys.argv[1:]
    os.nice(_NICE)
    classifier = load_classifier(*(existing(Path(file) if file else None) for file in (rules, model)))
    if classifier.model:
        classifier.model.remember_words(_WORDS_REMEMBERED)
    out = os.fdopen(sys.stdout.fileno(), "wb", closefd=False)
    try:
        _write(out, classifier.version)
        out.flush()
        with closing(open_for_reading(Path(database))) as connection:
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
        yield [(each, _labels_of(connection, classifier, each, seconds)) for each in conversations]


def _labels_of(
    connection: sqlite3.Connection, classifier: Classifier, conversation: int, seconds: float
) -> dict[object, object]:
    """By what `Classifier.classify` is asked."""
    [[messages]] = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM messages WHERE conversation_id = ? LIMIT ?)",
        (conversation, _LONGEST + 1),
    )
    if messages > _LONGEST:
        return {}
    known = {
        burst
        for (burst,) in connection.execute(
            "SELECT burst FROM classifications WHERE conversation_id = ?", (conversation,)
        )
    }
    found: dict[object, object] = {}
    for burst in bursts_of(connection, conversation, seconds):
        if not known or burst.key not in known:
            texts, signals = burst.texts, burst.signals
            found[place_of(texts, signals)] = told_of(classifier.classify(texts, signals))
    return found


def _write(out: BinaryIO, what: object) -> None:
    content = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    out.write(LENGTH.pack(len(content)) + content)


if __name__ == "__main__":
    main()
