"""`leadmasterd leads rebuild`: rebuild all leads from messages, settings and people's decisions."""

import argparse
import json
import sys

from leadmasterd.actions.rebuild import SLICE, Failure, RebuildRecord, rebuild
from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.cli.editing import lead_editor
from leadmasterd.errors import INTERNAL
from leadmasterd.text import _, figure, ngettext


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the only flag."""
    add_json(parser)
    add_epilog(parser, "leadmasterd leads rebuild")


def run(arguments: argparse.Namespace) -> int:
    """Derive all leads again and print the counts. Returns 70 if that failed for some conversations, else 0."""
    with lead_editor(arguments.config) as editor:
        done = rebuild(editor, show_progress)
    answer = done.as_json()
    if arguments.json:
        print(json.dumps(answer))
    else:
        print(summary(answer))
    print_failures(done.failures)
    return INTERNAL if done.failures else 0


def show_progress(done: int, total: int) -> None:
    """Show on stderr how much is done: one line on a terminal, erased at the end; nothing elsewhere."""
    if sys.stderr.isatty() and total > SLICE:
        erased = "\r\x1b[K"
        line = f"\r{figure(done)} / {figure(total)}" if done < total else erased
        print(line, end="", file=sys.stderr, flush=True)


def summary(counts: RebuildRecord) -> str:
    """A sentence about how many leads there are, and how many of them the rebuild changed."""
    leads = ngettext("{n} lead", "{n} leads", counts["leads"]).format(n=counts["leads"])
    return _("{total}, {open} open: {made} new, {changed} changed, {withdrawn} withdrawn.").format(
        total=leads, **counts
    )


def print_failures(failures: list[Failure]) -> None:
    """Name on stderr each conversation whose leads could not be derived. The daemon tries again at its next start."""
    for failure in failures:
        print(
            _("cannot make leads of conversation {n}: {error}; please report it, the others are done").format(
                n=failure.conversation_id, error=failure.error
            ),
            file=sys.stderr,
        )
