"""`leadmasterd history`: what happened and why, and how complete capture was."""

import argparse
import json
import sys
from contextlib import closing
from datetime import timedelta

from leadmasterd import sentences
from leadmasterd.cli.arguments import add_epilog, add_json, add_time, positive
from leadmasterd.cli.tables import folded
from leadmasterd.cli.times import clock_of, time_from
from leadmasterd.clock import Clock, length
from leadmasterd.queries.database import one_state, open_for_reading
from leadmasterd.queries.history import Gap, History, nothing, read
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, figure, ngettext

_DEFAULT_DAYS = 7
_TIME = len("2026-11-23 14:03:07  ")
"""Indent of the continuation lines of an event or a gap."""
_LABEL = len("  listening   ")
"""Indent of the continuation lines of the summary."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add from when on, how many events to show, and `--json`."""
    add_time(parser, "--since", _("from this date or time; default: 7 days ago"))
    parser.add_argument(
        "--limit", type=positive, default=50, metavar=_("N"), help=_("show at most N events, the newest (default 50)")
    )
    add_json(parser)
    add_epilog(parser, "leadmasterd history", "leadmasterd history --since 2026-11-01 --json")


def run(arguments: argparse.Namespace) -> int:
    """Print what happened since a time, the gaps, and a summary. Returns 0, also if nothing has happened yet."""
    paths = find_paths(arguments.config)
    clock = clock_of(paths)
    now = clock.now
    since = now - timedelta(days=_DEFAULT_DAYS)
    if arguments.since is not None:
        since = time_from(arguments.since, clock.zone)
    try:
        connection = open_for_reading(paths)
    except FileNotFoundError:
        print(_("No history yet: there is no {path}.").format(path=paths.database), file=sys.stderr)
        if arguments.json:
            print(json.dumps(nothing(since, now).as_json()))
        return 0
    with closing(connection), one_state(connection):
        history = read(connection, since=since, now=now, limit=arguments.limit)
    if arguments.json:
        print(json.dumps(history.as_json(), ensure_ascii=False))
        return 0
    phase_width = max((len(sentences.phase(event.phase)) for event in history.events), default=0)
    for event in history.events:
        reason = sentences.because(event.code, event.values)
        print(folded(f"{clock.exact(event.at)}  {sentences.phase(event.phase):<{phase_width}}  {reason}", _TIME))
    if history.gaps:
        print()
        for gap, share in history.gaps_with_share():
            print(folded(_gap(gap, share, clock), _TIME))
    print()
    for line in _summary(history, clock):
        print(folded(line, _LABEL))
    return 0


def _gap(gap: Gap, share: int | None, clock: Clock) -> str:
    """A gap in one line: from when, how long, what became of it, and its cause.

    `share`: how many messages of this gap were recovered. None: one sweep recovered this gap and the next together, and
    what it found is counted for the next.
    """
    lasted = length(gap.seconds(clock.now))
    if share is None:
        recovered = _("recovered with the next gap")
    else:
        recovered = ngettext("{n} message recovered", "{n} messages recovered", share).format(n=share)
    if gap.closed_at:
        state = recovered
    elif gap.to_at is None:  # it goes on
        state = _("still down")
    else:
        state = _("{recovered} so far, not closed yet").format(recovered=recovered)
    cause = sentences.because(gap.cause, {})
    return _("gap   {at}  {length:>9}  {state} ({cause})").format(
        at=clock.exact(gap.from_at), length=lasted, state=state, cause=cause
    )


def _summary(history: History, clock: Clock) -> list[str]:
    """Lines about the whole period: uptime, messages, gaps, restarts and recoveries, as far as there are any."""
    lines = [_("since {at}").format(at=clock.exact(history.since)) + clock.where()]
    if history.uptime is not None:
        lines.append(_("  listening   {share} % of the time").format(share=figure(history.uptime * 100, 2)))
    lines.append(
        _("  captured    {live} live, {sweep} by sweep").format(live=figure(history.live), sweep=figure(history.sweep))
    )
    still_open = sum(gap.closed_at is None for gap in history.gaps)
    lines.append(_("  gaps        {n}, of which {open} open").format(n=len(history.gaps), open=still_open))
    if history.restarts:
        reasons = ", ".join(
            f"{number}x {sentences.restart(reason)}" for reason, number in sorted(history.restarts.items())
        )
        lines.append(_("  restarts    {reasons}").format(reasons=reasons))
    if history.recovery_median is not None and history.recovery_max is not None:
        lines.append(
            _("  back after  {median} (median), {longest} at most").format(
                median=length(history.recovery_median), longest=length(history.recovery_max)
            )
        )
    return lines
