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
"""Codes of phase changes that count as a restart of the listener."""


class Gap(NamedTuple):
    """An outage: a time without live capture. `to_at` None: it lasts; `closed_at` None: no sweep has filled it yet.

    `recovered`: how many messages sweeps found until it was closed; each counts for every gap that was not closed then.
    `chats`: how many chats these sweeps looked into. `cause`: a code.
    """

    from_at: str
    to_at: str | None
    closed_at: str | None
    cause: str
    recovered: int
    chats: int

    def seconds(self, now: datetime) -> float:
        """How many seconds live capture was down, or has been down until `now`."""
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
    """How long outages lasted, in seconds; None without any that is over."""

    median: float | None
    max: float | None


class GapObject(TypedDict):
    """An object of `gaps` in `history --json`: the fields of `Gap`."""

    from_at: str
    to_at: str | None
    closed_at: str | None
    cause: str
    recovered: int
    chats: int


class EventObject(TypedDict):
    """An object of `events` in `history --json`: the fields of `PhaseChange`."""

    at: str
    phase: str
    code: str
    values: dict[str, Any]


class HistoryObject(TypedDict):
    """The answer of `history --json`; the fields of `History`, grouped."""

    since: str
    until: str
    uptime: float | None
    captured: Captured
    restarts: dict[str, int]
    recovery_seconds: Recovery
    gaps: list[GapObject]
    events: list[EventObject]


class History(NamedTuple):
    """What happened from `since` to `until` (ISO text, UTC). Gaps and events are in order, the oldest first.

    `live`, `sweep`: messages captured either way. `restarts`: how many, by reason.
    """

    since: str
    until: str
    uptime: float | None
    """Share of the time with live capture, 0 to 1; None before the first phone was linked."""
    live: int
    sweep: int
    restarts: dict[str, int]
    recovery_median: float | None
    recovery_max: float | None
    gaps: tuple[Gap, ...]
    events: tuple[PhaseChange, ...]

    def gaps_with_share(self) -> list[tuple[Gap, int | None]]:
        """Each gap with its own share of the recovered messages, so that no message is in two shares.

        What a sweep found is counted for each gap that it closed. So if the same sweep also closed the next gap, the
        number of that gap is subtracted. None if nothing is left then: the messages of the two cannot be told apart.
        """
        shares: list[tuple[Gap, int | None]] = []
        for gap, following in zip_longest(self.gaps, self.gaps[1:]):
            closed_together = following is not None and following.closed_at == gap.closed_at
            if gap.recovered and closed_together:
                shares.append((gap, max(0, gap.recovered - following.recovered) or None))
            else:
                shares.append((gap, gap.recovered))
        return shares

    def as_json(self) -> HistoryObject:
        """The same as the documented object of `history --json`."""
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
    """The answer of `read` when there is no database yet, before the first start."""
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
    """What the table `gaps` alone says about a time, so it is fast whatever the number of messages.

    `since`: where that time begins, not before the first link. The other fields are as in `History`.
    """

    since: datetime
    uptime: float | None
    recovery_median: float | None
    recovery_max: float | None
    gaps: tuple[Gap, ...]


def _median(numbers: Iterable[float]) -> float:
    """The median of at least one number. `statistics` has it too, but takes as long to import as a query."""
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def reliability(connection: sqlite3.Connection, *, since: datetime, now: datetime) -> Reliability:
    """Uptime of live capture and the outages since then, or since the first link if that was later.

    Recovery times are of outages that are over and that nobody asked for.
    """
    [first_linked_at] = connection.execute("SELECT min(first_linked_at) FROM accounts").fetchone()
    start = max(since, datetime.fromisoformat(first_linked_at).astimezone(UTC)) if first_linked_at else since
    gaps = _gaps(connection, "coalesce(to_at, ?) >= ?", iso(now), iso(start))
    window_seconds = (now - start).total_seconds()
    uptime = None
    if first_linked_at and window_seconds > 0:
        down_seconds = sum(_overlap(gap, start, now) for gap in gaps)
        uptime = max(0.0, 1 - down_seconds / window_seconds)
    recoveries = [gap.seconds(now) for gap in gaps if gap.to_at and gap.cause not in ("paused", "asked_to_stop")]
    return Reliability(
        since=start,
        uptime=uptime,
        recovery_median=round(_median(recoveries), 1) if recoveries else None,
        recovery_max=round(max(recoveries), 1) if recoveries else None,
        gaps=gaps,
    )


def open_gaps(connection: sqlite3.Connection) -> tuple[Gap, ...]:
    """Outages that no sweep has closed yet, oldest first."""
    return _gaps(connection, "closed_at IS NULL")


def gaps_between(connection: sqlite3.Connection, begins: datetime, ends: datetime, now: datetime) -> tuple[Gap, ...]:
    """Outages of which some part is between these moments, oldest first. One that lasts reaches until `now`."""
    return _gaps(connection, "from_at < ? AND coalesce(to_at, ?) > ?", iso(ends), iso(now), iso(begins))


def recovered(gaps: Iterable[Gap]) -> int:
    """How many messages sweeps have fetched after these outages.

    Of outages with the same `closed_at`, which one sweep closed, only the largest number counts: they count the same
    messages.
    """
    by_sweep: dict[str | None, int] = {}
    for gap in gaps:
        by_sweep[gap.closed_at] = max(by_sweep.get(gap.closed_at, 0), gap.recovered)
    return sum(by_sweep.values())


def _gaps(connection: sqlite3.Connection, where: str, *values: object) -> tuple[Gap, ...]:
    """The outages that fulfil an SQL condition with these values, oldest first."""
    query = f"SELECT {', '.join(_GAP_COLUMNS)} FROM gaps WHERE {where} ORDER BY from_at"
    return tuple(Gap(**dict(zip(_GAP_COLUMNS, row, strict=True))) for row in connection.execute(query, values))


def read(connection: sqlite3.Connection, *, since: datetime, now: datetime, limit: int) -> History:
    """What happened since then, or since the first link if that was later. Of the events, the newest `limit`."""
    found = reliability(connection, since=since, now=now)
    since_at = iso(found.since)
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
    restarts = [event for event in events if event.phase == "stopping" and event.code in RESTARTS]
    return History(
        since=since_at,
        until=iso(now),
        uptime=found.uptime,
        live=captured.get("live", 0),
        sweep=captured.get("sweep", 0),
        restarts=dict(Counter(_restart_reason(event) for event in restarts)),
        recovery_median=found.recovery_median,
        recovery_max=found.recovery_max,
        gaps=found.gaps,
        events=tuple(events[-limit:]),
    )


def _restart_reason(event: PhaseChange) -> str:
    """The event's code. If a child died and its last line says why, that reason instead (`browser_gone`, ...)."""
    return str(event.values.get("bye") or event.code)


def _overlap(gap: Gap, start: datetime, now: datetime) -> float:
    """How many seconds of the gap lie between `start` and `now`."""
    begin = max(datetime.fromisoformat(gap.from_at), start)
    end = min(datetime.fromisoformat(gap.to_at), now) if gap.to_at else now
    return max(0.0, (end - begin).total_seconds())
