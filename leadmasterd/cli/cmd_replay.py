"""`leadmasterd replay`: which leads recorded wire lines would make with today's rules and settings. Stores nothing."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from leadmasterd import causes
from leadmasterd.cli.arguments import add_epilog, add_json, add_time
from leadmasterd.cli.times import time_from
from leadmasterd.errors import Refused
from leadmasterd.text import _


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file of lines, the time as of which leads are shown, and `--json`."""
    parser.add_argument(
        "file", metavar=_("FILE"), help=_("wire lines (docs/protocol.md) and decisions; - for standard input")
    )
    add_time(parser, "--at", _("as of this date or time; default: now"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd replay lines.jsonl",
        "leadmasterd replay lines.jsonl --at 2026-11-23T14:00:00Z",
        notes=_(
            "The order of the lines is the order of capture. A decision is a line like\n"
            '  {"type":"decision","at":"2026-11-23T14:00:00Z",\n   "chat":"5491155550001@c.us","stage":"won"}'
        ),
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the leads as JSON, indented on a terminal. Returns 1 if a line could not be used; the others still count.

    Raises Refused if the file can't be read.
    """
    from leadmasterd.projection.policy import classifier_of, policy_of
    from leadmasterd.replay import Replay
    from leadmasterd.settings.model import load

    settings, paths = load(arguments.config)
    zone = ZoneInfo(settings.leads.timezone)
    replay = Replay(
        classifier=classifier_of(settings.leads.rules, paths),
        policy=policy_of(settings.leads.plain()),
        as_of=time_from(arguments.at, zone) if arguments.at is not None else datetime.now(UTC),
        rules=settings.capture_rules(),
        dormant_days=settings.leads.dormant_days,
    )
    try:
        with replay, sys.stdin.buffer if arguments.file == "-" else Path(arguments.file).open("rb") as lines:
            replay.feed(lines)
            result = replay.result()
    except OSError as error:
        raise Refused(
            _("cannot read {file}: {why}; name a file of wire lines, or - for standard input").format(
                file=arguments.file, why=causes.of_system(error)
            )
        ) from error
    for refused in replay.refused:
        print(_("line {n}: {why}; it was skipped").format(n=refused.line, why=refused.why), file=sys.stderr)
    for_people = sys.stdout.isatty() and not arguments.json
    print(json.dumps(result, ensure_ascii=False, indent=2 if for_people else None))
    return 1 if replay.refused else 0
