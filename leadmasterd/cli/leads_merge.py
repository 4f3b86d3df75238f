"""`leadmasterd leads merge`: merge contacts, undo a merge, or list likely duplicates."""

import argparse
import json
import sys
from contextlib import closing
from typing import Final

from leadmasterd.cli.arguments import add_epilog, add_json, positive, typed
from leadmasterd.cli.tables import folded
from leadmasterd.queries.database import one_state
from leadmasterd.queries.people import ContactSummary, DuplicateList, duplicates
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, printable

_MOST_PROPOSALS: Final = 100
"""How many likely duplicates are listed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add whom to merge, or which merge to undo, or that duplicates are to be listed; and `--json`."""
    parser.add_argument("id", type=typed, metavar=_("ID"), nargs="?", help=_("the contact to keep"))
    parser.add_argument("other", type=typed, metavar=_("OTHER"), nargs="?", help=_("the contact to merge into it"))
    parser.add_argument("--undo", type=positive, metavar=_("MERGE_ID"), help=_("undo this merge"))
    parser.add_argument("--proposals", action="store_true", help=_("list likely duplicates"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd leads merge 5 +5491155550002",
        "leadmasterd leads merge --undo 1",
        "leadmasterd leads merge --proposals",
    )


def run(arguments: argparse.Namespace) -> int:
    """Merge contacts, undo a merge or list likely duplicates. Returns 64 unless exactly one of these is asked for."""
    two_ids = arguments.id is not None and arguments.other is not None
    only_one_id = bool(arguments.id) and not two_ids
    asked_for = [two_ids, arguments.undo is not None, arguments.proposals].count(True)
    if asked_for != 1 or only_one_id:
        print(
            _("give two IDs, or --undo MERGE_ID, or --proposals; try `leadmasterd leads merge --help`"), file=sys.stderr
        )
        return 64
    return _propose(arguments) if arguments.proposals else _decide(arguments)


def _decide(arguments: argparse.Namespace) -> int:
    """Merge, or undo a merge, and print what changed. Returns the exit code. Raises Refused."""
    from leadmasterd.actions.merges import merge, undo_merge
    from leadmasterd.cli.editing import clock_of, lead_editor, print_changes

    undoes = arguments.undo is not None
    with lead_editor(arguments.config) as editor:
        done = undo_merge(editor, arguments.undo) if undoes else merge(editor, arguments.id, arguments.other)
    if arguments.json:
        print(json.dumps(done.as_undo_json() if undoes else done.as_json()))
        return 0
    text = _("{one} and {other} are two people again.") if undoes else _("{one} and {other} are one person now.")
    one, other = map(_name, done.contacts)
    print_changes([text.format(one=one, other=other)], done.changes, clock_of(editor))
    if not undoes:
        print(_("To undo: `leadmasterd leads merge --undo {merge}`").format(merge=done.merge_id))
    return 0


def _propose(arguments: argparse.Namespace) -> int:
    """Print contacts that are probably one person, with the command that merges them. Returns the exit code."""
    from leadmasterd.cli import reading

    connection = reading.database(find_paths(arguments.config))
    answer: DuplicateList = {"proposals": []}
    if connection:
        with closing(connection), one_state(connection):
            answer = duplicates(connection, limit=_MOST_PROPOSALS)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    reasons = {
        "same_name": _("saved under the same name"),
        "same_push_name": _("use the same name, and one shows no phone"),
        "changed_hands": _("after a long silence somebody else may be writing from this number"),
    }
    for each in answer["proposals"]:
        contacts = each["contacts"]
        print(f"{printable(str(each['name']))}: {reasons[each['code']]}")
        for contact in contacts:
            print(folded(f"  {_name(contact)}", 4))
        if len(contacts) == 2:
            ids = [contact["phone"] or contact["chat"] or str(contact["contact_id"]) for contact in contacts]
            print("  leadmasterd leads merge " + " ".join(ids))
    if connection and not answer["proposals"]:
        print(_("No likely duplicates."))
    return 0


def _name(contact: ContactSummary) -> str:
    """The name, and the phone or chat id, as far as they are known; else the contact's number."""
    known = [text for text in (contact["name"], contact["phone"] or contact["chat"]) if text]
    if not known:
        return _("contact {n}").format(n=contact["contact_id"])
    return printable(", ".join(known))
