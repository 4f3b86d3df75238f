"""Merges of contacts as a forest: each merged contact points to another, and a root stands for a person. Pure.

A pointer is one row of `contact_merges` that is not undone; `merges` reads and writes them. Two things always hold:
there is no cycle, and no pointer between two contacts loses its row, because a person may undo it.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Pointer(NamedTuple):
    """One merge that is in force: the contact `merged` points to the contact `kept`."""

    merge_id: int
    kept: int
    merged: int


class Rewiring(NamedTuple):
    """How a forest differs from an earlier state: pointers with another contact at an end, and those that are gone."""

    changed: tuple[Pointer, ...]
    dropped: tuple[Pointer, ...]


class Forest:
    """Some trees of merged contacts. Each tree must be complete, or its root is wrong."""

    def __init__(self, pointers: Iterable[Pointer]) -> None:
        self._up = {pointer.merged: pointer for pointer in pointers}
        """By contact the pointer that leads up from it; a root has none."""

    def path(self, contact: int) -> list[int]:
        """The contacts from this one up to its root, both included. Of a root only itself."""
        path = [contact]
        while (pointer := self._up.get(path[-1])) is not None:
            path.append(pointer.kept)
        return path

    def root(self, contact: int) -> int:
        return self.path(contact)[-1]

    def reroot(self, contact: int) -> None:
        """Make this contact the root of its tree by reversing the pointers on its path."""
        path = self.path(contact)
        to_reverse = [self._up.pop(each) for each in path[:-1]]
        for pointer in to_reverse:
            self._up[pointer.kept] = pointer._replace(kept=pointer.merged, merged=pointer.kept)

    def contract(self, keep: int, drop: int) -> None:
        """Make one contact of two: all pointers from and to `drop` lead from and to `keep` instead.

        If they are in one tree, the pointer that leads up from `drop` is deleted. Raises ValueError if `drop` is above
        `keep`. If they are in two trees, the root of `keep` stays the root, with one exception: if `keep` is a root and
        `drop` is not, the pointer that led up from `drop` leads up from `keep`.
        """
        if self.root(keep) == self.root(drop):
            if drop in self.path(keep):
                raise ValueError(f"contact {drop} stands for {keep}: keep it and drop {keep}")
            self._up.pop(drop)
        elif keep in self._up:
            self.reroot(drop)  # `drop` has no pointer up then, and its whole tree comes below `keep`
        renamed = [
            pointer._replace(
                kept=keep if pointer.kept == drop else pointer.kept,
                merged=keep if pointer.merged == drop else pointer.merged,
            )
            for pointer in self._up.values()
        ]
        self._up = {pointer.merged: pointer for pointer in renamed}

    def __iter__(self) -> Iterator[Pointer]:
        return iter(self._up.values())

    def changes_since(self, before: Iterable[Pointer]) -> Rewiring:
        """What has to be written, when the pointers in the table are those of `before`."""
        old = {pointer.merge_id: pointer for pointer in before}
        now = {pointer.merge_id: pointer for pointer in self}
        return Rewiring(
            changed=tuple(pointer for number, pointer in now.items() if old.get(number) != pointer),
            dropped=tuple(pointer for number, pointer in old.items() if number not in now),
        )
