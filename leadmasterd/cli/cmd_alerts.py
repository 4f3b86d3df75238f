"""`leadmasterd alerts …`: its subcommands, each imported when it is typed."""

import argparse
from collections.abc import Mapping

from leadmasterd.cli.arguments import Command, add_commands, add_epilog
from leadmasterd.text import _


def commands() -> Mapping[str, Command]:
    """The subcommands by name, in the order of `--help`."""
    return {
        "list": Command(_("who is told of what, and which alerts are open"), "alerts_list"),
        "test": Command(_("send one alert to each address now, and show what came of it"), "alerts_test"),
        "history": Command(_("what was told, when and to whom, and what was held back or failed"), "alerts_history"),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands, and the end of `--help`."""
    add_commands(parser, commands(), dest="action")
    add_epilog(
        parser,
        "leadmasterd alerts test",
        "leadmasterd alerts list",
        "leadmasterd alerts history",
        notes=_("Addresses are in the section [alerts] of the settings. The daemon may\nrun or not."),
    )
