"""Labels made ahead, by a process of its own, while very much waits to be judged for the first time.

A text's label depends on nothing else, so it may be made anywhere: another core makes it while the writer folds. The
process is a convenience. What it has not labelled, or has labelled with other rules, the writer labels itself, and so
its end costs time only. It takes the conversations from the first to the last; the writer takes what is labelled, and
meanwhile the others from the last on, so that neither waits for the other.
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
from typing import Final

from leadmasterd.apart import python_module
from leadmasterd.listener import tree
from leadmasterd.projection.labels import Classifies, Told

log = logging.getLogger(__name__)

LEAST: Final = 1_000
"""Conversations without any label for which a process is started, which takes half a second and some 50 MB."""
LENGTH: Final = Struct(">I")
"""Before each thing that the process writes."""
_READY: Final = 64
"""Conversations that are held ready: the pipe holds more, and then the process waits."""
_READ: Final = 1 << 16
_LOOKS_EVERY: Final = 10.0
"""Seconds between two looks at how much waits."""

_CHECKPOINT_AFTER: Final = 4_000
_CHECKPOINT_USUALLY: Final = 1_000
"""Pages of the WAL, of 4 KB each, after which they are copied into the file: of many that are written again and again,
more are then copied once. 1,000 is what SQLite does by itself."""

Labelled = tuple[int, int, dict[object, Told]]
"""A conversation, how many messages its contact has, and the labels of its bursts by `place_of`."""


class Ahead:
    """What is labelled ahead. Belongs to the writer's thread.

    `command`: the process (`command_for`). None, or a machine with one core: there is none.
    """

    def __init__(self, command: Sequence[str] | None) -> None:
        self._command = command if len(os.sched_getaffinity(0)) > 1 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._db: sqlite3.Connection | None = None
        """Where very much is written."""
        self._held = ExitStack()
        self._buffer = bytearray()
        self._version = ""
        self._ready: deque[Labelled] = deque()
        self._labels: dict[object, Told] = {}
        self._looks_again = 0.0

    def made_as(self, classifier: Classifies) -> Mapping[object, Told]:
        """The labels of what was taken last, if this classifier would give the same."""
        return self._labels if getattr(classifier, "version", None) == self._version else {}

    @property
    def runs(self) -> bool:
        """Whether the process lives, or has left something."""
        return self._process is not None or bool(self._ready)

    def begin(self, connection: sqlite3.Connection) -> None:
        """Start the process if so much waits that it pays. Looks every few seconds only."""
        if self._command is None or self._process is not None or time.monotonic() < self._looks_again:
            return
        self._looks_again = time.monotonic() + _LOOKS_EVERY
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
        self._held.enter_context(tree.not_the_listeners(self._process.pid))
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)

    def take(self, conversations: int, messages: int) -> list[int]:
        """The next labelled conversations: at most so many, with at most so many messages together.

        A single one may have more. Until the next call only the labels of these are at hand.
        """
        while len(self._ready) < _READY and self._process is not None and self._read(self._process):
            pass
        self._labels = {}
        taken: list[int] = []
        while self._ready and len(taken) < conversations and (not taken or self._ready[0][1] <= messages):
            conversation, its_messages, labels = self._ready.popleft()
            taken.append(conversation)
            messages -= its_messages
            self._labels |= labels
        return taken

    def end(self) -> None:
        """Nothing waits any more."""
        self._labels = {}
        self._ready.clear()
        if self._db is not None:
            self._db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_USUALLY}")
            self._db = None
        if self._process is not None:
            self._process.kill()
            self._reap(self._process)
            self._looks_again = 0.0

    def _read(self, process: "subprocess.Popen[bytes]") -> bool:
        """Whether there was anything to read."""
        assert process.stdout is not None
        try:
            content = os.read(process.stdout.fileno(), _READ)
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
        begin = 0
        while (at := begin + LENGTH.size) <= len(self._buffer):
            (length,) = LENGTH.unpack_from(self._buffer, begin)
            if at + length > len(self._buffer):
                break
            told = pickle.loads(memoryview(self._buffer)[at : at + length])
            begin = at + length
            if isinstance(told, str):
                self._version = told
            else:
                self._ready.append(told)
        del self._buffer[:begin]
        return True

    def _reap(self, process: "subprocess.Popen[bytes]") -> int:
        """It has ended, or was just killed. Returns its exit code."""
        if process.stdout is not None:
            process.stdout.close()
        code = process.wait()
        self._held.close()
        self._buffer.clear()
        self._process = None
        return code


def command_for(database: Path, rules: Path | None, model: Path | None, burst_seconds: float) -> list[str]:
    """The process that labels ahead in this database. `rules`, `model`: as for `load_classifier`."""
    files = [str(file) if file else "" for file in (rules, model)]
    return python_module("leadmasterd.projection.labeller", str(database), str(burst_seconds), *files)
