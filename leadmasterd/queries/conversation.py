"""A conversation as it was written: the messages of one page of it, with everything that became of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypedDict, cast

from leadmasterd.queries.database import Connection, Row, id_list, rows
from leadmasterd.queries.messages import content_of, with_text
from leadmasterd.readable import Clock, parts
from leadmasterd.text import shortened

_LATE: Final = timedelta(minutes=1)
"""A message that a sweep brought is told as late if it is older than this: else it was only quicker than the page."""
_QUOTED: Final = 160
"""Characters of what a message answers."""


class Version(TypedDict):
    """What a message said until it was edited."""

    text: str
    until: str


class Reaction(TypedDict):
    """A reaction that stands."""

    emoji: str
    from_me: bool


class Bubble(TypedDict):
    """One message. `about`: what kind it is and what it holds, if not words alone; `words`: as they were written.

    `late`: it was captured only when the program looked for what it had missed, at `captured_at`. `readable`: it is no
    ciphertext any more. `name`: in a group, how who wrote it calls themselves.
    """

    message_id: int
    conversation_id: int
    direction: str
    author: str
    type: str
    sent_at: str
    captured_at: str
    edited_at: str | None
    revoked_at: str | None
    late: bool
    readable: bool
    forwarded: bool
    name: str | None
    about: list[str]
    words: str | None
    quoted: str | None
    before: list[Version]
    reactions: list[Reaction]


class Thread(TypedDict):
    """A page of a conversation, the oldest message first. `older`, `newer`: whether there are more on that side."""

    messages: list[Bubble]
    older: bool
    newer: bool


_QUERY: Final = """
    SELECT m.message_id, m.conversation_id, m.direction, m.author, m.type, m.body, m.sent_at, m.captured_at,
           m.captured_via, m.readable_at, m.edited_at, m.revoked_at, m.forwarded, m.media, m.quoted, m.details,
           iif(m.group_id <> '' AND m.direction = 'in', coalesce(m.saved_name, m.notify_name, m.participant), NULL)
               AS name
    FROM messages m WHERE m.message_id IN (SELECT value FROM json_each(:ids)) ORDER BY m.sent_at, m.message_id
"""
_Place = tuple[str, int]
"""When a message was sent, and its id: the order of a conversation."""
_END: Final[_Place] = ("~", 0)
"""After every time."""
_Side = Literal["older", "newer"]


def thread(
    connection: Connection,
    conversations: Sequence[int],
    *,
    limit: int,
    clock: Clock,
    side: _Side | Literal["around"] | None = None,
    of: int | None = None,
) -> Thread:
    """The newest `limit` messages of these conversations taken together.

    With `side` those that are older or newer than the message `of`, or those around it, with it in their midst; the
    newest ones if there is no such message there.
    """
    place = _place(connection, conversations, of) if of is not None else None
    if place is None or side is None:
        older, more = _beside(connection, conversations, _END, side="older", limit=limit)
        return {"messages": _bubbles(connection, older, clock), "older": more, "newer": False}
    if side == "around":
        older, more_older = _beside(connection, conversations, place, side="older", limit=limit // 2)
        newer, more_newer = _beside(connection, conversations, place, side="newer", limit=limit // 2)
        shown = [*older, place[1], *newer]
        return {"messages": _bubbles(connection, shown, clock), "older": more_older, "newer": more_newer}
    found, more = _beside(connection, conversations, place, side=side, limit=limit)
    return {
        "messages": _bubbles(connection, found, clock),
        "older": more if side == "older" else True,
        "newer": more if side == "newer" else True,
    }


def _place(connection: Connection, conversations: Sequence[int], message: int) -> _Place | None:
    """Of this message, or of the one that it was merged into."""
    found = connection.execute(
        "SELECT sent_at, message_id FROM messages WHERE message_id = coalesce((SELECT kept_id FROM message_merges "
        "WHERE merged_id = :message), :message) AND conversation_id IN (SELECT value FROM json_each(:chats))",
        {"message": message, "chats": id_list(conversations)},
    ).fetchone()
    return (found[0], found[1]) if found else None


def _beside(
    connection: Connection, conversations: Sequence[int], place: _Place, *, side: _Side, limit: int
) -> tuple[list[int], bool]:
    """The nearest messages on this side of a place, and whether there are more. By the index of each conversation."""
    sign, order = ("<", "DESC") if side == "older" else (">", "ASC")
    query = (
        f"SELECT sent_at, message_id FROM messages WHERE conversation_id = ? AND (sent_at, message_id) {sign} (?, ?) "
        f"ORDER BY sent_at {order}, message_id {order} LIMIT ?"
    )
    found: list[_Place] = []
    for conversation in conversations:
        found += [(row[0], row[1]) for row in connection.execute(query, (conversation, *place, limit + 1))]
    found.sort(reverse=side == "older")
    return [message for _at, message in found[:limit]], len(found) > limit


def _bubbles(connection: Connection, messages: Sequence[int], clock: Clock) -> list[Bubble]:
    ids = id_list(messages)
    before: dict[int, list[Version]] = {}
    for row in rows(
        connection,
        "SELECT message_id, body_before, changed_at FROM message_versions WHERE change = 'edit' "
        "AND message_id IN (SELECT value FROM json_each(:ids)) ORDER BY version_id",
        ids=ids,
    ):
        before.setdefault(row["message_id"], []).append({"text": row["body_before"] or "", "until": row["changed_at"]})
    reactions: dict[int, list[Reaction]] = {}
    for row in rows(
        connection,
        "SELECT message_id, emoji, from_me FROM reactions WHERE emoji <> '' "
        "AND message_id IN (SELECT value FROM json_each(:ids)) ORDER BY reacted_at",
        ids=ids,
    ):
        reactions.setdefault(row["message_id"], []).append({"emoji": row["emoji"], "from_me": bool(row["from_me"])})
    return [
        _bubble(row, clock, before=before.get(row["message_id"], []), reactions=reactions.get(row["message_id"], []))
        for row in rows(connection, _QUERY, ids=ids)
    ]


def _bubble(row: Row, clock: Clock, *, before: list[Version], reactions: list[Reaction]) -> Bubble:
    message = with_text(row)
    about, words = parts(content_of(message), clock)
    quoted = None if "status_reply" in (message["details"] or {}) else (message["quoted"] or {}).get("body")
    age = datetime.fromisoformat(row["captured_at"]) - datetime.fromisoformat(row["sent_at"])
    columns = ("message_id", "conversation_id", "direction", "author", "type", "sent_at", "captured_at", "edited_at",
               "revoked_at", "name")  # fmt: skip
    shown: dict[str, Any] = {
        "late": row["captured_via"] == "sweep" and age > _LATE,
        "readable": row["readable_at"] is not None,
        "forwarded": bool(row["forwarded"]),
        "about": about,
        "words": words,
        "quoted": shortened(quoted, _QUOTED) if isinstance(quoted, str) and quoted.strip() else None,
        "before": before,
        "reactions": reactions,
    }
    return cast("Bubble", {name: row[name] for name in columns} | shown)


class ConversationOf(TypedDict):
    """Whose conversation it is. `contact_id`: of the person's root; None for a group's."""

    conversation_id: int
    chat: str
    contact_id: int | None


def whose(connection: Connection, conversation: int) -> ConversationOf | None:
    """The conversation of this number, or the one that it was merged into. None if there is none."""
    from leadmasterd.queries.people import root_of

    found = rows(
        connection,
        "SELECT conversation_id, chat, contact_id FROM conversations WHERE conversation_id = coalesce((SELECT kept_id "
        "FROM conversation_merges WHERE merged_id = :number), :number)",
        number=conversation,
    )
    if not found:
        return None
    contact = found[0]["contact_id"]
    return cast("ConversationOf", found[0] | {"contact_id": contact and root_of(connection, contact)})
