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
from leadmasterd.clock import Clock
from leadmasterd.daemon.app import Daemon
from leadmasterd.journal import set_up_logging
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
