"""What is known of a lead, and why, in the words of its page. Text only: the templates make it safe for HTML."""

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
"""Characters that are shown of a burst: messages that somebody wrote one after the other."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list. `at`: when, ISO; `why`: more about `what`; `exactly`: the same with ids, for a tooltip."""

    at: str
    what: str
    why: str = ""
    exactly: str = ""


def name_of(person: Person, chat: str) -> str:
    """The best name that is known; without any, the phone or the id in `chat`, the JID of the conversation."""
    return words.best_name(person) or chat.removesuffix("@lid")


def ids_of(person: Person, chats: Iterable[str]) -> list[str]:
    """The person's phones, and those of `chats` (JIDs) whose number is none of these phones; without repeats."""
    phones = {phone.removeprefix("+") for phone in person["phones"]}
    other_chats = [chat for chat in chats if chat.partition("@")[0] not in phones]
    return list(dict.fromkeys((*person["phones"], *other_chats)))


def waits(conversation: Conversation, calendar: "BusinessCalendar | None", clock: Clock) -> str:
    """Since when and how long they wait for an answer, how much of it in opening hours, and which machine answered.

    The conversation has to be a waiting one. `calendar`: None if there are no usable opening hours.
    """
    since = conversation["waiting_since"] or ""
    waited = clock.seconds_since(since)
    text = _("for an answer since {at}: {length}").format(at=clock.spoken(since), length=length(waited))
    if calendar:
        in_hours = calendar.business_seconds(datetime.fromisoformat(since), clock.now)
        text += _share_in_hours(in_hours, waited)
    machine = conversation["answered_by"]
    return f"{text}; {words.answered_by(machine)}" if machine else text


def facts(lead: Lead, clock: Clock) -> list[tuple[str, str]]:
    """What is known of the lead, as lines: each a label and a text. Labels may repeat (notes)."""
    opened = f"{clock.spoken(lead['opened_at'])}, {words.opened_by(lead['source'])}"
    if lead["reopened"]:
        opened += ", " + _("reopened {n}x").format(n=lead["reopened"])
    stage = stage_name(lead["stage"])
    topics = lead["topics"] or [lead["intent"]]
    found = [
        (_("stage"), _("{stage} since {at}").format(stage=stage, at=clock.spoken(lead["stage_at"]))),
        (_("wants"), ", ".join(map(intent_name, topics))),
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
    """How long the first answer took, and how much of that was in opening hours (where it is known); or `not yet`."""
    wall = lead["first_response_seconds"]
    if wall is None:
        return _("not yet")
    text = _("after {wall}").format(wall=length(wall))
    in_hours = lead["first_response_business_seconds"]
    return text if in_hours is None else text + _share_in_hours(in_hours, wall)


def event(row: RecordEntry) -> Entry:
    """What changed and why, and who changed it."""
    return Entry(row["at"], words.recorded(row), who(row["actor"]))


def who(actor: str) -> str:
    """The name of a stored actor: a person's, or words for leadmasterd itself."""
    return _("leadmasterd itself") if actor == "system" else person_name(actor)


def classified(row: Classification) -> Entry:
    """A burst: what was written, what it was classified as and why, and which label a person gave it instead, if any.

    A burst without text is shown by the id of its first message.
    """
    written = " / ".join(text for text in row["texts"] if text.strip())
    what = f"«{shortened(written, _BURST)}»" if written else f"[{row['first_message_id']}]"
    reason = f"{intent_name(row['intent'])}: {plain_why(row['code'], row['values'])}"
    label = row["person"]
    if label:
        reason += "; " + _("{who} says: {intent}").format(who=who(label["actor"]), intent=intent_name(label["intent"]))
    return Entry(row["sent_at"], what, reason, why(row["code"], row["values"]))


def touch(row: Touch) -> Entry:
    """How they came to write, such as an ad; with the URL of that, unless the URL is shown as its name already."""
    name = touch_name(row)
    url = row["source_url"] or ""
    return Entry(row["at"], words.came_by(row), url if url != name else "")


def other(row: OtherLead) -> Entry:
    """Another lead of the same person: what it wanted, and its stage."""
    return Entry(row["opened_at"], intent_name(row["intent"]), stage_name(row["stage"]))


def follow_up(row: FollowUp, clock: Clock) -> Entry:
    """What a person should do and when, with "now" if that time has come."""
    is_due = row["due_at"] <= times.iso(clock.now)
    return Entry(row["due_at"], words.follow_up(row["kind"], row["number"]), _("now") if is_due else "")


def cycle(row: WaitingCycle) -> Entry:
    """How long they waited for an answer in the past, and what ended the wait. An unknown end is shown by its code."""
    ended = {
        "reply": _("answered"),
        "call": _("answered by a call"),
        "reaction": _("by a reaction"),
        "closed": _("the lead was closed"),
        "dismissed": _("no answer was needed"),
    }.get(row["ended_by"] or "", row["ended_by"] or "")
    wall = row["wall_seconds"] or 0
    text = length(wall)
    if row["business_seconds"] is not None:
        text += _share_in_hours(row["business_seconds"], wall)
    return Entry(row["started_at"], text, ended)


def _share_in_hours(seconds: float, wall: float) -> str:
    """How much of a duration was in opening hours, to append to it; empty if all of it was.

    `seconds`: those in opening hours; `wall`: all of them.
    """
    business = open_length(seconds)
    if business == length(wall):
        return ""
    return ", " + _("{business} of it in opening hours").format(business=business)
