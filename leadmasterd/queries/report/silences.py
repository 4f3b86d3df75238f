"""Of the customers who fell silent after our answer, how many wrote again.

A silence begins with our answer to an open lead (our first message after theirs) and ends with their next message or
call; what else we write meanwhile does not end it. For each number of days in `DAYS`, a silence counts if it became so
many days old while the lead was open, in the period or at most `LOOK_BACK` before its end. Only what was known at the
period's end counts, so that two periods can be compared.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypedDict

from leadmasterd.queries.database import Connection
from leadmasterd.queries.report.periods import Window
from leadmasterd.times import iso, to_ms

DAYS: Final = (1, 3, 7, 14, 30)
"""Ages of a silence that are counted, in ascending order."""
LOOK_BACK: Final = timedelta(days=90)
"""How far before a period's end silences are counted: a week alone has too few long ones to say anything."""
_DAY_MS: Final = 86_400_000
_NEVER: Final = 1 << 62
"""A time (ms) after all others, for what has not happened."""


class Silence(TypedDict):
    """`silent`: silences that became so many days old; `answered`: how many of them the customer has ended since."""

    days: int
    silent: int
    answered: int


class Silences(TypedDict):
    """Silences by age. `since`: those count that reached the age between then and the period's end."""

    since: str
    by_days: list[Silence]


_MESSAGES: Final = """
    SELECT m.conversation_id, m.sent_at, m.author = 'operator' FROM messages m
    WHERE m.conversation_id IN (SELECT conversation_id FROM leads l WHERE l.stage NOT IN ('junk', 'merged')
        AND l.opened_at < :ends AND l.last_message_at >= :begins AND coalesce(l.closed_at >= :closed, 1))
    AND m.sent_at >= :begins AND m.sent_at < :ends AND m.author IN ('contact', 'operator')
    AND (m.author = 'contact' OR m.revoked_at IS NULL) ORDER BY m.conversation_id, m.sent_at
"""
"""Conversation, time, and whether it is ours, of the messages that can begin or end a silence of a lead."""
_CALLS: Final = """
    SELECT conversation_id, started_at, 0 FROM calls WHERE (answered OR NOT outgoing) AND started_at >= :begins
    AND started_at < :ends ORDER BY conversation_id, started_at
"""
"""Conversation, time and 0 (not ours), of the calls that end a silence: theirs, and those of ours that they took."""
_LEADS: Final = """
    SELECT conversation_id, opened_at, closed_at FROM leads
    WHERE stage NOT IN ('junk', 'merged') AND opened_at < :ends AND coalesce(closed_at >= :closed, 1)
"""


def silences(connection: Connection, windows: Sequence[Window]) -> list[Silences]:
    """The silences of each window, in the order of the windows. Messages are read once for all of them."""
    spans = [_span_of(window) for window in windows]
    results = [_none_in(span) for span in spans]
    bounds = [(to_ms(iso(span.begins)), to_ms(iso(span.ends))) for span in spans]
    first, last = min(span.begins for span in spans), max(span.ends for span in spans)
    for silence in _silences_between(connection, first, last):
        lasted_until = min(silence.ended, silence.lead_closed)
        if lasted_until - silence.began <= _DAY_MS:  # as most are
            continue
        for (begins, ends), result in zip(bounds, results, strict=True):
            known_until = min(ends, lasted_until)  # what comes after the period is not known yet
            for counts in result["by_days"]:
                reached_age = silence.began + counts["days"] * _DAY_MS
                if reached_age >= known_until:
                    break  # it did not become so old, and so no older either
                if reached_age >= begins:
                    counts["silent"] += 1
                    counts["answered"] += silence.ended < ends
    return results


def no_silences(window: Window) -> Silences:
    """The answer for a window before anything was captured."""
    return _none_in(_span_of(window))


def _span_of(window: Window) -> Window:
    """The time in which silences must have reached an age to count for this window: at least `LOOK_BACK`.

    An empty window stays empty: the period has not begun, so nothing of it is known.
    """
    if window.begins == window.ends:
        return window
    return Window(min(window.begins, window.ends - LOOK_BACK), window.ends)


def _none_in(span: Window) -> Silences:
    return {"since": iso(span.begins), "by_days": [{"days": days, "silent": 0, "answered": 0} for days in DAYS]}


class _Silence(NamedTuple):
    """A silence and when its lead was closed, in milliseconds; `_NEVER` for what has not happened."""

    began: int
    ended: int
    lead_closed: int


def _silences_between(connection: Connection, since: datetime, ends: datetime) -> Iterator[_Silence]:
    """Each silence that may have reached an age between two moments: all but those that ended on the same day.

    A silence belongs to the lead that was open when it began. Without one, it is no silence.
    """
    values = {"begins": iso(since - timedelta(days=max(DAYS))), "ends": iso(ends), "closed": iso(since)}
    leads: dict[int, list[tuple[int, int]]] = {}
    for conversation, opened_at, closed_at in _tuples(connection, _LEADS, values):
        closed = to_ms(closed_at) if closed_at else _NEVER
        leads.setdefault(conversation, []).append((to_ms(opened_at), closed))
    events = heapq.merge(_tuples(connection, _MESSAGES, values), _tuples(connection, _CALLS, values))
    for conversation, in_order in groupby(events, key=itemgetter(0)):
        for began, ended in _stretches((at, is_ours) for _conversation, at, is_ours in in_order):
            for opened, closed in leads.get(conversation, ()):
                if opened <= began < closed:
                    yield _Silence(began, ended, closed)


def _stretches(messages: Iterable[tuple[str, int]]) -> Iterator[tuple[int, int]]:
    """From our answer until their next words (`_NEVER`: they have not come), in milliseconds.

    `messages`: of one conversation in order, each with its time as ISO text and whether it is ours. Stretches that end
    on the day (UTC) on which they begin are too short to count. They are left out here, because comparing the text of
    the dates is quick.
    """
    began: str | None = None
    for at, is_ours in messages:
        if is_ours:
            began = began or at
        elif began is not None:
            same_day = began[:10] == at[:10]
            if not same_day:
                yield to_ms(began), to_ms(at)
            began = None
    if began is not None:
        yield to_ms(began), _NEVER


def _tuples(connection: Connection, query: str, values: dict[str, str]) -> Iterator[tuple[int, str, Any]]:
    """The rows of a query of three columns. Of `values`, those that the query names are bound."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(query, {name: value for name, value in values.items() if f":{name}" in query})
