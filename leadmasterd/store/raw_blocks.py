"""Packs wire lines that leave `raw_events` into compressed blocks of about a hundred, and unpacks them.

`disk_upkeep` decides which lines leave, and when. Lines compress far better together. A block can be unpacked without
any other and has a checksum (zlib's), so damage is noticed and costs one block only. The `message_id` of a line may
since have been merged into another: see `message_merges`.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple


class RawLine(NamedTuple):
    """A row of `raw_events` whose line could be used: its `problem` is null."""

    raw_id: int
    account_id: int | None
    message_id: int | None
    captured_at: str
    line: str


class Block(NamedTuple):
    """A row of `raw_blocks`. `block_id`: the id of its first line; `lines`: how many; `packed`: see `pack`.

    `oldest_at` and `newest_at`: when its lines were captured (ISO), as far as is known: our clock may have been wrong.
    """

    block_id: int
    lines: int
    oldest_at: str
    newest_at: str
    packed: bytes


class BlockDamaged(Exception):
    """The bytes of this block are not those that were written."""


def pack(lines: Sequence[RawLine]) -> bytes:
    """Compress lines, at least one: a line of JSON with their columns and lengths, then their texts."""
    *columns, texts = zip(*lines, strict=True)
    head = json.dumps([*columns, [len(text) for text in texts]], separators=(",", ":"))
    return zlib.compress(f"{head}\n{''.join(texts)}".encode())


def unpack(packed: bytes) -> list[RawLine]:
    """The lines that `pack` was given. Raises BlockDamaged."""
    try:
        head, _, text = zlib.decompress(packed).decode().partition("\n")
        *columns, lengths = json.loads(head)
        ends = list(accumulate(lengths, initial=0))
        texts = [text[begin:end] for begin, end in pairwise(ends)]
        return [RawLine(*each) for each in zip(*columns, texts, strict=True)]
    except (zlib.error, ValueError, TypeError, RecursionError) as error:
        raise BlockDamaged(str(error)) from error


def store(connection: sqlite3.Connection, lines: Sequence[RawLine], *, at: Sequence[str]) -> None:
    """Insert a block of these lines, at least one, within the caller's transaction.

    `at`: when each was captured (ISO), which may differ from its `captured_at` where our clock was wrong.
    """
    connection.execute(
        "INSERT INTO raw_blocks VALUES (?, ?, ?, ?, ?)",
        Block(
            block_id=lines[0].raw_id,
            lines=len(lines),
            oldest_at=min(at),
            newest_at=max(at),
            packed=pack(lines),
        ),
    )


def stored(connection: sqlite3.Connection, *, since: str = "", newest_first: bool = False) -> Iterator[Block]:
    """The blocks that have lines captured at `since` (ISO) or later; "": all. Oldest first, unless `newest_first`.

    Reads one at a time, so that they are not all in memory.
    """
    order = "DESC" if newest_first else "ASC"
    cursor = connection.cursor()
    cursor.row_factory = None
    query = "SELECT block_id, lines, oldest_at, newest_at, packed FROM raw_blocks WHERE newest_at >= ?"
    for row in cursor.execute(f"{query} ORDER BY block_id {order}", (since,)):
        yield Block(*row)
