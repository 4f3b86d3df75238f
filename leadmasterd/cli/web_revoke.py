"""`leadmasterd web revoke`: let browsers in no longer."""

import argparse

from leadmasterd.cli.arguments import add_epilog, positive
from leadmasterd.errors import Refused
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, ngettext
from leadmasterd.web.access import Access


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which session to end, or all."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", type=positive, nargs="?", metavar=_("ID"), help=_("its number in `web sessions`"))
    which.add_argument("--all", action="store_true", help=_("all of them, and links that were not used yet"))
    add_epilog(parser, "leadmasterd web revoke 3", "leadmasterd web revoke --all")


def run(arguments: argparse.Namespace) -> int:
    """End a session or all of them; open pages show nothing more. Returns 0. Raises Refused for an unknown session."""
    access = Access(find_paths(arguments.config))
    ended = access.revoke(None if arguments.all else [arguments.id])
    if not ended and not arguments.all:
        raise Refused(
            _("there is no session {id}; `leadmasterd web sessions` lists those that there are").format(id=arguments.id)
        )
    print(
        ngettext("{n} browser is no longer let in.", "{n} browsers are no longer let in.", len(ended)).format(
            n=len(ended)
        )
    )
    return 0
