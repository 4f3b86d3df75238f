"""Rebuilding all leads from what is stored, in short transactions, safe while the daemon runs.

`in_slices` is also how `reclassify` goes through the conversations.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypedDict, cast

from leadmasterd import times
from leadmasterd.actions.unit_of_work import LeadEditor
from leadmasterd.errors import LeadmasterdError
from leadmasterd.queries.database import Row, cause_in_file, id_list, rows
from leadmasterd.state.files import is_running
from leadmasterd.store.dirty import mark_all_dirty, mark_wholly_dirty
from leadmasterd.store.mending import decide_again, decided_by_packed

SLICE: Final = 64
"""Conversations per transaction, which takes some tens of milliseconds."""
PAUSE: Final = 0.15
"""Seconds between two slices while the daemon runs, so that it can write: SQLite retries its lock every 0.1 s."""

OnProgress = Callable[[int, int], None]
"""Called after each slice with the number of conversations done, and of all."""


class RebuildRecord(TypedDict):
    """The answer of `leads rebuild`."""

    leads: int
    open: int
    changed: int
    made: int
    withdrawn: int
    waiting: int
    failed: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A conversation whose leads could not be derived, because of a defect in this program.

    It stays marked for projection; the daemon retries at its next start.
    """

    conversation_id: int
    error: str


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The result of a rebuild. `counts`: the columns of `RebuildRecord` but `failed`."""

    counts: Row
    failures: list[Failure]

    def as_json(self) -> RebuildRecord:
        """The object that docs/json.md documents as `leads rebuild`."""
        return cast("RebuildRecord", {**self.counts, "failed": len(self.failures)})


def rebuild(editor: LeadEditor, on_progress: OnProgress = lambda _done, _total: None) -> Rebuilt:
    """Derive all leads again from messages, settings and what people decided.

    Who wrote each message is decided again too, if its line of the wire is still stored.
    """
    began = times.iso(datetime.now(UTC))
    with editor.transaction():
        editor.projector.adopt_policy()
        mark_all_dirty(editor.connection)
    dirty = rows(editor.connection, "SELECT conversation_id FROM unjudged ORDER BY conversation_id")
    packed = decided_by_packed(editor.connection)  # what packed lines of the wire say of it

    def decide_and_project(conversations: Sequence[int]) -> None:
        """Decide who wrote the messages of these conversations, and derive their leads."""
        mark_wholly_dirty(editor.connection, decide_again(editor.connection, conversations, packed))
        # Skip those that the daemon has projected meanwhile.
        left = rows(
            editor.connection,
            "SELECT conversation_id FROM unjudged WHERE conversation_id IN (SELECT value FROM json_each(:slice))",
            slice=id_list(conversations),
        )
        editor.projector.project([row["conversation_id"] for row in left], datetime.now(UTC))

    return in_slices(
        editor, [row["conversation_id"] for row in dirty], decide_and_project, began=began, on_progress=on_progress
    )


def in_slices(
    editor: LeadEditor,
    conversations: Sequence[int],
    work: Callable[[Sequence[int]], None],
    *,
    began: str,
    on_progress: OnProgress,
) -> Rebuilt:
    """Run `work` on all of these conversations, SLICE in each transaction.

    `began`: when the rebuild began (ISO, UTC); the counts are of what changed since. Conversations with which `work`
    fails because of a defect are returned as failures. Raises every LeadmasterdError of `work`. At the first failure it
    checks the database file, and raises what is wrong with the file.
    """
    daemon_runs = is_running(editor.paths)
    failures: list[Failure] = []
    for first in range(0, len(conversations), SLICE):
        part = conversations[first : first + SLICE]
        failed = _in_one_transaction(editor, part, work)
        if failed and not failures:  # the first failure of all: perhaps the file is damaged
            cause = cause_in_file(editor.paths.database, RuntimeError(failed[0].error))
            if cause:
                raise cause
        failures += failed
        on_progress(first + len(part), len(conversations))
        if daemon_runs:
            time.sleep(PAUSE)
    return Rebuilt(_counts(editor, began), failures)


def _in_one_transaction(
    editor: LeadEditor, conversations: Sequence[int], work: Callable[[Sequence[int]], None]
) -> list[Failure]:
    """Run `work` on these in one transaction; if a defect makes it fail, again on each in a transaction of its own.

    Returns the conversations that failed. Raises every LeadmasterdError of `work`.
    """
    try:
        with editor.transaction():
            work(conversations)
    except LeadmasterdError:
        raise
    except Exception as error:  # noqa: BLE001 - one bad conversation must not stop the others
        if len(conversations) > 1:
            return [failure for each in conversations for failure in _in_one_transaction(editor, [each], work)]
        return [Failure(conversations[0], f"{type(error).__name__}: {error}")]
    return []


def _counts(editor: LeadEditor, began: str) -> Row:
    """How many leads there are now, and how many were changed, made and withdrawn since `began`; see `Rebuilt`."""
    [row] = rows(
        editor.connection,
        "SELECT count(*) AS leads, coalesce(sum(closed_at IS NULL), 0) AS open, "
        "coalesce(sum(updated_at >= :began AND created_at < :began), 0) AS changed, "
        "coalesce(sum(created_at >= :began), 0) AS made, "
        "(SELECT count(*) FROM lead_events WHERE kind = 'withdrawn' AND recorded_at >= :began) AS withdrawn, "
        "(SELECT count(*) FROM conversations WHERE waiting_since IS NOT NULL) AS waiting FROM leads",
        began=began,
    )
    return row
