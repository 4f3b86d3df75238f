"""`/chats/N`: one conversation as it was written, its lead with every reason, and what can be decided about it."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadmasterd.clock import Clock
from leadmasterd.queries import words
from leadmasterd.queries.conversation import Bubble, thread, whose
from leadmasterd.queries.database import Connection
from leadmasterd.queries.deadlines import with_current_deadlines
from leadmasterd.queries.lead_detail import Conversation, Merge, lead_detail
from leadmasterd.queries.leads import AsOf, Lead
from leadmasterd.queries.people import ContactSummary, Subject, conversations_of, duplicates_of
from leadmasterd.queries.waiting_detail import wa_number, waiting_details
from leadmasterd.text import _
from leadmasterd.web import lead_words, likely
from leadmasterd.web.chat_paths import CHAT
from leadmasterd.web.forms import Done, Form, Undo, decision, needed_number
from leadmasterd.web.lead_words import Entry
from leadmasterd.web.pages.waiting import label_buttons, stage_buttons
from leadmasterd.web.render import render
from leadmasterd.web.site import Site, site_of

if TYPE_CHECKING:
    from leadmasterd.actions.unit_of_work import LeadEditor

_MESSAGES: Final = 50
"""On one page."""
_REASONS: Final = 20
"""Bursts and touchpoints that are shown."""
_Side = Literal["older", "newer", "around"]
"""Which messages to show: older than a message, newer, or around it."""


@dataclass(frozen=True, slots=True)
class About:
    """The person and their lead, in words, for the template."""

    name: str
    names: list[str]
    ids: list[str]
    number: str | None
    """For a wa.me link; None if no phone is known."""
    lead: Lead | None
    facts: list[tuple[str, str]]
    waits: list[tuple[str, bool]]
    """A line for each conversation that waits for an answer, and whether it is overdue."""
    seen: str | None
    """When they last wrote, by this page; None if they do not wait. The form "no answer needed" contains it, so that
    what they wrote later still waits."""
    planned: list[Entry]
    classified: list[Entry]
    touches: list[Entry]
    record: list[Entry]
    cycles: list[Entry]
    others: list[Entry]
    merges: list[Merge]
    duplicates: list[ContactSummary]


def show(request: Request) -> Response:
    """The page of a conversation: the messages of all chats of its person, their lead, and forms to decide about it.

    The address may name a message (`at`, `older`, `newer`: see `_place`); else the newest are shown. A group has no
    contact, so only its messages are shown. Raises HTTPException (404) if there is no such conversation.
    """
    site = site_of(request)
    clock = Clock(datetime.now(UTC), site.leads.zone())
    side, message_id = _place(request.query_params)
    about: About | None = None
    with site.reading() as connection:
        found = whose(connection, request.path_params["id"])
        if found is None:
            raise HTTPException(404)
        conversation_id = found["conversation_id"]
        contact = found["contact_id"]
        chats = (conversation_id,) if contact is None else conversations_of(connection, contact)
        shown = thread(connection, chats, limit=_MESSAGES, clock=clock.full, side=side, of=message_id)
        if contact is not None:
            about = _about(connection, site, Subject(contact, chats, conversation_id), clock)
    lead = about.lead if about else None
    stage = lead["stage"] if lead else None
    return render(
        request,
        "lead.html",
        chat=conversation_id,
        about=about,
        name=about.name if about else _("Group {id}").format(id=found["chat"].partition("@")[0]),
        days=list(_by_day(shown["messages"], clock)),
        thread=shown,
        chosen=message_id if side == "around" else None,
        labels=likely.labels(lead["intent"] if lead else None),
        stages=likely.stages(stage),
        label_buttons=label_buttons(),
        stage_buttons=stage_buttons(stage),
    )


def _place(query: Mapping[str, str]) -> tuple[_Side | None, int | None]:
    """Which part of the thread the address asks for: the side, and the id of the message whose side it is.

    `older=7` and `newer=7` are the messages before and after message 7, `at=7` those around it. (None, None) for none
    of them, or if the id is no number that SQLite can hold.
    """
    sides: dict[str, _Side] = {"older": "older", "newer": "newer", "at": "around"}
    for name, side in sides.items():
        with suppress(ValueError):
            message_id = int(query.get(name, ""))
            if 0 < message_id < 2**63:
                return side, message_id
    return None, None


def _by_day(messages: Iterable[Bubble], clock: Clock) -> Iterable[tuple[date, list[Bubble]]]:
    """Messages grouped by the day on which they were sent, in the business's zone. Their order is kept."""
    for day, of_day in groupby(messages, key=lambda message: clock.date_of(message["sent_at"])):
        yield day, list(of_day)


def _about(connection: Connection, site: Site, subject: Subject, clock: Clock) -> About:
    """All that the page shows of the person and their lead. `subject`: the person, and the conversation of the page."""
    settings = site.leads
    with_current_deadlines(connection, settings)  # changes what `due_at` is on this connection
    as_of = AsOf(clock.now, settings.stale_days, settings.dormant_days)
    detail = lead_detail(connection, subject, as_of, limit=_REASONS)
    person = detail["contact"]
    lead = detail["lead"]
    conversations = detail["conversations"]
    waiting = [each for each in conversations if each["waiting_since"]]
    calendar = settings.calendar() if waiting else None  # slow to load
    chat = next(each["chat"] for each in conversations if each["conversation_id"] == subject.conversation_id)
    here = waiting_details(connection, [subject.conversation_id]).get(subject.conversation_id)
    jids = [each["value"] for each in reversed(person["identities"]) if each["kind"] == "wa_jid"]  # newest first
    return About(
        name=lead_words.name_of(person, chat),
        names=words.names(person),
        ids=lead_words.ids_of(person, [each["chat"] for each in conversations]),
        number=wa_number(chat, person["phone"], jids),
        lead=lead,
        facts=lead_words.facts(lead, clock) if lead else [],
        waits=[(lead_words.waits(each, calendar, clock), _is_overdue(each, detail["as_of"])) for each in waiting],
        seen=here["last_at"] if here else None,
        planned=[lead_words.follow_up(each, clock) for each in detail["follow_ups"] if each["state"] == "planned"],
        classified=[lead_words.classified(each) for each in reversed(detail["classifications"])],
        touches=[lead_words.touch(each) for each in detail["touches"]],
        record=[lead_words.event(each) for each in reversed(detail["record"])],
        cycles=[lead_words.cycle(each) for each in reversed(detail["waiting"]) if each["ended_at"]],
        others=[lead_words.other(each) for each in detail["other_leads"]],
        merges=[each for each in person["merges"] if each["actor"] != "system"],
        duplicates=_possible_duplicates(connection, subject.contact_id),
    )


def _is_overdue(conversation: Conversation, now: str) -> bool:
    """Whether the target for an answer has passed. `now`: ISO. False where no target is known."""
    due = conversation["due_at"]
    return due is not None and due <= now


def _possible_duplicates(connection: Connection, root: int) -> list[ContactSummary]:
    """Other contacts with a chat that may be the same person as the contact with the id `root`; each once."""
    found = {
        each["contact_id"]: each
        for proposal in duplicates_of(connection, root)
        for each in proposal["contacts"]
        if each["contact_id"] != root and each["chat"]
    }
    return list(found.values())


# ---------------------------------------------------------------------- one person, or two


def _merge(request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Join this conversation's contact with the one of the form's `other`, a chat: they are one person."""
    from leadmasterd.actions.merges import merge

    done = merge(editor, request.path_params["id"], form.get("other", ""))
    undo = Undo(f"/chats/{request.path_params['id']}/merge/undo", {"merge": str(done.merge_id)})
    return Done(_("They are one person now."), undo)


def _undo_merge(_request: Request, form: Form, editor: "LeadEditor") -> Done:
    """Undo the form's `merge` (its id): they are two people."""
    from leadmasterd.actions.merges import undo_merge

    undo_merge(editor, needed_number(form, "merge"))
    return Done(_("They are two people again."))


ROUTES: Final[list[Route]] = [
    Route(CHAT, show),
    decision(f"{CHAT}/merge", _merge),
    decision(f"{CHAT}/merge/undo", _undo_merge),
]
