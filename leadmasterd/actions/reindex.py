"""Rebuilding the word index (the page's search), in short transactions, safe while the daemon runs."""

import time
from collections.abc import Callable

from leadmasterd.actions.rebuild import PAUSE
from leadmasterd.actions.unit_of_work import LeadEditor
from leadmasterd.queries.database import rows
from leadmasterd.state.files import is_running
from leadmasterd.store.database import damaged
from leadmasterd.store.word_index import IndexBroken, drop, fill, indexed_through

OnProgress = Callable[[int, int], None]
"""Called after each transaction with the id of the last message indexed, and of the last of all."""


def reindex(editor: LeadEditor, on_progress: OnProgress = lambda _done, _total: None) -> int:
    """Drop the word index and build it again from all messages. Returns how many messages there are.

    Raises DatabaseDamaged where the index can't be built.
    """
    connection = editor.connection
    daemon_runs = is_running(editor.paths)
    with editor.transaction():
        drop(connection)
    [row] = rows(connection, "SELECT count(*) AS messages, coalesce(max(message_id), 0) AS last FROM messages")
    more = True
    try:
        while more:
            with editor.transaction():
                more = fill(connection, least=1)
            indexed = indexed_through(connection) or 0
            on_progress(min(indexed, row["last"]), row["last"])  # messages that came meanwhile are indexed as well
            if daemon_runs and more:
                time.sleep(PAUSE)
    except IndexBroken as error:
        raise damaged(editor.paths.database, str(error)) from error
    return int(row["messages"])
