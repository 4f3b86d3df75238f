"""`leadmasterd leads rebuild`: all leads made anew, in short transactions, safe beside the running daemon.

`rules reclassify` is the same with the labels forgotten first, so it is built on this.
"""

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from leadmasterd import times
from leadmasterd.cli.arguments import add_epilog, add_json
from leadmasterd.cli.desk import Desk, opened
from leadmasterd.errors import CannotUseDatabase, CannotUseModel, CannotUseRules
from leadmasterd.projection.projector import mark_all_dirty
from leadmasterd.queries import leads as lead_queries
from leadmasterd.settings.paths import find_paths
from leadmasterd.state.files import is_running
from leadmasterd.text import _, ngettext

SLICE: Final = 64
"""Conversations in one transaction: some tens of milliseconds."""

_PAUSE: Final = 0.15
"""Between two slices, for the daemon to write what has arrived: who waits for SQLite's lock looks every 0.1 s."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only --json."""
    add_json(parser)
    add_epilog(parser, "leadmasterd leads rebuild")


def run(arguments: argparse.Namespace) -> int:
    """0, or 70 when some could not be judged (a defect of ours); the daemon tries them again at its next start."""
    with opened(arguments.config) as desk:
        began = times.iso(datetime.now(UTC))
        with desk.transaction():
            desk.projector.adopt_policy()
            mark_all_dirty(desk.connection)
        rows = lead_queries.ask(desk.connection, "SELECT conversation_id AS it FROM unjudged ORDER BY it")

        def judge(conversations: Sequence[int]) -> None:
            # Not those that the daemon has taken meanwhile.
            left = lead_queries.ask(
                desk.connection,
                "SELECT conversation_id AS it FROM unjudged WHERE conversation_id IN (SELECT value FROM json_each(?))",
                json.dumps(conversations),
            )
            desk.projector.project([row["it"] for row in left], datetime.now(UTC))

        failed = in_slices(desk, arguments, [row["it"] for row in rows], judge)
        answer = summary(desk.connection, began)
    return tell(arguments, answer, failed)


def in_slices(
    desk: Desk, arguments: argparse.Namespace, conversations: Sequence[int], work: Callable[[Sequence[int]], None]
) -> int:
    """Work on all of these, some in each transaction; returns with how many that was not possible."""
    running = is_running(find_paths(arguments.config))
    progress = Progress(len(conversations))
    failed = 0
    for first in range(0, len(conversations), SLICE):
        part = conversations[first : first + SLICE]
        failed += _in_one(desk, part, work)
        progress.add(len(part))
        if running:
            time.sleep(_PAUSE)
    progress.end()
    if running:
        # The daemon may have been started with other settings; it looks again at its next start.
        with desk.transaction():
            desk.connection.execute("DELETE FROM derived_with WHERE name = 'policy'")
    return failed


def _in_one(desk: Desk, conversations: Sequence[int], work: Callable[[Sequence[int]], None]) -> int:
    """Work on these in one transaction; when it fails by a defect, on each by itself."""
    try:
        with desk.transaction():
            work(conversations)
    except (CannotUseDatabase, CannotUseRules, CannotUseModel):
        raise
    except Exception as error:  # noqa: BLE001 - one bad conversation must not stop the others
        if len(conversations) > 1:
            return sum(_in_one(desk, [each], work) for each in conversations)
        print(
            _("cannot make leads of conversation {n}: {error}; please report it, the others go on").format(
                n=conversations[0], error=f"{type(error).__name__}: {error}"
            ),
            file=sys.stderr,
        )
        return 1
    return 0


def summary(connection: sqlite3.Connection, began: str) -> dict[str, int]:
    """How many leads there are, and what has changed since."""
    [row] = lead_queries.ask(
        connection,
        "SELECT count(*) AS leads, coalesce(sum(closed_at IS NULL), 0) AS open, "
        "coalesce(sum(updated_at >= :began AND created_at < :began), 0) AS changed, "
        "coalesce(sum(created_at >= :began), 0) AS made, "
        "(SELECT count(*) FROM lead_events WHERE kind = 'withdrawn' AND recorded_at >= :began) AS withdrawn, "
        "(SELECT count(*) FROM conversations WHERE waiting_since IS NOT NULL) AS waiting FROM leads",
        began=began,
    )
    return row


def tell(arguments: argparse.Namespace, answer: Mapping[str, Any], failed: int) -> int:
    """Print the answer; 70 when something failed."""
    if arguments.json:
        print(json.dumps({**answer, "failed": failed}))
    else:
        leads = ngettext("{n} lead", "{n} leads", answer["leads"]).format(n=answer["leads"])
        print(
            _("{leads}, {open} open: {made} made, {changed} changed, {withdrawn} withdrawn.").format(
                **{**answer, "leads": leads}
            )
        )
    return 70 if failed else 0


class Progress:
    """A line that counts, on a terminal; nothing elsewhere."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._shown = sys.stderr.isatty() and total > SLICE

    def add(self, number: int) -> None:
        """So many more are done."""
        self._done = min(self._total, self._done + number)
        if self._shown:
            print(f"\r{self._done:,} / {self._total:,}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line empty."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
