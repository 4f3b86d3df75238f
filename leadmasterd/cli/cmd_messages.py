"""`leadmasterd messages`: what was captured, newest last."""

import argparse
import json
import sqlite3
import sys
from datetime import UTC, datetime
from typing import Any

from leadmasterd.cli.moments import Clock, moment_from
from leadmasterd.cli.tables import folded, padded
from leadmasterd.leads_settings import glance
from leadmasterd.leads_view import at_text, is_blank
from leadmasterd.settings_file import find_places
from leadmasterd.store.database import open_for_reading
from leadmasterd.text import _, printable

_QUERY = """
    SELECT m.message_id, a.wid AS account, m.conversation_id, v.chat, m.direction, m.author, m.type, m.body, m.sent_at,
           m.captured_at, m.captured_via, m.readable_at, m.edited_at, m.revoked_at, m.notify_name, m.media, m.quoted,
           m.referral, m.details, coalesce(c.saved_name, c.push_name) AS contact
    FROM messages m JOIN conversations v USING (conversation_id) JOIN accounts a ON a.account_id = m.account_id
    LEFT JOIN contacts c USING (contact_id)
    WHERE {where} ORDER BY m.sent_at DESC, m.message_id DESC LIMIT :limit
"""
_JSON_COLUMNS = ("media", "quoted", "referral", "details")


def run(arguments: argparse.Namespace) -> int:
    """Print them; an empty answer is no error."""
    places = find_places(arguments.config)
    zone = glance(places).zone()
    since = at_text(moment_from(arguments.since, zone)) if arguments.since else None
    try:
        connection = open_for_reading(places.database)
    except FileNotFoundError:
        print(_("Nothing was captured here yet: there is no {path}.").format(path=places.database), file=sys.stderr)
        if arguments.json:
            print(json.dumps({"messages": []}))
        return 0
    messages = [dict(row) for row in reversed(_find(connection, arguments, since))]
    if arguments.json:
        for message in messages:
            for column in _JSON_COLUMNS:
                message[column] = json.loads(message[column]) if message[column] else None
        print(json.dumps({"messages": messages}, ensure_ascii=False))
        return 0
    clock = Clock(datetime.now(UTC), zone)
    for message in messages:
        print(_line(message, clock))
    if not messages:
        print(_("No messages."), file=sys.stderr)
    return 0


def _find(connection: sqlite3.Connection, arguments: argparse.Namespace, since: str | None) -> list[sqlite3.Row]:
    conditions, values = ["1"], {"limit": arguments.limit}
    if arguments.chat:
        digits = "".join(filter(str.isdigit, arguments.chat))
        conditions.append(
            "m.conversation_id IN (SELECT conversation_id FROM conversations WHERE chat IN (:chat, :phone) "
            "OR contact_id IN (SELECT contact_id FROM contact_identities WHERE value IN (:chat, :phone)))"
        )
        values |= {"chat": arguments.chat, "phone": f"{digits}@c.us"}
    if arguments.search:
        conditions.append("m.body LIKE :search ESCAPE '\\'")
        escaped = arguments.search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values["search"] = f"%{escaped}%"
    if since:
        conditions.append("m.sent_at >= :since")
        values["since"] = since
    return connection.execute(_QUERY.format(where=" AND ".join(conditions)), values).fetchall()


def _line(message: dict[str, Any], clock: Clock) -> str:
    name = message["contact"] or ""
    who = message["chat"].partition("@")[0] if is_blank(name) else name
    arrow = "<-" if message["direction"] == "in" else "->"
    begin = f"{clock.full(message['sent_at'])}  {arrow} {padded(who, 20)}  "
    return folded(begin + printable(_what(message)), len("2026-11-23 14:03  "))


def _what(message: dict[str, Any]) -> str:
    body = message["body"] or ""
    if message["readable_at"] is None:
        return _("[not readable yet]")
    if message["revoked_at"]:
        return _("[deleted] {body}").format(body=body)
    text = body if message["type"] == "chat" else f"[{message['type']}] {body}".rstrip()
    return text + (_(" (edited)") if message["edited_at"] else "")
