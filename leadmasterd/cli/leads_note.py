"""`leadmasterd leads note`: add a note to a lead, or withdraw one."""

import argparse
import json
import sys

from leadmasterd.actions.notes import add_note, undo_note
from leadmasterd.cli.arguments import add_epilog, add_id, add_json, typed
from leadmasterd.cli.editing import lead_editor
from leadmasterd.text import _, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which lead, the note or whether to withdraw one, and `--json`."""
    add_id(parser)
    parser.add_argument("text", type=_text, metavar=_("TEXT"), nargs="?")
    parser.add_argument("--undo", action="store_true", help=_("withdraw the latest note"))
    add_json(parser)
    add_epilog(parser, _('leadmasterd leads note 5 "calls back on Monday"'), "leadmasterd leads note 5 --undo")


def _text(text: str) -> str:
    """The type of TEXT: not blank."""
    if not text.strip():
        raise argparse.ArgumentTypeError(_("an empty note; write some text"))
    return typed(text)


def run(arguments: argparse.Namespace) -> int:
    """Add a note to a lead, or withdraw its latest one. Returns 64 unless exactly one of the two is asked for."""
    has_text = arguments.text is not None
    if has_text == arguments.undo:
        print(_("give either a TEXT or --undo; try `leadmasterd leads note --help`"), file=sys.stderr)
        return 64
    if arguments.undo:
        return _undo(arguments)
    with lead_editor(arguments.config) as editor:
        note = add_note(editor, arguments.id, arguments.text)
    if arguments.json:
        print(json.dumps(note, ensure_ascii=False))
    else:
        print(_("Noted on lead {lead}.").format(lead=note["lead_id"]))
    return 0


def _undo(arguments: argparse.Namespace) -> int:
    """Withdraw the lead's latest note, and print its words. Returns the exit code. Raises Refused if there is none."""
    with lead_editor(arguments.config) as editor:
        note = undo_note(editor, arguments.id)
    if arguments.json:
        print(json.dumps(note, ensure_ascii=False))
    else:
        text = _("Withdrawn from lead {lead}: «{text}».")
        print(text.format(lead=note["lead_id"], text=printable(note["text"])))
    return 0
