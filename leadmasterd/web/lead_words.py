"""What is known of a lead, and why, in the sentences of the page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from leadmasterd import times
from leadmasterd.classify.reasons import intent_name, plain_why, why
from leadmasterd.clock import Clock, length, open_length
from leadmasterd.queries import words
from leadmasterd.queries.lead_detail import (
    Classification,
    Conversation,
    FollowUp,
    OtherLead,
    Person,
    RecordEntry,
    Touch,
    WaitingCycle,
)
from leadmasterd.queries.leads import Lead, touch_name
from leadmasterd.reasons import person_name
from leadmasterd.sentences import stage_name
from leadmasterd.text import _, shortened

if TYPE_CHECKING:
    from leadmasterd.leads.calendar import BusinessCalendar

_BURST = 160
"""Characters of what somebody wrote together."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list: when, what, and more about it; `exactly`: with ids. None of it is safe for a page yet."""

    at: str
    what: str
    why: str = ""
    exactly: str = ""


def name_of(person: Person, chat: str) -> str:
    """The best name, or else a phone or the chat's id."""
    return words.best_name(person) or chat.removesuffix("@lid")


def ids_of(person: Person, chats: Iterable[str]) -> list[str]:
    """Phones, and the ids of chats that show none of these."""
    shown = {phone.removeprefix("+") for phone in person["phones"]}
    others = [chat for chat in chats if chat.partition("@")[0] not in shown]
    return list(dict.fromkeys((*person["phones"], *others)))


def waits(conversation: Conversation, calendar: "BusinessCalendar | None", clock: Clock) -> str:
    """Since when, how long in open hours, and whether that is too long."""
    since = conversation["waiting_since"] or ""
    text = _("for an answer since {at}: {length}").format(
        at=clock.spoken(since), length=length(clock.seconds_since(since))
    )
    if calendar:
        text += _open(calendar.business_seconds(datetime.fromisoformat(since), clock.now), clock.seconds_since(since))
    machine = conversation["answered_by"]
    return f"{text}; {words.answered_by(machine)}" if machine else text


def facts(lead: Lead, clock: Clock) -> list[tuple[str, str]]:
    """The lead in labelled lines."""
    opened = f"{clock.spoken(lead['opened_at'])}, {words.opened_by(lead['source'])}"
    if lead["reopened"]:
        opened += ", " + _("reopened {n}x").format(n=lead["reopened"])
    stage = stage_name(lead["stage"])
    found = [
        (_("stage"), _("{stage} since {at}").format(stage=stage, at=clock.spoken(lead["stage_at"]))),
        (_("wants"), ", ".join(map(intent_name, lead["topics"] or [lead["intent"]]))),
        (_("opened"), opened),
        (_("answered"), _answered(lead)),
    ]
    if lead["proposed"]:
        found.append((_("note"), _("may need closing: {intent}").format(intent=intent_name(lead["proposed"]))))
    if lead["dormant_proposed"]:
        found.append((_("note"), _("silent for so long that it may be dormant")))
    elif lead["stale"]:
        found.append((_("note"), _("stale: silent, and no follow-up planned")))
    return found


def _answered(lead: Lead) -> str:
    if lead["first_response_seconds"] is None:
        return _("not yet")
    text = _("after {wall}").format(wall=length(lead["first_response_seconds"]))
    business = lead["first_response_business_seconds"]
    return text if business is None else text + _open(business, lead["first_response_seconds"])


def event(row: RecordEntry) -> Entry:
    """Who or what changed what, and why."""
    return Entry(row["at"], words.recorded(row), who(row["actor"]))


def who(actor: str) -> str:
    """A person by name; the program itself has none."""
    return _("leadmasterd itself") if actor == "system" else person_name(actor)


def classified(row: Classification) -> Entry:
    """What they wrote together, what it was taken for, and why."""
    said = " / ".join(text for text in row["texts"] if text.strip())
    text = f"{intent_name(row['intent'])}: {plain_why(row['code'], row['values'])}"
    if label := row["person"]:
        text += "; " + _("{who} says: {intent}").format(who=who(label["actor"]), intent=intent_name(label["intent"]))
    words_of = f"«{shortened(said, _BURST)}»" if said else f"[{row['first_message_id']}]"
    return Entry(row["sent_at"], words_of, text, why(row["code"], row["values"]))


def touch(row: Touch) -> Entry:
    """How they came."""
    name, url = touch_name(row), row["source_url"] or ""
    return Entry(row["at"], words.came_by(row), url if url != name else "")


def other(row: OtherLead) -> Entry:
    """Another lead of the same person."""
    return Entry(row["opened_at"], intent_name(row["intent"]), stage_name(row["stage"]))


def follow_up(row: FollowUp, clock: Clock) -> Entry:
    """What there is to do."""
    late = row["due_at"] <= times.iso(clock.now)
    return Entry(row["due_at"], words.follow_up(row["kind"], row["number"]), _("now") if late else "")


def cycle(row: WaitingCycle) -> Entry:
    """How long they waited for an answer, and what ended it."""
    ended = {
        "reply": _("answered"),
        "call": _("answered by a call"),
        "reaction": _("by a reaction"),
        "closed": _("the lead was closed"),
        "dismissed": _("no answer was needed"),
    }.get(row["ended_by"] or "", row["ended_by"] or "")
    text = length(row["wall_seconds"] or 0)
    if row["business_seconds"] is not None:
        text += _open(row["business_seconds"], row["wall_seconds"] or 0)
    return Entry(row["started_at"], text, ended)


def _open(seconds: float, wall: float) -> str:
    """How much of a length was in opening hours, to append to it; empty where all of it was."""
    business = open_length(seconds)
    return "" if business == length(wall) else ", " + _("{business} of it in opening hours").format(business=business)
