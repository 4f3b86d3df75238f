"""`leadmasterd pause`, `resume`, `restart-listener`: one request to the running daemon."""

import argparse
import sys

from leadmasterd import sentences
from leadmasterd.cli.arguments import add_epilog
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.control import ask
from leadmasterd.state.files import read_status
from leadmasterd.text import _


def add_pause_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an example only: there are no flags."""
    add_epilog(parser, "leadmasterd pause")


def add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an example only: there are no flags."""
    add_epilog(parser, "leadmasterd resume")


def add_restart_listener_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an example only: there are no flags."""
    add_epilog(parser, "leadmasterd restart-listener")


def run_pause(arguments: argparse.Namespace) -> int:
    """Ask the daemon to stop listening. It stores that in the state directory, so that a restart does not end it."""
    return _request(arguments, _("Paused, across restarts too, until `leadmasterd resume`."))


def run_resume(arguments: argparse.Namespace) -> int:
    """Ask the daemon to listen again after a pause or a halt. Warns on stderr during a temporary ban."""
    status = read_status(find_paths(arguments.config)) or {}
    if status.get("phase") == "halted" and status.get("code") == "temporary_ban":
        print(
            _(
                "Warning: {because}. Trying before the end may make the ban longer; `leadmasterd pause` stops it."
            ).format(because=sentences.because("temporary_ban", status.get("values") or {})),
            file=sys.stderr,
        )
    return _request(arguments, _("Resumed. `leadmasterd status` shows the progress."))


def run_restart_listener(arguments: argparse.Namespace) -> int:
    """Ask the daemon to restart the listener. The daemon itself keeps running."""
    return _request(arguments, _("Restarting the listener. `leadmasterd status` shows the progress."))


def _request(arguments: argparse.Namespace, sentence: str) -> int:
    """Send the typed command to the daemon, and print the sentence once it has agreed.

    Raises CannotReachDaemon, and Refused if the daemon does not agree.
    """
    ask(find_paths(arguments.config).socket, arguments.command)
    print(sentence)
    return 0
