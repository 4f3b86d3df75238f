"""`leadmasterd rules reclassify`: re-run classification on stored messages; manual labels are kept."""

import argparse
import json
from typing import Final

from leadmasterd import times
from leadmasterd.actions.reclassify import Reclassified, reclassify
from leadmasterd.classify.reasons import intent_name
from leadmasterd.cli.arguments import add_epilog, add_json, add_time
from leadmasterd.cli.editing import lead_editor
from leadmasterd.cli.leads_rebuild import print_failures, show_progress, summary
from leadmasterd.cli.times import time_from
from leadmasterd.errors import INTERNAL
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, ngettext

_SHOWN: Final = 8
"""How many kinds of changed labels are printed, the most frequent first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which bursts, and `--json`."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help=_("every burst"))
    add_time(which, "--since", _("only bursts since this date or time"))
    add_json(parser)
    add_epilog(parser, "leadmasterd rules reclassify --since 2026-11-01", "leadmasterd rules reclassify --all")


def run(arguments: argparse.Namespace) -> int:
    """Classify bursts again and print what changed. Returns 70 if some leads can't be derived, else 0."""
    zone = read_leads_settings(find_paths(arguments.config)).zone()
    since = "" if arguments.since is None else times.iso(time_from(arguments.since, zone))  # "": from the beginning
    with lead_editor(arguments.config) as editor:
        done = reclassify(editor, since=since, on_progress=show_progress)
    if arguments.json:
        print(json.dumps(done.as_json(), ensure_ascii=False))
    else:
        _print(done)
    print_failures(done.rebuilt.failures)
    return INTERNAL if done.rebuilt.failures else 0


def _print(done: Reclassified) -> None:
    """Print how many bursts were classified, the most frequent changes of labels, and what became of the leads."""
    text = ngettext("{n} burst classified", "{n} bursts classified", done.bursts).format(n=done.bursts)
    total = done.relabelled_bursts
    text += ", " + ngettext("{n} label changed", "{n} labels changed", total).format(n=total)
    print(text + (":" if total else "."))
    for each in done.relabelled[:_SHOWN]:
        before, after = intent_name(each["before"]), intent_name(each["after"])
        print(f"  {each['bursts']:>5}  {before} -> {after}")
    rest = sum(each["bursts"] for each in done.relabelled[_SHOWN:])
    if rest:
        print(_("  {n:>5}  in other ways").format(n=rest))
    print(summary(done.rebuilt.as_json()))
