"""The listener's own lines behind messages: those of the last day, and those that are packed. `messages --raw`."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypedDict

from leadmasterd.queries.database import Connection, id_list, records, rows
from leadmasterd.store import raw_blocks


class StoredLine(TypedDict):
    """A line as the listener wrote it. `message_id`: of the message that it is about."""

    raw_id: int
    captured_at: str
    message_id: int | None
    line: str


class DamagedLines(TypedDict):
    """Lines that can't be read any more, and when they were captured."""

    from_at: str
    to_at: str
    lines: int


class StoredLines(TypedDict):
    """The answer of `messages --raw`."""

    lines: list[StoredLine]
    damaged: list[DamagedLines]


def stored_lines(
    connection: Connection, *, limit: int, conversations: Sequence[int] | None = None, since: str | None = None
) -> StoredLines:
    """The newest `limit` lines, the oldest first, without those that tell of a problem.

    `conversations`: only of these. `since`: captured since then, ISO, UTC.
    """
    damaged: list[DamagedLines] = []
    wanted = None if conversations is None else _messages_of(connection, conversations)
    found = records(
        StoredLine,
        connection,
        "SELECT raw_id, captured_at, message_id, line FROM raw_events WHERE problem IS NULL AND captured_at >= :since "
        "AND (:wanted IS NULL OR message_id IN (SELECT value FROM json_each(:wanted))) "
        "ORDER BY raw_id DESC LIMIT :limit",
        since=since or "",
        wanted=None if wanted is None else id_list(wanted),
        limit=limit,
    )
    if len(found) < limit:
        found += islice(_packed(connection, wanted, since or "", damaged), limit - len(found))
    return {"lines": found[::-1], "damaged": damaged[::-1]}


def _packed(
    connection: Connection, wanted: set[int] | None, since: str, damaged: list[DamagedLines]
) -> Iterator[StoredLine]:
    """The newest first. Adds to `damaged` what could not be read on the way."""
    merged = {row["merged_id"]: row["kept_id"] for row in rows(connection, "SELECT * FROM message_merges")}
    for block in raw_blocks.stored(connection, since=since, newest_first=True):
        try:
            lines = raw_blocks.unpack(block.packed)
        except raw_blocks.BlockDamaged:
            damaged.append({"from_at": block.oldest_at, "to_at": block.newest_at, "lines": block.lines})
            continue
        for each in reversed(lines):
            about = merged.get(each.message_id, each.message_id)
            if each.captured_at >= since and (wanted is None or about in wanted):
                yield StoredLine(raw_id=each.raw_id, captured_at=each.captured_at, message_id=about, line=each.line)


def _messages_of(connection: Connection, conversations: Sequence[int]) -> set[int]:
    found = rows(
        connection,
        "SELECT message_id FROM messages WHERE conversation_id IN (SELECT value FROM json_each(:conversations))",
        conversations=id_list(conversations),
    )
    return {row["message_id"] for row in found}
