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
from operator import attrgetter
from pathlib import Path
from struct import Struct
from typing import Any, Final

from leadmasterd.apart import python_module
from leadmasterd.classify.intents import FLAGS, Label, Signals
from leadmasterd.listener import tree
from leadmasterd.projection.labels import Classifies

log = logging.getLogger(__name__)

LEAST: Final = 1_000
"""Conversations without any label for which a process is started, which takes half a second and some 40 MB."""
LENGTH: Final = Struct(">I")
"""Before each thing that the process writes."""
_READY: Final = 64
"""Conversations that are held ready: the pipe holds more, and then the process waits."""
_READ: Final = 1 << 16
_LOOKS_EVERY: Final = 10.0
"""Seconds between two looks at how much waits."""

Labelled = tuple[int, dict[object, object]]
"""A conversation, and the labels of its bursts."""

_facts: Final = attrgetter(*FLAGS, "types")
_told: Final = attrgetter("intent", "method", "confidence", "source", "code", "values")


def place_of(texts: Sequence[str], signals: Signals) -> object:
    """What a label is found again by."""
    return tuple(texts), _facts(signals)


def told_of(label: Label) -> object:
    """A label as it is written to the pipe."""
    return _told(label)


class _Ready:
    """A classifier that has answers ready."""

    def __init__(self, classifier: Classifies, ready: Mapping[object, Any]) -> None:
        self._classifier = classifier
        self._ready = ready

    def classify(self, texts: Sequence[str], signals: Signals) -> Label:
        """As the classifier would."""
        told = self._ready.get(place_of(texts, signals))
        if told is None:
            return self._classifier.classify(texts, signals)
        intent, method, confidence, source, code, values = told
        return Label(intent=intent, method=method, confidence=confidence, source=source, code=code, values=values)


class Ahead:
    """What is labelled ahead. Belongs to the writer's thread.

    `command`: the process (`command_for`). None, or a machine with one core: there is none.
    """

    def __init__(self, command: Sequence[str] | None) -> None:
        self._command = command if len(os.sched_getaffinity(0)) > 1 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._held = ExitStack()
        self._buffer = bytearray()
        self._version = ""
        self._ready: deque[Labelled] = deque()
        self._labels: dict[object, object] = {}
        self._looks_again = 0.0

    def before(self, classifier: Classifies) -> Classifies:
        """This classifier, asked only where no label of its version is ready."""
        if not self._labels or getattr(classifier, "version", None) != self._version:
            return classifier
        return _Ready(classifier, self._labels)

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
        self._held.enter_context(tree.not_the_listeners(self._process.pid))
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)

    def take(self) -> int | None:
        """The next conversation that is labelled. Its labels are the ready ones from now on."""
        if len(self._ready) < _READY and self._process is not None:
            self._read(self._process)
        if not self._ready:
            self._labels = {}
            return None
        conversation, self._labels = self._ready.popleft()
        return conversation

    def end(self) -> None:
        """Nothing waits any more."""
        self._labels = {}
        self._ready.clear()
        if self._process is not None:
            self._process.kill()
            self._reap(self._process)
            self._looks_again = 0.0

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        try:
            content = os.read(process.stdout.fileno(), _READ)
        except BlockingIOError:
            return
        if not content:
            if code := self._reap(process):
                self._command = None
                log.warning(
                    "labelling ahead ended with %d, and goes on in this process", code, extra={"action": "label_ahead"}
                )
            return
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
