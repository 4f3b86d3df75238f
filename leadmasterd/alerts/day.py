"""What is told once a day: follow-ups, and the summaries of the morning and the evening.

Each holds for some hours, with the text that it had when it began, so that a daemon that starts late still tells it.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, time, timedelta
from typing import Final

from leadmasterd.alerts import words
from leadmasterd.alerts.kinds import Condition, Kind, Text
from leadmasterd.alerts.reader import Reader
from leadmasterd.alerts.words import Status
from leadmasterd.clock import Clock
from leadmasterd.queries.alerts import Snapshot
from leadmasterd.queries.database import Connection
from leadmasterd.queries.history import open_gaps, reliability
from leadmasterd.queries.report.opened import count_opened
from leadmasterd.queries.today import DueFollowUp, due_follow_ups
from leadmasterd.queries.waiting import count_waiting, waiting

_HOLDS: Final = timedelta(hours=4)
_WITHOUT_MORNING: Final = "09:00"
"""When follow-ups are told where there is no summary of the morning."""
_ALL: Final = -1


class DailyAlerts:
    """Remembers the texts of today. `morning` and `evening`: times of day; empty: never."""

    def __init__(self, reader: Reader, *, kinds: Collection[Kind], morning: str, evening: str) -> None:
        self._reader = reader
        self._kinds = kinds
        self._morning = morning
        self._evening = evening
        self._made: dict[Kind, Condition] = {}
        self._tried: dict[Kind, Snapshot] = {}

    def look(self, seen: Snapshot, status: Status | None, clock: Clock) -> list[Condition]:
        """Those that hold now. What the database does not tell now is asked again when another state of it was seen."""
        day = clock.today()
        self._made = {kind: made for kind, made in self._made.items() if made.subject == day.date.isoformat()}
        held = []
        for kind, at, ends, make in (
            (Kind.FOLLOW_UPS, self._morning or _WITHOUT_MORNING, day.ends, lambda: self._follow_ups(clock)),
            (Kind.MORNING, self._morning, None, lambda: self._summary(Kind.MORNING, status, clock)),
            (Kind.EVENING, self._evening, None, lambda: self._summary(Kind.EVENING, status, clock)),
        ):
            if kind not in self._kinds or not at:
                continue
            begins = datetime.combine(day.date, time.fromisoformat(at), clock.zone).astimezone(UTC)
            if begins <= clock.now < (ends or begins + _HOLDS) and (
                made := self._make(kind, begins, seen, clock, make=make)
            ):
                held.append(made)
        return held

    def _make(
        self, kind: Kind, begins: datetime, seen: Snapshot, clock: Clock, *, make: Callable[[], Text | None]
    ) -> Condition | None:
        if kind not in self._made and self._tried.get(kind) is not seen:
            self._tried[kind] = seen
            if text := make():
                self._made[kind] = Condition(kind, clock.today().date.isoformat(), begins, text)
        return self._made.get(kind)

    def _follow_ups(self, clock: Clock) -> Text | None:
        nothing: list[DueFollowUp] = []
        found = self._reader.ask(
            lambda connection: due_follow_ups(connection, clock.today(), limit=_ALL), clock.now, nothing=nothing
        )
        return words.follow_ups(found) if found else None

    def _summary(self, kind: Kind, status: Status | None, clock: Clock) -> Text | None:
        since = clock.now - timedelta(days=1) if kind is Kind.MORNING else clock.today().begins

        def read(connection: Connection) -> words.Day:
            count = count_waiting(connection, clock.now)
            target = self._reader.settings.target_seconds
            return words.Day(
                waiting=waiting(
                    connection, clock.now, limit=words.LISTED, target_seconds=target, business_seconds=None
                ),
                conversations=count["conversations"],
                overdue=count["overdue"],
                due_today=len(due_follow_ups(connection, clock.today(), limit=_ALL)),
                opened=count_opened(connection, since),
                unjudged=count["unjudged"],
                gaps=reliability(connection, since=since, now=clock.now).gaps,
                open_gaps=open_gaps(connection),
            )

        day = self._reader.ask(read, clock.now, nothing=words.Day())
        if day is None:
            trouble = self._reader.trouble(clock.now)
            if trouble is None:
                return None
            day = words.Day(unreadable=trouble)
        return words.summary(kind, day, status, clock)
