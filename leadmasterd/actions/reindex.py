"""Making the index of words anew, in short transactions, safe while the daemon runs."""

import time
from collections.abc import Callable

from leadmasterd.actions.rebuild import PAUSE
from leadmasterd.actions.unit_of_work import LeadEditor
from leadmasterd.queries.database import rows
from leadmasterd.state.files import is_running
from leadmasterd.store.database import damaged
from leadmasterd.store.word_index import IndexBroken, drop, fill, indexed_through

OnProgress = Callable[[int, int], None]
"""Called after each transaction with the number of messages done, and of all."""


def reindex(editor: LeadEditor, on_progress: OnProgress = lambda _done, _total: None) -> int:
    """Index the words of all messages anew. Returns how many there are. Raises DatabaseDamaged."""
    connection = editor.connection
    running = is_running(editor.paths)
    with editor.transaction():
        drop(connection)
    [row] = rows(connection, "SELECT count(*) AS messages, coalesce(max(message_id), 0) AS last FROM messages")
    more = True
    try:
        while more:
            with editor.transaction():
                more = fill(connection, least=1)
            on_progress(min(indexed_through(connection) or 0, row["last"]), row["last"])
            if running and more:
                time.sleep(PAUSE)
    except IndexBroken as error:
        raise damaged(editor.paths.database, str(error)) from error
    return int(row["messages"])
