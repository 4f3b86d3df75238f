"""What a person decides about feeds: pause, resume, retry, replay, test. The feeds process notices within a second.

Events that are to be delivered again are appended to the outbox, for that feed alone and marked as replayed.
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
"""Seconds. A try at the slowest kind of receiver, a sheet, may take forty."""

_ERROR_OF_EXIT_CODE: Final = {each.exit_code: each for each in (Refused, CannotUseState, CannotUseSettings)}
"""Errors that the process of a test ends with, so that `send_test` can raise the same."""

State = Literal["active", "paused"]


@dataclass(frozen=True, slots=True)
class Retried:
    """How many dead letters will be delivered again, and how many stay because the feed no longer takes their kind."""

    number: int
    stay: int


@dataclass(frozen=True, slots=True)
class Tested:
    """What a receiver answered to a test. `result`: a `feeds.schedule.Result`, `delivered` if it succeeded.

    `why`: the reason in the language of this process, or the HTTP status; may be empty. `seconds`: how long it took.
    """

    result: str
    why: str
    seconds: float


def set_state(settings: Settings, paths: Paths, name: str, state: State) -> None:
    """Pause or resume a feed; resuming also turns on a feed that its receiver had disabled.

    Setting the state that it has already changes nothing. Raises Refused if there is no such feed, or if it has not
    started yet.
    """
    feed_of(settings, name)  # raises Refused
    with open_books(paths, "rw") as books:
        now = times.iso(datetime.now(UTC))
        change = "UPDATE feeds SET state = ?, reason = '', since = iif(state = ?, since, ?) WHERE feed = ?"
        if books is None or not books.execute(change, (state, state, now, name)).rowcount:
            raise _not_begun(name)


def retry(editor: LeadEditor, settings: Settings, name: str, events: Collection[int]) -> Retried:
    """Deliver again what was given up: the events with these ids, or all dead letters if `events` is empty.

    They are written to the outbox for this feed alone, in their old order and with new ids, as the receiver may have
    seen the old ones. Once that is committed, the dead letters are deleted. A crash in between leaves them in both
    places, so they can be delivered twice. Raises Refused if an id is not among the feed's dead letters.
    """
    feed = feed_of(settings, name)
    with open_books(editor.paths, "rw") as books:
        if books is None:
            raise _not_begun(name)
        books.execute("BEGIN IMMEDIATE")  # nobody else takes dead letters meanwhile
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
    """Deliver again all that happened from `from_at` to `until` (ISO, UTC). Returns the number of events.

    `on_plan` is called before any is written, with the number of events and their approximate size in bytes;
    `on_progress` after each transaction, with the number written so far and the number of all. Raises Refused where
    the disk is too small.

    The record of events given up for lack of disk then keeps only those after `until`. Earlier ones are out of it even
    if they happened before `from_at`: the person chose the period.
    """
    feed = feed_of(settings, name)
    with open_books(editor.paths, "ro") as books:
        if books is None or not _has_begun(books, name):
            raise _not_begun(name)
        given_up = rows(books, "SELECT number, last_at FROM given_up WHERE feed = ?", name)
    plan = replaying.plan(editor.connection, from_at, until=until, full=feed.full, kinds=wanted_kinds(feed))
    on_plan(plan.number, plan.size)
    _check_room(editor, plan.size)
    daemon_runs = is_running(editor.paths)
    written = 0
    for first in range(1, plan.number + 1, PART):
        with editor.transaction():
            written += replaying.replay(editor.connection, name, first, first + PART - 1, full=feed.full)
        on_progress(written, plan.number)
        if daemon_runs:
            time.sleep(PAUSE)
    if given_up:
        _forget_given_up(editor.paths, name, given_up[0], until)
    return written


def _forget_given_up(paths: Paths, name: str, before: Row, until: str) -> None:
    """Take what happened up to `until` out of the feed's record of events given up for lack of disk.

    `before`: that record as it was before the replay. If its number has grown since, more was given up meanwhile, and
    the record stays.
    """
    with open_books(paths, "rw") as books:
        if books is None:
            return
        if until < before["last_at"]:
            change = "UPDATE given_up SET first_at = max(first_at, ?) WHERE feed = ? AND number = ?"
            books.execute(change, (until, name, before["number"]))
        else:
            books.execute("DELETE FROM given_up WHERE feed = ? AND number = ?", (name, before["number"]))


def send_test(settings: Settings, paths: Paths, name: str) -> Tested:
    """Send one event of the kind `test` straight to the receiver; nothing is recorded anywhere.

    It runs in a process of its own (`leadmasterd.feeds.trial`), because nothing else may load the HTTP client. Raises
    Refused for an unknown feed, PermissionError where this user may not write to the state folder, and what that
    process ended with.
    """
    feed_of(settings, name)  # raises Refused
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
        raise _ERROR_OF_EXIT_CODE.get(done.returncode, LeadmasterdError)(done.stderr.strip())
    answer: dict[str, Any] = json.loads(done.stdout)
    return Tested(answer["result"], translated(answer["why"]), answer["seconds"])


def _has_begun(books: Connection, name: str) -> bool:
    """Whether the feeds process has started this feed at least once."""
    return bool(rows(books, "SELECT 1 FROM feeds WHERE feed = ?", name))


def _not_begun(name: str) -> Refused:
    """The error for a feed of the settings that the feeds process has not started yet."""
    return Refused(
        _("{name} has not begun yet: the daemon starts new feeds when it starts; restart it").format(name=name)
    )


def _check_room(editor: LeadEditor, size: int) -> None:
    """Raise Refused unless `size` more bytes of events fit on the disk and within the outbox's share of it."""
    free = shutil.disk_usage(editor.paths.database.parent).free
    needed = 2 * size + editor.settings.disk_floor_mb * 1_000_000  # twice: in the WAL, then in the database
    outbox = room(editor.connection, free=free)
    too_much = outbox.taken + size - outbox.most
    if too_much > 0:  # it may take one byte for each SHARE bytes of free disk
        needed = max(needed, free + SHARE * too_much)
    if free < needed:
        raise Refused(
            _(
                "cannot replay: that needs {needed} MB of free disk, and there are {free} MB; "
                "choose a later --from or an earlier --until"
            ).format(needed=figure(needed // 1_000_000), free=figure(free // 1_000_000))
        )
