"""A conversation as the page shows it: some of its messages in order, with their edits and reactions.

What a message holds is put into words by `readable`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypedDict, cast

from leadmasterd.queries.database import Connection, Row, id_list, rows
from leadmasterd.queries.messages import content_of, with_text
from leadmasterd.readable import Clock, parts
from leadmasterd.text import shortened

_LATE: Final = timedelta(minutes=1)
"""A message that a sweep captured counts as late if it was older than this. A younger one was not missed: the sweep was
only quicker than live capture."""
_QUOTED: Final = 160
"""So many characters are shown of the message that another one answers."""


class Version(TypedDict):
    """What a message said before an edit. `until`: when it was edited."""

    text: str
    until: str


class Reaction(TypedDict):
    """A reaction that was not taken back. `from_me`: it is the operator's."""

    emoji: str
    from_me: bool


class Bubble(TypedDict):
    """One message. `about`: what kind it is and what it holds, if that is not words alone; `words`: the person's own.

    `late`: a sweep captured it, at `captured_at`, well after it was sent. `readable`: False while it is ciphertext.
    `name`: in a group, the name of who wrote it; else None. `quoted`: the beginning of the message that it answers.
    `before`: what it said before its edits, oldest first.
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


_MESSAGES: Final = """
    SELECT m.message_id, m.conversation_id, m.direction, m.author, m.type, m.body, m.sent_at, m.captured_at,
           m.captured_via, m.readable_at, m.edited_at, m.revoked_at, m.forwarded, m.media, m.quoted, m.details,
           iif(m.group_id <> '' AND m.direction = 'in', coalesce(m.saved_name, m.notify_name, m.participant), NULL)
               AS name
    FROM messages m WHERE m.message_id IN (SELECT value FROM json_each(:ids)) ORDER BY m.sent_at, m.message_id
"""
_Place = tuple[str, int]
"""When a message was sent, and its id: messages are ordered by these."""
_END: Final[_Place] = ("~", 0)
"""After every message: `~` sorts after all digits."""
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
    """A page of the messages of these conversations together: the newest `limit`, unless `side` and `of` are given.

    With `older` or `newer` and the id of a message, the page has the messages on that side of this message, without it.
    With `around`, it has this message and half of the limit on each side. If these conversations have no such message,
    it has the newest.
    """
    place = _place(connection, conversations, of) if of is not None else None
    if place is None or side is None:
        older, more = _nearest(connection, conversations, _END, side="older", limit=limit)
        return {"messages": _bubbles(connection, older, clock), "older": more, "newer": False}
    if side == "around":
        older, more_older = _nearest(connection, conversations, place, side="older", limit=limit // 2)
        newer, more_newer = _nearest(connection, conversations, place, side="newer", limit=limit // 2)
        _sent_at, message = place
        shown = [*older, message, *newer]
        return {"messages": _bubbles(connection, shown, clock), "older": more_older, "newer": more_newer}
    found, more = _nearest(connection, conversations, place, side=side, limit=limit)
    return {
        "messages": _bubbles(connection, found, clock),
        # On the other side there is at least the message `of` itself.
        "older": more if side == "older" else True,
        "newer": more if side == "newer" else True,
    }


def _place(connection: Connection, conversations: Sequence[int], message: int) -> _Place | None:
    """The place of this message, or of the one that it was merged into. None if it is not in these conversations."""
    found = connection.execute(
        "SELECT sent_at, message_id FROM messages WHERE message_id = coalesce((SELECT kept_id FROM message_merges "
        "WHERE merged_id = :message), :message) AND conversation_id IN (SELECT value FROM json_each(:chats))",
        {"message": message, "chats": id_list(conversations)},
    ).fetchone()
    if not found:
        return None
    sent_at, message_id = found
    return sent_at, message_id


def _nearest(
    connection: Connection, conversations: Sequence[int], place: _Place, *, side: _Side, limit: int
) -> tuple[list[int], bool]:
    """The ids of the `limit` messages next to a place on this side, the nearest first, and whether there are more.

    Each conversation is asked on its own, because then SQLite needs only the first rows of its index.
    """
    sign, order = ("<", "DESC") if side == "older" else (">", "ASC")
    query = (
        f"SELECT sent_at, message_id FROM messages WHERE conversation_id = ? AND (sent_at, message_id) {sign} (?, ?) "
        f"ORDER BY sent_at {order}, message_id {order} LIMIT ?"
    )
    found: list[_Place] = []
    for conversation in conversations:
        nearest = connection.execute(query, (conversation, *place, limit + 1))
        found += [(sent_at, message_id) for sent_at, message_id in nearest]
    found.sort(reverse=side == "older")
    return [message for _sent_at, message in found[:limit]], len(found) > limit


def _bubbles(connection: Connection, messages: Sequence[int], clock: Clock) -> list[Bubble]:
    """These messages (ids) as they are shown, in order of when they were sent."""
    ids = id_list(messages)
    versions = _versions(connection, ids)
    reactions = _reactions(connection, ids)
    bubbles = []
    for row in rows(connection, _MESSAGES, ids=ids):
        message = row["message_id"]
        bubbles.append(_bubble(row, clock, before=versions.get(message, []), reactions=reactions.get(message, [])))
    return bubbles


def _versions(connection: Connection, ids: str) -> dict[int, list[Version]]:
    """By message id, what these messages (a JSON list) said before each edit, oldest first; only edited ones."""
    found = rows(
        connection,
        "SELECT message_id, body_before, changed_at FROM message_versions WHERE change = 'edit' "
        "AND message_id IN (SELECT value FROM json_each(:ids)) ORDER BY version_id",
        ids=ids,
    )
    versions: dict[int, list[Version]] = {}
    for row in found:
        version: Version = {"text": row["body_before"] or "", "until": row["changed_at"]}
        versions.setdefault(row["message_id"], []).append(version)
    return versions


def _reactions(connection: Connection, ids: str) -> dict[int, list[Reaction]]:
    """By message id, the reactions to these messages (a JSON list), oldest first; messages without any are left out."""
    found = rows(
        connection,
        "SELECT message_id, emoji, from_me FROM reactions WHERE emoji <> '' "
        "AND message_id IN (SELECT value FROM json_each(:ids)) ORDER BY reacted_at",
        ids=ids,
    )
    reactions: dict[int, list[Reaction]] = {}
    for row in found:
        reaction: Reaction = {"emoji": row["emoji"], "from_me": bool(row["from_me"])}
        reactions.setdefault(row["message_id"], []).append(reaction)
    return reactions


def _bubble(row: Row, clock: Clock, *, before: list[Version], reactions: list[Reaction]) -> Bubble:
    """One row of `_MESSAGES` as it is shown."""
    message = with_text(row)
    about, words = parts(content_of(message), clock)
    age = datetime.fromisoformat(row["captured_at"]) - datetime.fromisoformat(row["sent_at"])
    columns = ("message_id", "conversation_id", "direction", "author", "type", "sent_at", "captured_at", "edited_at",
               "revoked_at", "name")  # fmt: skip
    computed: dict[str, Any] = {
        "late": row["captured_via"] == "sweep" and age > _LATE,
        "readable": row["readable_at"] is not None,
        "forwarded": bool(row["forwarded"]),
        "about": about,
        "words": words,
        "quoted": _quoted_text(message),
        "before": before,
        "reactions": reactions,
    }
    return cast("Bubble", {name: row[name] for name in columns} | computed)


def _quoted_text(message: Row) -> str | None:
    """The beginning of the text that a message answers. None if it answers none, or a status, which `about` tells."""
    if "status_reply" in (message["details"] or {}):
        return None
    text = (message["quoted"] or {}).get("body")
    if not isinstance(text, str) or not text.strip():
        return None
    return shortened(text, _QUOTED)


class ConversationOf(TypedDict):
    """A conversation, and whose it is. `contact_id`: the person's root contact; None for a group."""

    conversation_id: int
    chat: str
    contact_id: int | None


def whose(connection: Connection, conversation: int) -> ConversationOf | None:
    """The conversation with this id, or the one that it was merged into, and whose it is. None if there is none."""
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
    root = root_of(connection, contact) if contact else None
    return cast("ConversationOf", found[0] | {"contact_id": root})
