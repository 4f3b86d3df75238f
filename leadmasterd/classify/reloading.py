"""Keeps the classifier in step with its files: the operator's rules and the learned model. watchdog does the watching.

A file that is not there counts as the packaged one. Editors write in place, or rename another file over it, or delete
and write anew, so it is their folders that are watched, and a file is read again once it has been quiet for a moment. A
broken one changes nothing: what was in force stays, and `on_problem` is told, once for each new mistake and with None
when all is well again.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.loading import existing, load_model, load_rules
from leadmasterd.errors import CannotUseModel, CannotUseRules
from leadmasterd.text import _

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 0.3
"""An editor's several writes are one change when they are closer together."""

_TELLS: Final = ("created", "modified", "moved", "deleted", "closed")


class Reloading:
    """`current()` from any thread. `on_change` and `on_problem` are called from a thread of its own."""

    def __init__(
        self,
        rules_file: Path | None,
        model_file: Path | None,
        *,
        on_problem: Callable[[str | None], None],
        on_change: Callable[[Classifier], None] = lambda _classifier: None,
    ) -> None:
        """Loads once. Files may be None (the packaged ones) or not there yet; a broken one is told, not raised."""
        files = [file.absolute() for file in (rules_file, model_file) if file]
        # Of a link, what it leads to as well: that is what is edited.
        self._files = {*files, *(file.resolve() for file in files if file.is_symlink() and file.exists())}
        self._rules_file, self._model_file = rules_file, model_file
        self._on_problem, self._on_change = on_problem, on_change
        self._told: str | None = None
        self._unwatched: str | None = None
        self._reading = threading.Lock()
        self._something = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._observer = Observer()
        rules, version = load_rules(None)
        self._rules, self._rules_version = rules, version
        self._model = load_model(None)
        self._classifier = Classifier(rules, version, self._model)
        self._load(first=True)

    def current(self) -> Classifier:
        """The classifier in force."""
        return self._classifier

    def start(self) -> None:
        """Watch the files' folders, which must be there. Where that can't be, `on_problem` is told."""
        handler = _Handler({str(file) for file in self._files}, self._something.set)
        try:
            for folder in {file.parent for file in self._files}:
                self._observer.schedule(handler, str(folder))
            self._observer.start()
        except OSError as error:
            self._unwatched = _("cannot watch {files}: {reason}; changes take effect at the next start").format(
                files=", ".join(map(str, self._files)), reason=error.strerror or error
            )
        self._thread = threading.Thread(target=self._follow, name="rules", daemon=True)
        self._thread.start()
        self._something.set()  # what changed since it was first read

    def stop(self) -> None:
        """Stop watching; what is in force stays. May be called without start, and twice."""
        self._stopping.set()
        self._something.set()
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def _follow(self) -> None:
        while True:
            self._something.wait()
            while not self._stopping.is_set():
                self._something.clear()
                if not self._something.wait(QUIET_SECONDS):
                    break
            if self._stopping.is_set():
                return
            try:
                self._load()
            except Exception as error:  # a defect of ours: it is told, and the next change is read all the same
                log.exception("cannot read the rules or the model", extra={"action": "rules_unread"})
                self._tell(repr(error))

    def _load(self, *, first: bool = False) -> None:
        problems = [self._unwatched] if self._unwatched else []
        with self._reading:
            try:
                self._rules, self._rules_version = load_rules(existing(self._rules_file))
            except CannotUseRules as error:
                problems.append(str(error))
            try:
                self._model = load_model(existing(self._model_file))
            except CannotUseModel as error:
                problems.append(str(error))
            fresh = Classifier(self._rules, self._rules_version, self._model)
            changed = fresh.version != self._classifier.version
            if changed:
                self._classifier = fresh
        if changed and not first:
            self._on_change(fresh)
        self._tell("\n".join(problems) or None)

    def _tell(self, problem: str | None) -> None:
        if problem != self._told:
            self._told = problem
            self._on_problem(problem)


class _Handler(FileSystemEventHandler):
    """Whatever happens to one of the files."""

    def __init__(self, files: set[str], tell: Callable[[], None]) -> None:
        self._files = files
        self._tell = tell

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _TELLS and {str(event.src_path), str(event.dest_path)} & self._files:
            self._tell()
