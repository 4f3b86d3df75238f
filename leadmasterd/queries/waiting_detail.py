"""What it takes to answer somebody who waits: their last words, what they were classified as and why, how they came."""

import json
from collections.abc import Iterable
from typing import Any, Final, TypedDict, cast

from leadmasterd.queries.database import Connection, id_list, rows
from leadmasterd.queries.lead_detail import DetailMessage, PersonsLabel
from leadmasterd.queries.leads import LeadTouch
from leadmasterd.queries.messages import with_text
from leadmasterd.queries.waiting import LAST_INBOUND

_LAST_WORDS: Final = 3
"""Messages of theirs that are read."""
_LONGEST: Final = 500
"""Characters that are read of a body; what the page shows of it is shorter."""


class Classified(TypedDict):
    """Why the classifier gave a burst its intent: a code and its values, for a sentence."""

    code: str
    values: dict[str, Any]


class WaitingDetail(TypedDict):
    """What is known of one conversation that waits.

    `last_at`: when they wrote or called last. `message_id`: what began the wait; None for a missed call. `labelled`,
    `classified`: a person's label, and the classifier's, of the burst that began the wait; each None if it has none.
    `number`: the digits of the phone for a link to the chat; None if it is not known. `words`: their last few messages
    since the wait began, the oldest first.
    """

    conversation_id: int
    last_at: str
    message_id: int | None
    labelled: PersonsLabel | None
    classified: Classified | None
    touch: LeadTouch | None
    number: str | None
    words: list[DetailMessage]


_DETAILS: Final = f"""
    SELECT v.conversation_id, {LAST_INBOUND} AS last_at, w.message_id,
           (SELECT json_object('intent', intent, 'actor', actor, 'at', at)
            FROM corrections x, json_each(x.message_ids) m
            WHERE x.conversation_id = v.conversation_id AND x.undone_at IS NULL AND m.value = w.message_id
            ORDER BY x.at DESC, x.correction_id DESC LIMIT 1) AS labelled,
           (SELECT json_object('code', code, 'values', json(value_json)) FROM classifications k
            WHERE k.first_message_id = w.message_id AND instr(k.burst, ':') = 0
            ORDER BY classification_id DESC LIMIT 1) AS classified,
           (SELECT json_object('kind', kind, 'source_id', source_id, 'source_url', source_url, 'headline', headline,
            'at', at) FROM touches t WHERE t.conversation_id = v.conversation_id
            AND t.at >= coalesce(l.opened_at, v.waiting_since) ORDER BY t.at, t.touch_id LIMIT 1) AS touch,
           v.chat, coalesce(c.phone, r.phone) AS phone,
           (SELECT json_group_array(value) FROM (SELECT value FROM contact_identities i
            WHERE i.contact_id IN (c.contact_id, r.contact_id) AND +kind = 'wa_jid' ORDER BY identity_id DESC)) AS jids
    FROM conversations v
    LEFT JOIN contacts c ON c.contact_id = v.contact_id
    LEFT JOIN contacts r ON r.contact_id = c.merged_into_id
    LEFT JOIN waiting_cycles w ON w.conversation_id = v.conversation_id AND w.started_at = v.waiting_since
    LEFT JOIN leads l ON l.lead_id = w.lead_id
    WHERE v.conversation_id IN (SELECT value FROM json_each(:ids)) AND v.waiting_since IS NOT NULL
"""
"""`+kind` keeps SQLite from the index of all phones. A `burst` with a colon is of what was said before an edit."""
_WORDS: Final = f"""
    SELECT m.message_id, m.conversation_id, m.direction, m.author, m.type, substr(m.body, 1, {_LONGEST}) AS body,
           m.sent_at, m.edited_at, m.revoked_at, m.readable_at, m.media, m.quoted, m.details
    FROM json_each(:ids) j JOIN messages m ON m.message_id IN (
        SELECT x.message_id FROM messages x WHERE x.conversation_id = j.value AND x.direction = 'in'
        AND x.author = 'contact' AND x.sent_at >= (
            SELECT waiting_since FROM conversations WHERE conversation_id = j.value)
        ORDER BY x.sent_at DESC, x.message_id DESC LIMIT {_LAST_WORDS})
    ORDER BY m.sent_at, m.message_id
"""


def waiting_details(connection: Connection, conversations: Iterable[int]) -> dict[int, WaitingDetail]:
    """The details by conversation id; conversations that do not wait are left out.

    Reads a few rows for each, whatever the size of the database.
    """
    ids = id_list(conversations)
    details: dict[int, WaitingDetail] = {}
    for row in rows(connection, _DETAILS, ids=ids):
        parsed = {key: json.loads(row[key]) if row[key] else None for key in ("labelled", "classified", "touch")}
        details[row["conversation_id"]] = cast(
            "WaitingDetail",
            {
                "conversation_id": row["conversation_id"],
                "last_at": row["last_at"],
                "message_id": row["message_id"],
                **parsed,
                "number": wa_number(row["chat"], row["phone"], json.loads(row["jids"])),
                "words": [],
            },
        )
    for row in rows(connection, _WORDS, ids=ids):
        detail = details.get(row["conversation_id"])
        if detail:
            detail["words"].append(cast("DetailMessage", with_text(row)))
    return details


def wa_number(chat: str, phone: str | None, jids: Iterable[str]) -> str | None:
    """The digits for a link `https://wa.me/<digits>` to this chat; None if no phone is known.

    An id of WhatsApp is safer than a phone as people spell it. So the first choice is an id with the same digits as
    `phone`, then the newest other id, then the chat's id, then `phone` itself. `jids`: the person's `…@c.us` ids, the
    newest first.
    """
    ids = [jid.removesuffix("@c.us") for jid in (*jids, chat) if jid.endswith("@c.us")]
    phone_digits = "".join(filter(str.isdigit, phone or ""))
    same_as_phone = [phone_digits] if phone_digits in ids else []
    candidates = [*same_as_phone, *ids, phone_digits]
    return next((each for each in candidates if _may_be_phone(each)), None)


def _may_be_phone(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15
