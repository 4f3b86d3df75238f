"""Hot reload: loads the operator's rules and the trained model again when their files change.

A missing file stands for the packaged one. Editors write in place, rename another file over it, or delete it and write
a new one, so the folders are watched (by watchdog), and changes are debounced. The permissions of files and folders are
watched too: what could not be read may be readable now. A broken file changes nothing: the classifier in use stays, and
`on_problem` is called, once for each new problem and with None when all is well again.
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
    """The classifier made of two files, always in step with them.

    Any thread may call `current`. `on_change` and `on_problem` are called from a thread of its own, except that
    `on_problem` is called from the constructor for files that are broken from the start.
    """

    def __init__(
        self,
        rules_file: Path | None,
        model_file: Path | None,
        *,
        on_problem: Callable[[str | None], None],
        on_change: Callable[[Classifier], None] = lambda _classifier: None,
    ) -> None:
        """Load both files. Each may be None (the packaged one) or not exist yet; a broken one is reported, not raised.

        `on_problem` gets the problems as sentences for people, or None; `on_change` each new classifier.
        """
        files = [file.absolute() for file in (rules_file, model_file) if file]
        # The target of a symlink too, which is what people edit.
        self._files = {*files, *(file.resolve() for file in files if file.is_symlink() and file.exists())}
        self._rules_file, self._model_file = rules_file, model_file
        self._on_problem, self._on_change = on_problem, on_change
        self._reported: str | None = None
        """The problem that `on_problem` was last called with."""
        self._watch_problem: str | None = None
        """Why the files cannot be watched."""
        self._loading = threading.Lock()
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._observer = Observer()
        # To be used in place of a file that is broken from the start.
        rules, version = load_rules(None)
        self._rules, self._rules_version = rules, version
        self._model = load_model(None)
        self._classifier = Classifier(rules, version, self._model)
        self._load(first=True)

    def current(self) -> Classifier:
        """The classifier to use now."""
        return self._classifier

    def start(self) -> None:
        """Watch the files' folders, which must exist, and load the files again in a moment. Does not raise.

        If the folders cannot be watched, `on_problem` is called.
        """
        folders = {str(file.parent) for file in self._files}
        handler = _Handler({str(file) for file in self._files}, folders, self._changed.set)
        try:
            for folder in folders:
                self._observer.schedule(handler, folder)
            self._observer.start()
        except OSError as error:
            self._watch_problem = _("cannot watch {files}: {reason}; changes take effect at the next start").format(
                files=", ".join(map(str, self._files)), reason=causes.of_system(error)
            )
        self._thread = threading.Thread(target=self._reload_on_changes, name="rules", daemon=True)
        self._thread.start()
        self._changed.set()  # the files may have changed since they were first read

    def stop(self) -> None:
        """Stop watching, and wait until the thread has ended. `current` still answers.

        May be called without `start`, and twice.
        """
        self._stopping.set()
        self._changed.set()  # wakes the thread
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def _reload_on_changes(self) -> None:
        """Load again after each burst of changes, until it is told to stop. Runs in a thread of its own."""
        while True:
            self._changed.wait()
            self._wait_until_quiet()
            if self._stopping.is_set():
                return
            try:
                self._load()
            except Exception as error:  # a bug in this program: report it, and go on with the next change
                log.exception("cannot read the rules or the model", extra={"action": "rules_unread"})
                self._report(repr(error))

    def _wait_until_quiet(self) -> None:
        """Wait until nothing has changed for `QUIET_SECONDS`. Returns early when it is to stop."""
        while not self._stopping.is_set():
            self._changed.clear()
            changed_again = self._changed.wait(QUIET_SECONDS)
            if not changed_again:
                return

    def _load(self, *, first: bool = False) -> None:
        """Load both files. If one is broken, what was loaded in its place before stays in use.

        Calls `on_change` for a new classifier, except the first time, and `on_problem` for a new problem.
        """
        problems = [self._watch_problem] if self._watch_problem else []
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
        """Call `on_problem`, unless this is what it was last called with."""
        if problem != self._reported:
            self._reported = problem
            self._on_problem(problem)


class _Handler(FileSystemEventHandler):
    """Calls `on_change` when one of the files changes, or the permissions of one of the folders."""

    def __init__(self, files: set[str], folders: set[str], on_change: Callable[[], None]) -> None:
        self._files = files
        self._folders = folders
        self._on_change = on_change

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog, in its own thread, for whatever happens in the folders."""
        watched = self._files | self._folders if event.event_type == EVENT_TYPE_ATTRIB else self._files
        if event.event_type in _CHANGES and {str(event.src_path), str(event.dest_path)} & watched:
            self._on_change()
