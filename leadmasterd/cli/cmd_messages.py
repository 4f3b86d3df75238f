"""`leadmasterd messages`: what was captured, newest last."""

import argparse
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from leadmasterd.cli.arguments import add_epilog, add_json, add_limit, add_time, typed
from leadmasterd.cli.tables import folded, padded, tell_of_more
from leadmasterd.cli.times import Clock, time_from
from leadmasterd.queries.leads import Row, ask, find, is_blank
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.paths import find_paths
from leadmasterd.store.database import open_for_reading
from leadmasterd.text import _, bare, printable
from leadmasterd.times import iso

_QUERY = """
    SELECT m.message_id, a.wid AS account, m.conversation_id, v.chat, m.direction, m.author, m.type, m.body, m.sent_at,
           m.captured_at, m.captured_via, m.readable_at, m.edited_at, m.revoked_at, m.notify_name, m.media, m.quoted,
           m.referral, m.details, coalesce(c.saved_name, c.push_name) AS contact
    FROM messages m JOIN conversations v USING (conversation_id) JOIN accounts a ON a.account_id = m.account_id
    LEFT JOIN contacts c USING (contact_id)
    WHERE {where} ORDER BY m.sent_at DESC, m.message_id DESC LIMIT :limit
"""
_JSON_COLUMNS = ("media", "quoted", "referral", "details")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which messages."""
    parser.add_argument("--chat", type=typed, metavar="ID", help=_("only this chat: a phone, a chat id or a lead's"))
    parser.add_argument("--search", type=typed, metavar="TEXT", help=_("only with this text; case and accents ignored"))
    add_time(parser, "--since", _("only since this date or time"))
    add_limit(parser, _("show at most N, the newest (default 20)"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd messages",
        "leadmasterd messages --chat 5491155550001 --limit 50",
        "leadmasterd messages --search precio --json",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print them; an empty answer is no error, but 1 when there is no such chat."""
    paths = find_paths(arguments.config)
    settings = read_leads_settings(paths)
    zone = settings.zone()
    since = iso(time_from(arguments.since, zone)) if arguments.since is not None else None
    try:
        connection = open_for_reading(paths.database)
    except FileNotFoundError:
        print(_("Nothing was captured here yet: there is no {path}.").format(path=paths.database), file=sys.stderr)
        if arguments.json:
            print(json.dumps({"messages": []}))
        return 0
    with closing(connection):
        chats = _chats(connection, arguments.chat, settings.country) if arguments.chat else None
        messages = _found(connection, arguments, chats, since)
    unknown = chats == ()
    if unknown:
        print(
            _(
                "cannot find {text}: there is no chat, phone or lead of that id; `leadmasterd messages` shows all"
            ).format(text=repr(arguments.chat)),
            file=sys.stderr,
        )
    if arguments.json:
        for message in messages:
            for column in _JSON_COLUMNS:
                message[column] = json.loads(message[column]) if message[column] else None
        print(json.dumps({"messages": messages}, ensure_ascii=False))
        return int(unknown)
    clock = Clock(datetime.now(UTC), zone)
    for message in messages:
        print(_line(message, clock))
    tell_of_more(len(messages), arguments.limit)
    if not messages and not unknown:
        print(_("No messages."), file=sys.stderr)
    return int(unknown)


def _chats(connection: sqlite3.Connection, text: str, country: str) -> tuple[int, ...]:
    """All of a person, found as `leads show` does it, or one that is nobody's, as a group is."""
    if subject := find(connection, text, country):
        return subject.conversations
    rows = ask(connection, "SELECT conversation_id FROM conversations WHERE chat = ?", text.strip())
    return tuple(row["conversation_id"] for row in rows)


def _found(
    connection: sqlite3.Connection, arguments: argparse.Namespace, chats: tuple[int, ...] | None, since: str | None
) -> list[Row]:
    """The oldest first. `chats`: those of them alone."""
    conditions, values = ["1"], {"limit": arguments.limit}
    if chats is not None:
        conditions.append(f"m.conversation_id IN ({','.join(map(str, chats))})")
    if arguments.search:
        words = bare(arguments.search) or arguments.search
        connection.create_function("found", 1, lambda body: body is not None and words in bare(body))
        conditions.append("found(m.body)")
    if since:
        conditions.append("m.sent_at >= :since")
        values["since"] = since
    return ask(connection, _QUERY.format(where=" AND ".join(conditions)), **values)[::-1]


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
