"""The listener's own lines behind messages, for `messages --raw`.

They are rows of `raw_events` for about a day, and are then packed, some hundred together, into `raw_blocks`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypedDict

from leadmasterd.queries.database import Connection, id_list, records, rows
from leadmasterd.store import raw_blocks


class StoredLine(TypedDict):
    """A line as the listener wrote it. `message_id`: the message that it is about, if any."""

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
    """The newest `limit` lines, the oldest first. Lines that were stored with a problem are left out.

    `conversations`: only lines about their messages. `since`: only lines captured since then, ISO, UTC. `damaged` has
    only those blocks that had to be read to find so many lines.
    """
    damaged: list[DamagedLines] = []
    messages = None if conversations is None else _messages_of(connection, conversations)
    found = records(
        StoredLine,
        connection,
        "SELECT raw_id, captured_at, message_id, line FROM raw_events WHERE problem IS NULL AND captured_at >= :since "
        "AND (:messages IS NULL OR message_id IN (SELECT value FROM json_each(:messages))) "
        "ORDER BY raw_id DESC LIMIT :limit",
        since=since or "",
        messages=None if messages is None else id_list(messages),
        limit=limit,
    )
    if len(found) < limit:
        found += islice(_packed(connection, messages, since or "", damaged), limit - len(found))
    return {"lines": found[::-1], "damaged": damaged[::-1]}


def _packed(
    connection: Connection, messages: set[int] | None, since: str, damaged: list[DamagedLines]
) -> Iterator[StoredLine]:
    """Packed lines about these messages (None: about anything), the newest first.

    Unpacks block by block as it is read from, and adds to `damaged` each block that can't be unpacked.
    """
    kept_ids = {row["merged_id"]: row["kept_id"] for row in rows(connection, "SELECT * FROM message_merges")}
    for block in raw_blocks.stored(connection, since=since, newest_first=True):
        try:
            lines = raw_blocks.unpack(block.packed)
        except raw_blocks.BlockDamaged:
            damaged.append({"from_at": block.oldest_at, "to_at": block.newest_at, "lines": block.lines})
            continue
        for each in reversed(lines):
            about = kept_ids.get(each.message_id, each.message_id)
            is_wanted = messages is None or about in messages
            if is_wanted and each.captured_at >= since:
                yield StoredLine(raw_id=each.raw_id, captured_at=each.captured_at, message_id=about, line=each.line)


def _messages_of(connection: Connection, conversations: Sequence[int]) -> set[int]:
    """The ids of all messages of these conversations."""
    found = rows(
        connection,
        "SELECT message_id FROM messages WHERE conversation_id IN (SELECT value FROM json_each(:conversations))",
        conversations=id_list(conversations),
    )
    return {row["message_id"] for row in found}
