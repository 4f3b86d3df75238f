"""Blocks of wire lines that left `raw_events`: some hundred in each, because together they compress far better.

A block needs nothing but itself to be opened, and carries a checksum: a damaged one is found out and costs no other.
What a line is about may have become another message since; `message_merges` tells.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple


class RawLine(NamedTuple):
    """A row of `raw_events` that tells of no problem."""

    raw_id: int
    account_id: int | None
    message_id: int | None
    captured_at: str
    line: str


class Block(NamedTuple):
    """A block as it is stored. `oldest_at` and `newest_at`: when its lines were captured, as far as can be known."""

    block_id: int
    lines: int
    oldest_at: str
    newest_at: str
    packed: bytes


class BlockDamaged(Exception):
    """The bytes of this block are not those that were written."""


def pack(lines: Sequence[RawLine]) -> bytes:
    """The lines as a block's bytes: their columns and lengths as a line of JSON, then one after the other."""
    *columns, texts = zip(*lines, strict=True)
    head = json.dumps([*columns, [len(text) for text in texts]], separators=(",", ":"))
    return zlib.compress(f"{head}\n{''.join(texts)}".encode())


def unpack(packed: bytes) -> list[RawLine]:
    """The lines of a block. Raises BlockDamaged."""
    try:
        head, _, text = zlib.decompress(packed).decode().partition("\n")
        *columns, lengths = json.loads(head)
        ends = list(accumulate(lengths, initial=0))
        texts = [text[begin:end] for begin, end in pairwise(ends)]
        return [RawLine(*each) for each in zip(*columns, texts, strict=True)]
    except (zlib.error, ValueError, TypeError, RecursionError) as error:
        raise BlockDamaged(str(error)) from error


def store(connection: sqlite3.Connection, lines: Sequence[RawLine], *, at: Sequence[str]) -> None:
    """Add a block of these lines, within the caller's transaction. `at`: when each was captured, whatever it says."""
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
    """The blocks with lines since then (ISO), as they were captured or the newest first. One at a time is in memory."""
    order = "DESC" if newest_first else "ASC"
    cursor = connection.cursor()
    cursor.row_factory = None
    query = "SELECT block_id, lines, oldest_at, newest_at, packed FROM raw_blocks WHERE newest_at >= ?"
    for row in cursor.execute(f"{query} ORDER BY block_id {order}", (since,)):
        yield Block(*row)
