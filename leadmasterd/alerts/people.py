"""Who waits too long or is about to, and who is new.

A text is made once a day for each wait and lead. So a look costs little, however many there are, and what is held back
until the next day says of which day it is.
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
"""A lead is new for so long."""
_NEVER: Final = "9999"


class _Key(NamedTuple):
    """What a text is made for. Times are ISO text."""

    kind: Kind
    subject: str
    since: str


class People:
    """Remembers the conditions that it has made."""

    def __init__(self, reader: Reader, *, kinds: Collection[Kind], about_to_miss: timedelta, bodies: bool) -> None:
        self._reader = reader
        self._kinds = kinds
        self._about_to_miss = about_to_miss
        self._bodies = bodies
        self._made: dict[_Key, Condition] = {}
        self._day: date | None = None
        self._seen: Snapshot | None = None
        self._from, self._until = _NEVER, ""
        """While it is between these two, and nothing else was seen, the same conditions hold."""
        self._hours = reader.settings.hours_version()
        self._warned_at = _warning_times(reader.settings, about_to_miss)

    def look(self, seen: Snapshot, clock: Clock) -> list[Condition]:
        """Those that hold now. What can't be told because the database is busy follows at a next look."""
        now = times.iso(clock.now)
        if (day := clock.today().date) != self._day:
            self._day, self._made, self._seen = day, {}, None
        if seen is self._seen and self._from <= now < self._until:
            return [*self._made.values()]
        self._seen, self._from, self._until = seen, now, _NEVER
        waits = self._waits(seen, now)
        leads = self._leads(seen, clock.now)
        self._made = {key: made for key, made in self._made.items() if key in waits or key in leads}
        new_waits = {key: wait for key, wait in waits.items() if key not in self._made}
        new_leads = {key: lead for key, lead in leads.items() if key not in self._made}
        if new_waits or new_leads:
            self._make(new_waits, new_leads, clock)
        return [*self._made.values()]

    def _waits(self, seen: Snapshot, now: str) -> Mapping[_Key, Wait]:
        found: dict[_Key, Wait] = {}
        settings = self._reader.settings
        if (hours := settings.hours_version()) != self._hours:
            self._hours, self._warned_at = hours, _warning_times(settings, self._about_to_miss)
        missed, about = (kind in self._kinds for kind in (Kind.MISSED, Kind.ABOUT_TO_MISS))
        for wait in seen.waits:
            due = wait.due_at
            if due is None:
                continue
            if due <= now:
                if missed:
                    found[_Key(Kind.MISSED, wait.cycle, due)] = wait
                continue
            next_change = due
            if about:
                warned = self._warned_at(wait.since, due)
                if warned <= now:
                    found[_Key(Kind.ABOUT_TO_MISS, wait.cycle, warned)] = wait
                else:
                    next_change = warned
            self._until = min(self._until, next_change)
        return found

    def _leads(self, seen: Snapshot, now: datetime) -> Mapping[_Key, NewLead]:
        if Kind.NEW_LEAD not in self._kinds:
            return {}
        earliest = times.iso(now - NEW_FOR)
        return {
            _Key(Kind.NEW_LEAD, str(lead["lead_id"]), lead["opened_at"]): lead
            for lead in seen.new_leads
            if lead["opened_at"] > earliest
        }

    def _make(self, waits: Mapping[_Key, Wait], leads: Mapping[_Key, NewLead], clock: Clock) -> None:
        messages = [wait.message_id for wait in waits.values()] + [lead["message_id"] for lead in leads.values()]

        def read(connection: Connection) -> tuple[dict[int, WaitingConversation], dict[int, str]]:
            ids = [wait.conversation_id for wait in waits.values()]
            target = self._reader.settings.target_seconds
            rows = waiting(
                connection, clock.now, limit=-1, target_seconds=target, business_seconds=None, conversations=ids
            )
            said = lines_of(connection, [each for each in messages if each is not None]) if self._bodies else {}
            return {row["conversation_id"]: row for row in rows}, said

        nothing: tuple[dict[int, WaitingConversation], dict[int, str]] = ({}, {})
        found = self._reader.ask(read, clock.now, nothing=nothing)
        if found is None:
            self._until = ""  # again at the next look
            return
        rows, said = found
        target = self._reader.settings.target_seconds
        for key, wait in waits.items():
            row = rows.get(wait.conversation_id)
            if row is None or row["waiting_since"] != wait.since or row["due_at"] != wait.due_at:
                continue  # it has changed meanwhile, which the next look sees
            tell = words.missed if key.kind is Kind.MISSED else words.about_to_miss
            self._keep(key, tell(row, said.get(wait.message_id or 0), clock, target))
        for key, lead in leads.items():
            self._keep(key, words.new_lead(lead, said.get(lead["message_id"] or 0), clock))

    def _keep(self, key: _Key, text: Text) -> None:
        self._made[key] = Condition(key.kind, key.subject, datetime.fromisoformat(key.since), text)


def _warning_times(settings: LightLeadsSettings, before: timedelta) -> Callable[[str, str], str]:
    """By the beginning of a wait and its `due_at`: when to tell of it, which is so much opening time before."""
    calendar, seconds = settings.calendar(), settings.target_seconds - before.total_seconds()

    @lru_cache(maxsize=8192)
    def at(since: str, due: str) -> str:
        if calendar is None:
            return times.iso(datetime.fromisoformat(due) - before)
        began = datetime.fromisoformat(since)
        found = calendar.due(began, seconds) if seconds > 0 else calendar.opens(began)
        return min(due, times.iso(found)) if found else due

    return at
