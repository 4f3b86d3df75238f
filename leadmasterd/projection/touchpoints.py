"""Writes `touches`: ads, products and statuses as WhatsApp reports them, links and campaigns from texts."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from leadmasterd import times
from leadmasterd.leads.timeline import Inbound
from leadmasterd.leads.touchpoints import Campaign, touchpoints_of
from leadmasterd.projection.history import History
from leadmasterd.projection.sql import insert, with_ids
from leadmasterd.text import clean


class _TouchRow(NamedTuple):
    """The columns of `touches`."""

    message_id: int
    kind: str
    conversation_id: int
    at: str
    source_id: str | None
    source_url: str | None
    headline: str | None
    raw: str


_INSERT = insert("touches", _TouchRow._fields)


def write_touchpoints(connection: sqlite3.Connection, history: History, campaigns: Sequence[Campaign]) -> None:
    """Bring the touchpoints of the messages that are loaded up to date. Only rows that differ are written."""
    inbound = [event for event in history.events if isinstance(event, Inbound)]
    _write_from_texts(connection, history, inbound, campaigns)
    reported = [each for each in inbound if each.ad or each.about_product or each.on_status or each.type == "product"]
    _write_reported(connection, [event.message_id for event in reported])


def _write_from_texts(
    connection: sqlite3.Connection, history: History, inbound: Sequence[Inbound], campaigns: Sequence[Campaign]
) -> None:
    """Write links and campaigns that the texts name, and delete stored ones that they no longer name.

    Those of a message whose text was purged stay.
    """
    wanted = {}
    for event in inbound:
        for touchpoint in touchpoints_of(event, campaigns):
            row = _TouchRow(
                message_id=event.message_id,
                kind=touchpoint.kind,
                conversation_id=event.conversation,
                at=times.iso_ms(event.at),
                source_id=touchpoint.source_id,
                source_url=touchpoint.source_url,
                headline=None,
                raw=json.dumps(touchpoint.raw, ensure_ascii=False),
            )
            wanted[row.message_id, row.kind] = row
    stored = {} if history.is_new else _stored(connection, history)
    if stored:
        with_text = {event.message_id for event in inbound if event.text or event.earlier}
        connection.executemany(
            "DELETE FROM touches WHERE message_id = ? AND kind = ?",
            [key for key, row in stored.items() if row.message_id in with_text and wanted.get(key) != row],
        )
    if wanted:
        connection.executemany(_INSERT, [row for key, row in wanted.items() if stored.get(key) != row])


def _stored(connection: sqlite3.Connection, history: History) -> dict[tuple[int, str], _TouchRow]:
    """The stored links and campaigns of the messages that are loaded, by message and kind."""
    found = with_ids(
        connection,
        f"SELECT {', '.join(_TouchRow._fields)} FROM touches "
        "WHERE conversation_id IN (SELECT value FROM json_each(?1)) AND at >= ?2 AND at < ?3 "
        "AND kind IN ('link', 'campaign')",
        history.conversations,
        history.since_at,
        history.until_at,
    )
    return {(row.message_id, row.kind): row for row in map(_TouchRow._make, found)}


def _write_reported(connection: sqlite3.Connection, message_ids: Sequence[int]) -> None:
    """Write the ads, products and statuses of these messages that are not stored yet.

    Stored ones stay as they are, because what WhatsApp reports of a message never changes.
    """
    if not message_ids:
        return
    found = with_ids(
        connection,
        "SELECT message_id, conversation_id, sent_at, referral, quoted, details FROM messages "
        "WHERE message_id IN (SELECT value FROM json_each(?))",
        message_ids,
    )
    connection.executemany(
        _INSERT.replace("INSERT", "INSERT OR IGNORE", 1),
        [
            row
            for message_id, conversation, at, *json_columns in found
            for row in _reported_rows(_MessageRef(message_id, conversation, at), *json_columns)
        ],
    )


class _MessageRef(NamedTuple):
    """The message that a touchpoint was found in."""

    message_id: int
    conversation_id: int
    at: str


def _reported_rows(
    message: _MessageRef, referral: str | None, quoted: str | None, details: str | None
) -> Iterator[_TouchRow]:
    """The touchpoints in a message's columns, each JSON or None: an ad, a product, our status that it answers.

    JSON is parsed here and not by SQLite, which would return bytes for a text that ends inside a character.
    """
    quoted_message = json.loads(quoted) if quoted else {}
    extras = json.loads(details) if details else {}
    if referral:
        ad = json.loads(referral)
        yield _row(
            message, "ad", ad, source_id=ad.get("source_id"), source_url=ad.get("source_url"), headline=ad.get("title")
        )
    product = extras.get("product") or quoted_message.get("product")
    if isinstance(product, dict):
        yield _row(
            message,
            "product",
            product,
            source_id=product.get("product_id"),
            source_url=product.get("url"),
            headline=product.get("title"),
        )
    if "status_reply" in extras:
        yield _row(
            message,
            "status",
            quoted_message,
            source_id=quoted_message.get("id"),
            source_url=None,
            headline=quoted_message.get("body"),
        )


def _row(
    message: _MessageRef, kind: str, raw: object, *, source_id: object, source_url: object, headline: object
) -> _TouchRow:
    """One touchpoint as columns. `raw`: the JSON object in which WhatsApp reports it, stored whole.

    `source_id`, `source_url` and `headline` are values of such an object, so they may be of any JSON type.
    """
    return _TouchRow(
        message_id=message.message_id,
        kind=kind,
        conversation_id=message.conversation_id,
        at=message.at,
        source_id=_text(source_id),
        source_url=_text(source_url),
        headline=_text(headline),
        raw=json.dumps(raw),
    )


def _text(value: object) -> str | None:
    """A value as text that SQLite can store; what is not text is written as JSON. None stays None."""
    if value is None:
        return None
    return clean(value if isinstance(value, str) else json.dumps(value))
