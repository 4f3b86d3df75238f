"""Which contacts were one person before anybody merged them by hand (`contact_merges`).

A merge by hand counts from its own time on: earlier history stays separate. A merge by the program counts from the
beginning: contacts with the same phone, and those that WhatsApp maps to each other, always were one person, whatever
the order of capture. The exception is a merge that a person has undone: the contacts on its two sides are two persons,
even if they have the same phone.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import NamedTuple

from leadmasterd.projection.sql import with_ids
from leadmasterd.reasons import SYSTEM
from leadmasterd.store.merges import members_of, root_of


class Merge(NamedTuple):
    """A row of `contact_merges`: the contact `merged` was merged into the contact `kept`.

    A merge by the program names the two contacts themselves, a merge by hand the roots of their trees at that time.
    """

    merge_id: int
    kept: int
    merged: int
    at: str
    actor: str
    undone: bool


@dataclass(frozen=True, slots=True)
class Persons:
    """Who the contacts of one tree of merges are."""

    person_of: Mapping[int, int]
    """Contact -> the person behind it, before any merge by hand; a person's id is that of one of their contacts."""
    by_hand: Sequence[Merge]
    """The merges by hand that are not undone, oldest first."""


def persons_of(connection: sqlite3.Connection, root: int) -> Persons:
    """The persons behind the contact `root` and all contacts that were merged into it, also indirectly."""
    members = members_of(connection, root)
    match_keys = with_ids(
        connection,
        "SELECT contact_id, match_key FROM contacts WHERE contact_id IN (SELECT value FROM json_each(?))",
        members,
    )
    merges = with_ids(
        connection,
        "SELECT merge_id, kept_id, merged_id, at, actor, undone_at IS NOT NULL FROM contact_merges "
        "WHERE merged_id IN (SELECT value FROM json_each(?)) ORDER BY merge_id",
        members,
    )
    return replay_merges(dict(match_keys), map(Merge._make, merges))


def are_several_persons(connection: sqlite3.Connection, contacts: Iterable[tuple[int, bool]], at_least: int) -> bool:
    """Whether at least so many persons are behind these contacts. Reads no more contacts than it needs to know.

    Each contact comes with whether it takes part in any merge. One that does not is a person by itself.
    """
    persons: set[int] = set()
    person_of: dict[int, int] = {}
    for contact, is_merged in contacts:
        if is_merged and contact not in person_of:
            person_of |= persons_of(connection, root_of(connection, contact)).person_of
        persons.add(person_of.get(contact, contact))
        if len(persons) == at_least:
            return True
    return False


def replay_merges(match_keys: Mapping[int, str | None], merges: Iterable[Merge]) -> Persons:
    """Decide which contacts of a tree are one person, by replaying its merges in order.

    `match_keys`: for each contact of the tree a key, which is equal for contacts with the same phone, or None.
    `merges`: all that merged a contact of the tree, also undone ones, in order of `merge_id`.

    Contacts that share a phone are one person even without a merge that says so: WhatsApp may have named the phone
    after a person had merged them. But an undone merge keeps apart the contacts that were on its two sides.
    """
    person_of = {contact: contact for contact in match_keys}
    root_then = dict(person_of)
    """Contact -> the root of its tree after the merges so far."""
    kept_apart: set[tuple[int, int]] = set()
    by_hand = []
    for merge in merges:
        if merge.kept not in root_then:
            continue  # undone, and in another tree today
        kept_side = [contact for contact, root in root_then.items() if root == root_then[merge.kept]]
        merged_side = [contact for contact, root in root_then.items() if root == root_then[merge.merged]]
        if merge.undone:
            kept_apart.update((min(pair), max(pair)) for pair in product(kept_side, merged_side))
            continue
        if merge.actor == SYSTEM:
            _join(person_of, merge.kept, merge.merged)
        else:
            by_hand.append(merge)
        root_then |= dict.fromkeys(merged_side, root_then[merge.kept])
    for one, other in combinations(sorted(match_keys), 2):
        if _have_same_phone(match_keys, one, other) and (one, other) not in kept_apart:
            _join(person_of, one, other)
    return Persons(person_of, by_hand)


def _have_same_phone(match_keys: Mapping[int, str | None], one: int, other: int) -> bool:
    return match_keys[one] is not None and match_keys[one] == match_keys[other]


def _join(person_of: dict[int, int], kept: int, merged: int) -> None:
    """Give all contacts of the person behind `merged` to the person behind `kept`."""
    kept_person, merged_person = person_of[kept], person_of[merged]
    person_of |= {contact: kept_person for contact, person in person_of.items() if person == merged_person}
