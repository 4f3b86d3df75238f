"""`leadmasterd leads show`: one lead in full, with the reason for everything."""

import argparse
import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from leadmasterd import times
from leadmasterd.classify.reasons import group_name, intent_name, why
from leadmasterd.cli import reading
from leadmasterd.cli.arguments import add_epilog, add_id, add_json, add_limit
from leadmasterd.cli.message_text import message_text
from leadmasterd.cli.tables import folded, note_more
from leadmasterd.clock import Clock, length, open_length
from leadmasterd.errors import NO
from leadmasterd.queries import words
from leadmasterd.queries.database import one_state
from leadmasterd.queries.lead_detail import (
    Classification,
    Conversation,
    DetailMessage,
    FollowUp,
    LeadDetail,
    OtherLead,
    Person,
    RecordEntry,
    Touch,
    WaitingCycle,
    lead_detail,
)
from leadmasterd.queries.leads import AsOf, Lead, touch_name
from leadmasterd.queries.people import find_or_refuse
from leadmasterd.reasons import person_name
from leadmasterd.sentences import stage_name
from leadmasterd.settings.leads_light import LightLeadsSettings
from leadmasterd.settings.paths import find_paths
from leadmasterd.text import _, printable, shortened

if TYPE_CHECKING:
    from leadmasterd.leads.calendar import BusinessCalendar

_LABEL: Final = len("  contact    ")
_TIME: Final = len("  2026-11-23 14:03  ")
"""Screen columns where texts begin, for continuation lines."""
_BURST: Final = 60
"""How many characters of a burst are shown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which lead, how many of its messages to show, and `--json`."""
    add_id(parser)
    add_limit(parser, _("show at most N messages, the newest (default 20)"))
    add_json(parser)
    add_epilog(
        parser, "leadmasterd leads show 5", "leadmasterd leads show +5491155550001", "leadmasterd leads show Ana"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the lead, or a person without one. Returns 1 if there is no database. Raises Refused for an unknown id."""
    paths = find_paths(arguments.config)
    settings = reading.leads_settings(paths)
    as_of = AsOf(datetime.now(UTC), settings.stale_days, settings.dormant_days)
    connection = reading.leads_database(paths, settings)
    if connection is None:
        return NO
    with closing(connection), one_state(connection):
        subject = find_or_refuse(connection, arguments.id, settings.country)
        answer = lead_detail(connection, subject, as_of, limit=arguments.limit)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    # Of a withdrawn lead only the message that opened it is known.
    was_withdrawn = subject.lead_id is None and subject.opened_by is not None
    if was_withdrawn:
        print(_("Lead {lead} was withdrawn; this is what is known now.").format(lead=arguments.id.strip()))
    _print(answer, as_of.now, settings)
    note_more(len(answer["messages"]), arguments.limit)
    return 0


def _print(answer: LeadDetail, now: datetime, settings: LightLeadsSettings) -> None:
    """Print it all for people: a heading, labelled lines, and a section for each kind of detail."""
    clock = Clock(now, settings.zone())
    lead, contact, conversations = answer["lead"], answer["contact"], answer["conversations"]
    name = printable(words.best_name(contact) or conversations[0]["chat"])
    if lead:
        heading = _("Lead {lead}: {name}").format(lead=lead["lead_id"], name=name)
    else:
        heading = _("No lead: {name}").format(name=name)
    print(folded(heading, 2))
    labelled = _contact_rows(contact, conversations)
    if lead:
        labelled += _lead_rows(lead, answer["other_leads"], clock)
    # The calendar is slow to load, and only waits need it.
    calendar = settings.calendar() if any(each["waiting_since"] for each in conversations) else None
    for each in conversations:
        if since := each["waiting_since"]:
            labelled.append((_("waits"), _waits(since, each, calendar, clock)))
    if zone := clock.zone_name():
        labelled.append((_("times"), _("in {zone} time (leads.timezone)").format(zone=zone)))
    for label, text in labelled:
        print(folded(f"  {label:<10} {printable(text)}", _LABEL))
    planned = [each for each in answer["follow_ups"] if each["state"] == "planned"]
    _section(_("What they wanted"), [_classified(each, clock) for each in answer["classifications"]])
    _section(_("Came by"), [_touch(each, clock) for each in answer["touches"]])
    _section(_("Record"), [_event(each, clock) for each in answer["record"]])
    _section(_("To do"), [_follow_up(each, clock) for each in planned])
    _section(_("Waited"), [_cycle(each, clock) for each in answer["waiting"] if each["ended_at"]])
    _section(_("Messages"), [_message(each, clock) for each in answer["messages"]])


def _section(title: str, lines: list[str]) -> None:
    """Print the lines below a title; nothing if there are none."""
    if lines:
        print(f"\n{title}")
        for line in lines:
            print(folded(f"  {line}", _TIME))


def _contact_rows(contact: Person, conversations: list[Conversation]) -> list[tuple[str, str]]:
    """Labelled lines about the person: names, ids, merges, and what they wrote about if that is no enquiry."""
    names = words.names(contact)
    chats = [each["chat"] for each in conversations]
    ids = dict.fromkeys([*contact["phones"], *chats])  # each once
    rows = [(_("contact"), "; ".join(names) or _("no name is known")), (_("reach"), ", ".join(ids))]
    for merge in contact["merges"]:
        by = person_name(merge["actor"])
        rows.append((_("merged"), _("merge {n}, by {who}").format(n=merge["merge_id"], who=by)))
    category = next((each["category"] for each in conversations if each["category"]), None)
    if category:
        rows.append((_("about"), group_name(category)))
    return rows


def _lead_rows(lead: Lead, others: list[OtherLead], clock: Clock) -> list[tuple[str, str]]:
    """Labelled lines about the lead. `others`: further leads of the same person."""
    topics = lead["topics"] or [lead["intent"]]
    stage = _("{stage} since {at}").format(stage=stage_name(lead["stage"]), at=clock.full(lead["stage_at"]))
    opened_text = f"{clock.full(lead['opened_at'])}, {words.opened_by(lead['source'])}"
    if lead["reopened"]:
        opened_text += ", " + _("reopened {n}x").format(n=lead["reopened"])
    rows = [
        (_("stage"), stage),
        (_("wants"), ", ".join(map(intent_name, topics))),
        (_("opened"), opened_text),
    ]
    if lead["first_response_seconds"] is not None:
        answered = _("after {wall}").format(wall=length(lead["first_response_seconds"]))
        if lead["first_response_business_seconds"] is not None:
            answered += ", " + _open(lead["first_response_business_seconds"])
        rows.append((_("answered"), answered))
    else:
        rows.append((_("answered"), _("not yet")))
    notes = []
    if lead["proposed"]:
        notes.append(_("may need closing: {intent}").format(intent=intent_name(lead["proposed"])))
    if lead["dormant_proposed"]:
        notes.append(_("silent for so long that it may be dormant"))
    elif lead["stale"]:
        notes.append(_("stale: silent, and no follow-up planned"))
    if lead["merged_into_id"]:
        notes.append(_("merged into lead {lead}").format(lead=lead["merged_into_id"]))
    rows += [(_("note"), note) for note in notes]
    if others:
        listed = ", ".join(f"{each['lead_id']} ({stage_name(each['stage'])})" for each in others)
        rows.append((_("also"), _("leads {leads}").format(leads=listed)))
    return rows


def _waits(since: str, conversation: Conversation, calendar: "BusinessCalendar | None", clock: Clock) -> str:
    """Since when somebody waits, how long that is, when an answer is due, and which machine has answered meanwhile.

    `calendar`: None if the opening hours can't be used; how much of the wait was in them is then left out.
    """
    due_at = conversation["due_at"]
    text = _("for an answer since {at}: {length}").format(
        at=clock.full(since), length=length(clock.seconds_since(since))
    )
    if calendar:
        text += ", " + _open(calendar.business_seconds(datetime.fromisoformat(since), clock.now))
    if due_at and due_at <= times.iso(clock.now):
        text += "; " + _("overdue since {at}").format(at=clock.full(due_at))
    elif due_at:
        text += "; " + _("due at {at}").format(at=clock.full(due_at))
    if machine := conversation["answered_by"]:
        text += "; " + words.answered_by(machine)
    return text


def _classified(row: Classification, clock: Clock) -> str:
    """A burst in one line: its time; its words, or else its first message's id; its label and why; a person's label."""
    body = printable(" / ".join(text for text in row["texts"] if text.strip()))
    burst = f"«{shortened(body, _BURST)}»" if body else f"[{row['first_message_id']}]"
    text = f"{clock.full(row['sent_at'])}  {burst}: {intent_name(row['intent'])}, {why(row['code'], row['values'])}"
    if label := row["person"]:
        who = printable(person_name(label["actor"]))
        text += "; " + _("{who} says: {intent}").format(who=who, intent=intent_name(label["intent"]))
    return text


def _touch(touch: Touch, clock: Clock) -> str:
    """How the customer came, in one line, with the link's address unless the address is shown as its name."""
    text = f"{clock.full(touch['at'])}  {printable(words.came_by(touch))}"
    if touch["source_url"] and touch["source_url"] != touch_name(touch):
        text += f" ({printable(touch['source_url'])})"
    return text


def _event(event: RecordEntry, clock: Clock) -> str:
    """An entry of the lead's record in one line: when, who, and what changed."""
    actor = event["actor"]
    who = _("system") if actor == "system" else printable(person_name(actor))
    return f"{clock.full(event['at'])}  {who}: {words.recorded(event)}"


def _follow_up(follow_up: FollowUp, clock: Clock) -> str:
    """A follow-up in one line: when it is due, and what there is to do."""
    what = words.follow_up(follow_up["kind"], follow_up["number"])
    text = f"{clock.full(follow_up['due_at'])}  {what}"
    is_due = follow_up["due_at"] <= times.iso(clock.now)
    if is_due:
        text += " " + _("(now)")
    return text


def _message(message: DetailMessage, clock: Clock) -> str:
    """A message in one line, with who wrote it if that was not a person, and its id."""
    arrow = "<-" if message["direction"] == "in" else "->"
    authors = {
        "auto_reply": _("auto"), "mailing": _("mailing"), "assistant": _("assistant"), "api": _("program"),
        "system": _("nobody"),
    }  # fmt: skip
    author = authors.get(message["author"])
    by = f"({author}) " if author else ""
    at = clock.full(message["sent_at"])
    return f"{at}  {arrow} {by}{message_text(message, clock)}  [{message['message_id']}]"


def _cycle(row: WaitingCycle, clock: Clock) -> str:
    """A wait that has ended in one line: since when, how long, and what ended it."""
    endings = {
        "reply": _("answered"),
        "call": _("answered by a call"),
        "reaction": _("by a reaction"),
        "closed": _("the lead was closed"),
        "dismissed": _("no answer needed"),
    }
    ended_by = row["ended_by"] or ""
    text = f"{clock.full(row['started_at'])}  {length(row['wall_seconds'] or 0)}"
    if row["business_seconds"] is not None:
        text += ", " + _open(row["business_seconds"])
    return f"{text}: {endings.get(ended_by, ended_by)}"


def _open(seconds: float) -> str:
    """How much of a length of time was in opening hours."""
    return _("{business} of it in opening hours").format(business=open_length(seconds))
