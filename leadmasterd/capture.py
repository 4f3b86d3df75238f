"""The capture decision: what a message on the wire means, and whether it is kept.

Pure: the clock comes in as `now`, rows go out as values, and `store` writes them. Direct chats are captured, groups
only when the settings say so; status, broadcasts, channels, bots, WhatsApp's own accounts, notes to oneself and ignored
chats never, and they are refused here, before anything reaches the disk.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from leadmasterd.authors import Author, author_of
from leadmasterd.identity import ChatKind, canonical_id, certain_phone, chat_kind, spellings
from leadmasterd.text import _, clean
from leadmasterd.times import iso, sent_at
from leadmasterd.wire.events import (
    NO_MARKS,
    Account,
    Call,
    Ciphertext,
    Contact,
    Message,
    MessageEdit,
    MessageKey,
    MessageRevoke,
    NumberChange,
    Reaction,
    Via,
)

SAME_MESSAGE_SECONDS: Final = 60
"""Two messages with one key are the same message if their times differ by at most this. Otherwise they are two: senders
choose the ids, so one may be used again."""

_CHAT_ID: Final = re.compile(
    r"[0-9][0-9.:-]*@(c\.us|s\.whatsapp\.net|hosted|lid|hosted\.lid)"
    r"|[^\s@]+@(?!(c\.us|s\.whatsapp\.net|hosted|lid|hosted\.lid)$)[a-z][a-z.]*"
)
"""A chat id as an operator may write it: a person's begins with digits; for other servers any name will do."""

_CHAT_NAMED: Final = re.compile(r'"(?:remote|chat)":\s*"([^"\\]+)"')
"""Finds the chats that a line names, in its raw text: for lines that could not be decoded."""

_CHATS_REMEMBERED: Final = 1_024

_captured_at: Final = lru_cache(maxsize=1)(iso)
"""The time of capture as text. Only the last is cached: all messages of one read of the pipe have the same time."""

Direction = Literal["in", "out"]

_NEVER: Final[Mapping[ChatKind, str]] = {
    "status": "a status",
    "broadcast": "a broadcast",
    "channel": "a channel",
    "bot": "a chat with a bot",
    "whatsapp": "an account of WhatsApp itself",
}


@dataclass(frozen=True, slots=True)
class Skipped:
    """The decision not to keep an event. `reason`: why, as half a sentence, such as `a group chat`."""

    reason: str


@dataclass(frozen=True, slots=True)
class CaptureRules:
    """The settings under `[capture]` that decide what is kept."""

    groups: bool = False
    ignore: frozenset[str] = frozenset()
    """Canonical chat ids, and bare phone digits."""


class ChatIds(NamedTuple):
    """The chat that an event belongs to, with all known ids of the other party."""

    chat: str
    """As seen, in canonical form: no device number, `c.us` for phones."""
    group: str
    """The same if it is a group, else empty."""
    aliases: tuple[str, ...]
    """Ids of the other party without duplicates: the chat first, then what WhatsApp maps to it. Empty for groups."""
    members: tuple[str, ...] = ()
    """In a group, the ids of the person who wrote: the one seen first, then those mapped to it. Empty for our own."""

    @property
    def of_person(self) -> tuple[str, ...]:
        """The ids of the other party, or in a group of the one who wrote. Empty for our own messages to a group."""
        return self.aliases or self.members


class CapturedMessage(NamedTuple):
    """A message to store, with the ids that lead to its conversation. Times are ISO-8601 UTC with milliseconds."""

    key: MessageKey
    chat: str
    group: str
    aliases: tuple[str, ...]
    members: tuple[str, ...]
    """These four as in `ChatIds`."""
    direction: Direction
    author: Author
    type: str
    readable: bool
    t: int | None
    """Seconds since 1970 as WhatsApp gave it, which decides whether two messages are one."""
    sent_at: str
    captured_at: str
    via: Via
    sender: str | None
    notify_name: str | None
    saved_name: str | None
    business: bool
    body: str | None = None
    truncated: bool = False
    forwarded: bool = False
    media: str | None = None
    quoted: str | None = None
    referral: str | None = None
    details: str | None = None
    """JSON: the message's extras (`wire.decode.EXTRAS`), ephemeral_seconds, subtype; those that are there."""
    marks: str | None = None
    """JSON: what the record shows about its sender (docs/protocol.md)."""
    verified_name: str | None = None
    """The other party's, as a business."""


class CaptureFilter:
    """Decides for each event of one child whether it is kept.

    A person has several ids (phone, LID), and a line names those that the page knows, sometimes only one. So the filter
    remembers every id that it has seen together with an ignored id or with our own, and refuses all of them from then
    on. `learnt`: what the filter of an earlier child had learnt about ignored chats.
    """

    def __init__(self, rules: CaptureRules, learnt: Mapping[str, str] | None = None) -> None:
        self._rules = rules
        self.learnt = dict(learnt or {})
        """Further ids of ignored people: id -> the entry of `CaptureRules.ignore` that ignores that person."""
        self._own: set[str] = set()
        self._let_in: set[tuple[str, tuple[str, ...]]] = set()
        """A cache: (chat, aliases) that nothing refuses. Cleared whenever an id is learnt."""

    def use_account(self, account: Account) -> None:
        """From now on, a chat with this number or LID is the operator's notes to himself."""
        self._let_in.clear()
        digits, _, server = canonical_id(account.wid).partition("@")
        self._own = {f"{each}@{server}" for each in spellings(digits)}
        if account.lid:
            self._own.add(canonical_id(account.lid))

    def is_own_chat(self, record: CapturedMessage | MessageEdit | MessageRevoke | Reaction | Call) -> bool:
        """Whether an event belongs to the operator's notes to himself.

        For events that were let in before `use_account`: our own ids were not known then.
        """
        match record:
            case CapturedMessage():
                return self._is_own(record.aliases)
            case _:
                return self._is_own(ids_of(record).aliases)

    def decide(self, event: Message | Ciphertext, now: datetime) -> CapturedMessage | Skipped:
        """The message as it is to be stored, or why it is not kept. `now`: the time of capture, aware, UTC."""
        ids = chat_ids(event.key, event.contact, event.author)
        if refusal := self._refusal(ids.chat, ids.aliases):
            return refusal
        match event:
            case Message():
                return _readable(event, ids, now)
            case Ciphertext():
                return _unreadable(event, ids, now)

    def refusal(self, event: MessageEdit | MessageRevoke | Reaction | Call) -> Skipped | None:
        """Why this event is not kept, or None when it is."""
        ids = ids_of(event)
        return self._refusal(ids.chat, ids.aliases)

    def refusal_of_change(self, change: NumberChange) -> Skipped | None:
        """Why a change of number is not kept, or None when it is. An ignored person stays ignored under the new one."""
        ids = ids_of_change(change)
        return self._refusal(ids[0], ids)

    def mentions_ignored(self, text: str) -> bool:
        """Whether a line that can't be decoded may belong to a chat that is not captured.

        `text`: the raw line. True if it contains an ignored id, or names a chat that would be refused.
        """
        chats = [canonical_id(chat) for chat in _CHAT_NAMED.findall(text)]
        return any(entry.partition("@")[0] in text for entry in self._rules.ignore) or any(
            self._refusal(chat, (chat,)) for chat in chats
        )

    def _refusal(self, chat: str, aliases: tuple[str, ...]) -> Skipped | None:
        """`_reason_to_refuse` with a cache for what is let in: nearly every message."""
        if (chat, aliases) in self._let_in:
            return None
        refusal = self._reason_to_refuse(chat, aliases)
        if refusal is None:
            if len(self._let_in) >= _CHATS_REMEMBERED:
                self._let_in.clear()
            self._let_in.add((chat, aliases))
        return refusal

    def _reason_to_refuse(self, chat: str, aliases: Sequence[str]) -> Skipped | None:
        """Why nothing of this chat is kept, or None. Learns the aliases of ignored people."""
        if chat_kind(chat) == "group" and not self._rules.groups:
            return Skipped("a group chat")
        for each in (chat, *aliases):
            if why := _NEVER.get(chat_kind(each)):
                return Skipped(why)
        if self._is_own(aliases):
            return Skipped("notes to oneself")
        if entry := self._ignored_by((chat, *aliases)):
            self._learn(aliases, entry)
            return Skipped("an ignored chat")
        return None

    def _is_own(self, aliases: Sequence[str]) -> bool:
        """Whether one of these is our own id. If so, all of them are, and that is remembered."""
        if self._own.isdisjoint(aliases):
            return False
        self._own.update(aliases)
        self._let_in.clear()
        return True

    def _ignored_by(self, ids: Iterable[str]) -> str | None:
        """The entry of `CaptureRules.ignore` that ignores one of these ids, directly or as learnt; else None."""
        ignore = self._rules.ignore
        if not ignore:
            return None
        entries = (entry for each in ids for entry in (each.partition("@")[0], each, self.learnt.get(each)))
        return next((entry for entry in entries if entry in ignore), None)

    def _learn(self, ids: Iterable[str], entry: str) -> None:
        """Remember that these ids belong to the person whom `entry` ignores, with every spelling of a phone."""
        for each in ids:
            digits, _, server = each.partition("@")
            for form in [f"{digits}@c.us" for digits in spellings(digits)] if server == "c.us" else [each]:
                if self._ignored_by((form,)) is None:
                    self.learnt[form] = entry
                    self._let_in.clear()


def ignore_list(entries: Iterable[str], country: str = "") -> frozenset[str]:
    """The setting `capture.ignore` (chat ids, or phone numbers in any form) as `CaptureRules.ignore`.

    `country`: two letters, for numbers written without a country code; if empty, such numbers are not allowed. Raises
    ValueError for the first entry that is neither, with what it must be.
    """
    return frozenset[str]().union(*(_ids_of_entry(entry.strip(), country) for entry in entries))


def _ids_of_entry(entry: str, country: str) -> frozenset[str]:
    """The forms that `entry` can take: its canonical id, and for a phone the digits of every spelling."""
    if _CHAT_ID.fullmatch(entry):
        chat = canonical_id(entry)
        digits, _at, server = chat.partition("@")
        return spellings(digits) | {chat} if server == "c.us" else frozenset({chat})
    key = None if "@" in entry else certain_phone(entry, country)
    if key is None:
        allowed = (
            _("phone numbers as dialled in {country}, or chat ids, like {example} ({entry!r} is neither)")
            if country
            else _(
                "phone numbers with + and the country's code, because `leads.country` is empty, or chat ids, like "
                "{example} ({entry!r} is neither)"
            )
        )
        raise ValueError(allowed.format(country=country, example="5491155550001@c.us", entry=entry))
    return spellings(key)


def chat_ids(key: MessageKey, contact: Contact, author: str | None = None) -> ChatIds:
    """The chat of a message, and the ids of the other party.

    `author`: who wrote it in a group; used only if the key names no participant.
    """
    return _chat_ids(key.remote, contact.phone, contact.lid, None if key.from_me else key.participant or author)


@lru_cache(maxsize=_CHATS_REMEMBERED)
def _chat_ids(remote: str, phone: str | None, lid: str | None, sender: str | None) -> ChatIds:
    """`chat_ids`, cached. `sender`: who wrote in a group; None for our own messages."""
    chat = canonical_id(remote)
    if chat_kind(chat) != "group":
        return ChatIds(chat, "", _with_others(chat, phone, lid))
    return ChatIds(chat, chat, (), _with_others(canonical_id(sender), phone, lid) if sender else ())


def ids_of(event: MessageEdit | MessageRevoke | Reaction | Call) -> ChatIds:
    """As `chat_ids`, for an event that is not a message."""
    if not isinstance(event, Call):
        return chat_ids(event.key, event.contact)
    chat = canonical_id(event.chat)
    if chat_kind(chat) == "group":
        return ChatIds(chat, chat, ())
    return ChatIds(chat, "", _with_others(chat, event.contact.phone, event.contact.lid))


def ids_of_change(change: NumberChange) -> tuple[str, ...]:
    """Every id of the person whose number changed: the new phone and LID, then the old ones. Each once."""
    named = (change.new, change.new_lid, change.old, change.old_lid)
    return tuple(dict.fromkeys(canonical_id(wid) for wid in named if wid))


def _with_others(wid: str, *others: str | None) -> tuple[str, ...]:
    """`wid` (canonical already), then those of `others` that differ from it, in canonical form."""
    ids = [wid]
    for known in others:
        if known and (other := canonical_id(known)) not in ids:
            ids.append(other)
    return tuple(ids)


def _readable(event: Message, ids: ChatIds, now: datetime) -> CapturedMessage:
    """The row of a message that could be decrypted.

    The fields stand in the order of `Message` and of `CapturedMessage`: to name two dozen fields takes three times as
    long, and this runs for every message.
    """
    (
        _seq, via, key, t, message_type, sender, _to, author, notify_name, body, truncated, contact, forwarded,
        ephemeral_seconds, media, quoted, referral, extras, marks,
    ) = event  # fmt: skip
    chat, group, aliases, members = ids
    details: Mapping[str, object] = extras
    if ephemeral_seconds:
        details = {**details, "ephemeral_seconds": ephemeral_seconds}
    has_content = bool(body or media or extras)
    who = (
        author_of(from_me=key.from_me, message_type=message_type, marks=marks, has_content=has_content)
        if marks
        else _unmarked(key.from_me, message_type, has_content)
    )
    return tuple.__new__(
        CapturedMessage,
        (
            key,
            chat,
            group,
            aliases,
            members,
            "out" if key.from_me else "in",
            who,
            message_type,
            True,
            t,
            sent_at(t, now),
            _captured_at(now),
            via,
            author or sender,
            clean(notify_name),
            clean(contact.saved_name),
            contact.business,
            clean(body),
            truncated,
            forwarded,
            _json(media) if media else None,
            _json(quoted) if quoted else None,
            _json(referral) if referral else None,
            _json(details) if details else None,
            _json(marks) if marks else None,
            _verified_name(event) if marks else None,
        ),
    )


@lru_cache(maxsize=_CHATS_REMEMBERED)
def _unmarked(from_me: bool, message_type: str, has_content: bool) -> Author:
    """The author of a message without marks, as most are: few different arguments, so the answers are cached."""
    return author_of(from_me=from_me, message_type=message_type, marks=NO_MARKS, has_content=has_content)


def _unreadable(event: Ciphertext, ids: ChatIds, now: datetime) -> CapturedMessage:
    """The row of a message that could not be decrypted, or not yet: it has no content."""
    author = author_of(from_me=event.key.from_me, message_type="ciphertext", marks=event.marks, has_content=False)
    return CapturedMessage(
        key=event.key,
        chat=ids.chat,
        group=ids.group,
        aliases=ids.aliases,
        members=ids.members,
        direction="out" if event.key.from_me else "in",
        author=author,
        type="ciphertext",
        readable=False,
        t=event.t,
        sent_at=sent_at(event.t, now),
        captured_at=_captured_at(now),
        via=event.via,
        sender=event.author or event.sender,
        notify_name=clean(event.notify_name),
        saved_name=clean(event.contact.saved_name),
        business=event.contact.business,
        details=_json({"subtype": event.subtype}) if event.subtype else None,
        marks=_json(event.marks),
        verified_name=_verified_name(event),
    )


def _verified_name(event: Message | Ciphertext) -> str | None:
    """The name that WhatsApp verified for the other party's business, if the record shows one."""
    name = event.marks.get("verified_name")
    return clean(name) if isinstance(name, str) else None


def _json(value: Mapping[str, object] | None) -> str | None:
    """`value` as ASCII JSON: SQLite can't store a lone surrogate. None if it is empty, or if JSON can't express it."""
    try:
        return json.dumps(value, allow_nan=False) if value else None
    except (ValueError, RecursionError):  # 1e999, or nested as deep as the reader just allowed
        return None
