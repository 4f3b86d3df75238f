"""A long history, loaded and read window by window, so that no more than one of them is held at once.

A window ends at a boundary (`timeline.Boundary`): how it is read depends on nothing that is later, and of what is
earlier on what is remembered of it. A history that is not long is one window.
"""

import sqlite3
from collections.abc import Iterator, Set
from typing import Final

from leadmasterd import times
from leadmasterd.leads.timeline import NOTHING_HEARD, Burst, Heard, Inbound, Reading
from leadmasterd.projection.history import SHORT, History, histories_of, load

MESSAGES: Final = 2_000
"""Of each conversation in a window. It takes some 4 MB; a shorter one saves little of that, and costs more queries."""


class Windows:
    """The windows of one history, from `history.since` on.

    `load`, then `read` what was loaded; when that says that it is too short to be parted, again. Then `go_on`.
    """

    def __init__(self, connection: sqlite3.Connection, history: History, messages: int) -> None:
        self._db = connection
        self._history = history
        self._shortest = self._messages = messages

    def load(self) -> None:
        """Load the next one, with something of what comes after it."""
        if self._history.is_new:
            return  # it was loaded with others
        end = self._end()
        self._history.until = None if end is None else times.to_ms(end)
        load(self._db, [self._history])

    def _end(self) -> str | None:
        """Before it no conversation has more messages than wanted. None: not so many are left."""
        if 0 < self._history.messages <= SHORT:
            return None
        return min(filter(None, map(self._end_in, self._history.conversations)), default=None)

    def _end_in(self, conversation: int) -> str | None:
        row = self._db.execute(
            "SELECT sent_at FROM messages WHERE conversation_id = ? AND sent_at >= ? ORDER BY sent_at LIMIT 1 OFFSET ?",
            (conversation, self._history.since_at, self._messages),
        ).fetchone()
        return None if row is None else str(row[0])

    def read(self, burst_seconds: float, automatic: Set[int] | None, *, every: int) -> Reading | None:
        """The window that was loaded, as far as the last boundary in it, where it ends; the last one, all of it.

        None: it has no boundary, and has to be longer. `automatic`, `every`: as for `History.read`.
        """
        history = self._history
        reading = history.read(burst_seconds, automatic, every=every)
        if history.until is None:
            return reading
        if not reading.boundaries:
            self._messages *= 2
            return None
        self._messages = self._shortest
        end = reading.boundaries[-1]
        history.end_at(end.at)
        return Reading(reading.steps[: end.steps], reading.boundaries, end.events)

    def go_on(self, heard: dict[int, Heard], wrote: Set[int]) -> None:
        """The next window begins where this one ended. `heard`, `wrote`: what is remembered there (`History`)."""
        history = self._history
        history.since, history.heard, history.wrote = history.until, heard, wrote


def bursts_of(
    connection: sqlite3.Connection, conversation: int, burst_seconds: float, *, messages: int = MESSAGES
) -> Iterator[Burst]:
    """All bursts of the person behind this conversation, by time. `messages`: of a window."""
    for history in histories_of(connection, [conversation]):
        windows = Windows(connection, history, messages)
        wrote: set[int] = set()
        while True:
            windows.load()
            reading = windows.read(burst_seconds, None, every=1)
            if reading is None:
                continue
            for step in reading.steps:
                if isinstance(step, Burst):
                    wrote.add(history.people[step.conversation])
                    yield step
            if history.until is None:
                break
            windows.go_on(_heard(history), wrote)


def _heard(history: History) -> dict[int, Heard]:
    """What is to be remembered after a window whose messages have their authors."""
    heard = dict(history.heard)
    for event in history.events:
        if isinstance(event, Inbound):
            thread = history.threads[event.conversation]
            heard[thread] = heard.get(thread, NOTHING_HEARD)._replace(last=event.at)
    for thread, written in history.first_written().items():
        heard[thread] = heard.get(thread, NOTHING_HEARD)._replace(written=written)
    return heard
