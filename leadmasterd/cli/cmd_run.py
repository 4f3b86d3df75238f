"""`leadmasterd run`: the daemon in the foreground."""

import argparse
import asyncio
import logging
import os
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from leadmasterd import __version__, qr
from leadmasterd.cli.arguments import add_epilog
from leadmasterd.cli.times import Clock
from leadmasterd.daemon.app import Daemon
from leadmasterd.settings.model import load
from leadmasterd.text import _


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No flags: everything is in the settings."""
    add_epilog(parser, "leadmasterd run", "leadmasterd --config /etc/leadmasterd/config.toml run")


def run(arguments: argparse.Namespace) -> int:
    """Until SIGTERM or Ctrl-C."""
    settings, paths = load(arguments.config)
    set_up_logging()
    logging.getLogger("leadmasterd").info("leadmasterd %s, state in %s", __version__, paths.state_dir)
    if os.geteuid() == 0:
        logging.getLogger("leadmasterd").warning(
            "running as root, so the browser's sandbox is off: fine for a trial, not for production"
        )
    os.umask(0o077)
    clock = Clock(datetime.now(UTC), ZoneInfo(settings.leads.timezone))
    presenter = TerminalPresenter(clock) if sys.stdout.isatty() else JournalPresenter(clock)
    asyncio.run(Daemon(settings, paths, presenter).run())
    return 0


class TerminalPresenter:
    """Shows codes on a terminal: in colour, with instructions."""

    ink = qr.Ink.COLOURS

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def code(self, text: str, valid_until: datetime) -> None:
        """Draw the QR code and say how long it is valid."""
        until = self.clock.until(valid_until.isoformat())
        print(
            f"\n{qr.draw(text, self.ink)}\n"
            + _("On the phone: WhatsApp > Settings > Linked devices > Link a device.")
            + "\n"
            + _("This code is good until {time}; a new one follows by itself.").format(time=until),
            flush=True,
        )

    def pairing_code(self, code: str, valid_until: datetime) -> None:
        """Show the 8 characters to type on the phone."""
        until = self.clock.until(valid_until.isoformat())
        print(
            "\n"
            + _("Pairing code: {code}").format(code=f"{code[:4]}-{code[4:]}")
            + "\n"
            + _("On the phone: Linked devices > Link with phone number instead. Good until {time}.").format(time=until),
            flush=True,
        )


class JournalPresenter(TerminalPresenter):
    """For a journal or a pipe: no colours, no control characters."""

    ink = qr.Ink.LIGHT_MODULES


class _JournalFormatter(logging.Formatter):
    """systemd reads the priority from `<N>` at the line's start."""

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
