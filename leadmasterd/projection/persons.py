"""Which contacts were one person before anybody merged them by hand.

A merge by hand counts from its own time on: earlier history stays separate. A merge by the program counts from the
beginning: contacts with the same phone, and those that WhatsApp maps to each other, always were one person, whatever
the order of capture. The exception is a merge that a person has undone: those two are two persons, even with one phone.
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
    """A row of `contact_merges`. The program's merges name the contacts, a person's the roots at that time."""

    merge_id: int
    kept: int
    merged: int
    at: str
    actor: str
    undone: bool


@dataclass(frozen=True, slots=True)
class Persons:
    """The contacts of one tree of merges. `by_hand`: merges by people, oldest first."""

    person_of: Mapping[int, int]
    """Contact -> person, named by one of the person's contacts."""
    by_hand: Sequence[Merge]


def persons_of(connection: sqlite3.Connection, root: int) -> Persons:
    """The tree of contacts under this root."""
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
    return tell_apart(dict(match_keys), map(Merge._make, merges))


def several_persons(connection: sqlite3.Connection, contacts: Iterable[tuple[int, bool]], enough: int) -> bool:
    """Whether these contacts are at least `enough` persons. Each comes with whether it takes part in any merge."""
    persons: set[int] = set()
    known: dict[int, int] = {}
    for contact, merged in contacts:
        if merged and contact not in known:
            known |= persons_of(connection, root_of(connection, contact)).person_of
        persons.add(known.get(contact, contact))
        if len(persons) == enough:
            return True
    return False


def tell_apart(match_keys: Mapping[int, str | None], merges: Iterable[Merge]) -> Persons:
    """`match_keys`: of each contact of a tree. `merges`: all that ended in it, also undone ones, by `merge_id`.

    Contacts that share a phone are one person even without a merge that says so: WhatsApp may have named the phone
    after a person had merged them. But an undone merge parts those that share one across it.
    """
    person_of = {contact: contact for contact in match_keys}
    tree_of = dict(person_of)  # the root at the time of that merge
    parted: set[tuple[int, int]] = set()
    by_hand = []
    for merge in merges:
        if merge.kept not in tree_of:
            continue  # undone, and in another tree today
        ours, theirs = ([each for each in tree_of if tree_of[each] == tree_of[side]] for side in merge[1:3])
        if merge.undone:
            parted.update((min(pair), max(pair)) for pair in product(ours, theirs))
            continue
        if merge.actor == SYSTEM:
            _join(person_of, merge.kept, merge.merged)
        else:
            by_hand.append(merge)
        tree_of |= dict.fromkeys(theirs, tree_of[merge.kept])
    for pair in combinations(sorted(match_keys), 2):
        if _same(match_keys, *pair) and pair not in parted:
            _join(person_of, *pair)
    return Persons(person_of, by_hand)


def _same(match_keys: Mapping[int, str | None], one: int, other: int) -> bool:
    return match_keys[one] is not None and match_keys[one] == match_keys[other]


def _join(person_of: dict[int, int], one: int, other: int) -> None:
    into, gone = person_of[one], person_of[other]
    person_of |= {contact: into for contact, person in person_of.items() if person == gone}
