"""`leadmasterd leads note`: add a note to a lead."""

import argparse
import json

from leadmasterd.actions.notes import add_note
from leadmasterd.cli.arguments import add_epilog, add_id, add_json, typed
from leadmasterd.cli.editing import lead_editor
from leadmasterd.text import _


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which lead, and the note."""
    add_id(parser)
    parser.add_argument("text", type=_text, metavar="TEXT")
    add_json(parser)
    add_epilog(parser, 'leadmasterd leads note 5 "calls back on Monday"')


def _text(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError(_("an empty note; write some text"))
    return typed(text)


def run(arguments: argparse.Namespace) -> int:
    """Prints which lead has the note."""
    with lead_editor(arguments.config) as editor:
        note = add_note(editor, arguments.id, arguments.text)
    if arguments.json:
        print(json.dumps(note, ensure_ascii=False))
    else:
        print(_("Noted on lead {lead}.").format(lead=note["lead_id"]))
    return 0
