"""`leadmasterd messages`: search and show captured messages, the newest last.

Other flags show the listener's own lines behind them, or lines that could not be used, or maintain the database.
"""

import argparse
import json
import sys
from contextlib import closing
from datetime import UTC, datetime

from leadmasterd.cli import reading
from leadmasterd.cli.arguments import add_epilog, add_json, add_limit, add_time, typed
from leadmasterd.cli.message_text import message_text
from leadmasterd.cli.tables import folded, note_more, padded
from leadmasterd.cli.times import time_from
from leadmasterd.clock import Clock
from leadmasterd.errors import CannotUseArgument
from leadmasterd.queries.database import Connection, one_state
from leadmasterd.queries.messages import (
    CapturedMessage,
    MessageList,
    ProblemList,
    conversations_meant,
    message_list,
    problem_list,
)
from leadmasterd.queries.people import is_blank
from leadmasterd.queries.raw_lines import StoredLines, stored_lines
from leadmasterd.settings.leads_light import read_leads_settings
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, figure, ngettext, printable, size
from leadmasterd.times import iso


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which messages to show, what to do instead, and `--json`."""
    parser.add_argument(
        "--chat", type=typed, metavar=_("ID"), help=_("only this chat: a name, a phone, a chat id or a lead's number")
    )
    parser.add_argument(
        "--search", type=typed, metavar=_("TEXT"), help=_("only those with this text; case and accents are ignored")
    )
    add_time(parser, "--since", _("only those since this date or time"))
    parser.add_argument(
        "--problems",
        action="store_true",
        help=_("instead: lines of the listener that could not be used, or differ from a stored message"),
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help=_("instead: the listener's own lines behind them, as they were captured (docs/protocol.md)"),
    )
    parser.add_argument(
        "--reindex",
        action="store_true",
        help=_("instead: rebuild the index that the page searches, for example after damage to it"),
    )
    parser.add_argument(
        "--compact",
        action="store_true",
        help=_("instead: give the disk back what the database no longer uses; the daemon must be stopped"),
    )
    add_limit(parser, _("show at most N, the newest (default 20)"))
    add_json(parser)
    add_epilog(
        parser,
        "leadmasterd messages",
        "leadmasterd messages --chat 5491155550001 --limit 50",
        "leadmasterd messages --chat Ana --since ayer",
        "leadmasterd messages --search precio --json",
        "leadmasterd messages --problems",
        "leadmasterd messages --raw --chat Ana --limit 200",
        "leadmasterd messages --reindex",
        "leadmasterd messages --compact",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the messages, or do what a flag asks for instead. Returns 0, also if none matches; 1 for an unknown chat.

    Raises CannotUseArgument for flags that exclude each other.
    """
    if arguments.reindex:
        return _reindex(arguments)
    if arguments.compact:
        return _compact(arguments)
    if arguments.raw and arguments.search:
        raise CannotUseArgument(_("--raw can't be narrowed by --search; leave one of them out"))
    paths = find_paths(arguments.config)
    settings = read_leads_settings(paths)
    zone = settings.zone()
    since = None if arguments.since is None else iso(time_from(arguments.since, zone))
    connection = reading.database(paths)
    if arguments.problems:
        return _show_problems(arguments, connection, since, Clock(datetime.now(UTC), zone))
    answer: MessageList = {"messages": []}
    lines: StoredLines = {"lines": [], "damaged": []}
    chats = None  # all; an empty tuple: there is no such chat
    if connection:
        with closing(connection), one_state(connection):
            if arguments.chat is not None:
                chats = conversations_meant(connection, arguments.chat, settings.country)
            if arguments.raw:
                lines = stored_lines(connection, limit=arguments.limit, conversations=chats, since=since)
            else:
                answer = message_list(
                    connection, limit=arguments.limit, conversations=chats, search=arguments.search, since=since
                )
    unknown_chat = chats == ()
    if unknown_chat:
        print(
            _(
                "cannot find {text}: no chat, phone or lead has that id, and nobody that name; "
                "`leadmasterd messages` shows all"
            ).format(text=repr(arguments.chat)),
            file=sys.stderr,
        )
    if arguments.json:
        print(json.dumps(lines if arguments.raw else answer, ensure_ascii=False))
        return int(unknown_chat)
    clock = Clock(datetime.now(UTC), zone)
    if arguments.raw:
        _show_lines(lines, arguments.limit, clock)
    else:
        _show_messages(answer["messages"], arguments.limit, clock)
    nothing_found = not (lines["lines"] if arguments.raw else answer["messages"])
    if nothing_found and connection and not unknown_chat:  # otherwise stderr has said why
        print(_("No lines.") if arguments.raw else _("No messages."), file=sys.stderr)
    return int(unknown_chat)


def _reindex(arguments: argparse.Namespace) -> int:
    """Rebuild the index of words that the page searches. Returns the exit code. Raises CannotUseArgument."""
    if arguments.json:
        raise CannotUseArgument(_("--reindex has no answer in JSON; leave --json out"))
    _refuse_filters(arguments, "--reindex")
    from leadmasterd.actions.reindex import reindex  # slow to import, and showing messages must answer at once
    from leadmasterd.cli.editing import lead_editor
    from leadmasterd.cli.leads_rebuild import show_progress

    with lead_editor(arguments.config) as editor:
        number = reindex(editor, show_progress)
    print(ngettext("{n} message indexed.", "{n} messages indexed.", number).format(n=figure(number)))
    return 0


def _refuse_filters(arguments: argparse.Namespace, option: str) -> None:
    """Raises CannotUseArgument if messages are filtered: `option` works on the whole database."""
    filters = {"--chat": arguments.chat, "--search": arguments.search, "--since": arguments.since}
    for other, value in filters.items():
        if value is not None:
            raise CannotUseArgument(
                _("{option} is for the whole database, and not for a part by {other}; leave one of them out").format(
                    option=option, other=other
                )
            )


def _compact(arguments: argparse.Namespace) -> int:
    """Give unused space of the database back to the disk. Returns the exit code.

    Raises CannotUseArgument, and CannotUseState while the daemon runs.
    """
    if arguments.json:
        raise CannotUseArgument(_("--compact has no answer in JSON; leave --json out"))
    _refuse_filters(arguments, "--compact")
    from leadmasterd.actions.compact import compact  # slow to import, and showing messages must answer at once
    from leadmasterd.cli.editing import lead_editor
    from leadmasterd.state.files import Lock

    with lead_editor(arguments.config) as editor:
        lock = Lock(editor.paths)
        lock.acquire()
        try:
            done = compact(editor)
        finally:
            lock.release()
    print(_("{before} before, {after} now.").format(before=size(done.before), after=size(done.after)))
    return 0


def _show_messages(messages: list[CapturedMessage], limit: int, clock: Clock) -> None:
    for message in messages:
        print(_line(message, clock))
    if messages:
        note_more(len(messages), limit)
        reading.print_zone(clock)


def _show_lines(found: StoredLines, limit: int, clock: Clock) -> None:
    """Print the listener's lines: unchanged for other programs, on a terminal without control characters.

    Stored lines that are damaged are counted on stderr.
    """
    for each in found["lines"]:
        print(printable(each["line"]) if sys.stdout.isatty() else each["line"])
    for damaged in found["damaged"]:
        text = ngettext(
            "cannot read {n} line captured from {begin} to {end}: its block in the database is damaged; restore a "
            "backup if you need it",
            "cannot read {n} lines captured from {begin} to {end}: their block in the database is damaged; restore a "
            "backup if you need them",
            damaged["lines"],
        )
        begin, end = clock.full(damaged["from_at"]), clock.full(damaged["to_at"])
        print(text.format(n=figure(damaged["lines"]), begin=begin, end=end), file=sys.stderr)
    if found["lines"]:
        note_more(len(found["lines"]), limit)


def _show_problems(
    arguments: argparse.Namespace, connection: Connection | None, since: str | None, clock: Clock
) -> int:
    """Print lines that could not be used. Closes the connection; None: there is no database. Returns the exit code."""
    answer: ProblemList = {"problems": []}
    if connection:
        with closing(connection), one_state(connection):
            answer = problem_list(connection, limit=arguments.limit, since=since)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    for each in answer["problems"]:
        print(folded(f"{clock.full(each['captured_at'])}  {printable(each['problem'])}", len("2026-11-23 14:03  ")))
        print(f"  {printable(each['line'])}")
    if answer["problems"]:
        note_more(len(answer["problems"]), arguments.limit)
        reading.print_zone(clock)
    elif connection:
        print(_("No problems."), file=sys.stderr)
    return 0


def _line(message: CapturedMessage, clock: Clock) -> str:
    """A message in one line: when, in which direction, with whom, and what it says."""
    name = message["contact"] or ""
    number = message["chat"].partition("@")[0]
    who = number if is_blank(name) else name
    arrow = "<-" if message["direction"] == "in" else "->"
    begin = f"{clock.full(message['sent_at'])}  {arrow} {padded(who, 20)}  "
    return folded(begin + message_text(message, clock), len("2026-11-23 14:03  "))
