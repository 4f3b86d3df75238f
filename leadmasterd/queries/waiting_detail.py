"""What it takes to answer somebody who waits: their last words, why they are taken for what they are, how they came."""

import json
from collections.abc import Iterable
from typing import Any, Final, TypedDict, cast

from leadmasterd.queries.database import Connection, id_list, rows
from leadmasterd.queries.lead_detail import DetailMessage, PersonsLabel
from leadmasterd.queries.leads import LeadTouch
from leadmasterd.queries.messages import with_text
from leadmasterd.queries.waiting import LAST_INBOUND

_LAST_WORDS: Final = 3
_LONGEST: Final = 500
"""Characters of a body: what is shown of it is shorter."""


class Classified(TypedDict):
    """Why the classifier takes a burst for what it is."""

    code: str
    values: dict[str, Any]


class WaitingDetail(TypedDict):
    """Of one conversation that waits.

    `last_at`: when they wrote or called last. `message_id`: what began the wait; None for a missed call. `number`: the
    digits by which WhatsApp knows the phone; None where it does not tell it. `words`: their last few messages since
    they wait, the oldest first.
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
"""`+kind`: not by the index of all phones."""
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
    """By conversation; only of those that wait. Reads a few rows for each, whatever the size of the database."""
    ids = id_list(conversations)
    found: dict[int, WaitingDetail] = {}
    for row in rows(connection, _DETAILS, ids=ids):
        parsed = {key: json.loads(row[key]) if row[key] else None for key in ("labelled", "classified", "touch")}
        found[row["conversation_id"]] = cast(
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
        if detail := found.get(row["conversation_id"]):
            detail["words"].append(cast("DetailMessage", with_text(row)))
    return found


def wa_number(chat: str, phone: str | None, jids: Iterable[str]) -> str | None:
    """The digits for `https://wa.me/`: of the id that has the phone as it is shown, of the chat, else of the phone.

    `jids`: the person's ids of phones, the newest first.
    """
    digits = [jid.removesuffix("@c.us") for jid in (*jids, chat) if jid.endswith("@c.us")]
    shown = "".join(filter(str.isdigit, phone or ""))
    ordered = [*(each for each in digits if each == shown), *digits, shown]
    return next((each for each in ordered if each.isascii() and each.isdigit() and 7 <= len(each) <= 15), None)
