"""`leadmasterd run`: the daemon in the foreground. Its presenters, which show QR and pairing codes, also serve `qr`."""

import argparse
import asyncio
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from leadmasterd import __version__, qr
from leadmasterd.apart import python_module
from leadmasterd.cli.arguments import add_epilog
from leadmasterd.clock import Clock
from leadmasterd.daemon import memory
from leadmasterd.journal import set_up_logging
from leadmasterd.settings.paths import Paths
from leadmasterd.settings.plain import begin_reading
from leadmasterd.text import _, speak

log = logging.getLogger("leadmasterd.run")

_LOOK_EVERY: Final = 0.1
"""Seconds between two looks whether the page is served."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--web`. Everything else is in the settings."""
    parser.add_argument(
        "--web",
        action="store_true",
        help=_("serve the operator's page too, as `leadmasterd web` does; prints a link to it"),
    )
    add_epilog(
        parser,
        "leadmasterd run",
        "leadmasterd run --web",
        "leadmasterd --config /etc/leadmasterd/config.toml run",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon until SIGTERM or Ctrl-C. Returns 0."""
    if arguments.web:
        return _run_with_page(arguments.config)
    memory.use_little()
    finish_reading = begin_reading(arguments.config)  # in another process, while this one imports the daemon
    from leadmasterd.daemon.app import Daemon

    settings, paths = finish_reading()
    set_up_logging()
    logging.getLogger("leadmasterd").info("leadmasterd %s, state in %s", __version__, paths.state_dir)
    if os.geteuid() == 0:
        logging.getLogger("leadmasterd").warning(
            "running as root, so the browser's sandbox is off: fine for a trial, not for production"
        )
    os.umask(0o077)
    clock = Clock(datetime.now(UTC), ZoneInfo(settings.leads.timezone))
    presenter = TerminalPresenter(clock) if sys.stdout.isatty() else JournalPresenter(clock)
    speak("en")  # the log and status.json are in English; the presenter keeps its language
    try:
        asyncio.run(Daemon(settings, paths, presenter).run())
    except ExceptionGroup as group:
        raise _only_error(group) from group
    return 0


def _only_error(group: ExceptionGroup[Exception]) -> Exception:
    """The only error in a group, also if it is within further groups; if there are several, the group that holds them.

    The daemon's tasks run in groups, which wrap what a task raises. `main` prints a single error as a sentence for
    people, but a group as a traceback.
    """
    error: Exception = group
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _run_with_page(config: str | None) -> int:
    """Run the daemon and the page, each in a process of its own, until a signal ends both. Returns the exit code.

    Raises CannotUseSettings.
    """
    from leadmasterd.cli.cmd_web import place_of
    from leadmasterd.cli.run_with_page import run_both
    from leadmasterd.settings.model import load
    from leadmasterd.web.access import Access

    settings, paths = load(config)
    set_up_logging()
    place_of(settings, None, None).check()
    os.umask(0o077)
    command = python_module("leadmasterd", *paths.config_arguments)
    token = Access(paths).make_link(_("operator"))
    return run_both([*command, "run"], [*command, "web"], _print_link(paths, token))


async def _print_link(paths: Paths, token: str) -> None:
    """Print the login link once the page is served. Its port is not known before: it may be any that is free."""
    from leadmasterd.web import address

    while (url := address.kept(paths)) is None:  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(_LOOK_EVERY)
    link = f"{url}login?link={token}"
    try:
        print(_("Link to the page (works once, within ten minutes): {link}").format(link=link), flush=True)
    except OSError as error:  # a full disk, or a closed pipe; `web link` still works
        log.warning("cannot print the page's link here: %s", error, extra={"action": "link_not_printed"})


class TerminalPresenter:
    """Shows codes on a terminal, in colour. Its instructions keep the language that is spoken when it is made."""

    ink = qr.Ink.COLOURS

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        below_qr = (
            _("On the phone: WhatsApp > Settings > Linked devices > Link a device."),
            _("This code is good until {time}; a new one follows by itself."),
        )
        pairing = (
            _("Pairing code: {code}"),
            _("On the phone: Linked devices > Link with phone number instead. Good until {time}."),
        )
        self._below_qr = "\n".join(below_qr)
        self._pairing = "\n".join(pairing)

    def code(self, text: str, valid_until: datetime) -> None:
        """Draw the QR code and say how long it is valid."""
        until = self.clock.until(valid_until.isoformat())
        print("", qr.draw(text, self.ink), self._below_qr.format(time=until), sep="\n", flush=True)

    def pairing_code(self, code: str, valid_until: datetime) -> None:
        """Show the 8 characters to type on the phone."""
        until = self.clock.until(valid_until.isoformat())
        lines = self._pairing.format(code=f"{code[:4]}-{code[4:]}", time=until)
        print("", lines, sep="\n", flush=True)


class JournalPresenter(TerminalPresenter):
    """For a journal or a pipe: no colours, no control characters."""

    ink = qr.Ink.LIGHT_MODULES
