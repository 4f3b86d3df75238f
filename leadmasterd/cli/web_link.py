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
    """Whose browser it will be."""
    parser.add_argument(
        "--name",
        type=typed,
        default=_("operator"),
        metavar=_("NAME"),
        help=_("whose browser it is: the record shows who decided what (default operator)"),
    )
    add_epilog(parser, "leadmasterd web link", "leadmasterd web link --name Ana")


def run(arguments: argparse.Namespace) -> int:
    """The link alone on stdout."""
    name = " ".join(arguments.name.split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise CannotUseArgument(
            _("cannot use the name {name}: it must be of 1 to {most} printable characters").format(
                name=repr(arguments.name), most=_LONGEST_NAME
            )
        )
    settings, paths = load(arguments.config)
    token = Access(paths).make_link(name)
    print(f"{address.kept(paths) or place_of(settings, None, None).url()}login?link={token}", flush=True)
    print(
        _("It works once, within {minutes} minutes, and lets that browser in for {days} days.").format(
            minutes=LINK_MINUTES, days=SESSION_DAYS
        ),
        file=sys.stderr,
    )
    return 0
