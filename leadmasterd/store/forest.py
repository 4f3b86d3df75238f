"""Merges as a forest: each contact points to the one it was merged into, and a root stands for a person. Pure.

Each pointer is one row of `contact_merges` that is not undone. What must hold whatever happens: no circle, and every
pointer keeps its row, because a person may undo it.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Pointer(NamedTuple):
    """One merge that is in force."""

    merge_id: int
    kept: int
    merged: int


class Rewiring(NamedTuple):
    """What differs between two states of a forest."""

    changed: tuple[Pointer, ...]
    dropped: tuple[Pointer, ...]


class Forest:
    """The trees of some contacts, whole."""

    def __init__(self, pointers: Iterable[Pointer]) -> None:
        self._up = {pointer.merged: pointer for pointer in pointers}

    def path(self, contact: int) -> list[int]:
        """From this contact up to its root."""
        path = [contact]
        while (pointer := self._up.get(path[-1])) is not None:
            path.append(pointer.kept)
        return path

    def root(self, contact: int) -> int:
        return self.path(contact)[-1]

    def reroot(self, contact: int) -> None:
        """Make this contact the root of its tree: the pointers on the way up are turned round."""
        path = self.path(contact)
        turned = [self._up.pop(each) for each in path[:-1]]
        for pointer in turned:
            self._up[pointer.kept] = pointer._replace(kept=pointer.merged, merged=pointer.kept)

    def contract(self, keep: int, drop: int) -> None:
        """Make one contact of two. What was said of either is said of `keep` then.

        In one tree, `drop` must not stand above `keep`; its own pointer goes. Of two trees, the root of `keep` stays,
        unless `keep` is that root and `drop` is none: then `keep` takes over the pointer of `drop`.
        """
        if self.root(keep) == self.root(drop):
            if drop in self.path(keep):
                raise ValueError(f"contact {drop} stands for {keep}: keep it and drop {keep}")
            self._up.pop(drop)
        elif keep in self._up:
            self.reroot(drop)
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

    def since(self, before: Iterable[Pointer]) -> Rewiring:
        """What to write: pointers that are others now, and those that are gone."""
        old = {pointer.merge_id: pointer for pointer in before}
        now = {pointer.merge_id: pointer for pointer in self}
        return Rewiring(
            changed=tuple(pointer for number, pointer in now.items() if old.get(number) != pointer),
            dropped=tuple(pointer for number, pointer in old.items() if number not in now),
        )
