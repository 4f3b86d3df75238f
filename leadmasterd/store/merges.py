"""Contacts that are one person: by a pointer, which can be taken back, or for good, when WhatsApp itself says so.

`contacts.merged_into_id` points to the contact that stands for a person, perhaps by way of others; whoever points
nowhere is a *root*. Each pointer is one row of `contact_merges` that is not undone. Leads belong to the root and there
is one open lead at most, so that a merge ends the younger of two as `merged`; conversations stay with the contact they
came to. What is derived is left to the judge: everything concerned is put into `unjudged`.

Everything here runs inside the caller's transaction (BEGIN IMMEDIATE).
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import Final, Literal

from leadmasterd.errors import CannotMerge
from leadmasterd.reasons import SYSTEM
from leadmasterd.text import _

MOVED: Final = ("messages", "calls", "leads", "decisions", "corrections", "classifications", "touches", "quick_replies")
"""Facts of a conversation, which go along when it becomes part of another."""

MADE_AGAIN: Final = ("unjudged", "waiting_cycles", "follow_ups")
"""Derived from those: what hung on the conversation that is gone goes with it, and the judge makes it anew."""

_SILENT_DAYS: Final = 180
"""Numbers long out of use are given out again: after this, whoever writes from one may be somebody else."""

_NAMESAKES: Final = 8
"""A name that more contacts than this share (Ana, Cliente) tells nothing."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two contacts that may be one person, or (`changed_hands`, one contact twice) one that may be two. Lower id first.

    `same_name`: the operator's address book has one name for both (`name`). `same_push_name`: they and nobody else call
    themselves so, and one of the two shows no phone. `changed_hands`: after long silence another name wrote from it.
    """

    code: Literal["same_name", "same_push_name", "changed_hands"]
    contact_id: int
    other_id: int
    name: str | None


# ---------------------------------------------------------------------- who stands for whom


def root_of(connection: sqlite3.Connection, contact_id: int) -> int:
    """The contact that stands for this one's person: itself, when it was not merged."""
    return _path(connection, contact_id)[-1]


def members_of(connection: sqlite3.Connection, root: int) -> list[int]:
    """This contact and all that point to it, directly or not, in order of their ids."""
    return [
        contact
        for (contact,) in connection.execute(
            "WITH RECURSIVE down (id) AS (VALUES (?) UNION SELECT contact_id FROM contacts JOIN down "
            "ON merged_into_id = id) SELECT id FROM down ORDER BY id",
            (root,),
        )
    ]


def _path(connection: sqlite3.Connection, contact_id: int) -> list[int]:
    """From this contact up to its root."""
    path = [contact_id]
    while above := connection.execute(
        "SELECT merged_into_id FROM contacts WHERE contact_id = ?", (path[-1],)
    ).fetchone():
        if above[0] is None or above[0] in path:
            break
        path.append(above[0])
    return path


# ---------------------------------------------------------------------- merging by a pointer, and back


def merge(connection: sqlite3.Connection, keep_contact: int, other_contact: int, actor: str, code: str, at: str) -> int:
    """Say that two contacts are one person; `keep_contact` (its root, rather) stands for both. Gives the merge's id.

    Of two open leads the older stays, the other ends as `merged`. Raises CannotMerge for a contact that is not there
    and for two that are one already.
    """
    for contact in (keep_contact, other_contact):
        if not connection.execute("SELECT 1 FROM contacts WHERE contact_id = ?", (contact,)).fetchone():
            text = _("cannot merge contact {contact}: there is no such contact; `leads show` tells whose a lead is")
            raise CannotMerge(text.format(contact=contact))
    if keep_contact == other_contact:
        text = _("cannot merge contact {contact} with itself; name two different contacts")
        raise CannotMerge(text.format(contact=keep_contact))
    keep, other = root_of(connection, keep_contact), root_of(connection, other_contact)
    if keep == other:
        text = _(
            "cannot merge contacts {one} and {other}: they are one already, under contact {root}; nothing is to do"
        )
        raise CannotMerge(text.format(one=keep_contact, other=other_contact, root=keep))
    members = members_of(connection, keep) + members_of(connection, other)
    connection.execute("UPDATE contacts SET merged_into_id = ?, updated_at = ? WHERE contact_id = ?", (keep, at, other))
    cursor = connection.execute(
        "INSERT INTO contact_merges (kept_id, merged_id, at, actor, code) VALUES (?, ?, ?, ?, ?)",
        (keep, other, at, actor, code),
    )
    _end_younger_lead(connection, (keep, other), actor, at)
    connection.execute("UPDATE leads SET contact_id = ? WHERE contact_id = ?", (keep, other))
    _mark_dirty(connection, members)
    return int(cursor.lastrowid or 0)


def undo(connection: sqlite3.Connection, merge_id: int, actor: str, at: str) -> None:
    """Take a merge back: each of the two has its own leads again, as the judge then finds them in its messages.

    Leads that had ended as `merged` stay as rows, for the judge to open again by the message that opened them.
    Raises CannotMerge when there is no such merge, or it was taken back before.
    """
    row = connection.execute(
        "SELECT kept_id, merged_id, undone_at FROM contact_merges WHERE merge_id = ?", (merge_id,)
    ).fetchone()
    if row is None:
        text = _("cannot undo merge {merge}: there is no such merge; name the number that merging gave")
        raise CannotMerge(text.format(merge=merge_id))
    kept, merged, undone_at = row
    if undone_at is not None:
        text = _("cannot undo merge {merge}: it was undone already, at {at}; nothing is to do")
        raise CannotMerge(text.format(merge=merge_id, at=undone_at))
    connection.execute(
        "UPDATE contact_merges SET undone_at = ?, undone_by = ? WHERE merge_id = ?", (at, actor, merge_id)
    )
    connection.execute("UPDATE contacts SET merged_into_id = NULL, updated_at = ? WHERE contact_id = ?", (at, merged))
    root, parted = root_of(connection, kept), members_of(connection, merged)
    connection.execute(
        "UPDATE leads SET contact_id = ? WHERE contact_id = ? AND conversation_id IN (SELECT conversation_id "
        "FROM conversations WHERE contact_id IN (SELECT value FROM json_each(?)))",
        (merged, root, json.dumps(parted)),
    )
    _mark_dirty(connection, members_of(connection, root) + parted)


def merge_same_phone(connection: sqlite3.Connection, contact_id: int, match_key: str, at: str) -> None:
    """Merge the contacts whose phone this is too; under the oldest. A merge that was once undone is not made again."""
    for (other,) in connection.execute(
        "SELECT contact_id FROM contacts WHERE match_key = ? AND contact_id <> ? ORDER BY contact_id",
        (match_key, contact_id),
    ).fetchall():
        keep, drop = sorted((root_of(connection, contact_id), root_of(connection, other)))
        if keep != drop and not was_undone(connection, keep, drop):
            merge(connection, keep, drop, SYSTEM, "same_phone", at)


def was_undone(connection: sqlite3.Connection, root: int, other_root: int) -> bool:
    """Whether somebody has said of these two people that they are not one."""
    one, other = (json.dumps(members_of(connection, each)) for each in (root, other_root))
    return (
        connection.execute(
            "SELECT 1 FROM contact_merges WHERE undone_at IS NOT NULL AND ("
            "kept_id IN (SELECT value FROM json_each(:one)) AND merged_id IN (SELECT value FROM json_each(:other)) OR "
            "kept_id IN (SELECT value FROM json_each(:other)) AND merged_id IN (SELECT value FROM json_each(:one)))",
            {"one": one, "other": other},
        ).fetchone()
        is not None
    )


def _end_younger_lead(connection: sqlite3.Connection, contacts: tuple[int, int], actor: str, at: str) -> None:
    """At most one open lead: the older stays, the other ends as `merged`."""
    leads = connection.execute(
        "SELECT lead_id, stage FROM leads WHERE contact_id IN (?, ?) AND closed_at IS NULL ORDER BY opened_at, lead_id",
        contacts,
    ).fetchall()
    for lead, stage in leads[1:]:
        into = leads[0][0]
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


def _mark_dirty(connection: sqlite3.Connection, contacts: Iterable[int]) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO unjudged SELECT conversation_id FROM conversations "
        "WHERE contact_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(contacts)),),
    )


# ---------------------------------------------------------------------- what a person should look at


def proposals(connection: sqlite3.Connection, limit: int) -> list[Proposal]:
    """Contacts that may be one person, or one that may be two; nothing that is merged, or whose merge was undone."""
    return list(islice(chain(_changed_hands(connection), _namesakes(connection)), limit))


def _namesakes(connection: sqlite3.Connection) -> Iterator[Proposal]:
    told: set[tuple[int, int]] = set()
    for name, contacts in _sharing(connection, "saved_name", "true"):
        one, *others = _roots(connection, contacts)
        for other in others:
            if not was_undone(connection, one, other):
                told.add((one, other))
                yield Proposal("same_name", one, other, name)
    for name, contacts in _sharing(connection, "push_name", "count(phone) < count(*)"):
        people = _roots(connection, contacts)
        if len(people) != 2 or all(_has_phone(connection, each) for each in people):
            continue  # of three, nobody knows which two
        one, other = people
        if (one, other) not in told and not was_undone(connection, one, other):
            yield Proposal("same_push_name", one, other, name)


def _sharing(connection: sqlite3.Connection, column: str, condition: str) -> Iterator[tuple[str, list[int]]]:
    """Names that a few contacts share, newest first; upper case is lower case as far as SQLite knows (A to Z)."""
    for name, contacts in connection.execute(
        f"SELECT {column}, json_group_array(contact_id) FROM contacts WHERE {column} <> '' "
        f"GROUP BY {column} COLLATE NOCASE HAVING count(*) BETWEEN 2 AND ? AND {condition} "
        "ORDER BY max(contact_id) DESC",
        (_NAMESAKES,),
    ):
        yield name, json.loads(contacts)


def _roots(connection: sqlite3.Connection, contacts: list[int]) -> list[int]:
    return sorted({root_of(connection, contact) for contact in contacts})


def _has_phone(connection: sqlite3.Connection, root: int) -> bool:
    members = json.dumps(members_of(connection, root))
    query = "SELECT 1 FROM contacts WHERE phone IS NOT NULL AND contact_id IN (SELECT value FROM json_each(?))"
    return connection.execute(query, (members,)).fetchone() is not None


def _changed_hands(connection: sqlite3.Connection) -> Iterator[Proposal]:
    """After long silence another LID and another name wrote from the same number."""
    for contact, name in connection.execute(
        "WITH several AS (SELECT contact_id, max(first_seen_at) AS last_lid_at FROM contact_identities "
        "  WHERE kind = 'lid' GROUP BY contact_id HAVING count(*) > 1), "
        "said AS (SELECT contact_id, last_lid_at, notify_name AS name, "
        "  julianday(sent_at) - julianday(lag(sent_at) OVER before) AS silent_days, "
        "  lag(notify_name) OVER before AS name_before, lag(captured_at) OVER before AS captured_before "
        "  FROM several JOIN conversations USING (contact_id) JOIN messages USING (conversation_id) "
        "  WHERE direction = 'in' AND notify_name <> '' "
        "  WINDOW before AS (PARTITION BY contact_id ORDER BY sent_at, message_id)) "
        "SELECT contact_id, name FROM said WHERE silent_days > ? AND lower(name) <> lower(name_before) "
        "AND captured_before < last_lid_at GROUP BY contact_id ORDER BY contact_id",
        (_SILENT_DAYS,),
    ):
        yield Proposal("changed_hands", contact, contact, name)


# ---------------------------------------------------------------------- two ids of one contact


def absorb(connection: sqlite3.Connection, one: int, other: int, at: str) -> int:
    """Make one contact of two that WhatsApp itself says are one, for good; gives the id that is left, the older.

    Everything of the other goes along. Where both had a conversation with the same account, they become one.
    """
    keep, drop = sorted((one, other))
    keeps_path, drops_path = _path(connection, keep), _path(connection, drop)
    if keeps_path[-1] != drops_path[-1]:
        if len(keeps_path) == len(drops_path) == 1:
            merge(connection, keep, drop, SYSTEM, "same_identity", at)
        else:
            _graft(connection, keeps_path, drops_path, at)
    elif drop in keeps_path:
        keep, drop = drop, keep  # who stands for the other stays, or it would come to stand for itself
    _replace_in_merges(connection, keep, drop)
    connection.execute("UPDATE contact_identities SET contact_id = ? WHERE contact_id = ?", (keep, drop))
    for account, conversation in connection.execute(
        "SELECT account_id, conversation_id FROM conversations WHERE contact_id = ?", (drop,)
    ).fetchall():
        twin = connection.execute(
            "SELECT conversation_id FROM conversations WHERE account_id = ? AND contact_id = ?", (account, keep)
        ).fetchone()
        if twin is None:
            connection.execute(
                "UPDATE conversations SET contact_id = ? WHERE conversation_id = ?", (keep, conversation)
            )
        else:
            _absorb_conversation(connection, twin[0], conversation)
    connection.execute(
        "UPDATE contacts SET (saved_name, push_name, business, phone, match_key, updated_at) = (SELECT "
        "coalesce(contacts.saved_name, c.saved_name), coalesce(contacts.push_name, c.push_name), "
        "max(contacts.business, c.business), coalesce(contacts.phone, c.phone), "
        "coalesce(contacts.match_key, c.match_key), ? FROM contacts c WHERE c.contact_id = ?) WHERE contact_id = ?",
        (at, drop, keep),
    )
    connection.execute("DELETE FROM contacts WHERE contact_id = ?", (drop,))
    _mark_dirty(connection, members_of(connection, root_of(connection, keep)))
    return keep


def _graft(connection: sqlite3.Connection, keeps_path: list[int], drops_path: list[int], at: str) -> None:
    """Make one person of two of whom somebody was merged before: what was said of either is still said, of the one
    that stays. Its pointer stays, or it takes that of the one that goes; where both have one, the other's are turned.
    """
    keep, drop = keeps_path[0], drops_path[0]
    if len(keeps_path) == 1:  # then the other was merged
        root, gone = drops_path[-1], keep
        connection.execute(
            "UPDATE contact_merges SET merged_id = ? WHERE merged_id = ? AND undone_at IS NULL", (keep, drop)
        )
        path = [keep, *drops_path[1:2]]
    else:
        root, gone = keeps_path[-1], drops_path[-1]
        path = drops_path[::-1]
        for below, above in zip(drops_path[-2::-1], path, strict=False):
            connection.execute(
                "UPDATE contact_merges SET kept_id = ?, merged_id = ? WHERE merged_id = ? AND kept_id = ? "
                "AND undone_at IS NULL",
                (below, above, below, above),
            )
    connection.execute("UPDATE contacts SET merged_into_id = NULL WHERE contact_id = ?", (drop,))
    for contact, above in pairwise(path):
        connection.execute(
            "UPDATE contacts SET merged_into_id = ?, updated_at = ? WHERE contact_id = ?", (above, at, contact)
        )
    _end_younger_lead(connection, (root, gone), SYSTEM, at)
    connection.execute("UPDATE leads SET contact_id = ? WHERE contact_id = ?", (root, gone))


def _replace_in_merges(connection: sqlite3.Connection, keep: int, drop: int) -> None:
    """Whoever pointed to the one that goes points to the one that stays, which has its root in common with it."""
    connection.execute("DELETE FROM contact_merges WHERE merged_id = ? AND undone_at IS NULL", (drop,))
    connection.execute("UPDATE contacts SET merged_into_id = ? WHERE merged_into_id = ?", (keep, drop))
    connection.execute("UPDATE contact_merges SET kept_id = ? WHERE kept_id = ?", (keep, drop))
    connection.execute("UPDATE contact_merges SET merged_id = ? WHERE merged_id = ?", (keep, drop))
    connection.execute("DELETE FROM contact_merges WHERE kept_id = merged_id")


def _absorb_conversation(connection: sqlite3.Connection, keep: int, drop: int) -> None:
    for table in MOVED:
        # OR IGNORE: of two verdicts on one burst the first stays, and the other goes with its conversation.
        connection.execute(f"UPDATE OR IGNORE {table} SET conversation_id = ? WHERE conversation_id = ?", (keep, drop))
    connection.execute(
        "UPDATE conversations SET "
        "last_inbound_at = nullif(max(coalesce(last_inbound_at, ''), coalesce((SELECT last_inbound_at FROM "
        "conversations WHERE conversation_id = :drop), '')), ''), "
        "last_outbound_at = nullif(max(coalesce(last_outbound_at, ''), coalesce((SELECT last_outbound_at FROM "
        "conversations WHERE conversation_id = :drop), '')), ''), "
        # the union is complete only as far as both halves are
        "swept_through_at = nullif(min(coalesce(swept_through_at, ''), coalesce((SELECT swept_through_at FROM "
        "conversations WHERE conversation_id = :drop), '')), '') "
        "WHERE conversation_id = :keep",
        {"keep": keep, "drop": drop},
    )
    connection.execute("DELETE FROM conversations WHERE conversation_id = ?", (drop,))
