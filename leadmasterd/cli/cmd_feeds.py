"""`leadmasterd feeds …`: its subcommands, each imported when it is typed."""

import argparse
from collections.abc import Mapping

from leadmasterd.cli.arguments import Command, add_commands, add_epilog
from leadmasterd.text import _


def commands() -> Mapping[str, Command]:
    """The subcommands by name, in the order of `--help`."""
    return {
        "list": Command(_("all feeds: how far behind, and what was given up"), "feeds_list"),
        "show": Command(_("one feed: its receiver, its events, and when it tries again"), "feeds_show"),
        "dead": Command(_("the events that a feed has given up, and why"), "feeds_dead"),
        "pause": Command(_("stop delivering until `feeds resume`; nothing is lost meanwhile"), "feeds_decide", "pause"),
        "resume": Command(_("deliver again after a pause, or after the receiver refused"), "feeds_decide", "resume"),
        "retry": Command(_("deliver again what was given up"), "feeds_decide", "retry"),
        "replay": Command(_("deliver again all that has happened since a time"), "feeds_decide", "replay"),
        "test": Command(_("send one harmless event to the receiver and show its answer"), "feeds_decide", "test"),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands, and the end of `--help`."""
    add_commands(parser, commands(), dest="action")
    add_epilog(
        parser,
        "leadmasterd feeds list",
        "leadmasterd feeds test crm",
        "leadmasterd feeds replay crm --from 7d",
        notes=_("NAME is that of a section [feeds.NAME] in the settings. The daemon may run\nor not."),
    )
