"""`/`: who waits for an answer, the longest first, with what they wrote and buttons to decide. Updates by itself."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from leadmasterd.classify.intents import INTENTS, UNKNOWN
from leadmasterd.classify.reasons import group_name, intent_name, plain_why, why
from leadmasterd.clock import Clock
from leadmasterd.leads.stages import DECIDABLE
from leadmasterd.queries import words
from leadmasterd.queries.deadlines import with_current_deadlines
from leadmasterd.queries.lead_detail import DetailMessage
from leadmasterd.queries.messages import content_of
from leadmasterd.queries.waiting import WaitingConversation, count_waiting, waiting
from leadmasterd.queries.waiting_detail import WaitingDetail, waiting_details
from leadmasterd.readable import line
from leadmasterd.reasons import person_name
from leadmasterd.sentences import stage_name
from leadmasterd.text import _, printable, shortened
from leadmasterd.web import likely
from leadmasterd.web.render import environment, render
from leadmasterd.web.site import session_of, site_of

PAGE: Final = 10
"""Rows on one page."""
_SOON: Final = 2 / 3
"""Share of the target after which a row is shown as about to be missed."""
_LONGEST: Final = 240
"""Characters of one line that they wrote."""


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation that waits, in words. What strangers wrote is safe to show. Times are ISO."""

    conversation: int
    who: str
    under: str
    """How to reach them, such as a phone; empty if `who` is that already."""
    state: str
    """The style of the row: `ok`, `soon` or `late`."""
    part: float
    """How much of the target has passed, in opening hours: from 0 to 1."""
    waited_seconds: float
    due_at: str | None
    overdue: bool
    wants: str
    why: str
    exactly_why: str
    stage: str | None
    stage_name: str
    labels: list[likely.Choice]
    stages: list[likely.Choice]
    has_lead: bool
    lines: list[str]
    """What they wrote, the latest few messages."""
    touch: str
    number: str | None
    """For a wa.me link; None if no phone is known."""
    message_id: int | None
    """The message with which the wait began; None for a missed call."""
    last_at: str
    """When they last wrote or called."""


def show(request: Request) -> Response:
    """The whole page, or with `?fragment` the part of it that changes. `from`: how many rows to skip.

    After each change all open pages of a session ask for the fragment at the same moment, so they share one answer.
    While no page is open, changes are not counted. A shared answer could be old then, so none is shared.
    """
    site = site_of(request)
    session = session_of(request)
    if "fragment" not in request.query_params or session is None or not site.watch.open_pages:
        return _page(request)
    question = (session.id, _skip(request.query_params.get("from", "")))
    return HTMLResponse(site.shared.get(question, site.watch.announced, lambda: bytes(_page(request).body)))


def _page(request: Request) -> HTMLResponse:
    """The answer, made from the database. While some messages are not projected yet, it says how many."""
    site = site_of(request)
    now = datetime.now(UTC)
    skip = _skip(request.query_params.get("from", ""))
    target = site.leads.target_seconds
    clock = Clock(now, site.leads.zone())
    with site.reading() as plain:
        connection = with_current_deadlines(plain, site.leads, while_pending=False)
        count = count_waiting(connection, now)
        # Without `business_seconds` the time waited is a lower bound. That is exact enough, and needs no calendar.
        found = waiting(connection, now, limit=PAGE, skip=skip, target_seconds=target, business_seconds=None)
        details = waiting_details(connection, [row["conversation_id"] for row in found])
    rows = [_row(row, details[row["conversation_id"]], target, clock) for row in found]
    next_skip = skip + len(rows)
    return render(
        request,
        "_waiting.html" if "fragment" in request.query_params else "waiting.html",
        count=count,
        pending=words.pending_note(count["unjudged"]) if count["unjudged"] else "",
        rows=rows,
        skip=skip,
        more=next_skip if next_skip < count["conversations"] else None,
        label_buttons=label_buttons(),
        stage_buttons=stage_buttons,
    )


def _skip(text: str) -> int:
    """How many rows to skip, by the address; 0, which is the first page, for what is no number or a very large one."""
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return int(text) if is_number else 0


def _row(row: WaitingConversation, detail: WaitingDetail, target: float, clock: Clock) -> Row:
    """A row as the page shows it. `target`: seconds of opening hours within which to answer."""
    who, under = words.person(row)
    classified = detail["classified"]
    guess = classified["values"].get("guess") if classified else None
    part = row["waited_business_seconds"] / target
    if row["overdue"]:
        state = "late"
    elif part >= _SOON:
        state = "soon"
    else:
        state = "ok"
    return Row(
        conversation=row["conversation_id"],
        who=printable(who),
        under=printable(under),
        state=state,
        part=1.0 if row["overdue"] else round(part, 3),
        waited_seconds=row["waited_seconds"],
        due_at=row["due_at"],
        overdue=row["overdue"],
        wants=words.wanted(row),
        why=_why(detail),
        exactly_why=_exactly_why(detail),
        stage=row["stage"],
        stage_name=stage_name(row["stage"]) if row["stage"] else "",
        labels=likely.labels(row["intent"], guess),
        stages=likely.stages(row["stage"]),
        has_lead=row["lead_id"] is not None,
        lines=[_line(message, clock) for message in detail["words"]],
        touch=_touch(detail),
        number=detail["number"],
        message_id=detail["message_id"],
        last_at=detail["last_at"],
    )


def _why(detail: WaitingDetail) -> str:
    """Why the row says that they want this: the person who labelled it, else the classifier's reason; or empty."""
    labelled = detail["labelled"]
    if labelled:
        return _("{who} says so").format(who=printable(person_name(labelled["actor"])))
    classified = detail["classified"]
    if classified:
        return plain_why(classified["code"], classified["values"])
    return ""


def _exactly_why(detail: WaitingDetail) -> str:
    """The classifier's reason with the rule's id, for people who write rules; empty if a person labelled it."""
    classified = detail["classified"]
    if detail["labelled"] or not classified:
        return ""
    return printable(why(classified["code"], classified["values"]))


def _line(message: DetailMessage, clock: Clock) -> str:
    """A message as one short line, safe to show; marked if it was deleted."""
    text = shortened(line(content_of(message), clock.full), _LONGEST)
    if message["revoked_at"]:
        text = _("[deleted] {text}").format(text=text).rstrip()
    return printable(text)


def _touch(detail: WaitingDetail) -> str:
    """A sentence on how they came to write, such as an ad; empty if it is not known."""
    touch = detail["touch"]
    if touch is None:
        return ""
    name = printable(shortened(touch["headline"] or touch["source_id"] or touch["source_url"] or "?", _LONGEST))
    sentences = {
        "ad": _("Came by an ad: {name}"),
        "link": _("Came with a link: {name}"),
        "campaign": _("Came by a campaign: {name}"),
        "product": _("Came from a product: {name}"),
        "status": _("Answers our status: {name}"),
    }
    return sentences.get(touch["kind"], "{name}").format(name=name)


@cache
def label_buttons() -> Markup:
    """HTML of a button for each label, in groups. Made once for all rows, since each row has all the buttons."""
    groups = {
        group_name(group): [(intent, intent_name(intent)) for intent in intents]
        for group, intents in INTENTS.items()
        if group != UNKNOWN
    }
    return _buttons("intent", groups)


@cache
def stage_buttons(current: str | None) -> Markup:
    """HTML of a button for each stage but the current one; for all of them if there is no lead (None)."""
    return _buttons("stage", {"": [(stage, stage_name(stage)) for stage in DECIDABLE if stage != current]})


def _buttons(field: str, groups: dict[str, list[tuple[str, str]]]) -> Markup:
    """HTML of buttons for a form's `field`. `groups`: by heading, each a list of values and labels; "": no heading."""
    return Markup(environment().get_template("_buttons.html").render(field=field, groups=groups))


ROUTES: Final[list[Route]] = [Route("/", show)]
