"""What a person decides about feeds. The feeds process sees it within a second, or when it starts.

What a person wants again goes into the outbox for that feed alone, after all that is there, marked as replayed.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import EACCES
from typing import Any, Final, Literal

from leadmasterd import times
from leadmasterd.actions.rebuild import PAUSE
from leadmasterd.actions.unit_of_work import LeadEditor
from leadmasterd.apart import python_module
from leadmasterd.errors import CannotUseSettings, CannotUseState, LeadmasterdError, Refused
from leadmasterd.outbox import replaying
from leadmasterd.outbox.room import SHARE, room
from leadmasterd.queries.database import Connection, Row, rows
from leadmasterd.queries.feeds import feed_of, open_books, wanted_kinds
from leadmasterd.settings.model import Settings
from leadmasterd.settings.paths import Paths
from leadmasterd.state.files import is_running
from leadmasterd.text import _, figure, spoken_language, translated

PART: Final = 5_000
"""Events in one transaction of a replay, which takes a fraction of a second."""
_LONGEST_TEST: Final = 60
"""Seconds; the slowest of receivers, a sheet, has forty."""

_FAILURES: Final = {each.exit_code: each for each in (Refused, CannotUseState, CannotUseSettings)}

State = Literal["active", "paused"]


@dataclass(frozen=True, slots=True)
class Retried:
    """How many dead letters are due again, and how many stay: of kinds that the feed no longer delivers."""

    number: int
    stay: int


@dataclass(frozen=True, slots=True)
class Tested:
    """What a receiver answered to a test. `result`: `delivered`, or what became of it; `why`: empty if all is well."""

    result: str
    why: str
    seconds: float


def set_state(settings: Settings, paths: Paths, name: str, state: State) -> None:
    """Pause or resume a feed; resuming also ends what its receiver has disabled. Raises Refused."""
    feed_of(settings, name)
    with open_books(paths, "rw") as books:
        now = times.iso(datetime.now(UTC))
        change = "UPDATE feeds SET state = ?, reason = '', since = iif(state = ?, since, ?) WHERE feed = ?"
        if books is None or not books.execute(change, (state, state, now, name)).rowcount:
            raise _not_begun(name)


def retry(editor: LeadEditor, settings: Settings, name: str, events: Collection[int]) -> Retried:
    """Deliver again what was given up: these events, or all if there are none. Raises Refused.

    They become events for this feed alone, in their old order, and have new ids: their receiver may have seen the old
    ones. They leave the dead letters after that is committed, so a crash between makes them come twice.
    """
    feed = feed_of(settings, name)
    with open_books(editor.paths, "rw") as books:
        if books is None:
            raise _not_begun(name)
        books.execute("BEGIN IMMEDIATE")  # released by closing
        letters = rows(
            books,
            "SELECT event_id, kind, stream, at, data FROM dead_letters WHERE feed = ? ORDER BY event_id",
            name,
        )
        if unknown := sorted(set(events) - {letter["event_id"] for letter in letters}):
            raise Refused(
                _("{name} has given up no event {ids}; `leadmasterd feeds dead {name}` lists them").format(
                    name=name, ids=", ".join(map(str, unknown))
                )
            )
        asked = [letter for letter in letters if not events or letter["event_id"] in events]
        wanted = [letter for letter in asked if feed.wants(letter["kind"])]
        with editor.transaction():
            editor.connection.executemany(
                "INSERT INTO outbox (kind, stream, at, data, feed) VALUES (?, ?, ?, ?, ?)",
                [(each["kind"], each["stream"], each["at"], each["data"], name) for each in wanted],
            )
        books.executemany(
            "DELETE FROM dead_letters WHERE feed = ? AND event_id = ?", [(name, each["event_id"]) for each in wanted]
        )
        books.execute("COMMIT")
    return Retried(len(wanted), len(asked) - len(wanted))


def replay(
    editor: LeadEditor,
    settings: Settings,
    name: str,
    from_at: str,
    *,
    until: str = "9999",
    on_plan: Callable[[int, int], None],
    on_progress: Callable[[int, int], None],
) -> int:
    """Deliver again all that happened from `from_at` to `until` (ISO, UTC). Returns how many events that is.

    What was given up because it took too much disk is then told only as far as it happened after `until`: a person has
    decided about the rest.

    `on_plan` gets that number and about how many bytes they take, before any is written; `on_progress` how many are
    written, and of how many. Raises Refused where the disk is too small.
    """
    feed = feed_of(settings, name)
    with open_books(editor.paths, "ro") as books:
        if books is None or not _has_begun(books, name):
            raise _not_begun(name)
        gone = rows(books, "SELECT number, last_at FROM given_up WHERE feed = ?", name)
    plan = replaying.plan(editor.connection, from_at, until=until, full=feed.full, kinds=wanted_kinds(feed))
    on_plan(plan.number, plan.size)
    _check_room(editor, plan.size)
    running, written = is_running(editor.paths), 0
    for first in range(1, plan.number + 1, PART):
        with editor.transaction():
            written += replaying.replay(editor.connection, name, first, first + PART - 1, full=feed.full)
        on_progress(written, plan.number)
        if running:
            time.sleep(PAUSE)
    if gone:
        _no_longer_told(editor.paths, name, gone[0], until)
    return written


def _no_longer_told(paths: Paths, name: str, gone: Row, until: str) -> None:
    """Unless more was given up meanwhile."""
    with open_books(paths, "rw") as books:
        if books is None:
            return
        if until < gone["last_at"]:
            change = "UPDATE given_up SET first_at = max(first_at, ?) WHERE feed = ? AND number = ?"
            books.execute(change, (until, name, gone["number"]))
        else:
            books.execute("DELETE FROM given_up WHERE feed = ? AND number = ?", (name, gone["number"]))


def send_test(settings: Settings, paths: Paths, name: str) -> Tested:
    """Send one event of the kind `test` straight to the receiver; nothing is noted anywhere. Raises Refused.

    In a process of its own, because nothing else may load the client that delivers.
    """
    feed_of(settings, name)
    if paths.state_dir.exists() and not os.access(paths.state_dir, os.W_OK | os.X_OK):
        raise PermissionError(EACCES, _("permission denied"), str(paths.state_dir))
    try:
        done = subprocess.run(
            python_module("leadmasterd.feeds.trial", *paths.config_arguments, f"--language={spoken_language()}", name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_TEST,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotUseState(_("the test of {name} did not end within a minute").format(name=name)) from error
    if done.returncode:
        raise _FAILURES.get(done.returncode, LeadmasterdError)(done.stderr.strip())
    answer: dict[str, Any] = json.loads(done.stdout)
    return Tested(answer["result"], translated(answer["why"]), answer["seconds"])


def _has_begun(books: Connection, name: str) -> bool:
    return bool(rows(books, "SELECT 1 FROM feeds WHERE feed = ?", name))


def _not_begun(name: str) -> Refused:
    return Refused(
        _("{name} has not begun yet: the daemon starts new feeds when it starts; restart it").format(name=name)
    )


def _check_room(editor: LeadEditor, size: int) -> None:
    """Each event is written to the database and to its log, and must not be too many for the outbox."""
    free, floor = shutil.disk_usage(editor.paths.database.parent).free, editor.settings.disk_floor_mb
    needed = 2 * size + floor * 1_000_000
    now = room(editor.connection, free=free)
    if now.taken + size > now.most:
        needed = max(needed, free + SHARE * (now.taken + size - now.most))
    if free < needed:
        raise Refused(
            _(
                "cannot replay: that needs {needed} MB of free disk, and there are {free} MB; "
                "choose a later --from or an earlier --until"
            ).format(needed=figure(needed // 1_000_000), free=figure(free // 1_000_000))
        )
