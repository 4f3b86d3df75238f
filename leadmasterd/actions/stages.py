"""Moving a lead to another stage by hand, and undoing that.

It decides what may be closed and when a decision changes nothing, and reports what a colleague decided just before.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypedDict

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
    """A decision that was undone: its stage, who had made it and when."""

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
        """One sentence: what it changed, and why."""
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
    """The result of a decision. `decision_id`: None where it would have changed nothing, so that none was written.

    `before`, `after`: the person's current lead then and now, None for none. `colleague`: see `ColleaguesDecision`.
    """

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
        """Whether the decision would have changed nothing, so that it was not written."""
        return self.decision_id is None

    def as_json(self) -> StageRecord:
        """The object that docs/json.md documents as `leads stage`."""
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
    """The result of undoing a decision. `stage`, `decided_by` and `decided_at`: the decision that was undone."""

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
        """The object that docs/json.md documents as `leads stage --undo`."""
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
class _Circumstances:
    """What was found before the decision was written. `lead`: the person's current one then."""

    lead: CurrentLead | None
    colleague: ColleaguesDecision | None
    unchanged: bool
    """The decision would change nothing, so it is not written."""
    at: str
    """The time of the decision (ISO, UTC)."""


class _Decided(NamedTuple):
    """What `move_to_stage` found and wrote. `decision_id`: None if nothing was written."""

    circumstances: _Circumstances
    decision_id: int | None


class _Undone(NamedTuple):
    """What `undo_stage` undid: the current lead before, and the row of `decisions`."""

    before: CurrentLead | None
    decision: Row


def move_to_stage(
    editor: LeadEditor, who: Who, stage: str, *, note: str | None = None, stage_shown: str | None = None
) -> StageMoved:
    """Move the person's current lead to `stage`, one of `leads.stages.DECIDABLE`.

    An open stage reopens a closed lead, and opens one in a chat that has none. A closed stage also ends the waiting in
    a chat without a lead, and `junk` its planned follow-ups too.

    `note`: is added to the lead. `stage_shown`: the stage that the page showed to the person who decides, None if
    unknown; if it was another one and the lead is in `stage` already, the button was pressed twice and nothing is
    decided again. Raises Refused when there is nothing to close, or when another lead than the current one was named.
    """
    subject = editor.find(who)

    def decide() -> _Decided:
        """Write the decision, unless it would change nothing."""
        found = _circumstances(editor, subject, who, stage, stage_shown=stage_shown)
        if found.unchanged:
            return _Decided(found, None)
        return _Decided(found, _write_decision(editor, subject, found, stage=stage, note=note))

    def note_and_read(decided: _Decided) -> CurrentLead | None:
        """After the projection: add the note, and return the lead as it is now."""
        after = current_lead(editor, subject)
        if note and after:
            write_note(editor, after.lead_id, at=decided.circumstances.at, text=note)
        return after

    applied = editor.apply([subject], decide, note_and_read, since=lambda decided: decided.circumstances.at)
    found, decision_id = applied.written
    return StageMoved(
        before=found.lead,
        after=applied.then,
        conversation_id=subject.conversation_id,
        decision_id=decision_id,
        colleague=found.colleague,
        actor=editor.actor,
        at=found.at,
        changes=applied.changes,
    )


def undo_stage(editor: LeadEditor, who: Who, *, decision_id: int | None = None) -> StageUndone:
    """Undo a decision on a stage: the leads are then as if it had never been made, but their record still shows it.

    By default the latest decision on the lead that was named, or on the person. The note that was given with it is
    withdrawn. Raises Refused when there is no decision to undo.
    """
    subject = editor.find(who)
    at = times.iso(datetime.now(UTC))

    def undo() -> _Undone:
        """Mark the decision as undone, and withdraw its note."""
        decision = _decision_to_undo(editor, subject, who, decision_id)
        editor.connection.execute(
            "UPDATE decisions SET undone_at = ?, undone_by = ? WHERE decision_id = ?",
            (at, editor.actor, decision["decision_id"]),
        )
        if decision["note"] is not None:
            for note in _notes_of(editor, subject, decision):
                withdraw_note(editor, note["lead_id"], note["event_id"], at=at)
        return _Undone(current_lead(editor, subject), decision)

    applied = editor.apply(
        [subject], undo, lambda _undone: current_lead(editor, subject), since=lambda undone: undone.decision["at"]
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
"""SQL: the latest decision in these chats that is still in force, dismissals left out.

`:decision`: only this one. `:lead`: only decisions on this lead, those from its opening until another lead opened.
"""


def _decision_to_undo(editor: LeadEditor, subject: Subject, who: Who, decision_id: int | None) -> Row:
    """The row of this decision, by default of the latest on the subject's lead or person. Raises Refused."""
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
    """The note that was given with this decision, on whichever of the person's leads: at most one row as a rule."""
    return rows(
        editor.connection,
        "SELECT lead_id, event_id FROM lead_events e JOIN leads l USING (lead_id) WHERE l.contact_id = :contact "
        "AND e.kind = 'note' AND e.at = :at AND e.actor = :actor AND e.value_json ->> 'text' = :note",
        contact=subject.contact_id,
        at=decision["at"],
        actor=decision["actor"],
        note=decision["note"],
    )


def _circumstances(
    editor: LeadEditor, subject: Subject, who: Who, stage: str, *, stage_shown: str | None
) -> _Circumstances:
    """What is found before this decision, and whether it would change anything; parameters as in `move_to_stage`.

    Raises Refused when there is nothing to close, or the lead that was named is not the current one.
    """
    lead = lead_to_decide_on(editor, subject)
    if lead is None and stage in CLOSED and not _closing_ends_something(editor, subject, stage):
        raise Refused(
            _(
                "{who} has no lead to close; to mark the chat as something else: "
                "`leadmasterd leads label {who} personal` (or supplier, spam, ...)"
            ).format(who=who)
        )
    unchanged = False
    if lead is not None and lead.stage == stage:
        pressed_twice = stage_shown is not None and stage_shown != stage
        unchanged = pressed_twice or not _does_something_again(editor, subject, stage)
    return _Circumstances(
        lead=lead,
        colleague=_colleagues_decision(editor, lead.lead_id) if lead else None,
        unchanged=unchanged,
        at=editor.time_after(subject),
    )


def _closing_ends_something(editor: LeadEditor, subject: Subject, stage: str) -> bool:
    """Whether this closed stage has an effect without a lead: it ends the waiting, and junk the follow-ups too."""
    return _somebody_waits(editor, subject) or (stage == "junk" and _something_is_planned(editor, subject))


def _does_something_again(editor: LeadEditor, subject: Subject, stage: str) -> bool:
    """Whether deciding the stage that a lead already has still has an effect.

    A new quote gets follow-ups of its own; junk ends the waiting and the follow-ups that have begun since.
    """
    if stage == "junk":
        return _closing_ends_something(editor, subject, stage)
    return stage == "quoted"


def _something_is_planned(editor: LeadEditor, subject: Subject) -> bool:
    """Whether a follow-up is planned in any of the person's chats."""
    return bool(
        rows(
            editor.connection,
            "SELECT 1 FROM follow_ups WHERE conversation_id IN (SELECT value FROM json_each(:chats)) "
            "AND state = 'planned'",
            chats=id_list(subject.conversations),
        )
    )


def _write_decision(
    editor: LeadEditor, subject: Subject, found: _Circumstances, *, stage: str, note: str | None
) -> int:
    """Insert the decision, in the conversation of the current lead if there is one. Returns its `decision_id`."""
    conversation = found.lead.conversation_id if found.lead else subject.conversation_id
    cursor = editor.connection.execute(
        "INSERT INTO decisions (conversation_id, at, actor, stage, note) VALUES (?, ?, ?, ?, ?)",
        (conversation, found.at, editor.actor, stage, note),
    )
    return int(cursor.lastrowid or 0)


def _somebody_waits(editor: LeadEditor, subject: Subject) -> bool:
    """Whether the person waits for an answer in any of their chats, with or without a lead."""
    return bool(
        rows(
            editor.connection,
            "SELECT 1 FROM conversations WHERE conversation_id IN (SELECT value FROM json_each(:chats)) "
            "AND waiting_since IS NOT NULL",
            chats=id_list(subject.conversations),
        )
    )


def _colleagues_decision(editor: LeadEditor, lead: int) -> ColleaguesDecision | None:
    """The latest decision of another person on this lead within the last minutes (`RECENT`); None if there is none."""
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
