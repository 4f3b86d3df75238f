"""Forms that decide about a conversation, on whichever page they stand: label, stage, note, no answer needed; and undo.

A form contains what its page showed, such as the lead's stage at that time. So a button that is pressed twice, or after
somebody else has decided, does no more than was meant.
"""

from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.routing import Route

from leadmasterd.classify.reasons import INTENT_ES, intent_name
from leadmasterd.errors import Refused
from leadmasterd.leads.stages import DECIDABLE
from leadmasterd.queries.people import name_of_conversation
from leadmasterd.reasons import person_name
from leadmasterd.sentences import stage_name
from leadmasterd.text import _, printable
from leadmasterd.web.chat_paths import CHAT
from leadmasterd.web.forms import Done, Form, Undo, decision, needed_number, number_in

# `actions` is imported by what needs it: most visits decide nothing.
if TYPE_CHECKING:
    from leadmasterd.actions.stages import ColleaguesDecision
    from leadmasterd.actions.unit_of_work import LeadEditor

_LONGEST_NOTE: Final = 2_000
"""Characters."""


def _chat(request: Request) -> int:
    """The id of the conversation, from the path."""
    number: int = request.path_params["id"]
    return number


def _name(request: Request, editor: "LeadEditor") -> str:
    """The conversation's name, safe to show."""
    return printable(name_of_conversation(editor.connection, _chat(request)))


# ---------------------------------------------------------------------- labels


def _label(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Give a burst, messages written one after the other, the label that is the form's `intent`.

    It is the burst with the form's `message` (an id); without it the one that opened the lead, or the chat's last.
    """
    from leadmasterd.actions.labels import label

    intent = form.get("intent", "")
    if intent not in INTENT_ES:
        raise Refused(_("Choose one of the labels."))
    done = label(editor, _chat(request), intent, message_id=number_in(form, "message"))
    text = _("{who}: labelled {intent}.").format(who=_name(request, editor), intent=intent_name(intent))
    if done.correction_id is None:  # it had this label already, so there is nothing to undo
        return Done(text)
    values = {"message": str(done.message_ids[0]), "correction": str(done.correction_id)}
    return Done(text, Undo(f"/chats/{_chat(request)}/label/undo", values))


def _undo_label(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Take back the label that is the form's `correction` from the burst with its `message`; both are ids."""
    from leadmasterd.actions.labels import undo_label

    done = undo_label(
        editor,
        _chat(request),
        message_id=needed_number(form, "message"),
        correction_id=needed_number(form, "correction"),
    )
    return Done(
        _("{who}: the label is undone; it is {intent} again.").format(
            who=_name(request, editor), intent=intent_name(done.intent or "unknown")
        )
    )


# ---------------------------------------------------------------------- stages


def _stage(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Move the lead to the form's `stage`; `seen` is the stage that the page showed.

    If a colleague has decided something since the page was made, the notice says so.
    """
    from leadmasterd.actions.stages import move_to_stage

    stage = form.get("stage", "")
    if stage not in DECIDABLE:
        raise Refused(_("Choose one of the stages."))
    done = move_to_stage(editor, _chat(request), stage, stage_shown=form.get("seen"))
    who = _name(request, editor)
    if done.unchanged:
        text = _("{who}: it is {stage} already.").format(who=who, stage=stage_name(stage))
    else:
        text = _("{who}: it is {stage} now.").format(who=who, stage=stage_name(stage))
    if done.colleague:
        text += " " + _colleague(done.colleague)
    undo = None if done.unchanged else Undo(f"/chats/{_chat(request)}/stage/undo", {"decision": str(done.decision_id)})
    return Done(text, undo)


def _colleague(decision: "ColleaguesDecision") -> str:
    """A sentence on what a colleague decided just before."""
    who = printable(person_name(decision.actor))
    return _("Just before, {who} decided: {what}.").format(who=who, what=decision.in_words())


def _undo_stage(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Undo the form's `decision` (its id). The notice says which stage the lead has again, if there still is a lead."""
    from leadmasterd.actions.stages import undo_stage

    done = undo_stage(editor, _chat(request), decision_id=needed_number(form, "decision"))
    text = _("{who}: {stage} is undone.").format(who=_name(request, editor), stage=stage_name(done.stage))
    if done.after:
        text += " " + _("It is {stage} again.").format(stage=stage_name(done.after.stage))
    return Done(text)


# ---------------------------------------------------------------------- notes


def _note(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Add the form's `text` to the lead. Raises Refused if it is empty or too long."""
    from leadmasterd.actions.notes import add_note

    text = form.get("text", "").strip()
    if not text or len(text) > _LONGEST_NOTE:
        raise Refused(_("Write a note, of at most {n} characters.").format(n=_LONGEST_NOTE))
    note = add_note(editor, _chat(request), text)
    return Done(
        _("{who}: noted.").format(who=_name(request, editor)),
        Undo(f"/chats/{_chat(request)}/note/undo", {"note": str(note["note_id"])}),
    )


def _undo_note(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Withdraw the form's `note` (its id)."""
    from leadmasterd.actions.notes import undo_note

    undo_note(editor, _chat(request), note_id=needed_number(form, "note"))
    return Done(_("{who}: the note is withdrawn.").format(who=_name(request, editor)))


# ---------------------------------------------------------------------- no answer needed


def _dismiss(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Decide that no answer is needed to what they wrote until `seen`, the time of the last message on the page."""
    from leadmasterd.actions.dismissals import dismiss

    done = dismiss(editor, _chat(request), seen_at=form.get("seen") or None)
    who = _name(request, editor)
    if done.decision_at is None:
        return Done(_("{who}: no answer is needed, that was said already.").format(who=who))
    text = _("{who}: no answer is needed. What they write next waits again.").format(who=who)
    return Done(text, Undo(f"/chats/{_chat(request)}/dismiss/undo", {"decided": done.decision_at}))


def _undo_dismissal(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Undo the dismissal that was made at the form's `decided` (ISO)."""
    from leadmasterd.actions.dismissals import undo_dismissal

    undo_dismissal(editor, _chat(request), decision_at=form.get("decided", ""))
    return Done(_("{who} waits again, as before.").format(who=_name(request, editor)))


ROUTES: Final[list[Route]] = [
    decision(f"{CHAT}/label", _label),
    decision(f"{CHAT}/label/undo", _undo_label),
    decision(f"{CHAT}/stage", _stage),
    decision(f"{CHAT}/stage/undo", _undo_stage),
    decision(f"{CHAT}/note", _note),
    decision(f"{CHAT}/note/undo", _undo_note),
    decision(f"{CHAT}/dismiss", _dismiss),
    decision(f"{CHAT}/dismiss/undo", _undo_dismissal),
]
