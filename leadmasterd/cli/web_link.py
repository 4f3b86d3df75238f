"""`leadmasterd web link`: a link that lets one browser in."""

import argparse
import sys

from leadmasterd.cli.arguments import add_epilog, typed
from leadmasterd.cli.cmd_web import place_of
from leadmasterd.errors import CannotUseArgument
from leadmasterd.settings.model import load
from leadmasterd.text import _
from leadmasterd.web import address
from leadmasterd.web.access import LINK_MINUTES, SESSION_DAYS, Access

_LONGEST_NAME = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name of the person whose browser it is."""
    parser.add_argument(
        "--name",
        type=typed,
        default=_("operator"),
        metavar=_("NAME"),
        help=_("whose browser it is: the record shows who decided what (default operator)"),
    )
    add_epilog(parser, "leadmasterd web link", "leadmasterd web link --name Ana")


def run(arguments: argparse.Namespace) -> int:
    """Print a new link, alone on stdout. Returns 0. Raises CannotUseArgument for a name that can't be used."""
    name = " ".join(arguments.name.split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise CannotUseArgument(
            _("cannot use the name {name}: it must be of 1 to {most} printable characters").format(
                name=repr(arguments.name), most=_LONGEST_NAME
            )
        )
    settings, paths = load(arguments.config)
    token = Access(paths).make_link(name)
    url = address.kept(paths) or place_of(settings, None, None).url()  # where the page is served now, or would be
    print(f"{url}login?link={token}", flush=True)
    print(
        _("It works once, within {minutes} minutes, and lets that browser in for {days} days.").format(
            minutes=LINK_MINUTES, days=SESSION_DAYS
        ),
        file=sys.stderr,
    )
    return 0
