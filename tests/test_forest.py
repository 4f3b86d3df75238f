"""The forest of merges: rerooting and contracting lose no contact, and every merge keeps its number."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadmasterd.store.forest import Forest, Pointer

CONTACTS: Final = range(1, 9)


@st.composite
def forests(draw: st.DrawFn) -> list[Pointer]:
    """Contacts that point to others, without cycles."""
    order = draw(st.permutations(CONTACTS))
    above = [draw(st.one_of(st.none(), st.sampled_from(order[:place]))) if place else None for place in range(8)]
    pairs = [(kept, merged) for kept, merged in zip(above, order, strict=True) if kept is not None]
    return [Pointer(100 + number, kept, merged) for number, (kept, merged) in enumerate(pairs)]


def persons(pointers: list[Pointer], contacts: set[int]) -> set[frozenset[int]]:
    """The groups of contacts that are one person."""
    forest = Forest(pointers)
    roots = {contact: forest.root(contact) for contact in contacts}
    return {frozenset(each for each in contacts if roots[each] == root) for root in roots.values()}


@given(forests(), st.sampled_from(CONTACTS))
def test_rerooting_changes_who_stands_for_whom_and_nothing_else(pointers: list[Pointer], contact: int) -> None:
    """The groups and merges stay the same, and other pointers are untouched."""
    forest = Forest(pointers)
    path = forest.path(contact)
    forest.reroot(contact)
    assert forest.path(path[-1]) == path[::-1]
    assert persons(list(forest), {*CONTACTS}) == persons(pointers, {*CONTACTS})
    assert {pointer.merge_id for pointer in forest} == {pointer.merge_id for pointer in pointers}
    changed, dropped = forest.changes_since(pointers)
    assert ({pointer.kept for pointer in changed}, dropped) == ({*path[:-1]}, ())


@given(forests(), st.permutations(CONTACTS))
def test_contracting_makes_one_person_of_two(pointers: list[Pointer], order: list[int]) -> None:
    """All other groups stay. A merge is dropped only if its two sides are one person without it."""
    keep, drop = order[:2]
    if drop in Forest(pointers).path(keep):
        keep, drop = drop, keep
    forest = Forest(pointers)
    before = persons(pointers, {*CONTACTS})
    apart = forest.root(keep) != forest.root(drop)
    dropped_points = drop in {pointer.merged for pointer in pointers}
    expected_root = forest.root(drop) if apart and forest.root(keep) == keep and dropped_points else forest.root(keep)
    forest.contract(keep, drop)
    both = frozenset().union(*(each for each in before if keep in each or drop in each))
    others = {each for each in before if keep not in each and drop not in each}
    assert persons(list(forest), {*CONTACTS} - {drop}) == {*others, both - {drop}}
    assert forest.root(keep) == expected_root
    assert all(drop not in (pointer.kept, pointer.merged) for pointer in forest)
    assert len(forest.changes_since(pointers).dropped) == (0 if apart else 1)


def test_who_stands_for_the_other_can_not_be_dropped() -> None:
    """It would point to itself."""
    forest = Forest([Pointer(1, kept=2, merged=1)])
    with pytest.raises(ValueError, match="contact 2 stands for 1"):
        forest.contract(keep=1, drop=2)
