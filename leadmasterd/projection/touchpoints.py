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
    """Write what differs."""
    inbound = [event for event in history.events if isinstance(event, Inbound)]
    _write_worded(connection, history, inbound, campaigns)
    reported = [each for each in inbound if each.ad or each.about_product or each.on_status or each.type == "product"]
    _write_reported(connection, [event.message_id for event in reported])


def _write_worded(
    connection: sqlite3.Connection, history: History, inbound: Sequence[Inbound], campaigns: Sequence[Campaign]
) -> None:
    """Links and campaigns. Those of a message whose text was purged stay."""
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
        with_words = {event.message_id for event in inbound if event.text or event.earlier}
        connection.executemany(
            "DELETE FROM touches WHERE message_id = ? AND kind = ?",
            [key for key, row in stored.items() if row.message_id in with_words and wanted.get(key) != row],
        )
    if wanted:
        connection.executemany(_INSERT, [row for key, row in wanted.items() if stored.get(key) != row])


def _stored(connection: sqlite3.Connection, history: History) -> dict[tuple[int, str], _TouchRow]:
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
    """Ads, products and statuses are written once: what WhatsApp reports of one never changes."""
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
            for message_id, conversation, at, *columns in found
            for row in _reported_rows(_Place(message_id, conversation, at), *columns)
        ],
    )


class _Place(NamedTuple):
    """The message that shows how its sender came."""

    message_id: int
    conversation_id: int
    at: str


def _reported_rows(place: _Place, referral: str | None, quoted: str | None, details: str | None) -> Iterator[_TouchRow]:
    """Parsed here, because SQLite would return bytes for half a character."""
    answered = json.loads(quoted) if quoted else {}
    told = json.loads(details) if details else {}
    if referral:
        ad = json.loads(referral)
        yield _row(
            place, "ad", ad, source_id=ad.get("source_id"), source_url=ad.get("source_url"), headline=ad.get("title")
        )
    product = told.get("product") or answered.get("product")
    if isinstance(product, dict):
        yield _row(
            place,
            "product",
            product,
            source_id=product.get("product_id"),
            source_url=product.get("url"),
            headline=product.get("title"),
        )
    if "status_reply" in told:
        yield _row(
            place, "status", answered, source_id=answered.get("id"), source_url=None, headline=answered.get("body")
        )


def _row(
    place: _Place, kind: str, raw: object, *, source_id: object, source_url: object, headline: object
) -> _TouchRow:
    return _TouchRow(
        message_id=place.message_id,
        kind=kind,
        conversation_id=place.conversation_id,
        at=place.at,
        source_id=_text(source_id),
        source_url=_text(source_url),
        headline=_text(headline),
        raw=json.dumps(raw),
    )


def _text(value: object) -> str | None:
    return None if value is None else clean(value if isinstance(value, str) else json.dumps(value))
