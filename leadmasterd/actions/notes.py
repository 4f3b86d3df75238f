"""Notes on a lead's record, and withdrawing them. The record is append-only, so a withdrawal is a line of its own."""

import json
from datetime import UTC, datetime, timedelta
from typing import Final, TypedDict

from leadmasterd import times
from leadmasterd.actions.current_lead import lead_to_decide_on
from leadmasterd.actions.unit_of_work import LeadEditor, Who
from leadmasterd.errors import CannotUseArgument, Refused
from leadmasterd.queries.database import rows
from leadmasterd.queries.lead_detail import IS_WITHDRAWN
from leadmasterd.text import _

TWICE: Final = timedelta(minutes=1)
"""The same text by the same person within this time is one note that was submitted twice."""


class NoteRecord(TypedDict):
    """The answer of `leads note`."""

    lead_id: int
    note_id: int
    text: str
    actor: str
    at: str


class NoteUndoRecord(TypedDict):
    """The answer of `leads note --undo`."""

    lead_id: int
    note_id: int
    text: str
    actor: str
    undone_at: str


def add_note(editor: LeadEditor, who: Who, text: str) -> NoteRecord:
    """Add a note to the named lead, or to a person's current lead.

    The same text by the same person again within a minute (`TWICE`) adds nothing: the answer has the first note's id.
    Raises Refused for a person without a lead, CannotUseArgument for an empty text.
    """
    if not text.strip():
        raise CannotUseArgument(_("cannot add an empty note; write some text"))
    with editor.transaction():
        lead = _lead_of_notes(editor, who)
        if lead is None:
            raise Refused(
                _("{who} has no lead to add a note to; `leadmasterd leads stage {who} new` opens one").format(who=who)
            )
        now = datetime.now(UTC)
        at = times.iso(now)
        note = _same_note(editor, lead, text, since=times.iso(now - TWICE))
        if note is None:
            note = write_note(editor, lead, at=at, text=text)
    return {"lead_id": lead, "note_id": note, "text": text, "actor": editor.actor, "at": at}


def undo_note(editor: LeadEditor, who: Who, *, note_id: int | None = None) -> NoteUndoRecord:
    """Withdraw this note of the named lead, or of a person's current lead; by default its latest.

    Raises Refused when the lead has no such note, or it was withdrawn already.
    """
    with editor.transaction():
        lead = _lead_of_notes(editor, who)
        found = rows(
            editor.connection,
            "SELECT event_id, value_json ->> 'text' AS text FROM lead_events e WHERE lead_id = :lead AND kind = 'note' "
            f"AND event_id = coalesce(:note, event_id) AND NOT {IS_WITHDRAWN} ORDER BY event_id DESC LIMIT 1",
            lead=lead,
            note=note_id,
        )
        if lead is None or not found:
            raise Refused(
                _("that note was withdrawn already; there is nothing to do")
                if note_id is not None
                else _("there is no note on {who} to withdraw").format(who=who)
            )
        note = found[0]
        at = times.iso(datetime.now(UTC))
        withdraw_note(editor, lead, note["event_id"], at=at)
    return {
        "lead_id": lead,
        "note_id": note["event_id"],
        "text": note["text"],
        "actor": editor.actor,
        "undone_at": at,
    }


def _same_note(editor: LeadEditor, lead: int, text: str, *, since: str) -> int | None:
    """The id of a note on this lead with this text, by the same person, since then and not withdrawn; else None."""
    found = rows(
        editor.connection,
        "SELECT event_id FROM lead_events e WHERE lead_id = :lead AND kind = 'note' AND actor = :actor "
        f"AND value_json ->> 'text' = :text AND at >= :since AND NOT {IS_WITHDRAWN} LIMIT 1",
        lead=lead,
        actor=editor.actor,
        text=text,
        since=since,
    )
    return found[0]["event_id"] if found else None


def _lead_of_notes(editor: LeadEditor, who: Who) -> int | None:
    """The lead that was named, whether or not it is closed; else the person's current one, or None."""
    subject = editor.find(who)
    if subject.lead_id is not None:
        return subject.lead_id
    current = lead_to_decide_on(editor, subject)
    return current.lead_id if current else None


def write_note(editor: LeadEditor, lead: int, *, at: str, text: str) -> int:
    """Append a note to the lead's record, inside the caller's transaction. Returns its `event_id`."""
    return _append(editor, lead, "note", at=at, values={"text": text})


def withdraw_note(editor: LeadEditor, lead: int, note: int, *, at: str) -> None:
    """Append to the lead's record that this note (its `event_id`) is withdrawn, inside the caller's transaction."""
    _append(editor, lead, "note_withdrawn", at=at, values={"note_id": note})


def _append(editor: LeadEditor, lead: int, kind: str, *, at: str, values: dict[str, object]) -> int:
    """Append a line to the lead's record; its code is the same as its `kind`. Returns its `event_id`."""
    cursor = editor.connection.execute(
        "INSERT INTO lead_events (lead_id, at, recorded_at, actor, kind, code, value_json) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (lead, at, times.iso(datetime.now(UTC)), editor.actor, kind, kind, json.dumps(values, ensure_ascii=False)),
    )
    return int(cursor.lastrowid or 0)
