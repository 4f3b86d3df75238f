"""Writes the result of a fold to the tables: leads, their record, waiting cycles, follow-ups, conversations.

Only rows that differ are written, and every lead keeps its id.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from leadmasterd import times
from leadmasterd.leads.fold import Change, Folded, FollowUp, Former, Lead, Waiting
from leadmasterd.projection.history import History
from leadmasterd.projection.policy import Policy
from leadmasterd.projection.row_buffer import RowBuffer
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
    """The columns of `leads` that refer to other leads, which must have ids first."""

    previous_lead_id: int | None = None
    merged_into_id: int | None = None


class _Stored(NamedTuple):
    """A lead as it stands in the table."""

    row: LeadRow
    links: _Links


class _RecordLine(NamedTuple):
    """A line of a lead's record (`lead_events`), as far as it identifies the change."""

    at: str
    kind: str
    before: str | None
    after: str | None
    actor: str
    message_id: int | None

    @classmethod
    def of(cls, change: Change) -> "_RecordLine":
        """The line that a change of the fold is recorded by."""
        at = times.iso_ms(change.at)
        return cls._make((at, change.kind, change.before, change.after, change.actor, change.message_id))


_LEAD_COLUMNS: Final = ", ".join(LeadRow._fields)
_INSERT_LEAD: Final = insert("leads", ("lead_id", *LeadRow._fields, "created_at", "updated_at"))
_UPDATE_LEAD: Final = (
    f"UPDATE leads SET {', '.join(f'{column} = ?' for column in LeadRow._fields)}, updated_at = ? WHERE lead_id = ?"
)
_INSERT_EVENT: Final = insert("lead_events", EventRow._fields)
_CACHED: Final = 256
"""How many values of reasons, and how many lists of topics, are kept as JSON: a shop has few different ones."""


@lru_cache(maxsize=_CACHED)
def _pairs_as_json(*pairs: tuple[str, object]) -> str:
    return json.dumps(dict(pairs))


@lru_cache(maxsize=_CACHED)
def _list_as_json(*values: str) -> str:
    return json.dumps(values)


_KINDS_WITH_A_STAGE: Final = ("opened", "stage", "reopened", "merged", "withdrawn")
"""Kinds of lines whose `after` is the lead's stage from then on."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """Which rows from before a checkpoint the fold may still change: ids of leads, keys of waits and of follow-ups."""

    leads: Sequence[int] = ()
    waits: Sequence[tuple[object, ...]] = ()
    follow_ups: Sequence[tuple[object, ...]] = ()

    @classmethod
    def of(cls, folded: Folded) -> "Earlier":
        """What a fold resumed from a checkpoint may still change. `folded`: the fold's result before its first step."""
        return cls(
            [lead.lead_id for lead in folded.leads if lead.lead_id is not None],
            [(wait.conversation, times.iso_ms(wait.started_at)) for wait in folded.waiting],
            [(each.conversation, each.kind, times.iso_ms(each.planned_at), each.number) for each in folded.follow_ups],
        )


def _last_stage(lines: Sequence[_RecordLine], default: str | None) -> str | None:
    """The stage after the last of these lines that has one; `default` if none has."""
    for line in reversed(lines):
        if line.kind in _KINDS_WITH_A_STAGE:
            return line.after
    return default


class LeadRows:
    """Writes the rows of one history, once.

    If the fold began at a checkpoint, older rows stay as they are, except those that the fold may still change
    (`Earlier`).
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
        """`history`: set to where the fold begins. `now`: ISO, when these rows are written.

        `actor`: the person whose decision caused this projection, or `system`.
        """
        self._db = connection
        self._policy = policy
        self._history = history
        self._now = now
        self._actor = actor
        self._earlier = earlier
        self._since_at = history.since_at
        self._ids: dict[Lead, int] = {}
        self._buffers: tuple[RowBuffer, RowBuffer] | None = None
        """Of waiting cycles and of follow-ups; None if no final rows were buffered."""
        self._positions: dict[Lead | Former, int] = {}
        """The leads that buffered rows refer to, each with its position among these."""

    @cached_property
    def _conversations(self) -> str:
        """A JSON list of the history's conversations."""
        return json.dumps(self._history.conversations)

    def buffer(self, waits: Iterable[Waiting], follow_ups: Iterable[FollowUp]) -> None:
        """Keep what cannot change any more in temporary tables until `write`, so that it takes no memory."""
        if self._buffers is None:
            self._buffers = (
                RowBuffer(self._db, "waiting_cycles", WaitingRow._fields, key=2, at="started_at"),
                RowBuffer(self._db, "follow_ups", FollowUpRow._fields, key=4, at="planned_at"),
            )
        wait_buffer, follow_up_buffer = self._buffers
        wait_buffer.add(self._waiting_row(each, self._position_of(each.lead)) for each in waits)
        follow_up_buffer.add(self._follow_up_row(each, self._position_of(each.lead)) for each in follow_ups)

    def _position_of(self, lead: Lead | Former | None) -> int | None:
        """What stands for the lead's id in a buffered row."""
        return None if lead is None else self._positions.setdefault(lead, len(self._positions))

    def write(self, folded: Folded) -> None:
        """Write the result of the whole fold. `folded`: what was not buffered.

        Leads come first, because the other rows refer to them.
        """
        self._write_leads(folded.leads)
        waits = {each: self._waiting_row(each, self._id_of(each.lead)) for each in folded.waiting}
        if self._buffers is None:
            self._sync(
                "waiting_cycles", WaitingRow, waits.values(), key=2, at="started_at", earlier=self._earlier.waits
            )
            follow_ups = [self._follow_up_row(each, self._id_of(each.lead)) for each in folded.follow_ups]
            self._sync("follow_ups", FollowUpRow, follow_ups, key=4, at="planned_at", earlier=self._earlier.follow_ups)
        else:
            self.buffer(folded.waiting, folded.follow_ups)
            lead_ids = json.dumps([self.id_of(lead) for lead in self._positions])
            wait_buffer, follow_up_buffer = self._buffers
            wait_buffer.flush(lead_ids, self._conversations, self._since_at, self._earlier.waits)
            follow_up_buffer.flush(lead_ids, self._conversations, self._since_at, self._earlier.follow_ups)
        running = {row.conversation_id: row for wait, row in waits.items() if wait.ended_at is None}
        self._update_conversations(folded, running)

    def id_of(self, lead: Lead | Former) -> int:
        """The `lead_id` of a lead of the fold, once `write` has written it."""
        return lead.lead_id if isinstance(lead, Former) else self._ids[lead]

    def _id_of(self, lead: Lead | Former | None) -> int | None:
        return None if lead is None else self.id_of(lead)

    # ------------------------------------------------------------------ leads

    def _write_leads(self, leads: Sequence[Lead]) -> None:
        """Give each lead its id, new or stored; write it with its record; withdraw stored leads that are no more."""
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
            links_before = stored[lead_id].links if lead_id in stored else _Links()
            if links != links_before:
                self._db.execute(
                    "UPDATE leads SET previous_lead_id = ?, merged_into_id = ? WHERE lead_id = ?", (*links, lead_id)
                )

    def _stored_leads(self) -> dict[int, _Stored]:
        """The stored leads that this fold may change, by id: opened since it begins, and those of `Earlier`."""
        return {
            lead_id: _Stored(LeadRow._make(lead_columns), _Links(previous, merged_into))
            for lead_id, *lead_columns, previous, merged_into in self._db.execute(
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
        """Give each lead the id of the stored lead that the same message opened.

        A lead that no message opened gets the id of the one that opened at the same time. Two leads never get the same
        id; a lead that finds none is left for `_match_by_overlap`.
        """
        # Two copies of one message may each have opened a lead before they were known to be one: one of these leads
        # ended as `merged`. It comes first, so that the other one replaces it in `by_message`.
        merged_first = sorted(stored.items(), key=lambda each: each[1].row.stage != "merged")
        by_message = {each.row.opened_by_message_id: lead_id for lead_id, each in merged_first}
        by_moment = {(each.row.conversation_id, each.row.opened_at): lead_id for lead_id, each in stored.items()}
        free = stored.keys() - self._ids.values()
        for lead in leads:
            if lead in self._ids:
                continue
            if lead.opened_by:
                lead_id = by_message.get(lead.opened_by)
            else:
                lead_id = by_moment.get((lead.conversation, times.iso_ms(lead.opened_at)))
            if lead_id in free:
                self._ids[lead] = lead_id
                free.remove(lead_id)

    def _match_by_overlap(self, leads: Iterable[Lead], stored: Mapping[int, _Stored]) -> None:
        """Give each lead that has no id yet the id of the oldest free stored lead that was open at the same time.

        A lead's opening may have moved, because a message was captured late. Leads that overlap no stored one are new.
        """
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
                opened_before_end = closed is None or row.opened_at <= closed
                closed_after_begin = row.closed_at is None or opened <= row.closed_at
                if opened_before_end and closed_after_begin:
                    self._ids[lead] = lead_id
                    del free[lead_id]
                    break

    def _withdraw(self, unmatched: Mapping[int, _Stored]) -> None:
        """Delete stored leads that the fold no longer produces, and record that they were withdrawn.

        Their record stays. A lead that ended as `merged` stays too, if it was merged into a lead of this contact: for
        contacts that always were one person, the fold produces one lead where two had been open.
        """
        # Merged ones last: by then the leads that they were merged into are deleted, if these are withdrawn too.
        merged_last = sorted(unmatched.items(), key=lambda each: each[1].row.stage == "merged")
        for lead_id, (row, links) in merged_last:
            if row.stage == "merged" and self._is_of_this_contact(links.merged_into_id):
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

    def _is_of_this_contact(self, lead_id: int | None) -> bool:
        """Whether the stored lead with this id is this contact's; after an undone merge it is not. False for None."""
        query = "SELECT 1 FROM leads WHERE lead_id = ? AND contact_id = ?"
        return self._db.execute(query, (lead_id, self._history.contact)).fetchone() is not None

    def _write_lead(self, lead: Lead, stored: Mapping[int, _Stored]) -> None:
        """Insert or update one lead, and append to its record. A new lead gets its id here."""
        row = self._lead_row(lead)
        lead_id = self._ids.get(lead)
        if lead_id is None:
            withdrawn_id = self._withdrawn_id(lead)
            cursor = self._db.execute(_INSERT_LEAD, (withdrawn_id, *row, self._now, self._now))
            lead_id = self._ids[lead] = int(cursor.lastrowid or 0)
            recorded = [] if withdrawn_id is None else self._recorded(lead_id, "at >= ?", BEGINNING)
        else:
            if stored[lead_id].row != row:
                self._db.execute(_UPDATE_LEAD, (*row, self._now, lead_id))
            opened_in_this_fold = lead.lead_id is None
            since = BEGINNING if opened_in_this_fold else self._since_at
            recorded = self._recorded(lead_id, "at >= ?", since)
        stage_before = stored[lead_id].row.stage if lead_id in stored else None
        self._write_record(lead_id, lead, recorded, stage_before=stage_before)

    def _lead_row(self, lead: Lead) -> LeadRow:
        """A lead of the fold as the table's columns. The times until the first response are None without one."""
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

    def _withdrawn_id(self, lead: Lead) -> int | None:
        """The id of a withdrawn lead that the same message had opened, to use it again; None if there is none."""
        row = self._db.execute(
            "SELECT lead_id FROM lead_events WHERE kind = 'opened' AND message_id = ? "
            "AND lead_id NOT IN (SELECT lead_id FROM leads) ORDER BY event_id DESC LIMIT 1",
            (lead.opened_by,),
        ).fetchone()
        return row[0] if row else None

    # ------------------------------------------------------------------ the record

    def _write_record(
        self, lead_id: int, lead: Lead, recorded: Sequence[_RecordLine], *, stage_before: str | None
    ) -> None:
        """Append the lead's changes that `lead_events` does not have yet, and one more line if the stage needs it.

        `recorded`: its lines since the fold begins; all of them if the lead opened since then. `stage_before`: the
        stage as it was stored; None for a new row.

        The record is append-only, but late messages, manual labels and merges can change the past that the fold
        produces. So lines that the fold no longer produces stay, and a lead has one `opened` line, even if the fold now
        says that another message opened it. But the last line with a stage must match the lead's stage. If it does not,
        one more line is added: with the reason of the new opening if that explains the stage (a stranger's lead that
        turns out to have begun with a price), else `recomputed`.
        """
        is_earlier = lead.lead_id is not None  # it was there before the fold began, so `recorded` is a part
        has_opening = is_earlier or any(line.kind == "opened" for line in recorded)
        new_lines, other_opening = self._append_changes(lead_id, lead, set(recorded), has_opening=has_opening)
        if is_earlier:  # the part of its record that was not read ends with the stored stage
            recorded_stage = _last_stage(new_lines, stage_before)
        else:
            recorded_stage = _last_stage([*recorded, *new_lines], None)
        if recorded_stage == lead.stage:
            return
        if is_earlier and other_opening is not None:
            openings = self._recorded(lead_id, "kind = ?", "opened")
            if _RecordLine.of(other_opening) in openings:
                other_opening = None  # it is the recorded one
        if other_opening is not None and other_opening.after == lead.stage:
            reason, actor, message_id = other_opening.reason, SYSTEM, other_opening.message_id
        else:
            reason, actor, message_id = Reason("recomputed"), self._actor, None
        change = Change(
            at=times.to_ms(self._now),
            kind="stage",
            before=recorded_stage,
            after=lead.stage,
            reason=reason,
            actor=actor,
            message_id=message_id,
        )
        self._record(lead_id, change)

    def _append_changes(
        self, lead_id: int, lead: Lead, known: Set[_RecordLine], *, has_opening: bool
    ) -> tuple[list[_RecordLine], Change | None]:
        """Append the lead's changes that are not `known`. Returns their lines, and the opening that was left out.

        `has_opening`: the record has an `opened` line already, so no other one is appended.
        """
        other_opening: Change | None = None
        lines: list[_RecordLine] = []
        rows: list[EventRow] = []
        for change in lead.changes:
            line = _RecordLine.of(change)
            if line in known:
                continue
            if change.kind == "opened" and has_opening:
                other_opening = change
            else:
                rows.append(self._event_row(lead_id, change))
                lines.append(line)
        self._db.executemany(_INSERT_EVENT, rows)
        return lines, other_opening

    def _recorded(self, lead_id: int, condition: str, value: str) -> list[_RecordLine]:
        """The lines of a lead's record that meet a condition, in order.

        `condition`: SQL with one parameter, which gets `value`.
        """
        query = (
            f"SELECT {', '.join(_RecordLine._fields)} FROM lead_events "
            f"WHERE lead_id = ? AND {condition} ORDER BY event_id"
        )
        return [_RecordLine._make(row) for row in self._db.execute(query, (lead_id, value))]

    def _record(self, lead_id: int, change: Change, *, kind: str | None = None) -> None:
        """Append one line. `kind`: as for `_event_row`."""
        self._db.execute(_INSERT_EVENT, self._event_row(lead_id, change, kind=kind))

    def _event_row(self, lead_id: int, change: Change, *, kind: str | None = None) -> EventRow:
        """A change as the columns of `lead_events`. `kind`: stored instead of the change's own, for `withdrawn`."""
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
                _pairs_as_json(*change.reason.values.items()),
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
        """Make a table hold exactly these rows for the history's conversations, from where the fold begins.

        Only rows that differ are written. The first `key` columns identify a row; `at` names the column with its time.
        `earlier`: keys of older rows, which are replaced, or deleted if `rows` has none with that key.
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
        changed = [row for row_key, row in wanted.items() if stored.get(row_key) != row]
        self._db.executemany(upsert(table, names, names[:key]), changed)

    def _waiting_row(self, waiting: Waiting, lead_id: int | None) -> WaitingRow:
        """A waiting cycle as columns. `lead_id`: the id of its lead, or its position in a buffered row."""
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
        """A follow-up as columns. `lead_id`: as for `_waiting_row`."""
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

    def _update_conversations(self, folded: Folded, running: Mapping[int, WaitingRow]) -> None:
        """Set in `conversations` since when each one waits, when its answer is due, and what it is about.

        `running`: by conversation, the waiting cycle that has not ended. A row that is right already is not written.
        """
        for conversation in self._history.conversations:
            cycle = running.get(conversation)
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
