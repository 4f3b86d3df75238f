"""Moving a lead to another stage: what may be closed, what counts as unchanged, and a colleague's fresh decision."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypedDict

from leadmasterd import times
from leadmasterd.actions.current_lead import CurrentLead, current_lead, lead_to_decide_on
from leadmasterd.actions.notes import write_note
from leadmasterd.actions.unit_of_work import Change, ChangeRecord, LeadEditor
from leadmasterd.errors import Refused
from leadmasterd.leads.stages import CLOSED
from leadmasterd.queries.database import id_list, rows
from leadmasterd.queries.people import Subject
from leadmasterd.text import _

RECENT: Final = timedelta(minutes=10)
"""A colleague's decision this fresh is shown to the next person who decides: perhaps they did not know of it."""


class StageRecord(TypedDict):
    """The answer of `leads stage`."""

    lead_id: int | None
    conversation_id: int
    stage: str | None
    stage_before: str | None
    actor: str
    at: str
    changes: list[ChangeRecord]


@dataclass(frozen=True, slots=True)
class ColleaguesDecision:
    """What somebody else decided about the same lead just before; a row of `lead_events`."""

    at: str
    actor: str
    kind: str
    before: str | None
    after: str | None
    code: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StageMoved:
    """The result of a decision. `unchanged`: the lead was in that stage already, so no decision was written."""

    before: CurrentLead | None
    after: CurrentLead | None
    conversation_id: int
    unchanged: bool
    colleague: ColleaguesDecision | None
    actor: str
    at: str
    changes: list[Change]

    def as_json(self) -> StageRecord:
        """The documented object."""
        return {
            "lead_id": self.after.lead_id if self.after else None,
            "conversation_id": self.conversation_id,
            "stage": self.after.stage if self.after else None,
            "stage_before": self.before.stage if self.before else None,
            "actor": self.actor,
            "at": self.at,
            "changes": [change.as_json() for change in self.changes],
        }


@dataclass(frozen=True, slots=True)
class _Decision:
    """What was found before the decision was written. `lead`: the current one then."""

    lead: CurrentLead | None
    colleague: ColleaguesDecision | None
    unchanged: bool
    at: str


def move_to_stage(editor: LeadEditor, who: str, stage: str, *, note: str | None = None) -> StageMoved:
    """Move the person's current lead to `stage`, one of `leads.stages.DECIDABLE`.

    An open stage reopens a closed lead, and opens one in a chat that has none. A closed stage also ends the waiting in
    a chat without a lead, and junk what is planned there. Raises Refused when there is nothing to close, or the lead
    named is not the current one.
    """
    subject = editor.find(who)

    def decide() -> _Decision:
        decision = _decision(editor, subject, who, stage)
        if not decision.unchanged:
            _write_decision(editor, subject, decision, stage=stage, note=note)
        return decision

    def read_again(decision: _Decision) -> CurrentLead | None:
        after = current_lead(editor, subject)
        if note and after:
            write_note(editor, after.lead_id, at=decision.at, text=note)
        return after

    applied = editor.apply([subject], decide, read_again)
    decision = applied.written
    return StageMoved(
        before=decision.lead,
        after=applied.then,
        conversation_id=subject.conversation_id,
        unchanged=decision.unchanged,
        colleague=decision.colleague,
        actor=editor.actor,
        at=decision.at,
        changes=applied.changes,
    )


def _decision(editor: LeadEditor, subject: Subject, who: str, stage: str) -> _Decision:
    """What this decision meets. Raises Refused when there is nothing to close."""
    lead = lead_to_decide_on(editor, subject)
    nothing_ends = not _somebody_waits(editor, subject) and not (
        stage == "junk" and _something_is_planned(editor, subject)
    )
    if lead is None and stage in CLOSED and nothing_ends:
        raise Refused(
            _(
                "{who} has no lead to close; to mark the chat as something else: "
                "`leadmasterd leads label {who} personal` (or supplier, spam, ...)"
            ).format(who=who)
        )
    return _Decision(
        lead=lead,
        colleague=_colleagues_decision(editor, lead.lead_id) if lead else None,
        unchanged=lead is not None and lead.stage == stage and not _does_something_again(editor, subject, stage),
        at=editor.time_after(subject),
    )


def _does_something_again(editor: LeadEditor, subject: Subject, stage: str) -> bool:
    """A new quote has follow-ups of its own; junk ends what has begun since then."""
    return stage == "quoted" or (
        stage == "junk" and (_somebody_waits(editor, subject) or _something_is_planned(editor, subject))
    )


def _something_is_planned(editor: LeadEditor, subject: Subject) -> bool:
    return bool(
        rows(
            editor.connection,
            "SELECT 1 FROM follow_ups WHERE conversation_id IN (SELECT value FROM json_each(:chats)) "
            "AND state = 'planned'",
            chats=id_list(subject.conversations),
        )
    )


def _write_decision(editor: LeadEditor, subject: Subject, decision: _Decision, *, stage: str, note: str | None) -> None:
    conversation = decision.lead.conversation_id if decision.lead else subject.conversation_id
    editor.connection.execute(
        "INSERT INTO decisions (conversation_id, at, actor, stage, note) VALUES (?, ?, ?, ?, ?)",
        (conversation, decision.at, editor.actor, stage, note),
    )


def _somebody_waits(editor: LeadEditor, subject: Subject) -> bool:
    """Waiting can be closed too, in a chat without a lead."""
    return bool(
        rows(
            editor.connection,
            "SELECT 1 FROM conversations WHERE conversation_id IN (SELECT value FROM json_each(:chats)) "
            "AND waiting_since IS NOT NULL",
            chats=id_list(subject.conversations),
        )
    )


def _colleagues_decision(editor: LeadEditor, lead: int) -> ColleaguesDecision | None:
    found = rows(
        editor.connection,
        "SELECT at, actor, kind, before, after, code, value_json FROM lead_events WHERE lead_id = :lead "
        "AND at >= :since AND actor LIKE 'person:%' AND actor <> :actor AND kind <> 'note' "
        "ORDER BY at DESC, event_id DESC LIMIT 1",
        lead=lead,
        since=times.iso(datetime.now(UTC) - RECENT),
        actor=editor.actor,
    )
    if not found:
        return None
    values = json.loads(found[0].pop("value_json"))
    return ColleaguesDecision(**found[0], values=values)
