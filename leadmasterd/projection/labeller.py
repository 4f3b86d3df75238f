"""The process that labels ahead (`ahead`): `python -m leadmasterd.projection.labeller DATABASE SECONDS RULES MODEL`.

It reads the database and never writes it. It writes pickled objects to its stdout: first the classifier's version, then
a `Labelled` for each contact that has a dirty conversation, with the labels that its bursts lack (none if its history
is long). It ends after the last one, or when nobody reads any more.
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
from leadmasterd.projection.history import SHORT, History, histories_of, load, measure, pop_batch
from leadmasterd.projection.labels import StoredLabel, label_key, stored_label
from leadmasterd.projection.sql import with_ids
from leadmasterd.store.database import open_for_reading
from leadmasterd.store.dirty import dirty_conversations

_AT_ONCE: Final = 16
"""Dirty conversations that are read at once."""
_GC_THRESHOLD: Final = 50_000
"""So many new objects are made before the garbage collector runs. There are next to no reference cycles for it."""
_MAPPED_BYTES: Final = 1 << 34
"""How much of the database file is mapped into memory: the messages of a chat lie far apart, and reading each page with
a system call takes longer."""
_NICE: Final = 10
"""A low priority: capture and everybody else go first."""

Asked = tuple[Sequence[str], Signals]
"""What the classifier is asked of one burst."""


def main() -> None:
    """Label every contact that has a dirty conversation. The command's arguments are in the module's docstring.

    An empty argument for the rules or the model selects the packaged file.
    """
    database, seconds, rules, model = sys.argv[1:]
    os.nice(_NICE)
    gc.set_threshold(_GC_THRESHOLD)
    rules_file, model_file = (existing(Path(file) if file else None) for file in (rules, model))
    bulk = Bulk(load_classifier(rules_file, model_file))
    gc.freeze()  # the collector need not look at the classifier again
    out = os.fdopen(sys.stdout.fileno(), "wb", closefd=False)
    try:
        _write(out, bulk.version)
        out.flush()
        with closing(open_for_reading(Path(database))) as connection:
            connection.row_factory = None
            connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
            for batch in _label_all(connection, bulk, float(seconds)):
                for labelled in batch:
                    _write(out, labelled)
                out.flush()
    except BrokenPipeError:
        os._exit(0)  # at once, or Python complains about the pipe on its way out


def _label_all(connection: sqlite3.Connection, bulk: Bulk, burst_seconds: float) -> Iterator[list[Labelled]]:
    """Label every contact with a dirty conversation, in order. Each list has what was read and classified together."""
    after = 0
    while conversations := dirty_conversations(connection, _AT_ONCE, after):
        after = conversations[-1]
        dirty = {*conversations}
        histories = histories_of(connection, conversations)
        measure(connection, histories)
        histories.reverse()  # batches are taken from its end
        while histories:
            batch = pop_batch(histories)
            if batch[0].message_count <= SHORT:
                load(connection, batch)  # a long one stays empty: it is not labelled ahead
            unlabelled = [_unlabelled(connection, history, burst_seconds) for history in batch]
            labels = iter(bulk.labels([asked for of_history in unlabelled for asked in of_history]))
            yield [
                Labelled(min(dirty & history.people.keys()), history.message_count, _next_labels(of_history, labels))
                for history, of_history in zip(batch, unlabelled, strict=True)
            ]


def _unlabelled(connection: sqlite3.Connection, history: History, burst_seconds: float) -> list[Asked]:
    """What the classifier is to be asked: the loaded bursts that have no stored label."""
    known: set[str] = set()
    if not history.is_new:
        query = "SELECT burst FROM classifications WHERE conversation_id IN (SELECT value FROM json_each(?))"
        known = {burst for (burst,) in with_ids(connection, query, history.conversations)}
    bursts = [step for step in history.read(burst_seconds).steps if isinstance(step, Burst)]
    if known:
        bursts = [burst for burst in bursts if burst.key not in known]
    return [(burst.texts, burst.signals) for burst in bursts]


def _next_labels(asked: Iterable[Asked], labels: Iterator[Label]) -> dict[object, StoredLabel]:
    """Take one label from `labels` for each burst that was asked about. By `label_key`."""
    return {label_key(texts, signals): stored_label(next(labels)) for texts, signals in asked}


def _write(out: BinaryIO, item: object) -> None:
    content = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
    out.write(LENGTH.pack(len(content)) + content)


if __name__ == "__main__":
    main()
