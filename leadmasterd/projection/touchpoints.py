"""Writes `touches`: ads as WhatsApp reports them, links and campaigns from the text of messages."""

import json
import sqlite3
from collections.abc import Sequence
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
    _write_ads(connection, [event.message_id for event in inbound if event.ad])


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
    stored = {
        (row.message_id, row.kind): row
        for row in map(
            _TouchRow._make,
            with_ids(
                connection,
                f"SELECT {', '.join(_TouchRow._fields)} FROM touches "
                "WHERE conversation_id IN (SELECT value FROM json_each(?)) AND kind <> 'ad'",
                history.conversations,
            ),
        )
    }
    with_words = {event.message_id for event in inbound if event.text or event.earlier}
    connection.executemany(
        "DELETE FROM touches WHERE message_id = ? AND kind = ?",
        [key for key, row in stored.items() if row.message_id in with_words and wanted.get(key) != row],
    )
    connection.executemany(_INSERT, [row for key, row in wanted.items() if stored.get(key) != row])


def _write_ads(connection: sqlite3.Connection, message_ids: Sequence[int]) -> None:
    """Ads are written once: what WhatsApp reports of one never changes."""
    if not message_ids:
        return
    rows = with_ids(
        connection,
        "SELECT message_id, conversation_id, sent_at, referral FROM messages "
        "WHERE message_id IN (SELECT value FROM json_each(?))",
        message_ids,
    )
    connection.executemany(
        _INSERT.replace("INSERT", "INSERT OR IGNORE", 1),
        [_ad_row(message_id, conversation, at, referral) for message_id, conversation, at, referral in rows],
    )


def _ad_row(message_id: int, conversation: int, at: str, referral: str) -> _TouchRow:
    """Parsed here, because SQLite would return bytes for half a character."""
    fields = json.loads(referral)

    def text_of(name: str) -> str | None:
        value = fields.get(name)
        return None if value is None else clean(value if isinstance(value, str) else json.dumps(value))

    return _TouchRow(
        message_id=message_id,
        kind="ad",
        conversation_id=conversation,
        at=at,
        source_id=text_of("source_id"),
        source_url=text_of("source_url"),
        headline=text_of("title"),
        raw=referral,
    )
