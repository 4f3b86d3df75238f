"""A long history, loaded and read window by window, so that memory never holds more than one of them.

A window ends at a boundary (`timeline.Boundary`): nothing later changes how it is read. To read it, nothing earlier is
needed but what is remembered (`History.heard`, `History.wrote`). A short history is one window.
"""

import sqlite3
from collections.abc import Iterator, Set
from typing import Final

from leadmasterd import times
from leadmasterd.leads.timeline import NOTHING_HEARD, Burst, Heard, Inbound, Reading
from leadmasterd.projection.history import SHORT, History, histories_of, load

MESSAGES: Final = 2_000
"""How many messages of each conversation a window has. With these it takes some 4 MB; a shorter window saves little of
that and costs more queries."""


class Windows:
    """The windows of one history, from `history.since` on; the history object holds the current one.

    For each window call `load`, then `read`; if `read` returns None, call both again. If `history.until` is None then,
    this was the last window; else call `advance`, and the same for the next one.
    """

    def __init__(self, connection: sqlite3.Connection, history: History, messages: int) -> None:
        """`messages`: how many of each conversation a window may have. It has more if these have no boundary."""
        self._db = connection
        self._history = history
        self._usual_length = messages
        self._length = messages
        """Of the current window, in messages of each conversation."""

    def load(self) -> None:
        """Load the history from `since` on, as many messages as the current window may have, and set `until`.

        What `read` then takes as the window may be less.
        """
        if self._history.is_new:
            return  # it was loaded with others
        end = self._latest_end()
        self._history.until = None if end is None else times.to_ms(end)
        load(self._db, [self._history])

    def _latest_end(self) -> str | None:
        """The time at which a first conversation has more messages than a window may have. None: none has so many."""
        is_known_to_be_short = 0 < self._history.message_count <= SHORT
        if is_known_to_be_short:
            return None
        ends = [self._end_in(conversation) for conversation in self._history.conversations]
        return min((end for end in ends if end is not None), default=None)

    def _end_in(self, conversation: int) -> str | None:
        """The time of the first message that no longer fits. None: all of this conversation fits."""
        row = self._db.execute(
            "SELECT sent_at FROM messages WHERE conversation_id = ? AND sent_at >= ? ORDER BY sent_at LIMIT 1 OFFSET ?",
            (conversation, self._history.since_at, self._length),
        ).fetchone()
        return None if row is None else str(row[0])

    def read(self, burst_seconds: float, automatic: Set[int] | None, *, every: int) -> Reading | None:
        """The steps of what was loaded, up to its last boundary. There the window ends: it becomes `history.until`.

        The last window is read to its end. None: what was loaded has no boundary; the next `load` then loads twice as
        much. `automatic`, `every`: as for `History.read`.
        """
        history = self._history
        reading = history.read(burst_seconds, automatic, every=every)
        if history.until is None:
            return reading
        if not reading.boundaries:
            self._length *= 2
            return None
        self._length = self._usual_length
        end = reading.boundaries[-1]
        history.end_at(end.at)
        return Reading(reading.steps[: end.steps], reading.boundaries, end.events)

    def advance(self, heard: dict[int, Heard], wrote: Set[int]) -> None:
        """Let the next window begin where this one ended. `heard`, `wrote`: what is remembered there (`History`)."""
        history = self._history
        history.since, history.heard, history.wrote = history.until, heard, wrote


def bursts_of(
    connection: sqlite3.Connection, conversation: int, burst_seconds: float, *, messages: int = MESSAGES
) -> Iterator[Burst]:
    """Yield all bursts of the contact behind this conversation, in order; nothing if it has no contact.

    `messages`: how many of each conversation are loaded at once. Authors of outgoing messages are taken as stored.
    """
    for history in histories_of(connection, [conversation]):
        windows = Windows(connection, history, messages)
        wrote: set[int] = set()
        while True:
            windows.load()
            reading = windows.read(burst_seconds, None, every=1)
            if reading is None:
                continue  # load more
            for step in reading.steps:
                if isinstance(step, Burst):
                    wrote.add(history.people[step.conversation])
                    yield step
            if history.until is None:
                break
            windows.advance(_heard_after(history), wrote)


def _heard_after(history: History) -> dict[int, Heard]:
    """What is remembered of each thread for the next window: `last` and `written`.

    The rest of `Heard` is only needed to find authors, and here these are taken as stored.
    """
    heard = dict(history.heard)
    for event in history.events:
        if isinstance(event, Inbound):
            thread = history.threads[event.conversation]
            heard[thread] = heard.get(thread, NOTHING_HEARD)._replace(last=event.at)
    for thread, written in history.first_sent().items():
        heard[thread] = heard.get(thread, NOTHING_HEARD)._replace(written=written)
    return heard
