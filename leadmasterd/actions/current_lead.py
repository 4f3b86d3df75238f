"""Which of a person's leads a decision is about."""

from dataclasses import dataclass

from leadmasterd.actions.unit_of_work import LeadEditor
from leadmasterd.errors import Refused
from leadmasterd.queries.database import rows
from leadmasterd.queries.people import Subject
from leadmasterd.text import _


@dataclass(frozen=True, slots=True)
class CurrentLead:
    """A person's open lead; if none is open, the one that opened last."""

    lead_id: int
    conversation_id: int
    stage: str


def current_lead(editor: LeadEditor, subject: Subject) -> CurrentLead | None:
    """The person's current lead; None if they never had one. Leads that were merged into others don't count."""
    found = rows(
        editor.connection,
        "SELECT lead_id, conversation_id, stage FROM leads WHERE contact_id = :contact AND stage <> 'merged' "
        "ORDER BY closed_at IS NULL DESC, opened_at DESC, lead_id DESC LIMIT 1",
        contact=subject.contact_id,
    )
    return CurrentLead(**found[0]) if found else None


def lead_to_decide_on(editor: LeadEditor, subject: Subject) -> CurrentLead | None:
    """The person's current lead; None if they never had one.

    Raises Refused when a lead was named and it is not the current one: the decision would go to the wrong lead.
    """
    current = current_lead(editor, subject)
    if subject.lead_id is None or (current and current.lead_id == subject.lead_id):
        return current
    [named] = rows(editor.connection, "SELECT merged_into_id FROM leads WHERE lead_id = :lead", lead=subject.lead_id)
    merged_into = named["merged_into_id"]
    if merged_into is not None or current is None:  # only merged leads can leave a person without a current one
        text = _("lead {old} was merged into lead {new}; name that one")
    else:
        text = _("lead {old} is over, and lead {new} came after it; name that one")
    raise Refused(text.format(old=subject.lead_id, new=current.lead_id if current else merged_into))
