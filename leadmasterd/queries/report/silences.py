"""Of the customers who fell silent after our answer, how many wrote again.

A silence begins with our answer to an open lead (our first message after theirs) and ends with their next message or
call; what else we write meanwhile does not end it. Looked at are those that became so many days old within a stretch
that ends with the period. Only what was known at that end counts, so that two periods can be compared.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypedDict

from leadmasterd.queries.database import Connection
from leadmasterd.queries.report.periods import Window
from leadmasterd.times import iso, to_ms

DAYS: Final = (1, 3, 7, 14, 30)
LOOK_BACK: Final = timedelta(days=90)
"""A week has too few long silences to say anything."""
_DAY_MS: Final = 86_400_000
_NEVER: Final = 1 << 62


class Silence(TypedDict):
    """`silent`: silences that lasted so many days; `answered`: how many of these ended with words of theirs."""

    days: int
    silent: int
    answered: int


class Silences(TypedDict):
    """`since`: those that became so old since then."""

    since: str
    by_days: list[Silence]


_SAID: Final = """
    SELECT m.conversation_id, m.sent_at, m.author = 'operator' FROM messages m
    WHERE m.conversation_id IN (SELECT conversation_id FROM leads l WHERE l.stage NOT IN ('junk', 'merged')
        AND l.opened_at < :ends AND l.last_message_at >= :begins AND coalesce(l.closed_at >= :closed, 1))
    AND m.sent_at >= :begins AND m.sent_at < :ends AND m.author IN ('contact', 'operator')
    AND (m.author = 'contact' OR m.revoked_at IS NULL) ORDER BY m.conversation_id, m.sent_at
"""
_CALLED: Final = """
    SELECT conversation_id, started_at, 0 FROM calls WHERE (answered OR NOT outgoing) AND started_at >= :begins
    AND started_at < :ends ORDER BY conversation_id, started_at
"""
_OPEN: Final = """
    SELECT conversation_id, opened_at, closed_at FROM leads
    WHERE stage NOT IN ('junk', 'merged') AND opened_at < :ends AND coalesce(closed_at >= :closed, 1)
"""


def silences(connection: Connection, windows: Sequence[Window]) -> list[Silences]:
    """One answer for each window, from one look at the messages."""
    spans = [_looked_at(window) for window in windows]
    counted = [{days: [0, 0] for days in DAYS} for _ in spans]
    bounds = [(to_ms(iso(span.begins)), to_ms(iso(span.ends))) for span in spans]
    first, last = min(span.begins for span in spans), max(span.ends for span in spans)
    ages = [(days, days * _DAY_MS) for days in DAYS]
    for began, ended, closed in _all(connection, first, last):
        lasted = min(ended, closed)
        if lasted - began <= _DAY_MS:  # as most are
            continue
        for (begins, ends), counts in zip(bounds, counted, strict=True):
            for days, age in ages:
                old = began + age
                if old >= ends or old >= lasted:
                    break
                if old >= begins:
                    counts[days][0] += 1
                    counts[days][1] += ended < ends
    return [_answer(span, counts) for span, counts in zip(spans, counted, strict=True)]


def no_silences(window: Window) -> Silences:
    """The answer before anything was captured."""
    return _answer(_looked_at(window), {days: [0, 0] for days in DAYS})


def _looked_at(window: Window) -> Window:
    if window.begins == window.ends:  # it has not begun: nothing of it is known
        return window
    return Window(min(window.begins, window.ends - LOOK_BACK), window.ends)


def _answer(span: Window, counts: dict[int, list[int]]) -> Silences:
    return {
        "since": iso(span.begins),
        "by_days": [{"days": days, "silent": each[0], "answered": each[1]} for days, each in counts.items()],
    }


def _all(connection: Connection, since: datetime, ends: datetime) -> Iterator[tuple[int, int, int]]:
    """Of each silence that may have lasted a day, in milliseconds: when it began, ended, and its lead was closed."""
    begins = iso(since - timedelta(days=max(DAYS)))
    values = {"begins": begins, "ends": iso(ends), "closed": iso(since)}
    leads: dict[int, list[tuple[int, int]]] = {}
    for conversation, opened_at, closed_at in _tuples(connection, _OPEN, values):
        leads.setdefault(conversation, []).append((to_ms(opened_at), to_ms(closed_at) if closed_at else _NEVER))
    said = heapq.merge(_tuples(connection, _SAID, values), _tuples(connection, _CALLED, values))
    for conversation, messages in groupby(said, key=itemgetter(0)):
        for began, ended in _stretches((at, ours) for _, at, ours in messages):
            for opened, closed in leads.get(conversation, ()):
                if opened <= began < closed:
                    yield began, ended, closed


def _stretches(messages: Iterable[tuple[str, int]]) -> Iterator[tuple[int, int]]:
    """From our answer to their next words, unless these came on the same day; _NEVER where they have not come."""
    began: str | None = None
    for at, ours in messages:
        if ours:
            began = began or at
        elif began is not None:
            if began[:10] != at[:10]:
                yield to_ms(began), to_ms(at)
            began = None
    if began is not None:
        yield to_ms(began), _NEVER


def _tuples(connection: Connection, query: str, values: dict[str, str]) -> Iterator[tuple[int, str, Any]]:
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(query, {name: value for name, value in values.items() if f":{name}" in query})
