"""`leadmasterd leads dismiss`: say that what waits needs no answer, or take that back."""

import argparse
import json

from leadmasterd.actions.dismissals import dismiss, undo_dismissal
from leadmasterd.cli.arguments import add_epilog, add_id, add_json
from leadmasterd.cli.editing import clock_of, lead_editor, print_changes
from leadmasterd.text import _


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add who waits, whether to undo it, and `--json`."""
    add_id(parser)
    parser.add_argument("--undo", action="store_true", help=_("let them wait again, from when they first did"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd leads dismiss 5",
        "leadmasterd leads dismiss 5 --undo",
        notes=_("The lead stays as it is. What they write later waits for an answer again."),
    )


def run(arguments: argparse.Namespace) -> int:
    """Record that no answer is needed, or undo that, and print what changed. Returns 0, also if it was so already.

    Raises Refused if nobody waits there, or nothing was dismissed.
    """
    with lead_editor(arguments.config) as editor:
        done = undo_dismissal(editor, arguments.id) if arguments.undo else dismiss(editor, arguments.id)
    if arguments.json:
        print(json.dumps(done.as_json(), ensure_ascii=False))
        return 0
    lines = []
    if arguments.undo:
        lines.append(_("Undone: that no answer is needed does not count any more."))
    elif done.unchanged:
        lines.append(_("That was said already: no answer is needed there."))
    print_changes(lines, done.changes, clock_of(editor))
    return 0
