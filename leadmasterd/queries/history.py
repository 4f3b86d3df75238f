"""Phase changes, outages (`gaps`), restarts and how complete capture was, from `session_events` and `gaps`.

Reasons are codes; they become sentences where they are printed.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, Final, NamedTuple, TypedDict

from leadmasterd.times import iso

RESTARTS: Final = frozenset(
    {
        "child_died",
        "heartbeat_lost",
        "deaf",
        "start_took_too_long",
        "sync_took_too_long",
        "reconnect_took_too_long",
        "conflict",
        "session_elsewhere",
        "disconnected",
        "logged_out",
        "cannot_spawn",
        "session_restored",
        "recycle",
        "restart_asked",
    }
)
"""Reasons that count as a restart of the listener."""


class Gap(NamedTuple):
    """An outage: no live path. `to_at` None: still down; `closed_at` None: not backfilled yet."""

    from_at: str
    to_at: str | None
    closed_at: str | None
    cause: str
    recovered: int
    chats: int

    def seconds(self, now: datetime) -> float:
        """How long the live path was down."""
        end = datetime.fromisoformat(self.to_at) if self.to_at else now
        return max(0.0, (end - datetime.fromisoformat(self.from_at)).total_seconds())


_GAP_COLUMNS: Final = Gap._fields


class PhaseChange(NamedTuple):
    """One change of the supervisor's phase, with its reason."""

    at: str
    phase: str
    code: str
    values: dict[str, Any]


class Captured(TypedDict):
    """Messages by how they were captured."""

    live: int
    sweep: int


class Recovery(TypedDict):
    """Seconds."""

    median: float | None
    max: float | None


class GapObject(TypedDict):
    """An object of `gaps`."""

    from_at: str
    to_at: str | None
    closed_at: str | None
    cause: str
    recovered: int
    chats: int


class EventObject(TypedDict):
    """An object of `events`."""

    at: str
    phase: str
    code: str
    values: dict[str, Any]


class HistoryObject(TypedDict):
    """`history --json`."""

    since: str
    until: str
    uptime: float | None
    captured: Captured
    restarts: dict[str, int]
    recovery_seconds: Recovery
    gaps: list[GapObject]
    events: list[EventObject]


class History(NamedTuple):
    """The window from `since` to `until` (ISO), oldest first."""

    since: str
    until: str
    uptime: float | None
    """Share of the window with a live path, 0 to 1; None before the first link."""
    live: int
    sweep: int
    restarts: dict[str, int]
    recovery_median: float | None
    recovery_max: float | None
    gaps: tuple[Gap, ...]
    events: tuple[PhaseChange, ...]

    def gaps_with_share(self) -> list[tuple[Gap, int | None]]:
        """Each gap with what was recovered of it and of no other: before the next gap that the same sweep closed.

        None: nothing before that, so what there was of it is in the next one's share.
        """
        found: list[tuple[Gap, int | None]] = []
        for gap, following in zip_longest(self.gaps, self.gaps[1:]):
            if not gap.recovered or following is None or following.closed_at != gap.closed_at:
                found.append((gap, gap.recovered))
            else:
                found.append((gap, max(0, gap.recovered - following.recovered) or None))
        return found

    def as_json(self) -> HistoryObject:
        """`history --json`."""
        return {
            "since": self.since,
            "until": self.until,
            "uptime": self.uptime,
            "captured": {"live": self.live, "sweep": self.sweep},
            "restarts": self.restarts,
            "recovery_seconds": {"median": self.recovery_median, "max": self.recovery_max},
            "gaps": [
                {
                    "from_at": gap.from_at,
                    "to_at": gap.to_at,
                    "closed_at": gap.closed_at,
                    "cause": gap.cause,
                    "recovered": gap.recovered,
                    "chats": gap.chats,
                }
                for gap in self.gaps
            ],
            "events": [
                {"at": event.at, "phase": event.phase, "code": event.code, "values": event.values}
                for event in self.events
            ],
        }


def nothing(since: datetime, until: datetime) -> History:
    """The history before the first start."""
    return History(
        since=iso(since),
        until=iso(until),
        uptime=None,
        live=0,
        sweep=0,
        restarts={},
        recovery_median=None,
        recovery_max=None,
        gaps=(),
        events=(),
    )


class Reliability(NamedTuple):
    """What `gaps` alone says about a window: fast, whatever the number of messages."""

    since: datetime
    uptime: float | None
    recovery_median: float | None
    recovery_max: float | None
    gaps: tuple[Gap, ...]


def _median(numbers: Iterable[float]) -> float:
    """As `statistics` has it, which takes as long to import as a query."""
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def reliability(connection: sqlite3.Connection, *, since: datetime, now: datetime) -> Reliability:
    """Uptime of the live path since the first link, and how quickly it recovered."""
    first = connection.execute("SELECT min(first_linked_at) FROM accounts").fetchone()[0]
    start = max(since, datetime.fromisoformat(first).astimezone(UTC)) if first else since
    gaps = _gaps(connection, "coalesce(to_at, ?) >= ?", iso(now), iso(start))
    window = (now - start).total_seconds()
    down = sum(_overlap(gap, start, now) for gap in gaps)
    over = [gap.seconds(now) for gap in gaps if gap.to_at and gap.cause not in ("paused", "asked_to_stop")]
    return Reliability(
        since=start,
        uptime=None if not first or window <= 0 else max(0.0, 1 - down / window),
        recovery_median=round(_median(over), 1) if over else None,
        recovery_max=round(max(over), 1) if over else None,
        gaps=gaps,
    )


def open_gaps(connection: sqlite3.Connection) -> tuple[Gap, ...]:
    """Outages that no sweep has closed yet, oldest first."""
    return _gaps(connection, "closed_at IS NULL")


def gaps_between(connection: sqlite3.Connection, begins: datetime, ends: datetime, now: datetime) -> tuple[Gap, ...]:
    """Outages that reach into a stretch, oldest first."""
    return _gaps(connection, "from_at < ? AND coalesce(to_at, ?) > ?", iso(ends), iso(now), iso(begins))


def recovered(gaps: Iterable[Gap]) -> int:
    """Messages that were fetched after these outages. A sweep that closes several counts what it found for each."""
    most: dict[str | None, int] = {}
    for gap in gaps:
        most[gap.closed_at] = max(most.get(gap.closed_at, 0), gap.recovered)
    return sum(most.values())


def _gaps(connection: sqlite3.Connection, where: str, *values: object) -> tuple[Gap, ...]:
    query = f"SELECT {', '.join(_GAP_COLUMNS)} FROM gaps WHERE {where} ORDER BY from_at"
    return tuple(Gap(**dict(zip(_GAP_COLUMNS, row, strict=True))) for row in connection.execute(query, values))


def read(connection: sqlite3.Connection, *, since: datetime, now: datetime, limit: int) -> History:
    """Everything since a time; of the events the newest `limit`."""
    found = reliability(connection, since=since, now=now)
    since_at, now_at = iso(found.since), iso(now)
    events = [
        PhaseChange(at, phase, code, json.loads(values))
        for at, phase, code, values in connection.execute(
            "SELECT at, phase, code, value_json FROM session_events WHERE at >= ? ORDER BY event_id", (since_at,)
        )
    ]
    captured = dict(
        connection.execute(
            "SELECT captured_via, count(*) FROM messages WHERE captured_at >= ? GROUP BY captured_via", (since_at,)
        ).fetchall()
    )
    return History(
        since=since_at,
        until=now_at,
        uptime=found.uptime,
        live=captured.get("live", 0),
        sweep=captured.get("sweep", 0),
        restarts=dict(
            Counter(_reason(event) for event in events if event.phase == "stopping" and event.code in RESTARTS)
        ),
        recovery_median=found.recovery_median,
        recovery_max=found.recovery_max,
        gaps=found.gaps,
        events=tuple(events[-limit:]),
    )


def _reason(event: PhaseChange) -> str:
    """The code; for a child that died, the reason in its last line (`browser_gone`, `initialize_failed`, ...)."""
    return str(event.values.get("bye") or event.code)


def _overlap(gap: Gap, start: datetime, now: datetime) -> float:
    """Seconds of a gap within the window."""
    begin = max(datetime.fromisoformat(gap.from_at), start)
    end = min(datetime.fromisoformat(gap.to_at), now) if gap.to_at else now
    return max(0.0, (end - begin).total_seconds())
