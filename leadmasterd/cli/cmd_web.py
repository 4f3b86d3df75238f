"""`leadmasterd web …`: serves the operator's page; its subcommands say who gets in."""

import argparse
import json
import os
import sys
from collections.abc import Mapping

from leadmasterd.apart import python_module
from leadmasterd.cli.arguments import Command, add_commands, add_epilog, positive, typed
from leadmasterd.settings.model import Settings, load
from leadmasterd.settings.paths import Paths
from leadmasterd.text import _
from leadmasterd.web.place import Place


def commands() -> Mapping[str, Command]:
    """The subcommands by name, in the order of `--help`."""
    return {
        "link": Command(_("print a link that lets one browser in: once, within ten minutes"), "web_link"),
        "sessions": Command(_("the browsers that were let in, and when they were last seen"), "web_sessions"),
        "revoke": Command(_("stop letting a browser in"), "web_revoke"),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where to serve the page, and the subcommands. Without a subcommand the page is served."""
    parser.add_argument("--host", type=typed, metavar=_("ADDRESS"), help=_("address to serve it on (default web.host)"))
    parser.add_argument(
        "--port", type=_port, metavar=_("N"), help=_("its port (default web.port; 0: any that is free)")
    )
    parser.add_argument(
        "--idle",
        type=positive,
        metavar=_("N"),
        help=_("end after N seconds without a visit, for systemd to start it again"),
    )
    add_commands(parser, commands(), dest="action", required=False)
    add_epilog(
        parser,
        "leadmasterd web",
        "leadmasterd web --port 9000",
        "leadmasterd web link --name Ana",
        notes=_(
            "Without a subcommand the page is served until Ctrl-C. docs/operations.md says\nhow a phone reaches it."
        ),
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the settings and serve the page. Never returns. Raises CannotUseSettings.

    The page's program takes the place of this process (`execve`), because the code that checks the settings would keep
    13 MB that the page does not need.
    """
    settings, paths = load(arguments.config)
    place = place_of(settings, arguments.host, arguments.port)
    place.check()
    sys.stdout.flush()
    # Pages are made in several threads, and malloc would give each a heap of its own (an arena). Two take less memory.
    environment = {**os.environ, "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2")}
    os.execve(
        sys.executable,
        python_module("leadmasterd.web", _options(settings, paths, place, arguments.idle)),
        environment,
    )


def place_of(settings: Settings, host: str | None, port: int | None) -> Place:
    """Where the page is served. `host` and `port`: as typed; None: as in the settings. Raises CannotUseSettings."""
    web = settings.web
    return Place.of(
        web.host if host is None else host,
        web.port if port is None else port,
        proxies=web.proxies,
        names=web.names,
    )


def _options(settings: Settings, paths: Paths, place: Place, idle: int | None) -> str:
    """The settings that the page's program needs, as JSON for its command line: it does not read settings itself."""
    return json.dumps(
        {
            "config": str(paths.file) if paths.file else None,
            "language": settings.language(),
            "host": place.host,
            "port": place.port,
            "proxies": place.proxies,
            "names": place.names,
            "idle": idle,
        }
    )


def _port(text: str) -> int:
    """The type of `--port`: a number from 0 to 65535."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(_("{text} must be a port, from 0 to 65535").format(text=repr(text)))
    return int(text)
