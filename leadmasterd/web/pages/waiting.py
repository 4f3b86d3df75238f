"""`/`: who waits for an answer, the longest first, with what it takes to answer. Changes by itself."""

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
"""Of the target: from here on it is about to be missed."""
_LONGEST: Final = 240
"""Characters of one line of theirs."""


@dataclass(frozen=True, slots=True)
class Row:
    """One who waits, in words. `part`: how much of the target is used up; `under`: how to reach them."""

    conversation: int
    who: str
    under: str
    state: str
    part: float
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
    touch: str
    number: str | None
    message_id: int | None
    last_at: str


def show(request: Request) -> Response:
    """The page, or the part of it that changes. `from`: how many to skip."""
    site, session = site_of(request), session_of(request)
    if "fragment" not in request.query_params or session is None or not site.watch.open_pages:
        return _made(request)
    question = session.id, _skip(request.query_params.get("from", ""))
    return HTMLResponse(site.shared.get(question, site.watch.told, lambda: bytes(_made(request).body)))


def _made(request: Request) -> HTMLResponse:
    site = site_of(request)
    now = datetime.now(UTC)
    skip = _skip(request.query_params.get("from", ""))
    target = site.leads.target_seconds
    clock = Clock(now, site.leads.zone())
    with site.reading() as plain:
        connection = with_current_deadlines(plain, site.leads, while_pending=False)
        count = count_waiting(connection, now)
        found = waiting(connection, now, limit=PAGE, skip=skip, target_seconds=target, business_seconds=None)
        details = waiting_details(connection, [row["conversation_id"] for row in found])
    rows = [_row(row, details[row["conversation_id"]], target, clock) for row in found]
    return render(
        request,
        "_waiting.html" if "fragment" in request.query_params else "waiting.html",
        count=count,
        pending=words.pending_note(count["unjudged"]) if count["unjudged"] else "",
        rows=rows,
        skip=skip,
        more=skip + len(rows) if skip + len(rows) < count["conversations"] else None,
        label_buttons=label_buttons(),
        stage_buttons=stage_buttons,
    )


def _skip(text: str) -> int:
    """A wrong number is the first page."""
    return min(int(text), 10**9) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _row(row: WaitingConversation, detail: WaitingDetail, target: float, clock: Clock) -> Row:
    who, under = words.person(row)
    classified = detail["classified"]
    part = row["waited_business_seconds"] / target
    return Row(
        conversation=row["conversation_id"],
        who=printable(who),
        under=printable(under),
        state="late" if row["overdue"] else "soon" if part >= _SOON else "ok",
        part=1.0 if row["overdue"] else round(part, 3),
        waited_seconds=row["waited_seconds"],
        due_at=row["due_at"],
        overdue=row["overdue"],
        wants=words.wanted(row),
        why=_why(detail),
        exactly_why=_exactly_why(detail),
        stage=row["stage"],
        stage_name=stage_name(row["stage"]) if row["stage"] else "",
        labels=likely.labels(row["intent"], classified["values"].get("guess") if classified else None),
        stages=likely.stages(row["stage"]),
        has_lead=row["lead_id"] is not None,
        lines=[_line(message, clock) for message in detail["words"]],
        touch=_touch(detail),
        number=detail["number"],
        message_id=detail["message_id"],
        last_at=detail["last_at"],
    )


def _why(detail: WaitingDetail) -> str:
    """Why they are taken for what they want: the person who said so, else the classifier's reason."""
    if labelled := detail["labelled"]:
        return _("{who} says so").format(who=printable(person_name(labelled["actor"])))
    if classified := detail["classified"]:
        return plain_why(classified["code"], classified["values"])
    return ""


def _exactly_why(detail: WaitingDetail) -> str:
    """With the rule's id, for who looks after the rules."""
    classified = None if detail["labelled"] else detail["classified"]
    return printable(why(classified["code"], classified["values"])) if classified else ""


def _line(message: DetailMessage, clock: Clock) -> str:
    text = shortened(line(content_of(message), clock.full), _LONGEST)
    if message["revoked_at"]:
        text = _("[deleted] {text}").format(text=text).rstrip()
    return printable(text)


def _touch(detail: WaitingDetail) -> str:
    """How they came; empty where nothing says so."""
    touch = detail["touch"]
    if touch is None:
        return ""
    name = printable(shortened(touch["headline"] or touch["source_id"] or touch["source_url"] or "?", _LONGEST))
    said = {
        "ad": _("Came by an ad: {name}"),
        "link": _("Came with a link: {name}"),
        "campaign": _("Came by a campaign: {name}"),
        "product": _("Came from a product: {name}"),
        "status": _("Answers our status: {name}"),
    }
    return said.get(touch["kind"], "{name}").format(name=name)


@cache
def label_buttons() -> Markup:
    """A button for each label, made once: with them on each of many rows, a template would make thousands."""
    groups = {group_name(group): intents for group, intents in INTENTS.items() if group != UNKNOWN}
    return _buttons("intent", {name: [(each, intent_name(each)) for each in ids] for name, ids in groups.items()})


@cache
def stage_buttons(current: str | None) -> Markup:
    """A button for each stage but the current one."""
    return _buttons("stage", {"": [(stage, stage_name(stage)) for stage in DECIDABLE if stage != current]})


def _buttons(field: str, groups: dict[str, list[tuple[str, str]]]) -> Markup:
    """`groups`: by their names, each with the values and labels of its buttons."""
    return Markup(environment().get_template("_buttons.html").render(field=field, groups=groups))


ROUTES: Final[list[Route]] = [Route("/", show)]
