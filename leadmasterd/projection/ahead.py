"""Labels made ahead of the projection, by a second process, while very many conversations have no labels yet.

A burst's label depends on its texts and signals only, so another core can make it while the writer folds. The process
only saves time: what it has not labelled, or has labelled with other rules, the writer labels itself. The process takes
the conversations from the first one up. The writer takes those that the process has labelled; while there are none, it
takes others from the last one down. So neither waits for the other.
"""

import logging
import os
import pickle
import sqlite3
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from leadmasterd.apart import python_module
from leadmasterd.listener import tree
from leadmasterd.projection.labels import Classifies, StoredLabel

log = logging.getLogger(__name__)

LEAST: Final = 1_000
"""Conversations without any label for which the process is started, which takes half a second and some 50 MB."""
LENGTH: Final = Struct(">I")
"""The header before each pickled object that the process writes: its length in bytes."""
_MOST_READY: Final = 64
"""Labelled conversations that are kept in memory. The pipe holds more; when it is full, the process waits."""
_READ_BYTES: Final = 1 << 16
_CHECK_SECONDS: Final = 10.0
"""Seconds between two checks whether enough conversations wait."""

_CHECKPOINT_AFTER: Final = 4_000
_CHECKPOINT_USUALLY: Final = 1_000
"""Pages of the WAL, of 4 KB each, after which SQLite copies them into the database file; 1,000 is its default. While
very much is written, the same pages are written again and again: then it pays to copy them less often."""


class Labelled(NamedTuple):
    """What the process has labelled of one contact."""

    conversation: int
    """The contact's first dirty conversation."""
    messages: int
    """How many messages the contact has."""
    labels: dict[object, StoredLabel]
    """By `label_key`, the labels of the bursts that had no stored label."""


class Ahead:
    """The process that labels ahead, and what it has labelled. Belongs to the writer's thread."""

    def __init__(self, command: Sequence[str] | None) -> None:
        """`command`: starts the process (`command_for`). With None, or on a machine with one core, it never starts."""
        self._command = command if len(os.sched_getaffinity(0)) > 1 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._db: sqlite3.Connection | None = None
        """The connection whose WAL is copied less often; None while that is as usual."""
        self._not_the_listeners = ExitStack()
        """Holds what keeps the supervisor from taking the process for one of the listener's, and ending it."""
        self._buffer = bytearray()
        self._version = ""
        """Of the classifier that the process uses."""
        self._ready: deque[Labelled] = deque()
        self._labels: dict[object, StoredLabel] = {}
        self._next_check = 0.0
        """In `time.monotonic`."""

    def labels_for(self, classifier: Classifies) -> Mapping[object, StoredLabel]:
        """The labels of the conversations taken last, by `label_key`; none if they were made by another classifier."""
        return self._labels if getattr(classifier, "version", None) == self._version else {}

    @property
    def is_active(self) -> bool:
        """Whether the process lives, or has left labelled conversations that are not taken yet."""
        return self._process is not None or bool(self._ready)

    def start_if_worthwhile(self, connection: sqlite3.Connection) -> None:
        """Start the process if very many conversations have no labels, and copy this connection's WAL less often.

        Checks this every few seconds only, and does nothing while the process runs.
        """
        if self._command is None or self._process is not None or time.monotonic() < self._next_check:
            return
        self._next_check = time.monotonic() + _CHECK_SECONDS
        [[unlabelled]] = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM unjudged u WHERE NOT EXISTS "
            "(SELECT 1 FROM classifications c WHERE c.conversation_id = u.conversation_id) LIMIT ?)",
            (LEAST,),
        )
        if unlabelled < LEAST:
            return
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            log.warning("cannot label ahead: %s", error, extra={"action": "label_ahead"})
            return
        self._db = connection
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_AFTER}")
        self._not_the_listeners.enter_context(tree.not_the_listeners(self._process.pid))
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)

    def take(self, most_conversations: int, most_messages: int) -> list[int]:
        """The next labelled conversations: at most so many, with at most so many messages together.

        The first one is taken even if it alone has more messages. Until the next call, `labels_for` gives the labels of
        these. Never waits: empty if the process has nothing ready.
        """
        can_read = True
        while can_read and self._process is not None and len(self._ready) < _MOST_READY:
            can_read = self._read(self._process)
        self._labels = {}
        taken: list[int] = []
        messages_left = most_messages
        while self._ready and len(taken) < most_conversations:
            following = self._ready[0]
            if taken and following.messages > messages_left:
                break
            self._ready.popleft()
            taken.append(following.conversation)
            messages_left -= following.messages
            self._labels |= following.labels
        return taken

    def end(self) -> None:
        """Kill the process if it runs, forget what it labelled, and copy the WAL as usual again."""
        self._labels = {}
        self._ready.clear()
        if self._db is not None:
            self._db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_USUALLY}")
            self._db = None
        if self._process is not None:
            self._process.kill()
            self._reap(self._process)
            self._next_check = 0.0

    def _read(self, process: "subprocess.Popen[bytes]") -> bool:
        """Read from the process once and keep what it has labelled. False: there was nothing, or the process has ended.

        After a failure it is not started again.
        """
        assert process.stdout is not None
        try:
            content = os.read(process.stdout.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        if not content:
            if code := self._reap(process):
                self._command = None
                log.warning(
                    "labelling ahead ended with %d, and goes on in this process", code, extra={"action": "label_ahead"}
                )
            return False
        self._buffer += content
        self._parse_buffer()
        return True

    def _parse_buffer(self) -> None:
        """Take all complete objects out of the buffer: first the classifier's version, then labelled conversations."""
        begin = 0
        while (body := begin + LENGTH.size) <= len(self._buffer):
            (length,) = LENGTH.unpack_from(self._buffer, begin)
            end = body + length
            if end > len(self._buffer):
                break
            item = pickle.loads(memoryview(self._buffer)[body:end])
            begin = end
            if isinstance(item, str):
                self._version = item
            else:
                self._ready.append(item)
        del self._buffer[:begin]

    def _reap(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait for a process that has ended or was killed, and forget it. Returns its exit code."""
        if process.stdout is not None:
            process.stdout.close()
        code = process.wait()
        self._not_the_listeners.close()
        self._buffer.clear()
        self._process = None
        return code


def command_for(database: Path, rules: Path | None, model: Path | None, burst_seconds: float) -> list[str]:
    """The command of the process that labels this database ahead.

    `rules`, `model`: as for `load_classifier`. `burst_seconds`: as in `Policy`.
    """
    files = [str(file) if file else "" for file in (rules, model)]
    return python_module("leadmasterd.projection.labeller", str(database), str(burst_seconds), *files)
