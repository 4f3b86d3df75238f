"""What a message on the wire means for us: which chat and whom it belongs to, and whether it is ours to keep.

Pure: the clock comes in as `now`, the rows go out as values and `store` writes them. The rules are those of capture:
direct chats always, groups when asked for, status, broadcasts, channels and ignored chats never, and these are
refused here, before anything reaches the disk.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from leadmasterd.identity import canonical_id, chat_kind, spellings
from leadmasterd.text import clean
from leadmasterd.times import iso, sent_at
from leadmasterd.wire.events import Ciphertext, Contact, Message, MessageKey, Via

SAME_MESSAGE_SECONDS: Final = 60
"""Two messages under one key are one when their times differ by at most this. Ids are chosen by senders."""

Direction = Literal["in", "out"]
Author = Literal["contact", "operator"]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A message that is not kept, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class CaptureRules:
    """The `[capture]` settings, ready to be asked."""

    groups: bool = False
    ignore: frozenset[str] = frozenset()
    """Canonical chat ids, and bare phone digits."""


@dataclass(frozen=True, slots=True)
class CapturedMessage:
    """One row of `messages`, with what is needed to find its conversation. Times are ISO-8601 UTC with milliseconds."""

    key: MessageKey
    chat: str
    """The chat's id as it was seen (canonical form: no device number, `c.us` for phones)."""
    group: str
    """The chat's id if it is a group, else empty."""
    aliases: tuple[str, ...]
    """Ids of the other party: the chat itself and what WhatsApp maps to it. Empty for groups."""
    direction: Direction
    author: Author
    type: str
    readable: bool
    body: str | None
    t: int | None
    """The time as WhatsApp gave it, which decides whether two messages are one."""
    sent_at: str
    captured_at: str
    via: Via
    sender: str | None
    notify_name: str | None
    saved_name: str | None
    business: bool
    truncated: bool
    forwarded: bool
    media: str | None
    quoted: str | None
    referral: str | None
    details: str | None
    """JSON: location, contact cards, order, reply, call, ephemeral_seconds, subtype; those that are there."""


def ignore_list(entries: list[str]) -> frozenset[str]:
    """`capture.ignore` as written (chat ids, or phone numbers in any form) as the set that chats are looked up in."""
    chats = {canonical_id(entry) for entry in entries if "@" in entry}
    phones = {"".join(filter(str.isdigit, entry)) for entry in entries if "@" not in entry}
    phones |= {chat.removesuffix("@c.us") for chat in chats if chat.endswith("@c.us")}
    return frozenset(chats.union(*map(spellings, phones)))


def is_ignored(rules: CaptureRules, aliases: tuple[str, ...] | list[str]) -> bool:
    """True when one of a chat's ids is on the ignore list."""
    return any(alias in rules.ignore or alias.partition("@")[0] in rules.ignore for alias in aliases)


def refusal(chat: str, aliases: tuple[str, ...], rules: CaptureRules) -> Skipped | None:
    """Why this chat is not captured, or None when it is."""
    kind = chat_kind(chat)
    if kind == "group" and not rules.groups:
        return Skipped("a group chat")
    if kind in ("status", "broadcast", "channel"):
        return Skipped(f"a {kind}")
    if rules.ignore and is_ignored(rules, (chat, *aliases)):
        return Skipped("an ignored chat")
    return None


def conversation_of(key: MessageKey, contact: Contact) -> tuple[str, str, tuple[str, ...]]:
    """The chat, the group's id or empty, and the ids of the other party (most telling first, no doubles)."""
    chat = canonical_id(key.remote)
    if chat_kind(chat) == "group":
        return chat, chat, ()
    aliases = [chat]
    for known in (contact.phone, contact.lid):
        if known and (alias := canonical_id(known)) not in aliases:
            aliases.append(alias)
    return chat, "", tuple(aliases)


def capture(event: Message | Ciphertext, rules: CaptureRules, now: datetime) -> CapturedMessage | Skipped:
    """Decide about one message; `now` is the time of capture, aware, UTC."""
    key = event.key
    chat, group, aliases = conversation_of(key, event.contact)
    if refused := refusal(chat, aliases, rules):
        return refused
    contact = event.contact
    direction: Direction = "out" if key.from_me else "in"
    author: Author = "operator" if key.from_me else "contact"
    common = (key, chat, group, aliases, direction, author)
    timing = (event.t, sent_at(event.t, now), iso(now), event.via)
    who = (
        event.author or event.sender,
        clean(event.notify_name),
        clean(contact.saved_name),
        contact.business,
    )
    if isinstance(event, Ciphertext):
        details = _json({"subtype": event.subtype} if event.subtype else None)
        return CapturedMessage(
            *common, "ciphertext", False, None, *timing, *who, False, False, None, None, None, details
        )
    extras = dict(event.extras)
    if event.ephemeral_seconds:
        extras["ephemeral_seconds"] = event.ephemeral_seconds
    return CapturedMessage(
        *common,
        event.message_type,
        True,
        clean(event.body),
        *timing,
        *who,
        event.truncated,
        event.forwarded,
        _json(event.media),
        _json(event.quoted),
        _json(event.referral),
        _json(extras),
    )


def _json(value: object) -> str | None:
    """JSON with escapes, so that a lone surrogate inside can't break the row. None for what no JSON can say."""
    try:
        return json.dumps(value, allow_nan=False) if value else None
    except (ValueError, RecursionError):  # 1e999, or nested as deep as could just be read
        return None
