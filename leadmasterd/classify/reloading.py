"""Hot reload: keeps the classifier in step with the operator's rules and the trained model. watchdog watches the files.

A missing file stands for the packaged one. Editors write in place, rename another file over it, or delete it and write
a new one, so the folders are watched, and changes are debounced. The rights of files and folders are watched too: what
could not be read may be readable now. A broken file changes nothing: the classifier in force stays, and `on_problem` is
called, once for each new problem and with None when all is well again.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from watchdog.events import EVENT_TYPE_ATTRIB, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from leadmasterd import causes
from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.loading import existing, load_model, load_rules
from leadmasterd.errors import CannotUseModel, CannotUseRules
from leadmasterd.text import _

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 0.3
"""Debounce: an editor's writes that are closer together are one change."""

_CHANGES: Final = ("created", "modified", "moved", "deleted", "closed", EVENT_TYPE_ATTRIB)


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
        """Loads once. Files may be None (packaged) or not exist yet; a broken one is reported, not raised."""
        files = [file.absolute() for file in (rules_file, model_file) if file]
        # Of a symlink its target too: that is what is edited.
        self._files = {*files, *(file.resolve() for file in files if file.is_symlink() and file.exists())}
        self._rules_file, self._model_file = rules_file, model_file
        self._on_problem, self._on_change = on_problem, on_change
        self._reported: str | None = None
        self._unwatched: str | None = None
        self._loading = threading.Lock()
        self._changed = threading.Event()
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
        """Watch the files' folders, which must exist. If that fails, `on_problem` is called."""
        folders = {str(file.parent) for file in self._files}
        handler = _Handler({str(file) for file in self._files}, folders, self._changed.set)
        try:
            for folder in folders:
                self._observer.schedule(handler, folder)
            self._observer.start()
        except OSError as error:
            self._unwatched = _("cannot watch {files}: {reason}; changes take effect at the next start").format(
                files=", ".join(map(str, self._files)), reason=causes.of_system(error)
            )
        self._thread = threading.Thread(target=self._follow, name="rules", daemon=True)
        self._thread.start()
        self._changed.set()  # perhaps, since the files were first read

    def stop(self) -> None:
        """Stop watching; the classifier in force stays. May be called without start, and twice."""
        self._stopping.set()
        self._changed.set()
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def _follow(self) -> None:
        while True:
            self._changed.wait()
            while not self._stopping.is_set():
                self._changed.clear()
                if not self._changed.wait(QUIET_SECONDS):
                    break
            if self._stopping.is_set():
                return
            try:
                self._load()
            except Exception as error:  # a defect of ours: report it, and go on with the next change
                log.exception("cannot read the rules or the model", extra={"action": "rules_unread"})
                self._report(repr(error))

    def _load(self, *, first: bool = False) -> None:
        problems = [self._unwatched] if self._unwatched else []
        with self._loading:
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
        self._report("\n".join(problems) or None)

    def _report(self, problem: str | None) -> None:
        if problem != self._reported:
            self._reported = problem
            self._on_problem(problem)


class _Handler(FileSystemEventHandler):
    """Calls `on_change` when one of the files changes, or the rights of one of the folders."""

    def __init__(self, files: set[str], folders: set[str], on_change: Callable[[], None]) -> None:
        self._files = files
        self._folders = folders
        self._on_change = on_change

    def on_any_event(self, event: FileSystemEvent) -> None:
        watched = self._files | self._folders if event.event_type == EVENT_TYPE_ATTRIB else self._files
        if event.event_type in _CHANGES and {str(event.src_path), str(event.dest_path)} & watched:
            self._on_change()
