"""`leadmasterd leads merge`: two contacts are one person, or were not after all; and who may be one."""

import argparse
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from leadmasterd import times
from leadmasterd.cli.arguments import add_epilog, add_json, positive, typed
from leadmasterd.cli.desk import opened, told
from leadmasterd.cli.leads_list import opened as opened_for_reading
from leadmasterd.cli.tables import folded
from leadmasterd.errors import CannotMerge, Refused
from leadmasterd.queries import leads as lead_queries
from leadmasterd.queries.leads import Row, Subject
from leadmasterd.settings.paths import find_paths
from leadmasterd.store import merges
from leadmasterd.text import _, printable

_PROPOSED = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom to merge, or which merge to undo."""
    parser.add_argument("id", type=typed, metavar="ID", nargs="?", help=_("the contact to keep"))
    parser.add_argument("other", type=typed, metavar="OTHER", nargs="?", help=_("the contact to merge into it"))
    parser.add_argument("--undo", type=positive, metavar="MERGE_ID", help=_("undo this merge"))
    parser.add_argument("--proposals", action="store_true", help=_("list likely duplicates"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd leads merge 5 +5491155550002",
        "leadmasterd leads merge --undo 1",
        "leadmasterd leads merge --proposals",
    )


def run(arguments: argparse.Namespace) -> int:
    """Merge, undo or propose; 64 when it is not clear which."""
    two = arguments.id is not None and arguments.other is not None
    if [two, arguments.undo is not None, arguments.proposals].count(True) != 1 or (arguments.id and not two):
        print(
            _("say two IDs, or --undo MERGE_ID, or --proposals; try `leadmasterd leads merge --help`"), file=sys.stderr
        )
        return 64
    if arguments.proposals:
        return _proposals(arguments)
    try:
        return _undo(arguments) if arguments.undo else _merge(arguments)
    except CannotMerge as error:
        raise Refused(str(error)) from error


def _merge(arguments: argparse.Namespace) -> int:
    with opened(arguments.config) as desk:
        keep, other = desk.find(arguments.id), desk.find(arguments.other)
        if keep.contact_id == other.contact_id:
            raise Refused(
                _("{one} and {other} are one person already; nothing is to do").format(
                    one=arguments.id, other=arguments.other
                )
            )
        at = times.iso(datetime.now(UTC))
        merge_id = 0

        def write() -> None:
            nonlocal merge_id
            merge_id = merges.merge(desk.connection, keep.contact_id, other.contact_id, desk.actor, "person", at)

        changes = desk.say([keep, other], write)
        names = [_name(row) for row in _contacts(desk.connection, (keep.contact_id, other.contact_id))]
        answer = {"merge_id": merge_id, "kept_id": keep.contact_id, "merged_id": other.contact_id, "actor": desk.actor}
    if arguments.json:
        print(json.dumps({**answer, "at": at, "changes": [change.as_json() for change in changes]}))
        return 0
    print(folded(_("{one} and {other} are one person now.").format(one=names[0], other=names[1]), 2))
    for change in changes:
        print(told(change, desk.clock))
    print(_("To take it back: `leadmasterd leads merge --undo {merge}`").format(merge=merge_id))
    return 0


def _undo(arguments: argparse.Namespace) -> int:
    with opened(arguments.config) as desk:
        rows = lead_queries.ask(
            desk.connection, "SELECT kept_id, merged_id FROM contact_merges WHERE merge_id = ?", arguments.undo
        )
        ids = [rows[0]["kept_id"], rows[0]["merged_id"]] if rows else []
        subjects: list[Subject] = []
        if ids:
            root = merges.root_of(desk.connection, ids[0])
            members = ",".join(map(str, merges.members_of(desk.connection, root)))
            conversations = lead_queries.ask(
                desk.connection, f"SELECT conversation_id AS it FROM conversations WHERE contact_id IN ({members})"
            )
            numbers = tuple(row["it"] for row in conversations)
            subjects = [Subject(contact, numbers, numbers[0]) for contact in ids]
        at = times.iso(datetime.now(UTC))
        changes = desk.say(subjects, lambda: merges.undo(desk.connection, arguments.undo, desk.actor, at))
        names = [_name(row) for row in _contacts(desk.connection, ids)]
        answer = {"merge_id": arguments.undo, "undone_at": at, "actor": desk.actor}
    if arguments.json:
        print(json.dumps({**answer, "changes": [change.as_json() for change in changes]}))
        return 0
    print(folded(_("{one} and {other} are two people again.").format(one=names[0], other=names[1]), 2))
    for change in changes:
        print(told(change, desk.clock))
    return 0


def _proposals(arguments: argparse.Namespace) -> int:
    connection = opened_for_reading(find_paths(arguments.config))
    found: list[dict[str, Any]] = []
    if connection:
        with closing(connection):
            for proposal in merges.proposals(connection, _PROPOSED):
                ids = [proposal.contact_id, proposal.other_id]
                found.append(
                    {
                        "code": proposal.code,
                        "name": proposal.name,
                        "contacts": _contacts(connection, ids[:1] if proposal.code == "changed_hands" else ids),
                    }
                )
    if arguments.json:
        print(json.dumps({"proposals": found}, ensure_ascii=False))
        return 0
    reasons = {
        "same_name": _("saved under one name"),
        "same_push_name": _("call themselves the same, and one shows no phone"),
        "changed_hands": _("after long silence somebody else may write from this number"),
    }
    for each in found:
        contacts: list[Row] = each["contacts"]
        print(f"{printable(str(each['name']))}: {reasons[str(each['code'])]}")
        for contact in contacts:
            print(f"  {_name(contact)}")
        if len(contacts) == 2:
            print("  leadmasterd leads merge " + " ".join(contact["phone"] or contact["chat"] for contact in contacts))
    if not found and connection:
        print(_("Nobody is proposed: no two contacts look like one person."))
    return 0


def _contacts(connection: sqlite3.Connection, ids: list[int] | tuple[int, ...]) -> list[Row]:
    found = []
    for contact in ids:
        found += lead_queries.ask(
            connection,
            "SELECT contact_id, coalesce(saved_name, push_name) AS name, phone, (SELECT chat FROM conversations v "
            "WHERE v.contact_id = c.contact_id ORDER BY last_inbound_at DESC LIMIT 1) AS chat "
            "FROM contacts c WHERE contact_id = ?",
            contact,
        )
    return found


def _name(contact: Row) -> str:
    known = [contact["name"], contact["phone"] or contact["chat"]]
    return printable(", ".join(str(each) for each in known if each) or _("contact {n}").format(n=contact["contact_id"]))
