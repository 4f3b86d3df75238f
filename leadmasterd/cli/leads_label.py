"""`leadmasterd leads label`: set what somebody wants, or take that back."""

import argparse
import json
import sys

from leadmasterd.actions.labels import label, undo_label
from leadmasterd.classify.reasons import intent_name
from leadmasterd.cli import names
from leadmasterd.cli.arguments import add_epilog, add_id, add_json, positive
from leadmasterd.cli.editing import clock_of, lead_editor, print_changes
from leadmasterd.text import _


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which burst, its intent or whether to undo that, and `--json`."""
    add_id(parser)
    parser.add_argument("intent", metavar=_("INTENT"), nargs="?", help=_("an intent, by its id or in Spanish"))
    parser.add_argument(
        "--message",
        type=positive,
        metavar=_("MESSAGE_ID"),
        help=_("the burst with this message (default: the one that opened the lead, or the chat's last)"),
    )
    parser.add_argument("--undo", action="store_true", help=_("remove its manual label"))
    add_json(parser)
    add_epilog(
        parser,
        _("leadmasterd leads label 5 price"),
        _("leadmasterd leads label +5491155550001 supplier"),
        _("leadmasterd leads label 5 delivery --message 1234"),
        "leadmasterd leads label 5 --undo",
    )


def run(arguments: argparse.Namespace) -> int:
    """Label a burst by hand, or undo that, and print what changed. Returns 64 unless exactly one of these is asked for.

    Raises CannotUseArgument for an unknown intent, and Refused.
    """
    has_intent = arguments.intent is not None
    if has_intent == arguments.undo:
        print(_("give either an INTENT or --undo; try `leadmasterd leads label --help`"), file=sys.stderr)
        return 64
    intent = None if arguments.undo else names.intent(arguments.intent)
    with lead_editor(arguments.config) as editor:
        if intent is None:
            done = undo_label(editor, arguments.id, message_id=arguments.message)
        else:
            done = label(editor, arguments.id, intent, message_id=arguments.message)
    if arguments.json:
        print(json.dumps(done.as_json(), ensure_ascii=False))
        return 0
    text = _("{text} is now labelled {intent}.") if intent else _("{text} is {intent} again, by rules and model.")
    lines = [text.format(text=done.excerpt, intent=intent_name(done.intent or "unknown"))]
    if done.intent_before not in (None, done.intent):
        lines[0] += " " + _("Before, it was {before}.").format(before=intent_name(done.intent_before))
    if not done.changes:
        lines.append(_("Nothing else changed."))
    print_changes(lines, done.changes, clock_of(editor))
    return 0
