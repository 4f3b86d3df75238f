"""What a history was folded to, written to the tables: only differences, and every lead under the id it had."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from leadmasterd import times
from leadmasterd.leads.fold import Change, Folded, FollowUp, Lead, Waiting
from leadmasterd.projection.history import History
from leadmasterd.projection.policy import Policy
from leadmasterd.reasons import SYSTEM, Reason
from leadmasterd.times import iso

_LEAD_COLUMNS: Final = (
    "contact_id", "conversation_id", "stage", "intent", "topics", "source", "opened_at", "opened_by_message_id",
    "stage_at", "closed_at", "reopened", "proposed", "first_response_at", "first_response_seconds",
    "first_response_business_seconds", "last_message_at",
)  # fmt: skip
_TELL_A_STAGE: Final = ("opened", "stage", "reopened", "merged", "withdrawn")
_STAGE: Final = _LEAD_COLUMNS.index("stage")
_CONVERSATION: Final = _LEAD_COLUMNS.index("conversation_id")
_OPENED_AT: Final = _LEAD_COLUMNS.index("opened_at")
_OPENED_BY: Final = _LEAD_COLUMNS.index("opened_by_message_id")
_CLOSED_AT: Final = _LEAD_COLUMNS.index("closed_at")


class LeadRows:
    """What a history was folded to, against what is in the tables: only differences are written.

    `actor`: whose word it was that everything is looked at again, if somebody's.
    """

    def __init__(
        self, connection: sqlite3.Connection, policy: Policy, history: History, folded: Folded, now: str, actor: str
    ) -> None:
        self._db = connection
        self._policy = policy
        self._story = history
        self._folded = folded
        self._now = now
        self._actor = actor
        self._conversations = json.dumps(history.conversations)
        self._ids: dict[int, int] = {}

    def write(self) -> None:
        """All of it, leads first since the others refer to them."""
        self._write_leads()
        self._write_waiting()
        self._write_follow_ups()
        self._write_conversations()

    # ------------------------------------------------------------------ leads

    def _write_leads(self) -> None:
        there = {
            row[0]: row[1:]
            for row in self._db.execute(
                f"SELECT lead_id, {', '.join(_LEAD_COLUMNS)}, previous_lead_id, merged_into_id FROM leads "
                "WHERE conversation_id IN (SELECT value FROM json_each(?)) OR contact_id = ?",
                (self._conversations, self._story.contact),
            )
        }
        self._claim(there)
        self._withdraw({number: row for number, row in there.items() if number not in self._ids.values()})
        # At most one open lead a contact: what closes is written before what opens.
        for lead in sorted(self._folded.leads, key=lambda lead: lead.closed_at is None):
            self._write_lead(lead, there)
        for lead in self._folded.leads:
            links = tuple(self._ids[id(each)] if each else None for each in (lead.previous, lead.merged_into))
            number = self._ids[id(lead)]
            if links != (there[number][-2:] if number in there else (None, None)):
                self._db.execute(
                    "UPDATE leads SET previous_lead_id = ?, merged_into_id = ? WHERE lead_id = ?", (*links, number)
                )

    def _claim(self, there: Mapping[int, tuple[Any, ...]]) -> None:
        """Which row is which lead's: the one its message or moment opened, else one that was open at the same time."""
        opened_by = {row[_OPENED_BY]: number for number, row in there.items() if row[_OPENED_BY]}
        opened_at = {(row[_CONVERSATION], row[_OPENED_AT]): number for number, row in there.items()}
        free = set(there)
        for lead in self._folded.leads:
            moment = lead.conversation, times.iso_ms(lead.opened_at)
            number = opened_by.get(lead.opened_by) if lead.opened_by else opened_at.get(moment)
            if number in free:
                self._ids[id(lead)] = number
                free.remove(number)
        spans = {
            number: (there[number][_OPENED_AT], there[number][_CLOSED_AT])
            for number in sorted(free)
            if there[number][_STAGE] != "merged"
        }
        for lead in self._folded.leads:
            if id(lead) in self._ids:
                continue
            opened, closed = times.iso_ms(lead.opened_at), times.iso_ms_or_none(lead.closed_at)
            for number, (row_opened, row_closed) in spans.items():
                if (closed is None or row_opened <= closed) and (row_closed is None or opened <= row_closed):
                    self._ids[id(lead)] = number
                    del spans[number]
                    break

    def _withdraw(self, left: Mapping[int, tuple[Any, ...]]) -> None:
        """Rows that no lead is behind any more: late messages or a person's word have shown that it never was one."""
        for number, row in left.items():
            if row[_STAGE] == "merged" and self._is_ours(row[-1]):
                continue
            self._note(
                number,
                Change(times.to_ms(self._now), "stage", row[_STAGE], None, Reason("withdrawn"), self._actor),
                kind="withdrawn",
            )
            self._db.execute("DELETE FROM leads WHERE lead_id = ?", (number,))

    def _is_ours(self, lead_id: int) -> bool:
        """Whether the lead that another was merged into is of this contact: the merge may have been undone since."""
        query = "SELECT 1 FROM leads WHERE lead_id = ? AND contact_id = ?"
        return self._db.execute(query, (lead_id, self._story.contact)).fetchone() is not None

    def _write_lead(self, lead: Lead, there: Mapping[int, tuple[Any, ...]]) -> None:
        wall = business = None
        if lead.first_response_at is not None:
            wall = (lead.first_response_at - lead.opened_at) / 1000
            business = self._business(lead.opened_at, lead.first_response_at)
        row = (
            self._story.contact,
            lead.conversation,
            lead.stage,
            lead.intent,
            json.dumps(lead.topics),
            lead.source,
            times.iso_ms(lead.opened_at),
            lead.opened_by,
            times.iso_ms(lead.stage_at),
            times.iso_ms_or_none(lead.closed_at),
            lead.reopened,
            lead.proposed,
            times.iso_ms_or_none(lead.first_response_at),
            wall,
            business,
            times.iso_ms(lead.last_message_at),
        )
        number = self._ids.get(id(lead))
        if number is None:
            cursor = self._db.execute(
                f"INSERT INTO leads (lead_id, {', '.join(_LEAD_COLUMNS)}, created_at, updated_at) "
                f"VALUES ({', '.join('?' * (len(_LEAD_COLUMNS) + 3))})",
                (self._former_id(lead), *row, self._now, self._now),
            )
            number = self._ids[id(lead)] = int(cursor.lastrowid or 0)
        elif there[number][:-2] != row:
            self._db.execute(
                f"UPDATE leads SET {', '.join(f'{column} = ?' for column in _LEAD_COLUMNS)}, updated_at = ? "
                "WHERE lead_id = ?",
                (*row, self._now, number),
            )
        self._write_record(number, lead)

    def _former_id(self, lead: Lead) -> int | None:
        """The id of a lead that this message opened before and that was withdrawn: it is that one again."""
        row = self._db.execute(
            "SELECT lead_id FROM lead_events WHERE kind = 'opened' AND message_id = ? "
            "AND lead_id NOT IN (SELECT lead_id FROM leads) ORDER BY event_id DESC LIMIT 1",
            (lead.opened_by,),
        ).fetchone()
        return row[0] if row else None

    def _write_record(self, number: int, lead: Lead) -> None:
        """Add what the record does not tell yet. It opens once, and its last word is always the stage the lead has."""
        told = self._db.execute(
            "SELECT at, kind, before, after, actor, message_id FROM lead_events WHERE lead_id = ? ORDER BY event_id",
            (number,),
        ).fetchall()
        known = set(told)
        opened = any(kind == "opened" for _, kind, _, _, _, _ in told)
        opened_otherwise: Change | None = None
        for change in lead.changes:
            row = (
                times.iso_ms(change.at), change.kind, change.before, change.after, change.actor, change.message_id
            )  # fmt: skip
            if row in known:
                continue
            if change.kind == "opened" and opened:
                opened_otherwise = change
            else:
                self._note(number, change)
                told.append(row)
        last = next((after for _, kind, _, after, _, _ in reversed(told) if kind in _TELL_A_STAGE), None)
        if last != lead.stage:
            because, message_id = Reason("recomputed"), None
            if (
                opened_otherwise is not None and opened_otherwise.after == lead.stage
            ):  # the burst's next words tell more
                because, message_id = opened_otherwise.because, opened_otherwise.message_id
            now = times.to_ms(self._now)
            actor = self._actor if because.code == "recomputed" else SYSTEM
            self._note(number, Change(now, "stage", last, lead.stage, because, actor, message_id))

    def _note(self, lead_id: int, change: Change, *, kind: str | None = None) -> None:
        self._db.execute(
            "INSERT INTO lead_events "
            "(lead_id, at, recorded_at, actor, kind, before, after, message_id, code, value_json) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                lead_id,
                times.iso_ms(change.at),
                self._now,
                change.actor,
                kind or change.kind,
                change.before,
                change.after,
                change.message_id,
                change.because.code,
                json.dumps(dict(change.because.values)),
            ),
        )

    def _business(self, start: int, end: int) -> float:
        return self._policy.calendar.business_seconds(times.from_ms(start), times.from_ms(end))

    # ------------------------------------------------------------------ waiting and follow-ups

    def _write_waiting(self) -> None:
        there = {
            row[:2]: row[2:]
            for row in self._db.execute(
                "SELECT conversation_id, started_at, lead_id, kind, message_id, due_at, ended_at, ended_by, "
                "wall_seconds, business_seconds FROM waiting_cycles "
                "WHERE conversation_id IN (SELECT value FROM json_each(?))",
                (self._conversations,),
            )
        }
        wanted = {
            (waiting.conversation, times.iso_ms(waiting.started_at)): self._waiting_row(waiting)
            for waiting in self._folded.waiting
        }
        self._db.executemany(
            "DELETE FROM waiting_cycles WHERE conversation_id = ? AND started_at = ?", there.keys() - wanted.keys()
        )
        self._db.executemany(
            "INSERT INTO waiting_cycles (conversation_id, started_at, lead_id, kind, message_id, due_at, ended_at, "
            "ended_by, wall_seconds, business_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (conversation_id, started_at) DO UPDATE SET lead_id = excluded.lead_id, kind = excluded.kind, "
            "message_id = excluded.message_id, due_at = excluded.due_at, ended_at = excluded.ended_at, "
            "ended_by = excluded.ended_by, wall_seconds = excluded.wall_seconds, "
            "business_seconds = excluded.business_seconds",
            [(*place, *row) for place, row in wanted.items() if there.get(place) != row],
        )

    def _waiting_row(self, waiting: Waiting) -> tuple[object, ...]:
        due = self._policy.calendar.due(times.from_ms(waiting.started_at), self._policy.target_seconds)
        wall = business = None
        if waiting.ended_at is not None:
            wall = (waiting.ended_at - waiting.started_at) / 1000
            business = self._business(waiting.started_at, waiting.ended_at)
        return (
            self._ids[id(waiting.lead)] if waiting.lead else None,
            waiting.kind,
            waiting.message_id,
            iso(due) if due else None,
            times.iso_ms_or_none(waiting.ended_at),
            waiting.ended_by,
            wall,
            business,
        )

    def _write_follow_ups(self) -> None:
        there = {
            row[:4]: row[4:]
            for row in self._db.execute(
                "SELECT conversation_id, kind, planned_at, number, lead_id, due_at, state, ended_at, ended_by "
                "FROM follow_ups WHERE conversation_id IN (SELECT value FROM json_each(?))",
                (self._conversations,),
            )
        }
        wanted = {_place(each): self._follow_up_row(each) for each in self._folded.follow_ups}
        self._db.executemany(
            "DELETE FROM follow_ups WHERE conversation_id = ? AND kind = ? AND planned_at = ? AND number = ?",
            there.keys() - wanted.keys(),
        )
        self._db.executemany(
            "INSERT INTO follow_ups (conversation_id, kind, planned_at, number, lead_id, due_at, state, ended_at, "
            "ended_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (conversation_id, kind, planned_at, number) "
            "DO UPDATE SET lead_id = excluded.lead_id, due_at = excluded.due_at, state = excluded.state, "
            "ended_at = excluded.ended_at, ended_by = excluded.ended_by",
            [(*place, *row) for place, row in wanted.items() if there.get(place) != row],
        )

    def _follow_up_row(self, follow_up: FollowUp) -> tuple[object, ...]:
        return (
            self._ids[id(follow_up.lead)] if follow_up.lead else None,
            times.iso_ms(follow_up.due_at),
            follow_up.state,
            times.iso_ms_or_none(follow_up.ended_at),
            follow_up.ended_by,
        )

    def _write_conversations(self) -> None:
        waiting = {each.conversation: each for each in self._folded.waiting if each.ended_at is None}
        for conversation in self._story.conversations:
            open_one = waiting.get(conversation)
            category = self._folded.categories.get(conversation)
            self._db.execute(
                "UPDATE conversations SET waiting_since = :since, due_at = :due, category = :category, "
                "category_by = :by WHERE conversation_id = :conversation "
                "AND (waiting_since, due_at, category, category_by) IS NOT (:since, :due, :category, :by)",
                {
                    "since": times.iso_ms(open_one.started_at) if open_one else None,
                    "due": self._waiting_row(open_one)[3] if open_one else None,
                    "category": category.group if category else None,
                    "by": category.by if category else None,
                    "conversation": conversation,
                },
            )


def _place(follow_up: FollowUp) -> tuple[int, str, str, int]:
    return follow_up.conversation, follow_up.kind, times.iso_ms(follow_up.planned_at), follow_up.number
