"""`leadmasterd feeds show NAME`: one feed in full."""

import argparse
import json
from datetime import datetime, timedelta

from leadmasterd import times
from leadmasterd.cli.arguments import add_epilog, add_json, add_limit, typed
from leadmasterd.cli.tables import Column, cell, folded, note_more, show
from leadmasterd.cli.times import clock_of
from leadmasterd.clock import Clock, length
from leadmasterd.queries.feeds import FeedDetail, feed_detail
from leadmasterd.queries.words import feed_state
from leadmasterd.settings.model import load
from leadmasterd.state.files import is_running
from leadmasterd.text import _, figure, ngettext, printable

_LABEL = 12
"""Screen columns of a label and the spaces after it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the feed's name, how many failed events to show, and `--json`."""
    parser.add_argument("name", type=typed, metavar=_("NAME"), help=_("the feed"))
    add_limit(parser)
    add_json(parser)
    add_epilog(parser, "leadmasterd feeds show crm", "leadmasterd feeds show crm --json")


def run(arguments: argparse.Namespace) -> int:
    """Print the feed, and the events that it is trying again. Raises Refused if there is no such feed."""
    settings, paths = load(arguments.config)
    feed = feed_detail(paths, settings, arguments.name, limit=arguments.limit)
    if arguments.json:
        print(json.dumps(feed, ensure_ascii=False))
        return 0
    clock = clock_of(paths)
    for label, text in _rows(feed, clock, running=is_running(paths)):
        print(folded(f"{label:<{_LABEL}}{printable(text)}", _LABEL))
    if feed["tries"]:
        print()
        _show_tries(feed, clock)
        note_more(len(feed["tries"]), arguments.limit)
    return 0


def _rows(feed: FeedDetail, clock: Clock, *, running: bool) -> list[tuple[str, str]]:
    """Labels and texts of everything about the feed except its tries. `running`: whether the daemon runs."""
    state = feed_state(feed["state"]) + (f" ({feed['why']})" if feed["why"] else "")
    if feed["state"] == "active" and not running:
        state += "; " + _("delivers once the daemon runs")
    if feed["state"] == "new":
        state += ": " + _("the daemon starts new feeds when it starts")
    found = [
        (_("feed"), f"{feed['name']} ({feed['kind']})"),
        (_("to"), feed["to"]),
        (_("events"), ", ".join(feed["events"])),
        (_("with"), _("words and names") if feed["full"] else _("ids, codes and times only")),
        (_("state"), state),
    ]
    if feed["since"]:
        found.append((_("since"), clock.full(feed["since"]) + clock.where()))
    if feed["state"] != "new":
        behind = _("everything is delivered")
        if feed["behind"]:
            behind = ngettext("{n} event to deliver", "{n} events to deliver", feed["behind"]).format(
                n=figure(feed["behind"])
            )
        if feed["oldest_at"]:
            behind += ", " + _("the oldest of {ago} ago").format(ago=length(clock.seconds_since(feed["oldest_at"])))
        found.append((_("behind"), behind))
    if feed["dead"]:
        found.append(
            (
                _("given up"),
                ngettext("{n} event", "{n} events", feed["dead"]).format(n=figure(feed["dead"]))
                + _("; `leadmasterd feeds dead {name}` lists them").format(name=feed["name"]),
            )
        )
    if dropped := feed["given_up"]:
        text = ngettext(
            "{n} event, because it took too much disk; `{command}` delivers it again",
            "{n} events, because they took too much disk; `{command}` delivers them again",
            dropped["number"],
        )
        # Times in the command have no seconds, so it ends a minute after the last event.
        after_last = times.iso(datetime.fromisoformat(dropped["last_at"]) + timedelta(minutes=1))
        begin = clock.full(dropped["first_at"]).replace(" ", "T")
        end = clock.full(after_last).replace(" ", "T")
        command = f"leadmasterd feeds replay {feed['name']} --from {begin} --until {end}"
        found.append((_("given up"), text.format(n=figure(dropped["number"]), command=command)))
    return found


def _show_tries(feed: FeedDetail, clock: Clock) -> None:
    """Print a table of the events whose delivery failed and is tried again."""
    columns = [
        Column(_("event"), right=True),
        Column(_("conversation"), right=True),
        Column(_("failed tries"), right=True),
        Column(_("next try")),
        Column(_("why"), shrinks=True),
    ]
    show(
        columns,
        [
            [
                cell(each["event_id"]),
                cell(each["conversation_id"] or "-"),
                cell(each["tries"]),
                cell(clock.brief(each["next_at"])),
                cell(each["why"]),
            ]
            for each in feed["tries"]
        ],
    )
