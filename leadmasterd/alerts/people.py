"""Conditions about people: who has waited too long for an answer, who is about to, and which leads are new.

Their texts are made once for each wait and lead, and again on the next day. So a look costs little, however many there
are, and an alert that is held back until the next day names the day that it is about.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from leadmasterd import times
from leadmasterd.alerts import words
from leadmasterd.alerts.kinds import Condition, Kind, Text
from leadmasterd.alerts.reader import Reader
from leadmasterd.clock import Clock
from leadmasterd.queries.alerts import NewLead, Snapshot, Wait
from leadmasterd.queries.database import Connection
from leadmasterd.queries.messages import lines_of
from leadmasterd.queries.waiting import WaitingConversation, waiting
from leadmasterd.settings.leads_light import LightLeadsSettings

NEW_FOR: Final = timedelta(days=1)
"""A lead is new for so long after it was opened."""
_NEVER: Final = "9999"
"""Later than any time in ISO."""


class _Key(NamedTuple):
    """Names a condition. `since`: when it began to hold, ISO."""

    kind: Kind
    subject: str
    since: str


class _Found(NamedTuple):
    """What the texts need from the database."""

    rows: dict[int, WaitingConversation]
    """By the id of the conversation."""
    written: dict[int, str]
    """What customers wrote, by the id of the message."""


class People:
    """Makes the conditions, and remembers those that hold."""

    def __init__(self, reader: Reader, *, kinds: Collection[Kind], about_to_miss: timedelta, bodies: bool) -> None:
        """`kinds`: those to be told. `about_to_miss`: how much opening time before the target passes to warn.

        `bodies`: whether alerts may quote what customers wrote.
        """
        self._reader = reader
        self._kinds = kinds
        self._about_to_miss = about_to_miss
        self._bodies = bodies
        self._conditions: dict[_Key, Condition] = {}
        self._day: date | None = None
        """The day on which the texts were made."""
        self._snapshot: Snapshot | None = None
        self._valid_from = _NEVER
        self._valid_until = ""
        """Between these two times (ISO), and with the same snapshot, the same conditions hold."""
        self._hours = reader.settings.hours_version()
        """The version of the opening hours and the target by which `_warn_at` warns."""
        self._warn_at = _warning_times(reader.settings, about_to_miss)

    def look(self, snapshot: Snapshot, clock: Clock) -> list[Condition]:
        """The conditions that hold now. One whose text can't be made because the database is busy follows later."""
        now = times.iso(clock.now)
        day = clock.today().date
        if day != self._day:
            self._day = day
            self._conditions = {}
            self._snapshot = None
        if snapshot is self._snapshot and self._valid_from <= now < self._valid_until:
            return [*self._conditions.values()]
        self._snapshot = snapshot
        self._valid_from = now
        waits, self._valid_until = self._waits(snapshot, now)
        leads = self._leads(snapshot, clock.now)
        self._conditions = {key: each for key, each in self._conditions.items() if key in waits or key in leads}
        new_waits = {key: wait for key, wait in waits.items() if key not in self._conditions}
        new_leads = {key: lead for key, lead in leads.items() if key not in self._conditions}
        if new_waits or new_leads:
            self._make(new_waits, new_leads, clock)
        return [*self._conditions.values()]

    def _waits(self, snapshot: Snapshot, now: str) -> tuple[Mapping[_Key, Wait], str]:
        """The waits that are missed or about to be, and until when (ISO) they are these, if nobody writes or answers.

        A wait has no deadline if the business never opens again; such a wait is left out.
        """
        found: dict[_Key, Wait] = {}
        valid_until = _NEVER
        self._update_hours()
        for wait in snapshot.waits:
            due = wait.due_at
            if due is None:
                continue
            if due <= now:
                if Kind.MISSED in self._kinds:
                    found[_Key(Kind.MISSED, wait.cycle, due)] = wait
                continue
            next_change = due
            if Kind.ABOUT_TO_MISS in self._kinds:
                warn_at = self._warn_at(wait.since, due)
                if warn_at <= now:
                    found[_Key(Kind.ABOUT_TO_MISS, wait.cycle, warn_at)] = wait
                else:
                    next_change = warn_at
            valid_until = min(valid_until, next_change)
        return found, valid_until

    def _update_hours(self) -> None:
        """Make `_warn_at` again if the opening hours or the target in the settings have changed."""
        settings = self._reader.settings
        hours = settings.hours_version()
        if hours != self._hours:
            self._hours = hours
            self._warn_at = _warning_times(settings, self._about_to_miss)

    def _leads(self, snapshot: Snapshot, now: datetime) -> Mapping[_Key, NewLead]:
        """The leads that are new now; none if the settings do not ask for such alerts."""
        if Kind.NEW_LEAD not in self._kinds:
            return {}
        earliest = times.iso(now - NEW_FOR)
        return {
            _Key(Kind.NEW_LEAD, str(lead["lead_id"]), lead["opened_at"]): lead
            for lead in snapshot.new_leads
            if lead["opened_at"] > earliest
        }

    def _make(self, waits: Mapping[_Key, Wait], leads: Mapping[_Key, NewLead], clock: Clock) -> None:
        """Add the conditions of these waits and leads, with texts from the database.

        If it can't be read now, none is added and the next look tries again. A wait that has changed since the snapshot
        is left out: the next snapshot has it.
        """
        target = self._reader.settings.target_seconds
        begun_by = [wait.message_id for wait in waits.values()] + [lead["message_id"] for lead in leads.values()]
        message_ids = [each for each in begun_by if each is not None]

        def read(connection: Connection) -> _Found:
            rows = waiting(
                connection,
                clock.now,
                limit=-1,  # all of them
                target_seconds=target,
                business_seconds=None,  # the texts do not say how long they have waited
                conversations=[wait.conversation_id for wait in waits.values()],
            )
            written = lines_of(connection, message_ids) if self._bodies else {}
            return _Found({row["conversation_id"]: row for row in rows}, written)

        found = self._reader.ask(read, clock.now, nothing=_Found({}, {}))
        if found is None:
            self._valid_until = ""  # so that the next look tries again
            return
        for key, wait in waits.items():
            row = found.rows.get(wait.conversation_id)
            if row is None or row["waiting_since"] != wait.since or row["due_at"] != wait.due_at:
                continue
            text_of = words.missed if key.kind is Kind.MISSED else words.about_to_miss
            said = found.written.get(wait.message_id or 0)  # a missed call has no message; no message has the id 0
            self._add(key, text_of(row, said, clock, target))
        for key, lead in leads.items():
            self._add(key, words.new_lead(lead, found.written.get(lead["message_id"] or 0), clock))

    def _add(self, key: _Key, text: Text) -> None:
        self._conditions[key] = Condition(key.kind, key.subject, datetime.fromisoformat(key.since), text)


def _warning_times(settings: LightLeadsSettings, before: timedelta) -> Callable[[str, str], str]:
    """A function that takes the beginning of a wait and its deadline, and returns when to warn of it. All are ISO.

    The warning is due `before` the deadline, counted in opening hours. If the target is no longer than `before`, it is
    due as soon as the business is open after the wait began. Without usable opening hours, the wall clock counts.
    """
    calendar = settings.calendar()
    seconds_to_warning = settings.target_seconds - before.total_seconds()

    @lru_cache(maxsize=8192)
    def warn_at(since: str, due: str) -> str:
        if calendar is None:
            return times.iso(datetime.fromisoformat(due) - before)
        began = datetime.fromisoformat(since)
        found = calendar.due(began, seconds_to_warning) if seconds_to_warning > 0 else calendar.opens(began)
        return min(due, times.iso(found)) if found else due  # none found: there are no opening hours ahead

    return warn_at
