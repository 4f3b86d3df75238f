"""Logging of long-running processes: to a terminal, or to systemd's journal."""

import logging
import os
import sys


class _JournalFormatter(logging.Formatter):
    """Puts the priority, as `<N>`, at the start of each line, where systemd reads it."""

    def format(self, record: logging.LogRecord) -> str:
        level = 3 if record.levelno >= logging.ERROR else 4 if record.levelno >= logging.WARNING else 6
        return "\n".join(f"<{level}>{line}" for line in super().format(record).splitlines())


def set_up_logging() -> None:
    """One line per event on stderr: with the time for people, with the priority for the journal."""
    handler = logging.StreamHandler(sys.stderr)
    if os.environ.get("JOURNAL_STREAM"):
        handler.setFormatter(_JournalFormatter("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    root = logging.getLogger("leadmasterd")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
    # watchdog warns needlessly about a file that changes during shutdown (its observers/inotify.py).
    logging.getLogger("watchdog.observers.inotify").addFilter(
        lambda record: "when the thread is inactive" not in record.getMessage()
    )
