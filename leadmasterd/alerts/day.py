"""Conditions that begin at a time of day: follow-ups that are due, and the summaries of the morning and the evening.

Each holds for some hours, so that a daemon that starts late still tells it. Its text stays as it was at first.
"""

from collections.abc import Collection
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
"""How long a summary holds."""
_WITHOUT_MORNING: Final = "09:00"
"""When follow-ups are told if there is no summary of the morning."""
_ALL: Final = -1
"""As the `limit` of a query: all rows."""


class DailyAlerts:
    """Makes the conditions of today, and remembers them. `morning` and `evening`: times of day; empty: never."""

    def __init__(self, reader: Reader, *, kinds: Collection[Kind], morning: str, evening: str) -> None:
        self._reader = reader
        self._kinds = kinds
        self._morning = morning
        self._evening = evening
        self._today: dict[Kind, Condition] = {}
        """The conditions of today that were made."""
        self._tried: dict[Kind, Snapshot] = {}
        """By kind: the snapshot at which its text was last asked for, so that it is asked for once for each."""

    def look(self, snapshot: Snapshot, status: Status | None, clock: Clock) -> list[Condition]:
        """The conditions that hold now.

        One without a text, since there is nothing to tell or the database can't be read, does not hold. It is tried
        again when `snapshot` is another object: then the database was read again.
        """
        day = clock.today()
        # The subject of these conditions is their day: those of yesterday are forgotten.
        self._today = {kind: each for kind, each in self._today.items() if each.subject == day.date.isoformat()}
        times_of_day = {
            Kind.FOLLOW_UPS: self._morning or _WITHOUT_MORNING,
            Kind.MORNING: self._morning,
            Kind.EVENING: self._evening,
        }
        holding = []
        for kind, time_of_day in times_of_day.items():
            if kind not in self._kinds or not time_of_day:
                continue
            begins = datetime.combine(day.date, time.fromisoformat(time_of_day), clock.zone).astimezone(UTC)
            ends = day.ends if kind is Kind.FOLLOW_UPS else begins + _HOLDS
            if not begins <= clock.now < ends:
                continue
            if kind not in self._today and self._tried.get(kind) is not snapshot:
                self._tried[kind] = snapshot
                text = self._follow_ups(clock) if kind is Kind.FOLLOW_UPS else self._summary(kind, status, clock)
                if text:
                    self._today[kind] = Condition(kind, day.date.isoformat(), begins, text)
            if kind in self._today:
                holding.append(self._today[kind])
        return holding

    def _follow_ups(self, clock: Clock) -> Text | None:
        """What is due today; None if nothing is, or the database can't be read now."""
        nothing: list[DueFollowUp] = []
        found = self._reader.ask(
            lambda connection: due_follow_ups(connection, clock.today(), limit=_ALL), clock.now, nothing=nothing
        )
        return words.follow_ups(found) if found else None

    def _summary(self, kind: Kind, status: Status | None, clock: Clock) -> Text | None:
        """The summary of the morning (of the last 24 hours) or of the evening (since midnight).

        If the database has been unusable for a while, the summary says so. None if it can't be read just now.
        """
        since = clock.now - timedelta(days=1) if kind is Kind.MORNING else clock.today().begins

        def read(connection: Connection) -> words.Day:
            count = count_waiting(connection, clock.now)
            target = self._reader.settings.target_seconds
            return words.Day(
                waiting=waiting(
                    connection,
                    clock.now,
                    limit=words.LISTED,
                    target_seconds=target,
                    business_seconds=None,  # the summary does not say how long they have waited
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
