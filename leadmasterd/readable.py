"""A message in one line, as a person reads it: its words, and in brackets what kind of message it is and what it holds.

Pure. The kinds are the message types of WhatsApp Web (`WAWebMsgType`, build of 2026-04-27) and `poll_vote`, our own;
docs/protocol.md says what each field holds. Every field comes from outside, so none is trusted to be there or to have
the right type.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Final, NamedTuple

from leadmasterd import times
from leadmasterd.text import _, clean, figure, ngettext, shortened

Fields = Mapping[str, object]
NOTHING: Final[Fields] = {}

_LONGEST: Final = 120
"""Characters of one fact; names may be absurdly long."""
_MOST_LISTED: Final = 12
"""Names in one list: as many options as a poll may have."""
VOTE: Final = "poll_vote"
"""The type of a vote on a poll, which is no message of the page but a row of a table."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a message holds, as stored. The objects are those of the wire."""

    type: str
    body: str | None = None
    outgoing: bool = False
    media: Fields = field(default_factory=dict)
    quoted: Fields = field(default_factory=dict)
    details: Fields = field(default_factory=dict)


_Fact = str | list[str] | None
"""One thing that the message holds, or a list of names."""


class _Parts(NamedTuple):
    """What the line of a message is made of.

    `kind`: what it is, such as `poll`; None for plain text. `facts`: what it holds; those that are None or empty are
    left out. `words`: what the sender wrote.
    """

    kind: str | None
    facts: Iterable[_Fact] = ()
    words: str | None = None


Clock = Callable[[str], str]
"""Formats a time that is given as ISO text in UTC."""
_PartsOf = Callable[[Content, Clock], _Parts]


def line(content: Content, clock: Clock = str) -> str:
    """The message in one line: `[kind: facts] words`. Not yet safe for a terminal."""
    about, words = parts(content, clock)
    bracketed = [f"[{each}]" for each in about]
    return " ".join([*bracketed, words] if words else bracketed)


def parts(content: Content, clock: Clock = str) -> tuple[list[str], str | None]:
    """What stands in brackets, and what the sender wrote (None for nothing), which may have several lines."""
    own = _parts_of(content, clock)
    about = [_titled(each) for each in _about(content)]
    if own.kind is not None:
        about.append(_titled(own))
    return about, own.words or None


def searched_text(content: Content) -> str:
    """The text of a message that can be searched: what people wrote and named, in full, without our names of kinds."""
    own = _parts_of(content, str)
    facts = [fact for each in (*_about(content), own) for fact in each.facts]
    names = [name for fact in facts for name in (fact if isinstance(fact, list) else [fact])]
    return "\n".join(each for each in (*names, own.words) if each)


def searched_columns(type_: str, body: str | None, media: str | None, quoted: str | None, details: str | None) -> str:
    """`searched_text` of a stored message. `media`, `quoted`, `details`: JSON, as in the columns of `messages`."""
    if type_ == "chat" and not quoted and not details:
        return body or ""
    objects = {
        name: json.loads(text) for name, text in (("media", media), ("quoted", quoted), ("details", details)) if text
    }
    return searched_text(Content(type_, body, **objects))


def quoted_words(quoted: str | None) -> str:
    """The text of the message that this one answers; empty if there is none. `quoted`: JSON, as stored.

    That message may be older than all captured ones, and then it has no row of its own.
    """
    return _text(json.loads(quoted), "body") or "" if quoted else ""


def written_words(body: str | None, details: Fields) -> str:
    """The text by which a message is classified: what its sender wrote, or else what they chose or ordered."""
    event = _object(details, "event")
    if event and (description := _text(event, "description")):
        return f"{body}\n{description}" if body else description
    if body:
        return body
    words = _text(_object(details, "reply"), "text"), _text(_object(details, "order"), "title")
    return " ".join(word for word in words if word)


def votes_for_something(details: Fields) -> bool:
    """Whether a vote chooses anything. One that was taken back does not."""
    vote = _object(details, VOTE)
    return bool(vote.get("options") or vote.get("selected"))


def quoted_product(quoted: Fields) -> Fields:
    """The product that a message is about; empty if it is about none."""
    return _object(quoted, "product")


def _about(content: Content) -> list[_Parts]:
    """What the message refers to besides messages of its chat: a product of the catalogue, a status."""
    found = []
    if product := quoted_product(content.quoted):
        found.append(_Parts(_("about a product"), _product_facts(product)))
    if "status_reply" in content.details:
        kind = _("answer to their status") if content.outgoing else _("answer to our status")
        found.append(_Parts(kind, [_text(content.quoted, "body")]))
    return found


def _titled(parts: _Parts) -> str:
    """Kind and facts as they stand in brackets: `poll: red / blue`."""
    facts = ", ".join(_shown(fact) for fact in parts.facts if fact)
    return f"{parts.kind}: {facts}" if facts else str(parts.kind)


def _shown(fact: str | list[str]) -> str:
    """A fact, cut to `_LONGEST` characters. Of a list at most `_MOST_LISTED` names, each cut to its share."""
    if isinstance(fact, str):
        return shortened(fact, _LONGEST)
    room = max(20, _LONGEST // min(len(fact), _MOST_LISTED))
    shown = [shortened(name, room) for name in fact[:_MOST_LISTED]]
    return " / ".join([*shown, "…"] if len(fact) > _MOST_LISTED else shown)


def _parts_of(content: Content, clock: Clock) -> _Parts:
    """The parts of a message, chosen by its type. A menu may come under several types, so its object decides."""
    if _object(content.details, "menu"):
        return _menu(content, clock)
    return _PARTS_BY_TYPE.get(content.type, _unknown)(content, clock)


# ---------------------------------------------------------------------- reading fields: None or empty for a wrong type


def _object(fields: Fields, name: str) -> Fields:
    value = fields.get(name)
    return value if isinstance(value, dict) else NOTHING


def _objects(fields: Fields, name: str) -> list[Fields]:
    value = fields.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(fields: Fields, name: str) -> str | None:
    value = fields.get(name)
    return clean(value).strip() or None if isinstance(value, str) else None


def _number(fields: Fields, name: str) -> float | None:
    value = fields.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) else None


def _texts(fields: Fields, name: str) -> list[str]:
    value = fields.get(name)
    return [clean(each) for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _moment(fields: Fields, name: str, clock: Clock) -> str | None:
    """A time, given in seconds since 1970; None if Python's calendar does not reach it."""
    seconds = _number(fields, name)
    if seconds is None:
        return None
    try:
        return clock(times.iso(datetime.fromtimestamp(seconds, UTC)))
    except (ValueError, OverflowError, OSError):
        return None


def _money(fields: Fields, name: str) -> str | None:
    """An amount, given in thousandths of the currency's unit. Not grouped, so that a search finds the sum."""
    amount = _number(fields, name)
    if amount is None:
        return None
    units = figure(amount / 1000, 2 if round(amount / 10) % 100 else 0, grouped=False)
    return f"{_text(fields, 'currency') or ''} {units}".strip()


def _length(seconds: float | None) -> str | None:
    """`1:05` or `1:02:03`; None for a length that makes no sense (100 hours or more)."""
    if seconds is None or not 0 <= seconds < 360_000:
        return None
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _size(size: float | None) -> str | None:
    if size is None or size <= 0:
        return None
    return f"{figure(size / 1_000_000, 1)} MB" if size >= 1_000_000 else f"{max(1, round(size / 1000))} KB"


# ---------------------------------------------------------------------- the kinds of messages


def _words(content: Content, _clock: Clock) -> _Parts:
    return _Parts(None, words=content.body)


def _named(kind: Callable[[], str]) -> _PartsOf:
    """The parts of a kind that has only text. `kind` is a function, so that it is translated when it is shown."""
    return lambda content, _clock: _Parts(kind(), words=content.body)


def _media(kind: Callable[[], str]) -> _PartsOf:
    """The parts of a file or picture: name, length, pages, size. `kind` as in `_named`."""

    def media_parts(content: Content, _clock: Clock) -> _Parts:
        media = content.media
        pages = _number(media, "pages")
        facts = (
            _text(media, "filename"),
            _length(_number(media, "seconds")),
            ngettext("{n} page", "{n} pages", int(pages)).format(n=int(pages)) if pages else None,
            _size(_number(media, "size")),
            _("can be opened once, on the phone") if media.get("view_once") is True else None,
        )
        return _Parts(kind(), facts, content.body)

    return media_parts


def _location(content: Content, _clock: Clock) -> _Parts:
    place = _object(content.details, "location")
    latitude, longitude = _number(place, "latitude"), _number(place, "longitude")
    named = [_text(place, "name"), _text(place, "address")]
    here = [f"{latitude:.5f}, {longitude:.5f}"] if latitude is not None and longitude is not None else []
    kind = _("live location") if place.get("live") is True else _("location")
    return _Parts(kind, named if any(named) else here, content.body)


def _contacts(content: Content, _clock: Clock) -> _Parts:
    cards = _texts(content.details, "contact_cards")
    names = [_card_name(card) or _("without a name") for card in cards]
    kind = _("contact") if len(cards) < 2 else ngettext("{n} contact", "{n} contacts", len(cards)).format(n=len(cards))
    return _Parts(kind, [names], content.body)


def _card_name(card: str) -> str | None:
    """The name on a vCard: of the person, else of the organisation. Lines may have parameters: `FN;X=Y:Ana`."""
    for wanted in ("FN", "N", "ORG"):
        for each in card.splitlines():
            name, colon, value = each.partition(":")
            if colon and name.split(";")[0].rpartition(".")[2].upper() == wanted:
                parts = [part.strip() for part in value.replace("\\,", ",").split(";")]
                if found := " ".join(part for part in parts if part):
                    return found
    return None


def _product_facts(product: Fields) -> list[_Fact]:
    """A product's title (else its number) and what it costs now."""
    number = _text(product, "product_id")
    name = _text(product, "title") or (number and _("number {n}").format(n=number))
    return [name, _money(product, "sale_price") or _money(product, "price")]


def _product(content: Content, _clock: Clock) -> _Parts:
    product = _object(content.details, "product")
    return _Parts(_("product"), [*_product_facts(product), _text(product, "description")], content.body)


def _order(content: Content, _clock: Clock) -> _Parts:
    order = _object(content.details, "order")
    items = _number(order, "items")
    many = ngettext("{n} item", "{n} items", int(items)).format(n=int(items)) if items else None
    return _Parts(_("order"), [_text(order, "title"), many, _money(order, "total")], content.body)


def _payment(content: Content, clock: Clock) -> _Parts:
    payment = _object(content.details, "payment")
    kinds = {
        "send": _("payment sent") if content.outgoing else _("payment received"),
        "request": _("payment asked of them") if content.outgoing else _("payment asked of us"),
        "request_cancelled": _("payment request taken back"),
        "invite": _("invitation to payments"),
    }
    status = {
        "processing": _("being processed"),
        "to be accepted": _("to be accepted"),
        "failed": _("failed"),
        "refunded": _("refunded"),
        "expired": _("expired"),
        "rejected": _("rejected"),
        "cancelled": _("cancelled"),
    }.get(_text(payment, "status") or "")
    note = _text(payment, "note")
    return _Parts(
        kinds.get(_text(payment, "kind") or "", _("payment")),
        [_money(payment, "amount"), status, None if note == content.body else note],
        content.body,
    )


def _invitation(content: Content, _clock: Clock) -> _Parts:
    invitation = _object(content.details, "invitation")
    kinds = {
        "channel": _("invitation to a channel"),
        "channel_admin": _("invitation to run a channel"),
    }
    if content.type != "groups_v4_invite":
        kind = kinds.get(_text(invitation, "kind") or "", kinds["channel"])
    else:
        kind = _("invitation to a group")
    return _Parts(kind, [_text(invitation, "name")], content.body)


def _event(content: Content, clock: Clock) -> _Parts:
    event = _object(content.details, "event")
    kind = _("scheduled call") if event.get("call") is True else _("event")
    facts = [
        _("cancelled") if event.get("cancelled") is True else None,
        _moment(event, "starts", clock),
        _text(event, "place"),
        _text(event, "link"),
    ]
    words = (content.body or _text(event, "name"), _text(event, "description"))
    return _Parts(kind, facts, ": ".join(word for word in words if word))


def _poll(content: Content, clock: Clock) -> _Parts:
    poll = _object(content.details, "poll")
    options = []
    for option in _objects(poll, "options"):
        votes = _number(option, "votes")
        name = _text(option, "name") or "?"
        options.append(name if votes is None else f"{name} {votes:g}")
    kind = _("results of a poll") if content.type == "poll_result_snapshot" else _("poll")
    question = content.body or _text(poll, "question")
    return _Parts(kind, [options, _moment(poll, "ends", clock)], question)


def _vote(content: Content, _clock: Clock) -> _Parts:
    """A vote on a poll. Its text repeats the names of the chosen options; an empty vote was taken back."""
    vote = _object(content.details, VOTE)
    options = _texts(vote, "options")
    question = _text(vote, "question")
    if not (content.body or votes_for_something(content.details)):
        return _Parts(_("vote taken back"), [question])
    chosen = " / ".join(options) or content.body or _("an option that is not known")
    return _Parts(_("vote"), [question], chosen)


def _call(content: Content, _clock: Clock) -> _Parts:
    call = _object(content.details, "call")
    answered, video = call.get("answered") is True, call.get("video") is True
    if answered:
        kind = _("video call") if video else _("call")
    elif content.outgoing:
        kind = _("video call, not answered") if video else _("call, not answered")
    else:
        kind = _("missed video call") if video else _("missed call")
    return _Parts(kind, [_length(_number(call, "seconds")) if answered else None], content.body)


def _menu(content: Content, _clock: Clock) -> _Parts:
    menu = _object(content.details, "menu")
    kinds = {
        "list": _("list"),
        "buttons": _("buttons"),
        "carousel": _("cards"),
        "flow": _("form"),
    }
    kind = kinds.get(_text(menu, "kind") or "", _("menu"))
    if "catalog" in (_text(menu, "name") or ""):
        kind = _("catalogue")
    facts = [_text(menu, "title"), _text(content.media, "filename"), _texts(menu, "options")]
    return _Parts(kind, facts, content.body or _text(menu, "footer"))


def _reply(content: Content, _clock: Clock) -> _Parts:
    reply = _object(content.details, "reply")
    kinds = {"list": _("chosen from a list"), "flow": _("form filled in")}
    kind = kinds.get(_text(reply, "kind") or "", _("button tapped"))
    return _Parts(kind, [_texts(reply, "answers")], content.body or _text(reply, "text"))


def _revoked(_content: Content, _clock: Clock) -> _Parts:
    """Nothing: `revoked_at` says that it was revoked, and its content is not shown."""
    return _Parts(None)


def _ciphertext(content: Content, _clock: Clock) -> _Parts:
    """Why a message could not be decrypted, as far as its subtype says."""
    subtype = _text(content.details, "subtype") or ""
    if subtype.startswith("view_once"):
        return _Parts(_("can be opened once, on the phone"))
    if subtype.endswith("unavailable_fanout"):
        return _Parts(_("only on the phone"))
    return _Parts(_("not readable yet"))


def _unknown(content: Content, _clock: Clock) -> _Parts:
    """A type that this version does not know, or one that the page itself did not know."""
    unknown = _object(content.details, "unknown")
    if _text(unknown, "subtype") == "phone_only_feature":
        return _Parts(_("only on the phone"), words=content.body)
    if content.type == "unknown" and _object(content.details, "payment"):
        return _payment(content, _clock)
    name = _text(unknown, "future_type") or (content.type if content.type != "unknown" else None)
    if name is None:
        return _Parts(_("a message that this version of WhatsApp Web does not know"), words=content.body)
    if content.type == "unknown":
        kind = _("a message of type {type} that this version of WhatsApp Web does not know")
    else:
        kind = _("a message of type {type} that this version does not know")
    return _Parts(kind.format(type=shortened(name, _LONGEST)), words=content.body)


_NOTICE: Final = _named(lambda: _("notice"))
_SEALED: Final = _named(lambda: _("sealed change"))

_PARTS_BY_TYPE: Final[Mapping[str, _PartsOf]] = {
    "chat": _words,
    # files and pictures
    "album": _media(lambda: _("album")),
    "audio": _media(lambda: _("audio")),
    "document": _media(lambda: _("document")),
    "image": _media(lambda: _("image")),
    "ptt": _media(lambda: _("voice message")),
    "ptv": _media(lambda: _("video message")),
    "sticker": _media(lambda: _("sticker")),
    "sticker-pack": _media(lambda: _("stickers")),
    "video": _media(lambda: _("video")),
    # what people share
    "comment": _named(lambda: _("comment")),
    "event_creation": _event,
    "event_response": _named(lambda: _("answer to an event")),
    "groups_v4_invite": _invitation,
    "location": _location,
    "multi_vcard": _contacts,
    "newsletter_admin_invite": _invitation,
    "newsletter_follower_invite": _invitation,
    "newsletter_question_response": _named(lambda: _("answer to a question of a channel")),
    "order": _order,
    "payment": _payment,
    "poll_creation": _poll,
    "poll_result_snapshot": _poll,
    VOTE: _vote,
    "product": _product,
    "request_phone_number": _named(lambda: _("asks for our phone number")),
    "status": _named(lambda: _("status")),
    "vcard": _contacts,
    # what businesses send, and the answers to it
    "automated_greeting_message": _named(lambda: _("automatic greeting")),
    "biz-cover-photo": _named(lambda: _("cover photo")),
    "buttons_response": _reply,
    "hsm": _named(lambda: _("template")),
    "interactive": _menu,
    "interactive_response": _reply,
    "list": _menu,
    "list_response": _reply,
    "native_flow": _menu,
    "rich_response": _named(lambda: _("answer of an assistant")),
    "template_button_reply": _reply,
    # calls, and what can't be read
    "call_log": _call,
    "ciphertext": _ciphertext,
    "oversized": _named(lambda: _("too long to be shown")),
    "quarantined": _named(lambda: _("held back by WhatsApp")),
    "revoked": _revoked,
    "unknown": _unknown,
    # about the chat; the listener leaves these out
    "biz_content_placeholder": _NOTICE,
    "broadcast_notification": _NOTICE,
    "debug": _NOTICE,
    "debug_placeholder": _NOTICE,
    "e2e_notification": _NOTICE,
    "event_edit_encrypted": _SEALED,
    "gp2": _NOTICE,
    "group-history": _NOTICE,
    "guest_upsell_system_msg": _NOTICE,
    "history_bundle": _NOTICE,
    "keep_in_chat": _NOTICE,
    "loading_media": _NOTICE,
    "message_edit_encrypted": _SEALED,
    "message_history_notice": _NOTICE,
    "newsletter_notification": _NOTICE,
    "notification": _NOTICE,
    "notification_template": _NOTICE,
    "pin_message": _named(lambda: _("message pinned")),
    "pinned_message": _named(lambda: _("message pinned")),
    "poll_add_option_decrypted": _SEALED,
    "poll_add_option_encrypted": _SEALED,
    "poll_edit_encrypted": _SEALED,
    "poll_update": _named(lambda: _("sealed vote")),
    "protocol": _NOTICE,
    "reaction": _named(lambda: _("reaction")),
    "reaction_enc": _named(lambda: _("reaction")),
    "status_notification": _NOTICE,
}
"""By message type: every type of the page, and our own `poll_vote`."""

KNOWN_TYPES: Final = frozenset(_PARTS_BY_TYPE)
