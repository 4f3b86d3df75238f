"""Writes a folded history to the tables: only differences, and every lead keeps its id."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from leadmasterd import times
from leadmasterd.leads.fold import Change, Folded, FollowUp, Former, Lead, Waiting
from leadmasterd.projection.aside import Aside
from leadmasterd.projection.history import History
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.sql import BEGINNING, insert, upsert
from leadmasterd.reasons import SYSTEM, Reason


class LeadRow(NamedTuple):
    """The columns of `leads` that the fold decides."""

    contact_id: int
    conversation_id: int
    stage: str
    intent: str
    topics: str
    source: str
    opened_at: str
    opened_by_message_id: int | None
    stage_at: str
    closed_at: str | None
    reopened: int
    proposed: str | None
    first_response_at: str | None
    first_response_seconds: float | None
    first_response_business_seconds: float | None
    last_message_at: str


class WaitingRow(NamedTuple):
    """The columns of `waiting_cycles`; the first two are its key."""

    conversation_id: int
    started_at: str
    lead_id: int | None
    kind: str
    message_id: int | None
    due_at: str | None
    ended_at: str | None
    ended_by: str | None
    wall_seconds: float | None
    business_seconds: float | None


class FollowUpRow(NamedTuple):
    """The columns of `follow_ups`; the first four are its key."""

    conversation_id: int
    kind: str
    planned_at: str
    number: int
    lead_id: int | None
    due_at: str
    state: str
    ended_at: str | None
    ended_by: str | None


class EventRow(NamedTuple):
    """The columns of `lead_events`."""

    lead_id: int
    at: str
    recorded_at: str
    actor: str
    kind: str
    before: str | None
    after: str | None
    message_id: int | None
    code: str
    value_json: str


class _Links(NamedTuple):
    previous_lead_id: int | None = None
    merged_into_id: int | None = None


class _Stored(NamedTuple):
    """A lead as it stands in the table."""

    row: LeadRow
    links: _Links


class _Recorded(NamedTuple):
    """What identifies a change in a lead's record."""

    at: str
    kind: str
    before: str | None
    after: str | None
    actor: str
    message_id: int | None

    @classmethod
    def of(cls, change: Change) -> "_Recorded":
        """How it is recorded."""
        at = times.iso_ms(change.at)
        return cls._make((at, change.kind, change.before, change.after, change.actor, change.message_id))


_LEAD_COLUMNS: Final = ", ".join(LeadRow._fields)
_INSERT_LEAD: Final = insert("leads", ("lead_id", *LeadRow._fields, "created_at", "updated_at"))
_UPDATE_LEAD: Final = (
    f"UPDATE leads SET {', '.join(f'{column} = ?' for column in LeadRow._fields)}, updated_at = ? WHERE lead_id = ?"
)
_INSERT_EVENT: Final = insert("lead_events", EventRow._fields)
_CACHED: Final = 256
"""There are as many reasons as intents, and few lists of topics."""


@lru_cache(maxsize=_CACHED)
def _as_json(*values: tuple[str, object]) -> str:
    return json.dumps(dict(values))


@lru_cache(maxsize=_CACHED)
def _list_as_json(*values: str) -> str:
    return json.dumps(values)


_KINDS_WITH_A_STAGE: Final = ("opened", "stage", "reopened", "merged", "withdrawn")


@dataclass(frozen=True, slots=True)
class Earlier:
    """The rows from before a checkpoint that a fold goes on with: ids of leads, keys of waits and of follow-ups."""

    leads: Sequence[int] = ()
    waits: Sequence[tuple[object, ...]] = ()
    follow_ups: Sequence[tuple[object, ...]] = ()

    @classmethod
    def of(cls, folded: Folded) -> "Earlier":
        """Of a fold that has just been resumed."""
        return cls(
            [lead.lead_id for lead in folded.leads if lead.lead_id is not None],
            [(wait.conversation, times.iso_ms(wait.started_at)) for wait in folded.waiting],
            [(each.conversation, each.kind, times.iso_ms(each.planned_at), each.number) for each in folded.follow_ups],
        )


class LeadRows:
    """Writes one history. `actor`: the person whose decision caused this projection, or `system`.

    Of a history that is loaded from a checkpoint on, rows of what is earlier stay as they are, but for those that the
    fold has gone on with.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        policy: Policy,
        history: History,
        *,
        now: str,
        actor: str,
        earlier: Earlier,
    ) -> None:
        self._db = connection
        self._policy = policy
        self._history = history
        self._now = now
        self._actor = actor
        self._earlier = earlier
        self._since_at = history.since_at
        self._ids: dict[Lead, int] = {}
        self._aside: tuple[Aside, Aside] | None = None
        self._places: dict[Lead | Former, int] = {}
        """Of the leads that rows aside refer to, in the order of their places."""

    @cached_property
    def _conversations(self) -> str:
        return json.dumps(self._history.conversations)

    def put_aside(self, waits: Iterable[Waiting], follow_ups: Iterable[FollowUp]) -> None:
        """Keep what cannot change any more until `write`, out of memory."""
        if self._aside is None:
            self._aside = (
                Aside(self._db, "waiting_cycles", WaitingRow._fields, key=2, at="started_at"),
                Aside(self._db, "follow_ups", FollowUpRow._fields, key=4, at="planned_at"),
            )
        for_waits, for_follow_ups = self._aside
        for_waits.put(self._waiting_row(each, self._place(each.lead)) for each in waits)
        for_follow_ups.put(self._follow_up_row(each, self._place(each.lead)) for each in follow_ups)

    def _place(self, lead: Lead | Former | None) -> int | None:
        return None if lead is None else self._places.setdefault(lead, len(self._places))

    def write(self, folded: Folded) -> None:
        """Leads first, because the other rows refer to them."""
        self._write_leads(folded.leads)
        waiting = {each: self._waiting_row(each, self._id_of(each.lead)) for each in folded.waiting}
        if self._aside is None:
            waits = waiting.values()
            self._sync("waiting_cycles", WaitingRow, waits, key=2, at="started_at", earlier=self._earlier.waits)
            follow_ups = [self._follow_up_row(each, self._id_of(each.lead)) for each in folded.follow_ups]
            self._sync("follow_ups", FollowUpRow, follow_ups, key=4, at="planned_at", earlier=self._earlier.follow_ups)
        else:
            self.put_aside(folded.waiting, folded.follow_ups)
            numbers = json.dumps([self.number_of(lead) for lead in self._places])
            for aside, earlier in zip(self._aside, (self._earlier.waits, self._earlier.follow_ups), strict=True):
                aside.write(numbers, self._conversations, self._since_at, earlier)
        still_waiting = {row.conversation_id: row for each, row in waiting.items() if each.ended_at is None}
        self._write_conversations(folded, still_waiting)

    def number_of(self, lead: Lead | Former) -> int:
        """The `lead_id` of a lead of the fold that was written."""
        return lead.lead_id if isinstance(lead, Former) else self._ids[lead]

    def _id_of(self, lead: Lead | Former | None) -> int | None:
        return None if lead is None else self.number_of(lead)

    # ------------------------------------------------------------------ leads

    def _write_leads(self, leads: Sequence[Lead]) -> None:
        stored = {} if self._history.is_new else self._stored_leads()
        self._ids = {lead: lead.lead_id for lead in leads if lead.lead_id is not None}
        self._match_by_opening(leads, stored)
        self._match_by_overlap(leads, stored)
        matched = set(self._ids.values())
        self._withdraw({lead_id: lead for lead_id, lead in stored.items() if lead_id not in matched})
        # A unique index allows one open lead per contact: what closes is written before what opens.
        for lead in sorted(leads, key=lambda lead: lead.closed_at is None):
            self._write_lead(lead, stored)
        for lead in leads:
            lead_id = self._ids[lead]
            links = _Links(self._id_of(lead.previous), self._id_of(lead.merged_into))
            if links != (stored[lead_id].links if lead_id in stored else _Links()):
                self._db.execute(
                    "UPDATE leads SET previous_lead_id = ?, merged_into_id = ? WHERE lead_id = ?", (*links, lead_id)
                )

    def _stored_leads(self) -> dict[int, _Stored]:
        return {
            lead_id: _Stored(LeadRow._make(columns[:-2]), _Links._make(columns[-2:]))
            for lead_id, *columns in self._db.execute(
                f"SELECT lead_id, {_LEAD_COLUMNS}, previous_lead_id, merged_into_id FROM leads "
                "WHERE (conversation_id IN (SELECT value FROM json_each(:conversations)) AND opened_at >= :since) "
                "OR (contact_id = :contact AND opened_at >= :since) "
                "OR lead_id IN (SELECT value FROM json_each(:earlier))",
                {
                    "conversations": self._conversations,
                    "contact": self._history.contact,
                    "since": self._since_at,
                    "earlier": json.dumps(self._earlier.leads),
                },
            )
        }

    def _match_by_opening(self, leads: Iterable[Lead], stored: Mapping[int, _Stored]) -> None:
        """Match rows that the same message opened; without a message, at the same time."""
        # Two copies of one message may each have opened a lead before they were known to be one: one ended as `merged`.
        merged_first = sorted(stored.items(), key=lambda each: each[1].row.stage != "merged")
        by_message = {each.row.opened_by_message_id: lead_id for lead_id, each in merged_first}
        by_moment = {(each.row.conversation_id, each.row.opened_at): lead_id for lead_id, each in stored.items()}
        free = stored.keys() - self._ids.values()
        for lead in leads:
            if lead in self._ids:
                continue
            lead_id = (
                by_message.get(lead.opened_by)
                if lead.opened_by
                else by_moment.get((lead.conversation, times.iso_ms(lead.opened_at)))
            )
            if lead_id in free:
                self._ids[lead] = lead_id
                free.remove(lead_id)

    def _match_by_overlap(self, leads: Iterable[Lead], stored: Mapping[int, _Stored]) -> None:
        """Else match the oldest remaining row open at the same time: a late message may have moved the opening."""
        matched = set(self._ids.values())
        free = {
            lead_id: each.row
            for lead_id, each in sorted(stored.items())
            if lead_id not in matched and each.row.stage != "merged"
        }
        for lead in leads:
            if lead in self._ids:
                continue
            opened, closed = times.iso_ms(lead.opened_at), times.iso_ms_or_none(lead.closed_at)
            for lead_id, row in free.items():
                if (closed is None or row.opened_at <= closed) and (row.closed_at is None or opened <= row.closed_at):
                    self._ids[lead] = lead_id
                    del free[lead_id]
                    break

    def _withdraw(self, left: Mapping[int, _Stored]) -> None:
        """Delete leads that the fold no longer produces, and record the withdrawal.

        Their record stays. So does a lead that ended as `merged`: for contacts that always were one person, the fold
        produces one lead where two had been open.
        """
        merged_last = sorted(left.items(), key=lambda each: each[1].row.stage == "merged")
        for lead_id, (row, links) in merged_last:
            if row.stage == "merged" and self._is_ours(links.merged_into_id):
                continue
            change = Change(
                at=times.to_ms(self._now),
                kind="stage",
                before=row.stage,
                after=None,
                reason=Reason("withdrawn"),
                actor=self._actor,
            )
            self._record(lead_id, change, kind="withdrawn")
            self._db.execute("DELETE FROM leads WHERE lead_id = ?", (lead_id,))

    def _is_ours(self, lead_id: int | None) -> bool:
        """Whether the lead that another was merged into is of this contact: the merge may have been undone since."""
        query = "SELECT 1 FROM leads WHERE lead_id = ? AND contact_id = ?"
        return self._db.execute(query, (lead_id, self._history.contact)).fetchone() is not None

    def _write_lead(self, lead: Lead, stored: Mapping[int, _Stored]) -> None:
        row = self._lead_row(lead)
        lead_id = self._ids.get(lead)
        if lead_id is None:
            former = self._former_id(lead)
            cursor = self._db.execute(_INSERT_LEAD, (former, *row, self._now, self._now))
            lead_id = self._ids[lead] = int(cursor.lastrowid or 0)
            recorded = [] if former is None else self._recorded(lead_id, "at >= ?", BEGINNING)
        else:
            if stored[lead_id].row != row:
                self._db.execute(_UPDATE_LEAD, (*row, self._now, lead_id))
            since = BEGINNING if lead.lead_id is None else self._since_at
            recorded = self._recorded(lead_id, "at >= ?", since)
        stage_before = stored[lead_id].row.stage if lead_id in stored else None
        self._write_record(lead_id, lead, recorded, stage_before=stage_before)

    def _lead_row(self, lead: Lead) -> LeadRow:
        wall = business = None
        if lead.first_response_at is not None:
            wall = (lead.first_response_at - lead.opened_at) / 1000
            business = self._business_seconds(lead.opened_at, lead.first_response_at)
        return LeadRow(
            contact_id=self._history.contact,
            conversation_id=lead.conversation,
            stage=lead.stage,
            intent=lead.intent,
            topics=_list_as_json(*lead.topics),
            source=lead.source,
            opened_at=times.iso_ms(lead.opened_at),
            opened_by_message_id=lead.opened_by,
            stage_at=times.iso_ms(lead.stage_at),
            closed_at=times.iso_ms_or_none(lead.closed_at),
            reopened=lead.reopened,
            proposed=lead.proposed,
            first_response_at=times.iso_ms_or_none(lead.first_response_at),
            first_response_seconds=wall,
            first_response_business_seconds=business,
            last_message_at=times.iso_ms(lead.last_message_at),
        )

    def _former_id(self, lead: Lead) -> int | None:
        """The id of a withdrawn lead that the same message had opened, to use it again."""
        row = self._db.execute(
            "SELECT lead_id FROM lead_events WHERE kind = 'opened' AND message_id = ? "
            "AND lead_id NOT IN (SELECT lead_id FROM leads) ORDER BY event_id DESC LIMIT 1",
            (lead.opened_by,),
        ).fetchone()
        return row[0] if row else None

    # ------------------------------------------------------------------ the record

    def _write_record(self, lead_id: int, lead: Lead, recorded: list[_Recorded], *, stage_before: str | None) -> None:
        """Append the lead's changes that `lead_events` does not have yet. `recorded`: its lines, from what was loaded
        on.

        The record is append-only, but late messages, manual labels and merges can change the past that the fold
        produces. So lines that the fold no longer produces stay, and a lead has one `opened` line, even if the fold now
        says that another message opened it. But the last line with a stage must match the lead's stage. If it does not,
        one more line is added: with the reason of the new opening if that explains the stage (a stranger's lead that
        turns out to have begun with a price), else `recomputed`. Of a lead that was there before what was loaded, the
        last line so far matches its stage so far (`stage_before`).
        """
        goes_on = lead.lead_id is not None
        known, so_far = set(recorded), len(recorded)
        opened = any(each.kind == "opened" for each in recorded)
        other_opening: Change | None = None
        new: list[EventRow] = []
        for change in lead.changes:
            line = _Recorded.of(change)
            if line in known:
                continue
            if change.kind == "opened" and (opened or goes_on):
                other_opening = change
            else:
                new.append(self._event_row(lead_id, change))
                recorded.append(line)
        self._db.executemany(_INSERT_EVENT, new)
        lines = recorded[so_far:] if goes_on else recorded
        last = next(
            (each.after for each in reversed(lines) if each.kind in _KINDS_WITH_A_STAGE),
            stage_before if goes_on else None,
        )
        if last == lead.stage:
            return
        if goes_on and other_opening is not None:
            same = _Recorded.of(other_opening) in self._recorded(lead_id, "kind = ?", "opened")
            other_opening = None if same else other_opening
        if other_opening is not None and other_opening.after == lead.stage:
            reason, actor, message_id = other_opening.reason, SYSTEM, other_opening.message_id
        else:
            reason, actor, message_id = Reason("recomputed"), self._actor, None
        change = Change(
            at=times.to_ms(self._now),
            kind="stage",
            before=last,
            after=lead.stage,
            reason=reason,
            actor=actor,
            message_id=message_id,
        )
        self._record(lead_id, change)

    def _recorded(self, lead_id: int, which: str, value: str) -> list[_Recorded]:
        query = (
            f"SELECT {', '.join(_Recorded._fields)} FROM lead_events WHERE lead_id = ? AND {which} ORDER BY event_id"
        )
        return [_Recorded._make(row) for row in self._db.execute(query, (lead_id, value))]

    def _record(self, lead_id: int, change: Change, *, kind: str | None = None) -> None:
        self._db.execute(_INSERT_EVENT, self._event_row(lead_id, change, kind=kind))

    def _event_row(self, lead_id: int, change: Change, *, kind: str | None = None) -> EventRow:
        return EventRow._make(  # in order: naming so many columns takes three times as long
            (
                lead_id,
                times.iso_ms(change.at),
                self._now,
                change.actor,
                kind or change.kind,
                change.before,
                change.after,
                change.message_id,
                change.reason.code,
                _as_json(*change.reason.values.items()),
            )
        )

    # ------------------------------------------------------------------ waiting and follow-ups

    def _sync(
        self,
        table: str,
        columns: type[WaitingRow] | type[FollowUpRow],
        rows: Iterable[WaitingRow | FollowUpRow],
        *,
        key: int,
        at: str,
        earlier: Iterable[tuple[object, ...]],
    ) -> None:
        """Give a table these rows for these conversations, from what was loaded on.

        The first `key` columns identify a row. `at`: the column with its time; `earlier`: keys of others to replace.
        """
        names = columns._fields
        wanted = {row[:key]: row for row in rows}
        if self._history.is_new:
            if wanted:
                self._db.executemany(insert(table, names), list(wanted.values()))
            return
        same_key = " AND ".join(f"{name} = ?" for name in names[:key])
        select = f"SELECT {', '.join(names)} FROM {table} WHERE "
        stored = {
            row[:key]: row
            for row in self._db.execute(
                f"{select}conversation_id IN (SELECT value FROM json_each(?)) AND {at} >= ?",
                (self._conversations, self._since_at),
            )
        }
        for each in earlier:
            stored |= {row[:key]: row for row in self._db.execute(select + same_key, each)}
        self._db.executemany(f"DELETE FROM {table} WHERE {same_key}", stored.keys() - wanted.keys())
        self._db.executemany(
            upsert(table, names, names[:key]), [row for place, row in wanted.items() if stored.get(place) != row]
        )

    def _waiting_row(self, waiting: Waiting, lead_id: int | None) -> WaitingRow:
        due = self._policy.calendar.due_ms(waiting.started_at, self._policy.target_seconds)
        wall = business = None
        if waiting.ended_at is not None:
            wall = (waiting.ended_at - waiting.started_at) / 1000
            business = self._business_seconds(waiting.started_at, waiting.ended_at)
        return WaitingRow._make(
            (
                waiting.conversation,
                times.iso_ms(waiting.started_at),
                lead_id,
                waiting.kind,
                waiting.message_id,
                times.iso_ms_or_none(due),
                times.iso_ms_or_none(waiting.ended_at),
                waiting.ended_by,
                wall,
                business,
            )
        )

    def _follow_up_row(self, follow_up: FollowUp, lead_id: int | None) -> FollowUpRow:
        due = times.from_ms(follow_up.due_at)
        return FollowUpRow(
            conversation_id=follow_up.conversation,
            kind=follow_up.kind,
            planned_at=times.iso_ms(follow_up.planned_at),
            number=follow_up.number,
            lead_id=lead_id,
            due_at=times.iso(self._policy.calendar.opens(due) or due),  # nobody follows up at night
            state=follow_up.state,
            ended_at=times.iso_ms_or_none(follow_up.ended_at),
            ended_by=follow_up.ended_by,
        )

    def _write_conversations(self, folded: Folded, waiting: Mapping[int, WaitingRow]) -> None:
        for conversation in self._history.conversations:
            cycle = waiting.get(conversation)
            category = folded.categories.get(conversation)
            self._db.execute(
                "UPDATE conversations SET waiting_since = :since, due_at = :due, category = :category, "
                "category_by = :by WHERE conversation_id = :conversation "
                "AND (waiting_since, due_at, category, category_by) IS NOT (:since, :due, :category, :by)",
                {
                    "since": cycle.started_at if cycle else None,
                    "due": cycle.due_at if cycle else None,
                    "category": category.group if category else None,
                    "by": category.by if category else None,
                    "conversation": conversation,
                },
            )

    def _business_seconds(self, start: int, end: int) -> float:
        return self._policy.calendar.business_seconds_ms(start, end)
