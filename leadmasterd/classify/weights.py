"""A compact map from names to large integers, the packed rows of weights of the model's features. Pure.

It is three blocks of memory instead of an object for each name and row: 25,000 features take 2 MB this way, where a
dict of integers takes 5, and fragments 2 more.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import Final

_SLOTS_PER_NAME: Final = 2
"""At least. So half of the slots are empty, and one look mostly tells that a name is not in the table."""


class Rows:
    """A hash table with open addressing: a name's hash leads to a slot, which has the number of its row. Immutable.

    Rows are numbered from 1 on. Names are compared by the 64 bits of their hash only. Of the names that
    are not in the table, one in 10^14 has the hash of a name that is, and is taken for that one.
    """

    def __init__(self, rows: Iterable[tuple[str, int]], *, most: int, bits: int) -> None:
        """`rows`: each name once, with an integer of 0 to `bits` bits. `most`: how many there may be."""
        self._width = (bits + 7) // 8
        """Bytes of a row."""
        slots = 1 << max(1, most * _SLOTS_PER_NAME - 1).bit_length()
        self._mask = slots - 1
        self._slots = array("I", bytes(4 * slots))
        """In each slot the number of a row, or 0."""
        self._hashes = array("q", [0])
        packed = bytearray(self._width)
        for number, (name, row) in enumerate(rows, 1):
            hashed = hash(name)
            slot = hashed & self._mask
            while self._slots[slot]:
                slot = (slot + 1) & self._mask
            self._slots[slot] = number
            self._hashes.append(hashed)
            packed += row.to_bytes(self._width, "little")
        self._packed = bytes(packed)

    def __len__(self) -> int:
        """How many rows."""
        return len(self._hashes) - 1

    @property
    def hashes(self) -> Sequence[int]:
        """The hashes of the names, by the number of their row. The first belongs to no name: no row has number 0."""
        return self._hashes

    def row(self, number: int) -> int:
        """The row with this number."""
        [row] = self.rows((number,))
        return row

    def rows(self, numbers: Iterable[int]) -> list[int]:
        """The rows with these numbers."""
        packed, width, from_bytes = self._packed, self._width, int.from_bytes  # local names are quicker
        return [from_bytes(packed[number * width : (number + 1) * width], "little") for number in numbers]

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        """The number of each name's row, in the order of `names`. Names without a row are left out."""
        slots, hashes, mask = self._slots, self._hashes, self._mask
        found: dict[str, int] = {}
        for name in names:
            hashed = hash(name)
            slot = hashed & mask
            while number := slots[slot]:  # another name may have taken its slot: then it is in one of the next
                if hashes[number] == hashed:
                    found[name] = number
                    break
                slot = (slot + 1) & mask
        return found
