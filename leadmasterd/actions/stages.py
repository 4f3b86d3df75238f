"""Moving a lead to another stage, and back: what may be closed, what counts as unchanged, a colleague's decision."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypedDict

from leadmasterd import times
from leadmasterd.actions.current_lead import CurrentLead, current_lead, lead_to_decide_on
from leadmasterd.actions.notes import withdraw_note, write_note
from leadmasterd.actions.unit_of_work import Change, ChangeRecord, LeadEditor, Who
from leadmasterd.errors import Refused
from leadmasterd.leads.stages import CLOSED, DISMISSED
from leadmasterd.queries.database import Row, id_list, rows
from leadmasterd.queries.people import Subject
from leadmasterd.sentences import lead_event
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


class UndecidedRecord(TypedDict):
    """A decision that was undone, by whom it was and when."""

    stage: str
    actor: str
    at: str


class StageUndoRecord(TypedDict):
    """The answer of `leads stage --undo`."""

    lead_id: int | None
    conversation_id: int
    stage: str | None
    stage_before: str | None
    undone: UndecidedRecord
    actor: str
    undone_at: str
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

    def in_words(self) -> str:
        """What it changed, and why."""
        return lead_event(
            kind=self.kind,
            before=self.before,
            after=self.after,
            code=self.code,
            values=self.values,
            actor=self.actor,
        )


@dataclass(frozen=True, slots=True)
class StageMoved:
    """The result of a decision. `decision_id`: None where the lead was in that stage already, so none was written."""

    before: CurrentLead | None
    after: CurrentLead | None
    conversation_id: int
    decision_id: int | None
    colleague: ColleaguesDecision | None
    actor: str
    at: str
    changes: list[Change]

    @property
    def unchanged(self) -> bool:
        return self.decision_id is None

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
class StageUndone:
    """The result of undoing a decision. `stage`, `decided_by` and `decided_at`: what was undone."""

    before: CurrentLead | None
    after: CurrentLead | None
    conversation_id: int
    stage: str
    decided_by: str
    decided_at: str
    actor: str
    at: str
    changes: list[Change]

    def as_json(self) -> StageUndoRecord:
        """The documented object."""
        return {
            "lead_id": self.after.lead_id if self.after else None,
            "conversation_id": self.conversation_id,
            "stage": self.after.stage if self.after else None,
            "stage_before": self.before.stage if self.before else None,
            "undone": {"stage": self.stage, "actor": self.decided_by, "at": self.decided_at},
            "actor": self.actor,
            "undone_at": self.at,
            "changes": [change.as_json() for change in self.changes],
        }


@dataclass(frozen=True, slots=True)
class _Decision:
    """What was found before the decision was written. `lead`: the current one then."""

    lead: CurrentLead | None
    colleague: ColleaguesDecision | None
    unchanged: bool
    at: str


def move_to_stage(
    editor: LeadEditor, who: Who, stage: str, *, note: str | None = None, seen: str | None = None
) -> StageMoved:
    """Move the person's current lead to `stage`, one of `leads.stages.DECIDABLE`.

    An open stage reopens a closed lead, and opens one in a chat that has none. A closed stage also ends the waiting in
    a chat without a lead, and junk what is planned there. `seen`: the stage that whoever decides has seen: if it is
    `stage` meanwhile, that was pressed twice, and nothing is decided again. Raises Refused when there is nothing to
    close, or the lead named is not the current one.
    """
    subject = editor.find(who)

    def decide() -> tuple[_Decision, int | None]:
        decision = _decision(editor, subject, who, stage, seen=seen)
        if decision.unchanged:
            return decision, None
        return decision, _write_decision(editor, subject, decision, stage=stage, note=note)

    def read_again(decided: tuple[_Decision, int | None]) -> CurrentLead | None:
        after = current_lead(editor, subject)
        if note and after:
            write_note(editor, after.lead_id, at=decided[0].at, text=note)
        return after

    applied = editor.apply([subject], decide, read_again, since=lambda decided: decided[0].at)
    decision, decision_id = applied.written
    return StageMoved(
        before=decision.lead,
        after=applied.then,
        conversation_id=subject.conversation_id,
        decision_id=decision_id,
        colleague=decision.colleague,
        actor=editor.actor,
        at=decision.at,
        changes=applied.changes,
    )


def undo_stage(editor: LeadEditor, who: Who, *, decision_id: int | None = None) -> StageUndone:
    """Undo a person's decision: the leads are then as if it had not been made, and the record says that it was.

    By default the latest about the lead that was named, or about the person. Its note is withdrawn with it. Raises
    Refused when there is none to undo.
    """
    subject = editor.find(who)
    at = times.iso(datetime.now(UTC))

    def undo() -> tuple[CurrentLead | None, Row]:
        decision = _decision_to_undo(editor, subject, who, decision_id)
        editor.connection.execute(
            "UPDATE decisions SET undone_at = ?, undone_by = ? WHERE decision_id = ?",
            (at, editor.actor, decision["decision_id"]),
        )
        if decision["note"] is not None:
            for note in _notes_of(editor, subject, decision):
                withdraw_note(editor, note["lead_id"], note["event_id"], at=at)
        return current_lead(editor, subject), decision

    applied = editor.apply(
        [subject], undo, lambda _: current_lead(editor, subject), since=lambda undone: undone[1]["at"]
    )
    before, decision = applied.written
    return StageUndone(
        before=before,
        after=applied.then,
        conversation_id=subject.conversation_id,
        stage=decision["stage"],
        decided_by=decision["actor"],
        decided_at=decision["at"],
        actor=editor.actor,
        at=at,
        changes=applied.changes,
    )


_TO_UNDO: Final = f"""
    SELECT decision_id, stage, actor, at, note FROM decisions d
    WHERE conversation_id IN (SELECT value FROM json_each(:chats)) AND stage <> '{DISMISSED}' AND undone_at IS NULL
    AND decision_id = coalesce(:decision, decision_id)
    AND (:lead IS NULL OR at >= (SELECT opened_at FROM leads WHERE lead_id = :lead) AND NOT EXISTS (
        SELECT 1 FROM leads n, leads l WHERE l.lead_id = :lead AND n.contact_id = l.contact_id AND n.stage <> 'merged'
        AND n.lead_id <> l.lead_id AND n.opened_at > l.opened_at AND n.opened_at <= d.at))
    ORDER BY at DESC, decision_id DESC LIMIT 1
"""
"""Of a lead are the decisions from its opening until another lead opened."""


def _decision_to_undo(editor: LeadEditor, subject: Subject, who: Who, decision_id: int | None) -> Row:
    found = rows(
        editor.connection,
        _TO_UNDO,
        chats=id_list(subject.conversations),
        decision=decision_id,
        lead=subject.lead_id,
    )
    if found:
        return found[0]
    if decision_id is not None:
        raise Refused(_("that decision can no longer be undone"))
    raise Refused(_("nobody has decided on {who}: there is no decision to undo").format(who=who))


def _notes_of(editor: LeadEditor, subject: Subject, decision: Row) -> list[Row]:
    """The note that was written with this decision, on whichever of the person's leads."""
    return rows(
        editor.connection,
        "SELECT lead_id, event_id FROM lead_events e JOIN leads l USING (lead_id) WHERE l.contact_id = :contact "
        "AND e.kind = 'note' AND e.at = :at AND e.actor = :actor AND e.value_json ->> 'text' = :note",
        contact=subject.contact_id,
        at=decision["at"],
        actor=decision["actor"],
        note=decision["note"],
    )


def _decision(editor: LeadEditor, subject: Subject, who: Who, stage: str, *, seen: str | None) -> _Decision:
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
        unchanged=lead is not None
        and lead.stage == stage
        and (seen not in (None, stage) or not _does_something_again(editor, subject, stage)),
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


def _write_decision(editor: LeadEditor, subject: Subject, decision: _Decision, *, stage: str, note: str | None) -> int:
    conversation = decision.lead.conversation_id if decision.lead else subject.conversation_id
    cursor = editor.connection.execute(
        "INSERT INTO decisions (conversation_id, at, actor, stage, note) VALUES (?, ?, ?, ?, ?)",
        (conversation, decision.at, editor.actor, stage, note),
    )
    return int(cursor.lastrowid or 0)


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
