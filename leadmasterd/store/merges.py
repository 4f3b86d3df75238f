"""Merges contacts that are one person, by a pointer that a person can undo.

`contacts.merged_into_id` points to the contact that stands for the person, perhaps by way of others; a contact without
a pointer is a *root*. Each pointer is one row of `contact_merges` that is not undone. Leads belong to roots, and a root
has at most one open lead: a merge ends the younger of two as `merged`. Conversations stay with their contact. All
contacts of the persons concerned are marked dirty.

What WhatsApp itself says is one person is merged for good, in `absorption`. Everything here runs inside the caller's
transaction (BEGIN IMMEDIATE).
"""

import json
import sqlite3
from collections.abc import Collection, Iterable

from leadmasterd.errors import CannotMerge
from leadmasterd.reasons import SYSTEM
from leadmasterd.store.dirty import mark_contacts_dirty
from leadmasterd.store.forest import Forest, Pointer
from leadmasterd.text import _


def root_of(connection: sqlite3.Connection, contact_id: int) -> int:
    """The contact that stands for this one's person: itself, unless it was merged.

    Also ends where a damaged file has a cycle, or a pointer to a contact that does not exist.
    """
    path = [contact_id]
    while row := connection.execute("SELECT merged_into_id FROM contacts WHERE contact_id = ?", (path[-1],)).fetchone():
        above = row[0]
        if above is None or above in path:
            break
        path.append(above)
    return path[-1]


def members_of(connection: sqlite3.Connection, root: int) -> list[int]:
    """This contact and all that were merged into it, directly or by way of others, in order of their ids."""
    return [
        contact
        for (contact,) in connection.execute(
            "WITH RECURSIVE down (id) AS (VALUES (?) UNION SELECT contact_id FROM contacts JOIN down "
            "ON merged_into_id = id) SELECT id FROM down ORDER BY id",
            (root,),
        )
    ]


def was_undone(connection: sqlite3.Connection, root: int, other_root: int) -> bool:
    """Whether somebody has undone a merge between any contacts of these two persons: they are not one person."""
    undone = connection.execute(
        "SELECT 1 FROM contact_merges WHERE undone_at IS NOT NULL AND ("
        "kept_id IN (SELECT value FROM json_each(:one)) AND merged_id IN (SELECT value FROM json_each(:other)) OR "
        "kept_id IN (SELECT value FROM json_each(:other)) AND merged_id IN (SELECT value FROM json_each(:one)))",
        {
            "one": json.dumps(members_of(connection, root)),
            "other": json.dumps(members_of(connection, other_root)),
        },
    ).fetchone()
    return undone is not None


# ---------------------------------------------------------------------- merging, and back


def merge(
    connection: sqlite3.Connection, keep_contact: int, other_contact: int, *, actor: str, code: str, at: str
) -> int:
    """Merge two persons: the root of `other_contact` into that of `keep_contact`. Returns the merge's id.

    `actor`: who says so, `system` or `person:NAME`; `code`: why, a stable code. Raises CannotMerge for a contact that
    does not exist, and for two that are one person already.
    """
    for contact in (keep_contact, other_contact):
        if not connection.execute("SELECT 1 FROM contacts WHERE contact_id = ?", (contact,)).fetchone():
            raise CannotMerge(
                _("cannot merge contact {contact}: there is no such contact; `leads show` says whose a lead is").format(
                    contact=contact
                )
            )
    if keep_contact == other_contact:
        raise CannotMerge(
            _("cannot merge contact {contact} with itself; name two different contacts").format(contact=keep_contact)
        )
    keep, other = root_of(connection, keep_contact), root_of(connection, other_contact)
    if keep == other:
        raise CannotMerge(
            _(
                "cannot merge contacts {one} and {other}: they are one already, contact {keep}; there is nothing to do"
            ).format(one=keep_contact, other=other_contact, keep=keep)
        )
    return _point(connection, other, keep, actor=actor, code=code, at=at)


def merge_same_phone(connection: sqlite3.Connection, contact_id: int, match_key: str, *, at: str) -> None:
    """Merge this contact with all that have the same phone, unless a person has undone that. The oldest root stays.

    `match_key`: equal for all spellings of that phone. The pointer leads from one of the two contacts to the other, and
    not from root to root: if one of them had been merged with somebody else, and a person undoes that, these two stay
    together.
    """
    for (other,) in connection.execute(
        "SELECT contact_id FROM contacts WHERE match_key = ? AND contact_id <> ? ORDER BY contact_id",
        (match_key, contact_id),
    ).fetchall():
        rooted = sorted((root_of(connection, contact), contact) for contact in (contact_id, other))
        (keep_root, keep), (drop_root, drop) = rooted
        if keep_root == drop_root or was_undone(connection, keep_root, drop_root):
            continue
        if drop != drop_root:  # only a root can be given a pointer, so it is made the root of its tree
            forest = load_forest(connection, [drop])
            pointers_before = list(forest)
            forest.reroot(drop)
            save_forest(connection, forest, pointers_before, at=at)
            connection.execute("UPDATE leads SET contact_id = ? WHERE contact_id = ?", (drop, drop_root))
        _point(connection, drop, keep, actor=SYSTEM, code="same_phone", at=at)


def _point(connection: sqlite3.Connection, merged: int, kept: int, *, actor: str, code: str, at: str) -> int:
    """Let the root `merged` point to `kept`, a contact of another tree. Returns the id of the merge.

    The leads of `merged` are given to the root of that tree.
    """
    root = root_of(connection, kept)
    connection.execute(
        "UPDATE contacts SET merged_into_id = ?, updated_at = ? WHERE contact_id = ?", (kept, at, merged)
    )
    cursor = connection.execute(
        "INSERT INTO contact_merges (kept_id, merged_id, at, actor, code) VALUES (?, ?, ?, ?, ?)",
        (kept, merged, at, actor, code),
    )
    give_leads(connection, merged, root, actor=actor, at=at)
    mark_members_dirty(connection, root)
    return int(cursor.lastrowid or 0)


def undo(connection: sqlite3.Connection, merge_id: int, actor: str, at: str) -> None:
    """Undo a merge: each of the two persons gets the leads of its own conversations.

    Leads that had ended as `merged` are still rows. The projection opens them again when it comes to the message that
    opened them. Raises CannotMerge when there is no such merge, or it was undone before.
    """
    row = connection.execute(
        "SELECT kept_id, merged_id, undone_at FROM contact_merges WHERE merge_id = ?", (merge_id,)
    ).fetchone()
    if row is None:
        raise CannotMerge(
            _("cannot undo merge {n}: there is no such merge; name the number that merging gave").format(n=merge_id)
        )
    kept, merged, undone_at = row
    if undone_at is not None:
        raise CannotMerge(
            _("cannot undo merge {n}: it was undone already, at {at}; there is nothing to do").format(
                n=merge_id, at=undone_at
            )
        )
    connection.execute(
        "UPDATE contact_merges SET undone_at = ?, undone_by = ? WHERE merge_id = ?", (at, actor, merge_id)
    )
    connection.execute("UPDATE contacts SET merged_into_id = NULL, updated_at = ? WHERE contact_id = ?", (at, merged))
    root = root_of(connection, kept)
    connection.execute(
        "UPDATE leads SET contact_id = ? WHERE contact_id = ? AND conversation_id IN (SELECT conversation_id "
        "FROM conversations WHERE contact_id IN (SELECT value FROM json_each(?)))",
        (merged, root, json.dumps(members_of(connection, merged))),
    )
    for each in (root, merged):
        mark_members_dirty(connection, each)


# ---------------------------------------------------------------------- shared with absorption


def load_forest(connection: sqlite3.Connection, contacts: Iterable[int]) -> Forest:
    """The whole trees in which these contacts are."""
    members = {member for contact in contacts for member in members_of(connection, root_of(connection, contact))}
    rows = connection.execute(
        "SELECT merge_id, kept_id, merged_id FROM contact_merges WHERE undone_at IS NULL "
        "AND merged_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(members)),),
    )
    return Forest(map(Pointer._make, rows))


def save_forest(connection: sqlite3.Connection, forest: Forest, before: Collection[Pointer], *, at: str) -> None:
    """Write how a forest differs from the pointers `before`, which are those in the tables. No pointer may be new."""
    changed, dropped = forest.changes_since(before)
    connection.executemany(
        "DELETE FROM contact_merges WHERE merge_id = ?", [(pointer.merge_id,) for pointer in dropped]
    )
    connection.executemany(
        "UPDATE contact_merges SET kept_id = ?, merged_id = ? WHERE merge_id = ?",
        [(pointer.kept, pointer.merged, pointer.merge_id) for pointer in changed],
    )
    merged_before = {pointer.merged for pointer in before}
    merged_now = {pointer.merged for pointer in forest}
    connection.executemany(
        "UPDATE contacts SET merged_into_id = NULL, updated_at = ? WHERE contact_id = ?",
        [(at, contact) for contact in merged_before - merged_now],
    )
    connection.executemany(
        "UPDATE contacts SET merged_into_id = ?, updated_at = ? WHERE contact_id = ?",
        [(pointer.kept, at, pointer.merged) for pointer in changed],
    )


def give_leads(connection: sqlite3.Connection, giver: int, root: int, *, actor: str, at: str) -> None:
    """Give the leads of the contact `giver` to the root of its person. Of two open ones the younger ends as `merged`.

    The projection will decide the same, but this can't wait for it: an index allows a contact only one open lead, and a
    contact that is absorbed is deleted in this transaction.
    """
    open_leads = connection.execute(
        "SELECT lead_id, stage FROM leads WHERE contact_id IN (?, ?) AND closed_at IS NULL ORDER BY opened_at, lead_id",
        (giver, root),
    ).fetchall()
    for lead, stage in open_leads[1:]:
        into = open_leads[0][0]
        connection.execute(
            "UPDATE leads SET stage = 'merged', merged_into_id = ?, closed_at = ?, stage_at = ?, updated_at = ? "
            "WHERE lead_id = ?",
            (into, at, at, at, lead),
        )
        connection.execute(
            "INSERT INTO lead_events (lead_id, at, recorded_at, actor, kind, before, after, code, value_json) "
            "VALUES (?, ?, ?, ?, 'merged', ?, 'merged', 'merged', ?)",
            (lead, at, at, actor, stage, json.dumps({"into": into})),
        )
    connection.execute("UPDATE leads SET contact_id = ? WHERE contact_id = ?", (root, giver))


def mark_members_dirty(connection: sqlite3.Connection, root: int) -> None:
    """Mark all conversations of a person dirty from their beginning. Called when the person's contacts have changed."""
    mark_contacts_dirty(connection, members_of(connection, root))
