"""Notes on a lead's record."""

import json
from datetime import UTC, datetime
from typing import TypedDict

from leadmasterd import times
from leadmasterd.actions.current_lead import lead_to_decide_on
from leadmasterd.actions.unit_of_work import LeadEditor
from leadmasterd.errors import CannotUseArgument, Refused
from leadmasterd.text import _


class NoteRecord(TypedDict):
    """The answer of `leads note`."""

    lead_id: int
    text: str
    actor: str
    at: str


def add_note(editor: LeadEditor, who: str, text: str) -> NoteRecord:
    """Add a note to the named lead, or to a person's current lead.

    Raises Refused for a person without a lead, CannotUseArgument for an empty text.
    """
    if not text.strip():
        raise CannotUseArgument(_("cannot add an empty note; write some text"))
    subject = editor.find(who)
    with editor.transaction():
        lead = subject.lead_id
        if lead is None:
            current = lead_to_decide_on(editor, subject)
            if current is None:
                raise Refused(
                    _("{who} has no lead to add a note to; `leadmasterd leads stage {who} new` opens one").format(
                        who=who
                    )
                )
            lead = current.lead_id
        at = times.iso(datetime.now(UTC))
        write_note(editor, lead, at=at, text=text)
    return {"lead_id": lead, "text": text, "actor": editor.actor, "at": at}


def write_note(editor: LeadEditor, lead: int, *, at: str, text: str) -> None:
    """Inside the caller's transaction."""
    editor.connection.execute(
        "INSERT INTO lead_events (lead_id, at, recorded_at, actor, kind, code, value_json) "
        "VALUES (?, ?, ?, ?, 'note', 'note', ?)",
        (lead, at, times.iso(datetime.now(UTC)), editor.actor, json.dumps({"text": text}, ensure_ascii=False)),
    )
